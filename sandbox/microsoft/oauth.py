"""The token endpoint.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token
"""

import hashlib
from hmac import compare_digest
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.microsoft import errors
from sandbox.microsoft.errors import OAuthError
from sandbox.microsoft.identity import id_token
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.microsoft.tokens import ACCESS_SECONDS, Code
from sandbox.providers import Call
from sandbox.signing import base64url


def token(call: Call) -> Response:
    """POST /token: a code for an access token."""
    microsoft = microsoft_of(call.world)
    try:
        with call.world.lock:
            content = exchange(microsoft, call.request)
    except OAuthError as error:
        return error.response(call.world.clock.now())
    return errors.reply(content)


def exchange(microsoft: Microsoft, request: Request) -> dict[str, Any]:
    """Redeem a code: once, in time, by its client, to its address, with its verifier."""
    if form(request, "grant_type") != "authorization_code":
        raise OAuthError("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    client_id = form(request, "client_id")
    if not request.form.get("client_secret"):
        raise OAuthError("invalid_client", 7000218, "The request body must contain: 'client_secret'.", 401)
    code = microsoft.tokens.take_code(form(request, "code"))
    if code is None or code.client_id != client_id:
        raise OAuthError("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, or is unknown.")
    if form(request, "redirect_uri") != code.redirect_uri:
        raise OAuthError("invalid_grant", 500112, "The reply address does not match the one of the authorize request.")
    check_verifier(code, request.form.get("code_verifier", ""))
    account = microsoft.accounts.get(code.upn)
    if account is None:
        raise OAuthError("invalid_grant", 50034, "The user account does not exist.")
    reply: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": " ".join(code.scopes),
        "expires_in": ACCESS_SECONDS,
        "ext_expires_in": ACCESS_SECONDS,
        "access_token": microsoft.tokens.new_access(client_id, code.upn, code.scopes),
    }
    if "openid" in code.scopes:
        reply["id_token"] = id_token(account, code, microsoft.world.clock.now())
    return reply


def form(request: Request, name: str) -> str:
    """A parameter that must be there."""
    value = request.form.get(name)
    if not value:
        raise OAuthError("invalid_request", 900144, f"The request body must contain the parameter: '{name}'.")
    return value


def check_verifier(code: Code, verifier: str) -> None:
    """PKCE, S256."""
    if not code.challenge:
        return
    if not verifier:
        raise OAuthError("invalid_grant", 50148, "The code_verifier does not match the code_challenge.")
    if not compare_digest(base64url(hashlib.sha256(verifier.encode()).digest()), code.challenge):
        raise OAuthError("invalid_grant", 501481, "The code_verifier does not match the code_challenge.")
