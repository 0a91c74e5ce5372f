"""What happened between the companies and whom they know."""

import json
import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from relationships import briefs
from relationships.admin.base import TenantAdmin
from relationships.models import Brief, BriefFailure, FollowUp, Note, Task, Touchpoint


def pretty(value: Any) -> SafeString:
    """JSON as people read it."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Touchpoint)
class TouchpointAdmin(TenantAdmin):
    """Staff read no subject of private mail and no address in it, find it by none, and let nobody else read it. Nor of
    what is withheld, such as a meeting that a block rule hides."""

    list_display = ("__str__", "kind", "occurred_at", "cancelled_at", "company")
    list_filter = ("company", "kind", ("cancelled_at", admin.EmptyFieldListFilter))
    search_fields = ("open_title", "unique_key", "origin", "people__display_name", "organizations__name")
    search_help_text = "Title, person, organization, or the key of the real-world event"
    date_hierarchy = "occurred_at"
    autocomplete_fields = ("company", "people", "users", "organizations")
    exclude = ("guests", "answerers")
    formfield_overrides: ClassVar[Any] = {models.URLField: {"assume_scheme": "https"}}
    readonly_fields = (
        "unique_key",
        "guests_read",
        "thread_key",
        "is_outgoing",
        "is_private",
        "is_withheld",
        "is_orphaned",
        "origin",
        "created_at",
        "updated_at",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        is_open = Q(is_private=False, is_withheld=False) & ~Q(kind=Touchpoint.Kind.EMAIL, cancelled_at__isnull=False)
        title = Case(When(is_open, then=F("title")), default=Value(""), output_field=models.CharField())
        return super().get_queryset(request).annotate(open_title=title)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj and obj.is_withheld:
            return (*self.exclude, "title", "location", "join_url")
        return (*self.exclude, "title") if obj and (obj.is_private or obj.is_out_of_sight) else self.exclude

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Whoever is among a mail's users reads it: that comes from its copies alone."""
        is_mail = obj is not None and obj.kind == Touchpoint.Kind.EMAIL
        return [*super().get_readonly_fields(request, obj), *(["kind", "users"] if is_mail else [])]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by a title or a guest that may be private: whoever tries one beginning after another reads it."""
        return lookup.split("__")[0] not in {"title", "guests"} and super().lookup_allowed(lookup, value, request)

    @admin.display(description="guests")
    def guests_read(self, touchpoint: Touchpoint) -> SafeString | str:
        """Who was there, where that is not for the mail's own users alone."""
        is_open = not (touchpoint.is_private or touchpoint.is_out_of_sight)
        return pretty(touchpoint.guests) if is_open else "Private"

    def save_model(self, request: HttpRequest, obj: Touchpoint, form: Any, change: bool) -> None:
        """A touchpoint that was typed in is an event of its own."""
        obj.unique_key = obj.unique_key or uuid.uuid4().hex
        super().save_model(request, obj, form, change)


@admin.register(Note)
class NoteAdmin(TenantAdmin):
    list_display = ("__str__", "author", "touchpoint", "outcome", "sync_to_crm", "created_at", "company")
    list_filter = ("company", "outcome", "sync_to_crm")
    list_select_related = ("company", "author", "touchpoint")
    search_fields = ("text", "author__email", "people__display_name")
    date_hierarchy = "created_at"
    autocomplete_fields = ("company", "touchpoint", "people", "author")
    readonly_fields = ("created_at", "updated_at")


@admin.register(Task)
class TaskAdmin(TenantAdmin):
    list_display = ("title", "assignee", "person", "due_on", "done_at", "company")
    list_filter = ("company", ("done_at", admin.EmptyFieldListFilter), "due_on")
    list_select_related = ("company", "assignee", "person")
    search_fields = ("title", "description", "person__display_name", "assignee__email")
    date_hierarchy = "due_on"
    autocomplete_fields = ("company", "person", "touchpoint", "assignee")
    readonly_fields = ("origin", "created_at", "updated_at")


class ReadOnlyAdmin(TenantAdmin):
    """Rows that the product alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(FollowUp)
class FollowUpAdmin(ReadOnlyAdmin):
    """Who owes whom an answer: opened and closed by mail, snoozed and dismissed by its user."""

    list_display = ("__str__", "user", "person", "outcome", "due_at", "snoozed_until", "closed_at", "company")
    list_filter = ("company", "side", "outcome")
    list_select_related = ("company", "user", "person")
    search_fields = ("user__email", "user__name", "person__display_name")
    date_hierarchy = "since_at"


class OfMeetingAdmin(ReadOnlyAdmin):
    """What was made of a meeting: found by its title, unless that is withheld."""

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        title = Case(
            When(touchpoint__is_withheld=False, then=F("touchpoint__title")),
            default=Value(""),
            output_field=models.CharField(),
        )
        return super().get_queryset(request).annotate(open_title=title)


@admin.register(Brief)
class BriefAdmin(OfMeetingAdmin):
    list_display = ("touchpoint", "version", "made_at", "company")
    list_select_related = ("company", "touchpoint")
    search_fields = ("open_title",)
    date_hierarchy = "made_at"
    fields = ("company", "touchpoint", "version", "made_at", "fingerprint", "facts_read")
    readonly_fields = ("facts_read",)

    @admin.display(description="facts")
    def facts_read(self, brief: Brief) -> SafeString | str:
        return "Private" if brief.touchpoint.is_out_of_sight else pretty(briefs.readable(brief))


@admin.register(BriefFailure)
class BriefFailureAdmin(OfMeetingAdmin):
    """Briefs that could not be made and are tried again each minute until the meeting starts."""

    list_display = ("touchpoint", "reason", "tries", "first_failed_at", "last_failed_at", "company")
    list_select_related = ("company", "touchpoint")
    search_fields = ("open_title", "reason")
    date_hierarchy = "last_failed_at"
