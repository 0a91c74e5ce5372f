"""Posts as fast as a server answers: by wrk where it is installed, else by processes of our own."""

import json
import multiprocessing
import selectors
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER = "X-Goog-Message-Number"
PROCESSES = 2
WRK = "wrk"


@dataclass(frozen=True)
class Load:
    """What one run gave. ``answers`` counts status codes; times are in milliseconds."""

    seconds: float
    answers: Mapping[str, int]
    errors: int
    p50: float
    p99: float

    @property
    def accepted(self) -> int:
        return self.answers.get("202", 0)

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds


def run(port: int, path: str, headers: Mapping[str, str], seconds: float, connections: int, first: int) -> Load:
    """POST without a body for ``seconds``, each request with another number, from ``first`` on."""
    if tool(seconds) == WRK:
        return _by_wrk(port, path, headers, seconds, connections, first)
    return _by_processes(port, path, headers, seconds, connections, first)


def tool(seconds: float) -> str:
    """Who posts: wrk where there is one, which knows whole seconds alone."""
    return WRK if seconds >= 1 and shutil.which(WRK) else f"{PROCESSES} Python processes"


SCRIPT = """
local threads = 0
function setup(thread)
  thread:set("number", %(first)d + threads * 100000000)
  threads = threads + 1
  all = all or {}
  table.insert(all, thread)
end
function init(arguments)
  codes = {}
  headers = %(headers)s
end
function request()
  number = number + 1
  headers["%(name)s"] = number
  return wrk.format("POST", "%(path)s", headers, "")
end
function response(status)
  codes[status] = (codes[status] or 0) + 1
end
function done(summary, latency, requests)
  local sums = {}
  for _, thread in ipairs(all) do
    for status, count in pairs(thread:get("codes")) do sums[status] = (sums[status] or 0) + count end
  end
  local parts = {}
  for status, count in pairs(sums) do table.insert(parts, string.format('"%%d": %%d', status, count)) end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print(string.format('{"seconds": %%f, "answers": {%%s}, "errors": %%d, "p50": %%f, "p99": %%f}',
    summary.duration / 1e6, table.concat(parts, ", "), errors,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def _by_wrk(port: int, path: str, headers: Mapping[str, str], seconds: float, connections: int, first: int) -> Load:
    lua_headers = (
        "{" + ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()) + "}"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % {"first": first, "headers": lua_headers, "name": NUMBER, "path": path})
        script.flush()
        options = ["-t2", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", script.name]
        address = f"http://127.0.0.1:{port}{path}"
        answer = subprocess.run([WRK, *options, address], check=True, stdout=subprocess.PIPE, text=True)
    return Load(**json.loads(answer.stdout.strip().splitlines()[-1]))


def _by_processes(
    port: int, path: str, headers: Mapping[str, str], seconds: float, connections: int, first: int
) -> Load:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Length: 0"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, f"{NUMBER}: "]).encode()
    shares = [
        (port, head, seconds, connections // PROCESSES, first + worker * 100_000_000) for worker in range(PROCESSES)
    ]
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        parts = pool.starmap(_post, shares)
    answers: dict[str, int] = {}
    for counts, _, _ in parts:
        for status, count in counts.items():
            answers[status] = answers.get(status, 0) + count
    times = sorted(1000 * taken for _, taken_by_one, _ in parts for taken in taken_by_one) or [0.0]
    return Load(
        seconds=max(took for _, _, took in parts),
        answers=answers,
        errors=0,
        p50=statistics.median(times),
        p99=times[int(len(times) * 0.99)],
    )


def _post(
    port: int, head: bytes, seconds: float, connections: int, first: int
) -> tuple[dict[str, int], list[float], float]:
    """One process: keeps every connection busy, and waits for what is under way when the time is up."""
    number, answers, times = first, dict[str, int](), list[float]()
    begun = time.perf_counter()
    end = begun + seconds
    with selectors.DefaultSelector() as waiting:
        for _ in range(connections):
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number += 1
            peer.sendall(b"%s%d\r\n\r\n" % (head, number))
            waiting.register(peer, selectors.EVENT_READ, time.perf_counter())
        while waiting.get_map():
            for key, _ in waiting.select():
                peer = key.fileobj  # type: ignore[assignment]
                status = _answer(peer)
                now = time.perf_counter()
                answers[status] = answers.get(status, 0) + 1
                times.append(now - key.data)
                if now > end:
                    waiting.unregister(peer)
                    peer.close()
                    continue
                number += 1
                peer.sendall(b"%s%d\r\n\r\n" % (head, number))
                waiting.modify(peer, selectors.EVENT_READ, now)
    return answers, times, time.perf_counter() - begun


def _answer(peer: socket.socket) -> str:
    """The status code of one whole answer. Raises ConnectionError where the server hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    # Without a length, which a middleware gives, the server sends chunks, the last of them empty.
    while len(body) < int(length) if length else not body.endswith(b"0\r\n\r\n"):
        body += _some(peer)
    return head[9:12].decode()


def _some(peer: socket.socket) -> bytes:
    data = peer.recv(65536)
    if not data:
        raise ConnectionError("The server hung up.")
    return data
