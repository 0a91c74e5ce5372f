"""Takes verified requests in: one statement each, so that an answer waits for one commit and nothing else."""

import enum
import uuid
from functools import cache
from typing import Any, cast

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Field, Model
from django.utils import timezone

from integrations import channels, tokens
from integrations.contract import Claim
from integrations.models import Channel
from webhooks.models import Delivery

BODY_PURPOSE = "webhook-body"

KEY_CEILING = 200
"""Longest id of a provider that is taken; a B-tree index refuses entries above a third of a page."""


class Receipt(enum.Enum):
    """What became of a request: stored now, stored before, or by a channel that we do not listen to."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"


def receive(provider: str, webhook_type: str, claim: Claim, body: bytes) -> Receipt:
    """Store one verified request. In autocommit the row is committed when this returns.

    Its channel must be live (or just opening: the first push may overtake the provider's answer to our request for
    pushes) and watch the resource the claim names; company and sync state come from the channel.
    """
    if not all(_is_storable(text) for text in (claim.dedupe_key, claim.channel_id, claim.resource_id)):
        return Receipt.UNKNOWN
    pk, now = uuid.uuid4(), timezone.now()
    values: dict[str, Any] = {
        "id": pk,
        "provider": provider,
        "webhook_type": webhook_type,
        "dedupe_key": claim.dedupe_key,
        "channel_id": claim.channel_id,
        "headers": {name: storable(value) for name, value in claim.headers.items()},
        "body": tokens.encrypt(body, purpose=BODY_PURPOSE, context=str(pk)) if body else b"",
        "status": Delivery.Status.RECEIVED,
        "attempts": 0,
        "is_suspect": False,
        "next_attempt_at": now,
        "received_at": now,
        "error": "",
    }
    parameters = [_adapted(Delivery, name, value) for name, value in values.items()]
    if claim.channel_id:
        wanted = {
            "provider": provider,
            "channel_id": claim.channel_id,
            "resource_id": claim.resource_id,
            "expires_at": now,
        }
        parameters += [_adapted(Channel, name, value) for name, value in wanted.items()]
    if _insert(_insert_sql(connection.vendor, tuple(values), bool(claim.channel_id)), parameters):
        return Receipt.STORED
    if Delivery.objects.filter(provider=provider, dedupe_key=claim.dedupe_key).exists():
        return Receipt.DUPLICATE
    channels.stop_stray(provider, claim.channel_id, claim.resource_id)
    return Receipt.UNKNOWN


def body_of(delivery: Delivery) -> bytes:
    """The raw body as it was sent. Raises tokens.CannotDecrypt."""
    if not delivery.body:
        return b""
    return tokens.decrypt(delivery.body, purpose=BODY_PURPOSE, context=str(delivery.pk))


def _insert(sql: str, parameters: list[Any]) -> bool:
    """Whether the row is new. Once more where the connection kept from an earlier request turns out to be dead.

    Django would ask it beforehand, by a statement that costs as much as this one. Here the key makes a second try safe:
    a row that the first one stored after all is a duplicate.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs do not know it
    try:
        return _execute(sql, parameters)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _execute(sql, parameters)


def _execute(sql: str, parameters: list[Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount == 1


@cache
def _insert_sql(vendor: str, columns: tuple[str, ...], has_channel: bool) -> str:
    """INSERT of these columns; of company and sync state too where a channel says them.

    ``ON CONFLICT DO NOTHING`` makes a duplicate cost nothing but this statement.
    """
    names = ", ".join(columns)
    values = ", ".join(_placeholder(vendor, Delivery, name) for name in columns)
    if not has_channel:
        return f"INSERT INTO webhooks_delivery ({names}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
    provider, channel_id, resource_id, expires_at = (
        _placeholder(vendor, Channel, name) for name in ("provider", "channel_id", "resource_id", "expires_at")
    )
    # The names are this module's own; every value is a parameter.
    return f"""
        INSERT INTO webhooks_delivery ({names}, company_id, sync_state_id)
        SELECT {values}, c.company_id, c.sync_state_id FROM webhook_channels c
        WHERE c.provider = {provider} AND c.channel_id = {channel_id} AND c.state IN ('opening', 'live')
        AND (c.resource_id = '' OR c.resource_id = {resource_id})
        AND (c.expires_at IS NULL OR c.expires_at > {expires_at})
        ON CONFLICT DO NOTHING
    """  # noqa: S608


def _placeholder(vendor: str, model: type[Model], name: str) -> str:
    """PostgreSQL takes a bare parameter in a SELECT list for text, so it is told the column's type."""
    return f"%s::{_field(model, name).db_type(connection)}" if vendor == "postgresql" else "%s"


def _adapted(model: type[Model], name: str, value: Any) -> Any:
    return _field(model, name).get_db_prep_value(value, connection)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return cast("Field[Any, Any]", model._meta.get_field(name))


def _is_storable(text: str) -> bool:
    return len(text) <= KEY_CEILING and text == storable(text)


def storable(text: str) -> str:
    """The text without what PostgreSQL refuses in text: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
