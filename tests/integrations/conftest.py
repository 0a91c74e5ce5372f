"""The pretend Google's fixtures are every test's: tests/pretend_google.py."""

from tests.pretend_google import GOOGLE_SCOPES, Google, Json, Link, follow_consent, state_of

__all__ = ["GOOGLE_SCOPES", "Google", "Json", "Link", "follow_consent", "state_of"]
