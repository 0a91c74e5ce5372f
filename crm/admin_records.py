"""What was written to a CRM and what came back, what gave way, what looks like one, and where both sides differ."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django_q.tasks import async_task

from crm import conflicts, drift, echoes, link_errors, rows, twins
from crm.admin_records_desk import (
    RecordsAdmin,
    crms,
    field_label,
    get,
    label_of,
    record_url,
    row_url,
    shown,
    staff,
    uuids,
)
from crm.catalogue import KIND_LABELS
from crm.models import Conflict, DriftReport, Policy, RecordLink, Twin, Write
from integrations.errors import Unusable
from relationships import tenancy
from relationships.admin.base import TenantAdmin

MOST_SHOWN = 200


@admin.register(Write)
class WriteAdmin(RecordsAdmin):
    """The ledger: every write, and whether it came back."""

    list_display = ["told", "crm_object", "external_id", "state", "error", "company"]
    list_filter = [
        "state",
        ("echoed_at", admin.EmptyFieldListFilter),
        "planned_at",
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company"]
    search_fields = ["external_id"]
    search_help_text = "Id of the record there"
    change_list_template = "admin/crm_records/write_list.html"
    ordering = ["-planned_at"]

    @admin.display(description="what happened", ordering="planned_at")
    def told(self, write: Write) -> str:
        return echoes.words(write) if write.state == Write.State.DONE else f"{write.get_state_display()}: {write}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was written stands on the page of the record."""
        self.check_view(request)
        return redirect("admin:crm_recordlink_change", get(Write.objects.all(), object_id).link_id)


@admin.register(Conflict)
class ConflictAdmin(RecordsAdmin):
    """The journal of values that gave way, each of which can be put back."""

    list_display = ["field", "values_told", "winner", "found_at", "restored_at", "company"]
    list_filter = [
        "winner",
        ("restored_at", admin.EmptyFieldListFilter),
        "found_at",
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company"]
    search_fields = ["lpxgp_field", "crm_field", "link__external_id"]
    search_help_text = "Field, or id of the record there"
    change_list_template = "admin/crm_records/conflict_list.html"
    ordering = ["-found_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        return [path("<uuid:pk>/restore/", view, name="crm_conflict_restore"), *super().get_urls()]

    @admin.display(description="field", ordering="lpxgp_field")
    def field(self, conflict: Conflict) -> str:
        return field_label(conflict.lpxgp_field)

    @admin.display(description="ours, and the CRM's")
    def values_told(self, conflict: Conflict) -> str:
        return f"{_told(conflict.ours)} / {_told(conflict.theirs)}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Both values, who won and why, and the button that puts the other one back."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        conflict = get(Conflict.objects.select_related("link__integration__company", "restored_by"), object_id)
        [one] = shown([conflict.link])
        lost = conflict.ours if conflict.winner == Conflict.Winner.THEIRS else conflict.theirs
        context = self.shared(
            request,
            f"{field_label(conflict.lpxgp_field)}: {_told(conflict.ours)} or {_told(conflict.theirs)}",
            conflict=conflict,
            field=field_label(conflict.lpxgp_field),
            shown=one,
            label=label_of(conflict.integration),
            ours=_told(conflict.ours),
            theirs=_told(conflict.theirs),
            base=_told(conflict.base),
            lost=_told(lost),
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
            messages.success(request, "It was put back here. Where the mapping sends it out, the CRM gets it now.")
        return redirect("admin:crm_conflict_change", pk)


@admin.register(Twin)
class TwinAdmin(RecordsAdmin):
    """Rows that look like one: merged or not by a person alone."""

    list_display = ["reason", "kind", "state", "found_at", "decided_by", "company"]
    list_filter = ["state", "kind", ("company", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["company", "decided_by"]
    search_fields = ["reason"]
    change_list_template = "admin/crm_records/twin_list.html"
    ordering = ["-found_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decide_view)
        return [path("<uuid:pk>/decide/", view, name="crm_twin_decide"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Both, side by side."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        twin = get(Twin.objects.select_related("integration__company", "decided_by"), object_id)
        crm_object = RecordLink.objects.filter(integration=twin.integration_id, kind=twin.kind)
        object = crm_object.values_list("crm_object", flat=True).first() or ""
        context = self.shared(
            request,
            "Are these the same?",
            twin=twin,
            kind=KIND_LABELS.get(twin.kind, twin.kind),
            label=label_of(twin.integration),
            **_twins(twin),
            theirs=[(name, record_url(twin.integration, object, name)) for name in twin.theirs],
            can_merge=len(twin.ours) > 1,
        )
        return TemplateResponse(request, "admin/crm_records/twin.html", context)

    def decide_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Merge them, or never ask again."""
        self.check_change(request)
        twin = get(Twin.objects.all(), pk)
        decide = twins.merge if request.POST.get("decision") == "merge" else twins.dismiss
        try:
            with tenancy.within(twin.company_id):
                decide(twin, staff(request))
                link_errors.poke([twin.integration_id])
        except Unusable as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Merged." if decide is twins.merge else "Noted: they are not the same.")
        return redirect("admin:crm_twin_change", pk)


@admin.register(DriftReport)
class DriftReportAdmin(RecordsAdmin):
    """Both sides compared, by night or when somebody asks."""

    list_display = ["made_at", "crm", "different", "error", "mended_at", "company"]
    list_filter = ["made_at", ("company", admin.RelatedOnlyFieldListFilter)]
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
            return "Still comparing"
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
        )
        return TemplateResponse(request, "admin/crm_records/drift.html", context)

    def mend_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Have what differs read and written again."""
        self.check_change(request)
        report = get(DriftReport.objects.select_related("integration"), pk)
        with tenancy.within(report.company_id):
            count = drift.mend(report, staff(request))
        messages.success(request, f"{count:,} records are compared and written again now. Compare again in a while.")
        return redirect("admin:crm_driftreport_change", pk)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Compare one CRM now."""
        self.check_change(request)
        integration = get(crms(), request.POST.get("integration", ""))
        async_task("crm.jobs.compare", str(integration.pk))
        messages.success(request, "The comparison begins. Reload in a while: it appears in this list.")
        return redirect("admin:crm_driftreport_changelist")


@admin.register(Policy)
class PolicyAdmin(TenantAdmin):
    """What may be written to a company's CRM. It begins careful: nothing is created there."""

    list_display = ("__str__", "writes", "creates_organizations", "creates_people", "daily_share", "company")
    list_select_related = ("company", "integration")
    autocomplete_fields = ("company", "organizations")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("company", "integration")}),
        (
            "To the CRM",
            {"fields": ("writes", "organizations", "creates_organizations", "creates_people", "daily_share")},
        ),
        ("From the CRM", {"fields": ("takes_organizations", "takes_people", "on_delete")}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.of_view)
        return [path("of/<uuid:pk>/", view, name="crm_policy_of"), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "integration"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def of_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """To the policy of one CRM, which is made where it has none."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        integration = get(crms(), pk)
        policy, _ = Policy.objects.get_or_create(
            integration=integration, defaults={"company_id": integration.company_id}
        )
        return redirect("admin:crm_policy_change", policy.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is allowed now goes out with the next sync, which begins at once."""
        super().save_related(request, form, formsets, change)
        link_errors.poke([form.instance.integration_id])


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    """One line of a drift report in people's words."""
    told = {"field": field_label(one["lpxgp_field"]), "ours": _told(one["ours"]), "theirs": _told(one["theirs"])}
    return one | told


def _told(value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "nothing"
    return str(value)


def _twins(twin: Twin) -> dict[str, Any]:
    """Our rows of a pair: their names, addresses, and what else tells them apart."""
    ids = uuids(twin.ours)
    with tenancy.within(twin.company_id):
        values = rows.values(twin.kind, ids) if twin.kind in {"organization", "person"} else {}
    names = sorted({name for found in values.values() for name in found if name in field_names(twin.kind)})
    lines = [
        (field_label(name), [_told(values[pk].get(name)) if pk in values else "Gone" for pk in ids]) for name in names
    ]
    return {"ours": [(str(pk), row_url(twin.kind, pk) if pk in values else "") for pk in ids], "lines": lines}


def field_names(kind: str) -> set[str]:
    """The fields by which people tell rows of this kind apart."""
    return {
        "person": {"person.name", "person.email", "person.phone", "person.title"},
        "organization": {"org.name", "org.city", "org.country", "org.domain"},
    }.get(kind, set())
