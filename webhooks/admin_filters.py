"""Filters of the admin's lists that cost no look through the whole table."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from webhooks import senders
from webhooks.models import WebhookFailure

MOST_CAUSES = 30
Choices = list[tuple[str, str]]


class ProviderFilter(admin.SimpleListFilter):
    """By who sent it."""

    title = parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        known = {sender.slug: sender.label for group in senders.by_type().values() for sender in group.values()}
        return sorted(known.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class TypeFilter(admin.SimpleListFilter):
    """By the last part of the address it was sent to."""

    title, parameter_name = "type", "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, name) for name in sorted(senders.by_type())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(webhook_type=self.value()) if self.value() else queryset


class CauseFilter(admin.SimpleListFilter):
    """By why it was given up: one entry per cause, however many deliveries it hit."""

    title, parameter_name = "cause", "cause"
    path = "fingerprint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(fingerprint, f"{Truncator(error).chars(60)} ({count})") for fingerprint, error, count in open_causes()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.path: self.value()}).distinct() if self.value() else queryset


class DeliveryCauseFilter(CauseFilter):
    """The same, seen from a delivery."""

    title = "cause of failure"
    path = "failures__fingerprint"


class ResolvedFilter(admin.SimpleListFilter):
    """Open failures, unless asked for others."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("resolved", "Resolved"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Open",
        }
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == "all" else queryset.filter(resolved=self.value() == "resolved")


def open_causes() -> list[tuple[str, str, int]]:
    """The commonest causes of open failures: fingerprint, an example of its words, count."""
    rows = WebhookFailure.objects.filter(resolved=False).order_by().values_list("fingerprint")
    counted = rows.annotate(example=Min("error"), count=Count("pk")).order_by("-count", "fingerprint")
    return [(fingerprint, example or "No words", count) for fingerprint, example, count in counted[:MOST_CAUSES]]
