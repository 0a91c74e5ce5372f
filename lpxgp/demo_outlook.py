"""The demo's colleague who uses Outlook: the same events and mail, in Graph's words, on a Microsoft account.

What is between the two stands at both providers, as an invitation would put it there: so it is one meeting, one mail.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from lpxgp.demo_mailboxes import Mail
from lpxgp.demo_world import Colleague, Event

OutlookEvent = dict[str, Any]
ANSWERS = {"accepted": "accepted", "tentative": "tentativelyAccepted", "declined": "declined", "needsAction": "none"}
GLOBAL_OBJECT_ID = bytes.fromhex("040000008200E00074C5B7101A82E008")
"""How every UID begins that Outlook itself made."""


def moved_over(calendars: dict[str, list[Event]], user: Colleague) -> list[OutlookEvent]:
    """Take this colleague's calendar out of Google's and return it as Outlook's.

    Of what he organizes, each colleague who is invited gets Google's copy; what he is invited to, he gets Outlook's of.
    """
    own = calendars.pop(user.email)
    invited = [
        event | {"uid": f"{event['id']}@google.com"}
        for events in calendars.values()
        for event in events
        if _has(event, user.email)
    ]
    for event in own:
        event["iCalUID"] = _outlook_uid(event["id"])
        for calendar, events in calendars.items():
            if _has(event, calendar):
                events.append(event)
                # The sandbox copies it to the other guests with an account.
                break
    return [_event(event, user) for event in (*own, *invited)]


def outlook_mails(mails: list[Mail], user: Colleague) -> Iterator[dict[str, Any]]:
    """What of these mails this colleague wrote or got, as it lies in Outlook."""
    for mail in mails:
        parties = " ".join((mail["from"], *mail["to"], *mail["cc"]))
        if f"<{user.email}>" in parties:
            yield {**{name: value for name, value in mail.items() if name != "date"}, "sent_at": mail["date"]}


def _has(event: Event, address: str) -> bool:
    return any(guest["email"] == address for guest in event.get("attendees", ()))


def _event(event: Event, user: Colleague) -> OutlookEvent:
    guests = event.get("attendees", [])
    host = event["organizer"]["email"]
    mine = next((guest["responseStatus"] for guest in guests if guest["email"] == user.email), "accepted")
    uid = {"uid": event["uid"]} if "uid" in event else {"iCalUId": event["iCalUID"]}
    return {
        **uid,
        **_recurrence(event),
        "subject": event["summary"],
        "start": _moment(event["start"]),
        "end": _moment(event["end"]),
        "isAllDay": "date" in event["start"],
        "sensitivity": event.get("visibility", "normal"),
        "isCancelled": event.get("status") == "cancelled",
        "location": {"displayName": event.get("location", "")},
        "organizer": {"emailAddress": _person(next((one for one in guests if one["email"] == host), {"email": host}))},
        "attendees": [
            {"emailAddress": _person(guest), "status": {"response": ANSWERS[guest["responseStatus"]]}}
            for guest in guests
            if guest["email"] != host
        ],
        "responseStatus": {"response": "organizer" if host == user.email else ANSWERS[mine]},
    }


def _moment(given: dict[str, str]) -> dict[str, str]:
    """A time on the wall and its zone, as Outlook keeps it."""
    if "date" in given:
        return {"dateTime": f"{given['date']}T00:00:00", "timeZone": "UTC"}
    at = datetime.fromisoformat(given["dateTime"]).replace(tzinfo=None)
    return {"dateTime": at.isoformat(), "timeZone": given["timeZone"]}


def _recurrence(event: Event) -> dict[str, Any]:
    """A weekly series: the demo has no other."""
    if "recurrence" not in event:
        return {}
    count = int(event["recurrence"][0].rpartition("COUNT=")[2])
    return {"recurrence": {"pattern": {"type": "weekly"}, "range": {"type": "numbered", "numberOfOccurrences": count}}}


def _person(guest: dict[str, Any]) -> dict[str, str]:
    return {"name": guest.get("displayName", guest["email"]), "address": guest["email"]}


def _outlook_uid(name: str) -> str:
    """The UID that Outlook would give to something of this name."""
    data = hashlib.sha256(name.encode()).digest()[:16]
    return (GLOBAL_OBJECT_ID + bytes(20) + len(data).to_bytes(4, "little") + data).hex().upper()
