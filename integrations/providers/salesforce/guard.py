"""What may be asked of Salesforce at all: reading, creating and updating a few kinds of records, tokens. Never an end.

No record is deleted, undeleted, merged or handed over, no other kind is written, whatever the code above tries: the
transport asks before it sends.
"""

import io
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from integrations.providers.salesforce import hosts

RECORDS = frozenset({"Account", "Contact", "Event", "Task", "Note"})
RECORD_ID = r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?"
VALUE = r"(?:[\w.~@:+-]|%[0-9A-Fa-f]{2})+"
DATA = re.compile(r"/services/data/v\d{2,3}\.0/(.+)", re.ASCII)
TOKENS = re.compile(r"/services/oauth2/(?:token|revoke)", re.ASCII)
ONE = re.compile(rf"sobjects/(\w+)/(?:{RECORD_ID}|LPxGP_\w+__c/{VALUE})", re.ASCII)
NEW = re.compile(r"sobjects/(\w+)/?", re.ASCII)
MANY = re.compile(r"composite/sobjects(?:/(\w+)/LPxGP_\w+__c)?", re.ASCII)
JOB = re.compile(r"jobs/(?:query|ingest)/[a-zA-Z0-9]{15,18}", re.ASCII)
UPLOAD = re.compile(r"jobs/ingest/[a-zA-Z0-9]{15,18}/batches", re.ASCII)
OUR_FIELD = re.compile(r"(?:Account|Contact|Activity|Event|Task)\.LPxGP_\w+__c", re.ASCII)
OPERATIONS = frozenset({"insert", "update", "upsert"})
OWNER = frozenset({"owner", "ownerid"})
"""Fields by which a record is handed over, in small letters: Salesforce takes any."""


def is_allowed(request: requests.PreparedRequest) -> bool:
    """Whether it only reads, or creates or updates what we may, or concerns our own tokens."""
    url = urlsplit(request.url or "")
    headers = {str(name).lower(): value for name, value in request.headers.items()}
    if any("method" in name for name in headers) or not _is_framed(headers, request.body):
        return False
    if any("method" in name.lower() for name, _ in parse_qsl(url.query.replace(";", "&"), keep_blank_values=True)):
        # Salesforce takes another method from a parameter, _HttpMethod.
        return False
    if request.method == "GET":
        return not request.body
    if request.method == "POST" and TOKENS.fullmatch(url.path):
        return not url.query
    found = DATA.fullmatch(url.path)
    if found is None or not hosts.is_own(url.netloc):
        return False
    return _is_writing_ours(request.method or "", found[1], url.query, request.body)


def _is_framed(headers: dict[str, Any], body: object) -> bool:
    """Whether the body is as long as the headers say: what is left over would be read as a request of its own."""
    sent = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(sent, bytes) or headers.keys() & {"transfer-encoding", "host"}:
        return False
    return headers.get("content-length", "0") == str(len(sent))


def _is_writing_ours(method: str, path: str, query: str, body: object) -> bool:
    if method == "PUT":
        return UPLOAD.fullmatch(path) is not None and not query and not _hands_over(_columns(body))
    if method not in {"POST", "PATCH"}:
        return False
    sent = _read(body)
    if sent is None or _hands_over(sent) or (query and query not in {"updateOnly=true", "updateOnly=false"}):
        return False
    if found := MANY.fullmatch(path):
        return (found[1] is None or method == "PATCH") and _are_ours(sent.get("records"), found[1])
    if method == "PATCH":
        one = ONE.fullmatch(path)
        is_state = JOB.fullmatch(path) is not None and sent.keys() == {"state"}
        return is_state or (one is not None and one[1] in RECORDS)
    return _is_new(path, sent)


def _is_new(path: str, sent: dict[str, Any]) -> bool:
    """A record of a kind we write, a job, or one of our own fields with the right to see it."""
    if path in {"jobs/query", "jobs/query/"}:
        return sent.get("operation") in {"query", "queryAll"}
    if path in {"jobs/ingest", "jobs/ingest/"}:
        return sent.get("operation") in OPERATIONS and sent.get("object") in RECORDS
    if path in {"tooling/sobjects/CustomField", "tooling/sobjects/CustomField/"}:
        return OUR_FIELD.fullmatch(str(sent.get("FullName"))) is not None
    found = NEW.fullmatch(path)
    if found and found[1] == "FieldPermissions":
        return OUR_FIELD.fullmatch(str(sent.get("Field"))) is not None
    return found is not None and found[1] in RECORDS


def _are_ours(records: object, kind: str | None) -> bool:
    """Whether each record of a collection is of a kind we write, and of the one in the path."""
    if not isinstance(records, list) or not records:
        return False
    if any(isinstance(one, dict) and _hands_over(one) for one in records):
        return False
    kinds = {one["attributes"].get("type") if _has_kind(one) else None for one in records}
    return kinds <= RECORDS and (kind is None or kinds == {kind})


def _hands_over(names: Iterable[str]) -> bool:
    """Whether one of these fields would give a record to somebody else."""
    return any(name.strip(' "').lower().partition(".")[0] in OWNER for name in names)


def _columns(body: object) -> list[str]:
    """The fields of a table that is uploaded: its first line."""
    sent = body.encode() if isinstance(body, str) else body
    head = io.BytesIO(sent).readline() if isinstance(sent, bytes) else b""
    return re.split(r"[,;|^`\t]", head.decode("utf-8-sig", "replace").strip())


def _has_kind(record: object) -> bool:
    return isinstance(record, dict) and isinstance(record.get("attributes"), dict)


def _read(body: object) -> dict[str, Any] | None:
    """The JSON object that is sent; None where it is something else."""
    try:
        sent = json.loads(body) if isinstance(body, bytes | str) else None
    except (ValueError, RecursionError):
        return None
    return sent if isinstance(sent, dict) else None
