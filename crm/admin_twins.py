"""Twins: what is known of each of them, side by side, for the person who says whether they are one."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from crm import admin_log, link_errors, naming, rows, twins
from crm.admin_filters import KindFilter
from crm.admin_records_desk import NamedList, RecordsAdmin, get, label_of, staff, uuids
from crm.admin_twin_sides import Cell, side_by_side
from crm.catalogue import KIND_LABELS
from crm.models import RecordLink, Twin
from integrations.errors import Unusable
from relationships import tenancy

DECISIONS = {
    "merge": (twins.merge, "Merged our rows.", "Merged."),
    "dismiss": (twins.dismiss, "Said that they are not the same.", "Noted: they are not the same."),
    "reopen": (twins.reopen, "Took back that they are not the same.", "It is to be decided again."),
}
"""What may be decided: what does it, what the log says of it, and what whoever did it reads."""


@admin.register(Twin)
class TwinAdmin(RecordsAdmin):
    """Rows that look like one: merged or not by a person alone."""

    list_display = ["who", "reason", "kind_told", "state", "found_at", "decided_by", "company"]
    list_filter = ["state", KindFilter, ("company", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["company", "decided_by", "integration"]
    search_fields = ["reason", "theirs"]
    search_help_text = "Words of the reason, or the id of a record there"
    change_list_template = "admin/crm_records/twin_list.html"
    ordering = ["-found_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decide_view)
        return [path("<uuid:pk>/decide/", view, name="crm_twin_decide"), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NamedList]:
        return TwinList

    @admin.display(description="who")
    def who(self, twin: Twin) -> str:
        return " · ".join(twin.names)  # type: ignore[attr-defined]  # TwinList adds them

    @admin.display(description="kind", ordering="kind")
    def kind_told(self, twin: Twin) -> str:
        return KIND_LABELS.get(twin.kind, twin.kind)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All of them, side by side."""
        self.check_view(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        twin = get(Twin.objects.select_related("integration__company", "decided_by"), object_id)
        with tenancy.within(twin.company_id):
            sides, trouble = side_by_side(twin)
        labels = dict.fromkeys(["Name", *(label for side in sides for label in side.known)])
        context = self.shared(
            request,
            "Are these the same?",
            twin=twin,
            kind=KIND_LABELS.get(twin.kind, twin.kind),
            label=label_of(twin.integration),
            sides=sides,
            lines=[(label, [side.known.get(label, Cell()) for side in sides]) for label in labels],
            trouble=trouble,
            can_merge=len(twin.ours) > 1,
        )
        return TemplateResponse(request, "admin/crm_records/twin.html", context)

    def decide_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Merge them, never ask again, or take that back."""
        self.check_change(request)
        twin = get(Twin.objects.all(), pk)
        decision = DECISIONS.get(request.POST.get("decision", ""))
        if decision is None:
            raise BadRequest("The form does not say what was decided.")
        decide, logged, told = decision
        try:
            with tenancy.within(twin.company_id):
                decide(twin, staff(request))
                link_errors.poke([twin.integration_id])
        except Unusable as error:
            messages.error(request, str(error))
        else:
            # Not by its reason: that names addresses, and the log outlives those.
            admin_log.note(staff(request), twin, logged, "Two that look alike")
            messages.success(request, told)
        return redirect("admin:crm_twin_change", pk)


class TwinList(NamedList):
    """The list, where every twin knows what those are called that look alike."""

    def name(self, found: list[Any]) -> None:
        """Needs five queries at most, however many there are."""
        ours: dict[str, dict[uuid.UUID, str]] = {}
        for kind in {twin.kind for twin in found}:
            ids = [pk for twin in found if twin.kind == kind for pk in uuids(twin.ours)]
            ours[kind] = {pk: str(row) for pk, row in rows.TABLES[kind].objects.in_bulk(ids).items()}
        theirs = _names_there(found)
        for twin in found:
            here = [ours[twin.kind].get(pk, "Gone") for pk in uuids(twin.ours)]
            there = [theirs.get((twin.integration_id, twin.kind, name)) or name for name in twin.theirs]
            twin.names = [*here, *there]


def _names_there(found: Sequence[Twin]) -> Mapping[tuple[uuid.UUID, str, str], str]:
    """What the records are called, as far as it is remembered. Two queries."""
    names = {name for twin in found for name in twin.theirs}
    known = RecordLink.objects.filter(
        integration__in={twin.integration_id for twin in found}, external_id__among=names
    ).select_related("integration")
    seen = list(known.order_by()) if names else []
    pages = naming.book(seen)
    return {
        (link.integration_id, link.kind, link.external_id): naming.remembered(link, pages).name(link.kind)
        for link in seen
    }
