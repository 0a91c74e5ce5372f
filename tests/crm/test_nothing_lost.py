"""Changes of either side that come at an odd moment, or cannot all be taken, and are lost all the same for nobody."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm import connection, link_errors, mapping, parents, pull, rows, schema
from crm.contract import RecordError, Related
from crm.mapping import Row
from crm.models import RecordLink
from integrations import runs
from integrations.models import SyncState
from relationships.models import Fund, Match, Person, Touchpoint
from tests.crm.in_scene import ROWS as COMING
from tests.crm.in_scene import In
from tests.crm.out_scene import ROWS, Out, publish


def test_a_value_that_does_not_fit_here_keeps_no_other_back(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=80)
    out.push()
    out.crm.put("Account", external_id, BillingCity="x" * 150)
    firm.city = "Rome"
    firm.save()
    out.score(firm, 81)
    for _ in range(2):
        held = out.held()
        with connection.open(out.integration, held.access) as link:
            pull.pull(held, link, mapping.published(out.integration))
        out.push()
    account = out.account(external_id)
    assert (account["LPxGP_Match_Score__c"], account["BillingCity"]) == (81, "x" * 150), "the CRM's value stays"
    assert not RecordLink.objects.get().is_due, "nobody asks for it each minute"


def test_a_score_that_comes_while_a_page_is_taken_goes_out(coming: In, monkeypatch: pytest.MonkeyPatch) -> None:
    account = coming.crm.create("Account", Name="Pension One")
    coming.pull()
    coming.push()
    firm, read = coming.row(account), rows.values
    moments = []

    def values(*arguments: Any) -> Any:
        found = read(*arguments)
        moments.append(timezone.now())
        return found

    for change in ({"BillingCity": "Rome"}, {"Type": "Manager"}):
        coming.crm.put("Account", account, **change)
        with monkeypatch.context() as patch:
            patch.setattr(rows, "values", values)
            coming.pull()
        # It was written after its firm was read here, and could be seen only when the page was stored.
        fund = Fund.objects.create(company=coming.company, name=f"Fund {len(moments)}")
        score = Match(company=coming.company, organization=firm, fund=fund, score=len(moments), scored_at=moments[0])
        score.save()
        coming.push()
        assert coming.crm.rows["Account", account].values["LPxGP_Match_Score__c"] == score.score
        moments.clear()


def test_a_name_that_does_not_fit_is_taken_once_it_does(coming: In) -> None:
    coming.crm.fields_of["Contact"] = tuple(replace(one, max_length=255) for one in coming.crm.fields_of["Contact"])
    schema.store(coming.integration, "Contact", coming.crm.fields_of["Contact"])
    lena = coming.crm.create("Contact", FirstName="Lena", LastName="Alder")
    coming.pull()
    coming.crm.put("Contact", lena, FirstName="L" * 150, LastName="A" * 150)
    for _ in range(2):
        coming.pull()
        assert coming.row(lena).display_name == "Lena Alder"
        assert list(coming.aside()) == [f"Contact:{lena}"], "it is said as long as it is so"
    assert coming.link_of(lena).shadow["FirstName"] == {"theirs": "Lena", "ours": "Lena"}
    coming.crm.put("Contact", lena, FirstName="Lena", LastName="A" * 150)
    coming.pull()
    assert (coming.row(lena).display_name, coming.aside()) == (f"Lena {'A' * 150}", {})


def test_who_moves_to_another_firm_and_back_at_once_is_back_there_too(out: Out) -> None:
    (one, first), (two, second) = out.linked_firm("Pension One"), out.linked_firm("Pension Two")
    lena = out.person("Lena", firm=one)
    contact = out.crm.create("Contact", [Related("organization", first)], LastName="Lena")
    link = out.link("person", lena, contact, LastName="Lena", Email=None, Title=None)
    RecordLink.objects.filter(pk=link.pk).update(related=[["organization", first]])
    for firm, account in ((two, second), (one, first)):
        lena.organization = firm
        lena.save()
        out.push()
        assert out.crm.rows["Contact", contact].related == (Related("organization", account),)


def test_an_activity_that_was_deleted_there_is_not_asked_for_for_ever(out: Out) -> None:
    title = Row("meeting.title", "Event", "Subject", "to_crm", "ours_wins", "append")
    publish(out.integration, (*(row for row in ROWS if row.lpxgp_field != title.lpxgp_field), title))
    firm, _ = out.linked_firm("Pension One")
    meeting = Touchpoint.objects.create(
        company=out.company, kind="meeting", title="First", unique_key="1", occurred_at=timezone.now(),
        guests=[{"email": "lena@alder.example"}],
    )  # fmt: skip
    meeting.organizations.add(firm)
    out.push()
    [link] = out.links("meeting")
    out.crm.delete("Event", link.external_id)
    meeting.title = "Second"
    meeting.save()
    out.push()
    link.refresh_from_db()
    assert (link.error_cause, link.is_due) == ("gone", False)
    calls = out.crm.calls.copy()
    out.push()
    assert out.crm.calls == calls


@pytest.fixture
def waiting(coming: In) -> tuple[Touchpoint, Touchpoint, Person]:
    """Two meetings with somebody whom the CRM refused to make: one with a firm it knows, one with nobody else."""
    publish(coming.integration, (*COMING, Row("meeting.title", "Event", "Subject", "to_crm", "ours_wins")))
    coming.allow(creates_people=True)
    account = coming.crm.create("Account", Name="Pension One")
    lena = coming.person("Lena", "lena@alder.example")
    coming.pull()
    both, alone = (
        Touchpoint.objects.create(
            company=coming.company, kind="meeting", title=title, unique_key=title, occurred_at=timezone.now(),
            guests=[{"email": "lena@alder.example"}],
        )
        for title in ("Both", "Alone")
    )  # fmt: skip
    both.organizations.add(coming.row(account))
    both.people.add(lena)
    alone.people.add(lena)
    refusal = RecordError("rule", "A contact needs a region.", "RULE")
    coming.crm.refuse = lambda change: refusal if change.object == "Contact" else None
    coming.push()
    RecordLink.objects.create(
        company=coming.company, integration=coming.integration, kind="meeting", row_id=alone.pk, crm_object="Event",
        state=RecordLink.State.NEW, error_cause="parent_missing", looked_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    SyncState.objects.update(last_success_at=timezone.now())
    coming.crm.refuse = None
    return both, alone, lena


def hang_on(coming: In, contact: str) -> set[str]:
    person = Related("person", contact)
    return {str(row.values["Subject"]) for row in coming.crm.living("Event") if person in row.related}


def test_who_was_made_in_an_interrupted_run_is_told_of_all_the_same(
    coming: In, waiting: tuple[Touchpoint, Touchpoint, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    link_errors.resync(RecordLink.objects.filter(row_id=waiting[2].pk))
    with monkeypatch.context() as patch:
        patch.setattr(parents, "release", out_of_time)
        with pytest.raises(runs.OutOfTime):
            coming.push()
    coming.push()
    [contact] = coming.crm.living("Contact")
    assert hang_on(coming, contact.id) == {"Both", "Alone"}


def out_of_time(*_: Any) -> None:
    raise runs.OutOfTime


def test_whom_people_of_the_crm_made_is_told_of_too(coming: In, waiting: tuple[Touchpoint, Touchpoint, Person]) -> None:
    contact = coming.crm.create("Contact", LastName="Lena", Email="lena@alder.example")
    coming.pull()
    assert coming.link_of(contact).row_id == waiting[2].pk
    coming.push()
    assert hang_on(coming, contact) == {"Both", "Alone"}
