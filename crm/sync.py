"""Keeps one CRM and us equal: what changed there comes in first, then what changed here goes out, under one hold."""

import uuid

from crm import connection, drafts, mapping, policy, pull, push, schema
from integrations import runs
from relationships import bulk


def run(state_id: uuid.UUID) -> None:
    """Bring both sides up to date. May run twice, or be killed anywhere: what was noted as sent is recovered first."""
    with bulk.planned_anew():
        runs.sync(state_id, _both_ways)


def _both_ways(held: runs.Held) -> None:
    """Raises OutOfTime and Wait between any two steps; what is done by then is kept."""
    integration = held.state.integration
    drafts.ensure(integration)
    policy.keep(integration)
    if schema.is_stale(integration):
        schema.refresh(integration)
    published = mapping.published(integration)
    with connection.open(integration, held.access) as link:
        pull.pull(held, link, published)
        push.push(held, link, published)
