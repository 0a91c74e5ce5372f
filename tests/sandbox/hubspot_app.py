"""An app that is installed in the pretend HubSpot with authlib, and calls its API with HubSpot's own client."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hubspot
import requests
from authlib.integrations.requests_client import OAuth2Session
from hubspot.utils.oauth import get_auth_url

from tests.sandbox.person import Json, Scene, pkce, redirected

REDIRECT = "http://127.0.0.1:9/oauth/callback/google"
CLIENT, SECRET = "app-1", "0c0ffee0-0000-4000-8000-000000000001"
REAL_APP = "https://app.hubspot.com"
SCOPES = (
    "oauth",
    *(
        f"crm.{part}.{kind}.{access}"
        for part in ("objects", "schemas")
        for kind in ("contacts", "companies")
        for access in ("read", "write")
    ),
    "crm.objects.owners.read",
)
FIXTURES = Path(__file__).parent.parent / "fixtures" / "hubspot"


@dataclass
class App:
    """One app at one portal. ``version`` is that of the token endpoint."""

    scene: Scene
    portal: int
    client_id: str = CLIENT
    secret: str = SECRET
    version: str = "v1"

    @property
    def api_url(self) -> str:
        return f"{self.scene.url}/hubspot-api"

    def control(self, path: str, **body: Any) -> Json:
        """An order below /control/hubspot/, for the portal."""
        return self.scene.post(f"hubspot/{path}", portal=self.portal, **body)

    def session(self) -> OAuth2Session:
        session = OAuth2Session(
            self.client_id,
            self.secret,
            redirect_uri=REDIRECT,
            token_endpoint_auth_method="client_secret_post",
            code_challenge_method="S256",
        )
        session.trust_env = False
        return session

    def page(
        self, *, optional: tuple[str, ...] = (), scopes: tuple[str, ...] = SCOPES, **more: str
    ) -> requests.Response:
        """Open the consent page by the address HubSpot's own client makes."""
        address = get_auth_url(self.client_id, REDIRECT, scopes, optional, "state-1")
        address = address.replace(REAL_APP, f"{self.scene.url}/hubspot-app", 1)
        return self.scene.http.get(address, params=more, timeout=20, allow_redirects=False)

    def consent(self, page: requests.Response, **form: Any) -> requests.Response:
        """Send its form."""
        form = {"account": str(self.portal)} | form
        return self.scene.http.post(page.url, data=form, timeout=20, allow_redirects=False)

    def link(self, *scopes: str, optional: tuple[str, ...] = (), **form: Any) -> Json:
        """The whole of the installation; the token reply."""
        verifier, challenge = pkce()
        page = self.page(
            scopes=scopes or SCOPES, optional=optional, code_challenge=challenge, code_challenge_method="S256"
        )
        answer = self.consent(page, **form)
        assert answer.status_code == 302, answer.text
        assert redirected(answer)["state"] == "state-1"
        token: Json = self.session().fetch_token(
            self.token_url, authorization_response=answer.headers["Location"], state="state-1", code_verifier=verifier
        )
        return token

    @property
    def token_url(self) -> str:
        return f"{self.api_url}/oauth/{self.version}/token"

    def client(self, *scopes: str, token: str = "", **more: Any) -> Any:
        """HubSpot's client for a freshly installed app, or for a token."""
        token = token or self.link(*scopes)["access_token"]
        return hubspot.HubSpot(access_token=token, host=self.api_url, base_url=self.api_url, **more)

    def plain(self, token: str, method: str, path: str, **more: Any) -> requests.Response:
        """A call without HubSpot's client."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.scene.http.request(method, f"{self.api_url}{path}", headers=headers, timeout=20, **more)

    def put(self, kind: str = "contacts", *, silent: bool = True, **properties: str) -> str:
        """A record made by a person; its id."""
        given = [{"properties": properties}]
        ids: list[str] = self.control("records", type=kind, records=given, silent=silent)["ids"]
        return ids[0]

    def change(self, record_id: str, kind: str = "contacts", *, silent: bool = True, **properties: str) -> None:
        """A record changed by a person."""
        given = [{"id": record_id, "properties": properties}]
        self.control("records", type=kind, records=given, silent=silent)

    def stored(self, kind: str = "contacts", **query: str) -> dict[str, Json]:
        """All records of a kind, by id."""
        path = "&".join([f"portal={self.portal}", f"type={kind}", *(f"{name}={one}" for name, one in query.items())])
        return {one["id"]: one for one in self.scene.get(f"hubspot/records?{path}")["records"]}


def installed(scene: Scene) -> App:
    """A portal with two owners, and an app that is not linked yet."""
    owners = [{"email": "ann.ash@acme.example"}, {"email": "ben.birch@acme.example"}]
    portal = scene.post("hubspot/portals", name="Acme", domain="acme.example", hosting="eu1", owners=owners)
    return App(scene, portal["id"])


def recorded(name: str) -> Any:
    """A reply of HubSpot's."""
    content = json.loads((FIXTURES / f"{name}.json").read_text())
    return content["body"] if isinstance(content, dict) and "_request" in content else content


def error_of(caught: Any) -> Json:
    """The body of an ApiException of any of the client's modules."""
    body: Json = json.loads(caught.value.body)
    return body
