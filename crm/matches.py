"""Which rows of ours are the same as records of the CRM that are linked to nothing yet. Needs ``tenancy.within``."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower

from crm import conflicts, rows
from crm.contract import Record
from crm.mapping import Context, Line, TransformError
from crm.models import RecordLink
from integrations.models import Integration
from relationships import addresses
from relationships.models import Note, Organization, OrganizationDomain, PersonAddress


@dataclass(frozen=True)
class Match:
    """The row that a record is, and other rows that it could be as well."""

    row_id: uuid.UUID
    rivals: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True)
class Stranger:
    """A record that is linked to nothing. ``values`` are its fields as ours; ``problems`` say which do not fit.

    ``key`` is our key in it, where we made it.
    """

    record: Record
    values: rows.Values
    problems: tuple[rows.Problem, ...] = ()
    key: str = ""

    @property
    def emails(self) -> tuple[str, ...]:
        """All addresses it is known by, the main one first."""
        main = self.values.get("person.email")
        return tuple(dict.fromkeys(email for email in (main, *self.record.addresses) if email))


def key_of(email: str) -> str:
    """What an address is matched by; one in no known form is matched as it stands.

    Nothing is remembered: a first load sees each address once.
    """
    try:
        return addresses.match_key(email)
    except ValueError:
        return email.lower()


def read(record: Record, lines: Sequence[Line], context: Context, key_field: str) -> Stranger:
    """A record's fields as ours."""
    values: rows.Values = {}
    problems: list[rows.Problem] = []
    for line in lines:
        try:
            values[line.ours.name] = line.incoming(record.values.get(line.crm_field), context)
        except TransformError as error:
            problems.append(rows.Problem(line.ours.name, str(error)))
    return Stranger(record, values, tuple(problems), str(record.values.get(key_field) or ""))


def find(
    integration: Integration, kind: str, strangers: Sequence[Stranger], lines: Sequence[Line], context: Context
) -> dict[str, Match]:
    """Our rows by the records' ids: by our key in them, else by address, domain or name. Four queries at most."""
    if not strangers:
        return {}
    found = _by_key(kind, strangers)
    rest = [stranger for stranger in strangers if stranger.record.external_id not in found]
    if kind == "person":
        return found | _people(rest)
    if kind == "organization":
        return found | _organizations(rest)
    found |= _notes(integration, rest, lines, context)
    return found | _forgotten(integration, [one for one in rest if one.record.external_id not in found])


def _by_key(kind: str, strangers: Sequence[Stranger]) -> dict[str, Match]:
    keys: dict[uuid.UUID, str] = {}
    for stranger in strangers:
        try:
            keys[uuid.UUID(stranger.key)] = stranger.record.external_id
        except ValueError:
            continue
    known = rows.stamps(kind, keys)
    return {name: Match(pk) for pk, name in keys.items() if pk in known}


def _people(strangers: Sequence[Stranger]) -> dict[str, Match]:
    """By any address; the main one counts most."""
    keys = {stranger.record.external_id: [key_of(email) for email in stranger.emails] for stranger in strangers}
    asked = {key for some in keys.values() for key in some}
    owners = dict(PersonAddress.objects.filter(match_key__among=asked).values_list("match_key", "person_id"))
    found: dict[str, Match] = {}
    for name, some in keys.items():
        people = list(dict.fromkeys(owners[key] for key in some if key in owners))
        if people:
            found[name] = Match(people[0], tuple(people[1:]))
    return found


def _organizations(strangers: Sequence[Stranger]) -> dict[str, Match]:
    """By the domain, then by the exact name, whatever its case."""
    domains = {stranger.values["org.domain"] for stranger in strangers if stranger.values.get("org.domain")}
    owners = dict(OrganizationDomain.objects.filter(domain__among=domains).values_list("domain", "organization_id"))
    names = {str(stranger.values.get("org.name") or "").lower() for stranger in strangers} - {""}
    # Not every database lowers letters beyond ASCII: those are found in their own case.
    spelled = names | {str(stranger.values.get("org.name") or "") for stranger in strangers}
    firms = Organization.objects.annotate(lower=Lower("name")).filter(lower__among=spelled).order_by("-created_at")
    named = {name.lower(): pk for name, pk in firms.values_list("name", "pk")}
    found: dict[str, Match] = {}
    for stranger in strangers:
        owner = owners.get(stranger.values.get("org.domain"))
        namesake = named.get(str(stranger.values.get("org.name") or "").lower())
        both = [pk for pk in dict.fromkeys((owner, namesake)) if pk]
        if both:
            found[stranger.record.external_id] = Match(both[0], tuple(both[1:]))
    return found


def _notes(
    integration: Integration, strangers: Sequence[Stranger], lines: Sequence[Line], context: Context
) -> dict[str, Match]:
    """A note of ours whose creation was not answered: known by its text alone, since notes keep no key of ours."""
    line = next((line for line in lines if line.ours.name == "note.text"), None)
    pending = RecordLink.objects.filter(
        integration=integration, kind="note", external_id="", state=RecordLink.State.NEW, row_id__isnull=False
    )
    ids = list(pending.values_list("row_id", flat=True)) if line and strangers else []
    if line is None or not ids:
        return {}
    sent: Mapping[uuid.UUID, rows.Values] = rows.values("note", ids)
    by_text = {conflicts.held(line, told["note.text"], context): pk for pk, told in sent.items()}
    texts = {each.record.external_id: line.normal(each.record.values.get(line.crm_field)) for each in strangers}
    return {name: Match(by_text[text]) for name, text in texts.items() if text is not None and text in by_text}


def _forgotten(integration: Integration, strangers: Sequence[Stranger]) -> dict[str, Match]:
    """Notes that an earlier link brought, and that stayed when it was forgotten: nobody here wrote them."""
    texts = {rows.note_text(stranger.values): stranger.record.external_id for stranger in strangers}
    if not texts:
        return {}
    links = RecordLink.objects.filter(integration=integration, kind="note", row_id=OuterRef("pk"))
    left = Note.objects.filter(~Exists(links), author=None).order_by("-created_at")
    found = {texts[text]: Match(pk) for text, pk in left.filter(text__among=texts.keys()).values_list("text", "pk")}
    return found | _edited(integration, left, [one for one in strangers if one.record.external_id not in found])


def _edited(integration: Integration, left: QuerySet[Note], strangers: Sequence[Stranger]) -> dict[str, Match]:
    """Of these notes those whose text was changed meanwhile: known by when they were written, to the millisecond, and
    about whom, where that is one note and one record alone. A CRM that does not tell the first has none."""
    by_time: dict[datetime, list[Stranger]] = defaultdict(list)
    for stranger in strangers:
        if written_at := stranger.values.get("note.written_at"):
            by_time[written_at].append(stranger)
    notes: dict[datetime, list[uuid.UUID]] = defaultdict(list)
    for pk, written_at in left.filter(created_at__in=list(by_time)).values_list("pk", "created_at") if by_time else ():
        notes[written_at].append(pk)
    pairs = {notes[at][0]: some[0] for at, some in by_time.items() if len(some) == 1 and len(notes[at]) == 1}
    if not pairs:
        return {}
    ours = rows.values("note", pairs)
    theirs = _people_of(integration, list(pairs.values()))
    return {
        stranger.record.external_id: Match(pk)
        for pk, stranger in pairs.items()
        if ours[pk][rows.PEOPLE] & theirs[stranger.record.external_id]
    }


def _people_of(integration: Integration, strangers: Sequence[Stranger]) -> dict[str, set[uuid.UUID]]:
    """Our people that these records belong to, by their ids."""
    named = {one.external_id for each in strangers for one in each.record.related if one.kind == "person"}
    links = RecordLink.objects.filter(integration=integration, kind="person", external_id__among=named)
    known = {name: row_id for name, row_id in links.values_list("external_id", "row_id") if row_id}
    return {
        each.record.external_id: {
            known[one.external_id] for one in each.record.related if one.kind == "person" and one.external_id in known
        }
        for each in strangers
    }
