"""/livez, /readyz, /metrics and /api/schema/: what they say, to whom, and at what cost."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from integrations.models import Channel, Heartbeat, Integration, SyncState
from lpxgp import health
from relationships.models import Company, User
from webhooks.models import Delivery


@pytest.fixture(autouse=True)
def _forget_migrations() -> None:
    health._check_migrations.cache_clear()


def refuse(*args: object, **kwargs: object) -> None:
    raise DatabaseError("disk is full at /secret/place")


class TestProbes:
    def test_alive_without_database_or_known_host(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
    ) -> None:
        with django_assert_num_queries(0):
            response = client.get("/livez", headers={"Host": "10.1.2.3:8000"})
        assert (response.status_code, response.json()) == (200, {"status": "alive"})

    def test_ready(self, client: Client, db: None) -> None:
        response = client.get("/readyz", headers={"Host": "10.1.2.3:8000"})
        assert response.status_code == 200
        assert response.json()["reasons"] == []
        assert Heartbeat.objects.filter(name="web").exists()

    def test_ready_tells_the_workers_age_and_stays_ready_without_it(self, client: Client, db: None) -> None:
        Heartbeat.objects.create(name="drain", pid=1, beat_at=timezone.now() - timedelta(minutes=5))
        response = client.get("/readyz")
        assert response.status_code == 200
        worker = response.json()["worker"]
        assert worker["cluster"] == {"age_seconds": None, "is_late": True}
        assert worker["drain"]["is_late"]
        assert worker["drain"]["age_seconds"] == pytest.approx(300, abs=5)

    def test_not_ready_where_the_database_takes_no_write(
        self, client: Client, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Heartbeat.objects, "bulk_create", refuse)
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "cannot be written" in response.json()["reasons"][0]
        assert "/secret/place" not in response.content.decode()

    def test_not_ready_where_a_migration_is_missing(self, client: Client, db: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'webhooks'")
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "manage.py migrate" in response.json()["reasons"][0]

    def test_a_flood_of_probes_is_not_a_flood_of_writes(
        self, client: Client, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.get("/readyz")
        monkeypatch.setattr(Heartbeat.objects, "bulk_create", refuse)
        assert client.get("/readyz").status_code == 200


class TestMetrics:
    def test_they_do_not_exist_for_visitors_and_members(self, client: Client, alice: User, settings: Settings) -> None:
        assert client.get("/metrics").status_code == 404
        settings.METRICS_TOKEN = "right"
        for header in ("Bearer wrong", "Bearer ", "right", "Basic right"):
            assert client.get("/metrics", headers={"Authorization": header}).status_code == 404
        client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
        assert client.get("/metrics").status_code == 404

    def test_an_unset_token_opens_nothing(self, client: Client, db: None, settings: Settings) -> None:
        settings.METRICS_TOKEN = ""
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404

    def test_staff_see_them(self, as_staff: Client) -> None:
        assert as_staff.get("/metrics").status_code == 200

    def test_they_count_the_rows(self, client: Client, alice: User, settings: Settings) -> None:
        self._fill(alice, channels=2)
        text = self._read(client, settings)
        for line in (
            'lpxgp_deliveries{status="received"} 1.0',
            'lpxgp_deliveries{status="failed"} 0.0',
            'lpxgp_integrations{provider="google",status="active",type="calendar"} 1.0',
            'lpxgp_channels_live{provider="google"} 2.0',
            'lpxgp_channels_expiring{provider="google"} 1.0',
            "lpxgp_sync_states_dirty 1.0",
        ):
            assert line in text.splitlines()
        (age,) = [line.split()[1] for line in text.splitlines() if line.startswith("lpxgp_oldest_unprocessed")]
        assert float(age) == pytest.approx(120, abs=10)
        assert 'lpxgp_heartbeat_age_seconds{name="drain"}' in text

    def test_their_cost_does_not_grow(
        self, client: Client, alice: User, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(6):
            self._read(client, settings)
        self._fill(alice, channels=20)
        with django_assert_num_queries(6):
            self._read(client, settings)

    def _read(self, client: Client, settings: Settings) -> str:
        settings.METRICS_TOKEN = "right"
        response = client.get("/metrics", headers={"Authorization": "Bearer right"})
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain")
        return response.content.decode()

    def _fill(self, user: User, channels: int) -> None:
        company: Company | None = user.company
        now = timezone.now()
        Heartbeat.objects.create(name="drain", pid=1, beat_at=now)
        Delivery.objects.create(provider="google", dedupe_key="1", received_at=now - timedelta(minutes=2))
        linked = Integration.unscoped.create(
            company=company, user=user, provider="google", integration_type="calendar", encrypted_tokens=b""
        )
        state = SyncState.unscoped.create(
            company=company, integration=linked, external_id="primary", is_chosen=True, dirty_mark=1
        )
        for number in range(channels):
            Channel.unscoped.create(
                company=company,
                integration=linked,
                sync_state=state,
                provider="google",
                channel_id=str(uuid4()),
                state=Channel.State.LIVE,
                expires_at=now + timedelta(hours=48 if number else 2),
            )


def test_the_schema_is_for_staff(client: Client, as_alice: Client, as_staff: Client) -> None:
    assert Client().get("/api/schema/").status_code == 403
    assert as_alice.get("/api/schema/").status_code == 403
    page = as_staff.get("/api/schema/")
    assert page.status_code == 200
    assert b"openapi: 3" in page.content
