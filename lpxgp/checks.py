"""System checks: what Django cannot know about this product's settings; ``manage.py check --deploy`` runs all."""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.http.request import validate_host

SHARED_CACHES = ("db.DatabaseCache", "redis.RedisCache", "memcached.PyMemcacheCache", "memcached.PyLibMCCache")


def register_all() -> None:
    """Called once, when the app is ready."""
    register(check_queue)
    register(check_cache)
    register(check_keys, Tags.security)
    register(check_production, Tags.security, deploy=True)
    register(check_crms, Tags.security)


def check_queue(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """Jobs commit together with their rows, and none runs a second time while its first try may still run."""
    found: list[CheckMessage] = []
    queue = settings.Q_CLUSTER
    if queue.get("orm") != "default":
        found.append(
            Error(
                "Q_CLUSTER does not use the database as its broker.",
                hint="Set 'orm': 'default': other brokers lose the job of a worker that is killed.",
                id="lpxgp.E001",
            )
        )
    if not queue.get("timeout") or not queue.get("retry") or queue["timeout"] >= queue["retry"]:
        found.append(
            Error(
                "Q_CLUSTER's timeout must be set and shorter than its retry.",
                hint="Otherwise a job that is still running is started once more.",
                id="lpxgp.E002",
            )
        )
    return found


def check_cache(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """Rate limits and used one-time codes count over all processes."""
    backend = settings.CACHES["default"]["BACKEND"]
    if backend.endswith(SHARED_CACHES):
        return []
    return [
        Error(
            f"CACHES uses {backend}, which each process has for itself.",
            hint="Use the database cache: sign-in limits and used one-time codes are kept there.",
            id="lpxgp.E003",
        )
    ]


def check_keys(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """SECRET_KEY and TOKEN_ENCRYPTION_KEY are two secrets: who learns one must not hold the other."""
    if settings.SECRET_KEY.encode() not in _spellings(settings.TOKEN_ENCRYPTION_KEYS):
        return []
    return [
        Error(
            "SECRET_KEY and TOKEN_ENCRYPTION_KEY are the same.",
            hint="Make another TOKEN_ENCRYPTION_KEY with manage.py new_key.",
            id="lpxgp.E004",
        )
    ]


def check_production(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """What a laptop may and production may not."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    rules = [
        (
            settings.PUBLIC_URL.startswith("https://"),
            "E005",
            "PUBLIC_URL is not https.",
            "Providers push to https alone.",
        ),
        (
            validate_host(host, settings.ALLOWED_HOSTS),
            "E006",
            f"ALLOWED_HOSTS does not name {host}, the host of PUBLIC_URL.",
            "Every request to the public address would be refused: add it.",
        ),
        (
            settings.STAFF_NEED_MFA,
            "E007",
            "STAFF_NEED_MFA is off.",
            "Staff see every company: a password alone is not enough.",
        ),
        (
            not settings.PROVIDER_ORIGINS,
            "E008",
            "PROVIDER_ORIGINS is set: tokens are sent to other hosts than the providers'.",
            "Unset it, and ALLOW_PROVIDER_ORIGINS with it.",
        ),
        (
            settings.LAPTOP_TOKEN_KEY.encode() not in _spellings(settings.TOKEN_ENCRYPTION_KEYS),
            "E009",
            "TOKEN_ENCRYPTION_KEY holds the laptop's key, which is public.",
            "Make one with manage.py new_key.",
        ),
        (
            settings.SECRET_KEY != settings.LAPTOP_SECRET_KEY,
            "E010",
            "SECRET_KEY is the laptop's, which is public.",
            "Set SECRET_KEY to at least 50 random characters.",
        ),
        (
            "console" not in settings.EMAIL_BACKEND,
            "E011",
            "EMAIL_URL is not set: mails, password resets among them, are printed to the log.",
            "Set it to your mail server, such as smtp+tls://user:password@mail.example.com:587.",
        ),
    ]
    return [Error(text, hint=hint, id=f"lpxgp.{number}") for is_met, number, text, hint in rules if not is_met]


def check_crms(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """What our own writes are known by in CRMs."""
    found: list[CheckMessage] = []
    if settings.PROVIDER_CREDENTIALS.get("hubspot", {}).get("client_id") and not settings.HUBSPOT_APP_ID:
        found.append(
            Warning(
                "HUBSPOT_APP_ID is not set: our own writes are not known when HubSpot announces them.",
                hint="Set it to the app's number, which stands beside its client id. Until then each is read again.",
                id="lpxgp.W001",
            )
        )
    return found


def _spellings(keys: list[bytes]) -> set[bytes]:
    """Each key as bytes and as the environment spells it."""
    return {*keys, *(base64.urlsafe_b64encode(key) for key in keys)}
