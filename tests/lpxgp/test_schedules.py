"""The database's schedules are those of the list, whatever stood there before."""

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.models import Schedule

from lpxgp import schedules
from lpxgp.schedules import SCHEDULES

pytestmark = pytest.mark.django_db


def as_listed() -> set[tuple[str, str, int]]:
    return {(wanted.name, wanted.job, wanted.minutes) for wanted in SCHEDULES}


def in_database() -> set[tuple[str | None, str, int | None]]:
    return set(Schedule.objects.values_list("name", "func", "minutes"))


def test_every_schedule_is_created_and_due_at_once() -> None:
    assert schedules.ensure()["created"] == len(SCHEDULES)
    assert in_database() == as_listed()
    assert not Schedule.objects.filter(next_run__gt=timezone.now()).exists()


def test_a_second_time_changes_nothing() -> None:
    schedules.ensure()
    before = list(Schedule.objects.order_by("pk").values())

    assert schedules.ensure()["kept"] == len(SCHEDULES)
    assert list(Schedule.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "damage", [{"args": "not readable ("}, {"minutes": 30}, {"func": "os.abort"}, {"repeats": 0}, {"next_run": None}]
)
def test_a_changed_schedule_is_put_right(damage: dict[str, object]) -> None:
    schedules.ensure()
    Schedule.objects.filter(name=SCHEDULES[0].name).update(**damage)

    assert schedules.ensure()["changed"] == 1
    assert in_database() == as_listed()


def test_strangers_and_doubles_are_deleted() -> None:
    schedules.ensure()
    Schedule.objects.create(name="a stranger", func="os.abort")
    Schedule.objects.create(name=None, func="os.abort")
    Schedule.objects.create(name=SCHEDULES[0].name, func="os.abort")

    schedules.ensure()

    assert in_database() == as_listed()
    assert Schedule.objects.count() == len(SCHEDULES)


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("ensure_schedules")
    assert f"{len(SCHEDULES)} created, 0 changed, 0 deleted, 0 kept" in capsys.readouterr().out


def test_no_two_share_a_name() -> None:
    assert len({wanted.name for wanted in SCHEDULES}) == len(SCHEDULES)
