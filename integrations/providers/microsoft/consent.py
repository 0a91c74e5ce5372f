"""OAuth at Microsoft, by its own library msal: consent, tokens, whose grant it is. Nothing ends one from here.

One msal app per operation: an app keeps the tokens of everybody it has seen.
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

import json
import re
import time
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msal
import requests
from django.conf import settings

from integrations import outbound
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.errors import BadConfig, MissingScope, Permanent, RateLimited, Temporary
from integrations.providers.microsoft import refusals
from integrations.providers.microsoft.errors import token_error

LOGIN = "https://login.microsoftonline.com"
GRAPH_SCOPE = "https://graph.microsoft.com/"
ISSUER = re.compile(rf"{re.escape(LOGIN)}/[^/]+/v2\.0")
RESERVED = frozenset({"openid", "profile", "offline_access"})
"""msal asks for these itself, and refuses to be asked for them."""
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal accounts."""
ANSWER = ("code", "state", "error", "error_description")
DISCOVERY_SECONDS = 24 * 3600

# msal advises form_post, a cross-site POST, to which browsers add no session cookie: the consent could not be claimed.
warnings.filterwarnings("ignore", message="response_mode='form_post'", module="msal")


class Login:
    """The transport as msal uses it. What tells it the addresses of the service is asked once a day by each process.

    msal would also keep refusals for a minute and give them out again, though the cause may be mended meanwhile; and an
    answer with Retry-After, whatever it holds. So it gets no memory but this one, which holds nobody's tokens.
    """

    _known: dict[str, tuple[float, requests.Response]] = {}

    def __init__(self, http: requests.Session) -> None:
        self.http = http

    def get(self, url: str, **options: Any) -> requests.Response:
        """Discovery. ``options`` are msal's, such as headers and params."""
        known = self._known.get(url)
        if known and known[0] > time.monotonic():
            return known[1]
        answer = _answered(self.http.get(url, **options))
        if not answer.ok:
            raise BadConfig(f"Microsoft does not know the organization {settings.MICROSOFT_TENANT} (MICROSOFT_TENANT).")
        if _is_configuration(answer):
            self._known[url] = time.monotonic() + DISCOVERY_SECONDS, answer
        return answer

    def post(self, url: str, **options: Any) -> requests.Response:
        """The token service."""
        return _answered(self.http.post(url, **options))

    def close(self) -> None:
        self.http.close()


def _answered(answer: requests.Response) -> requests.Response:
    """Raises Temporary, with the time Microsoft asks us to wait, where it has no answer now."""
    if answer.status_code == 429:
        raise RateLimited("Microsoft's token service asked us to slow down.", outbound.retry_after(answer.headers))
    if answer.status_code >= 500:
        raise Temporary("Microsoft's token service has trouble of its own.", outbound.retry_after(answer.headers))
    return answer


def _is_configuration(answer: requests.Response) -> bool:
    """Whether it may be kept for a day: not what a proxy put in its place."""
    try:
        return "token_endpoint" in answer.json()
    except (ValueError, TypeError, RecursionError):
        return False


class Consent:
    """The OAuth half of the provider. Accounts are keyed on tenant and object id; the address may change."""

    can_revoke = False

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun:
        """Where the browser goes, and msal's flow to keep: verifier and nonce. Consent is never forced: where an
        administrator has given it for everybody, forcing it would ask the member, who may not give it."""
        with _reading():
            flow = _app(config, http).initiate_auth_code_flow(
                _asked(scope.name for scope in wanted.service.scopes),
                redirect_uri=config.redirect_uri,
                state=wanted.state,
                prompt="select_account",
                login_hint=wanted.login_hint or None,
                claims_challenge=wanted.claims or None,
            )
        return Begun(flow["auth_uri"], json.dumps(flow))

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]:
        """Redeem a code. Raises NeedsReconnect where it was used before or is too old, Permanent where the account is
        none that this installation takes."""
        known = {name: answer[name] for name in ANSWER if name in answer}
        flow = json.loads(kept)
        with _reading():
            reply = _app(config, http).acquire_token_by_auth_code_flow(flow, known)
            return _tokens(reply, flow["scope"]), _account(reply, config)

    def refresh(
        self,
        config: ClientConfig,
        http: requests.Session,
        refresh_token: str,
        scopes: Collection[str],
        details: Mapping[str, str],
    ) -> Tokens:
        """A new access token for these permissions and no others, and a new refresh token: the old one goes on too."""
        with _reading():
            reply = _app(config, http).acquire_token_by_refresh_token(refresh_token, _asked(scopes))
            return _tokens(reply, scopes)

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """What an error in the consent's answer means; None where the engine's own words will do."""
        return refusals.meant(answer)

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str:
        """Where an administrator allows the app for his whole organization: all that members are asked for. What he is
        not asked for, not even to sign in, they could not allow where organizations let nobody allow anything.

        https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
        """
        tenant = "organizations" if settings.MICROSOFT_TENANT == "common" else settings.MICROSOFT_TENANT
        query = {
            "client_id": config.client_id,
            "scope": " ".join(
                scope.name if scope.name in RESERVED else GRAPH_SCOPE + scope.name for scope in service.scopes
            ),
            "redirect_uri": config.admin_redirect_uri,
            "state": state,
        }
        return f"{LOGIN}/{tenant}/v2.0/adminconsent?{urlencode(query)}"

    def revoke(self, config: ClientConfig, http: requests.Session, token: str, details: Mapping[str, str]) -> None:
        """Nothing: Microsoft lets an app give no consent back, and revokeSignInSessions would end all others too."""

    def is_issuer(self, issuer: str) -> bool:
        """Whether an ``iss`` in the consent's answer names Microsoft (RFC 9207)."""
        return ISSUER.fullmatch(issuer) is not None


def _app(config: ClientConfig, http: requests.Session) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        config.client_id,
        client_credential=config.client_secret,
        authority=f"{LOGIN}/{settings.MICROSOFT_TENANT}",
        http_client=Login(http),
        instance_discovery=False,
    )


def _asked(scopes: Iterable[str]) -> list[str]:
    return [name for name in scopes if name not in RESERVED]


@contextmanager
def _reading() -> Iterator[None]:
    """msal stumbles in many ways over an answer that is none, and checks that an answer belongs to its question."""
    try:
        yield
    except RuntimeError as error:
        raise Permanent("Microsoft's answer does not belong to the question that was asked.") from error
    except (msal.exceptions.MsalError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise Temporary("The answer of Microsoft's token service could not be read.") from error


def _tokens(reply: Mapping[str, Any], asked: Collection[str]) -> Tokens:
    """The token service's answer in our words: of what was granted, that which was asked for and no more.

    Microsoft adds what the account allowed this app before, and may spell permissions in full or in another case.
    """
    if "error" in reply:
        raise token_error(reply)
    if not reply.get("access_token"):
        raise Temporary("Microsoft's token service sent no access token.")
    said = {name.lower().removeprefix(GRAPH_SCOPE) for name in str(reply.get("scope", "")).split()}
    # These show in what came, whatever the list says: an ID token, and a refresh token.
    said |= {"openid", "profile"} if reply.get("id_token_claims") else set()
    said |= {"offline_access"} if reply.get("refresh_token") else set()
    return Tokens(
        access_token=str(reply["access_token"]),
        refresh_token=reply.get("refresh_token"),
        expires_at=datetime.now(UTC) + timedelta(seconds=float(reply.get("expires_in", 3600))),
        scopes=tuple(sorted(name for name in {*asked, *RESERVED} if name.lower() in said)),
    )


def _account(reply: Mapping[str, Any], config: ClientConfig) -> Account:
    """Whose grant it is, by the ID token, which came straight from Microsoft: msal checks its nonce and no more.

    Raises MissingScope where it does not say, Permanent where the account is none that this installation takes.
    """
    claims = reply.get("id_token_claims") or {}
    tenant, person = str(claims.get("tid") or ""), str(claims.get("oid") or "")
    if not tenant or not person or claims.get("aud") != config.client_id:
        raise MissingScope("Microsoft did not say which account this is.")
    address = str(claims.get("preferred_username") or claims.get("email") or claims.get("name") or "").lower()
    is_taken = {"common": True, "organizations": tenant != PERSONAL}.get(
        settings.MICROSOFT_TENANT, tenant == settings.MICROSOFT_TENANT
    )
    if not is_taken:
        raise Permanent(f"This installation does not take {address or 'this account'}: choose your account at work.")
    return Account(id=f"{person}.{tenant}", address=address)
