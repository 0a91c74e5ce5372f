"""What every mail adapter promises, through the real client and real HTTP: the same cases for each provider."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import grants, providers, runs, sync_states
from integrations.contract import MailAdapter, MailQuery, MailRef
from integrations.email import saved
from integrations.email.models import EmailMessage, EmailParty, EmailThread, MailToRead, SavedMail
from integrations.errors import CursorExpired, MissingScope, ResourceGone, TokenRefused
from integrations.models import Integration, QuotaMeter, SetAside, SyncRun, SyncState
from relationships.models import Touchpoint, User
from tests.integrations.conftest import state_of
from tests.integrations.email.mailboxes import Box, GmailBox, Json, OutlookBox
from tests.integrations.email.memory import ALICE, BOB, LP

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

RunJobs = Callable[[], int]
Noon = time_machine.Traveller
BOXES = {"google": ("mail", GmailBox), "microsoft": ("microsoft", OutlookBox)}


def opened(request: pytest.FixtureRequest, slug: str) -> Box:
    fixture, kind = BOXES[slug]
    box: Box = kind(request.getfixturevalue(fixture))
    return box


@pytest.fixture(params=sorted(BOXES))
def box(request: pytest.FixtureRequest, settings: Settings) -> Box:
    """The mailboxes of alice and bob at a provider, empty. ``settings`` puts back what is changed."""
    return opened(request, request.param)


@pytest.fixture
def adapter(box: Box) -> MailAdapter:
    return providers.mail_adapter(box.slug)


@pytest.fixture
def state(box: Box, alice: User) -> SyncState:
    """Alice's mailbox, linked and read; it is empty."""
    return state_of(box.link(alice))


def stored() -> set[str]:
    return set(EmailMessage.objects.values_list("subject", flat=True))


def visible() -> set[str]:
    return set(Touchpoint.objects.filter(cancelled_at=None, kind="email").values_list("title", flat=True))


def last_run(state: SyncState) -> SyncRun:
    return SyncRun.objects.filter(state=state).latest("started_at")


def settle(state: SyncState, run_jobs: RunJobs, noon: Noon, seconds: float = 10, rounds: int = 12) -> SyncRun:
    """Let time go by, and do what is due then, until nothing is left to do."""
    for _ in range(rounds):
        if last_run(state).outcome == "done":
            break
        noon.shift(timedelta(seconds=seconds))
        sync_states.queue_due()
        run_jobs()
    run = last_run(state)
    assert run.outcome == "done", run.error
    return run


def sync(state: SyncState, run_jobs: RunJobs, noon: Noon) -> SyncRun:
    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
    run_jobs()
    return settle(state, run_jobs, noon)


def from_lena(subject: str, **more: object) -> Json:
    return {"from": f"Lena Alder <{LP}>", "to": ALICE, "subject": subject, **more}


def to_lena(subject: str, **more: object) -> Json:
    return {"from": ALICE, "to": LP, "subject": subject, **more}


def talk(box: Box, count: int = 6) -> list[str]:
    """Mail with Lena, one in three by Alice, each a conversation of its own."""
    orders = [
        (to_lena if number % 3 == 2 else from_lena)(f"Mail {number}", days=-1 - number) for number in range(count)
    ]
    return box.put(ALICE, *orders)


# First sync


def test_a_first_sync_stores_what_counts_and_no_more(box: Box, alice: User) -> None:
    talk(box)
    box.put(
        ALICE,
        from_lena("In the archive", place="archive"),
        {"from": "ben@oak.example", "to": ALICE, "subject": "Nobody known"},
        {"from": BOB, "to": ALICE, "subject": "Among colleagues"},
        {"from": f'"{LP}" <ben@oak.example>', "to": ALICE, "subject": "Spoofed"},
        from_lena("Long ago", days=-100),
        from_lena("In spam", place="junk"),
        from_lena("In the bin", place="bin"),
        to_lena("A draft", place="draft"),
    )
    state = state_of(box.link(alice))

    run = last_run(state)
    assert (run.kind, run.outcome, run.error) == ("first", "done", "")
    assert stored() == visible() == {"In the archive", *(f"Mail {number}" for number in range(6))}
    assert Touchpoint.objects.filter(is_outgoing=True).count() == 2
    assert EmailMessage.objects.filter(is_sent=True).count() == 2
    assert set(EmailParty.objects.filter(role="from").values_list("email", flat=True)) == {LP, ALICE}
    assert not MailToRead.objects.exists()
    assert not SetAside.objects.exists()
    assert state.last_success_at is not None


def test_whoever_belongs_to_a_known_firm_is_known(box: Box, alice: User) -> None:
    box.put(
        ALICE,
        {"from": "new@alder.example", "to": ALICE, "subject": "Of the firm"},
        {"from": "new@desk.alder.example", "to": ALICE, "subject": "Below the firm"},
        {"from": "ben@oak.example", "to": ALICE, "cc": LP.upper(), "subject": "In copy"},
        {"from": "ben@notalder.example", "to": ALICE, "subject": "Of another firm"},
    )
    box.link(alice)
    assert stored() == visible() == {"Of the firm", "Below the firm", "In copy"}


def test_a_mail_is_read_as_it_is(box: Box, adapter: MailAdapter, state: SyncState) -> None:
    (received, sent) = box.put(
        ALICE,
        {
            "from": f'"Alder, Lena" <{LP}>',
            "to": [ALICE, "eve@elm.example"],
            "cc": "carl@elm.example",
            "subject": "Rückfrage  zum\tFonds",
            "message_id": "second@alder.example",
            "in_reply_to": "first@acme.example",
            "references": ["zero@acme.example", "first@acme.example"],
            "talk": "fund",
        },
        to_lena("Answer", bcc="dora@acme.example", talk="fund", message_id="third@acme.example"),
    )
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        batch = adapter.read(http, "me", [MailRef(received), MailRef(sent)])
    copies = {copy.external_id: copy for copy in batch.messages}

    first, second = copies[received], copies[sent]
    assert (first.subject, first.message_id, first.in_reply_to, first.references) == (
        "Rückfrage zum Fonds",
        "second@alder.example",
        "first@acme.example",
        ("zero@acme.example", "first@acme.example"),
    )
    assert [(party.role, party.email, party.name) for party in first.parties] == [
        ("from", LP, "Alder, Lena"),
        ("to", ALICE, ""),
        ("to", "eve@elm.example", ""),
        ("cc", "carl@elm.example", ""),
    ]
    assert (first.is_sent, second.is_sent) == (False, True)
    assert (first.labels, second.labels) == (("inbox",), ("sent",))
    assert (first.automatic, second.automatic) == ("", "")
    assert first.thread_id == second.thread_id
    assert ("bcc", "dora@acme.example") in {(party.role, party.email) for party in second.parties}
    assert abs(first.sent_at - (timezone.now() - timedelta(days=1))) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Auto-Submitted": "auto-replied"}, "auto_reply"),
        ({"List-Id": "Letters <letters.alder.example>"}, "list"),
        ({"X-MS-Exchange-Calendar-Originator-Id": "x"}, "invitation"),
        ({"Auto-Submitted": "no"}, ""),
    ],
)
def test_what_no_person_wrote_is_told_apart(
    box: Box, adapter: MailAdapter, state: SyncState, headers: dict[str, str], why: str
) -> None:
    (one,) = box.put(ALICE, from_lena("A mail", headers=headers))
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        (copy,) = adapter.read(http, "me", [MailRef(one)]).messages
    assert copy.automatic == why


def test_a_long_list_is_followed_to_its_end(box: Box, adapter: MailAdapter, state: SyncState) -> None:
    ids = box.put(ALICE, *(from_lena(f"Mail {number}", days=-number / 100) for number in range(1100)))
    (query,) = adapter.queries(state.integration.scopes, [LP], [], timezone.now() - timedelta(days=30))
    found, page = set[str](), ""
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        while True:
            listing = adapter.listing(http, "me", MailQuery(query.since, query.addresses, query.domains, page))
            found |= {ref.external_id for ref in listing.found}
            page = listing.next_page
            if not page:
                break
    assert found == set(ids)


# Colleagues


@pytest.mark.parametrize("theirs", sorted(BOXES))
def test_colleagues_copies_are_one_touchpoint_across_providers(
    box: Box, theirs: str, request: pytest.FixtureRequest, alice: User, bob: User
) -> None:
    shared = {
        "from": f"Lena Alder <{LP}>",
        "to": [ALICE, BOB],
        "cc": "eve@elm.example",
        "subject": "To both",
        "message_id": "both@alder.example",
    }
    answer = {"to": [LP], "cc": ALICE, "subject": "Re: To both", "message_id": "answer@acme.example"}
    other = opened(request, theirs)
    box.put(ALICE, shared, {"from": BOB, **answer, "in_reply_to": "both@alder.example"})
    other.put(BOB, shared | {"talk": "one"}, {"from": BOB, **answer, "talk": "one"})
    box.link(alice)
    other.link(bob)

    assert EmailMessage.objects.count() == 4
    received, answered = Touchpoint.objects.order_by("is_outgoing")
    assert set(received.users.all()) == set(answered.users.all()) == {alice, bob}
    assert sorted(received.answerers) == sorted([str(alice.pk), str(bob.pk)])
    assert {guest["email"] for guest in received.guests} == {LP, "eve@elm.example"}
    assert (answered.is_outgoing, answered.answerers) == (True, [str(bob.pk)])
    assert received.thread_key == answered.thread_key


# Changes


def test_changes_deletions_moves_and_drafts(box: Box, state: SyncState, run_jobs: RunJobs, noon: Noon) -> None:
    ids = talk(box, 5)
    (draft,) = box.put(ALICE, to_lena("Reply", place="draft"))
    run = sync(state, run_jobs, noon)
    assert (run.kind, run.outcome) == ("changes", "done")
    assert stored() == {f"Mail {number}" for number in range(5)}

    box.send_draft(ALICE, draft)
    box.delete(ALICE, ids[0])
    box.move(ALICE, ids[1], "bin")
    box.move(ALICE, ids[3], "archive")
    box.move(ALICE, ids[4], "junk")
    box.mark(ALICE, ids[2])
    sync(state, run_jobs, noon)
    assert stored() == visible() == {"Mail 2", "Mail 3", "Reply"}
    assert EmailMessage.objects.get(subject="Mail 3").labels == []
    assert EmailMessage.objects.get(subject="Reply").is_sent

    box.move(ALICE, ids[1], "inbox")
    sync(state, run_jobs, noon)
    assert stored() == visible() == {"Mail 1", "Mail 2", "Mail 3", "Reply"}
    assert not MailToRead.objects.exists()


def test_sent_mail_that_is_filed_stays_sent(box: Box, state: SyncState, run_jobs: RunJobs, noon: Noon) -> None:
    (one,) = box.put(ALICE, {"from": ALICE, "to": "ben@oak.example", "bcc": LP, "subject": "Filed"})
    sync(state, run_jobs, noon)
    before = Touchpoint.objects.get()
    box.move(ALICE, one, "archive")
    sync(state, run_jobs, noon)
    assert EmailMessage.objects.get().is_sent
    after = Touchpoint.objects.get()
    assert (after.is_outgoing, after.answerers, after.guests) == (True, before.answerers, before.guests)


def test_sent_mail_that_was_filed_before_it_is_seen_is_sent(box: Box, alice: User) -> None:
    """By whom it is from. What a colleague wrote, and what came in in one's own name, was not sent from here."""
    box.put(
        ALICE,
        to_lena("Filed", place="archive"),
        {"from": BOB, "to": LP, "cc": ALICE, "subject": "A colleague's", "place": "archive"},
        {"from": LP, "to": ALICE, "subject": "Hers", "place": "archive"},
        to_lena("Came in", place="inbox"),
    )
    box.link(alice)

    assert stored() == {"Filed", "A colleague's", "Hers", "Came in"}
    assert EmailMessage.objects.get(is_sent=True).subject == "Filed"
    assert Touchpoint.objects.get(title="Filed").answerers == [str(alice.pk)]
    assert Touchpoint.objects.get(title="A colleague's").answerers == []


def test_what_is_not_stored_costs_nothing_when_it_goes(
    box: Box, state: SyncState, run_jobs: RunJobs, noon: Noon
) -> None:
    ids = box.put(ALICE, *({"from": "ben@oak.example", "to": ALICE, "subject": "Nobody known"} for _ in range(5)))
    sync(state, run_jobs, noon)
    before = box.reads()
    for one in ids:
        box.delete(ALICE, one)
    run = sync(state, run_jobs, noon)
    assert (run.outcome, run.deleted, run.found) == ("done", 0, 0)
    assert box.reads() == before


def test_a_quiet_mailbox_changes_nothing(box: Box, state: SyncState, run_jobs: RunJobs, noon: Noon) -> None:
    talk(box)
    sync(state, run_jobs, noon)
    before = box.reads()
    run = sync(state, run_jobs, noon)
    assert (run.outcome, run.found, run.changed, run.deleted) == ("done", 0, 0, 0)
    assert box.reads() == before


def test_a_forgotten_cursor_reads_the_gap_and_says_so(
    box: Box, state: SyncState, run_jobs: RunJobs, noon: Noon
) -> None:
    ids = talk(box, 3)
    sync(state, run_jobs, noon)
    box.delete(ALICE, ids[0])
    box.put(ALICE, from_lena("Missed", days=0))
    box.forget(ALICE)
    sync(state, run_jobs, noon)

    full = SyncRun.objects.filter(state=state, kind="full").earliest("started_at")
    assert "no longer knows where we stopped reading. Mail since" in full.why_full
    assert {"Missed", "Mail 1", "Mail 2"} <= stored()


def test_a_cursor_of_no_known_form_is_a_forgotten_one(box: Box, adapter: MailAdapter, state: SyncState) -> None:
    with (
        grants.session(state.integration, grants.fresh(state.integration_id)) as http,
        pytest.raises(CursorExpired),
    ):
        adapter.changes(http, "me", "no cursor at all", "")


# Trouble


@pytest.mark.parametrize("step", ["listing", "changes", "start", "read"])
@pytest.mark.parametrize(
    "kind", ["error_500", "error_503", "rate_limit_429", "malformed_json", "half_page", "html_200"]
)
def test_a_fault_anywhere_ends_where_the_mailbox_is(
    box: Box, alice: User, run_jobs: RunJobs, noon: Noon, step: str, kind: str
) -> None:
    talk(box)
    box.fault(step, kind)
    state = state_of(box.link(alice))
    settle(state, run_jobs, noon, seconds=100)

    assert stored() == visible() == {f"Mail {number}" for number in range(6)}
    assert not MailToRead.objects.exists()
    assert not SetAside.objects.exists()


@pytest.mark.parametrize("kind", ["error_503", "rate_limit_429", "not_found_404"])
def test_faults_in_a_batch_are_retried_by_themselves(
    box: Box, alice: User, run_jobs: RunJobs, noon: Noon, kind: str
) -> None:
    talk(box)
    box.fault("message", kind, times=2)
    state = state_of(box.link(alice))
    settle(state, run_jobs, noon, seconds=70)
    assert stored() == {f"Mail {number}" for number in range(6)}
    assert box.reads() == 8


def test_a_batch_waits_as_long_as_it_is_asked_to(box: Box, adapter: MailAdapter, state: SyncState) -> None:
    ids = talk(box, 3)
    box.fault("message", "rate_limit_429", retry_after="77")
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        batch = adapter.read(http, "me", [MailRef(one) for one in ids])
    assert (len(batch.messages), len(batch.again), batch.retry_after) == (2, 1, 77)


def test_the_quota_is_never_exceeded_and_each_minute_is_used(
    box: Box, alice: User, run_jobs: RunJobs, noon: Noon
) -> None:
    box.allow(5)
    talk(box, 12)
    state = state_of(box.link(alice))
    minutes = 0
    while SyncState.objects.get(pk=state.pk).last_success_at is None:
        run = last_run(state)
        assert (run.outcome, run.error) == ("interrupted", "The provider's limit for a minute is used up.")
        before = box.reads()
        noon.shift(timedelta(seconds=61))
        sync_states.queue_due()
        run_jobs()
        assert box.reads() - before <= 5
        minutes += 1
        assert minutes < 12
    assert QuotaMeter.objects.exists()
    assert stored() == {f"Mail {number}" for number in range(12)}


def test_a_slice_that_runs_out_goes_on_in_another_job(box: Box, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SLICE", timedelta(seconds=-1))
    talk(box)
    state = state_of(box.link(alice))
    assert last_run(state).outcome == "done"
    assert SyncRun.objects.filter(state=state, outcome="interrupted").exists()
    assert stored() == visible() == {f"Mail {number}" for number in range(6)}


def test_a_revoked_grant_stops_it_and_reconnecting_goes_on(
    box: Box, state: SyncState, alice: User, run_jobs: RunJobs
) -> None:
    talk(box, 2)
    box.revoke(ALICE)
    Integration.objects.filter(pk=state.integration_id).update(expires_at=timezone.now())
    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
    run_jobs()
    integration = Integration.objects.get(pk=state.integration_id)
    assert integration.sync_status == "stale"
    assert stored() == set()

    box.link(alice)
    assert Integration.objects.get(pk=state.integration_id).sync_status == "active"
    assert stored() == {"Mail 0", "Mail 1"}


def test_a_dead_token_is_told(box: Box, adapter: MailAdapter, state: SyncState) -> None:
    (one,) = talk(box, 1)
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        http.headers["Authorization"] = "Bearer dead"
        with pytest.raises(TokenRefused):
            adapter.read(http, "me", [MailRef(one)])


# Texts


def test_no_text_is_ever_stored(box: Box, alice: User) -> None:
    box.ask_for_text()
    box.put(ALICE, from_lena("Terms", body="a secret"), to_lena("Re: Terms", body="a secret"))
    box.link(alice)
    assert stored() == {"Terms", "Re: Terms"}
    for model in (EmailMessage, EmailParty, EmailThread, Touchpoint, SyncState, SyncRun):
        assert "secret" not in repr(list(model.objects.values()))


def test_a_text_is_read_where_consent_covers_it(box: Box, adapter: MailAdapter, alice: User, run_jobs: RunJobs) -> None:
    box.ask_for_text()
    plain, html = box.put(
        ALICE,
        from_lena("Terms", body="Dear Alice,\nall is well & good."),
        from_lena("Formatted", body="Dear Alice", html="<p>Dear <b>Alice</b></p><script>alert(1)</script>"),
    )
    state = state_of(box.link(alice))
    assert adapter.may_read_text(state.integration.scopes)
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        assert adapter.text(http, "me", plain).split() == ["Dear", "Alice,", "all", "is", "well", "&", "good."]
        assert adapter.text(http, "me", html) == "Dear Alice"
        box.delete(ALICE, plain)
        with pytest.raises(ResourceGone):
            adapter.text(http, "me", plain)

    kept = saved.begin(alice, EmailMessage.objects.get(subject="Formatted"))
    run_jobs()
    assert saved.text_of(SavedMail.objects.get(pk=kept.pk)) == "Dear Alice"


def test_with_headers_alone_no_text_can_be_read(
    box: Box, adapter: MailAdapter, alice: User, run_jobs: RunJobs, noon: Noon, as_alice: Client
) -> None:
    box.ask_for_headers()
    ids = talk(box, 3)
    state = state_of(box.link(alice))
    settle(state, run_jobs, noon, seconds=61)
    assert stored() == {f"Mail {number}" for number in range(3)}
    assert not adapter.may_read_text(state.integration.scopes)
    with (
        grants.session(state.integration, grants.fresh(state.integration_id)) as http,
        pytest.raises(MissingScope),
    ):
        adapter.text(http, "me", ids[0])
    page = as_alice.get(f"/settings/integrations/mail/{EmailMessage.objects.earliest('sent_at').pk}/").text
    assert "Save its text" not in page
