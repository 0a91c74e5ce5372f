"""The one way to speak with a CRM: an authorised session whose calls are counted, paced and paid for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import requests

from crm import budgets, odd_text
from crm.contract import CrmAdapter, Link
from integrations import grants, outbound, providers
from integrations.contract import Reach
from integrations.models import Integration


def adapter(integration: Integration) -> CrmAdapter:
    """What translates this CRM."""
    return cast(CrmAdapter, providers.push_adapter(integration.provider, integration.integration_type))


@contextmanager
def open(integration: Integration, access: grants.Access) -> Iterator[Link]:
    """A way in for one thread. Needs ``tenancy.within`` its company.

    Its calls raise Wait where the CRM's allowance is used up, and else what the provider's errors mean.
    """
    meter = budgets.Meter(integration, adapter(integration))
    with grants.session(integration, access) as http:
        outbound.adopt(http, MeteredTransport(providers.get(integration.provider), meter))
        try:
            yield Link(http, integration.external_account_id, access.details)
        finally:
            meter.flush()


def calls(link: Link) -> int | None:
    """How many calls went out by this way in; None where it is no session of ours."""
    meter = _meter(link)
    return meter.calls if meter else None


def prepay(link: Link) -> None:
    """Pay for the next call by this way in, which another thread makes. Raises Wait where that is not allowed now."""
    if meter := _meter(link):
        meter.prepay()


def _meter(link: Link) -> budgets.Meter | None:
    transport = link.http.get_adapter("https://") if link.http.adapters else None
    return transport.meter if isinstance(transport, MeteredTransport) else None


class MeteredTransport(outbound.ProviderTransport):
    """Asks the budget before each request, and tells it of each answer, which comes without signs nobody can store."""

    def __init__(self, reach: Reach, meter: budgets.Meter) -> None:
        super().__init__(reach)
        self.meter = meter

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        self.meter.before(request)
        response = super().send(request, stream, timeout, verify, cert, proxies)
        self.meter.after(response)
        response._content = odd_text.without(response.content or b"")
        return response
