"""The registry is this folder: a provider is one module named by its slug, holding one object named ``provider``."""

import importlib
import pkgutil
from functools import cache

from django.conf import settings

from integrations.contract import CalendarAdapter, ClientConfig, MailAdapter, Provider, PushAdapter, Service
from integrations.errors import BadConfig


@cache
def slugs() -> tuple[str, ...]:
    """The slugs of all providers, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def get(slug: str) -> Provider:
    """The provider of this slug. Raises LookupError naming those that exist."""
    if slug not in slugs():
        raise LookupError(f"There is no provider {slug!r}; there are {', '.join(slugs())}.")
    module = importlib.import_module(f"{__name__}.{slug}")
    return module.provider


def service(slug: str, integration_type: str) -> Service:
    """What this provider offers of this type, such as google/calendar. Raises LookupError."""
    for offered in get(slug).services:
        if offered.type == integration_type:
            return offered
    raise LookupError(f"{slug} offers no {integration_type}.")


@cache
def push_adapter(slug: str, integration_type: str) -> PushAdapter:
    """What opens and stops push channels for this kind of data."""
    return importlib.import_module(service(slug, integration_type).adapter).adapter


@cache
def calendar_adapter(slug: str) -> CalendarAdapter:
    """The calendar adapter of this provider."""
    return importlib.import_module(service(slug, "calendar").adapter).adapter


@cache
def mail_adapter(slug: str) -> MailAdapter:
    """The mail adapter of this provider."""
    return importlib.import_module(service(slug, "email").adapter).adapter


def is_set_up(slug: str) -> bool:
    """Whether this installation has an OAuth client at the provider."""
    return bool(settings.PROVIDER_CREDENTIALS.get(slug, {}).get("client_id"))


def client_config(slug: str) -> ClientConfig:
    """The OAuth client of this installation. Raises BadConfig naming what is missing."""
    credentials = settings.PROVIDER_CREDENTIALS.get(slug, {})
    if not credentials.get("client_id") or not credentials.get("client_secret"):
        raise BadConfig(f"{slug.upper()}_CLIENT_ID and {slug.upper()}_CLIENT_SECRET are not set.")
    return ClientConfig(
        client_id=credentials["client_id"],
        client_secret=credentials["client_secret"],
        redirect_uri=f"{settings.PUBLIC_URL}/oauth/callback/{slug}",
        admin_redirect_uri=f"{settings.PUBLIC_URL}/oauth/admin/{slug}",
    )
