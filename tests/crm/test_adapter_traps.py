"""What CRMs do with addresses, numbers, formatted text and labels that nobody expects, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
import requests
from django.test import override_settings
from simple_salesforce.exceptions import SalesforceGeneralError

from crm import mapping, outgoing, shapes
from crm.contract import Field, FieldType, Related
from crm.models import RecordLink
from crm.salesforce import adapter, bulk, calls, writing
from integrations import outbound, providers
from integrations.contract import ClientConfig
from integrations.errors import NeedsReconnect, Temporary, TokenRefused
from relationships.models import Match
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


def test_a_lost_note_is_found_behind_the_first_page_of_an_answer(salesforce: World) -> None:
    firm = salesforce.create("organization", name="LP One")
    rows = [{"Title": f"Note {number}", "Body": "Of somebody", "ParentId": firm} for number in range(220)]
    salesforce.desk.create("Note", *rows, silent=True)
    note = salesforce.change("note", title="A note", text="Its text")
    lost = replace(note, related=(Related("organization", firm),))
    made = salesforce.adapter.write(salesforce.link, [lost])[0].external_id
    salesforce.link.http.headers["Sforce-Query-Options"] = "batchSize=200"
    salesforce.forget_calls()
    assert [one.external_id for one in salesforce.adapter.recover(salesforce.link, "Note", [lost])] == [made]
    assert salesforce.calls() == {"query": 1, "query.more": 1}


def test_a_link_that_the_sixth_consent_of_its_user_ended_says_so(salesforce: World) -> None:
    tokens = [salesforce.desk.token()["refresh_token"] for _ in range(6)]
    provider, config = providers.get("salesforce"), ClientConfig("app-1", "secret-1", "https://hub.example.com/back")
    with outbound.session(provider) as http:
        with pytest.raises(NeedsReconnect, match="five times since"):
            provider.refresh(config, http, tokens[0], ["api"], salesforce.link.details)
        assert provider.refresh(config, http, tokens[1], ["api"], salesforce.link.details).access_token


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


@pytest.mark.parametrize("text", ["a & b " * 10, "<" * 100, "One line\n" * 10, "&", "x" * 100, ""])
@pytest.mark.parametrize("most", [1, 4, 40, None])
def test_a_text_is_shortened_to_what_its_field_holds_of_html(text: str, most: int | None) -> None:
    row = mapping.Row("match.summary", "Account", "Story__c", transform={"name": "shorten", "options": {}})
    line = mapping.line(row, {"Account": {"Story__c": Field("Story__c", "Story", "html", max_length=most)}})
    assert line
    sent = str(line.outgoing(text, mapping.Context()) or "")
    assert most is None or len(sent) <= most
    assert sent.startswith("x") == (text.startswith("x") and most != 1)


@pytest.mark.parametrize(
    ("kind", "transform", "written"),
    [
        ("html", "", "<p>Theirs</p><br><br>Fees &lt; 2 %"),
        ("long_text", "html_text", "<p>Theirs</p><br><br>Fees &lt; 2 %"),
        ("long_text", "", "<p>Theirs</p>\n\nFees < 2 %"),
    ],
)
def test_what_is_added_to_formatted_text_stands_in_a_paragraph_of_its_own(
    kind: FieldType, transform: str, written: str
) -> None:
    row = mapping.Row("match.summary", "Account", "Story__c", write_mode="append", transform={"name": transform})
    line = mapping.line(row, {"Account": {"Story__c": Field("Story__c", "Story", kind)}})
    assert line
    value = line.outgoing("Fees < 2 %", mapping.Context())
    wish = outgoing.Wish(line, value, line.normal(value), line.normal(value))
    assert outgoing._added_to(wish, "<p>Theirs</p>").value == written


# --- Salesforce: what is in the way, and what is left


@pytest.mark.parametrize("state", ["Aborted", "Failed", "JobComplete"])
def test_what_a_bulk_job_left_is_tried_again(state: str) -> None:
    left = bulk._left({"state": state})
    assert (left.cause, left.is_temporary) == ("busy", True)


def test_duplicates_that_nobody_asked_about_are_asked_about_later(salesforce: World) -> None:
    salesforce.desk.add_key("Contact")
    salesforce.desk.order("duplicate_rules", rules=[{"object": "Contact", "fields": ["Email"]}])
    salesforce.create("person", last="Lee", email="lee@lp.example")
    changes = [salesforce.change("person", last=f"Lee {at}", email="lee@lp.example") for at in range(writing.ALONE + 3)]
    errors = [one.error for one in salesforce.adapter.write(salesforce.link, changes)]
    left = [error for error in errors if error and not error.existing_id]
    assert (len(left), all(error.is_temporary for error in left)) == (3, True)
    assert not any(error.is_temporary for error in errors if error and error.existing_id)
    of_a_job = [one.error for one in bulk.write(salesforce.link, changes)]
    assert all(error and error.cause == "duplicate" and error.is_temporary for error in of_a_job)


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=18/15000", (18, 15000)),
        ("api-usage=18/15000; per-app-api-usage=17/250(appName=LPxGP)", (17, 250)),
        ("api-usage=14000/15000; per-app-api-usage=17/250(appName=LPxGP)", (14000, 15000)),
        ("per-app-api-usage=17/0(appName=LPxGP)", None),
    ],
)
def test_of_two_limits_the_nearer_one_counts(header: str, usage: tuple[int, int] | None) -> None:
    answer = requests.Response()
    answer.headers["Sforce-Limit-Info"] = header
    found = [(one.used, one.limit) for one in adapter.usage(answer)]
    assert found == ([usage] if usage else [])


# --- HubSpot


def test_a_merged_person_keeps_the_address_that_gave_way(hubspot: World) -> None:
    winner, loser = (hubspot.create("person", last="Lee", email=f"{name}@lp.example") for name in ("lee", "other"))
    hubspot.merge("person", winner, loser)
    record = hubspot.adapter.read(hubspot.link, hubspot.wanted("person", "email"), [loser]).records[0]
    assert (record.values["email"], record.addresses) == ("lee@lp.example", ("other@lp.example",))


@pytest.mark.parametrize("generation", ["2026-09", "v3"])
def test_no_address_is_of_another_generation(generation: str) -> None:
    with override_settings(HUBSPOT_API_GENERATION=generation), opened("hubspot") as world:
        asked: list[str] = []
        world.link.http.hooks["response"].append(lambda answer, **_: asked.append(answer.url))
        assert [one.external_id for one in world.adapter.accounts(world.link)] == [world.link.account_id]
        assert asked == [f"https://api.hubapi.com/account-info/{generation}/details"]


def test_two_that_were_merged_unseen_and_are_both_written_stop_no_sync(transactional_db: None) -> None:
    with linked("hubspot") as firm:
        names = ["Alpha Pension", "Beta Pension"]
        ids = [firm.world.create("organization", name=name) for name in names]
        rows = [firm.firm(name, score=80) for name in names]
        firm.sync()
        firm.world.desk.control("search_lag", seconds=3600)
        firm.world.merge("organization", *ids)
        Match.objects.update(score=90)
        RecordLink.objects.update(error_cause="busy", is_due=True)
        firm.sync()
        assert [firm.external_id(one) for one in rows] == ids
