"""Rows that somebody changed here in a field that comes from the CRM alone: their records are read again.

So the rule of the field is kept at once, and not whenever the record happens to change there.
"""

import uuid
from collections.abc import Iterator, Sequence

from django.db.models import Exists, OuterRef
from django.utils import timezone

from crm import conflicts, rows
from crm.intake import Intake
from crm.mapping import Line
from crm.models import ConflictRule, RecordLink
from integrations.models import PokedItem
from relationships import bulk

BATCH = 1000


def name(intake: Intake, kind: str) -> None:
    """Put the records of such rows among those that are read by their ids. One query where nothing was edited."""
    guarded = [line for line in intake.lines(kind) if line.is_in and not line.is_out and _is_guarded(line)]
    crm_object = intake.adapter.objects[kind]
    for links in _changed(intake, kind) if guarded else ():
        ours = rows.values(kind, [link.row_id for link in links if link.row_id])
        edited = [
            link for link in links if link.row_id in ours and _is_edited(link, ours[link.row_id], guarded, intake)
        ]
        RecordLink.objects.filter(pk__among=[link.pk for link in edited]).update(is_due=True)
        named = [
            {
                "company": link.company_id,
                "state": intake.held.state.pk,
                "name": f"{crm_object}:{link.external_id}",
                "at": timezone.now(),
            }
            for link in edited
        ]
        bulk.upsert(PokedItem, named, unique=["state", "name"])


def _is_guarded(line: Line) -> bool:
    """Where our value may stay there is nothing to put right."""
    return line.rule != ConflictRule.OURS_WINS


def _changed(intake: Intake, kind: str) -> Iterator[Sequence[RecordLink]]:
    """The links of rows that changed since they were last compared."""
    seen = RecordLink.objects.filter(
        integration=intake.integration, kind=kind, row_id=OuterRef("pk"), state=RecordLink.State.LINKED
    ).exclude(external_id="")
    newer = rows.TABLES[kind].objects.filter(Exists(seen.filter(looked_at__lt=OuterRef("updated_at"))))
    ids: list[uuid.UUID] = list(newer.order_by().values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        some = RecordLink.objects.filter(
            integration=intake.integration, kind=kind, row_id__among=ids[start : start + BATCH]
        )
        yield list(some)


def _is_edited(link: RecordLink, ours: rows.Values, lines: Sequence[Line], intake: Intake) -> bool:
    halves = ((link.shadow.get(line.crm_field), line) for line in lines)
    return any(
        half is not None and half["ours"] != conflicts.held(line, ours[line.ours.name], intake.context)
        for half, line in halves
    )
