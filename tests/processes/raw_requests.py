"""Requests as bytes that no client library would send: what tests/processes/test_raw_requests.py writes to a socket."""

import random

PATH = b"/webhooks/calendar-event/google"
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
NOISE = random.Random(1).randbytes(100_000).replace(b"\r\n\r\n", b"")
SMUGGLED = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"


def post(headers: bytes, body: bytes = b"", start: bytes = b"POST " + PATH + b" HTTP/1.1\r\n") -> bytes:
    return start + HOST + JSON + headers + b"\r\n" + body


def get(target: bytes, headers: bytes = HOST, method: bytes = b"GET", version: bytes = b" HTTP/1.1") -> bytes:
    return method + b" " + target + version + b"\r\n" + headers + b"\r\n"


FRAMING = {
    "length not a number": post(b"Content-Length: five\r\n", b"hello"),
    "negative length": post(b"Content-Length: -5\r\n", b"hello"),
    "signed length": post(b"Content-Length: +5\r\n", b"hello"),
    "empty length": post(b"Content-Length:\r\n", SMUGGLED),
    "doubled length": post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "differing lengths": post(b"Content-Length: 2\r\nContent-Length: 0\r\n", SMUGGLED),
    "list of lengths": post(b"Content-Length: 2, 2\r\n", b"{}"),
    "length of 5,000 digits": post(b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "length in Unicode digits": post("Content-Length: ٥\r\n".encode(), b"hello"),
    "length before chunks": post(b"Content-Length: 2\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "chunks before length": post(CHUNKED + b"Content-Length: 4\r\n", b"0\r\n\r\n" + SMUGGLED),
    "space before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "unknown encoding": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "two encodings": post(CHUNKED + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
    "encoding behind a tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunks in HTTP/1.0": post(
        CHUNKED + b"Connection: keep-alive\r\n", b"0\r\n\r\n" + SMUGGLED, b"POST " + PATH + b" HTTP/1.0\r\n"
    ),
    "chunk size not a number": post(CHUNKED, b"xyz\r\nhello\r\n0\r\n\r\n"),
    "negative chunk": post(CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "0x in a chunk size": post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk longer than it says": post(CHUNKED, b"3\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
}
"""Where one server sees the end of a request, and the next one may see another."""

OTHERS = {
    "huge length": post(b"Content-Length: 99999999999999\r\n", b"{}"),
    "huge length, asking first": post(b"Expect: 100-continue\r\nContent-Length: 99999999999999\r\n"),
    "huge chunk": post(CHUNKED, b"fffffffffffffffff\r\n" + b"x" * 2_000_000),
    "chunk extensions of two megabytes": post(CHUNKED, b"1;" + b"a" * 2_000_000),
    "many chunk extensions": post(CHUNKED, (b"1;a=" + b'"' + b"x" * 4000 + b'"\r\na\r\n') * 500 + b"0\r\n\r\n"),
    "endless trailer": post(CHUNKED, b"0\r\n" + b"a: b\r\n" * 400_000),
    "endless header": get(b"/livez", HOST + b"X: " + b"a" * 2_000_000),
    "endless headers": get(b"/livez", HOST + b"X: a\r\n" * 400_000),
    "40 kB header": get(b"/livez", HOST + b"X: " + b"a" * 40_000 + b"\r\n"),
    "40 kB address": get(b"/" + b"a" * 40_000),
    "slow to match": get(b"/livez", HOST + b"X:" + b" \t" * 7_000 + b"\x00b\r\n"),
    "NUL in a header": get(b"/", HOST + b"X: a\x00b\r\n"),
    "NUL in a header's name": get(b"/", HOST + b"X\x00: a\r\n"),
    "escape in a header": get(b"/", HOST + b"User-Agent: \x1b[2J\r\n"),
    "NUL in the address": get(b"/people/\x00"),
    "quoted NUL in the address": get(b"/people/%00", HOST + CLOSE),
    "bare LF in a header": get(b"/", HOST + b"X: a\nY: b\r\n"),
    "bare CR in a header": get(b"/", HOST + b"X: a\rY: b\r\n"),
    "folded header": get(b"/", HOST + b"X: a\r\n b\r\n"),
    "folded at the start": get(b"/", b" X: a\r\n" + HOST),
    "header without a colon": get(b"/", HOST + b"nonsense\r\n"),
    "two hosts": get(b"/", HOST + b"Host: evil.example\r\n"),
    "no host": get(b"/", CLOSE),
    "foreign host": get(b"/", b"Host: evil.example\r\n" + CLOSE),
    "foreign absolute address": get(b"http://evil.example/people/"),
    "unreadable absolute address": get(b"http://[::/"),
    "CONNECT": get(b"evil.example:443", method=b"CONNECT"),
    "TRACE": get(b"/livez", method=b"TRACE"),
    "asterisk": get(b"*", method=b"OPTIONS"),
    "no slash": get(b"livez"),
    "lower case method": get(b"/livez", method=b"get"),
    "HTTP/0.9": get(b"/livez", b"", version=b""),
    "HTTP/2.0": get(b"/livez", version=b" HTTP/2.0"),
    "HTTP/1.9": get(b"/livez", version=b" HTTP/1.9"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + NOISE[:200] + b"\r\n\r\n",
    "noise": NOISE + b"\r\n\r\n",
}

UNFINISHED = {
    "nothing": b"",
    "half a request line": b"GET /li",
    "half the headers": b"POST " + PATH + b" HTTP/1.1\r\n" + HOST,
    "LF alone": b"GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n",
    "half a body": post(b"Content-Length: 1000\r\n", b"the first bytes"),
    "half a chunk": post(CHUNKED, b"ff\r\nthe first bytes"),
    "no last chunk": post(CHUNKED, b"2\r\n{}\r\n"),
}
"""What a server has to wait after; tests/lpxgp/test_serve.py holds how long."""
