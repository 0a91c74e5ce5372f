"""Writing events: what the control API, in place of a person in Outlook, does to a calendar."""

from datetime import date

from sandbox.control import ControlError
from sandbox.microsoft.calendar import ids, occurrences, recurrence, shapes, uids, zones
from sandbox.microsoft.calendar.books import Body, Book, Calendar, Entry
from sandbox.microsoft.state import Account, Microsoft

TIMES = frozenset({"start", "end", "isAllDay", "recurrence"})
KNOWN = {
    *shapes.DEFAULTS,
    *TIMES,
    "organizer",
    "responseStatus",
    "iCalUId",
    "originalStartTimeZone",
    "originalEndTimeZone",
}
WORDS = {
    "response": ("none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded"),
    "sensitivity": ("normal", "personal", "private", "confidential"),
    "showAs": ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
    "type": ("required", "optional", "resource"),
}
"""What Graph takes for an answer, and so on."""


class Writer:
    """Changes one mailbox's calendars and tells the subscriptions, unless ``is_silent``."""

    def __init__(self, microsoft: Microsoft, account: Account, *, is_silent: bool = False) -> None:
        self._microsoft, self._account, self._is_silent = microsoft, account, is_silent
        self._clock = microsoft.world.clock
        self.book: Book = microsoft.calendars.book(account.upn)

    def create(self, calendar: Calendar, given: Body) -> str:
        """A new event or series from Graph's words; its immutable id.

        ``uid`` in place of ``iCalUId`` is another calendar's own: it is wrapped as Outlook does.
        """
        now = self._clock.now()
        serial = self.book.next_serial()
        body = completed(given)
        body.setdefault("iCalUId", uids.own(f"{self._account.upn} {serial}", now))
        moment = shapes.written_at(now)
        entry = Entry(serial, 0, self._clock.stamp(), moment, moment, body)
        calendar.put(entry)
        return self._announced(entry, "created")

    def change(self, event_id: str, changes: Body) -> None:
        """Change an event, a whole series (new times undo what was done to single days) or one occurrence."""
        calendar, entry, day = self.found(event_id)
        if day is not None:
            self._make_exception(entry, day, changes)
        else:
            before, entry.body = entry.body, completed(changed(entry.body, changes))
            if any(before.get(key) != entry.body.get(key) for key in TIMES):
                entry.exceptions, entry.cancelled = {}, []
        self._touch(calendar, entry)

    def cancel_occurrence(self, event_id: str) -> None:
        """Delete one day of a series: it leaves no tombstone."""
        calendar, entry, day = self.found(event_id)
        if day is None:
            raise ControlError(f"{event_id} is no occurrence of a series")
        entry.exceptions.pop(day.isoformat(), None)
        entry.cancelled.append(day.isoformat())
        self._touch(calendar, entry)

    def delete(self, event_id: str) -> None:
        """Delete an event or a whole series."""
        calendar, entry, day = self.found(event_id)
        if day is not None:
            raise ControlError(f"{event_id} is an occurrence: cancel it")
        entry.is_deleted = True
        entry.change_key = self._clock.stamp()
        calendar.put(entry)
        self._announced(entry, "deleted")

    def found(self, event_id: str) -> tuple[Calendar, Entry, date | None]:
        """What an id stands for; ControlError if there is no such event."""
        key = ids.read(self._account.upn, event_id)
        found = self.book.find(key.serial) if key else None
        if key is None or found is None:
            raise ControlError(f"no event {event_id}")
        calendar, entry = found
        if key.day and not (entry.is_series and occurrences.on(entry, key.day)):
            raise ControlError(f"the series has no occurrence on {key.day}")
        return calendar, entry, key.day

    def _make_exception(self, entry: Entry, day: date, changes: Body) -> None:
        regular = occurrences.on(entry, day)
        if regular is None or "recurrence" in changes:
            raise ControlError("one occurrence does not recur by itself")
        part = entry.exceptions.get(day.isoformat(), {}) | completed(changes, is_part=True)
        check_times(regular.body | part)
        entry.exceptions[day.isoformat()] = part

    def _touch(self, calendar: Calendar, entry: Entry) -> None:
        entry.change_key = self._clock.stamp()
        entry.changed_at = shapes.written_at(self._clock.now())
        calendar.put(entry)
        self._announced(entry, "updated")

    def _announced(self, entry: Entry, change: str) -> str:
        """The immutable id of an entry, after all who asked were told what happened to it."""
        spellings = [
            ids.spelled(self._account.upn, ids.Key(entry.serial), is_immutable=is_immutable)
            for is_immutable in (True, False)
        ]
        if not self._is_silent:
            immutable, plain = spellings
            self._microsoft.subscriptions.changed(self._account.upn, "events", immutable, change, plain_id=plain)
        return spellings[0]


def completed(given: Body, *, is_part: bool = False) -> Body:
    """Checked and in Graph's own form; ``is_part`` for what differs on one day. ControlError says what is wrong."""
    body = {key: value for key, value in given.items() if value is not None}
    if "uid" in body:
        body["iCalUId"] = uids.wrapped(str(body.pop("uid")))
    if unknown := body.keys() - KNOWN:
        raise ControlError(f"not known of an event: {', '.join(sorted(unknown))}")
    check_words(body)
    if "organizer" in body:
        body["organizer"] = {"emailAddress": person(body["organizer"]["emailAddress"])}
    if "responseStatus" in body:
        body["responseStatus"] = answer(body["responseStatus"])
    if "attendees" in body:
        body["attendees"] = [attendee(one) for one in body["attendees"]]
    if "location" in body:
        body["location"] = {**shapes.DEFAULTS["location"], **body["location"]}
    for name in {"start", "end"} & body.keys():
        body[name] = moment(body[name])
    if not is_part:
        check_times(body)
    return body


def changed(before: Body, changes: Body) -> Body:
    """``changes`` over what was; a series that begins on another day goes on from there, a weekly one on that weekday.

    A series with several days a week needs its new recurrence beside the new start.
    """
    body = {**before, **changes}
    if "start" not in changes or "recurrence" in changes or "recurrence" not in before:
        return body
    first = zones.wall(moment(changes["start"])).date()
    pattern, limits = dict(before["recurrence"]["pattern"]), dict(before["recurrence"]["range"])
    if pattern["type"] == "weekly" and len(pattern["daysOfWeek"]) == 1:
        pattern["daysOfWeek"] = [recurrence.DAYS[first.weekday()]]
    if pattern["type"] == "absoluteMonthly":
        pattern["dayOfMonth"] = first.day
    return body | {"recurrence": {"pattern": pattern, "range": limits | {"startDate": first.isoformat()}}}


def check_times(body: Body) -> None:
    """ControlError for times Graph would refuse; completes the recurrence."""
    if "start" not in body or "end" not in body:
        raise ControlError("an event needs start and end")
    start, end = occurrences.span(body)
    if end < start:
        raise ControlError("an event must not end before it starts")
    if body.get("isAllDay") and any(f"{zones.wall(body[key]):%H%M%S}" != "000000" for key in ("start", "end")):
        raise ControlError("an all-day event goes from midnight to midnight")
    if "recurrence" in body:
        first = zones.wall(body["start"]).date()
        body["recurrence"] = recurrence.completed(body["recurrence"], first, body["start"]["timeZone"])
        if next(recurrence.days(body["recurrence"]), None) != first:
            raise ControlError("a series begins on a day of its own")


def moment(given: Body) -> Body:
    """A dateTimeTimeZone; without a zone it is UTC. ValueError for anything that is no time."""
    text = given["dateTime"]
    name = "UTC" if text.endswith("Z") else given.get("timeZone", "UTC")
    at = zones.wall({"dateTime": text.removesuffix("Z")})
    if at.tzinfo is not None:
        raise ControlError("dateTime has no offset: the zone stands beside it")
    zones.zone(name)
    return zones.written(at, name)


def attendee(given: Body) -> Body:
    """A guest; who has not answered answered "none"."""
    guest = {
        "type": given.get("type", "required"),
        "status": answer(given.get("status", {})),
        "emailAddress": person(given["emailAddress"]),
    }
    check_words(guest)
    return guest


def answer(given: Body) -> Body:
    """A responseStatus; without a time it was never given."""
    status = {"response": "none", "time": shapes.NEVER} | given
    check_words(status)
    return status


def person(given: Body) -> Body:
    """An emailAddress; who has no name is called by the address."""
    return {"name": given.get("name") or given["address"], "address": given["address"]}


def check_words(given: Body) -> None:
    """ControlError for a word Graph does not have."""
    for name, words in WORDS.items():
        if given.get(name, words[0]) not in words:
            raise ControlError(f"{name} must be one of {', '.join(words)}")
