"""Keeps the copy of one calendar true: first window, changes since, full rounds after a lost cursor.

The next page is fetched while the last one is stored. Each page is one transaction with a constant number of queries:
events, guests, verdicts, touchpoints and the cursor move together or not at all.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations import grants, outsiders, providers, runs
from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.contract import EventCopy, EventPage, Guest, PageRequest
from integrations.errors import Temporary
from integrations.models import RoundPage, SetAside, SyncRun, SyncState
from relationships import bulk, matching

CANCEL_BATCH = 1000

KEPT_OUT = {CalendarEvent.Verdict.PRIVATE.value, CalendarEvent.Verdict.BLOCKED.value}
"""Of these nothing but when they are is stored."""

EXTEND_EVERY = timedelta(days=1)
"""How often the window's far end is moved: a delta never brings an unchanged event that was beyond it."""


class Stored(NamedTuple):
    """What we hold of an event."""

    pk: uuid.UUID
    etag: str
    verdict: str
    meeting_key: str


class Change(NamedTuple):
    """An event that is not, or no longer, as we hold it; ``row`` is what it becomes."""

    copy: EventCopy
    row: dict[str, Any]
    before: Stored | None


def run(state_id: uuid.UUID) -> None:
    """Bring one calendar up to date. May run twice, or be killed anywhere: it goes on from the last stored page."""
    with bulk.planned_anew():
        runs.sync(state_id, _read)


def _read(held: runs.Held) -> None:
    """Changes since the cursor where there is one, else a full round; then what the moving window newly covers."""
    rules = outsiders.rules_for(held.state.company_id, held.state.integration.user_id)
    held.has_set_aside = SetAside.objects.filter(state=held.state).exists()
    if held.state.cursor:
        _end_round(held, rules)
        _extend_window(held, rules)
    else:
        _begin_round(held)
    is_resumed = bool(held.state.page_cursor)
    _read_pages(held, rules)
    _end_round(held, rules)
    if is_resumed and held.state.cursor:
        # The later pages of a round know nothing of what changed since its first: the pushes of that are ours too.
        _read_pages(held, rules)


def _read_pages(held: runs.Held, rules: outsiders.Rules) -> None:
    """Store page after page; raises OutOfTime between two of them."""
    for page in _pages(held, _request(held.state)):
        _store(held, page, rules)
        if page.next_page:
            runs.check_time(held)


def _request(state: SyncState) -> PageRequest:
    return PageRequest(
        calendar_id=state.external_id,
        cursor=state.cursor,
        page=state.page_cursor,
        window_start=state.window_start,
        window_end=state.window_end,
    )


def _pages(held: runs.Held, wanted: PageRequest) -> Iterator[EventPage]:
    """Page after page; the next one is under way while the caller stores this one. One thread owns the session."""
    adapter = providers.calendar_adapter(held.state.integration.provider)
    with grants.session(held.state.integration, held.access) as http, ThreadPoolExecutor(1) as reader:
        coming = reader.submit(adapter.page, http, wanted)
        while True:
            page = coming.result()
            if page.next_page and page.next_page == wanted.page:
                raise Temporary("The provider sent the same page twice.")
            wanted = replace(wanted, page=page.next_page)
            if page.next_page:
                coming = reader.submit(adapter.page, http, wanted)
            yield page
            if not page.next_page:
                return


def window(now: datetime) -> tuple[datetime, datetime]:
    """What a first sync reads: 90 days back and 60 ahead."""
    return now - timedelta(days=settings.HISTORY_DAYS_BACK), now + timedelta(days=settings.HISTORY_DAYS_AHEAD)


def _begin_round(held: runs.Held) -> None:
    """Fix the window and id of a full round, unless an interrupted one is to be continued."""
    state = held.state
    if state.round_id and state.page_cursor:
        return
    state.round_id, state.page_cursor = uuid.uuid4(), ""
    start, state.window_end = window(timezone.now())
    state.window_start = min(state.window_start or start, start)
    with transaction.atomic():
        runs.change_state(
            held,
            round_id=state.round_id,
            page_cursor="",
            window_start=state.window_start,
            window_end=state.window_end,
        )
        RoundPage.objects.filter(state=state).delete()


def _extend_window(held: runs.Held, rules: outsiders.Rules) -> None:
    """Read what lies between the window's old far end and today's, once a day, and then move it."""
    state = held.state
    _, far_end = window(timezone.now())
    if state.window_end is None or far_end - state.window_end < EXTEND_EVERY:
        return
    # The provider's lower bound is exclusive: what ends exactly there must not fall between two windows.
    start = state.window_end - timedelta(minutes=1)
    wanted = PageRequest(calendar_id=state.external_id, window_start=start, window_end=far_end)
    old_end, state.window_end = state.window_end, far_end
    unannounced = held.unannounced
    try:
        for page in _pages(held, wanted):
            # Of a series it brings the instances between the two ends alone.
            _store(held, replace(page, next_page="", next_cursor="", whole_series=()), rules)
        runs.change_state(held, window_end=far_end)
    except BaseException:
        state.window_end = old_end
        raise
    # Nobody announces that time goes by.
    held.unannounced = unannounced


def _store(held: runs.Held, page: EventPage, rules: outsiders.Rules) -> None:
    """Store one page and move the cursor, in one transaction."""
    state = held.state
    with transaction.atomic():
        stored = _stored(state, page.events)
        events = _within_window(state, page.events, stored)
        skipped: Counter[str] = Counter()
        if len(events) < len(page.events):
            skipped["beyond_window"] = len(page.events) - len(events)
        known = matching.NOTHING
        changes, ours = list[Change](), {name: row.pk for name, row in stored.items()}
        differing = [copy for copy in events if not copy.is_cancelled and _differs(copy, stored)]
        if differing:
            differing = _with_known_guests(state, differing)
            known = meetings.find_known(differing, rules)
            changes = _changes(state, differing, rules, known, stored)
            ours |= _write(held, changes)
        kept_out = _kept_out_now(changes)
        keys = _meetings_touched(changes) | kept_out
        cancelled = _cancel(state, _taken_back(state, events, ours) | _left_out(state, page))
        found = meetings.record(state.company_id, keys.union(cancelled.values()), rules, known)
        meetings.forget(kept_out)
        skipped.update(change.row["verdict"] for change in changes)
        if not state.cursor and state.round_id:
            # With those that cannot be read: they are not deleted.
            ids = [copy.external_id for copy in events] + [item.external_id for item in page.unreadable]
            RoundPage.objects.create(
                company_id=state.company_id, state=state, round_id=state.round_id, external_ids=ids
            )
        _set_aside(held, page)
        counts = {
            "found": len(page.events) + len(page.unreadable),
            "changed": len(changes) + len(cancelled),
            "set_aside": len(page.unreadable),
            "touchpoints": found,
        }
        runs.store_page(held, page.next_cursor or state.cursor, page.next_page, counts, dict(skipped))


def _stored(state: SyncState, events: Sequence[EventCopy]) -> dict[str, Stored]:
    """What we hold of these events, by their ids at the provider."""
    if not events:
        return {}
    ids = {copy.external_id for copy in events}
    rows = CalendarEvent.objects.filter(state=state, external_id__among=ids).order_by()
    return {row[0]: Stored(*row[1:]) for row in rows.values_list("external_id", *Stored._fields)}


def _within_window(state: SyncState, events: Sequence[EventCopy], stored: Mapping[str, Stored]) -> Sequence[EventCopy]:
    """Without instances of endless series decades ahead; what we hold already is followed wherever it moves."""
    start, end = state.window_start, state.window_end
    assert start is not None, "a state has its window from its first round"
    assert end is not None, "a state has its window from its first round"
    return [copy for copy in events if copy.external_id in stored or _is_near(copy, start, end)]


def _is_near(copy: EventCopy, start: datetime, end: datetime) -> bool:
    if copy.is_cancelled:
        return True
    begins = copy.starts_at or meetings.midnight(copy.starts_on)
    ends = copy.ends_at or meetings.midnight(copy.ends_on)
    return begins < end and ends > start - timedelta(days=1)


def _differs(copy: EventCopy, stored: Mapping[str, Stored]) -> bool:
    """Whether an event is new or changed. One that we marked, by taking its etag away, counts as changed."""
    before = stored.get(copy.external_id)
    return before is None or not copy.etag or before.etag != copy.etag


def _changes(
    state: SyncState,
    copies: Sequence[EventCopy],
    rules: outsiders.Rules,
    known: matching.Known,
    stored: Mapping[str, Stored],
) -> list[Change]:
    """These events as they are to be written. Of two with one id the last counts."""
    now = timezone.now()
    changes = {}
    for copy in copies:
        verdict = meetings.verdict(copy, rules, known).value
        before = stored.get(copy.external_id)
        row = _row(state, copy, verdict, now)
        if before and before.meeting_key:
            # It may be that of a twin in another mailbox, found when the event was new.
            row["meeting_key"] = before.meeting_key
        changes[copy.external_id] = Change(copy, row, before)
    return list(changes.values())


def _write(held: runs.Held, changes: Sequence[Change]) -> dict[str, uuid.UUID]:
    """Write the events with their guests, and count those whose push did not come; returns our ids by theirs."""
    columns = ["external_id", "id"]
    rows = [change.row for change in changes]
    ids = dict(bulk.upsert(CalendarEvent, rows, unique=["state", "external_id"], returning=columns))
    _write_guests(changes, ids)
    announced_by = timezone.now() - runs.MISSED_AFTER
    if held.run.kind == SyncRun.Kind.CHANGES:
        times = [change.copy.updated_at for change in changes]
        held.unannounced += sum(1 for updated_at in times if updated_at and updated_at < announced_by)
    return ids


def _meetings_touched(changes: Sequence[Change]) -> set[str]:
    """The keys of the meetings that these changes may have changed: those of which a copy counts, or did."""
    counts = CalendarEvent.Verdict.MEETING.value
    keys = {change.row["meeting_key"] for change in changes if change.row["verdict"] == counts}
    return keys | {change.before.meeting_key for change in changes if change.before and change.before.verdict == counts}


def _kept_out_now(changes: Sequence[Change]) -> set[str]:
    """The keys of the events whose content was stored before, and is not to be any more."""
    before = [change.before for change in changes if change.row["verdict"] in KEPT_OUT]
    return {stored.meeting_key for stored in before if stored and stored.verdict not in KEPT_OUT}


def _row(state: SyncState, copy: EventCopy, verdict: str, now: datetime) -> dict[str, Any]:
    """The event's columns. Of a private one, and of one with somebody who is never taken, the content stays outside."""
    is_kept = verdict not in KEPT_OUT
    return {
        "company": state.company_id,
        "state": state.pk,
        "external_id": copy.external_id,
        "etag": copy.etag,
        "ical_uid": copy.ical_uid,
        "series_id": copy.series_id,
        "original_start": copy.original_start,
        "is_cancelled": False,
        "title": copy.title if is_kept else "",
        "location": copy.location if is_kept else "",
        "join_url": copy.join_url if is_kept else "",
        "starts_at": copy.starts_at,
        "ends_at": copy.ends_at,
        "starts_on": copy.starts_on,
        "ends_on": copy.ends_on,
        "organizer": copy.organizer if is_kept else "",
        "my_response": copy.my_response,
        "visibility": copy.visibility,
        "event_type": copy.event_type,
        "guests_omitted": copy.guests_omitted,
        "remote_updated_at": copy.updated_at,
        "verdict": verdict,
        "meeting_key": meetings.meeting_key(copy, state.external_id),
        "updated_at": now,
    }


def _write_guests(changes: Sequence[Change], ids: Mapping[str, uuid.UUID]) -> None:
    """Make the guests of the changed events those of their copies. Where the provider hid some, the known ones stay."""
    whole = [
        ids[change.copy.external_id]
        for change in changes
        if change.before and (not change.copy.guests_omitted or change.row["verdict"] in KEPT_OUT)
    ]
    if whole:
        EventGuest.objects.filter(event__among=whole).delete()
    guests = [
        {
            "company": change.row["company"],
            "event": ids[change.copy.external_id],
            "email": guest.email,
            "match_key": outsiders.key_of(guest.email),
            "domain": outsiders.domain_of(guest.email),
            "name": guest.name,
            "response": guest.response,
            "is_organizer": guest.is_organizer,
            "is_optional": guest.is_optional,
        }
        for change in changes
        if change.row["verdict"] not in KEPT_OUT
        for guest in change.copy.guests
    ]
    bulk.upsert(EventGuest, guests, unique=["event", "email"])


def _with_known_guests(state: SyncState, copies: list[EventCopy]) -> list[EventCopy]:
    """The copies; those whose guests the provider hid this time with the guests known before."""
    hidden = [copy.external_id for copy in copies if copy.guests_omitted]
    if not hidden:
        return copies
    stored: dict[str, dict[str, Guest]] = defaultdict(dict)
    for guest in EventGuest.objects.filter(event__state=state, event__external_id__in=hidden).select_related("event"):
        known = Guest(guest.email, guest.name, guest.response, guest.is_organizer, guest.is_optional)
        stored[guest.event.external_id][guest.email] = known
    return [
        replace(copy, guests=tuple((stored[copy.external_id] | {guest.email: guest for guest in copy.guests}).values()))
        if copy.guests_omitted
        else copy
        for copy in copies
    ]


def _taken_back(state: SyncState, events: Sequence[EventCopy], ours: Mapping[str, uuid.UUID]) -> set[uuid.UUID]:
    """Our rows that the tombstones of a page mean: the events themselves, and the instances of a deleted series.

    Of a deleted series some providers report only part of the instances, or the series alone: the rest is found by its
    id. An event that became a series has a tombstone too, but its instances live: we hold a row of the event, or the
    page has an instance.
    """
    ids = {copy.external_id for copy in events if copy.is_cancelled}
    found = {ours[external_id] for external_id in ids & ours.keys()}
    series = ids - ours.keys() - {copy.series_id for copy in events}
    if series:
        found |= set(CalendarEvent.objects.filter(state=state, series_id__among=series).values_list("pk", flat=True))
    return found


def _left_out(state: SyncState, page: EventPage) -> set[uuid.UUID]:
    """Our rows of the series that a page holds whole, which it does not name; also of the event that a series was."""
    if not page.whole_series:
        return set()
    named = {copy.external_id for copy in page.events} | {item.external_id for item in page.unreadable}
    is_part = Q(series_id__among=page.whole_series) | Q(external_id__among=page.whole_series)
    rows = CalendarEvent.objects.filter(is_part, state=state, is_cancelled=False)
    return {pk for pk, external_id in rows.order_by().values_list("pk", "external_id") if external_id not in named}


def _cancel(state: SyncState, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Mark these events cancelled; returns those that were not yet, with the key of the meeting each was a copy of.

    A tombstone promises no more than its id, so nothing else of the row is changed but the etag: a restored event may
    come back with the one it had.
    """
    if not ids:
        return {}
    rows = CalendarEvent.objects.filter(state=state, is_cancelled=False)
    keys = dict(rows.filter(pk__among=ids).values_list("pk", "meeting_key"))
    if keys:
        CalendarEvent.objects.filter(pk__among=keys).update(
            is_cancelled=True, verdict=CalendarEvent.Verdict.CANCELLED, etag="", updated_at=timezone.now()
        )
    return keys


def _set_aside(held: runs.Held, page: EventPage) -> None:
    """Keep what could not be read, with its reason; what can be read again is no longer set aside."""
    state, now = held.state, timezone.now()
    rows = [
        {
            "company": state.company_id,
            "state": state.pk,
            "external_id": item.external_id,
            "reason": item.reason,
            "last_seen_at": now,
        }
        for item in {item.external_id: item for item in page.unreadable}.values()
    ]
    if held.has_set_aside and page.events:
        readable = {copy.external_id for copy in page.events}
        SetAside.objects.filter(state=state, external_id__among=readable).delete()
    bulk.upsert(SetAside, rows, unique=["state", "external_id"])
    held.has_set_aside = held.has_set_aside or bool(rows)


def _end_round(held: runs.Held, rules: outsiders.Rules) -> None:
    """After a whole round: what lies in its window and was on none of its pages was deleted meanwhile."""
    state = held.state
    if not state.round_id:
        return
    assert state.window_start is not None, "a round has its window"
    assert state.window_end is not None, "a round has its window"
    with transaction.atomic():
        # First, since whoever took over meanwhile may have used up the round's pages.
        runs.change_state(held, round_id=None)
        # An all-day event ends as the day before its ``ends_on`` does, somewhere on earth.
        first_day = state.window_start.date() + timedelta(days=1)
        ours = CalendarEvent.objects.filter(state=state, is_cancelled=False).filter(
            Q(ends_at__gt=state.window_start, starts_at__lt=state.window_end)
            | Q(ends_on__gt=first_day, starts_on__lt=state.window_end.date())
        )
        pages = RoundPage.objects.filter(state=state, round_id=state.round_id)
        gone = list(bulk.not_listed(ours, "external_id", pages, "external_ids").values_list("pk", flat=True))
        # All of them before the company is locked, as by a look at past events: so neither waits for the other.
        batches = [gone[start : start + CANCEL_BATCH] for start in range(0, len(gone), CANCEL_BATCH)]
        for cancelled in [_cancel(state, batch) for batch in batches]:
            meetings.record(state.company_id, set(cancelled.values()), rules)
        bulk.not_listed(SetAside.objects.filter(state=state), "external_id", pages, "external_ids").delete()
        RoundPage.objects.filter(state=state).delete()
        held.run.deleted += len(gone)
        SyncRun.objects.filter(pk=held.run.pk).update(deleted=held.run.deleted)
    state.round_id = None
