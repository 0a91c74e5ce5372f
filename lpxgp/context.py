"""What every template may ask for besides the request, the user and the messages."""

from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.http import HttpRequest

from integrations import providers
from integrations.models import Integration
from relationships.models import User

PRODUCT_NAME = "LPxGP Integrations"


def site(request: HttpRequest) -> dict[str, object]:
    """The product's name, whether it talks to pretend providers, and which links stopped (asked for when looked at)."""
    return {
        "product_name": PRODUCT_NAME,
        "is_sandbox": bool(settings.PROVIDER_ORIGINS),
        "stopped_links": partial(stopped_links, request),
    }


@dataclass(frozen=True)
class StoppedLink:
    """A link that reads nothing until its user consents again."""

    label: str
    reason: str


def stopped_links(request: HttpRequest) -> list[StoppedLink]:
    """Those of the member who looks: pages that live on a link say so, instead of just growing old."""
    if not isinstance(request.user, User) or request.user.company_id is None:
        return []
    rows = Integration.objects.filter(user=request.user, sync_status=Integration.Status.STALE)
    return [
        StoppedLink(providers.service(row.provider, row.integration_type).label, row.reason)
        for row in rows.only("provider", "integration_type", "reason")
    ]
