"""The search language of ``q``."""

import pytest
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE
from tests.sandbox.person import Json, Scene
from tests.sandbox.test_mail_reading import all_ids

MAILS: dict[str, Json] = {
    "gina": {
        "from": "Gina Grant <gina@pension.example>",
        "subject": "Fund update",
        "date": "2027-03-01T10:00:00Z",
        "message_id": "a.b+c@pension.example",
        "cc": "carl@fund.example",
    },
    "sent": {"to": "gina@pension.example", "subject": "Re: terms", "date": "2027-03-02T10:00:00Z"},
    "sub": {"from": "Hal <hal@mail.pension.example>", "date": "2027-03-03T10:00:00Z", "attachments": ["deck.pdf"]},
    "list": {"from": "news@letters.example", "headers": {"List-Id": "<weekly.letters.example>"}, "body": "Buy now"},
    "chat": {"from": "gina@pension.example", "labels": ["CHAT"], "date": "2027-03-01T07:59:59Z"},
    "draft": {"to": "gina@pension.example", "labels": ["DRAFT"], "copies": False},
    "spam": {"from": "gina@pension.example", "labels": ["SPAM"], "date": "2027-03-01T10:00:00Z"},
    "encoded": {"from": "Jürgen Müller <jm@bank.example>", "date": "2027-03-04T10:00:00Z", "labels": ["Label_Deals"]},
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from:gina@pension.example", "gina chat"),
        ("from:GINA", "gina chat"),
        ("from:pension.example", "gina sub chat"),
        ("from:müller", "encoded"),
        ("to:gina@pension.example", "sent draft"),
        ("cc:carl@fund.example", "gina"),
        ("{from:hal@mail.pension.example cc:carl@fund.example}", "gina sub"),
        ("{from:gina@pension.example to:gina@pension.example} -in:chats -in:drafts", "gina sent"),
        ("from:(gina OR hal) after:1803801600", "gina sub chat"),
        ("from:{gina hal} after:1803895199", "gina sub"),
        ("from:{gina hal} before:1803895200", "chat"),
        ("from:gina after:1803895200000", ""),
        ("from:gina after:2027/03/01", "gina"),
        ("from:gina before:2027/03/01", "chat"),
        ("rfc822msgid:<a.b+c@pension.example>", "gina"),
        ("rfc822msgid:a.b+c@pension.example", "gina"),
        ("in:sent", "sent"),
        ("in:spam", "spam"),
        ("in:anywhere from:gina", "gina chat spam"),
        ("is:unread from:hal", "sub"),
        ("label:deals", "encoded"),
        ('subject:"fund update"', "gina"),
        ("subject:(fund terms)", ""),
        ("list:weekly.letters.example", "list"),
        ("has:attachment", "sub"),
        ("buy now", "list"),
        ("from:nobody@pension.example", ""),
        ("from:gina -{cc:carl in:chats}", ""),
    ],
)
def test_a_query_finds(scene: Scene, query: str, found: str) -> None:
    ids = dict(zip(scene.mail(ALICE, *MAILS.values()), MAILS, strict=True))
    assert sorted(ids[one] for one in all_ids(scene.gmail(ALICE), q=query)) == sorted(found.split())


def test_ages_are_counted_from_the_sandboxs_now(scene: Scene) -> None:
    scene.post("clock", set="2027-03-03T09:00:00Z")
    ids = dict(zip(scene.mail(ALICE, *MAILS.values()), MAILS, strict=True))
    gmail = scene.gmail(ALICE)
    assert [ids[one] for one in all_ids(gmail, q="newer_than:1d in:sent")] == ["sent"]
    assert sorted(ids[one] for one in all_ids(gmail, q="older_than:1d from:gina")) == ["chat", "gina"]


@pytest.mark.parametrize("query", ["from:(gina", "{a b", "nonsense:1", "after:soon", "a }", "-", "has:wings"])
def test_a_query_that_cannot_be_read(scene: Scene, query: str) -> None:
    gmail = scene.gmail(ALICE)
    with pytest.raises(HttpError) as error:
        all_ids(gmail, q=query)
    assert error.value.status_code == 400
