"""The token and revocation endpoints.

https://developers.google.com/identity/protocols/oauth2/web-server
"""

import hashlib
from base64 import b64decode, urlsafe_b64encode
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from sandbox.google import errors
from sandbox.google.identity import id_token
from sandbox.google.scopes import OPENID, full_names
from sandbox.google.state import Google, google_of
from sandbox.google.tokens import ACCESS_SECONDS, Code, Token
from sandbox.providers import Call
from sandbox.signing import key

DEAD = "Token has been expired or revoked."


class OAuthError(Exception):
    """A refusal in OAuth's two keys."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


def token(call: Call) -> Response:
    """POST /token: a code or a refresh token for an access token."""
    google = google_of(call.world)
    try:
        with call.world.lock:
            content = exchange(google, call.request)
    except OAuthError as error:
        return errors.reply({"error": error.error, "error_description": error.description}, error.status)
    return errors.reply(content)


def exchange(google: Google, request: Request) -> dict[str, Any]:
    """The token reply for either grant type."""
    grant_type = form(request, "grant_type")
    client_id = authenticated(google, request)
    if grant_type == "authorization_code":
        return from_code(google, request, client_id)
    if grant_type == "refresh_token":
        return from_refresh(google, request, client_id)
    raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {grant_type}")


def form(request: Request, name: str) -> str:
    """A parameter that must be there."""
    value = request.form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"Missing required parameter: {name}")
    return value


def client_of(request: Request) -> tuple[str, str]:
    """Client id and secret, from HTTP Basic (form-encoded inside, RFC 6749 2.3.1) or from the body."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = b64decode(credentials).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote(client_id), unquote(secret)
    return request.form.get("client_id", ""), request.form.get("client_secret", "")


def authenticated(google: Google, request: Request) -> str:
    """The client's id. Without configured clients any id with any secret is good."""
    client_id, secret = client_of(request)
    if not client_id:
        raise OAuthError("invalid_request", "Could not determine client ID from request.")
    if not secret:
        raise OAuthError("invalid_request", "client_secret is missing.")
    if google.tokens.clients:
        client = google.tokens.clients.get(client_id)
        if client is None:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if not compare_digest(client.secret, secret):
            raise OAuthError("invalid_client", "The provided client secret is invalid.", 401)
    return client_id


def from_code(google: Google, request: Request, client_id: str) -> dict[str, Any]:
    """Exchange a code: once, in time, by its client, to its address, with its verifier."""
    code = google.tokens.find_code(form(request, "code"))
    if code is None:
        known = request.form["code"] in google.tokens.codes
        raise OAuthError("invalid_grant", "Bad Request" if known else "Malformed auth code.")
    if code.client_id != client_id:
        raise OAuthError("unauthorized_client", "Unauthorized", 401)
    if form(request, "redirect_uri") != code.redirect_uri:
        raise OAuthError("redirect_uri_mismatch", "Bad Request")
    check_verifier(code, request.form.get("code_verifier", ""))
    code.is_used = True
    google.tokens.grant(client_id, code.email, code.scopes)
    reply = tokens_reply(google, client_id, code.email, code.scopes, code.nonce)
    if code.is_refreshable:
        reply["refresh_token"] = google.tokens.new_refresh(client_id, code.email, code.scopes)
    return reply


def check_verifier(code: Code, verifier: str) -> None:
    """PKCE, S256."""
    if not code.challenge:
        return
    if not verifier:
        raise OAuthError("invalid_grant", "Missing code verifier.")
    hashed = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not compare_digest(hashed, code.challenge):
        raise OAuthError("invalid_grant", "Invalid code verifier.")


def from_refresh(google: Google, request: Request, client_id: str) -> dict[str, Any]:
    """Refresh; with rotation on, the reply brings the next refresh token and the old one must not come again."""
    name = form(request, "refresh_token")
    found = google.tokens.refresh.get(name)
    if found is None:
        raise OAuthError("invalid_grant", DEAD if name in google.tokens.dead else "Bad Request")
    if found.client_id != client_id:
        raise OAuthError("unauthorized_client", "Unauthorized", 401)
    if found.is_used and google.tokens.is_rotating:
        google.tokens.end_grant(found.email, client_id)
        raise OAuthError("invalid_grant", DEAD)
    reply = tokens_reply(google, client_id, found.email, narrowed(found, request.form.get("scope", "")), "")
    if google.tokens.is_rotating:
        found.is_used = True
        reply["refresh_token"] = google.tokens.new_refresh(client_id, found.email, found.scopes)
    return reply


def narrowed(found: Token, wanted: str) -> list[str]:
    """The scopes asked for at a refresh; all granted ones if none are."""
    scopes = full_names(wanted)
    if unknown := sorted(set(scopes) - set(found.scopes)):
        message = f"Some requested scopes were invalid. {{invalid=[{', '.join(unknown)}]}}"
        raise OAuthError("invalid_scope", message)
    return scopes or found.scopes


def tokens_reply(google: Google, client_id: str, email: str, scopes: list[str], nonce: str) -> dict[str, Any]:
    """An access token, and an ID token if ``openid`` was granted."""
    if email not in google.accounts:
        raise OAuthError("invalid_grant", "Account has been deleted")
    access_token = google.tokens.new_access(client_id, email, scopes)
    reply: dict[str, Any] = {
        "access_token": access_token,
        "expires_in": ACCESS_SECONDS,
        "scope": " ".join(scopes),
        "token_type": "Bearer",
    }
    if OPENID in scopes:
        now = google.world.clock.now()
        account, signer = google.accounts[email], key(google.signing_key)
        reply["id_token"] = id_token(account, client_id, scopes, access_token, nonce, now, signer)
    return reply


def revoke(call: Call) -> Response:
    """POST /revoke: either token ends the whole grant."""
    google = google_of(call.world)
    name = call.request.form.get("token") or call.request.args.get("token", "")
    with call.world.lock:
        found = google.tokens.refresh.get(name) or google.tokens.find_access(name)
        if found is None:
            return errors.reply({"error": "invalid_token", "error_description": "Token expired or revoked"}, 400)
        google.tokens.end_grant(found.email, found.client_id)
    return errors.reply({})


def account_of_form(google: Google, request: Request) -> str:
    """Whose code, refresh token or token to revoke this is."""
    tokens = google.tokens
    code = tokens.codes.get(request.form.get("code", ""))
    name = request.form.get("refresh_token") or request.form.get("token", "")
    found = code or tokens.refresh.get(name) or tokens.access.get(name)
    return found.email if found else ""
