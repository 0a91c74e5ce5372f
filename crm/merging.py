"""Makes two rows of ours one: the older stays, with all that hung on the other. No value of it is lost unseen."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import Q

from crm import conflicts, links, rows
from crm.models import Policy, RecordLink
from relationships.models import (
    FollowUp,
    Match,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Task,
    Touchpoint,
)

COLUMNS: dict[str, dict[str, str]] = {
    "person": {"display_name": "person.name", "title": "person.title", "phone": "person.phone",
               "organization_id": rows.ORGANIZATION},
    "organization": {"name": "org.name", "kind": "org.kind", "city": "org.city", "country": "org.country"},
}  # fmt: skip
SHARED: dict[str, tuple[tuple[type[models.Model], str, str], ...]] = {
    "person": ((Touchpoint.people.through, "person", "touchpoint"), (Note.people.through, "person", "note")),
    "organization": (
        (Touchpoint.organizations.through, "organization", "touchpoint"),
        (Policy.organizations.through, "organization", "policy"),
        (Match, "organization", "fund"),
    ),
}
"""What each of ours may have once: table, the column of ours, and the column of which there is one each."""
OWNED: dict[str, tuple[tuple[type[models.Model], str], ...]] = {
    "person": ((Task, "person"), (FollowUp, "person"), (Person, "assistant_of"), (PersonAddress, "person")),
    "organization": ((Person, "organization"), (OrganizationDomain, "organization")),
}
TABLES: dict[str, type[Any]] = {"person": Person, "organization": Organization}

LIVING = {RecordLink.State.LINKED, RecordLink.State.NEW, RecordLink.State.PAUSED}
Left = list[tuple[RecordLink, tuple[str, str]]]
"""Links that stayed, each with its record and the one that is linked to nothing now."""


def unite(kind: str, row_ids: Sequence[uuid.UUID]) -> Left | None:
    """Make these rows the oldest of them; None where fewer than two are left. In the caller's transaction."""
    if len(row_ids) < 2:
        return None
    found = TABLES[kind].objects.select_for_update(of=("self",)).filter(pk__in=row_ids).order_by("created_at", "pk")
    kept, *others = list(found) or [None]
    if not others:
        return None
    left: Left = []
    for other in others:
        left += _unite(kind, kept, other)
    return left


def _unite(kind: str, kept: Any, other: Any) -> Left:
    for table, column, beside in SHARED[kind]:
        _move_once(table, column, beside, kept.pk, other.pk)
    _free_mains(kind, kept.pk, other.pk)
    for table, column in OWNED[kind]:
        table._default_manager.filter(**{column: other.pk}).exclude(pk=kept.pk).update(**{column: kept.pk})
    losses, left = _link(kind, kept, other)
    columns = {name: getattr(other, name) for name in COLUMNS[kind]}
    other.delete()
    _fill(kind, kept, columns, losses)
    return left


def _move_once(table: type[Any], column: str, beside: str, kept: uuid.UUID, other: uuid.UUID) -> None:
    """Move rows of the other, but for what the kept one has already."""
    own = table._default_manager.filter(**{column: kept}).values(beside)
    moving = table._default_manager.filter(**{column: other})
    moving.filter(**{f"{beside}__in": own}).delete()
    moving.update(**{column: kept})


def _free_mains(kind: str, kept: uuid.UUID, other: uuid.UUID) -> None:
    """One main address or domain is enough; the kept one's stays."""
    table, column = OWNED[kind][-1]
    mains = table._default_manager.filter(is_primary=True)
    if mains.filter(**{column: kept}).exists():
        mains.filter(**{column: other}).update(is_primary=False)


def _link(kind: str, kept: Any, other: Any) -> tuple[list[RecordLink], Left]:
    """One link at each CRM is the kept row's, one that lives before one that does not; others are put to staff."""
    both = RecordLink.objects.filter(row_id__in=[kept.pk, other.pk], kind=kind).select_related("integration")
    by_crm: dict[uuid.UUID, list[RecordLink]] = defaultdict(list)
    for link in both.order_by("created_at", "pk"):
        by_crm[link.integration_id].append(link)
    own: list[RecordLink] = []
    lost: list[RecordLink] = []
    left: Left = []
    for some in by_crm.values():
        first, *rest = sorted(some, key=lambda link: link.state not in LIVING)
        for link in rest:
            is_there = bool(first.external_id and link.external_id and link.deleted_at is None)
            left += [(first, (first.external_id, link.external_id))] if is_there else []
            link.row_id, link.state, link.is_due = None, RecordLink.State.IGNORED, False
            link.reason = "Its row was merged with another one here."
        links.store(rest)
        lost += rest
        first.row_id, first.is_due = kept.pk, True
        links.store([first])
        own.append(first)
    # Once the kept row is deleted, what is kept of these goes too.
    of_lost = Q(pk__in=[link.pk for link in lost]) | Q(kind=kind, kept_row_id=other.pk)
    RecordLink.objects.filter(of_lost).update(kept_row_id=kept.pk)
    return own, left


def _fill(kind: str, kept: Any, columns: dict[str, Any], own: Sequence[RecordLink]) -> None:
    """Take what the kept one lacks; what differs is written into the journal, from where it can be put back."""
    losses = []
    for column, name in COLUMNS[kind].items():
        value, held = columns[column], getattr(kept, column)
        if not value or value == held:
            continue
        if not held:
            setattr(kept, column, value)
            continue
        rule = "Two rows were merged here, and the older one's value stays."
        losses += [conflicts.Loss(link, name, "", value, conflicts.as_json(held), None, "kept", rule) for link in own]
    kept.save()
    for loss in losses:
        conflicts.journal(loss.link.integration, [loss])
