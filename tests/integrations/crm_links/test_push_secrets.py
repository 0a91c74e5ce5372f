"""The secret that a company's Apex class signs with: made, shown and replaced by an admin who proves who he is."""

import html
import re

import pytest
from django.test import Client

from integrations import signing_secrets
from integrations.models import Channel
from relationships.models import User
from tests.integrations.crm_links.conftest import client_of
from tests.pretend_crm import Crm

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-password"
SECRET = re.compile(r"[0-9a-f-]{36}\.[0-9a-f]{8}\.[\w-]{22}\.[\w-]{43}", re.ASCII)


@pytest.fixture
def page(salesforce: Crm, alice: User) -> str:
    integration = salesforce.link(alice, "admin@acme.example", login_host="login.salesforce.com")
    return f"/settings/integrations/{integration.pk}/pushes/"


@pytest.fixture
def proved(as_alice: Client) -> Client:
    """Alice, who gave her password just now."""
    as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return as_alice


def shown(client: Client, address: str, **form: str) -> list[str]:
    answer = client.post(address, form)
    assert answer.status_code == 200
    return SECRET.findall(html.unescape(answer.content.decode()))


def secret_now() -> str:
    channel = Channel.unscoped.get()
    return signing_secrets.secret(channel.channel_id, channel.signing_id)


def test_nothing_is_made_or_shown_before_the_password_was_given(page: str, as_alice: Client) -> None:
    asked = as_alice.post(f"{page}secret/", {"instead_of": ""})
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert Channel.unscoped.get().signing_id == ""

    resumed = as_alice.post(asked["Location"], {"password": PASSWORD})
    assert SECRET.findall(html.unescape(resumed.content.decode())) == [secret_now()]
    assert resumed["Cache-Control"] == "no-store"


def test_it_is_shown_again_and_stands_nowhere_else(page: str, proved: Client) -> None:
    assert "Show the secret" not in proved.get(page).content.decode()
    (made,) = shown(proved, f"{page}secret/", instead_of="")
    assert shown(proved, f"{page}secret/") == [made] == [secret_now()]
    plain = proved.get(page).content.decode()
    assert "Show the secret" in plain
    assert not SECRET.search(plain)


def test_it_is_replaced_once_however_often_the_button_is_pressed(page: str, proved: Client) -> None:
    (first,) = shown(proved, f"{page}secret/", instead_of="")
    old = Channel.unscoped.get().signing_id
    (second,) = shown(proved, f"{page}secret/", instead_of=old)
    assert second != first
    assert shown(proved, f"{page}secret/", instead_of=old) == [second]


def test_a_secret_of_an_older_key_is_to_be_replaced_and_not_shown(page: str, proved: Client) -> None:
    old = f"00000000.{'n' * 22}"
    Channel.unscoped.update(signing_id=old)
    assert shown(proved, f"{page}secret/") == []
    plain = proved.get(page).content.decode()
    assert "is being replaced" in plain
    assert "Show the secret" not in plain
    assert shown(proved, f"{page}secret/", instead_of=old) == [secret_now()]


def test_it_is_the_admins_of_this_company_alone(page: str, as_bob: Client, as_charlie: Client, bob: User) -> None:
    for client in (as_bob, as_charlie, Client()):
        answer = client.post(f"{page}secret/", {"instead_of": ""})
        assert answer.status_code == 404 or "/accounts/login/" in answer["Location"]
    assert Channel.unscoped.get().signing_id == ""
    User.objects.filter(pk=bob.pk).update(is_company_admin=True)
    assert client_of(bob).post(f"{page}secret/", {"instead_of": ""}).status_code == 302


def test_where_pushes_need_nobody_there_is_none(hubspot: Crm, alice: User, proved: Client) -> None:
    integration = hubspot.link(alice, "1001")
    assert proved.post(f"/settings/integrations/{integration.pk}/pushes/secret/").status_code == 404


def test_without_a_live_channel_there_is_none(page: str, proved: Client) -> None:
    Channel.unscoped.update(state=Channel.State.EXPIRED)
    assert proved.post(f"{page}secret/", {"instead_of": ""}).status_code == 404
    assert "Make a secret" not in proved.get(page).content.decode()


@pytest.mark.parametrize("odd", ["\0", "é" * 5000])
def test_instead_of_what_was_never_offered_nothing_is_made(page: str, proved: Client, odd: str) -> None:
    assert shown(proved, f"{page}secret/", instead_of=odd) == []
    assert Channel.unscoped.get().signing_id == ""
