"""What the admin's pages of linked records share: how a row and a record are called, where they are, who may act."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse

from crm import connection, rows
from crm.catalogue import KIND_LABELS, OURS
from crm.errors import CAUSES, Cause
from crm.models import RecordLink
from integrations import providers
from integrations.models import Integration
from relationships.models import User


@dataclass(frozen=True)
class ShownLink:
    """One link as pages show it: our row and their record, each with its address where there is one."""

    link: RecordLink
    label: str
    row_url: str
    record_url: str
    cause: Cause | None

    @property
    def kind(self) -> str:
        return KIND_LABELS[self.link.kind]


def shown(links: Iterable[RecordLink]) -> list[ShownLink]:
    """These links for people. One query for each kind of row among them; needs ``select_related("integration")``."""
    found = list(links)
    names: dict[tuple[str, uuid.UUID], str] = {}
    for kind in {link.kind for link in found}:
        ids = [link.row_id for link in found if link.kind == kind and link.row_id]
        for pk, row in rows.TABLES[kind].objects.in_bulk(ids).items():
            names[kind, pk] = str(row)
    return [_shown(link, names) for link in found]


def _shown(link: RecordLink, names: dict[tuple[str, uuid.UUID], str]) -> ShownLink:
    label = names.get((link.kind, link.row_id)) if link.row_id else None
    return ShownLink(
        link,
        label or ("Deleted here" if link.row_id else "No row of ours yet"),
        row_url(link.kind, link.row_id) if label and link.row_id else "",
        record_url(link.integration, link.crm_object, link.external_id),
        CAUSES.get(link.error_cause),
    )


def row_url(kind: str, row_id: uuid.UUID) -> str:
    """The admin's page of a row of ours."""
    return reverse(f"admin:relationships_{rows.TABLES[kind]._meta.model_name}_change", args=[row_id])


def record_url(integration: Integration, crm_object: str, external_id: str) -> str:
    """Where people see a record in the CRM; empty where that is not known."""
    if not external_id:
        return ""
    adapter = connection.adapter(integration)
    try:
        return adapter.record_url(integration.details, integration.external_account_id, crm_object, external_id)
    except KeyError:
        return ""  # Of an account that was never read nobody knows where its pages are.


def field_label(name: str) -> str:
    """What a field of ours is called."""
    return OURS[name].label if name in OURS else name


def label_of(integration: Integration) -> str:
    """A company and its CRM."""
    return f"{integration.company} and {providers.get(integration.provider).label}"


def crms() -> QuerySet[Integration]:
    """Every company's link to a CRM."""
    found = Integration.objects.filter(integration_type="crm", user__isnull=True)
    return found.select_related("company").order_by("company__name", "provider")


class RecordsAdmin(admin.ModelAdmin):
    """Rows that the product alone writes: seen by staff, and acted on by buttons."""

    list_per_page = 50
    show_full_result_count = False

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
