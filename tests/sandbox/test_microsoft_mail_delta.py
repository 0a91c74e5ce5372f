"""What changed in a folder of the pretend Outlook, as delta tells it."""

from typing import Any

import pytest

from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.outlook import ANNA, BEN, IMMUTABLE, mailbox, move, put, put_all, read, subjects
from tests.sandbox.person import Json, Scene

INBOX = "/me/mailFolders/inbox/messages/delta"
ARCHIVE = "/me/mailFolders/archive/messages/delta"


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna's mailbox."""
    return mailbox(scene)


def whole(graph: Graph, path: str, prefer: str = IMMUTABLE) -> tuple[list[Json], str]:
    """All items of a round, and the link that begins the next."""
    items: list[Json] = []
    for _ in range(1_000):
        page = read(graph, path, prefer)
        items += page["value"]
        if "@odata.deltaLink" in page:
            assert "@odata.nextLink" not in page
            return items, page["@odata.deltaLink"]
        path = page["@odata.nextLink"]
    raise AssertionError("a round without an end")


def gone(items: list[Json]) -> list[str]:
    return [one["id"] for one in items if "@removed" in one]


def order(graph: Graph, path: str, **body: Any) -> None:
    graph.scene.post(f"microsoft/{path}", account=ANNA, **body)


def test_a_round_in_pages_and_then_what_changed(anna: Graph) -> None:
    ids = put_all(anna, *({"subject": str(number)} for number in range(25)))
    page = read(anna, f"{INBOX}?%24select=subject")
    assert (len(page["value"]), "$skiptoken=" in page["@odata.nextLink"]) == (10, True)
    assert page["value"][0].keys() == {"@odata.type", "@odata.etag", "id", "subject"}
    items, link = whole(anna, page["@odata.nextLink"])
    assert subjects(page["value"] + items) == [str(number) for number in range(25)]
    assert read(anna, page["@odata.nextLink"], IMMUTABLE)["value"] == items[:10]
    assert "$deltatoken=" in link
    assert whole(anna, link)[0] == []
    order(anna, "messages/mark", ids=ids[3:5])
    order(anna, "messages/delete", id=ids[7])
    put(anna, subject="New")
    items, link = whole(anna, link)
    assert subjects(items[:2]) == ["3", "4"]
    assert items[2] == {"@odata.type": "#microsoft.graph.message", "id": ids[7], "@removed": {"reason": "deleted"}}
    assert items[3].keys() == {"@odata.type", "@odata.etag", "id", "subject"}
    assert whole(anna, link)[0] == []


def test_what_comes_during_a_round_comes_in_the_next(anna: Graph) -> None:
    ids = put_all(anna, *({"subject": str(number)} for number in range(4)))
    page = read(anna, INBOX, f"{IMMUTABLE}, odata.maxpagesize=2")
    order(anna, "messages/mark", id=ids[3])
    put(anna, subject="New")
    items, link = whole(anna, page["@odata.nextLink"], f"odata.maxpagesize=2, {IMMUTABLE}")
    assert subjects(items) == ["2"]
    assert subjects(whole(anna, link)[0]) == ["3", "New"]


def test_the_answer_says_which_wishes_it_followed(anna: Graph) -> None:
    put(anna)
    answer = anna.get(INBOX, headers={"Prefer": f'outlook.timezone="UTC", odata.maxpagesize=1, {IMMUTABLE}'})
    said = answer.headers["Preference-Applied"]
    assert all(word in said for word in ("odata.track-changes", IMMUTABLE, 'outlook.timezone="UTC"'))
    assert answer.json()["value"][0]["id"].startswith("AAkALgAA")
    assert anna.get(INBOX).json()["value"][0]["id"].startswith("AAMk")


@pytest.mark.parametrize("prefer", [IMMUTABLE, ""])
def test_a_move_is_a_removal_here_and_an_arrival_there(anna: Graph, prefer: str) -> None:
    message_id = put(anna, subject="Terms")
    before, inbox = whole(anna, INBOX, prefer)
    _, archive = whole(anna, ARCHIVE, prefer)
    move(anna, message_id, "archive")
    assert gone(whole(anna, inbox, prefer)[0]) == [before[0]["id"]]
    [arrived] = whole(anna, archive, prefer)[0]
    assert (arrived["subject"], arrived["id"] == before[0]["id"]) == ("Terms", bool(prefer))
    still = anna.get(f"/me/messages/{before[0]['id']}?$select=id,parentFolderId")
    assert still.status_code == (200 if prefer else 404)
    order(anna, "messages/delete", id=message_id)
    assert refusal(anna.get(f"/me/messages/{message_id}")) == (404, "ErrorItemNotFound")


def test_there_and_back_is_gone_by_immutable_ids(anna: Graph) -> None:
    """https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/72"""
    message_id = put(anna, subject="Terms")
    _, link = whole(anna, INBOX)
    before, normal = whole(anna, INBOX, "")
    move(anna, message_id, "archive")
    move(anna, message_id, "inbox")
    items, link = whole(anna, link)
    assert gone(items) == [one["id"] for one in items] == [message_id]
    assert whole(anna, link)[0] == []
    items, _ = whole(anna, normal, "")
    assert gone(items) == [before[0]["id"]]
    assert subjects([one for one in items if "@removed" not in one]) == ["Terms"]


def test_a_link_goes_on_in_either_spelling(anna: Graph) -> None:
    immutable = put(anna)
    [first], link = whole(anna, INBOX, "")
    order(anna, "messages/mark", id=immutable)
    assert [one["id"] for one in whole(anna, link, "")[0]] == [first["id"]]
    assert [one["id"] for one in whole(anna, link)[0]] == [immutable]


def test_a_filter_holds_for_all_rounds_and_gives_5000_at_most(anna: Graph) -> None:
    until = "2027-03-01T10:00:00Z"
    order(anna, "messages/bulk", count=5_300, known=[], days=10, until=until)
    large = "odata.maxpagesize=800"
    path = f"{INBOX}?$select=receivedDateTime&$filter=receivedDateTime ge 2027-02-01T00:00:00Z"
    items, link = whole(anna, path, large)
    times = [one["receivedDateTime"] for one in items]
    assert times == sorted(times, reverse=True)
    assert len(items) == 5_000
    assert len(whole(anna, f"{INBOX}?$select=id", large)[0]) == 5_300
    put(anna, subject="Old", received_at="2027-01-01T10:00:00Z")
    new = put(anna, subject="New", received_at="2027-03-02T10:00:00Z")
    assert [one["id"] for one in whole(anna, link)[0]] == [new]


def test_newest_first_on_request(anna: Graph) -> None:
    put_all(anna, *({"subject": str(day), "received_at": f"2027-03-0{day}T10:00:00Z"} for day in (3, 1, 5, 2, 4)))
    path = f"{INBOX}?$orderby=receivedDateTime desc"
    assert subjects(whole(anna, path, "odata.maxpagesize=2")[0]) == ["5", "4", "3", "2", "1"]
    assert subjects(whole(anna, INBOX)[0]) == ["3", "1", "5", "2", "4"]


def test_one_kind_of_change_on_request(anna: Graph) -> None:
    ids = put_all(anna, {"subject": "One"}, {"subject": "Two"})
    links = {kind: whole(anna, f"{INBOX}?changeType={kind}")[1] for kind in ("created", "updated", "deleted")}
    put(anna, subject="New")
    order(anna, "messages/mark", id=ids[0])
    order(anna, "messages/delete", id=ids[1])
    told = {kind: [one.get("subject", "gone") for one in whole(anna, link)[0]] for kind, link in links.items()}
    assert told == {"created": ["New"], "updated": ["One"], "deleted": ["gone"]}


@pytest.mark.parametrize(
    "options",
    [
        "$filter=isRead eq false",
        "$filter=receivedDateTime le 2027-01-01T00:00:00Z",
        "$filter=receivedDateTime ge yesterday",
        "$orderby=receivedDateTime",
        "$orderby=subject desc",
        "$search=terms",
        "$top=5",
        "changeType=moved",
    ],
)
def test_options_that_delta_does_not_take(anna: Graph, options: str) -> None:
    assert refusal(anna.get(f"{INBOX}?{options}")) == (400, "BadRequest")


def test_links_run_out(anna: Graph) -> None:
    put(anna)
    _, link = whole(anna, INBOX)
    order(anna, "cursors/expire_mail")
    assert refusal(anna.get(link)) == (410, "SyncStateNotFound")
    assert len(whole(anna, INBOX)[0]) == 1
    assert refusal(anna.get(f"{INBOX}?$deltatoken=junk")) == (400, "InvalidDeltaToken")


def test_a_link_is_for_one_folder_of_one_account(anna: Graph) -> None:
    _, link = whole(anna, INBOX)
    token = link.partition("?")[2]
    assert refusal(anna.get(f"{ARCHIVE}?{token}")) == (400, "InvalidDeltaToken")
    ben = linked(anna.scene, BEN, "Mail.ReadBasic")
    assert refusal(ben.get(f"{INBOX}?{token}")) == (400, "InvalidDeltaToken")


def test_an_empty_first_page(anna: Graph) -> None:
    put(anna, subject="Terms")
    order(anna, "messages/quirk", kind="empty_first")
    page = read(anna, INBOX)
    assert page["value"] == []
    items, link = whole(anna, page["@odata.nextLink"])
    assert subjects(items) == ["Terms"]
    assert "@odata.nextLink" in read(anna, link)
    assert whole(anna, link)[0] == []


def test_repeated_items(anna: Graph) -> None:
    put_all(anna, *({"subject": str(number)} for number in range(5)))
    order(anna, "messages/quirk", kind="repeat")
    items, _ = whole(anna, INBOX, "odata.maxpagesize=2")
    assert subjects(items) == ["0", "1", "1", "2", "3", "3", "4"]


def test_a_round_without_an_end(anna: Graph) -> None:
    put(anna, subject="Terms")
    order(anna, "messages/quirk", kind="endless")
    first = read(anna, INBOX)
    second = read(anna, first["@odata.nextLink"])
    assert first["value"] == second["value"] != []
    assert "@odata.deltaLink" not in second
    order(anna, "messages/quirk")
    assert subjects(whole(anna, second["@odata.nextLink"])[0]) == ["Terms"]


def test_arrivals_by_move_that_are_never_told(anna: Graph) -> None:
    message_id = put(anna, subject="Terms")
    order(anna, "messages/quirk", kind="lost_moves")
    links = {folder: whole(anna, path)[1] for folder, path in (("inbox", INBOX), ("archive", ARCHIVE))}
    move(anna, message_id, "archive")
    assert gone(whole(anna, links["inbox"])[0]) == [message_id]
    assert whole(anna, links["archive"])[0] == []
    assert subjects(whole(anna, ARCHIVE)[0]) == ["Terms"]
    parent = read(anna, f"/me/messages/{message_id}?$select=parentFolderId")["parentFolderId"]
    assert parent == read(anna, "/me/mailFolders/archive")["id"]


def test_a_deleted_folder_has_no_delta(anna: Graph) -> None:
    made = anna.scene.post("microsoft/folders", account=ANNA, name="Deals")["id"]
    path = f"/me/mailFolders/{made}/messages/delta"
    put(anna, folder=made)
    items, link = whole(anna, path)
    assert len(items) == 1
    order(anna, "folders/delete", folder=made)
    assert refusal(anna.get(link)) == (404, "ErrorItemNotFound")
    assert refusal(anna.get(f"/me/messages/{items[0]['id']}"))[0] == 404


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("messages.delta", INBOX),
        ("messages.list", "/me/messages"),
        ("mailFolders.list", "/me/mailFolders"),
        ("mailFolders.delta", "/me/mailFolders/delta"),
    ],
)
def test_faults_by_the_names_of_calls(anna: Graph, operation: str, path: str) -> None:
    anna.scene.post("faults", operation=f"graph.{operation}", kind="error_503", retry_after=3)
    answer = anna.get(path)
    assert (refusal(answer), answer.headers["Retry-After"]) == ((503, "ServiceUnavailable"), "3")
    assert anna.get(path).ok
