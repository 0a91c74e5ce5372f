"""The control API, the front page, the saved world and the process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.core.management import CommandError, call_command

from sandbox.server import Sandbox
from tests.sandbox.conftest import ALICE, until
from tests.sandbox.person import Scene, timed, whole_list

ROOT = Path(__file__).parents[2]
SLOT = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")


def test_the_clock_moves(scene: Scene) -> None:
    assert scene.post("clock", set="2027-03-10T08:00:00Z")["now"].startswith("2027-03-10T08:00:0")
    assert scene.post("clock", advance_seconds=3600)["now"].startswith("2027-03-10T09:00:0")
    assert scene.get("health")["ok"] is True


def test_reset_empties_the_world(scene: Scene) -> None:
    token = scene.link(ALICE)["refresh_token"]
    scene.put(ALICE, timed("one", *SLOT))
    scene.post("faults", operation="*", kind="error_500", times=None)
    scene.post("reset")
    assert scene.get("requests") == {"counts": {}, "last": []}
    assert scene.get("faults") == {"faults": []}
    assert scene.token(grant_type="refresh_token", refresh_token=token).status_code == 400
    assert "no Google accounts yet" in scene.ask().text


def test_events_as_stored(scene: Scene) -> None:
    scene.put(ALICE, timed("one", *SLOT))
    stored = scene.get(f"google/events?calendar={ALICE}")["events"]
    assert [one["id"] for one in stored] == ["one"]


def test_an_event_without_id_gets_one(scene: Scene) -> None:
    event = timed("", *SLOT)
    first, second = scene.put(ALICE, event, event)
    assert len({first, second, ""}) == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("google/events", {"calendar": "nobody", "events": []}),
        ("google/events", {"calendar": ALICE, "events": [{"id": "x"}]}),
        ("google/events", {"calendar": ALICE, "events": [timed("x", SLOT[1], SLOT[0])]}),
        ("google/events", {"calendar": ALICE, "events": [timed("x", *SLOT, recurrence=["RRULE:FREQ=HOURLY"])]}),
        ("google/events/cancel", {"calendar": ALICE, "ids": ["never"]}),
        ("google/calendars", {"account": ALICE, "id": "x", "accessRole": "king"}),
        ("google/accounts", {}),
        ("clock", {"set": "2027-03-10"}),
        ("clock", {}),
    ],
)
def test_a_wrong_order_says_why(scene: Scene, path: str, body: dict[str, object]) -> None:
    answer = requests.post(f"{scene.url}/control/{path}", json=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_foreign_page_cannot_give_orders(scene: Scene) -> None:
    """A browser may send a form or plain text anywhere; JSON it may not. A rebound name does not help."""
    address = f"{scene.url}/control/reset"
    assert requests.post(address, data="{}", headers={"Content-Type": "text/plain"}, timeout=5).status_code == 415
    assert requests.post(address, json={}, headers={"Host": "evil.example"}, timeout=5).status_code == 403
    assert requests.get(f"{scene.url}/control/else", timeout=5).status_code == 404
    order = {"operation": "*", "kind": "error_500", "do": "order"}
    foreign = {"Origin": "https://evil.example"}
    assert requests.post(f"{scene.url}/faults", data=order, headers=foreign, timeout=5).status_code == 403
    assert scene.get("faults") == {"faults": []}


def test_the_front_page_tells_and_takes_orders(scene: Scene) -> None:
    scene.post("google/accounts", email="eve@x.example", name="<script>alert(1)</script>")
    scene.link(ALICE)
    page = requests.get(scene.url, timeout=5)
    assert "This is a sandbox" in page.text
    assert ALICE in page.text
    assert "oauth.token" in page.text
    assert "<script" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]  # default-src 'none' covers scripts
    assert requests.get(f"{scene.url}/static/sandbox.css", timeout=5).headers["Content-Type"].startswith("text/css")
    assert requests.get(f"{scene.url}/else", timeout=5).status_code == 404
    own = {"Origin": scene.url}
    order = {"operation": "calendar.*", "kind": "error_500", "times": "2", "do": "order"}
    assert "error_500" in requests.post(f"{scene.url}/faults", data=order, headers=own, timeout=5).text
    assert scene.get("faults")["faults"][0]["times"] == 2
    requests.post(f"{scene.url}/faults", data={"do": "clear"}, headers=own, timeout=5)
    assert scene.get("faults") == {"faults": []}


def test_a_saved_world_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE)
        scene.post("clock", set="2027-03-01T00:00:00Z")
        scene.put(ALICE, timed("daily", *SLOT, recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))
        scene.post("google/bulk_events", calendar=ALICE, count=30)
        linked = scene.link(ALICE)
        _, token = whole_list(scene.calendar(ALICE), calendarId="primary", singleEvents=True)
        body = {"id": "channel-1", "type": "web_hook", "address": "http://127.0.0.1:1/"}
        scene.calendar(ALICE).events().watch(calendarId="primary", body=body).execute()
    assert file.stat().st_mode & 0o077 == 0
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        assert scene.get("health")["now"].startswith("2027-03-01T00:0")
        assert scene.token(grant_type="refresh_token", refresh_token=linked["refresh_token"]).status_code == 200
        assert scene.get("google/channels")["channels"][0]["id"] == "channel-1"
        scene.put(ALICE, {"id": "daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]})
        calendar = scene.calendar(ALICE)
        changed, _ = whole_list(calendar, calendarId="primary", singleEvents=True, syncToken=token)
        assert [one["status"] for one in changed] == ["cancelled", "confirmed", "confirmed"]
        assert len(whole_list(calendar, calendarId="primary")[0]) == 31


def test_the_world_is_saved_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        Scene(sandbox.url).post("google/accounts", email=ALICE)
        until(file.exists)
        saved = json.loads(file.read_text())
        assert saved["providers"]["google"]["accounts"][0]["email"] == ALICE


def test_the_command_serves_until_told_to_stop() -> None:
    command = [sys.executable, "manage.py", "sandbox", "--port", "0"]
    environment = {**os.environ, "DEBUG": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert requests.get(f"{address}/control/health", timeout=5).json()["ok"] is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_the_command_refuses_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DEBUG", False)
    monkeypatch.delenv("ALLOW_PROVIDER_ORIGINS", raising=False)
    with pytest.raises(CommandError, match="for development"):
        call_command("sandbox", port=0)
