"""Staff's view of linked accounts. Tokens and channel secrets are never shown, not even their last characters."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations import sync_states
from integrations.admin_owners import LinkedCompanyAdmin, LinkedUserAdmin
from integrations.models import AdminRequest, Channel, Heartbeat, Integration, LinkAttempt, SetAside, SyncRun, SyncState

__all__ = [
    "ChannelAdmin",
    "HeartbeatAdmin",
    "IntegrationAdmin",
    "LinkAttemptAdmin",
    "LinkedCompanyAdmin",
    "LinkedUserAdmin",
    "ReadOnly",
    "SetAsideAdmin",
    "SyncRunAdmin",
    "SyncStateAdmin",
]


class ReadOnly(admin.ModelAdmin):
    """Rows that the product alone writes."""

    show_full_result_count = False
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nobody filters by what is not shown: whoever tries one beginning after another reads it all the same."""
        return lookup.split("__")[0] not in (self.exclude or ()) and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SyncStateInline(admin.TabularInline):
    model = SyncState
    fields = ("name", "is_chosen", "is_gone", "last_success_at", "next_poll_at", "failures", "last_error")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Integration)
class IntegrationAdmin(ReadOnly):
    list_display = ("account_address", "sync_status", "last_sync", "provider", "integration_type", "user", "company")
    list_filter = ("sync_status", "provider", "integration_type", "company")
    list_select_related = ("company", "user")
    search_fields = ("account_address", "user__email", "company__name", "reason")
    # The lease is that of whoever redeems the refresh token.
    exclude = ("encrypted_tokens", "lease", "lease_until")
    fieldsets = (
        (None, {"fields": ("account_address", "user", "company", "provider", "integration_type")}),
        ("How it is", {"fields": ("sync_status", "reason", "status_changed_at", "told_at", "last_sync")}),
        ("What was granted", {"fields": ("external_account_id", "scopes", "expires_at", "version", "created_at")}),
        (
            "Under way",
            {"fields": ("resources_listed_at", "resources_tried_at", "is_revocation_due", "is_deletion_due")},
        ),
    )
    inlines = (SyncStateInline,)


@admin.register(SyncState)
class SyncStateAdmin(ReadOnly):
    list_display = ("__str__", "last_success_at", "last_error", "next_poll_at", "integration", "company")
    list_filter = ("integration__provider", "resource_type", "is_chosen", "is_gone", "company")
    list_select_related = ("integration", "company")
    search_fields = ("name", "external_id", "integration__account_address", "last_error")
    exclude = ("cursor", "page_cursor")
    actions = ("sync_now",)

    @admin.action(description="Sync now", permissions=["view"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[SyncState]) -> None:
        """Ask for a sync of the chosen rows; the worker does it."""
        ids = list(queryset.filter(is_chosen=True).values_list("pk", flat=True))
        sync_states.poke(ids, trigger=SyncRun.Trigger.MANUAL)
        messages.success(request, f"Asked for {len(ids)} sync{'' if len(ids) == 1 else 's'}.")


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly):
    list_display = (
        "started_at",
        "state",
        "outcome",
        "error",
        "kind",
        "found",
        "changed",
        "company",
    )
    list_filter = ("outcome", "kind", "trigger", "company", "started_at")
    list_select_related = ("state", "company")
    search_fields = ("state__name", "error")
    date_hierarchy = "started_at"


@admin.register(SetAside)
class SetAsideAdmin(ReadOnly):
    list_display = ("last_seen_at", "state", "reason", "external_id", "first_seen_at", "company")
    list_filter = ("company",)
    list_select_related = ("state", "company")
    search_fields = ("external_id", "reason", "state__name")


@admin.register(Channel)
class ChannelAdmin(ReadOnly):
    list_display = ("sync_state", "state", "expires_at", "renew_at", "error", "provider", "company")
    list_filter = ("state", "provider", "company")
    list_select_related = ("sync_state", "company")
    search_fields = ("channel_id", "resource_id", "sync_state__name", "error")
    exclude = ("channel_token",)


@admin.register(LinkAttempt)
class LinkAttemptAdmin(ReadOnly):
    list_display = ("created_at", "provider", "integration_type", "user", "company", "expires_at")
    list_select_related = ("user", "company")
    search_fields = ("user__email",)
    exclude = ("state_digest", "session_digest", "encrypted_verifier")


@admin.register(AdminRequest)
class AdminRequestAdmin(ReadOnly):
    list_display = ("asked_at", "provider", "integration_type", "user", "company", "granted_at", "refused_at")
    list_select_related = ("user", "company")
    search_fields = ("user__email",)
    exclude = ("state_digest", "encrypted_state")


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly):
    list_display = ("name", "pid", "beat_at")
