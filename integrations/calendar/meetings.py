"""What makes an event a meeting with people the company knows, and the touchpoint that follows from its copies.

The rules, in the order they are asked (RULES is what the settings page shows):
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import F
from django.utils import timezone

from integrations import outsiders
from integrations.calendar import twins, uids
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.contract import EventCopy
from relationships import matching, passed_on, touchpoints
from relationships.models import BlockRule, Brief, Company, Touchpoint

Verdict = CalendarEvent.Verdict

RULES: tuple[tuple[str, str], ...] = (
    (Verdict.CANCELLED, "Cancelled events are not meetings. What you noted about them stays."),
    (Verdict.PRIVATE, "Private events stay yours: we keep that there is one and when, not its title, place or guests."),
    (Verdict.NOT_A_MEETING, "Focus time, out of office, working place, birthdays and bookings are not meetings."),
    (Verdict.NO_GUESTS, "An event without other guests is not a meeting."),
    (Verdict.DECLINED, "What you declined does not count for you; it may count for a colleague who goes."),
    (Verdict.INTERNAL, "A meeting of colleagues only is internal."),
    (Verdict.BLOCKED, "Of a meeting with somebody who is never taken, by a block rule, only the time is kept."),
    (
        Verdict.UNKNOWN_GUESTS,
        "Nobody there is a contact, nor from the domain of a firm you know. Add one, and it appears.",
    ),
    (Verdict.HIDDEN, "A meeting with somebody whom a block rule hides is kept, and shown nowhere but here."),
    (Verdict.MEETING, "All others are meetings: with a contact's address, or from the domain of a firm you know."),
)

NO_MEETINGS = frozenset({"focus_time", "out_of_office", "working_place", "birthday", "from_mail"})


def find_known(copies: Iterable[EventCopy], rules: outsiders.Rules) -> matching.Known:
    """Which outsiders of these events the company knows: two queries for any number of them."""
    return outsiders.find_known(
        {guest.email for copy in copies for guest in copy.guests if not rules.is_colleague(guest.email)}
    )


def verdict(copy: EventCopy, rules: outsiders.Rules, known: matching.Known) -> CalendarEvent.Verdict:
    """Whether one copy is a meeting with known people, or the first rule that says why it is not."""
    others = [guest.email for guest in copy.guests if not rules.is_colleague(guest.email)]
    if copy.is_cancelled:
        return Verdict.CANCELLED
    if copy.visibility == "private":
        return Verdict.PRIVATE
    if copy.event_type in NO_MEETINGS:
        return Verdict.NOT_A_MEETING
    if not copy.guests:
        return Verdict.NO_GUESTS
    if copy.my_response == "declined":
        return Verdict.DECLINED
    if not others:
        return Verdict.INTERNAL
    strengths = {rules.blocked.strength(email, rules.user_id) for email in others}
    if BlockRule.Strength.NEVER in strengths:
        return Verdict.BLOCKED
    if not any(outsiders.is_known(email, known) for email in others):
        return Verdict.UNKNOWN_GUESTS
    if BlockRule.Strength.HIDE in strengths:
        return Verdict.HIDDEN
    return Verdict.MEETING


def meeting_key(copy: EventCopy, calendar_id: str) -> str:
    """Which real meeting this is a copy of: iCalUID and slot, alike in every colleague's calendar."""
    identity = uids.plain(copy.ical_uid) or f"{calendar_id}/{copy.external_id}"
    return hashlib.sha256(f"{identity}|{copy.original_start}".encode()).hexdigest()


def record(
    company_id: uuid.UUID, keys: Collection[str], rules: outsiders.Rules, known: matching.Known = matching.NOTHING
) -> int:
    """Make the touchpoints of these meetings what all their copies say together; returns how many meetings there are.

    To be called in the transaction that changed the copies. The lock makes two colleagues' syncs take turns, so that
    the later one sees both copies. What ``known`` says is not asked again. Where the company's calendars are of several
    providers, copies that do not share a key are looked for too.
    """
    if not keys:
        return 0
    Company.objects.select_for_update(no_key=True).filter(pk=company_id).values_list("pk").get()
    if rules.is_mixed:
        keys = set(keys) | twins.adopt(company_id, keys, rules)
    guests = list(_guests(company_id, keys))
    meetings = _meetings((guest for guest in guests if guest.event__verdict == Verdict.MEETING), rules, known)
    hidden = {guest.event__meeting_key for guest in guests if guest.event__verdict == Verdict.HIDDEN}
    gone = set(keys) - {meeting.unique_key for meeting in meetings}
    touchpoints.record_meetings(meetings, gone, withheld=hidden & gone)
    return len(meetings)


def _guests(company_id: uuid.UUID, keys: Collection[str]) -> Iterable[Any]:
    """Every guest of every copy that counts, or that a rule hides, of any colleague; those of the copy changed last
    come last.

    One query for copies and guests together: no event without guests is a meeting. The company is asked of the event
    alone: PostgreSQL without statistics would else look for each event's guests among all of the company's.
    """
    rows = EventGuest.unscoped.filter(
        event__company_id=company_id,
        event__meeting_key__among=keys,
        event__verdict__in=[Verdict.MEETING, Verdict.HIDDEN],
    )
    order = (F("event__remote_updated_at").asc(nulls_first=True), "event_id", "email")
    return rows.order_by(*order).values_list(*COPY, *GUEST, named=True)


def forget(keys: Collection[str]) -> None:
    """Take out of the touchpoints what nobody may say of these meetings any more, once ``record`` has hidden them.

    One with notes or tasks keeps its row and its time for these: they are the company's. So does one that was told
    elsewhere, until that is taken back.
    """
    if not keys:
        return
    hidden = Touchpoint.objects.filter(unique_key__among=keys, cancelled_at__isnull=False)
    hidden.filter(notes__isnull=True, tasks__isnull=True).exclude(passed_on.is_passed_on()).delete()
    Touchpoint.people.through.objects.filter(touchpoint__in=hidden).delete()
    Touchpoint.organizations.through.objects.filter(touchpoint__in=hidden).delete()
    Brief.objects.filter(touchpoint__in=hidden).delete()
    hidden.update(title="", location="", join_url="", guests=[], is_withheld=True, updated_at=timezone.now())


COPY = (
    "event_id",
    "event__meeting_key",
    "event__verdict",
    "event__title",
    "event__starts_at",
    "event__ends_at",
    "event__starts_on",
    "event__ends_on",
    "event__location",
    "event__join_url",
    "event__state__integration__user_id",
)
GUEST = ("email", "name", "response", "match_key", "domain")


def _meetings(guests: Iterable[Any], rules: outsiders.Rules, known: matching.Known) -> list[touchpoints.Meeting]:
    """One meeting per key, from the guests of all its copies."""
    by_key: dict[str, list[Any]] = defaultdict(list)
    for guest in guests:
        by_key[guest.event__meeting_key].append(guest)
    theirs = {
        key: {guest.email: guest for guest in rows if not rules.is_colleague(guest.email)}
        for key, rows in by_key.items()
    }
    everybody = [guest for rows in theirs.values() for guest in rows.values()]
    known = matching.find(
        {guest.match_key for guest in everybody}, {guest.domain for guest in everybody} - {""}, earlier=known
    )
    return [_meeting(key, rows, theirs[key], known) for key, rows in by_key.items()]


def _meeting(key: str, rows: Sequence[Any], guests: Mapping[str, Any], known: matching.Known) -> touchpoints.Meeting:
    """Time and title are those of the copy changed last; the users are the owners of all copies that count."""
    newest = rows[-1]
    people = [known.people[guest.match_key] for guest in guests.values() if guest.match_key in known.people]
    firms = {person.organization_id for person in people if person.organization_id}
    firms |= {known.organizations[guest.domain] for guest in guests.values() if guest.domain in known.organizations}
    owners = {row.event__state__integration__user_id for row in rows}
    return touchpoints.Meeting(
        unique_key=key,
        title=newest.event__title,
        starts_at=newest.event__starts_at or midnight(newest.event__starts_on),
        ends_at=newest.event__ends_at or midnight(newest.event__ends_on),
        all_day_on=newest.event__starts_on,
        location=newest.event__location,
        join_url=newest.event__join_url,
        people=frozenset(person.id for person in people),
        organizations=frozenset(firms),
        users=frozenset(owners - {None}),
        guests=tuple(
            {"email": guest.email, "name": guest.name, "response": guest.response} for guest in guests.values()
        ),
        origin=f"event:{newest.event_id}",
    )


def midnight(day: date | None) -> datetime:
    """Midnight UTC of a day that is in no zone: good for order, never for display."""
    assert day is not None, "an event has a time or a day"
    return datetime.combine(day, time.min, UTC)
