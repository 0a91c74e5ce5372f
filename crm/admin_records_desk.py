"""What the admin's pages of linked records share: how a row and a record are called, where they are, who may act."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from crm import mapping, naming, rows
from crm.catalogue import KIND_LABELS, OURS
from crm.errors import CAUSES, Cause
from crm.models import RecordLink
from crm.record_pages import record_url
from integrations import providers
from integrations.models import Integration
from relationships.models import User

SHORT_NAME = 40
"""As many letters of a name stand in a list: two lines."""


@dataclass(frozen=True)
class ShownLink:
    """One link as pages show it: our row and their record, each with its address where there is one.

    ``record_name`` is what the record is called, or its id; empty where it is not there yet.
    """

    link: RecordLink
    label: str
    record_name: str
    row_url: str
    record_url: str
    cause: Cause | None

    @property
    def kind(self) -> str:
        return KIND_LABELS[self.link.kind]


def shown(links: Iterable[RecordLink]) -> list[ShownLink]:
    """These links for people. One query for each kind of row among them, and one.

    Needs ``select_related("integration")``.
    """
    found = list(links)
    names: dict[tuple[str, uuid.UUID], str] = {}
    for kind in {link.kind for link in found}:
        ids = [link.row_id for link in found if link.kind == kind and link.row_id]
        for pk, row in rows.TABLES[kind].objects.in_bulk(ids).items():
            names[kind, pk] = str(row)
    pages = naming.book(found)
    return [_shown(link, names, naming.remembered(link, pages).name(link.kind)) for link in found]


def _shown(link: RecordLink, names: dict[tuple[str, uuid.UUID], str], record_name: str) -> ShownLink:
    label = names.get((link.kind, link.row_id)) if link.row_id else None
    return ShownLink(
        link,
        label or ("Deleted here" if link.row_id else "No row of ours yet"),
        (record_name or link.external_id) if link.external_id else "",
        row_url(link.kind, link.row_id) if label and link.row_id else "",
        record_url(link.integration, link.crm_object, link.external_id),
        CAUSES.get(link.error_cause),
    )


def row_url(kind: str, row_id: uuid.UUID) -> str:
    """The admin's page of a row of ours."""
    return reverse(f"admin:relationships_{rows.TABLES[kind]._meta.model_name}_change", args=[row_id])


def named(row: Any) -> ShownLink:
    """The link that a row of a LinkedList hangs on, as people see it."""
    return cast(ShownLink, row.shown)


def record_of(one: ShownLink, words: str = "") -> str:
    """A record's name, or other ``words`` for it, which lead to its page in the CRM, for a list's column."""
    told = words or naming.one_line(one.record_name, SHORT_NAME)
    if not one.record_url:
        return told or "Not there yet"
    return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', one.record_url, told)


def field_label(name: str) -> str:
    """What a field of ours is called."""
    return "Firm" if name == rows.ORGANIZATION else OURS[name].label if name in OURS else name


def labels_there(integration: Integration, crm_object: str) -> dict[str, str]:
    """What the CRM calls the fields of an object, by their API names, as they were last read. One query."""
    return {name: field.label for name, field in mapping.known_fields(integration).get(crm_object, {}).items()}


def label_of(integration: Integration) -> str:
    """A company and its CRM."""
    return f"{integration.company} and {providers.get(integration.provider).label}"


def crms() -> QuerySet[Integration]:
    """Every company's link to a CRM."""
    found = Integration.objects.filter(integration_type="crm", user__isnull=True)
    return found.select_related("company").order_by("company__name", "provider")


class NamedList(ChangeList):
    """A list whose rows are told what they are about, all of a page at once."""

    def name(self, found: list[Any]) -> None:
        """Give each row what its columns need."""
        raise NotImplementedError

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows_of_page = list(self.result_list)
        self.name(rows_of_page)
        self.result_list = rows_of_page  # the admin walks it, and no more


class LinkedList(NamedList):
    """A list of rows that each hang on a link: each gets it as people see it, as ``shown``."""

    def link_of(self, row: Any) -> RecordLink:
        """The row's link, with its integration."""
        return cast(RecordLink, row.link)

    def name(self, found: list[Any]) -> None:
        for row, one in zip(found, shown(self.link_of(row) for row in found), strict=True):
            row.shown = one


class LinkList(LinkedList):
    """The list of links themselves."""

    def link_of(self, row: Any) -> RecordLink:
        return cast(RecordLink, row)


class RecordsAdmin(admin.ModelAdmin):
    """Rows that the product alone writes: seen by staff, and acted on by buttons.

    ``searches_names_of`` is the column that leads to a link, whose names and addresses are searched too.
    """

    list_per_page = 50
    show_full_result_count = False
    searches_names_of = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        if not self.searches_names_of or not term:
            return found, may_repeat
        named = RecordLink.objects.filter(naming.matching(term)).order_by().values("pk")
        by_name = Q(**{f"{self.searches_names_of}__in": named})
        return queryset.filter(Q(pk__in=found.order_by().values("pk")) | by_name), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """The index offers to view: what may be changed is done by buttons."""
        return {**super().get_model_perms(request), "change": False}

    def check_view(self, request: HttpRequest) -> None:
        """Raises PermissionDenied."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied

    def check_change(self, request: HttpRequest) -> None:
        """Raises PermissionDenied; BadRequest for a change that is not posted."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            raise BadRequest("A change is posted.")

    def shared(self, request: HttpRequest, title: str, **context: Any) -> dict[str, Any]:
        """What every page of ours is given."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "can_change": self.has_change_permission(request),
            **context,
        }


def get(found: QuerySet[Any], pk: object) -> Any:
    """The row. Raises Http404."""
    try:
        return found.get(pk=uuid.UUID(str(pk)))
    except (ValueError, found.model.DoesNotExist) as error:
        raise Http404 from error


def uuids(texts: Collection[str]) -> list[uuid.UUID]:
    """The ids a form sent. Raises BadRequest."""
    try:
        return [uuid.UUID(text) for text in texts]
    except ValueError as error:
        raise BadRequest("That is no id.") from error


def staff(request: HttpRequest) -> User:
    """Who is signed in."""
    return cast(User, request.user)
