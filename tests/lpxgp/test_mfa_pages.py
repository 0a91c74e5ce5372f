"""The pages of the second factor say what to do next, for whoever lost the phone too."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
import time_machine
from django.test import Client

from relationships.models import User
from tests.lpxgp.test_mfa import CHALLENGE, enrol, is_signed_in, log_in

pytestmark = pytest.mark.django_db
CODES = "/accounts/2fa/recovery-codes/"


@pytest.fixture
def enrolled(alice: User) -> Iterator[Client]:
    """Alice's browser, in which she has just activated her app."""
    client = Client()
    with time_machine.travel("2030-03-04T08:00:00Z", tick=False):
        log_in(client, alice.email)
        enrol(client)
        yield client


def test_recovery_codes_are_shown_once_and_can_be_downloaded(enrolled: Client, alice: User) -> None:
    page = enrolled.get(CODES).content.decode()
    codes = re.findall(r"<code>([^<]+)</code>", page)
    assert len(codes) == 10
    download = re.search(r'download="lpxgp-recovery-codes.txt" href="data:text/plain;charset=utf-8,([^"]+)"', page)
    assert download is not None
    assert unquote(download[1]).split() == codes
    assert 'href="/accounts/2fa/">I have saved them' in page

    again = enrolled.get(CODES).content.decode()
    assert not [code for code in codes if code in again]
    assert "Make new codes" in again

    other = Client()
    log_in(other, alice.email)
    other.post(CHALLENGE, {"code": codes[0]})
    assert is_signed_in(other)


def test_who_is_asked_for_a_code_reads_what_else_will_do(enrolled: Client, alice: User) -> None:
    client = Client()
    log_in(client, alice.email)
    page = client.get(CHALLENGE).content.decode()
    assert "one of your recovery codes" in page
    assert "reset your second factor" in page
