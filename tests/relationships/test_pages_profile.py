"""The profile page: a member's own name and time zone, and nobody else's."""

import pytest
from django.test import Client

from relationships.models import User

ADDRESS = "/settings/profile/"


def test_a_visitor_signs_in_first(client: Client, db: None) -> None:
    assert client.get(ADDRESS)["Location"].startswith("/accounts/login/")


def test_the_account_menu_leads_there_and_it_shows_what_is_set(as_alice: Client) -> None:
    assert f'href="{ADDRESS}"' in as_alice.get("/").content.decode()
    text = as_alice.get(ADDRESS).content.decode()
    for words in ('value="Alice Ash"', 'value="UTC"', '<option value="Europe/Zurich">', "alice@acme.example"):
        assert words in text, words


@pytest.mark.parametrize("typed", ["Asia/Tokyo", " asia/tokyo ", "Tokyo", "tokyo"])
def test_name_and_zone_are_kept_for_oneself_alone(as_alice: Client, alice: User, bob: User, typed: str) -> None:
    answer = as_alice.post(ADDRESS, {"name": "Alice A.", "time_zone": typed}, follow=True)
    assert answer.redirect_chain == [(ADDRESS, 302)]
    assert "in Asia/Tokyo." in answer.content.decode()
    for user, expected in ((alice, ("Alice A.", "Asia/Tokyo")), (bob, ("Bob Birch", "UTC"))):
        user.refresh_from_db()
        assert (user.name, user.time_zone) == expected


@pytest.mark.parametrize("typed", ["", "Mars/Base", "Eastern", "../etc/passwd", "a" * 65, "\x00"])
def test_what_is_no_zone_is_refused_in_words(as_alice: Client, alice: User, typed: str) -> None:
    answer = as_alice.post(ADDRESS, {"name": "Alice", "time_zone": typed})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.content.decode()
    alice.refresh_from_db()
    assert alice.time_zone == "UTC"


def test_a_zone_that_staff_set_by_another_name_stays(as_alice: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="GMT")
    assert as_alice.post(ADDRESS, {"name": "Alice", "time_zone": "GMT"}).status_code == 302


def test_other_fields_of_the_account_cannot_be_sent_along(as_alice: Client, alice: User) -> None:
    as_alice.post(ADDRESS, {"name": "Alice", "time_zone": "UTC", "is_company_admin": "on", "email": "x@evil.example"})
    alice.refresh_from_db()
    assert (alice.is_company_admin, alice.email) == (False, "alice@acme.example")


def test_staff_may_set_theirs(as_staff: Client, staff: User) -> None:
    assert as_staff.post(ADDRESS, {"name": "Sam", "time_zone": "Zurich"}).status_code == 302
    staff.refresh_from_db()
    assert staff.time_zone == "Europe/Zurich"
