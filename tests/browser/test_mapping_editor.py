"""The mapping editor in a real browser: a line is edited where it stands, checked as it is typed, published, undone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm import drafts
from crm.mapping import Row
from crm.models import FieldMapping
from relationships.models import User
from tests.browser.conftest import Visit
from tests.browser.test_every_page import SIDEWAYS, barriers
from tests.crm.mapping_scene import Scene, scene

__all__ = ["scene"]

pytestmark = pytest.mark.browser
PLACES = ("change/", "line/org.kind/", "line/match.score/", "try/", "try/?kind=person", "versions/", "versions/1/",
          "import/", "create-fields/")  # fmt: skip


@pytest.fixture
def page(visit: Visit, scene: Scene, staff: User) -> Page:
    return visit(staff)


def test_a_line_is_changed_published_and_undone(page: Page, scene: Scene) -> None:
    page.goto(scene.address("change/"))
    line = page.locator("#match-score")
    line.get_by_role("link", name="Edit Match score").click()
    # It takes the focus once it is in its place: what is typed before goes nowhere.
    expect(line).to_be_focused()
    line.get_by_label("Search by label or API name").press_sequentially("band")
    expect(line.locator(".field")).to_have_count(2)
    line.get_by_role("radio", name="Score band").check()
    expect(line.locator("#match-score-problems-transform")).to_contain_text("Choose the transform “Round”")
    expect(line.locator("#match-score-result")).to_contain_text("no whole number")
    line.get_by_label("Transform").select_option("round")
    expect(line.get_by_label("Digits after the point")).to_have_value("0")
    expect(line.locator("#match-score-problems-transform")).to_be_empty()
    sample = line.get_by_label("A value of ours, such as that of Pension One")
    expect(sample).to_have_value("82.50")
    sample.fill("77.4")
    expect(line.locator("#match-score-result samp")).to_have_text("77")
    expect(sample).to_be_focused()
    line.get_by_role("button", name="Save in the draft").click()
    expect(page.locator(".messagelist")).to_contain_text("saved in the draft")
    page.get_by_label("What changes, and why?").fill("Bands")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator(".messagelist")).to_contain_text("Version 2 is published")
    assert FieldMapping.unscoped.get(lpxgp_field="match.score").crm_field == "Score_Band__c"
    page.goto(scene.address("versions/1/"))
    page.get_by_role("button", name="Go back to it and publish").click()
    expect(page.locator(".messagelist")).to_contain_text("Version 3 is published")
    assert drafts.rows_of(drafts.versions_of(scene.company.pk, "salesforce")[0]) == scene.rows


def test_a_line_that_was_opened_is_left_as_it_was(page: Page, scene: Scene) -> None:
    page.goto(scene.address("change/"))
    line = page.locator("#match-score")
    line.get_by_role("link", name="Edit Match score").focus()
    page.keyboard.press("Enter")
    expect(line.get_by_label("Direction")).to_be_visible()
    expect(line).to_be_focused()
    line.get_by_role("link", name="Leave it as it was").press("Enter")
    expect(line.get_by_role("link", name="Edit Match score")).to_be_visible()
    expect(line.get_by_label("Direction")).to_have_count(0)
    expect(line).to_be_focused()


def test_a_table_of_choices_is_filled_in_by_what_is_called_alike(page: Page, scene: Scene) -> None:
    page.goto(scene.address("line/org.kind/"))
    page.get_by_role("radio", name="Kind Kind__c").check()
    expect(page.locator("#org-kind-problems-transform")).to_contain_text("Choose the transform “Table of choices”")
    page.get_by_label("Transform").select_option("choice_table")
    expect(page.get_by_label("The CRM's, row 1")).to_have_value("LP")
    expect(page.get_by_label("Ours, row 3")).to_have_value("other")
    page.get_by_label("The CRM's, row 2").fill("Manager")
    expect(page.locator("#org-kind-problems-transform")).to_contain_text("has no choice “Manager”")


def test_the_second_of_two_people_sees_what_the_first_did(page: Page, scene: Scene) -> None:
    page.goto(scene.address("line/match.score/"))
    scene.save(*(row for row in scene.rows if row.lpxgp_field != "org.city"))
    page.get_by_label("Write", exact=True).select_option("if_empty")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.locator(".messagelist")).to_contain_text("saved in the draft")
    assert "org.city" not in {row.lpxgp_field for row in scene.rows}


def test_the_keyboard_is_enough(page: Page, scene: Scene) -> None:
    page.goto(scene.address("change/"))
    page.get_by_role("link", name="Edit City").focus()
    page.keyboard.press("Enter")
    search = page.locator("#org-city").get_by_label("Search by label or API name")
    expect(search).to_be_visible()
    search.focus()
    for _each in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="BillingCity")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#org-city .field input:checked")).to_have_count(1)
    expect(page.get_by_role("radio", name="BillingCity")).not_to_be_checked()


def test_every_page_is_readable_by_everybody(page: Page, scene: Scene) -> None:
    scene.save(
        *scene.rows, Row("org.kind", "Account", "Rating"), Row("match.summary", "Account", "Formula__c", "to_crm")
    )
    problems: list[Any] = []
    for place in ("../", *PLACES):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        page.goto(scene.address(place))
        problems += barriers(page)
        page.set_viewport_size({"width": 360, "height": 800})
        page.emulate_media(color_scheme="dark")
        page.goto(scene.address(place))
        problems += barriers(page)
        if sideways := page.evaluate(SIDEWAYS):
            problems.append(f"{place} scrolls sideways by {sideways} px at 360 px")
    page.goto(scene.address("try/"))
    page.get_by_role("button", name="Run it dry").click()
    problems += barriers(page)
    assert problems == []
