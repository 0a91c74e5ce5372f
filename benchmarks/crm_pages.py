"""Both CRMs' write calls, answered at once, so that what is measured is the client and not this server.

The port and the milliseconds before each answer are its arguments. It takes everything, keeps nothing, and has no news.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

STAMP = "2026-11-23T10:00:00.000Z"


class Server:
    """Counts its requests in ``calls``."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.calls = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection until it closes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, address = head.split(b" ", 2)[:2]
                status, answer = self.answer(method.decode(), address.decode(), body)
                await asyncio.sleep(self.latency)
                date = format_datetime(datetime.now(UTC), usegmt=True)
                lines = (
                    f"HTTP/1.1 {status}",
                    f"Date: {date}",
                    "Content-Type: application/json;charset=UTF-8",
                    f"Content-Length: {len(answer)}",
                    f"Sforce-Limit-Info: api-usage={min(self.calls, 90_000)}/1000000",
                )
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, method: str, address: str, body: bytes) -> tuple[str, bytes]:
        """Status and body."""
        path = address.partition("?")[0]
        if path == "/calls":
            return "200 OK", json.dumps(self.calls).encode()
        self.calls += 1
        if "queryAll" in path:
            return "200 OK", b'{"totalSize":0,"done":true,"records":[]}'
        if path.endswith("/search"):
            return "200 OK", b'{"total":0,"results":[]}'
        if path.endswith("/composite/sobjects"):
            records = json.loads(body)["records"]
            return "200 OK", json.dumps([{"id": one["Id"], "success": True, "errors": []} for one in records]).encode()
        if path.endswith("/batch/update"):
            results = [_record(one["id"], one["properties"]) for one in json.loads(body)["inputs"]]
            return "200 OK", json.dumps({"status": "COMPLETE", "results": results}).encode()
        if method == "PATCH" and "/sobjects/" in path:
            return "204 No Content", b""
        return "200 OK", json.dumps(_record(path.rpartition("/")[2], json.loads(body)["properties"])).encode()


def _record(record_id: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"id": record_id, "properties": properties, "createdAt": STAMP, "updatedAt": STAMP, "archived": False}


async def main(port: int, milliseconds: int) -> None:
    server = await asyncio.start_server(Server(milliseconds / 1000).serve, "127.0.0.1", port, limit=2**24)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3])))
