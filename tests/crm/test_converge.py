"""Both sides are edited, merged, deleted and shuffled at random: they converge, and no value vanishes unsaid.

After two quiet syncs both sides are equal under the mapping, and a third one changes nothing at all.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from crm import conflicts, connection, mapping, pull, push, rows, schema
from crm.contract import Link, Related
from crm.mapping import Line
from crm.models import Conflict, RecordLink
from integrations.errors import Temporary, Wait
from integrations.models import Integration, PokedItem, SetAside
from relationships import tenancy
from relationships.models import Company, Organization, Person, PersonAddress
from tests.crm.in_scene import ROWS, In
from tests.crm.out_scene import link_crm, publish
from tests.crm.pretend_crm import PretendCrm

KINDS = ("organization", "person")
TABLES: dict[str, Any] = {"organization": Organization, "person": Person}
HERE = {"organization": ("name", "city"), "person": ("display_name", "phone", "title")}
THERE = {
    "organization": ("Name", "BillingCity", "Website"),
    "person": ("FirstName", "LastName", "Phone", "Title", "Email"),
}
RULES = ("crm_wins", "ours_wins", "newest")
BEGINNING = datetime(2026, 11, 2, 9, tzinfo=UTC)


class TwoSides(RuleBasedStateMachine):
    """One company and its CRM. Every value that somebody types is another one, so that each can be followed."""

    records = Bundle("records")

    def __init__(self) -> None:
        super().__init__()
        self.undo = contextlib.ExitStack()
        self.clock = self.undo.enter_context(time_machine.travel(BEGINNING, tick=True))
        self.undo.enter_context(transaction.atomic())
        self.undo.callback(transaction.set_rollback, True)
        self.count = 0
        company = Company.objects.create(name="Convergence")
        self.undo.enter_context(tenancy.within(company.pk))
        self.crm = PretendCrm(now=BEGINNING)
        self.scene = In(company, link_crm(company), self.crm)
        WORLD["crm"] = self.crm
        for crm_object, fields in self.crm.fields_of.items():
            schema.store(self.scene.integration, crm_object, fields)
        self.scene.allow(creates_organizations=True, creates_people=True)
        self.base: dict[tuple[str, str], Any] = {}

    @initialize(bi=st.sampled_from(RULES), new=st.booleans(), whole=st.booleans(), unique=st.booleans())
    def begin(self, bi: str, new: bool, whole: bool, unique: bool) -> None:
        """How this CRM behaves, and the mapping, which stays."""
        self.crm.merges_to_new, self.crm.whole_seconds, self.crm.unique_emails = new, whole, unique
        self.crm.page_size = 3
        lines = tuple(row if row.sync_direction == "to_crm" else replace(row, conflict_rule=bi) for row in ROWS)
        publish(self.scene.integration, lines)

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.undo.close()

    def word(self, column: str) -> str:
        """A value nobody typed before, as its field takes it."""
        self.count += 1
        if column in {"Phone", "phone"}:
            return f"+4144{self.count:07d}"
        if column == "Email":
            return f"p{self.count % 7}@lp{self.count % 3}.example"
        return f"firm{self.count}.example" if column == "Website" else f"W{self.count}"

    # What people do there.

    @rule(target=records, kind=st.sampled_from(KINDS), has_email=st.booleans(), data=st.data())
    def make_there(self, kind: str, has_email: bool, data: st.DataObject) -> tuple[str, str]:
        name = "Name" if kind == "organization" else "LastName"
        values = {name: self.word(name)} | ({"Email": self.word("Email")} if has_email and kind == "person" else {})
        firms = [row.id for row in self.crm.living("Account")]
        related = []
        if kind == "person" and firms:
            related = [Related("organization", data.draw(st.sampled_from(firms)))]
        return kind, self.crm.create(self.crm.objects[kind], related=related, **values)

    @rule(record=records, data=st.data())
    def edit_there(self, record: tuple[str, str], data: st.DataObject) -> None:
        kind, external_id = record
        column = data.draw(st.sampled_from(THERE[kind]))
        row = self.crm.rows[self.crm.objects[kind], external_id]
        if not row.is_deleted:
            is_emptied = column in {"Phone", "Title", "BillingCity"} and data.draw(st.integers(0, 4)) == 0
            self.crm.put(row.object, row.id, **{column: None if is_emptied else self.word(column)})

    @rule(record=records)
    def delete_or_restore_there(self, record: tuple[str, str]) -> None:
        row = self.crm.rows[self.crm.objects[record[0]], record[1]]
        if not row.is_deleted:
            self.crm.delete(row.object, row.id)
        elif not row.merged_into:
            self.crm.undelete(row.object, row.id)

    @rule(target=records, one=records, other=records)
    def merge_there(self, one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
        crm_object = self.crm.objects[one[0]]
        rows_there = [self.crm.rows.get((crm_object, each[1])) for each in (one, other)]
        if one == other or one[0] != other[0] or any(row is None or row.is_deleted for row in rows_there):
            return one
        return one[0], self.crm.merge(crm_object, one[1], other[1])

    # What people do here.

    @rule(kind=st.sampled_from(KINDS), has_email=st.booleans())
    def make_here(self, kind: str, has_email: bool) -> None:
        if kind == "organization":
            self.scene.firm(self.word("name"))
        else:
            email = self.word("Email")
            is_free = has_email and not PersonAddress.objects.filter(email=email).exists()
            self.scene.person(self.word("display_name"), *([email] if is_free else []))

    @rule(kind=st.sampled_from(KINDS), data=st.data())
    def edit_here(self, kind: str, data: st.DataObject) -> None:
        found = list(TABLES[kind].objects.order_by("created_at", "pk"))
        if found:
            row, column = found[data.draw(st.integers(0, len(found) - 1))], data.draw(st.sampled_from(HERE[kind]))
            is_emptied = column in {"phone", "title", "city"} and data.draw(st.integers(0, 4)) == 0
            setattr(row, column, "" if is_emptied else self.word(column))
            row.save()

    # What happens between.

    @rule()
    def lose_a_reply(self) -> None:
        self.crm.lost_replies = 1

    @rule(some=st.lists(records, max_size=4))
    def poke(self, some: list[tuple[str, str]]) -> None:
        """Pushes, in any order, doubled or of what is gone."""
        for kind, external_id in some:
            name = f"{self.crm.objects[kind]}:{external_id}"
            if not PokedItem.objects.filter(name=name).exists():
                self.scene.poke(self.crm.objects[kind], external_id)

    @rule()
    def sync(self) -> None:
        """Once in and out, some time after the last one; a reply may be lost in it."""
        self.clock.shift(900)
        self.crm.now += datetime.now(UTC) - BEGINNING - (self.crm.now - BEGINNING)
        before_here, before_there = self.here(), self.there()
        with contextlib.suppress(Temporary, Wait):
            held = self.scene.held()
            with connection.open(self.scene.integration, held.access) as link:
                published = mapping.published(self.scene.integration)
                pull.pull(held, link, published)
                push.push(held, link, published)
        self.check_nothing_vanished(before_here, before_there)

    # What must hold.

    def here(self) -> dict[tuple[str, str], Any]:
        """Our values, by row and field."""
        found: dict[tuple[str, str], Any] = {}
        for kind in KINDS:
            ids = list(TABLES[kind].objects.values_list("pk", flat=True))
            for pk, values in rows.values(kind, ids).items():
                found |= {(str(pk), line.ours.name): values[line.ours.name] for line in self.lines(kind)}
        return found

    def there(self) -> dict[tuple[str, str], Any]:
        """Their values, by record and field."""
        return {
            (row.id, line.crm_field): row.values.get(line.crm_field)
            for kind in KINDS
            for row in self.crm.living(self.crm.objects[kind])
            for line in self.lines(kind)
        }

    def lines(self, kind: str) -> list[Line]:
        found = mapping.published(self.scene.integration).lines(kind)
        return [line for line in found if line.ours.name not in {"org.kind", "match.score"}]

    def check_nothing_vanished(self, here: dict[tuple[str, str], Any], there: dict[tuple[str, str], Any]) -> None:
        """What stood on one side, and was not what both had agreed on, stands somewhere now, or in the journal."""
        told = {str(value) for pair in Conflict.objects.values_list("ours", "theirs") for value in pair if value}
        now_here, now_there = self.here(), self.there()
        standing = {str(value) for value in (*now_here.values(), *now_there.values()) if value}
        standing |= set(PersonAddress.objects.values_list("email", flat=True))
        for before, now in ((here, now_here), (there, now_there)):
            for key, value in before.items():
                is_new = value and value != self.base.get(key) and now.get(key) != value
                assert not is_new or str(value) in standing | told or key not in now, f"{value} of {key} vanished"
        self.base = now_here | now_there

    def settle(self) -> None:
        """Two quiet syncs, and a third that changes nothing."""
        self.crm.lost_replies = 0
        for _ in range(2):
            self.sync()
            self.sync()
        self.check_equal()
        before = (self.here(), self.there(), self.stamps(), len(self.crm.writes), Conflict.objects.count())
        self.sync()
        after = (self.here(), self.there(), self.stamps(), len(self.crm.writes), Conflict.objects.count())
        assert before == after

    def stamps(self) -> list[Any]:
        return [list(TABLES[kind].objects.order_by("pk").values_list("pk", "updated_at")) for kind in KINDS]

    def check_equal(self) -> None:
        """Every linked pair holds the same, but for what was told to be different."""
        aside = set(SetAside.objects.values_list("external_id", flat=True))
        context = mapping.context(self.scene.company)
        for link in RecordLink.objects.filter(kind__in=KINDS, state=RecordLink.State.LINKED, error_cause=""):
            record = self.crm.rows.get((link.crm_object, link.external_id))
            assert record is not None, f"{link} leads nowhere"
            assert not record.is_deleted, f"{link} leads to what was deleted"
            values = rows.values(link.kind, [link.row_id])
            if link.row_id not in values or f"{link.crm_object}:{link.external_id}" in aside:
                continue
            for line in self.lines(link.kind):
                ours = conflicts.held(line, values[link.row_id][line.ours.name], context)
                theirs = line.normal(record.values.get(line.crm_field))
                assert ours == theirs or not line.is_out, f"{line.ours.name} of {record}: {ours}, {link.shadow}"

    @invariant()
    def one_link_each(self) -> None:
        ids = list(RecordLink.objects.exclude(external_id="").values_list("crm_object", "external_id"))
        assert len(ids) == len(set(ids))


WORLD: dict[str, PretendCrm] = {}
"""The CRM of the machine that runs."""


@contextlib.contextmanager
def _opened(integration: Integration, access: Any) -> Iterator[Link]:
    yield Link(requests.Session(), integration.external_account_id, {})


@pytest.mark.django_db
def test_both_sides_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "adapter", lambda integration: WORLD["crm"])
    monkeypatch.setattr(connection, "open", _opened)
    run_state_machine_as_test(
        TwoSides,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
