"""The demo's Outlook user: taken by both pretend providers, with what is between them at both."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from lpxgp import demo_mailboxes, demo_outlook, demo_world
from sandbox.server import Sandbox
from tests.lpxgp.test_demo_world import CAST, NOW

CLEO = CAST.outlook_user


class World:
    """A sandbox with the demo's accounts."""

    def __init__(self, url: str) -> None:
        self.url, self.http = f"{url}/control", requests.Session()
        for colleague in CAST.colleagues:
            if colleague == CLEO:
                self.order("microsoft/accounts", upn=CLEO.email, name=CLEO.name)
            else:
                self.order("google/accounts", email=colleague.email, name=colleague.name, timeZone=CAST.time_zone)

    def order(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.url}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **parameters: str) -> Any:
        return self.http.get(f"{self.url}/{path}", params=parameters).json()


@pytest.fixture
def world() -> Iterator[World]:
    with Sandbox() as sandbox:
        yield World(sandbox.url)


def test_both_providers_take_the_meetings_and_share_those_between_them(world: World) -> None:
    calendars = demo_world.by_calendar(CAST, NOW)
    hosted = {event["summary"] for event in calendars[CLEO.email]}
    in_outlook = demo_outlook.moved_over(calendars, CLEO)
    assert CLEO.email not in calendars
    assert {event["subject"] for event in in_outlook} > hosted
    assert any("recurrence" in event for event in in_outlook)
    world.order("microsoft/events", account=CLEO.email, events=in_outlook, silent=True)
    for calendar, events in calendars.items():
        world.order("google/events", calendar=calendar, events=events, silent=True)
    outlook = {event["iCalUId"]: event for event in world.get("microsoft/events", account=CLEO.email)["events"]}
    anna = {event["iCalUID"]: event for event in world.get("google/events", calendar="anna@gp.example")["events"]}
    own = outlook.keys() & anna.keys()
    assert own, "what Cleo organizes and Anna attends has one UID at both"
    for uid in own:
        start = datetime.fromisoformat(anna[uid]["start"]["dateTime"]).astimezone(UTC)
        assert datetime.fromisoformat(outlook[uid]["start"]["dateTime"]).replace(tzinfo=UTC) == start
        assert anna[uid]["organizer"]["email"] == CLEO.email
    wrapped = [event for uid, event in outlook.items() if bytes.fromhex(uid)[40:48] == b"vCal-Uid"]
    assert wrapped, "what others organize came by an invitation of Google's"
    assert all(event["organizer"]["emailAddress"]["address"] != CLEO.email for event in wrapped)


def test_outlook_takes_the_mail(world: World) -> None:
    mails = [mail for box in demo_mailboxes.by_mailbox(CAST, NOW).values() for mail in box]
    in_outlook = list(demo_outlook.outlook_mails(mails, CLEO))
    assert len(in_outlook) > 5
    told = world.order("microsoft/messages", account=CLEO.email, messages=in_outlook, silent=True)
    assert told["message_ids"] == [mail["message_id"] for mail in in_outlook]
