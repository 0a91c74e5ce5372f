"""Whose webhooks are taken: those of the providers, and of the product's own core."""

from functools import cache

from integrations import providers
from integrations.contract import Sender
from webhooks import entities

OURS: dict[str, Sender] = {entities.WEBHOOK_TYPE: entities.sender}
"""Senders that nobody links, by the type of their webhooks."""


@cache
def by_type() -> dict[str, dict[str, Sender]]:
    """Who sends webhooks of which type, by slug."""
    known: dict[str, dict[str, Sender]] = {name: {sender.slug: sender} for name, sender in OURS.items()}
    for slug in providers.slugs():
        provider = providers.get(slug)
        for service in provider.services:
            if service.webhook_type:
                known.setdefault(service.webhook_type, {})[slug] = provider
    return known


def get(slug: str) -> Sender:
    """The sender of this slug. Raises LookupError."""
    return next((sender for sender in OURS.values() if sender.slug == slug), None) or providers.get(slug)
