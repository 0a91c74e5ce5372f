"""Folders and messages of the pretend Outlook: what they hold, who may see it, and how lists are read."""

from base64 import b64decode
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.office import Office
from tests.sandbox.outlook import ANNA, BEN, GINA, IMMUTABLE, mailbox, move, put, put_all, read, subjects
from tests.sandbox.person import Json, Scene


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna's mailbox."""
    return mailbox(scene)


def test_a_new_mailbox_has_the_well_known_folders(anna: Graph) -> None:
    listed = read(anna, "/me/mailFolders")["value"]
    assert [one["displayName"] for one in listed][:4] == ["Inbox", "Drafts", "Sent Items", "Deleted Items"]
    assert all(read(anna, f"/me/mailFolders/{one['id']}").items() >= one.items() for one in listed)
    page = read(anna, "/me/mailFolders?$top=3&%24select=displayName")
    assert page["value"][0].keys() == {"id", "displayName"}
    assert read(anna, page["@odata.nextLink"])["value"][0]["displayName"] == "Deleted Items"


@pytest.mark.parametrize(
    "path",
    ["/me/mailFolders/inbox", "/me/mailFolders('inbox')", "/me/mailfolders('Inbox')", "/Me/MAILFOLDERS/INBOX", "by id"],
)
def test_a_folder_has_many_names(anna: Graph, path: str) -> None:
    put(anna, subject="Terms")
    inbox = read(anna, "/me/mailFolders/inbox")
    meant = f"/me/mailFolders('{inbox['id']}')" if path == "by id" else path
    assert read(anna, meant)["id"] == inbox["id"]
    assert subjects(read(anna, f"{meant}/messages")["value"]) == ["Terms"]
    assert subjects(read(anna, f"{meant}/messages/delta()")["value"]) == ["Terms"]
    assert (inbox["totalItemCount"], inbox["unreadItemCount"]) == (1, 1)


def test_folders_of_ones_own_and_in_other_languages(anna: Graph) -> None:
    scene = anna.scene
    scene.post("microsoft/folders/rename", account=ANNA, folder="inbox", name="Posteingang")
    deals = scene.post("microsoft/folders", account=ANNA, name="Deals", parent="inbox")["id"]
    scene.post("microsoft/folders", account=ANNA, name="TeamsMessagesData", hidden=True)
    inbox = read(anna, "/me/mailFolders/inbox")
    assert (inbox["displayName"], inbox["childFolderCount"]) == ("Posteingang", 1)
    assert [one["id"] for one in read(anna, "/me/mailFolders/inbox/childFolders")["value"]] == [deals]
    names = {one["displayName"] for one in read(anna, "/me/mailFolders?$top=100")["value"]}
    every = read(anna, "/me/mailFolders?$top=100&includeHiddenFolders=true")["value"]
    assert {one["displayName"] for one in every} - names == {"TeamsMessagesData"}
    scene.post("microsoft/folders/delete", account=ANNA, folder="archive")
    assert refusal(anna.get("/me/mailFolders/archive/messages")) == (404, "ErrorItemNotFound")


def test_the_folder_tree_has_a_delta_of_its_own(anna: Graph) -> None:
    page = read(anna, "/me/mailFolders/delta", "odata.maxpagesize=5")
    rest = read(anna, page["@odata.nextLink"])
    assert len(page["value"] + rest["value"]) == 8
    made = anna.scene.post("microsoft/folders", account=ANNA, name="Deals", parent="inbox")["id"]
    second = read(anna, rest["@odata.deltaLink"])
    assert [(one["id"], one["displayName"]) for one in second["value"]] == [(made, "Deals")]
    anna.scene.post("microsoft/folders/delete", account=ANNA, folder=made)
    third = read(anna, second["@odata.deltaLink"])
    assert third["value"] == [{"id": made, "@removed": {"reason": "deleted"}}]
    assert read(anna, third["@odata.deltaLink"])["value"] == []


def test_a_basic_permission_hides_the_text(anna: Graph) -> None:
    message_id = put(anna, subject="Terms", body="The text.", cc=BEN, attachments=["terms.pdf"])
    basic = read(anna, f"/me/messages/{message_id}")
    assert not {"body", "bodyPreview", "uniqueBody", "attachments", "internetMessageHeaders"} & basic.keys()
    assert basic["hasAttachments"] is True
    assert basic["from"] == {"emailAddress": {"name": "Gina Grant", "address": "gina@pension.example"}}
    assert basic["ccRecipients"][0]["emailAddress"]["address"] == BEN
    assert "bodyPreview" not in read(anna, f"/me/messages/{message_id}?$select=subject,bodyPreview")


def test_a_full_permission_shows_the_text_as_preferred(scene: Scene) -> None:
    anna = mailbox(scene, "Mail.Read")
    made = put(anna, html="<p>Fish &amp; <b>chips</b></p>"), put(anna, body="5 > 4")
    rich, bare = (read(anna, f"/me/messages/{one}?$select=body,bodyPreview,uniqueBody") for one in made)
    assert rich["body"] == rich["uniqueBody"] == {"contentType": "html", "content": "<p>Fish &amp; <b>chips</b></p>"}
    assert bare["body"]["content"] == "<html><body>5 &gt; 4</body></html>"
    assert (rich["bodyPreview"], bare["bodyPreview"]) == ("Fish & chips", "5 > 4")
    answer = anna.get(f"/me/messages/{made[0]}", headers={"Prefer": 'outlook.body-content-type="text"'})
    assert answer.json()["body"] == {"contentType": "text", "content": "Fish & chips"}
    assert answer.headers["Preference-Applied"] == 'outlook.body-content-type="text"'


def test_other_permissions_do_not_do(anna: Graph) -> None:
    stranger = linked(anna.scene, ANNA, "User.Read")
    assert refusal(stranger.get("/me/messages")) == (403, "ErrorAccessDenied")
    assert refusal(stranger.get("/me/mailFolders/inbox/messages/delta")) == (403, "ErrorAccessDenied")
    ben = linked(anna.scene, BEN, "Mail.Read")
    assert refusal(ben.get(f"/me/messages/{put(anna)}")) == (404, "ErrorItemNotFound")


def test_headers_come_by_select_alone_and_not_for_what_one_sent(anna: Graph) -> None:
    order = {
        "subject": "Re: Terms",
        "in_reply_to": "one@pension.example",
        "headers": {"Auto-Submitted": "auto-replied"},
    }
    received = put(anna, **order)
    sent = anna.scene.post("microsoft/messages/send", account=ANNA, to=GINA, **order)["ids"][0]
    shown = read(anna, f"/me/messages/{received}?$select=internetMessageHeaders")["internetMessageHeaders"]
    headers = {one["name"]: one["value"] for one in shown}
    assert headers["In-Reply-To"] == headers["References"] == "<one@pension.example>"
    assert headers["Auto-Submitted"] == "auto-replied"
    listed = read(anna, "/me/mailFolders/inbox/messages?$select=internetMessageHeaders")["value"]
    assert listed[0]["internetMessageHeaders"] == shown
    assert "internetMessageHeaders" not in read(anna, f"/me/messages/{sent}?$select=subject,internetMessageHeaders")


def test_select_gives_what_is_named_and_the_id(anna: Graph) -> None:
    put(anna, subject="Terms", message_id="one@pension.example", received_at="2027-03-01T10:00:00.7Z")
    for option in ("$select", "%24select"):
        [item] = read(anna, f"/me/messages?{option}=subject,internetMessageId,receivedDateTime")["value"]
        assert item.keys() == {"@odata.etag", "id", "subject", "internetMessageId", "receivedDateTime"}
        assert (item["internetMessageId"], item["receivedDateTime"]) == (
            "<one@pension.example>",
            "2027-03-01T10:00:00Z",
        )
    assert refusal(anna.get("/me/messages?$select=colour")) == (400, "RequestBroker--ParseUri")


def test_lists_are_newest_first_by_ten(anna: Graph) -> None:
    put_all(anna, *({"subject": str(day), "received_at": f"2027-03-{day:02d}T10:00:00Z"} for day in range(1, 24)))
    first = read(anna, "/me/mailFolders/inbox/messages")
    second = read(anna, first["@odata.nextLink"])
    third = read(anna, second["@odata.nextLink"])
    assert subjects(first["value"] + second["value"] + third["value"]) == [str(day) for day in range(23, 0, -1)]
    assert len(first["value"]) == 10
    assert "@odata.nextLink" not in third
    assert subjects(read(anna, "/me/messages?$top=2&$orderby=receivedDateTime asc")["value"]) == ["1", "2"]
    assert refusal(anna.get("/me/messages?$top=1001")) == (400, "BadRequest")


def test_the_mailbox_holds_what_was_thrown_away(anna: Graph) -> None:
    put_all(
        anna,
        {"subject": "Kept"},
        {"subject": "Thrown", "folder": "deleteditems"},
        {"subject": "Spam", "folder": "junkemail"},
    )
    assert sorted(subjects(read(anna, "/me/messages")["value"])) == ["Kept", "Spam", "Thrown"]
    assert subjects(read(anna, "/me/mailFolders/inbox/messages")["value"]) == ["Kept"]


def test_filters(anna: Graph) -> None:
    orders: list[Json] = [
        {"subject": "Old", "received_at": "2027-01-01T10:00:00Z", "message_id": "old@pension.example"},
        {"subject": "It's new", "received_at": "2027-03-01T10:00:00Z", "conversation": "new"},
        {"subject": "Other", "received_at": "2027-03-01T10:00:01Z", "from_": "Carl@Fund.example", "read": True},
    ]
    put_all(anna, *orders)

    def found(text: str, more: str = "") -> list[str]:
        return sorted(subjects(read(anna, f"/me/messages?$filter={text}{more}")["value"]))

    assert found("receivedDateTime gt 2027-03-01T10:00:00Z") == ["Other"]
    assert found("receivedDateTime ge 2027-03-01T11:00:00%2B01:00 and isRead eq false") == ["It's new"]
    assert found("internetMessageId eq '<OLD@pension.example>'") == ["Old"]
    assert found("subject eq 'it''s new'") == ["It's new"]
    assert found("from/emailAddress/address eq 'carl@fund.example'") == ["Other"]
    [item] = [one for one in read(anna, "/me/messages")["value"] if one["subject"] == "It's new"]
    assert found(f"conversationId eq '{item['conversationId']}'") == ["It's new"]
    by_time = "&$orderby=receivedDateTime desc"
    assert found("receivedDateTime ge 2027-02-01T00:00:00Z and isRead eq false", by_time) == ["It's new"]
    for wrong in ("isRead eq false", "isRead eq false and receivedDateTime ge 2027-02-01T00:00:00Z"):
        assert refusal(anna.get(f"/me/messages?$filter={wrong}{by_time}")) == (400, "InefficientFilter")
    assert refusal(anna.get("/me/messages?$filter=contains(subject,'x')")) == (400, "BadRequest")


def test_skip_counts_what_was_gone_through(anna: Graph) -> None:
    put_all(
        anna, *({"read": number % 3 == 0, "received_at": f"2027-03-01T10:{number:02d}:00Z"} for number in range(30))
    )
    page = read(anna, "/me/messages?$filter=isRead eq true&$top=5")
    assert page["@odata.nextLink"].endswith("skip=15")
    assert len(read(anna, page["@odata.nextLink"])["value"]) == 5


def test_a_moved_message_has_another_id_and_an_immutable_one(anna: Graph) -> None:
    immutable = put(anna, subject="Terms")
    normal = read(anna, f"/me/messages/{immutable}")["id"]
    assert normal.startswith("AAMk")
    assert immutable.startswith("AAkALgAA")
    answer = anna.get(f"/me/messages/{normal}", headers={"Prefer": IMMUTABLE})
    assert answer.json()["id"] == immutable
    assert 'IdType="ImmutableId"' in answer.headers["Preference-Applied"]
    move(anna, normal, "archive")
    assert refusal(anna.get(f"/me/messages/{normal}")) == (404, "ErrorItemNotFound")
    moved = read(anna, f"/me/messages/{immutable}?$select=id,parentFolderId")
    assert moved["id"] not in {normal, immutable}
    assert moved["parentFolderId"] == read(anna, "/me/mailFolders/archive")["id"]
    assert refusal(anna.get(f"/me/mailFolders/inbox/messages/{immutable}"))[0] == 404


def test_ids_differ_by_case_alone(anna: Graph) -> None:
    ids = put_all(anna, *({"subject": str(number)} for number in range(40)))
    lowered = {one.lower() for one in ids}
    assert len(lowered) < len(set(ids)) == 40
    swapped = ids[0].swapcase()
    assert refusal(anna.get(f"/me/messages/{swapped}"))[0] == 404


def test_answers_share_a_conversation_in_every_mailbox(anna: Graph) -> None:
    put(anna, subject="Terms", message_id="one@pension.example")
    put(anna, subject="Something else")
    order = {"to": [GINA, BEN], "bcc": "x@y.example", "subject": "Re: Terms", "in_reply_to": "one@pension.example"}
    told = anna.scene.post("microsoft/messages/send", account=ANNA, **order)
    items = {one["subject"]: one for one in read(anna, "/me/messages")["value"]}
    opening, reply, other = items["Terms"], items["Re: Terms"], items["Something else"]
    assert opening["conversationId"] == reply["conversationId"] != other["conversationId"]
    assert b64decode(reply["conversationIndex"])[:-5] == b64decode(opening["conversationIndex"])
    assert len(b64decode(opening["conversationIndex"])) == 22
    copies = {one["account"]: one["id"] for one in told["copies"]}
    assert read(anna, f"/me/messages/{copies[ANNA]}")["id"] == reply["id"]
    received = read(linked(anna.scene, BEN, "Mail.Read"), f"/me/messages/{copies[BEN]}")
    assert (received["bccRecipients"], len(reply["bccRecipients"])) == ([], 1)
    assert received["internetMessageId"] == reply["internetMessageId"]
    assert received["conversationId"] != reply["conversationId"]
    assert (received["isRead"], reply["isRead"]) == (False, True)


def test_a_draft_that_goes_out_keeps_its_immutable_id(anna: Graph) -> None:
    draft = put(anna, from_=ANNA, to=BEN, subject="Soon", draft=True)
    before = read(anna, f"/me/messages/{draft}")
    assert before["isDraft"] is True
    assert before["isDeliveryReceiptRequested"] is None
    anna.scene.post("microsoft/messages/send", account=ANNA, id=draft)
    after = read(anna, f"/me/messages/{draft}")
    assert (after["isDraft"], after["id"] == before["id"]) == (False, False)
    assert after["parentFolderId"] == read(anna, "/me/mailFolders/sentitems")["id"]
    assert subjects(read(linked(anna.scene, BEN, "Mail.Read"), "/me/messages")["value"]) == ["Soon"]


def test_odd_mail_is_shown_as_it_is(anna: Graph) -> None:
    delegated = put(anna, from_=GINA, sender="Ann Other <ann@pension.example>", reply_to="desk@pension.example")
    nobody = put(anna, **{"from_": None, "sent_at": None, "message_id": None, "to": [["Anna", ""]]})
    shown = read(anna, f"/me/messages/{delegated}")
    assert shown["sender"]["emailAddress"]["address"] == "ann@pension.example"
    assert shown["replyTo"][0]["emailAddress"]["address"] == "desk@pension.example"
    odd = read(anna, f"/me/messages/{nobody}")
    assert (odd["from"], odd["internetMessageId"], odd["sentDateTime"]) == (None, None, "0001-01-01T00:00:00Z")
    assert odd["toRecipients"] == [{"emailAddress": {"name": "Anna"}}]


def test_mails_about_meetings_say_their_type(anna: Graph) -> None:
    invitation = put(anna, subject="Call", meeting="request")
    shown = read(anna, f"/me/messages/{invitation}")
    assert shown["@odata.type"] == "#microsoft.graph.eventMessageRequest"
    assert shown["meetingMessageType"] == "meetingRequest"
    assert "@odata.type" not in read(anna, f"/me/messages/{put(anna)}")
    assert read(anna, f"/me/messages/{put(anna, meeting='accepted')}")["@odata.type"].endswith("eventMessageResponse")


def test_bulk_mail_is_the_same_each_time(anna: Graph) -> None:
    order = {"known": ["gina@pension.example"], "share": 0.3, "until": "2027-03-01T10:00:00Z"}
    told = anna.scene.post("microsoft/messages/bulk", account=ANNA, count=200, **order)
    assert told == {"count": 200, "known": 60, "total": 200}
    inbox = read(anna, "/me/mailFolders/inbox/messages?$top=200")["value"]
    sent = read(anna, "/me/mailFolders/sentitems/messages?$top=200")["value"]
    known = [one for one in inbox if one["from"]["emailAddress"]["address"] == "gina@pension.example"]
    assert (len(inbox), len(known), len(sent)) == (170, 30, 30)
    assert {one["toRecipients"][0]["emailAddress"]["address"] for one in sent} == {"gina@pension.example"}
    assert len({one["internetMessageId"] for one in inbox + sent}) == 200


def test_mail_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
        graph = linked(scene, ANNA, "Mail.ReadBasic")
        message_id = put(graph, subject="Terms", cc=BEN)
        move(graph, put(graph, subject="Moved"), "archive")
        scene.post("microsoft/messages/bulk", account=ANNA, count=30, known=[GINA])
        before = read(graph, "/me/messages?$top=100")["value"]
        link = read(graph, "/me/mailFolders/inbox/messages/delta", "odata.maxpagesize=100")["@odata.deltaLink"]
        scene.http.close()
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        graph = Graph(Office(scene), graph.token)
        assert read(graph, "/me/messages?$top=100")["value"] == before
        scene.post("microsoft/messages/delete", account=ANNA, id=message_id)
        assert ["@removed" in one for one in read(graph, link)["value"]] == [True]
        assert "Outlook mailboxes" in scene.http.get(scene.url, timeout=20).text
        scene.http.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {"account": "nobody@contoso.example"}),
        ("messages", {"account": ANNA, "colour": "red"}),
        ("messages", {"account": ANNA, "folder": "attic"}),
        ("messages", {"account": ANNA, "meeting": "party"}),
        ("messages/move", {"account": ANNA, "id": "none", "folder": "inbox"}),
        ("messages/bulk", {"account": ANNA, "count": 1, "share": 2}),
        ("messages/quirk", {"account": ANNA, "kind": "tired"}),
    ],
)
def test_orders_that_make_no_sense_are_refused(anna: Graph, path: str, body: Json) -> None:
    answer = anna.scene.http.post(f"{anna.scene.url}/control/microsoft/{path}", json=body, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_one_of_every_oddity(anna: Graph) -> None:
    ids = anna.scene.post("microsoft/messages/junk", account=ANNA, known="gina@pension.example")["ids"]
    listed = {one["subject"]: one for one in read(anna, "/me/messages?$top=100")["value"]}
    assert len(ids) == anna.scene.get(f"microsoft/messages?account={ANNA}")["total"] == 37
    legacy = listed["From a directory entry"]["from"]["emailAddress"]
    assert (legacy["name"], legacy["address"][:3]) == ("Carl Cole", "/O=")
    assert listed["To a list of one's own"]["toRecipients"] == [{"emailAddress": {"name": "Investor relations"}}]
    assert (listed["To nobody in particular"]["toRecipients"], listed["Blind copy"]["bccRecipients"]) == ([], [])
    assert listed["From nobody"]["from"] is None
    shown = read(anna, f"/me/messages/{ids['newsletter']}?$select=internetMessageHeaders")["internetMessageHeaders"]
    assert {"List-Id", "List-Unsubscribe"} <= {one["name"] for one in shown}
    folders = {one["id"]: one["displayName"] for one in read(anna, "/me/mailFolders")["value"]}
    places = {
        name: folders[read(anna, f"/me/messages/{ids[name]}")["parentFolderId"]] for name in ("draft", "spam", "chat")
    }
    assert places == {"draft": "Drafts", "spam": "Junk Email", "chat": "Conversation History"}
