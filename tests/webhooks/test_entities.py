"""Word of the core that a record changed: signed after Standard Webhooks, and what follows from it.

Vectors: https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests/test_webhooks.py (secret, id and
payload of all its tests; the signature of test_sign_function; the other signatures of test_multi_sig_payload_is_valid).
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from integrations.contract import IncomingRequest
from integrations.errors import Refused
from integrations.models import Integration, SyncState
from relationships import jobs
from relationships.models import Brief, Company, Touchpoint, User
from tests.webhooks.conftest import make_crm, poked
from webhooks import drain, entities, inbox, replay, settling
from webhooks.models import Delivery, WebhookFailure

pytestmark = pytest.mark.django_db
PATH = "/webhooks/entity-updated"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 bytes......").decode()
MESSAGE_ID, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"
PAYLOAD = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = ("v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=", "v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=")
Sends = Callable[..., Any]


@pytest.fixture(autouse=True)
def secret(settings: Settings) -> None:
    settings.ENTITY_WEBHOOK_SECRET = SECRET


def is_taken(signature: str = SIGNATURE, skew: int = 0, body: bytes = PAYLOAD, **changes: str | None) -> bool:
    headers = {"webhook-id": MESSAGE_ID, "webhook-timestamp": TIMESTAMP, "webhook-signature": signature}
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    given = {name: value for name, value in (headers | named).items() if value is not None}
    received_at = datetime.fromtimestamp(int(TIMESTAMP) + skew, UTC)
    try:
        entities._check_signature(IncomingRequest("POST", "https://hub.example.com" + PATH, given, body, received_at))
    except Refused:
        return False
    return True


def test_the_specifications_own_signature_is_taken() -> None:
    assert is_taken()
    assert entities.signature(entities.secrets()[0], MESSAGE_ID, TIMESTAMP, PAYLOAD) == SIGNATURE[3:].encode()


@pytest.mark.parametrize(
    ("signature", "is_good"),
    [
        (" ".join((*WRONG, SIGNATURE, WRONG[0])), True),
        (WRONG[0], False),
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=", False),
        ("v2" + SIGNATURE[2:], False),
        ("v1a" + SIGNATURE[2:], False),
        (SIGNATURE[3:], False),
        (SIGNATURE + ",x", False),
        ("v1,", False),
        ("", False),
        ("v1,é", False),
        (" ".join([WRONG[0]] * 10 + [SIGNATURE]), False),
    ],
)
def test_one_signature_of_version_1_must_fit(signature: str, is_good: bool) -> None:
    assert is_taken(signature) is is_good


@pytest.mark.parametrize(("skew", "is_good"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_five_minutes_count_on_both_sides(skew: int, is_good: bool) -> None:
    assert is_taken(skew=skew) is is_good


@pytest.mark.parametrize("name", ["webhook_id", "webhook_timestamp", "webhook_signature"])
@pytest.mark.parametrize("value", [None, "", "hello", "é", "9" * 400, "-1", "1e9", "٣", "a b"])
def test_a_header_that_is_missing_or_strange_is_refused(name: str, value: str | None) -> None:
    assert not is_taken(**{name: value})  # type: ignore[arg-type]


def test_another_body_or_id_is_refused() -> None:
    assert not is_taken(body=PAYLOAD + b" ")
    assert not is_taken(webhook_id=MESSAGE_ID + "x")


@pytest.mark.parametrize("secrets", [f"{OTHER},{SECRET}", f"{SECRET},{OTHER}"])
def test_while_a_secret_is_replaced_both_are_good(settings: Settings, secrets: str) -> None:
    settings.ENTITY_WEBHOOK_SECRET = secrets
    assert is_taken()
    settings.ENTITY_WEBHOOK_SECRET = OTHER
    assert not is_taken()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_é", "whsec_!!!", ",", "whsec_="])
def test_what_is_no_secret_opens_nothing(settings: Settings, text: str) -> None:
    settings.ENTITY_WEBHOOK_SECRET = text
    content = f"{MESSAGE_ID}.{TIMESTAMP}.".encode() + PAYLOAD
    with_no_key = base64.b64encode(hmac.new(b"", content, hashlib.sha256).digest()).decode()
    assert not is_taken(f"v1,{with_no_key}")


@pytest.fixture
def send(client: Client) -> Sends:
    """Post word of a change, signed now."""

    def post(company: Company | None, event: str = "match.updated", message_id: str = "", **more: Any) -> Any:
        content = {"type": event, "company_id": str(company.pk) if company else str(uuid.UUID(int=7)), **more}
        content = {"entity": "match", "id": str(uuid.UUID(int=1))} | content
        return raw(json.dumps(content).encode(), message_id)

    def raw(body: bytes, message_id: str = "", path: str = PATH) -> Any:
        message_id = message_id or f"msg_{uuid.uuid4().hex}"
        at = str(int(datetime.now(UTC).timestamp()))
        signature = entities.signature(entities.secrets()[0], message_id, at, body).decode()
        headers = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
        return client.post(path, body, content_type="application/json", headers=headers)

    post.raw = raw  # type: ignore[attr-defined]
    return post


def queued() -> list[str]:
    return sorted(task.func() for task in OrmQ.objects.all())


def test_each_crm_of_the_company_is_looked_at_by_one_statement(
    send: Sends, alice: User, charlie: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    mine = [make_crm(alice, "hubspot", "62515"), make_crm(alice, "salesforce", "00Dn00000008y2tEAA")]
    make_crm(charlie, "hubspot", "777")
    with django_assert_num_queries(1):
        assert send(alice.company).status_code == 202
    found = list(Delivery.objects.all())
    assert {(one.company_id, one.sync_state_id) for one in found} == {
        (alice.company_id, channel.sync_state_id) for channel in mine
    }
    assert drain.run() == 2
    assert set(Delivery.objects.values_list("status", flat=True)) == {"waiting"}
    dirty = {state.integration.company_id for state in SyncState.unscoped.all() if state.is_dirty}
    assert dirty == {alice.company_id}
    assert queued() == ["integrations.jobs.sync", "integrations.jobs.sync", "relationships.jobs.make_briefs"]


def test_it_is_done_when_the_sync_has_run(send: Sends, alice: User) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    send(alice.company)
    drain.run()
    state = SyncState.unscoped.get(pk=channel.sync_state_id)
    SyncState.unscoped.filter(pk=state.pk).update(done_mark=state.dirty_mark, last_success_at=timezone.now())
    settling.settle()
    assert Delivery.objects.get().status == "done"


def test_the_named_row_is_compared_by_the_sync_that_it_pokes(send: Sends, alice: User) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    row_id = str(uuid.uuid4())
    send(alice.company, id=row_id, message_id="msg_1")
    send(alice.company, id="not an id", message_id="msg_2")
    drain.run()
    assert poked(channel) == [f"ours match:{row_id}"]


def test_the_same_message_again_is_known(send: Sends, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    assert [send(alice.company, message_id="msg_1").status_code for _ in range(3)] == [202, 200, 200]
    assert Delivery.objects.count() == 1
    assert send(alice.company, message_id="msg_2").status_code == 202


def test_a_company_without_a_crm_is_told_so_and_its_briefs_are_looked_at(send: Sends, alice: User) -> None:
    assert [send(alice.company, message_id="msg_1").status_code for _ in range(2)] == [202, 200]
    drain.run()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error, delivery.company_id) == ("ignored", drain.NO_CRM, alice.company_id)
    assert queued() == ["relationships.jobs.make_briefs"]


@pytest.mark.parametrize("change", [{"is_chosen": False}, {"is_gone": True}])
def test_a_crm_that_is_not_read_is_none(send: Sends, alice: User, change: dict[str, Any]) -> None:
    state_id = make_crm(alice, "hubspot", "62515").sync_state_id
    SyncState.unscoped.filter(pk=state_id).update(**change)
    send(alice.company)
    assert Delivery.objects.get().sync_state_id is None


def test_a_calendar_and_a_link_that_was_cut_are_none(send: Sends, alice: User, state: SyncState) -> None:
    make_crm(alice, "hubspot", "62515")
    Integration.unscoped.filter(integration_type="crm").update(sync_status="revoked")
    send(alice.company)
    assert Delivery.objects.get().sync_state_id is None


def test_an_unknown_company_is_acknowledged_and_counted(send: Sends) -> None:
    assert send(None).status_code == 200
    assert (Delivery.objects.get().status, Delivery.objects.get().error) == ("ignored", inbox.NOBODY_WATCHES)


def test_a_kind_that_nothing_depends_on_is_ignored_with_words(send: Sends, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    send(alice.company, "invoice.paid")
    drain.run()
    assert (Delivery.objects.get().status, queued()) == ("ignored", [])
    assert Delivery.objects.get().error == "No brief and no CRM depends on invoice."


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b"{", b"\xff", b"[" * 100_000, b'{"type": "match.updated"}', b'{"type": 1, "company_id": "x"}',
     b'{"type": "match.updated", "company_id": "\\u0000"}', b'{"type": "match", "company_id": "x"}',
     b'{"type": "MATCH.UPDATED", "company_id": "00000000-0000-0000-0000-000000000007"}',
     b'{"type": "match.updated", "company_id": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_what_says_nothing_is_not_readable(send: Sends, body: bytes) -> None:
    assert send.raw(body).status_code == 400  # type: ignore[attr-defined]
    assert not Delivery.objects.exists()


def test_nothing_but_what_is_needed_is_stored(send: Sends, alice: User) -> None:
    send(alice.company, person="Jane Doe", data={"email": "jane@fund.example"})
    kept = inbox.body_of(Delivery.objects.get())
    assert json.loads(kept) == {
        "type": "match.updated",
        "company_id": str(alice.company_id),
        "entity": "match",
        "id": str(uuid.UUID(int=1)),
    }
    assert set(Delivery.objects.get().headers) == {"webhook-id", "webhook-timestamp"}


def test_without_a_secret_the_address_does_not_exist(send: Sends, client: Client, settings: Settings) -> None:
    settings.ENTITY_WEBHOOK_SECRET = ""
    headers = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
    answer = client.post(PATH, b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 404
    unknown = client.post("/webhooks/nothing", b"{}", content_type="application/json")
    assert answer.content == unknown.content
    assert client.post(f"{PATH}/core", b"{}", content_type="application/json", headers=headers).status_code == 401


def test_unsigned_word_purges_and_pushes_nothing(client: Client, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    body = json.dumps({"type": "match.updated", "company_id": str(alice.company_id)})
    assert client.post(PATH, body, content_type="application/json").status_code == 401
    assert not Delivery.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_failure_is_reviewed_and_replayed_like_any_other(send: Sends, alice: User, staff: User) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    send(alice.company)
    drain.run()
    SyncState.unscoped.filter(pk=channel.sync_state_id).update(gave_up_mark=1, last_error="The CRM had trouble.")
    settling.settle()
    failure = WebhookFailure.objects.get()
    assert (failure.provider, failure.webhook_type, failure.resolved) == ("core", "entity-updated", False)
    assert failure.payload["body"]["type"] == "match.updated"
    assert replay.replay(failure.delivery, staff, "to see")
    drain.run()
    assert SyncState.unscoped.get(pk=channel.sync_state_id).dirty_mark == 2


def test_staff_find_it_by_sender_and_type(send: Sends, alice: User, as_staff: Client) -> None:
    send(alice.company)
    page = as_staff.get("/admin/webhooks/delivery/", {"provider": "core", "type": "entity-updated"})
    assert page.context["cl"].result_count == 1
    assert "LPxGP Core" in page.content.decode()


def test_the_briefs_of_that_company_alone_are_made_at_once(alice: User, charlie: User) -> None:
    for user in (alice, charlie):
        Touchpoint.unscoped.create(
            company=user.company,
            kind=Touchpoint.Kind.MEETING,
            occurred_at=timezone.now() + timedelta(minutes=20),
            unique_key=f"meeting of {user.email}",
            title="Alder",
        )
    assert jobs.make_briefs(str(alice.company_id)) == 1
    assert Brief.unscoped.get().company_id == alice.company_id
    assert jobs.make_briefs() == 1
