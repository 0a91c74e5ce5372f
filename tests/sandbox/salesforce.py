"""Orgs of the pretend Salesforce, and who works with them: authlib signs in, simple-salesforce does the rest."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from tests.sandbox.person import REDIRECT, Json, Scene

FIXTURES = Path(__file__).parent.parent / "fixtures" / "salesforce"
HOST = "acme.my.salesforce.com"
LOGIN = "login.salesforce.com"
ANNA, BEN = "anna@acme.example", "ben@acme.example"
SCOPE = "api refresh_token id"
APP = ("app-1", "secret-1")
KEY = "LPxGP_Sync_Id__c"
KEY_METADATA = {"label": "LPxGP Sync Id", "type": "Text", "length": 64, "externalId": True, "unique": True}


class Downgrade(HTTPAdapter):
    """Takes requests for the real hosts to the sandbox. The client cannot be told otherwise to speak plain http."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        there = urlsplit(request.url or "")
        path = f"/salesforce/{there.netloc}{there.path}"
        request.url = urlunsplit((self._url.scheme, self._url.netloc, path, there.query, ""))
        kwargs["timeout"] = kwargs.get("timeout") or 20
        return super().send(request, *args, **kwargs)


def recorded(name: str) -> Any:
    """A recorded body."""
    return json.loads((FIXTURES / name).read_text())


def rerouted(session: Any, url: str) -> Any:
    """A session whose https requests come to the sandbox."""
    session.trust_env = False
    session.mount("https://", Downgrade(url))
    return session


@dataclass
class Lab:
    """Acme's org with Anna, an administrator, and Ben."""

    scene: Scene
    org: Json

    def order(self, path: str, **body: Any) -> Json:
        """An order to the control API about Acme."""
        return self.scene.post(f"salesforce/{path}", **({"org": HOST} | body))

    def create(self, name: str, *records: Json, **more: Any) -> list[str]:
        """Records made by a person; their ids."""
        ids: list[str] = self.order("records", object=name, records=list(records), **more)["ids"]
        return ids

    def shown(self, name: str, record_id: str = "", **more: str) -> list[Json]:
        """Records with every field, past all permissions."""
        asked = "&".join(f"{key}={value}" for key, value in {"object": name, "id": record_id, **more}.items())
        records: list[Json] = self.scene.get(f"salesforce/records?org={HOST}&{asked}")["records"]
        return records

    def oauth(self, **more: Any) -> OAuth2Session:
        """authlib as the product uses it: the scope is not the session's."""
        options = {"redirect_uri": REDIRECT, "code_challenge_method": "S256"} | more
        made = OAuth2Session(*APP, token_endpoint_auth_method="client_secret_post", **options)
        found: OAuth2Session = rerouted(made, self.scene.url)
        return found

    def consent(self, host: str, address: str, username: str, **form: str) -> requests.Response:
        """Open the page at a host and answer it as a person; the redirect, or the page."""
        there = urlsplit(address)
        page = f"{self.scene.url}/salesforce/{there.netloc}{there.path}?{there.query}"
        assert there.netloc == host
        shown = self.scene.http.get(page, timeout=20, allow_redirects=False)
        if shown.status_code != 200:
            return shown
        return self.scene.http.post(page, data={"account": username, **form}, timeout=20, allow_redirects=False)

    def token(self, username: str = ANNA, host: str = LOGIN, scope: str = SCOPE, verifier: str = "v" * 50) -> Json:
        """The whole of sign-in; the token reply."""
        session = self.oauth()
        address, _ = session.create_authorization_url(
            f"https://{host}/services/oauth2/authorize", scope=scope, code_verifier=verifier
        )
        back = self.consent(host, address, username).headers["Location"]
        reply: Json = dict(
            session.fetch_token(
                f"https://{host}/services/oauth2/token", authorization_response=back, code_verifier=verifier
            )
        )
        return reply

    def client(self, username: str = ANNA, token: str = "") -> Any:
        """simple-salesforce, as it comes, for a freshly linked user. Its own types know none of its objects."""
        access = token or self.token(username)["access_token"]
        session = rerouted(requests.Session(), self.scene.url)
        return Salesforce(instance_url=f"https://{HOST}", session_id=access, session=session, version="62.0")

    def add_key(self, *names: str) -> None:
        """The key that records are known by on both sides."""
        for name in names:
            self.order("fields", field=f"{name}.{KEY}", metadata=KEY_METADATA)


def acme(scene: Scene) -> Lab:
    """A fresh org in a sandbox."""
    users = [{"username": ANNA, "name": "Anna Ash"}, {"username": BEN, "name": "Ben Busch", "profile": "Standard User"}]
    return Lab(scene, scene.post("salesforce/orgs", org="acme", name="Acme Capital", users=users))


@contextmanager
def refusal(status: int, code: str = "") -> Iterator[list[Json]]:
    """A call is refused with a status and a code; the errors are put into the list."""
    found: list[Json] = []
    with pytest.raises(SalesforceError) as caught:
        yield found
    assert caught.value.status == status, caught.value
    # The client says bytes; it is the list of errors, or a text where that is no JSON.
    content: Any = caught.value.content
    found += content
    assert not code or found[0]["errorCode"] == code, found
