"""The journal of values that gave way, and how one is put back."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from crm import mapping, rows
from crm.contract import Value
from crm.mapping import Line, TransformError
from crm.models import Conflict, RecordLink, Write
from crm.shapes import Ours
from integrations.errors import Unusable
from integrations.models import Integration
from relationships import bulk
from relationships.models import User


@dataclass(frozen=True)
class Loss:
    """A field of one link of which a value gave way: both as they stood, what both last held, and who won by what."""

    link: RecordLink
    lpxgp_field: str
    crm_field: str
    ours: Ours
    theirs: Value
    base: Any
    winner: str
    rule: str


def journal(integration: Integration, losses: Sequence[Loss]) -> None:
    """Write these down. One statement; in the transaction that lets the values give way."""
    now = timezone.now()
    written = [
        {
            "id": uuid.uuid4(),
            "company": integration.company_id,
            "integration": integration.pk,
            "link": loss.link.pk,
            "lpxgp_field": loss.lpxgp_field,
            "crm_field": loss.crm_field,
            "ours": as_json(loss.ours),
            "theirs": loss.theirs,
            "base": loss.base,
            "winner": loss.winner,
            "rule": loss.rule,
            "found_at": now,
        }
        for loss in losses
    ]
    bulk.upsert(Conflict, written, unique=["id"])


def untold(losses: Sequence[Loss]) -> list[Loss]:
    """Those of a write that are not in the journal yet: while it is refused, or its reply lost, each try has the same.
    One query, where there is any."""
    if not losses:
        return []
    written = Write.objects.filter(link=OuterRef("link"), state=Write.State.DONE, done_at__gt=OuterRef("found_at"))
    rows = Conflict.objects.filter(~Exists(written), link__among=[loss.link.pk for loss in losses], restored_at=None)
    told = [list(row) for row in rows.values_list("link_id", "lpxgp_field", "winner", "ours", "theirs", "base")]
    return [
        loss
        for loss in losses
        if [loss.link.pk, loss.lpxgp_field, loss.winner, as_json(loss.ours), loss.theirs, loss.base] not in told
    ]


def as_json(value: Any) -> Any:
    """A value of ours as the journal keeps it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date | Decimal | uuid.UUID):
        return str(value)
    return value


def restore(conflict: Conflict, user: User) -> None:
    """Put the value that gave way back here; where the mapping sends it out, the next sync writes it to the CRM too.

    Where it comes from the CRM alone it stays until it changes there again. Needs ``tenancy.within`` its company.
    Raises Unusable, with words, where it cannot be put back.
    """
    with transaction.atomic():
        link = RecordLink.objects.select_for_update(of=("self",)).get(pk=conflict.link_id)
        if conflict.erased_at:
            raise Unusable("Its values were removed here.")
        if link.row_id is None or conflict.restored_at:
            raise Unusable("It was put back already." if conflict.restored_at else "It is linked to nothing here now.")
        if not rows.stamps(link.kind, [link.row_id]):
            raise Unusable("Its row was deleted here.")
        integration = Integration.objects.select_related("company").get(pk=conflict.integration_id)
        known = mapping.published(integration)
        line = next((each for each in known.lines(link.kind) if each.ours.name == conflict.lpxgp_field), None)
        context = mapping.context(integration.company)
        _put_back(conflict, link, line, context)
        if line is not None:
            _remember(link, line, context)
        link.is_due = True
        link.save(update_fields=["shadow", "is_due"])
        conflict.restored_at, conflict.restored_by = timezone.now(), user
        conflict.save(update_fields=["restored_at", "restored_by"])


def _put_back(conflict: Conflict, link: RecordLink, line: Line | None, context: mapping.Context) -> None:
    assert link.row_id is not None
    value = conflict.ours
    if conflict.winner == Conflict.Winner.OURS:
        if line is None:
            raise Unusable("This field is no longer mapped.")
        try:
            value = line.incoming(conflict.theirs, context)
        except TransformError as error:
            raise Unusable(str(error)) from error
    if conflict.lpxgp_field == rows.ORGANIZATION:
        value = uuid.UUID(value) if value else None
        if value and not rows.stamps("organization", [value]):
            raise Unusable("That firm was deleted here.")
    problems = rows.apply(link.kind, {link.row_id: {conflict.lpxgp_field: value}})
    if found := problems.get(link.row_id):
        raise Unusable(" ".join(problem.words for problem in found))


def _remember(link: RecordLink, line: Line, context: mapping.Context) -> None:
    """Where our value does not go out, both sides agree to differ; else it counts as changed here."""
    half = link.shadow.get(line.crm_field)
    if line.is_out or half is None:
        return
    ours = rows.values(link.kind, [link.row_id])[link.row_id][line.ours.name] if link.row_id else None
    link.shadow[line.crm_field] = half | {"ours": held(line, ours, context)}


def held(line: Line, ours: Ours, context: mapping.Context) -> Value:
    """Our value in the form both sides are compared in. One that the mapping cannot turn is compared as it stands."""
    try:
        return line.normal(line.outgoing(ours, context))
    except TransformError:
        return line.normal(as_json(ours))
