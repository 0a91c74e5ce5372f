"""The token endpoint.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#refresh-the-access-token
"""

import hashlib
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.microsoft import errors, troubles
from sandbox.microsoft.errors import OAuthError
from sandbox.microsoft.identity import client_info, id_token
from sandbox.microsoft.scopes import KNOWN, short_names
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.microsoft.tokens import ACCESS_SECONDS, Code, Refresh
from sandbox.providers import Call
from sandbox.signing import base64url

OFFLINE = "offline_access"
IDLE = 700082


def token(call: Call) -> Response:
    """POST /token: a code or a refresh token for an access token."""
    microsoft = microsoft_of(call.world)
    try:
        with call.world.lock:
            content = exchange(microsoft, call.request)
    except OAuthError as error:
        return error.response(call.world.clock.now())
    return errors.reply(content)


def exchange(microsoft: Microsoft, request: Request) -> dict[str, Any]:
    """The token reply for either grant type."""
    grant_type = form(request, "grant_type")
    client_id = authenticated(microsoft, request)
    if grant_type == "authorization_code":
        return from_code(microsoft, request, client_id)
    if grant_type == "refresh_token":
        return from_refresh(microsoft, request, client_id)
    raise OAuthError("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")


def authenticated(microsoft: Microsoft, request: Request) -> str:
    """The client's id. Any id with any secret is good, until secrets are ordered to be wrong."""
    client_id = form(request, "client_id")
    if not request.form.get("client_secret"):
        raise OAuthError("invalid_client", 7000218, "The request body must contain: 'client_secret'.", 401)
    if microsoft.tokens.is_secret_wrong:
        explanation = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client_id}'."
        )
        raise OAuthError("invalid_client", 7000215, explanation, 401)
    return client_id


def from_code(microsoft: Microsoft, request: Request, client_id: str) -> dict[str, Any]:
    """Redeem a code: once, in time, by its client, to its address, with its verifier."""
    code = microsoft.tokens.take_code(form(request, "code"))
    if code is None or code.client_id != client_id:
        raise OAuthError("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, or is unknown.")
    if form(request, "redirect_uri") != code.redirect_uri:
        raise OAuthError("invalid_grant", 500112, "The reply address does not match the one of the authorize request.")
    check_verifier(code, request.form.get("code_verifier", ""))
    if trouble := microsoft.grants.barred_codes.get(code.upn):
        raise troubles.refusal(trouble, client_id, microsoft.world.clock.now(), microsoft.world.clock.now())
    return reply_for(microsoft, request, code, code.nonce)


def from_refresh(microsoft: Microsoft, request: Request, client_id: str) -> dict[str, Any]:
    """Refresh: the old token stays good beside the new one."""
    refresh = microsoft.tokens.refresh.get(form(request, "refresh_token"))
    if refresh is None or refresh.client_id != client_id:
        raise OAuthError("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
    if trouble := refresh.trouble or (IDLE if microsoft.tokens.is_idle(refresh) else 0):
        issued = datetime.fromtimestamp(refresh.issued_at, UTC)
        raise troubles.refusal(trouble, client_id, issued, microsoft.world.clock.now())
    return reply_for(microsoft, request, refresh, "")


def reply_for(microsoft: Microsoft, request: Request, grant: Code | Refresh, nonce: str) -> dict[str, Any]:
    """Tokens for what was granted, or for the part that is asked for. Scopes come back by their short names."""
    account = microsoft.accounts.get(grant.upn)
    if account is None:
        raise OAuthError("invalid_grant", 50034, "The user account does not exist.")
    scopes = asked_scopes(request, grant)
    tokens = microsoft.tokens
    reply: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": " ".join(scope for scope in scopes if scope != OFFLINE),
        "expires_in": ACCESS_SECONDS,
        "ext_expires_in": ACCESS_SECONDS,
        "access_token": tokens.new_access(grant.client_id, grant.upn, scopes),
    }
    if OFFLINE in grant.scopes:
        reply["refresh_token"] = tokens.new_refresh(grant.client_id, grant.upn, grant.scopes)
    if "openid" in scopes:
        reply["id_token"] = id_token(account, grant.client_id, scopes, nonce, microsoft.world.clock.now())
    if request.form.get("client_info") == "1":
        reply["client_info"] = client_info(account)
    return reply


def asked_scopes(request: Request, grant: Code | Refresh) -> list[str]:
    """What the request asks for, or all that was granted; more than that needs the user again."""
    asked = short_names(request.form.get("scope", "")) or grant.scopes
    if unknown := [scope for scope in asked if scope not in KNOWN]:
        explanation = (
            f"The provided value for the input parameter 'scope' is not valid. The scope {unknown[0]} is not valid."
        )
        raise OAuthError("invalid_scope", 70011, explanation)
    if set(asked) - set(grant.scopes):
        explanation = troubles.KNOWN[65001].text.format(app=grant.client_id)
        raise OAuthError("invalid_grant", 65001, explanation, suberror="consent_required")
    return asked


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
