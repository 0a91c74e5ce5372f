"""Linking with Microsoft, through real msal and the pretend Microsoft's own pages."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from integrations import grants, outbound, providers
from integrations.contract import Account, ConsentWanted, Tokens
from integrations.providers.microsoft.offers import CALENDAR
from tests.pretend_microsoft import Microsoft

pytestmark = pytest.mark.django_db


def consented(microsoft: Microsoft, account: str = "alice@acme.example") -> tuple[Tokens, Account]:
    provider, config = providers.get("microsoft"), providers.client_config("microsoft")
    with outbound.session(provider) as http:
        begun = provider.begin(config, http, ConsentWanted(CALENDAR, "state-1", account))
        back = urlsplit(microsoft.consent(outbound.rerouted(begun.url), account))
        answer = {name: values[0] for name, values in parse_qs(back.query).items()}
        return provider.exchange(config, http, answer, begun.kept)


def test_a(microsoft: Microsoft) -> None:
    print(consented(microsoft))
