"""Google: OAuth, its API client over our transport, how it signs a push, how it says an error.

https://developers.google.com/identity/protocols/oauth2/web-server
https://developers.google.com/workspace/calendar/api/guides/push
https://developers.google.com/workspace/calendar/api/guides/errors
"""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httplib2
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from integrations import outbound
from integrations.contract import Account, Claim, ClientConfig, IncomingRequest, Notice, Scope, Service, Tokens
from integrations.errors import (
    BadConfig,
    CursorExpired,
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    Refused,
    ResourceGone,
    Temporary,
    TokenRefused,
)

AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105
REVOKE_URL = "https://oauth2.googleapis.com/revoke"
USERINFO_URL = "https://openidconnect.googleapis.com/v1/userinfo"
ISSUER = "https://accounts.google.com"

CALENDAR = Service(
    type="calendar",
    label="Google Calendar",
    adapter="integrations.calendar.google",
    scopes=(
        Scope("openid", "Know which Google account this is"),
        Scope("https://www.googleapis.com/auth/userinfo.email", "Show its address to you"),
        Scope("https://www.googleapis.com/auth/calendar.events.readonly", "Read the events of your calendars"),
        Scope(
            "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
            "List your calendars, so that you can choose among them",
            is_required=False,
        ),
    ),
    reads=(
        "Title, time, place, guests and their answers of events in the calendars you choose",
        "90 days back and 60 days ahead",
    ),
    never_reads=(
        "Descriptions and attachments of events",
        "Events you marked private: only that there is one, not what it is",
        "Anything in your mailbox",
    ),
    webhook_type="calendar-event",
    provider_page="https://myaccount.google.com/connections",
)

OAUTH_ERRORS: dict[str, tuple[type[IntegrationError], str]] = {
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

API_ERRORS: dict[str, tuple[type[IntegrationError], str]] = {
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
    "forbidden": (Permanent, "Google refuses access to this calendar."),
    "accessNotConfigured": (BadConfig, "The Google Calendar API is not switched on for this installation's project."),
}
LONG_WAITS = {"quotaExceeded": 3600.0, "dailyLimitExceeded": 3600.0}

PUSH_HEADERS = (
    "x-goog-channel-id",
    "x-goog-message-number",
    "x-goog-resource-id",
    "x-goog-resource-state",
    "x-goog-resource-uri",
    "x-goog-channel-expiration",
)


class RequestsHttp:
    """Lets Google's typed client send through a requests session: our transport, time limits and allow-list."""

    def __init__(self, http: requests.Session) -> None:
        self.http = http

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        """One request, as httplib2 would make it. Raises what the transport raises."""
        answer = self.http.request(method, uri, data=body, headers=dict(headers or {}), allow_redirects=False)
        response = httplib2.Response({name.lower(): value for name, value in answer.headers.items()})
        response.status, response.reason, response["status"] = (
            answer.status_code,
            answer.reason,
            str(answer.status_code),
        )
        return response, answer.content

    def close(self) -> None:
        self.http.close()


@cache
def api(name: str, version: str) -> Any:
    """Google's own client for one of its APIs, built once from the document it ships with: no network is used.

    It makes requests and sends none: ``run`` sends each through the session of whoever asks, so threads may share it.
    """
    document = json.loads(discovery_cache.get_static_doc(name, version))
    document.pop("mtlsRootUrl", None)
    return build_from_document(document, http=RequestsHttp(outbound.session(hosts=())))


def run(request: Any, http: requests.Session) -> dict[str, Any]:
    """Execute one request of Google's client and say its errors in our words."""
    try:
        answer = request.execute(http=RequestsHttp(http))
    except HttpError as error:
        raise translated(error) from error
    except ValueError as error:
        raise Temporary("Google's answer could not be read as JSON.") from error
    if not isinstance(answer, dict):
        return {}
    return answer


def translated(error: HttpError) -> IntegrationError:
    """Google's error as one of ours, by its reason, else by its HTTP status."""
    wait = outbound.retry_after(error.resp)
    reason = _reason(error)
    known = API_ERRORS.get(reason)
    if known is None and error.status_code == 400 and "sync token" in str(error.reason).lower():
        known = API_ERRORS["fullSyncRequired"]
    if known is None:
        known = _by_status(error.status_code)
    kind, message = known
    if issubclass(kind, Temporary):
        return kind(message, wait if wait is not None else LONG_WAITS.get(reason))
    return kind(message)


def _by_status(status: int) -> tuple[type[IntegrationError], str]:
    if status == 401:
        return API_ERRORS["authError"]
    if status == 404:
        return API_ERRORS["notFound"]
    if status == 410:
        return API_ERRORS["fullSyncRequired"]
    if status == 429:
        return API_ERRORS["rateLimitExceeded"]
    if status >= 500:
        return Temporary, f"Google has trouble of its own (HTTP {status})."
    return Permanent, f"Google refused the request (HTTP {status})."


def _reason(error: HttpError) -> str:
    """The machine-readable reason: ``error_details`` may be a list of objects, a string, or absent."""
    details = error.error_details
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict) and detail.get("reason"):
                return str(detail["reason"])
    return ""


class Google:
    """The provider. Accounts are keyed on ``sub``; the address may change."""

    slug = "google"
    label = "Google"
    hosts = (
        "accounts.google.com",
        "oauth2.googleapis.com",
        "www.googleapis.com",
        "openidconnect.googleapis.com",
    )
    consent_origins = (ISSUER,)
    services = (CALENDAR,)

    def authorize_url(
        self, config: ClientConfig, service: Service, state: str, verifier: str, login_hint: str, force_consent: bool
    ) -> str:
        """Where the browser goes for consent. Without ``access_type=offline`` Google gives no refresh token, and
        without ``prompt=consent`` only on the first consent ever; the union with other grants is never asked for."""
        oauth = OAuth2Session(config.client_id, redirect_uri=config.redirect_uri, code_challenge_method="S256")
        extra = {"login_hint": login_hint} if login_hint else {}
        url, _ = oauth.create_authorization_url(
            AUTHORIZE_URL,
            state=state,
            code_verifier=verifier,
            scope=" ".join(scope.name for scope in service.scopes),
            access_type="offline",
            include_granted_scopes="false",
            prompt="consent" if force_consent else "select_account",
            **extra,
        )
        return url

    def exchange(self, config: ClientConfig, http: requests.Session, code: str, verifier: str) -> Tokens:
        """Redeem a code. Raises NeedsReconnect where it was used before or is too old."""
        return self._token(config, http, grant_type="authorization_code", code=code, code_verifier=verifier)

    def refresh(self, config: ClientConfig, http: requests.Session, refresh_token: str) -> Tokens:
        """A new access token. The reply mostly has no refresh token: the old one goes on."""
        return self._token(config, http, grant_type="refresh_token", refresh_token=refresh_token)

    def _token(self, config: ClientConfig, http: requests.Session, grant_type: str, **fields: str) -> Tokens:
        oauth = OAuth2Session(
            config.client_id,
            config.client_secret,
            redirect_uri=config.redirect_uri,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106
        )
        outbound.adopt(oauth, http.get_adapter(TOKEN_URL))  # type: ignore[arg-type]
        try:
            if grant_type == "refresh_token":
                answer = oauth.refresh_token(TOKEN_URL, **fields)
            else:
                answer = oauth.fetch_token(TOKEN_URL, grant_type=grant_type, **fields)
            return _tokens(answer)
        except OAuthError as error:
            kind, message = OAUTH_ERRORS.get(
                str(error.error), (Permanent, f"Google refused ({str(error.error)[:80]}).")
            )
            raise kind(message) from error
        except requests.HTTPError as error:
            raise Temporary("Google's token service has trouble of its own.") from error
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            # authlib expects an object of plain values, and stumbles over anything else.
            raise Temporary("The answer of Google's token service could not be read.") from error

    def account(self, http: requests.Session, access_token: str) -> Account:
        """Whose grant it is, from the OpenID Connect user-info address."""
        answer = http.get(USERINFO_URL, headers={"Authorization": f"Bearer {access_token}"})
        if answer.status_code >= 500:
            raise Temporary("Google did not say which account this is.")
        try:
            claims = answer.json()
            return Account(id=str(claims["sub"]), address=str(claims.get("email", "")).lower())
        except (ValueError, KeyError, TypeError) as error:
            raise MissingScope("Google did not say which account this is.") from error

    def revoke(self, http: requests.Session, token: str) -> None:
        """End the grant at Google. A token that is already dead counts as revoked."""
        answer = http.post(REVOKE_URL, data={"token": token})
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Temporary("Google did not confirm the revocation.", outbound.retry_after(answer.headers))

    def is_issuer(self, issuer: str) -> bool:
        """Whether an ``iss`` in the consent's answer names Google (RFC 9207)."""
        return issuer in {ISSUER, "accounts.google.com"}

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether a push is Google Calendar's: it has no body, all it says is in these headers."""
        return "x-goog-channel-id" in request.headers

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> Claim:
        """Google signs nothing: the channel's secret, given when the channel was opened, proves the sender."""
        channel_id = request.headers.get("x-goog-channel-id", "")
        token = request.headers.get("x-goog-channel-token", "")
        if not channel_id or not token or not is_signed(channel_id, token):
            raise Refused("The channel token is missing or wrong.")
        number = request.headers.get("x-goog-message-number", "")
        return Claim(
            dedupe_key=f"{channel_id}:{number or uuid.uuid4()}",
            headers={name: request.headers[name] for name in PUSH_HEADERS if name in request.headers},
            channel_id=channel_id,
            resource_id=request.headers.get("x-goog-resource-id", ""),
        )

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """``sync`` opens a channel; ``exists`` and ``not_exists`` say that something changed, never what."""
        state = headers.get("x-goog-resource-state", "")
        if state in {"exists", "not_exists"}:
            return Notice(is_change=True, detail="Something changed in the calendar.")
        if state == "sync":
            return Notice(is_change=False, detail="Google confirmed that it will push.")
        return Notice(is_change=False, detail=f"Google sent the state {state[:40]!r}, which means nothing to us.")


def _tokens(answer: Mapping[str, Any]) -> Tokens:
    """The token service's answer in our words. Raises Temporary where it holds no token."""
    if not answer.get("access_token"):
        raise Temporary("Google's token service sent no access token.")
    return Tokens(
        access_token=answer["access_token"],
        # authlib hands the old refresh token back where the reply has none; storing it again changes nothing.
        refresh_token=answer.get("refresh_token"),
        expires_at=datetime.now(UTC) + timedelta(seconds=float(answer.get("expires_in", 3600))),
        scopes=tuple(str(answer.get("scope", "")).split()),
    )


provider = Google()
