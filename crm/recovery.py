"""Finds out what became of writes whose reply was lost, before anything is sent again.

A creation is looked for by our key, an update is read. What is there is settled as done; what is not is due again.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from crm import ledger, outgoing, parents, policy, sending
from crm.contract import Change, RecordError, Wanted, Written
from crm.mapping import Line
from crm.models import RecordLink, Write
from crm.outgoing import Outgoing, Wish
from crm.sending import Answer, Round

SETTLES_WITHIN = timedelta(seconds=60)
"""So long a record that was just created may be missing from what the CRM lists."""
LOST = RecordError(
    "busy", "The reply to the last write was lost, and it is not there: it is sent again.", is_temporary=True
)

ORPHANED = RecordError("gone", "Its row was merged with another one here before the CRM had answered.")


def run(round: Round) -> set[uuid.UUID]:
    """Settle all that is unsure; returns the links of which nothing can be known yet. They are left alone this time."""
    unsure = list(ledger.unsure(round.integration))
    _let_go([write for write in unsure if write.link.row_id is None])
    groups: dict[tuple[bool, str, str], list[Write]] = defaultdict(list)
    for write in unsure:
        if write.link.row_id is not None:
            groups[write.is_creation, write.link.kind, write.crm_object].append(write)
    unknown: set[uuid.UUID] = set()
    for (is_creation, kind, object), writes in groups.items():
        for start in range(0, len(writes), sending.READ_BATCH):
            batch = writes[start : start + sending.READ_BATCH]
            answers = _created(round, kind, object, batch) if is_creation else _updated(round, object, batch)
            unknown |= {write.link_id for write in batch} - {answer.write.link_id for answer in answers}
            _settle(round, answers)
    return unknown


def _let_go(writes: Sequence[Write]) -> None:
    """Their rows became others while they were on their way: whatever they made comes in as a record nobody knows."""
    ledger.settle([(ledger.noted(write), Written("", write.external_id, error=ORPHANED)) for write in writes])


def _settle(round: Round, answers: Sequence[Answer]) -> None:
    if not answers:
        return
    sending.settle(round, answers)
    links = RecordLink.objects.filter(pk__among=[answer.write.link_id for answer in answers])
    # What they belong to may not have been told, and the rest may have changed meanwhile.
    links.update(is_due=True)
    links.filter(failures__lte=1).update(next_attempt_at=None)


def _created(round: Round, kind: str, object: str, writes: Sequence[Write]) -> list[Answer]:
    listed = policy.listed(policy.of(round.integration))
    related = parents.of(round.integration, kind, [_row_id(write) for write in writes], listed)
    changes = [
        Change(
            outgoing.key(write.link), object, write.values,
            related=related.get(_row_id(write), ()), planned_at=write.planned_at,
        )
        for write in writes
    ]  # fmt: skip
    found = sending.made_before(round, object, changes)
    has_key = object in round.adapter.key_fields
    answers = []
    for write in writes:
        key = outgoing.key(write.link)
        if key not in found and not has_key and write.planned_at > timezone.now() - SETTLES_WITHIN:
            continue
        answers.append(Answer(_item(round, write), ledger.noted(write), found.get(key) or Written(key, error=LOST)))
    return answers


def _updated(round: Round, object: str, writes: Sequence[Write]) -> list[Answer]:
    fields = tuple(sorted({name for write in writes for name in write.values}))
    read = round.adapter.read(round.link, Wanted(object, fields), sorted({write.external_id for write in writes}))
    records = {id: record for record in read.records for id in (record.external_id, *record.aliases)}
    answers = []
    for write in writes:
        item, record, key = _item(round, write), records.get(write.external_id), outgoing.key(write.link)
        if record is None or record.is_deleted:
            written = Written(key, write.external_id, error=RecordError("gone", "It is not in the CRM any more."))
        elif all(wish.line.normal(record.values.get(wish.line.crm_field)) == wish.ours for wish in item.wishes):
            written = Written(key, write.external_id, modified_at=record.modified_at, held=record.values)
        else:
            written = Written(key, write.external_id, error=LOST)
        answers.append(Answer(item, ledger.noted(write), written))
    return answers


def _item(round: Round, write: Write) -> Outgoing:
    """The write as it went out. Of a field that is mapped no more nothing is remembered."""
    lines: dict[str, Line] = {line.crm_field: line for line in round.lines(write.link.kind)}
    sent = [(lines[name], value) for name, value in write.values.items() if name in lines]
    normal = [(line, value, line.normal(value)) for line, value in sent]
    return Outgoing(write.link, {}, tuple(Wish(line, value, held, held) for line, value, held in normal))


def _row_id(write: Write) -> uuid.UUID:
    assert write.link.row_id is not None
    return write.link.row_id
