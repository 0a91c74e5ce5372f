"""What the demo's firms have in their CRM: most of the firms and people we have, a little different, and some others.

The same company gives the same story; the pretend Salesforce and HubSpot are told it each in its own words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crm.transforms import split_name
from relationships.models import Organization, Person

LOCAL_NAMES = {
    "Zurich": "Zürich",
    "Geneva": "Genève",
    "Munich": "München",
    "Milan": "Milano",
    "Vienna": "Wien",
    "Lisbon": "Lisboa",
    "Copenhagen": "København",
    "The Hague": "Den Haag",
    "Bengaluru": "Bangalore",
    "New York": "New York City",
    "São Paulo": "Sao Paulo",
}
"""How the CRM spells cities."""
TITLES = ("Partner", "Head of Alternatives", "Principal", "Director, Private Equity")
TAG = "#lpxgp"
"""What marks a note of the CRM for us."""
NOTES = (
    ("Dinner in Davos", "Would double the ticket if the key-person clause is tightened."),
    ("Reference", "Spoke with their former CIO: decides fast, hates surprises on fees."),
    ("Allocation", "Committee moved to the third Thursday. Board papers go out a week before."),
    ("Data room", "Asks for the audited accounts of the last three years."),
    ("Consultant", "Their consultant now covers venture, too."),
    ("Annual meeting", "Comes with two colleagues from risk."),
)
ONLY_THERE = (
    ("Zugersee Pensionskasse", "zugersee-pk.example", "Zug", "Switzerland", ("Regula Amstad", "Beat Iten")),
    ("Aurora Mutual Insurance", "aurora-mutual.example", "Tampere", "Finland", ("Veikko Laine", "Outi Salonen")),
    ("Cedar Brook Foundation", "cedarbrook.example", "Atlanta", "United States", ("Camille Ferro", "Ruth Abelson")),
)
"""Firms that only the CRM has, with their people."""
FIRM_ONLY_HERE, PERSON_ONLY_HERE = (25, 1), (12, 5)
OTHER_PHONE, OTHER_TITLE, OTHER_ADDRESS = (9, 2), (11, 4), (5, 3)


@dataclass(frozen=True)
class CrmFirm:
    """A firm as the CRM has it. ``key`` is what others here call it by: its first name on the web."""

    key: str
    name: str
    domain: str
    city: str
    country: str


@dataclass(frozen=True)
class CrmPerson:
    """A contact as the CRM has it. ``firm`` is a CrmFirm's key, empty for none."""

    first: str
    last: str
    email: str
    phone: str
    title: str
    firm: str


@dataclass(frozen=True)
class CrmNote:
    """A note on the contact with this address."""

    title: str
    text: str
    email: str


@dataclass(frozen=True)
class Story:
    """All of it. The contacts with the addresses ``merged`` were two, and are the first one since."""

    firms: tuple[CrmFirm, ...]
    people: tuple[CrmPerson, ...]
    notes: tuple[CrmNote, ...]
    merged: tuple[str, str]


def story() -> Story:
    """What the CRM of the company that is being looked at holds. Runs within that company."""
    ours = list(Organization.objects.prefetch_related("domains").order_by("name"))
    kept = [firm for number, firm in enumerate(ours) if not _is(number, FIRM_ONLY_HERE)]
    firms = [_firm(firm) for firm in kept]
    # The same firm under the name it had before: staff are asked whether to merge.
    double = CrmFirm("double", f"{firms[0].name} (old)", firms[0].domain, firms[0].city, firms[0].country)
    known = {firm.key for firm in firms}
    people = [*_our_people(known), *_others()]
    tagged = [person for person in people if person.email and person.firm in known][::7]
    notes = [
        CrmNote(title, f"{text} {TAG}" if number % 3 < 2 else text, person.email)
        for number, ((title, text), person) in enumerate(zip(NOTES, tagged, strict=False))
    ]
    first = next(person for person in people if person.last == "Ferro")
    again = CrmPerson("C.", "Ferro", f"ferro@{first.email.partition('@')[2]}", "", "", first.firm)
    others = [CrmFirm(domain, name, domain, city, country) for name, domain, city, country, _ in ONLY_THERE]
    return Story((*firms, double, *others), (*people, again), tuple(notes), (first.email, again.email))


def _firm(firm: Organization) -> CrmFirm:
    domain = firm.domains.all()[0].domain
    return CrmFirm(domain, firm.name, domain, LOCAL_NAMES.get(firm.city, firm.city), firm.country)


def _our_people(known: set[str]) -> Iterator[CrmPerson]:
    """People of ours, but for some; of a few the CRM knows another phone, title or address."""
    people = Person.objects.prefetch_related("addresses", "organization__domains").order_by("display_name", "pk")
    for number, person in enumerate(people):
        firm = person.organization.domains.all()[0].domain if person.organization else ""
        if _is(number, PERSON_ONLY_HERE) or (firm and firm not in known):
            continue
        addresses = sorted(person.addresses.all(), key=lambda one: (not one.is_primary, one.email))
        first, last = split_name(person.display_name)
        yield CrmPerson(
            first,
            last,
            (addresses[-1] if _is(number, OTHER_ADDRESS) else addresses[0]).email,
            person.phone.replace("+41 44", "+41 79") if _is(number, OTHER_PHONE) else person.phone,
            TITLES[number % len(TITLES)] if _is(number, OTHER_TITLE) else person.title,
            firm,
        )


def _others() -> Iterator[CrmPerson]:
    """People whom only the CRM has."""
    for number, (_, domain, _, _, names) in enumerate(ONLY_THERE):
        for name in names:
            first, _, last = name.partition(" ")
            phone = f"+41 44 556 00 {number * 2 + names.index(name):02}"
            yield CrmPerson(first, last, f"{first}.{last}@{domain}".lower(), phone, TITLES[number], domain)


def _is(number: int, every: tuple[int, int]) -> bool:
    """Whether it is one of each so many, from a place on."""
    step, first = every
    return number % step == first
