"""Hangs rows on what they belong to in the CRM once that is known here: it may come after them."""

import uuid
from collections.abc import Sequence

from django.db import transaction

from crm import parents, rows
from crm.contract import Record, Related
from crm.deletes import Book
from crm.intake import WAITS, Intake, Page
from crm.models import RecordLink
from integrations import poked_items, runs
from integrations.models import SyncRun

BATCH = 500
WAIT_FOR = {"person": {"organization"}, "note": {"organization", "person"}}
"""What rows of each kind may wait for."""


def mend(intake: Intake) -> None:
    """Look again at what waits for its firm or its people, where such came. A few statements for each 500 that do."""
    came = _came(intake)
    for kind in [kind for kind, awaited in WAIT_FOR.items() if came & awaited]:
        waiting = RecordLink.objects.select_for_update(of=("self",)).filter(
            integration=intake.integration, kind=kind, state=RecordLink.State.LINKED, reason=WAITS
        )
        last = uuid.UUID(int=0)
        while True:
            with transaction.atomic():
                some = list(waiting.filter(pk__gt=last).order_by("pk")[:BATCH])
                if not some:
                    break
                _mend(intake, kind, some)
            last = some[-1].pk
            runs.check_time(intake.held)


def _came(intake: Intake) -> set[str]:
    """The kinds of which some came to be known since a run ended well: one that was interrupted may not have mended."""
    since = intake.held.state.last_success_at
    if since is None or intake.held.run.kind != SyncRun.Kind.CHANGES:
        return {"organization", "person"}
    new = RecordLink.objects.filter(integration=intake.integration, kind__in=parents.PARENT_KINDS, created_at__gt=since)
    return intake.linked | set(new.order_by().values_list("kind", flat=True).distinct())


def _mend(intake: Intake, kind: str, waiting: Sequence[RecordLink]) -> None:
    page = Page(intake, kind, Book({link.external_id: link for link in waiting}))
    page.find_parents([])
    ids = [link.row_id for link in waiting if link.row_id]
    rows.lock(kind, ids)
    ours = rows.values(kind, ids)
    changes: dict[uuid.UUID, rows.Values] = {}
    disputed: list[str] = []
    for link in waiting:
        if link.row_id not in ours:
            continue
        record = Record("", link.external_id, related=tuple(Related(kind, name) for kind, name in link.related))
        found, is_waiting = page.behind(record)
        if kind == "person" and _is_disputed(found, ours[link.row_id]):
            disputed.append(f"{link.crm_object}:{link.external_id}")
            continue
        changes[link.row_id] = _joined(page, found, ours[link.row_id])
        if not is_waiting:
            link.reason = ""
            page.book.touch(link)
    rows.apply(kind, {pk: given for pk, given in changes.items() if given})
    page.book.store(intake.integration)
    state = intake.held.state
    # Read once more, they are compared: which firm gives way is told, and journaled.
    if disputed:
        poked_items.add({state.pk: disputed})
    runs.store_page(intake.held, state.cursor, state.page_cursor, {}, {})


def _is_disputed(found: list[tuple[str, uuid.UUID]], ours: rows.Values) -> bool:
    """Whether a person belongs to another firm here than there."""
    firms = [pk for kind, pk in found if kind == "organization"]
    return bool(firms) and ours[rows.ORGANIZATION] not in {None, firms[0]}


def _joined(page: Page, found: list[tuple[str, uuid.UUID]], ours: rows.Values) -> rows.Values:
    if page.kind == "note":
        people = page.people_of(found)
        return {} if people == ours[rows.PEOPLE] else {rows.PEOPLE: people}
    firm = next((pk for kind, pk in found if kind == "organization"), None)
    return {rows.ORGANIZATION: firm} if firm and ours[rows.ORGANIZATION] is None else {}
