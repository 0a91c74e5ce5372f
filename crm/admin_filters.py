"""Filters of the CRM's lists, in people's words."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from crm import console
from crm.catalogue import KIND_LABELS


class KindFilter(admin.SimpleListFilter):
    """By kind of row."""

    title, parameter_name = "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(KIND_LABELS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class CauseFilter(admin.SimpleListFilter):
    """By why it failed."""

    title, parameter_name = "what went wrong", "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Anything"), *((name, cause.title) for name, cause in console.CAUSES.items())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "any":
            return queryset.exclude(error_cause="")
        return queryset.filter(error_cause=self.value()) if self.value() else queryset


class _HasHappened(admin.SimpleListFilter):
    """By whether a moment was noted in ``field``."""

    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "Not yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__isnull": self.value() == "no"}) if self.value() else queryset


class CameBackFilter(_HasHappened):
    """By whether a write came back from the CRM."""

    title, parameter_name, field = "whether it came back", "came_back", "echoed_at"


class PutBackFilter(_HasHappened):
    """By whether the value that gave way was put back."""

    title, parameter_name, field = "whether it was put back", "put_back", "restored_at"


class WhenFilter(admin.DateFieldListFilter):
    """By when it happened."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.title = "when"


class StayedFilter(admin.ChoicesFieldListFilter):
    """By whose value stayed."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.title = "what stayed"
