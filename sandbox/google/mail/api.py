"""What every Gmail call goes through: token, scope, quota, the mailbox it is about.

https://developers.google.com/workspace/gmail/api/reference/rest
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox.google import fields
from sandbox.google.calendar import bearer
from sandbox.google.errors import ApiError, dead_token, login_required, reply, scope_missing
from sandbox.google.mail import errors
from sandbox.google.mail.mailbox import Mailbox
from sandbox.google.mail.shapes import Answer
from sandbox.google.schema import scopes_for
from sandbox.google.scopes import AUTH
from sandbox.google.state import Google, google_of
from sandbox.google.sync_tokens import decoded, digest, encoded
from sandbox.google.tokens import Token
from sandbox.providers import Call, View

METADATA = f"{AUTH}gmail.metadata"
SERVICE = "gmail.googleapis.com"
SERVED = "caribou.api.proto.MailboxService"
DEFAULT_PAGE, LARGEST_PAGE = 100, 500
FORMATS = ("minimal", "full", "raw", "metadata")
Arguments = MultiDict[str, str]


class Visit:
    """A call that was let in: whose mailbox, with which token, with which parameters."""

    def __init__(self, google: Google, call: Call, token: Token) -> None:
        self.google, self.call, self.token = google, call, token
        self.args: Arguments = call.request.args
        self.box: Mailbox = google.post.mailbox(token.email)

    @property
    def is_metadata_only(self) -> bool:
        """A token that holds the metadata scope is treated as if it held nothing else."""
        return METADATA in self.token.scopes


def api(schema_name: str) -> Callable[[Callable[[Visit], Answer]], View]:
    """A call of the API. ``schema_name`` is what it answers with; empty for nothing (204)."""

    def decorate(function: Callable[[Visit], Answer]) -> View:
        @wraps(function)
        def view(call: Call) -> Response:
            google = google_of(call.world)
            try:
                selected = call.request.args.get("fields")
                mask = fields.parse(selected, schema_name, "gmail") if selected and schema_name else {}
                with call.world.lock:
                    content = function(admitted(google, call))
            except ApiError as error:
                return error.response()
            return reply(fields.apply(mask, content)) if schema_name else Response(status=204)

        return view

    return decorate


def admitted(google: Google, call: Call) -> Visit:
    """ApiError unless the token lives, has the scope, is for this mailbox, and can pay."""
    text = bearer(call.request)
    if not text:
        raise login_required()
    token = google.tokens.find_access(text)
    if token is None or token.email not in google.post.mailboxes:
        raise dead_token()
    held = {METADATA} & set(token.scopes) or set(token.scopes)
    if not scopes_for(call.operation) & held:
        name = call.operation.rpartition(".")[2]
        raise scope_missing(f"{SERVED}.{name[0].upper()}{name[1:]}", SERVICE)
    if call.args["user_id"] not in {"me", token.email}:
        raise errors.forbidden(f"Delegation denied for {token.email}")
    if not google.quota.pay(token.email, call.operation):
        raise errors.quota_exceeded(google.quota.status)
    return Visit(google, call, token)


def page_size(args: Arguments) -> int:
    """``maxResults``, 100 unless given, never more than 500."""
    value = args.get("maxResults")
    if value is None:
        return DEFAULT_PAGE
    if not value.isdecimal() or int(value) < 1:
        raise errors.invalid_argument(f"Invalid value for maxResults: {value}")
    return min(int(value), LARGEST_PAGE)


def is_set(args: Arguments, name: str) -> bool:
    """A boolean parameter, false when absent."""
    value = args.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise errors.invalid_argument(f"Invalid value at '{name}' (TYPE_BOOL), \"{value}\"")
    return value == "true"


def page_token(visit: Visit, rules: object, place: Any) -> str:
    """Where the next page begins: for this mailbox and these parameters only."""
    return encoded({"rules": digest(visit.google.era, visit.box.email, rules), "place": place})


def place_of(visit: Visit, rules: object) -> Any:
    """The place a page token stands for, None without one; 400 for one of another list."""
    text = visit.args.get("pageToken")
    if not text:
        return None
    try:
        token = decoded(text)
        if token["rules"] != digest(visit.google.era, visit.box.email, rules):
            raise ValueError("a token of another list")
        return token["place"]
    except (ValueError, TypeError, KeyError):
        raise errors.invalid_argument("Invalid pageToken") from None


def format_of(visit: Visit, allowed: tuple[str, ...] = FORMATS) -> str:
    """``format``, full unless given; what a token for metadata may not see is refused."""
    form = visit.args.get("format", "full").lower()
    if form not in allowed:
        raise errors.invalid_argument(f"Invalid value at 'format' (type.googleapis.com/{SERVED}.Format), \"{form}\"")
    if visit.is_metadata_only and form in {"full", "raw"}:
        raise errors.no_format(form)
    return form


def wanted_headers(visit: Visit) -> frozenset[str]:
    """``metadataHeaders``, lower-cased."""
    return frozenset(name.lower() for name in visit.args.getlist("metadataHeaders"))
