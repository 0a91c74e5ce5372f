"""Looks at past events again when contacts, domains or block rules came, changed or went: meetings follow them."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from integrations import news, outsiders, sync_states
from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent, ContactsLook, EventGuest
from integrations.contract import EventCopy, Guest
from integrations.models import SyncRun, SyncState
from relationships import bulk, matching, tenancy
from relationships.models import BlockRule, Touchpoint

BATCH = 250


def companies_with_news() -> list[uuid.UUID]:
    """Companies where something came, changed or went since their events were last judged."""
    return news.companies(ContactsLook)


def rematch(company_id: uuid.UUID) -> int:
    """Judge the events again that the news of this company concern; returns how many changed their verdict."""
    with tenancy.within(company_id):
        look = news.look(ContactsLook, company_id, "calendar")
        concerned = _events(Q()) if look.gone else _concerned(look.since, look.released)
        changed = 0
        for start in range(0, len(concerned), BATCH):
            if start:
                bulk.give_way()
            changed += reconsider(company_id, concerned[start : start + BATCH])
        if BlockRule in look.gone:
            look.wait(_read_blocked_again(Q()))
        elif look.released:
            look.wait(_read_blocked_again(Q(pk__in=look.released)))
        look.close()
        return changed


def _events(which: Q) -> Sequence[uuid.UUID]:
    return list(CalendarEvent.objects.filter(which, is_cancelled=False).order_by("pk").values_list("pk", flat=True))


def _concerned(since: datetime, released: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Events with a guest whom the news concern, meetings with a person who changed, and all of these calendars."""
    changed = Touchpoint.objects.filter(people__updated_at__gt=since)
    guests = EventGuest.objects.filter(
        news.concerns(since, EventGuest.objects.all()) | Q(event__meeting_key__in=changed.values("unique_key")),
        event__is_cancelled=False,
    )
    found = guests.order_by("event_id").values_list("event_id", flat=True).distinct()
    return sorted({*found, *(_events(Q(state__in=released)) if released else ())})


def _read_blocked_again(which: Q) -> dict[uuid.UUID, uuid.UUID | None]:
    """A rule was removed: of the events it kept out nothing was stored, so their calendars are read once more.

    Returns the holds of those that a sync reads at this moment, which would write its own cursor back.
    """
    blocked = CalendarEvent.objects.filter(verdict=CalendarEvent.Verdict.BLOCKED)
    states = SyncState.objects.filter(which, Exists(blocked.filter(state=OuterRef("pk"))), is_chosen=True)
    busy = {}
    for state_id, hold in states.order_by("pk").values_list("pk", "held_by"):
        with transaction.atomic():
            free = SyncState.objects.filter(Q(held_until__isnull=True) | Q(held_until__lte=timezone.now()), pk=state_id)
            if not free.update(cursor="", page_cursor="", round_id=None):
                busy[state_id] = hold
                continue
            blocked.filter(state=state_id).update(etag="")
            sync_states.poke([state_id], trigger=SyncRun.Trigger.RETRY)
    return busy


def reconsider(company_id: uuid.UUID, event_ids: Collection[uuid.UUID]) -> int:
    """Judge these events by today's contacts and rules, and put their touchpoints right. One transaction.

    An event that a sync is writing at this moment is left out: waiting for it could end with both waiting for each
    other, and the overlap of the looks brings it again.
    """
    with transaction.atomic():
        rows = CalendarEvent.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        events = list(rows.filter(pk__in=event_ids).select_related("state__integration").prefetch_related("guests"))
        changed = []
        for user_id in {event.state.integration.user_id for event in events}:
            rules = outsiders.rules_for(company_id, user_id)
            own = [(event, _copy(event)) for event in events if event.state.integration.user_id == user_id]
            known = meetings.find_known([copy for _, copy in own], rules)
            for event, copy in own:
                event.verdict, before = _verdict(event, copy, rules, known), event.verdict
                changed += [event] if event.verdict != before else []
        CalendarEvent.objects.bulk_update(changed, ["verdict"])
        blocked = [event for event in changed if event.verdict == CalendarEvent.Verdict.BLOCKED]
        _forget([event.pk for event in blocked])
        rules = outsiders.rules_for(company_id, None)
        meetings.record(company_id, {event.meeting_key for event in events}, rules)
        meetings.forget({event.meeting_key for event in blocked})
    return len(changed)


def _verdict(
    event: CalendarEvent, copy: EventCopy, rules: outsiders.Rules, known: matching.Known
) -> CalendarEvent.Verdict:
    """Of what was kept out no guests are stored to judge by: it stays out until it is read again."""
    if event.verdict == CalendarEvent.Verdict.BLOCKED and not copy.guests:
        return CalendarEvent.Verdict.BLOCKED
    return meetings.verdict(copy, rules, known)


def _forget(event_ids: Collection[uuid.UUID]) -> None:
    """Delete the content of events that a new rule keeps out, as if they had been read under it."""
    EventGuest.objects.filter(event__in=event_ids).delete()
    CalendarEvent.objects.filter(pk__in=event_ids).update(title="", location="", join_url="", organizer="")


def _copy(event: CalendarEvent) -> EventCopy:
    """The stored event in the words verdicts are spoken in."""
    guests = tuple(Guest(guest.email, guest.name, guest.response, guest.is_organizer) for guest in event.guests.all())
    return EventCopy(
        external_id=event.external_id,
        is_cancelled=event.is_cancelled,
        ical_uid=event.ical_uid,
        original_start=event.original_start,
        my_response=event.my_response,
        visibility=event.visibility,
        event_type=event.event_type,
        guests=guests,
    )
