"""What every template may ask for besides the request, the user and the messages."""

from django.conf import settings
from django.http import HttpRequest

PRODUCT_NAME = "LPxGP Integrations"


def site(request: HttpRequest) -> dict[str, object]:
    """The product's name, and whether it talks to pretend providers instead of real ones."""
    return {"product_name": PRODUCT_NAME, "is_sandbox": bool(settings.PROVIDER_ORIGINS)}
