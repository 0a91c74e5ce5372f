"""HubSpot's addresses by generation: the dated ones that replace the numbered ones, which end in September 2027.

HUBSPOT_API_GENERATION chooses. https://developers.hubspot.com/changelog/legacy-apis-and-legacy-apps
"""

from dataclasses import dataclass

from django.conf import settings

API = "https://api.hubapi.com"
APP = "https://app.hubspot.com"
AUTHORIZE = f"{APP}/oauth/authorize"


@dataclass(frozen=True)
class Paths:
    """Where each thing is in one generation. ``introspect`` and ``revoke`` are empty where the token would have to
    stand in the address, which logs keep."""

    token: str
    introspect: str
    revoke: str
    account: str


GENERATIONS = {
    "2026-09": Paths(
        token="/oauth/2026-03/token",  # noqa: S106
        introspect="/oauth/2026-03/token/introspect",
        revoke="/oauth/2026-03/token/revoke",
        account="/account-info/2026-09/details",
    ),
    "v3": Paths(
        token="/oauth/v1/token",  # noqa: S106
        introspect="",
        revoke="",
        account="/account-info/v3/details",
    ),
}


def current() -> Paths:
    """The addresses of the generation that this installation uses."""
    return GENERATIONS[settings.HUBSPOT_API_GENERATION]
