"""What goes wrong between us and a CRM, all the way through the real adapters: nothing may be lost or doubled by it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import connections
from django.db.models import Count, F
from django.utils import timezone
from pytest_django.fixtures import Settings

from crm import jobs, push, schema, sync
from crm.mapping import Row
from crm.models import Budget, Conflict, RecordLink, Write
from integrations import grants
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Fund, Match, Note, Organization, Person, Task, User
from tests.crm.out_scene import publish
from tests.crm.two_ways import SCORE, Firm, linked
from tests.sandbox.hubspot_app import CLIENT, SECRET
from tests.sandbox.salesforce import APP

UPDATE = {
    "salesforce": {"organization": "collections.update", "person": "collections.update"},
    "hubspot": {"organization": "companies.batch.update", "person": "contacts.batch.update"},
}
UPDATES_AT = {"salesforce": "/composite/sobjects", "hubspot": "/batch/update"}
SUMMARY = {"salesforce": "LPxGP_Summary__c", "hubspot": "lpxgp_summary"}


def attempt(firm: Firm) -> SyncRun:
    """One run, however it ends."""
    SyncState.unscoped.filter(pk=firm.state.pk).update(
        dirty_mark=F("dirty_mark") + 1, next_attempt_at=None, queued_at=None
    )
    sync.run(firm.state.pk)
    return SyncRun.unscoped.filter(state=firm.state).latest("started_at")


def scored(firm: Firm, count: int) -> list[Organization]:
    """Firms that the CRM has, each with a score it does not know yet."""
    for number in range(count):
        firm.world.create("organization", name=f"Pension {number}")
    firm.sync()
    firms = list(Organization.objects.order_by("name"))
    assert len(firms) == count
    score(firm, firms)
    return firms


def score(firm: Firm, firms: list[Organization]) -> None:
    fund, _ = Fund.objects.get_or_create(company=firm.company, name="Fund I")
    Match.objects.bulk_create(
        Match(company=firm.company, organization=each, fund=fund, score=number % 100, summary="Fits.")
        for number, each in enumerate(firms, start=1)
    )


def assert_scored_once(firm: Firm, firms: list[Organization]) -> None:
    """Every score arrived, and of each firm one write was taken."""
    ids = dict(RecordLink.objects.filter(kind="organization").values_list("row_id", "external_id"))
    for number, each in enumerate(firms, start=1):
        assert float(firm.world.held("organization", ids[each.pk])[SCORE[firm.world.slug]]) == number % 100
    done = Write.objects.filter(state=Write.State.DONE).values("link").annotate(times=Count("pk"))
    assert sorted(one["times"] for one in done) == [1] * len(firms)
    assert not RecordLink.objects.exclude(error_cause="").exists()


@pytest.fixture
def small_batches(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> int:
    """So few records go out in one call."""
    monkeypatch.setattr(type(firm.world.adapter), "batch", 5)
    return 5


@pytest.fixture
def renewable(firm: Firm, settings: Settings) -> Firm:
    """The same, whose access can be renewed at the CRM."""
    let_in(firm, settings)
    return firm


def let_in(firm: Firm, settings: Settings) -> None:
    """The installation has the client that linked."""
    app = {"salesforce": APP, "hubspot": (CLIENT, SECRET)}[firm.world.slug]
    credentials = dict(zip(("client_id", "client_secret"), app, strict=True))
    settings.PROVIDER_CREDENTIALS = settings.PROVIDER_CREDENTIALS | {firm.world.slug: credentials}
    origins = {"https://app.hubspot.com": f"{firm.world.scene.url}/hubspot-app"}
    settings.PROVIDER_ORIGINS = settings.PROVIDER_ORIGINS | origins


def renew(firm: Firm) -> None:
    """Link with a refresh token that works."""
    desk = firm.world.desk
    token = desk.token() if firm.world.slug == "salesforce" else desk.link()
    kept = {"access_token": token["access_token"], "refresh_token": token["refresh_token"]}
    Integration.objects.filter(pk=firm.integration.pk).update(encrypted_tokens=grants.seal(firm.integration, kept))


def expire(firm: Firm) -> None:
    """Every access token is over."""
    order = firm.world.desk.order if firm.world.slug == "salesforce" else firm.world.desk.control
    order("expire_access_tokens")


def expire_after(firm: Firm, monkeypatch: pytest.MonkeyPatch, is_meant: Callable[[requests.Response], bool]) -> None:
    """The access token runs out right after the first answer that is meant."""
    real, expired = grants.session, threading.Event()

    def seen(response: requests.Response, *given: Any, **more: Any) -> None:
        if is_meant(response) and not expired.is_set():
            expired.set()
            expire(firm)

    def session(integration: Integration, access: grants.Access) -> requests.Session:
        http = real(integration, access)
        http.hooks["response"].append(seen)
        return http

    monkeypatch.setattr(grants, "session", session)


def is_update(firm: Firm) -> Callable[[requests.Response], bool]:
    return lambda answer: UPDATES_AT[firm.world.slug] in answer.url and answer.request.method in {"PATCH", "POST"}


def test_a_lost_reply_to_an_update_is_looked_up_and_not_sent_again(firm: Firm) -> None:
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    lena = Person.objects.get()
    lena.title = "Partner"
    lena.save()
    operation = UPDATE[world.slug]["person"]
    world.forget_calls()
    world.spoil(operation, "half_page")
    lost = attempt(firm)
    assert (lost.outcome, Write.objects.get().state) == ("failed", Write.State.SENT)
    firm.sync()
    firm.later()
    firm.sync()
    assert world.held("person", contact)[world.fields["title"]] == "Partner"
    assert world.calls()[operation] == 1
    assert list(Write.objects.values_list("state", flat=True)) == [Write.State.DONE]
    assert not RecordLink.objects.exclude(error_cause="").exists()


def test_access_that_ends_while_we_read_is_renewed(renewable: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = renewable
    account = firm.world.create("organization", name="Alpha Pension")
    firm.world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    renew(firm)
    schema.refresh(firm.integration)
    expire_after(firm, monkeypatch, lambda answer: True)
    firm.sync()
    assert (Organization.objects.count(), Person.objects.get().display_name) == (1, "Lena Lee")
    firm.integration.refresh_from_db()
    assert (firm.integration.sync_status, firm.integration.version) == ("active", 2)


def test_access_that_ends_while_we_write_is_renewed(
    renewable: Firm, small_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = renewable
    firms = scored(firm, 12)
    renew(firm)
    expire_after(firm, monkeypatch, is_update(firm))
    firm.sync()
    assert_scored_once(firm, firms)
    firm.integration.refresh_from_db()
    assert firm.integration.version == 2


def test_a_limit_between_two_batches_is_waited_for(firm: Firm, small_batches: int) -> None:
    firms = scored(firm, 12)
    operation = UPDATE[firm.world.slug]["organization"]
    firm.world.forget_calls()
    firm.world.spoil(operation, "rate_limit_429", after=1)
    limited = attempt(firm)
    assert limited.outcome == "failed"
    assert limited.error
    state = SyncState.objects.get()
    assert state.next_attempt_at
    assert state.next_attempt_at > timezone.now()
    sync.run(firm.state.pk)
    assert SyncRun.objects.latest("started_at") == limited
    firm.sync()
    assert_scored_once(firm, firms)
    assert firm.world.calls()[operation] == 4


def test_too_many_searches_a_second_are_waited_for(transactional_db: None) -> None:
    """HubSpot's SECONDLY."""
    with linked("hubspot") as firm:
        contact = firm.world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
        firm.sync()
        firm.later()
        firm.world.update("person", contact, title="Partner")
        firm.later(5)
        firm.world.spoil("contacts.search", "rate_limit_429")
        assert attempt(firm).outcome == "failed"
        firm.sync()
        assert Person.objects.get().title == "Partner"


def test_what_matters_least_waits_where_the_day_is_short(transactional_db: None) -> None:
    with linked("salesforce") as firm:
        world = firm.world
        account = world.create("organization", name="Alpha Pension")
        world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
        firm.sync()
        alpha, lena = Organization.objects.get(), Person.objects.get()
        score(firm, [alpha])
        user = User.objects.create_user("anna@acme.example", company=firm.company, name="Anna")
        Task.objects.create(company=firm.company, title="Send it", person=lena, assignee=user)
        note = Note.objects.create(company=firm.company, author=user, text="Wants ESG data", sync_to_crm=True)
        note.people.add(lena)
        world.desk.order("limits", max=1000, used=700)
        firm.sync()
        assert (world.count("task"), world.count("note")) == (1, 0)
        assert world.held("organization", account)[SCORE[world.slug]] is None
        budget = Budget.objects.get()
        assert {kind: budget.waiting.get(kind) for kind in ("organization", "note", "task")} == {
            "organization": 1,
            "note": 1,
            "task": None,
        }
        assert budget.waits_for
        world.desk.order("limits", max=1000, used=10)
        SyncState.objects.update(queued_at=None)
        jobs.sweep()
        state = SyncState.objects.get()
        assert state.dirty_mark > state.done_mark
        firm.sync()
        assert (world.count("task"), world.count("note")) == (1, 1)
        assert float(world.held("organization", account)[SCORE[world.slug]]) == 1
        assert Budget.objects.get().waiting == {}


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_field_that_is_closed_after_publishing_stops_no_other(firm: Firm, is_removed: bool) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    close_field(firm, is_removed)
    score(firm, [Organization.objects.get()])
    lena = Person.objects.get()
    lena.title = "Partner"
    lena.save()
    firm.sync()
    assert world.held("person", contact)[world.fields["title"]] == "Partner"
    link = RecordLink.objects.get(kind="organization")
    assert link.error_cause in {"no_permission", "unknown_field"}
    assert link.error
    assert link.error_field == SCORE[world.slug]
    schema.refresh(firm.integration)
    Match.objects.update(summary="Fits very well.", scored_at=timezone.now() + timedelta(seconds=1))
    firm.later()
    firm.sync()
    assert world.held("organization", account)[SUMMARY[world.slug]] == "Fits very well."
    link.refresh_from_db()
    assert link.error_cause == ""


def close_field(firm: Firm, is_removed: bool) -> None:
    """The score's field becomes one that nobody may write, or that we do not even see."""
    desk, name = firm.world.desk, SCORE[firm.world.slug]
    if firm.world.slug == "salesforce":
        desk.order("access", **{"hide_fields" if is_removed else "readonly_fields": [f"Account.{name}"]})
    elif is_removed:
        desk.control("properties/remove", type="companies", name=name)
    else:
        desk.control("properties", type="companies", name=name, read_only=True)


def mapped(firm: Firm, title: dict[str, Any], summary_mode: str = "always") -> None:
    """A mapping of the few fields that these tests change."""
    objects, fields = firm.world.adapter.objects, firm.world.fields
    person, organization = objects["person"], objects["organization"]
    publish(
        firm.integration,
        (
            Row("org.name", organization, fields["name"]),
            Row("match.summary", organization, SUMMARY[firm.world.slug], "to_crm", "ours_wins", summary_mode),
            Row("person.first_name", person, fields["first"]),
            Row("person.last_name", person, fields["last"]),
            Row("person.email", person, fields["email"]),
            Row("person.title", person, fields["title"], **title),
        ),
    )


def retitle(firm: Firm, title: str) -> None:
    """Somebody here changes Lena's title, later than anybody there."""
    Person.objects.update(title=title, updated_at=timezone.now())
    RecordLink.objects.filter(kind="person").update(is_due=True)


def titles(firm: Firm, contact: str) -> tuple[str, str]:
    """Lena's title on both sides, after everything came to rest."""
    firm.later()
    firm.sync()
    before = firm.writes()
    firm.later()
    firm.sync()
    assert firm.writes() == before
    return Person.objects.get().title, firm.world.held("person", contact).get(firm.world.fields["title"]) or ""


def test_only_what_is_empty_is_filled(firm: Firm) -> None:
    mapped(firm, {"write_mode": "if_empty"})
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    assert titles(firm, contact) == ("CIO", "CIO")
    world.update("person", contact, title="Partner")
    assert titles(firm, contact) == ("CIO", "Partner")
    retitle(firm, "Head")
    assert titles(firm, contact) == ("Head", "Partner")
    world.update("person", contact, title="")
    assert titles(firm, contact) == ("Head", "")
    retitle(firm, "Chair")
    assert titles(firm, contact) == ("Chair", "Chair")
    assert not Conflict.objects.exists()


def test_ours_is_added_to_what_is_there_once(firm: Firm) -> None:
    mapped(firm, {}, "append")
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    if world.slug == "salesforce":
        world.desk.order("records/update", id=account, fields={SUMMARY[world.slug]: "Anna knows them."}, silent=True)
    else:
        world.desk.change(account, "companies", **{SUMMARY[world.slug]: "Anna knows them."})
    firm.sync()
    score(firm, [Organization.objects.get()])
    for _ in range(3):
        firm.later()
        firm.sync()
    assert world.held("organization", account)[SUMMARY[world.slug]] == "Anna knows them.\n\nFits."
    assert firm.writes() == 1


def test_theirs_is_added_to_what_is_here_once(firm: Firm) -> None:
    mapped(firm, {"sync_direction": "from_crm", "write_mode": "append"})
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    world.update("person", contact, title="Partner")
    ours, theirs = titles(firm, contact)
    assert (ours.split(), theirs) == (["CIO", "Partner"], "Partner")
    assert firm.writes() == 0


@pytest.mark.parametrize(("hours", "stays"), [(2, "Ours"), (-2, "Theirs")])
def test_the_newer_value_stays(firm: Firm, hours: int, stays: str) -> None:
    mapped(firm, {"conflict_rule": "newest"})
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    Person.objects.update(title="Ours", updated_at=timezone.now() + timedelta(hours=hours))
    RecordLink.objects.filter(kind="person").update(is_due=True)
    world.update("person", contact, title="Theirs")
    firm.later(5)
    firm.sync()
    assert titles(firm, contact) == (stays, stays)
    assert Conflict.objects.get().winner == {"Ours": "ours", "Theirs": "theirs"}[stays]


def test_of_two_workers_one_does_nothing(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    account = firm.world.create("organization", name="Alpha Pension")
    firm.firm("Alpha Pension", score=82)
    real = push.push

    def other_worker() -> None:
        try:
            sync.run(firm.state.pk)
        finally:
            connections.close_all()

    def pushed(*given: Any) -> None:
        other = threading.Thread(target=other_worker)
        other.start()
        other.join()
        real(*given)

    monkeypatch.setattr(push, "push", pushed)
    firm.sync()
    assert SyncRun.objects.count() == 1
    assert Organization.objects.count() == 1
    assert Write.objects.count() == 1
    assert float(firm.world.held("organization", account)[SCORE[firm.world.slug]]) == 82


def test_thousands_of_scores_go_out_in_a_few_calls(transactional_db: None) -> None:
    with linked("salesforce") as firm:
        world = firm.world
        world.desk.order("bulk_records", object="Account", count=2500, seconds_ago=60)
        firm.sync()
        firms = list(Organization.objects.order_by("name"))
        assert len(firms) == 2500
        score(firm, firms)
        world.forget_calls()
        firm.sync()
        calls = world.calls()
        assert calls["jobs.create"] == 1
        assert UPDATE["salesforce"]["organization"] not in calls
        assert sum(calls.values()) < 20, calls
        wanted = sorted(float(number % 100) for number in range(1, 2501))
        assert sorted(float(one[SCORE["salesforce"]]) for one in world.desk.shown("Account")) == wanted
        assert Write.objects.filter(state=Write.State.DONE).count() == 2500


@pytest.mark.parametrize("is_removed", [False, True])
def test_once_the_field_is_known_to_be_closed_the_others_go_out_by_themselves(firm: Firm, is_removed: bool) -> None:
    account = firm.world.create("organization", name="Alpha Pension")
    firm.sync()
    firm.later()
    close_field(firm, is_removed)
    score(firm, [Organization.objects.get()])
    firm.sync()
    schema.refresh(firm.integration)
    firm.later()
    firm.sync()
    assert firm.world.held("organization", account)[SUMMARY[firm.world.slug]] == "Fits."
    assert RecordLink.objects.get(kind="organization").error_cause == ""


def test_a_field_that_is_read_and_goes_away_stops_no_other(firm: Firm) -> None:
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    world.update("person", contact, last="Moe")
    if world.slug == "salesforce":
        world.desk.order("access", hide_fields=["Contact.Title"])
    else:
        world.desk.control("properties/remove", type="contacts", name="jobtitle")
    firm.later(5)
    firm.sync()
    lena = Person.objects.get()
    assert (lena.display_name, lena.title) == ("Lena Moe", "CIO")
