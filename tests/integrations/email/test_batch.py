"""Batches: what is written is what Google's guide shows, and any answer is read part by part or said to be broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.email import batch
from integrations.errors import Temporary

REPLY = "multipart/mixed; boundary=batch_foobarbaz"


def part(number: int, body: str = "{}", status: str = "200 OK", name: str = "read") -> str:
    """One part of an answer, as Google writes it."""
    return (
        f"--batch_foobarbaz\r\nContent-Type: application/http\r\nContent-ID: <response-{name} + {number}>\r\n\r\n"
        f"HTTP/1.1 {status}\r\nContent-Type: application/json; charset=UTF-8\r\nRetry-After: 7\r\nVary: Origin\r\n"
        f"\r\n{body}\r\n"
    )


def reply(*parts: str) -> bytes:
    return ("".join(parts) + "--batch_foobarbaz--\r\n").encode()


def test_a_batch_is_written_as_multipart() -> None:
    assert batch.written(["/gmail/v1/users/me/messages/1?format=minimal"]) == (
        b"--batch_of_reads\r\n"
        b"Content-Type: application/http\r\n"
        b"Content-ID: <read + 0>\r\n"
        b"\r\n"
        b"GET /gmail/v1/users/me/messages/1?format=minimal HTTP/1.1\r\n"
        b"\r\n"
        b"\r\n"
        b"--batch_of_reads--\r\n"
    )


@pytest.mark.parametrize("path", ["", "x", "/a b", "/a\r\nX: y", "/a\n", "/ä", "/a#b", 'https://x/"', "/\x00"])
def test_what_is_no_path_is_not_written(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        batch.written([path])


@given(paths=st.lists(st.from_regex(r"/[\w./?&=%-]{0,40}", fullmatch=True), min_size=1, max_size=60))
def test_what_is_written_is_what_is_asked(paths: list[str]) -> None:
    try:
        body = batch.written(paths)
    except ValueError:
        assert not all(path.isascii() for path in paths)
        return
    assert batch.asked(batch.CONTENT_TYPE, body) == paths


def test_answers_stand_in_the_order_of_the_requests_whatever_order_they_come_in() -> None:
    found = batch.answers(REPLY, reply(part(2, "[2]"), part(0, "[0]"), part(1, "{}", "404 Not Found")), 3)

    assert [one and (one.status, one.body.strip()) for one in found] == [(200, b"[0]"), (404, b"{}"), (200, b"[2]")]
    assert found[0] is not None
    assert found[0].headers["retry-after"] == "7"


def test_a_quoted_boundary_and_what_stands_around_the_parts_is_no_matter() -> None:
    body = b"preamble\r\n" + reply(part(0)) + b"epilogue"

    assert batch.answers('Multipart/Mixed; charset=x; boundary="batch_foobarbaz"', body, 1)[0] is not None


def test_missing_and_damaged_parts_are_none() -> None:
    damaged = part(1).replace("HTTP/1.1 200 OK", "HTTP/1.1 OK")
    foreign = part(3, name="other")
    found = batch.answers(REPLY, reply(part(0), damaged, foreign, part(9), part(0, "[again]")), 4)

    assert [one is None for one in found] == [False, True, True, True]
    assert found[0] is not None
    assert found[0].body.strip() == b"{}"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/mixed", reply(part(0))),
        ("", b""),
        (REPLY, b""),
        (REPLY, reply(part(0))[:-20]),
        (REPLY, part(0).encode()),
        (REPLY, reply(part(0)).replace(b"batch_foobarbaz", b"another")),
    ],
)
def test_half_an_answer_is_none(content_type: str, body: bytes) -> None:
    with pytest.raises(Temporary):
        batch.answers(content_type, body, 1)


@given(texts=st.lists(st.text(max_size=40), max_size=6))
def test_whatever_the_parts_hold_they_stay_apart(texts: list[str]) -> None:
    bodies = [json.dumps(text + "\r\n--batch_foobarbaz--\r\n") for text in texts]
    found = batch.answers(REPLY, reply(*(part(number, body) for number, body in enumerate(bodies))), len(texts))

    assert [one and json.loads(one.body) for one in found] == [text + "\r\n--batch_foobarbaz--\r\n" for text in texts]


@given(body=st.binary(max_size=300), count=st.integers(0, 5))
def test_no_answer_causes_a_fault(body: bytes, count: int) -> None:
    for content in (body, b"--batch_foobarbaz\r\n" + body, reply(part(0)) + body):
        try:
            assert len(batch.answers(REPLY, content, count)) == count
        except Temporary:
            continue
