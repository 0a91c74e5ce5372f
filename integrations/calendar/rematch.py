"""Looks at past events again when contacts, domains or block rules were added: new contacts get their meetings."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent, ContactsLook, EventGuest
from integrations.contract import EventCopy, Guest
from relationships import tenancy
from relationships.models import BlockRule, OrganizationDomain, PersonAddress

OVERLAP = timedelta(minutes=5)
"""A row may be committed a while after the time it carries; looking twice at it changes nothing."""

BATCH = 500


def companies_with_news() -> list[uuid.UUID]:
    """Companies with contacts, domains or block rules newer than their last look. Three queries for all of them."""
    looked = dict(ContactsLook.unscoped.values_list("company_id", "looked_at"))
    horizon = timezone.now() - OVERLAP
    found: set[uuid.UUID] = set()
    for model in (PersonAddress, OrganizationDomain, BlockRule):
        newest = model.unscoped.order_by("company_id", "-created_at").values_list("company_id", "created_at")
        recent = newest.filter(created_at__gt=min([horizon, *looked.values()])) if looked else newest
        found.update(company for company, at in recent.iterator() if company not in looked or at > looked[company])
    return sorted(found)


def rematch(company_id: uuid.UUID) -> int:
    """Judge the events again that the news of this company concern; returns how many changed their verdict."""
    with tenancy.within(company_id):
        now = timezone.now()
        look = ContactsLook.objects.first()
        since = look.looked_at - OVERLAP if look else datetime.fromtimestamp(0, tz=now.tzinfo)
        changed = 0
        concerned = _concerned(since)
        for start in range(0, len(concerned), BATCH):
            changed += reconsider(company_id, concerned[start : start + BATCH])
        ContactsLook.objects.update_or_create(company_id=company_id, defaults={"looked_at": now})
        return changed


def _concerned(since: datetime) -> Sequence[uuid.UUID]:
    """Events with a guest of a new address, of a new domain or one below it, or of a new block rule."""
    keys = set(PersonAddress.objects.filter(created_at__gt=since).values_list("match_key", flat=True))
    domains = set(OrganizationDomain.objects.filter(created_at__gt=since).values_list("domain", flat=True))
    for kind, value in BlockRule.objects.filter(created_at__gt=since).values_list("kind", "value"):
        keys |= {meetings.key_of(value)} if kind == BlockRule.Kind.ADDRESS else set()
        domains |= {value} if kind == BlockRule.Kind.DOMAIN else set()
    matches = Q(match_key__in=keys) | Q(domain__in=domains)
    for domain in domains:
        matches |= Q(domain__endswith=f".{domain}")
    guests = EventGuest.objects.filter(matches, event__is_cancelled=False)
    return list(guests.order_by("event_id").values_list("event_id", flat=True).distinct())


def reconsider(company_id: uuid.UUID, event_ids: Collection[uuid.UUID]) -> int:
    """Judge these events by today's contacts and rules, and put their touchpoints right. One transaction."""
    with transaction.atomic():
        events = list(
            CalendarEvent.objects.filter(pk__in=event_ids)
            .select_related("state__integration")
            .prefetch_related("guests")
        )
        changed = []
        for user_id in {event.state.integration.user_id for event in events}:
            rules = meetings.rules_for(company_id, user_id)
            own = [(event, _copy(event)) for event in events if event.state.integration.user_id == user_id]
            known = meetings.find_known([copy for _, copy in own], rules)
            for event, copy in own:
                event.verdict, before = meetings.verdict(copy, rules, known), event.verdict
                changed += [event] if event.verdict != before else []
        CalendarEvent.objects.bulk_update(changed, ["verdict"])
        rules = meetings.rules_for(company_id, None)
        meetings.record(company_id, {event.meeting_key for event in events}, rules)
    return len(changed)


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
