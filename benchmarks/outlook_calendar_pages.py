"""Graph's calendars from bodies prepared beforehand, so that what is measured is the client and not this server.

A calendar's id says what it holds, as in ``google_pages``. Of twenty events six are a weekly series, told by stubs and
asked for in batches; the bodies have the form and size of Graph's. Its port is its argument.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from benchmarks.google_pages import CALENDAR, COLLEAGUE, KNOWN, STRANGERS, TODAY, known_addresses

ROOT = "https://graph.microsoft.com/v1.0"
OWNER = "owner@acme.example"
GROUP, SINGLES = 20, 14
"""So many events are a group, and so many of these are single ones; the others are one series."""
SERIES = re.compile(r"/events/[^/]*M(\d{8})[^/]*/instances")
NEVER = "0001-01-01T00:00:00Z"
Json = dict[str, Any]


def event_id(kind: str, index: int) -> str:
    """As long as Graph's: E for an event, M for a series."""
    return f"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{'x' * 60}{kind}{index:08d}AAA="


def person(name: str, address: str) -> Json:
    return {"emailAddress": {"name": name, "address": address}}


def times(index: int) -> Json:
    """Spread over the window; the instances of a series are a week apart."""
    group, place = divmod(index, GROUP)
    first = group * GROUP + min(place, SINGLES)
    start = TODAY + timedelta(days=-85) + timedelta(minutes=15) * (first * 7919 % (90 * 96))
    start += timedelta(weeks=max(0, place - SINGLES))
    edges = {"start": start, "end": start + timedelta(minutes=45)}
    return {name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"} for name, at in edges.items()}


def stub(index: int) -> Json:
    """All that delta says of an instance."""
    return {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": f'W/"DwAAABYAAADl{index // GROUP:08d}"',
        "id": event_id("E", index),
        "seriesMasterId": event_id("M", index // GROUP),
        "type": "occurrence",
        **times(index),
    }


def uid(index: int, day: datetime | None = None) -> str:
    stamp = f"{day.year:04X}{day.month:02X}{day.day:02X}" if day else "00000000"
    return f"040000008200E00074C5B7101A82E008{stamp}00000000{index:016X}0000000010000000{index:032X}"


def selected(index: int) -> Json:
    """An event by the $select the product asks with."""
    group, place = divmod(index, GROUP)
    is_instance = place >= SINGLES
    number = group * GROUP + min(place, SINGLES)
    known, stranger = (
        known_addresses()[number % KNOWN],
        f"somebody-{number % STRANGERS}@firm-{number % 400}.example",
    )
    guest = known if number % 10 < 3 else stranger
    when = times(index)
    begins = datetime.fromisoformat(when["start"]["dateTime"]).replace(tzinfo=UTC)
    asked = {"type": "required", "status": {"response": "none", "time": NEVER}}
    more = {"seriesMasterId": event_id("M", group), "originalStart": f"{begins:%Y-%m-%dT%H:%M:%SZ}"}
    return {
        "@odata.etag": f'W/"DwAAABYAAADl{group if is_instance else index:08d}"',
        "id": event_id("E", index),
        "iCalUId": uid(number, begins if is_instance else None),
        "type": "occurrence" if is_instance else "singleInstance",
        "subject": f"Quarterly review {number}",
        "sensitivity": "normal",
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": True,
        "hideAttendees": False,
        "showAs": "busy",
        "isOnlineMeeting": True,
        "onlineMeetingUrl": None,
        "responseStatus": {"response": "organizer", "time": NEVER},
        "organizer": person("Olive Owner", OWNER),
        "attendees": [
            asked | person("Carla Colleague", COLLEAGUE),
            asked | person(f"Guest {number % STRANGERS}", guest),
        ],
        "location": {"displayName": "Bahnhofstrasse 1, 8001 Zurich", "locationType": "default"},
        "onlineMeeting": {"joinUrl": f"https://teams.microsoft.com/l/meetup-join/19%3ameeting_{number}/0?context=x"},
        **when,
        **(more if is_instance else {"seriesMasterId": None}),
    }


def whole(item: Json) -> Json:
    """An event as delta gives it, which takes no $select."""
    text = "Agenda: portfolio, pipeline, team, questions. " * 6
    return item | {
        "@odata.type": "#microsoft.graph.event",
        "createdDateTime": "2026-10-01T08:00:00.0000000Z",
        "lastModifiedDateTime": "2026-10-15T08:30:00.0000000Z",
        "changeKey": "DwAAABYAAADlMtD5j",
        "categories": [],
        "originalStartTimeZone": "W. Europe Standard Time",
        "originalEndTimeZone": "W. Europe Standard Time",
        "reminderMinutesBeforeStart": 15,
        "isReminderOn": True,
        "importance": "normal",
        "webLink": f"https://outlook.office365.com/owa/?itemid={quote(item['id'])}&exvsurl=1&path=/calendar/item",
        "body": {"contentType": "html", "content": f"<html><body><p>{text}</p></body></html>"},
        "bodyPreview": text[:255],
        "recurrence": None,
    }


def told(first: int, last: int) -> Iterable[Json]:
    """What delta says of these events: single ones whole, series by stubs and their master."""
    for index in range(first, last):
        place = index % GROUP
        yield stub(index) if place >= SINGLES else whole(selected(index))
        if place == GROUP - 1:
            master = selected(index - GROUP + 1 + SINGLES)
            yield whole(master | {"id": event_id("M", index // GROUP), "type": "seriesMaster", "seriesMasterId": None})


@cache
def page(calendar: str, events: int, size: int, number: int) -> bytes:
    """One page of the delta, the last one with its link to the next round."""
    first, last = number * size, min(events, (number + 1) * size)
    link = f"{ROOT}/me/calendars/{calendar}/calendarView/delta"
    onward = {"@odata.nextLink": f"{link}?$skiptoken={number + 1}"}
    end = {"@odata.deltaLink": f"{link}?$deltatoken=1"}
    content = {"@odata.context": f"{ROOT}/$metadata#Collection(event)", "value": list(told(first, last))}
    return json.dumps(content | (onward if last < events else end)).encode()


@cache
def instances(series: int) -> bytes:
    """All instances of a series."""
    first = series * GROUP
    return json.dumps({"value": [selected(index) for index in range(first + SINGLES, first + GROUP)]}).encode()


def batch(body: bytes) -> bytes:
    """The answers, put together from prepared pieces."""
    pieces = []
    for order in json.loads(body)["requests"]:
        found = SERIES.search(unquote(order["url"]))
        assert found is not None, order["url"]
        pieces.append(
            b'{"id": "%b", "status": 200, "headers": {"Content-Type": "application/json"}, "body": %b}'
            % (str(order["id"]).encode(), instances(int(found[1])))
        )
    return b'{"responses": [%b]}' % b", ".join(pieces)


def answer(address: str, body: bytes) -> tuple[bytes, int]:
    """The body of an answer, and how many milliseconds before it; a batch waits as long as any call of its calendar."""
    parts = urlsplit(unquote(address))
    text = body.decode() if parts.path.endswith("/$batch") else parts.path
    found = CALENDAR.search(text)
    assert found is not None, address
    events, size, latency = map(int, found.groups())
    if body:
        return batch(body), latency
    if not parts.path.endswith("/delta"):
        return json.dumps({"owner": {"name": "Olive Owner", "address": OWNER}}).encode(), latency
    number = int(parse_qs(parts.query).get("$skiptoken", ["0"])[0])
    return page(found[0], events, size, number), latency


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until it closes."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            content, latency = answer(head.split(b" ", 2)[1].decode(), body)
            await asyncio.sleep(latency / 1000)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
                % len(content)
            )
            writer.write(content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
