"""OAuth at HubSpot: consent, tokens of half an hour, whose they are, and their end.

Client id and secret stand in the body. https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/oauth
"""

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import requests
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from integrations import outbound
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.errors import MissingScope, RateLimited, Temporary
from integrations.providers.hubspot import offers, paths
from integrations.providers.hubspot.errors import token_error
from integrations.providers.hubspot.paths import API, APP, AUTHORIZE

LIVES_SECONDS = 1800.0
TEST_ACCOUNTS = frozenset({"SANDBOX", "DEVELOPER_TEST", "STANDARD_TEST", "APP_DEVELOPER"})
V1_REFRESH_TOKENS = f"{API}/oauth/v1/refresh-tokens"


class Consent:
    """The OAuth half of the provider. Accounts are portals, by their hub id; their domains may change."""

    can_revoke = True

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun:
        """Where the browser goes for consent, which lets one choose the account; PKCE's verifier is kept."""
        verifier = secrets.token_urlsafe(64)
        query = {
            "client_id": config.client_id,
            "redirect_uri": config.redirect_uri,
            "scope": " ".join(offers.REQUIRED),
            "optional_scope": " ".join(offers.OPTIONAL),
            "state": wanted.state,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        # A space is %20: HubSpot takes a plus for a part of the name.
        return Begun(f"{AUTHORIZE}?{urlencode(query, quote_via=quote)}", verifier)

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]:
        """Redeem a code, and learn whose account it is. Raises NeedsReconnect where it was used or is too old."""
        fields = {
            "grant_type": "authorization_code",
            "redirect_uri": config.redirect_uri,
            "code": answer.get("code", ""),
            "code_verifier": kept,
        }
        reply = _token(config, http, fields)
        about = reply | _introspected(config, http, str(reply["access_token"]))
        account, details = _account(http, str(reply["access_token"]), about)
        return _tokens(about, details), account

    def refresh(
        self,
        config: ClientConfig,
        http: requests.Session,
        refresh_token: str,
        scopes: Collection[str],
        details: Mapping[str, str],
    ) -> Tokens:
        """A new access token, and the refresh token that goes on."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return _tokens(_token(config, http, fields), {})

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """Nothing to add: HubSpot shows its refusals itself, and sends the browser back with plain ones."""
        return None

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str:
        """None: whoever may install apps in the account consents himself."""
        return ""

    def revoke(self, config: ClientConfig, http: requests.Session, token: str, details: Mapping[str, str]) -> None:
        """End the refresh token; access tokens live half an hour at most. The app stays listed in the account until it
        is removed there. A token that is already dead counts as revoked."""
        path = paths.current().revoke
        if path:
            fields = _client(config) | {"token": token, "token_type_hint": "refresh_token"}
            answer = http.post(f"{API}{path}", data=fields)
        else:
            answer = http.delete(f"{V1_REFRESH_TOKENS}/{quote(token, safe='')}")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Temporary("HubSpot did not confirm the revocation.", outbound.retry_after(answer.headers))

    def is_issuer(self, issuer: str) -> bool:
        """Whether an ``iss`` in the consent's answer names HubSpot (RFC 9207)."""
        return issuer == APP


def _client(config: ClientConfig) -> dict[str, str]:
    return {"client_id": config.client_id, "client_secret": config.client_secret}


def _token(config: ClientConfig, http: requests.Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """The token service's answer. Raises Temporary where it holds no token."""
    answer = http.post(f"{API}{paths.current().token}", data=_client(config) | dict(fields))
    body = _object(answer, "HubSpot's token service")
    if not answer.ok:
        raise token_error(body)
    if not body.get("access_token"):
        raise Temporary("HubSpot's token service sent no access token.")
    return body


def _introspected(config: ClientConfig, http: requests.Session, token: str) -> dict[str, Any]:
    """What HubSpot knows of the token: account, domain, permissions, user and app. Nothing in the older generation,
    which wants the token in the address."""
    path = paths.current().introspect
    if not path:
        return {}
    fields = _client(config) | {"token": token, "token_type_hint": "access_token"}
    answer = http.post(f"{API}{path}", data=fields)
    body = _object(answer, "HubSpot")
    if not answer.ok:
        raise token_error(body)
    if body.get("active") is False:
        raise Temporary("HubSpot does not know the access token yet that it just gave.")
    wanted = ("hub_id", "hub_domain", "scopes", "user_id", "user", "app_id")
    return {name: body[name] for name in wanted if body.get(name)}


def _account(http: requests.Session, token: str, about: Mapping[str, Any]) -> tuple[Account, dict[str, str]]:
    """Which account it is: its number, and its domain as its name. Raises MissingScope where nobody says."""
    answer = http.get(f"{API}{paths.current().account}", headers={"Authorization": f"Bearer {token}"})
    known = _object(answer, "HubSpot") if answer.ok else {}
    if not answer.ok and (answer.status_code >= 500 or not about.get("hub_id")):
        raise Temporary("HubSpot did not say which account this is.", outbound.retry_after(answer.headers))
    hub_id = str(about.get("hub_id") or known.get("portalId") or "")
    if not hub_id.isdecimal() or (known.get("portalId") and str(known["portalId"]) != hub_id):
        raise MissingScope("HubSpot did not say which account this is.")
    domain = str(about.get("hub_domain") or "")
    details = {
        "account_name": domain or f"HubSpot {hub_id}",
        "ui_domain": str(known.get("uiDomain") or ""),
        "is_sandbox": "1" if known.get("accountType") in TEST_ACCOUNTS else "",
        "user_id": str(about.get("user_id") or ""),
        "app_id": str(about.get("app_id") or ""),
    }
    return Account(id=hub_id, address=f"{domain} (account {hub_id})" if domain else f"account {hub_id}"), details


def _tokens(reply: Mapping[str, Any], details: Mapping[str, str]) -> Tokens:
    """The token service's answer in our words."""
    scopes, lives = reply.get("scopes"), reply.get("expires_in")
    seconds = float(lives) if isinstance(lives, int | float) and 0 < lives < 10**6 else LIVES_SECONDS
    return Tokens(
        access_token=str(reply["access_token"]),
        refresh_token=str(reply.get("refresh_token") or "") or None,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
        scopes=tuple(sorted(map(str, scopes))) if isinstance(scopes, list) else (),
        details=details,
    )


def _object(answer: requests.Response, who: str) -> dict[str, Any]:
    """The JSON object that came. Raises Temporary where there is none, or where it is to be asked for later."""
    if answer.status_code == 429:
        raise RateLimited(f"{who} asked us to slow down.", outbound.retry_after(answer.headers))
    if answer.status_code >= 500:
        raise Temporary(f"{who} has trouble of its own.", outbound.retry_after(answer.headers))
    try:
        body = answer.json()
    except (ValueError, RecursionError) as error:
        raise Temporary(f"The answer of {who} could not be read.") from error
    if not isinstance(body, dict):
        raise Temporary(f"The answer of {who} could not be read.")
    return body
