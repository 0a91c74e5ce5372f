"""The lines of the mapping editor: opened, checked while they are typed, saved, removed, taken from a suggestion."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path

from crm import checks, drafts, forms, mapping, rows, schema, suggestions, trial
from crm.admin_mapping_desk import Desk, MappingDesk, seen_of, staff
from crm.catalogue import KIND_LABELS, OURS, OurField
from crm.contract import Field, Value
from crm.defaults import of as defaults_of
from crm.mapping import Context, Row, TransformError
from crm.models import ConflictRule, Direction
from crm.shapes import TYPE_WORDS
from crm.transforms import TRANSFORMS
from relationships import tenancy

MOST_SAMPLE = 2000
PARTS = ("crm_field", "sync_direction", "conflict_rule", "write_mode", "transform")
"""Parts of a line that problems stand beside."""


class LinePages(MappingDesk):
    """Pages and fragments of one line."""

    def line_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/line/<str:name>/", view(self.line_view), name="crm_mapping_line"),
            path("<uuid:pk>/line/<str:name>/check/", view(self.check_view), name="crm_mapping_check"),
            path("<uuid:pk>/line/<str:name>/fields/", view(self.fields_view), name="crm_mapping_fields"),
            path("<uuid:pk>/line/<str:name>/remove/", view(self.remove_view), name="crm_mapping_remove"),
            path("<uuid:pk>/suggestions/", view(self.suggest_view), name="crm_mapping_suggest"),
        ]

    def line_view(self, request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
        """GET opens a line, POST saves it into the draft."""
        is_post = request.method == "POST"
        desk = self.desk(request, pk, is_change=is_post)
        form = forms.LineForm(request.POST if is_post else None, row=_row_of(desk, _ours(name)))
        if is_post and request.POST.get("do") != "find":
            return self._save(request, desk, form)
        return self._form(request, desk, form)

    def check_view(self, request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
        """What is wrong with a line as it stands in the form, and what it makes of the sample. Changes nothing."""
        desk = self.desk(request, pk, is_change=True)
        row = forms.LineForm(request.POST, row=_row_of(desk, _ours(name))).row()
        context = _told(desk, row, request.POST)
        is_other = request.POST.get("options-for") != context["options_for"]
        return self.page(request, desk, "line_check", **context, is_other=is_other, is_oob=True)

    def fields_view(self, request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
        """The CRM's fields that fit a search."""
        desk, ours = self.desk(request, pk), _ours(name)
        listed = _listed(desk, ours, request.GET.get("crm_field", ""), request.GET.get("find", ""))
        return self.page(request, desk, "line_fields", listed=listed, ours=ours, slug=forms.slug_of(name))

    def remove_view(self, request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
        """Take a line out of the draft."""
        desk = self.desk(request, pk, is_change=True)
        at = desk.position(name)
        if at is None:
            raise Http404
        try:
            drafts.save_line(desk.draft, seen_of(request), at, None, staff(request))
        except drafts.Stale as error:
            messages.error(request, str(error))
        else:
            self.note_change(request, desk, f"Removed {drafts.label_of(name)} from the draft.")
            messages.success(request, f"{drafts.label_of(name)} is no longer in the draft.")
        return self.back(desk, "lines")

    def suggest_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Take one suggestion, or all, into the draft."""
        desk = self.desk(request, pk, is_change=True)
        wanted = request.POST.get("field", "")
        standard = defaults_of(desk.integration.provider).rows
        found = suggestions.missing(desk.rows, desk.crm, standard)
        taken = [each.row for each in found if wanted in {"", each.ours.name}]
        try:
            drafts.save(desk.draft, seen_of(request), [*desk.rows, *taken], staff(request))
        except drafts.Stale as error:
            messages.error(request, str(error))
        else:
            labels = ", ".join(drafts.label_of(row.lpxgp_field) for row in taken)
            self.note_change(request, desk, f"Took suggestions into the draft: {labels}.")
            messages.success(request, f"Added to the draft: {labels or 'nothing, since it is there already'}.")
        return self.back(desk, forms.slug_of(taken[0].lpxgp_field) if taken else "lines")

    def _save(self, request: HttpRequest, desk: Desk, form: forms.LineForm) -> HttpResponse:
        row, label = form.row(), drafts.label_of(form.given.lpxgp_field)
        if not form.is_valid():
            return self._form(request, desk, form, status=400)
        if schema.is_stale(desk.integration) and self.refresh(request, desk):
            desk = self.desk(request, desk.integration.pk)
        at = desk.position(row.lpxgp_field)
        if at is not None and desk.rows[at] == row:
            messages.info(request, f"{label} is as it was: nothing was saved.")
            return self.back(desk, forms.slug_of(row.lpxgp_field))
        try:
            drafts.save_line(desk.draft, seen_of(request), at, row, staff(request))
        except drafts.Stale as error:
            now = _row_of(desk, OURS[row.lpxgp_field])
            changed = drafts.differences([now], [row])
            return self._form(request, desk, form, status=409, stale=str(error), changed=changed)
        self.note_change(request, desk, f"{'Added' if at is None else 'Changed'} {label}: {drafts.describe(row)}.")
        errors = checks.errors(checks.of_row(0, row, desk.crm))
        if errors:
            messages.warning(request, f"{label} is saved, and has to be corrected before the draft can be published.")
        else:
            messages.success(request, f"{label} is saved in the draft. Nothing changes in the CRM before you publish.")
        return self.back(desk, forms.slug_of(row.lpxgp_field))

    def _form(self, request: HttpRequest, desk: Desk, form: forms.LineForm, **context: Any) -> HttpResponse:
        row, ours = form.row(), OURS[form.given.lpxgp_field]
        data = request.POST if request.method == "POST" else QueryDict()
        context |= _told(desk, row, data or _sample(desk, ours))
        context["listed"] = _listed(desk, ours, row.crm_field, data.get("find", ""))
        template = "line_form" if getattr(request, "htmx", False) else "line"
        title = f"{KIND_LABELS[ours.kind]}, {ours.label}: {desk.title}"
        return self.page(request, desk, template, form=form, find=data.get("find", ""), title=title, **context)


def _ours(name: str) -> OurField:
    try:
        return OURS[name]
    except KeyError as error:
        raise Http404 from error


def _row_of(desk: Desk, ours: OurField) -> Row:
    """The line of a field of ours; where it has none yet, an empty one with what usually suits."""
    at = desk.position(ours.name)
    if at is not None:
        return desk.rows[at]
    direction = Direction.BIDIRECTIONAL if ours.is_incoming else Direction.TO_CRM
    rule = ConflictRule.CRM_WINS if ours.is_incoming else ConflictRule.OURS_WINS
    return Row(ours.name, desk.crm.objects.get(ours.kind, ""), "", direction.value, rule.value)


def _listed(desk: Desk, ours: OurField, chosen: str, query: str) -> forms.FieldList:
    fields = desk.crm.schema.get(desk.crm.objects.get(ours.kind, ""), {})
    return forms.field_list(fields, chosen, query[:100], ours)


def _sample(desk: Desk, ours: OurField) -> Mapping[str, str]:
    """A value to begin with: of a real record, where there is one."""
    with tenancy.within(desk.integration.company_id):
        for choice in trial.choices(desk.integration, ours.kind)[:3]:
            value = rows.values(ours.kind, [choice.id]).get(choice.id, {}).get(ours.name)
            if value not in (None, ""):
                plain = value.isoformat() if hasattr(value, "isoformat") else str(value)
                return {"sample": plain, "sample-of": choice.title}
    return {"sample": ours.constant}


def _told(desk: Desk, row: Row, data: Mapping[str, str]) -> dict[str, Any]:
    """What the page says of a line: its problems by part, its options, and what it makes of the sample."""
    ours = OURS[row.lpxgp_field]
    theirs = desk.crm.schema.get(row.crm_object, {}).get(row.crm_field)
    transform = TRANSFORMS[row.transform.get("name", "")]
    options = row.transform.get("options") or {}
    found = checks.of_row(0, row, desk.crm)
    if not row.crm_field and desk.position(row.lpxgp_field) is None:
        # Nobody saved it like that: it is being filled in.
        found = [each for each in found if each.field != "crm_field"]
    if row.crm_field and any(
        (other.crm_object, other.crm_field) == (row.crm_object, row.crm_field)
        and other.lpxgp_field != row.lpxgp_field
        and OURS[other.lpxgp_field].kind == ours.kind
        for other in desk.rows
    ):
        words = f"{row.crm_object}.{row.crm_field} is used by another line, and they would overwrite each other."
        found.append(checks.Problem(0, "crm_field", words, "Choose another field."))
    return {
        "row": row,
        "ours": ours,
        "our_type": TYPE_WORDS[ours.type],
        "theirs": theirs,
        "their_facts": forms.facts(theirs) if theirs else (),
        "their_type": TYPE_WORDS[theirs.type] if theirs else "",
        "slug": forms.slug_of(row.lpxgp_field),
        "transform": transform,
        "inputs": forms.inputs(transform, options),
        "has_pairs": forms.has_pairs(transform),
        "pairs": forms.pairs(options, ours, theirs) if forms.has_pairs(transform) else [],
        "options_for": f"{transform.name} {row.crm_field}",
        "parts": [(part, [each for each in found if each.field == part]) for part in PARTS],
        "is_theirs": row.sync_direction == Direction.FROM_CRM,
        "other_problems": [each for each in found if each.field not in PARTS],
        "sample": data.get("sample", "")[:MOST_SAMPLE],
        "sample_of": data.get("sample-of", ""),
        "result": _result(desk, row, theirs, data.get("sample", "")[:MOST_SAMPLE]),
    }


def _result(desk: Desk, row: Row, theirs: Field | None, sample: str) -> dict[str, Any]:
    """What becomes of a typed value on its way out, and of that on its way back; or on its way in alone."""
    line = mapping.line(row, {row.crm_object: {theirs.name: theirs}} if theirs else {})
    if line is None or (not sample and not line.ours.constant):
        return {}
    context: Context = mapping.context(desk.integration.company)
    told: dict[str, Any] = {"goes_out": row.sync_direction != Direction.FROM_CRM}
    value: Value = sample
    if told["goes_out"]:
        try:
            value = line.outgoing(sample, context)
            told["sent"] = "nothing" if value is None else value
        except TransformError as error:
            return told | {"sent_error": str(error)}
    if row.sync_direction != Direction.TO_CRM:
        try:
            back = line.incoming(value, context)
            told["back"] = "nothing" if back is None else back
        except TransformError as error:
            told["back_error"] = str(error)
    return told
