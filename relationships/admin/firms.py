"""The firms that use the product, and who signs in."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from relationships.admin.base import SearchedByCompany, TenantAdmin, TenantFormSet, TenantInline
from relationships.models import Company, CompanyDomain, User


class CompanyDomainFormSet(TenantFormSet):
    unique_name = "domain"

    def company_id(self) -> uuid.UUID:
        return self.instance.pk


class CompanyDomainInline(TenantInline):
    model = CompanyDomain
    formset = CompanyDomainFormSet


@admin.register(Company)
class CompanyAdmin(admin.ModelAdmin):
    show_full_result_count = False
    list_display = ("name", "time_zone", "brief_lead_minutes", "created_at")
    search_fields = ("name",)
    readonly_fields = ("created_at",)
    inlines = (CompanyDomainInline,)


@admin.register(CompanyDomain)
class CompanyDomainAdmin(TenantAdmin):
    list_display = ("domain", "company")
    search_fields = ("domain",)


class UserCreationForm(AdminUserCreationForm):
    """A new member or staff user: e-mail and password, and what may not change afterwards."""

    class Meta:
        model = User
        fields = ("email", "name", "company", "time_zone", "is_staff", "is_company_admin")


@admin.register(User)
class UserAdmin(SearchedByCompany, DjangoUserAdmin):
    """Whether somebody is a member (and of which company) or staff is settled when the user is added."""

    add_form = UserCreationForm
    show_full_result_count = False
    list_display = ("email", "name", "company", "is_company_admin", "is_staff", "is_active", "last_login")
    list_filter = ("company", "is_company_admin", "is_staff", "is_superuser", "is_active")
    list_select_related = ("company",)
    search_fields = ("email", "name")
    ordering = ("email",)
    autocomplete_fields = ("company",)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets: Any = (
        (
            None,
            {
                "fields": (*UserCreationForm.Meta.fields, "usable_password", "password1", "password2"),
                "description": "A member belongs to one company and stays in it. Staff belong to none and may use "
                "this admin: tick “staff” and leave the company empty.",
            },
        ),
    )
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("email", "name", "password", "time_zone")}),
        (
            "Belongs to",
            {
                "fields": ("company", "is_company_admin", "is_staff"),
                "description": "Settled when the user was added. Somebody who changes firms gets a new user there.",
            },
        ),
        ("May", {"fields": ("is_active", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if obj:
            fields += ["company", "is_staff"]
        if not getattr(request.user, "is_superuser", False):
            # Nobody raises themselves.
            fields += ["is_superuser", "groups", "user_permissions"]
        return fields
