"""The adapter against the pretend Gmail, through the real client, real batches and the guard."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from pytest_django.fixtures import Settings

from integrations import outbound, providers
from integrations.contract import MailListing, MailQuery, MailRef
from integrations.errors import CursorExpired, MissingScope, TokenRefused
from tests.pretend_mail import MAIL_METADATA, READ_MAIL, Mail

ALICE = "alice@acme.example"
LP = "lena@alder.example"

pytestmark = pytest.mark.django_db

gmail = providers.mail_adapter("google")


def session(mail: Mail, scope: str = READ_MAIL) -> requests.Session:
    return outbound.session(providers.get("google"), mail.token(ALICE, scope))


def since(days: int = 90) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def listed(http: requests.Session, query: MailQuery) -> tuple[list[MailRef], int]:
    """Everything a question finds, and in how many pages."""
    found: list[MailRef] = []
    pages, page = 0, ""
    while True:
        listing: MailListing = gmail.listing(http, "me", MailQuery(query.since, query.addresses, query.domains, page))
        found += listing.found
        pages, page = pages + 1, listing.next_page
        if not page:
            return found, pages


def test_mail_from_to_and_cc_is_found_and_read_without_its_text(mail: Mail) -> None:
    ids = mail.put_all(
        ALICE,
        {"from_": f"Lena Alder <{LP}>", "to": [ALICE], "subject": "Rückfrage", "body": "a secret"},
        {"from_": ALICE, "to": ["carl@other.example"], "cc": [LP], "bcc": ["dora@acme.example"], "subject": "Fund"},
        {"from_": "shop@spam.example", "to": [ALICE], "subject": "Sale"},
    )
    http = session(mail)
    (query,) = gmail.queries([READ_MAIL], [LP], [], since())
    found, _ = listed(http, query)
    copies = {copy.external_id: copy for copy in gmail.read(http, "me", found).messages}

    assert set(copies) == set(ids[:2])
    received, sent = (copies[one] for one in ids[:2])
    assert (received.subject, received.is_sent) == ("Rückfrage", False)
    assert [(party.role, party.email, party.name) for party in received.parties] == [
        ("from", LP, "Lena Alder"),
        ("to", ALICE, ""),
    ]
    assert sent.is_sent
    assert ("bcc", "dora@acme.example") in {(party.role, party.email) for party in sent.parties}
    assert "secret" not in repr(copies)


def test_a_search_of_the_longest_kind_is_understood(mail: Mail) -> None:
    (wanted,) = mail.put_all(ALICE, {"from_": LP, "to": [ALICE], "subject": "x"})
    crowd = [f"somebody.with.a.long.name.{number}@a-long-domain-{number}.example" for number in range(24)]
    (query,) = gmail.queries([READ_MAIL], [*crowd, LP], [], since())

    found, _ = listed(session(mail), query)
    assert [ref.external_id for ref in found] == [wanted]


def test_pages_are_followed_and_conversations_cost_less(mail: Mail) -> None:
    mail.bulk(ALICE, 1200, LP)
    http = session(mail)
    (query,) = gmail.queries([READ_MAIL], [], ["alder.example"], since(3650))
    found, pages = listed(http, query)

    assert (len({ref.external_id for ref in found}), pages) == (1200, 3)
    before = mail.used(ALICE)["total"]
    some = found[:50]
    result = gmail.read(http, "me", some)
    assert {copy.external_id for copy in result.messages} == {ref.external_id for ref in some}
    assert mail.used(ALICE)["total"] - before == gmail.cost(some)


def test_a_conversation_is_read_by_one_request_and_only_what_was_wanted(mail: Mail) -> None:
    ids = mail.put_all(ALICE, *({"from_": LP, "to": [ALICE], "subject": "Fund", "thread": "one"} for _ in range(5)))
    http = session(mail)
    found = gmail.listing(http, "me", MailQuery(since(), (LP,))).found
    assert len({ref.thread_id for ref in found}) == 1
    wanted = found[:4]
    before = mail.google.requests_of("gmail.users.threads.get")
    result = gmail.read(http, "me", wanted)

    assert {copy.external_id for copy in result.messages} == {ref.external_id for ref in wanted} < set(ids)
    assert mail.google.requests_of("gmail.users.threads.get") - before == 1
    assert mail.google.requests_of("gmail.users.messages.get") == 0


def test_every_oddity_is_read_as_what_it_is(mail: Mail) -> None:
    names = {external_id: name for name, external_id in mail.junk(ALICE, LP).items()}
    result = gmail.read(session(mail), "me", [MailRef(one) for one in names])
    found = {names[copy.external_id]: copy for copy in result.messages}
    senders = {name: {one.email for one in copy.parties if one.role == "from"} for name, copy in found.items()}

    assert {names[one] for one in result.gone} == {"spam", "trash", "chat", "draft"}
    assert (result.unreadable, result.again, result.missing) == ((), (), ())
    assert {name for name, copy in found.items() if copy.automatic == "list"} == {"newsletter", "mailing_list", "bulk"}
    assert {name for name, copy in found.items() if copy.automatic == "auto_reply"} == {
        "auto_reply",
        "auto_generated",
        "old_auto_reply",
        "bounce",
    }
    assert {name for name, copy in found.items() if copy.automatic == "invitation"} == {"invitation", "invitation_sent"}
    for name in (
        "encoded_name",
        "quoted_encoded_name",
        "upper_case",
        "comment",
        "unquoted_comma",
        "twice_from",
        "folded",
    ):
        assert senders[name] == {LP}, name
    for name in ("spoofed_name", "spoofed_bare_name"):
        assert senders[name] == {"mallory@evil.example"}
    assert senders["no_from"] == senders["empty_from"] == senders["no_headers"] == set()
    assert {one.name for one in found["encoded_name"].parties if one.role == "from"} == {"Jürgen Müller"}
    assert len(found["crowd"].parties) == 202
    assert found["odd_message_id"].message_id == "no brackets here"
    assert found["folded"].subject == "Folded over lines"
    assert found["to_oneself"].labels == ("inbox", "sent")


def test_with_headers_only_all_mail_is_walked_and_nothing_else_works(mail: Mail, settings: Settings) -> None:
    settings.GMAIL_SCOPE = "metadata"
    archived = mail.put(ALICE, from_=LP, to=[ALICE], subject="archived", labels=[])
    mail.bulk(ALICE, 700, LP, "carl@other.example")
    http = session(mail, MAIL_METADATA)
    (query,) = gmail.queries([MAIL_METADATA], [LP], [], since(30))
    found, _ = listed(http, query)
    copies = gmail.read(http, "me", found[:50]).messages

    assert archived in {ref.external_id for ref in found}
    assert len(found) < 700
    assert copies
    assert all(copy.parties for copy in copies)
    with pytest.raises(MissingScope):
        gmail.text(http, "me", archived)
    with pytest.raises(MissingScope):
        gmail.listing(http, "me", MailQuery(since(), (LP,)))


def test_a_list_in_disorder_loses_nothing_that_is_young(mail: Mail) -> None:
    mail.bulk(ALICE, 1500, LP)
    mail.google.post("google/mail/options", scattered=True)
    http = session(mail, MAIL_METADATA)
    found, _ = listed(http, MailQuery(since(40)))
    everything = mail.google.get(f"google/mail?account={ALICE}")["messages"]
    border = since(40).timestamp() * 1000
    young = {one["id"] for one in everything if one["at_ms"] >= border}

    assert 0 < len(young) < 1500
    assert young <= {ref.external_id for ref in found}
    assert len(found) < len(young) + 100


def test_history_tells_what_came_went_and_was_replaced(mail: Mail) -> None:
    stays = mail.put(ALICE, from_=LP, to=[ALICE], subject="stays")
    http = session(mail)
    cursor = gmail.cursor(http, "me")
    comes = mail.put(ALICE, from_=LP, to=[ALICE], subject="comes")
    goes = mail.put(ALICE, from_=LP, to=[ALICE], subject="goes")
    mail.delete(ALICE, goes)
    draft = mail.put(ALICE, from_=ALICE, to=[LP], subject="draft", labels=["DRAFT"], copies=False)
    sent = mail.send_draft(ALICE, draft)
    mail.relabel(ALICE, stays, add=("IMPORTANT", "STARRED"))
    page = gmail.changes(http, "me", cursor, "")

    assert {ref.external_id: ref.is_relabelled for ref in page.changed} == {comes: False, sent: False, stays: True}
    assert goes in page.vanished
    assert gmail.changes(http, "me", page.next_cursor, "").changed == ()
    mail.relabel(ALICE, stays, add=("TRASH",))
    assert gmail.changes(http, "me", page.next_cursor, "").vanished == (stays,)
    mail.forget_history(ALICE)
    with pytest.raises(CursorExpired):
        gmail.changes(http, "me", cursor, "")


def test_what_failed_inside_a_batch_is_asked_again(mail: Mail) -> None:
    ids = mail.put_all(ALICE, *({"from_": LP, "to": [ALICE], "subject": str(n)} for n in range(10)))
    mail.delete(ALICE, ids[0])
    mail.limit(100, status=429)
    http = session(mail)
    first = gmail.read(http, "me", [MailRef(one) for one in ids])

    assert first.again
    assert len(first.again) + len(first.messages) + len(first.missing) == 10
    mail.limit(None)
    second = gmail.read(http, "me", [MailRef(one) for one in first.again])
    assert second.again == ()
    assert {copy.external_id for copy in (*first.messages, *second.messages)} == set(ids[1:])


def test_a_dead_token_is_told(mail: Mail) -> None:
    one = mail.put(ALICE, from_=LP, to=[ALICE], subject="x")
    http = outbound.session(providers.get("google"), "dead")

    with pytest.raises(TokenRefused):
        gmail.read(http, "me", [MailRef(one)])


def test_own_addresses_and_one_text(mail: Mail) -> None:
    mail.alias(ALICE, "ir@acme.example")
    one = mail.put(ALICE, from_=LP, to=[ALICE], subject="x", body="Dear Alice")
    http = session(mail)

    assert set(gmail.own_addresses(http, [READ_MAIL])) == {ALICE, "ir@acme.example"}
    assert gmail.text(http, "me", one) == "Dear Alice"
