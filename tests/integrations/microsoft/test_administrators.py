"""Linking Outlook where administrators alone allow it: the link for them, what they answer, and the news of it."""

from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from html import unescape
from smtplib import SMTPRecipientsRefused
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import administrators, cards, jobs
from integrations.models import AdminRequest, Integration
from relationships import tenancy
from relationships.models import User
from tests.integrations.microsoft.scene import ALICE, KIND, linked, settings_page, the_link
from tests.pretend_google import Google
from tests.pretend_microsoft import Microsoft, come_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict(microsoft: Microsoft) -> Microsoft:
    """Alice's organization lets administrators alone allow apps."""
    microsoft.post("microsoft/admin_consent_required", tenant=ALICE)
    return microsoft


def asked(user: User) -> AdminRequest:
    return AdminRequest.unscoped.get(user=user)


def link_on(page: str) -> str:
    """The link in its read-only field."""
    return unescape(page.split('type="text" id="link')[1].split('value="')[1].split('"')[0])


class TestAdministrators:
    def refused(self, microsoft: Microsoft, client: Client) -> str:
        """The page that follows a refusal."""
        answer = microsoft.follow(client, KIND, ALICE)
        assert (answer.status_code, answer["Location"]) == (302, f"/oauth/ask/microsoft/{KIND}")
        return client.get(answer["Location"]).content.decode()

    def answered(self, microsoft: Microsoft, link: str, decision: str = "allow") -> Any:
        """The administrator, in a browser of his own, opens the link and comes back."""
        return come_back(Client(), microsoft.consent(link, "bob@acme.example", decision))

    def test_a_refusal_leads_to_a_link_to_send(self, strict: Microsoft, as_alice: Client, alice: User) -> None:
        page = self.refused(strict, as_alice)
        link = link_on(page)

        assert "Your administrator has to allow it first" in page
        assert urlsplit(link).path.endswith("/organizations/v2.0/adminconsent")
        state = parse_qs(urlsplit(link).query)["state"][0]
        row = asked(alice)
        assert state.encode() not in bytes(row.encrypted_state)
        assert row.state_digest != state
        letter = unescape(page.split('href="mailto:')[1].split('"')[0])
        assert link in unquote(letter)
        assert unquote(letter).count("\n") == unquote(letter).count("\r\n") > 5
        assert the_link(alice) is None

    def test_the_card_waits_with_the_same_link(self, strict: Microsoft, as_alice: Client) -> None:
        link = link_on(self.refused(strict, as_alice))
        page = as_alice.get("/settings/integrations/").content.decode()

        assert "Waiting for your administrator" in page
        assert link_on(page) == link

    def test_a_yes_is_noted_told_and_followed(
        self, strict: Microsoft, as_alice: Client, alice: User, run_jobs: Callable[[], int]
    ) -> None:
        answer = self.answered(strict, link_on(self.refused(strict, as_alice)))
        page = answer.content.decode()

        assert answer.status_code == 200
        assert "Thank you: it is allowed" in page
        assert "Acme" not in page
        assert "Alice" not in page
        assert ALICE not in page
        assert asked(alice).granted_at is not None

        run_jobs()
        assert [letter.to for letter in mail.outbox] == [[ALICE]]
        assert "can be connected now" in mail.outbox[0].subject
        assert "Your administrator has allowed it: connect now" in settings_page(as_alice)
        assert "Your administrator has allowed it" in as_alice.get(f"/oauth/ask/microsoft/{KIND}").content.decode()

        linked(strict, as_alice, alice)
        assert not AdminRequest.unscoped.exists()
        assert "administrator" not in settings_page(as_alice)

    def test_a_link_is_good_for_one_yes(self, strict: Microsoft, as_alice: Client, alice: User) -> None:
        link = link_on(self.refused(strict, as_alice))
        self.answered(strict, link)
        again = self.answered(strict, link)

        assert again.status_code == 400
        assert "no longer good" in again.content.decode()

    def test_a_no_is_shown_and_may_be_changed(self, strict: Microsoft, as_alice: Client, alice: User) -> None:
        link = link_on(self.refused(strict, as_alice))
        answer = self.answered(strict, link, decision="deny")

        assert "Nothing was allowed" in answer.content.decode()
        pages = settings_page(as_alice), as_alice.get(f"/oauth/ask/microsoft/{KIND}").content.decode()
        for page in pages:
            assert "Your administrator said no" in page
            assert "Waiting for your administrator" not in page
            assert "just now</time>" in page
        assert asked(alice).granted_at is None

        assert "it is allowed" in self.answered(strict, link).content.decode()
        assert asked(alice).refused_at is None

    def test_it_may_be_asked_for_before_microsoft_says_no(self, microsoft: Microsoft, as_alice: Client) -> None:
        path = f"/oauth/ask/microsoft/{KIND}"
        assert "Make the link" in as_alice.get(path).content.decode()
        assert not AdminRequest.unscoped.exists()

        assert as_alice.post(path).status_code == 302
        assert "adminconsent" in link_on(as_alice.get(path).content.decode())

    def test_what_works_waits_for_nobody(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        """Whoever cancels when he reconnects is offered to ask too, and his link still works."""
        linked(microsoft, as_alice, alice)
        as_alice.post(f"/oauth/ask/microsoft/{KIND}")
        assert "Waiting for your administrator" not in settings_page(as_alice)

        Integration.unscoped.update(sync_status="stale", reason="The consent was withdrawn.")
        assert "Waiting for your administrator" in settings_page(as_alice)

    def test_asking_twice_keeps_the_link_and_a_new_one_follows_an_old_one(
        self, microsoft: Microsoft, as_alice: Client
    ) -> None:
        path = f"/oauth/ask/microsoft/{KIND}"
        links = []
        for age in (timedelta(0), timedelta(0), administrators.GOOD_FOR):
            AdminRequest.unscoped.update(asked_at=timezone.now() - age)
            as_alice.post(path)
            links.append(link_on(as_alice.get(path).content.decode()))

        assert links[0] == links[1] != links[2]
        assert AdminRequest.unscoped.count() == 1

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"state": "guess", "admin_consent": "True"},
            {"state": "guess", "error": "access_denied"},
            {"admin_consent": "True", "tenant": "x"},
            {"state": "é" * 5000, "admin_consent": "True"},
        ],
    )
    def test_an_answer_nobody_asked_for_is_refused(
        self, microsoft: Microsoft, as_alice: Client, query: dict[str, str]
    ) -> None:
        as_alice.post(f"/oauth/ask/microsoft/{KIND}")
        answer = Client().get("/oauth/admin/microsoft", query)

        assert answer.status_code == 400
        assert "no longer good" in answer.content.decode()
        row = AdminRequest.unscoped.get()
        assert (row.granted_at, row.refused_at) == (None, None)

    def test_trouble_on_the_way_is_no_answer(self, microsoft: Microsoft, as_alice: Client) -> None:
        as_alice.post(f"/oauth/ask/microsoft/{KIND}")
        link = link_on(as_alice.get(f"/oauth/ask/microsoft/{KIND}").content.decode())
        state = parse_qs(urlsplit(link).query)["state"][0]
        answer = Client().get("/oauth/admin/microsoft", {"state": state, "error": "server_error"})

        assert "That did not work" in answer.content.decode()
        assert AdminRequest.unscoped.get().refused_at is None

    def test_old_links_are_no_good_and_forgotten(self, strict: Microsoft, as_alice: Client) -> None:
        link = link_on(self.refused(strict, as_alice))
        AdminRequest.unscoped.update(asked_at=timezone.now() - administrators.GOOD_FOR)

        assert self.answered(strict, link).status_code == 400
        assert "Waiting for your administrator" not in settings_page(as_alice)
        jobs.purge()
        assert not AdminRequest.unscoped.exists()

    def test_a_mail_server_that_is_down_is_tried_again(
        self, strict: Microsoft, as_alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.answered(strict, link_on(self.refused(strict, as_alice)))

        def down(*_: object, **__: object) -> None:
            raise OSError("down")

        monkeypatch.setattr(administrators, "send_mail", down)
        with pytest.raises(OSError, match="down"):
            jobs.tell_allowed()
        monkeypatch.undo()

        jobs.tell_stale()
        jobs.tell_stale()
        assert len(mail.outbox) == 1

    def test_an_address_that_is_refused_holds_up_nobody(
        self, strict: Microsoft, as_alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.answered(strict, link_on(self.refused(strict, as_alice)))

        def refused(*_: object, **__: object) -> Message:
            raise SMTPRecipientsRefused({})

        monkeypatch.setattr(administrators, "send_mail", refused)
        assert (administrators.tell_allowed(), administrators.tell_allowed()) == (0, 0)

    def test_there_is_none_where_the_provider_knows_no_such_consent(self, google: Google, as_alice: Client) -> None:
        assert as_alice.get("/oauth/ask/google/calendar").status_code == 404
        assert as_alice.post("/oauth/ask/google/calendar").status_code == 404
        assert as_alice.get("/oauth/ask/microsoft/nothing").status_code == 404
        assert as_alice.get("/oauth/ask/nobody/calendar").status_code == 404
        assert Client().get("/oauth/admin/google").status_code == 404
        assert Client().get("/oauth/admin/nobody").status_code == 404

    def test_nobody_comes_back_to_an_installation_without_a_client(
        self, microsoft: Microsoft, settings: Settings
    ) -> None:
        settings.PROVIDER_CREDENTIALS = {}
        assert Client().get("/oauth/admin/microsoft", {"state": "x", "admin_consent": "True"}).status_code == 404

    def test_without_the_key_the_card_says_so(self, strict: Microsoft, as_alice: Client, settings: Settings) -> None:
        self.refused(strict, as_alice)
        settings.TOKEN_ENCRYPTION_KEYS = [b"k" * 32]

        assert "The link cannot be shown" in settings_page(as_alice)

    def test_a_stale_link_waits_too(self, strict: Microsoft, as_alice: Client, alice: User) -> None:
        """An organization that changes its mind: the grant died, and a new consent needs the administrator."""
        strict.post("microsoft/admin_consent_required", tenant=ALICE, required=False)
        integration = linked(strict, as_alice, alice)
        Integration.unscoped.update(sync_status="stale", reason="It died.")
        strict.post("microsoft/admin_consent_required", tenant=ALICE)
        self.refused(strict, as_alice)

        assert "Waiting for your administrator" in settings_page(as_alice)
        with tenancy.within(integration.company_id):
            integration.refresh_from_db()
            assert cards.for_integration(integration).asked is not None
