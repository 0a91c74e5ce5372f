"""The pages on which people look at the pretend Salesforce's records, and change them."""

from collections.abc import Iterator

import pytest

from tests.sandbox.person import Scene
from tests.sandbox.salesforce import ANNA, APP, BEN, HOST, Lab, acme
from tests.sandbox.salesforce_hook import RECORD, listening, settle
from tests.sandbox.visitor import Visitor

TOP = f"/salesforce/{HOST}/"
SCRIPT = "<script>alert(1)</script>"
ELSEWHERE = "http://elsewhere.example"


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def visitor(lab: Lab) -> Iterator[Visitor]:
    visitor = Visitor(lab.scene.url)
    yield visitor
    visitor.http.close()


@pytest.fixture
def firm(lab: Lab) -> str:
    return lab.create("Account", {"Name": "Pension One", "BillingCity": "Bern"}, silent=True)[0]


@pytest.fixture
def lena(lab: Lab, firm: str) -> str:
    given = {"FirstName": "Lena", "LastName": "Alder", "Email": "lena@one.example", "AccountId": firm}
    return lab.create("Contact", given, by=BEN, silent=True)[0]


def test_the_list_has_what_was_changed_last_first_and_by_whom(lab: Lab, visitor: Visitor, lena: str) -> None:
    lab.scene.post("clock", advance_seconds=60)
    lab.create("Contact", {"LastName": "Birch", "Title": "CIO"}, silent=True)
    shown = visitor.go(f"{TOP}?object=Contact")
    assert 0 < shown.index("Birch") < shown.index("Lena Alder")
    assert 'Contacts <span class="quiet">2</span>' in shown
    assert "Ben Busch" in shown.partition("Lena Alder")[2]
    lab.scene.post("clock", advance_seconds=60)
    lab.client().Contact.update(lena, {"Title": "Head"})
    shown = visitor.go(f"{TOP}?object=Contact")
    assert 0 < shown.index("Lena Alder") < shown.index("Birch")
    assert f"the app {APP[0]}, as Anna Ash" in shown


@pytest.mark.parametrize("words", ["lena", "ALDER lena", "one.example", "head"])
def test_a_contact_is_found_by_name_address_or_title(lab: Lab, visitor: Visitor, lena: str, words: str) -> None:
    lab.order("records/update", id=lena, fields={"Title": "Head"}, silent=True)
    lab.create("Contact", {"LastName": "Birch"}, silent=True)
    shown = visitor.go(f"{TOP}?object=Contact&q={words}")
    assert ("Lena Alder" in shown, "Birch" in shown) == (True, False)


def test_a_list_has_pages_of_fifty(lab: Lab, visitor: Visitor) -> None:
    lab.order("bulk_records", object="Account", count=120)
    sizes = [visitor.go(f"{TOP}?object=Account&page={number}").count("<tr>") - 1 for number in (1, 2, 3)]
    assert sizes == [50, 50, 20]
    assert "Older" not in visitor.text


def test_a_record_shows_its_fields_and_what_the_app_wrote(lab: Lab, visitor: Visitor, firm: str, lena: str) -> None:
    lab.add_key("Account")
    lab.client().Account.update(firm, {"BillingCity": "Basel", "LPxGP_Sync_Id__c": "k-1"})
    shown = visitor.go(TOP + firm)
    assert visitor.held("BillingCity") == f"Basel<small>written by the app {APP[0]}</small>"
    assert visitor.held("Name") == "Pension One"
    assert 0 < shown.index("LPxGP’s field") < shown.index("<code>Name</code>"), "ours comes first"
    assert f'<a href="{TOP}{lena}">Lena Alder</a>' in shown, "what belongs to it"
    lab.order("records/update", id=firm, fields={"BillingCity": "Bern"}, silent=True)
    visitor.go(TOP + firm)
    assert visitor.held("BillingCity") == "Bern"
    visitor.go(TOP + lena[:15])
    assert visitor.held("AccountId") == f'<a href="{TOP}{firm}">Pension One</a>'


def test_a_change_by_hand_is_told_and_stamped_as_the_persons(lab: Lab, visitor: Visitor, lena: str) -> None:
    lab.scene.post("clock", advance_seconds=60)
    before = lab.shown("Contact", lena)[0]
    with listening() as ear:
        lab.order("outbound_messages", object="Contact", address=ear.url, fields=["Id", "Title"])
        visitor.go(TOP + lena)
        shown = visitor.press("save", Title="CIO", by=BEN)
        ear.wait_for(1)
        settle(lab.scene)
        assert [one.text for one in ear.envelopes()[0].iter(f"{RECORD}Title")] == ["CIO"]
    after = lab.shown("Contact", lena)[0]
    assert "Saved." in shown
    assert visitor.held("Title") == "CIO"
    assert after["SystemModstamp"] > before["SystemModstamp"]
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"Title", "LastModifiedDate", "SystemModstamp"}
    assert visitor.held("LastModifiedById").endswith(">Ben Busch</a>")


def test_a_form_that_was_opened_before_takes_nothing_back(lab: Lab, visitor: Visitor, lena: str) -> None:
    visitor.go(TOP + lena)
    lab.client().Contact.update(lena, {"Phone": "+41 44 1", "Title": "Head"})
    visitor.press("save", Title="CIO")
    (held,) = lab.shown("Contact", lena)
    assert (held["Title"], held["Phone"]) == ("CIO", "+41 44 1")
    visitor.go(TOP + lena)
    assert "Nothing was different" in visitor.press("save")


def test_every_kind_of_value_comes_back_as_it_was_filled_in(lab: Lab, visitor: Visitor, lena: str) -> None:
    visitor.go(f"{TOP}new/Event?WhoId={lena}")
    times = {"StartDateTime": "2027-03-10T08:30", "EndDateTime": "2027-03-10T09:00:30"}
    visitor.press("save", Subject="Review", more=times, Description="One\r\nTwo", IsPrivate="true", ShowAs="Free")
    (held,) = lab.shown("Event")
    assert held["StartDateTime"] == "2027-03-10T08:30:00.000+0000"
    assert held["EndDateTime"] == "2027-03-10T09:00:30.000+0000"
    assert (held["Description"], held["IsPrivate"], held["ShowAs"]) == ("One\nTwo", True, "Free")
    assert (held["WhoId"], held["Subject"]) == (lena, "Review")
    assert "Nothing was different" in visitor.press("save"), "nothing looks changed that nobody touched"


def test_salesforces_refusal_is_said_in_words_and_what_was_filled_in_stays(
    lab: Lab, visitor: Visitor, lena: str
) -> None:
    rule = {"object": "Contact", "when": "Title = 'King'", "message": "No kings here.", "field": "Title"}
    lab.order("validation_rules", rules=[rule])
    visitor.go(TOP + lena)
    shown = visitor.press("save", 400, Title="King", Phone="+41 44 2")
    assert "No kings here. (FIELD_CUSTOM_VALIDATION_EXCEPTION)" in shown
    assert '<small id="f.Title.p" class="problem">No kings here.</small>' in shown
    assert lab.shown("Contact", lena)[0]["Phone"] is None
    assert "Saved." in visitor.press("save", Title="Queen")
    (held,) = lab.shown("Contact", lena)
    assert (held["Title"], held["Phone"]) == ("Queen", "+41 44 2")
    assert "invalid email address" in visitor.press("save", 400, Email="nonsense")


def test_a_user_fills_in_what_he_may_write(lab: Lab, visitor: Visitor, lena: str) -> None:
    lab.order("access", user=ANNA, readonly_fields=["Contact.Phone"], hide_fields=["Contact.Title"])
    shown = visitor.go(TOP + lena)
    assert 'name="Email"' in shown
    assert 'name="Phone"' not in shown
    assert 'name="Title"' not in shown


def test_a_new_record_belongs_where_its_link_stood(lab: Lab, visitor: Visitor, firm: str) -> None:
    visitor.go(TOP + firm)
    assert f'href="{TOP}new/Note?ParentId={firm}"' in visitor.text
    visitor.go(f"{TOP}new/Note?ParentId={firm}")
    assert "Required fields are missing" in visitor.press("save", 400, Body="hello")
    assert "Created." in visitor.press("save", Title="Dinner #lpxgp")
    (note,) = lab.shown("Note")
    assert (note["ParentId"], note["Title"], note["Body"]) == (firm, "Dinner #lpxgp", "hello")


def test_a_record_goes_into_the_bin_and_comes_back(lab: Lab, visitor: Visitor, firm: str, lena: str) -> None:
    visitor.go(TOP + firm)
    assert "lies in the Recycle Bin" in visitor.press("delete")
    assert "lies in the Recycle Bin" in visitor.go(TOP + lena), "it went with its account"
    assert "Lena Alder" in visitor.go(f"{TOP}?object=Contact&bin=1")
    visitor.go(TOP + firm)
    assert "It is back." in visitor.press("undelete")
    assert not lab.shown("Contact", lena)[0]["IsDeleted"]


def test_a_merged_record_leads_to_what_it_became(lab: Lab, visitor: Visitor, firm: str) -> None:
    (loser,) = lab.create("Account", {"Name": "Pension 1"}, silent=True)
    lab.order("records/merge", winner=firm, losers=[loser], silent=True)
    assert f'merged into <a href="{TOP}{firm}">Pension One</a>' in visitor.go(TOP + loser)


@pytest.mark.parametrize("path", ["001000000000000AAA", "nonsense", "new/User", "new/Nothing"])
def test_what_is_not_there_is_said(visitor: Visitor, path: str) -> None:
    assert "<h1>Not here</h1>" in visitor.go(TOP + path, 404)
    assert "There is no org at" in visitor.go("/salesforce/other.my.salesforce.com/", 404)


def test_what_is_gone_for_good_is_said(lab: Lab, visitor: Visitor, firm: str) -> None:
    lab.order("records/delete", id=firm, silent=True)
    lab.order("records/empty_bin")
    assert "gone for good" in visitor.go(TOP + firm, 404)


def test_nothing_that_people_write_becomes_html(lab: Lab, visitor: Visitor) -> None:
    lab.scene.post("salesforce/orgs", org=HOST, name=SCRIPT)
    (firm,) = lab.create(
        "Account", {"Name": SCRIPT, "BillingCity": '"><img src=x>', "Description": f"</textarea>{SCRIPT}"}
    )
    lab.create("Contact", {"LastName": SCRIPT, "AccountId": firm})
    lab.order("validation_rules", rules=[{"object": "Account", "when": "Name != 'x'", "message": SCRIPT}])
    search = "%22%3E" + SCRIPT
    for path in (
        "",
        f"?q={search}",
        "?object=Contact",
        firm,
        f"{firm}?done={search}",
        f"new/Contact?AccountId={search}",
    ):
        visitor.go(TOP + path)
        assert "<script" not in visitor.text
        assert "<img" not in visitor.text
        assert "default-src 'none'" in visitor.page.headers["Content-Security-Policy"]
    visitor.go(TOP + firm)
    assert "<script" not in visitor.press("save", 400, BillingCity=SCRIPT)
    assert "<script" not in visitor.go("/")


def test_only_the_sandboxs_own_pages_change_anything(lab: Lab, visitor: Visitor, lena: str) -> None:
    for button in ("save", "delete"):
        visitor.go(TOP + lena)
        visitor.press(button, 403, origin=ELSEWHERE)
    visitor.go(f"{TOP}new/Account")
    visitor.press("save", 403, origin=ELSEWHERE, Name="Theirs")
    assert visitor.http.post(visitor.url + TOP + lena, data={"do": "delete"}, timeout=20).status_code == 403
    assert (lab.shown("Contact", lena)[0]["IsDeleted"], len(lab.shown("Account"))) == (False, 1)


def test_looking_is_no_call_of_the_api(lab: Lab, visitor: Visitor, lena: str) -> None:
    lab.scene.post("faults", operation="*", kind="error_500", times=None)
    visitor.go(TOP)
    visitor.go(TOP + lena)
    visitor.press("save", Title="CIO")
    assert lab.scene.get("requests") == {"counts": {}, "last": []}


def test_the_front_page_leads_to_the_lists(visitor: Visitor) -> None:
    assert f'<a href="{TOP}">Acme Capital</a>' in visitor.go("/")
