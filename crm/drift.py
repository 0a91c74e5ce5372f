"""Compares both sides as they are, by night: what a sync should have made equal and did not, and the way to mend it.

Of firms and people all records are read, page by page, up to a limit of records and of time; of what we write there the
newest that are linked. Where that is not all, the report says so. A row that is about to be synced, or whose link shows
an error, is no drift: that is known already. Where nothing is written to the CRM, a row is about nothing, and only what
should have come from there is told.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm import conflicts, connection, mapping, outgoing, policy, rows, three_way
from crm.contract import CrmAdapter, Link, Record, Wanted
from crm.mapping import Context, Line
from crm.models import KINDS, DriftReport, Policy, RecordLink
from integrations import grants, poked_items, sync_states
from integrations.errors import IntegrationError, TokenRefused, Wait
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import User

LISTED_KINDS = ("organization", "person")
MOST_PAGES, MOST_LISTED = 500, 200_000
"""So much of one kind is read: every page is a call or two, and a name of each record is remembered meanwhile."""
MOST_READ = 2_000
LONGEST = timedelta(seconds=180)
"""How long a comparison goes on: a job that takes 300 seconds is ended."""
TOOK_TOO_LONG = "It took too long to go on."
READ_BATCH = 100
MOST_SHOWN = 200


@dataclass
class Comparison:
    """One kind of row, compared. ``theirs`` is unknown where not all records were read, and ``limit`` says then why."""

    kind: str
    counts: dict[str, int | None] = field(
        default_factory=lambda: {"ours": 0, "theirs": None, "linked": 0, "compared": 0, "different": 0, "waiting": 0}
    )
    differences: list[dict[str, Any]] = field(default_factory=list)
    limit: str = ""

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        self.counts[name] = (self.counts.get(name) or 0) + number


def report(integration: Integration) -> DriftReport:
    """Compare and write down the result; what stopped it is part of it. Needs ``tenancy.within`` its company."""
    made = DriftReport.objects.create(company_id=integration.company_id, integration=integration)
    try:
        compared = list(_compared(integration))
        made.counts = {one.kind: {**one.counts, "limit": one.limit} for one in compared}
        made.differences = [difference for one in compared for difference in one.differences][:MOST_SHOWN]
    except IntegrationError as error:
        made.error = str(error)
    made.finished_at = timezone.now()
    with transaction.atomic():
        _forget_erased(made)
        made.save()
    return made


def _forget_erased(made: DriftReport) -> None:
    """Keep no value where some were taken back while it was compared: those it read before may be among them."""
    stored = DriftReport.objects.select_for_update(of=("self",)).get(pk=made.pk)
    if stored.error:
        made.differences, made.error = [], made.error or stored.error


def mend(made: DriftReport, user: User) -> int:
    """Have what differs read and written again; returns how many records are named for it.

    Where the report could not name all of them, everything is read anew.
    """
    integration = made.integration
    state = SyncState.objects.filter(integration=integration, resource_type="crm", is_chosen=True).first()
    named = {(one["object"], one["external_id"]) for one in made.differences if one["external_id"]}
    different = sum(counts.get("different") or 0 for counts in made.counts.values())
    links = RecordLink.objects.filter(integration=integration)
    with transaction.atomic():
        is_all_named = different <= len(made.differences) and len(named) <= poked_items.MOST
        links.filter(pk__among=[one["link"] for one in made.differences if one["link"]]).update(is_due=True)
        if state:
            sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
        if state and is_all_named:
            poked_items.add({state.pk: [f"{object}:{external_id}" for object, external_id in sorted(named)]})
        elif state:
            links.filter(state=RecordLink.State.LINKED).update(is_due=True)
            # Without its hold: a sync that is under way would write its own cursor back.
            anew = {"cursor": "", "page_cursor": "", "held_by": None, "held_until": None}
            SyncState.objects.filter(pk=state.pk).update(**anew)
        made.mended_at, made.mended_by = timezone.now(), user
        made.save(update_fields=["mended_at", "mended_by"])
    return len(named)


def _compared(integration: Integration) -> Iterator[Comparison]:
    access, ends_at = grants.fresh(integration.pk), timezone.now() + LONGEST
    done: set[str] = set()
    try:
        for one in _compared_with(integration, access, ends_at):
            done.add(one.kind)
            yield one
    except TokenRefused:
        access = grants.fresh(integration.pk, refused=access)
        yield from (one for one in _compared_with(integration, access, ends_at) if one.kind not in done)


def _compared_with(integration: Integration, access: grants.Access, ends_at: datetime) -> Iterator[Comparison]:
    published = mapping.published(integration)
    adapter, rules = connection.adapter(integration), policy.of(integration)
    listed, may_write = policy.named(rules), rules.writes != Policy.Writes.NONE
    with connection.open(integration, access) as link:
        for kind in KINDS:
            object = adapter.objects.get(kind)
            lines = [line for line in published.lines(kind) if line.crm_object == object and not line.ours.is_volatile]
            if not lines:
                continue
            context, is_written = mapping.context(integration.company), any(line.is_out for line in lines) and may_write
            room = _Room(integration, adapter, link, kind, lines, context, listed, is_written, ends_at)
            yield _listed_or_linked(room) if kind in LISTED_KINDS else _linked(room)


@dataclass(frozen=True)
class _Room:
    """What comparing one kind needs."""

    integration: Integration
    adapter: CrmAdapter
    link: Link
    kind: str
    lines: Sequence[Line]
    context: Context
    listed: frozenset[uuid.UUID] | None
    is_written: bool
    ends_at: datetime

    @property
    def is_late(self) -> bool:
        return timezone.now() > self.ends_at

    @property
    def object(self) -> str:
        return self.adapter.objects[self.kind]

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.crm_field for line in self.lines))

    @property
    def links(self) -> Any:
        found = RecordLink.objects.filter(integration=self.integration, kind=self.kind, state=RecordLink.State.LINKED)
        return found.exclude(external_id="")


def _listed_or_linked(room: _Room) -> Comparison:
    """Where the whole list has to be waited for, the CRM is asked for the newest linked records instead."""
    try:
        return _listed(room)
    except Wait:
        return _linked(room)


def _listed(room: _Room) -> Comparison:
    """All records, page by page. Where there are more than the limit, how many is not known."""
    comparison = _begun(room)
    seen: set[str] = set()
    page_name = ""
    for _ in range(MOST_PAGES):
        wanted = Wanted(room.object, room.fields, page=page_name, is_prompt=True)
        page = room.adapter.listing(room.link, wanted)
        records = [record for record in page.records if not record.is_deleted]
        seen.update(record.external_id for record in records)
        _compare(room, comparison, records)
        page_name = page.next_page
        if not page_name or len(seen) >= MOST_LISTED or room.is_late:
            break
    if page_name:
        why = TOOK_TOO_LONG if room.is_late else "There are more than one comparison reads."
        comparison.limit = f"Only the first {len(seen):,} of their records were read. {why}"
        return comparison
    comparison.counts["theirs"] = len(seen)
    missing = room.links.filter(error_cause="", **({"is_due": False} if room.is_written else {}))
    for link_id, external_id in missing.values_list("pk", "external_id").iterator():
        if external_id not in seen:
            _tell(room, comparison, link_id, external_id, why="The record is not in the CRM any more.")
    return comparison


def _linked(room: _Room) -> Comparison:
    """The newest of those that are linked."""
    comparison = _begun(room)
    ids = list(room.links.order_by("-created_at").values_list("external_id", flat=True)[:MOST_READ])
    if (comparison.counts["linked"] or 0) > len(ids):
        comparison.limit = f"Only the newest {len(ids):,} that are linked were read."
    for start in range(0, len(ids), READ_BATCH):
        if room.is_late:
            comparison.limit = f"Only the newest {start:,} that are linked were read. {TOOK_TOO_LONG}"
            break
        read = room.adapter.read(room.link, Wanted(room.object, room.fields), ids[start : start + READ_BATCH])
        _compare(room, comparison, [record for record in read.records if not record.is_deleted])
    return comparison


def _begun(room: _Room) -> Comparison:
    comparison = Comparison(room.kind)
    table = rows.TABLES[room.kind].objects.all()
    if room.kind in {"meeting", "email"}:
        table = table.filter(kind=room.kind)
    comparison.counts |= {"ours": table.count(), "linked": room.links.count()}
    return comparison


def _compare(room: _Room, comparison: Comparison, records: Sequence[Record]) -> None:
    """One page: three queries and those of ``rows.values``."""
    known = {link.external_id: link for link in room.links.filter(external_id__among=[r.external_id for r in records])}
    ids = [link.row_id for link in known.values() if link.row_id]
    ours, stamps = rows.values(room.kind, ids, room.listed), rows.stamps(room.kind, ids)
    for record in records:
        link = known.get(record.external_id)
        if link is None or link.row_id not in ours:
            continue
        is_new = link.is_due or link.looked_at is None or stamps[link.row_id] > link.looked_at
        if link.error_cause or (is_new and room.is_written):
            comparison.add("waiting")
            continue
        comparison.add("compared")
        for line in room.lines:
            _compare_field(room, comparison, link, line, ours[link.row_id], record)


def _compare_field(
    room: _Room, comparison: Comparison, link: RecordLink, line: Line, row: rows.Values, record: Record
) -> None:
    value, theirs = row.get(line.ours.name), line.normal(record.values.get(line.crm_field))
    if outgoing.stays_there(link, line, row, theirs):
        return
    ours = conflicts.held(line, value, room.context)
    halves = three_way.halves(link.shadow, line.crm_field)
    decision = three_way.decide(line, ours, theirs, *halves, None, record.modified_at)
    if decision.action == "take_theirs" or (decision.action == "take_ours" and room.is_written):
        winner = "theirs" if decision.action == "take_theirs" else "ours"
        why = decision.why or ("It changed in the CRM." if winner == "theirs" else "It changed here.")
        _tell(room, comparison, link.pk, record.external_id, why, line, ours, theirs, winner)


def _tell(
    room: _Room,
    comparison: Comparison,
    link_id: uuid.UUID,
    external_id: str,
    why: str,
    line: Line | None = None,
    ours: Any = None,
    theirs: Any = None,
    winner: str = "",
) -> None:
    comparison.add("different")
    if len(comparison.differences) < MOST_SHOWN:
        comparison.differences.append(
            {
                "kind": room.kind,
                "object": room.object,
                "link": str(link_id),
                "external_id": external_id,
                "lpxgp_field": line.ours.name if line else "",
                "crm_field": line.crm_field if line else "",
                "ours": ours,
                "theirs": theirs,
                "winner": winner,
                "why": why,
            }
        )
