"""The member's own mail with its verdicts, and the text of one mail, saved on purpose and deleted by one click."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.test import Client
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from integrations import tokens
from integrations.email import jobs
from integrations.email.models import EmailMessage, SavedMail
from integrations.errors import MissingScope, ResourceGone, Temporary
from integrations.models import SyncState
from relationships.models import BlockRule, Person, Touchpoint, User
from tests.integrations.email.conftest import LinkMemory, Sync
from tests.integrations.email.memory import ALICE, BOB, LP, MemoryMail, mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]
PAGE = "/settings/integrations/mail/"
SAVED = "/settings/integrations/saved-mail/"


@pytest.fixture
def state(box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync) -> SyncState:
    box.put(
        mail("one", LP, ALICE, thread="t"),
        mail("two", ALICE, LP, days=-0.5, thread="t"),
        mail("away", LP, ALICE, days=-2, automatic="auto_reply"),
        mail("stranger", "ben@oak.example", ALICE),
    )
    state = link_memory(alice)
    sync(state)
    OrmQ.objects.all().delete()
    return state


@pytest.fixture
def one(state: SyncState) -> EmailMessage:
    return EmailMessage.objects.get(external_id="one")


def test_a_touchpoint_leads_to_ones_own_copy_and_to_nobody_elses(one: EmailMessage, alice: User, bob: User) -> None:
    touchpoint = Touchpoint.objects.get(unique_key=one.unique_key)
    answer = as_member(alice).get(f"{PAGE}?of={touchpoint.pk}")
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}{one.pk}/")
    assert as_member(bob).get(f"{PAGE}?of={touchpoint.pk}").status_code == 404
    assert as_member(alice).get(f"{PAGE}?of=nonsense").status_code == 404


def as_member(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["two", "one", "away"]),
        ("?verdict=automatic", ["away"]),
        ("?verdict=nonsense", ["two", "one", "away"]),
        ("?q=subject+ONE", ["one"]),
        (f"?q={LP}", ["two", "one", "away"]),
        ("?q=nobody", []),
    ],
)
def test_own_mail_is_found_by_words_and_verdict(
    as_alice: Client, state: SyncState, query: str, expected: list[str]
) -> None:
    answer = as_alice.get(PAGE + query)
    assert answer.status_code == 200
    assert [row.external_id for row in answer.context["page"]] == expected


def test_the_list_costs_the_same_for_one_mail_as_for_many(
    as_alice: Client,
    state: SyncState,
    box: MemoryMail,
    sync: Sync,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    box.put(*[mail(f"m{number}", LP, ALICE) for number in range(60)])
    sync(state)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        assert as_alice.get(PAGE).status_code == 200


@pytest.mark.parametrize(
    ("email", "words", "is_taken"),
    [
        (LP, "is Lena Alder, a contact", True),
        ("new@ir.alder.example", "from the domain of Alder Pension", True),
        (BOB, "your firm", False),
        ("ben@oak.example", "is nobody you know", False),
        ("never@elm.example", "is never taken", False),
        ("hidden@elm.example", "is hidden", True),
    ],
)
def test_an_address_tells_what_becomes_of_mail_with_it(
    as_alice: Client, alice: User, state: SyncState, email: str, words: str, is_taken: bool
) -> None:
    for strength in ("never", "hide"):
        value = {"never": "never@elm.example", "hide": "hidden@elm.example"}[strength]
        BlockRule.objects.create(company=alice.company, user=alice, kind="address", value=value, strength=strength)
    answer = as_alice.get(PAGE, {"q": email})
    assert words in answer.context["answer"].words
    assert answer.context["answer"].is_taken == is_taken


def test_an_empty_page_teaches(as_alice: Client) -> None:
    assert "No mailbox is connected" in as_alice.get(PAGE).content.decode()


def test_a_colleague_sees_nothing_of_it(state: SyncState, one: EmailMessage, bob: User, box: MemoryMail) -> None:
    bobs = as_member(bob)
    assert list(bobs.get(PAGE).context["page"]) == []
    assert bobs.get(f"{PAGE}{one.pk}/").status_code == 404
    assert bobs.post(f"{PAGE}{one.pk}/save/").status_code == 404
    assert not SavedMail.objects.exists()


def test_a_text_is_fetched_when_saved_kept_encrypted_and_deleted_by_one_click(
    as_alice: Client, alice: User, bob: User, one: EmailMessage, box: MemoryMail
) -> None:
    assert "It was never read" in as_alice.get(f"{PAGE}{one.pk}/").content.decode()
    answer = as_alice.post(f"{PAGE}{one.pk}/save/", follow=True)
    assert "It is being fetched" in answer.content.decode()
    assert 'hx-trigger="every 2s"' in answer.content.decode()
    assert box.calls["text"] == 0
    as_alice.post(f"{PAGE}{one.pk}/save/")
    saved = SavedMail.objects.get()
    for job in OrmQ.objects.all():
        assert job.task["func"] == "integrations.email.jobs.fetch_text"
        jobs.fetch_text(*job.task["args"])
    assert box.calls["text"] == 1

    saved.refresh_from_db()
    assert b"Text of one" not in bytes(saved.encrypted_text)
    page = as_alice.get(f"{SAVED}{saved.pk}/")
    assert "Text of one" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert "Subject one" in as_alice.get(SAVED).content.decode()
    assert as_member(bob).get(f"{SAVED}{saved.pk}/").status_code == 404
    assert as_member(bob).post(f"{SAVED}{saved.pk}/").status_code == 404

    assert as_alice.post(f"{SAVED}{saved.pk}/", follow=True).status_code == 200
    assert not SavedMail.objects.exists()
    assert "You saved none" in as_alice.get(SAVED).content.decode()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MissingScope("x"), "Only the headers of your mail may be read"),
        (ResourceGone("x"), "The mail is no longer in your mailbox."),
        (Temporary("The line is cut."), "The line is cut."),
        (RuntimeError("Text of one"), "A fault of our own"),
    ],
)
def test_what_cannot_be_saved_says_why_and_may_be_tried_again(
    as_alice: Client,
    one: EmailMessage,
    box: MemoryMail,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    def fails(*args: object) -> str:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(box, "text", fails)
        as_alice.post(f"{PAGE}{one.pk}/save/")
        jobs.fetch_text(str(SavedMail.objects.get().pk))
    page = as_alice.get(f"{PAGE}{one.pk}/").content.decode()
    assert words in page
    assert "Try again" in page
    assert "Text of one" not in page

    as_alice.post(f"{PAGE}{one.pk}/save/")
    jobs.fetch_text(str(SavedMail.objects.get().pk))
    assert SavedMail.objects.get().error == ""
    assert "You saved it on" in as_alice.get(f"{PAGE}{one.pk}/").content.decode()


def test_a_saved_text_outlives_the_mail_and_the_link(
    as_alice: Client, one: EmailMessage, box: MemoryMail, state: SyncState, sync: Sync
) -> None:
    as_alice.post(f"{PAGE}{one.pk}/save/")
    saved = SavedMail.objects.get()
    jobs.fetch_text(str(saved.pk))
    box.remove("one")
    sync(state)
    assert not EmailMessage.objects.filter(external_id="one").exists()
    page = as_alice.get(f"{SAVED}{saved.pk}/").content.decode()
    assert "Text of one" in page
    assert as_alice.post(f"{SAVED}{saved.pk}/")["Location"] == SAVED


def test_saved_texts_move_to_a_new_key(as_alice: Client, one: EmailMessage, settings: Settings) -> None:
    as_alice.post(f"{PAGE}{one.pk}/save/")
    saved = SavedMail.objects.get()
    jobs.fetch_text(str(saved.pk))
    saved.refresh_from_db()
    old = tokens.key_id(saved.encrypted_text)
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32, *settings.TOKEN_ENCRYPTION_KEYS]
    call_command("rotate_token_keys")
    saved.refresh_from_db()
    assert tokens.key_id(saved.encrypted_text) == tokens.current_key_id() != old
    assert "Text of one" in as_alice.get(f"{SAVED}{saved.pk}/").content.decode()


def test_staff_never_see_what_mail_is_about_or_with_whom(
    as_alice: Client, as_staff: Client, one: EmailMessage, lena: Person
) -> None:
    as_alice.post(f"{PAGE}{one.pk}/save/")
    saved = SavedMail.objects.get()
    jobs.fetch_text(str(saved.pk))
    paths = ["emailmessage", "emailthread", "mailsearch", "mailtoread", "savedmail", "ownaddress", "maillook"]
    rows = {"emailmessage": one.pk, "emailthread": one.thread_id, "savedmail": saved.pk}
    for name in paths:
        addresses = [f"/admin/email/{name}/"]
        if name in rows:
            addresses.append(f"/admin/email/{name}/{rows[name]}/change/")
        for address in addresses:
            page = as_staff.get(address)
            assert page.status_code == 200, address
            for secret in ("Subject one", "Text of one", LP, "one@mail.example"):
                assert secret not in page.content.decode(), address


@pytest.mark.parametrize(
    ("name", "lookup", "value"),
    [
        ("emailmessage", "subject__startswith", "Subject"),
        ("emailmessage", "message_id__startswith", "one"),
        ("emailmessage", "parties__email", LP),
        ("emailmessage", "thread__subject__startswith", "Subject"),
        ("emailthread", "subject__regex", "^S"),
        ("mailsearch", "about__startswith", "Lena"),
        ("mailsearch", "addresses__icontains", LP),
        ("savedmail", "subject__startswith", "Subject"),
        ("savedmail", "message__subject__startswith", "Subject"),
        ("savedmail", "encrypted_text__startswith", "x"),
    ],
)
def test_staff_do_not_guess_it_letter_by_letter(
    as_staff: Client, one: EmailMessage, name: str, lookup: str, value: str
) -> None:
    assert as_staff.get(f"/admin/email/{name}/", {lookup: value}).status_code == 400
