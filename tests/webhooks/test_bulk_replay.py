"""Replays of many: how far they are, and that stopping one leaves what has not begun as it was."""

import threading
from collections import Counter

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from integrations.models import Channel, SyncState
from relationships.models import User
from tests.webhooks.test_drain import deliver, finish_sync
from webhooks import drain, replay, settling
from webhooks.models import Attempt, BulkReplay, Delivery, WebhookFailure

pytestmark = pytest.mark.django_db
REASON = "Google is back"


@pytest.fixture
def failed(channel: Channel, state: SyncState) -> list[Delivery]:
    """Five deliveries of one sync that was given up, the oldest first."""
    deliver(channel, 5)
    drain.run()
    SyncState.unscoped.filter(pk=state.pk).update(gave_up_mark=1, last_error="Google refuses.")
    settling.settle()
    return list(Delivery.objects.order_by("received_at"))


@pytest.fixture
def bulk(failed: list[Delivery], staff: User) -> BulkReplay:
    """All five asked for again, and two of them begun."""
    result = replay.run(Delivery.objects.all(), staff, REASON)
    drain.run(limit=2)
    return result.bulk


def statuses() -> Counter[str]:
    return Counter(Delivery.objects.values_list("status", flat=True))


def page(client: Client, bulk: BulkReplay) -> str:
    response = client.get(reverse("admin:webhooks_bulkreplay_change", args=[bulk.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_stopping_takes_back_what_has_not_begun_and_leaves_the_rest(
    bulk: BulkReplay, failed: list[Delivery], state: SyncState, staff: User
) -> None:
    before = {one.pk: (one.status, one.attempts, one.awaits_mark, one.error) for one in failed}
    ended = {one.pk: one.finished_at for one in failed}
    assert replay.stop(bulk, staff) == 3

    assert statuses() == {"failed": 3, "waiting": 2}
    for one in Delivery.objects.filter(status="failed"):
        assert (one.status, one.attempts, one.awaits_mark, one.error) == before[one.pk]
        finished_at, before_at = one.finished_at, ended[one.pk]
        assert finished_at is not None
        assert before_at is not None
        assert abs((finished_at - before_at).total_seconds()) < 0.01
        last = one.tries.last()
        assert last is not None
        assert (last.outcome, last.detail) == ("stopped", f"Stopped by {staff}.")
    assert WebhookFailure.objects.filter(resolved=False).count() == 5

    finish_sync(state)
    assert drain.run() == 0
    settling.settle()
    assert statuses() == {"failed": 3, "done": 2}
    assert replay.progress(bulk) == replay.Progress(not_begun=0, under_way=0, done=2, failed=0, taken_back=3)


def test_what_was_taken_back_can_be_replayed_again(bulk: BulkReplay, staff: User) -> None:
    replay.stop(bulk, staff)
    assert replay.run(Delivery.objects.all(), staff, "now really").replayed == 3
    assert drain.run() == 3
    numbers = Attempt.objects.filter(reason="now really").values_list("number", "outcome")
    assert set(numbers) == {(3, "poked")}


def test_stopping_twice_stops_once(bulk: BulkReplay, staff: User) -> None:
    assert [replay.stop(bulk, staff), replay.stop(bulk, None)] == [3, 0]
    bulk.refresh_from_db()
    assert bulk.stopped_by == staff


def test_a_replay_that_was_stopped_begins_no_other_piece(
    failed: list[Delivery], staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request is still putting thousands back, 500 at a time, when somebody else presses Stop."""
    monkeypatch.setattr(replay, "MOST_AT_ONCE", 2)
    original = replay._start

    def start_and_stop(*args: object) -> int:
        count = original(*args)  # type: ignore[arg-type]
        replay.stop(BulkReplay.objects.get(), staff)
        return count

    monkeypatch.setattr(replay, "_start", start_and_stop)
    result = replay.run(Delivery.objects.all(), staff, REASON)
    assert (result.replayed, result.left_alone) == (2, 3)
    assert statuses() == {"failed": 5}


def test_the_page_says_how_far_it_is_and_stops_it(as_staff: Client, bulk: BulkReplay, staff: User) -> None:
    shown = page(as_staff, bulk)
    assert "Asked again for 5." in shown
    assert 'Not begun yet</th><td class="number">3</td>' in shown
    assert 'waiting for their sync</th><td class="number">2</td>' in shown
    assert REASON in shown
    stop = reverse("admin:webhooks_bulkreplay_stop", args=[bulk.pk])
    assert stop in shown

    answer = as_staff.post(stop, follow=True).content.decode()
    assert "3 had not begun" in answer
    assert 'as they were before</th><td class="number">3</td>' in answer
    assert stop not in answer
    assert "nothing left to stop" in as_staff.post(stop, follow=True).content.decode()


def test_a_look_stops_nothing(as_staff: Client, bulk: BulkReplay) -> None:
    assert as_staff.get(reverse("admin:webhooks_bulkreplay_stop", args=[bulk.pk])).status_code == 405
    assert statuses() == {"received": 3, "waiting": 2}
    listed = as_staff.get("/admin/webhooks/bulkreplay/")
    assert "Replays of many" in listed.content.decode()


@pytest.mark.parametrize(("codename", "status"), [("view_delivery", 403), ("change_webhookfailure", 302)])
def test_who_may_replay_may_stop(client: Client, bulk: BulkReplay, codename: str, status: int) -> None:
    person = User.objects.create_user("operator@lpxgp.example", "a-long-password", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename=codename))
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(reverse("admin:webhooks_bulkreplay_stop", args=[bulk.pk])).status_code == status


@pytest.mark.django_db(transaction=True)
def test_a_delivery_is_begun_or_taken_back_and_never_both(channel: Channel, state: SyncState, staff: User) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is no race to lose.")
    deliver(channel, 200)
    Delivery.objects.update(status="failed", awaits_mark=1)
    bulk = replay.run(Delivery.objects.all(), staff, REASON).bulk

    def work() -> None:
        try:
            while drain.run(limit=5):
                pass
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    taken_back = replay.stop(bulk, staff)
    worker.join()

    assert statuses() == Counter({"failed": taken_back, "waiting": 200 - taken_back}) - Counter()
    assert Attempt.objects.filter(outcome="stopped").count() == taken_back
    assert Attempt.objects.filter(outcome="poked").count() == 200 - taken_back
