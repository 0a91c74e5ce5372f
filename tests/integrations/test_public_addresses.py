"""Names that somebody else chose lead to public addresses alone, and to the one that was checked."""

import socket
from typing import Any

import pytest
import requests

from integrations import outbound, public_addresses
from integrations.errors import Permanent, Temporary


class Anything:
    """A reach whose hosts alone count; the second is named by a pattern."""

    hosts = ("api.provider.example", "*.tenant.example")

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        return True


class Wire:
    """A name server that gives one answer after the other, and a wire that notes who was called and goes nowhere."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.called: list[str] = []

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in self.answers.pop(0)]

    def connect(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        self.called.append(address[0])
        raise ConnectionRefusedError


def wire(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Wire:
    found = Wire(*answers)
    monkeypatch.setattr("integrations.public_addresses.socket.getaddrinfo", found.getaddrinfo)
    monkeypatch.setattr("urllib3.util.connection.create_connection", found.connect)
    return found


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "fec0::1",
    ],
)
def test_a_name_that_leads_inside_is_never_called(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    far = wire(monkeypatch, ["93.184.215.14", address])

    with pytest.raises(Permanent, match="private network"):
        outbound.session(Anything(), "token").get("https://acme.tenant.example/")
    assert far.called == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_a_public_address_is_called(address: str) -> None:
    assert public_addresses.is_public(address)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers differently the second time is never asked a second time."""
    far = wire(monkeypatch, ["93.184.215.14", "93.184.215.15"], ["127.0.0.1"])

    with pytest.raises(Temporary):
        outbound.session(Anything(), "token").get("https://acme.tenant.example/")
    assert (far.asked, far.called) == (["acme.tenant.example"], ["93.184.215.14", "93.184.215.15"])


def test_a_name_without_an_address_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr("integrations.public_addresses.socket.getaddrinfo", nobody)
    with pytest.raises(Temporary):
        outbound.session(Anything(), "token").get("https://acme.tenant.example/")


def test_the_providers_own_hosts_are_called_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may well reach a provider through his own network."""
    far = wire(monkeypatch)

    with pytest.raises(Temporary):
        outbound.session(Anything(), "token").get("https://api.provider.example/")
    assert (far.asked, far.called) == ([], ["api.provider.example"])
