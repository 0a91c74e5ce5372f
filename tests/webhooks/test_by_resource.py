"""A push that names a mailbox and no channel: one delivery for each link that watches it, and no more."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from integrations import providers
from integrations.contract import Claim, Notice
from integrations.models import Channel, Integration, SyncState
from relationships.models import User
from tests.webhooks.conftest import make_channel, make_state
from webhooks import drain, inbox, replay, settling
from webhooks.inbox import Receipt
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
MAILBOX = "deals@acme.example"
BODY = b'{"message": {"data": "e30="}}'


def watch(user: User, mailbox: str = MAILBOX, **fields: Any) -> Channel:
    """A linked mailbox of this user, with a channel."""
    integration = Integration.unscoped.create(
        company=user.company, user=user, provider="google", integration_type="email", encrypted_tokens=b"x",
        external_account_id="sub-mail", account_address=mailbox,
    )  # fmt: skip
    state = make_state(integration, "me")
    SyncState.unscoped.filter(pk=state.pk).update(resource_type="mailbox")
    return make_channel(state, **{"resource_id": mailbox, **fields})


def receive(key: str = "1", mailbox: str = MAILBOX, body: bytes = BODY) -> Receipt:
    claim = Claim(dedupe_key=key, headers={"x-kept": "yes"}, resource_id=mailbox, by_resource=True)
    return inbox.receive("google", "email-received", claim, body)


@pytest.fixture
def poke_all(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the worker's inbox loop read what there is; the provider says that all of it is news."""
    monkeypatch.setattr(providers.get("google"), "read", lambda *_: Notice(True, "New mail."))
    return drain.run


def test_each_company_that_watches_gets_its_own_delivery_by_one_statement(
    alice: User, charlie: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    channels = [watch(alice), watch(charlie)]
    watch(alice.__class__.objects.create_user("dan@acme.example", company=alice.company), "dan@acme.example")
    with django_assert_num_queries(1):
        assert receive() is Receipt.STORED
    found = {row.company_id: row for row in Delivery.objects.all()}
    assert len(found) == 2
    for channel in channels:
        delivery = found[channel.company_id]
        assert (delivery.channel_id, delivery.sync_state_id) == (channel.channel_id, channel.sync_state_id)
        assert delivery.dedupe_key == f"1:{channel.channel_id}"
        assert (delivery.status, delivery.headers) == ("received", {"x-kept": "yes"})
        assert inbox.body_of(delivery) == BODY
    assert len({row.pk for row in found.values()} | {row.request_key for row in found.values()}) == 3


def test_the_same_push_again_is_no_second_row(
    alice: User, charlie: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    watch(alice)
    assert receive() is Receipt.STORED
    with django_assert_num_queries(2):
        assert receive() is Receipt.DUPLICATE
    late = watch(charlie)
    assert receive() is Receipt.STORED
    assert receive() is Receipt.DUPLICATE
    assert Delivery.objects.count() == 2
    assert Delivery.objects.filter(company=late.company).count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"state": Channel.State.STOPPED},
        {"state": Channel.State.STOPPING},
        {"state": Channel.State.EXPIRED},
        {"state": Channel.State.FAILED},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"resource_id": ""},
        {"resource_id": "other@acme.example"},
        {"provider": "another"},
    ],
)
def test_what_nobody_watches_is_acknowledged_and_counted_once(alice: User, fields: dict[str, Any]) -> None:
    watch(alice, **fields)
    assert [receive(), receive()] == [Receipt.UNWATCHED, Receipt.UNWATCHED]
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error) == ("ignored", inbox.NOBODY_WATCHES)
    assert (delivery.company, delivery.sync_state, delivery.channel_id) == (None, None, "")
    assert delivery.finished_at == delivery.received_at
    assert inbox.body_of(delivery) == BODY


def test_a_watch_that_is_just_being_asked_for_gets_its_first_push(alice: User) -> None:
    watch(alice, state=Channel.State.OPENING, expires_at=None)
    assert receive() is Receipt.STORED


@pytest.mark.parametrize("mailbox", ["x" * 300, "a\0b@acme.example", "\ud800@acme.example"])
def test_a_mailbox_that_cannot_be_is_acknowledged(alice: User, mailbox: str) -> None:
    watch(alice)
    assert receive(mailbox=mailbox) is Receipt.UNWATCHED
    assert not Delivery.objects.exists()


def test_each_delivery_pokes_its_own_mailbox_and_is_done_with_its_own_sync(
    alice: User, charlie: User, poke_all: Callable[[], int]
) -> None:
    mine, theirs = watch(alice), watch(charlie)
    receive()
    poke_all()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"waiting"}
    state = SyncState.unscoped.get(pk=mine.sync_state_id)
    SyncState.unscoped.filter(pk=state.pk).update(done_mark=state.dirty_mark, last_success_at=timezone.now())
    settling.settle()
    assert dict(Delivery.objects.values_list("company", "status")) == {
        mine.company_id: "done",
        theirs.company_id: "waiting",
    }


def test_a_replay_of_one_leaves_the_other_companies_alone(
    alice: User, charlie: User, staff: User, poke_all: Callable[[], int]
) -> None:
    mine, theirs = watch(alice), watch(charlie)
    receive()
    Delivery.objects.update(status="failed")
    assert replay.replay(Delivery.objects.get(company=mine.company_id), staff, "to see")
    poke_all()
    assert Delivery.objects.get(company=theirs.company_id).status == "failed"
    assert SyncState.unscoped.get(pk=mine.sync_state_id).dirty_mark == 1
    assert SyncState.unscoped.get(pk=theirs.sync_state_id).dirty_mark == 0


def test_staff_see_that_one_request_became_several(as_staff: Client, alice: User, charlie: User) -> None:
    watch(alice), watch(charlie)
    receive()
    for delivery in Delivery.objects.all():
        page = as_staff.get(f"/admin/webhooks/delivery/{delivery.pk}/change/").content.decode()
        assert "2 deliveries" in page
        assert f"?request_key={delivery.request_key}" in page
    key = Delivery.objects.values_list("request_key", flat=True).first()
    listing = as_staff.get("/admin/webhooks/delivery/", {"request_key": str(key)})
    assert listing.context["cl"].result_count == 2
    other = as_staff.get("/admin/webhooks/delivery/", {"request_key": str(uuid.uuid4())})
    assert other.context["cl"].result_count == 0


def test_a_mailbox_is_found_by_an_index(alice: User) -> None:
    watch(alice)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        sql = inbox._insert_sql(connection.vendor, ("dedupe_key", "received_at"), inbox._BY_RESOURCE)
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        values = {"dedupe_key": "1", "received_at": "2026-01-01 00:00:00+00"}
        cursor.execute(f"{explain} {sql}", {**values, "provider": "google", "resource_id": MAILBOX})
        assert "channel_resource" in str(cursor.fetchall())
