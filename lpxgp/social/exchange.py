"""How sign-in speaks to a provider: the browser's way there and our requests, all by the rules of outbound."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from django.http import HttpRequest

from integrations import outbound
from integrations.errors import Permanent, Temporary

TOTAL_SECONDS = 15.0
"""Somebody waits in front of the browser, and a thread of the web server with them."""


class Reach:
    """Sign-in redeems a code and asks who it was, and nothing else."""

    hosts = ("oauth2.googleapis.com", "www.googleapis.com", "login.microsoftonline.com")

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        """Whether it reads, or redeems a code."""
        path = urlsplit(request.url or "").path
        return request.method == "GET" or (request.method == "POST" and path.endswith("/token"))


class Session(requests.Session):
    """A session of outbound whose failures are requests' own, which allauth turns into its page for failed sign-in."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        try:
            return super().send(request, **options)
        except (Temporary, Permanent) as error:
            raise requests.ConnectionError(str(error)) from error


def session() -> requests.Session:
    """Reaches the sign-in hosts of the providers, and nobody else."""
    http = Session()
    outbound.adopt(http, outbound.ProviderTransport(Reach(), TOTAL_SECONDS))
    return http


class Client(OAuth2Client):
    """Sends the browser where PROVIDER_ORIGINS says."""

    def get_redirect_url(self, authorization_url: str, scope: Iterable[str], extra_params: Mapping[str, Any]) -> str:
        return outbound.rerouted(super().get_redirect_url(authorization_url, scope, extra_params))


class OnlyAsConfigured:
    """For providers: a link may not add scopes or parameters to what settings ask for, as allauth lets it."""

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return self.get_scope()  # type: ignore[attr-defined]

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, Any]:
        return self.get_auth_params()  # type: ignore[attr-defined]
