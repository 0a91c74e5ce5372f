"""What every call of Microsoft Graph has in common: who asks, how an answer and an error look.

https://learn.microsoft.com/graph/use-the-api
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.microsoft import errors
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import Account, microsoft_of
from sandbox.microsoft.tokens import Token
from sandbox.providers import Call, View

BASE = "/microsoft-graph/v1.0"
"""Where the routes begin."""
ORIGIN = "https://graph.microsoft.com/v1.0"
"""What links in answers begin with: clients reach the sandbox by rerouting the real address."""
JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

GraphView = Callable[[Call], dict[str, Any] | Response]


def answers(view: GraphView) -> View:
    """A view of Graph: holds the world's lock, may return a dict, may raise GraphError."""

    @wraps(view)
    def locked(call: Call) -> dict[str, Any] | Response:
        with call.world.lock:
            return view(call)

    return answers_unlocked(locked)


def answers_unlocked(view: GraphView) -> View:
    """The same for a view that takes the lock itself, because it waits for others in between."""

    @wraps(view)
    def answered(call: Call) -> Response:
        try:
            content = view(call)
        except GraphError as error:
            content = error.response(call.request.headers.get("client-request-id", ""))
        response = content if isinstance(content, Response) else reply(content)
        asked = call.request.headers.get("client-request-id", "")
        response.headers.setdefault("request-id", str(uuid.uuid4()))
        response.headers.setdefault("client-request-id", asked or response.headers["request-id"])
        return response

    return answered


def reply(content: dict[str, Any], status: int = 200) -> Response:
    """JSON as Graph labels it."""
    response = errors.reply(content, status)
    response.headers["Content-Type"] = JSON_TYPE
    return response


def bearer(request: Request) -> str:
    """The request's access token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def token_of(call: Call) -> Token:
    """The live token of a call, with its scopes and its client; GraphError 401 without one."""
    tokens, text = microsoft_of(call.world).tokens, bearer(call.request)
    if not text:
        raise unauthenticated("Access token is empty.")
    if text not in tokens.access:
        raise unauthenticated("IDX14100: JWT is not well formed, there are no dots (.).")
    token = tokens.find_access(text)
    if token is None:
        raise unauthenticated("Lifetime validation failed, the token is expired.")
    return token


def authorised(call: Call, *any_of_scopes: str) -> Account:
    """Whose call it is. GraphError: 401 without a live token, 403 if it has none of the scopes (short names)."""
    token = token_of(call)
    account = microsoft_of(call.world).accounts.get(token.upn)
    if account is None:
        raise unauthenticated("The user account does not exist.")
    if any_of_scopes and not set(any_of_scopes) & set(token.scopes):
        raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    return account


def unauthenticated(message: str) -> GraphError:
    """401, with the challenge that tells where tokens come from."""
    challenge = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
    return GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": challenge})


def option(call: Call, name: str) -> str:
    """A query parameter whatever its case; ``$select`` and ``%24select`` are one. Empty if it is absent."""
    return next((value for key, value in call.request.args.items() if key.lower() == name.lower()), "")


def selected(call: Call) -> list[str]:
    """The names of ``$select``; none if it is absent."""
    return [name.strip() for name in option(call, "$select").split(",") if name.strip()]


def origin(call: Call) -> str:
    """What every link in an answer begins with, up to and including /v1.0."""
    return ORIGIN
