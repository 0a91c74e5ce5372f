"""Field mappings in the admin: the list of companies with a CRM, and one page for each where its mapping is edited."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern

from crm import checks, drafts, forms, mapping, schema, suggestions
from crm.admin_mapping_desk import Desk, crm_of, label_of, links
from crm.admin_mapping_lines import LinePages
from crm.admin_mapping_trials import TrialPages, missing_fields
from crm.admin_mapping_versions import VersionPages
from crm.catalogue import KIND_LABELS, OURS, OurField, of_kind
from crm.checks import Problem
from crm.contract import Field
from crm.defaults import of as defaults_of
from crm.mapping import Row
from crm.models import FieldMapping
from crm.shapes import TYPE_WORDS
from crm.transforms import TRANSFORMS
from integrations.models import Integration


@dataclass(frozen=True)
class ShownLine:
    """One line of the draft as the page shows it. ``is_new`` and ``is_changed`` are against what is published."""

    row: Row
    ours: OurField | None
    our_type: str
    theirs: Field | None
    their_type: str
    facts: Sequence[str]
    direction: str
    arrow: str
    rule: str
    mode: str
    transform: str
    slug: str
    problems: list[Problem]
    is_new: bool
    is_changed: bool


@dataclass(frozen=True)
class Section:
    """One kind of record: its lines, and our fields that have none."""

    kind: str
    label: str
    object: str
    lines: list[ShownLine]
    unmapped: list[OurField]


PER_PAGE = 25
ARROWS = {"from_crm": "←", "to_crm": "→", "bidirectional": "↔"}


@admin.register(FieldMapping)
class FieldMappingAdmin(LinePages, VersionPages, TrialPages):
    """The staff's mapping editor. Rows of FieldMapping are written by publishing alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        own = [*self.line_urls(), *self.version_urls(), *self.trial_urls()]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Every company with a CRM, and how its mapping stands."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        query = request.GET.get("q", "").strip()
        found = links().filter(company__name__icontains=query) if query else links()
        page = Paginator(found, PER_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Field mappings",
            "opts": self.opts,
            "q": query,
            "page": page,
            "rows": _standing(list(page)),
        }
        return TemplateResponse(request, "admin/crm/mapping_list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The editor of one company's mapping to one CRM."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        desk = self.desk(request, _pk(object_id))
        if schema.is_stale(desk.integration) and desk.integration.works and self.refresh(request, desk):
            desk = self.desk(request, desk.integration.pk)
        found = desk.problems()
        standard = defaults_of(desk.integration.provider).rows
        return self.page(
            request, desk, "mapping",
            title=desk.title,
            sections=_sections(desk, found),
            whole=[problem for problem in found if problem.line is None],
            errors=checks.errors(found),
            wrong=_wrong(desk, found),
            warnings=[problem for problem in found if not problem.is_error],
            suggestions=suggestions.missing(desk.rows, desk.crm, standard),
            pending=drafts.differences(desk.published, desk.rows),
            read_at=schema.read_at(desk.integration),
            missing=missing_fields(desk),
        )  # fmt: skip

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The versions page tells it."""
        return self.versions_view(request, _pk(object_id))


def _pk(object_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(object_id)
    except ValueError as error:
        raise Http404 from error


def _standing(integrations: Sequence[Integration]) -> list[dict[str, Any]]:
    """How the mappings of these links stand, in three queries. No draft is begun by looking at the list."""
    companies = {integration.company_id for integration in integrations}
    versions = drafts.latest_of(companies)
    begun = drafts.drafts_of(companies)
    known = mapping.known_fields_of(integrations)
    rows = []
    for integration in integrations:
        key = (integration.company_id, integration.provider)
        latest, draft = versions.get(key), begun.get(key)
        published = drafts.rows_of(latest) if latest else []
        pending = len(drafts.differences(published, drafts.rows_of(draft))) if draft else 0
        found = checks.errors(checks.problems(published, crm_of(integration, known.get(integration.pk, {}))))
        label = label_of(integration.provider)
        rows.append(
            {"integration": integration, "label": label, "latest": latest, "pending": pending, "errors": len(found)}
        )
    return rows


def _wrong(desk: Desk, found: list[Problem]) -> list[tuple[str, str]]:
    """The lines that have errors, each with its label and where it stands on the page."""
    names = dict.fromkeys(desk.rows[each.line].lpxgp_field for each in checks.errors(found) if each.line is not None)
    return [(drafts.label_of(name), forms.slug_of(name)) for name in names]


def _sections(desk: Desk, found: list[Problem]) -> list[Section]:
    before = {row.lpxgp_field: row for row in desk.published}
    names = list(OURS)
    order = sorted(
        enumerate(desk.rows),
        key=lambda each: names.index(each[1].lpxgp_field) if each[1].lpxgp_field in OURS else len(names),
    )
    mapped = {row.lpxgp_field for row in desk.rows}
    sections = []
    for kind, label in KIND_LABELS.items():
        lines = [
            _line(desk, row, [each for each in found if each.line == number], before.get(row.lpxgp_field))
            for number, row in order
            if row.lpxgp_field in OURS and OURS[row.lpxgp_field].kind == kind
        ]
        unmapped = [field for field in of_kind(kind) if field.name not in mapped]
        sections.append(Section(kind, label, desk.crm.objects.get(kind, ""), lines, unmapped))
    return sections


def _line(desk: Desk, row: Row, found: list[Problem], before: Row | None) -> ShownLine:
    ours = OURS[row.lpxgp_field]
    theirs = desk.crm.schema.get(row.crm_object, {}).get(row.crm_field)
    transform = TRANSFORMS.get(row.transform.get("name", ""))
    words = dict(drafts.words_of(row))
    return ShownLine(
        row=row,
        ours=ours,
        our_type=TYPE_WORDS[ours.type],
        theirs=theirs,
        their_type=TYPE_WORDS[theirs.type] if theirs else "",
        facts=forms.facts(theirs) if theirs else (),
        direction=words["Direction"],
        arrow=ARROWS.get(row.sync_direction, "?"),
        rule=words["Where both changed"],
        mode=words["Written"] if row.write_mode != "always" else "",
        transform=words["Transform"] if transform is None or transform.name else "",
        slug=forms.slug_of(row.lpxgp_field),
        problems=found,
        is_new=before is None,
        is_changed=before is not None and before != row,
    )
