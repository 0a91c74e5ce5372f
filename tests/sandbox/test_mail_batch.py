"""Batches through the strict parser of Google's own client: parts fail by themselves."""

import json
from typing import Any

import pytest
import requests
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from tests.sandbox.conftest import ALICE
from tests.sandbox.person import CheckedTransport, Json, Scene
from tests.sandbox.test_mail_reading import GINA

GMAIL, CALENDAR = "google-gmail/batch/gmail/v1", "google-apis/batch/calendar/v3"


class Transport(CheckedTransport):
    """Batches are no JSON: only the calls within them could be checked."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> tuple[Any, bytes]:
        answer = self._session.request(method, uri, data=body, headers=headers, timeout=20)
        response = requests.structures.CaseInsensitiveDict(answer.headers)
        return Reply(answer.status_code, answer.reason, response), answer.content


class Reply(dict[str, str]):
    """What httplib2 gives for the head of an answer."""

    def __init__(self, status: int, reason: str, headers: Any) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()} | {"status": str(status)})
        self.status, self.reason = status, reason


def client(scene: Scene, token: str) -> Any:
    """Google's Gmail client without checks."""
    document = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
    document["rootUrl"] = f"{scene.url}/google-gmail/"
    return build_from_document(document, http=Transport(token))


def run(scene: Scene, ids: list[str], token: str, path: str = GMAIL) -> list[tuple[Json | None, HttpError | None]]:
    """messages.get for every id in one batch; answers and errors in the order asked."""
    found: list[tuple[Json | None, HttpError | None]] = []
    batch = BatchHttpRequest(
        callback=lambda _, answer, error: found.append((answer, error)), batch_uri=f"{scene.url}/{path}"
    )
    gmail = client(scene, token)
    for message_id in ids:
        batch.add(gmail.users().messages().get(userId="me", id=message_id, format="metadata"))
    batch.execute(http=Transport(token))
    return found


@pytest.mark.parametrize("path", ["google-gmail/batch", GMAIL])
def test_answers_come_in_order_and_a_missing_one_is_its_own_trouble(scene: Scene, path: str) -> None:
    ids = scene.mail(ALICE, {"from": GINA}, {"from": GINA})
    found = run(scene, [ids[0], "18d1234abcd00000", ids[1]], scene.mail_token(ALICE), path)
    assert [answer["id"] for answer, _ in found if answer] == ids
    assert found[1][1] is not None
    assert found[1][1].status_code == 404


def test_parts_run_into_faults_and_the_quota_by_themselves(scene: Scene) -> None:
    ids = scene.mail(ALICE, *[{"from": GINA}] * 5)
    token = scene.mail_token(ALICE)
    scene.post("faults", operation="gmail.users.messages.get", kind="rate_limit_429", after=1, times=1, retry_after="7")
    scene.post("google/mail/quota", units_per_minute=60)
    found = run(scene, ids, token)
    assert [error.status_code if error else 200 for _, error in found] == [200, 429, 200, 200, 403]
    assert found[1][1] is not None
    assert found[1][1].resp["retry-after"] == "7"
    counts = scene.get("requests")["counts"]
    assert (counts["gmail.batch"], counts["gmail.users.messages.get"]) == (1, 5)


def test_a_dead_token_ends_the_batch_a_dead_inner_one_its_part(scene: Scene) -> None:
    [message_id] = scene.mail(ALICE, {"from": GINA})
    token = scene.mail_token(ALICE)
    with pytest.raises(HttpError) as error:
        run(scene, [message_id], "dead")
    assert error.value.status_code == 401
    answer = post(scene, part(message_id, "dead") + part(message_id, token))
    assert answer.text.count("HTTP/1.1 401 Unauthorized") == 1
    assert answer.text.count("HTTP/1.1 200 OK") == 1
    assert "Content-ID: <response-one + 1>\r\n" in answer.text


def test_only_so_many_and_only_this_api(scene: Scene) -> None:
    token = scene.mail_token(ALICE)
    with pytest.raises(HttpError) as error:
        run(scene, ["x"] * 101, token)
    assert (error.value.status_code, error.value.reason) == (
        400,
        "Inner request count exceeds the limit. Received: 101, Limit: 100",
    )
    assert "HTTP/1.1 400 Bad Request" in post(scene, part("x", token), CALENDAR).text
    assert requests.post(f"{scene.url}/{GMAIL}", data=b"no parts", timeout=5).status_code == 400


def test_calendar_calls_in_a_batch(scene: Scene) -> None:
    token = scene.link(ALICE)["access_token"]
    inner = part("", token).replace("/gmail/v1/users/me/messages/", "/calendar/v3/users/me/calendarList")
    answer = post(scene, inner, CALENDAR)
    assert answer.status_code == 200
    assert '"kind":"calendar#calendarList"' in answer.text


def part(message_id: str, token: str) -> str:
    """A part written by hand."""
    return (
        "--limit\r\nContent-Type: application/http\r\nContent-ID: <one + 1>\r\n\r\n"
        f"GET /gmail/v1/users/me/messages/{message_id} HTTP/1.1\r\nauthorization: Bearer {token}\r\n\r\n\r\n"
    )


def post(scene: Scene, parts: str, path: str = GMAIL) -> requests.Response:
    """A batch written by hand."""
    headers = {"Content-Type": 'multipart/mixed; boundary="limit"'}
    return requests.post(f"{scene.url}/{path}", data=f"{parts}--limit--", headers=headers, timeout=5)
