"""Gmail's reading calls, through Google's own client: every answer is held against the discovery document."""

from base64 import urlsafe_b64decode
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import MAIL_METADATA, READ, READ_MAIL, Json, Scene

GINA = "Gina Grant <gina@pension.example>"


def reason(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str, str]:
    """Status, reason and message of a refusal."""
    found = error.value.error_details
    return error.value.status_code, found[0]["reason"] if isinstance(found, list) else "", error.value.reason


def all_ids(gmail: Any, **parameters: Any) -> list[str]:
    """Every id of messages.list, page by page."""
    ids: list[str] = []
    while True:
        page = gmail.users().messages().list(userId="me", **parameters).execute()
        ids += [one["id"] for one in page.get("messages", [])]
        if "nextPageToken" not in page:
            return ids
        parameters["pageToken"] = page["nextPageToken"]


def get(gmail: Any, message_id: str, **parameters: Any) -> Json:
    found: Json = gmail.users().messages().get(userId="me", id=message_id, **parameters).execute()
    return found


def headers(message: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in message["payload"].get("headers", [])}


def test_an_empty_mailbox_has_no_keys_for_what_is_not_there(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    profile = gmail.users().getProfile(userId="me").execute()
    assert profile["emailAddress"] == ALICE
    assert gmail.users().messages().list(userId="me").execute() == {"resultSizeEstimate": 0}
    assert gmail.users().threads().list(userId=ALICE).execute() == {"resultSizeEstimate": 0}
    history = gmail.users().history().list(userId="me", startHistoryId=profile["historyId"]).execute()
    assert history == {"historyId": profile["historyId"]}


def test_a_mail_in_every_format(scene: Scene) -> None:
    order = {"from": GINA, "subject": "Größe", "body": "Text <here>", "headers": {"X-Odd": "1"}, "labels": []}
    [message_id] = scene.mail(ALICE, {**order, "date": "2027-03-01T10:00:00Z"})
    gmail = scene.gmail(ALICE)
    minimal = get(gmail, message_id, format="minimal")
    assert (minimal["internalDate"], minimal["snippet"]) == ("1803895200000", "Text &lt;here&gt;")
    assert "labelIds" not in minimal
    assert "payload" not in minimal
    full = get(gmail, message_id)
    assert headers(full)["From"] == GINA
    assert headers(full)["Subject"] == "=?utf-8?b?R3LDtsOfZQ==?="
    assert urlsafe_b64decode(full["payload"]["body"]["data"]) == b"Text <here>\r\n"
    raw = urlsafe_b64decode(get(gmail, message_id, format="raw")["raw"])
    assert raw.startswith(b"Delivered-To: alice@acme.example\r\n")
    wanted = get(gmail, message_id, format="metadata", metadataHeaders=["from", "X-ODD"])
    assert headers(wanted) == {"From": GINA, "X-Odd": "1"}
    assert get(gmail, message_id, format="metadata", metadataHeaders=["Nothing"])["payload"] == {
        "mimeType": "text/plain"
    }
    assert get(gmail, message_id, fields="id,payload/headers", format="metadata").keys() == {"id", "payload"}


def test_a_mail_between_colleagues_stands_in_both_boxes(scene: Scene) -> None:
    answer = scene.post(
        "google/mail", account=ALICE, messages=[{"to": BOB, "bcc": "carl@fund.example", "subject": "Hello"}]
    )
    copies = answer["copies"][0]
    assert copies[ALICE] != copies[BOB]
    sent, received = get(scene.gmail(ALICE), copies[ALICE]), get(scene.gmail(BOB), copies[BOB])
    assert (sent["labelIds"], received["labelIds"]) == (["SENT"], ["CATEGORY_PERSONAL", "INBOX", "UNREAD"])
    assert headers(sent)["Message-ID"] == headers(received)["Message-ID"]
    assert headers(sent)["Bcc"] == "carl@fund.example"
    assert "Bcc" not in headers(received)


def test_a_mail_to_oneself_is_one_with_both_labels(scene: Scene) -> None:
    [message_id] = scene.mail(ALICE, {"to": ALICE})
    assert {"SENT", "INBOX"} <= set(get(scene.gmail(ALICE), message_id)["labelIds"])


def test_answers_join_the_thread_of_what_they_answer(scene: Scene) -> None:
    scene.mail(ALICE, {"from": GINA, "subject": "Terms", "message_id": "one@pension.example"})
    scene.mail(ALICE, {"to": GINA, "subject": "Re: Terms", "in_reply_to": "one@pension.example"})
    scene.mail(ALICE, {"from": GINA, "subject": "Something else", "in_reply_to": "one@pension.example"})
    gmail = scene.gmail(ALICE)
    threads = gmail.users().threads().list(userId="me").execute()["threads"]
    assert len(threads) == 2
    found = [gmail.users().threads().get(userId="me", id=one["id"], format="metadata").execute() for one in threads]
    assert sorted(len(one["messages"]) for one in found) == [1, 2]


def test_lists_are_newest_first_and_paged(scene: Scene) -> None:
    orders = [{"from": GINA, "date": f"2027-03-{day:02d}T10:00:00Z"} for day in (3, 1, 5, 2, 4)]
    ids = scene.mail(ALICE, *orders)
    gmail = scene.gmail(ALICE)
    page = gmail.users().messages().list(userId="me", maxResults=2).execute()
    [late] = scene.mail(ALICE, {"from": GINA, "date": "2027-03-06T10:00:00Z"})
    rest = all_ids(gmail, maxResults=2, pageToken=page["nextPageToken"])
    assert [one["id"] for one in page["messages"]] + rest == [ids[place] for place in (2, 4, 0, 3, 1)]
    assert all_ids(gmail)[0] == late
    with pytest.raises(HttpError) as error:
        gmail.users().messages().list(userId="me", q="x", pageToken=page["nextPageToken"]).execute()
    assert reason(error) == (400, "invalidArgument", "Invalid pageToken")


def test_labels_are_joined_by_and_and_spam_is_hidden(scene: Scene) -> None:
    inbox, spam, trash = scene.mail(
        ALICE, {"from": GINA}, {"from": GINA, "labels": ["SPAM"]}, {"from": GINA, "labels": ["TRASH", "UNREAD"]}
    )
    gmail = scene.gmail(ALICE)
    assert all_ids(gmail) == [inbox]
    assert set(all_ids(gmail, includeSpamTrash=True)) == {inbox, spam, trash}
    assert all_ids(gmail, labelIds=["TRASH"]) == [trash]
    assert all_ids(gmail, labelIds=["INBOX", "UNREAD"]) == [inbox]
    assert all_ids(gmail, labelIds=["INBOX", "SENT"]) == []
    labels = {one["id"] for one in gmail.users().labels().list(userId="me").execute()["labels"]}
    assert {"INBOX", "SENT", "SPAM", "TRASH", "CHAT", "DRAFT"} <= labels
    assert gmail.users().labels().get(userId="me", id="UNREAD").execute()["messagesTotal"] == 2


def test_long_queries_are_tunnelled_and_paged(scene: Scene) -> None:
    ids = scene.mail(ALICE, *[{"from": f"p{number}@x.example"} for number in range(5)])
    query = "from:{" + " ".join(f"p{number}@x.example" for number in range(200)) + "}"
    gmail = scene.gmail(ALICE)
    listing = gmail.users().messages()
    request = listing.list(userId="me", q=query, maxResults=3)
    page = request.execute()
    rest = listing.list_next(request, page).execute()
    assert {one["id"] for one in page["messages"] + rest["messages"]} == set(ids)


def test_other_addresses(scene: Scene) -> None:
    scene.post("google/mail/aliases", account=ALICE, aliases=[{"email": "desk@acme.example", "name": "Desk"}])
    gmail = scene.gmail(ALICE)
    found = gmail.users().settings().sendAs().list(userId="me").execute()["sendAs"]
    assert [(one["sendAsEmail"], one.get("isPrimary")) for one in found] == [(ALICE, True), ("desk@acme.example", None)]
    [message_id] = scene.mail(ALICE, {"from": "desk@acme.example", "to": GINA})
    assert get(gmail, message_id)["labelIds"] == ["SENT"]


def test_the_metadata_scope_sees_less_whatever_else_is_granted(scene: Scene) -> None:
    [message_id] = scene.mail(ALICE, {"from": GINA})
    for scopes in ((MAIL_METADATA,), (MAIL_METADATA, READ_MAIL)):
        gmail = scene.gmail(ALICE, *scopes)
        assert get(gmail, message_id, format="metadata")["id"] == message_id
        with pytest.raises(HttpError) as error:
            gmail.users().messages().list(userId="me", q="from:gina").execute()
        assert reason(error) == (403, "forbidden", "Metadata scope does not support 'q' parameter")
        with pytest.raises(HttpError) as error:
            get(gmail, message_id)
        assert reason(error) == (403, "forbidden", "Metadata scope doesn't allow format FULL")
        with pytest.raises(HttpError) as error:
            gmail.users().settings().sendAs().list(userId="me").execute()
        assert reason(error)[:2] == (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")


def test_a_calendar_token_reads_no_mail_and_a_dead_one_nothing(scene: Scene) -> None:
    token = scene.mail_token(ALICE, READ)
    address = f"{scene.url}/google-gmail/gmail/v1/users/me/profile"
    answer = requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert answer.status_code == 403
    assert answer.json()["error"]["details"][0]["metadata"]["service"] == "gmail.googleapis.com"
    assert requests.get(address, headers={"Authorization": "Bearer x"}, timeout=5).status_code == 401
    assert requests.get(address, timeout=5).status_code == 401


def test_another_mailbox_and_unknown_ids(scene: Scene) -> None:
    gmail = scene.gmail(ALICE)
    with pytest.raises(HttpError) as error:
        gmail.users().messages().list(userId=BOB).execute()
    assert reason(error) == (403, "forbidden", f"Delegation denied for {ALICE}")
    with pytest.raises(HttpError) as error:
        get(gmail, "18d1234abcd00000")
    assert reason(error) == (404, "notFound", "Requested entity was not found.")
