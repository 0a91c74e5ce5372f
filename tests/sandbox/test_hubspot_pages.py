"""The pages on which people look at the pretend HubSpot's records, and change them."""

from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import Receiver, until
from tests.sandbox.hubspot_app import CLIENT, App, installed
from tests.sandbox.person import Scene
from tests.sandbox.visitor import Visitor

SCRIPT = "<script>alert(1)</script>"
ELSEWHERE = "http://elsewhere.example"
BEN = "ben.birch@acme.example"


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def visitor(app: App) -> Iterator[Visitor]:
    visitor = Visitor(app.scene.url)
    yield visitor
    visitor.http.close()


@pytest.fixture
def top(app: App) -> str:
    return f"/hubspot-app/contacts/{app.portal}/"


@pytest.fixture
def firm(app: App) -> str:
    return app.put("companies", name="Pension One", city="Bern")


@pytest.fixture
def lena(app: App, firm: str) -> str:
    given = {"properties": {"firstname": "Lena", "lastname": "Alder", "email": "lena@one.example"}, "company": firm}
    ids: list[str] = app.control("records", records=[given], by=BEN, silent=True)["ids"]
    return ids[0]


@pytest.fixture
def page(top: str, lena: str) -> str:
    """Lena's."""
    return f"{top}record/0-1/{lena}"


def test_the_list_has_what_was_changed_last_first_and_by_whom(app: App, visitor: Visitor, top: str, lena: str) -> None:
    app.scene.post("clock", advance_seconds=60)
    app.put("contacts", firstname="Birch")
    shown = visitor.go(f"{top}?type=contacts")
    assert 0 < shown.index("Birch") < shown.index("Lena Alder")
    assert 'Contacts <span class="quiet">2</span>' in shown
    assert "Ben Birch" in shown.partition("Lena Alder")[2]
    app.scene.post("clock", advance_seconds=60)
    app.plain(
        app.link()["access_token"], "PATCH", f"/crm/v3/objects/contacts/{lena}", json={"properties": {"city": "Bern"}}
    )
    shown = visitor.go(f"{top}?type=contacts")
    assert 0 < shown.index("Lena Alder") < shown.index("Birch")
    assert f"the app {CLIENT}" in shown


@pytest.mark.parametrize("words", ["lena", "ALDER lena", "one.example", "head"])
def test_a_contact_is_found_by_name_address_or_title(
    app: App, visitor: Visitor, top: str, lena: str, words: str
) -> None:
    app.put("contacts", firstname="Otto")
    app.change(lena, jobtitle="Head")
    shown = visitor.go(f"{top}?type=contacts&q={words}")
    assert ("Lena Alder" in shown, "Otto" in shown) == (True, False)


def test_a_list_has_pages_of_fifty(app: App, visitor: Visitor, top: str) -> None:
    app.control("bulk_records", type="companies", count=120)
    sizes = [visitor.go(f"{top}?page={number}").count("<tr>") - 1 for number in (1, 2, 3)]
    assert sizes == [50, 50, 20]
    assert "Older" not in visitor.text


def test_a_record_shows_its_properties_and_what_the_app_wrote(
    app: App, visitor: Visitor, top: str, firm: str, page: str
) -> None:
    app.control("properties", type="companies", name="lpxgp_summary", label="LPxGP summary")
    properties = {"city": "Basel", "lpxgp_summary": "Fits."}
    app.plain(app.link()["access_token"], "PATCH", f"/crm/v3/objects/companies/{firm}", json={"properties": properties})
    shown = visitor.go(f"{top}record/0-2/{firm}")
    assert visitor.held("city").startswith(f"Basel<small>written by the app {CLIENT}, ")
    assert visitor.held("name") == "Pension One"
    assert 0 < shown.index("LPxGP’s field") < shown.index("<code>name</code>"), "ours comes first"
    assert f'<a href="{page}">Lena Alder (primary)</a>' in shown
    visitor.go(page)
    assert visitor.held("associatedcompanyid") == f'<a href="{top}record/0-2/{firm}">Pension One</a>'


def test_a_change_by_hand_is_told_and_kept_as_the_persons(
    app: App, visitor: Visitor, receiver: Receiver, page: str, lena: str
) -> None:
    app.link()
    app.scene.post("hubspot/webhooks", target=receiver.url)
    visitor.go(page)
    assert "Saved." in visitor.press("save", jobtitle="CIO", by=BEN)
    until(lambda: len(receiver.came) == 1)
    assert b'"propertyName":"jobtitle","propertyValue":"CIO","changeSource":"CRM_UI"' in receiver.bodies[0]
    assert visitor.held("jobtitle") == "CIO"
    assert "by <strong>Ben Birch</strong>" in visitor.text
    assert app.stored()[lena]["properties"]["jobtitle"] == "CIO"


def test_a_form_that_was_opened_before_takes_nothing_back(app: App, visitor: Visitor, page: str, lena: str) -> None:
    visitor.go(page)
    app.change(lena, phone="+41 44 1")
    visitor.press("save", jobtitle="CIO")
    held = app.stored()[lena]["properties"]
    assert (held["jobtitle"], held["phone"]) == ("CIO", "+41 44 1")
    visitor.go(page)
    assert "Nothing was different" in visitor.press("save")


def test_a_new_meeting_goes_with_whom_it_was_made_for(
    app: App, visitor: Visitor, top: str, page: str, lena: str
) -> None:
    visitor.go(page)
    assert f'href="{top}new/meetings?contacts={lena}"' in visitor.text
    visitor.go(f"{top}new/meetings?contacts={lena}")
    filled = {
        "hs_meeting_title": "Review",
        "hs_meeting_start_time": "2027-03-10T08:30",
        "hs_meeting_outcome": "SCHEDULED",
    }
    assert "no such record: 77" in visitor.press("save", 400, more=filled | {"with.companies": "77"})
    assert "Created." in visitor.press("save", more={"with.companies": ""}, hs_meeting_body="One\r\nTwo")
    (held,) = app.stored("meetings").values()
    values = held["properties"]
    assert values["hs_meeting_start_time"] == "2027-03-10T08:30:00.000Z"
    assert (values["hs_meeting_title"], values["hs_meeting_outcome"]) == ("Review", "SCHEDULED")
    assert values["hs_meeting_body"] == "One\nTwo"
    assert [one["id"] for one in held["associations"]["contacts"]["results"]] == [lena]
    assert "Nothing was different" in visitor.press("save"), "nothing looks changed that nobody touched"


def test_hubspots_refusal_is_said_in_words_and_what_was_filled_in_stays(
    app: App, visitor: Visitor, top: str, page: str, lena: str
) -> None:
    app.put("contacts", email="ben@one.example")
    visitor.go(page)
    shown = visitor.press("save", 400, email="nonsense", jobtitle="CIO")
    assert "Email address nonsense is invalid (INVALID_EMAIL)" in shown
    assert '<small id="f.email.p" class="problem">Email address nonsense is invalid</small>' in shown
    assert "Contact already exists" in visitor.press("save", 400, email="ben@one.example")
    assert "Saved." in visitor.press("save", email="lena@two.example")
    held = app.stored()[lena]["properties"]
    assert (held["email"], held["jobtitle"]) == ("lena@two.example", "CIO")
    visitor.go(f"{top}new/contacts")
    assert "Some required properties were not set. (email, firstname, lastname)" in visitor.press("save", 400)


def test_a_record_is_archived_and_restored(app: App, visitor: Visitor, top: str, page: str, lena: str) -> None:
    visitor.go(page)
    assert "was deleted (archived)" in visitor.press("archive")
    assert lena not in app.stored()
    assert "Lena Alder" in visitor.go(f"{top}?type=contacts&bin=1")
    visitor.go(page)
    assert "It is back." in visitor.press("restore")
    assert lena in app.stored()


def test_a_merged_record_leads_to_what_it_became(app: App, visitor: Visitor, top: str, page: str, lena: str) -> None:
    other = app.put("contacts", email="lena@two.example")
    became = app.control("records/merge", primary=lena, other=other, silent=True)["id"]
    assert f'<a href="{top}record/0-1/{became}">{became}</a>' in visitor.go(page)
    assert f"It is what became of {lena}, {other}." in visitor.go(f"{top}record/0-1/{became}")


@pytest.mark.parametrize("path", ["record/0-1/99", "record/0-1/x", "record/0-99/1", "new/deals"])
def test_what_is_not_there_is_said(visitor: Visitor, top: str, path: str) -> None:
    assert "<h1>Not here</h1>" in visitor.go(top + path, 404)
    assert "There is no portal 7" in visitor.go("/hubspot-app/contacts/7/", 404)


def test_what_is_gone_for_good_is_said(app: App, visitor: Visitor, page: str, lena: str) -> None:
    app.control("records/gdpr_delete", ids=[lena], silent=True)
    assert "gone for good" in visitor.go(page, 404)


def test_nothing_that_people_write_becomes_html(app: App, visitor: Visitor, top: str) -> None:
    app.scene.post("hubspot/portals", id=app.portal, name=SCRIPT, domain="acme.example")
    firm = app.put("companies", name=SCRIPT, city='"><img src=x>', description=f"</textarea>{SCRIPT}")
    app.put("contacts", firstname=SCRIPT)
    app.put("notes", hs_timestamp="2026-01-01T10:00:00Z", hs_note_body=SCRIPT)
    search = "%22%3E" + SCRIPT
    record = f"record/0-2/{firm}"
    for path in (
        "",
        f"?q={search}",
        "?type=contacts",
        "?type=notes",
        record,
        f"{record}?done={search}",
        f"new/notes?contacts={search}",
    ):
        visitor.go(top + path)
        assert "<script" not in visitor.text
        assert "<img" not in visitor.text
        assert "default-src 'none'" in visitor.page.headers["Content-Security-Policy"]
    visitor.go(top + record)
    assert "<script" not in visitor.press("save", 400, annualrevenue=SCRIPT)
    assert "<script" not in visitor.go("/")


def test_only_the_sandboxs_own_pages_change_anything(
    app: App, visitor: Visitor, top: str, page: str, lena: str
) -> None:
    for button in ("save", "archive"):
        visitor.go(page)
        visitor.press(button, 403, origin=ELSEWHERE)
    visitor.go(f"{top}new/companies")
    visitor.press("save", 403, origin=ELSEWHERE, name="Theirs")
    assert visitor.http.post(visitor.url + page, data={"do": "archive"}, timeout=20).status_code == 403
    assert [*app.stored()] == [lena]
    assert len(app.stored("companies")) == 1


def test_looking_is_no_call_of_the_api(app: App, visitor: Visitor, top: str, page: str) -> None:
    app.scene.post("faults", operation="*", kind="error_500", times=None)
    visitor.go(top)
    visitor.go(page)
    visitor.press("save", jobtitle="CIO")
    assert app.scene.get("requests") == {"counts": {}, "last": []}


def test_the_front_page_leads_to_the_lists(visitor: Visitor, top: str) -> None:
    assert f'<a href="{top}">Acme</a>' in visitor.go("/")
