"""A believable GP firm to look around in: colleagues, LPs, contacts, funds, and what happened so far.

The same name and seed give the same rows (their ids are hashes of what they are), dated relative to today. Rows that
are there already stay as they are, so that seeding twice changes nothing.
"""

import random
import re
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import models, transaction

from relationships import demo_names, tenancy
from relationships.models import (
    Company,
    CompanyDomain,
    Fund,
    Match,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Task,
    Touchpoint,
    User,
)

COMPANY = "Northlight Capital Partners"
SECOND_COMPANY = "Harbourview Partners"
STAFF_EMAIL = "staff@lpxgp.example"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "demo.lpxgp.example")

INDEPENDENT = 4

# What people are called in letters is not what mail systems accept.
SPELLED_OUT = str.maketrans({"ø": "oe", "Ø": "Oe", "ö": "oe", "ä": "ae", "ü": "ue", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


class CannotSeed(Exception):
    """Something else stands where the demo would go; the message says what."""


@dataclass(frozen=True)
class Size:
    """How much of everything a demo company has. ``firms`` are the last ones of each kind."""

    colleagues: tuple[demo_names.Colleague, ...]
    funds: tuple[str, ...]
    firms: int
    people: int
    unusual: int
    assistants: int
    second_addresses: int
    free_mail: int
    calls: int
    notes: int
    open_tasks: int
    done_tasks: int


LARGE = Size(demo_names.COLLEAGUES, demo_names.FUND_NAMES, 99, 200, len(demo_names.UNUSUAL), 15, 40, 12, 90, 60, 30, 12)
SMALL = Size(demo_names.FEW_COLLEAGUES, demo_names.FEW_FUND_NAMES, 3, 40, 3, 3, 8, 6, 25, 16, 8, 4)


@dataclass
class World:
    """The rows of the demo, in memory."""

    company: Company
    seed: int
    size: Size
    today: datetime
    chance: random.Random
    users: list[User] = field(default_factory=list)
    organizations: list[Organization] = field(default_factory=list)
    domains: list[OrganizationDomain] = field(default_factory=list)
    kinds: dict[uuid.UUID, str] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    addresses: dict[str, PersonAddress] = field(default_factory=dict)
    funds: list[Fund] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    calls: list[Touchpoint] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    links: list[models.Model] = field(default_factory=list)

    def key(self, what: str) -> uuid.UUID:
        """The id of a row, from what it is."""
        return uuid.uuid5(self.company.pk, what)


def seed(name: str, number: int, password: str, now: datetime, size: Size = LARGE) -> Company:
    """Fill the company ``name`` from the seed ``number``; everybody signs in with ``password``. ``now`` is aware.

    Raises CannotSeed where a company, or a person who signs in, of that name is not the demo's.
    """
    company = Company(pk=uuid.uuid5(NAMESPACE, f"{name}/{number}"), name=name, time_zone="Europe/Zurich")
    other = Company.objects.filter(name=name).exclude(pk=company.pk)
    if other.exists():
        raise CannotSeed(f"“{name}” exists already, from another seed or made by hand: choose another --company.")
    today = datetime.combine(now.astimezone(UTC), time.min, UTC)
    world = World(company, number, size, today, random.Random(f"{name}/{number}"))  # noqa: S311 a story, not a secret
    for add in (_users, _organizations, _people, _assistants, _more_addresses, _funds, _calls, _notes, _tasks):
        add(world)
    with transaction.atomic(), tenancy.every_company():
        _store(world, password)
    return company


def domain_of(name: str) -> str:
    """The mail domain of a demo company."""
    return f"{_plain(name.split()[0])}.example"


def _store(world: World, password: str) -> None:
    """Insert what is missing, each table by one statement."""
    _insert(Company, [world.company])
    own = CompanyDomain(pk=world.key("domain"), company=world.company, domain=domain_of(world.company.name))
    _insert(CompanyDomain, [own])
    _store_users([*world.users, _staff()], password)
    _insert(Organization, world.organizations)
    _insert(OrganizationDomain, world.domains)
    # Whom they assist comes first.
    _insert(Person, sorted(world.people, key=lambda person: person.assistant_of_id is not None))
    _insert(PersonAddress, world.addresses.values())
    for model, rows in ((Fund, world.funds), (Match, world.matches), (Touchpoint, world.calls), (Note, world.notes)):
        _insert(model, rows)
    _insert(Task, world.tasks)
    for through in {type(link) for link in world.links}:
        _insert(through, [link for link in world.links if type(link) is through])


def _insert(model: type[models.Model], rows: Iterable[Any]) -> None:
    model._base_manager.bulk_create(rows, ignore_conflicts=True)


def _store_users(users: list[User], password: str) -> None:
    present = {user.email: user for user in User.objects.filter(email__in=[user.email for user in users])}
    for user in users:
        if user.email in present and present[user.email].company_id != user.company_id:
            raise CannotSeed(f"{user.email} signs in for another company already: choose another --company.")
    missing = [user for user in users if user.email not in present]
    # Hashing is slow on purpose: once is enough for a password that everybody has.
    hashed = make_password(password) if missing else ""
    for user in missing:
        user.password = hashed
    _insert(User, missing)


def _staff() -> User:
    pk = uuid.uuid5(NAMESPACE, STAFF_EMAIL)
    return User(pk=pk, email=STAFF_EMAIL, name="Sam Staff", is_staff=True, is_superuser=True)


def _users(world: World) -> None:
    for number, (name, local, zone) in enumerate(world.size.colleagues):
        world.users.append(
            User(
                pk=world.key(f"user {local}"),
                company=world.company,
                email=f"{local}@{domain_of(world.company.name)}",
                name=name,
                time_zone=zone,
                is_company_admin=number == 0,
            )
        )


def _firms(world: World) -> Iterator[tuple[str, list[str]]]:
    for kind, lines in demo_names.FIRMS.items():
        for line in lines.strip().splitlines()[-world.size.firms :]:
            yield kind, line.split("|")


def _organizations(world: World) -> None:
    for kind, (name, domain, city, country, _) in _firms(world):
        organization = Organization(
            pk=world.key(f"organization {domain}"), company=world.company, name=name, city=city, country=country
        )
        if domain in demo_names.NOT_LPS:
            organization.kind = Organization.Kind.OTHER
        world.organizations.append(organization)
        world.kinds[organization.pk] = kind
        world.domains.append(
            OrganizationDomain(
                pk=world.key(f"domain {domain}"),
                company=world.company,
                organization=organization,
                domain=f"{domain}.example",
            )
        )


def _people(world: World) -> None:
    """Two to five contacts a firm, some with names no form expects, and a few who work for themselves."""
    cultures = [culture for _, (*_, culture) in _firms(world)]
    seats = list(range(len(cultures))) * 2
    people = world.size.people
    while len(seats) < people - INDEPENDENT:
        firm = world.chance.randrange(len(cultures))
        if seats.count(firm) < 5:
            seats.append(firm)
    chosen = demo_names.UNUSUAL[: world.size.unusual]
    unusual = dict(zip(world.chance.sample(range(len(seats)), len(chosen)), chosen, strict=True))
    taken: set[str] = set()
    for number, firm in enumerate(seats):
        name, local = unusual.get(number) or _name(world, cultures[firm], taken)
        title = demo_names.TITLES[seats[:number].count(firm) % len(demo_names.TITLES)]
        person = _person(world, number, name, title, world.organizations[firm])
        _address(world, person, f"{local}@{world.domains[firm].domain}", True)
    for number in range(len(seats), people):
        name, local = _name(world, "anglo", taken)
        person = _person(world, number, name, "Independent adviser", None)
        _address(world, person, f"{local}@{demo_names.FREE_MAIL[number % len(demo_names.FREE_MAIL)]}", True)


def _person(world: World, number: int, name: str, title: str, organization: Organization | None) -> Person:
    person = Person(
        pk=world.key(f"person {number}"),
        company=world.company,
        display_name=name,
        title=title,
        organization=organization,
        phone=f"+41 44 555 {number // 100:02} {number % 100:02}",
    )
    world.people.append(person)
    return person


def _name(world: World, culture: str, taken: set[str]) -> tuple[str, str]:
    """A display name nobody bears yet, and the local part of its address."""
    given, family = (names.split() for names in demo_names.NAMES[culture])
    free = [f"{one} {other}" for one in given for other in family if f"{one} {other}" not in taken]
    name = world.chance.choice(free)
    taken.add(name)
    return name, ".".join(_plain(part) for part in name.split(" "))


def _plain(text: str) -> str:
    """``text`` in the letters an address may have."""
    spelled = unicodedata.normalize("NFKD", text.translate(SPELLED_OUT)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9-]", "", spelled.lower())


def _address(world: World, person: Person, email: str, is_primary: bool) -> None:
    address = PersonAddress.build(person, email, is_primary)
    address.pk = world.key(f"address {address.match_key}")
    world.addresses.setdefault(address.match_key, address)


def _assistants(world: World) -> None:
    """Somebody further down in a firm writes for its first contact."""
    first: dict[uuid.UUID, Person] = {}
    last: dict[uuid.UUID, Person] = {}
    for person in world.people:
        if (firm := person.organization_id) and first.setdefault(firm, person) is not person:
            last[firm] = person
    for firm, person in world.chance.sample(list(last.items()), world.size.assistants):
        chief = first[firm]
        person.assistant_of, person.title = chief, f"Executive Assistant to {chief.display_name}"


def _more_addresses(world: World) -> None:
    """Second addresses below the firm's domain, and private ones, Gmail's with the dots that Gmail ignores."""
    employed = world.chance.sample(world.people[: world.size.people - INDEPENDENT], world.size.second_addresses)
    primary = {address.person_id: address.email for address in world.addresses.values()}
    for number, person in enumerate(employed):
        local, _, domain = primary[person.pk].partition("@")
        if number < world.size.free_mail - INDEPENDENT:
            private = demo_names.FREE_MAIL[0] if number % 2 == 0 else demo_names.FREE_MAIL[number % 6]
            _address(world, person, f"{local[:1]}.{local[1:]}@{private}".replace("..", "."), False)
        else:
            below = f"{world.chance.choice(('ir', 'mail', 'invest'))}.{domain}"
            _address(world, person, f"{local.replace('.', '-')}@{below}", False)


def _funds(world: World) -> None:
    """Two funds, and how well most LPs fit each."""
    prefix = world.company.name.split()[0]
    for number, name in enumerate(world.size.funds):
        world.funds.append(
            Fund(
                pk=world.key(f"fund {name}"),
                company=world.company,
                name=f"{prefix} {name}",
                vintage=world.today.year - number,
                target_size=Decimal(650_000_000 if number == 0 else 1_200_000_000),
            )
        )
    for organization in world.organizations:
        for fund in world.funds:
            if world.chance.random() < 0.85:
                world.matches.append(_match(world, organization, fund))


def _match(world: World, organization: Organization, fund: Fund) -> Match:
    score = round(min(98.0, max(12.0, world.chance.gauss(62, 18))), 1)
    reason = world.chance.choice(demo_names.REASONS[world.kinds[organization.pk]])
    return Match(
        pk=world.key(f"match {organization.pk} {fund.pk}"),
        company=world.company,
        organization=organization,
        fund=fund,
        score=Decimal(str(score)),
        summary=f"{reason}; {world.chance.choice(demo_names.DOUBTS)}.",
        scored_at=world.today - timedelta(days=world.chance.randrange(1, 40)),
    )


def _calls(world: World) -> None:
    """Calls of the last year, each with one or two people of one firm."""
    staffed: dict[uuid.UUID, list[Person]] = {}
    for person in world.people:
        if person.organization_id:
            staffed.setdefault(person.organization_id, []).append(person)
    for number in range(world.size.calls):
        organization = world.chance.choice(world.organizations)
        starts_at = world.today - timedelta(days=world.chance.randrange(3, 365), hours=-world.chance.randrange(8, 17))
        call = Touchpoint(
            pk=world.key(f"call {number}"),
            company=world.company,
            kind=Touchpoint.Kind.CALL,
            unique_key=world.key(f"call {number}").hex,
            title=f"{world.chance.choice(demo_names.CALLS)} ({organization.name})",
            occurred_at=starts_at,
            ended_at=starts_at + timedelta(minutes=world.chance.choice((15, 30, 45))),
            origin="demo",
        )
        world.calls.append(call)
        people = world.chance.sample(staffed[organization.pk], world.chance.choice((1, 1, 2)))
        users = world.chance.sample(world.users, world.chance.choice((1, 1, 2)))
        world.links += [Touchpoint.people.through(touchpoint_id=call.pk, person_id=person.pk) for person in people]
        world.links += [Touchpoint.users.through(touchpoint_id=call.pk, user_id=user.pk) for user in users]
        world.links.append(Touchpoint.organizations.through(touchpoint_id=call.pk, organization_id=organization.pk))


def _who(world: World, call: Touchpoint, column: str) -> list[uuid.UUID]:
    links = (link for link in world.links if getattr(link, "touchpoint_id", None) == call.pk)
    return [pk for link in links if (pk := getattr(link, column, None))]


def _notes(world: World) -> None:
    for number, call in enumerate(world.chance.sample(world.calls, world.size.notes)):
        text, outcome = world.chance.choice(demo_names.SAID)
        note = Note(
            pk=world.key(f"note {number}"),
            company=world.company,
            touchpoint=call,
            author_id=_who(world, call, "user_id")[0],
            text=text,
            outcome=outcome,
            sync_to_crm=number % 5 == 0,
            created_at=call.occurred_at + timedelta(hours=1),
        )
        world.notes.append(note)
        world.links += [
            Note.people.through(note_id=note.pk, person_id=person) for person in _who(world, call, "person_id")
        ]


def _tasks(world: World) -> None:
    """Open ones around today, some of them late; and those done within the week after the call."""
    for number, call in enumerate(world.chance.sample(world.calls, world.size.open_tasks + world.size.done_tasks)):
        is_done = number >= world.size.open_tasks
        called_on = call.occurred_at.date()
        due_on = called_on if is_done else world.today.date() + timedelta(days=world.chance.randrange(-6, 21))
        world.tasks.append(
            Task(
                pk=world.key(f"task {number}"),
                company=world.company,
                title=world.chance.choice(demo_names.PROMISES),
                person_id=_who(world, call, "person_id")[0],
                touchpoint=call,
                assignee_id=_who(world, call, "user_id")[0],
                due_on=due_on,
                done_at=call.occurred_at + timedelta(days=2) if is_done else None,
                origin="demo",
            )
        )
