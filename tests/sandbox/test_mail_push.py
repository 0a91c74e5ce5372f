"""Watches and the notices Pub/Sub brings: signed, at least once, in no order."""

import json
from base64 import b64decode
from typing import Any

import pytest
from google.auth.transport import requests as google_requests
from google.oauth2 import id_token
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB, Receiver
from tests.sandbox.person import Json, Scene
from tests.sandbox.test_mail_reading import GINA, reason
from tests.sandbox.test_push import settle

TOPIC = "projects/example/topics/gmail"
SERVICE_ACCOUNT = "push@example.iam.gserviceaccount.com"


@pytest.fixture
def subscribed(scene: Scene, receiver: Receiver) -> Receiver:
    """The receiver, subscribed to the topic."""
    scene.post("google/pubsub", topic=TOPIC, endpoint=receiver.url, service_account=SERVICE_ACCOUNT)
    return receiver


def watch(gmail: Any, topic: str = TOPIC) -> Json:
    answer: Json = gmail.users().watch(userId="me", body={"topicName": topic, "labelIds": ["INBOX", "SENT"]}).execute()
    return answer


def said(receiver: Receiver, number: int = -1) -> tuple[Json, Json]:
    """An envelope, and what its data says."""
    envelope: Json = json.loads(receiver.bodies[number])
    return envelope, json.loads(b64decode(envelope["message"]["data"]))


def verified(scene: Scene, receiver: Receiver, number: int = -1) -> Json:
    """The claims of a message's token, as Google's own library checks them."""
    token = receiver.came[number]["Authorization"].removeprefix("Bearer ")
    certs = f"{scene.url}/google-apis/oauth2/v1/certs"
    request = google_requests.Request()
    return dict(id_token.verify_token(token, request, audience=receiver.url, certs_url=certs))


def test_a_watch_notifies_at_once_and_at_every_change(scene: Scene, subscribed: Receiver) -> None:
    gmail = scene.gmail(ALICE)
    reply = watch(gmail)
    subscribed.wait_for(1)
    envelope, about = said(subscribed)
    assert about == {"emailAddress": ALICE, "historyId": int(reply["historyId"])}
    message = envelope["message"]
    assert message["messageId"] == message["message_id"]
    assert message["publishTime"] == message["publish_time"]
    assert envelope["subscription"] == "projects/example/subscriptions/gmail-push"
    scene.mail(ALICE, {"from": GINA}, {"from": GINA}, silent=False)
    settle(scene)
    assert said(subscribed)[1]["historyId"] > about["historyId"]
    assert len(subscribed.came) == 2


def test_the_token_is_one_that_googles_library_accepts(scene: Scene, subscribed: Receiver) -> None:
    watch(scene.gmail(ALICE))
    subscribed.wait_for(1)
    claims = verified(scene, subscribed)
    assert (claims["iss"], claims["email"]) == ("https://accounts.google.com", SERVICE_ACCOUNT)
    assert claims["email_verified"] is True
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("tokens", ["wrong_audience", "expired", "unknown_key", "unsigned", "tampered"])
def test_tokens_that_googles_library_refuses(scene: Scene, subscribed: Receiver, tokens: str) -> None:
    scene.post("google/pubsub/options", tokens=tokens)
    scene.post("google/mail/push", account=ALICE)
    subscribed.wait_for(1)
    with pytest.raises(ValueError, match=r"audience|expired|Certificate|signature|segment|alg"):
        verified(scene, subscribed)


def test_tokens_that_only_a_careful_receiver_refuses(scene: Scene, subscribed: Receiver) -> None:
    found = []
    for number, tokens in enumerate(("foreign_account", "unverified_email", "wrong_issuer")):
        scene.post("google/pubsub/options", tokens=tokens)
        scene.post("google/mail/push", account=ALICE)
        subscribed.wait_for(number + 1)
        found.append(verified(scene, subscribed))
    assert found[0]["email"] != SERVICE_ACCOUNT
    assert found[1]["email_verified"] is False
    assert found[2]["iss"] != "https://accounts.google.com"
    scene.post("google/pubsub/options", tokens="none")
    scene.post("google/mail/push", account=ALICE)
    assert "Authorization" not in subscribed.wait_for(4)[3]


def test_keys_rotate(scene: Scene, subscribed: Receiver) -> None:
    certs = f"{scene.url}/google-apis/oauth2/v1/certs"
    before = scene.http.get(certs, timeout=5)
    assert len(before.json()) == 2
    assert "max-age=" in before.headers["Cache-Control"]
    scene.post("google/pubsub/options", rotate=2)
    assert not set(scene.http.get(certs, timeout=5).json()) & set(before.json())
    scene.post("google/mail/push", account=ALICE)
    subscribed.wait_for(1)
    assert verified(scene, subscribed)["email"] == SERVICE_ACCOUNT


def test_anything_but_an_acknowledgement_brings_it_again(scene: Scene, subscribed: Receiver) -> None:
    subscribed.answers = [404, 503, 302, 204]
    scene.post("google/mail/push", account=ALICE)
    settle(scene)
    assert len({said(subscribed, number)[0]["message"]["messageId"] for number in range(4)}) == 1
    assert scene.get("pushes")["counts"] == {"sent": 1, "retried": 3, "accepted": 1, "refused": 0, "lost": 0}


def test_lost_late_and_doubled(scene: Scene, subscribed: Receiver) -> None:
    for kind in ("lost", "doubled", "late"):
        scene.post("faults", operation="push", kind=kind, account=ALICE, seconds=0.2)
        scene.post("google/mail/push", account=ALICE)
    settle(scene)
    assert len(subscribed.came) == 3
    scene.post("google/mail/push", account=BOB, times=3, distinct=False)
    scene.post("google/mail/push", account="nobody@acme.example", history_id=5)
    settle(scene)
    assert len({said(subscribed, number)[0]["message"]["messageId"] for number in (3, 4, 5, 6)}) == 2


def test_one_watch_a_user_until_it_is_stopped_or_over(scene: Scene, subscribed: Receiver) -> None:
    gmail = scene.gmail(ALICE)
    watch(gmail)
    watch(gmail)
    assert [one["is_live"] for one in scene.get("google/mail/watches")["watches"]] == [True]
    assert gmail.users().stop(userId="me").execute() == ""
    assert scene.get("google/mail/watches")["watches"] == []
    watch(gmail)
    settle(scene)
    count = len(subscribed.came)
    scene.post("clock", advance_seconds=7 * 86_400 + 1)
    scene.mail(ALICE, {"from": GINA}, silent=False)
    settle(scene)
    assert len(subscribed.came) == count


@pytest.mark.parametrize(
    ("topic", "status", "words"),
    [("gmail", 400, "Invalid topicName"), ("projects/example/topics/other", 403, "Error sending test message")],
)
def test_topics_that_cannot_be_used(scene: Scene, subscribed: Receiver, topic: str, status: int, words: str) -> None:
    with pytest.raises(HttpError) as error:
        watch(scene.gmail(ALICE), topic)
    assert reason(error)[0] == status
    assert words in error.value.reason
