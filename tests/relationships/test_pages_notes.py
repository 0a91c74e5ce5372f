"""Writing notes: a note sent twice is kept once, and Today asks for those that are missing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from relationships.models import Company, Note, Person, Task, Touchpoint, User

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Make = Callable[[str, float], Touchpoint]


@pytest.fixture
def make_meeting(acme: Company, alice: User) -> Make:
    """A meeting of Alice's, by title and hours from now."""

    def make(title: str, hours: float) -> Touchpoint:
        at = timezone.now() + timedelta(hours=hours)
        meeting = Touchpoint.unscoped.create(
            company=acme, kind="meeting", unique_key=title, title=title, occurred_at=at, ended_at=at
        )
        meeting.users.add(alice)
        return meeting

    return make


@pytest.fixture
def address(acme: Company, make_meeting: Make) -> str:
    """The page of a meeting with Anna that is over."""
    meeting = make_meeting("Data room", -3)
    meeting.people.add(Person.unscoped.create(company=acme, display_name="Anna Keller"))
    return reverse("relationships:meeting", args=[meeting.pk])


def token(client: Client, address: str) -> str:
    return str(client.get(address).context["form"]["token"].value())


def test_a_note_sent_twice_is_kept_once(as_alice: Client, bob: User, address: str) -> None:
    form = {"text": "Wants references.", "follow_up": "Send references", "token": token(as_alice, address)}
    for _ in range(2):
        assert as_alice.post(address, form)["Location"] == f"{address}#notes"
    assert (Note.unscoped.count(), Task.unscoped.count()) == (1, 1)
    as_alice.post(address, form | {"text": "Wants references by Friday."})
    assert Note.unscoped.count() == 2, "what was changed before it was sent again is another note"
    as_alice.post(address, form | {"token": token(as_alice, address)})
    assert Note.unscoped.count() == 3, "the form shown anew may say the same again"
    colleague = Client()
    colleague.force_login(bob, backend=BACKEND)
    colleague.post(address, form)
    assert Note.unscoped.count() == 4, "a token is good for one author"


def test_a_form_shown_again_with_its_errors_keeps_its_token(as_alice: Client, address: str) -> None:
    first = token(as_alice, address)
    again = as_alice.post(address, {"text": "", "token": first})
    assert again.context["form"]["token"].value() == first


@pytest.mark.parametrize("bad", ["", "no uuid", "\x00"])
def test_a_note_with_a_mangled_token_is_never_lost(as_alice: Client, address: str, bad: str) -> None:
    as_alice.post(address, {"text": "Wants references.", "token": bad})
    assert Note.unscoped.get().text == "Wants references."


def test_three_notes_are_asked_for_and_the_rest_on_demand(as_alice: Client, make_meeting: Make) -> None:
    make_meeting("Coming", 1)
    for number in range(5):
        make_meeting(f"Past {number}", -3 - number)
    text = as_alice.get("/").content.decode()
    assert text.index("Coming") < text.index("Write a note") < text.index("Past 2") < text.index("2 more")
    assert text.index("2 more") < text.index("Past 3") < text.index("Latest touchpoints")


def test_no_page_promises_a_crm_that_is_not_linked(as_alice: Client, address: str) -> None:
    assert "once your firm's CRM is linked" in as_alice.get(address).content.decode()
