"""The token endpoints of all versions, and what they tell of a token.

https://developers.hubspot.com/docs/api-reference/oauth-tokens-v1
https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses
"""

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.hubspot import access, errors
from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.errors import OAuthError
from sandbox.hubspot.paths import API
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.hubspot.tokens import ACCESS_SECONDS, Code, Grant, Token
from sandbox.providers import Call, Route, View
from sandbox.signing import base64url

Json = dict[str, Any]
BAD_REFRESH = "refresh token is invalid, expired or revoked"
FORM = "application/x-www-form-urlencoded"


def answered(exchange: Callable[[HubSpot, Request], Json | None]) -> View:
    """A view of an exchange by a client that shows its secret in the form; Basic does not count."""

    def view(call: Call) -> Response:
        hubspot = hubspot_of(call.world)
        try:
            with call.world.lock:
                content = exchange(hubspot, call.request)
        except OAuthError as error:
            return error.response()
        return errors.reply(content)

    return view


def issue(hubspot: HubSpot, request: Request) -> Json:
    """A code or a refresh token for an access token."""
    client_id = authenticated(hubspot, request)
    match request.form.get("grant_type"):
        case "authorization_code":
            return reply_for(hubspot, from_code(hubspot, request, client_id), "")
        case "refresh_token":
            old = request.form.get("refresh_token", "")
            grant = hubspot.tokens.refresh.get(old)
            if grant is None or grant.client_id != client_id or grant.portal_id not in hubspot.portals:
                raise OAuthError("invalid_grant", "BAD_REFRESH_TOKEN", BAD_REFRESH)
            return reply_for(hubspot, grant, old)
    raise OAuthError("unsupported_grant_type", "BAD_GRANT_TYPE", "missing or unknown grant type")


def authenticated(hubspot: HubSpot, request: Request) -> str:
    """The client's id, from the form. Any id with any secret is good until clients are registered."""
    client_id, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    if not client_id:
        raise OAuthError("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")
    if not secret:
        raise OAuthError("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret")
    tokens = hubspot.tokens
    client = tokens.clients.get(client_id)
    if tokens.is_strict and (client is None or not client.is_registered):
        raise OAuthError("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")
    if client is not None and client.is_registered and not compare_digest(client.secret.encode(), secret.encode()):
        raise OAuthError("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret")
    tokens.learn(client_id, secret)
    return client_id


def from_code(hubspot: HubSpot, request: Request, client_id: str) -> Code:
    """Redeem a code: once, in time, by its client, to its address, with its verifier."""
    code = hubspot.tokens.take_code(request.form.get("code", ""))
    if code is None or code.client_id != client_id:
        raise OAuthError("invalid_grant", "BAD_AUTH_CODE", "missing or unknown auth code")
    if request.form.get("redirect_uri") != code.redirect_uri:
        raise OAuthError("invalid_grant", "BAD_REDIRECT_URI", "missing or invalid redirect uri")
    hashed = base64url(hashlib.sha256(request.form.get("code_verifier", "").encode()).digest())
    if code.challenge and not compare_digest(hashed, code.challenge):
        raise OAuthError("invalid_grant", "BAD_CODE_VERIFIER", "missing or invalid code verifier")
    return code


def reply_for(hubspot: HubSpot, grant: Grant, old: str) -> Json:
    """Tokens for a grant. The refresh token stays the same unless they rotate."""
    tokens = hubspot.tokens
    refresh_token = old
    if not old or tokens.is_rotating:
        tokens.refresh.pop(old, None)
        refresh_token = tokens.new_refresh(grant)
    return {
        "token_type": "bearer",
        "refresh_token": refresh_token,
        "access_token": tokens.new_access(grant),
        "hub_id": grant.portal_id,
        "scopes": grant.scopes,
        "expires_in": ACCESS_SECONDS,
    }


def introspect(hubspot: HubSpot, request: Request) -> Json:
    """Whether a token is good, and whose; nothing of one that is not."""
    client_id = authenticated(hubspot, request)
    text = request.form.get("token", "")
    found = live(hubspot, text) or hubspot.tokens.refresh.get(text)
    if found is None or found.client_id != client_id:
        return {"active": False}
    use = "access_token" if isinstance(found, Token) else "refresh_token"
    return {"active": True, "client_id": client_id, "token_use": use, "token_type": "bearer", **told(hubspot, found)}


def told(hubspot: HubSpot, grant: Grant) -> Json:
    """Whose a token is."""
    portal = hubspot.portals[grant.portal_id]
    user = portal.user(grant.user_id)
    content: Json = {
        "user": user.email if user else "",
        "hub_domain": portal.facts.domain,
        "scopes": grant.scopes,
        "hub_id": portal.id,
        "app_id": hubspot.tokens.app_id(grant.client_id),
        "user_id": grant.user_id,
    }
    if isinstance(grant, Token):
        content["expires_in"] = int(grant.expires_at - hubspot.tokens.now())
    return content


def live(hubspot: HubSpot, text: str) -> Token | None:
    """An access token that has not run out."""
    found = hubspot.tokens.access.get(text)
    is_good = found is not None and found.expires_at > hubspot.tokens.now() and found.portal_id in hubspot.portals
    return found if is_good else None


def revoke(hubspot: HubSpot, request: Request) -> Json | None:
    """End one token. Access tokens outlive the refresh token they came from."""
    client_id = authenticated(hubspot, request)
    text = request.form.get("token", "")
    known: Grant | None = hubspot.tokens.access.get(text) or hubspot.tokens.refresh.get(text)
    if known is not None and known.client_id == client_id:
        hubspot.tokens.access.pop(text, None)
        hubspot.tokens.refresh.pop(text, None)
    return None


def access_token_info(call: Call) -> Response:
    """GET /oauth/v1/access-tokens/TOKEN: the token in the address, and no other proof."""
    hubspot = hubspot_of(call.world)
    with call.world.lock:
        found = live(hubspot, call.args["token"])
        if found is None:
            return OAuthError("invalid_token", "BAD_ACCESS_TOKEN", "access token is invalid or expired", 404).response()
        content = told(hubspot, found) | {"token": call.args["token"], "token_type": "access"}
    return errors.reply(content | {"is_private_distribution": False})


def refresh_token_info(call: Call) -> Response:
    """GET /oauth/v1/refresh-tokens/TOKEN."""
    hubspot = hubspot_of(call.world)
    with call.world.lock:
        found = hubspot.tokens.refresh.get(call.args["token"])
        if found is None:
            return OAuthError("invalid_grant", "BAD_REFRESH_TOKEN", BAD_REFRESH, 404).response()
        content = told(hubspot, found) | {"token": call.args["token"], "token_type": "refresh"}
    return errors.reply(content | {"client_id": found.client_id})


def delete_refresh_token(call: Call) -> Response:
    """DELETE /oauth/v1/refresh-tokens/TOKEN: 204. Access tokens live on, and the app stays installed."""
    with call.world.lock:
        hubspot_of(call.world).tokens.refresh.pop(call.args["token"], None)
    return errors.reply(None, 204)


def uninstall(visit: Visit) -> Answer:
    """DELETE /appinstalls/v3/external-install: the app leaves the portal."""
    visit.hubspot.tokens.uninstall(visit.portal.id, visit.token.client_id)
    return 204, None


def account_of(hubspot: HubSpot, request: Request) -> str:
    """The portal of a request's access token, code or refresh token; empty if it cannot be told."""
    tokens = hubspot.tokens
    found: Grant | None = tokens.access.get(access.bearer(request))
    if found is None and request.method == "POST" and request.mimetype == FORM:
        form = request.form
        found = tokens.codes.get(form.get("code", "")) or tokens.refresh.get(form.get("refresh_token", ""))
    return str(found.portal_id) if found else ""


TOKEN_PATHS = ("v1", "2026-03", "2026-09")
ROUTES = [
    *(Route("POST", f"{API}/oauth/{version}/token", "hubspot.token", answered(issue)) for version in TOKEN_PATHS),
    *(
        Route("POST", f"{API}/oauth/{version}/token/{name}", f"hubspot.token.{name}", answered(exchange))
        for version in TOKEN_PATHS[1:]
        for name, exchange in (("introspect", introspect), ("revoke", revoke))
    ),
    Route("GET", f"{API}/oauth/v1/access-tokens/<token>", "hubspot.token.info", access_token_info),
    Route("GET", f"{API}/oauth/v1/refresh-tokens/<token>", "hubspot.token.info", refresh_token_info),
    Route("DELETE", f"{API}/oauth/v1/refresh-tokens/<token>", "hubspot.token.delete", delete_refresh_token),
    Route("DELETE", f"{API}/appinstalls/v3/external-install", "hubspot.uninstall", access.served(uninstall)),
]
