"""The staff's pages: lists, one delivery, and replays that show their plan before they do anything."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import Channel, SyncState
from relationships.models import User
from tests.webhooks.conftest import Push
from tests.webhooks.test_drain import deliver
from tests.webhooks.test_replay import failed
from webhooks import drain, settling
from webhooks.models import Attempt, Delivery, WebhookFailure

__all__ = ["failed"]
pytestmark = pytest.mark.django_db

DELIVERIES = "/admin/webhooks/delivery/"
FAILURES = "/admin/webhooks/webhookfailure/"


def text(response: Any) -> str:
    page = response.content.decode()
    assert "<script>" not in page
    assert " style=" not in page
    assert " onclick=" not in page
    return page


def test_empty_lists_teach(as_staff: Client) -> None:
    assert "No delivery has come in yet" in text(as_staff.get(DELIVERIES))
    assert "Nothing is waiting for you" in text(as_staff.get(FAILURES))


def test_the_list_counts_filters_and_searches(as_staff: Client, failed: Delivery, channel: Channel) -> None:
    deliver(channel, 3, first=100)
    page = text(as_staff.get(DELIVERIES))
    assert "<h1>Deliveries</h1>" in page
    assert "Received: <strong>3</strong>" in page
    assert "Failed: <strong>1</strong>" in page
    assert "Ignored: <strong>" not in page
    assert f"{failed.received_at:%Y-%m-%d %H:%M:%S} UTC" in page
    for query, count in (
        ("status__exact=failed", 1),
        ("status__in=received,processing,waiting,retry&o=1", 3),
        ("provider=google", 4),
        ("provider=other", 0),
        ("type=calendar-event", 4),
        (f"cause={WebhookFailure.objects.get().fingerprint}", 1),
        (f"company__id__exact={channel.company_id}", 4),
        ("q=refuses", 1),
        (f"q={channel.channel_id}:101", 1),
    ):
        response = as_staff.get(f"{DELIVERIES}?{query}")
        assert response.status_code == 200, query
        assert response.context["cl"].result_count == count, query


def test_the_lists_cost_the_same_for_many_rows(as_staff: Client, failed: Delivery, channel: Channel) -> None:
    as_staff.get(DELIVERIES)  # the first page of a session writes it
    counts = []
    for first in (1000, 2000):
        deliver(channel, 20, first=first)
        drain.run()
        SyncState.unscoped.update(gave_up_mark=100)
        settling.settle()
        for address in (DELIVERIES, FAILURES):
            with CaptureQueriesContext(connection) as queries:
                as_staff.get(address)
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 14


def test_one_delivery_shows_what_came_and_what_was_tried(as_staff: Client, push: Push, channel: Channel) -> None:
    push(channel, 7, body=b'{"resource": "x", "clientState": "s3cret", "to": "jane.doe@lp.example"}')
    drain.run()
    delivery = Delivery.objects.get()
    page = text(as_staff.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])))
    assert "Asked for a sync" in page
    assert "x-goog-resource-state" in page
    assert "s3cret" not in page
    assert "jane.doe" not in page
    assert "alice%40" not in page
    assert "•••@lp.example" in page
    assert "Replay…" not in page
    assert f"<h1>google calendar-event {delivery.received_at:%Y-%m-%d %H:%M:%S} UTC</h1>" in page


def test_a_body_whose_key_is_gone_says_so(as_staff: Client, push: Push, channel: Channel) -> None:
    push(channel, 7, body=b"{}")
    Delivery.objects.update(body=b"00000000|xyz")
    page = text(as_staff.get(reverse("admin:webhooks_delivery_change", args=[Delivery.objects.get().pk])))
    assert "TOKEN_ENCRYPTION_KEY" in page


def test_one_replay_asks_first_and_needs_a_reason(as_staff: Client, staff: User, failed: Delivery) -> None:
    address = reverse("admin:webhooks_delivery_replay", args=[failed.pk])
    assert address in text(as_staff.get(reverse("admin:webhooks_delivery_change", args=[failed.pk])))
    assert "Nothing can be doubled" in text(as_staff.get(address))
    assert "Say why" in text(as_staff.post(address, {"reason": "  "}))
    failed.refresh_from_db()
    assert failed.status == "failed"

    response = as_staff.post(address, {"reason": "mended"}, follow=True)
    assert "Asked again" in text(response)
    attempt = Attempt.objects.get(is_replay=True)
    assert (attempt.asked_by, attempt.reason) == (staff, "mended")
    assert "under way already" in text(as_staff.post(address, {"reason": "twice"}, follow=True))
    assert Attempt.objects.filter(is_replay=True).count() == 1


@pytest.mark.parametrize("address", [DELIVERIES, FAILURES])
def test_many_are_replayed_by_plan_then_confirmation(
    as_staff: Client, staff: User, failed: Delivery, channel: Channel, address: str
) -> None:
    row = failed if address == DELIVERIES else WebhookFailure.objects.get()
    form = {"action": "replay_selected", "_selected_action": [str(row.pk)], "select_across": "0"}
    page = text(as_staff.post(address, form))
    assert 'Will be replayed</th><td class="number"><strong>1</strong>' in page
    assert "Google refuses." in page
    assert "1 user of 1 company" in page
    failed.refresh_from_db()
    assert failed.status == "failed"

    hidden = dict(re.findall(r'<input type="hidden" name="(?!csrf)(\w+)" value="([^"]*)">', page))
    assert hidden == {
        "_selected_action": str(row.pk),
        "select_across": "0",
        "action": "replay_selected",
        "confirmed": "yes",
    }
    assert "Say why" in text(as_staff.post(address, hidden))
    assert "Asked again for 1" in text(as_staff.post(address, {**hidden, "reason": "mended"}, follow=True))
    failed.refresh_from_db()
    assert failed.status == "received"
    assert Attempt.objects.get(is_replay=True).asked_by == staff


def test_failures_are_grouped_by_cause_and_open_by_default(as_staff: Client, failed: Delivery) -> None:
    page = text(as_staff.get(FAILURES))
    assert "Open failures by cause" in page
    assert "<h1>Webhook failures</h1>" in page
    failure = WebhookFailure.objects.get()
    assert f"?cause={failure.fingerprint}" in page
    assert "Replay…" in text(as_staff.get(reverse("admin:webhooks_webhookfailure_change", args=[failure.pk])))
    WebhookFailure.objects.update(resolved=True)
    for query, count in (("", 0), ("?state=resolved", 1), ("?state=all", 1)):
        response = as_staff.get(FAILURES + query)
        assert response.context["cl"].result_count == count
        assert ("Nothing is waiting for you" in text(response)) is (query == "")


def test_nothing_is_edited_added_or_deleted(as_staff: Client, failed: Delivery) -> None:
    change = reverse("admin:webhooks_delivery_change", args=[failed.pk])
    assert as_staff.post(change, {"status": "done"}).status_code == 405
    assert as_staff.get(DELIVERIES + "add/").status_code == 403
    assert as_staff.post(f"{DELIVERIES}{failed.pk}/delete/", {"post": "yes"}).status_code == 403
    as_staff.post(DELIVERIES, {"action": "delete_selected", "_selected_action": [str(failed.pk)], "post": "yes"})
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("pk", ["00000000-0000-0000-0000-000000000000", "nonsense"])
def test_what_is_not_there_is_404(as_staff: Client, pk: str) -> None:
    assert as_staff.get(f"{DELIVERIES}{pk}/change/").status_code == 404


def test_looking_does_not_allow_replaying(client: Client, failed: Delivery) -> None:
    auditor = User.objects.create_user("auditor@lpxgp.example", "a-long-password", is_staff=True)
    auditor.user_permissions.set(Permission.objects.filter(codename__in=["view_delivery", "view_webhookfailure"]))
    client.force_login(auditor, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "Replay…" not in text(client.get(reverse("admin:webhooks_delivery_change", args=[failed.pk])))
    replay_one = reverse("admin:webhooks_delivery_replay", args=[failed.pk])
    assert client.get(replay_one).status_code == client.post(replay_one, {"reason": "x"}).status_code == 403
    form = {"action": "replay_selected", "_selected_action": [str(failed.pk)], "confirmed": "yes", "reason": "x"}
    client.post(DELIVERIES, form)
    failed.refresh_from_db()
    assert failed.status == "failed"


def test_members_see_none_of_it(as_alice: Client, failed: Delivery) -> None:
    replay_one = reverse("admin:webhooks_delivery_replay", args=[failed.pk])
    for address in (DELIVERIES, FAILURES, replay_one):
        assert as_alice.get(address).status_code in {302, 404}
    as_alice.post(replay_one, {"reason": "x"})
    failed.refresh_from_db()
    assert failed.status == "failed"
