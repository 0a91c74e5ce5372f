"""OAuth at Salesforce: consent at the host that was chosen, tokens, whose they are, and their end.

Tokens come without an end of their own: an organization decides how long a session lasts, and a refused request is how
one learns that it is over. Whoever logs in somewhere is refreshed there; calls go to the ``instance_url`` of the newest
answer. https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Mapping
from typing import Any

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from integrations import outbound
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.errors import IntegrationError, MissingScope, Permanent, Temporary
from integrations.providers.salesforce import hosts
from integrations.providers.salesforce.errors import CONSENT_ERRORS, token_error
from integrations.providers.salesforce.offers import LOGIN_HOST

API_VERSION = "62.0"
INSTANCE_URL = "instance_url"
IDENTITY = re.compile(r"https://[^/]+/id/(00D\w{12}(?:\w{3})?)/(005\w{12}(?:\w{3})?)", re.ASCII)
ORGANIZATION = "SELECT Id, Name, IsSandbox FROM Organization"
ALIASES = {"full": ("api", "id"), "offline_access": ("refresh_token",), "openid": ("id",)}
"""Permissions that hold others."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def to18(record_id: str) -> str:
    """A record's id as 18 characters: the last three say which of the others are capitals."""
    if len(record_id) != 15:
        return record_id
    parts = (record_id[start : start + 5] for start in (0, 5, 10))
    return record_id + "".join(LETTERS[sum(1 << n for n, one in enumerate(part) if one.isupper())] for part in parts)


class Consent:
    """The OAuth half of the provider. Accounts are organizations; their names may change."""

    can_revoke = True

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun:
        """Where the browser goes for consent; the host and PKCE's verifier are kept. One logs in anew: what is linked
        is the company's, and should not be whoever happens to be logged in. Raises Unusable for a host that is none."""
        host = hosts.login(wanted.options.get(LOGIN_HOST, hosts.PRODUCTION))
        oauth = OAuth2Session(config.client_id, redirect_uri=config.redirect_uri, code_challenge_method="S256")
        verifier = secrets.token_urlsafe(64)
        url, _ = oauth.create_authorization_url(
            f"https://{host}/services/oauth2/authorize",
            state=wanted.state,
            code_verifier=verifier,
            scope=" ".join(scope.name for scope in wanted.service.scopes),
            prompt="login consent",
        )
        return Begun(url, json.dumps({"host": host, "verifier": verifier}))

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]:
        """Redeem a code, and learn whose organization it is. Raises NeedsReconnect where it was used or is too old."""
        begun = json.loads(kept)
        host = hosts.login(begun["host"])
        fields = {"code": answer.get("code", ""), "code_verifier": begun["verifier"]}
        reply = _asked(config, http, host, "authorization_code", fields)
        _check_signature(reply, config.client_secret)
        granted = _tokens(reply)
        details = {LOGIN_HOST: host, **granted.details}
        if INSTANCE_URL not in details:
            raise Permanent("Salesforce named no address of the organization that we may talk to.")
        org_id, user_id = _identity(reply)
        account, known = _organization(http, details[INSTANCE_URL], granted.access_token, org_id)
        details |= known | {"user_id": user_id}
        return Tokens(granted.access_token, granted.refresh_token, None, granted.scopes, details), account

    def refresh(
        self,
        config: ClientConfig,
        http: requests.Session,
        refresh_token: str,
        scopes: Collection[str],
        details: Mapping[str, str],
    ) -> Tokens:
        """A new access token, from the host where one logged in. Where the app rotates refresh tokens a new one comes
        with it, and the old one ends at once. Permissions are never named: Salesforce refuses them here."""
        host = _host(details)
        return _tokens(_asked(config, http, host, "refresh_token", {"refresh_token": refresh_token}))

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None:
        """What an error in the consent's answer means; None where the engine's own words will do."""
        return CONSENT_ERRORS.get(answer.get("error", ""))

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str:
        """None: an administrator allows an app in Setup, and nobody can send him there."""
        return ""

    def revoke(self, config: ClientConfig, http: requests.Session, token: str, details: Mapping[str, str]) -> None:
        """End the grant where it was given. A token that is already dead counts as revoked."""
        answer = http.post(f"https://{_host(details)}/services/oauth2/revoke", data={"token": token})
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Temporary("Salesforce did not confirm the revocation.", outbound.retry_after(answer.headers))

    def is_issuer(self, issuer: str) -> bool:
        """Whether an ``iss`` in the consent's answer names a host of Salesforce (RFC 9207)."""
        host = issuer.removeprefix("https://")
        return issuer.startswith("https://") and (host in {hosts.PRODUCTION, hosts.SANDBOX} or hosts.is_own(host))


def _host(details: Mapping[str, str]) -> str:
    """Where one logged in. Raises Permanent for anything that is no host of Salesforce."""
    return hosts.login(details.get(LOGIN_HOST, hosts.PRODUCTION))


def _asked(
    config: ClientConfig, http: requests.Session, host: str, grant_type: str, fields: Mapping[str, str]
) -> dict[str, Any]:
    """The token service's answer. No scope is given to the session: it would send it, and Salesforce refuses that."""
    url = f"https://{host}/services/oauth2/token"
    oauth = OAuth2Session(
        config.client_id,
        config.client_secret,
        redirect_uri=config.redirect_uri,
        token_endpoint_auth_method="client_secret_post",  # noqa: S106
    )
    outbound.adopt(oauth, http.get_adapter(url))  # type: ignore[arg-type]
    try:
        if grant_type == "refresh_token":
            return dict(oauth.refresh_token(url, **fields))
        return dict(oauth.fetch_token(url, grant_type=grant_type, **fields))
    except OAuthError as error:
        raise token_error(str(error.error), str(error.description or "")) from error
    except requests.HTTPError as error:
        raise Temporary("Salesforce's token service has trouble of its own.") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # authlib expects an object of plain values, and stumbles over anything else.
        raise Temporary("The answer of Salesforce's token service could not be read.") from error


def _tokens(reply: Mapping[str, Any]) -> Tokens:
    """The token service's answer in our words. Raises Temporary where it holds no token.

    An ``instance_url`` that is no organization's is left out: the stored one goes on, and a refresh token that was
    just rotated is not lost over it.
    """
    if not reply.get("access_token"):
        raise Temporary("Salesforce's token service sent no access token.")
    said = set(str(reply.get("scope", "")).split())
    said |= {held for name in said for held in ALIASES.get(name, ())}
    said |= {"refresh_token"} if reply.get("refresh_token") else set()
    instance_url = hosts.instance(reply.get("instance_url"))
    return Tokens(
        access_token=str(reply["access_token"]),
        # authlib hands the old refresh token back where the reply has none; storing it again changes nothing.
        refresh_token=reply.get("refresh_token"),
        expires_at=None,
        scopes=tuple(sorted(said)),
        details={INSTANCE_URL: instance_url} if instance_url else {},
    )


def _check_signature(reply: Mapping[str, Any], secret: str) -> None:
    """Where the answer is signed, it is signed with our secret: else it was put together by somebody else."""
    signature = reply.get("signature")
    if not signature:
        return
    signed = f"{reply.get('id', '')}{reply.get('issued_at', '')}".encode()
    made = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
    if not hmac.compare_digest(made, str(signature).encode()):
        raise Permanent("The answer of Salesforce's token service does not bear its signature.")


def _identity(reply: Mapping[str, Any]) -> tuple[str, str]:
    """The organization's and the user's id, 18 characters each. Raises MissingScope where the answer names none."""
    found = IDENTITY.fullmatch(str(reply.get("id", "")))
    if found is None:
        raise MissingScope("Salesforce did not say which organization this is.")
    return to18(found[1]), to18(found[2])


def _organization(http: requests.Session, instance_url: str, token: str, org_id: str) -> tuple[Account, dict[str, str]]:
    """Which organization answers at that address, and what it says of itself. Raises Permanent where it is not the one
    that the grant is for."""
    answer = http.get(
        f"{instance_url}/services/data/v{API_VERSION}/query",
        params={"q": ORGANIZATION},
        headers={"Authorization": f"Bearer {token}"},
    )
    if not answer.ok:
        raise _unanswered(answer)
    try:
        row = answer.json()["records"][0]
        found, name, is_sandbox = to18(str(row["Id"])), str(row["Name"]), bool(row["IsSandbox"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Temporary("Salesforce did not say which organization this is.") from error
    if found != org_id:
        raise Permanent("Salesforce named one organization, and another one answered.")
    # Its administrator wrote it, and it is stored: no NUL, no half of a character.
    name = name.replace("\0", "").encode("utf-8", "replace").decode()
    host = instance_url.removeprefix("https://")
    known = {"account_name": name, "is_sandbox": "1" if is_sandbox else ""}
    return Account(id=org_id, address=f"{name} ({host})"), known


def _unanswered(answer: requests.Response) -> IntegrationError:
    """Why the organization did not say its name: its edition may have no API, or the user may not use it."""
    if answer.status_code == 403:
        return MissingScope(
            "This Salesforce user may not use the API, or this edition has none. Give the user the permission “API "
            "Enabled”, then start again."
        )
    return Temporary("Salesforce did not say which organization this is.", outbound.retry_after(answer.headers))
