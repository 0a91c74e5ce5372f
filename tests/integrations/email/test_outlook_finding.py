"""Finding mail in Outlook: lists and changes are followed folder by folder, and nothing keeps them going for ever."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from integrations import providers
from integrations.contract import MailChanges, MailQuery, MailRef
from integrations.errors import CursorExpired, IntegrationError, RateLimited, Temporary, TokenRefused
from tests.integrations.email.canned import Canned, Json
from tests.integrations.email.canned_graph import asked, batch, body, headed, who
from tests.integrations.email.test_outlook_reading import ANY_JSON

outlook = providers.mail_adapter("microsoft")
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
ROOT = "https://graph.microsoft.com/v1.0/me/mailFolders"
CURSOR = json.dumps({name: f"{ROOT}/{name}/messages/delta?$deltatoken=0" for name in ("inbox", "sentitems")})
LENA = who("lena@alder.example", "Lena Alder")


def page(*items: Json, next_page: str = "", link: str = "d") -> tuple[int, Json]:
    """A page of changes that goes on, or is the last."""
    name, token = ("nextLink", f"$skiptoken={next_page}") if next_page else ("deltaLink", f"$deltatoken={link}")
    return 200, {"value": list(items), f"@odata.{name}": f"{ROOT}/x/messages/delta?{token}"}


def removed(external_id: str) -> Json:
    return {"id": external_id, "@removed": {"reason": "deleted"}}


def links(canned: Canned, number: int) -> list[str]:
    """What the links that a batch followed end with."""
    return [str(item["url"]).partition("token=")[2] for item in asked(canned, number)]


def followed(canned: Canned, cursor: str = CURSOR) -> MailChanges:
    """All of a round."""
    token, changed = "", list[MailRef]()
    while True:
        found = outlook.changes(canned.session, "me", cursor, token)
        changed += found.changed
        token = found.next_page
        if not token:
            return MailChanges(tuple(changed), found.vanished, "", found.next_cursor)


# Changes


def test_documented_pages_are_followed() -> None:
    first, last = body("messages_delta_page1_nextlink"), body("messages_delta_page3_deltalink")
    canned = Canned(batch((200, first), page()), batch((200, last)))
    found = followed(canned)

    assert [ref.external_id for ref in found.changed] == [
        "AAMkADNkNAAASq35xAAA=",
        "AQMkADNkNAAAVRMKAAAAA==",
        "AAMkADk0MGFkODE3LWEAAA=",
    ]
    assert json.loads(found.next_cursor)["inbox"] == last["@odata.deltaLink"]
    again = Canned(batch((200, body("messages_delta_next_round_removed")), page()))
    refs = outlook.changes(again.session, "me", found.next_cursor, "").changed
    assert {ref.external_id: ref.is_relabelled for ref in refs} == {
        "AAMkADk0MGFkODE3LWE4MmYtNDRhOS0Dh_6qB-pB2Sa2pUum19a6YAAKnLuxoAAA=": True,
        "AAMkADNkNAAASq35xAAA=": False,
    }


def test_all_folders_are_asked_by_one_request_until_each_is_at_its_end() -> None:
    canned = Canned(
        batch(page(headed("1"), next_page="a1"), page(headed("2"), link="b")),
        batch(page(headed("3"), next_page="a2")),
        batch(page(headed("4"), link="a")),
    )
    found = followed(canned)

    assert [links(canned, number) for number in range(3)] == [["0", "0"], ["a1"], ["a2"]]
    assert all("odata.maxpagesize=500" in item["headers"]["Prefer"] for item in asked(canned))
    assert [ref.external_id for ref in found.changed] == ["1", "2", "3", "4"]
    assert {name: link.partition("token=")[2] for name, link in json.loads(found.next_cursor).items()} == {
        "inbox": "a",
        "sentitems": "b",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_what_moved_is_new_where_it_came_to(order: int) -> None:
    pages = [page(removed("1"), removed("2")), page(headed("1"))]
    found = followed(Canned(batch(*pages[::order])))
    assert {ref.external_id: ref.is_relabelled for ref in found.changed} == {"1": False, "2": True}


def test_drafts_and_what_has_no_id_are_nothing() -> None:
    odd: list[Any] = [headed("1", isDraft=True), {"id": 7}, {}, {"id": "a b"}, None, "x"]
    assert followed(Canned(batch(page(*odd), page()))).changed == ()


def test_an_empty_first_page_is_not_the_end() -> None:
    canned = Canned(batch(page(next_page="a"), page()), batch(page(headed("1"))))
    assert [ref.external_id for ref in followed(canned).changed] == ["1"]


@pytest.mark.parametrize("repeated", [[], [headed("1")]])
def test_a_round_that_does_not_end_is_given_up(repeated: list[Json]) -> None:
    canned = Canned(batch(page(), page()), *(batch(page(*repeated, next_page=str(n))) for n in range(100)))
    canned.answers[0] = batch(page(*repeated, next_page="0"), page())
    with pytest.raises(Temporary, match="does not end"):
        followed(canned)
    assert len(canned.asked) < 30


def test_an_archive_that_is_not_there_is_left_out_of_the_cursor() -> None:
    canned = Canned(batch(page(link="a"), page(link="b"), (404, body("error_404_item_not_found"))))
    assert list(json.loads(outlook.cursor(canned.session, "me"))) == ["inbox", "sentitems"]
    lost = Canned(batch((404, body("error_404_item_not_found")), page(), page()))
    with pytest.raises(IntegrationError):
        outlook.cursor(lost.session, "me")


def test_a_cursor_begins_where_the_past_that_is_read_does() -> None:
    canned = Canned(batch(page(headed("1"), next_page="1"), page(), page()), batch(page(headed("2"))))
    outlook.cursor(canned.session, "me")
    query = parse_qs(urlsplit(asked(canned, 0)[0]["url"]).query)
    (since,) = query["$filter"]

    assert set(query) == {"$filter", "$select"}
    assert since.startswith("receivedDateTime ge ")
    begins_at = datetime.fromisoformat(since.rpartition(" ")[2])
    assert abs(datetime.now(UTC) - timedelta(days=90) - begins_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((410, body("error_410_sync_state_not_found")), CursorExpired),
        ((400, body("error_400_invalid_delta_token")), CursorExpired),
        ((400, {"error": {"code": "BadRequest"}}), CursorExpired),
        ((404, body("error_404_item_not_found")), CursorExpired),
        ((401, body("error_401_token_expired")), TokenRefused),
        ((429, body("error_429_mailbox_concurrency")), RateLimited),
        ((504, body("error_504_unknown")), Temporary),
        ((200, {"value": []}), Temporary),
        ((200, {"value": {}, "@odata.deltaLink": f"{ROOT}/x"}), Temporary),
        ((200, "no object"), Temporary),
    ],
)
def test_errors_of_a_round(answer: tuple[int, Any], error: type[IntegrationError]) -> None:
    with pytest.raises(error):
        followed(Canned(batch(page(), answer)))


@pytest.mark.parametrize("cursor", ["", "7", "x", "[]", '{"inbox": 7}', '{"inbox": "https://evil.example/delta"}'])
def test_an_odd_cursor_leads_nowhere(cursor: str) -> None:
    canned = Canned()
    with pytest.raises(CursorExpired):
        outlook.changes(canned.session, "me", cursor, "")
    with pytest.raises(CursorExpired):
        outlook.changes(canned.session, "me", CURSOR, cursor or "{}")
    assert canned.asked == []


# Lists


def query(**more: Any) -> MailQuery:
    return MailQuery(SINCE, **{"addresses": ("eve@elm.example", "ida@gmail.com"), "domains": ("alder.example",)} | more)


def test_folders_are_listed_one_after_the_other() -> None:
    further = f"{ROOT}/inbox/messages?$skip=500&x=a%2Bb'c'"
    answers: list[tuple[int, Json]] = [
        (200, {"value": [headed("1") | {"from": LENA}], "@odata.nextLink": further}),
        (200, {"value": []}),
        (200, {"value": [headed("2", toRecipients=[who("EVE@elm.example")])]}),
        (404, body("error_404_item_not_found")),
    ]
    canned = Canned(*answers)
    found, token = [], ""
    for _ in answers:
        listing = outlook.listing(canned.session, "me", query(page=token))
        found += [ref.external_id for ref in listing.found]
        token = listing.next_page
    assert (found, token) == (["1", "2"], "")

    urls = [str(request.url) for request in canned.asked]
    assert urls[1] == further
    assert [urlsplit(url).path.split("/")[-2] for url in urls] == ["inbox", "inbox", "sentitems", "archive"]
    asked_for = canned.query(0)
    assert asked_for["$filter"] == ["receivedDateTime ge 2026-08-01T00:00:00Z"]
    assert asked_for["$orderby"] == ["receivedDateTime desc"]
    assert asked_for["$top"] == ["500"]
    assert "subject" not in asked_for["$select"][0]


def test_a_list_goes_on_by_time_so_that_what_is_deleted_meanwhile_shifts_nothing() -> None:
    further = f"{ROOT}/inbox/messages?$skip=2"
    times = ["2026-10-05T10:00:09Z", "2026-10-05T10:00:07Z"]
    canned = Canned(
        (200, {"value": [headed("1", receivedDateTime=one) for one in times], "@odata.nextLink": further}),
        (200, {"value": [headed("2", receivedDateTime=times[1])] * 2, "@odata.nextLink": further}),
        (200, {"value": [], "@odata.nextLink": further}),
    )
    token = outlook.listing(canned.session, "me", query()).next_page
    token = outlook.listing(canned.session, "me", query(page=token)).next_page
    assert canned.query(1)["$filter"] == [
        "receivedDateTime ge 2026-08-01T00:00:00Z and receivedDateTime lt 2026-10-05T10:00:08Z"
    ]
    # All came within one second: there only Graph's own link leads on.
    assert json.loads(token) == ["inbox", further]


@pytest.mark.parametrize(
    ("item", "is_found"),
    [
        ({"from": LENA}, True),
        ({"ccRecipients": [who("x@x.example"), who("Eve@Elm.example")]}, True),
        ({"toRecipients": [who("new@desk.alder.example")]}, True),
        ({"sender": LENA}, True),
        ({"from": who("i.da+news@googlemail.com")}, True),
        ({"from": LENA, "isDraft": True}, False),
        ({"from": who("x@notalder.example")}, False),
        ({"from": who("x@x.example", "lena@alder.example")}, False),
        ({"from": LENA, "id": None}, False),
        ({"from": "lena@alder.example"}, False),
        ({}, False),
    ],
)
def test_what_is_with_the_people_asked_for_is_found(item: Json, is_found: bool) -> None:
    canned = Canned((200, {"value": [headed("1") | item]}))
    assert bool(outlook.listing(canned.session, "me", query()).found) is is_found


def test_the_documented_list_is_read() -> None:
    canned = Canned((200, body("messages_list_select")))
    (ref,) = outlook.listing(canned.session, "me", query(addresses=("noreply@example.com",))).found
    assert ref.external_id == "AAMkAGUAAAwTW09AAA="


def test_a_missing_inbox_is_trouble_and_no_empty_list() -> None:
    with pytest.raises(Temporary):
        outlook.listing(Canned((404, body("error_404_item_not_found"))).session, "me", query())


def test_a_list_that_leads_to_itself_is_given_up() -> None:
    further = f"{ROOT}/inbox/messages?$skip=500"
    canned = Canned((200, {"value": [], "@odata.nextLink": further}))
    with pytest.raises(Temporary):
        outlook.listing(canned.session, "me", query(page=json.dumps(["inbox", further])))


def test_one_question_is_asked_for_all() -> None:
    people = ["ida@gmail.com", "lena@alder.example", "eve@elm.example", "eve@elm.example"]
    assert outlook.queries([], people, ["alder.example"], SINCE) == (query(),)
    assert outlook.queries([], [], [], SINCE) == ()


@given(answer=ANY_JSON)
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_answer_causes_a_fault(answer: Any) -> None:
    calls: list[Callable[[Canned], object]] = [
        lambda canned: outlook.listing(canned.session, "me", query()),
        lambda canned: outlook.changes(canned.session, "me", CURSOR, ""),
    ]
    for content in (answer, {"value": answer}, {"value": [answer]}, {"responses": [{"id": "1", "body": answer}]}):
        for call in calls:
            try:
                call(Canned((200, content)))
            except (Temporary, CursorExpired):
                continue
