"""A CRM belongs to the company: admins link and end it, members see it, others never learn of it."""

from datetime import timedelta

import pytest
import requests
from django.core import mail
from django.test import Client
from django.utils import timezone

from integrations import cards, grants, jobs, linking
from integrations.contract import OpenedChannel, WatchRequest
from integrations.errors import NeedsReconnect, Temporary, TokenRefused
from integrations.models import Channel, Integration, SyncState
from relationships import tenancy
from relationships.models import Company, User
from tests.integrations.crm_links.conftest import ACCOUNTS, HOSTS, Linked, Noted, client_of
from tests.pretend_crm import Crm

SETTINGS = "/settings/integrations/"


def revoked(crm: Crm) -> None:
    """Take back at the CRM what was allowed."""
    crm.post("revoke", **({"org": "acme"} if crm.slug == "salesforce" else {"portal": 1001}))


def fresh(integration: Integration) -> grants.Access:
    return grants.fresh(integration.pk)


def refused(integration: Integration) -> grants.Access:
    """What a sync does when its token is no longer taken."""
    return grants.fresh(integration.pk, refused=grants.fresh(integration.pk))


def test_an_admin_links_it_for_the_company(crm: Crm, link: Linked, alice: User) -> None:
    integration = link()

    assert (integration.user, integration.linked_by, integration.works) == (None, alice, True)
    assert integration.details["account_name"] in integration.account_address or crm.slug == "hubspot"
    state = SyncState.unscoped.get()
    assert (state.resource_type, state.external_id, state.is_chosen) == ("crm", integration.external_account_id, True)
    assert state.name == integration.details["account_name"]
    channel = Channel.unscoped.get()
    assert (channel.state, channel.resource_id, channel.user) == ("live", integration.external_account_id, None)
    assert fresh(integration).details == integration.details


def test_the_page_says_what_was_linked(crm: Crm, alice: User, as_alice: Client) -> None:
    crm.follow(as_alice, ACCOUNTS[crm.slug][0], **HOSTS[crm.slug])
    page = as_alice.get(SETTINGS).content.decode()

    assert Integration.unscoped.get().account_address in page
    assert "by Alice Ash" in page
    assert "Belongs to your whole company" in page
    assert "Sandbox</span>" not in page


def test_pushes_find_its_channel_before_it_is_first_read(
    crm: Crm, link: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, reading = [], []

    def watch(self: Noted, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        opening.append((Channel.unscoped.get().resource_id, wanted.external_id))
        return OpenedChannel(wanted.external_id, "", timezone.now() + timedelta(days=1))

    monkeypatch.setattr(Noted, "watch", watch)
    monkeypatch.setitem(jobs.SYNCS, "crm", lambda pk: reading.append(Channel.unscoped.get(sync_state=pk).state))
    integration = link()

    assert opening == [(integration.external_account_id, integration.external_account_id)]
    assert reading == ["live"]
    assert SyncState.unscoped.get().trigger == "link"


def test_where_nobody_set_pushes_up_the_card_claims_nothing_of_them(crm: Crm, link: Linked, as_alice: Client) -> None:
    link()
    page = as_alice.get(SETTINGS).content.decode()

    assert ">Changes are checked every 15 minutes.<" in page
    # HubSpot's are set up once for all, by whoever runs this installation.
    assert ("How to get instant updates" in page) == (crm.slug == "salesforce")
    SyncState.unscoped.update(last_push_at=timezone.now())
    assert ">Changes arrive at once, and are checked every 15 minutes.<" in as_alice.get(SETTINGS).content.decode()


def test_a_member_sees_the_card_and_decides_nothing(crm: Crm, link: Linked, as_bob: Client) -> None:
    integration = link()
    page = as_bob.get(SETTINGS).content.decode()
    card = page[page.index(f'id="card-{crm.slug}-crm"') :].split("</article>")[0]

    assert integration.account_address in card
    assert "Alice Ash can change it" in card
    assert "<form" not in card
    assert "/disconnect/" not in card
    assert as_bob.get(f"{SETTINGS}{integration.pk}/card/").status_code == 200
    for action in ("sync", "pause", "resume"):
        assert as_bob.post(f"{SETTINGS}{integration.pk}/{action}/").status_code == 404
    for page_name in ("disconnect", "history", "calendars"):
        assert as_bob.get(f"{SETTINGS}{integration.pk}/{page_name}/").status_code == 404
    assert Integration.unscoped.get().works


def test_a_member_is_told_whom_to_ask(crm: Crm, alice: User, as_bob: Client) -> None:
    card = as_bob.get(SETTINGS).content.decode()
    start = as_bob.get(f"/oauth/start/{crm.slug}/crm")

    assert "ask Alice Ash" in card
    assert f"/oauth/start/{crm.slug}/crm" not in card
    assert (start.status_code, "Ask Alice Ash" in start.content.decode()) == (403, True)
    assert as_bob.post(f"/oauth/start/{crm.slug}/crm", HOSTS[crm.slug]).status_code == 403


def test_a_company_without_an_admin_says_so(crm: Crm, as_bob: Client) -> None:
    assert "an admin of your company" in as_bob.get(f"/oauth/start/{crm.slug}/crm").content.decode()


def test_who_lost_the_right_meanwhile_links_nothing(crm: Crm, alice: User, as_alice: Client) -> None:
    back = crm.consent(crm.begin(as_alice, **HOSTS[crm.slug]), ACCOUNTS[crm.slug][0])
    User.objects.filter(pk=alice.pk).update(is_company_admin=False)
    answer = as_alice.get(back.partition("testserver")[2] or back[back.index("/oauth/") :])

    assert answer.status_code == 403
    assert not Integration.unscoped.exists()


def test_another_company_never_learns_of_it(crm: Crm, link: Linked, as_charlie: Client) -> None:
    integration = link()

    assert integration.account_address not in as_charlie.get(SETTINGS).content.decode()
    for page in ("card", "disconnect", "history"):
        assert as_charlie.get(f"{SETTINGS}{integration.pk}/{page}/").status_code == 404
    for action in ("sync", "pause", "resume", "disconnect"):
        assert as_charlie.post(f"{SETTINGS}{integration.pk}/{action}/").status_code == 404


def test_two_companies_may_link_the_same_account(crm: Crm, link: Linked, charlie: User, as_charlie: Client) -> None:
    """Each has its own; ending one does not end the other's."""
    ours = link()
    theirs = link(charlie)
    as_alice = client_of(User.objects.get(email="alice@acme.example"))

    assert "another link of this account" in as_alice.get(f"{SETTINGS}{ours.pk}/disconnect/").content.decode()
    with tenancy.within(ours.company_id):
        linking.disconnect(ours, is_data_deleted=False)
    crm.run_jobs()
    assert refused(theirs).token


def test_another_account_is_refused_with_both_names(crm: Crm, link: Linked, as_alice: Client) -> None:
    before = link()
    answer = crm.follow(as_alice, ACCOUNTS[crm.slug][1], **HOSTS[crm.slug])
    page = answer.content.decode()

    assert answer.status_code == 400
    assert f"Your company linked {before.account_address} before" in page
    assert "other.my.salesforce.com" in page if crm.slug == "salesforce" else "account 2002" in page
    after = Integration.unscoped.get()
    assert (after.external_account_id, after.details) == (before.external_account_id, before.details)
    assert refused(after).token


def test_another_admin_reconnects_it(crm: Crm, link: Linked, bob: User, as_bob: Client) -> None:
    before = link()
    revoked(crm)
    with pytest.raises(NeedsReconnect):
        refused(before)
    User.objects.filter(pk=bob.pk).update(is_company_admin=True)
    after = link(bob)

    assert (after.pk, after.linked_by, after.works) == (before.pk, bob, True)
    assert SyncState.unscoped.count() == 1


def test_reconnect_asks_no_question_twice(crm: Crm, link: Linked, as_alice: Client) -> None:
    """The button sends no answers: those of the first time hold."""
    before = link()

    assert crm.follow(as_alice, ACCOUNTS[crm.slug][0]).status_code == 302
    assert Integration.unscoped.get().details == before.details


def test_a_dead_grant_is_told_to_all_admins(crm: Crm, link: Linked, bob: User, as_bob: Client) -> None:
    User.objects.filter(pk=bob.pk).update(is_company_admin=True)
    User.objects.create_user("carl@acme.example", "a-long-password", company=bob.company, name="Carl Clay")
    gone = User.objects.create_user(
        "gone@acme.example", "a-long-password", company=bob.company, is_company_admin=True, is_active=False
    )
    integration = link()
    revoked(crm)
    with pytest.raises(NeedsReconnect):
        refused(integration)
    crm.run_jobs()

    [letter] = mail.outbox
    assert sorted(letter.to) == ["alice@acme.example", "bob@acme.example"]
    assert gone.email not in letter.to
    assert integration.account_address in letter.body
    card = as_bob.get(SETTINGS).content.decode()
    assert "Reading stopped." in card
    assert f'action="/oauth/start/{crm.slug}/crm"' in card


def test_a_member_is_not_told_to_reconnect(crm: Crm, link: Linked, as_bob: Client) -> None:
    integration = link()
    revoked(crm)
    with pytest.raises(NeedsReconnect):
        refused(integration)
    card = as_bob.get(SETTINGS).content.decode()

    assert "Ask Alice Ash" in card
    assert f'action="/oauth/start/{crm.slug}/crm"' not in card


def test_it_is_paused_and_resumed_in_a_colleagues_name(
    crm: Crm, link: Linked, as_alice: Client, as_bob: Client
) -> None:
    integration = link()
    as_alice.post(f"{SETTINGS}{integration.pk}/pause/")

    assert Integration.unscoped.get().sync_status == Integration.Status.PAUSED
    assert "Alice Ash paused it." in as_bob.get(SETTINGS).content.decode()
    as_alice.post(f"{SETTINGS}{integration.pk}/resume/")
    assert Integration.unscoped.get().works


def test_disconnecting_ends_the_grant_there(crm: Crm, link: Linked, as_alice: Client, as_bob: Client) -> None:
    integration = link()
    old = grants.unseal(integration)["refresh_token"]
    answer = as_alice.post(f"{SETTINGS}{integration.pk}/disconnect/", {"imported": "keep"})
    crm.run_jobs()

    assert answer.status_code == 302
    ended = Integration.unscoped.get()
    assert (ended.sync_status, bytes(ended.encrypted_tokens), ended.is_revocation_due) == ("revoked", b"", False)
    assert Channel.unscoped.get().state == "stopped"
    assert "Alice Ash disconnected it." in as_bob.get(SETTINGS).content.decode()
    assert not is_alive(crm, old)


def is_alive(crm: Crm, refresh_token: str) -> bool:
    """Whether the CRM still takes a refresh token."""
    path = {
        "salesforce": "salesforce/login.salesforce.com/services/oauth2/token",
        "hubspot": "hubspot-api/oauth/2026-03/token",
    }[crm.slug]
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": f"{crm.slug}-client",
        "client_secret": "secret-1",
    }
    return crm.http.post(f"{crm.url}/{path}", data=form, timeout=20).ok


def test_after_data_was_deleted_another_account_may_be_linked(crm: Crm, link: Linked, as_alice: Client) -> None:
    integration = link()
    as_alice.post(f"{SETTINGS}{integration.pk}/disconnect/", {"imported": "delete", "confirm": "delete"})
    crm.run_jobs()
    crm.run_jobs()
    answer = crm.follow(as_alice, ACCOUNTS[crm.slug][1], **HOSTS[crm.slug])

    assert answer.status_code == 302, answer.content.decode()
    after = Integration.unscoped.get()
    assert (after.pk, after.works) == (integration.pk, True)
    assert after.external_account_id != integration.external_account_id


def test_a_rotated_refresh_token_is_stored_before_it_is_used(crm: Crm, link: Linked) -> None:
    crm.post("rotate_refresh_tokens", on=True)
    integration = link()
    first = grants.unseal(integration)["refresh_token"]
    tokens = [refused(integration).token for _ in range(3)]

    integration.refresh_from_db()
    values = grants.unseal(integration)
    assert len({first, values["refresh_token"]}) == 2
    assert values["access_token"] == tokens[-1]
    assert len(set(tokens)) == 3
    assert not is_alive(crm, first)


def test_a_token_that_ran_out_is_replaced_when_it_is_refused(crm: Crm, link: Linked) -> None:
    integration = link()
    seen: list[str] = []

    def ask(http: object) -> str:
        seen.append(str(http.headers["Authorization"]))  # type: ignore[attr-defined]
        if len(seen) == 1:
            raise TokenRefused("401")
        return "answered"

    assert grants.ask(integration, ask) == "answered"
    assert len(set(seen)) == 2


def test_no_answer_leaves_the_link_as_it_is(crm: Crm, link: Linked) -> None:
    integration = link()
    crm.fault(f"{crm.slug}.*", "error_503", times=None)

    with pytest.raises(Temporary):
        refused(integration)
    integration.refresh_from_db()
    assert (integration.works, integration.lease) == (True, None)


def test_consent_that_is_refused_links_nothing(crm: Crm, alice: User, as_alice: Client) -> None:
    back = crm.consent(crm.begin(as_alice, **HOSTS[crm.slug]), ACCOUNTS[crm.slug][0], decision="deny")
    answer = as_alice.get(back[back.index("/oauth/") :])

    assert (answer.status_code, "You did not allow it" in answer.content.decode()) == (400, True)
    assert not Integration.unscoped.exists()


def test_the_card_of_a_company_without_admins(crm: Crm, link: Linked, acme: Company, bob: User) -> None:
    link()
    User.objects.filter(company=acme).update(is_company_admin=False)
    with tenancy.within(acme.pk):
        [card] = [card for card in cards.for_user(bob) if card.provider.slug == crm.slug]

    assert (card.may_change, card.admins) == (False, "an admin of your company")
