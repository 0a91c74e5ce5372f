"""One linked record beside its row: what is taken from it, what goes out, what gives way, and whom it belongs to."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crm import conflicts, links, rows, three_way
from crm.contract import Record, Value
from crm.intake import WAITS, Page
from crm.mapping import Context, Line, TransformError
from crm.matches import key_of
from crm.models import ConflictRule, RecordLink, WriteMode
from crm.three_way import AGREE, Decision

WHOLES = (
    frozenset({"person.name", "person.first_name", "person.last_name"}),
    frozenset({"note.title", "note.text"}),
)
"""Fields that are parts of one column of ours: they are taken together, or not at all."""

_THEIRS = Decision("take_theirs", winner="theirs")
_OURS = Decision("take_ours", winner="ours")


@dataclass
class Part:
    """One field: both values in the form they are compared in, and what is decided about them."""

    line: Line
    ours: Value
    theirs: Value
    decision: Decision


@dataclass
class Compared:
    """A record and the link it has; what is to be written here, and what became of each field.

    ``is_new``: it was linked just now. ``is_made``: its row was made of it just now, so nothing of it can give way.
    """

    link: RecordLink
    record: Record
    is_new: bool = False
    is_made: bool = False
    parts: list[Part] = field(default_factory=list)
    changes: rows.Values = field(default_factory=dict)
    losses: list[conflicts.Loss] = field(default_factory=list)
    problems: list[rows.Problem] = field(default_factory=list)

    @property
    def row_id(self) -> uuid.UUID:
        assert self.link.row_id is not None
        return self.link.row_id


def compare(page: Page, item: Compared, ours: rows.Values, stamp: datetime) -> None:
    """Decide about every field that is mapped, and about what the record belongs to."""
    context: Context = page.intake.context
    lines = [line for line in page.lines if line.crm_field in item.record.values]
    item.parts = _whole([_part(item, line, ours, stamp, context) for line in lines])
    for part in item.parts:
        if part.decision.action == "take_theirs":
            _take(item, part, ours, context)
        if part.decision.conflict and part.line.ours.name not in {problem.field for problem in item.problems}:
            _lose(item, part, ours)
    _belong(page, item, ours)
    changed = {name for name, value in item.changes.items() if _differs(ours, name, value)}
    changed |= {name for whole in WHOLES if whole & changed for name in whole}
    item.changes = {name: value for name, value in item.changes.items() if name in changed}


def remember(page: Page, item: Compared, after: rows.Values, wrong: set[str]) -> None:
    """Both halves of every field that was settled; what is ``wrong`` stays as it was, and is tried again."""
    context: Context = page.intake.context
    for part in item.parts:
        name, crm_field = part.line.ours.name, part.line.crm_field
        if part.decision.action == "none" or name in wrong:
            continue
        if part.decision.action == "take_ours":
            item.link.is_due = True
            known_ours, known_theirs = three_way.halves(item.link.shadow, crm_field)
            if known_ours is three_way.UNKNOWN or known_theirs != part.theirs:
                # As if both had agreed on theirs, and ours had changed since: so it goes out, and is told once.
                item.link.shadow[crm_field] = {"theirs": part.theirs, "ours": part.theirs}
            continue
        held = conflicts.held(part.line, after[name], context) if item.changes else part.ours
        item.link.shadow[crm_field] = {"theirs": part.theirs, "ours": held}


def whole_of(wrong: set[str]) -> set[str]:
    """These fields, and all that are written with them: where a part of a column is not taken, none of it is."""
    return wrong | {name for whole in WHOLES if whole & wrong for name in whole}


def _part(item: Compared, line: Line, ours: rows.Values, stamp: datetime, context: Context) -> Part:
    our_value = conflicts.held(line, ours[line.ours.name], context)
    their_value = line.normal(item.record.values.get(line.crm_field))
    half_ours, half_theirs = three_way.halves(item.link.shadow, line.crm_field)
    decision = three_way.decide(line, our_value, their_value, half_ours, half_theirs, stamp, item.record.modified_at)
    is_open = decision.conflict or decision.action in {"take_theirs", "take_ours"}
    if is_open and _is_no_difference(item, line, ours[line.ours.name], context):
        decision = AGREE
    return Part(line, our_value, their_value, decision)


def _is_no_difference(item: Compared, line: Line, ours: Any, context: Context) -> bool:
    """A row that was made of the record has nothing of its own to tell; nor has what would be the same here."""
    return item.is_made or _means(line, item.record.values.get(line.crm_field), ours, context)


def _means(line: Line, theirs: Value, ours: Any, context: Context) -> bool:
    """Whether their value, brought here, would be ours: a transform that loses something sees no difference there."""
    try:
        coming = line.incoming(theirs, context)
    except TransformError:
        return False
    return coming is not None and coming == ours


def _whole(parts: list[Part]) -> list[Part]:
    """Where one part of a column is taken, all of it is; where another part of it shall go out, the rule chooses."""
    for whole in WHOLES:
        members = [part for part in parts if part.line.ours.name in whole]
        actions = {part.decision.action for part in members}
        if "take_theirs" not in actions:
            continue
        is_split = "take_ours" in actions
        taken = _OURS if is_split and members[0].line.rule == ConflictRule.OURS_WINS else _THEIRS
        for part in members:
            is_told = part.decision.conflict or (is_split and part.ours != part.theirs)
            why = part.decision.why or "Both sides changed parts of it."
            part.decision = replace(taken, conflict=is_told, why=why if is_told else "")
    return parts


def _take(item: Compared, part: Part, ours: rows.Values, context: Context) -> None:
    line = part.line
    try:
        value = line.incoming(item.record.values.get(line.crm_field), context)
    except TransformError as error:
        item.problems.append(rows.Problem(line.ours.name, str(error)))
        return
    held = ours[line.ours.name]
    if line.mode == WriteMode.APPEND and held:
        value = f"{held}\n{value}"
    item.changes[line.ours.name] = value


def _lose(item: Compared, part: Part, ours: rows.Values) -> None:
    half_ours, half_theirs = three_way.halves(item.link.shadow, part.line.crm_field)
    item.losses.append(
        conflicts.Loss(
            link=item.link,
            lpxgp_field=part.line.ours.name,
            crm_field=part.line.crm_field,
            ours=ours[part.line.ours.name],
            theirs=item.record.values.get(part.line.crm_field),
            base=None if half_ours is three_way.UNKNOWN else half_theirs,
            winner=part.decision.winner,
            rule=part.decision.why,
        )
    )


def _differs(ours: rows.Values, name: str, value: Any) -> bool:
    """An emptied address or domain stays known here: by it past and future contact is recognised."""
    if name in {"person.email", "org.domain"} and not value:
        return False
    return bool((ours.get(name) or None) != (value or None))


def _belong(page: Page, item: Compared, ours: rows.Values) -> None:
    """Hang the row on what the record belongs to, where that is new; what is not known here yet is waited for."""
    link, record = item.link, item.record
    if page.kind == "person":
        _add_addresses(item, ours)
    if page.kind == "organization" or (links.related_of(record) == link.related and link.reason != WAITS):
        return
    found, is_waiting = page.behind(record)
    if page.kind == "person":
        _join_firm(page, item, [pk for kind, pk in found if kind == "organization"], ours, is_waiting)
    else:
        item.changes[rows.PEOPLE] = page.people_of(found)
    if link.reason == WAITS or (is_waiting and link.state != RecordLink.State.PAUSED):
        link.reason = WAITS if is_waiting else ""


def _add_addresses(item: Compared, ours: rows.Values) -> None:
    known = {key_of(email) for email in ours[rows.ADDRESSES]}
    if more := tuple(email for email in item.record.addresses if key_of(email) not in known):
        item.changes[rows.ADDRESSES] = more


def _join_firm(page: Page, item: Compared, firms: list[uuid.UUID], ours: rows.Values, is_waiting: bool) -> None:
    """The CRM says whose a person is. A firm that we alone knew of, and that gives way, is told."""
    before = ours[rows.ORGANIZATION]
    agreed = {page.parents.get((kind, name)) for kind, name in item.link.related if kind == "organization"}
    firm = firms[0] if firms else None
    if firm == before or (firm is None and (is_waiting or not agreed)):
        return
    item.changes[rows.ORGANIZATION] = firm
    if before is not None and before not in agreed:
        rule = "The CRM says which firm a person belongs to."
        theirs = str(firm) if firm else None
        item.losses.append(conflicts.Loss(item.link, rows.ORGANIZATION, "", before, theirs, None, "theirs", rule))
