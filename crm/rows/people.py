"""People: their name in one piece or two, their columns, their addresses and their firm."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from crm.rows.words import ADDRESSES, ORGANIZATION, Created, New, Problem, Values, checked
from crm.transforms import split_name
from relationships import addresses, bulk
from relationships.models import Person, PersonAddress
from relationships.tenancy import current_company_id

COLUMNS = {"person.phone": "phone", "person.title": "title"}
NAME, FIRST, LAST, EMAIL = "person.name", "person.first_name", "person.last_name", "person.email"
_ALL = ("display_name", *COLUMNS.values(), "organization_id")


def values(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Values]:
    """Two queries. The e-mail is the primary address; of several without a primary one it is the oldest."""
    found: dict[uuid.UUID, Values] = {}
    for row in Person.objects.filter(pk__among=row_ids).order_by().values("pk", *_ALL):
        first, last = split_name(row["display_name"])
        found[row["pk"]] = {NAME: row["display_name"], FIRST: first, LAST: last, EMAIL: None}
        found[row["pk"]] |= {name: row[column] for name, column in COLUMNS.items()}
        found[row["pk"]][ORGANIZATION] = row["organization_id"]
    known: dict[uuid.UUID, list[str]] = defaultdict(list)
    rows = PersonAddress.objects.filter(person__among=row_ids).order_by("-is_primary", "created_at", "pk")
    for pk, email in rows.values_list("person", "email"):
        known[pk].append(email)
    for pk, row_values in found.items():
        row_values[EMAIL], row_values[ADDRESSES] = next(iter(known[pk]), None), tuple(known[pk])
    return found


def related(
    row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None
) -> dict[uuid.UUID, tuple[tuple[str, uuid.UUID], ...]]:
    """A person belongs to a firm. One query."""
    rows = Person.objects.filter(pk__among=row_ids).order_by().values_list("pk", "organization_id")
    return {pk: (("organization", firm),) if firm and _is_listed(firm, listed) else () for pk, firm in rows}


def _is_listed(firm: uuid.UUID, listed: frozenset[uuid.UUID] | None) -> bool:
    return listed is None or firm in listed


def apply(changes: Mapping[uuid.UUID, Values]) -> dict[uuid.UUID, list[Problem]]:
    """Two queries, with addresses six. A main address is news of its person, for other CRMs."""
    rows = Person.objects.select_for_update(of=("self",)).filter(pk__among=changes).order_by("pk")
    before = {row["pk"]: row for row in rows.values("pk", *_ALL)}
    problems, written = _checked({pk: changes[pk] for pk in before}, before)
    _write(written)
    told = _write_addresses({pk: changes[pk] for pk in before}, problems) - written.keys()
    if told:
        Person.objects.filter(pk__among=told).update(updated_at=timezone.now())
    return {pk: found for pk, found in problems.items() if found}


def create(wanted: Sequence[New]) -> list[Created]:
    """One query, with addresses four. Somebody without a name is called by the address."""
    given = {uuid.uuid4(): dict(new.values) for new in wanted}
    blank: dict[str, Any] = {"display_name": "", "phone": "", "title": "", "organization_id": None}
    problems, written = _checked(given, dict.fromkeys(given, blank))
    for pk, columns in written.items():
        columns["display_name"] = columns["display_name"] or given[pk].get(EMAIL) or ""
    made = {pk: columns for pk, columns in written.items() if columns["display_name"]}
    for pk in given.keys() - made.keys():
        problems[pk] = problems[pk] or [Problem(NAME, "It has neither a name nor an e-mail address.")]
    _write(made)
    _write_addresses({pk: given[pk] for pk in made}, problems)
    return [Created(pk if pk in made else None, problems[pk]) for pk in given]


def _checked(
    wanted: Mapping[uuid.UUID, Values], before: Mapping[uuid.UUID, Mapping[str, Any]]
) -> tuple[dict[uuid.UUID, list[Problem]], dict[uuid.UUID, dict[str, Any]]]:
    problems: dict[uuid.UUID, list[Problem]] = {pk: [] for pk in wanted}
    written: dict[uuid.UUID, dict[str, Any]] = {}
    for pk, given in wanted.items():
        columns = {column: before[pk][column] for column in _ALL}
        told = {column: (name, given[name]) for name, column in COLUMNS.items() if name in given}
        name = _full_name(given, columns["display_name"])
        # A new row may still be called by its address.
        if name is not None and (name or columns["display_name"]):
            told["display_name"] = (NAME, name)
        for column, (name, value) in told.items():
            value, found = checked(Person, column, value, name)
            problems[pk] += found
            if not found:
                columns[column] = value
        if ORGANIZATION in given:
            columns["organization_id"] = given[ORGANIZATION]
        if columns != {column: before[pk][column] for column in _ALL} or not before[pk]["display_name"]:
            written[pk] = columns
    return problems, written


def _full_name(given: Values, before: str) -> str | None:
    """The name that these parts make; None where none of them is given. A part that is not given stays as it was."""
    if NAME in given:
        return str(given[NAME] or "")
    if FIRST not in given and LAST not in given:
        return None
    first, last = split_name(before)
    parts = (given.get(FIRST, first), given.get(LAST, last))
    return " ".join(str(part).strip() for part in parts if part)


def _write(rows: Mapping[uuid.UUID, Mapping[str, Any]]) -> None:
    company, now = current_company_id(), timezone.now()
    written = [
        {"id": pk, "company": company, "updated_at": now, "organization": row["organization_id"],
         **{column: row[column] for column in _ALL if column != "organization_id"}}
        for pk, row in rows.items()
    ]  # fmt: skip
    bulk.upsert(Person, written, unique=["id"], once=["company"])


def _write_addresses(wanted: Mapping[uuid.UUID, Values], problems: dict[uuid.UUID, list[Problem]]) -> set[uuid.UUID]:
    """Make the given address the primary one, and add the others. None is taken from anybody, and none is removed.

    Returns the people whose primary one was given.
    """
    asked = [(pk, str(given[EMAIL]), True) for pk, given in wanted.items() if given.get(EMAIL)]
    asked += [(pk, str(email), False) for pk, given in wanted.items() for email in given.get(ADDRESSES, ())]
    good = [each for each in (_read(pk, email, is_main, problems) for pk, email, is_main in asked) if each]
    if not good:
        return set()
    keys = [key for _, _, key, _ in good]
    owners = dict(PersonAddress.objects.filter(match_key__among=keys).values_list("match_key", "person_id"))
    known = set(owners)
    rows: dict[str, dict[str, Any]] = {}
    for pk, email, key, is_main in good:
        owner = owners.setdefault(key, pk)
        if owner != pk:
            name = EMAIL if is_main else ADDRESSES
            problems[pk].append(Problem(name, f"{email} already belongs to somebody else here.", owner))
        elif is_main or key not in known | rows.keys():
            rows[key] = {"person": pk, "email": email, "match_key": key, "is_primary": is_main}
    mains = [row["person"] for row in rows.values() if row["is_primary"]]
    PersonAddress.objects.filter(person__among=mains, is_primary=True).update(is_primary=False)
    company = current_company_id()
    written = [{"company": company, **row} for row in rows.values()]
    bulk.upsert(PersonAddress, written, unique=["company", "match_key"], once=["person"])
    return set(mains)


def _read(
    pk: uuid.UUID, given: str, is_main: bool, problems: dict[uuid.UUID, list[Problem]]
) -> tuple[uuid.UUID, str, str, bool] | None:
    """An address in its stored form, with what it is matched by; None where the admin would refuse it."""
    try:
        email = addresses.normalize(given)
        PersonAddress._meta.get_field("email").clean(email, None)
    except (ValueError, ValidationError) as error:
        words = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        problems[pk].append(Problem(EMAIL if is_main else ADDRESSES, words))
        return None
    return pk, email, addresses.match_key(email), is_main
