"""From the CRM to us: firms, then people, then notes, page by page, each page stored with its cursor or not at all.

A first load lists everything; later runs read what changed since a cursor per object, and what pushes named. The
cursors lie an overlap before what was read, so records come again: they are compared, and nothing happens.
"""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm import connection, deletes, edited, incoming, mending, policy, strangers, taken_back, told
from crm.contract import Link, RecordPage, UnreadableRecord, Wanted
from crm.intake import Intake, Page
from crm.mapping import Line, Mapping, context, known_fields
from crm.models import RecordLink
from integrations import outsiders, runs
from integrations.circles import Circle
from integrations.contract import FORGET, OURS
from integrations.errors import MissingScope, Temporary
from integrations.models import PokedItem, RoundPage, SetAside, SyncRun
from relationships import bulk
from relationships.models import Company

READ_BATCH = 100
"""Records that are read by their ids at once."""
KINDS = ("organization", "person", "note")
"""What comes from the CRM, in this order: what others belong to is known before them."""


def pull(held: runs.Held, link: Link, mapping: Mapping) -> None:
    """Bring our rows up to date with the CRM. May be killed anywhere: it goes on from the last stored page.

    Raises OutOfTime between two pages, and what the CRM's errors mean.
    """
    intake = _intake(held, mapping)
    deletes.let_go(intake.integration)
    taken_back.follow(held)
    told.mark(held.state)
    held.has_set_aside = SetAside.objects.filter(state=held.state).exists()
    kinds = [kind for kind in KINDS if _is_read(intake, kind)]
    _forget_others(intake, kinds)
    denied = {kind: error for kind in kinds if (error := _pull_kind(intake, link, kind))}
    if kinds and len(denied) == len(kinds):
        raise denied[kinds[0]]
    mending.mend(intake)


def _pull_kind(intake: Intake, link: Link, kind: str) -> MissingScope | None:
    """Read one kind; where the CRM does not let us, that is kept for staff to see, and the others are read."""
    crm_object = intake.adapter.objects[kind]
    aside = SetAside.objects.filter(state=intake.held.state, external_id=crm_object)
    try:
        edited.name(intake, kind)
        _read_named(intake, link, kind)
        _read_pages(intake, link, kind)
    except MissingScope as error:
        aside.delete()
        reason = f"No record of {crm_object} is read. {error}"
        SetAside.objects.create(
            company_id=intake.integration.company_id, state=intake.held.state, external_id=crm_object, reason=reason
        )
        return error
    if intake.held.has_set_aside:
        aside.delete()
    return None


def _intake(held: runs.Held, mapping: Mapping) -> Intake:
    integration = held.state.integration
    return Intake(
        held=held,
        integration=integration,
        adapter=connection.adapter(integration),
        mapping=mapping,
        context=context(Company.objects.get(pk=integration.company_id)),
        policy=policy.of(integration),
        outsiders=outsiders.rules_for(integration.company_id, None),
    )


def _is_read(intake: Intake, kind: str) -> bool:
    """Firms and people are read also where nothing of them comes in: what goes out needs to know who is who."""
    lines = intake.lines(kind)
    return any(line.is_in for line in lines) if kind == "note" else bool(lines)


def _forget_others(intake: Intake, kinds: Sequence[str]) -> None:
    """What pushes named and nobody reads. What the core named since is the next sync's."""
    named = PokedItem.objects.filter(state=intake.held.state)
    named = named.exclude(name__startswith=FORGET).exclude(name__startswith=OURS)
    for kind in kinds:
        named = named.exclude(name__startswith=f"{intake.adapter.objects[kind]}:")
    named.delete()


def _wanted(intake: Intake, kind: str) -> Wanted:
    """The fields to read: those that are mapped, and the one that holds our key, where the CRM has it already."""
    crm_object = intake.adapter.objects[kind]
    key = intake.adapter.key_fields.get(crm_object, "")
    is_there = key in known_fields(intake.integration).get(crm_object, {})
    fields = (*intake.mapping.fields(kind), *([key] if is_there else []))
    return Wanted(crm_object, tuple(dict.fromkeys(fields)))


def _marks(text: str) -> dict[str, str]:
    """SyncState's cursors of all objects, which it keeps as one JSON text."""
    return dict(json.loads(text)) if text else {}


def _read_pages(intake: Intake, link: Link, kind: str) -> None:
    """Everything, where there is no cursor yet; then what changed since it."""
    crm_object = intake.adapter.objects[kind]
    _forget_other_reading(intake, kind)
    if crm_object not in _marks(intake.held.state.cursor):
        _begin_round(intake, crm_object)
        _read_round(intake, link, kind, is_listing=True)
    if pages := _pages_of_round(intake, crm_object):
        _find_missing(intake, link, kind, pages)
    _read_round(intake, link, kind, is_listing=False)


def _forget_other_reading(intake: Intake, kind: str) -> None:
    """Where something else is taken from the CRM than when it was read, all of it is read anew: of a field that was
    mapped since, or people who are taken since, nothing changes there. It is kept with the first page."""
    state, crm_object = intake.held.state, intake.adapter.objects[kind]
    cursors, pages = _marks(state.cursor), _marks(state.page_cursor)
    known = cursors if crm_object in cursors else pages
    if crm_object in known and not _taken_mark(intake, kind).items() <= known.items():
        state.cursor = _text(_without(cursors, crm_object))
        state.page_cursor = _text(_without(pages, crm_object))


def _without(marks: dict[str, str], crm_object: str) -> dict[str, str]:
    return {name: mark for name, mark in marks.items() if name not in {crm_object, _taken(crm_object)}}


def _taken(crm_object: str) -> str:
    """The name of the mark that says what is taken of an object."""
    return f"{crm_object} taken"


def _taken_mark(intake: Intake, kind: str) -> dict[str, str]:
    return taken_mark(intake.adapter.objects[kind], intake.lines(kind), strangers.are_taken(intake.policy, kind))


def taken_mark(crm_object: str, lines: Sequence[Line], are_strangers_taken: bool) -> dict[str, str]:
    """What stands beside an object's cursor: which fields are taken, how, and whether those nobody here knows too."""
    told = sorted(
        [line.ours.name, line.crm_field, line.mode, line.transform.name, line.options] for line in lines if line.is_in
    )
    document = json.dumps([told, are_strangers_taken], sort_keys=True)
    return {_taken(crm_object): hashlib.sha256(document.encode()).hexdigest()[:16]}


def _read_round(intake: Intake, link: Link, kind: str, is_listing: bool) -> None:
    """Page after page, from where an interrupted reading stopped."""
    held, adapter = intake.held, intake.adapter
    wanted = _wanted(intake, kind)
    read = adapter.listing if is_listing else adapter.changes
    circle = Circle(_marks(held.state.page_cursor).get(wanted.object, ""))
    while True:
        cursor = _marks(held.state.cursor).get(wanted.object, "")
        at = _marks(held.state.page_cursor).get(wanted.object, "")
        page = read(link, replace(wanted, cursor=cursor, page=at))
        if page.next_page and circle.is_closed_by(page.next_page):
            raise Temporary(
                f"The CRM's pages of {wanted.object} lead round in a circle: one of them came a second time."
            )
        _store(intake, kind, page, is_listing)
        if not page.next_page:
            return
        runs.check_time(held)


def _store(intake: Intake, kind: str, page: RecordPage, is_listing: bool) -> None:
    """Take one page in and move the cursor, in one transaction."""
    state, crm_object = intake.held.state, intake.adapter.objects[kind]
    cursors, pages = _marks(state.cursor), _marks(state.page_cursor)
    if page.next_page:
        pages |= {crm_object: page.next_page, **_taken_mark(intake, kind)}
    else:
        pages = _without(pages, crm_object)
        cursor = page.next_cursor or cursors.get(crm_object, "")
        cursors |= {crm_object: cursor, **_taken_mark(intake, kind)}
    with transaction.atomic():
        if is_listing and state.round_id:
            names = [record.external_id for record in page.records] + [bad.external_id for bad in page.unreadable]
            RoundPage.objects.create(
                company_id=state.company_id,
                state=state,
                round_id=_round(state.round_id, crm_object),
                external_ids=names,
            )
        taken = incoming.take(intake, kind, page.records)
        _close(intake, taken, page.unreadable, len(page.records), cursors, pages)


def _close(
    intake: Intake,
    page: Page,
    unreadable: Sequence[UnreadableRecord],
    read: int,
    cursors: dict[str, str],
    pages: dict[str, str],
) -> None:
    """Set aside what could not be taken, count, and move the cursors."""
    held = intake.held
    reasons = {bad.external_id: bad.reason for bad in unreadable}
    reasons |= {name: " ".join(dict.fromkeys(one.words for one in some)) for name, some in page.problems.items()}
    _set_aside(intake, page, reasons)
    # Where nothing was ever pushed nobody has switched that on, and there is nothing to miss.
    if held.run.kind == SyncRun.Kind.CHANGES and held.state.last_push_at is not None:
        held.unannounced += page.unannounced
    counts = {
        "found": read + len(unreadable),
        "changed": page.changed,
        "deleted": page.book.deleted,
        "set_aside": len(reasons),
    }
    skipped = {reason: number for reason, number in page.skipped.items() if number}
    runs.store_page(held, _text(cursors), _text(pages), counts, skipped)


def _text(marks: dict[str, str]) -> str:
    return json.dumps(marks, sort_keys=True) if marks else ""


def _set_aside(intake: Intake, page: Page, reasons: dict[str, str]) -> None:
    """Keep what could not be taken, with its reason; what can be taken again is no longer set aside."""
    held, now = intake.held, timezone.now()
    crm_object = intake.adapter.objects[page.kind]
    if held.has_set_aside:
        fine = {f"{crm_object}:{name}" for name in page.seen - reasons.keys()}
        SetAside.objects.filter(state=held.state, external_id__among=fine).delete()
    rows = [
        {
            "company": held.state.company_id,
            "state": held.state.pk,
            "external_id": f"{crm_object}:{name}",
            "reason": reason,
            "last_seen_at": now,
        }
        for name, reason in reasons.items()
    ]
    bulk.upsert(SetAside, rows, unique=["state", "external_id"])
    held.has_set_aside = held.has_set_aside or bool(rows)


def _read_named(intake: Intake, link: Link, kind: str) -> None:
    """Read what pushes named, by its ids: a CRM's own list of changes may lag behind its pushes."""
    wanted = _wanted(intake, kind)
    state, prefix = intake.held.state, f"{wanted.object}:"
    named = PokedItem.objects.filter(state=state, name__startswith=prefix).order_by("at")
    while items := list(named[:READ_BATCH]):
        ids = {item.name.removeprefix(prefix) for item in items}
        batch = intake.adapter.read(link, wanted, sorted(ids))
        with transaction.atomic():
            taken = incoming.take(intake, kind, batch.records, batch.missing)
            _close(intake, taken, (), len(batch.records), _marks(state.cursor), _marks(state.page_cursor))
            _forget_named(items)
        runs.check_time(intake.held)


def _forget_named(items: Sequence[PokedItem]) -> None:
    """These were read; one that was named again meanwhile is read again."""
    before = {item.pk: item.at for item in items}
    now = PokedItem.objects.filter(pk__among=before).values_list("pk", "at")
    PokedItem.objects.filter(pk__among=[pk for pk, at in now if at == before[pk]]).delete()


def _round(round_id: uuid.UUID, crm_object: str) -> uuid.UUID:
    """A full round's id for one object: each has its own pages."""
    return uuid.uuid5(round_id, crm_object)


def _begin_round(intake: Intake, crm_object: str) -> None:
    """Note which records the round finds, where there are links that it may miss; go on with one that was begun."""
    held, state = intake.held, intake.held.state
    if _marks(state.page_cursor).get(crm_object):
        return
    if state.round_id is None:
        state.round_id = uuid.uuid4()
        with transaction.atomic():
            runs.change_state(held, round_id=state.round_id)
    RoundPage.objects.filter(state=state, round_id=_round(state.round_id, crm_object)).delete()


def _pages_of_round(intake: Intake, crm_object: str) -> QuerySet[RoundPage] | None:
    """The pages of a round that is whole, but of which it is not known yet what it missed."""
    state = intake.held.state
    if state.round_id is None:
        return None
    pages = RoundPage.objects.filter(state=state, round_id=_round(state.round_id, crm_object))
    return pages if pages.exists() else None


def _find_missing(intake: Intake, link: Link, kind: str, pages: QuerySet[RoundPage]) -> None:
    """After a whole round: what is linked and was on none of its pages is asked for by its id, and followed.

    May be killed anywhere: it goes on with those that were not asked for.
    """
    state, wanted = intake.held.state, _wanted(intake, kind)
    assert state.round_id is not None
    round_id = _round(state.round_id, wanted.object)
    rows = RecordLink.objects.filter(
        integration=intake.integration,
        crm_object=wanted.object,
        kind=kind,
        state__in=[RecordLink.State.LINKED, RecordLink.State.PAUSED],
    ).exclude(external_id="")
    names = sorted(bulk.not_listed(rows, "external_id", pages, "external_ids").values_list("external_id", flat=True))
    for start in range(0, len(names), READ_BATCH):
        asked = names[start : start + READ_BATCH]
        batch = intake.adapter.read(link, wanted, asked)
        with transaction.atomic():
            taken = incoming.take(intake, kind, batch.records, batch.missing)
            RoundPage.objects.create(company_id=state.company_id, state=state, round_id=round_id, external_ids=asked)
            _close(intake, taken, (), 0, _marks(state.cursor), _marks(state.page_cursor))
        runs.check_time(intake.held)
    pages.delete()
