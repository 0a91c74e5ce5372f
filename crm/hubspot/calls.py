"""One call of HubSpot's API, and what its errors mean to us.

https://developers.hubspot.com/docs/api-reference/error-handling
https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import structlog

from crm.contract import Link
from crm.hubspot import paths
from integrations import outbound
from integrations.errors import (
    IntegrationError,
    MissingScope,
    Permanent,
    RateLimited,
    Temporary,
    TokenRefused,
    Unreadable,
)

log = structlog.get_logger()

WAITS = {"TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0, "DAILY": 3600.0}
"""Seconds to wait by the policy that was met; HubSpot promises no Retry-After."""

BUSY = {408: None, 423: 2.0, 425: None, 477: 3600.0}
"""Statuses below 500 of an account or record that is busy, and the seconds to wait where HubSpot does not say: it is
locked, or moves to another data centre, which takes up to a day."""


class NotThere(Permanent):
    """HubSpot has nothing at this address (404). One record or list, never the whole portal."""


class Rejected(Permanent):
    """HubSpot refused what was sent (400, 409): ``body`` is its answer."""

    def __init__(self, body: Mapping[str, Any], status: int) -> None:
        super().__init__(str(body.get("message") or f"HubSpot answered {status}."))
        self.body, self.status = body, status


def get(link: Link, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What HubSpot answers. Raises the errors of integrations.errors, or Rejected."""
    return read(link.http.get(paths.API + path, params=params))


def post(link: Link, path: str, body: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What HubSpot answers to a body. Raises as ``get`` does."""
    return read(link.http.post(paths.API + path, json=body, params=params))


def rows(body: Mapping[str, Any]) -> list[Any]:
    """The results of an answer. Raises Temporary where it has none: that is no empty page."""
    found = body.get("results")
    if not isinstance(found, list):
        raise Temporary("HubSpot sent an answer without its list of results.")
    return found


def read(response: requests.Response) -> dict[str, Any]:
    """The body of an answer; its clock stands under "_now". Raises the error that the answer means."""
    if response.status_code in {200, 201, 202, 204, 207}:
        body = _json(response)
        if response.content and not body:
            raise Temporary("HubSpot sent an answer that is no JSON object.")
        return {**body, "_now": clock(response)}
    raise meant(response)


def meant(response: requests.Response) -> IntegrationError:
    """What an answer that is an error means to us. Every part of it may be missing."""
    body, status = _json(response), response.status_code
    log.info("hubspot.error", status=status, category=body.get("category"), correlation=body.get("correlationId"))
    if status == 401:
        return TokenRefused("HubSpot no longer accepts the access token.")
    if status == 403:
        return MissingScope(_denied(body))
    if status == 404:
        return NotThere(str(body.get("message") or "HubSpot has no such record or object."))
    if status == 429:
        return RateLimited("HubSpot asked us to slow down.", _wait(response, body))
    if status in BUSY or status >= 500:
        return Temporary("HubSpot has trouble of its own.", outbound.retry_after(response.headers) or BUSY.get(status))
    if status == 414:
        return Permanent("HubSpot says that the address is too long: fewer fields have to be mapped.")
    return Rejected(body, status)


def clock(response: requests.Response) -> datetime:
    """HubSpot's own time. Ours says nothing about its stamps."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError) as error:
        raise Unreadable("HubSpot's answer does not say when it was given.") from error


def _denied(body: Mapping[str, Any]) -> str:
    missing = [
        str(name)
        for error in body.get("errors") or []
        if isinstance(error, dict)
        for name in (error.get("context") or {}).get("requiredGranularScopes") or []
    ]
    if missing:
        return f"HubSpot refuses access: the permission {', '.join(sorted(set(missing)))} was not granted."
    return "HubSpot refuses access: the permission was not granted, or the linked user may not do that."


def _wait(response: requests.Response, body: Mapping[str, Any]) -> float:
    return outbound.retry_after(response.headers) or WAITS.get(str(body.get("policyName") or ""), 10.0)


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
