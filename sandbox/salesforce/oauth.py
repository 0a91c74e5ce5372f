"""The token endpoint, and revocation.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm
https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_refresh_token_flow.htm
"""

import hashlib
import hmac
from base64 import b64encode
from hmac import compare_digest
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.providers import Call
from sandbox.salesforce import errors
from sandbox.salesforce.errors import OAuthError
from sandbox.salesforce.scopes import OFFLINE
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.salesforce.tokens import Code, Grant
from sandbox.signing import base64url


def token(call: Call) -> Response:
    """POST /services/oauth2/token: a code or a refresh token for an access token. It says no lifetime."""
    salesforce = salesforce_of(call.world)
    try:
        with call.world.lock:
            content = exchange(salesforce, call.request, call.args["host"])
    except OAuthError as error:
        return error.response()
    return errors.reply(content)


def exchange(salesforce: Salesforce, request: Request, host: str) -> dict[str, Any]:
    """The reply for either grant type."""
    grant_type = required(request, "grant_type")
    if "scope" in request.form:
        raise OAuthError("invalid_request", "scope parameter not supported")
    if grant_type not in {"authorization_code", "refresh_token"}:
        raise OAuthError("unsupported_grant_type", "grant type not supported")
    client_id, secret = authenticated(salesforce, request)
    if grant_type == "refresh_token":
        return from_refresh(salesforce, request, host, client_id, secret)
    code = redeemed(salesforce, request, host, client_id)
    refresh = salesforce.tokens.new_refresh(code.grant) if OFFLINE & set(code.grant.scopes) else ""
    try:
        reply = reply_for(salesforce, code.grant, secret, refresh)
    except OAuthError:
        salesforce.tokens.revoke(refresh)
        raise
    return {**reply, "refresh_token": refresh} if refresh else reply


def authenticated(salesforce: Salesforce, request: Request) -> tuple[str, str]:
    """The app's id and secret, from the form or from Basic. Any are good until apps are configured."""
    basic = request.authorization
    from_header = (str(basic.username), str(basic.password)) if basic and basic.type == "basic" else ("", "")
    client_id = request.form.get("client_id") or from_header[0]
    secret = request.form.get("client_secret") or from_header[1]
    if not client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    client = salesforce.tokens.clients.get(client_id)
    if salesforce.tokens.clients and client is None:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if not secret or (client is not None and not compare_digest(client.secret.encode(), secret.encode())):
        raise OAuthError("invalid_client", "invalid client credentials")
    return client_id, secret


def redeemed(salesforce: Salesforce, request: Request, host: str, client_id: str) -> Code:
    """A code: once, in time, at its own hosts, by its app, to its address, with its verifier."""
    code = salesforce.tokens.take_code(required(request, "code"))
    if code is None or code.grant.client_id != client_id:
        raise OAuthError("invalid_grant", "expired authorization code")
    check_host(salesforce, code.grant, host)
    if required(request, "redirect_uri") != code.redirect_uri:
        raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    verifier = request.form.get("code_verifier")
    if not verifier:
        raise OAuthError("invalid_grant", "missing required code verifier")
    if not compare_digest(base64url(hashlib.sha256(verifier.encode()).digest()), code.challenge):
        raise OAuthError("invalid_request", "invalid code verifier")
    return code


def from_refresh(salesforce: Salesforce, request: Request, host: str, client_id: str, secret: str) -> dict[str, Any]:
    """Refresh; with rotation the old token dies at once and a new one comes."""
    old = required(request, "refresh_token")
    grant = salesforce.tokens.refresh.get(old)
    if grant is None or grant.client_id != client_id:
        raise OAuthError("invalid_grant", "expired access/refresh token")
    check_host(salesforce, grant, host)
    if not salesforce.tokens.is_rotating:
        return reply_for(salesforce, grant, secret, old)
    reply = reply_for(salesforce, grant, secret, old)
    return {**reply, "refresh_token": salesforce.tokens.rotate(old)}


def check_host(salesforce: Salesforce, grant: Grant, host: str) -> None:
    """Tokens of a production org are unknown to test.salesforce.com, and to another org's own host."""
    if grant.org not in {org.host for org in salesforce.at(host)}:
        raise OAuthError("invalid_grant", "expired access/refresh token")


def reply_for(salesforce: Salesforce, grant: Grant, secret: str, refresh: str) -> dict[str, Any]:
    """The reply, signed with the app's secret."""
    found = salesforce.find_user(grant.org, grant.username)
    if found is None:
        raise OAuthError("invalid_grant", "expired access/refresh token")
    org, user = found
    if not user.get("IsActive"):
        raise OAuthError("inactive_user", "user is inactive")
    identity = f"https://{org.login_host}/id/{org.id}/{user['Id']}"
    issued_at = str(int(salesforce.world.clock.now().timestamp() * 1000))
    signed = hmac.new(secret.encode(), (identity + issued_at).encode(), hashlib.sha256).digest()
    return {
        "access_token": salesforce.tokens.new_session(grant, org.id, refresh),
        "signature": b64encode(signed).decode(),
        "scope": " ".join(grant.scopes),
        "instance_url": f"https://{org.host}",
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


def revoke(call: Call) -> Response:
    """/services/oauth2/revoke: a refresh token with its sessions, or one access token."""
    salesforce, name = salesforce_of(call.world), call.request.values.get("token", "")
    with call.world.lock:
        is_known = salesforce.tokens.revoke(name)
    if not is_known:
        return OAuthError("unsupported_token_type", "this token type is not supported").response()
    return Response(b"", 200, content_type="text/html;charset=UTF-8")


def required(request: Request, name: str) -> str:
    """A parameter that must be there."""
    value = request.form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"missing required parameter: {name}")
    return value


def username_of_form(salesforce: Salesforce, request: Request) -> str:
    """Whose code or refresh token a form carries; empty for none."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return ""
    code = salesforce.tokens.codes.get(request.form.get("code", ""))
    grant = code.grant if code else salesforce.tokens.refresh.get(request.form.get("refresh_token", ""))
    return grant.username if grant else ""
