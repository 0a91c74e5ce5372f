"""A calendar API that serves pages prepared beforehand, so that what is measured is the client and not this server.

A calendar's id says what it holds: ``c10000-p250-l50`` is 10,000 events, 250 on a page, 50 ms before each answer. The
bodies have the form and size (about 1.2 kB) of Google's; three in ten events have a guest of ``known_addresses``.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CALENDAR = re.compile(r"c(\d+)-p(\d+)-l(\d+)")
KNOWN = 300
STRANGERS = 2_000
COLLEAGUE = "colleague@acme.example"


def calendar_id(events: int, page_size: int, latency: int) -> str:
    """The id of a calendar; ``latency`` is in milliseconds."""
    return f"c{events}-p{page_size}-l{latency}"


def known_addresses() -> list[str]:
    """The addresses that three in ten events have a guest of."""
    return [f"partner-{number}@lp-{number % 60}.example" for number in range(KNOWN)]


@cache
def page(events: int, size: int, number: int) -> bytes:
    """One page of events.list, the last one with the sync token."""
    first, last = number * size, min(events, (number + 1) * size)
    answer: dict[str, Any] = {
        "kind": "calendar#events",
        "etag": '"p33g"',
        "summary": "Benchmark",
        "updated": "2026-11-01T00:00:00.000Z",
        "timeZone": "UTC",
        "accessRole": "owner",
        "defaultReminders": [],
        "items": [_event(index) for index in range(first, last)],
    }
    answer |= {"nextPageToken": str(number + 1)} if last < events else {"nextSyncToken": "token-1"}
    return json.dumps(answer).encode()


TODAY = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _event(index: int) -> dict[str, Any]:
    start = TODAY + timedelta(days=-85) + timedelta(minutes=15) * (index * 7919 % (140 * 96))
    guest = (
        known_addresses()[index % KNOWN]
        if index % 10 < 3
        else f"somebody-{index % STRANGERS}@firm-{index % 400}.example"
    )
    event_id = f"bench{index:08d}"
    return {
        "kind": "calendar#event",
        "etag": f'"{3400000000000000 + index}"',
        "id": event_id,
        "status": "confirmed",
        "htmlLink": f"https://www.google.com/calendar/event?eid={event_id}",
        "created": "2026-10-01T08:00:00.000Z",
        "updated": "2026-10-15T08:30:00.000Z",
        "summary": f"Quarterly review {index}",
        "description": "Agenda: portfolio, pipeline, team, questions. " * 6,
        "location": "Bahnhofstrasse 1, 8001 Zurich",
        "creator": {"email": "owner@acme.example", "self": True},
        "organizer": {"email": "owner@acme.example", "self": True},
        "start": {"dateTime": start.isoformat(), "timeZone": "UTC"},
        "end": {"dateTime": (start + timedelta(minutes=45)).isoformat(), "timeZone": "UTC"},
        "iCalUID": f"{event_id}@google.com",
        "sequence": 0,
        "attendees": [
            {"email": "owner@acme.example", "self": True, "organizer": True, "responseStatus": "accepted"},
            {"email": COLLEAGUE, "displayName": "Carla Colleague", "responseStatus": "accepted"},
            {"email": guest, "displayName": f"Guest {index % STRANGERS}", "responseStatus": "needsAction"},
        ],
        "hangoutLink": f"https://meet.google.com/{event_id}",
        "reminders": {"useDefault": True},
        "eventType": "default",
    }


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until it closes."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            address = urlsplit(head.split(b" ", 2)[1].decode())
            found = CALENDAR.search(unquote(address.path))
            assert found is not None, address.path
            events, size, latency = map(int, found.groups())
            asked = parse_qs(address.query)
            body = page(events, size, int(asked.get("pageToken", ["0"])[0]))
            await asyncio.sleep(latency / 1000)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
