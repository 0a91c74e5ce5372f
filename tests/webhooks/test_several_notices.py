"""What a provider may do besides pushing one change: ask who we are, push several at once, speak of its channels."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import Claim, Notice
from integrations.models import Channel, Integration, SyncState
from tests.webhooks.conftest import make_channel, make_state
from tests.webhooks.test_drain import deliver
from webhooks import drain, inbox, views
from webhooks.inbox import Receipt
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
PATH = "/webhooks/calendar-event/google"
Say = Callable[..., None]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Let the provider's module answer so, whatever comes."""

    def say(**answers: Any) -> None:
        for name, answer in answers.items():
            monkeypatch.setattr(providers.get("google"), name, lambda *_, answer=answer: answer)

    return say


def post(client: Client) -> Any:
    return client.post(PATH, b"whole", content_type="application/json")


def claim(channel: Channel, key: str = "1", **more: Any) -> Claim:
    return Claim(key, {}, resource_id=channel.resource_id, by_resource=True, **more)


def test_a_handshake_is_plain_text_and_stores_nothing(
    client: Client, say: Say, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    say(handshake="<script>alert(1)</script>")
    with django_assert_num_queries(0):
        answer = client.post(f"{PATH}?x=1", b"", content_type="text/plain; charset=utf-8")
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_the_rate_limit_holds_for_handshakes_too(client: Client, say: Say, settings: Settings) -> None:
    settings.WEBHOOK_MAX_PER_SECOND = 1
    views._bucket.cache_clear()
    say(handshake="a")
    statuses = [client.post(PATH, b"", content_type="text/plain").status_code for _ in range(12)]
    assert set(statuses) == {200, 429}


def test_each_claim_is_a_delivery_with_its_own_part_of_the_body(
    client: Client, say: Say, integration: Integration, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    every = [make_channel(make_state(integration, name), resource_id=name) for name in ("a", "b", "c")]
    say(verify=tuple(claim(one, f"key {one.resource_id}", body=one.resource_id.encode()) for one in every))
    with django_assert_num_queries(3):
        assert post(client).status_code == 202
    assert {one.sync_state_id: inbox.body_of(one) for one in Delivery.objects.all()} == {
        one.sync_state_id: one.resource_id.encode() for one in every
    }
    assert post(client).status_code == 200
    assert Delivery.objects.count() == 3


def test_a_single_claim_costs_a_single_statement(
    client: Client, say: Say, channel: Channel, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    say(verify=(claim(channel, channel_id=channel.channel_id),))
    with django_assert_num_queries(1):
        assert post(client).status_code == 202


def test_one_that_is_new_among_known_ones_is_accepted(client: Client, say: Say, channel: Channel) -> None:
    say(verify=(claim(channel),))
    assert post(client).status_code == 202
    say(verify=(claim(channel), claim(channel, "2")))
    assert post(client).status_code == 202
    unknown = Claim("3", {}, resource_id="nobody's", by_resource=True)
    say(verify=(claim(channel), unknown))
    assert post(client).status_code == 200
    assert Delivery.objects.filter(status="received").count() == 2


def test_what_is_cut_short_comes_again_and_is_whole(
    client: Client, say: Say, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (make_channel(make_state(integration, name), resource_id=name) for name in "ab")
    say(verify=(claim(first, "1"), claim(second, "2")))
    original, calls = inbox.receive, []

    def receive(*arguments: Any) -> Receipt:
        calls.append(arguments)
        if len(calls) == 2:
            raise OperationalError("disk full")
        return original(*arguments)

    monkeypatch.setattr(inbox, "receive", receive)
    answer = post(client)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert post(client).status_code == 202
    assert Delivery.objects.count() == 2


def test_a_channel_that_is_just_opening_is_found_by_its_own_id(state: SyncState) -> None:
    opening = make_channel(state, state=Channel.State.OPENING, resource_id="alice@acme.example", expires_at=None)
    early = Claim("1", {}, opening.channel_id, "not-known-to-us-yet", by_resource=True)
    assert inbox.receive("google", "calendar-event", early, b"") is Receipt.STORED
    assert Delivery.objects.get().channel_id == opening.channel_id
    assert inbox.receive("google", "calendar-event", early, b"") is Receipt.DUPLICATE
    assert Delivery.objects.get().status == "received"


@pytest.mark.parametrize("became", ["live", "stopping", "stopped", "expired", "failed"])
def test_later_the_resource_alone_counts(state: SyncState, became: str) -> None:
    channel = make_channel(state, state=became)
    of_another = Claim("1", {}, channel.channel_id, "another", by_resource=True)
    assert inbox.receive("google", "calendar-event", of_another, b"") is Receipt.UNWATCHED


def test_both_are_found_by_an_index(channel: Channel) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        sql = inbox._insert_sql(
            connection.vendor, ("provider", "dedupe_key", "received_at"), inbox._BY_RESOURCE_OR_OPENING
        )
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        values = {"dedupe_key": "1", "received_at": "2026-01-01 00:00:00+00", "provider": "google"}
        cursor.execute(f"{explain} {sql}", {**values, "resource_id": "r", "asked_by": "c"})
        plan = str(cursor.fetchall())
    assert "channel_resource" in plan
    assert "SCAN c" not in plan


def test_a_channel_that_is_to_be_renewed_is_renewed_by_the_next_sweep(channel: Channel, say: Say) -> None:
    say(read=Notice(True, "Renew it.", channel="renew"))
    Channel.unscoped.update(renew_at=timezone.now() + timedelta(days=1))
    deliver(channel)
    drain.run()
    channel.refresh_from_db()
    assert channel.state == "live"
    assert channel.renew_at is not None
    assert channel.renew_at <= timezone.now()
    assert Delivery.objects.get().status == "waiting"


def test_a_channel_that_is_gone_is_opened_again(channel: Channel, say: Say) -> None:
    say(read=Notice(True, "It is gone.", channel="gone"))
    deliver(channel, 3)
    drain.run()
    channel.refresh_from_db()
    assert (channel.state, channel.error) == ("expired", "The provider ended it.")
    queued = [row.task["func"] for row in OrmQ.objects.all()]
    assert sorted(queued) == ["integrations.jobs.open_channel", "integrations.jobs.sync"]
    assert set(Delivery.objects.values_list("status", flat=True)) == {"waiting"}


@pytest.mark.parametrize("became", ["opening", "stopping", "stopped", "failed"])
@pytest.mark.parametrize("news", [Notice(True, "News.", channel="renew"), Notice(True, "News.", channel="gone")])
def test_what_does_not_live_is_left_as_it_is(channel: Channel, say: Say, became: str, news: Notice) -> None:
    say(read=news)
    Channel.unscoped.update(state=became)
    deliver(channel)
    drain.run()
    channel.refresh_from_db()
    assert (channel.state, channel.renew_at) == (became, None)
    assert [row.task["func"] for row in OrmQ.objects.all()] == ["integrations.jobs.sync"]


def test_news_of_many_channels_costs_no_more_statements_than_of_one(integration: Integration, say: Say) -> None:
    say(read=Notice(False, "Renew it.", channel="renew"))
    counts = []
    for number in (1, 20):
        for one in range(number):
            deliver(make_channel(make_state(integration, f"{number} {one}")))
        with CaptureQueriesContext(connection) as queries:
            assert drain.run() == number
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Channel.unscoped.filter(renew_at__lte=timezone.now()).count() == 21
