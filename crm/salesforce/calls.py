"""Calls of Salesforce by its client over our transport, and what its errors mean to us.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
import structlog
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceError

from crm.contract import Link
from integrations.errors import (
    IntegrationError,
    MissingScope,
    Moved,
    NeedsReconnect,
    Permanent,
    RateLimited,
    Temporary,
    TimedOut,
    TokenRefused,
    Unreadable,
)

log = structlog.get_logger()

T = TypeVar("T")

VERSION = "62.0"
LONGEST = 6_000
"""Characters of values in one query: it travels in the address, which Salesforce takes up to 16,384 of."""

NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

DAILY_WAIT, LOCK_WAIT = 3600.0, 5.0
"""Seconds until there may be calls again of the day's, and until a row may be free again."""

LOCKED = {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "TXN_SECURITY_METERING_ERROR"}
SEVERAL = {
    "errorCode": "DUPLICATE_EXTERNAL_ID",
    "message": "Several records in Salesforce carry the same key of ours, as one that was cloned does: clear it in all "
    "of them but one.",
}
"""What an answer 300 means: it holds the addresses of these records, and no words."""
FORGOTTEN = "INVALID_QUERY_LOCATOR"
"""Salesforce forgets where a query's answer goes on once others are asked."""
TOO_LARGE = (
    "Salesforce refuses to look through so many activities for the linked user: an administrator gives that user the "
    "permission “View All Data”."
)
MOVED = "The Salesforce organization has another address now."


class NotThere(Permanent):
    """Salesforce has nothing at this address (404). One record or job, never the whole org."""


class TooSlow(Temporary):
    """A query took Salesforce too long. One for fewer records may not."""


class TooLarge(MissingScope):
    """Salesforce refuses a query of activities by a user who does not see all data, as it looks at too many. One for
    fewer may be answered."""


GIVEN_UP = (TooSlow, TooLarge, TimedOut)
"""What a query for fewer records is the remedy of. Salesforce takes two minutes to give up, and we wait for less."""


class Rejected(Permanent):
    """Salesforce refused what was sent (300, 400): ``errors`` is its list."""

    def __init__(self, errors: list[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(str(one.get("message")) for one in errors) or "Salesforce refused it.")
        self.errors = errors

    @property
    def codes(self) -> set[str]:
        return {str(one.get("errorCode") or one.get("statusCode")) for one in self.errors}


def client(link: Link) -> Salesforce:
    """Salesforce's client over our session: hosts, time limits and the route to a sandbox are the transport's."""
    token = str(link.http.headers.get("Authorization", "")).removeprefix("Bearer ")
    return Salesforce(instance_url=link.details["instance_url"], session_id=token, session=link.http, version=VERSION)


def ask(question: Callable[[], T]) -> T:
    """What the client answers. Raises the errors of integrations.errors, or Rejected.

    An organization that has another address now tells it with its next access token, for which nobody would ask before
    this one is refused.
    """
    try:
        return question()
    except SalesforceError as error:
        raise meant(error) from error
    except Moved as error:
        raise TokenRefused(MOVED) from error
    except requests.exceptions.JSONDecodeError as error:
        raise Temporary("Salesforce sent an answer that is no JSON.") from error


def rest(link: Link, path: str, method: str = "GET", **body: Any) -> Any:
    """One REST call below /services/data/vNN.0/. None where Salesforce says nothing."""
    return ask(lambda: client(link).restful(path, method=method, **body))


def raw(link: Link, path: str, method: str = "GET", **request: Any) -> requests.Response:
    """The answer itself, where its headers count or it is no JSON. Raises as ``ask`` does."""
    sf = client(link)
    headers = {**sf.headers, **request.pop("headers", {})}
    return ask(lambda: sf._call_salesforce(method, sf.base_url + path, headers=headers, **request))


def content(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises Temporary for anything else, such as a page of a proxy."""
    try:
        body = response.json()
    except ValueError as error:
        raise Temporary("Salesforce sent an answer that is no JSON.") from error
    if not isinstance(body, dict):
        raise Temporary("Salesforce sent an answer of another form than it documents.")
    return body


def rows(body: Mapping[str, Any]) -> list[Any]:
    """The records of a query's answer. Raises Temporary where it has none: that is no empty page."""
    found = body.get("records")
    if not isinstance(found, list):
        raise Temporary("Salesforce's answer to a query has no list of records.")
    return found


def lines(response: requests.Response, *columns: str) -> list[dict[str, str]]:
    """The lines of a bulk result. Raises Temporary for half of one, or where it has not these columns."""
    reader = csv.DictReader(io.StringIO(response.content.decode(errors="replace"), newline=""), strict=True)
    try:
        found = list(reader)
    except csv.Error as error:
        raise Temporary("Salesforce sent half a bulk result.") from error
    if not set(columns) <= set(reader.fieldnames or ()) or any(None in line.values() for line in found):
        raise Temporary("Salesforce sent a bulk result of another form than it documents.")
    return found


def query(link: Link, text: str, path: str = "query/") -> list[Any]:
    """Every record of a query's answer, whatever the pages that it comes in."""
    body = content(raw(link, path, params={"q": text}))
    found = rows(body)
    while not body.get("done", True):
        place = str(body.get("nextRecordsUrl") or "").rpartition("/")[2]
        body = content(raw(link, f"query/{quote(place, safe='')}"))
        found += rows(body)
    return found


def parts(values: Iterable[str]) -> Iterator[list[str]]:
    """These values in as many lists as it takes for each of them to fit into one query."""
    part: list[str] = []
    size = 0
    for value in values:
        size += len(quote(value)) + 9
        if part and size > LONGEST:
            yield part
            part, size = [], len(quote(value)) + 9
        part.append(value)
    if part:
        yield part


def described(link: Link, object: str) -> list[dict[str, Any]]:
    """The fields that we may see of an object, as Salesforce describes them. Raises NotThere."""
    found = content(raw(link, f"sobjects/{checked(object)}/describe")).get("fields")
    if not isinstance(found, list):
        raise Temporary("Salesforce's description of an object has no fields.")
    return found


def checked(text: str) -> str:
    """The name of an object or field, which may stand in a query or path. Raises Permanent for anything else."""
    if not NAME.fullmatch(text):
        raise Permanent(f"{text[:40]!r} is no name of an object or field in Salesforce.")
    return text


def meant(error: SalesforceError) -> IntegrationError:
    """What an error of the client means to us. Told by Salesforce's code, then by the status."""
    errors, status = _errors(error.content), int(error.status)
    codes = {str(one.get("errorCode")) for one in errors}
    words = "; ".join(str(one.get("message")) for one in errors)
    log.info("salesforce.error", status=status, codes=sorted(codes))
    if status == 401 or "INVALID_SESSION_ID" in codes:
        return TokenRefused("Salesforce no longer accepts the access token.")
    if "URL_NOT_RESET" in codes:
        return TokenRefused(MOVED)
    if FORGOTTEN in codes:
        return Temporary("Salesforce forgot where the answer to a query goes on.")
    if "REQUEST_LIMIT_EXCEEDED" in codes:
        return _limited(words)
    if "QUERY_TIMEOUT" in codes:
        return TooSlow("A query takes this Salesforce organization too long.", LOCK_WAIT)
    if "OPERATION_TOO_LARGE" in codes:
        return TooLarge(f"{TOO_LARGE} It says: {words}.")
    if codes & LOCKED or status >= 500 or status in {408, 429}:
        return Temporary("Salesforce is busy, or has trouble of its own.", LOCK_WAIT)
    if "API_DISABLED_FOR_ORG" in codes or "API_CURRENTLY_DISABLED" in codes:
        return NeedsReconnect("The API is switched off for this Salesforce org or user.")
    if "INVALID_TYPE" in codes:
        return MissingScope("The linked Salesforce user may not see this kind of record.")
    if status == 403:
        return MissingScope(f"Salesforce refuses access: {words or 'the linked user may not do that'}.")
    if status == 404:
        return NotThere(words or "Salesforce has no such record.")
    return Rejected([SEVERAL] if status == 300 else errors)


def clock(response: requests.Response) -> datetime:
    """Salesforce's own time. Ours says nothing about its stamps."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError) as error:
        raise Unreadable("Salesforce's answer does not say when it was given.") from error


def long_id(external_id: str) -> str:
    """The 18-character form of an id. Raises ValueError for what is none, such as a path.

    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
    """
    if not ID.fullmatch(external_id):
        raise ValueError(f"{external_id[:40]!r} is no Salesforce id.")
    if len(external_id) == 18:
        return external_id
    parts = (external_id[start : start + 5] for start in (0, 5, 10))
    return external_id + "".join(SUFFIX[sum(1 << at for at, one in enumerate(part) if one.isupper())] for part in parts)


def _limited(words: str) -> IntegrationError:
    """One code means two things: the day's calls are used up, or too many long ones run at once."""
    if "Concurrent" in words:
        return RateLimited("Too many long calls run in this Salesforce org at once.", LOCK_WAIT)
    return RateLimited("This Salesforce org's calls of the day are used up.", DAILY_WAIT)


def _errors(content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, Mapping):
        return [content]
    return [one for one in content if isinstance(one, Mapping)] if isinstance(content, list) else []
