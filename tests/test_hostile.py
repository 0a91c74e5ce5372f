"""Hostile input to every address there is, read from the URL resolver: refused or understood, never a 500.

What is refused changes nothing. Each request runs in a savepoint that is rolled back: one cannot spoil the next.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.cookies import SimpleCookie
from itertools import islice
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import channel_tokens, signing_secrets
from integrations.models import Channel, Integration
from relationships.models import User
from tests import hostile_input
from tests.hostile_input import ARGUMENTS, NAMES, Attack
from tests.lpxgp.addresses import addresses
from tests.lpxgp.test_isolation import ROWS, every_row, sign_in
from tests.webhooks.conftest import google_headers, make_channel, make_crm, make_state
from webhooks import drain
from webhooks import views as webhook_views
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

WITHOUT_CONVERTERS = (
    "/accounts/confirm-email/a:b:c/",
    "/accounts/confirm-email/a%00b/",
    "/accounts/password/reset/key/1-set-password/",
    "/accounts/password/reset/key/zzzzzzzzzzzzzzzzzzzz-%00%FF/",
    "/admin/relationships/",
    "/admin/nothing/%00",
    "/livez",
    "/readyz",
    "/nothing/at/all",
)
"""Addresses by regular expressions, which fill in no converter, and those answered by a middleware."""

CHANGES_NO_ROW = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", 'UPDATE "DJANGO_SESSION"')
"""How the statements begin that change nothing ``every_row`` reads: most requests store when they were made."""

REAL_WORDS = {"webhook_type": "calendar-event", "provider": "google", "integration_type": "calendar"}
SHARED = "a secret that both sides share"
Run = Callable[[Iterable[Attack]], None]


@pytest.fixture(autouse=True)
def as_on_a_server(settings: Settings) -> Iterator[None]:
    """Links can be begun, nothing shows debugging pages, and static files are known from the start."""
    assert not settings.DEBUG
    settings.WHITENOISE_AUTOREFRESH = False
    settings.PROVIDER_CREDENTIALS = {
        slug: {"client_id": "client-1", "client_secret": "secret-1"} for slug in ("google", "hubspot")
    }
    settings.ENTITY_WEBHOOK_SECRET = "whsec_" + base64.b64encode(SHARED.encode()).decode()
    webhook_views._bucket.cache_clear()
    logging.disable()  # tens of thousands of refusals, each with its line
    yield
    logging.disable(logging.NOTSET)
    webhook_views._bucket.cache_clear()


def paths(is_admin: bool, alice: User) -> list[str]:
    """Every address with a row of Alice's in it where it takes one, so that its view is reached."""
    rows = {make: make(alice) for make in set(ROWS.values())}
    found = []
    for address in addresses():
        if address.route.startswith("admin/") == is_admin:
            made = rows[ROWS[address.name]] if address.name in ROWS else {}
            found.append(address.filled(REAL_WORDS | {name: str(value) for name, value in made.items()}))
    return found + [path for path in WITHOUT_CONVERTERS if path.startswith("/admin/") == is_admin]


class Attacker:
    """Sends attacks as one visitor, who is the same again each time, and collects what was answered wrongly."""

    def __init__(self, role: str, client: Client) -> None:
        self._role, self._client = role, client
        client.raise_request_exception = False
        self._cookies = client.cookies.output(header="", sep=";")
        self._rows: dict[str, list[Any]] = {}
        self._writes: list[str] = []
        self._wrong: list[str] = []

    def attack(self, every: Sequence[str], attacks: Callable[[str], Iterable[Attack]], one_in: dict[str, int]) -> None:
        """Send each address one in ``one_in[role]`` of the attacks, another part of them to each; fail at the end.

        HOSTILE_ALL=1 sends all to each, which takes some five minutes.
        """
        step = 1 if os.environ.get("HOSTILE_ALL") == "1" else one_in[self._role]
        self._rows = every_row()
        for offset, path in enumerate(every):
            self._send(islice(attacks(path), offset % step, None, step))
        if self._wrong:
            pytest.fail(f"{len(self._wrong)} wrong answers:\n" + "\n".join(self._wrong[:60]))

    def _send(self, attacks: Iterable[Attack]) -> None:
        """An answer of 500 or more is wrong, and one that refuses after something was changed."""
        for attack in attacks:
            with transaction.atomic():
                self._writes.clear()
                with connection.execute_wrapper(self._note):
                    answer = self._answer(attack)
                if answer.status_code >= 500:
                    self._wrong.append(f"{answer.status_code} {_cause(answer)}: {attack}")
                elif answer.status_code >= 400 and self._writes and every_row() != self._rows:
                    self._wrong.append(f"{answer.status_code}, and changed something: {attack}")
                transaction.set_rollback(True)

    def _note(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        """Looking at all rows after each request would take hours: only after one that wrote."""
        if not sql.lstrip().upper().startswith(CHANGES_NO_ROW):
            self._writes.append(sql)
        return execute(sql, *arguments)

    def _answer(self, attack: Attack) -> Any:
        self._client.cookies = SimpleCookie(self._cookies)
        return self._client.generic(
            attack.method,
            attack.path,
            attack.body,
            attack.content_type,
            headers=attack.headers,
            query_params=None,
            QUERY_STRING=attack.query,  # as it stands: ``query_params`` would encode it
        )


def _cause(answer: HttpResponse) -> str:
    """What was raised, for whoever has to mend it."""
    raised = getattr(answer, "exc_info", None)
    return f"{raised[0].__name__} {str(raised[1])[:150]}" if raised else ""


@pytest.fixture(params=["anonymous", "member", "staff"])
def attacker(request: pytest.FixtureRequest, alice: User, staff: User) -> Attacker:
    who = {"anonymous": None, "member": alice, "staff": staff}[request.param]
    return Attacker(request.param, sign_in(who) if who else Client())


def test_our_own_addresses(attacker: Attacker, alice: User) -> None:
    every = [path for path in paths(False, alice) if not path.startswith("/accounts/")]
    attacker.attack(every, hostile_input.everything, {"member": 3, "anonymous": 10, "staff": 10})


def test_the_accounts_pages(attacker: Attacker, alice: User) -> None:
    every = [path for path in paths(False, alice) if path.startswith("/accounts/")]
    attacker.attack(every, hostile_input.to_a_librarys_page, {"member": 10, "anonymous": 10, "staff": 20})


def test_the_admin(attacker: Attacker, alice: User) -> None:
    attacker.attack(
        paths(True, alice), hostile_input.to_a_librarys_page, {"member": 100, "anonymous": 100, "staff": 10}
    )


def test_arguments_that_name_nothing(attacker: Attacker) -> None:
    def attacks(value: str) -> Iterator[Attack]:
        for address in addresses():
            if address.converters and not address.route.startswith("admin/"):
                yield Attack(address.filled({name: value for name, _ in address.converters}))

    attacker.attack(ARGUMENTS, attacks, {"member": 1, "anonymous": 2, "staff": 2})


def test_no_form_is_taken_without_its_token(alice: User) -> None:
    open_to_all = ("/webhooks/", "/livez", "/readyz", "/api/", "/metrics")
    every = [path for path in paths(False, alice) if not path.startswith(open_to_all)]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    before = every_row()

    answers = {path: strict.post(path, {"text": "a"}).status_code for path in every}

    assert {path: status for path, status in answers.items() if status not in {400, 403, 404, 405}} == {}
    assert every_row() == before


def link_of(alice: User) -> Integration:
    return Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type="calendar",
        encrypted_tokens=b"",
        external_account_id="118",
    )


def test_a_valid_push_among_hostile_ones_is_never_lost(alice: User) -> None:
    channel = make_channel(make_state(link_of(alice)))
    client = Client(raise_request_exception=False)
    path = "/webhooks/calendar-event/google"
    stored = 0
    for attack in hostile_input.everything(path):
        signed = google_headers(channel, stored + 1)
        valid = client.post(path, b"", content_type="application/json; utf-8", headers=signed)
        assert valid.status_code == 202, attack
        stored += 1
        hostile = client.generic(
            attack.method, path, attack.body, attack.content_type, headers={**attack.headers, "X-Goog-Channel-ID": "x"}
        )
        assert 400 <= hostile.status_code < 500, attack
    assert Delivery.objects.count() == stored


GRAPH_PATHS = tuple(
    f"/webhooks/{kind}{provider}" for kind in ("calendar-event", "email-received") for provider in ("", "/microsoft")
)


@pytest.mark.parametrize("path", GRAPH_PATHS)
def test_what_is_asked_of_an_address_comes_back_as_plain_text_or_not_at_all(client: Client, path: str) -> None:
    client.raise_request_exception = False
    echoed = set()
    for attack in hostile_input.by_question(path):
        answer: Any = client.generic(
            attack.method, path, attack.body, attack.content_type, QUERY_STRING=attack.query, query_params=None
        )
        assert answer.status_code in {200, 400}, attack
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert not answer.cookies
        if answer.status_code == 200:
            assert answer["Content-Type"] == "text/plain; charset=utf-8"
            text = answer.content.decode()
            assert text.isascii()
            assert text.isprintable()
            assert 0 < len(text) <= 1_000
            echoed.add(text)
        else:
            assert b"alert" not in answer.content
    assert {"<script>alert(document.domain)</script>", "a" * 1_000} <= echoed
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("path", GRAPH_PATHS)
def test_notifications_that_prove_nothing_are_refused(client: Client, path: str) -> None:
    client.raise_request_exception = False
    for attack in hostile_input.by_notice(path):
        answer = client.generic(attack.method, path, attack.body, attack.content_type, QUERY_STRING=attack.query)
        assert answer.status_code in {400, 401, 404}, attack
    assert not Delivery.objects.exists()


def test_a_valid_notification_among_hostile_ones_is_never_lost(alice: User) -> None:
    channel = make_channel(make_state(link_of(alice)), provider="microsoft")
    client = Client(raise_request_exception=False)
    path = "/webhooks/calendar-event/microsoft"
    stored = 0
    for attack in hostile_input.everything(path):
        answer = client.post(path, graph_notice(channel, stored), content_type="application/json")
        assert answer.status_code == 202, attack
        stored += 1
        hostile = client.generic(attack.method, path, attack.body, attack.content_type, headers=attack.headers)
        assert 400 <= hostile.status_code < 500, attack
    assert Delivery.objects.count() == stored


ORG = "00Dn00000008y2tEAA"
CRM_PATHS = (
    "/webhooks/crm-contact",
    "/webhooks/crm-contact/hubspot",
    "/webhooks/crm-contact/salesforce",
    f"/webhooks/crm-contact/salesforce/{uuid.UUID(int=7)}/6bb6aa12.n.m",
    f"/webhooks/crm-contact/hubspot/{uuid.UUID(int=7)}/6bb6aa12.n.m",
    "/webhooks/entity-updated",
)


@pytest.mark.parametrize("path", CRM_PATHS)
def test_pushes_of_crms_that_prove_nothing_are_refused(client: Client, path: str) -> None:
    client.raise_request_exception = False
    for attack in hostile_input.by_message(path):
        answer = client.generic(attack.method, path, attack.body, attack.content_type, headers=attack.headers)
        assert answer.status_code in {400, 401, 404}, attack
    assert not Delivery.objects.exists()


def hubspot_push(channel: Channel, number: int) -> tuple[bytes, dict[str, str]]:
    body = json.dumps([{"portalId": 62515, "objectId": number + 1, "subscriptionType": "contact.creation"}]).encode()
    at = str(int(time.time() * 1000))
    source = b"POST" + f"{settings.PUBLIC_URL}/webhooks/crm-contact/hubspot".encode() + body + at.encode()
    mac = hmac.new(b"secret-1", source, hashlib.sha256).digest()
    return body, {"X-HubSpot-Signature-v3": base64.b64encode(mac).decode(), "X-HubSpot-Request-Timestamp": at}


def salesforce_push(channel: Channel, number: int) -> tuple[bytes, dict[str, str]]:
    value = {"organizationId": ORG, "object": "Contact", "ids": [f"003{number:012}"], "event": "updated"}
    body, at = json.dumps(value).encode(), str(int(time.time()))
    secret = signing_secrets.secret(channel.channel_id, channel.signing_id)
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    name = f"{channel.channel_id}.{channel.signing_id}"
    return body, {
        "X-Salesforce-Signature": mac.hexdigest(),
        "X-Salesforce-Timestamp": at,
        "X-Salesforce-Secret-Id": name,
    }


@pytest.mark.parametrize(
    ("slug", "account", "push"), [("hubspot", "62515", hubspot_push), ("salesforce", ORG, salesforce_push)]
)
def test_a_valid_push_of_a_crm_among_hostile_ones_is_never_lost(
    alice: User, slug: str, account: str, push: Callable[[Channel, int], tuple[bytes, dict[str, str]]]
) -> None:
    channel = make_crm(alice, slug, account, signing_id=signing_secrets.new_id())
    client = Client(raise_request_exception=False)
    path = f"/webhooks/crm-contact/{slug}"
    stored = 0
    for attack in hostile_input.everything(path):
        body, headers = push(channel, stored)
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == 202, attack
        stored += 1
        hostile = client.generic(attack.method, path, attack.body, attack.content_type, headers=attack.headers)
        assert 400 <= hostile.status_code < 500, attack
    assert Delivery.objects.count() == stored


def test_an_address_that_is_a_secret_stands_everything_else(alice: User) -> None:
    """Whoever knows it can make us read a record again, and nothing more."""
    channel = make_crm(alice, "salesforce", ORG)
    path = f"/webhooks/crm-contact/salesforce/{channel.channel_id}/{channel_tokens.make(channel.channel_id)}"
    client = Client(raise_request_exception=False)
    for attack in hostile_input.everything(path):
        answer = client.generic(attack.method, path, attack.body, attack.content_type, headers=attack.headers)
        assert 400 <= answer.status_code < 500, attack
    assert not Delivery.objects.exists()


def graph_notice(channel: Channel, number: int | str, **changes: Any) -> bytes:
    """A notification as Graph makes it."""
    state = f"{channel.channel_id}.{channel_tokens.make(channel.channel_id)}"
    item = {"subscriptionId": channel.resource_id, "clientState": state, "changeType": "updated"}
    data = {"id": "AAMk1", "@odata.etag": f'W/"{number}"'}
    return json.dumps({"value": [item | {"resourceData": data} | changes]}).encode()


wild = st.one_of(
    st.text(max_size=300),
    st.integers().map(str),
    st.sampled_from(["\0", "a\0b", "9" * 5000, "-1", "1e9", "%", "_", "\\", "\u202e", "NaN", " " * 200]),
)
few = effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    "path", ["/", "/people/", "/settings/integrations/events/", "/oauth/callback/google", "/accounts/login/"]
)
@few
@given(parameters=st.dictionaries(st.sampled_from(NAMES), wild, max_size=6))
def test_any_parameters_of_a_page(as_alice: Client, path: str, parameters: dict[str, str]) -> None:
    with transaction.atomic():
        assert as_alice.get(path, parameters).status_code in {200, 302, 400}
        transaction.set_rollback(True)


@few
@given(form=st.dictionaries(st.sampled_from(["text", "outcome", "follow_up", "due_on", "sync_to_crm"]), wild))
def test_any_note(as_alice: Client, alice: User, form: dict[str, str]) -> None:
    with transaction.atomic():
        made = next(maker for name, maker in ROWS.items() if name == "relationships:meeting")(alice)
        answer = as_alice.post(f"/meetings/{made['pk']}/", form)
        assert answer.status_code in {200, 302, 400}
        transaction.set_rollback(True)


@few
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(["application/json", "text/xml", "text/plain", ""]),
    sent=st.dictionaries(
        st.sampled_from(["X-Goog-Channel-ID", "X-Goog-Channel-Token", "X-Goog-Message-Number", "X-Goog-Resource-ID"]),
        st.text(st.characters(max_codepoint=255), max_size=100),
    ),
)
def test_any_push(client: Client, body: bytes, content_type: str, sent: dict[str, str]) -> None:
    answer = client.post("/webhooks/calendar-event", body, content_type=content_type, headers=sent)
    assert answer.status_code in {400, 401, 404, 415}
    assert not Delivery.objects.exists()


@few
@given(number=wild, resource_id=wild, state=wild)
def test_any_push_over_a_known_channel(client: Client, alice: User, number: str, resource_id: str, state: str) -> None:
    with transaction.atomic():
        channel = make_channel(make_state(link_of(alice)))
        changes = {"X-Goog-Message-Number": number, "X-Goog-Resource-ID": resource_id, "X-Goog-Resource-State": state}
        signed = {**google_headers(channel), **changes}
        answer = client.post("/webhooks/calendar-event", b"", content_type="application/json", headers=signed)
        assert answer.status_code in {202, 404}
        assert Delivery.objects.count() == (answer.status_code == 202)
        transaction.set_rollback(True)


@few
@given(number=wild, event=wild | st.none(), data=st.dictionaries(st.sampled_from(["id", "@odata.etag"]), wild))
def test_any_notification_of_a_known_subscription(
    client: Client, alice: User, number: str, event: str | None, data: dict[str, str]
) -> None:
    with transaction.atomic():
        channel = make_channel(make_state(link_of(alice)), provider="microsoft")
        sent = graph_notice(channel, number, lifecycleEvent=event, resourceData=data, changeType=number)
        answer = client.post("/webhooks/email-received", sent, content_type="application/json")
        assert answer.status_code == 202
        assert drain.run() == 1
        assert Delivery.objects.get().status in {"waiting", "ignored"}
        transaction.set_rollback(True)


def test_a_browser_of_any_name_may_sign_in(alice: User) -> None:
    """Its name is kept with the session."""
    for name in ("\x00" * 5, "x" * 5000, "\xff\xfe"):
        client = Client(raise_request_exception=False)
        form = {"login": alice.email, "password": "a-long-password"}
        with transaction.atomic():
            answer = client.post("/accounts/login/", form, headers={"User-Agent": name})
            assert answer.status_code < 500, name[:5]
            transaction.set_rollback(True)
