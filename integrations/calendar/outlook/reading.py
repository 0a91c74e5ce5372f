"""What a page of changes means: single events as they are, series by all of their instances, the rest looked up.

https://learn.microsoft.com/graph/api/event-delta
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from integrations.calendar import texts
from integrations.calendar.outlook import calls, events
from integrations.calendar.outlook.rounds import Place, Rest
from integrations.calendar.outlook.turns import Turn
from integrations.contract import EventCopy, JsonObject, UnreadableItem
from integrations.errors import Permanent, ResourceGone, Unreadable


@dataclass
class Found:
    """What a page brought, by id."""

    owner: str
    events: dict[str, EventCopy] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    whole_series: set[str] = field(default_factory=set)

    def take(self, item: JsonObject) -> None:
        """An item, or why it cannot be read: it must not hold up the calendar."""
        try:
            copy = events.event(item, self.owner)
            self.events[copy.external_id] = copy
        except Unreadable as error:
            self.unreadable[texts.id_of(item)] = str(error)

    def set_aside(self) -> tuple[UnreadableItem, ...]:
        return tuple(UnreadableItem(event_id, reason) for event_id, reason in self.unreadable.items())


def listed(items: Iterable[object], found: Found) -> Rest:
    """Takes the single events of a page; returns what has to be asked for. Of what came twice the last counts."""
    unclear: list[str] = []
    series: dict[str, dict[str, str]] = {}
    for event_id, item in _by_id(items, found).items():
        if _is_unclear(item):
            unclear.append(event_id)
        else:
            _sort(event_id, item, found, series)
    return Rest(tuple(unclear), series)


def asked(turn: Turn, place: Place, rest: Rest, found: Found) -> Rest:
    """Takes as much of what has to be asked for as the turn gets; returns what is left of it."""
    series = {master: dict(named) for master, named in rest.series.items()}
    answers = turn.fetched({event_id: calls.event(place, event_id) for event_id in rest.unclear})
    for event_id, item in _there(answers, found).items():
        _sort(event_id, item, found, series)
    for master, answer in turn.lists({master: calls.instances(place, master) for master in series}).items():
        _take_series(found, master, series.pop(master), answer)
    return Rest(tuple(event_id for event_id in rest.unclear if event_id not in answers), series)


def _sort(event_id: str, item: JsonObject, found: Found, series: dict[str, dict[str, str]]) -> None:
    """A single event is taken, and may have been a series before. Of a series it is noted that it is named."""
    if master := series_of(item):
        series.setdefault(master, {})[event_id] = str(item.get("lastModifiedDateTime") or "")
        return
    found.take(item)
    found.whole_series.add(event_id)


def series_of(item: JsonObject) -> str:
    """The id of the series that an item is part of, or is; nothing for a single event."""
    own = item.get("id") if item.get("type") == "seriesMaster" else ""
    return str(item.get("seriesMasterId") or own or "")


def _by_id(items: Iterable[object], found: Found) -> dict[str, JsonObject]:
    kept: dict[str, JsonObject] = {}
    for item in items:
        try:
            if not isinstance(item, dict):
                raise Unreadable("It has an unknown form.")
            event_id = texts.event_id(item.get("id") or "")
            # As the last one: what was said before it is overtaken.
            kept.pop(event_id, None)
            kept[event_id] = item
        except Unreadable as error:
            found.unreadable[texts.id_of(item)] = str(error)
    return kept


def _is_unclear(item: JsonObject) -> bool:
    """Whether an item has to be looked up: an update may hold what changed alone, and a tombstone stands for what was
    deleted as well as for what was changed outside of the window."""
    return "@removed" in item or (not series_of(item) and not {"start", "end", "attendees"} <= item.keys())


def _there(answers: Mapping[str, JsonObject | Permanent], found: Found) -> dict[str, JsonObject]:
    """The events that are there; those that are gone are cancelled, a series among them with all its instances."""
    kept: dict[str, JsonObject] = {}
    for event_id, answer in answers.items():
        if isinstance(answer, ResourceGone):
            found.events[event_id] = EventCopy(external_id=event_id, is_cancelled=True)
        elif isinstance(answer, Permanent):
            found.unreadable[event_id] = str(answer)
        else:
            kept[event_id] = {**answer, "id": event_id}
    return kept


def _take_series(found: Found, master: str, named: Mapping[str, str], answer: list[JsonObject] | Permanent) -> None:
    """All instances of a series. They come without the time of their last change, which the page knows."""
    if isinstance(answer, Permanent) and not isinstance(answer, ResourceGone):
        found.unreadable |= dict.fromkeys(named, str(answer))
        return
    found.whole_series.add(master)
    if isinstance(answer, ResourceGone):
        return
    for instance in answer:
        changed_at = named.get(texts.id_of(instance)) or named.get(master, "")
        found.take(
            {"lastModifiedDateTime": changed_at, "seriesMasterId": master, **instance}
            if isinstance(instance, dict)
            else instance
        )
