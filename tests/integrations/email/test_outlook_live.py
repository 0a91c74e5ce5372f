"""The adapter against the pretend Outlook, with all its oddities: real HTTP, real batches, the guard."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine

from integrations import grants, providers, runs, sync_states
from integrations.contract import MailQuery, MailRef
from integrations.email.models import EmailMessage
from integrations.email.outlook import calls
from integrations.errors import MissingScope, Temporary
from integrations.models import SyncRun, SyncState
from relationships.models import User
from tests.integrations.conftest import state_of
from tests.integrations.email.mailboxes import OutlookBox
from tests.integrations.email.memory import ALICE, BOB, LP
from tests.integrations.email.test_contract import from_lena, settle, stored, sync, talk, to_lena
from tests.pretend_microsoft import Json, Microsoft

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

outlook = providers.mail_adapter("microsoft")
RunJobs = Callable[[], int]
Noon = time_machine.Traveller


@pytest.fixture
def box(microsoft: Microsoft) -> OutlookBox:
    return OutlookBox(microsoft)


@pytest.fixture
def state(box: OutlookBox, alice: User) -> SyncState:
    """Alice's mailbox, linked and read; it is empty."""
    return state_of(box.link(alice))


@pytest.fixture
def http(state: SyncState) -> Iterator[requests.Session]:
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        yield http


def since(days: float = 90) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def bulk(microsoft: Microsoft, count: int, share: float = 1.0, **more: object) -> Json:
    body = {"account": ALICE, "count": count, "known": [LP], "share": share, "days": 60} | more
    return microsoft.post("microsoft/messages/bulk", **body)


def counted(microsoft: Microsoft, work: Callable[[], object]) -> dict[str, int]:
    """How many calls of each kind this takes."""
    before = microsoft.get("requests")["counts"]
    work()
    after = microsoft.get("requests")["counts"]
    calls = {name: number - before.get(name, 0) for name, number in after.items()}
    return {name: number for name, number in calls.items() if number and name.startswith("graph")}


def test_every_oddity_is_read_as_what_it_is(microsoft: Microsoft, http: requests.Session) -> None:
    ids = microsoft.post("microsoft/messages/junk", account=ALICE, known=LP)["ids"]
    names = {external_id: name for name, external_id in ids.items()}
    result = [outlook.read(http, "me", [MailRef(one) for one in list(names)[n : n + 20]]) for n in (0, 20, 40)]
    found = {names[copy.external_id]: copy for batch in result for copy in batch.messages}
    senders = {name: {one.email for one in copy.parties if one.role == "from"} for name, copy in found.items()}
    kinds = {name: copy.automatic for name, copy in found.items() if copy.automatic}

    gone = {names[one] for batch in result for one in batch.gone}
    assert gone == {"spam", "trash", "chat", "draft", "waiting"}
    assert all((batch.unreadable, batch.again, batch.missing) == ((), (), ()) for batch in result)
    assert {name for name, kind in kinds.items() if kind == "list"} == {"newsletter", "mailing_list", "bulk"}
    assert {name for name, kind in kinds.items() if kind == "auto_reply"} == {"auto_reply", "auto_generated", "bounce"}
    assert {name for name, kind in kinds.items() if kind == "invitation"} == {
        "invitation",
        "invitation_sent",
        "acceptance",
        "cancellation",
    }
    for name in ("umlauts", "upper_case", "comma", "delegated", "answer_elsewhere", "no_date", "long_ago"):
        assert senders[name] == {LP}, name
    assert senders["spoofed_name"] == {"mallory@evil.example"}
    assert senders["nobody"] == senders["legacy"] == set()
    assert len(found["crowd"].parties) == 202
    assert found["no_message_id"].message_id == ""
    assert found["twin_one"].message_id == found["twin_two"].message_id == "twin@junk.example"
    assert len(found["deep"].references) == 100
    assert (found["archived"].labels, found["invitation_sent"].labels) == ((), ("sent",))


def test_every_oddity_goes_through(
    microsoft: Microsoft, box: OutlookBox, alice: User, run_jobs: RunJobs, noon: Noon
) -> None:
    microsoft.post("microsoft/messages/junk", account=ALICE, known=LP)
    state = state_of(box.link(alice))
    assert settle(state, run_jobs, noon).error == ""
    assert EmailMessage.objects.exists()
    again = sync(state, run_jobs, noon)
    assert (again.outcome, again.found) == ("done", 0)


def test_what_a_sync_costs(
    microsoft: Microsoft, box: OutlookBox, state: SyncState, run_jobs: RunJobs, noon: Noon
) -> None:
    bulk(microsoft, 120, share=0)
    assert counted(microsoft, lambda: sync(state, run_jobs, noon))["graph.batch"] < 12
    assert counted(microsoft, lambda: sync(state, run_jobs, noon)) == {"graph.batch": 1, "graph.messages.delta": 3}

    box.put(ALICE, from_lena("New"))
    calls = counted(microsoft, lambda: sync(state, run_jobs, noon))
    assert calls == {
        "graph.batch": 3,
        "graph.messages.delta": 3,
        "graph.messages.get": 1,
        "graph.mailFolders.get": 3,
    }
    assert stored() == {"New"}


def test_a_first_sync_asks_for_all_heads_once_and_by_one_connection(
    microsoft: Microsoft, box: OutlookBox, alice: User
) -> None:
    bulk(microsoft, 1300, share=0.5)
    calls = counted(microsoft, lambda: box.link(alice))

    assert EmailMessage.objects.count() == 650
    assert calls["graph.messages.get"] == 650
    assert calls["graph.messages.list"] <= 5
    (use,) = microsoft.get("microsoft/throttle")["uses"]
    assert (use["most_in_flight"], use["refused"]) == (1, 0)


def test_a_long_first_round_of_changes_ends(microsoft: Microsoft, http: requests.Session) -> None:
    bulk(microsoft, 5600)
    calls = counted(microsoft, lambda: outlook.cursor(http, "me"))
    assert calls["graph.batch"] <= outlook.prices.cursor / 3
    cursor = outlook.cursor(http, "me")
    assert outlook.changes(http, "me", cursor, "").next_cursor


@pytest.mark.parametrize("quirk", ["empty_first", "repeat", "lost_moves"])
def test_odd_ways_of_telling_changes_lose_nothing(
    microsoft: Microsoft, box: OutlookBox, state: SyncState, run_jobs: RunJobs, noon: Noon, quirk: str
) -> None:
    ids = talk(box, 4)
    sync(state, run_jobs, noon)
    microsoft.post("microsoft/messages/quirk", account=ALICE, kind=quirk)
    box.put(ALICE, from_lena("New"), to_lena("Sent"))
    box.move(ALICE, ids[0], "archive")
    box.move(ALICE, ids[1], "bin")
    box.delete(ALICE, ids[2])
    sync(state, run_jobs, noon)
    assert stored() == {"Mail 0", "Mail 3", "New", "Sent"}


def test_a_list_of_changes_without_end_is_trouble(
    microsoft: Microsoft, box: OutlookBox, http: requests.Session
) -> None:
    cursor = outlook.cursor(http, "me")
    talk(box)
    microsoft.post("microsoft/messages/quirk", account=ALICE, kind="endless")

    def follow() -> None:
        token = outlook.changes(http, "me", cursor, "").next_page
        while token:
            token = outlook.changes(http, "me", cursor, token).next_page

    with pytest.raises(Temporary, match="does not end"):
        follow()


def test_what_comes_while_a_round_is_interrupted_is_read_with_it(
    box: OutlookBox, state: SyncState, run_jobs: RunJobs, noon: Noon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox was at its end when the round stopped, and was not asked again."""
    monkeypatch.setattr(calls, "PAGE_SIZE", 1)
    box.put(ALICE, *[to_lena(f"Sent {number}") for number in range(3)])
    check_time = runs.check_time

    def stop_once(held: runs.Held) -> None:
        monkeypatch.setattr(runs, "check_time", check_time)
        box.put(ALICE, from_lena("Meanwhile"))
        sync_states.poke([state.pk])
        raise runs.OutOfTime

    monkeypatch.setattr(runs, "check_time", stop_once)
    sync(state, run_jobs, noon)

    assert stored() == {"Sent 0", "Sent 1", "Sent 2", "Meanwhile"}


def test_what_comes_back_is_taken_back(
    microsoft: Microsoft, box: OutlookBox, state: SyncState, run_jobs: RunJobs, noon: Noon
) -> None:
    """By immutable ids, what left a folder and came back is told as gone alone."""
    ids = talk(box, 2)
    sync(state, run_jobs, noon)
    box.move(ALICE, ids[0], "archive")
    box.move(ALICE, ids[0], "inbox")
    sync(state, run_jobs, noon)
    assert stored() == {"Mail 0", "Mail 1"}


def test_mail_in_folders_of_ones_own_stays_and_goes_with_them(
    microsoft: Microsoft, box: OutlookBox, state: SyncState, http: requests.Session, run_jobs: RunJobs, noon: Noon
) -> None:
    ids = talk(box, 3)
    sync(state, run_jobs, noon)
    own = microsoft.post("microsoft/folders", account=ALICE, name="Funds", parent="inbox")["id"]
    thrown = microsoft.post("microsoft/folders", account=ALICE, name="Old", parent="deleteditems")["id"]
    deeper = microsoft.post("microsoft/folders", account=ALICE, name="Older", parent=thrown)["id"]
    for one, folder in zip(ids, (own, thrown, deeper), strict=True):
        microsoft.post("microsoft/messages/move", account=ALICE, id=one, folder=folder, silent=True)
    run = sync(state, run_jobs, noon)

    assert (run.outcome, run.deleted) == ("done", 2)
    assert stored() == {"Mail 0"}
    assert EmailMessage.objects.get().labels == []


def test_without_an_archive_all_goes_well(
    microsoft: Microsoft, box: OutlookBox, alice: User, run_jobs: RunJobs, noon: Noon
) -> None:
    microsoft.post("microsoft/folders/delete", account=ALICE, folder="archive", silent=True)
    talk(box, 2)
    state = state_of(box.link(alice))
    box.put(ALICE, from_lena("New"))
    assert sync(state, run_jobs, noon).outcome == "done"
    assert stored() == {"Mail 0", "Mail 1", "New"}


def test_an_archive_that_is_deleted_leads_to_a_new_cursor(
    microsoft: Microsoft, box: OutlookBox, state: SyncState, run_jobs: RunJobs, noon: Noon
) -> None:
    talk(box, 2)
    sync(state, run_jobs, noon)
    microsoft.post("microsoft/folders/delete", account=ALICE, folder="archive", silent=True)
    box.put(ALICE, from_lena("New"))
    sync(state, run_jobs, noon)
    assert SyncRun.objects.filter(state=state, kind="full").exists()
    assert stored() == {"Mail 0", "Mail 1", "New"}


def test_outlooks_own_limits_are_waited_for(
    microsoft: Microsoft, box: OutlookBox, alice: User, run_jobs: RunJobs, noon: Noon
) -> None:
    talk(box, 12)
    microsoft.post("microsoft/throttle", account=ALICE, requests=30, seconds=60)
    state = state_of(box.link(alice))
    for _ in range(8):
        noon.shift(timedelta(seconds=61))
        microsoft.post("clock", advance_seconds=61)
        sync_states.queue_due()
        run_jobs()
        if SyncState.objects.get(pk=state.pk).last_success_at:
            break
    assert stored() == {f"Mail {number}" for number in range(12)}


def test_own_addresses_are_learnt_from_sent_mail(
    microsoft: Microsoft, box: OutlookBox, alice: User, http: requests.Session
) -> None:
    with pytest.raises(MissingScope):
        outlook.own_addresses(http, ["Mail.Read"])
    (mailbox,) = outlook.mailboxes(http)
    assert (mailbox.external_id, mailbox.is_primary) == ("me", True)


def test_ids_stay_when_mail_moves(microsoft: Microsoft, box: OutlookBox, http: requests.Session) -> None:
    (one,) = talk(box, 1)
    for place in ("archive", "inbox"):
        found = outlook.listing(http, "me", MailQuery(since(), (LP,)))
        while found.next_page:
            more = outlook.listing(http, "me", MailQuery(since(), (LP,), (), found.next_page))
            found = type(found)((*found.found, *more.found), more.next_page)
        assert [ref.external_id for ref in found.found] == [one]
        box.move(ALICE, one, place)


def test_a_calendars_grant_reads_no_mail(microsoft: Microsoft, bob: User) -> None:
    microsoft.post("microsoft/messages", account=BOB, messages=[{"subject": "x"}], silent=True)
    integration = microsoft.link(bob, "calendar")
    with grants.session(integration, grants.fresh(integration.pk)) as http, pytest.raises(MissingScope):
        list(outlook.mailboxes(http))
