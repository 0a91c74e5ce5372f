"""A firm with a linked calendar that keeps changing, and what must be stored of it whatever fails meanwhile."""

import random
from collections import Counter

import pytest
from django.db.models import F, Q

from integrations.models import Channel, Integration, SyncRun, SyncState
from relationships import tenancy
from relationships.models import Company, CompanyDomain, Organization, Person, PersonAddress, Touchpoint, User
from tests.processes.calendar_story import KNOWN, Meeting, Story
from tests.processes.conftest import ALIAS, until
from tests.processes.product import PASSWORD, Product
from webhooks.models import Delivery

OWNER = "alice@acme.example"
QUIET_WITHIN = 120
"""A claim of a killed drain loop ends after 60 s, and is looked for every 30 s."""


def firm() -> Company:
    """A firm with one member, and one contact at each of a few LPs."""
    acme = Company.objects.using(ALIAS).create(name="Acme Partners")
    CompanyDomain.unscoped.using(ALIAS).create(company=acme, domain="acme.example")
    User.objects.db_manager(ALIAS).create_user(OWNER, PASSWORD, company=acme, name="Alice Ash")
    for email in KNOWN:
        name, _, domain = email.partition("@")
        firm = Organization.unscoped.using(ALIAS).create(company=acme, name=domain)
        person = Person.unscoped.using(ALIAS).create(company=acme, display_name=name, organization=firm)
        address = PersonAddress.build(person, email, is_primary=True)
        address.save(using=ALIAS)
    return acme


class Accepted:
    """Every push that was answered 2xx. The sandbox remembers the last 500 tries only, so it is asked often."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.keys: set[str] = set()

    def look(self) -> None:
        """Learn what was answered since the last look."""
        for entry in self._product.ask("pushes")["last"]:
            if isinstance(entry["status"], int) and 200 <= entry["status"] < 300:
                self.keys.add(f"{entry['channel']}:{entry['number']}")


def begin(product: Product, chance: random.Random) -> Story:
    """A linked calendar whose channel is live. Google takes its time, so that kills meet syncs under way."""
    product.control("google/accounts", email=OWNER, name="Alice Ash", hd="acme.example")
    story = Story(product, OWNER, chance)
    story.begin(40)
    product.control("latency", milliseconds=100)
    product.link(OWNER)
    live = Channel.unscoped.using(ALIAS).filter(state=Channel.State.LIVE)
    until(live.exists, 60, "a live push channel")
    until(SyncRun.unscoped.using(ALIAS).filter(outcome=SyncRun.Outcome.DONE).exists, 60, "the first sync")
    return story


def assert_all_is_well(product: Product, story: Story, accepted: Accepted, company: Company) -> None:
    """Wait for the end of all work; then what was accepted is done, and the meetings are those of the calendar."""
    try:
        wait_until_quiet(product, accepted)
    except pytest.fail.Exception as error:
        pytest.fail(f"{error}\n{unfinished()}\n{product.tails()}")
    assert product.ask("pushes")["counts"]["refused"] == 0
    assert_every_push_is_done(accepted.keys)
    assert_the_state_is_clean()
    assert touchpoints(company) == story.meetings()


def wait_until_quiet(product: Product, accepted: Accepted) -> None:
    """Every push sent, every delivery at its end, every change synced."""

    def is_sent() -> bool:
        accepted.look()
        return product.ask("idle")["pending"] == 0

    until(is_sent, QUIET_WITHIN, "the end of the pushes")
    accepted.look()
    ended = [Delivery.Status.DONE, Delivery.Status.IGNORED, Delivery.Status.FAILED]
    is_open = Delivery.objects.using(ALIAS).exclude(status__in=ended)
    until(lambda: not is_open.exists(), QUIET_WITHIN, "the end of every delivery")
    dirty = SyncState.unscoped.using(ALIAS).filter(Q(dirty_mark__gt=F("done_mark")) | Q(held_by__isnull=False))
    until(lambda: not dirty.exists(), QUIET_WITHIN, "a clean sync state")


def unfinished() -> str:
    """Where things stand when they do not come to rest."""
    states = SyncState.unscoped.using(ALIAS).values()
    runs = SyncRun.unscoped.using(ALIAS).values_list("outcome", "started_at", "error")[:10]
    return f"{Counter(statuses().values())}\n{list(states)}\n{list(runs)}"


def statuses() -> dict[str, str]:
    """Every stored delivery's, by its key."""
    return dict(Delivery.objects.using(ALIAS).values_list("dedupe_key", "status"))


def assert_every_push_is_done(accepted: set[str]) -> None:
    """One row for each push that was answered 2xx, and none besides: the key is unique by the database."""
    stored = statuses()
    assert Delivery.objects.using(ALIAS).count() == len(stored)
    assert accepted - stored.keys() == set(), "accepted and lost"
    assert stored.keys() - accepted == set(), "stored, and never answered"
    assert set(stored.values()) <= {Delivery.Status.DONE, Delivery.Status.IGNORED}, Counter(stored.values())


def assert_the_state_is_clean() -> None:
    """Nothing is due, nothing is held, and no run looks as if it still went on."""
    state = SyncState.unscoped.using(ALIAS).get(is_chosen=True)
    assert (state.held_by, state.failures, state.next_attempt_at, state.last_error) == (None, 0, None, "")
    assert state.done_mark == state.dirty_mark
    assert not SyncRun.unscoped.using(ALIAS).filter(outcome=SyncRun.Outcome.RUNNING).exists()
    assert Integration.unscoped.using(ALIAS).get().sync_status == Integration.Status.ACTIVE


def touchpoints(company: Company) -> set[Meeting]:
    """The meetings a member sees; fails where one is there twice, or not told of its guests."""
    with tenancy.within(company.pk):
        rows = list(Touchpoint.objects.using(ALIAS).filter(cancelled_at=None).prefetch_related("people"))
    found = [
        (row.unique_key, row.title, row.occurred_at, frozenset(guest["email"] for guest in row.guests)) for row in rows
    ]
    assert len(found) == len({key for key, *_ in found})
    assert all(len(row.people.all()) == len({guest["email"] for guest in row.guests} & set(KNOWN)) for row in rows)
    return set(found)
