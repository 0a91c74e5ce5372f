"""What happened to a mailbox, as users.history.list tells it."""

from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import Json, Scene
from tests.sandbox.test_mail_reading import GINA, get, headers, reason


def start(gmail: Any) -> str:
    """The mailbox's history id now."""
    found: str = gmail.users().getProfile(userId="me").execute()["historyId"]
    return found


def history(gmail: Any, since: str, **parameters: Any) -> tuple[list[Json], Json]:
    """All records since, and the last page."""
    records: list[Json] = []
    while True:
        page = gmail.users().history().list(userId="me", startHistoryId=since, **parameters).execute()
        records += page.get("history", [])
        if "nextPageToken" not in page:
            return records, page
        parameters["pageToken"] = page["nextPageToken"]


def kinds(records: list[Json]) -> list[str]:
    return [key for one in records for key in one if key not in {"id", "messages"}]


def test_every_kind_of_change_in_order(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    since = start(gmail)
    first, second = scene.mail(ALICE, {"from": GINA}, {"from": GINA, "labels": ["INBOX"]})
    scene.post("google/mail/relabel", account=ALICE, ids=[first], add=["TRASH"], silent=True)
    scene.post("google/mail/delete", account=ALICE, ids=[second], silent=True)
    records, last = history(gmail, since, maxResults=2)
    assert kinds(records) == [
        "messagesAdded",
        "labelsAdded",
        "messagesAdded",
        "labelsAdded",
        "labelsRemoved",
        "messagesDeleted",
    ]
    numbers = [int(one["id"]) for one in records]
    assert numbers == sorted(set(numbers))
    assert last["historyId"] == start(gmail) == records[-1]["id"]
    assert records[3]["labelsAdded"][0]["labelIds"] == ["TRASH"]
    assert history(gmail, last["historyId"])[0] == []


def test_filters_may_leave_a_page_empty_that_is_not_the_last(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    since = start(gmail)
    [message_id] = scene.mail(ALICE, {"from": GINA, "labels": ["INBOX"]})
    for label in ("STARRED", "IMPORTANT"):
        scene.post("google/mail/relabel", account=ALICE, ids=[message_id], add=[label], silent=True)
    scene.mail(ALICE, {"to": GINA})
    page = gmail.users().history().list(
        userId="me", startHistoryId=since, maxResults=1, historyTypes=["labelRemoved"]
    )  # fmt: skip
    assert page.execute().keys() == {"historyId", "nextPageToken"}
    assert kinds(history(gmail, since, historyTypes=["messageAdded"])[0]) == ["messagesAdded"] * 2
    assert kinds(history(gmail, since, labelId="SENT", maxResults=1)[0]) == ["messagesAdded"]


def test_a_sent_draft_is_another_message(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    order = {"to": [GINA, BOB], "bcc": "carl@fund.example", "subject": "Soon", "labels": ["DRAFT"]}
    [draft] = scene.mail(ALICE, order)
    since = start(gmail)
    copies = scene.post("google/mail/send_draft", account=ALICE, id=draft, silent=True)["copies"]
    assert copies[ALICE] != draft
    assert kinds(history(gmail, since)[0]) == ["messagesDeleted", "messagesAdded"]
    assert get(gmail, copies[ALICE])["labelIds"] == ["SENT"]
    received = get(scene.gmail(BOB), copies[BOB])
    assert "INBOX" in received["labelIds"]
    assert "Bcc" not in headers(received)
    assert scene.get(f"google/mail?account={BOB}")["total"] == 1


@pytest.mark.parametrize("way", ["control", "time", "bulk"])
def test_history_grows_too_old(scene: Scene, way: str) -> None:
    gmail = scene.gmail(ALICE)
    since = start(gmail)
    scene.mail(ALICE, {"from": GINA})
    if way == "control":
        scene.post("google/mail/forget_history", account=ALICE)
    elif way == "bulk":
        scene.post("google/mail/bulk", account=ALICE, count=3, peers=[GINA])
    else:
        scene.post("clock", advance_seconds=8 * 86_400)
        gmail = scene.gmail(ALICE)
    with pytest.raises(HttpError) as error:
        history(gmail, since)
    assert reason(error) == (404, "notFound", "Requested entity was not found.")
    assert history(gmail, start(gmail))[0] == []


def test_a_start_is_needed(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    with pytest.raises(HttpError) as error:
        gmail.users().history().list(userId="me").execute()
    assert reason(error) == (400, "invalidArgument", "Missing/invalid parameter: startHistoryId")
    with pytest.raises(HttpError) as error:
        history(gmail, "99999999999")
    assert error.value.status_code == 404
