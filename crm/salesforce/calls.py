"""Calls of Salesforce by its client over our transport, and what its errors mean to us.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
import structlog
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceError

from crm.contract import Link
from integrations.errors import (
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
    Unreadable,
)

log = structlog.get_logger()

T = TypeVar("T")

VERSION = "62.0"
ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

DAILY_WAIT, LOCK_WAIT = 3600.0, 5.0
"""Seconds until there may be calls again of the day's, and until a row may be free again."""

LOCKED = {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "TXN_SECURITY_METERING_ERROR"}


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
    """What the client answers. Raises the errors of integrations.errors, or Rejected."""
    try:
        return question()
    except SalesforceError as error:
        raise meant(error) from error
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


def meant(error: SalesforceError) -> IntegrationError:
    """What an error of the client means to us. Told by Salesforce's code, then by the status."""
    errors, status = _errors(error.content), int(error.status)
    codes = {str(one.get("errorCode")) for one in errors}
    words = "; ".join(str(one.get("message")) for one in errors)
    log.info("salesforce.error", status=status, codes=sorted(codes))
    if status == 401 or "INVALID_SESSION_ID" in codes:
        return TokenRefused("Salesforce no longer accepts the access token.")
    if "REQUEST_LIMIT_EXCEEDED" in codes:
        return _limited(words)
    if codes & LOCKED or status >= 500:
        return Temporary("Salesforce is busy, or has trouble of its own.", LOCK_WAIT)
    if "API_DISABLED_FOR_ORG" in codes or "API_CURRENTLY_DISABLED" in codes:
        return NeedsReconnect("The API is switched off for this Salesforce org or user.")
    if "INVALID_TYPE" in codes:
        return MissingScope("The linked Salesforce user may not see this kind of record.")
    if status == 403:
        return MissingScope(f"Salesforce refuses access: {words or 'the linked user may not do that'}.")
    if status == 404:
        return ResourceGone("Salesforce has no such record.")
    return Rejected(errors)


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
