"""What one row of ours has to tell the CRM: the fields that changed here since both sides last agreed.

Decides and touches nothing. Values are in the CRM's form; ``normal`` ones are compared, the others are sent.
"""

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm import erasing, three_way
from crm.contract import Change, Record, RecordError, Related, Value
from crm.mapping import Context, Line, TransformError
from crm.models import Direction, RecordLink, WriteMode
from crm.rows import IS_WITHHELD
from crm.shapes import Ours


@dataclass(frozen=True)
class Wish:
    """One field that shall be written: ``value`` is what is sent, and ``sent`` that in the form it is compared in.

    ``ours`` is our value in that form: another one where ours is added to what is there.
    """

    line: Line
    value: Value
    sent: Value
    ours: Value


@dataclass(frozen=True)
class GivesWay:
    """A value of the CRM's that ours takes the place of, to be kept in the journal: both as they stand."""

    line: Line
    ours: Ours
    theirs: Value
    base: Value
    why: str


@dataclass(frozen=True)
class Outgoing:
    """One row on its way out: the fields to write, those that go along, and why some stay behind.

    ``row`` are our values by our names. ``agreed`` are fields that need no write, with what both sides hold.
    ``related`` is all it belongs to. ``lost`` are values of the CRM's that give way.
    """

    link: RecordLink
    row: MappingType[str, Ours]
    wishes: tuple[Wish, ...]
    along: tuple[Wish, ...] = ()
    related: tuple[Related, ...] = ()
    flaw: RecordError | None = None
    agreed: MappingType[str, MappingType[str, Value]] = field(default_factory=dict)
    lost: tuple[GivesWay, ...] = ()

    @property
    def is_creation(self) -> bool:
        return not self.link.external_id

    @property
    def new_related(self) -> tuple[Related, ...]:
        """What it belongs to and the CRM was not told yet."""
        known = {tuple(one) for one in self.link.related}
        return tuple(one for one in self.related if (one.kind, one.external_id) not in known)

    @property
    def is_worth_sending(self) -> bool:
        return bool(self.wishes or self.new_related or self.is_creation)

    @property
    def must_read(self) -> bool:
        """Whether what the CRM holds now decides what is written."""
        return not self.is_creation and any(needs_theirs(wish.line) for wish in self.wishes)

    def sent(self) -> tuple[Wish, ...]:
        """All that is written. What only goes along needs company."""
        return (*self.wishes, *self.along) if self.wishes or self.is_creation else ()

    def change(self) -> Change:
        """The words the adapter is told. The key is our row's, so the same row is never created twice."""
        values = {wish.line.crm_field: wish.value for wish in self.sent()}
        related = self.related if self.is_creation else self.new_related
        return Change(key(self.link), self.link.crm_object, values, self.link.external_id, related)


def key(link: RecordLink) -> str:
    """Our key of a row, which the CRM keeps with its record."""
    return str(link.row_id)


def needs_theirs(line: Line) -> bool:
    """Whether this field may only be written knowing what the CRM holds at this moment."""
    return line.direction == Direction.BIDIRECTIONAL or line.mode != WriteMode.ALWAYS


def of(
    link: RecordLink,
    ours: MappingType[str, Ours],
    lines: Sequence[Line],
    related: tuple[Related, ...],
    context: Context,
) -> Outgoing:
    """What this row has to tell."""
    wishes: list[Wish] = []
    along: list[Wish] = []
    flaw = None
    for line in lines:
        if not (line.writes_changed if link.external_id else line.writes_new):
            continue  # The CRM takes it at the record's creation alone, or only after that.
        try:
            wish = _wish(line, ours.get(line.ours.name), context)
        except _Flawed as error:
            flaw = flaw or error.error
            continue
        if line.ours.is_volatile:
            along.append(wish)
        elif is_news(link, wish):
            wishes.append(wish)
    return Outgoing(link, ours, tuple(wishes), tuple(along), related, flaw)


def is_news(link: RecordLink, wish: Wish) -> bool:
    """Whether our value is another one than when both sides last agreed. An empty one they never had is no news."""
    half = link.shadow.get(wish.line.crm_field)
    if half is None:
        return wish.ours is not None
    return bool(half.get("ours") != wish.ours)


@dataclass(frozen=True)
class Compared:
    """A row once it is known what the CRM holds. ``is_left``: the CRM's value counts, so its reader has to take it.

    What its reader saw and could not take keeps none of the other fields back.
    """

    item: Outgoing
    is_left: bool


def compared(item: Outgoing, record: Record, our_stamp: datetime | None) -> Compared:
    """The same row without the fields that the CRM holds already, or whose value there counts."""
    wishes: list[Wish] = []
    lost: list[GivesWay] = []
    agreed: dict[str, MappingType[str, Value]] = {}
    flaw, is_left = item.flaw, False
    for wish in item.wishes:
        if not needs_theirs(wish.line):
            wishes.append(wish)
            continue
        line, name = wish.line, wish.line.crm_field
        theirs = line.normal(record.values.get(name))
        if stays_there(item.link, line, item.row, theirs):
            continue
        halves = three_way.halves(item.link.shadow, name)
        decision = three_way.decide(line, wish.ours, theirs, *halves, our_stamp, record.modified_at)
        if decision.action == "take_theirs":
            is_left = is_left or not _was_read(item.link, record)
        elif decision.action != "take_ours":
            agreed[name] = {"theirs": theirs, "ours": wish.ours}
        else:
            try:
                wishes.append(_added_to(wish, record.values.get(name)))
            except _Flawed as error:
                flaw = flaw or error.error
                continue
            if decision.conflict:
                base = None if halves[1] is three_way.UNKNOWN else halves[1]
                ours = item.row.get(line.ours.name)
                lost.append(GivesWay(line, ours, record.values.get(name), base, decision.why))
    changed = replace(item, wishes=tuple(wishes), flaw=flaw, agreed=agreed, lost=tuple(lost))
    return Compared(changed, is_left)


def stays_there(link: RecordLink, line: Line, row: MappingType[str, Ours], theirs: Value) -> bool:
    """Whether the CRM keeps what was taken back here, since this line writes over nothing: then what is there is
    neither added to nor remembered."""
    is_taken_back = bool(row.get(IS_WITHHELD)) and link.shadow.get(line.crm_field) == erasing.REMOVED_HALVES
    return is_taken_back and line.mode != WriteMode.ALWAYS and theirs not in (None, "")


def _was_read(link: RecordLink, record: Record) -> bool:
    """Whether the record was read as it is now."""
    return bool(link.external_stamp and record.modified_at and record.modified_at <= link.external_stamp)


def _added_to(wish: Wish, theirs: Value) -> Wish:
    """What is written: where texts are added to, what is there comes first."""
    if wish.line.mode != WriteMode.APPEND or theirs in (None, ""):
        return wish
    return _appended(wish, str(theirs))


def _appended(wish: Wish, theirs: str) -> Wish:
    field = wish.line.theirs
    is_html = field is not None and field.type == "html" or wish.line.transform.gives == "html"
    text = theirs + ("<br><br>" if is_html else "\n\n") + str(wish.value)
    most = field.max_length if field else None
    if most is not None and len(text) > most:
        raise _Flawed(
            "too_long", f"With what is there it is {len(text)} characters long; {most} are allowed.", wish.line
        )
    return replace(wish, value=text, sent=wish.line.normal(text))


class _Flawed(Exception):
    """A field that cannot be written, while the others can."""

    def __init__(self, cause: str, message: str, line: Line) -> None:
        super().__init__(message)
        self.error = RecordError(cause, message, field=line.crm_field)


def _wish(line: Line, ours: Ours, context: Context) -> Wish:
    if line.theirs is None:
        raise _Flawed("unknown_field", f"{line.crm_object} has no field {line.crm_field} that we may see.", line)
    try:
        value = line.outgoing(ours, context)
    except TransformError as error:
        raise _Flawed("cannot_transform", str(error), line) from error
    normal = line.normal(value)
    return Wish(line, value, normal, normal)


def without_empty(outgoing: Outgoing) -> Outgoing:
    """A creation names no empty fields: there is nothing to clear yet."""
    wishes = tuple(wish for wish in outgoing.wishes if wish.value is not None)
    return replace(outgoing, wishes=wishes, along=tuple(wish for wish in outgoing.along if wish.value is not None))


def shadow_after(outgoing: Outgoing, held: MappingType[str, Value]) -> dict[str, dict[str, Value]]:
    """What both sides hold after the write; ``held`` is what the CRM says it made of it."""
    shadow: dict[str, dict[str, Value]] = {**outgoing.link.shadow}
    shadow |= {name: dict(half) for name, half in outgoing.agreed.items()}
    for wish in outgoing.sent():
        name = wish.line.crm_field
        theirs = wish.line.normal(held[name]) if name in held else wish.sent
        shadow[name] = {"theirs": theirs, "ours": wish.ours}
    return shadow
