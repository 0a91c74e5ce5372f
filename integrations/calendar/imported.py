"""What a grant brought of calendars: how much it is, and its deletion once the grant has ended."""

import uuid
from collections import Counter
from collections.abc import Collection

from django.db import transaction
from django.db.models import Count, Q

from integrations import outsiders
from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent
from integrations.models import Integration
from relationships.models import Touchpoint

DELETE_BATCH = 500


def counts(state_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Counter[str]]:
    """For each calendar: its events that are not cancelled, and those that are meetings with known people."""
    rows = CalendarEvent.objects.filter(state__in=state_ids).order_by().values("state")
    is_meeting = Q(verdict=CalendarEvent.Verdict.MEETING)
    counted = rows.annotate(events=Count("pk", filter=Q(is_cancelled=False)), meetings=Count("pk", filter=is_meeting))
    return {row.pop("state"): Counter(row) for row in counted}


def delete_batch(integration: Integration) -> bool:
    """Delete some events with the meetings that hang on them alone; False where none is left.

    A meeting with notes or tasks stays, hidden: these are the company's. Needs ``tenancy.within`` its company.
    """
    events = CalendarEvent.objects.filter(state__integration=integration)
    with transaction.atomic():
        batch = dict(events.values_list("pk", "meeting_key")[:DELETE_BATCH])
        CalendarEvent.objects.filter(pk__in=batch).delete()
        keys = set(batch.values())
        shown = list(
            Touchpoint.objects.filter(unique_key__in=keys, cancelled_at=None).order_by().values_list("pk", flat=True)
        )
        meetings.record(integration.company_id, keys, outsiders.rules_for(integration.company_id, None))
        # A colleague's copy that declined, or is kept out, is no reason to keep what only this one told.
        hidden = Touchpoint.objects.filter(unique_key__in=keys, cancelled_at__isnull=False)
        hidden.filter(notes__isnull=True, tasks__isnull=True).delete()
        hidden.filter(pk__in=shown).update(is_orphaned=True)
    return bool(batch)
