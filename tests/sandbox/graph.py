"""A client of the pretend Graph: linked once with msal, then plain HTTP with the bearer."""

from dataclasses import dataclass
from typing import Any

import msal
import requests

from tests.sandbox.office import CLIENT_ID, LOGIN, SECRET, Office
from tests.sandbox.person import REDIRECT, Json, Scene


@dataclass
class Graph:
    """Calls below /v1.0 as one account through one app."""

    office: Office
    token: str

    @property
    def scene(self) -> Scene:
        return self.office.scene

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Any call; ``path`` begins with a slash."""
        return self.office.graph(self.token, path, method, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Json | None = None, **more: Any) -> requests.Response:
        return self.call("POST", path, json=body, **more)

    def batch(self, *orders: Json) -> dict[str, Json]:
        """$batch: the answers by their ids."""
        answer = self.post("/$batch", {"requests": list(orders)})
        assert answer.ok, answer.text
        return {one["id"]: one for one in answer.json()["responses"]}


def linked(scene: Scene, upn: str, *scopes: str, client_id: str = CLIENT_ID) -> Graph:
    """An account that granted ``scopes`` (short names) to an app."""
    office = Office(scene)
    app = msal.ConfidentialClientApplication(
        client_id,
        client_credential=SECRET,
        authority=f"{LOGIN}/common",
        http_client=office.http,
        instance_discovery=False,
    )
    flow = app.initiate_auth_code_flow(list(scopes), redirect_uri=REDIRECT)
    result = app.acquire_token_by_auth_code_flow(flow, office.consent(flow, upn))
    assert "access_token" in result, result
    return Graph(office, result["access_token"])


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, answer.json()["error"]["code"]
