"""The mapping as people edit it: one draft per company and CRM, versions that were published, and the way between them.

A draft is read with its ``changed_at``; who saves says which state they saw, and is refused (Stale) where another was
quicker. It is stored with the first change: until then it is what is published, and as old as that. Nothing reaches the
CRM before ``publish``.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils import timezone

from crm import checks, defaults, mapping
from crm.catalogue import OURS
from crm.checks import Crm, Problem
from crm.mapping import Row
from crm.models import ConflictRule, Direction, FieldMapping, MappingVersion, RecordLink, WriteMode
from crm.transforms import TRANSFORMS, FormOption
from integrations import sync_states
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Company, User

STANDARD = "The standard mapping"
MOST_ROWS = 200
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a draft changed that was not begun where nothing is published either."""


class Stale(Exception):
    """Somebody else changed the draft meanwhile. ``draft`` is what it is now."""

    def __init__(self, draft: MappingVersion) -> None:
        who = f"{draft.author} changed" if draft.author else "Somebody changed"
        super().__init__(
            f"{who} this draft at {draft.changed_at:%H:%M:%S} UTC, after you opened it. Nothing was saved."
        )
        self.draft = draft


class Blocked(Exception):
    """The draft has errors and cannot be published."""

    def __init__(self, errors: Sequence[Problem]) -> None:
        super().__init__(f"{len(errors)} error{'' if len(errors) == 1 else 's'} must be corrected first.")
        self.errors = errors


class Unchanged(Exception):
    """The draft is what is published: another version of it would only have every record compared again."""

    def __init__(self, latest: MappingVersion) -> None:
        super().__init__(f"The draft is as version {latest.number}, which counts already.")


@dataclass(frozen=True)
class Difference:
    """How one line differs between two mappings: None where it is not there; else ``parts`` that changed."""

    lpxgp_field: str
    label: str
    before: Row | None
    after: Row | None
    parts: tuple[tuple[str, str, str], ...] = ()


def ensure(integration: Integration) -> None:
    """Publish the standard mapping as version 1 where the company has none yet, so that a new link has a mapping."""
    rows = defaults.of(integration.provider).rows
    company_id, provider = integration.company_id, integration.provider
    try:
        with transaction.atomic():
            if not versions_of(company_id, provider).exists():
                _store_version(company_id, provider, 1, rows, STANDARD, None)
    except IntegrityError:
        return  # Another process published it in this moment.


def draft(company: Company, provider: str) -> MappingVersion:
    """The draft of this company and CRM. Where none was begun, one as what is published; ``save`` stores it."""
    return find_draft(company, provider) or _unsaved(company, provider)


def _unsaved(company: Company, provider: str) -> MappingVersion:
    """Everybody's first draft is as old as what it begins as, so of two who begin it the second is told."""
    begun = latest(company, provider)
    rows = begun.rows if begun else [row.as_json() for row in defaults.of(provider).rows]
    changed_at = begun.changed_at if begun else NEVER
    return MappingVersion(company=company, crm_provider=provider, rows=rows, changed_at=changed_at)


def _begin(version: MappingVersion) -> MappingVersion:
    """Store a draft that is unsaved; where somebody else just did, theirs."""
    try:
        with transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError:
        return MappingVersion.unscoped.get(
            company=version.company_id, crm_provider=version.crm_provider, state=MappingVersion.State.DRAFT
        )
    return version


def find_draft(company: Company, provider: str) -> MappingVersion | None:
    """The draft, where one was begun."""
    found = MappingVersion.unscoped.filter(company=company, crm_provider=provider, state=MappingVersion.State.DRAFT)
    return found.select_related("author").first()


def rows_of(version: MappingVersion) -> list[Row]:
    """The lines of a draft or version."""
    return [Row(**row) for row in version.rows]


def latest(company: Company, provider: str) -> MappingVersion | None:
    """The version that was published last."""
    return versions_of(company.pk, provider).first()


def latest_of(companies: Collection[uuid.UUID]) -> dict[tuple[uuid.UUID, str], MappingVersion]:
    """The versions that count now in these companies, by company and CRM. One query."""
    newer = MappingVersion.unscoped.filter(
        company_id=OuterRef("company_id"), crm_provider=OuterRef("crm_provider"), number__gt=OuterRef("number")
    )
    published = MappingVersion.unscoped.filter(company_id__in=companies, state=MappingVersion.State.PUBLISHED)
    found = published.filter(~Exists(newer)).select_related("author")
    return {(each.company_id, each.crm_provider): each for each in found}


def drafts_of(companies: Collection[uuid.UUID]) -> dict[tuple[uuid.UUID, str], MappingVersion]:
    """The drafts that were begun in these companies, by company and CRM. One query."""
    found = MappingVersion.unscoped.filter(company_id__in=companies, state=MappingVersion.State.DRAFT)
    return {(each.company_id, each.crm_provider): each for each in found}


def versions_of(company_id: Any, provider: str) -> QuerySet[MappingVersion]:
    """What was published, the newest first, with its authors."""
    rows = MappingVersion.unscoped.filter(
        company_id=company_id, crm_provider=provider, state=MappingVersion.State.PUBLISHED
    )
    return rows.select_related("author").order_by("-number")


def save(version: MappingVersion, seen: datetime, rows: Sequence[Row], user: User | None) -> MappingVersion:
    """Replace the lines of a draft, and store it where it was not begun. Returns it.

    Raises Stale where it is no longer what ``seen`` says.
    """
    now = timezone.now()
    version = _begin(version) if version._state.adding else version
    mine = MappingVersion.unscoped.filter(pk=version.pk, changed_at=seen, state=MappingVersion.State.DRAFT)
    kept = [row.as_json() for row in rows]
    if not mine.update(rows=kept, author=user, changed_at=now):
        raise Stale(MappingVersion.unscoped.select_related("author").get(pk=version.pk))
    version.rows, version.author, version.changed_at = kept, user, now
    return version


def save_line(
    version: MappingVersion, seen: datetime, number: int | None, row: Row | None, user: User | None
) -> MappingVersion:
    """Change line ``number``, counted from 0; without a number add one, without a row remove it.

    Raises Stale as ``save`` does, IndexError where there is no such line.
    """
    rows = rows_of(version)
    if number is None and row is not None:
        rows.append(row)
    elif number is not None and row is not None:
        rows[number] = row
    elif number is not None:
        del rows[number]
    return save(version, seen, rows, user)


def publish(integration: Integration, seen: datetime, note: str, user: User, crm: Crm) -> MappingVersion:
    """Make the draft what the sync uses from now on, and have every linked record compared again.

    Raises Blocked where it has errors, Unchanged where nothing differs from what is published, Stale where the draft is
    no longer what ``seen`` says.
    """
    with transaction.atomic():
        current = _locked(integration)
        if current.changed_at != seen:
            raise Stale(current)
        rows, counts = rows_of(current), latest(integration.company, integration.provider)
        if counts is not None and not differences(rows_of(counts), rows):
            raise Unchanged(counts)
        if errors := checks.errors(checks.problems(rows, crm)):
            raise Blocked(errors)
        number = versions_of(integration.company_id, integration.provider).aggregate(most=Max("number"))["most"]
        made = _store_version(integration.company_id, integration.provider, (number or 0) + 1, rows, note, user)
        RecordLink.unscoped.filter(integration=integration).update(is_due=True)
        states = SyncState.unscoped.filter(integration=integration, is_chosen=True)
        sync_states.poke(list(states.values_list("pk", flat=True)), trigger=SyncRun.Trigger.MANUAL)
    return made


def _locked(integration: Integration) -> MappingVersion:
    """The draft, which nobody else publishes or changes until this transaction has ended."""
    current = draft(integration.company, integration.provider)
    if current._state.adding:
        return current
    rows = MappingVersion.unscoped.select_for_update(of=("self",), no_key=True)
    return rows.select_related("author").get(pk=current.pk)


def restore(version: MappingVersion, into: MappingVersion, seen: datetime, user: User) -> MappingVersion:
    """Put the lines of an older version into the draft; publishing is a step of its own. Raises Stale."""
    return save(into, seen, rows_of(version), user)


def differences(before: Sequence[Row], after: Sequence[Row]) -> list[Difference]:
    """What changes from one mapping to the other, line by line, in the order of the catalogue."""
    old, new = ({row.lpxgp_field: row for row in rows} for rows in (before, after))
    found = []
    for name in sorted({*old, *new}, key=_place):
        was, is_now = old.get(name), new.get(name)
        if was != is_now:
            parts = _parts(was, is_now) if was and is_now else ()
            found.append(Difference(name, label_of(name), was, is_now, parts))
    return found


def label_of(name: str) -> str:
    """What a field of ours is called."""
    return OURS[name].label if name in OURS else name


def describe(row: Row) -> str:
    """One line in a few words."""
    words = [f"{row.crm_object}.{row.crm_field}", _word(Direction, row.sync_direction)]
    words += [_transform(row)] if row.transform.get("name") else []
    return ", ".join(words)


def words_of(row: Row) -> list[tuple[str, str]]:
    """The parts of a line, each with what stands there in words."""
    return [
        ("Field of the CRM", f"{row.crm_object}.{row.crm_field}"),
        ("Direction", _word(Direction, row.sync_direction)),
        ("Where both changed", _word(ConflictRule, row.conflict_rule)),
        ("Written", _word(WriteMode, row.write_mode)),
        ("Transform", _transform(row)),
    ]


def _parts(was: Row, is_now: Row) -> tuple[tuple[str, str, str], ...]:
    both = zip(words_of(was), words_of(is_now), strict=True)
    return tuple((name, before, after) for (name, before), (_name, after) in both if before != after)


def _transform(row: Row) -> str:
    transform = TRANSFORMS.get(row.transform.get("name", ""))
    if transform is None:
        return str(row.transform.get("name"))
    options = row.transform.get("options") or {}
    told = [_told(option, options[option.name]) for option in transform.options if options.get(option.name)]
    return f"{transform.label} ({'; '.join(told)})" if told else transform.label


def _told(option: FormOption, value: Any) -> str:
    if option.form == "pairs" and isinstance(value, list):
        return ", ".join(" = ".join(map(str, pair)) for pair in value if isinstance(pair, list))
    return f"{option.label}: {dict(option.choices).get(str(value), value)}"


def _word(choices: Any, value: str) -> str:
    return str(dict(choices.choices).get(value, value))


def _place(name: str) -> tuple[int, str]:
    names = list(OURS)
    return (names.index(name) if name in OURS else len(names), name)


def _store_version(
    company_id: Any, provider: str, number: int, rows: Sequence[Row], note: str, user: User | None
) -> MappingVersion:
    """One published version, and FieldMapping as it says. In the caller's transaction."""
    now = timezone.now()
    made = MappingVersion.unscoped.create(
        company_id=company_id, crm_provider=provider, state=MappingVersion.State.PUBLISHED, number=number,
        rows=[row.as_json() for row in rows], note=note, author=user, changed_at=now, published_at=now,
    )  # fmt: skip
    stored = FieldMapping.unscoped.filter(company_id=company_id, crm_provider=provider)
    since = {each.lpxgp_field: each.created_at for each in stored if mapping.as_row(each) in rows}
    stored.delete()
    FieldMapping.unscoped.bulk_create(
        FieldMapping(
            company_id=company_id,
            crm_provider=provider,
            version=number,
            created_at=since.get(row.lpxgp_field, now),
            **row.as_json(),
        )
        for row in rows
    )
    return made


def with_object(row: Row, crm: Crm) -> Row:
    """The row in the object that this CRM keeps its kind in."""
    kind = OURS[row.lpxgp_field].kind if row.lpxgp_field in OURS else ""
    return replace(row, crm_object=crm.objects.get(kind, row.crm_object))
