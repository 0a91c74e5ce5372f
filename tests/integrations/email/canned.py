"""A session that answers what a test has prepared and remembers what it was asked, and answers of Gmail to prepare."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from integrations import outbound
from integrations.email import batch

FIXTURES = Path(__file__).parents[2] / "fixtures" / "google"
NOW_MS, OLD_MS = "1793700000000", "1700000000000"
Json = dict[str, Any]
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Canned(HTTPAdapter):
    """Gives out its answers one after the other; an answer's body is JSON unless it is bytes."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.asked.append(request)
        status, body, headers = (*self.answers.pop(0), {})[:3]
        response = requests.Response()
        response.status_code, response.reason, response.request = status, "As canned", request
        response.url = request.url or ""
        response.headers.update({"Content-Type": "application/json; charset=UTF-8"} | headers)
        response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return response

    @property
    def session(self) -> requests.Session:
        http = requests.Session()
        outbound.adopt(http, self)
        return http

    def query(self, number: int = -1) -> dict[str, list[str]]:
        """The parameters of a request."""
        return parse_qs(urlsplit(self.asked[number].url or "").query)

    def paths(self, number: int = -1) -> list[str]:
        """What a batch asked for."""
        return batch.asked(batch.CONTENT_TYPE, self.asked[number].body)


def parts(*answers: Answer) -> Answer:
    """The answer to a batch."""
    text = ""
    for number, answer in enumerate(answers):
        status, body, headers = (*answer, {})[:3]
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        inner = body.decode() if isinstance(body, bytes) else json.dumps(body)
        text += (
            f"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-read + {number}>\r\n\r\n"
            f"HTTP/1.1 {status} As canned\r\nContent-Type: application/json\r\n{more}\r\n{inner}\r\n"
        )
    return 200, f"{text}--batch_x--\r\n".encode(), {"Content-Type": "multipart/mixed; boundary=batch_x"}


def body(name: str) -> Json:
    """What Gmail answered, as it was captured or documented."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


def headed(external_id: str = "1", /, **named: str) -> Json:
    """A message resource with these headers, in the inbox."""
    found = [{"name": name.replace("_", "-"), "value": value} for name, value in named.items()]
    return {
        "id": external_id,
        "threadId": "t1",
        "labelIds": ["INBOX"],
        "internalDate": NOW_MS,
        "payload": {"headers": found},
    }


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "threadId", "message", "messages", "labelIds", "messagesAdded", "messagesDeleted", "labelsAdded"]
                + [
                    "labelsRemoved",
                    "payload",
                    "headers",
                    "name",
                    "value",
                    "internalDate",
                    "parts",
                    "body",
                    "data",
                    "mimeType",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
