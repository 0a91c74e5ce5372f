"""One page of the CRM's records on its way into our rows: found, compared, applied, and written down.

Everything of a page happens in the caller's transaction, with a number of statements that does not grow with the page.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm import comparing, conflicts, deletes, echoes, links, rows, strangers, twins
from crm.comparing import Compared
from crm.contract import Record
from crm.intake import DOUBLE, WAITS, Intake, Page
from crm.models import RecordLink
from integrations import poked_items, runs


def take(intake: Intake, kind: str, records: Sequence[Record], missing: Collection[str] = ()) -> Page:
    """Bring our rows to what these records say. ``missing`` are ids that the CRM does not know any more."""
    known = {record.external_id: record for record in records}
    page = Page(intake, kind, _book(intake, kind, known.values(), missing), seen={*known, *missing})
    now = timezone.now()
    for name in missing:
        deletes.vanish(page.book, name, intake.policy, now)
    living = [each for each in known.values() if deletes.follow(page.book, kind, each, intake.policy, now)]
    page.find_parents(living)
    linked, new = _sorted(page, living)
    found = strangers.welcome(page, new)
    _compare(page, [*linked, *found])
    page.skipped["echo"] += echoes.note(page.came_back, page.lines)
    page.book.store(intake.integration)
    conflicts.journal(intake.integration, page.losses)
    twins.propose(intake.integration, page.book.proposals)
    _read_next(page, page.book.winners - {record.external_id for record in living})
    return page


def _read_next(page: Page, external_ids: Collection[str]) -> None:
    """Have these read by their ids: what was merged into one of them may go on to what that became.

    Each once in a run: merges that lead round in a circle are told for ever.
    """
    crm_object = page.intake.adapter.objects[page.kind]
    names = {f"{crm_object}:{external_id}" for external_id in external_ids} - page.intake.followed
    if names:
        page.intake.followed |= names
        poked_items.add({page.intake.held.state.pk: names})


def _book(intake: Intake, kind: str, records: Collection[Record], missing: Collection[str]) -> deletes.Book:
    names = deletes.names(records) | set(missing)
    return deletes.Book(links.of_records(intake.integration, intake.adapter.objects[kind], names))


def _sorted(page: Page, records: Sequence[Record]) -> tuple[list[Compared], list[Record]]:
    """The linked records that have news, and those that are linked to nothing. The others are counted."""
    linked: list[Compared] = []
    new: list[Record] = []
    for record in records:
        link = page.book.links.get(record.external_id)
        if link is None or (link.row_id is None and link.reason == DOUBLE):
            new.append(record)
        elif link.state == RecordLink.State.IGNORED or link.row_id is None:
            page.skipped["ignored"] += 1
        elif link.external_stamp and record.modified_at and record.modified_at < link.external_stamp:
            page.skipped["stale"] += 1
        elif _has_news(page, link, record):
            linked.append(Compared(link, record))
        else:
            page.came_back[link.pk] = record
    return linked, new


def _has_news(page: Page, link: RecordLink, record: Record) -> bool:
    if (
        link.is_due
        or link.reason == WAITS
        or {tuple(pair) for pair in links.related_of(record)} != {tuple(pair) for pair in link.related}
    ):
        return True
    for line in page.lines:
        half = link.shadow.get(line.crm_field)
        if line.normal(record.values.get(line.crm_field)) != (half["theirs"] if half else None):
            return True
    return False


def _compare(page: Page, items: Sequence[Compared]) -> None:
    """Apply what these records say, and remember what both sides hold now."""
    if not items:
        return
    looked_at = timezone.now() - links.SLACK
    ids = [item.link.row_id for item in items if item.link.row_id]
    stamps = rows.lock(page.kind, ids)
    ours = rows.values(page.kind, ids)
    kept = _without_gone(page, items, ours)
    for item in kept:
        if item.link.looked_at and stamps[item.row_id] > item.link.looked_at:
            # What changed here beside the fields, such as a person's firm, is still to go out.
            item.link.is_due = True
        comparing.compare(page, item, ours[item.row_id], stamps[item.row_id])
    problems = rows.apply(page.kind, {item.row_id: item.changes for item in kept if item.changes})
    after = rows.values(page.kind, [item.row_id for item in kept if item.changes])
    for item in kept:
        _settle(page, item, after.get(item.row_id, ours[item.row_id]), problems.get(item.row_id, []), looked_at)


def _without_gone(page: Page, items: Sequence[Compared], ours: Mapping[uuid.UUID, Any]) -> list[Compared]:
    """What was deleted here is not made again by the CRM."""
    kept = [item for item in items if item.link.row_id in ours]
    for item in items:
        if item.link.row_id not in ours:
            item.link.state, item.link.row_id = RecordLink.State.IGNORED, None
            item.link.reason = deletes.GONE
            page.book.touch(item.link)
            page.skipped["ignored"] += 1
    return kept


def _settle(page: Page, item: Compared, after: rows.Values, problems: list[rows.Problem], looked_at: datetime) -> None:
    """Remember both halves of what was agreed, and what gave way for it."""
    link, record = item.link, item.record
    wrong = comparing.whole_of({problem.field for problem in [*item.problems, *problems]})
    page.report(record.external_id, [*item.problems, *problems])
    _propose(page, item, problems)
    comparing.remember(page, item, after, wrong)
    page.losses += [loss for loss in item.losses if loss.lpxgp_field not in wrong]
    link.external_stamp = record.modified_at or link.external_stamp
    link.looked_at, link.related = looked_at, links.related_of(record)
    if item.is_made or item.changes:
        now = timezone.now()
        # What somebody changed here while this was written has an older stamp, and is found by comparing again.
        link.looked_at, link.is_due = now, link.is_due or not item.is_made
    if link.state == RecordLink.State.NEW:
        link.state = RecordLink.State.LINKED
    page.book.touch(link)
    if item.changes or item.is_new:
        page.changed += 1
        page.unannounced += _is_unannounced(record, timezone.now())
    if not item.changes and not item.is_new and not item.losses:
        page.came_back[link.pk] = record


def _propose(page: Page, item: Compared, problems: Sequence[rows.Problem]) -> None:
    """Whose address, domain or name somebody else has here may be that one."""
    others = {problem.other: problem.words for problem in problems if problem.other}
    for other, words in others.items():
        page.book.proposals.append(twins.Proposal(page.kind, words, ours=(item.row_id, other)))


def _is_unannounced(record: Record, now: datetime) -> bool:
    return record.modified_at is not None and record.modified_at < now - runs.MISSED_AFTER
