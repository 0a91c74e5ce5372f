"""How Microsoft says an error, Graph and the token service each in its way, and what it means to us.

Decided by code, never by the number or the text of a message, both of which Microsoft changes at will.
https://learn.microsoft.com/graph/errors
https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

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

log = structlog.get_logger()

Meaning = tuple[type[IntegrationError], str]


class Conflict(Permanent):
    """There is one already: what was to be made exists, such as a subscription of the same resource."""


NO_TOKEN: Meaning = (TokenRefused, "Microsoft no longer accepts the access token.")
SLOW_DOWN: Meaning = (RateLimited, "Microsoft asked us to slow down.")
LOST: Meaning = (CursorExpired, "Microsoft no longer knows where we stopped reading.")
GONE: Meaning = (ResourceGone, "Microsoft no longer has it, or it is no longer shared with this account.")
TROUBLE: Meaning = (Temporary, "Microsoft has trouble of its own.")
DENIED: Meaning = (
    MissingScope,
    "Microsoft refuses access: the permission was not granted, or your organization's rules stand against it.",
)
NO_MAILBOX: Meaning = (
    Permanent,
    "This Microsoft account has no mailbox and calendar in Microsoft 365 or Outlook.com, so there is nothing to read.",
)

GRAPH_ERRORS: dict[str, Meaning] = {
    "invalidauthenticationtoken": NO_TOKEN,
    "authenticationerror": NO_TOKEN,
    "unauthenticated": NO_TOKEN,
    "erroraccessdenied": DENIED,
    "accessdenied": DENIED,
    "authorization_requestdenied": DENIED,
    "mailboxnotenabledforrestapi": NO_MAILBOX,
    "mailboxnotsupportedforrestapi": NO_MAILBOX,
    "errornonexistentmailbox": NO_MAILBOX,
    "errormailboxmoveinprogress": (Temporary, "Microsoft is moving this mailbox; it can be read again soon."),
    "erroritemnotfound": GONE,
    "errorfoldernotfound": GONE,
    "itemnotfound": GONE,
    "resourcenotfound": GONE,
    "syncstatenotfound": LOST,
    "syncstateinvalid": LOST,
    "errorinvalidsyncstatedata": LOST,
    "invaliddeltatoken": LOST,
    "resyncrequired": LOST,
    "resyncchangesapplydifferences": LOST,
    "resyncchangesuploaddifferences": LOST,
    "applicationthrottled": SLOW_DOWN,
    "toomanyrequests": SLOW_DOWN,
    "activitylimitreached": SLOW_DOWN,
    "throttledrequest": SLOW_DOWN,
    "errorserverbusy": SLOW_DOWN,
    "errorexceededconnectioncount": SLOW_DOWN,
    "servicenotavailable": TROUBLE,
    "serviceunavailable": TROUBLE,
    "errormailboxstoreunavailable": TROUBLE,
    "errorinternalservertransienterror": TROUBLE,
    "errortimeoutexpired": TROUBLE,
}
"""Code in lower case to its meaning."""

BY_STATUS: dict[int, Meaning] = {
    401: NO_TOKEN,
    403: DENIED,
    404: GONE,
    408: TROUBLE,
    409: (Conflict, "Microsoft says that there is one already."),
    410: LOST,
    423: (Temporary, "Microsoft has locked it for the moment."),
    424: (Temporary, "Another request of the same batch failed first."),
    429: SLOW_DOWN,
    501: (Permanent, "Microsoft does not offer that for this account."),
    509: (RateLimited, "The amount of data that Microsoft allows for this mailbox is used up for now."),
}

MAX_CLAIMS = 4000
"""So long may it be: more would not fit into an address."""

MAX_DEPTH = 10
"""So deep do we look for a code inside a code."""

UNREACHED = "Microsoft could not reach this installation's public address to ask whether it is ours."


def meant(status: int, headers: Mapping[str, str], content: bytes | Mapping[str, Any]) -> IntegrationError:
    """What Graph's answer that is an error means to us; ``content`` is its body, raw or read."""
    error = _envelope(content)
    codes = list(_codes(error))
    log.info("graph.error", status=status, codes=codes, request_id=_request_id(headers, error))
    kind, words = _meaning(status, codes, str(error.get("message", "")))
    return kind(words, outbound.retry_after(headers)) if issubclass(kind, Temporary) else kind(words)


def _meaning(status: int, codes: list[str], message: str) -> Meaning:
    """The innermost code that is known says most; then the status."""
    known = next((GRAPH_ERRORS[code] for code in reversed(codes) if code in GRAPH_ERRORS), None)
    if known is None and "validation request" in message:
        # Nothing but the message tells this from any other request that Graph finds wrong.
        return Permanent, UNREACHED
    if known is None:
        known = BY_STATUS.get(status) or (TROUBLE if status >= 500 else None)
    return known or (Permanent, f"Microsoft refused the request ({codes[0][:60] if codes else f'HTTP {status}'}).")


def _envelope(content: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The error object of a body; empty where there is none."""
    try:
        error = (json.loads(content) if isinstance(content, bytes) else content)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """The codes from the outermost to the innermost, in lower case. Graph spells innerError in two ways."""
    for _ in range(MAX_DEPTH):
        if error.get("code"):
            yield str(error["code"]).lower()
        inner = error.get("innerError") or error.get("innererror")
        if not isinstance(inner, dict):
            return
        error = inner


def _request_id(headers: Mapping[str, str], error: Mapping[str, Any]) -> str:
    """What Microsoft's support asks for."""
    inner = error.get("innerError") or error.get("innererror")
    said = inner.get("request-id", "") if isinstance(inner, dict) else ""
    return str(headers.get("request-id") or said)[:80]


TOKEN_ERRORS: dict[str, Meaning] = {
    "invalid_grant": (
        NeedsReconnect,
        "Microsoft no longer accepts the consent: it was withdrawn, has expired, or the password was reset.",
    ),
    "consent_required": (NeedsReconnect, "The consent was withdrawn, or no longer covers what is read."),
    "interaction_required": (NeedsReconnect, "Your organization wants you to prove again that it is you."),
    "login_required": (NeedsReconnect, "Microsoft wants you to sign in again."),
    "access_denied": (NeedsReconnect, "Your organization's rules no longer allow this access."),
    "invalid_client": (BadConfig, "Microsoft does not accept this installation's client id and secret."),
    "unauthorized_client": (
        BadConfig,
        "Microsoft does not know this installation's client, or bars it from that.",
    ),
    "invalid_resource": (BadConfig, "Microsoft does not know what this installation asks for."),
    "invalid_scope": (BadConfig, "Microsoft does not know the permission this installation asks for."),
    "invalid_request": (BadConfig, "Microsoft does not understand this installation's request."),
    "temporarily_unavailable": (Temporary, "Microsoft's token service has trouble of its own."),
    "server_error": (Temporary, "Microsoft's token service has trouble of its own."),
    "slow_down": (RateLimited, "Microsoft's token service asked us to slow down."),
}

BLOCKED = (
    "Your organization's access rules (Conditional Access) do not allow this app to go on. Your administrator can say "
    "which rule it was, and let it pass."
)
WORDS_BY_SUBERROR = {
    "consent_required": TOKEN_ERRORS["consent_required"][1],
    "message_only": BLOCKED,
    "basic_action": TOKEN_ERRORS["interaction_required"][1],
    "additional_action": TOKEN_ERRORS["interaction_required"][1],
    "user_password_expired": "Your password has expired: Microsoft wants you to sign in again.",
}
WORDS_BY_NUMBER = {
    50057: "Your account is switched off at Microsoft.",
    50173: "The consent was ended: a password was reset, or all sessions were signed out.",
    53003: BLOCKED,
    70008: "It was not used for too long, so Microsoft ended it.",
    700082: "It was not used for 90 days, so Microsoft ended it.",
    7000222: "This installation's secret at Microsoft has expired.",
}
"""Numbers are hints for the words alone: what follows from an error is decided by its name."""


def token_error(reply: Mapping[str, Any]) -> IntegrationError:
    """What a refusal of the token service means, as msal hands it on."""
    name = str(reply.get("error", ""))
    kind, words = TOKEN_ERRORS.get(name, (Permanent, f"Microsoft refused ({name[:80]})."))
    hints = [WORDS_BY_NUMBER[number] for number in _numbers(reply) if number in WORDS_BY_NUMBER]
    log.info("microsoft.token_error", error=name, numbers=_numbers(reply), trace_id=str(reply.get("trace_id", ""))[:80])
    words = next(iter(hints), "") or WORDS_BY_SUBERROR.get(str(reply.get("suberror", "")), "") or words
    if issubclass(kind, NeedsReconnect):
        return NeedsReconnect(words, claims=_claims(reply))
    return kind(words)


def _claims(reply: Mapping[str, Any]) -> str:
    """What Microsoft demands of the next consent: a JSON object, which goes into that consent's address."""
    claims = str(reply.get("claims") or "")
    try:
        is_object = isinstance(json.loads(claims), dict)
    except (ValueError, RecursionError):
        return ""
    return claims if is_object and len(claims) <= MAX_CLAIMS else ""


def _numbers(reply: Mapping[str, Any]) -> list[int]:
    """The numbers behind AADSTS."""
    said = reply.get("error_codes")
    return [number for number in said if isinstance(number, int)] if isinstance(said, list) else []
