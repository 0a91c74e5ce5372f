"""Reads settings from the environment, as NAME or as a file named by NAME_FILE.

A missing or malformed value stops the start with a message that names it.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv

T = TypeVar("T")

env = FileAwareEnv()


def read(name: str, cast: Callable[[str], T], default: str | None = None) -> T:
    """The value of ``name`` (or of the file ``name_FILE``) after ``cast``.

    Raises ImproperlyConfigured naming the variable where it is missing without a default, or refused by ``cast``.
    """
    if name in os.environ and f"{name}_FILE" in os.environ:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
    path = os.environ.get(f"{name}_FILE")
    if path and not os.path.isfile(path):
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which is no file.")
    # Not env.str: that takes a value which begins with a dollar sign, as a random key may, for another variable's name.
    raw = env.ENVIRON.get(name, default)
    if raw is None or (default is None and not raw.strip()):
        raise ImproperlyConfigured(
            f"{name} is not set. Set {name} or {name}_FILE; on a laptop DEBUG=1 gives it a default. See docs/deploy.md."
        )
    try:
        return cast(raw.strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not valid: {error}") from error


def boolean(raw: str) -> bool:
    """1/0, true/false, yes/no, on/off."""
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError(f"{raw!r} is neither true nor false")


def names(raw: str) -> list[str]:
    """Comma-separated names, blanks dropped."""
    return [part.strip() for part in raw.split(",") if part.strip()]


def log_level(raw: str) -> str:
    """DEBUG, INFO, WARNING, ERROR or CRITICAL."""
    if raw.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError(f"{raw!r} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    return raw.upper()


def one_of(*allowed: str) -> Callable[[str], str]:
    """Reads one of a few words."""

    def word(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is none of {', '.join(allowed)}")
        return raw

    return word


def shaped(pattern: str, example: str, *, is_secret: bool = False) -> Callable[[str], str]:
    """Reads nothing, or text of this pattern; a secret stays out of the error."""

    def text(raw: str) -> str:
        if raw and not re.fullmatch(pattern, raw):
            raise ValueError(f"{'it' if is_secret else repr(raw)} is not like {example}")
        return raw

    return text


def at_least(lowest: int) -> Callable[[str], int]:
    """Reads a whole number that is not too low to work with."""

    def number(raw: str) -> int:
        if count(raw) < lowest:
            raise ValueError(f"{raw!r} is less than {lowest}")
        return count(raw)

    return number


def count(raw: str) -> int:
    """A whole number, 0 or more."""
    if not raw.isdecimal():
        raise ValueError(f"{raw!r} is no whole number")
    return int(raw)


def database(raw: str) -> dict[str, Any]:
    """Django's settings for a database address; the value, which may hold a password, stays out of the error."""
    if urlsplit(raw).scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ValueError("it must begin with sqlite:// or postgresql://")
    return dict(env.db_url_config(raw))


def mail_server(raw: str) -> dict[str, Any]:
    """Django's EMAIL settings for an address such as ``smtp+tls://user:password@mail.example.com:587``."""
    if urlsplit(raw).scheme not in env.EMAIL_SCHEMES:
        raise ValueError(f"it must begin with one of {', '.join(sorted(env.EMAIL_SCHEMES))}, then ://")
    return dict(env.email_url_config(raw))


def origin(raw: str) -> str:
    """An address of scheme and host only, for example ``https://hub.example.com``."""
    parts = urlsplit(raw)
    if parts.username is not None:
        raise ValueError("it must not hold a user or password")
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_plain:
        raise ValueError(f"{raw!r} is no address of the form https://host")
    return f"{parts.scheme}://{parts.netloc}"


def origins(raw: str) -> dict[str, str]:
    """A JSON object that maps a provider's real origin to another base address."""
    try:
        value = json.loads(raw or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON object ({error})") from error
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise ValueError("it must be a JSON object of addresses")
    for key, base in value.items():
        origin(key)
        if urlsplit(base).scheme not in {"http", "https"} or not urlsplit(base).netloc:
            raise ValueError(f"{base!r} is no http address")
    return {key: base.rstrip("/") for key, base in value.items()}


def keys(raw: str) -> list[bytes]:
    """One or more keys of 32 random bytes as URL-safe base64, newest first, comma-separated."""
    decoded = []
    for number, part in enumerate(names(raw), start=1):
        try:
            key = base64.b64decode(part.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"key {number} is no URL-safe base64") from error
        if len(key) != 32:
            raise ValueError(f"key {number} has {len(key)} bytes instead of 32")
        decoded.append(key)
    if not decoded:
        raise ValueError("it holds no key")
    if len(set(decoded)) != len(decoded):
        raise ValueError("a key stands in it twice")
    return decoded
