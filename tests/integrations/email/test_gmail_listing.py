"""Finding mail at Gmail: searches, walks where nothing can be searched, and history."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import MailChanges, MailQuery, MailRef
from integrations.email.gmail import history
from integrations.errors import (
    CursorExpired,
    Permanent,
    RateLimited,
    Temporary,
)
from tests.integrations.email.canned import ANY_JSON, NOW_MS, OLD_MS, Canned, Json, body, parts

READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)

gmail = providers.mail_adapter("google")


def test_searches_come_in_pieces_without_what_a_domain_covers() -> None:
    people = [f"p{number}@one.example" for number in range(30)] + ["x@firm.example", "y@firm.example"]
    queries = gmail.queries([READONLY], people, ["firm.example"], SINCE)

    assert [len(query.addresses) + len(query.domains) for query in queries] == [25, 6]
    assert {one for query in queries for one in query.addresses} == set(people[:30])
    assert [query.domains for query in queries] == [(), ("firm.example",)]
    assert all(query.since == SINCE for query in queries)
    assert gmail.queries([READONLY], [], [], SINCE) == gmail.queries([METADATA], [], [], SINCE) == ()


def test_where_nothing_can_be_searched_there_is_one_question_for_all_mail() -> None:
    assert gmail.queries([METADATA], ["a@one.example"], ["firm.example"], SINCE) == (MailQuery(SINCE),)


def test_a_search_names_from_to_and_cc_and_seconds() -> None:
    http = Canned((200, {"resultSizeEstimate": 0}))
    odd = 'a"b} OR in:spam@one.example'
    found = gmail.listing(http.session, "me", MailQuery(SINCE, ("a+b@one.example", odd), ("firm.example",)))

    assert (found.found, found.next_page) == ((), "")
    query = http.query()["q"][0]
    assert query == (
        "{from:a+b@one.example to:a+b@one.example cc:a+b@one.example "
        'from:"ab} OR in:spam@one.example" to:"ab} OR in:spam@one.example" cc:"ab} OR in:spam@one.example" '
        "from:firm.example to:firm.example cc:firm.example} "
        f"after:{int(SINCE.timestamp()) - 1} -in:chats -in:drafts"
    )
    assert http.query()["maxResults"] == ["500"]


def test_a_listing_goes_on_page_by_page_and_leaves_out_what_has_no_id() -> None:
    items = [{"id": "1", "threadId": "t"}, {"id": "2"}, {"threadId": "t"}, None, {"id": 5}, {"id": "a b"}, {"id": ""}]
    http = Canned((200, {"messages": items, "nextPageToken": "p2"}), (200, {"messages": []}))
    query = MailQuery(SINCE, ("a@one.example",))
    first = gmail.listing(http.session, "me", query)

    assert first.found == (MailRef("1", "t"), MailRef("2"))
    assert gmail.listing(http.session, "me", MailQuery(SINCE, query.addresses, (), first.next_page)).next_page == ""
    assert http.query()["pageToken"] == ["p2"]


@pytest.mark.parametrize("answer", [{"messages": {}}, {"messages": "x"}, {"messages": [], "nextPageToken": "p1"}])
def test_what_is_no_list_is_not_an_empty_one_nor_an_endless_one(answer: Json) -> None:
    with pytest.raises(Temporary):
        gmail.listing(Canned((200, answer)).session, "me", MailQuery(SINCE, ("a@one.example",), (), "p1"))


def test_a_page_that_google_forgot_begins_the_listing_again_once() -> None:
    forgotten = (400, {"error": {"code": 400, "message": "Invalid pageToken"}})
    http = Canned(forgotten, (200, {"messages": [{"id": "1"}], "nextPageToken": "p2"}), forgotten)
    again = gmail.listing(http.session, "me", MailQuery(SINCE, ("a@one.example",), (), "p9"))

    assert again.found == (MailRef("1"),)
    assert "pageToken" not in http.query(1)
    with pytest.raises(Permanent):
        gmail.listing(http.session, "me", MailQuery(SINCE, ("a@one.example",), (), again.next_page))
    assert http.query(2)["pageToken"] == ["p2"]


def probed(*moments: str) -> Any:
    return parts(*((200, {"id": "x", "internalDate": moment}) for moment in moments))


def page_of(count: int, token: str = "p2") -> tuple[int, Json]:
    return 200, {"messages": [{"id": str(number), "threadId": "t"} for number in range(count)], "nextPageToken": token}


def test_a_walk_through_all_mail_goes_on_while_it_is_young() -> None:
    http = Canned(page_of(120), probed(*[NOW_MS] * 4))
    found = gmail.listing(http.session, "me", MailQuery(SINCE))

    assert (len(found.found), found.next_page) == (120, "p2")
    assert "q" not in http.query(0)
    assert [path.partition("?")[0].rpartition("/")[2] for path in http.paths()] == ["0", "50", "100", "119"]
    assert "fields=id%2CinternalDate" in http.paths()[0]


def test_a_walk_leaves_out_old_stretches_and_ends_where_all_is_old() -> None:
    border = Canned(page_of(200), probed(NOW_MS, NOW_MS, OLD_MS, OLD_MS, OLD_MS))
    ended = Canned(page_of(200), probed(*[OLD_MS] * 5))

    found = gmail.listing(border.session, "me", MailQuery(SINCE))
    assert [ref.external_id for ref in found.found] == [str(number) for number in range(100)]
    assert found.next_page == "p2"
    last = gmail.listing(ended.session, "me", MailQuery(SINCE, page="p1"))
    assert (last.found, last.next_page) == ((), "")


def test_a_single_old_message_among_new_ones_ends_nothing() -> None:
    http = Canned(page_of(150), probed(NOW_MS, OLD_MS, NOW_MS, OLD_MS))

    assert len(gmail.listing(http.session, "me", MailQuery(SINCE)).found) == 149


def test_a_probe_that_is_gone_or_damaged_ends_nothing() -> None:
    http = Canned(page_of(120), parts((404, {}), (200, b"{"), (200, {"internalDate": "x"}), (410, {})))

    assert len(gmail.listing(http.session, "me", MailQuery(SINCE)).found) == 120


def test_a_walk_is_put_off_where_google_says_slow_down() -> None:
    http = Canned(page_of(1), parts((429, body("gmail_error_429_too_many_concurrent"), {"Retry-After": "3"})))

    with pytest.raises(RateLimited):
        gmail.listing(http.session, "me", MailQuery(SINCE))


def test_prices_are_those_of_what_is_asked(settings: Settings) -> None:
    prices = gmail.prices
    assert (prices.cursor, prices.listing, prices.changes) == (1, 5, 2)
    settings.GMAIL_SCOPE = "metadata"
    assert gmail.prices.listing == 5 + 11 * 20
    settings.GMAIL_UNITS_PER_MINUTE = 15000
    assert gmail.units_per_minute == 15000


def record(kind: str, external_id: str, labels: list[str] | None = None, now: list[str] | None = None) -> Json:
    """A record of history; ``labels`` are those that came or went, ``now`` those the message has after it."""
    message = {"id": external_id, "threadId": "t", **({"labelIds": now} if now is not None else {})}
    return {"id": "9", kind: [{"message": message, **({"labelIds": labels} if labels else {})}]}


def happened(*records: Json) -> MailChanges:
    return MailChanges(*history.happened(list(records)))


def test_captured_history_is_read() -> None:
    added = Canned((200, body("gmail_history_added_labels_fixture")))
    kinds = Canned((200, body("gmail_history_all_kinds_fixture")))

    page = gmail.changes(added.session, "me", "12340", "")
    assert page == MailChanges((MailRef("18d1234abcd", "18d1234abcd"),), (), "token123", "")
    every = gmail.changes(kinds.session, "me", "9", "token123")
    assert every.changed == (MailRef("m2", "t2"), MailRef("m4", "t4", is_relabelled=True), MailRef("m5", "t5"))
    assert every.vanished == ("m3",)
    query = added.query()
    assert query["startHistoryId"] == ["12340"]
    assert query["historyTypes"] == ["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]
    assert kinds.query()["pageToken"] == ["token123"]


def test_history_without_its_key_is_empty_and_the_cursor_moves_on_the_last_page_only() -> None:
    http = Canned((200, {"historyId": "1710", "nextPageToken": "p2"}), (200, body("gmail_history_empty")))

    assert gmail.changes(http.session, "me", "1", "") == MailChanges((), (), "p2", "")
    assert gmail.changes(http.session, "me", "1", "p2") == MailChanges((), (), "", "1710")


@pytest.mark.parametrize("answer", [{}, {"historyId": None}, {"historyId": "x"}, {"history": [], "historyId": ""}])
def test_without_a_new_cursor_nothing_is_believed(answer: Json) -> None:
    with pytest.raises(Temporary):
        gmail.changes(Canned((200, answer)).session, "me", "1", "")


@pytest.mark.parametrize("name", ["404_history_too_old", "400_startHistoryId"])
def test_a_cursor_that_google_does_not_know_is_expired(name: str) -> None:
    with pytest.raises(CursorExpired):
        gmail.changes(Canned((int(name[:3]), body(f"gmail_error_{name}"))).session, "me", "1", "")


def test_the_last_word_on_a_message_counts_and_it_is_named_once() -> None:
    found = happened(
        record("messagesAdded", "a"),
        record("messagesAdded", "a"),
        record("messagesAdded", "b"),
        record("messagesDeleted", "b"),
        record("labelsAdded", "c", ["TRASH"]),
        record("labelsRemoved", "c", ["TRASH"]),
        record("labelsAdded", "a", ["IMPORTANT"]),
    )

    assert found == MailChanges((MailRef("a", "t"), MailRef("c", "t")), ("b",))


@pytest.mark.parametrize("label", ["DRAFT", "CHAT", "SPAM", "TRASH"])
def test_what_is_never_taken_is_not_even_read(label: str) -> None:
    assert happened(record("messagesAdded", "a", now=[label, "INBOX"])) == MailChanges(())
    assert happened(record("labelsAdded", "a", [label])) == MailChanges((), ("a",))
    assert happened(record("labelsRemoved", "a", [label])) == MailChanges((MailRef("a", "t"),))
    assert happened(record("labelsRemoved", "a", ["INBOX"], now=[label])) == MailChanges(())


def test_labels_that_do_not_matter_are_nothing_and_others_say_that_they_are_only_labels() -> None:
    for label in ("UNREAD", "STARRED", "CATEGORY_UPDATES", "Label_7"):
        assert happened(record("labelsAdded", "a", [label]), record("labelsRemoved", "b", [label])) == MailChanges(())
    for label in ("INBOX", "IMPORTANT", "SENT"):
        assert happened(record("labelsRemoved", "a", [label])).changed == (MailRef("a", "t", is_relabelled=True),)


@given(records=ANY_JSON)
@hypothesis_settings(deadline=None)
def test_no_history_causes_a_fault(records: Any) -> None:
    changed, vanished = history.happened(records)

    assert {ref.external_id for ref in changed}.isdisjoint(vanished)
