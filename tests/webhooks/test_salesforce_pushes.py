"""Salesforce's two pushes: the call-out that Apex signs, and the Outbound Message that only its address proves."""

import base64
import contextlib
import hashlib
import hmac
import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from integrations import channel_tokens, channels, signing_secrets
from integrations.errors import Unreadable
from integrations.models import Channel
from integrations.providers.salesforce import outbound_messages, pushes
from relationships import tenancy
from relationships.models import User
from tests.webhooks.conftest import make_channel, make_crm, poked
from webhooks import drain, failures, inbox
from webhooks.models import Attempt, Delivery, WebhookFailure

pytestmark = pytest.mark.django_db
FIXTURES = Path(__file__).parent.parent / "fixtures" / "salesforce"
CONTACT = (FIXTURES / "webhook_outbound_message_contact.xml").read_bytes()
OPPORTUNITY = (FIXTURES / "webhook_outbound_message_opportunity.xml").read_bytes()
ACK = (FIXTURES / "webhook_outbound_message_ack.xml").read_text()
ORG, ORG_15 = "00Dn00000008y2tEAA", "00Dn00000008y2t"
RECORD, RECORD_15 = "003n000000NOtUbAAL", "003n000000NOtUb"
SESSION = b"00Dn00000008y2t!EXAMPLE"
PATH = "/webhooks/crm-contact/salesforce"
Sends = Callable[..., Any]


@pytest.fixture
def channel(alice: User) -> Channel:
    """Of the company's organization, with a secret that its Apex class signs with."""
    return make_crm(alice, "salesforce", ORG, signing_id=signing_secrets.new_id())


def secret_of(channel: Channel) -> str:
    return signing_secrets.secret(channel.channel_id, channel.signing_id)


def name_of(channel: Channel) -> str:
    """As the Apex class takes it out of the secret."""
    return secret_of(channel).rpartition(".")[0]


def now(factor: int = 1) -> str:
    return str(int(datetime.now(UTC).timestamp() * factor))


def mac(body: bytes, timestamp: str, key: str) -> bytes:
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).digest()


def call_out(**changes: Any) -> dict[str, Any]:
    return {"organizationId": ORG, "object": "Contact", "ids": [RECORD], "event": "updated"} | changes


@pytest.fixture
def send(client: Client, channel: Channel) -> Sends:
    """Post this as our Apex class does."""

    def post(
        value: Any = None, timestamp: str = "", signed: str | None = "base64", secret: str = "", **named: str
    ) -> Any:
        body = value if isinstance(value, bytes) else json.dumps(call_out() if value is None else value).encode()
        timestamp, secret = timestamp or now(1000), secret or secret_of(channel)
        proof = mac(body, timestamp, secret)
        forms = {"base64": base64.b64encode(proof).decode(), "hex": proof.hex()}
        sent = {"X-Salesforce-Timestamp": timestamp, "X-Salesforce-Secret-Id": secret.rpartition(".")[0]} | named
        if signed is not None:
            sent["X-Salesforce-Signature"] = forms.get(signed, signed)
        return client.post(PATH, body, content_type="application/json", headers=sent)

    return post


class TestCallOut:
    def test_it_is_one_statement_and_names_its_records(
        self, send: Sends, channel: Channel, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            assert send(call_out(ids=[RECORD_15, "003n000000NOtUc"])).status_code == 202
        assert drain.run() == 1
        assert poked(channel) == [f"Contact:{RECORD}", "Contact:003n000000NOtUcAAL"]
        delivery = Delivery.objects.get()
        assert delivery.tries.get().detail == "Salesforce told of 2 changed records (updated)."
        assert (delivery.status, delivery.headers) == ("waiting", {})

    @pytest.mark.parametrize("form", ["base64", "hex"])
    @pytest.mark.parametrize("factor", [1, 1000])
    def test_both_forms_of_signature_and_time_are_taken(self, send: Sends, form: str, factor: int) -> None:
        assert send(timestamp=now(factor), signed=form).status_code == 202

    def test_an_organization_of_fifteen_characters_is_the_same(self, send: Sends, channel: Channel) -> None:
        send(call_out(organizationId=ORG_15))
        assert Delivery.objects.get().channel_id == channel.channel_id

    @pytest.mark.parametrize(
        "signed", [None, "", "wrong", "é" * 44, "0" * 64, base64.b64encode(mac(b"x", "1", "x")).decode()]
    )
    def test_what_is_not_signed_is_refused(
        self, send: Sends, signed: str | None, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            answer = send(signed=signed)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Refused."})
        assert not Delivery.objects.exists()

    @pytest.mark.parametrize("timestamp", ["-1", "1e9", "٣", "9" * 400, "x", "1", "é", "4102444800"])
    def test_a_time_that_is_none_or_far_is_refused(self, send: Sends, timestamp: str) -> None:
        assert send(timestamp=timestamp).status_code in {400, 401}
        assert not Delivery.objects.exists()

    @pytest.mark.parametrize(("seconds", "status"), [(-299, 202), (299, 202), (-302, 401), (302, 401)])
    def test_a_time_counts_on_both_sides(self, send: Sends, seconds: int, status: int) -> None:
        assert send(timestamp=str(int(now()) + seconds)).status_code == status

    @pytest.mark.parametrize("name", ["", "x", "x.y.z", "é", f"{uuid.UUID(int=7)}.6bb6aa12", "." * 300])
    def test_a_secret_without_a_name_is_refused(self, send: Sends, name: str) -> None:
        assert send(**{"X-Salesforce-Secret-Id": name}).status_code == 401

    def test_a_secret_opens_its_own_channel_alone(self, send: Sends, channel: Channel, charlie: User) -> None:
        """Whoever has a company's secret learns nothing about another company's, not even whether there is one."""
        theirs = make_crm(charlie, "salesforce", ORG, signing_id=signing_secrets.new_id())
        missing = Channel(channel_id=str(uuid.uuid4()), signing_id=signing_secrets.new_id())
        answers = [send(**{"X-Salesforce-Secret-Id": name_of(one)}) for one in (theirs, missing)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(401, b'{"detail":"Refused."}')}
        assert send().status_code == 202
        assert Delivery.objects.get().company_id == channel.company_id

    def test_another_organization_is_refused(self, send: Sends, charlie: User) -> None:
        make_crm(charlie, "salesforce", "00D7F00000107XsUAI")
        assert send(call_out(organizationId="00D7F00000107XsUAI")).status_code == 404
        assert not Delivery.objects.exists()

    def test_one_companys_secret_cannot_use_up_anothers_call(
        self, send: Sends, channel: Channel, charlie: User
    ) -> None:
        theirs = make_crm(charlie, "salesforce", ORG, signing_id=signing_secrets.new_id())
        at = now(1000)
        for one in (channel, theirs):
            assert send(timestamp=at, secret=secret_of(one)).status_code == 202
        assert {one.company_id for one in Delivery.objects.all()} == {channel.company_id, theirs.company_id}

    def test_a_secret_that_was_replaced_counts_no_more(self, send: Sends, channel: Channel) -> None:
        old = secret_of(channel)
        with tenancy.within(channel.company_id):
            assert channels.replace_secret(channel, channel.signing_id)
        assert (send(secret=old).status_code, send().status_code) == (404, 202)
        assert secret_of(channel) != old

    def test_asked_twice_one_secret_takes_its_place(self, channel: Channel) -> None:
        old = channel.signing_id
        with tenancy.within(channel.company_id):
            assert channels.replace_secret(channel, old)
            new = channel.signing_id
            assert not channels.replace_secret(channel, old)
        assert channel.signing_id == new != old

    def test_nobody_is_believed_before_a_secret_was_made(self, send: Sends, channel: Channel) -> None:
        Channel.unscoped.update(signing_id="")
        assert send().status_code == 404
        nameless = signing_secrets.secret(channel.channel_id, "")
        assert send(secret=nameless).status_code == 401

    def test_a_secret_of_a_key_that_is_gone_is_refused(self, send: Sends, channel: Channel, settings: Settings) -> None:
        secret, keys = secret_of(channel), settings.TOKEN_ENCRYPTION_KEYS
        settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32, *keys]
        assert send(secret=secret).status_code == 202
        settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32]
        assert send(secret=secret).status_code == 401

    def test_a_channel_that_ended_takes_nothing(self, send: Sends, channel: Channel) -> None:
        Channel.unscoped.filter(pk=channel.pk).update(state=Channel.State.STOPPED)
        assert send().status_code == 404

    def test_the_same_call_is_known_and_a_later_one_is_news(self, send: Sends) -> None:
        at = now(1000)
        assert [send(timestamp=at).status_code for _ in range(2)] == [202, 200]
        assert send(timestamp=str(int(at) + 1)).status_code == 202

    @pytest.mark.parametrize(
        "value",
        [
            b"[]", b"{", b"\xff", b"[" * 100_000, call_out(ids="x"), call_out(object=1), call_out(organizationId=None),
            call_out(organizationId="00X" + ORG[3:]), call_out(organizationId=f"{ORG}\n"),
            call_out(ids=[RECORD] * 2_001),
        ],
    )  # fmt: skip
    def test_what_is_not_ours_is_not_readable(self, send: Sends, value: Any) -> None:
        assert send(value).status_code == 400
        assert not Delivery.objects.exists()

    def test_nothing_of_the_senders_own_is_stored(self, send: Sends) -> None:
        send(call_out(Name="Jane Doe", ids=[RECORD, "<script>", 7, None, "x" * 15 + "\n"], event="<b>"))
        kept = json.loads(inbox.body_of(Delivery.objects.get()))
        assert kept == {"organizationId": ORG, "records": [{"object": "Contact", "id": RECORD}], "event": ""}

    def test_what_is_not_read_is_ignored_with_words(self, send: Sends, channel: Channel) -> None:
        send(call_out(object="Opportunity", ids=["006n000000NOtUbAAL"]))
        drain.run()
        assert Delivery.objects.get().error == "Salesforce told of Opportunity, which is not read from there."
        assert poked(channel) == []


def address(channel: Channel, token: str | None = None) -> str:
    return f"{PATH}/{channel.channel_id}/{token or channel_tokens.make(channel.channel_id)}"


@pytest.fixture
def message(client: Client) -> Sends:
    """Post SOAP as Salesforce does."""

    def post(path: str, body: bytes = CONTACT, content_type: str = "text/xml; charset=utf-8") -> Any:
        return client.post(path, body, content_type=content_type, headers={"SOAPAction": '""'})

    return post


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Every line that anything logs, at any level."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def notifications(*ids: str) -> bytes:
    """A message with one notification of each id."""
    start, end = CONTACT.index(b"<Notification>"), CONTACT.index(b"</Notification>") + len(b"</Notification>")
    one = CONTACT[start:end]
    many = b"".join(one.replace(b"04ln0000009JvY4AAK", name.encode()) for name in ids)
    return CONTACT[:start] + many + CONTACT[end:]


class TestOutboundMessage:
    def test_it_is_one_statement_acknowledged_exactly_and_names_its_record(
        self, message: Sends, channel: Channel, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            answer = message(address(channel))
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml; charset=utf-8")
        assert answer.content.decode().split() == ACK.split()
        assert b"<Ack>true</Ack>" in answer.content
        drain.run()
        assert poked(channel) == [f"Contact:{RECORD}"]
        assert Delivery.objects.get().status == "waiting"

    def test_the_same_message_again_is_acknowledged_and_known(self, message: Sends, channel: Channel) -> None:
        answers = [message(address(channel)) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert all(b"<Ack>true</Ack>" in answer.content for answer in answers)
        assert Delivery.objects.count() == 1

    def test_several_notifications_are_one_delivery_whatever_their_order(
        self, message: Sends, channel: Channel
    ) -> None:
        message(address(channel), notifications("04ln0000009JvY4AAK", "04ln0000009JvY5AAK"))
        message(address(channel), notifications("04ln0000009JvY5AAK", "04ln0000009JvY4AAK"))
        assert Delivery.objects.count() == 1
        message(address(channel), notifications("04ln0000009JvY6AAK"))
        assert Delivery.objects.count() == 2

    def test_a_session_is_dropped_before_anything_is_stored_or_said(
        self, message: Sends, channel: Channel, as_staff: Client, logged: io.StringIO
    ) -> None:
        for organization in (CONTACT, CONTACT.replace(ORG.encode(), b"00Dn00000008y2uEAA")):
            message(address(channel), organization)
        drain.run()
        delivery = Delivery.objects.get()
        failures.record([failures.GivenUp(delivery, "Sync", "to see")])
        pages = [
            as_staff.get(f"/admin/webhooks/delivery/{delivery.pk}/change/").content,
            as_staff.get(f"/admin/webhooks/webhookfailure/{WebhookFailure.objects.get().pk}/change/").content,
        ]
        stored = io.StringIO()
        call_command("dumpdata", use_base_manager=True, stdout=stored)
        everywhere = [inbox.body_of(delivery), stored.getvalue().encode(), logged.getvalue().encode(), *pages]
        for place in everywhere:
            assert SESSION not in place
            assert b"!EXAMPLE" not in place
            assert b"person1" not in place
            assert b"Last1" not in place
        assert json.loads(inbox.body_of(delivery)) == {
            "organizationId": ORG,
            "records": [{"object": "Contact", "id": RECORD}],
        }
        assert RECORD.encode() in pages[0]

    @pytest.mark.parametrize("token", ["x", "a.b.c", "%C3%A9.n.m", "%01", "." * 200])
    def test_another_secret_is_refused(self, message: Sends, channel: Channel, token: str) -> None:
        answer = message(address(channel, token))
        assert (answer.status_code, answer.json()) == (401, {"detail": "Refused."})

    def test_a_secret_opens_its_own_channel_alone(self, message: Sends, channel: Channel) -> None:
        other = make_channel(channel.sync_state, user=None)
        assert message(address(channel, channel_tokens.make(other.channel_id))).status_code == 401
        assert message(address(Channel(channel_id=str(uuid.uuid4())))).status_code == 404
        assert not Delivery.objects.exists()

    def test_another_organization_is_refused(self, message: Sends, channel: Channel, charlie: User) -> None:
        theirs = make_crm(charlie, "salesforce", "00D7F00000107XsUAI")
        assert message(address(channel), OPPORTUNITY).status_code == 404
        assert message(address(theirs)).status_code == 404
        assert not Delivery.objects.exists()

    def test_one_companys_address_cannot_use_up_anothers_notification(
        self, message: Sends, channel: Channel, charlie: User
    ) -> None:
        theirs = make_crm(charlie, "salesforce", ORG)
        for one in (channel, theirs):
            assert message(address(one)).status_code == 200
        assert {one.company_id for one in Delivery.objects.all()} == {channel.company_id, theirs.company_id}

    def test_a_channel_that_ended_is_not_acknowledged(self, message: Sends, channel: Channel) -> None:
        Channel.unscoped.filter(pk=channel.pk).update(state=Channel.State.STOPPED)
        assert message(address(channel)).status_code == 404

    def test_trouble_of_ours_is_not_acknowledged(
        self, message: Sends, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OperationalError("disk full")

        monkeypatch.setattr(inbox, "receive", fail)
        answer = message(address(channel))
        assert answer.status_code == 503
        assert b"Ack" not in answer.content

    def test_what_is_not_read_is_acknowledged_all_the_same(self, message: Sends, alice: User) -> None:
        assert message(address(make_crm(alice, "salesforce", "00D7F00000107XsUAI")), OPPORTUNITY).status_code == 200
        drain.run()
        assert Delivery.objects.get().status == "ignored"
        assert Attempt.objects.get().detail == "Salesforce told of Opportunity, which is not read from there."

    def test_the_signature_of_a_call_out_opens_no_channels_address(self, client: Client, channel: Channel) -> None:
        body, at = json.dumps(call_out()).encode(), now()
        headers = {
            "X-Salesforce-Timestamp": at,
            "X-Salesforce-Signature": mac(body, at, secret_of(channel)).hex(),
            "X-Salesforce-Secret-Id": name_of(channel),
        }
        path = address(channel, "wrong")
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == 401


def envelope(inner: str, soap: str = "http://schemas.xmlsoap.org/soap/envelope/") -> bytes:
    return f'<e:Envelope xmlns:e="{soap}"><e:Body>{inner}</e:Body></e:Envelope>'.encode()


OUTBOUND = 'xmlns="http://soap.sforce.com/2005/09/outbound"'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>'.encode(),
    "a file": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    "an external DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><x/>',
    "an empty DTD before a good message": CONTACT.replace(b"?>", b"?><!DOCTYPE x>", 1),
    "UTF-7": CONTACT.replace(b"UTF-8", b"UTF-7"),
    "UTF-7 in fact": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-x/+AD4-',
    "UTF-16": CONTACT.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "UTF-16 unsaid": CONTACT.decode().encode("utf-16-le"),
    "UTF-32": CONTACT.decode().encode("utf-32"),
    "Latin-1": CONTACT.replace(b"UTF-8", b"ISO-8859-1"),
    "an unknown encoding": CONTACT.replace(b"UTF-8", b"no-such"),
    "no UTF-8": CONTACT.replace(b"First1", b"\xff\xfe"),
    "NUL": CONTACT.replace(b"First1", b"\0"),
    "another namespace": CONTACT.replace(b"2005/09/outbound", b"2005/09/inbound"),
    "no namespace": CONTACT.replace(b' xmlns="http://soap.sforce.com/2005/09/outbound"', b""),
    "another envelope": CONTACT.replace(b"schemas.xmlsoap.org", b"evil.example"),
    "another record": CONTACT.replace(b"urn:sobject.enterprise", b"urn:evil"),
    "the right prefix of another namespace": envelope(f'<notifications {OUTBOUND} xmlns:sf="urn:x"/>'),
    "cut short": CONTACT[:-40],
    "two roots": CONTACT + b"<x/>",
    "deep": envelope(f"<notifications {OUTBOUND}>" + "<a>" * 100_000),
    "wide": envelope(f"<notifications {OUTBOUND}>" + "<a/>" * 200_000 + "</notifications>"),
    "no notification": envelope(f"<notifications {OUTBOUND}><OrganizationId>{ORG}</OrganizationId></notifications>"),
    "no organization": CONTACT.replace(b"OrganizationId", b"Organisation"),
    "an organization that is none": CONTACT.replace(ORG.encode(), b"' OR 1=1 --"),
    "too many": notifications(*(f"04l{number:015}" for number in range(1_001))).replace(b"   ", b"")[:1_000_000],
    "JSON": b'{"organizationId": "x"}',
    "nothing": b"",
    "an undefined entity": CONTACT.replace(b"First1", b"&nbsp;"),
    "a processing instruction": b'<?xml-stylesheet href="http://127.0.0.1:9/"?>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_not_readable(message: Sends, channel: Channel, name: str) -> None:
    assert message(address(channel), HOSTILE[name]).status_code == 400
    assert not Delivery.objects.exists()


def test_a_byte_order_mark_and_another_prefix_do_not_matter() -> None:
    renamed = CONTACT.replace(b"soapenv:", b"S:").replace(b"xmlns:soapenv", b"xmlns:S").replace(b"sf:", b"x:")
    for body in (b"\xef\xbb\xbf" + CONTACT, renamed.replace(b":sf=", b":x=")):
        parsed = outbound_messages.parse(body)
        assert parsed.notifications == (outbound_messages.Notification("04ln0000009JvY4AAK", "Contact", RECORD),)


def test_a_partners_records_are_read_too() -> None:
    body = CONTACT.replace(b"urn:sobject.enterprise", b"urn:sobject.partner")
    assert outbound_messages.parse(body).notifications[0].record_id == RECORD


def test_what_is_answered_is_the_recorded_acknowledgement() -> None:
    assert pushes.ACK.text.strip() == ACK.strip()


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_message_or_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        outbound_messages.parse(body)


@effort(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(CONTACT)), length=st.integers(0, 40), put=st.binary(max_size=12))
def test_a_message_damaged_anywhere_is_no_fault_of_ours(start: int, length: int, put: bytes) -> None:
    with contextlib.suppress(Unreadable):
        outbound_messages.parse(CONTACT[:start] + put + CONTACT[start + length :])


def test_the_apex_class_of_the_documentation_says_what_we_read() -> None:
    page = (FIXTURES.parents[2] / "docs" / "salesforce-push.md").read_text()
    apex = page.split("```apex")[1].split("```")[0]
    assert f"callout:LPxGP{PATH}'" in apex
    for name in call_out():
        assert f"'{name}' =>" in apex
    for header in ("X-Salesforce-Timestamp", "X-Salesforce-Signature"):
        assert f"setHeader('{header}'" in apex
    assert "Crypto.generateMac('hmacSHA256', Blob.valueOf(stamp + '.' + body), Blob.valueOf(secret))" in apex
