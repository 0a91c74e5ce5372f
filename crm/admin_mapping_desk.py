"""What every page of the mapping editor works with: one company's link to one CRM, its draft, and who may do what."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from crm import admin_log, checks, connection, defaults, drafts, mapping
from crm import schema as schemas
from crm.checks import Crm, Problem
from crm.mapping import Row
from crm.models import FieldMapping, MappingVersion
from integrations import providers
from integrations.errors import IntegrationError
from integrations.models import Integration
from relationships.models import User

LINKS = "crm"
"""Integration.integration_type of what has a mapping."""


@dataclass(frozen=True)
class Desk:
    """One link, with its draft as it is now. ``crm`` is what the draft is checked against."""

    integration: Integration
    label: str
    draft: MappingVersion
    rows: list[Row]
    crm: Crm
    latest: MappingVersion | None

    @property
    def title(self) -> str:
        return f"{self.integration.company} and {self.label}"

    @property
    def seen(self) -> str:
        """What a form sends back, to prove which state of the draft it was made from."""
        return self.draft.changed_at.isoformat()

    @property
    def published(self) -> list[Row]:
        return drafts.rows_of(self.latest) if self.latest else []

    def problems(self) -> list[Problem]:
        """What is wrong with the draft."""
        return checks.problems(self.rows, self.crm)

    def position(self, name: str) -> int | None:
        """Where the line of a field of ours stands; None where it has none."""
        return next((at for at, row in enumerate(self.rows) if row.lpxgp_field == name), None)


def links() -> QuerySet[Integration]:
    """Every company's link to a CRM."""
    found = Integration.unscoped.filter(integration_type=LINKS, user__isnull=True)
    return found.select_related("company").order_by("company__name", "provider")


def label_of(provider: str) -> str:
    """What a CRM is called."""
    return providers.get(provider).label


def crm_of(integration: Integration, known: mapping.Schema | None = None) -> Crm:
    """What a mapping of this link is checked against: the field lists as they were last read."""
    adapter = connection.adapter(integration)
    new_fields = defaults.of(integration.provider).new_fields
    schema = mapping.known_fields(integration) if known is None else known
    return Crm(schema, adapter.objects, adapter.key_fields, new_fields)


class MappingDesk(admin.ModelAdmin):
    """The parts that the pages share. Whoever may view field mappings sees them, whoever may change them edits."""

    def desk(self, request: HttpRequest, pk: uuid.UUID, is_change: bool = False) -> Desk:
        """The link that an address names. Raises Http404, PermissionDenied; BadRequest for a change by GET."""
        is_allowed = self.has_change_permission if is_change else self.has_view_permission
        if not is_allowed(request):
            raise PermissionDenied
        if is_change and request.method != "POST":
            raise BadRequest("A change is posted.")
        integration = links().filter(pk=pk).first()
        if integration is None:
            raise Http404
        draft = drafts.draft(integration.company, integration.provider)
        latest = drafts.latest(integration.company, integration.provider)
        return Desk(
            integration, label_of(integration.provider), draft, drafts.rows_of(draft), crm_of(integration), latest
        )

    def page(self, request: HttpRequest, desk: Desk, template: str, **context: Any) -> TemplateResponse:
        """A page of the editor."""
        status = context.pop("status", 200)
        shared = {
            **self.admin_site.each_context(request),
            "title": desk.title,
            "opts": self.opts,
            "desk": desk,
            "can_change": self.has_change_permission(request),
        }
        return TemplateResponse(request, f"admin/crm/{template}.html", shared | context, status=status)

    def back(self, desk: Desk, anchor: str = "") -> HttpResponse:
        """To the editor."""
        address = reverse("admin:crm_fieldmapping_change", args=[desk.integration.pk])
        return redirect(f"{address}#{anchor}" if anchor else address)

    def note_change(self, request: HttpRequest, desk: Desk, words: str) -> None:
        """Keep in the admin's log who did what. A mapping goes by its link's key there."""
        admin_log.note(staff(request), FieldMapping(pk=desk.integration.pk), words, desk.title)

    def told(self, request: HttpRequest, desk: Desk) -> list[LogEntry]:
        """What staff did here, the newest first."""
        return admin_log.told(FieldMapping(pk=desk.integration.pk))

    def refresh(self, request: HttpRequest, desk: Desk) -> bool:
        """Read the CRM's field lists anew; tells why not, and goes on with those that are known."""
        try:
            reading = schemas.refresh(desk.integration)
        except IntegrationError as error:
            messages.error(request, f"The fields of {desk.label} could not be read: {error}")
            return False
        for crm_object, words in reading.hidden.items():
            messages.warning(request, f"{crm_object}: {words}")
        return True


def staff(request: HttpRequest) -> User:
    """Who is signed in."""
    return cast(User, request.user)


def seen_of(request: HttpRequest) -> datetime:
    """Which state of the draft a form was made from. Raises BadRequest."""
    try:
        return datetime.fromisoformat(request.POST.get("seen", ""))
    except ValueError as error:
        raise BadRequest("The form does not say which draft it was made from.") from error
