"""What the admin pages of all tenant tables share: a row stays in its company, and what it points to is of the same."""

import uuid
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.db.models import ForeignKey, ManyToManyField, Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest


class OfCompany:
    """Lets an autocomplete widget offer the rows of one company alone, once ``company_id`` is set."""

    company_id: uuid.UUID | None = None

    def get_url(self) -> str:
        url: str = super().get_url()  # type: ignore[misc]
        return f"{url}?company={self.company_id}" if self.company_id else url


class CompanySelect(OfCompany, AutocompleteSelect):
    """One row of the company."""


class CompanySelectMultiple(OfCompany, AutocompleteSelectMultiple):
    """Several rows of the company."""


class TenantForm(forms.ModelForm):
    """Refuses rows of another company in many-to-many fields; the model's clean() does so for foreign keys."""

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        company = data.get("company") or getattr(self.instance, "company", None)
        for name, value in list(data.items()):
            if not isinstance(value, QuerySet) or company is None:
                continue
            strangers = [str(row) for row in value if getattr(row, "company_id", company.pk) != company.pk]
            if strangers:
                self.add_error(name, f"{', '.join(strangers)} does not belong to {company}.")
        return data


class SearchedByCompany:
    """An admin whose autocomplete answers follow the ``company`` that ``OfCompany`` asks for."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        rows, may_repeat = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        company = request.GET.get("company") if request.path.endswith("/autocomplete/") else None
        return (rows.filter(company_id=company) if _is_uuid(company) else rows), may_repeat


class TenantAdmin(SearchedByCompany, admin.ModelAdmin):
    """A tenant's table. The company is chosen when a row is added and stays."""

    form = TenantForm
    show_full_result_count = False
    list_per_page = 50
    list_filter: ClassVar[Any] = ("company",)
    list_select_related: ClassVar[Any] = ("company",)
    autocomplete_fields: ClassVar[Any] = ("company",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fixed = ["company"] if obj else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request) and db_field.name != "company":
            kwargs.setdefault("widget", CompanySelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", CompanySelectMultiple(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        for field in form.base_fields.values():
            widget = getattr(field.widget, "widget", field.widget)
            if obj and isinstance(widget, OfCompany):
                widget.company_id = obj.company_id
        return form


class TenantFormSet(BaseInlineFormSet):
    """Rows below a tenant's row, in the same company; ``unique_name`` may not stand in it twice."""

    unique_name = ""

    def company_id(self) -> uuid.UUID:
        """The company that the rows belong to."""
        return self.instance.company_id

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        # Before the form validates, so that the model's clean() looks for clashes in the right company.
        form = super()._construct_form(i, **kwargs)  # type: ignore[misc]
        form.instance.company_id = self.company_id()
        return form

    def kept_forms(self) -> list[Any]:
        """The forms that hold a valid row which is not to be deleted."""
        return [form for form in self.forms if form.is_valid() and form.cleaned_data and form not in self.deleted_forms]

    def clean(self) -> None:
        super().clean()
        seen = set()
        for form in self.kept_forms():
            value = getattr(form.instance, self.unique_name)
            if value in seen:
                form.add_error(None, "This stands here twice: remove one of them.")
            seen.add(value)


class TenantInline(admin.TabularInline):
    """Rows of a tenant's table below the row they belong to."""

    formset: type[TenantFormSet] = TenantFormSet
    extra = 0
    show_change_link = False


def _is_uuid(text: str | None) -> bool:
    try:
        uuid.UUID(text or "")
    except ValueError:
        return False
    return True
