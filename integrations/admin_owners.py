"""Deleting a member or a firm: not before their accounts are disconnected, since a consent ends by its tokens alone."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from integrations import linking, providers
from integrations.models import Integration
from relationships import tenancy
from relationships.admin import CompanyAdmin, UserAdmin
from relationships.models import Company, User

ENDED = Q(sync_status=Integration.Status.REVOKED, is_revocation_due=False, is_deletion_due=False)
"""Nothing is left to do for it, at the provider or here."""

STAFF_ENDED = "It was disconnected by the people who run this installation."


class Standing(list[str]):
    """The linked accounts, in words, that keep their owners from being deleted."""

    def __init__(self, links: Iterable[Integration]) -> None:
        found = list(links)
        super().__init__(_words(link) for link in found)
        self.is_ending = all(link.sync_status == Integration.Status.REVOKED for link in found)


class LinkOwner(admin.ModelAdmin):
    """Rows that own linked accounts. ``owner`` leads to them from a link, ``users`` from a user who links."""

    owner = users = ""
    delete_confirmation_template = "admin/integrations/delete_owner.html"
    delete_selected_confirmation_template = "admin/integrations/delete_owners.html"
    actions = ("disconnect_links",)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What stands in the way, or how much goes too: counted, since a firm's rows would fill a thousand pages.

        Tables that the product alone writes let nobody delete a row by itself; a superuser takes them with the owner.
        """
        standing = Standing(self._live(one.pk for one in objs))
        if standing:
            return [], {}, set(), standing
        _, counts, lacking, protected = super().get_deleted_objects(objs, request)
        may_all = getattr(request.user, "is_superuser", False)
        return [str(one) for one in objs], counts, set() if may_all else lacking, protected

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.delete_queryset(request, self.get_queryset(request).filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete them, unless one has linked an account since the question was asked. Raises PermissionDenied."""
        pks = list(queryset.values_list("pk", flat=True))
        with transaction.atomic():
            # Linking holds its user's row while it stores a grant: it comes before this look, or finds nobody.
            list(User.objects.select_for_update(no_key=True).filter(**{f"{self.users}__in": pks}).order_by("pk"))
            if self._live(pks).exists():
                raise PermissionDenied("An account was linked meanwhile. Disconnect it first.")
            super().delete_queryset(request, self.model._default_manager.filter(pk__in=pks))

    @admin.action(description="Disconnect linked accounts", permissions=["delete"])
    def disconnect_links(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Have every account of these rows disconnected, as their users could; what was imported stays."""
        links = self._live(queryset.values_list("pk", flat=True)).exclude(sync_status=Integration.Status.REVOKED)
        count = 0
        for link in links:
            with tenancy.within(link.company_id):
                linking.disconnect(link, is_data_deleted=False, reason=STAFF_ENDED)
            count += 1
        if count:
            accounts = f"{count} account{'' if count == 1 else 's'}"
            messages.success(request, f"{accounts} being disconnected. It takes a moment; then you can delete.")
        else:
            messages.warning(request, "There was no linked account left to disconnect.")

    def _live(self, pks: Iterable[uuid.UUID]) -> QuerySet[Integration]:
        return Integration.unscoped.filter(**{f"{self.owner}__in": list(pks)}).exclude(ENDED)


def _words(link: Integration) -> str:
    label = providers.service(link.provider, link.integration_type).label
    is_ending = link.sync_status == Integration.Status.REVOKED
    state = "being disconnected" if is_ending else link.get_sync_status_display().lower()
    return f"{label}, {link.account_address} ({state})"


admin.site.unregister([User, Company])


@admin.register(User)
class LinkedUserAdmin(LinkOwner, UserAdmin):
    """Members and staff; a member's accounts are disconnected before the member is deleted."""

    owner, users = "user", "pk"


@admin.register(Company)
class LinkedCompanyAdmin(LinkOwner, CompanyAdmin):
    """Firms; all their members' accounts are disconnected before the firm is deleted."""

    owner, users = "company", "company"
