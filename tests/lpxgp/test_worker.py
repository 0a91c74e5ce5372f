"""What the watch decides, told by pretend processes and a pretend clock. The real ones: tests/processes."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings

from lpxgp import worker
from lpxgp.worker import Charge, Watch

LIMIT = 20.0


class PretendGroup:
    """A child process whose state the test sets."""

    started: list["PretendGroup"] = []

    def __init__(self, arguments: list[str]) -> None:
        self.pid = 1000 + len(self.started)
        self.exit_code: int | None = None
        self.vanished: list[int] = []
        self.bytes = 0
        self.calls: list[str] = []
        self.started.append(self)

    def lost(self) -> list[int]:
        return self.vanished

    def largest(self) -> int:
        return self.bytes

    def is_gone(self) -> bool:
        return self.exit_code is not None

    def ask_to_stop(self) -> None:
        self.calls.append("asked")

    def kill(self) -> None:
        self.calls.append("killed")
        self.exit_code = -9


class Clock:
    """Ticks a watch through pretend seconds; a child that beats does so every second."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.now = 1000.0
        self.is_beating = True
        self.is_reachable = True
        self._beats = 0

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._beats += self.is_beating
            self.watch.tick(self.now, {"child": self._beats} if self.is_reachable else None)
            self.now += 0.5


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "Group", PretendGroup)
    monkeypatch.setattr(PretendGroup, "started", [])


@pytest.fixture
def clock() -> Clock:
    """A watch over a child that beats, started a minute ago."""
    clock = Clock(Watch(Charge("child", ["drain"], LIMIT, lambda: None)))
    clock.watch.tick(clock.now, {})
    clock.now += 60
    clock.watch.tick(clock.now, {"child": "first"})
    return clock


@pytest.fixture
def child(clock: Clock) -> PretendGroup:
    return PretendGroup.started[0]


def test_a_child_that_works_is_left_alone(clock: Clock, child: PretendGroup) -> None:
    clock.pass_by(600)
    assert child.calls == []
    assert len(PretendGroup.started) == 1


def test_a_child_that_ended_is_started_again_at_once(clock: Clock, child: PretendGroup) -> None:
    child.exit_code = 1
    clock.pass_by(2)
    assert len(PretendGroup.started) == 2


def test_what_the_dead_one_left_is_killed(clock: Clock, child: PretendGroup) -> None:
    child.exit_code = 1
    clock.pass_by(2)
    assert "killed" in child.calls


def test_a_vanished_process_costs_the_whole_group_its_place(clock: Clock, child: PretendGroup) -> None:
    child.vanished = [4711]
    clock.pass_by(worker.GRACE_TO_HEAL + 2)
    assert child.calls == ["asked", "killed"]
    assert len(PretendGroup.started) == 2


def test_silence_is_no_sign_of_death_before_its_limit(clock: Clock, child: PretendGroup) -> None:
    clock.is_beating = False
    clock.pass_by(LIMIT - 1)
    assert child.calls == []


def test_silence_beyond_the_limit_is(clock: Clock, child: PretendGroup) -> None:
    clock.is_beating = False
    clock.pass_by(LIMIT + 2)
    assert "killed" in child.calls
    assert len(PretendGroup.started) == 2


def test_nobody_dies_of_a_database_that_is_out_of_reach(clock: Clock, child: PretendGroup) -> None:
    clock.is_reachable = clock.is_beating = False
    clock.pass_by(600)
    clock.is_reachable = True
    clock.pass_by(LIMIT - 1)
    assert child.calls == []


def test_one_that_grew_too_large_gets_time_to_finish(clock: Clock, child: PretendGroup, settings: Settings) -> None:
    child.bytes = (settings.WORKER_MAX_MB + 1) * 2**20
    clock.pass_by(worker.SIZE_EVERY + worker.GRACE_TO_SHRINK - 1)
    assert child.calls == ["asked"]
    clock.pass_by(worker.GRACE_TO_SHRINK)
    assert child.calls[:2] == ["asked", "killed"]


def test_one_that_cannot_start_is_tried_ever_more_rarely(clock: Clock) -> None:
    clock.is_beating = False
    for _ in range(1200):  # ten minutes
        PretendGroup.started[-1].exit_code = 1
        clock.pass_by(0.5)
    assert 15 < len(PretendGroup.started) < 40


def test_one_that_worked_is_soon_back_however_often_it_is_killed(clock: Clock) -> None:
    for _ in range(20):
        clock.pass_by(worker.PAUSE_OF_ONE_THAT_WORKED + 3)
        PretendGroup.started[-1].exit_code = -9
    assert len(PretendGroup.started) == 20


def test_after_a_long_life_it_is_tried_at_once_again(clock: Clock) -> None:
    clock.is_beating = False
    for _ in range(120):
        PretendGroup.started[-1].exit_code = 1
        clock.pass_by(0.5)
    clock.is_beating = True
    clock.pass_by(worker.LONGEST_PAUSE + worker.HEALTHY_AFTER + 1)
    started = len(PretendGroup.started)
    PretendGroup.started[-1].exit_code = 1
    clock.pass_by(2)
    assert len(PretendGroup.started) == started + 1


@pytest.fixture
def claimed(db: None, settings: Settings) -> OrmQ:
    """A job that a cluster has claimed for an hour."""
    later = timezone.now() + timedelta(hours=1)
    return OrmQ.objects.create(key=settings.Q_CLUSTER["name"], payload="x", lock=later)


def test_the_jobs_of_a_dead_cluster_are_free_again(claimed: OrmQ) -> None:
    clock = Clock(Watch(Charge("child", ["worker"], LIMIT, worker.give_back_jobs, is_queue=True)))
    clock.pass_by(60)
    PretendGroup.started[0].exit_code = -9
    clock.pass_by(1)
    claimed.refresh_from_db()
    assert claimed.lock is not None
    assert claimed.lock <= timezone.now()


def test_a_job_that_took_too_long_waits_for_its_claim_to_end(claimed: OrmQ, settings: Settings) -> None:
    left = settings.Q_CLUSTER["retry"] - settings.Q_CLUSTER["timeout"] - 5
    OrmQ.objects.update(lock=timezone.now() + timedelta(seconds=left))
    worker.give_back_jobs()
    claimed.refresh_from_db()
    assert claimed.lock is not None
    assert claimed.lock > timezone.now()


def test_a_job_that_may_be_what_kills_is_not_given_back_for_ever(claimed: OrmQ) -> None:
    clock = Clock(Watch(Charge("child", ["worker"], LIMIT, worker.give_back_jobs, is_queue=True)))
    clock.pass_by(1)
    for _ in range(600):
        PretendGroup.started[-1].exit_code = -9
        clock.pass_by(0.5)
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))  # the last cluster claimed it once more
    for _ in range(200):
        PretendGroup.started[-1].exit_code = -9
        clock.pass_by(0.5)
    claimed.refresh_from_db()
    assert claimed.lock is not None
    assert claimed.lock > timezone.now()


def test_a_silent_cluster_is_asked_once_for_a_sign_of_life(db: None) -> None:
    clock = Clock(Watch(Charge("child", ["worker"], 10 * LIMIT, worker.give_back_jobs, is_queue=True)))
    clock.pass_by(2)
    clock.is_beating = False
    clock.pass_by(worker.PROBE_AFTER * 5)
    assert [job.func() for job in OrmQ.objects.all()] == ["lpxgp.cluster.beat"]
