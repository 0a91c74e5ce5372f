"""The mail world itself: quota, faults, bulk, junk, and what survives a restart."""

import json
from pathlib import Path

import pytest
import requests
from googleapiclient.errors import HttpError

from sandbox.server import Sandbox
from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import Scene
from tests.sandbox.test_mail_reading import GINA, all_ids, get, headers, reason


def test_units_are_counted_by_the_minute_of_the_sandboxs_clock(scene: Scene) -> None:
    [message_id] = scene.mail(ALICE, {"from": GINA})
    gmail = scene.gmail(ALICE)
    scene.post("google/mail/quota", units_per_minute=50)
    for _ in range(2):
        get(gmail, message_id, format="minimal")
    all_ids(gmail)
    with pytest.raises(HttpError) as error:
        get(gmail, message_id, format="minimal")
    assert reason(error)[:2] == (403, "rateLimitExceeded")
    scene.post("google/mail/quota", status=429)
    with pytest.raises(HttpError) as error:
        gmail.users().threads().list(userId="me").execute()
    assert reason(error) == (429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).")
    used = scene.get("google/mail/quota")["accounts"][ALICE]
    assert (used["minute"], used["total"], used["refused"]) == (45, 45, 2)
    assert used["by_operation"] == {"gmail.users.messages.get": 40, "gmail.users.messages.list": 5}
    scene.post("clock", advance_seconds=60)
    get(gmail, message_id, format="minimal")
    scene.gmail(BOB).users().getProfile(userId="me").execute()
    assert scene.get("google/mail/quota")["accounts"][ALICE]["minute"] == 20


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("rate_limit_403", 403, "rateLimitExceeded"),
        ("rate_limit_429", 429, "rateLimitExceeded"),
        ("forbidden_403", 403, "domainPolicy"),
        ("gone_410", 404, "notFound"),
        ("error_500", 500, "backendError"),
        ("error_503", 503, "backendError"),
    ],
)
def test_faults_speak_as_gmail_does(scene: Scene, kind: str, status: int, said: str) -> None:
    headers = {"Authorization": f"Bearer {scene.mail_token(ALICE)}"}
    scene.post("faults", operation="gmail.users.history.list", kind=kind, retry_after="9")
    address = f"{scene.url}/google-gmail/gmail/v1/users/me/history"
    answer = requests.get(address, headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (status, said)
    assert answer.headers["Retry-After"] == "9"


def test_bulk_mail_is_mail_like_any_other(scene: Scene) -> None:
    peers = ["Gina <gina@pension.example>", "hal@bank.example"]
    scene.post("google/mail/bulk", account=ALICE, count=20, peers=peers, per_thread=2, days=30)
    gmail = scene.gmail(ALICE)
    found = all_ids(gmail, q="{from:gina@pension.example to:gina@pension.example}", maxResults=3)
    assert len(found) == 10
    message = get(gmail, found[0], format="metadata")
    thread = gmail.users().threads().get(userId="me", id=message["threadId"], format="metadata").execute()
    first, second = thread["messages"]
    assert headers(second)["In-Reply-To"] == headers(first)["Message-ID"]
    assert {tuple(one["labelIds"]) for one in (first, second)} == {("SENT",), ("CATEGORY_PERSONAL", "INBOX")}
    assert gmail.users().getProfile(userId="me").execute()["threadsTotal"] == 10


def test_lists_may_be_out_of_order_and_headers_decoded(scene: Scene) -> None:
    dates = [f"2027-03-01T{hour:02d}:00:00Z" for hour in range(12)]
    ids = scene.mail(ALICE, *[{"from": "Jürgen <j@bank.example>", "date": date} for date in dates])
    gmail = scene.gmail(ALICE)
    assert all_ids(gmail) == ids[::-1]
    scene.post("google/mail/options", scattered=True, decoded=True)
    scattered = all_ids(gmail, maxResults=5)
    assert scattered != ids[::-1]
    assert sorted(scattered) == sorted(ids)
    assert headers(get(gmail, ids[0]))["From"] == "Jürgen <j@bank.example>"


def test_a_raw_mail_is_shown_as_it_came(scene: Scene) -> None:
    raw = "Date: afnhz\nreceived: a\nReceived: b\n  c\nCC: undisclosed-recipients:;\n\nText"
    order = {"raw": raw, "date": "2027-03-01T10:00:00Z"}
    first, bare = scene.mail(ALICE, order, {"raw": "\n\nno headers", "date": "2027-03-01T10:00:00Z"})
    gmail = scene.gmail(ALICE)
    shown = [(one["name"], one["value"]) for one in get(gmail, first)["payload"]["headers"]]
    assert shown == [("Date", "afnhz"), ("received", "a"), ("Received", "b  c"), ("CC", "undisclosed-recipients:;")]
    assert "headers" not in get(gmail, bare, format="metadata")["payload"]


def test_every_oddity_is_answered_as_the_schema_says(scene: Scene) -> None:
    ids = scene.post("google/mail/junk", account=ALICE, known="gina@pension.example")["ids"]
    gmail = scene.gmail(ALICE)
    found = {name: get(gmail, message_id) for name, message_id in ids.items()}
    assert [get(gmail, one, format="metadata")["id"] for one in ids.values()] == list(ids.values())
    assert "headers" not in found["no_headers"]["payload"]
    assert "From" not in headers(found["no_from"])
    assert headers(found["junk_date"])["Date"] == "afnhz"
    assert headers(found["spoofed_name"])["From"] == '"gina@pension.example" <mallory@evil.example>'
    assert headers(found["twin_one"])["Message-ID"] == headers(found["twin_two"])["Message-ID"]
    assert set(found["to_oneself"]["labelIds"]) >= {"SENT", "INBOX"}
    assert "labelIds" not in found["unlabelled"]
    assert headers(found["eight_bit"])["Subject"] == "Gr\ufffd\ufffde"


def test_a_seed_tells_the_same_mail(scene: Scene) -> None:
    told = []
    for _ in range(2):
        scene.post("reset")
        scene.post("clock", set="2027-03-03T09:00:00Z")
        scene.post("google/accounts", email=ALICE, name="Alice Ash")
        ids = scene.post("google/mail/seed", account=ALICE, peers=[GINA, "hal@bank.example"], talks=5)["ids"]
        stored = scene.get(f"google/mail?account={ALICE}")["messages"]
        assert [one["id"] for one in stored] == ids
        told.append([[value for name, value in one["headers"] if name in {"From", "Message-ID"}] for one in stored])
    assert told[0] == told[1]
    assert len(told[0]) > 5


def test_an_invitation_and_a_file_are_parts(scene: Scene) -> None:
    order = {"from": GINA, "invitation": "BEGIN:VCALENDAR", "attachments": ["deck.pdf"], "html": "<b>x</b>"}
    payload = get(scene.gmail(ALICE), scene.mail(ALICE, order)[0])["payload"]
    kinds = [one["mimeType"] for one in payload["parts"]]
    assert kinds == ["text/plain", "text/html", "text/calendar", "application/octet-stream"]
    assert "method=REQUEST" in payload["parts"][2]["headers"][0]["value"]
    assert "data" not in payload["parts"][3]["body"]


@pytest.mark.parametrize("order", [{"nonsense": 1}, {"from": GINA, "date": "soon"}])
def test_an_order_that_makes_no_sense(scene: Scene, order: dict[str, object]) -> None:
    body = {"account": ALICE, "messages": [order]}
    answer = requests.post(f"{scene.url}/control/google/mail", json=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_mail_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE, name="Alice Ash")
        scene.mail(ALICE, {"from": GINA, "subject": "Kept"})
        scene.post("google/mail/bulk", account=ALICE, count=3, peers=[GINA])
        scene.post("google/mail/aliases", account=ALICE, aliases=[{"email": "desk@acme.example"}])
        [last] = scene.mail(ALICE, {"from": GINA, "labels": ["Label_Deals"]})
        before = scene.get(f"google/mail?account={ALICE}")
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        assert scene.get(f"google/mail?account={ALICE}") == before
        gmail = scene.gmail(ALICE)
        assert get(gmail, last)["labelIds"] == ["Label_Deals"]
        since = str(int(get(gmail, last)["historyId"]) - 1)
        assert gmail.users().history().list(userId="me", startHistoryId=since).execute()["history"]


def test_a_world_saved_before_there_was_mail_has_empty_boxes(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        Scene(sandbox.url).post("google/accounts", email=ALICE, name="Alice Ash")
    saved = json.loads(file.read_text())
    for name in ("mail", "pubsub"):
        del saved["providers"]["google"][name]
    file.write_text(json.dumps(saved))
    with Sandbox(state_file=file) as sandbox:
        assert all_ids(Scene(sandbox.url).gmail(ALICE)) == []
