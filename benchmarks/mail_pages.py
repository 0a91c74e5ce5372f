"""A Gmail API that answers from bodies prepared beforehand, so that what is measured is the client and not this server.

The port and the milliseconds before each answer are its arguments. It holds ``--messages`` mails with the contacts of
``known_addresses``, in threads of one to four; searches name contacts as the product asks for them.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.google.mail.quota import PRICES

CONTACTS = 300
PAGE = 500
OWNER = "owner@acme.example"
FROM = re.compile(r"from:partner-(\d+)@")
INNER = re.compile(rb"Content-ID: <([^>]+)>\r\n\r\nGET ([^ ]+) HTTP")
OPERATIONS = {
    "messages": "messages.list",
    "profile": "getProfile",
    "history": "history.list",
    "sendAs": "settings.sendAs.list",
}
"""The calls without an id, by the last word of their paths."""
APART = 3 * 60_000
"""Milliseconds between two mails; the newest one is as old as the server. So who owes an answer is looked at in a
mailbox of any size, on any day."""


def known_addresses() -> list[str]:
    """The contacts whom all mail is with."""
    return [f"partner-{number}@lp-{number % 60}.example" for number in range(CONTACTS)]


def thread_of(index: int) -> int:
    """Threads of one, two, three and four messages in turn."""
    block, place = divmod(index, 10)
    return block * 10 + (0 if place < 1 else 1 if place < 3 else 3 if place < 6 else 6)


def message_id(index: int) -> str:
    return f"18f{index:013x}"


def price(operations: Mapping[str, int]) -> int:
    """Quota units of so many calls by Google's table, which does not mind whether they came in batches."""
    return sum(PRICES[f"gmail.users.{name}"] * count for name, count in operations.items())


def loop(count: int) -> dict[str, int]:
    """The calls of one get for each message. Listing is taken at its cheapest: one search that finds all of them."""
    return {"messages.list": -(-count // PAGE), "messages.get": count}


def cheapest(count: int) -> dict[str, int]:
    """The calls that nobody can read the mailbox for less than: each thread by whatever costs less."""
    whole = price({"threads.get": 1})
    threads = Counter(map(thread_of, range(count)))
    single = sum(size for size in threads.values() if price({"messages.get": size}) <= whole)
    many = sum(1 for size in threads.values() if price({"messages.get": size}) > whole)
    return {**loop(count), "messages.get": single, "threads.get": many}


@cache
def message(index: int, at: int) -> bytes:
    """A message in format=metadata, as Gmail gives it for the fields the product asks for; ``at`` in milliseconds."""
    thread = thread_of(index)
    contact = known_addresses()[thread % CONTACTS]
    is_sent = (index - thread) % 2 == 0
    ours, theirs = f"Olive Owner <{OWNER}>", f"Partner <{contact}>"
    named = {
        "From": ours if is_sent else theirs,
        "To": theirs if is_sent else ours,
        "Subject": f"{'Re: ' if index != thread else ''}Quarterly review {thread}",
        "Message-ID": f"<{index}@mail.example>",
        "Date": "Mon, 05 Oct 2026 10:00:00 +0000",
    }
    if index != thread:
        named |= {"In-Reply-To": f"<{index - 1}@mail.example>", "References": f"<{thread}@mail.example>"}
    item: dict[str, Any] = {
        "id": message_id(index),
        "threadId": message_id(thread),
        "labelIds": ["SENT"] if is_sent else ["INBOX", "IMPORTANT"],
        "internalDate": str(at),
        "payload": {"headers": [{"name": name, "value": value} for name, value in named.items()]},
    }
    return json.dumps(item).encode()


class Server:
    """Answers for a mailbox of ``count`` messages, ``latency`` seconds after each request.

    ``calls`` counts requests, and a batch as one; ``operations`` what is asked for, also inside of batches.
    """

    def __init__(self, count: int, latency: float) -> None:
        self.count, self.latency = count, latency
        self.calls = 0
        self.operations: Counter[str] = Counter()
        self.first_at = int(time.time() * 1000) - count * APART

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection until it closes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, address = head.split(b" ", 2)[:2]
                kind, answer = self.answer(address.decode(), body, head)
                await asyncio.sleep(self.latency)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(answer)) + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, address: str, body: bytes, head: bytes) -> tuple[bytes, bytes]:
        """Content type and body."""
        parts = urlsplit(address)
        if parts.path == "/calls":
            return b"application/json", json.dumps(self.calls).encode()
        if parts.path == "/operations":
            return b"application/json", json.dumps(self.operations).encode()
        self.calls += 1
        if parts.path.startswith("/batch"):
            return b"multipart/mixed; boundary=batch_answer", self.batch(body)
        query = parts.query + ("&" + body.decode() if b"x-http-method-override" in head.lower() else "")
        return b"application/json; charset=UTF-8", self.one(parts.path, parse_qs(query))

    def one(self, path: str, asked: dict[str, list[str]]) -> bytes:
        """The body of a single call."""
        name = path.rstrip("/").rpartition("/")[2]
        if "/messages/" in path:
            self.operations["messages.get"] += 1
            return self.message(int(name[3:], 16))
        if "/threads/" in path:
            self.operations["threads.get"] += 1
            return self.thread(int(name[3:], 16))
        self.operations[OPERATIONS[name]] += 1
        if name == "messages":
            return json.dumps(self.listing(asked)).encode()
        known = {
            "profile": {"emailAddress": OWNER, "historyId": "1000"},
            "history": {"historyId": "1000"},
            "sendAs": {"sendAs": [{"sendAsEmail": OWNER, "isPrimary": True, "verificationStatus": "accepted"}]},
        }
        return json.dumps(known[name]).encode()

    def message(self, index: int) -> bytes:
        return message(index, self.first_at + index * APART)

    def thread(self, first: int) -> bytes:
        members = [index for index in range(first, min(first + 4, self.count)) if thread_of(index) == first]
        return b'{"id": "%b", "messages": [%b]}' % (message_id(first).encode(), b", ".join(map(self.message, members)))

    def listing(self, asked: dict[str, list[str]]) -> dict[str, Any]:
        """A page of the mails with the contacts that the search names."""
        contacts = {int(number) for number in FROM.findall(asked.get("q", [""])[0])}
        found = [index for index in range(self.count) if thread_of(index) % CONTACTS in contacts]
        start = int(asked.get("pageToken", ["0"])[0])
        page = found[start : start + PAGE]
        answer: dict[str, Any] = {"resultSizeEstimate": len(found)}
        if page:
            answer["messages"] = [{"id": message_id(one), "threadId": message_id(thread_of(one))} for one in page]
        if start + PAGE < len(found):
            answer["nextPageToken"] = str(start + PAGE)
        return answer

    def batch(self, body: bytes) -> bytes:
        parts = []
        for content_id, path in INNER.findall(body):
            answer = self.one(urlsplit(path.decode()).path, {})
            parts.append(
                b"--batch_answer\r\nContent-Type: application/http\r\nContent-ID: <response-%b>\r\n\r\n"
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%b\r\n" % (content_id, answer)
            )
        return b"".join(parts) + b"--batch_answer--\r\n"


async def main(port: int, count: int, milliseconds: int) -> None:
    mailbox = Server(count, milliseconds / 1000)
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
