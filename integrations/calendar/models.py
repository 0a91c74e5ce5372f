"""Copies of calendar events, and why each became a meeting or did not."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import SyncState
from relationships.tenancy import TenantModel, unindexed_company


class CalendarEvent(TenantModel):
    """One copy of one event (or instance of a series) on one linked calendar.

    Times are UTC; an all-day event has ``starts_on`` and exclusive ``ends_on`` instead, in no zone. A private event is
    kept without title, guests and place.
    """

    class Verdict(models.TextChoices):
        PENDING = "pending", "Not looked at yet"
        MEETING = "meeting", "A meeting with people you know"
        CANCELLED = "cancelled", "Cancelled"
        DECLINED = "declined", "You declined it"
        PRIVATE = "private", "Marked private"
        NOT_A_MEETING = "not_a_meeting", "Focus time, out of office, working place, birthday or booking"
        NO_GUESTS = "no_guests", "Nobody else is invited"
        INTERNAL = "internal", "Only colleagues"
        BLOCKED = "blocked", "A guest is on the block list"
        HIDDEN = "hidden", "A guest is hidden by a block rule"
        UNKNOWN_GUESTS = "unknown_guests", "No guest is a known contact"

    company = unindexed_company()
    # Its index is that of ``calendar_event_once``.
    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="events", db_index=False)
    external_id = models.TextField()
    etag = models.TextField(blank=True)
    ical_uid = models.TextField(blank=True)
    series_id = models.TextField(blank=True, help_text="The provider's id of the series this is an instance of.")
    original_start = models.TextField(blank=True, help_text="An instance's slot in its series: UTC instant or date.")
    is_cancelled = models.BooleanField(default=False)
    title = models.TextField(blank=True)
    location = models.TextField(blank=True)
    join_url = models.TextField(blank=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    starts_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)
    organizer = models.TextField(blank=True)
    my_response = models.TextField(blank=True)
    visibility = models.TextField(default="default")
    event_type = models.TextField(default="default")
    guests_omitted = models.BooleanField(
        default=False, help_text="The provider hid guests: those known before are kept."
    )
    remote_updated_at = models.DateTimeField(null=True)
    verdict = models.TextField(choices=Verdict, default=Verdict.PENDING)
    meeting_key = models.CharField(max_length=64, blank=True, help_text="Touchpoint.unique_key of the real meeting.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["starts_at"]
        indexes = [
            models.Index(fields=["company", "meeting_key"]),
            models.Index(fields=["state", "series_id"]),
            models.Index(fields=["company", "starts_at"]),
        ]
        constraints = [
            models.UniqueConstraint(fields=["state", "external_id"], name="calendar_event_once"),
            models.CheckConstraint(
                condition=Q(is_cancelled=True)
                | Q(starts_at__isnull=False, starts_on__isnull=True)
                | Q(starts_at__isnull=True, starts_on__isnull=False),
                name="calendar_event_timed_or_all_day",
            ),
        ]

    def __str__(self) -> str:
        # Never the title: what an event says is its owner's, and staff see this text.
        return self.external_id


class EventGuest(TenantModel):
    """Somebody invited to an event, with the keys that contacts are matched by."""

    company = unindexed_company()
    # Its index is that of ``event_guest_once``.
    event = models.ForeignKey(CalendarEvent, on_delete=models.CASCADE, related_name="guests", db_index=False)
    email = models.TextField()
    match_key = models.TextField()
    domain = models.TextField()
    name = models.TextField(blank=True)
    response = models.TextField(blank=True)
    is_organizer = models.BooleanField(default=False)
    is_optional = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["company", "match_key"]),
            models.Index(fields=["company", "domain"]),
        ]
        constraints = [models.UniqueConstraint(fields=["event", "email"], name="event_guest_once")]

    def __str__(self) -> str:
        return f"guest of {self.event_id}"


class ContactsLook(TenantModel):
    """Up to when new contacts, domains and block rules of a company were looked at for its past meetings."""

    looked_at = models.DateTimeField()
    rows = models.JSONField(default=dict, help_text="How many rows of each kind there were: fewer mean removed ones.")
    waits_for = models.JSONField(
        default=dict, help_text="Syncs under way when a block rule went: what each reads, and its hold."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company"], name="contacts_look_once")]

    def __str__(self) -> str:
        return f"{self.company} at {self.looked_at:%Y-%m-%d %H:%M}"
