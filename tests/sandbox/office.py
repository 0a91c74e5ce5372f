"""A user of the pretend Microsoft who links an account with Microsoft's own msal and calls Graph by plain requests."""

import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msal
import requests
from requests.adapters import HTTPAdapter

from tests.sandbox.person import REDIRECT, Json, Scene, redirected

LOGIN, GRAPH = "https://login.microsoftonline.com", "https://graph.microsoft.com"
CLIENT_ID, SECRET = "00001111-aaaa-2222-bbbb-3333cccc4444", "secret-1"
CALENDARS, MAIL, MAIL_HEADS = "Calendars.Read", "Mail.Read", "Mail.ReadBasic"


class ToSandbox(HTTPAdapter):
    """Sends what is meant for a real host to the sandbox, address and headers otherwise untouched."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = self.base + request.path_url
        return super().send(request, *args, **kwargs)


@dataclass
class Office:
    """The sandbox's Microsoft half. ``http`` reaches it by the real addresses."""

    scene: Scene
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.trust_env = False
        self.http.mount(f"{LOGIN}/", ToSandbox(f"{self.scene.url}/microsoft-login"))
        self.http.mount(f"{GRAPH}/", ToSandbox(f"{self.scene.url}/microsoft-graph"))

    def account(self, upn: str, **more: Any) -> Json:
        return self.scene.post("microsoft/accounts", upn=upn, **more)

    def control(self, path: str, **body: Any) -> Json:
        """An order below /control/microsoft/."""
        return self.scene.post(f"microsoft/{path}", **body)

    def app(self, authority: str = "common", **more: Any) -> msal.ConfidentialClientApplication:
        """A fresh app: its cache of answers is its own."""
        return msal.ConfidentialClientApplication(
            CLIENT_ID,
            client_credential=SECRET,
            authority=f"{LOGIN}/{authority}",
            http_client=self.http,
            instance_discovery=False,
            **more,
        )

    def flow(self, app: msal.ConfidentialClientApplication, *scopes: str, **more: Any) -> Json:
        """The beginning of msal's code flow. Without scopes: calendars."""
        with warnings.catch_warnings():
            # msal recommends form_post, which a session cookie that is Lax does not go with.
            warnings.filterwarnings("ignore", message="response_mode")
            flow: Json = app.initiate_auth_code_flow(list(scopes) or [CALENDARS], redirect_uri=REDIRECT, **more)
        return flow

    def consent(self, flow: Json, upn: str, decision: str = "allow") -> dict[str, str]:
        """Open the consent page of a flow in the browser and answer it; what the redirect carries."""
        return redirected(self.answered(str(flow["auth_uri"]), upn, decision))

    def answered(self, address: str, upn: str, decision: str) -> requests.Response:
        page = self.http.get(address, timeout=20)
        assert page.ok, page.text
        form = {"account": upn, "decision": decision}
        return self.http.post(address, data=form, timeout=20, allow_redirects=False)

    def link(self, upn: str, *scopes: str, **consent: str) -> Json:
        """The whole of msal's code flow; what msal returns. Without scopes: calendars."""
        app = self.app()
        flow = self.flow(app, *scopes)
        result: Json = app.acquire_token_by_auth_code_flow(flow, self.consent(flow, upn, **consent))
        return result

    def token(self, upn: str, *scopes: str) -> str:
        """An access token of a freshly linked account."""
        result = self.link(upn, *scopes)
        assert "access_token" in result, result
        return str(result["access_token"])

    def refresh(self, refresh_token: str, *scopes: str, **more: Any) -> Json:
        """msal's refresh by a fresh app."""
        app = self.app(**more)
        result: Json = app.acquire_token_by_refresh_token(refresh_token, list(scopes) or [CALENDARS])
        return result

    def graph(
        self, token: str, path: str, method: str = "GET", headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response:
        """A call of Graph. ``path`` begins behind /v1.0, or is a link from an answer, which is followed as it is."""
        address = path if path.startswith("https://") else f"{GRAPH}/v1.0{path}"
        assert urlsplit(address).netloc == urlsplit(GRAPH).netloc
        said = {"Authorization": f"Bearer {token}"} | (headers or {})
        return self.http.request(method, address, headers=said, timeout=20, **more)
