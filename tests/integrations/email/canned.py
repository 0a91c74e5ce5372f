"""A session that answers what a test has prepared, and remembers what it was asked."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter

from integrations import outbound
from integrations.email import batch

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
