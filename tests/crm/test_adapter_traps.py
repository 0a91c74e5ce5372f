"""What CRMs do with addresses, numbers, formatted text and labels that nobody expects, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from simple_salesforce.exceptions import SalesforceGeneralError

from crm import shapes
from crm.contract import Field, Related
from crm.salesforce import calls
from integrations.errors import Temporary, TokenRefused
from tests.crm.two_ways import linked
from tests.crm.worlds import World, opened

SCORE = "LPxGP_Match_Score__c"


@pytest.fixture
def salesforce() -> Iterator[World]:
    with opened("salesforce") as world:
        yield world


@pytest.fixture
def hubspot() -> Iterator[World]:
    with opened("hubspot") as world:
        world.desk.control("limits", max=100_000, search=100_000)
        yield world


# --- Salesforce: addresses


def test_lost_notes_are_found_among_thousands_of_others(salesforce: World) -> None:
    firm = salesforce.create("organization", name="LP One")
    parents = [firm, *(f"001{number:012d}AAA" for number in range(2_200))]
    note = salesforce.change("note", title="A note", text="Its text")
    changes = [replace(note, key=str(uuid4()), related=(Related("organization", one),)) for one in parents]
    made = salesforce.adapter.write(salesforce.link, changes[:1])[0].external_id
    found = salesforce.adapter.recover(salesforce.link, "Note", changes)
    assert [(one.key, one.external_id) for one in found] == [(changes[0].key, made)]


def test_lost_records_are_found_by_their_keys_among_thousands_of_others(salesforce: World) -> None:
    salesforce.desk.add_key("Contact")
    changes = [salesforce.change("person", last=f"Lee {number}") for number in range(2_200)]
    salesforce.adapter.write(salesforce.link, [changes[0], changes[-1]])
    found = {one.key for one in salesforce.adapter.recover(salesforce.link, "Contact", changes)}
    assert found == {changes[0].key, changes[-1].key}


def test_an_organization_that_moved_is_asked_for_a_new_address(salesforce: World) -> None:
    # Its tokens have no end, so only a refused one makes anybody ask for the address again.
    salesforce.spoil("query", "moved_301")
    with pytest.raises(TokenRefused):
        salesforce.adapter.listing(salesforce.link, salesforce.wanted("person"))
    errors = [{"errorCode": "URL_NOT_RESET", "message": "Destination URL not reset."}]
    assert isinstance(calls.meant(SalesforceGeneralError("", 404, "", errors)), TokenRefused)  # type: ignore[arg-type]


def test_a_page_that_salesforce_forgot_is_asked_for_anew(salesforce: World) -> None:
    salesforce.spoil("queryAll", "gone_410")
    salesforce.create("person", last="Lee")
    cursor = salesforce.everything(salesforce.wanted("person"), is_first=True)[1]
    with pytest.raises(Temporary):
        salesforce.adapter.changes(salesforce.link, salesforce.wanted("person", cursor=cursor))


# --- Salesforce: fields


def test_formatted_text_is_told_from_plain(salesforce: World) -> None:
    metadata = {"label": "Story", "type": "Html", "length": 32768, "visibleLines": 10}
    salesforce.desk.order("fields", field="Account.Story__c", metadata=metadata)
    known = {one.name: one for one in salesforce.adapter.fields(salesforce.link, "Account")}
    assert (known["Story__c"].type, known["Story__c"].max_length) == ("html", 32768)
    assert known["Description"].type == "long_text"


@pytest.mark.parametrize(("score", "sent"), [("82.46", 82), ("82.50", 83), ("82", 82)])
def test_a_number_is_rounded_to_what_its_field_holds(score: str, sent: int) -> None:
    field = Field("Score__c", "Score", "number", digits=0)
    assert shapes.outgoing(shapes.number(score), field) == sent
    assert shapes.normal(score, field) == sent
    assert shapes.normal(score, replace(field, digits=None)) == float(score)


def test_a_score_with_more_digits_than_its_field_is_written_once(transactional_db: None) -> None:
    with linked("salesforce", has_our_fields=False) as firm:
        metadata = {"label": "Score", "type": "Number", "precision": 3, "scale": 0}
        firm.world.desk.order("fields", field=f"Account.{SCORE}", metadata=metadata)
        firm.world.desk.add_key("Account", "Contact", "Activity")
        account = firm.world.create("organization", name="Alpha Pension")
        firm.firm("Alpha Pension", score=82.76)
        firm.sync()
        before = firm.writes()
        for _ in range(3):
            firm.later()
            firm.sync()
        assert (firm.world.held("organization", account)[SCORE], firm.writes()) == (83, before)


# --- HubSpot


def test_a_label_of_the_users_own_makes_no_firm_the_primary_one(hubspot: World) -> None:
    other, main = (hubspot.create("organization", name=name) for name in ("Advised", "Employer"))
    person = hubspot.create("person", parent=main, last="Lee")
    label = hubspot.desk.control("labels", type="contacts", to_type="companies", label="Adviser")["type_id"]
    base = f"/crm/v4/objects/contacts/{person}/associations/companies"
    token = str(hubspot.link.http.headers["Authorization"]).removeprefix("Bearer ")
    for firm, category, number in ((other, "USER_DEFINED", label), (main, "HUBSPOT_DEFINED", 1)):
        kind = [{"associationCategory": category, "associationTypeId": number}]
        assert hubspot.desk.plain(token, "PUT", f"{base}/{firm}", json=kind).status_code == 201
    wanted = hubspot.wanted("person", "last")
    listed = hubspot.everything(wanted, is_first=True)[0][0]
    read = hubspot.adapter.read(hubspot.link, wanted, [person]).records[0]
    assert listed.related == read.related == (Related("organization", main), Related("organization", other))
