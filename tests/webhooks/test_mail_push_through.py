"""A mail at the provider becomes a touchpoint here, through Pub/Sub's signed push, and nobody else's push does."""

import re
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.contract import Claim, IncomingRequest, Provider
from integrations.email.models import EmailMessage
from integrations.models import SyncRun
from integrations.providers.google import pushes
from integrations.providers.google.certificates import Certificates
from relationships.models import Organization, OrganizationDomain, Touchpoint, User
from tests.pretend_mail import Mail
from webhooks import drain, inbox, replay, settling, views
from webhooks.models import Delivery, WebhookFailure

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/webhooks/email-received/google"
LP = "lena@alder.example"


@pytest.fixture(autouse=True)
def certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not asked for any yet."""
    monkeypatch.setattr(pushes, "certificates", Certificates())


@pytest.fixture
def pushed(watched_mail: Mail, live_server: LiveServer, settings: Settings) -> Mail:
    """The pretend Gmail, pushing to the live server."""
    settings.PUBLIC_URL = live_server.url
    watched_mail.subscribe(live_server.url + PATH, live_server.url + PATH)
    return watched_mail


def know(user: User) -> None:
    """Let the user's company know the firm that writes."""
    firm = Organization.unscoped.create(company=user.company, name="Alder Pension")
    OrganizationDomain.unscoped.create(company=user.company, organization=firm, domain="alder.example")


def work_off(run_jobs: Callable[[], int]) -> None:
    """What the worker does, once round."""
    while drain.run():
        pass
    run_jobs()
    settling.settle()


def post(mail: Mail, account: str) -> int:
    """Have one notice pushed; how its first try was answered."""

    def tries() -> list[Any]:
        return mail.google.get("pushes")["last"]

    before, deadline = len(tries()), monotonic() + 15
    mail.push(account)
    while len(tries()) == before:
        assert monotonic() < deadline
        sleep(0.02)
    return int(tries()[before]["status"])


def test_a_new_mail_arrives_by_push(pushed: Mail, alice: User, run_jobs: Callable[[], int]) -> None:
    know(alice)
    integration = pushed.link(alice)
    pushed.settle()
    work_off(run_jobs)

    pushed.put_all(alice.email, {"from": LP, "to": [alice.email], "subject": "The fund"}, silent=False)
    pushed.settle()
    delivery = Delivery.objects.latest("received_at")
    assert (delivery.status, delivery.company_id) == ("received", alice.company_id)
    work_off(run_jobs)

    delivery.refresh_from_db()
    assert delivery.status == "done"
    assert Touchpoint.unscoped.get().unique_key == EmailMessage.unscoped.get().unique_key
    run = SyncRun.unscoped.filter(state__integration=integration).latest("started_at")
    assert (run.trigger, run.kind, run.changed) == ("push", "changes", 1)


def test_many_pushes_cost_one_sync(pushed: Mail, alice: User, run_jobs: Callable[[], int]) -> None:
    integration = pushed.link(alice)
    pushed.settle()
    work_off(run_jobs)
    runs = SyncRun.unscoped.filter(state__integration=integration).count()
    pushed.push(alice.email, times=40)
    pushed.settle()
    assert Delivery.objects.filter(status="received").count() == 40
    work_off(run_jobs)
    assert SyncRun.unscoped.filter(state__integration=integration).count() == runs + 1


def test_the_same_message_twice_is_one_delivery(pushed: Mail, alice: User) -> None:
    pushed.link(alice)
    pushed.settle()
    before = Delivery.objects.count()
    pushed.push(alice.email, times=3, distinct=False)
    pushed.settle()
    assert Delivery.objects.count() == before + 1


@pytest.mark.parametrize(
    "tokens",
    ["wrong_audience", "wrong_issuer", "foreign_account", "unverified_email", "expired", "unknown_key", "unsigned",
     "tampered", "none"],
)  # fmt: skip
def test_what_google_did_not_sign_for_us_is_refused(pushed: Mail, alice: User, tokens: str) -> None:
    pushed.link(alice)
    pushed.settle()
    before = Delivery.objects.count()
    pushed.tokens(tokens)
    assert post(pushed, alice.email) == 401
    assert Delivery.objects.count() == before


def test_without_a_service_account_nobody_is_believed(pushed: Mail, alice: User, settings: Settings) -> None:
    settings.GOOGLE_PUBSUB_SERVICE_ACCOUNT = ""
    assert post(pushed, alice.email) == 401


def test_a_mailbox_that_nobody_reads_is_acknowledged_and_counted(pushed: Mail, alice: User) -> None:
    assert post(pushed, "nobody@acme.example") == 200
    assert (Delivery.objects.get().status, Delivery.objects.get().error) == ("ignored", inbox.NOBODY_WATCHES)


def test_two_companies_with_one_mailbox_get_a_delivery_each_and_never_the_others(
    pushed: Mail, alice: User, charlie: User, run_jobs: Callable[[], int]
) -> None:
    know(alice)
    for user in (alice, charlie):
        pushed.link(user, account=alice.email)
    pushed.settle()
    work_off(run_jobs)
    Delivery.objects.all().delete()

    pushed.put_all(alice.email, {"from": LP, "to": [alice.email], "subject": "The fund"}, silent=False)
    pushed.settle()
    found = list(Delivery.objects.all())
    assert {one.company_id for one in found} == {alice.company_id, charlie.company_id}
    assert len(found) == 2
    work_off(run_jobs)

    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}
    # Charlie's firm knows nobody there: of the same mail it keeps nothing.
    assert EmailMessage.unscoped.get().company_id == alice.company_id


def test_a_replay_brings_what_was_missed_and_doubles_nothing(
    pushed: Mail, alice: User, staff: User, run_jobs: Callable[[], int]
) -> None:
    know(alice)
    pushed.link(alice)
    pushed.settle()
    work_off(run_jobs)
    pushed.put_all(alice.email, {"from": LP, "to": [alice.email], "subject": "The fund"}, silent=False)
    pushed.settle()
    delivery = Delivery.objects.latest("received_at")
    work_off(run_jobs)
    for _ in range(2):
        assert replay.replay(delivery, staff, "to see")
        work_off(run_jobs)
    delivery.refresh_from_db()
    assert delivery.status == "done"
    assert delivery.tries.count() == 3
    assert EmailMessage.unscoped.count() == Touchpoint.unscoped.count() == 1
    assert not WebhookFailure.objects.exists()


def test_a_push_costs_one_statement(pushed: Mail, alice: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed.link(alice)
    pushed.settle()
    came: list[IncomingRequest] = []
    original = views._claims

    def claims(provider: Provider, request: IncomingRequest) -> tuple[Claim, ...]:
        came.append(request)
        return original(provider, request)

    monkeypatch.setattr(views, "_claims", claims)
    assert post(pushed, alice.email) == 202
    body = re.sub(rb'("message_?[iI]d": ?")', rb"\g<1>7", came[0].body)
    sent = {"Authorization": came[0].headers["authorization"]}
    with CaptureQueriesContext(connection) as queries:
        answer = client.post(came[0].url, data=body, content_type="application/json", headers=sent)
    assert answer.status_code == 202
    assert len(queries) == 1
    assert Delivery.objects.latest("received_at").dedupe_key.startswith("7")
