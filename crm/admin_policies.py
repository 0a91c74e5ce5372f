"""What may be written to a company's CRM and taken from it: the staff's form."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from crm import link_errors
from crm.admin_records_desk import crms, get, label_of
from crm.models import Policy
from relationships.admin.base import TenantAdmin, TenantForm


class PolicyForm(TenantForm):
    """The policy in people's words."""

    class Meta:
        labels: ClassVar[dict[str, str]] = {
            "writes": "What may be written",
            "organizations": "Only these firms",
            "creates_organizations": "Create firms there that the CRM does not have",
            "creates_people": "Create people there that the CRM does not have",
            "daily_share": "Wait from this many per cent on",
            "takes_organizations": "Create firms here that we do not have",
            "takes_people": "Create people here that we do not have",
            "on_delete": "What was deleted in the CRM",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "organizations": "Counts where only listed firms may be written: these, and who belongs to them.",
            "creates_organizations": "Otherwise only firms that are there already are kept equal.",
            "creates_people": "Otherwise only people who are there already are kept equal.",
            "daily_share": "Of the CRM's calls of a day, used by anybody. Follow-up tasks go on longer than the rest.",
            "takes_organizations": "",
            "takes_people": "",
        }


@admin.register(Policy)
class PolicyAdmin(TenantAdmin):
    """It begins careful: nothing is created in the CRM."""

    form = PolicyForm
    list_display = ("crm", "writes_told", "creates_told", "takes_told", "share_told", "company")
    list_select_related = ("company", "integration__company")
    list_filter: ClassVar[Any] = (("company", admin.RelatedOnlyFieldListFilter),)
    change_list_template = "admin/crm_records/policy_list.html"
    change_form_template = "admin/crm_records/policy.html"
    autocomplete_fields = ("company", "organizations")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("crm_link",)}),
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
        return [*super().get_readonly_fields(request, obj), "crm_link"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form, with one button."""
        context = {**(extra_context or {}), "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *given: Any, **named: Any) -> Any:
        """It is called by its CRM."""
        if context.get("original"):
            context["crm_label"] = label_of(context["original"].integration)
        return super().render_change_form(request, context, *given, **named)

    def of_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """To the policy of one CRM."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = Policy.objects.filter(integration=get(crms(), pk)).first()
        if found is None:
            self.message_user(request, "Its policy stands here as soon as it was read for the first time.")
            return redirect("admin:crm_policy_changelist")
        return redirect("admin:crm_policy_change", found.pk)

    @admin.display(description="CRM", ordering="company__name")
    def crm(self, row: Policy) -> str:
        return label_of(row.integration)

    @admin.display(description="CRM")
    def crm_link(self, row: Policy) -> str:
        address = reverse("admin:crm_console", args=[row.integration_id])
        return format_html('<a href="{}">{}</a>', address, label_of(row.integration))

    @admin.display(description="may be written", ordering="writes")
    def writes_told(self, row: Policy) -> str:
        return row.get_writes_display()

    @admin.display(description="created in the CRM")
    def creates_told(self, row: Policy) -> str:
        return _either(row.creates_organizations, row.creates_people)

    @admin.display(description="created here")
    def takes_told(self, row: Policy) -> str:
        return _either(row.takes_organizations, row.takes_people)

    @admin.display(description="waits from", ordering="daily_share")
    def share_told(self, row: Policy) -> str:
        return f"{row.daily_share} per cent of the day's calls"

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is allowed now goes out with the next sync, which begins at once."""
        super().save_related(request, form, formsets, change)
        link_errors.poke([form.instance.integration_id])


def _either(firms: bool, people: bool) -> str:
    if firms and people:
        return "Firms and people"
    if firms or people:
        return "Firms" if firms else "People"
    return "Nobody"
