"""Setting the scene on Outlook's calendars: functions behind /control/microsoft/…

Ids go out in the immutable spelling; both are taken. ``silent`` tells no subscription.
"""

from datetime import date
from typing import Any

from werkzeug.wrappers import Request

from sandbox.clock import parse_instant
from sandbox.control import ControlError, body_of, required
from sandbox.microsoft import paging
from sandbox.microsoft.calendar import bulk, delta, ids, shapes
from sandbox.microsoft.calendar.books import Body, Calendar
from sandbox.microsoft.calendar.writing import Writer
from sandbox.microsoft.state import Account, Microsoft, microsoft_of
from sandbox.providers import Control, Table
from sandbox.world import World

MOST_PREVIEWED = 5_000


def add_calendar(world: World, request: Request) -> Any:
    """{"account", "name", "canEdit"?, "owner"?: {"name", "address"}}: one more calendar; its id."""
    microsoft, body = microsoft_of(world), body_of(request)
    account = account_in(microsoft, body)
    owner = body.get("owner", {})
    calendar = microsoft.calendars.add(
        account.upn,
        required(body, "name"),
        owner.get("name", account.name),
        owner.get("address", account.mail or account.upn),
        can_edit=bool(body.get("canEdit", True)),
    )
    return {"id": calendar.id}


def delete_calendar(world: World, request: Request) -> Any:
    """{"account", "id"}: a calendar goes with all its events."""
    microsoft, body = microsoft_of(world), body_of(request)
    account = account_in(microsoft, body)
    calendar = calendar_in(microsoft, account, {"calendar": required(body, "id")})
    if calendar.is_default:
        raise ControlError("the default calendar stays")
    del microsoft.calendars.book(account.upn).calendars[calendar.id]
    return {"ok": True}


def list_calendars(world: World, request: Request) -> Any:
    """?account=UPN: the mailbox's calendars."""
    microsoft = microsoft_of(world)
    book = microsoft.calendars.book(account_in(microsoft, request.args).upn)
    return {"calendars": [shapes.calendar(calendar) for calendar in book.calendars.values()]}


def add_events(world: World, request: Request) -> Any:
    """{"account", "calendar"?, "events": [Graph's words], "silent"?}: new events; their ids."""
    microsoft, body = microsoft_of(world), body_of(request)
    account = account_in(microsoft, body)
    calendar, writer = calendar_in(microsoft, account, body), writer_of(microsoft, body)
    return {"ids": [writer.create(calendar, given) for given in body["events"]]}


def list_events(world: World, request: Request) -> Any:
    """?account=UPN: the first 5,000 events and series of all calendars, whole, in UTC."""
    microsoft = microsoft_of(world)
    account = account_in(microsoft, request.args)
    viewer = shapes.Viewer(
        account.upn, account.mail or account.upn, account.name, "UTC", is_immutable=True, is_basic=False
    )
    book = microsoft.calendars.book(account.upn)
    found = [
        shapes.event(entry, None, viewer) | {"calendar": calendar.id}
        for calendar in book.calendars.values()
        for entry in calendar.live()
    ]
    return {"events": found[:MOST_PREVIEWED]}


def change_event(world: World, request: Request) -> Any:
    """{"account", "id", "changes": Graph's words, "silent"?}: change an event, a series or one occurrence."""
    body = body_of(request)
    writer_of(microsoft_of(world), body).change(required(body, "id"), body["changes"])
    return {"id": body["id"]}


def move_instance(world: World, request: Request) -> Any:
    """{"account", "id" or "series" and "on", "start", "end", "silent"?}: move one occurrence; its id."""
    microsoft, body = microsoft_of(world), body_of(request)
    event_id = instance_in(microsoft, body)
    writer_of(microsoft, body).change(event_id, {"start": body["start"], "end": body["end"]})
    return {"id": event_id}


def cancel_instance(world: World, request: Request) -> Any:
    """{"account", "id" or "series" and "on", "silent"?}: delete one occurrence; its id."""
    microsoft, body = microsoft_of(world), body_of(request)
    event_id = instance_in(microsoft, body)
    writer_of(microsoft, body).cancel_occurrence(event_id)
    return {"id": event_id}


def delete_events(world: World, request: Request) -> Any:
    """{"account", "ids", "silent"?}: delete events or whole series."""
    body = body_of(request)
    writer = writer_of(microsoft_of(world), body)
    for event_id in body["ids"]:
        writer.delete(event_id)
    return {"ids": body["ids"]}


def bulk_events(world: World, request: Request) -> Any:
    """{"account", "count", "series_share"?, "guests"?, "start"?, "calendar"?}: many events, silently."""
    microsoft, body = microsoft_of(world), body_of(request)
    account = account_in(microsoft, body)
    calendar, writer = calendar_in(microsoft, account, body), Writer(microsoft, account, is_silent=True)
    start = parse_instant(body["start"]) if body.get("start") else world.clock.now().replace(second=0, microsecond=0)
    guests = [str(guest) for guest in body.get("guests", [])]
    many = bulk.bodies(int(body["count"]), start, float(body.get("series_share", 0.0)), guests)
    written = [writer.create(calendar, one) for one in many]
    return {"count": len(written), "first_id": written[0] if written else ""}


def expire_cursors(world: World, request: Request) -> Any:
    """{"account", "code"?}: the tokens its calendars gave answer 410 SyncStateNotFound, or another code of delta.py."""
    microsoft, body = microsoft_of(world), body_of(request)
    if body.get("code", "") not in {"", *delta.EXPIRIES}:
        raise ControlError(f"code must be one of {', '.join(delta.EXPIRIES)}")
    upn = account_in(microsoft, body).upn
    microsoft.calendars.book(upn).expiry = body.get("code", "")
    return {"forgotten": paging.forget(microsoft, delta.KIND, upn=upn)}


def page_quirk(world: World, request: Request) -> Any:
    """{"account", "kind", "times"?}: what is odd about the next round of delta: see delta.py."""
    microsoft, body = microsoft_of(world), body_of(request)
    if required(body, "kind") not in delta.QUIRKS:
        raise ControlError(f"kind must be one of {', '.join(delta.QUIRKS)}")
    quirks = microsoft.calendars.book(account_in(microsoft, body).upn).quirks
    quirks += [body["kind"]] * int(body.get("times", 1))
    return {"waiting": quirks}


def account_in(microsoft: Microsoft, given: Any) -> Account:
    """The account that is named."""
    return microsoft.account(required(given, "account").lower())


def calendar_in(microsoft: Microsoft, account: Account, body: Body) -> Calendar:
    """The calendar that is named, else the default one."""
    book = microsoft.calendars.book(account.upn)
    if "calendar" not in body:
        return book.default()
    if body["calendar"] not in book.calendars:
        raise ControlError(f"no calendar {body['calendar']}")
    return book.calendars[body["calendar"]]


def writer_of(microsoft: Microsoft, body: Body) -> Writer:
    """Whoever writes for the account that is named."""
    return Writer(microsoft, account_in(microsoft, body), is_silent=bool(body.get("silent")))


def instance_in(microsoft: Microsoft, body: Body) -> str:
    """The occurrence that is meant: by its id, or by its series and the day it was meant for."""
    if "id" in body:
        return required(body, "id")
    upn, day = account_in(microsoft, body).upn, date.fromisoformat(required(body, "on"))
    series = ids.read(upn, required(body, "series"))
    if series is None:
        raise ControlError(f"no event {body['series']}")
    return ids.spelled(upn, ids.Key(series.serial, day), is_immutable=True)


def table(microsoft: Microsoft) -> Table:
    """The calendars for the sandbox's front page."""
    rows = [
        [book.upn, one.name, str(sum(1 for _ in one.live())), f"{one.last_number} changes"]
        for book in microsoft.calendars.books.values()
        for one in book.calendars.values()
    ]
    return Table("Outlook calendars", ("Mailbox", "Calendar", "Events and series", "So far"), rows)


CONTROLS: dict[str, Control] = {
    "POST calendars": add_calendar,
    "GET calendars": list_calendars,
    "POST calendars/delete": delete_calendar,
    "POST events": add_events,
    "GET events": list_events,
    "POST events/change": change_event,
    "POST events/move_instance": move_instance,
    "POST events/cancel_instance": cancel_instance,
    "POST events/delete": delete_events,
    "POST events/bulk": bulk_events,
    "POST cursors/expire": expire_cursors,
    "POST pages/quirk": page_quirk,
}
