"""Nobody begins consents without end, and who is stopped reads when to go on."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from integrations import linking
from integrations.models import LinkAttempt
from relationships.models import User
from tests.pretend_google import Google

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("google")]
NOON = datetime(2030, 1, 15, 11, 0, 30, tzinfo=UTC)
START = "/oauth/start/google/calendar"


def begin_all(client: Client) -> None:
    for _ in range(linking.BEGIN_AT_MOST):
        assert client.post(START).status_code == 303


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_the_eleventh_consent_within_minutes_is_refused_with_the_time_to_go_on(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="Europe/Zurich")
    with time_machine.travel(NOON, tick=False) as clock:
        client = sign_in(alice)
        begin_all(client)

        refused = client.post(START)

        assert refused.status_code == 429
        assert "Try again after 12:16" in refused.content.decode()
        assert LinkAttempt.unscoped.count() == linking.BEGIN_AT_MOST
        clock.shift(timedelta(minutes=16))
        assert client.post(START).status_code == 303


def test_a_colleague_is_not_held_up(as_alice: Client, bob: User) -> None:
    begin_all(as_alice)
    assert sign_in(bob).post(START).status_code == 303


def test_a_look_at_the_page_before_consent_counts_nothing(as_alice: Client) -> None:
    for _ in range(linking.BEGIN_AT_MOST + 1):
        assert as_alice.get(START).status_code == 200
    assert as_alice.post(START).status_code == 303


def test_a_full_cache_forgets_no_limit(as_alice: Client, google: Google) -> None:
    """Django's cache table throws a third of it away beyond 300 entries: ours holds more than anybody makes."""
    begin_all(as_alice)
    for number in range(400):
        cache.set(f"other:{number}", number)
    assert as_alice.post(START).status_code == 429
