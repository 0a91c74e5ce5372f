"""OAuth at Google: consent, tokens, whose grant it is, and its end.

https://developers.google.com/identity/protocols/oauth2/web-server
"""

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from integrations import outbound
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.errors import MissingScope, Permanent, Temporary
from integrations.providers.google import offers
from integrations.providers.google.errors import OAUTH_ERRORS

AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105
REVOKE_URL = "https://oauth2.googleapis.com/revoke"
USERINFO_URL = "https://openidconnect.googleapis.com/v1/userinfo"
ISSUER = "https://accounts.google.com"
ISSUERS = frozenset({ISSUER, "accounts.google.com"})


class Consent:
    """The OAuth half of the provider. Accounts are keyed on ``sub``; the address may change."""

    can_revoke = True

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun:
        """Where the browser goes for consent; PKCE's verifier is kept. Without ``access_type=offline`` Google gives no
        refresh token, and without ``prompt=consent`` only on the first consent ever; the union with other grants is
        never asked for."""
        oauth = OAuth2Session(config.client_id, redirect_uri=config.redirect_uri, code_challenge_method="S256")
        extra = {"login_hint": wanted.login_hint} if wanted.login_hint else {}
        verifier = secrets.token_urlsafe(64)
        url, _ = oauth.create_authorization_url(
            AUTHORIZE_URL,
            state=wanted.state,
            code_verifier=verifier,
            scope=" ".join(scope.name for scope in wanted.service.scopes),
            access_type="offline",
            include_granted_scopes="false",
            prompt="consent" if wanted.force_consent else "select_account",
            **extra,
        )
        return Begun(url, verifier)

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]:
        """Redeem a code, and learn whose it is. Raises NeedsReconnect where it was used before or is too old, Permanent
        where the answer holds both permissions of mail: Google would treat them as the lesser one."""
        code = answer.get("code", "")
        granted = self._token(config, http, grant_type="authorization_code", code=code, code_verifier=kept)
        if offers.is_mixed(granted.scopes):
            raise Permanent(
                "Google gave two permissions for mail at once (gmail.readonly and gmail.metadata), and would treat "
                f"them as the lesser one. Remove this app at {offers.CONNECTIONS_PAGE} first."
            )
        return granted, self._account(http, granted.access_token)

    def refresh(
        self,
        config: ClientConfig,
        http: requests.Session,
        refresh_token: str,
        scopes: Collection[str],
        details: Mapping[str, str],
    ) -> Tokens:
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

    def _account(self, http: requests.Session, access_token: str) -> Account:
        """Whose grant it is, from the OpenID Connect user-info address."""
        answer = http.get(USERINFO_URL, headers={"Authorization": f"Bearer {access_token}"})
        if answer.status_code >= 500:
            raise Temporary("Google did not say which account this is.")
        try:
            claims = answer.json()
            return Account(id=str(claims["sub"]), address=str(claims.get("email", "")).lower())
        except (ValueError, KeyError, TypeError) as error:
            raise MissingScope("Google did not say which account this is.") from error

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """Nothing to add: Google shows most of its refusals itself, and sends the browser back with plain ones."""
        return None

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str:
        """None: a Workspace administrator allows an app in the Admin console, and nobody can send him there."""
        return ""

    def revoke(self, config: ClientConfig, http: requests.Session, token: str, details: Mapping[str, str]) -> None:
        """End the grant at Google. A token that is already dead counts as revoked."""
        answer = http.post(REVOKE_URL, data={"token": token})
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Temporary("Google did not confirm the revocation.", outbound.retry_after(answer.headers))

    def is_issuer(self, issuer: str) -> bool:
        """Whether an ``iss`` in the consent's answer names Google (RFC 9207)."""
        return issuer in ISSUERS


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
