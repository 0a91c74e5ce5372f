"""Finds HubSpot's records whose creation was answered by nothing.

https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from crm.contract import Change, Link, Related, Written
from crm.hubspot import calls, paths, reading, records, writing

MOST_READ = 2_000
"""So many records of one kind on what the lost ones belong to are read to find them, the newest first; and found by
search, for those that belong to nothing or to what has more."""

LOOKS = {"emails": ("hs_timestamp", "hs_email_subject")}
"""What a mail that was made lately is known by: its text, with our mark, is shown to nobody who did not ask for the
right to read all mail, and we do not."""

MADE_BY = "hs_object_source_id"
"""The app that made a record, if one did. HubSpot and people log mails too, of the same time and subject."""

LOOKED_BACK = timedelta(minutes=5)
"""How far two clocks may be apart when a record is looked for that was made at a time of ours."""


def recover(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Which of these creations are there after all: by our key, or by the mark in their text.

    None where the property for our key is missing: what needs it is then refused when it is written.
    """
    if object not in writing.KEY_FIELDS:
        return _by_mark(link, object, changes)
    try:
        return _by_key(link, object, changes)
    except calls.Rejected:
        return ()


def _by_key(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    key = writing.KEY_FIELDS[object]
    body = {"idProperty": key, "properties": [key], "inputs": [{"id": change.key} for change in changes]}
    answer = calls.post(link, paths.objects(object, "/batch/read"), body)
    wanted = {change.key for change in changes}
    found = [(writing.own_key(object, one), one) for one in calls.rows(answer)]
    return tuple(
        Written(name, str(one["id"]), is_created=True, modified_at=records.moment(one.get("updatedAt")))
        for name, one in found
        if name in wanted
    )


def _by_mark(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Look through what the relations of each hold, a list that lags nothing; for what is left, by search."""
    if object not in records.BODIES:
        return ()
    search = _Search(link, object, changes)
    holders = _held(link, object, changes)
    held = sorted(holders, key=int, reverse=True)[:MOST_READ]
    for start in range(0, len(held), writing.BATCH):
        inputs = [{"id": one} for one in held[start : start + writing.BATCH]]
        answer = calls.post(
            link, paths.objects(object, "/batch/read"), {"properties": search.properties, "inputs": inputs}
        )
        search.look_through(calls.rows(answer), holders)
        if not search.missing:
            break
    if search.missing:
        _by_search(link, object, search)
    return tuple(search.found.values())


def _held(link: Link, object: str, changes: Sequence[Change]) -> dict[str, set[Related]]:
    """Ids of the records of this kind that hang on the first thing each change relates to, with these things."""
    firsts = {one for change in changes for one in change.related[:1]}
    holders: dict[str, set[Related]] = defaultdict(set)
    for kind in sorted({one.kind for one in firsts}):
        ids = sorted(one.external_id for one in firsts if one.kind == kind)
        for first, ends in reading.associated(link, records.OBJECTS[kind], ids, object).items():
            for one, _ in ends:
                holders[one].add(Related(kind, first))
    return holders


def _by_search(link: Link, object: str, search: "_Search") -> None:
    """Look through what was made since these were planned. A search: it does not see the last moments."""
    planned = [change.planned_at for change in search.changes if change.planned_at]
    if len(planned) < len(search.changes):
        return
    since = records.milliseconds(min(planned) - LOOKED_BACK)
    asked: dict[str, Any] = {
        "filterGroups": [{"filters": [{"propertyName": "hs_createdate", "operator": "GTE", "value": str(since)}]}],
        "sorts": [{"propertyName": "hs_createdate", "direction": "ASCENDING"}],
        "properties": search.properties,
        "limit": reading.SEARCH_LIMIT,
    }
    for start in range(0, MOST_READ, reading.SEARCH_LIMIT):
        answer = calls.post(link, paths.objects(object, "/search"), {**asked, "after": str(start)})
        search.look_through(calls.rows(answer))
        if not search.missing or not reading.after(answer):
            break


class _Search:
    """Which creations are found so far. A record is one of them at most, and each of them one record."""

    def __init__(self, link: Link, object: str, changes: Sequence[Change]) -> None:
        self.object, self.changes = object, changes
        self.app = link.details.get("app_id") or settings.HUBSPOT_APP_ID
        self.properties = [records.BODIES[object], MADE_BY, *LOOKS.get(object, ())]
        self.missing = {change.key: change for change in changes}
        self.found: dict[str, Written] = {}
        self._taken: set[str] = set()

    def look_through(
        self, bodies: Sequence[Mapping[str, Any]], holders: Mapping[str, Collection[Related]] | None = None
    ) -> None:
        """``holders`` says what each of these hangs on; without it that is not known."""
        for body in bodies:
            external_id = str(body["id"])
            if external_id in self._taken:
                continue
            key = records.mark_of(self.object, body) or self._alike(body, (holders or {}).get(external_id))
            if key in self.missing:
                del self.missing[key]
                self._taken.add(external_id)
                self.found[key] = writing.taken(self.object, key, body, is_created=True)

    def _alike(self, body: Mapping[str, Any], holders: Collection[Related] | None) -> str:
        """The key of a creation that looks as this record does and that it can be; or nothing."""
        look = _look(self.object, body.get("properties") or {})
        if look is None:
            return ""
        for change in self.missing.values():
            hangs_there = holders is None or any(one in holders for one in change.related[:1])
            if hangs_there and _look(self.object, change.values) == look and self._may_be(body, change):
                return change.key
        return ""

    def _may_be(self, body: Mapping[str, Any], change: Change) -> bool:
        """Whether our app made it, or, where nobody says who did, whether it was made since this was planned."""
        made_by = (body.get("properties") or {}).get(MADE_BY)
        if self.app and made_by:
            return str(made_by) == self.app
        made_at = records.moment(body.get("createdAt"))
        return bool(made_at and change.planned_at and made_at >= change.planned_at - LOOKED_BACK)


def _look(object: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """When a mail was sent and its subject; None where one of them is not known, or it is no mail."""
    if object not in LOOKS:
        return None
    sent_at, subject = (values.get(name) for name in LOOKS[object])
    moment = records.moment(sent_at)
    return (moment, subject) if moment and subject else None
