"""What HubSpot may be asked: every forbidden call is stopped before it leaves, whoever makes it."""

from typing import Any

import pytest
import requests

from integrations import outbound, providers
from integrations.errors import Permanent

PROVIDER = providers.get("hubspot")
API = "https://api.hubapi.com"


def prepared(method: str, path: str, **headers: str) -> requests.PreparedRequest:
    more: dict[str, Any] = {"json": {"inputs": []}} if method in {"POST", "PATCH"} else {}
    return requests.Request(method, f"{API}{path}", headers=headers, **more).prepare()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/crm/objects/2026-09/contacts?limit=100&archived=true&properties=a&properties=b"),
        ("GET", "/crm/v3/objects/companies/12"),
        ("GET", "/crm/owners/2026-09"),
        ("GET", "/account-info/2026-09/details"),
        ("POST", "/crm/objects/2026-09/contacts/search"),
        ("POST", "/crm/v3/objects/contacts/batch/read"),
        ("POST", "/crm/v3/objects/contacts/batch/read?archived=true"),
        ("POST", "/crm/objects/2026-09/companies/batch/upsert"),
        ("POST", "/crm/objects/2026-09/notes"),
        ("PATCH", "/crm/objects/2026-09/contacts/51"),
        ("PATCH", "/crm/v3/objects/contacts/a%40acme.example?idProperty=email"),
        ("PUT", "/crm/v4/objects/contacts/1/associations/default/companies/2"),
        ("PUT", "/crm/objects/2026-09/contacts/1/associations/companies/2"),
        ("POST", "/crm/associations/2026-09/contacts/companies/batch/create"),
        ("POST", "/crm/v4/associations/notes/contacts/batch/read"),
        ("POST", "/crm/properties/2026-09/companies"),
        ("POST", "/crm/v3/properties/contacts/groups"),
        ("POST", "/oauth/2026-03/token"),
        ("POST", "/oauth/2026-03/token/introspect"),
        ("POST", "/oauth/2026-03/token/revoke"),
        ("POST", "/oauth/v1/token"),
        ("DELETE", "/oauth/v1/refresh-tokens/na1-ab%2F12"),
    ],
)
def test_reading_creating_and_updating_what_we_may_is_let_through(method: str, path: str) -> None:
    assert PROVIDER.is_allowed(prepared(method, path))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/crm/objects/2026-09/contacts/51"),
        ("DELETE", "/crm/v3/properties/contacts/lpxgp_summary"),
        ("DELETE", "/crm/v4/objects/contacts/1/associations/companies/2"),
        ("DELETE", "/appinstalls/v3/external-install"),
        ("DELETE", "/oauth/v1/refresh-tokens/x/../../../crm/v3/objects/contacts/1"),
        ("POST", "/crm/objects/2026-09/contacts/batch/archive"),
        ("POST", "/crm/v3/objects/contacts/merge"),
        ("POST", "/crm/objects/2026-09/companies/merge"),
        ("POST", "/crm/v3/objects/contacts/gdpr-delete"),
        ("POST", "/crm/v4/associations/contacts/companies/batch/archive"),
        ("POST", "/crm/v4/associations/contacts/companies/batch/labels/archive"),
        ("POST", "/crm/v3/properties/contacts/batch/archive"),
        ("PATCH", "/crm/v3/properties/contacts/firstname"),
        ("PATCH", "/crm/v3/schemas/contacts"),
        ("POST", "/crm/v3/objects/deals"),
        ("PATCH", "/crm/v3/objects/tickets/1"),
        ("PATCH", "/crm/v3/objects/contacts/1/../../deals/2"),
        ("PATCH", "/crm/v3/objects/contacts/%2e%2e"),
        ("PATCH", "/crm/v3/objects/contacts/1?_method=DELETE"),
        ("PATCH", "/crm/v3/objects/contacts/1?archived=true"),
        ("POST", "/crm/v3/objects/contacts/batch/update?archived=true"),
        ("PUT", "/crm/v3/objects/contacts/1"),
        ("POST", "/webhooks/v3/1/subscriptions"),
        ("POST", "/marketing/v4/email/single-send"),
        ("POST", "/settings/v3/users"),
        ("GET", "/oauth/v1/access-tokens/secret"),
        ("GET", "/oauth/v1/refresh-tokens/secret"),
        ("GET", "/crm/v3/objects/contacts?hapikey=secret"),
    ],
)
def test_all_else_never_leaves(method: str, path: str) -> None:
    request = requests.Request(method, API, json={} if method in {"POST", "PATCH"} else None).prepare()
    # As it stands: a client would tidy up the dots.
    request.url = f"{API}{path}"
    with pytest.raises(Permanent, match="stopped on its way"):
        outbound.session(PROVIDER, "token").get_adapter(API).send(request)


@pytest.mark.parametrize(
    "headers", [{"X-HTTP-Method-Override": "DELETE"}, {"Host": "evil.example"}, {"Transfer-Encoding": "chunked"}]
)
def test_a_header_changes_neither_method_nor_frame(headers: dict[str, str]) -> None:
    assert not PROVIDER.is_allowed(prepared("POST", "/crm/v3/objects/contacts", **headers))
