"""How Graph is asked for notifications: created, renewed in place, adopted or replaced, ended. Real HTTP both ways."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations import channel_tokens, channels, grants, outbound, providers, tokens
from integrations.contract import OpenedChannel, WatchRequest
from integrations.errors import BadConfig, MissingScope, Permanent, ResourceGone, Temporary
from integrations.models import Channel, Integration, SyncState
from integrations.providers.microsoft import subscriptions
from relationships.models import User
from tests.pretend_microsoft import CLIENT_ID, Json, Microsoft
from tests.sandbox.graph import Graph, linked
from tests.sandbox.hook import Hook, listening
from tests.sandbox.person import Scene

ALICE = "alice@acme.example"
RESOURCE = "/me/events"


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A live webhook address."""
    with listening() as hook:
        yield hook


@pytest.fixture
def graph(microsoft: Microsoft) -> Graph:
    """Alice's consent, to calls that are not the product's."""
    return linked(Scene(microsoft.url), ALICE, "Calendars.Read", client_id=CLIENT_ID)


@pytest.fixture
def http(graph: Graph) -> requests.Session:
    """The product's session for Alice's consent."""
    return outbound.session(providers.get("microsoft"), graph.token)


@pytest.fixture
def wanted(hook: Hook) -> WatchRequest:
    return WatchRequest(
        external_id="primary",
        channel_id="7d1f7a0e-8a0a-4a6e-9f4e-3a1f6b0c2d11",
        token=channel_tokens.make("7d1f7a0e-8a0a-4a6e-9f4e-3a1f6b0c2d11"),
        address=f"{hook.url}/webhooks/calendar-event/microsoft",
        expires_at=timezone.now() + timedelta(days=7),
        resource_id=ALICE,
        key_id="k1",
    )


def known(microsoft: Microsoft) -> list[Json]:
    return microsoft.get("microsoft/subscriptions")["subscriptions"]


def order(graph: Graph, hook: Hook, **changes: str) -> Json:
    """A subscription that somebody made who is not this installation."""
    body = {
        "changeType": "created,deleted,updated",
        "notificationUrl": f"{hook.url}/elsewhere",
        "lifecycleNotificationUrl": f"{hook.url}/elsewhere",
        "resource": RESOURCE,
        "expirationDateTime": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    } | changes
    answer = graph.post("/subscriptions", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_it_is_asked_for_with_all_that_is_needed(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest, hook: Hook
) -> None:
    opened = subscriptions.watch(http, RESOURCE, wanted)
    [one] = known(microsoft)
    assert hook.handshakes == ["/webhooks/calendar-event/microsoft?signed=k1&"] * 2
    assert opened.resource_id == one["id"]
    assert one["notification_url"] == one["lifecycle_url"] == f"{wanted.address}?signed=k1"
    assert one["client_state"] == f"{wanted.channel_id}.{wanted.token}"
    assert len(one["client_state"]) == 112  # of the 128 that Graph takes
    assert (one["changes"], one["is_immutable"]) == (["created", "updated", "deleted"], True)
    minutes = (opened.expires_at - timezone.now()) / timedelta(minutes=1)
    assert 9_990 < minutes < 10_001
    assert opened.renew_at is not None
    assert abs(opened.renew_at - timezone.now() - timedelta(days=1)) < timedelta(minutes=5)


def test_what_is_known_is_renewed_in_place(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest, hook: Hook
) -> None:
    first = subscriptions.watch(http, RESOURCE, replace(wanted, expires_at=timezone.now() + timedelta(days=1)))
    again = subscriptions.watch(http, RESOURCE, replace(wanted, resource_id=first.resource_id))
    assert again.resource_id == first.resource_id
    assert again.expires_at > first.expires_at + timedelta(days=5)
    assert len(hook.handshakes) == 2
    assert microsoft.requests_of("graph.subscriptions.create") == 1


def test_what_ran_out_is_made_anew(microsoft: Microsoft, http: requests.Session, wanted: WatchRequest) -> None:
    first = subscriptions.watch(http, RESOURCE, wanted)
    microsoft.post("microsoft/subscriptions/expire")
    again = subscriptions.watch(http, RESOURCE, replace(wanted, resource_id=first.resource_id))
    assert again.resource_id != first.resource_id
    assert [one["id"] for one in known(microsoft)] == [again.resource_id]


def test_one_of_ours_is_adopted(microsoft: Microsoft, http: requests.Session, wanted: WatchRequest) -> None:
    first = subscriptions.watch(http, RESOURCE, wanted)
    other = replace(wanted, channel_id="another", token=channel_tokens.make("another"))
    assert subscriptions.watch(http, RESOURCE, other).resource_id == first.resource_id
    assert [one["client_state"].partition(".")[0] for one in known(microsoft)] == [wanted.channel_id]


def test_a_renewal_that_does_not_say_where_it_tells_of_itself_is_one(wanted: WatchRequest) -> None:
    """Graph documents its answer to a renewal without lifecycleNotificationUrl."""
    ours = {"notificationUrl": subscriptions.address(wanted), "changeType": "created,updated,deleted"}
    assert subscriptions._posts_to(ours, wanted)
    assert not subscriptions._posts_to(ours | {"lifecycleNotificationUrl": None}, wanted)
    assert not subscriptions._posts_to(ours | {"notificationUrl": "https://elsewhere.example/"}, wanted)
    assert not subscriptions._posts_to(ours | {"changeType": "created"}, wanted)


@pytest.mark.parametrize(
    ("listed", "is_same"),
    [("me/events", True), ("/Me/Events", True), ("users/622eaaff-0683-4862-9de4-f2ec83c2bd98/events", True),
     ("Users('622eaaff')/Events", True), ("me/messages", False), ("me/mailFolders('inbox')/messages", False),
     ("me/calendars/events/events", False), ("", False)],
)  # fmt: skip
def test_one_resource_may_be_spelled_in_several_ways(listed: str, is_same: bool) -> None:
    assert (subscriptions._watched(listed) == subscriptions._watched(RESOURCE)) is is_same


@pytest.mark.parametrize(
    "difference",
    ["address", "lifecycle", "key"],
)
def test_one_that_is_of_no_use_to_us_is_replaced(
    microsoft: Microsoft, graph: Graph, http: requests.Session, wanted: WatchRequest, hook: Hook, difference: str
) -> None:
    ours = subscriptions.address(wanted)
    changes = {
        "address": {},
        "lifecycle": {"notificationUrl": ours},
        "key": dict.fromkeys(("notificationUrl", "lifecycleNotificationUrl"), f"{wanted.address}?signed=k0"),
    }[difference]
    old = order(graph, hook, **changes)
    opened = subscriptions.watch(http, RESOURCE, wanted)
    [one] = known(microsoft)
    assert one["id"] == opened.resource_id != old["id"]
    assert one["notification_url"] == one["lifecycle_url"] == ours


def test_a_known_one_that_posts_elsewhere_is_replaced(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest, hook: Hook
) -> None:
    first = subscriptions.watch(http, RESOURCE, wanted)
    moved = replace(wanted, address=f"{hook.url}/moved", resource_id=first.resource_id)
    opened = subscriptions.watch(http, RESOURCE, moved)
    [one] = known(microsoft)
    assert one["id"] == opened.resource_id != first.resource_id
    assert one["notification_url"] == f"{hook.url}/moved?signed=k1"


def test_those_of_another_resource_are_left_alone(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest, hook: Hook
) -> None:
    mail = linked(Scene(microsoft.url), ALICE, "Mail.Read", client_id=CLIENT_ID)
    other = order(mail, hook, resource="/me/messages")
    order(mail, hook, resource="/me/mailFolders('inbox')/messages")
    subscriptions.watch(http, RESOURCE, wanted)
    subscriptions.watch(http, RESOURCE, wanted)
    assert other["id"] in {one["id"] for one in known(microsoft)}
    assert len(known(microsoft)) == 3


def test_many_who_ask_at_once_end_with_one(
    microsoft: Microsoft, graph: Graph, wanted: WatchRequest, hook: Hook
) -> None:
    def ask(number: int) -> OpenedChannel:
        http = outbound.session(providers.get("microsoft"), graph.token)
        return subscriptions.watch(http, RESOURCE, replace(wanted, channel_id=f"channel-{number}"))

    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(ask, range(4)))
    assert {one.resource_id for one in opened} == {one["id"] for one in known(microsoft)}
    assert len(known(microsoft)) == 1


def test_one_that_cannot_be_found_is_no_endless_fight(
    microsoft: Microsoft, graph: Graph, http: requests.Session, wanted: WatchRequest, hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    order(graph, hook)
    monkeypatch.setattr(subscriptions, "_listed", lambda http: iter(()))
    with pytest.raises(Temporary, match="announced already"):
        subscriptions.watch(http, RESOURCE, wanted)
    assert microsoft.requests_of("graph.subscriptions.create") == 1 + subscriptions.TRIES


def test_stopping_ends_it_and_says_where_it_ended_already(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest
) -> None:
    opened = subscriptions.watch(http, RESOURCE, wanted)
    subscriptions.stop(http, opened.resource_id)
    assert known(microsoft) == []
    with pytest.raises(ResourceGone):
        subscriptions.stop(http, opened.resource_id)


def test_what_is_no_subscription_is_not_stopped(microsoft: Microsoft, http: requests.Session) -> None:
    for resource_id in ("", ALICE, "../me", "a/b", "x" * 65, "7f105c7d-2dc5\n"):
        subscriptions.stop(http, resource_id)
    assert microsoft.requests_of("graph.subscriptions.delete") == 0


@pytest.mark.parametrize(
    ("kind", "error"),
    [("error_503", Temporary), ("rate_limit_429", Temporary), ("forbidden_403", MissingScope),
     ("malformed_json", Temporary)],
)  # fmt: skip
def test_trouble_is_said_in_our_words(
    microsoft: Microsoft, http: requests.Session, wanted: WatchRequest, kind: str, error: type[Exception]
) -> None:
    microsoft.fault("graph.subscriptions.create", kind)
    with pytest.raises(error):
        subscriptions.watch(http, RESOURCE, wanted)


def test_an_address_that_does_not_answer_is_for_the_operator(
    http: requests.Session, wanted: WatchRequest, hook: Hook
) -> None:
    hook.shake = lambda token: (404, "text/plain", token)
    with pytest.raises(Permanent, match="could not reach this installation's public address"):
        subscriptions.watch(http, RESOURCE, wanted)


# In the engine


@pytest.fixture
def channel(microsoft: Microsoft, live_server: LiveServer, settings: Settings, alice: User) -> Channel:
    """The channel of a linked calendar, whose subscription tells the live server."""
    settings.PUBLIC_URL = live_server.url
    return Channel.unscoped.get(integration=microsoft.link(alice, "calendar"))


@pytest.mark.django_db(transaction=True)
def test_a_renewal_keeps_the_row_and_the_subscription(microsoft: Microsoft, channel: Channel) -> None:
    Channel.unscoped.update(renew_at=timezone.now(), expires_at=timezone.now() + timedelta(days=1))
    assert channels.renew_due() == 1
    renewed = Channel.unscoped.get()
    assert (renewed.pk, renewed.resource_id, renewed.state) == (channel.pk, channel.resource_id, "live")
    assert renewed.expires_at is not None
    assert renewed.expires_at > timezone.now() + timedelta(days=6)
    assert microsoft.requests_of("graph.subscriptions.update") == 1
    assert microsoft.requests_of("graph.subscriptions.create") == 1
    assert channels.renew_due() == 0


@pytest.mark.django_db(transaction=True)
def test_an_installation_that_moved_subscribes_its_new_address(
    microsoft: Microsoft, channel: Channel, live_server: LiveServer, settings: Settings
) -> None:
    settings.PUBLIC_URL = live_server.url.replace("localhost", "127.0.0.1")
    settings.ALLOWED_HOSTS = ["*"]
    Channel.unscoped.update(renew_at=timezone.now())
    assert channels.renew_due() == 1
    [one] = known(microsoft)
    assert one["id"] == Channel.unscoped.get().resource_id != channel.resource_id
    assert one["notification_url"].startswith(settings.PUBLIC_URL)


@pytest.mark.django_db(transaction=True)
def test_a_new_key_signs_what_is_renewed(
    microsoft: Microsoft, channel: Channel, alice: User, charlie: User, settings: Settings
) -> None:
    microsoft.link(charlie, "calendar", ALICE)
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32, *settings.TOKEN_ENCRYPTION_KEYS]
    Channel.unscoped.filter(pk=channel.pk).update(renew_at=timezone.now())
    assert channels.renew_due() == 1
    # Whoever shares it noticed that the old one is gone, and is renewed in the next round.
    assert channels.renew_due() == 1
    [one] = known(microsoft)
    assert one["id"] != channel.resource_id
    assert set(Channel.unscoped.values_list("resource_id", "token_key_id", "state")) == {
        (one["id"], tokens.current_key_id(), "live")
    }
    settings.TOKEN_ENCRYPTION_KEYS = settings.TOKEN_ENCRYPTION_KEYS[:1]
    assert channel_tokens.is_signed(*one["client_state"].split(".", 1))


@pytest.mark.django_db(transaction=True)
def test_a_subscription_that_is_gone_is_made_once_for_all_who_share_it(
    microsoft: Microsoft, channel: Channel, charlie: User
) -> None:
    microsoft.link(charlie, "calendar", ALICE)
    microsoft.post("microsoft/subscriptions/expire")
    Channel.unscoped.filter(pk=channel.pk).update(renew_at=timezone.now())
    assert [channels.renew_due(), channels.renew_due(), channels.renew_due()] == [1, 1, 0]
    [one] = known(microsoft)
    assert set(Channel.unscoped.values_list("resource_id", "state")) == {(one["id"], "live")}


@pytest.mark.django_db(transaction=True)
def test_what_died_with_its_grant_is_made_anew_after_reconnecting(
    microsoft: Microsoft, channel: Channel, alice: User
) -> None:
    """Microsoft does not always say that it ended a subscription, and the card would promise what nobody sends."""
    grants.mark_stale(channel.integration_id, Integration.unscoped.get().version, "The consent was withdrawn.")
    microsoft.post("microsoft/subscriptions/expire")
    microsoft.link(alice, "calendar")
    assert channels.renew_due() == 1
    channel.refresh_from_db()
    assert [one["id"] for one in known(microsoft)] == [channel.resource_id]
    assert channel.state == "live"


def test_a_lapsed_one_is_asked_for_in_its_row_and_the_gap_is_read(microsoft: Microsoft, channel: Channel) -> None:
    microsoft.post("microsoft/subscriptions/expire")
    Channel.unscoped.update(expires_at=timezone.now() - timedelta(minutes=1))
    before = SyncState.unscoped.get(pk=channel.sync_state_id).dirty_mark
    assert channels.renew_due() == 1
    again = Channel.unscoped.get()
    assert (again.pk, again.state, again.error) == (channel.pk, "live", "")
    assert again.resource_id != channel.resource_id
    assert SyncState.unscoped.get(pk=channel.sync_state_id).dirty_mark == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_stop_that_finds_nothing_is_an_end(microsoft: Microsoft, channel: Channel) -> None:
    microsoft.post("microsoft/subscriptions/expire")
    Channel.unscoped.update(state="stopping")
    assert channels.stop_due() == 1
    assert Channel.unscoped.get().state == "stopped"


@pytest.mark.django_db(transaction=True)
def test_a_client_that_is_refused_is_the_operators_matter(
    microsoft: Microsoft, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BadConfig("Microsoft does not accept this installation's client id and secret.")

    monkeypatch.setattr(subscriptions, "graph", refuse)
    Channel.unscoped.update(renew_at=timezone.now())
    assert channels.renew_due() == 0
    again = Channel.unscoped.get()
    assert (again.state, again.attempts) == ("live", 1)
    assert "client id and secret" in again.error
