"""What the core said of rows of ours: their records are compared again, whatever the stamps of the rows say."""

import uuid
from collections import defaultdict

from django.db import transaction

from crm.models import RecordLink
from integrations.contract import OURS
from integrations.models import PokedItem, SyncState
from relationships.models import Match, Note


def mark(state: SyncState) -> None:
    """Have the records of all rows that were named compared. Needs ``tenancy.within``; may run twice."""
    with transaction.atomic():
        # Locked, so that one which is named again meanwhile is named anew, not forgotten.
        named = PokedItem.objects.filter(state=state, name__startswith=OURS)
        items = list(named.order_by("name").select_for_update())
        if not items:
            return
        links = RecordLink.objects.filter(integration=state.integration_id, row_id__among=_rows(items))
        links.filter(state=RecordLink.State.LINKED).update(is_due=True, next_attempt_at=None)
        PokedItem.objects.filter(pk__among=[item.pk for item in items]).delete()


def _rows(items: list[PokedItem]) -> set[uuid.UUID]:
    """The rows that have records: a match is told with its firm, a note also with its meeting."""
    named: dict[str, set[uuid.UUID]] = defaultdict(set)
    for item in items:
        entity, _, row_id = item.name.removeprefix(OURS).partition(":")
        named[entity].add(uuid.UUID(row_id))
    firms = Match.objects.filter(pk__among=named["match"]).values_list("organization_id", flat=True)
    meetings = Note.objects.filter(pk__among=named["note"]).exclude(touchpoint=None)
    return set().union(*named.values(), firms, meetings.values_list("touchpoint_id", flat=True))
