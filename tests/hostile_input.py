"""Requests that nobody means well with: what tests/test_hostile.py sends to every address."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from django.conf import settings

NUL, NO_UTF8, SURROGATE = "%00", "%FF%FE", "%ED%A0%80"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True)
class Attack:
    """One request. ``path`` and ``query`` are sent as they stand."""

    path: str
    query: str = ""
    method: str = "GET"
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = f"{self.method} {self.path[:80]}?{self.query[:80]} {self.content_type} {self.body[:60]!r}"
        return shown + "".join(f" {name}: {value[:40]!r}" for name, value in self.headers.items())


METHODS = ("PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "HEAD", "CONNECT", "get", "post", "BREW")

NAMES = (
    "q", "page", "of", "show", "version", "verdict", "state", "code", "error", "iss", "next", "term", "o", "p",
    "e", "all", "id", "__all__", "text", "outcome", "follow_up", "due_on", "sync_to_crm", "is_done", "calendar",
    "delete_data", "login", "password", "email", "action", "key", "uid", "action_add", "action_primary", "csrf",
    "app_label", "model_name", "field_name", "_to_field", "_popup", "_changelist_filters", "_selected_action",
    "select_across", "status", "name", "title", "company", "provider", "credential", "scope", "redirect_uri",
    "session", "validationToken", "signed",
)  # fmt: skip
"""Parameters and form fields that some view or other reads."""

VALUES = (
    NUL,
    f"a{NUL}b",
    NO_UTF8,
    SURROGATE,
    "99999999999999999999",
    "-1",
    "9" * 5000,
    "NaN",
    "1e400",
    "%27%22%3E%3Cscript%3E%25s%7B%7B",
    "99999-99-99",
    "%E2%80%AE%F0%9F%92%A3",
    "__class__",
    "",
)


def every_name(value: str) -> str:
    """One query string or form in which every known field has this value."""
    return "&".join(f"{name}={value}" for name in NAMES)


QUERIES = (
    *map(every_name, VALUES),
    f"{NUL}={NUL}",
    f"{NO_UTF8}={NO_UTF8}",
    f"q={'a' * 200_000}",
    "&".join(f"p{number}=1" for number in range(2000)),
    "q=a&q=b&page=2&page=x&verdict=meeting&verdict=&of=firm&of=mine&show=notes&show=%00",
    "%",
    "&&==;=&%zz",
    "o=99.-99.x.1&p=9999999&e=1",
    "no_such__field=1&id__in=x&company__id__exact=x&pk__gt=%00",
    "app_label=relationships&model_name=person&field_name=organization&term=%00",
    "app_label=relationships&model_name=nothing&field_name=nothing&term=a",
)

ARGUMENTS = (
    NUL,
    f"x{NUL}",
    NO_UTF8,
    SURROGATE,
    "a" * 5000,
    "..%2f..%2fetc%2fpasswd",
    "99999999999999999999",
    "00000000-0000-0000-0000-00000000000g",
    "00000000-0000-0000-0000-000000000007%0a",
    "_5F_00",
)

BODIES = (
    *((FORM, every_name(value).encode()) for value in VALUES),
    (FORM, b"text=" + b"a" * 200_000),
    (FORM, b"text=" + b"a" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)),
    (FORM, "&".join(f"p{number}=1" for number in range(2000)).encode()),
    (FORM, b"\x00\xff\xfe=%zz&=&&"),
    (f"{FORM}; charset=utf-7", b"text=+AAA-"),
    (f"{FORM}; charset=no-such", b"text=a"),
    (JSON, b"[" * 200_000),
    (JSON, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    (JSON, b'{"a": NaN, "b": Infinity}'),
    (JSON, b"9" * 5000),
    (JSON, b'{"a": "\xff\xfe"}'),
    (JSON, b'{"a": "\\u0000", "b": "\\ud800"}'),
    (JSON, b'{"a": 1, "a": 2'),
    (JSON, b"x" * (settings.WEBHOOK_MAX_BYTES + 1)),
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=text\r\n\r\ncut off"),
    ("multipart/form-data; boundary=\xff\x00", b"--x--"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="text"; filename="\x00../../a"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--\r\n",
    ),
    ("text/xml", b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'),
    ("application/pickle", b"\x80\x04."),
    ("", b"no type"),
    ("\x00/\xff", b"x"),
)

PACKED = gzip.compress(b"a" * 10_000_000)
"""Ten thousand bytes that unpack to ten million."""

HEADERS: tuple[dict[str, str], ...] = (
    {"Content-Encoding": "gzip"},
    {"Transfer-Encoding": "chunked"},
    {"Host": "evil.example"},
    {"Host": "a b\x00"},
    {"Host": "[::"},
    {"Accept": "\x00;q=NaN, application/json;version=\xff"},
    {"Accept-Language": "x" * 5000, "Accept-Encoding": "\x00;q=x"},
    {"Referer": "http://[", "Origin": "http://[::"},
    {"Referer": "\x00", "Origin": "null"},
    {"User-Agent": "\x00" + "x" * 5000},
    {"Authorization": "Bearer \xff\x00"},
    {"Authorization": "Basic !!!"},
    {"X-Forwarded-For": "\x00, 999.999.999.999", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "\x00"},
    {"If-Modified-Since": "\x00", "If-None-Match": 'W/"', "Range": "bytes=9-1"},
    {"HX-Request": "true", "HX-Current-URL": "http://[\x00", "HX-Target": "\x00"},
    {"X-HTTP-Method-Override": "DELETE", "X-Requested-With": "\x00"},
    {"Cookie": 'sessionid="aaaaaaaaaaaaaaaa\\000"; csrftoken="\\000"; messages="\\000"'},
    {"Cookie": "sessionid=\xff\xfe\xed\xa0\x80; csrftoken=\x00; messages=[[\x00"},
    {"Cookie": f"sessionid={'a' * 5000}; csrftoken={'a' * 5000}; =; ;;sessionid"},
    {"Cookie": "$Version=1; sessionid=../../etc/passwd; csrftoken=%00; messages=" + "W" * 3000 + ":x:y"},
)


QUESTIONS = (
    *VALUES,
    "%3Cscript%3Ealert(document.domain)%3C/script%3E",
    "%3C!DOCTYPE%20html%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22%20onload=%22alert(1)%22/%3E",
    "<script>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%0d%0aContent-Type:%20text/html%0d%0a%0d%0a%3Cscript%3E",
    "%0aSet-Cookie:%20sessionid=1",
    "%1b%5b2J",
    "a" * 1_000,
    "a" * 1_001,
    "a" * 60_000,
    "%25" * 20_000,
    "a&validationToken=b",
    "a;validationToken=b",
    "a&" + "&".join(f"p{number}=1" for number in range(2000)),
    "a%26validationToken%3Db",
    "%EF%BB%BF%3Cscript%3E",
    "%u003Cscript%u003E",
)
"""What an address is asked to send back, by anybody."""

DEEP = b'{"value": [{"subscriptionId": "1", "clientState": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}]}"
NOTICES = (
    b'{"value": []}',
    b'{"value": [{"subscriptionId": "1"}]}',
    b'{"value": [{"subscriptionId": "1", "clientState": "a.b.c.d"}]}',
    b'{"value": [{"subscriptionId": "1", "clientState": "\\u0000.\\ud800"}]}',
    b'{"value": [{"subscriptionId": "1", "clientState": ["a.b"]}]}',
    b'{"value": [{"subscriptionId": "1", "clientState": "a.b", "clientState": null}]}',
    b'{"value": {"subscriptionId": "1"}}',
    b'{"value": "subscriptionId", "subscriptionId": 1}',
    b'["subscriptionId"]',
    b'"subscriptionId"',
    b'{"value": [NaN], "subscriptionId": 1}',
    b'{"value": [' + b"9" * 5000 + b'], "subscriptionId": 1}',
    b'{"value": [{"subscriptionId": "\xff\xfe"}]}',
    b'\xff\xfe"subscriptionId"',
    b'{"value": [{"subscriptionId": "1", "clientState": "' + b"." * 100_000 + b'"}]}',
    b'{"value": [' + b'{"subscriptionId":"1","clientState":"a.b"},' * 20_000 + b"{}]}",
    b'{"value": [{"subscriptionId": "1", "clientState": "' + b"\\u0041" * 10_000 + b'.x"}]}',
    b'{"subscriptionId": ' + b"[" * 100_000,
    DEEP,
)
"""Notifications that nobody sent."""


SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)).encode()
MESSAGES = (
    b"",
    b"<",
    b"<x/>",
    b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]><x>&l9;</x>",
    b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><x/>',
    b'<?xml version="1.0" encoding="UTF-7"?>+ADw-x/+AD4-',
    b'<?xml version="1.0" encoding="no-such"?><x/>',
    '<?xml version="1.0" encoding="UTF-16"?><x/>'.encode("utf-16"),
    '<?xml version="1.0"?><x/>'.encode("utf-16-be"),
    "<x/>".encode("utf-32"),
    b"<x>\0</x>",
    b"<x>\xff\xfe</x>",
    b"<x>&#0;&#xD800;</x>",
    b"<a>" * 200_000,
    b"<a " + b'b="c" ' * 100_000 + b"/>",
    b"<" + b"a" * 500_000 + b"/>",
    b"<a xmlns:x='" + b"y" * 100_000 + b"'/>",
    b'<?xml-stylesheet href="http://127.0.0.1:9/"?><x/>',
    b'<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd" parse="text"/></x>',
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body/></e:Envelope>'.encode(),
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><notifications xmlns="{OUTBOUND}"/></e:Body></e:Envelope>'.encode(),
)
"""Outbound Messages that are none."""

EVENTS = (
    b"[]",
    b"[null]",
    b"[[[]]]",
    b'[{"portalId": 1}]',
    b'[{"portalId": 1, "subscriptionType": {}, "objectId": [1], "mergedObjectIds": {"a": 1}}]',
    b'[{"portalId": ' + b"9" * 5000 + b"}]",
    b'[{"portalId": NaN, "objectId": Infinity}]',
    b'[{"portalId": "\\u0000", "subscriptionType": "\\ud800.merge"}]',
    b"[" + b'{"portalId":1},' * 50_000 + b"{}]",
    b'{"organizationId": "00D", "object": "Contact", "ids": ["\\u0000"]}',
    b'{"organizationId": [], "object": {}, "ids": {}}',
    b'{"type": "match.updated", "company_id": "00000000-0000-0000-0000-000000000007"}',
    b'{"type": "\\u0000.\\ud800", "company_id": 1e400}',
    b'{"type": [], "company_id": {}}',
)
"""What CRMs and our own core do not send, or somebody else in their place."""

SIGNATURES: tuple[dict[str, str], ...] = (
    {},
    {"X-HubSpot-Signature-v3": "", "X-HubSpot-Request-Timestamp": ""},
    {"X-HubSpot-Signature-v3": "\xe9" * 44, "X-HubSpot-Request-Timestamp": "9" * 400},
    {"X-HubSpot-Signature-v3": "x" * 5000, "X-HubSpot-Request-Timestamp": "1790000000000"},
    {"X-HubSpot-Signature": "x", "X-HubSpot-Signature-Version": "v1"},
    {"X-Salesforce-Signature": "\xe9", "X-Salesforce-Timestamp": "-1"},
    {"X-Salesforce-Signature": "x" * 5000, "X-Salesforce-Timestamp": "1790000000"},
    {"webhook-id": "\x00", "webhook-timestamp": "NaN", "webhook-signature": "v1,\xff"},
    {"webhook-id": "a.b", "webhook-timestamp": "1790000000", "webhook-signature": "v1," * 5000},
    {"webhook-id": "a" * 5000, "webhook-timestamp": "9" * 400, "webhook-signature": " , , v1 v1,, " * 100},
)
"""Proofs that prove nothing."""


def by_method(path: str) -> Iterator[Attack]:
    """Methods the address was not made for."""
    for method in METHODS:
        yield Attack(path, method=method)


def by_query(path: str) -> Iterator[Attack]:
    """Parameters no page would send."""
    for query in QUERIES:
        yield Attack(path, query)


def by_body(path: str) -> Iterator[Attack]:
    """Bodies no form would send."""
    for content_type, body in BODIES:
        yield Attack(path, method="POST", body=body, content_type=content_type)
    yield Attack(path, method="POST", body=PACKED, content_type=JSON, headers={"Content-Encoding": "gzip"})


def by_header(path: str) -> Iterator[Attack]:
    """Headers and cookies no browser would send; each with and without a body."""
    for headers in HEADERS:
        yield Attack(path, headers=headers)
    for headers in HEADERS:
        yield Attack(path, method="POST", body=b"text=a", content_type=FORM, headers=headers)


def by_question(path: str) -> Iterator[Attack]:
    """Asks an address to send something back, as a provider that wants to know whose it is."""
    for question in QUESTIONS:
        yield Attack(path, f"validationToken={question}", method="POST", content_type="text/plain; charset=utf-8")
        yield Attack(path, f"a=b&validationToken={question}", method="POST", body=b"<script>", content_type=JSON)


def by_notice(path: str) -> Iterator[Attack]:
    """Notifications that prove nothing."""
    for notice in NOTICES:
        yield Attack(path, method="POST", body=notice, content_type=JSON)
        yield Attack(path, "validationtoken=a", method="POST", body=notice, content_type="text/plain")


def by_message(path: str) -> Iterator[Attack]:
    """SOAP and lists of events with each kind of proof in turn, of which none is good."""
    for number, body in enumerate((*MESSAGES, *EVENTS)):
        content_type = "text/xml; charset=utf-8" if body in MESSAGES else JSON
        for headers in (SIGNATURES[number % len(SIGNATURES)], SIGNATURES[(number + 3) % len(SIGNATURES)]):
            yield Attack(path, method="POST", body=body, content_type=content_type, headers=headers)


def by_path(path: str) -> Iterator[Attack]:
    """What is no path."""
    for ending in (NUL, NO_UTF8, SURROGATE, quote("\u202e"), "a" * 5000, "%2e%2e/", "//", ";a=b"):
        yield Attack(path + ending)
        yield Attack("/" + ending + path)


def everything(path: str) -> Iterator[Attack]:
    """All of it; what only machines post, to their addresses alone."""
    for attacks in (by_method, by_query, by_body, by_header, by_path, by_question, by_notice):
        yield from attacks(path)
    if path.startswith("/webhooks/"):
        yield from by_message(path)


def to_a_librarys_page(path: str) -> Iterator[Attack]:
    """What the pages of Django's admin and of allauth read: parameters, forms and cookies."""
    yield from by_query(path)
    yield from (attack for number, attack in enumerate(by_body(path)) if number < len(VALUES))
    yield from (Attack(path, headers=headers) for headers in HEADERS if "Cookie" in headers)
