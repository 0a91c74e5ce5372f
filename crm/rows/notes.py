"""Notes: their text, whose first line is their title in the CRM, and whom they are about."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils import timezone

from crm.rows.words import PEOPLE, Created, New, Problem, Values, checked
from relationships import bulk
from relationships.models import Note, Person
from relationships.tenancy import current_company_id

TITLE, TEXT, WRITTEN = "note.title", "note.text", "note.written_at"
LONGEST_TITLE = 80
CUT = "…"


def values(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Values]:
    """Two queries."""
    rows = Note.objects.filter(pk__among=row_ids).order_by().values_list("pk", "text", "created_at")
    found: dict[uuid.UUID, Values] = {
        pk: {TITLE: _title(text), TEXT: text, WRITTEN: written_at, PEOPLE: frozenset()} for pk, text, written_at in rows
    }
    for pk, person in _people(row_ids):
        found[pk][PEOPLE] |= {person}
    return found


def related(
    row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None
) -> dict[uuid.UUID, tuple[tuple[str, uuid.UUID], ...]]:
    """Its people, their firms, and the firms of what it was written about. Three queries."""
    found: dict[uuid.UUID, dict[tuple[str, uuid.UUID], None]] = {pk: {} for pk in row_ids}
    pairs = _people(row_ids)
    firms = dict(Person.objects.filter(pk__among={person for _, person in pairs}).values_list("pk", "organization_id"))
    written_about = Note.objects.filter(pk__among=row_ids, touchpoint__organizations__isnull=False).order_by()
    belongs = [(pk, firm) for pk, firm in written_about.values_list("pk", "touchpoint__organizations")]
    belongs += [(pk, firm) for pk, person in pairs if (firm := firms.get(person))]
    for pk, firm in belongs:
        if listed is None or firm in listed:
            found[pk]["organization", firm] = None
    for pk, person in pairs:
        if listed is None or firms.get(person) in listed:
            found[pk]["person", person] = None
    return {pk: tuple(others) for pk, others in found.items()}


def apply(changes: Mapping[uuid.UUID, Values]) -> dict[uuid.UUID, list[Problem]]:
    """Five queries."""
    rows = Note.objects.select_for_update(of=("self",)).filter(pk__among=changes).order_by("pk")
    before = dict(rows.values_list("pk", "text"))
    problems: dict[uuid.UUID, list[Problem]] = {}
    written: list[dict[str, Any]] = []
    company, now = current_company_id(), timezone.now()
    for pk, text_before in before.items():
        text, found = checked(Note, "text", _text(changes[pk], text_before), TEXT)
        if found:
            problems[pk] = found
        else:
            written.append({"id": pk, "company": company, "text": text, "updated_at": now})
    bulk.upsert(Note, written, unique=["id"], once=["company"])
    _hang({pk: changes[pk][PEOPLE] for pk in before if PEOPLE in changes[pk]})
    return problems


def create(wanted: Sequence[New]) -> list[Created]:
    """Three queries. They have no author here, and do not go back to the CRM as ours."""
    company, now = current_company_id(), timezone.now()
    made: list[Created] = []
    rows: list[dict[str, Any]] = []
    for new in wanted:
        text, problems = checked(Note, "text", note_text(new.values), TEXT)
        pk = None if problems else uuid.uuid4()
        made.append(Created(pk, problems))
        if pk:
            written_at = new.values.get(WRITTEN) or now
            rows.append({"id": pk, "company": company, "text": text, "created_at": written_at, "updated_at": now})
    bulk.upsert(Note, rows, unique=["id"])
    _hang({one.id: new.values.get(PEOPLE, ()) for one, new in zip(made, wanted, strict=True) if one.id})
    return made


def note_text(values: Values) -> str:
    """The text of a note that begins with these values."""
    return _text(values, "")


def _title(text: str) -> str:
    """The first line, cut where it is long."""
    first = text.strip().partition("\n")[0].strip()
    return first if len(first) <= LONGEST_TITLE else first[: LONGEST_TITLE - 1].rstrip() + CUT


def _text(given: Values, before: str) -> str:
    """What title and text of the CRM make: where the title is not how the text begins, it is the first line."""
    text = str(given.get(TEXT, before) or "")
    title = str(given.get(TITLE) or "").strip()
    if not title or text.lstrip().startswith(title.removesuffix(CUT).rstrip()):
        return text
    return f"{title}\n{text}".rstrip()


def _people(row_ids: Collection[uuid.UUID]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    rows = Note.people.through._default_manager.filter(note_id__among=row_ids)
    return list(rows.order_by("pk").values_list("note_id", "person_id"))


def _hang(people: Mapping[uuid.UUID, Collection[uuid.UUID]]) -> None:
    """Make these the people of these notes."""
    if not people:
        return
    held: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for pk, person in _people(people.keys()):
        held[pk].add(person)
    through = Note.people.through
    gone = [(pk, person) for pk in held for person in held[pk] - set(people[pk])]
    if gone:
        rows = through._default_manager.filter(note_id__among={pk for pk, _ in gone}).values_list(
            "pk", "note_id", "person_id"
        )
        wrong = set(gone)
        ids = [pk for pk, note, person in rows if (note, person) in wrong]
        through._default_manager.filter(pk__among=ids).delete()
    new = [{"note": pk, "person": person} for pk in people for person in sorted(set(people[pk]) - held[pk])]
    bulk.upsert(through, new, unique=["note", "person"])


def people_of_firms(firms: Collection[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The people of these firms. One query."""
    if not firms:
        return {}
    found: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for pk, firm in Person.objects.filter(organization__among=firms).order_by().values_list("pk", "organization_id"):
        found[firm].add(pk)
    return found
