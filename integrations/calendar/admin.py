"""Staff's view of event copies: when and why, with the content only the member's own page shows left out."""

from django.contrib import admin

from integrations.admin import ReadOnly
from integrations.calendar.models import CalendarEvent, ContactsLook


@admin.register(CalendarEvent)
class CalendarEventAdmin(ReadOnly):
    list_display = ("external_id", "state", "company", "verdict", "starts_at", "starts_on", "remote_updated_at")
    list_filter = ("verdict", "is_cancelled", "event_type", "company")
    list_select_related = ("state", "company")
    search_fields = ("external_id", "ical_uid", "state__name")
    date_hierarchy = "starts_at"
    # Calendars are their owners': staff see that an event was read and what became of it, not what it says.
    exclude = ("title", "location", "join_url", "organizer")


@admin.register(ContactsLook)
class ContactsLookAdmin(ReadOnly):
    list_display = ("company", "looked_at")
    list_select_related = ("company",)
