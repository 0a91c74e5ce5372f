"""The start: a realistic production environment passes every check, a bad one is refused in one line that names it."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
PRODUCTION = {
    "SECRET_KEY": "xK9" + "aB3dE7gH1jL5nP8rT2vX6zQ4wS0uY-_fM" * 2,
    "TOKEN_ENCRYPTION_KEY": KEY,
    "PUBLIC_URL": "https://hub.example.com",
    "ALLOWED_HOSTS": "hub.example.com",
    "DATABASE_URL": "sqlite:////nonexistent/never-opened.sqlite3",
    "TRUSTED_PROXY_COUNT": "1",
    "GOOGLE_CLIENT_ID": "1234.apps.googleusercontent.com",
    "GOOGLE_CLIENT_SECRET": "GOCSPX-secret",
    "GOOGLE_SIGNIN_CLIENT_ID": "5678.apps.googleusercontent.com",
    "GOOGLE_SIGNIN_CLIENT_SECRET": "GOCSPX-secret",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
}
PRODUCT = {*PRODUCTION, "DEBUG", "PROVIDER_ORIGINS", "ALLOW_PROVIDER_ORIGINS", "STAFF_NEED_MFA"}


def manage(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run manage.py in the production environment with ``changes``; None takes a variable away."""
    foreign = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in PRODUCT}
    wanted = {name: value for name, value in {**PRODUCTION, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**foreign, **wanted},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_production_passes_every_check_without_exceptions() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", "too-short"),
        ("SECRET_KEY", "laptop-only-secret-key-that-production-refuses-to-start-with"),
        ("TOKEN_ENCRYPTION_KEY", None),
        ("TOKEN_ENCRYPTION_KEY", ""),
        ("TOKEN_ENCRYPTION_KEY", base64.urlsafe_b64encode(b"k" * 16).decode()),
        ("TOKEN_ENCRYPTION_KEY", "not base64 at all!"),
        ("TOKEN_ENCRYPTION_KEY", f"{KEY},{KEY}"),
        ("PUBLIC_URL", None),
        ("PUBLIC_URL", "hub.example.com"),
        ("PUBLIC_URL", "ftp://hub.example.com"),
        ("PUBLIC_URL", "https://hub.example.com/path"),
        ("PUBLIC_URL", "https://user:hunter2@hub.example.com"),
        ("PUBLIC_URL", "https://"),
        ("ALLOWED_HOSTS", None),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("DEBUG", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("POLL_MINUTES", "soon"),
        ("GMAIL_SCOPE", "both"),
        ("GMAIL_UNITS_PER_MINUTE", "0"),
        ("MAIL_PLAN_SECONDS", "-1"),
        ("GOOGLE_PUBSUB_TOPIC", "gmail"),
        ("GOOGLE_PUBSUB_SERVICE_ACCOUNT", "push"),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("PROVIDER_ORIGINS", '{"https://www.googleapis.com": "http://127.0.0.1:9400"}'),
        ("PROVIDER_ORIGINS", "not json"),
        ("PROVIDER_ORIGINS", '["https://www.googleapis.com"]'),
        ("PROVIDER_ORIGINS", '{"https://www.googleapis.com": "somewhere"}'),
        ("SECRET_KEY_FILE", "/a/second/source"),
        ("METRICS_TOKEN_FILE", "/no/such/file"),
        ("DATABASE_URL", "nonsense"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(variable: str, value: str | None) -> None:
    done = manage("check", **{variable: value})
    assert done.returncode != 0
    assert done.stderr.startswith("Not started: ")
    assert variable.removesuffix("_FILE") in done.stderr
    assert done.stderr.count("\n") == 1, "one line, no traceback"
    if value and "hunter2" in value:
        assert "hunter2" not in done.stderr


def test_cookies_and_transport_in_production() -> None:
    names = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY"]
    names += ["SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT", "DEBUG"]
    code = f"from django.conf import settings; import json; print(json.dumps([getattr(settings, n) for n in {names}]))"
    done = manage("shell", "-v", "0", "-c", code)
    assert json.loads(done.stdout) == (
        ["__Host-sessionid", "__Host-csrftoken", True, True, "Lax", True, 31536000, True, False]
    )


def test_the_products_own_commands_are_refused_alike() -> None:
    done = manage("worker", SECRET_KEY=None)
    assert done.stderr.startswith("Not started: SECRET_KEY")


def test_no_value_of_a_secret_is_printed() -> None:
    for name in ("SECRET_KEY", "TOKEN_ENCRYPTION_KEY", "ENTITY_WEBHOOK_SECRET"):
        refused = manage("check", **{name: "hunter2"}).stderr
        assert name in refused
        assert "hunter2" not in refused


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(PRODUCTION["SECRET_KEY"] + "\n")
    done = manage("check", "--deploy", "--fail-level", "WARNING", SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    assert done.returncode == 0, done.stderr


def test_a_secret_may_begin_with_a_dollar_sign() -> None:
    """One in fifty of Django's own keys does, and must not be taken for another variable's name."""
    code = "from django.conf import settings; print(settings.SECRET_KEY, settings.METRICS_TOKEN)"
    secret = f"${PRODUCTION['SECRET_KEY']}"
    done = manage("shell", "-v", "0", "-c", code, SECRET_KEY=secret, METRICS_TOKEN="$a-token")
    assert done.stdout.split() == [secret, "$a-token"], done.stderr


def test_new_key_needs_no_settings_and_its_key_is_accepted() -> None:
    first = manage("new_key", **dict.fromkeys(PRODUCTION))
    second = manage("new_key", **dict.fromkeys(PRODUCTION))
    key = first.stdout.strip()
    assert first.returncode == 0
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert key != second.stdout.strip()
    assert "TOKEN_ENCRYPTION_KEY" in first.stderr
    assert key not in first.stderr
    assert manage("check", TOKEN_ENCRYPTION_KEY=f"{key},{KEY}").returncode == 0
    assert secrets.compare_digest(first.stdout, f"{key}\n"), "nothing but the key, so that it can be piped"
