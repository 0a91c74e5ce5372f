"""What was written to a CRM and what came back, what gave way, and where both sides differ."""

import uuid
from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django_q.tasks import async_task

from crm import admin_log, conflicts, drift, echoes, link_errors, naming, rows
from crm.admin_filters import CameBackFilter, PutBackFilter, StayedFilter, WhenFilter
from crm.admin_records_desk import (
    SHORT_NAME,
    LinkedList,
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
from crm.models import Conflict, DriftReport, RecordLink, Write
from integrations.errors import Unusable
from relationships import tenancy
from relationships.models import Organization

MOST_SHOWN = 200
SHORT_VALUE, SHORT_VALUES = 30, 70
"""As many letters of one value, and of all that a write sent, stand in the list: two lines."""


@admin.register(Write)
class WriteAdmin(RecordsAdmin):
    """The ledger: every write, and whether it came back."""

    list_display = ["about", "record", "wrote", "came_of_it", "planned_at", "company"]
    list_filter = [
        "state",
        CameBackFilter,
        ("planned_at", WhenFilter),
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company", "link__integration"]
    search_fields = ["external_id"]
    searches_names_of = "link"
    search_help_text = "Name, e-mail or domain, title, or id of the record there"
    change_list_template = "admin/crm_records/write_list.html"
    ordering = ["-planned_at"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LinkedList]:
        return LinkedList

    @admin.display(description="about")
    def about(self, write: Write) -> str:
        return naming.one_line(named(write).label, SHORT_NAME)

    @admin.display(description="in the CRM")
    def record(self, write: Write) -> str:
        return record_of(named(write), write.crm_object)

    @admin.display(description="what we wrote")
    def wrote(self, write: Write) -> str:
        values = [f"{name} = {naming.one_line(_told(value), SHORT_VALUE)}" for name, value in echoes.in_order(write)]
        return naming.one_line(", ".join(values), SHORT_VALUES)

    @admin.display(description="what came of it")
    def came_of_it(self, write: Write) -> str:
        return naming.one_line(echoes.in_short(write), SHORT_VALUES)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All that was sent, what the CRM made of it, and what came of it."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        write = get(Write.objects.select_related("link__integration__company"), object_id)
        [one] = shown([write.link])
        there = labels_there(write.integration, write.crm_object)
        context = self.shared(
            request,
            f"Written: {naming.one_line(one.label)}",
            write=write,
            shown=one,
            label=label_of(write.integration),
            outcome=echoes.outcome(write),
            values=[
                (there.get(name, ""), name, _told(value), _made(write, name)) for name, value in echoes.in_order(write)
            ],
        )
        return TemplateResponse(request, "admin/crm_records/write.html", context)


class ConflictList(LinkedList):
    """Conflicts, with the names of the firms that they speak of."""

    def name(self, found: list[Any]) -> None:
        super().name(found)
        firms = _firms(found)
        for conflict in found:
            conflict.firms = firms


@admin.register(Conflict)
class ConflictAdmin(RecordsAdmin):
    """The journal of values that gave way, each of which can be put back."""

    list_display = ["field", "about", "values_told", "winner", "found_at", "restored_at", "company"]
    list_filter = [
        ("winner", StayedFilter),
        PutBackFilter,
        ("found_at", WhenFilter),
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company", "link__integration"]
    search_fields = ["lpxgp_field", "crm_field", "link__external_id"]
    searches_names_of = "link"
    search_help_text = "Field; name, e-mail or domain, title, or id of the record there"
    change_list_template = "admin/crm_records/conflict_list.html"
    ordering = ["-found_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        return [path("<uuid:pk>/restore/", view, name="crm_conflict_restore"), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ConflictList]:
        return ConflictList

    @admin.display(description="about")
    def about(self, conflict: Conflict) -> str:
        return naming.one_line(named(conflict).label, SHORT_NAME)

    @admin.display(description="field", ordering="lpxgp_field")
    def field(self, conflict: Conflict) -> str:
        return field_label(conflict.lpxgp_field)

    @admin.display(description="values")
    def values_told(self, conflict: Conflict) -> str:
        firms = cast(Any, conflict).firms
        both = [_told(_firm_or_value(conflict, value, firms)) for value in (conflict.ours, conflict.theirs)]
        return " / ".join(naming.one_line(told, SHORT_VALUE) for told in both)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Both values, who won and why, and the button that puts the other one back."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        conflict = get(Conflict.objects.select_related("link__integration__company", "restored_by"), object_id)
        [one], firms = shown([conflict.link]), _firms([conflict])
        ours, theirs = (_told(_firm_or_value(conflict, value, firms)) for value in (conflict.ours, conflict.theirs))
        context = self.shared(
            request,
            f"{field_label(conflict.lpxgp_field)}: {ours} or {theirs}",
            conflict=conflict,
            field=field_label(conflict.lpxgp_field),
            shown=one,
            label=label_of(conflict.integration),
            ours=ours,
            theirs=theirs,
            is_merge=conflict.winner == Conflict.Winner.KEPT,
            base="Not known" if conflict.base is None else _told(conflict.base),
            there=labels_there(conflict.integration, conflict.link.crm_object).get(conflict.crm_field, ""),
            lost=theirs if conflict.winner == Conflict.Winner.OURS else ours,
        )
        return TemplateResponse(request, "admin/crm_records/conflict.html", context)

    def restore_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Put the value back that gave way."""
        self.check_change(request)
        conflict = get(Conflict.objects.all(), pk)
        try:
            with tenancy.within(conflict.company_id):
                conflicts.restore(conflict, staff(request))
                link_errors.poke([conflict.integration_id])
        except Unusable as error:
            messages.error(request, f"It was not put back: {error}")
        else:
            admin_log.note(staff(request), conflict, "Put back the value that gave way.")
            messages.success(request, "It was put back here. Where the mapping sends it out, the CRM gets it now.")
        return redirect("admin:crm_conflict_change", pk)


@admin.register(DriftReport)
class DriftReportAdmin(RecordsAdmin):
    """Both sides compared, by night or when somebody asks."""

    list_display = ["made_at", "crm", "different", "error", "mended_at", "company"]
    list_filter = [("made_at", WhenFilter), ("company", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["company", "integration__company"]
    change_list_template = "admin/crm_records/drift_list.html"
    ordering = ["-made_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/mend/", view(self.mend_view), name="crm_drift_mend"),
            path("compare/", view(self.compare_view), name="crm_drift_compare"),
            *super().get_urls(),
        ]

    @admin.display(description="CRM")
    def crm(self, report: DriftReport) -> str:
        return label_of(report.integration)

    @admin.display(description="fields that differ")
    def different(self, report: DriftReport) -> str:
        if report.finished_at is None:
            return "Not known: it was interrupted" if report.is_interrupted else "Still comparing"
        return f"{sum(counts.get('different') or 0 for counts in report.counts.values()):,}"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button to compare now."""
        found = [(integration, label_of(integration)) for integration in crms()]
        return super().changelist_view(request, {**(extra_context or {}), "crms": found})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The counts of both sides, and the first differences."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        report = get(DriftReport.objects.select_related("integration__company", "mended_by"), object_id)
        links = RecordLink.objects.filter(pk__in=uuids([one["link"] for one in report.differences if one["link"]]))
        by_id = {str(one.link.pk): one for one in shown(links.select_related("integration"))}
        total = sum(counts.get("different") or 0 for counts in report.counts.values())
        context = self.shared(
            request,
            f"Comparison of {report.made_at:%Y-%m-%d %H:%M} UTC",
            report=report,
            label=label_of(report.integration),
            counts=[(KIND_LABELS.get(kind, kind), counts) for kind, counts in report.counts.items()],
            differences=[(_difference(one), by_id.get(one["link"])) for one in report.differences[:MOST_SHOWN]],
            total=total,
            is_partial=any(counts.get("limit") for counts in report.counts.values()),
        )
        return TemplateResponse(request, "admin/crm_records/drift.html", context)

    def mend_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Have what differs read and written again."""
        self.check_change(request)
        report = get(DriftReport.objects.select_related("integration"), pk)
        with tenancy.within(report.company_id):
            count = drift.mend(report, staff(request))
        admin_log.note(staff(request), report, f"Had the {count:,} that differ compared and written again.")
        which = "1 record is" if count == 1 else f"{count:,} records are"
        messages.success(request, f"{which} compared and written again now. Compare again in a while.")
        return redirect("admin:crm_driftreport_change", pk)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Compare one CRM now."""
        self.check_change(request)
        integration = get(crms(), request.POST.get("integration", ""))
        async_task("crm.jobs.compare", str(integration.pk))
        admin_log.note(staff(request), integration, "Had both sides compared.", label_of(integration))
        messages.success(request, "The comparison begins. Reload in a while: it appears in this list.")
        return redirect("admin:crm_driftreport_changelist")


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    """One line of a drift report in people's words."""
    told = {"field": field_label(one["lpxgp_field"]), "ours": _told(one["ours"]), "theirs": _told(one["theirs"])}
    return one | told


def _firms(conflicts: Iterable[Conflict]) -> dict[str, str]:
    """The names of the firms that stand in these as values, by their keys as text. One query at most."""
    told = [one for one in conflicts if one.lpxgp_field == rows.ORGANIZATION and one.erased_at is None]
    values = [value for one in told for value in (one.ours, one.theirs) if value]
    found = Organization.unscoped.in_bulk(values) if values else {}
    return {str(pk): firm.name for pk, firm in found.items()}


def _firm_or_value(conflict: Conflict, value: Any, firms: dict[str, str]) -> Any:
    """A value of a conflict, or the name of the firm that it is."""
    if conflict.lpxgp_field != rows.ORGANIZATION or conflict.erased_at or not value:
        return value
    return firms.get(value, "A firm that was deleted here")


def _told(value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "nothing"
    return str(value)


def _made(write: Write, name: str) -> str:
    """What the CRM made of a value that was sent; empty where it took it as it was, or did not say."""
    return _told(write.held[name]) if name in write.held and write.held[name] != write.values[name] else ""
