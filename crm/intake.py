"""What pages of the CRM's records are taken in with, and one page under work."""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from crm import conflicts, deletes, links, rows
from crm.contract import CrmAdapter, Record
from crm.mapping import Context, Line
from crm.mapping import Mapping as Published
from crm.models import Policy
from integrations import runs
from integrations.models import Integration
from integrations.outsiders import Rules

TAG = "#lpxgp"
"""Notes of the CRM that say this are marked for us."""
WAITS = "What it belongs to in the CRM is not known here yet."
"""The reason of a linked record that is looked at again once what it belongs to came."""

DOUBLE = "Two records of the CRM look like one: merge them there, or say that they are two."
"""The reason of a record that waits for staff, until the one it looks like is gone."""

SKIPPED = {
    "echo": "Our own writes that came back: ignored",
    "stale": "Older than what we know already",
    "ignored": "Not kept in sync",
    "twin": "Looks like another record: staff decide",
    "not_taken": "New, and your company does not take new ones from the CRM",
    "colleague": "Colleagues, who are no contacts",
    "blocked": "Kept out by a block rule",
    "unmarked": "Notes that are not marked #lpxgp",
}
"""Why records that were read changed nothing here, as SyncRun.skipped counts them, in words."""


@dataclass
class Intake:
    """What pages are taken in with: read once per run. ``linked`` are kinds of which some came to be known in it, and
    ``followed`` names of records that merges led to."""

    held: runs.Held
    integration: Integration
    adapter: CrmAdapter
    mapping: Published
    context: Context
    policy: Policy
    outsiders: Rules
    linked: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)

    def lines(self, kind: str) -> tuple[Line, ...]:
        """What is compared of this kind."""
        crm_object = self.adapter.objects[kind]
        found = self.mapping.lines(kind)
        return tuple(line for line in found if line.crm_object == crm_object and not line.ours.is_volatile)


@dataclass
class Page:
    """A page under work.

    ``seen`` are the ids it told of. ``parents`` are our rows behind what its records belong to, ``firm_people`` the
    people of the firms among these. ``problems`` are why fields of a record were not taken, by its id. ``came_back``
    are records that told us nothing new, by the key of their link.
    """

    intake: Intake
    kind: str
    book: deletes.Book
    seen: set[str] = field(default_factory=set)
    parents: Mapping[tuple[str, str], uuid.UUID] = field(default_factory=dict)
    firm_people: Mapping[uuid.UUID, Collection[uuid.UUID]] = field(default_factory=dict)
    problems: dict[str, list[rows.Problem]] = field(default_factory=dict)
    losses: list[conflicts.Loss] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    came_back: dict[uuid.UUID, Record] = field(default_factory=dict)
    changed: int = 0
    unannounced: int = 0

    @property
    def integration(self) -> Integration:
        return self.intake.integration

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """What is compared of its kind."""
        return self.intake.lines(self.kind)

    def report(self, external_id: str, problems: Collection[rows.Problem]) -> None:
        """Keep why something was not taken."""
        if problems:
            self.problems.setdefault(external_id, []).extend(problems)

    def find_parents(self, records: Collection[Record]) -> None:
        """Find our rows behind what these records belong to, and what they belonged to before. Two queries at most."""
        names = {other.external_id for record in records for other in record.related}
        names |= {name for link in self.book.links.values() for _, name in link.related}
        objects = {self.intake.adapter.objects[kind] for kind in ("organization", "person")}
        self.parents = links.rows_of(self.integration, objects, names)
        if self.kind == "note":
            firms = {pk for (kind, _), pk in self.parents.items() if kind == "organization"}
            self.firm_people = rows.people_of_firms(firms)

    def behind(self, record: Record) -> tuple[list[tuple[str, uuid.UUID]], bool]:
        """Our rows behind what a record belongs to, and whether one that matters is not known here yet."""
        known = [(other.kind, self.parents.get((other.kind, other.external_id))) for other in record.related]
        needed = {"organization"} if self.kind == "person" else {"organization", "person"}
        is_waiting = any(pk is None and kind in needed for kind, pk in known)
        return [(kind, pk) for kind, pk in known if pk is not None], is_waiting

    def people_of(self, others: Collection[tuple[str, uuid.UUID]]) -> frozenset[uuid.UUID]:
        """Whom a note is about: the people it names, or all of the firms it names."""
        people = {pk for kind, pk in others if kind == "person"}
        firms = [pk for kind, pk in others if kind == "organization"]
        return frozenset(people or {pk for firm in firms for pk in self.firm_people.get(firm, ())})
