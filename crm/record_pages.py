"""The pages of records in a CRM, for people who want to see one there."""

import uuid
from collections import defaultdict
from collections.abc import Collection

from crm import connection
from crm.models import RecordLink
from integrations import outbound, providers
from integrations.models import Integration
from relationships.elsewhere import Page


def record_url(integration: Integration, crm_object: str, external_id: str) -> str:
    """Where people see a record in the CRM; empty where that is not known."""
    if not external_id:
        return ""
    adapter = connection.adapter(integration)
    try:
        url = adapter.record_url(integration.details, integration.external_account_id, crm_object, external_id)
    except KeyError:
        return ""  # Of an account that was never read nobody knows where its pages are.
    return outbound.rerouted(url)


def find(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Page]]:
    """The pages of our rows in the CRM the company keeps them in step with. One query; needs ``tenancy.within``."""
    links = RecordLink.objects.filter(row_id__among=row_ids, state=RecordLink.State.LINKED, deleted_at=None)
    links = links.exclude(integration__sync_status=Integration.Status.REVOKED).select_related("integration")
    found: dict[uuid.UUID, list[Page]] = defaultdict(list)
    for link in links.order_by("integration__provider", "crm_object"):
        url = record_url(link.integration, link.crm_object, link.external_id)
        if link.row_id and url:
            found[link.row_id].append(Page(providers.service(link.integration.provider, "crm").label, url))
    return found
