"""The pretend CRM, linked to Acme, in place of a real one."""

import contextlib
from collections.abc import Iterator

import pytest
import requests

from crm import connection, schema
from crm.contract import Link
from integrations import grants
from integrations.models import Integration
from relationships.models import Company
from tests.crm.in_scene import ROWS, In
from tests.crm.out_scene import link_crm, out, publish
from tests.crm.pretend_crm import PretendCrm
from tests.crm.two_ways import firm

__all__ = ["firm", "out"]


@pytest.fixture
def coming(in_acme: Company, monkeypatch: pytest.MonkeyPatch) -> In:
    """Acme and its CRM, with nothing in it."""
    crm = PretendCrm()
    integration = link_crm(in_acme)

    @contextlib.contextmanager
    def opened(integration: Integration, access: grants.Access) -> Iterator[Link]:
        yield Link(requests.Session(), integration.external_account_id, {})

    monkeypatch.setattr(connection, "adapter", lambda integration: crm)
    monkeypatch.setattr(connection, "open", opened)
    for crm_object, fields in crm.fields_of.items():
        schema.store(integration, crm_object, fields)
    publish(integration, ROWS)
    return In(in_acme, integration, crm)
