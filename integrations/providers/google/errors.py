"""How Google says an error, and what each means to us.

https://developers.google.com/workspace/calendar/api/guides/errors
https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from googleapiclient.errors import HttpError

from integrations import outbound
from integrations.errors import (
    BadConfig,
    CursorExpired,
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
)

Meaning = tuple[type[IntegrationError], str]

MAIL_ORIGIN = "https://gmail.googleapis.com/"

OAUTH_ERRORS: dict[str, Meaning] = {
    "invalid_grant": (NeedsReconnect, "Google no longer accepts the consent: it was withdrawn, or has expired."),
    "invalid_client": (BadConfig, "Google does not accept this installation's client id and secret."),
    "unauthorized_client": (BadConfig, "Google does not allow this installation's client to do that."),
    "deleted_client": (BadConfig, "This installation's client was deleted at Google."),
    "redirect_uri_mismatch": (BadConfig, "Google does not know this installation's return address."),
    "rate_limit_exceeded": (RateLimited, "Google's token service asked us to slow down."),
    "temporarily_unavailable": (Temporary, "Google's token service has trouble of its own."),
    "internal_failure": (Temporary, "Google's token service has trouble of its own."),
    "admin_policy_enforced": (NeedsReconnect, "Your Google Workspace administrator no longer allows this access."),
}

API_ERRORS: dict[str, Meaning] = {
    "authError": (TokenRefused, "Google no longer accepts the access token."),
    "rateLimitExceeded": (RateLimited, "Google asked us to slow down."),
    "userRateLimitExceeded": (RateLimited, "Google asked us to slow down."),
    "quotaExceeded": (RateLimited, "The use limit at Google is reached."),
    "dailyLimitExceeded": (RateLimited, "The daily limit at Google is reached."),
    "fullSyncRequired": (CursorExpired, "Google no longer knows where we stopped reading."),
    "updatedMinTooLongAgo": (CursorExpired, "Google no longer knows where we stopped reading."),
    "syncTokenWithRequestRestrictions": (CursorExpired, "Google no longer takes the place where we stopped reading."),
    "insufficientPermissions": (MissingScope, "Calendar access was not granted on Google's consent page."),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (MissingScope, "Calendar access was not granted on Google's consent page."),
    "notACalendarUser": (Permanent, "This Google account has no Google Calendar."),
    "notFound": (ResourceGone, "The calendar no longer exists, or is no longer shared with this account."),
    "forbidden": (
        Permanent,
        "Google refuses access to this calendar. Ask its owner to share it with you again, or choose other calendars.",
    ),
    "accessNotConfigured": (BadConfig, "The Google Calendar API is not switched on for this installation's project."),
}

MAIL_ERRORS: dict[str, Meaning] = {
    "insufficientPermissions": (MissingScope, "Access to mail was not granted on Google's consent page."),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (MissingScope, "Access to mail was not granted on Google's consent page."),
    "notFound": (ResourceGone, "Google no longer has this mail."),
    "forbidden": (Permanent, "Google refuses access to this mailbox."),
    "domainPolicy": (Permanent, "Your Google Workspace administrator has switched Gmail off for apps."),
    "accessNotConfigured": (BadConfig, "The Gmail API is not switched on for this installation's project."),
}
"""What differs where mail was asked for."""

MAIL_MESSAGES: tuple[tuple[str, Meaning], ...] = (
    ("metadata scope", (MissingScope, "The permission that was granted covers headers only: no search and no text.")),
    ("mail service not enabled", (Permanent, "This Google account has no Gmail.")),
    (
        "pubsub",
        (
            BadConfig,
            "Gmail may not publish to this installation's topic, or there is none of that name: in the permissions of "
            "GOOGLE_PUBSUB_TOPIC, give gmail-api-push@system.gserviceaccount.com the role Pub/Sub Publisher.",
        ),
    ),
    ("topicname", (BadConfig, "GOOGLE_PUBSUB_TOPIC is no topic of the Google Cloud project of this installation.")),
)
"""Several errors of mail share a reason: these are told apart by what the message says."""

LONG_WAITS = {"quotaExceeded": 3600.0, "dailyLimitExceeded": 3600.0}


def translated(error: HttpError) -> IntegrationError:
    """Google's error as one of ours, by its reason, else by its HTTP status."""
    return meant(error.status_code, error.resp, error.content, is_mail=str(error.uri or "").startswith(MAIL_ORIGIN))


def meant(status: int, headers: Mapping[str, str], content: bytes, is_mail: bool) -> IntegrationError:
    """What an answer that is an error means to us."""
    reasons, message = _said(content)
    kind, words = _meaning(status, reasons, message, is_mail)
    if not issubclass(kind, Temporary):
        return kind(words)
    wait = outbound.retry_after(headers)
    if wait is None:
        wait = next((LONG_WAITS[reason] for reason in reasons if reason in LONG_WAITS), None)
    return kind(words, wait)


def _meaning(status: int, reasons: list[str], message: str, is_mail: bool) -> Meaning:
    if is_mail and status < 500:
        for part, meaning in MAIL_MESSAGES:
            if part in message:
                return meaning
    known = {**API_ERRORS, **MAIL_ERRORS} if is_mail else API_ERRORS
    for reason in reasons:
        if reason in known:
            return known[reason]
    if status == 400 and "sync token" in message:
        return API_ERRORS["fullSyncRequired"]
    return _by_status(status, known)


def _by_status(status: int, known: Mapping[str, Meaning]) -> Meaning:
    if status == 401:
        return known["authError"]
    if status == 404:
        return known["notFound"]
    if status == 410:
        return known["fullSyncRequired"]
    if status == 429:
        return known["rateLimitExceeded"]
    if status >= 500:
        return Temporary, f"Google has trouble of its own (HTTP {status})."
    return Permanent, f"Google refused the request (HTTP {status})."


def _said(content: bytes) -> tuple[list[str], str]:
    """The machine-readable reasons and the lower-cased message; nothing of either where the body is no such thing."""
    try:
        error = json.loads(content)["error"]
        return list(_reasons(error)), str(error.get("message", "")).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [], ""


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    for place in ("errors", "details"):
        items = error.get(place)
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and item.get("reason"):
                yield str(item["reason"])
