"""Our system checks speak up for what they are about, and are silent otherwise."""

import base64
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from lpxgp.checks import check_cache, check_crms, check_keys, check_production, check_queue


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.SECRET_KEY = "s" * 60
    settings.TOKEN_ENCRYPTION_KEYS = [b"k" * 32]
    settings.PUBLIC_URL = "https://hub.example.com"
    settings.ALLOWED_HOSTS = ["hub.example.com"]
    settings.PROVIDER_ORIGINS = {}
    settings.STAFF_NEED_MFA = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


def found() -> set[str]:
    checks: list[Any] = [check_cache, check_keys, check_production, check_queue]
    return {message.id.removeprefix("lpxgp.") for check in checks for message in check(None) if message.id}


def test_production_is_silent(production: Settings) -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("Q_CLUSTER", {"timeout": 1, "retry": 2}, "E001"),
        ("Q_CLUSTER", {"orm": "default", "timeout": 60, "retry": 60}, "E002"),
        ("Q_CLUSTER", {"orm": "default", "timeout": None, "retry": 60}, "E002"),
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "E011"),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, "E003"),
        ("SECRET_KEY", base64.urlsafe_b64encode(b"k" * 32).decode(), "E004"),
        ("PUBLIC_URL", "http://hub.example.com", "E005"),
        ("ALLOWED_HOSTS", ["other.example.com"], "E006"),
        ("STAFF_NEED_MFA", False, "E007"),
        ("PROVIDER_ORIGINS", {"https://www.googleapis.com": "http://127.0.0.1:9400"}, "E008"),
    ],
)
def test_each_mistake_is_found(production: Settings, name: str, value: object, number: str) -> None:
    setattr(production, name, value)
    assert found() == {number}


def test_the_laptops_secrets_are_found(production: Settings) -> None:
    production.TOKEN_ENCRYPTION_KEYS = [base64.urlsafe_b64decode(production.LAPTOP_TOKEN_KEY)]
    production.SECRET_KEY = production.LAPTOP_SECRET_KEY
    assert found() == {"E009", "E010"}


def test_a_host_by_its_dot_is_enough(production: Settings) -> None:
    production.ALLOWED_HOSTS = [".example.com"]
    assert found() == set()


def test_they_are_registered(production: Settings) -> None:
    production.STAFF_NEED_MFA = False
    production.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    seen = {message.id for message in run_checks(include_deployment_checks=True)}
    assert {"lpxgp.E003", "lpxgp.E007"} <= seen
    assert "lpxgp.E007" not in {message.id for message in run_checks()}


@pytest.mark.parametrize(
    ("client_id", "app_id", "found"),
    [
        ("", "", []),
        ("client", "123", []),
        ("client", "", ["lpxgp.W001"]),
    ],
)
def test_what_our_own_writes_are_known_by(settings: Settings, client_id: str, app_id: str, found: list[str]) -> None:
    settings.HUBSPOT_APP_ID = app_id
    settings.PROVIDER_CREDENTIALS = {"hubspot": {"client_id": client_id, "client_secret": "x"}}

    assert [message.id for message in check_crms(None)] == found
