"""The server under load, and its threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import requests

from sandbox.server import Sandbox
from tests.sandbox.conftest import ALICE
from tests.sandbox.person import Scene, timed, whole_list

SLOT = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")


def test_many_callers_at_once_lose_nothing(scene: Scene) -> None:
    """Writers and readers side by side: no error, no lost event, and deltas that still add up."""
    token = scene.link(ALICE)["access_token"]
    _, sync = whole_list(scene.calendar(ALICE), calendarId="primary")

    def write(number: int) -> None:
        scene.post("google/events", calendar=ALICE, events=[timed(f"event{number:03}", *SLOT)])

    def read(number: int) -> int:
        address = f"{scene.url}/google-apis/calendar/v3/calendars/primary/events"
        return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, number) for number in range(60)]
        reads = [pool.submit(read, number) for number in range(60)]
        assert {one.result() for one in reads} == {200}
        assert [one.result() for one in writes] == [None] * 60
    changed, _ = whole_list(scene.calendar(ALICE), calendarId="primary", syncToken=sync, maxResults=7)
    assert sorted(one["id"] for one in changed) == [f"event{number:03}" for number in range(60)]


def test_stop_ends_every_thread_even_within_a_timeout_fault() -> None:
    before = set(threading.enumerate())
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE)
        calendar = scene.calendar(ALICE)
        body = {"id": "channel-1", "type": "web_hook", "address": "http://127.0.0.1:1/"}
        calendar.events().watch(calendarId="primary", body=body).execute()
        scene.post("faults", operation="oauth.certs", kind="timeout", seconds=60)
        stuck = pool.submit(requests.get, f"{sandbox.url}/google-apis/oauth2/v1/certs", timeout=60)
        while scene.get("faults") != {"faults": []}:
            pass
        sandbox.stop()
        assert stuck.exception() is not None or stuck.result().status_code == 504
    assert not [
        thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("sandbox")
    ]


def test_two_sandboxes_side_by_side() -> None:
    with Sandbox() as first, Sandbox() as second:
        Scene(first.url).post("google/accounts", email=ALICE)
        assert ALICE in requests.get(first.url, timeout=5).text
        assert ALICE not in requests.get(second.url, timeout=5).text
