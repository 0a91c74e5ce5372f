"""The admin's pages of firms and people, which say here with which records of a CRM they are kept equal."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from crm.admin_records_desk import ShownLink, record_of, shown
from crm.models import RecordLink
from integrations import providers
from relationships.admin.contacts import OrganizationAdmin, PersonAdmin
from relationships.models import Organization, Person


class InStep(admin.ModelAdmin):
    """Adds one line to the page of a row. The pages themselves know of no CRM."""

    kind = ""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        own = ["in_step"] if obj else []
        return [*super().get_readonly_fields(request, obj), *own]

    @admin.display(description="in step with")
    def in_step(self, row: Model) -> str:
        links = RecordLink.objects.filter(kind=self.kind, row_id=row.pk).select_related("integration")
        found = shown(links.order_by("created_at"))
        return format_html_join(mark_safe("<br>"), "{}", ((_line(one),) for one in found)) or "No record of a CRM"


def _line(one: ShownLink) -> str:
    link = one.link
    looked_at = link.looked_at and formats.date_format(timezone.localtime(link.looked_at), "DATETIME_FORMAT")
    return format_html(
        '{} record {}: {}, {}. {}<a href="{}">All that is known of it</a>',
        providers.get(link.integration.provider).label,
        record_of(one),
        link.get_state_display().lower(),
        f"last compared {looked_at}" if looked_at else "not compared yet",
        f"{one.cause.title}. " if one.cause else "",
        reverse("admin:crm_recordlink_change", args=[link.pk]),
    )


admin.site.unregister([Organization, Person])


@admin.register(Organization)
class LinkedOrganizationAdmin(InStep, OrganizationAdmin):
    """A firm, and its records."""

    kind = "organization"


@admin.register(Person)
class LinkedPersonAdmin(InStep, PersonAdmin):
    """A person, and the records of theirs."""

    kind = "person"
