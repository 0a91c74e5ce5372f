"""From us to the CRM: what changed here goes out, firms and people first, then what hangs on them.

Each row is compared by what both sides held when they last agreed, and only its changed fields are written. What one
record meets is kept on its link and stops no other.
"""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm import (
    budgets,
    connection,
    echoes,
    link_errors,
    links,
    mapping,
    outgoing,
    parents,
    parts,
    policy,
    recovery,
    rows,
    sending,
    taken_back,
)
from crm.contract import Link, Record, RecordError, Related, Wanted
from crm.intake import WAITS
from crm.mapping import Line, Mapping
from crm.models import KINDS, Policy, RecordLink
from crm.outgoing import Outgoing
from crm.sending import Round
from integrations import poked_items, runs
from integrations.errors import Wait
from relationships.models import Company

PAGE = 10_000
"""Rows that are looked for at once."""
CHUNK = 2
"""Batches of rows that are compared at once."""
MOST_COUNTED = 10_000
GONE = RecordError("gone", "It is not in the CRM any more.")

Row = tuple[uuid.UUID, RecordLink]


def push(held: runs.Held, link: Link, published: Mapping) -> None:
    """Bring the CRM up to date with our rows. May be killed anywhere, and run twice.

    Raises OutOfTime between batches, Wait where the allowance is used up or the fate of a write is still unknown.
    """
    integration = held.state.integration
    rules = policy.of(integration)
    company = Company.objects.get(pk=integration.company_id)
    with ThreadPoolExecutor(max_workers=1) as lane:
        round = Round(held, link, connection.adapter(integration), published, mapping.context(company), lane)
        unknown = recovery.run(round)
        if rules.writes != Policy.Writes.NONE:
            _push_all(round, policy.listed(rules), unknown)
    if unknown:
        raise Wait("Whether some records were created is not known yet.", timezone.now() + recovery.SETTLES_WITHIN)


def _push_all(round: Round, listed: frozenset[uuid.UUID] | None, unknown: set[uuid.UUID]) -> None:
    waiting: dict[str, int] = {}
    _find_missing_keys(round)
    parts.find_lost(round.integration)
    for kind in KINDS:
        if kind == "meeting":
            parents.release(round.integration, round.held.state.last_success_at, listed)
        if not round.lines(kind):
            continue
        if budgets.may_push(round.integration, kind):
            _push_kind(round, kind, listed, unknown)
        elif count := len(rows.newer(round.integration, kind, MOST_COUNTED)):
            waiting[kind] = count
    budgets.tell_waiting(round.integration, waiting)


def _find_missing_keys(round: Round) -> None:
    """Creations wait while the CRM has no field for our key, and go on once it has one."""
    known = mapping.known_fields(round.integration)
    waiting = RecordLink.objects.filter(integration=round.integration, error_cause="missing_key_field")
    for object, name in round.adapter.key_fields.items():
        if known.get(object) and name not in known[object]:
            round.keyless.add(object)
        elif object in known:
            waiting.filter(crm_object=object, next_attempt_at=None).update(is_due=True)


def _push_kind(round: Round, kind: str, listed: frozenset[uuid.UUID] | None, unknown: set[uuid.UUID]) -> None:
    seen: set[uuid.UUID] = set()
    while True:
        looked_at = timezone.now() - links.SLACK
        found = rows.newer(round.integration, kind, PAGE)
        row_ids = [row_id for row_id in found if row_id not in seen]
        if not row_ids:
            return
        seen.update(row_ids)
        size = _chunk(round, len(row_ids))
        try:
            for start in range(0, len(row_ids), size):
                _push_page(round, kind, row_ids[start : start + size], looked_at, listed, unknown)
        finally:
            sending.land(round)
        runs.check_time(round.held)


def _chunk(round: Round, count: int) -> int:
    """How many rows are compared before they are sent: few, so that the next are compared meanwhile; or all at once,
    where there are so many that the CRM has a better way."""
    bulk_from = round.adapter.bulk_from
    return count if bulk_from and count >= bulk_from else CHUNK * round.adapter.batch


def _push_page(
    round: Round,
    kind: str,
    row_ids: Sequence[uuid.UUID],
    looked_at: datetime,
    listed: frozenset[uuid.UUID] | None,
    unknown: set[uuid.UUID],
) -> None:
    values = rows.values(kind, row_ids, listed)
    related = parents.of(round.integration, kind, row_ids, listed)
    pairs = [(row_id, link) for row_id, link in _links(round, kind, row_ids) if link.pk not in unknown]
    lines = round.lines(kind)
    items, stuck = [], []
    _count_parts(round, kind, pairs, values)
    for row_id, link in pairs:
        if row_id not in values:
            continue
        known = [Related(*one) for one in link.related]
        # While a person's firm there is not known here, ours must not take its place unseen.
        ours = () if kind == "person" and link.reason == WAITS else related.get(row_id, ())
        named = round.adapter.takes(link.crm_object, ours, known)
        link.is_withheld = values[row_id].get(rows.IS_WITHHELD, False) if link._state.adding else link.is_withheld
        item = outgoing.of(link, values[row_id], lines, named, round.context)
        if error := _obstacle(round, kind, item):
            stuck.append((link, error))
        else:
            items.append(outgoing.without_empty(item) if item.is_creation else item)
    items = _with_theirs(round, kind, lines, items)
    sendable = [item for item in items if item.is_worth_sending]
    stuck += [(item.link, item.flaw) for item in items if item.flaw and not item.is_worth_sending]
    _keep_idle(round, [item for item in items if not item.is_worth_sending and not item.flaw], looked_at)
    sending.keep_back(round, stuck, looked_at)
    sending.send(round, sendable, looked_at)


def _count_parts(round: Round, kind: str, pairs: Sequence[Row], values: dict[uuid.UUID, rows.Values]) -> None:
    """Note of which rows there are other parts now than when they were last compared. What was told with a note that is
    told no more is emptied here, and what was withheld since the sync began; what is told openly now is to be emptied
    once it is not."""
    fewer, opened, withheld = [], [], []
    for row_id, link in pairs:
        if not (link.is_withheld or link._state.adding) and values.get(row_id, {}).get(rows.IS_WITHHELD):
            withheld.append(link)
        if link.is_withheld and not values.get(row_id, {}).get(rows.IS_WITHHELD, True):
            opened.append(link.pk)
        number = values.get(row_id, {}).get(rows.PARTS, link.parts)
        if number != link.parts:
            round.parts[link.pk] = number
        if number < link.parts and kind == "meeting":
            fewer.append(link.pk)
    if fewer:
        taken_back.without_a_note(round.integration, fewer)
    if opened:
        taken_back.opened(opened)
    taken_back.withhold(round.integration, withheld)


def _links(round: Round, kind: str, row_ids: Sequence[uuid.UUID]) -> list[Row]:
    """Each row with its link; a new one where it has none."""
    integration = round.integration
    known = RecordLink.objects.filter(integration=integration, kind=kind, row_id__among=row_ids)
    by_row = {link.row_id: link for link in known}
    object = round.adapter.objects[kind]
    pairs = []
    for row_id in row_ids:
        link = by_row.get(row_id) or RecordLink(
            company_id=integration.company_id,
            integration=integration,
            kind=kind,
            row_id=row_id,
            crm_object=object,
            state=RecordLink.State.NEW,
        )
        if link.state in {RecordLink.State.NEW, RecordLink.State.LINKED}:
            pairs.append((row_id, link))
    return pairs


def _obstacle(round: Round, kind: str, item: Outgoing) -> RecordError | None:
    """Why a row cannot be created yet."""
    if not item.is_creation:
        return None
    if kind in parents.CHILD_KINDS and not item.related:
        return RecordError("parent_missing", "Nobody it belongs to is linked with the CRM.")
    if item.link.crm_object in round.keyless:
        return sending.keyless(round, item.link)
    return None


def _keep_idle(round: Round, items: Sequence[Outgoing], looked_at: datetime) -> None:
    """These are as the CRM knows them: remember that they were looked at, and what both hold."""
    if not items:
        return
    changed = [item for item in items if item.agreed or item.link.error_cause]
    columns = [(item.link, link_errors.NONE | {"shadow": outgoing.shadow_after(item, {})}) for item in changed]
    with transaction.atomic():
        sending.store(columns)
        sending.mark_looked(round, [item.link for item in items], looked_at)


def _with_theirs(round: Round, kind: str, lines: Sequence[Line], items: list[Outgoing]) -> list[Outgoing]:
    """The rows once it is known what the CRM holds at this moment, where that decides what is written."""
    asking = [item for item in items if item.must_read]
    if not asking:
        return items
    sending.land(round)
    stamps = rows.stamps(kind, [item.link.row_id for item in asking if item.link.row_id])
    fields = tuple(sorted({line.crm_field for line in lines if outgoing.needs_theirs(line)}))
    ready = [item for item in items if not item.must_read]
    for start in range(0, len(asking), sending.READ_BATCH):
        batch = asking[start : start + sending.READ_BATCH]
        ids = [item.link.external_id for item in batch]
        read = round.adapter.read(round.link, Wanted(round.adapter.objects[kind], fields), ids)
        records = {name: Record(kind, name, is_deleted=True) for name in read.missing}
        records |= {record.external_id: record for record in read.records}
        pairs = [(item, records.get(item.link.external_id)) for item in batch]
        ready += _compared(round, pairs, stamps)
    return ready


def _compared(
    round: Round, pairs: Sequence[tuple[Outgoing, Record | None]], stamps: dict[uuid.UUID, datetime]
) -> list[Outgoing]:
    ready, left = [], []
    for item, record in pairs:
        if record and record.is_deleted and item.link.kind not in echoes.READ_BACK:
            ready.append(replace(item, wishes=(), flaw=GONE))
            continue
        if record is None or record.is_deleted:
            # Deletions and merges are the reader's to follow.
            left.append(item.link)
            continue
        found = outgoing.compared(item, record, stamps.get(item.link.row_id) if item.link.row_id else None)
        if found.is_left:
            left.append(item.link)
        else:
            ready.append(found.item)
    _leave_to_pull(round, left)
    return ready


def _leave_to_pull(round: Round, left: Sequence[RecordLink]) -> None:
    """The next reading takes these by their ids; until then they stay due."""
    poked_items.add({round.held.state.pk: [f"{link.crm_object}:{link.external_id}" for link in left]})
