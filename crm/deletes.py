"""What was deleted, merged or restored in the CRM, followed on its links. Nothing of ours is ever deleted by it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from crm import ledger, link_errors, links, merging, rows
from crm.contract import Record
from crm.models import Policy, RecordLink, Twin, Write
from crm.twins import Proposal
from integrations.models import Integration

GONE = "Its row was deleted here."
FORGOTTEN = "It was deleted for privacy in the CRM. Nothing was deleted here: that is for you to decide."


@dataclass
class Book:
    """The links that a page concerns, by their records' ids, and what became of them.

    ``touched`` are to be stored; ``moved`` of these changed places with another one. ``united`` are pairs of records
    that the CRM made one, and ``became`` what each loser of these is now; ``dropped`` are links without a row that are
    needed no more. ``winners`` are what links were moved to: one that this page does not tell of may be gone itself.
    """

    links: dict[str, RecordLink]
    touched: dict[uuid.UUID, RecordLink] = field(default_factory=dict)
    moved: list[RecordLink] = field(default_factory=list)
    dropped: list[RecordLink] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    united: list[Proposal] = field(default_factory=list)
    became: dict[str, str] = field(default_factory=dict)
    winners: set[str] = field(default_factory=set)
    deleted: int = 0

    def touch(self, link: RecordLink) -> None:
        self.touched[link.pk] = link

    def store(self, integration: Integration) -> None:
        """Write it all down. A few statements."""
        links.free(self.moved)
        if self.dropped:
            RecordLink.objects.filter(pk__among=[link.pk for link in self.dropped]).delete()
        links.store(self.touched.values())
        if self.united:
            digests = [pair.digest for pair in self.united]
            open_ones = Twin.objects.filter(integration=integration, digest__among=digests, state=Twin.State.OPEN)
            open_ones.update(state=Twin.State.MERGED, decided_at=timezone.now())


def names(records: Iterable[Record]) -> set[str]:
    """The ids whose links a page concerns: of its records, of what they were before, and of what they became."""
    found: set[str] = set()
    for record in records:
        found |= {record.external_id, *record.aliases, record.merged_into} - {""}
    return found


def follow(book: Book, kind: str, record: Record, policy: Policy, now: datetime) -> bool:
    """Follow a deletion, a merge or a restoring; whether the record lives, and is to be read."""
    if record.is_deleted:
        if record.merged_into:
            _merge(book, kind, record.external_id, record.merged_into, now)
        else:
            _delete(book, record, policy, now)
        return False
    for alias in record.aliases:
        _merge(book, kind, alias, record.external_id, now)
    link = book.links.get(record.external_id)
    if link is not None and link.reason == FORGOTTEN:
        return False  # that is for good: the CRM's lists are late
    if link is not None and link.state == RecordLink.State.DELETED:
        link.state, link.reason, link.deleted_at, link.is_due = RecordLink.State.LINKED, "", None, True
        book.touch(link)
    return True


def let_go(integration: Integration) -> None:
    """Links whose rows were deleted here are kept in sync no more: their records stay, and make no new rows.

    A row that was made one with another goes with that one. One whose last write may or may not be there waits until
    that is known. One statement for each kind of row, and one for each that can be merged.
    """
    ours = RecordLink.objects.filter(integration=integration)
    for kind, table in rows.TABLES.items():
        _let_go(ours.filter(kind=kind, row_id__isnull=False), table, "row_id")
    for kind, table in merging.TABLES.items():
        _let_go(ours.filter(kind=kind, row_id=None, kept_row_id__isnull=False), table, "kept_row_id")


def _let_go(linked: QuerySet[RecordLink], table: type[Any], column: str) -> None:
    unsure = Write.objects.filter(link=OuterRef("pk"), state__in=ledger.UNSURE)
    gone = linked.filter(~Exists(table.objects.filter(pk=OuterRef(column))), ~Exists(unsure))
    ended = {"row_id": None, "kept_row_id": None, "reason": GONE, "is_due": False}
    gone.update(**link_errors.NONE, **ended, state=RecordLink.State.IGNORED)


def vanish(book: Book, external_id: str, policy: Policy, now: datetime) -> None:
    """The CRM does not know this id any more, nor among what it deleted."""
    _delete(book, Record("", external_id, is_deleted=True), policy, now)


def _delete(book: Book, record: Record, policy: Policy, now: datetime) -> None:
    link = book.links.get(record.external_id)
    if link is None or link.deleted_at is not None:
        return
    deleted_at = record.modified_at or now
    link.deleted_at, link.is_due = deleted_at, False
    told = f"It was deleted in the CRM on {deleted_at:%Y-%m-%d}. Nothing was deleted here."
    if link.state == RecordLink.State.IGNORED:
        link.reason = told
    elif policy.on_delete == Policy.OnDelete.UNLINK:
        del book.links[record.external_id]
        link.state, link.external_id, link.shadow, link.related = RecordLink.State.IGNORED, "", {}, []
        link.reason = f"{told} The link was forgotten."
    else:
        link.state, link.reason = RecordLink.State.DELETED, told
    book.deleted += 1
    book.touch(link)


def _merge(book: Book, kind: str, loser: str, winner: str, now: datetime) -> None:
    """What was linked to the loser is linked to the winner. Two rows of ours stay two, and are proposed as twins.

    A winner that lost another merge itself is passed over, in whichever order the two are told.
    """
    while winner in book.became:
        winner = book.became[winner]
    if loser != winner:
        book.became[loser] = winner
    lost, won = book.links.get(loser), book.links.get(winner)
    if lost is None or loser == winner or _is_over(lost):
        return
    book.united.append(Proposal(kind, "", theirs=(loser, winner)))
    book.winners.add(winner)
    if won is None:
        del book.links[loser]
        _settle(book, lost, winner)
        return
    kept, other = sorted((lost, won), key=lambda link: (link.row_id is None, link.created_at, link.pk))
    book.moved += [lost, won]
    other.external_id, other.state, other.is_due = loser, RecordLink.State.IGNORED, False
    other.deleted_at, other.reason = now, f"Its record was merged into {winner} in the CRM."
    if kept.row_id and other.row_id and kept.row_id != other.row_id:
        reason = "Their records were merged in the CRM; here they are still two."
        book.proposals.append(Proposal(kind, reason, ours=(kept.row_id, other.row_id)))
    book.links[loser] = other
    book.touch(other)
    _settle(book, kept, winner)


def _settle(book: Book, link: RecordLink, winner: str) -> None:
    link.external_id, link.external_stamp, link.is_due = winner, None, True
    if link.state in {RecordLink.State.DELETED, RecordLink.State.IGNORED} and link.row_id:
        link.state, link.deleted_at, link.reason = RecordLink.State.LINKED, None, ""
    if link.state == RecordLink.State.LINKED:
        # One that waits for its firm still does.
        link.reason = link.reason or "Its record was merged in the CRM."
    book.links[winner] = link
    book.touch(link)


def _is_over(link: RecordLink) -> bool:
    """Whether this merge was followed before."""
    return link.state == RecordLink.State.IGNORED and link.deleted_at is not None
