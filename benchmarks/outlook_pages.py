"""Graph's mail from bodies prepared beforehand, so that what is measured is the client and not this server.

The port and the milliseconds before each answer are its arguments. It holds the mails of ``mail_pages``: those received
in the inbox, those sent among the sent items, and an empty archive.
"""

import asyncio
import json
import re
import sys
from bisect import bisect_right
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks import mail_pages
from benchmarks.mail_pages import APART, CONTACTS, OWNER, known_addresses, message_id, thread_of

ROOT = "https://graph.microsoft.com/v1.0"
FOLDER = re.compile(r"/me/mailFolders/(\w+)(/messages)?(/delta)?$")
BEFORE = re.compile(r"receivedDateTime lt (\S+)")
PAGE = 500
MOST_FILTERED = 5_000
JSON = b"application/json; charset=utf-8"
JSON_HEADERS = {"Content-Type": "application/json; odata.metadata=minimal; charset=utf-8", "OData-Version": "4.0"}


def is_sent(index: int) -> bool:
    """Whether the mailbox's owner wrote it."""
    return (index - thread_of(index)) % 2 == 0


def heads(index: int, at: float) -> dict[str, Any]:
    """What a list shows of a message; ``at`` is seconds since 1970."""
    thread = thread_of(index)
    contact = known_addresses()[thread % CONTACTS]
    ours = {"emailAddress": {"name": "Olive Owner", "address": OWNER}}
    theirs = {"emailAddress": {"name": "Partner", "address": contact}}
    author = ours if is_sent(index) else theirs
    return {
        "@odata.etag": f'W/"CQAAABYAAAC4ofQHEIqCSbQPot83{index:08d}"',
        "id": message_id(index),
        "conversationId": message_id(thread),
        "isDraft": False,
        "receivedDateTime": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "from": author,
        "sender": author,
        "toRecipients": [theirs if is_sent(index) else ours],
        "ccRecipients": [],
    }


@cache
def message(index: int, at: float) -> bytes:
    """A message by the $select the product asks with. Sent ones have no headers."""
    thread = thread_of(index)
    item = heads(index, at) | {
        "internetMessageId": f"<{index}@mail.example>",
        "subject": f"{'Re: ' if index != thread else ''}Quarterly review {thread}",
        "bccRecipients": [],
        "importance": "normal",
        "parentFolderId": "sentitems-id" if is_sent(index) else "inbox-id",
    }
    if not is_sent(index):
        named = {
            "Received": "from mail.example (192.0.2.1) by mx.example with HTTPS; Mon, 05 Oct 2026 10:00:00 +0000",
            "Message-ID": f"<{index}@mail.example>",
            "In-Reply-To": f"<{index - 1}@mail.example>",
            "References": f"<{thread}@mail.example>",
            "Content-Type": "multipart/alternative; boundary=x",
            "MIME-Version": "1.0",
            "Return-Path": "partner@lp.example",
            "X-MS-Exchange-Organization-SCL": "1",
        }
        item["internetMessageHeaders"] = [{"name": name, "value": value} for name, value in named.items()]
    return json.dumps(item).encode()


class Server(mail_pages.Server):
    """Answers for a mailbox of ``count`` messages; ``calls`` counts requests, and a batch as one."""

    @cached_property
    def held(self) -> dict[str, list[int]]:
        """The messages of each folder, the newest first."""
        newest = range(self.count - 1, -1, -1)
        sent = [index for index in newest if is_sent(index)]
        return {"inbox": [index for index in newest if not is_sent(index)], "sentitems": sent, "archive": []}

    def at(self, index: int) -> float:
        """When a message came, in seconds since 1970."""
        return (self.first_at + index * APART) / 1000

    def answer(self, address: str, body: bytes, head: bytes) -> tuple[bytes, bytes]:
        """Content type and body."""
        if address == "/calls":
            return JSON, json.dumps(self.calls).encode()
        self.calls += 1
        path = address.partition("/v1.0")[2]
        return JSON, self.batch(body) if unquote(path) == "/$batch" else self.single(path)

    def single(self, address: str) -> bytes:
        """The body of a single call."""
        parts = urlsplit(address)
        name = parts.path.rpartition("/")[2]
        if parts.path.startswith("/me/messages/"):
            return message(int(name[3:], 16), self.at(int(name[3:], 16)))
        found = FOLDER.match(parts.path)
        assert found is not None, address
        folder, asked = found[1], parse_qs(parts.query)
        if not found[2]:
            return json.dumps({"id": f"{folder}-id"}).encode()
        return self.listed(folder, asked, is_delta=bool(found[3]))

    def listed(self, folder: str, asked: dict[str, list[str]], is_delta: bool) -> bytes:
        """A page of a folder's list or changes: all of them at first, then none."""
        start = int(asked.get("$skip", ["0"])[0])
        held = self.held[folder][:MOST_FILTERED] if is_delta else self.before(folder, asked)
        page = [] if "$deltatoken" in asked else held[start : start + PAGE]
        end = start + PAGE
        here = f"{ROOT}/me/mailFolders/{folder}/messages{'/delta' if is_delta else ''}"
        answer: dict[str, Any] = {"value": [heads(index, self.at(index)) for index in page]}
        if page and end < len(held):
            answer["@odata.nextLink"] = f"{here}?$skip={end}"
        elif is_delta:
            answer["@odata.deltaLink"] = f"{here}?$deltatoken=1"
        return json.dumps(answer).encode()

    def before(self, folder: str, asked: dict[str, list[str]]) -> list[int]:
        """The messages of a folder that came before the time a filter names."""
        found = BEFORE.search(asked.get("$filter", [""])[0])
        if found is None:
            return self.held[folder]
        until = datetime.fromisoformat(found[1]).timestamp()
        return self.held[folder][bisect_right(self.held[folder], -until, key=lambda index: -self.at(index)) :]

    def batch(self, body: bytes) -> bytes:
        """The answers in the order of the requests, put together from prepared pieces."""
        headers = json.dumps(JSON_HEADERS).encode()
        pieces = [
            b'{"id": "%b", "status": 200, "headers": %b, "body": %b}'
            % (str(order["id"]).encode(), headers, self.single(order["url"]))
            for order in json.loads(body)["requests"]
        ]
        return b'{"responses": [%b]}' % b", ".join(pieces)


async def main(port: int, count: int, milliseconds: int) -> None:
    mailbox = Server(count, milliseconds / 1000)
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
