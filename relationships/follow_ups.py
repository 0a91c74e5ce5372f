"""Who owes whom an answer, from the mail that is known: opened and closed by what arrives, and by the clock."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from relationships import bulk, correspondence, rhythm, tenancy, workdays
from relationships.correspondence import Letter
from relationships.models import FollowUp, Task, Touchpoint, User

OLDEST = timedelta(days=30)
"""What has waited longer is not opened, and what is open no longer applies: nobody expects that answer any more."""

THREADS_AT_ONCE = 500

OURS, THEIRS = FollowUp.Side.OURS.value, FollowUp.Side.THEIRS.value
OPEN, ANSWERED, VOID = (
    each.value for each in (FollowUp.Outcome.OPEN, FollowUp.Outcome.ANSWERED, FollowUp.Outcome.VOID)
)

Owed = tuple[uuid.UUID, uuid.UUID]
"""The user, and the mail that waits."""

STORED = (
    "id",
    "user_id",
    "touchpoint_id",
    "person_id",
    "side",
    "outcome",
    "since_at",
    "due_at",
    "usual_days",
    "task_id",
)
"""What is read of a stored row, beside its thread and whether its mail is hidden."""


def review(company_id: uuid.UUID, thread_keys: Collection[str]) -> int:
    """Put right who owes an answer in these conversations; returns how many follow-ups were opened.

    To be called after their mail was recorded, in the same transaction. The newest letter decides: what a colleague
    wrote to a contact waits for the contact; what came from outside waits for each user it was written to, until
    anybody of the firm answers. One row per user and mail for ever: what was answered, dismissed or void stays so.
    The same number of queries for one conversation as for a thousand, but for the yardsticks of those whom there is
    much mail with (``rhythm.usual``). Of long conversations only the part that can still matter is read.
    """
    keys = set(thread_keys) - {""}
    if not keys:
        return 0
    with tenancy.within(company_id), transaction.atomic(savepoint=False):
        stored = {(row["user_id"], row["touchpoint_id"]): row for row in _stored(keys)}
        mails = Touchpoint.objects.filter(thread_key__among=keys, occurred_at__gte=_since(stored.values()))
        letters = correspondence.read(mails)
        threads = _by_thread(letters)
        waiting = {owed: letter for thread in threads.values() for owed, letter in _waiting(thread).items()}
        wanted = _rows(company_id, {owed: letter for owed, letter in waiting.items() if _may_wait(stored.get(owed))})
        new = [row for owed, row in wanted.items() if owed not in stored]
        changed = [row for owed, row in wanted.items() if owed in stored and _differs(row, stored[owed])]
        closed = [
            _closed(company_id, row, threads.get(row["thread_key"], ()))
            for owed, row in stored.items()
            if row["outcome"] == OPEN and owed not in wanted
        ]
        _write(new, [*changed, *(row for row in closed if row)])
    return len(new)


def sweep() -> int:
    """What the clock alone changes: open follow-ups grow too old, colleagues leave, rhythms move.

    Over all companies; returns how many follow-ups were opened on the way.
    """
    opened = 0
    rows = FollowUp.unscoped.filter(outcome=OPEN).order_by("company_id")
    pairs = rows.values_list("company_id", "touchpoint__thread_key").distinct()
    for company_id, threads in groupby(pairs, key=lambda pair: pair[0]):
        keys = [key for _, key in threads]
        for start in range(0, len(keys), THREADS_AT_ONCE):
            opened += review(company_id, keys[start : start + THREADS_AT_ONCE])
    return opened


def snooze(follow_up: FollowUp, until_on: date) -> None:
    """Keep it out of sight until that day begins for its user. Does nothing to what is closed."""
    until = workdays.midnight(until_on, ZoneInfo(follow_up.user.time_zone))
    FollowUp.objects.filter(pk=follow_up.pk, outcome=OPEN).update(snoozed_until=until)


def wake(follow_up: FollowUp) -> None:
    """Show it again before its snooze is over."""
    FollowUp.objects.filter(pk=follow_up.pk, outcome=OPEN).update(snoozed_until=None)


def dismiss(follow_up: FollowUp) -> None:
    """No answer is needed. Nobody is reminded of this mail again."""
    rows = FollowUp.objects.filter(pk=follow_up.pk, outcome=OPEN)
    rows.update(outcome=FollowUp.Outcome.DISMISSED, closed_at=timezone.now())


def reopen(follow_up: FollowUp) -> None:
    """It was dismissed by mistake."""
    rows = FollowUp.objects.filter(pk=follow_up.pk, outcome=FollowUp.Outcome.DISMISSED)
    rows.update(outcome=OPEN, closed_at=None, snoozed_until=None)


def make_task(follow_up: FollowUp, due_on: date) -> Task:
    """The user's task to get the answer out, or in; it is done by itself once that happens. One per follow-up.

    Its title names the contact and never the mail's subject: colleagues see tasks.
    """
    who = follow_up.person or "a contact"
    is_ours = follow_up.side == OURS
    with transaction.atomic():
        task, _ = Task.objects.get_or_create(
            pk=uuid.uuid5(follow_up.pk, "task"),
            defaults={
                "company_id": follow_up.company_id,
                "title": f"Answer {who}" if is_ours else f"Ask {who} for an answer",
                "description": f"Done by itself once {'your answer goes out' if is_ours else 'the answer arrives'}.",
                "person_id": follow_up.person_id,
                "touchpoint_id": follow_up.touchpoint_id,
                "assignee_id": follow_up.user_id,
                "due_on": due_on,
                "origin": f"follow_up:{follow_up.pk}",
            },
        )
        FollowUp.objects.filter(pk=follow_up.pk).update(task=task)
    return task


def _stored(thread_keys: Collection[str]) -> Iterable[dict[str, Any]]:
    """All follow-ups of these conversations, which stay locked until the transaction ends."""
    rows = FollowUp.objects.select_for_update(of=("self",)).filter(touchpoint__thread_key__among=thread_keys)
    named = {"thread_key": "touchpoint__thread_key", "hidden_at": "touchpoint__cancelled_at"}
    for row in rows.order_by("pk").values(*STORED, *named.values()):
        yield {**row, **{name: row[path] for name, path in named.items()}}


def _since(stored: Iterable[Mapping[str, Any]]) -> datetime:
    """The time before which no letter matters: it is too old to wait, and cannot answer what is still open."""
    return min([timezone.now() - OLDEST, *(row["since_at"] for row in stored if row["outcome"] == OPEN)])


def _by_thread(letters: Iterable[Letter]) -> dict[str, list[Letter]]:
    ordered = sorted(letters, key=lambda letter: letter.thread_key)
    return {key: list(thread) for key, thread in groupby(ordered, key=lambda letter: letter.thread_key)}


def _waiting(thread: Iterable[Letter]) -> dict[Owed, Letter]:
    """The letters of one conversation, the earliest first, that still wait, each with the user it waits for or with."""
    latest: dict[uuid.UUID, Letter] = {}
    for letter in thread:
        # An answer ends what was asked before, whoever of the two sides gave it.
        latest = {user: other for user, other in latest.items() if other.is_outgoing == letter.is_outgoing}
        if letter.is_known:
            latest |= dict.fromkeys(letter.users, letter)
    oldest = timezone.now() - OLDEST
    return {(user, letter.pk): letter for user, letter in latest.items() if letter.at > oldest}


def _may_wait(stored: Mapping[str, Any] | None) -> bool:
    return stored is None or stored["outcome"] == OPEN


def _rows(company_id: uuid.UUID, waiting: Mapping[Owed, Letter]) -> dict[Owed, dict[str, Any]]:
    """The follow-ups that these letters ask for, with their yardsticks."""
    if not waiting:
        return {}
    users = User.objects.filter(company_id=company_id, pk__among={user for user, _ in waiting})
    zones = {pk: ZoneInfo(name) for pk, name in users.values_list("pk", "time_zone")}
    pairs = {
        owed: (_side(letter), owed[0], letter.person)
        for owed, letter in waiting.items()
        if letter.person is not None and owed[0] in zones
    }
    usual = rhythm.usual(set(pairs.values()), zones)
    rows = {}
    for owed, letter in waiting.items():
        if owed[0] not in zones:
            continue
        days = usual.get(pairs[owed]) if owed in pairs else None
        rows[owed] = {
            "id": uuid.uuid4(),
            "company": company_id,
            "user": owed[0],
            "touchpoint": owed[1],
            "person": letter.person,
            "side": _side(letter),
            "outcome": OPEN,
            "since_at": letter.at,
            "due_at": workdays.after(letter.at, _patience(_side(letter), days), zones[owed[0]]),
            "usual_days": days,
            "closed_at": None,
        }
    return rows


def _side(letter: Letter) -> str:
    return THEIRS if letter.is_outgoing else OURS


def _patience(side: str, usual_days: Decimal | None) -> float:
    """Business days that a mail may wait before it is shown as owed."""
    usual = float(usual_days or 0)
    return max(2, 2 * usual) if side == THEIRS else max(1, usual)


def _differs(row: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    return (row["person"], row["since_at"], row["due_at"], row["usual_days"]) != (
        stored["person_id"],
        stored["since_at"],
        stored["due_at"],
        stored["usual_days"],
    )


def _closed(company_id: uuid.UUID, row: Mapping[str, Any], thread: Sequence[Letter]) -> dict[str, Any] | None:
    """The open follow-up as it ends; None where its mail is only hidden, and may come back."""
    is_ours = row["side"] == OURS
    answer = next((letter for letter in thread if letter.at > row["since_at"] and letter.is_outgoing == is_ours), None)
    if answer is None and row["hidden_at"]:
        return None
    return {
        "id": row["id"],
        "company": company_id,
        "user": row["user_id"],
        "touchpoint": row["touchpoint_id"],
        "person": row["person_id"],
        "side": row["side"],
        "outcome": ANSWERED if answer else VOID,
        "since_at": row["since_at"],
        "due_at": row["due_at"],
        "usual_days": row["usual_days"],
        "closed_at": answer.at if answer else timezone.now(),
    }


def _write(new: Sequence[Mapping[str, Any]], changed: Sequence[Mapping[str, Any]]) -> None:
    """Two statements at most; then the tasks of what was answered are done."""
    if new:
        # Another worker's row of the same mail is as good as ours.
        bulk.upsert(FollowUp, new, unique=["user", "touchpoint"], once=list(new[0]))
    bulk.upsert(FollowUp, changed, unique=["user", "touchpoint"], once=["id", "company", "side"])
    answered = [row["id"] for row in changed if row["outcome"] == ANSWERED]
    if answered:
        tasks = FollowUp.objects.filter(pk__among=answered).exclude(task=None)
        now = timezone.now()
        Task.objects.filter(pk__in=tasks.values("task"), done_at=None).update(done_at=now, updated_at=now)
