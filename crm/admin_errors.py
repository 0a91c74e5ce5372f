"""The error console: for each CRM what failed, why, what to do about it, and the button that tries again."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from crm import admin_log, console, echoes, link_errors, naming
from crm.admin_filters import CauseFilter, KindFilter
from crm.admin_records_desk import (
    SHORT_NAME,
    LinkList,
    RecordsAdmin,
    crms,
    field_label,
    get,
    label_of,
    labels_there,
    named,
    record_of,
    shown,
    staff,
    uuids,
)
from crm.catalogue import KIND_LABELS
from crm.models import RecordLink

PAGE = 50
MOST_WRITES = 50


@admin.register(RecordLink)
class RecordLinkAdmin(RecordsAdmin):
    """Every row of ours that is linked with a record, above it how each CRM is doing."""

    list_display = ["ours", "what", "record", "state", "why", "looked_at", "company"]
    list_filter = [
        KindFilter,
        "state",
        CauseFilter,
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company", "integration"]
    search_fields = ["external_id", "row_id"]
    searches_names_of = "pk"
    search_help_text = "Name, e-mail or domain, title, or id of the record there or of our row"
    change_list_template = "admin/crm_records/link_list.html"
    ordering = ["-created_at"]
    actions = ["resync_selected"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("console/<uuid:pk>/", view(self.console_view), name="crm_console"),
            path("console/<uuid:pk>/records/", view(self.records_view), name="crm_console_records"),
            path("console/<uuid:pk>/resync/", view(self.resync_view), name="crm_console_resync"),
            path("<uuid:pk>/resync/", view(self.resync_one_view), name="crm_recordlink_resync"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LinkList]:
        return LinkList

    @admin.display(description="ours")
    def ours(self, link: RecordLink) -> str:
        return naming.one_line(named(link).label, SHORT_NAME)

    @admin.display(description="in the CRM")
    def record(self, link: RecordLink) -> str:
        return record_of(named(link))

    @admin.display(description="kind", ordering="kind")
    def what(self, link: RecordLink) -> str:
        return KIND_LABELS.get(link.kind, link.kind)

    @admin.display(description="what went wrong", ordering="error_cause")
    def why(self, link: RecordLink) -> str:
        return console.cause_of(link.error_cause).title if link.error_cause else link.reason

    @admin.action(description="Compare again, and write what is due", permissions=["change"])
    def resync_selected(self, request: HttpRequest, queryset: QuerySet[RecordLink]) -> None:
        self._resync(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with how each CRM is doing above it."""
        standings = console.standings(list(crms()))
        return super().changelist_view(request, {**(extra_context or {}), "standings": standings})

    def console_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """One CRM: its allowance, why records failed, and what could not be read."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        integration = get(crms(), pk)
        [standing] = console.standings([integration])
        aside = Paginator(console.set_aside(integration), PAGE).get_page(request.GET.get("aside"))
        context = self.shared(
            request,
            label_of(integration),
            integration=integration,
            standing=standing,
            allowance=standing.allowance,
            groups=console.groups(integration),
            set_aside=aside,
            log=admin_log.told(integration),
        )
        return TemplateResponse(request, "admin/crm_records/console.html", context)

    def records_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The records that failed for one cause."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        integration = get(crms(), pk)
        cause, field = request.GET.get("cause", ""), request.GET.get("field", "")
        page = Paginator(console.failed(integration, cause, field), PAGE).get_page(request.GET.get("page"))
        context = self.shared(
            request,
            console.cause_of(cause).title,
            integration=integration,
            label=label_of(integration),
            cause=console.cause_of(cause),
            cause_name=cause,
            field=field,
            query=urlencode({"cause": cause, "field": field}),
            page=page,
            records=shown(page.object_list),
        )
        return TemplateResponse(request, "admin/crm_records/records.html", context)

    def resync_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Try those again that were ticked, or all of the group."""
        self.check_change(request)
        integration = get(crms(), pk)
        cause, field = request.POST.get("cause", ""), request.POST.get("field", "")
        links = console.failed(integration, cause, field)
        is_all = request.POST.get("which") == "all"
        if not is_all:
            links = links.filter(pk__in=uuids(request.POST.getlist("link")))
        count = self._resync(request, links, is_all)
        if count:
            which = f"all {count:,}" if is_all else f"{count:,} of those"
            words = f"Had {which} that failed compared again: {console.cause_of(cause).title}"
            admin_log.note(staff(request), integration, f"{words}, field {field}." if field else f"{words}.")
        if console.failed(integration, cause, field).exists():
            address = reverse("admin:crm_console_records", args=[pk])
            return redirect(f"{address}?{urlencode({'cause': cause, 'field': field})}")
        return redirect("admin:crm_console", pk)

    def resync_one_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Try one again."""
        self.check_change(request)
        self._resync(request, RecordLink.objects.filter(pk=get(RecordLink.objects.all(), pk).pk))
        return redirect("admin:crm_recordlink_change", pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One link: what both sides hold, what we wrote, and what gave way."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        link = get(RecordLink.objects.select_related("integration__company"), object_id)
        [one] = shown([link])
        there = labels_there(link.integration, link.crm_object)
        context = self.shared(
            request,
            one.label,
            link=link,
            shown=one,
            label=label_of(link.integration),
            shadow=[(there.get(name, ""), name, half) for name, half in sorted(link.shadow.items())],
            writes=[(write, echoes.words(write)) for write in link.writes.all()[:MOST_WRITES]],
            conflicts=[
                (conflict, field_label(conflict.lpxgp_field)) for conflict in link.conflicts.all()[:MOST_WRITES]
            ],
            log=admin_log.told(link),
        )
        return TemplateResponse(request, "admin/crm_records/link.html", context)

    def _resync(self, request: HttpRequest, links: QuerySet[RecordLink], is_all: bool = False) -> int:
        """Try these again, and say so; returns how many. Of single ones each keeps who asked."""
        ids = list(links.values_list("pk", flat=True))
        asked = RecordLink.objects.filter(pk__among=ids)
        if not is_all:
            admin_log.note_each(staff(request), asked, "Had it compared again.")
        count = link_errors.resync(asked)
        if count:
            messages.success(request, f"Asked again for {count:,}: the worker does it now. Reload to see how it ends.")
        else:
            messages.warning(request, "Nothing was chosen: tick the records to try again.")
        return count
