"""Linking Outlook through the pages: every way a consent can end, refreshes, and disconnecting."""

from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from integrations import grants, jobs, linking
from integrations.models import Integration, LinkAttempt, SyncState
from relationships import tenancy
from relationships.models import User
from tests.integrations.microsoft.scene import ALICE, KIND, linked, settings_page, the_link
from tests.pretend_google import Google
from tests.pretend_microsoft import Microsoft, come_back

pytestmark = pytest.mark.django_db


class TestConsent:
    def test_before_it_a_page_says_what_is_read_and_what_never(self, microsoft: Microsoft, as_alice: Client) -> None:
        page = unescape(as_alice.get(f"/oauth/start/microsoft/{KIND}").content.decode())

        assert "The text and the attachments of any mail: this permission does not let us" in page
        assert "Continue to Microsoft" in page
        assert "https://account.live.com/consent/Manage" in page
        assert "https://myapps.microsoft.com" in page

    def test_it_ends_in_a_link_that_is_stored_encrypted(
        self, microsoft: Microsoft, as_alice: Client, alice: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        integration = linked(microsoft, as_alice, alice)
        values = grants.unseal(integration)

        assert integration.account_address == alice.email
        assert len(integration.external_account_id.split(".")) == 2
        assert set(integration.scopes) == {"Mail.ReadBasic", "openid", "profile", "offline_access"}
        assert values["refresh_token"].encode() not in bytes(integration.encrypted_tokens)
        assert values["access_token"] not in caplog.text
        assert not LinkAttempt.unscoped.exists()
        assert "Not granted" not in settings_page(as_alice)

    def test_what_is_kept_meanwhile_is_encrypted(self, microsoft: Microsoft, as_alice: Client) -> None:
        begun = as_alice.post(f"/oauth/start/microsoft/{KIND}")
        attempt = LinkAttempt.unscoped.get()

        assert b"code_verifier" not in bytes(attempt.encrypted_verifier)
        assert parse_qs(urlsplit(begun["Location"]).query)["state"][0] not in attempt.state_digest

    def test_a_no_offers_to_start_again_and_to_ask_the_administrator(
        self, microsoft: Microsoft, as_alice: Client, alice: User
    ) -> None:
        """Whoever is stopped by the page "Need admin approval" comes back with the same answer as after a no."""
        answer = microsoft.follow(as_alice, KIND, ALICE, decision="deny")
        page = unescape(answer.content.decode())

        assert answer.status_code == 400
        assert "You did not allow it" in page
        assert f'href="/oauth/ask/microsoft/{KIND}"' in page
        assert the_link(alice) is None

    @pytest.mark.parametrize(
        ("error", "description", "words"),
        [
            ("access_denied", "AADSTS53003: Access has been blocked.", "Conditional Access"),
            ("access_denied", "AADSTS50105: The signed in user is not assigned.", "not given to you"),
            ("unauthorized_client", "AADSTS700016: Application not found.", "docs/microsoft.md"),
            ("temporarily_unavailable", "", "Microsoft has trouble of its own"),
            ("made_up", "", "“made_up”"),
        ],
    )
    def test_a_refusal_is_said_in_words(
        self, microsoft: Microsoft, as_alice: Client, error: str, description: str, words: str
    ) -> None:
        begun = as_alice.post(f"/oauth/start/microsoft/{KIND}")
        state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
        query = {"state": state, "error": error, "error_description": description}
        answer = as_alice.get("/oauth/callback/microsoft", query)

        assert answer.status_code == 400
        assert words in unescape(answer.content.decode())

    def test_a_service_that_does_not_answer_is_said_and_leaves_nothing(
        self, microsoft: Microsoft, as_alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("integrations.providers.microsoft.consent.Login._known", {})
        microsoft.fault("microsoft.discovery", "error_503")
        answer = as_alice.post(f"/oauth/start/microsoft/{KIND}")

        assert answer.status_code == 400
        assert "Microsoft did not answer" in answer.content.decode()
        assert not LinkAttempt.unscoped.exists()

    def test_a_code_that_is_refused_is_told_with_its_reason(
        self, microsoft: Microsoft, as_alice: Client, alice: User
    ) -> None:
        microsoft.post("microsoft/bar", account=ALICE, at="token")
        page = unescape(microsoft.follow(as_alice, KIND, ALICE).content.decode())

        assert "The consent was not accepted" in page
        assert "Your administrator can say which rule it was" in page
        assert "too old" not in page
        assert the_link(alice) is None

    def test_a_rule_that_stands_against_it_is_told(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        microsoft.post("microsoft/bar", account=ALICE, code=53003)
        answer = microsoft.follow(as_alice, KIND, ALICE)

        assert answer.status_code == 400
        assert "Your organization's rules stopped it" in unescape(answer.content.decode())
        assert the_link(alice) is None

    def test_a_client_that_is_refused_is_the_operators_matter(self, microsoft: Microsoft, as_alice: Client) -> None:
        """Not that of the administrator of the member's organization, who is somebody else."""
        begun = as_alice.post(f"/oauth/start/microsoft/{KIND}")
        back = microsoft.consent(begun["Location"], ALICE)
        microsoft.post("microsoft/secret", wrong=True)
        page = unescape(come_back(as_alice, back).content.decode())

        assert "Tell the operator of this installation: docs/microsoft.md has the steps." in page

    def test_calendar_and_mail_are_two_links_of_one_account(self, microsoft: Microsoft, alice: User) -> None:
        """Each with its own permission: what one may, the other may not."""
        both = [microsoft.link(alice, kind) for kind in ("calendar", "email")]
        both.sort(key=lambda link: link.integration_type)

        assert both[0].external_account_id == both[1].external_account_id
        asked = [set(link.scopes) - {"openid", "profile", "offline_access"} for link in both]
        assert asked == [{"Calendars.Read"}, {"Mail.ReadBasic"}]
        assert SyncState.unscoped.filter(integration__in=both, is_chosen=True).count() == 2

    def test_both_providers_link_in_one_world(
        self, google: Google, microsoft: Microsoft, link: Callable[..., Integration], alice: User, as_alice: Client
    ) -> None:
        link(alice)
        linked(microsoft, as_alice, alice)

        assert {row.provider for row in Integration.unscoped.filter(user=alice)} == {"google", "microsoft"}


class TestRefresh:
    def expired(self, integration: Integration) -> None:
        Integration.unscoped.filter(pk=integration.pk).update(expires_at=timezone.now())

    def test_the_newest_refresh_token_is_kept(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        integration = linked(microsoft, as_alice, alice)
        before = grants.unseal(integration)
        self.expired(integration)
        grants.fresh(integration.pk)
        integration.refresh_from_db()

        assert grants.unseal(integration)["refresh_token"] != before["refresh_token"]
        assert integration.version == 2 or integration.version == 3

    def test_a_wrong_secret_throws_nobody_out(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        integration = linked(microsoft, as_alice, alice)
        self.expired(integration)
        microsoft.post("microsoft/secret", wrong=True)
        with pytest.raises(grants.BadConfig):
            grants.fresh(integration.pk)
        integration.refresh_from_db()

        assert integration.sync_status == "error"
        assert "The operator of this installation must act." in integration.reason
        assert integration.works

        microsoft.post("microsoft/secret", wrong=False)
        assert grants.fresh(integration.pk).token

    def test_a_blocked_grant_is_met_with_what_was_demanded(
        self, microsoft: Microsoft, as_alice: Client, alice: User
    ) -> None:
        integration = linked(microsoft, as_alice, alice)
        self.expired(integration)
        microsoft.post("microsoft/revoke", account=ALICE, code=50076)
        with pytest.raises(grants.NeedsReconnect):
            grants.fresh(integration.pk)
        integration.refresh_from_db()
        assert integration.sync_status == "stale"
        assert "capolids" in integration.claims
        assert "prove again that it is you" in settings_page(as_alice)

        begun = as_alice.post(f"/oauth/start/microsoft/{KIND}")
        assert "capolids" in parse_qs(urlsplit(begun["Location"]).query)["claims"][0]
        come_back(as_alice, microsoft.consent(begun["Location"], ALICE))
        integration.refresh_from_db()
        assert (integration.sync_status, integration.claims) == ("active", "")

    @pytest.mark.parametrize("status", ["active", "stale", "revoked"])
    def test_what_is_demanded_while_reconnecting_is_not_forgotten(
        self, microsoft: Microsoft, as_alice: Client, alice: User, status: str
    ) -> None:
        integration = linked(microsoft, as_alice, alice)
        Integration.unscoped.filter(pk=integration.pk).update(sync_status=status)
        microsoft.post("microsoft/bar", account=ALICE, code=50076, at="token")
        page = unescape(microsoft.follow(as_alice, KIND, ALICE).content.decode())
        assert "Your organization wants you to prove again that it is you." in page
        integration.refresh_from_db()
        assert (integration.sync_status, "capolids" in integration.claims) == (status, True)

        assert microsoft.follow(as_alice, KIND, ALICE).status_code == 302
        integration.refresh_from_db()
        assert (integration.sync_status, integration.claims) == ("active", "")

    def test_what_was_demanded_ends_with_the_link(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        integration = linked(microsoft, as_alice, alice)
        microsoft.post("microsoft/bar", account=ALICE, code=50076, at="token")
        microsoft.follow(as_alice, KIND, ALICE)
        with tenancy.within(integration.company_id):
            linking.disconnect(integration, is_data_deleted=False)

        integration.refresh_from_db()
        assert integration.claims == ""

    @pytest.mark.parametrize("kind", ["calendar", "email"])
    def test_a_token_that_expired_is_replaced_while_it_reads(
        self, microsoft: Microsoft, alice: User, run_jobs: Callable[[], int], kind: str
    ) -> None:
        integration = microsoft.link(alice, kind)
        before = microsoft.requests_of("microsoft.token")
        microsoft.post("microsoft/expire_access_tokens", account=ALICE)
        with tenancy.within(integration.company_id):
            linking.poke_all(integration, "manual")
        run_jobs()

        state = SyncState.unscoped.get(integration=integration, is_chosen=True)
        assert (state.last_error, state.is_dirty) == ("", False)
        assert microsoft.requests_of("microsoft.token") == before + 1

    @pytest.mark.parametrize("kind", ["calendar", "email"])
    def test_a_grant_that_dies_while_it_reads_holds_the_work(
        self, microsoft: Microsoft, alice: User, as_alice: Client, run_jobs: Callable[[], int], kind: str
    ) -> None:
        integration = microsoft.link(alice, kind)
        microsoft.post("microsoft/revoke", account=ALICE, code=53003)
        microsoft.post("microsoft/expire_access_tokens", account=ALICE)
        with tenancy.within(integration.company_id):
            linking.poke_all(integration, "manual")
        run_jobs()
        integration.refresh_from_db()
        assert integration.sync_status == "stale"
        assert "Conditional Access" in integration.reason
        assert [letter.to for letter in mail.outbox] == [[ALICE]]

        assert microsoft.follow(as_alice, kind, ALICE).status_code == 302
        run_jobs()
        integration.refresh_from_db()
        assert (integration.sync_status, integration.claims) == ("active", "")
        assert not SyncState.unscoped.get(integration=integration, is_chosen=True).is_dirty

    def test_another_account_may_not_take_its_place(
        self, microsoft: Microsoft, as_alice: Client, alice: User, run_jobs: Callable[[], int]
    ) -> None:
        linked(microsoft, as_alice, alice)
        answer = microsoft.follow(as_alice, KIND, "bob@acme.example")

        assert "That is another account" in answer.content.decode()


class TestDisconnect:
    def test_the_page_says_where_consent_is_withdrawn(
        self, microsoft: Microsoft, as_alice: Client, alice: User
    ) -> None:
        integration = linked(microsoft, as_alice, alice)
        page = unescape(as_alice.get(f"/settings/integrations/{integration.pk}/disconnect/").content.decode())

        assert "Microsoft lets no app give a consent back" in page
        assert "https://myapps.microsoft.com" in page
        assert "is told to end the consent" not in page

    def test_the_tokens_go_and_nothing_else_is_ended(self, microsoft: Microsoft, as_alice: Client, alice: User) -> None:
        integration = linked(microsoft, as_alice, alice)
        with tenancy.within(integration.company_id):
            linking.disconnect(integration, is_data_deleted=False)
        jobs.end_grant(str(integration.pk))
        integration.refresh_from_db()

        assert (bytes(integration.encrypted_tokens), integration.is_revocation_due) == (b"", False)
        assert "The permission stays listed until you remove it" in settings_page(as_alice)
        asked = microsoft.get("requests")["counts"]
        assert not [operation for operation in asked if "revoke" in operation.lower()]
