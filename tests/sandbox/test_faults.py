"""Faults on order, latency, and the record of requests."""

from time import monotonic
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import Scene, timed

SLOT = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")


def listing(scene: Scene, token: str) -> requests.Response:
    """A plain events.list."""
    address = f"{scene.url}/google-apis/calendar/v3/calendars/primary/events"
    return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=5)


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("rate_limit_403", 403, "rateLimitExceeded"),
        ("rate_limit_429", 429, "rateLimitExceeded"),
        ("forbidden_403", 403, "forbidden"),
        ("not_found_404", 404, "notFound"),
        ("gone_410", 410, "fullSyncRequired"),
        ("error_500", 500, "backendError"),
        ("error_503", 503, "backendError"),
    ],
)
def test_an_error_comes_in_googles_envelope_as_often_as_ordered(
    scene: Scene, kind: str, status: int, reason: str
) -> None:
    token = scene.link(ALICE)["access_token"]
    scene.post("faults", operation="calendar.events.list", kind=kind, times=2, after=1, retry_after=7)
    answers = [listing(scene, token) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, status, status, 200]
    assert answers[1].json()["error"]["errors"][0]["reason"] == reason
    assert answers[1].headers["Retry-After"] == "7"
    assert scene.get("faults") == {"faults": []}


def test_a_fault_may_be_for_one_account_until_cleared(scene: Scene) -> None:
    alice, bob = scene.link(ALICE)["access_token"], scene.link(BOB)["access_token"]
    scene.post("faults", operation="calendar.*", kind="error_503", account=BOB, times=None)
    assert [listing(scene, token).status_code for token in (alice, bob, bob)] == [200, 503, 503]
    requests.delete(f"{scene.url}/control/faults", timeout=5)
    assert listing(scene, bob).status_code == 200


def test_the_real_client_raises_what_a_fault_says(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    scene.post("faults", operation="*", kind="rate_limit_429")
    with pytest.raises(HttpError) as error:
        calendar.events().list(calendarId="primary").execute()
    assert error.value.reason == "Rate Limit Exceeded"


def test_the_token_endpoint_fails_in_oauths_words(scene: Scene) -> None:
    refresh = scene.link(ALICE)["refresh_token"]
    scene.post("faults", operation="oauth.token", kind="error_503", account=ALICE)
    answer = scene.token(grant_type="refresh_token", refresh_token=refresh)
    assert (answer.status_code, answer.json()["error"]) == (503, "backend_error")
    assert scene.token(grant_type="refresh_token", refresh_token=refresh).status_code == 200


def test_damaged_answers(scene: Scene) -> None:
    token = scene.link(ALICE)["access_token"]
    scene.put(ALICE, timed("one", *SLOT))
    scene.post("faults", operation="calendar.events.list", kind="malformed_json")
    with pytest.raises(requests.JSONDecodeError):
        listing(scene, token).json()
    scene.post("faults", operation="calendar.events.list", kind="html_200")
    answer = listing(scene, token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    scene.post("faults", operation="calendar.events.list", kind="half_page")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        listing(scene, token)
    assert listing(scene, token).json()["items"][0]["id"] == "one"


def test_slow_and_timeout(scene: Scene) -> None:
    token = scene.link(ALICE)["access_token"]
    scene.post("faults", operation="calendar.events.list", kind="slow", seconds=0.2)
    begin = monotonic()
    assert listing(scene, token).status_code == 200
    assert monotonic() - begin >= 0.2
    scene.post("faults", operation="calendar.events.list", kind="timeout", seconds=30)
    address = f"{scene.url}/google-apis/calendar/v3/calendars/primary/events"
    with pytest.raises(requests.ReadTimeout):
        requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=0.2)


def test_latency(scene: Scene) -> None:
    token = scene.link(ALICE)["access_token"]
    scene.post("latency", milliseconds=150)
    begin = monotonic()
    listing(scene, token)
    assert monotonic() - begin >= 0.15


@pytest.mark.parametrize(
    "order",
    [{"operation": "calendar.*", "kind": "lost"}, {"operation": "push", "kind": "slow"}, {"kind": "slow"}, {}],
)
def test_an_order_that_makes_no_sense(scene: Scene, order: dict[str, Any]) -> None:
    answer = requests.post(f"{scene.url}/control/faults", json=order, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_record_of_requests(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    requests.delete(f"{scene.url}/control/requests", timeout=5)
    calendar.events().list(calendarId="primary", eventTypes=["default", "fromGmail"], maxResults=7).execute()
    record = scene.get("requests")
    assert record["counts"] == {"calendar.events.list": 1}
    noted = record["last"][0]
    assert (noted["operation"], noted["account"], noted["status"]) == ("calendar.events.list", ALICE, 200)
    assert noted["query"]["maxResults"] == "7"
    assert noted["query"]["eventTypes"] == ["default", "fromGmail"]
