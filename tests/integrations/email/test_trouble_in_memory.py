"""A sync that breaks anywhere keeps what it stored and goes on from there; nothing is read past, nothing twice."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from integrations import runs, sync_states
from integrations.email import exchanges, reading
from integrations.email import sync as mail_sync
from integrations.email.models import EmailMessage, EmailThread, MailSearch, MailToRead
from integrations.errors import RateLimited, Temporary
from integrations.models import QuotaMeter, SetAside, SyncRun, SyncState
from relationships.models import Note, Touchpoint, User
from tests.integrations.email.conftest import LinkMemory, Sync
from tests.integrations.email.memory import ALICE, LP, MemoryMail, mail, relabelled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]


def stored() -> set[str]:
    return set(EmailMessage.objects.values_list("external_id", flat=True))


def visible() -> set[str]:
    return set(Touchpoint.objects.filter(cancelled_at=None).values_list("title", flat=True))


def last_run(state: SyncState) -> SyncRun:
    return SyncRun.objects.filter(state=state).latest("started_at")


def later(state: SyncState, noon: time_machine.Traveller, **delta: float) -> SyncRun:
    """Let time go by and do what is due then, as the sweep does."""
    noon.shift(timedelta(**delta))
    SyncState.objects.filter(pk=state.pk).update(queued_at=None)
    assert sync_states.queue_due() == 1
    mail_sync.run(state.pk)
    state.refresh_from_db()
    return last_run(state)


@pytest.fixture
def many(box: MemoryMail) -> list[str]:
    """Ten mails with a known contact, some in threads."""
    copies = [mail(f"m{number}", LP, ALICE, days=-number, thread=f"t{number // 3}") for number in range(10)]
    box.put(*copies)
    return [copy.external_id for copy in copies]


@pytest.mark.parametrize("step", ["cursor", "listing", "changes", "read"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_fault_anywhere_keeps_what_is_stored_and_goes_on(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: int,
) -> None:
    original, calls = getattr(box, step), iter(range(1000))

    def breaks(*args: object) -> object:
        if next(calls) == after:
            raise Temporary("The line is cut.")
        return original(*args)

    monkeypatch.setattr(box, step, breaks)
    state = link_memory(alice)
    run = sync(state)
    if step in {"cursor", "changes"} and after > 0:
        assert run.outcome == "done"  # these are asked once
    else:
        assert (run.outcome, run.error) == ("failed", "The line is cut.")
        run = later(state, noon, seconds=100)
    assert run.outcome == "done"
    assert stored() == set(many)
    assert len(visible()) == 10
    assert not MailToRead.objects.exists()
    # Nothing was read twice but what the broken call had asked for.
    read = [name for names in box.asked for name in names]
    assert len(read) - len(set(read)) <= box.batch


@pytest.mark.parametrize("where", ["store_page", "record"])
@pytest.mark.parametrize("after", range(7))
def test_a_kill_while_a_batch_is_stored_leaves_no_part_of_it(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    after: int,
) -> None:
    state = link_memory(alice)
    module = runs if where == "store_page" else exchanges
    original, calls = getattr(module, where), iter(range(1000))

    def killed(*args: object, **options: object) -> object:
        result = original(*args, **options)
        if next(calls) == after:
            raise SystemExit
        return result

    was_killed = False
    with monkeypatch.context() as patch:
        patch.setattr(module, where, killed)
        try:
            sync(state)
        except SystemExit:
            was_killed = True
    if was_killed:
        assert len(stored()) == len(visible())
        run = later(state, noon, minutes=5)
        assert run.outcome == "done"
    assert stored() == set(many)
    assert len(visible()) == 10
    assert not MailToRead.objects.exists()
    assert state.cursor == str(len(box.history))


def test_a_used_up_minute_ends_the_run_and_it_goes_on_in_the_next(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
) -> None:
    box.units_per_minute = 120
    state = link_memory(alice)

    run = sync(state)

    assert (run.outcome, run.error) == ("interrupted", "The provider's limit for a minute is used up.")
    assert state.next_attempt_at is not None
    assert timedelta(0) < state.next_attempt_at - timezone.now() <= timedelta(minutes=1)
    assert (state.failures, state.last_error, state.held_by) == (0, "", None)
    assert 0 < len(stored()) < 10
    asked = sum(map(len, box.asked))
    sync_states.queue_due()
    mail_sync.run(state.pk)
    assert sum(map(len, box.asked)) == asked, "nothing is asked before the next minute"

    run = later(state, noon, seconds=61)
    assert QuotaMeter.objects.get().units <= 120
    while run.outcome == "interrupted":
        run = later(state, noon, seconds=61)
    assert (run.outcome, run.kind) == ("done", "first")
    assert stored() == set(many)
    assert SyncRun.objects.count() >= 3


def test_a_message_that_is_not_there_yet_is_looked_for_once_more(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync, noon: time_machine.Traveller
) -> None:
    state = link_memory(alice)
    sync(state)
    box.put(mail("late", LP, ALICE), mail("never-there", LP, ALICE), mail("there", LP, ALICE))
    box.not_yet["late"] = 1
    del box.messages["never-there"]

    run = sync(state)
    assert run.outcome == "interrupted"
    assert stored() == {"there"}
    assert state.next_attempt_at is not None
    assert state.next_attempt_at - timezone.now() < timedelta(seconds=6)

    run = later(state, noon, seconds=6)
    assert run.outcome == "done"
    assert stored() == {"there", "late"}
    assert not MailToRead.objects.exists()
    assert not SetAside.objects.exists()


def test_parts_of_a_batch_that_failed_are_asked_for_by_themselves(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
) -> None:
    box.failing["m1"] = 2
    state = link_memory(alice)

    run = sync(state)
    assert run.outcome == "interrupted"
    assert stored() == set(many) - {"m1"}

    for _ in range(3):
        if run.outcome == "done":
            break
        run = later(state, noon, seconds=30)
    assert run.outcome == "done"
    assert stored() == set(many)
    assert [names for names in box.asked if "m1" in names][1:] == [["m1"], ["m1"]]


def test_a_part_that_always_fails_is_set_aside_and_holds_nothing_up(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box.failing["m1"] = 10**6
    state = link_memory(alice)
    run = sync(state)
    tries = 0
    while run.outcome != "done":
        run = later(state, noon, seconds=100)
        tries += 1
        assert tries < 20
    assert stored() == set(many) - {"m1"}
    assert SetAside.objects.get().external_id == "m1"

    box.failing["m1"] = 0
    noon.shift(timedelta(hours=2))
    run = sync(state)
    assert stored() == set(many)
    assert not SetAside.objects.exists()


def test_when_everything_of_a_batch_fails_no_message_is_blamed(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
) -> None:
    box.failing.update(dict.fromkeys(many, 1))
    state = link_memory(alice)

    run = sync(state)

    assert (run.outcome, state.failures) == ("failed", 1)
    assert not MailToRead.objects.filter(tries__gt=0).exists()
    outcomes = set()
    for _ in range(4):
        run = later(state, noon, seconds=100)
        outcomes.add(run.outcome)
        if run.outcome == "done":
            break
    assert run.outcome == "done"
    assert stored() == set(many)


def test_what_cannot_be_read_is_set_aside_and_what_was_stored_of_it_stays(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    box.put(mail("good", LP, ALICE), mail("bad", LP, ALICE))
    box.unreadable.add("bad")
    state = link_memory(alice)
    run = sync(state)
    assert (run.outcome, run.set_aside) == ("done", 1)
    assert SetAside.objects.get().reason == "It has no form."

    box.unreadable = {"good"}
    box.put(relabelled(box.messages["good"], "important"), relabelled(box.messages["bad"], "inbox"))
    sync(state)
    assert stored() == {"good", "bad"}
    assert SetAside.objects.get().external_id == "good"


def test_a_slice_that_runs_out_goes_on_in_another_job(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "SLICE", timedelta(seconds=-1))
    state = link_memory(alice)
    run = sync(state)
    jobs = 1
    while run.outcome == "interrupted":
        SyncState.objects.filter(pk=state.pk).update(queued_at=None)
        mail_sync.run(state.pk)
        run = last_run(state)
        jobs += 1
        assert jobs < 30
    assert run.outcome == "done"
    assert stored() == set(many)
    read = [name for names in box.asked for name in names]
    assert len(read) == len(set(read))


def test_deleted_replaced_and_repeated_messages(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    box.put(mail("keep", LP, ALICE), mail("noted", LP, ALICE), mail("gone", ALICE, LP))
    state = link_memory(alice)
    sync(state)
    touchpoint = Touchpoint.objects.get(title="Subject noted")
    Note.objects.create(company=alice.company, touchpoint=touchpoint, author=alice, text="Wants the deck")
    draft = mail("draft", ALICE, LP)
    box.put(draft)
    box.remove("gone", "noted", "draft")
    box.put(mail("final", ALICE, LP), relabelled(box.messages["keep"], "inbox", "important"))
    box.put(box.messages["final"], box.messages["final"])

    run = sync(state)

    assert (run.kind, run.outcome, run.deleted) == ("changes", "done", 2)
    assert stored() == {"keep", "final"}
    assert EmailMessage.objects.get(external_id="keep").labels == ["inbox", "important"]
    assert visible() == {"Subject keep", "Subject final"}
    assert EmailThread.objects.count() == 2
    assert not Touchpoint.objects.filter(title="Subject gone").exists()
    assert Touchpoint.objects.get(title="Subject noted").cancelled_at is not None
    assert Note.objects.get().text == "Wants the deck"


def test_what_becomes_spam_or_trash_is_deleted(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    box.put(mail("spam", LP, ALICE), mail("mail", LP, ALICE))
    state = link_memory(alice)
    sync(state)
    box.gone.add("spam")
    box.put(box.messages["spam"])

    run = sync(state)

    assert run.deleted == 1
    assert stored() == {"mail"}


def test_a_lost_cursor_reads_the_gap_again_and_says_so(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync, noon: time_machine.Traveller
) -> None:
    box.put(mail("old", LP, ALICE, days=-40), mail("trashed", LP, ALICE, days=-0.5), mail("same", LP, ALICE, days=-0.2))
    state = link_memory(alice)
    sync(state)
    noon.shift(timedelta(days=20))
    box.put(mail("missed", LP, ALICE, days=-10), mail("missed-too", ALICE, LP, days=-1))
    box.remove("trashed")
    box.forgotten = len(box.history)
    asked = len(box.asked)

    run = sync(state)

    assert run.kind == "full"
    assert run.why_full.startswith("It no longer knows where we stopped. Mail since ")
    assert run.outcome == "interrupted"  # what is missing is looked for once more
    run = later(state, noon, seconds=6)
    assert (run.kind, run.outcome) == ("changes", "done")
    assert stored() == {"old", "same", "missed", "missed-too"}
    read = {name for names in box.asked[asked:] for name in names}
    assert "old" not in read
    search = MailSearch.objects.filter(purpose="gap").latest("created_at")
    assert search.since > timezone.now() - timedelta(days=22)
    again = sync(state)
    assert (again.kind, again.found) == ("changes", 0)


def test_the_cursor_is_taken_before_the_first_listing(
    box: MemoryMail,
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mail that comes while the first listing is under way is found by the changes since."""
    box.put(*[mail(f"m{number}", LP, ALICE) for number in range(4)])
    original = box.listing

    def arrives(*args: object) -> object:
        page = original(*args)  # type: ignore[arg-type]
        if "meanwhile" not in box.messages:
            box.put(mail("meanwhile", LP, ALICE, days=0))
        return page

    monkeypatch.setattr(box, "listing", arrives)
    sync(link_memory(alice))
    assert "meanwhile" in stored()


def test_the_same_page_twice_is_noticed(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = box.listing
    monkeypatch.setattr(
        box, "listing", lambda *args: original(*args).__class__(original(*args).found, args[2].page or "1")
    )
    state = link_memory(alice)
    run = sync(state)
    assert (run.outcome, run.error) == ("failed", "The provider sent the same page twice.")


def test_a_hold_lost_in_the_middle_rolls_the_batch_back(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = reading._store
    state = link_memory(alice)

    def overtaken(held: runs.Held, *args: object) -> object:
        if stored():
            SyncState.objects.filter(pk=state.pk).update(held_by=None)
        return original(held, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(reading, "_store", overtaken)
        run = sync(state)
    assert (run.outcome, run.error) == ("interrupted", runs.STOPPED)
    assert len(stored()) == len(visible()) == 3


def test_rate_limits_are_waited_out_as_long_as_asked(
    box: MemoryMail,
    many: list[str],
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def limited(*args: object) -> object:
        raise RateLimited("Too much.", retry_after=90)

    monkeypatch.setattr(box, "listing", limited)
    state = link_memory(alice)
    sync(state)
    assert state.next_attempt_at is not None
    assert state.next_attempt_at - timezone.now() > timedelta(seconds=80)
