"""Sends changes to the CRM batch by batch: noted first, then sent, then settled in one transaction.

Killed anywhere, nothing is lost and nothing is sent twice unseen: what was noted and not settled is recovered first by
whoever comes next (recovery.py).
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connections, transaction
from django.db.models import Max
from django.utils import timezone

from crm import conflicts, connection, ledger, link_errors, loop_guard, outgoing, rows
from crm.contract import Change, CrmAdapter, Link, Record, RecordError, Wanted, Written
from crm.intake import WAITS
from crm.ledger import Noted
from crm.mapping import Context, Line, Mapping
from crm.models import Conflict, FieldMapping, RecordLink
from crm.outgoing import Outgoing
from integrations import runs
from integrations.errors import Temporary, TokenRefused, Wait
from integrations.models import Integration
from relationships import bulk

READ_BATCH = 100
LISTED_WITHIN = timedelta(hours=1)
"""A resource that is so much younger than its link was there before, and was deleted with what it brought."""
IDENTITY = {"person": "person.email", "organization": "org.domain"}
"""The field of ours that says whether two records are the same, by kind."""


@dataclass
class Round:
    """One pushing of one CRM. ``keyless`` are objects whose field for our key turned out to be missing; ``parts`` are
    those of rows that have more or fewer now, by their links. ``lane`` is the one thread that speaks to the CRM while
    this one writes down what it said; ``flight`` is the batch that is under way there."""

    held: runs.Held
    link: Link
    adapter: CrmAdapter
    mapping: Mapping
    context: Context
    lane: ThreadPoolExecutor
    keyless: set[str] = field(default_factory=set)
    parts: dict[uuid.UUID, int] = field(default_factory=dict)
    flight: "Flight | None" = None

    @property
    def integration(self) -> Integration:
        return self.held.state.integration

    def lines(self, kind: str) -> tuple[Line, ...]:
        """The lines by which rows of this kind go out."""
        object = self.adapter.objects.get(kind)
        return tuple(line for line in self.mapping.lines(kind) if line.is_out and line.crm_object == object)


@dataclass(frozen=True)
class Answer:
    """One row that was sent, and what came of it."""

    item: Outgoing
    write: Noted
    written: Written


def send(round: Round, items: Sequence[Outgoing], looked_at: datetime) -> None:
    """Write all of these, of one kind. Raises OutOfTime between two batches, and what the CRM's errors mean."""
    ordered = sorted(
        _unless_looping(items), key=lambda item: (not item.is_creation, [one.external_id for one in item.related])
    )
    for is_creation, group in groupby(ordered, key=lambda item: item.is_creation):
        batches = list(_batches(round, list(group)))
        is_plain = len(batches[0]) <= round.adapter.batch and not any(item.new_related for item in ordered)
        if is_creation or not is_plain:
            land(round)
            for batch in batches:
                _send_batch(round, batch, looked_at)
                runs.check_time(round.held)
        else:
            _send_in_turns(round, batches, looked_at)


def land(round: Round) -> None:
    """Settle the batch that is under way. To be called before this thread speaks to the CRM, and at the end."""
    landing, round.flight = round.flight, None
    if answers := _landed(round, landing, None):
        settle(round, answers)


def keep_back(round: Round, stuck: Sequence[tuple[RecordLink, RecordError]], looked_at: datetime) -> None:
    """Keep why these are not sent, on their links."""
    if not stuck:
        return
    now = timezone.now()
    again = [link.pk for link, error in stuck if link_errors.is_temporary(error)]
    with transaction.atomic():
        store([(link, link_errors.columns(link, error, now)) for link, error in stuck])
        mark_looked(round, [link for link, _ in stuck], looked_at)
        RecordLink.objects.filter(pk__among=again).update(is_due=True)


def keyless(round: Round, link: RecordLink) -> RecordError:
    """Why nothing can be created: a record that was created twice could not be told from two."""
    name = round.adapter.key_fields.get(link.crm_object, "")
    return RecordError("missing_key_field", f"{link.crm_object} has no field {name}.", field=name)


def settle(round: Round, answers: Sequence[Answer]) -> None:
    """Keep what came of each, in one transaction with the run's counts. Raises HoldLost."""
    now = timezone.now()
    adopted = _adopted(round, answers)
    rows = [(one.item.link, _columns(one, adopted.get(one.write.id, ""), now)) for one in answers]
    again = [one.item.link.pk for one in answers if _is_due_again(one) or one.write.id in adopted]
    refused = [one.written.error for one in answers if one.written.error and one.write.id not in adopted]
    skipped: dict[str, int] = {}
    for error in refused:
        skipped[link_errors.cause(error)] = skipped.get(link_errors.cause(error), 0) + 1
    with transaction.atomic():
        ledger.settle([(one.write, one.written) for one in answers])
        store(rows)
        if again:
            RecordLink.objects.filter(pk__among=again).update(is_due=True)
        state = round.held.state
        counts = {"changed": sum(not one.written.error for one in answers)}
        runs.store_page(round.held, state.cursor, state.page_cursor, counts, skipped)
    round.keyless |= {one.item.link.crm_object for one in answers if _misses_key(one)}


def mark_looked(round: Round, links: Sequence[RecordLink], looked_at: datetime) -> None:
    """These are compared, by this mapping. In the caller's transaction.

    Raises OutOfTime where another mapping was published meanwhile, or a row was merged with another one: what is to be
    compared again must stay due, and what is linked to no row any more must not be sent.
    """
    ids = {link.pk for link in links}
    living = RecordLink.objects.filter(pk__among=ids, row_id__isnull=False)
    if living.update(is_due=False, looked_at=looked_at) != len(ids):
        raise runs.OutOfTime
    bulk.update(RecordLink, [{"id": pk, "parts": round.parts[pk]} for pk in ids if pk in round.parts])
    # After the update, which waited for whoever was publishing.
    lines = FieldMapping.objects.filter(company=round.integration.company_id, crm_provider=round.integration.provider)
    if (lines.aggregate(newest=Max("version"))["newest"] or 0) != round.mapping.version:
        raise runs.OutOfTime


def _batches(round: Round, items: list[Outgoing]) -> Iterator[list[Outgoing]]:
    """What goes out in one call; all of it where that is so much that the CRM has a better way."""
    bulk_from = round.adapter.bulk_from
    size = len(items) if bulk_from and len(items) >= bulk_from else round.adapter.batch
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _unless_looping(items: Sequence[Outgoing]) -> list[Outgoing]:
    """Without those that were written again and again; they are paused."""
    now = timezone.now()
    planned = {
        item.link.pk: {wish.line.crm_field: wish.value for wish in item.wishes}
        for item in items
        if not item.is_creation
    }
    caught = loop_guard.caught(planned, now)
    loop_guard.pause(caught, now)
    return [item for item in items if item.link.pk not in caught]


def _send_batch(round: Round, batch: Sequence[Outgoing], looked_at: datetime) -> None:
    """One batch from its note to its end."""
    if batch[0].is_creation and batch[0].link.crm_object in round.keyless:
        keep_back(round, [(item.link, keyless(round, item.link)) for item in batch], looked_at)
        return
    batch = _unmade(round, batch)
    if not batch:
        return
    noted = _note(round, batch, looked_at)
    with _watched(round, noted, connection.calls(round.link)):
        answers = _write(round, noted.changes)
    settle(round, noted.answered(answers))


def _unmade(round: Round, batch: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """Without those that an earlier link created, where what it knew was deleted: these are linked again, and stay due.

    What has a field for our key too: the CRM finds it, but refuses fields that are writable at a creation alone.
    """
    object, age = batch[0].link.crm_object, round.held.state.created_at - round.integration.created_at
    if not batch[0].is_creation or age < LISTED_WITHIN:
        return batch
    changes = [replace(item.change(), planned_at=None) for item in batch]
    made = {key: one.external_id for key, one in made_before(round, object, changes).items()}
    known = [item.link for item in batch if outgoing.key(item.link) in made]
    with transaction.atomic():
        columns = {"state": RecordLink.State.LINKED, "is_due": True}
        store([(link, columns | {"external_id": made[outgoing.key(link)]}) for link in known])
    return [item for item in batch if outgoing.key(item.link) not in made]


def made_before(round: Round, object: str, changes: Sequence[Change]) -> dict[str, Written]:
    """Which of these creations are in the CRM after all, by key. What is linked to another row is none of them."""
    found = {one.key: one for one in round.adapter.recover(round.link, object, changes)}
    links = RecordLink.objects.filter(
        integration=round.integration, crm_object=object, external_id__among={one.external_id for one in found.values()}
    )
    owners = {external_id: str(row_id) for external_id, row_id in links.values_list("external_id", "row_id")}
    return {key: one for key, one in found.items() if owners.get(one.external_id, key) == key}


def _send_in_turns(round: Round, batches: Sequence[Sequence[Outgoing]], looked_at: datetime) -> None:
    """Batches of updates: while one is under way, the one before is settled and the one behind is noted.

    Each call is paid for before, so that the thread that speaks to the CRM needs no database. The last one is under way
    when this returns.
    """
    for batch in batches:
        connection.prepay(round.link)
        noted = _note(round, batch, looked_at)
        landing, round.flight = round.flight, None
        answers = _landed(round, landing, noted)
        calls = connection.calls(round.link)
        answer = round.lane.submit(copy_context().run, _write_apart, round, noted.changes)
        round.flight = Flight(noted, answer, calls)
        if answers:
            settle(round, answers)
        runs.check_time(round.held)


@dataclass(frozen=True)
class _Batch:
    """Rows that are noted in the ledger, and the words they are sent in."""

    items: Sequence[Outgoing]
    changes: Sequence[Change]
    writes: Sequence[Noted]

    def answered(self, answers: Sequence[Written]) -> list[Answer]:
        by_key = {written.key: written for written in answers}
        pairs = zip(self.items, self.writes, strict=True)
        return [Answer(item, write, by_key[outgoing.key(item.link)]) for item, write in pairs]


@dataclass(frozen=True)
class Flight:
    """A batch under way; ``calls`` are those that went out before it."""

    batch: _Batch
    answers: Future[tuple[Written, ...]]
    calls: int | None


def _note(round: Round, items: Sequence[Outgoing], looked_at: datetime) -> _Batch:
    """Note what is about to be sent, and what gives way to it, in one transaction."""
    now = timezone.now()
    changes = [replace(item.change(), planned_at=now) for item in items]
    with transaction.atomic():
        _hold_new(items)
        store([(item.link, {}) for item in items if item.link._state.adding])
        losses = [_loss(item.link, one) for item in items for one in item.lost]
        conflicts.journal(round.integration, conflicts.untold(losses))
        writes = ledger.plan([(item.link, change) for item, change in zip(items, changes, strict=True)])
        mark_looked(round, [item.link for item in items], looked_at)
    return _Batch(items, changes, writes)


def _hold_new(items: Sequence[Outgoing]) -> None:
    """Keep rows that are not linked yet from being merged until they are: who merges them looks for their links.

    In the caller's transaction. Raises OutOfTime where one is gone already.
    """
    new = {item.link.row_id for item in items if item.link._state.adding and item.link.row_id}
    if new and rows.lock(items[0].link.kind, new).keys() != new:
        raise runs.OutOfTime


def _landed(round: Round, flight: Flight | None, following: _Batch | None) -> list[Answer]:
    """What came of the batch that was under way. Where that failed, the one behind it is not sent at all."""
    if flight is None:
        return []
    try:
        with _watched(round, flight.batch, flight.calls):
            return flight.batch.answered(flight.answers.result())
    except BaseException:
        if following:
            _take_back(following)
        raise


@contextmanager
def _watched(round: Round, batch: _Batch, calls: int | None) -> Iterator[None]:
    """Says of a batch whose answer does not come whether it may have arrived; ``calls`` went out before it."""
    try:
        yield
    except (Wait, TokenRefused) as error:
        # Of a refused token, and of a call that was not made, the CRM has taken nothing.
        if calls is not None and connection.calls(round.link) == calls + isinstance(error, TokenRefused):
            _take_back(batch)
        raise
    except Temporary:
        ledger.sent(batch.writes)
        raise


def _take_back(batch: _Batch) -> None:
    """It was certainly not sent: forget it, and have it due as before."""
    with transaction.atomic():
        RecordLink.objects.filter(pk__among=[write.link_id for write in batch.writes]).update(is_due=True)
        ledger.withdraw(batch.writes)


def _write(round: Round, changes: Sequence[Change]) -> tuple[Written, ...]:
    write = round.adapter.write if len(changes) <= round.adapter.batch else round.adapter.write_many
    return write(round.link, changes)


def _write_apart(round: Round, changes: Sequence[Change]) -> tuple[Written, ...]:
    """In a thread of its own. Should it need the database after all, its connection must not outlive it."""
    try:
        return _write(round, changes)
    finally:
        connections.close_all()


def _loss(link: RecordLink, one: outgoing.GivesWay) -> conflicts.Loss:
    line = one.line
    return conflicts.Loss(
        link, line.ours.name, line.crm_field, one.ours, one.theirs, one.base, Conflict.Winner.OURS.value, one.why
    )


def _columns(answer: Answer, adopted: str, now: datetime) -> dict[str, Any]:
    """A link's columns after its write."""
    item, written, link = answer.item, answer.written, answer.item.link
    if adopted:
        return link_errors.NONE | {
            "external_id": adopted,
            "state": RecordLink.State.LINKED,
            "failed_at": link.failed_at,
            "created_at": now,
        }
    error = written.error
    if error and not _is_half_done(answer):
        return link_errors.columns(link, error, now)
    kept: dict[str, Any] = {
        "shadow": outgoing.shadow_after(item, written.held),
        "external_stamp": written.modified_at or link.external_stamp,
    }
    if not (error or item.flaw or item.is_creation or link.error_cause or item.new_related):
        return kept
    reason = WAITS if link.reason == WAITS else ""
    kept |= {"external_id": link.external_id or written.external_id, "state": RecordLink.State.LINKED, "reason": reason}
    if item.is_creation:
        kept["created_at"] = now
    if not error:
        kept["related"] = _related_after(item)
    flaw = error or item.flaw
    return kept | (link_errors.columns(link, flaw, now) if flaw else link_errors.NONE)


def _related_after(item: Outgoing) -> list[list[str]]:
    """A person has one firm, so another one takes the place of the first; all else belongs to ever more."""
    is_moved = item.link.kind == "person" and item.new_related
    known = [] if is_moved else [list(one) for one in item.link.related]
    return known + [[one.kind, one.external_id] for one in item.new_related]


def _is_half_done(answer: Answer) -> bool:
    """The record was created, and only what it belongs to could not be told: another try must not create it again."""
    return answer.item.is_creation and bool(answer.written.external_id)


def _is_due_again(answer: Answer) -> bool:
    error = answer.written.error
    return error is not None and link_errors.is_temporary(error)


def _misses_key(answer: Answer) -> bool:
    return answer.written.error is not None and answer.written.error.cause == "missing_key_field"


def _adopted(round: Round, answers: Sequence[Answer]) -> dict[Any, str]:
    """Ids of records that stood in the way of a creation and are the same: by write. They are linked instead."""
    found: dict[Any, str] = {}
    doubles = {one.written.error.existing_id: one for one in answers if one.written.error and _names_double(one)}
    ids = list(doubles)
    if not ids:
        return found
    link = answers[0].item.link
    line = next((line for line in round.mapping.lines(link.kind) if line.ours.name == IDENTITY.get(link.kind)), None)
    taken = RecordLink.objects.filter(
        integration=link.integration_id, crm_object=link.crm_object, external_id__among=ids
    )
    known = set(taken.values_list("external_id", flat=True))
    for start in range(0, len(ids) if line else 0, READ_BATCH):
        assert line is not None
        wanted = Wanted(link.crm_object, (line.crm_field,))
        batch = round.adapter.read(round.link, wanted, ids[start : start + READ_BATCH])
        for record in batch.records:
            answer = doubles.get(record.external_id)
            if answer and record.external_id not in known and _is_same(answer.item, record, line, round.context):
                found[answer.write.id] = record.external_id
    return found


def _names_double(answer: Answer) -> bool:
    error = answer.written.error
    return error is not None and error.cause == "duplicate" and bool(error.existing_id) and answer.item.is_creation


def _is_same(item: Outgoing, record: Record, line: Line, context: Context) -> bool:
    """Whether the record has our row's address or domain."""
    ours = item.row.get(line.ours.name)
    if not ours or record.is_deleted:
        return False
    normal = line.normal(line.outgoing(ours, context))
    theirs = [record.values.get(line.crm_field), *record.addresses]
    return normal is not None and normal in {line.normal(value) for value in theirs}


_FIXED = ("company", "integration", "kind", "row_id", "crm_object")


def store(rows: Sequence[tuple[RecordLink, dict[str, Any]]]) -> None:
    """Write columns of many links: one statement for each set of columns among them. Those that are new are made."""
    groups: dict[tuple[str, ...], list[RecordLink]] = defaultdict(list)
    for link, columns in rows:
        for name, value in columns.items():
            setattr(link, name, value)
        groups[("new",) if link._state.adding else tuple(sorted(columns))].append(link)
    new = groups.pop(("new",), [])
    names = sorted({"state", "external_id", "is_withheld"}.union(*(columns for _, columns in rows)))
    bulk.upsert(RecordLink, [_row(link, (*_FIXED, *names)) for link in new], unique=["id"], once=_FIXED)
    for link in new:
        link._state.adding = False
    for written, links in groups.items():
        if written:
            bulk.update(RecordLink, [_row(link, written) for link in links])


def _row(link: RecordLink, names: Sequence[str]) -> dict[str, Any]:
    ids = {"company": link.company_id, "integration": link.integration_id}
    return {"id": link.pk} | {name: ids[name] if name in ids else getattr(link, name) for name in names}
