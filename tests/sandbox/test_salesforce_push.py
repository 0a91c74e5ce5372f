"""How the pretend Salesforce tells of changes: outbound messages, and an Apex trigger that calls out."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import FIXTURES, HOST, Lab, acme
from tests.sandbox.salesforce_hook import ACK, OUTBOUND, RECORD, Ear, listening, settle

SECRET = "s" * 32


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with listening() as ear:
        yield ear


def subscribe(lab: Lab, ear: Ear, **more: Any) -> str:
    fields = ["Id", "LastName", "FirstName", "AccountId", "DoNotCall", "SystemModstamp"]
    made: str = lab.order("outbound_messages", object="Contact", address=ear.url, fields=fields, **more)["id"]
    return made


def notifications(envelope: Element) -> list[Element]:
    return list(envelope.iter(f"{OUTBOUND}Notification"))


def ids_of(envelope: Element) -> list[str]:
    return [str(one.findtext(f".//{RECORD}Id")) for one in notifications(envelope)]


def calls(ear: Ear) -> list[Json]:
    return [json.loads(body) for _, body in ear.came]


def test_a_message_is_as_recorded(lab: Lab, ear: Ear) -> None:
    action = subscribe(lab, ear)
    (contact,) = lab.create("Contact", {"LastName": "Ash <&>"})
    headers, body = ear.wait_for(1)[0]
    assert headers["Content-Type"] == "text/xml; charset=utf-8"
    envelope = ear.envelopes()[0]
    wanted = (FIXTURES / "outbound_message_contact.xml").read_text()
    inner = next(envelope.iter(f"{OUTBOUND}notifications"))
    assert [one.tag.removeprefix(OUTBOUND) for one in inner] == [
        "OrganizationId",
        "ActionId",
        "SessionId",
        "EnterpriseUrl",
        "PartnerUrl",
        "Notification",
    ]
    assert all(f"<{one.tag.removeprefix(OUTBOUND)}>" in wanted for one in inner)
    assert inner.findtext(f"{OUTBOUND}OrganizationId") == lab.org["id"]
    assert inner.findtext(f"{OUTBOUND}ActionId") == action
    assert str(inner.findtext(f"{OUTBOUND}SessionId")).startswith(f"{lab.org['id'][:15]}!")
    notification = notifications(envelope)[0]
    assert str(notification.findtext(f"{OUTBOUND}Id")).startswith("04l")
    record = {one.tag.removeprefix(RECORD): one.text for one in notification.iter() if one.tag.startswith(RECORD)}
    stamp = lab.shown("Contact")[0]["SystemModstamp"].replace("+0000", "Z")
    assert record == {"Id": contact, "LastName": "Ash <&>", "SystemModstamp": stamp, "DoNotCall": "false"}


def test_the_session_can_be_left_out(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear, session=False)
    lab.create("Contact", {"LastName": "Ash"})
    assert b'<SessionId xsi:nil="true"/>' in ear.wait_for(1)[0][1]


def test_a_hundred_notifications_in_a_message(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear)
    created = lab.create("Contact", *[{"LastName": str(number)} for number in range(230)])
    ear.wait_for(3)
    settle(lab.scene)
    found = [ids_of(one) for one in ear.envelopes()]
    assert sorted(len(one) for one in found) == [30, 100, 100]
    assert sorted(sum(found, [])) == sorted(created)


@pytest.mark.parametrize(
    "answer",
    [
        (500, "text/xml", ACK),
        (200, "text/html", ACK),
        (200, "text/xml", ACK.replace(b"true", b"false")),
        (200, "text/xml", b"<Ack>true</Ack>"),
        (200, "text/xml", b"OK"),
        (204, "text/xml", b""),
    ],
)
def test_anything_but_the_acknowledgement_brings_it_again(lab: Lab, ear: Ear, answer: tuple[int, str, bytes]) -> None:
    subscribe(lab, ear)
    ear.answers = [answer]
    lab.create("Contact", {"LastName": "Ash"})
    ear.wait_for(2)
    settle(lab.scene)
    first, second = (notifications(one)[0].findtext(f"{OUTBOUND}Id") for one in ear.envelopes())
    assert first == second
    assert lab.scene.get("pushes")["counts"]["accepted"] == 1


def test_a_late_message_tells_of_the_record_as_it_is_by_then(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear)
    ear.answers = [(503, "text/plain", b"")] * 4
    (contact,) = lab.create("Contact", {"LastName": "Ash"})
    ear.wait_for(1)
    lab.order("records/update", id=contact, fields={"LastName": "Birch"}, silent=True)
    ear.wait_for(5)
    assert notifications(ear.envelopes()[4])[0].findtext(f".//{RECORD}LastName") == "Birch"


def test_after_a_day_it_is_dropped(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear)
    ear.answers = [(503, "text/plain", b"")] * 20
    lab.create("Contact", {"LastName": "Ash"})
    ear.wait_for(1)
    lab.scene.post("clock", advance_seconds=86_500)
    settle(lab.scene)
    assert lab.scene.get("pushes")["counts"]["refused"] == 1


def test_own_writes_come_back_and_deletions_do_not(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear)
    client = lab.client()
    contact = client.Contact.create({"LastName": "Ash"})["id"]
    client.Contact.update(contact, {"LastName": "Birch"})
    client.Contact.delete(contact)
    lab.order("records/undelete", id=contact)
    client.Account.create({"Name": "Alpine"})
    ear.wait_for(3)
    settle(lab.scene)
    assert [ids_of(one) for one in ear.envelopes()] == [[contact]] * 3


def test_silence(lab: Lab, ear: Ear) -> None:
    subscribe(lab, ear)
    made = lab.create("Contact", {"LastName": "Ash"}, silent=True)
    lab.order("notices/remove")
    lab.create("Contact", {"LastName": "Birch"})
    settle(lab.scene)
    assert ear.came == []
    subscribe(lab, ear)
    lab.order("push", ids=made, times=2)
    ear.wait_for(2)


def test_a_call_out_is_signed(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET)
    # Its time is the real one, whatever the sandbox's clock says.
    lab.scene.post("clock", advance_seconds=86_400)
    created = lab.create("Account", {"Name": "A"}, {"Name": "B"})
    headers, body = ear.wait_for(1)[0]
    assert json.loads(body) == {"organizationId": lab.org["id"], "object": "Account", "ids": created, "event": "create"}
    stamp = headers["X-Salesforce-Timestamp"]
    assert abs(int(stamp) - time.time()) < 30
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).digest()
    assert headers["X-Salesforce-Signature"] == base64.b64encode(digest).decode()


def test_a_call_out_tells_of_every_kind_of_change_in_order(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET)
    first, second = lab.create("Account", {"Name": "A"}, {"Name": "B"})
    lab.order("records/update", id=first, fields={"Name": "C"})
    lab.order("records/delete", id=first)
    lab.order("records/undelete", id=first)
    lab.order("records/merge", winner=first, losers=[second])
    ear.wait_for(6)
    told = [(one["event"], one["ids"]) for one in calls(ear)]
    assert told == [
        ("create", [first, second]),
        ("update", [first]),
        ("delete", [first]),
        ("undelete", [first]),
        ("delete", [second]),
        ("update", [first]),
    ]


def test_a_call_out_tries_once(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET, events=["create"])
    ear.answers = [(500, "text/plain", b"")]
    lab.create("Account", {"Name": "A"})
    settle(lab.scene)
    assert len(ear.came) == 1


def test_lost_doubled_late_and_reordered(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET)
    for kind in ("lost", "doubled", "reordered"):
        lab.scene.post("faults", operation="push", kind=kind, account=HOST)
    for name in ("lost", "doubled", "reordered", "last"):
        lab.create("Account", {"Name": name})
    settle(lab.scene)
    names = {one["Id"]: one["Name"] for one in lab.shown("Account")}
    assert [names[one["ids"][0]] for one in calls(ear)] == ["doubled", "doubled", "last", "reordered"]


def test_one_call_of_many_records_pushes_once(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET)
    records = [{"attributes": {"type": "Account"}, "Name": str(number)} for number in range(200)]
    lab.client().restful("composite/sobjects", method="POST", json={"records": records})
    settle(lab.scene)
    assert [len(one["ids"]) for one in calls(ear)] == [200]


def test_what_is_rolled_back_is_not_told(lab: Lab, ear: Ear) -> None:
    lab.order("apex_callout", object="Account", address=ear.url, secret=SECRET)
    records = [{"attributes": {"type": "Account"}, "Name": "A"}, {"attributes": {"type": "Account"}}]
    lab.client().restful("composite/sobjects", method="POST", json={"records": records, "allOrNone": True})
    settle(lab.scene)
    assert ear.came == []
