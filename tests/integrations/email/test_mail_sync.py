"""A mailbox through the real client and real HTTP: first sync, changes, faults, kills; it ends where the mailbox is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import outbound, runs, sync_states
from integrations.email.models import EmailMessage, EmailParty, MailToRead, OwnAddress
from integrations.models import Integration, QuotaMeter, SetAside, SyncRun, SyncState
from relationships.models import Touchpoint, User
from tests.integrations.conftest import Google, state_of
from tests.integrations.email.memory import ALICE, BOB, LP
from tests.pretend_mail import MAIL_METADATA, MAIL_SCOPES, Mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

RunJobs = Callable[[], int]


def stored() -> set[str]:
    return set(EmailMessage.objects.values_list("subject", flat=True))


def visible() -> set[str]:
    return set(Touchpoint.objects.filter(cancelled_at=None, kind="email").values_list("title", flat=True))


def last_run(state: SyncState) -> SyncRun:
    return SyncRun.objects.filter(state=state).latest("started_at")


def sync(state: SyncState, run_jobs: RunJobs) -> SyncRun:
    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
    run_jobs()
    return last_run(state)


def later(run_jobs: RunJobs, noon: time_machine.Traveller, **delta: float) -> None:
    noon.shift(timedelta(**delta))
    sync_states.queue_due()
    run_jobs()


def sent_at(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def talk(mail: Mail, count: int = 6) -> list[str]:
    """Mail with Lena, one in three by Alice, each a conversation of its own."""
    orders = [
        {
            "from": ALICE if number % 3 == 2 else f"Lena Alder <{LP}>",
            "to": LP if number % 3 == 2 else ALICE,
            "subject": f"Mail {number}",
            "date": sent_at(-1 - number),
        }
        for number in range(count)
    ]
    return mail.put_all(ALICE, *orders)


@pytest.fixture
def state(mail: Mail, alice: User) -> SyncState:
    """Alice's mailbox, linked and read; it is empty."""
    return state_of(mail.link(alice))


def test_a_first_sync_stores_what_counts_and_no_more(mail: Mail, alice: User, run_jobs: RunJobs) -> None:
    talk(mail)
    mail.put(ALICE, from_="ben@oak.example", to=ALICE, subject="Nobody known", date=sent_at(-1))
    mail.put(ALICE, from_=LP, to=ALICE, subject="Long ago", date=sent_at(-100))
    mail.put(ALICE, from_=f'"{LP}" <ben@oak.example>', to=ALICE, subject="Spoofed", date=sent_at(-1))
    mail.put(ALICE, from_=LP, to=ALICE, subject="In spam", labels=["SPAM"], date=sent_at(-1))
    mail.put(ALICE, from_=ALICE, to=LP, subject="A draft", labels=["DRAFT"], copies=False, date=sent_at(-1))

    state = state_of(mail.link(alice))

    run = last_run(state)
    assert (run.kind, run.outcome, run.error) == ("first", "done", "")
    assert stored() == visible() == {f"Mail {number}" for number in range(6)}
    assert Touchpoint.objects.filter(is_outgoing=True).count() == 2
    assert set(EmailParty.objects.filter(role="from").values_list("email", flat=True)) == {LP, ALICE}
    assert not MailToRead.objects.exists()
    assert state.last_success_at is not None


def test_colleagues_copies_are_one_touchpoint(mail: Mail, alice: User, bob: User, run_jobs: RunJobs) -> None:
    mail.put(ALICE, from_=LP, to=[ALICE, BOB], cc="eve@elm.example", subject="To both", date=sent_at(-1))
    mail.link(alice)
    mail.link(bob)

    assert EmailMessage.objects.count() == 2
    touchpoint = Touchpoint.objects.get()
    assert set(touchpoint.users.all()) == {alice, bob}
    assert sorted(touchpoint.answerers) == sorted([str(alice.pk), str(bob.pk)])
    assert {guest["email"] for guest in touchpoint.guests} == {LP, "eve@elm.example"}


def test_changes_deletions_labels_drafts_and_repeated_ids(mail: Mail, state: SyncState, run_jobs: RunJobs) -> None:
    ids = talk(mail, 4)
    draft = mail.put(ALICE, from_=ALICE, to=LP, subject="Reply", labels=["DRAFT"], copies=False)
    run = sync(state, run_jobs)
    assert (run.kind, run.outcome) == ("changes", "done")
    assert stored() == {f"Mail {number}" for number in range(4)}

    mail.send_draft(ALICE, draft)
    mail.delete(ALICE, ids[0])
    mail.relabel(ALICE, ids[1], add=("TRASH",))
    mail.relabel(ALICE, ids[3], add=("IMPORTANT", "STARRED"))
    mail.relabel(ALICE, ids[3], remove=("IMPORTANT",))
    mail.relabel(ALICE, ids[3], add=("IMPORTANT",))
    run = sync(state, run_jobs)
    assert (run.outcome, run.deleted) == ("done", 2)
    assert stored() == visible() == {"Mail 2", "Mail 3", "Reply"}
    assert "important" in EmailMessage.objects.get(subject="Mail 3").labels

    mail.relabel(ALICE, ids[1], remove=("TRASH",), add=("INBOX",))
    sync(state, run_jobs)
    assert stored() == visible() == {"Mail 1", "Mail 2", "Mail 3", "Reply"}


def test_one_new_mail_costs_three_calls_at_most(
    mail: Mail, state: SyncState, google: Google, run_jobs: RunJobs
) -> None:
    mail.bulk(ALICE, 300, "ben@oak.example")
    sync(state, run_jobs)
    before = google.get("requests")["counts"]
    mail.put(ALICE, from_=LP, to=ALICE, subject="New")
    sync(state, run_jobs)
    after = google.get("requests")["counts"]
    calls = {name: number - before.get(name, 0) for name, number in after.items() if number != before.get(name, 0)}
    calls = {name: number for name, number in calls.items() if not name.startswith(("control", "token"))}
    # What is asked inside the batch is no request of its own.
    inside = calls.pop("gmail.users.messages.get") if "gmail.batch" in calls else 0
    assert inside <= 1
    assert sum(calls.values()) <= 3, calls
    assert stored() == {"New"}


def test_forgotten_history_reads_the_gap_and_says_so(
    mail: Mail, state: SyncState, run_jobs: RunJobs, noon: time_machine.Traveller
) -> None:
    ids = talk(mail, 3)
    sync(state, run_jobs)
    mail.delete(ALICE, ids[0])
    mail.put(ALICE, from_=LP, to=ALICE, subject="Missed")
    mail.forget_history(ALICE)

    run = sync(state, run_jobs)
    while run.outcome == "interrupted":
        later(run_jobs, noon, seconds=10)
        run = last_run(state)

    assert run.outcome == "done"
    full = SyncRun.objects.filter(state=state, kind="full").earliest("started_at")
    assert "no longer knows where we stopped reading. Mail since" in full.why_full
    assert {"Missed", "Mail 1", "Mail 2"} <= stored()


@pytest.mark.parametrize(
    "operation", ["gmail.users.messages.list", "gmail.users.history.list", "gmail.users.getProfile", "batch*"]
)
@pytest.mark.parametrize(
    "kind", ["error_500", "error_503", "rate_limit_403", "rate_limit_429", "malformed_json", "half_page", "html_200"]
)
def test_a_fault_anywhere_ends_where_the_mailbox_is(
    mail: Mail,
    alice: User,
    google: Google,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
    operation: str,
    kind: str,
) -> None:
    talk(mail)
    # The first look at the profile names the mailbox.
    google.fault(operation, kind, after=1 if operation == "gmail.users.getProfile" else 0)
    state = state_of(mail.link(alice))
    for _ in range(6):
        if SyncState.objects.get(pk=state.pk).last_success_at:
            break
        later(run_jobs, noon, seconds=100)

    assert last_run(state).outcome == "done"
    assert stored() == visible() == {f"Mail {number}" for number in range(6)}
    assert not MailToRead.objects.exists()
    assert not SetAside.objects.exists()


@pytest.mark.parametrize("kind", ["error_503", "rate_limit_429", "not_found_404"])
def test_parts_of_a_batch_that_fail_are_retried_by_themselves(
    mail: Mail, alice: User, google: Google, run_jobs: RunJobs, noon: time_machine.Traveller, kind: str
) -> None:
    talk(mail)
    google.fault("gmail.users.messages.get", kind, times=2)
    state = state_of(mail.link(alice))
    for _ in range(4):
        if last_run(state).outcome == "done":
            break
        later(run_jobs, noon, seconds=70)
    assert last_run(state).outcome == "done"
    assert stored() == {f"Mail {number}" for number in range(6)}
    gets = google.requests_of("gmail.users.messages.get")
    assert gets == 8


def test_a_slow_answer_is_a_fault_like_others(
    mail: Mail,
    alice: User,
    google: Google,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk(mail, 2)
    monkeypatch.setattr(outbound, "READ_SECONDS", 1.0)
    google.fault("gmail.users.history.list", "timeout", seconds=3)
    state = state_of(mail.link(alice))
    assert last_run(state).outcome == "failed"
    later(run_jobs, noon, seconds=100)
    assert stored() == {"Mail 0", "Mail 1"}


def test_the_quota_is_never_exceeded_and_each_minute_is_used(
    mail: Mail,
    alice: User,
    settings: Settings,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
) -> None:
    settings.GMAIL_UNITS_PER_MINUTE = 100
    mail.limit(110)
    talk(mail, 12)
    integration = mail.link(alice)
    state = state_of(integration)
    minutes = 0
    while SyncState.objects.get(pk=state.pk).last_success_at is None:
        run = last_run(state)
        assert (run.outcome, run.error) == ("interrupted", "The provider's limit for a minute is used up.")
        assert QuotaMeter.objects.get().units <= 240
        mail.limit(110)
        later(run_jobs, noon, seconds=61)
        minutes += 1
        assert minutes < 10
    assert stored() == {f"Mail {number}" for number in range(12)}


def test_own_aliases_are_nobody_outside(mail: Mail, alice: User, run_jobs: RunJobs) -> None:
    mail.alias(ALICE, "alice@side.example")
    mail.put(ALICE, from_="alice@side.example", to=LP, subject="By an alias", date=sent_at(-2))
    mail.put(ALICE, from_=LP, to="alice@side.example", subject="To an alias", date=sent_at(-1))
    mail.link(alice)
    assert set(OwnAddress.objects.values_list("email", flat=True)) == {ALICE, "alice@side.example"}
    to_alias = Touchpoint.objects.get(title="To an alias")
    assert to_alias.answerers == [str(alice.pk)]
    assert [guest["email"] for guest in to_alias.guests] == [LP]
    assert Touchpoint.objects.get(title="By an alias").is_outgoing is True


def test_with_headers_alone_everything_works_and_aliases_are_learnt(
    mail: Mail,
    alice: User,
    settings: Settings,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
    as_alice: Client,
) -> None:
    settings.GMAIL_SCOPE = "metadata"
    talk(mail)
    mail.put(ALICE, from_="alice@side.example", to=LP, subject="By an alias", labels=["SENT"], date=sent_at(-2))
    mail.put(ALICE, from_="ben@oak.example", to=ALICE, subject="Nobody known", date=sent_at(-1))
    scopes = (*MAIL_SCOPES[:2], MAIL_METADATA)
    state = state_of(mail.link(alice, scopes=scopes))
    for _ in range(3):
        if last_run(state).outcome == "done":
            break
        later(run_jobs, noon, seconds=61)
    assert last_run(state).outcome == "done", last_run(state).error
    assert stored() == {"By an alias", *(f"Mail {number}" for number in range(6))}
    assert "alice@side.example" in set(OwnAddress.objects.values_list("email", flat=True))
    page = as_alice.get(f"/settings/integrations/mail/{EmailMessage.objects.earliest('sent_at').pk}/").text
    assert "Save its text" not in page
    assert "Only the headers of your mail may be read" in page


def test_every_oddity_of_real_mail_goes_through(mail: Mail, alice: User, google: Google, run_jobs: RunJobs) -> None:
    google.post("google/mail/junk", account=ALICE, known=LP)
    state = state_of(mail.link(alice))
    run = last_run(state)
    assert run.outcome == "done", run.error
    assert EmailMessage.objects.exists()
    assert not EmailParty.objects.exclude(email__contains="@").exists()
    again = sync(state, run_jobs)
    assert (again.outcome, again.found) == ("done", 0)


def test_a_slice_that_runs_out_goes_on_in_another_job(
    mail: Mail, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SLICE", timedelta(seconds=-1))
    talk(mail)
    state = state_of(mail.link(alice))
    assert last_run(state).outcome == "done"
    assert SyncRun.objects.filter(state=state, outcome="interrupted").exists()
    assert stored() == visible() == {f"Mail {number}" for number in range(6)}


def test_a_revoked_grant_stops_it_and_reconnecting_goes_on(
    mail: Mail, state: SyncState, google: Google, alice: User, run_jobs: RunJobs
) -> None:
    talk(mail, 2)
    requests.post(f"{google.url}/control/google/revoke", json={"account": ALICE}, timeout=5)
    integration = Integration.objects.get(pk=state.integration_id)
    Integration.objects.filter(pk=integration.pk).update(expires_at=timezone.now())
    sync(state, run_jobs)
    if Integration.objects.get(pk=integration.pk).sync_status == "stale":
        mail.link(alice)
    assert stored() == {"Mail 0", "Mail 1"}
