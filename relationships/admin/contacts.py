"""Whom the companies know: organizations, people, funds and how they fit, and who is kept out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from relationships.admin.base import TenantAdmin, TenantFormSet, TenantInline
from relationships.models import (
    BlockRule,
    Fund,
    Match,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
)

JUDGED_BY = frozenset({"domain", "email", "kind", "organization", "person", "strength", "user", "value"})
"""What past meetings and mail are judged by."""


def count_as_new(row: Any, form: Any) -> None:
    """The past is looked at again for what is new: so is a row that says something else than before."""
    if not JUDGED_BY.isdisjoint(form.changed_data):
        row.created_at = timezone.now()


class PartFormSet(TenantFormSet):
    """Addresses or domains below whom they belong to."""

    def save_existing(self, form: Any, obj: Any, commit: bool = True) -> Any:
        count_as_new(form.instance, form)
        return super().save_existing(form, obj, commit)


class DomainFormSet(PartFormSet):
    unique_name = "domain"


class OrganizationDomainInline(TenantInline):
    model = OrganizationDomain
    formset = DomainFormSet
    fields = ("domain",)


class PartAdmin(TenantAdmin):
    """Rows that are part of another one, which the column ``whole`` names: what happens to them is news of that one, by
    whose stamp a CRM is told."""

    whole = ""

    def _touch(self, *ids: Any) -> None:
        table: Any = self.model._meta.get_field(self.whole).related_model
        table.objects.filter(pk__in=ids).update(updated_at=timezone.now())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        count_as_new(obj, form)
        super().save_model(request, obj, form, change)
        before = form.initial.get(self.whole) if change else None
        self._touch(*{before or obj.serializable_value(self.whole), obj.serializable_value(self.whole)})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        self._touch(obj.serializable_value(self.whole))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        ids = set(queryset.values_list(self.whole, flat=True))
        super().delete_queryset(request, queryset)
        self._touch(*ids)


@admin.register(Organization)
class OrganizationAdmin(TenantAdmin):
    list_display = ("name", "kind", "city", "country", "company")
    list_filter = ("company", "kind")
    search_fields = ("name", "domains__domain")
    readonly_fields = ("created_at", "updated_at")
    inlines = (OrganizationDomainInline,)


@admin.register(OrganizationDomain)
class OrganizationDomainAdmin(PartAdmin):
    whole = "organization"
    list_display = ("domain", "organization", "company")
    list_select_related = ("company", "organization")
    search_fields = ("domain", "organization__name")
    autocomplete_fields = ("company", "organization")


class AddressForm(forms.ModelForm):
    """An address below its person."""

    def _get_validation_exclusions(self) -> set[str]:
        # One primary address per person is checked over the whole set (AddressFormSet): row by row, moving the mark
        # from one address to another would clash with the one still stored.
        return {*super()._get_validation_exclusions(), "person"}  # type: ignore[misc]


class AddressFormSet(PartFormSet):
    """All addresses of a person; at most one is the primary one."""

    unique_name = "match_key"

    def clean(self) -> None:
        super().clean()
        primary = [form for form in self.kept_forms() if form.cleaned_data.get("is_primary")]
        for form in primary[1:]:
            form.add_error("is_primary", "A person has one primary address: untick the others.")

    def save(self, commit: bool = True) -> Any:
        if any("is_primary" in form.changed_data for form in self.initial_forms):
            PersonAddress.objects.filter(person=self.instance, is_primary=True).update(is_primary=False)
        return super().save(commit)


class PersonAddressInline(TenantInline):
    model = PersonAddress
    form = AddressForm
    formset = AddressFormSet
    fields = ("email", "is_primary")


@admin.register(Person)
class PersonAdmin(TenantAdmin):
    list_display = ("display_name", "title", "organization", "first_address", "company")
    list_filter = ("company",)
    list_select_related = ("company", "organization")
    search_fields = ("display_name", "addresses__email", "organization__name")
    autocomplete_fields = ("company", "organization", "assistant_of")
    readonly_fields = ("created_at", "updated_at")
    inlines = (PersonAddressInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("addresses")

    @admin.display(description="address")
    def first_address(self, person: Person) -> str:
        """The primary address, or any other."""
        found = sorted(person.addresses.all(), key=lambda address: not address.is_primary)
        return found[0].email if found else ""


@admin.register(PersonAddress)
class PersonAddressAdmin(PartAdmin):
    whole = "person"
    list_display = ("email", "person", "is_primary", "company")
    list_filter = ("company", "is_primary")
    list_select_related = ("company", "person")
    search_fields = ("email", "match_key", "person__display_name")
    autocomplete_fields = ("company", "person")
    readonly_fields = ("match_key", "created_at")


@admin.register(Fund)
class FundAdmin(TenantAdmin):
    list_display = ("name", "vintage", "target_size", "currency", "company")
    search_fields = ("name",)


@admin.register(Match)
class MatchAdmin(TenantAdmin):
    list_display = ("organization", "fund", "score", "scored_at", "company")
    list_filter = ("company", ("fund", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("company", "organization", "fund")
    search_fields = ("organization__name", "fund__name")
    autocomplete_fields = ("company", "organization", "fund")
    date_hierarchy = "scored_at"


@admin.register(BlockRule)
class BlockRuleAdmin(TenantAdmin):
    list_display = ("value", "kind", "strength", "user", "company", "created_at")
    list_filter = ("company", "kind", "strength")
    list_select_related = ("company", "user")
    search_fields = ("value", "user__email")
    autocomplete_fields = ("company", "user")
    readonly_fields = ("created_at",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        count_as_new(obj, form)
        super().save_model(request, obj, form, change)
