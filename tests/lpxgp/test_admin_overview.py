"""The first page of the admin says how the product runs, and where to look."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Channel, Heartbeat, Integration
from lpxgp import admin_overview
from lpxgp.admin_overview import Line
from lpxgp.health import WORKER_HEARTBEATS
from relationships.models import User
from tests.webhooks.conftest import channel, integration, state
from webhooks.models import Delivery, WebhookFailure

__all__ = ["channel", "integration", "state"]
pytestmark = pytest.mark.django_db


def beat(minutes_ago: int = 0) -> None:
    for name in WORKER_HEARTBEATS:
        Heartbeat.objects.create(name=name, pid=1, beat_at=timezone.now() - timedelta(minutes=minutes_ago))


def give_up(number: int) -> None:
    for key in range(number):
        delivery = Delivery.objects.create(
            provider="google",
            webhook_type="calendar-event",
            dedupe_key=str(key),
            status="failed" if key else "waiting",
            received_at=timezone.now() - timedelta(hours=2),
        )
        WebhookFailure.objects.create(delivery=delivery, provider="google", webhook_type="calendar-event", payload={})


def seen_by(user: User) -> dict[str, Line]:
    request = RequestFactory().get("/admin/")
    request.user = user
    return {line.label: line for line in admin_overview.lines(request)}


def test_nothing_to_do_is_said_in_words(as_staff: Client, staff: User) -> None:
    beat()
    assert not [line for line in seen_by(staff).values() if line.needs_somebody]
    page = as_staff.get("/admin/").content.decode()
    assert "None: every delivery arrived or is under way" in page
    assert "Last sign of life" in page


def test_what_needs_somebody_leads_to_its_list(as_staff: Client, staff: User, channel: Channel) -> None:
    beat(minutes_ago=5)
    give_up(3)
    Integration.unscoped.update(sync_status="stale")
    Channel.unscoped.update(state="live", renew_at=timezone.now() - timedelta(hours=3))
    lines = seen_by(staff)
    assert [line.words for line in lines.values()] == [
        "3 wait for somebody",
        "Received 2\xa0hours ago",
        "1: their users were told",
        "1 late by an hour or more: is the worker running?",
        "Last sign of life 5\xa0minutes ago",
    ]
    assert all(line.needs_somebody for line in lines.values())
    found = [as_staff.get(line.address).context["cl"].result_count for line in lines.values()]
    assert found == [3, 1, 1, 1, len(WORKER_HEARTBEATS)]


def test_a_worker_half_of_which_never_showed_itself_needs_somebody(staff: User) -> None:
    Heartbeat.objects.create(name=WORKER_HEARTBEATS[0], pid=1, beat_at=timezone.now())
    assert seen_by(staff)["Worker"].needs_somebody


def test_it_costs_one_query_for_each_line(staff: User, channel: Channel) -> None:
    give_up(20)
    with CaptureQueriesContext(connection) as queries:
        assert len(seen_by(staff)) == len(queries) == 5


def test_staff_see_the_lines_of_what_they_may_see(db: None) -> None:
    auditor = User.objects.create_user("auditor@lpxgp.example", "a-long-password", is_staff=True)
    auditor.user_permissions.set(Permission.objects.filter(codename="view_delivery"))
    assert list(seen_by(auditor)) == ["Oldest delivery under way"]


def test_what_staff_come_for_stands_first_and_bookkeeping_nowhere(as_staff: Client) -> None:
    apps = as_staff.get("/admin/").context["app_list"]
    assert [app["app_label"] for app in apps][:5] == ["webhooks", "integrations", "crm", "calendar", "relationships"]
    listed = {model["object_name"]: model for app in apps for model in app["models"]}
    assert not {"ContactsLook", "Heartbeat", "LinkAttempt"} & listed.keys()
    assert listed["Delivery"]["view_only"]
    assert not listed["Company"]["view_only"]


def test_times_are_in_utc_wherever_the_reader_lives(as_staff: Client, staff: User, integration: Integration) -> None:
    User.objects.filter(pk=staff.pk).update(time_zone="Asia/Tokyo")
    page = as_staff.get(f"/admin/integrations/integration/{integration.pk}/change/").content.decode()
    assert f"{integration.created_at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert f"<h1>{integration}</h1>" in page
