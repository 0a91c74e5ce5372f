"""A mapping tried on real records: it says what the sync would do, and does nothing."""

import uuid
from typing import Any

import pytest

from crm import dry_runs, trial
from crm.contract import Record
from crm.mapping import Row
from crm.models import Policy
from integrations.errors import Temporary
from relationships import tenancy
from relationships.models import Organization, Person
from tests.crm.mapping_scene import SCORE, STANDARD, Scene, scene

__all__ = ["scene"]


def shown(scene: Scene, *rows: Row, kind: str = "organization", pk: uuid.UUID | None = None) -> dict[str, trial.Shown]:
    found = trial.on_record(scene.integration, rows, kind, pk or scene.firm.pk)
    assert found is not None
    return {each.line.ours.name: each for each in found.lines}


def test_both_ways_are_shown_for_each_line(scene: Scene) -> None:
    lines = shown(scene, *STANDARD)
    assert (lines["org.name"].sent, lines["org.name"].is_equal) == ("Pension One", True)
    assert (lines["org.city"].ours, lines["org.city"].theirs, lines["org.city"].got) == ("Bern", "Zürich", "Zürich")
    assert lines["org.city"].sent is None
    assert (lines["match.score"].sent, lines["match.score"].theirs) == (82.5, None)
    assert scene.crm.writes == []


def test_what_would_fail_says_why(scene: Scene) -> None:
    rows = (Row("org.city", "Account", "Rating"), Row("match.score", "Account", "Score_Band__c", "to_crm"))
    lines = shown(scene, *rows)
    assert "does not take “Bern”" in lines["org.city"].sent_error
    assert "no whole number" in lines["match.score"].sent_error


def test_a_field_that_is_not_there_is_refused(scene: Scene) -> None:
    lines = shown(scene, *STANDARD, Row("match.summary", "Account", "LPxGP_Gone__c", "to_crm", "ours_wins"))
    assert "Account has no field “LPxGP_Gone__c”" in lines["match.summary"].sent_error
    assert (lines["match.summary"].got_error, lines["match.score"].sent) == ("", 82.5)


def test_what_the_crm_holds_may_not_fit_us(scene: Scene) -> None:
    record = next(iter(scene.crm.living("Contact")))
    record.values["Email"] = "n/a"
    lines = shown(scene, *STANDARD, kind="person", pk=scene.person.pk)
    assert "no e-mail address" in lines["person.email"].got_error


def test_a_record_that_is_not_linked_shows_what_its_creation_lacks(scene: Scene) -> None:
    with tenancy.within(scene.company.pk):
        person = Person.objects.create(company=scene.company, display_name="Bo")
    found = trial.on_record(scene.integration, [Row("person.email", "Contact", "Email")], "person", person.pk)
    assert found is not None
    assert (found.is_linked, found.lacking) == (False, ("LastName",))


def test_a_row_of_another_company_is_not_there(scene: Scene, zenith: Any) -> None:
    with tenancy.within(zenith.pk):
        other = Organization.objects.create(company=zenith, name="Elsewhere")
    assert trial.on_record(scene.integration, STANDARD, "organization", other.pk) is None
    assert [choice.title for choice in trial.choices(scene.integration, "organization")] == ["Pension One"]
    assert trial.choices(scene.integration, "organization", "else") == []


def test_a_crm_that_does_not_answer_leaves_our_side(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_given: Any) -> Any:
        raise Temporary("It is down.")

    monkeypatch.setattr(scene.crm, "read", fails)
    found = trial.on_record(scene.integration, STANDARD, "organization", scene.firm.pk)
    assert found is not None
    assert found.unread == "It is down."
    assert found.lines[0].sent == "Pension One"
    assert dry_runs.run(scene.integration, STANDARD, "organization", 20).unread == "It is down."


def test_a_dry_run_counts_what_publishing_would_do(scene: Scene) -> None:
    with tenancy.within(scene.company.pk):
        Policy.objects.create(company=scene.company, integration=scene.integration, creates_organizations=True)
        Organization.objects.create(company=scene.company, name="New One")
        Organization.objects.create(company=scene.company, name="New Two")
    run = dry_runs.run(scene.integration, STANDARD, "organization", 20)
    assert dict(run.counts) == {"create": 2, "update": 1, "skip": 0, "error": 0}
    assert (run.tried, run.comes_in, run.calls) == (3, 1, 3)
    assert scene.crm.writes == []
    run = dry_runs.run(scene.integration, [STANDARD[0]], "organization", 20)
    assert dict(run.counts) == {"create": 2, "update": 0, "skip": 1, "error": 0}


def test_a_dry_run_tells_each_field_and_why(scene: Scene) -> None:
    with tenancy.within(scene.company.pk):
        Policy.objects.create(company=scene.company, integration=scene.integration, creates_organizations=True)
        Organization.objects.create(company=scene.company, name="New One")
    run = dry_runs.run(scene.integration, STANDARD, "organization", 20)
    told = [(each.title, each.action, each.label, each.ours, each.theirs) for each in run.told]
    assert told == [
        ("Pension One", "update", "Match score", 82.5, None),
        ("Pension One", "change here", "City", "Bern", "Zürich"),
        ("New One", "create", "Name of the firm", "New One", None),
    ]
    assert all(each.reason for each in run.told)
    assert run.told[0].external_id
    [left] = dry_runs.run(scene.integration, [STANDARD[0]], "organization", 1).told
    assert (left.action, left.reason, left.label) == ("skip", "The CRM holds it already.", "")
    [wrong] = dry_runs.run(
        scene.integration, [Row("org.name", "Account", "Short__c", "to_crm")], "organization", 1
    ).told
    assert (wrong.action, wrong.label, wrong.crm_field, wrong.ours) == (
        "error",
        "Name of the firm",
        "Short__c",
        "Pension One",
    )


def test_a_dry_run_lists_every_value_that_would_be_refused(scene: Scene) -> None:
    rows = [Row("org.name", "Account", "Short__c", "to_crm"), Row("match.score", "Account", SCORE, "to_crm")]
    run = dry_runs.run(scene.integration, rows, "organization", 20)
    assert dict(run.counts) == {"create": 0, "update": 0, "skip": 0, "error": 1}
    [failure] = run.failures
    assert (failure.title, failure.label, failure.way) == ("Pension One", "Name of the firm", "out")
    assert "takes 10" in failure.message


def test_a_company_that_writes_nothing_has_nothing_to_send(scene: Scene) -> None:
    with tenancy.within(scene.company.pk):
        Policy.objects.create(company=scene.company, integration=scene.integration, writes="none")
    assert dict(dry_runs.run(scene.integration, STANDARD, "organization", 20).counts)["skip"] == 1


def test_a_deleted_record_is_not_compared(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = next(iter(scene.crm.living("Account")))
    scene.crm.delete("Account", gone.id)
    assert shown(scene, *STANDARD)["org.name"].theirs is None
    assert isinstance(scene.crm._told(gone, trial.Wanted("Account", ())), Record)


def test_other_kinds_are_tried_too(scene: Scene) -> None:
    for kind in ("meeting", "email", "task", "note"):
        assert trial.choices(scene.integration, kind) == []
        assert dry_runs.run(scene.integration, STANDARD, kind, 20).tried == 0
    assert trial.kinds_with_lines(STANDARD) == [
        ("organization", "Firms"),
        ("person", "People"),
        ("task", "Follow-up tasks"),
    ]
