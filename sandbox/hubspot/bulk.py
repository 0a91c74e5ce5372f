"""Many made-up records at once, the same for the same order."""

from dataclasses import dataclass

from sandbox.hubspot.kinds import Kind
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import ADDRESS, Record, Source
from sandbox.hubspot.values import written
from sandbox.hubspot.writing import derived

FIRST = ("Anna", "Ben", "Clara", "David", "Eva", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Klara")
LAST = ("Albrecht", "Bauer", "Cramer", "Decker", "Ebert", "Fischer", "Graf", "Huber", "Iversen", "Jansen")
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Order:
    """``count`` records changed within the ``days`` before ``until_ms``; all in that millisecond for 0 days."""

    count: int
    until_ms: int
    days: float
    domain: str
    companies: int


def fill(portal: Portal, kind: Kind, order: Order, source: Source) -> list[int]:
    """Put them in, silently; contacts are spread over the first ``companies`` companies. Their ids."""
    book = portal.books[kind.name]
    start, span = len(book.live), order.days * DAY_MS
    records = []
    for number in range(order.count):
        at_ms = order.until_ms - round(span * (order.count - number) / order.count)
        values = made_up(kind, start + number, order.domain, at_ms)
        values |= {name: value for name, value in derived(kind, values, at_ms).items() if value}
        records.append(Record(book.new_id(), values, at_ms, at_ms, source))
    book.add_many(records)
    if kind.name == "contacts" and order.companies:
        employ(portal, records, order.companies)
    return [one.id for one in records]


def employ(portal: Portal, contacts: list[Record], companies: int) -> None:
    """Associate contacts with companies in turn, primarily; counts are set without moving stamps."""
    employers = portal.books["companies"].ids[:companies]
    if not employers:
        return
    plain, primary = portal.links.types[279], portal.links.types[1]
    for number, one in enumerate(contacts):
        employer = employers[number % len(employers)]
        portal.links.add(plain, one.id, employer)
        portal.links.add(primary, one.id, employer)
        one.values["associatedcompanyid"] = str(employer)
    for employer in employers:
        count = len(portal.links.of("companies", employer, "contacts"))
        portal.books["companies"].live[employer].values["num_associated_contacts"] = str(count)


def made_up(kind: Kind, number: int, domain: str, at_ms: int) -> dict[str, str]:
    """The values of one record."""
    if kind.name == "contacts":
        first, last = FIRST[number % len(FIRST)], LAST[number // len(FIRST) % len(LAST)]
        return {
            ADDRESS: f"{first}.{last}.{number}@{domain}".lower(),
            "firstname": first,
            "lastname": f"{last} {number}",
            "phone": f"+49 30 {number:07}",
            "jobtitle": "Partner",
            "lifecyclestage": "lead",
        }
    if kind.name == "companies":
        return {"name": f"Company {number}", "domain": f"company-{number}.{domain}", "lifecyclestage": "lead"}
    title = kind.searched[0]
    return {title: f"{kind.singular.title()} {number}", "hs_timestamp": written(at_ms)}
