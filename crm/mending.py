"""Hangs rows on what they belong to in the CRM once that is known here: it may come after them."""

import uuid
from collections.abc import Sequence

from django.db import transaction

from crm import rows
from crm.contract import Record, Related
from crm.deletes import Book
from crm.intake import WAITS, Intake, Page
from crm.models import RecordLink
from integrations import runs

BATCH = 500


def mend(intake: Intake) -> None:
    """Look again at what waits for its firm or its people. A few statements for each 500 that do."""
    for kind in ("person", "note"):
        last = None
        while True:
            waiting = RecordLink.objects.filter(
                integration=intake.integration, kind=kind, state=RecordLink.State.LINKED, reason=WAITS
            ).order_by("pk")
            some = list((waiting.filter(pk__gt=last) if last else waiting)[:BATCH])
            if not some:
                break
            last = some[-1].pk
            with transaction.atomic():
                _mend(intake, kind, some)
            runs.check_time(intake.held)


def _mend(intake: Intake, kind: str, waiting: Sequence[RecordLink]) -> None:
    page = Page(intake, kind, Book({link.external_id: link for link in waiting}))
    page.find_parents([])
    ours = rows.values(kind, [link.row_id for link in waiting if link.row_id])
    changes: dict[uuid.UUID, rows.Values] = {}
    for link in waiting:
        if link.row_id not in ours:
            continue
        record = Record("", link.external_id, related=tuple(Related(kind, name) for kind, name in link.related))
        found, is_waiting = page.behind(record)
        changes[link.row_id] = _joined(page, found, ours[link.row_id])
        if not is_waiting:
            link.reason = ""
            page.book.touch(link)
    rows.apply(kind, {pk: given for pk, given in changes.items() if given})
    page.book.store(intake.integration)
    state = intake.held.state
    runs.store_page(intake.held, state.cursor, state.page_cursor, {}, {})


def _joined(page: Page, found: list[tuple[str, uuid.UUID]], ours: rows.Values) -> rows.Values:
    if page.kind == "note":
        people = page.people_of(found)
        return {} if people == ours[rows.PEOPLE] else {rows.PEOPLE: people}
    firm = next((pk for kind, pk in found if kind == "organization"), None)
    return {rows.ORGANIZATION: firm} if firm and ours[rows.ORGANIZATION] is None else {}
