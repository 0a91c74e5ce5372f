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


NOBODY_WATCHES = "Nobody here reads what it speaks of."


class Receipt(enum.Enum):
    """What became of a request: stored now, stored before, or by a channel that we do not listen to.

    UNWATCHED: it names no channel, and a resource that nobody here reads (any more). Its sender is right all the same.
    """

    STORED = "stored"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    UNWATCHED = "unwatched"


def receive(provider: str, webhook_type: str, claim: Claim, body: bytes) -> Receipt:
    """Store one verified request. In autocommit the row is committed when this returns.

    Its channel must be live (or just opening: the first push may overtake the provider's answer to our request for
    pushes) and watch the resource the claim names; company and sync state come from the channel. A claim by resource
    becomes a delivery for each such channel, of whichever company.
    """
    if not all(_is_storable(text) for text in (claim.dedupe_key, claim.channel_id, claim.resource_id)):
        return Receipt.UNWATCHED if claim.by_resource else Receipt.UNKNOWN
    values = _values(provider, webhook_type, claim, body)
    if _insert(values, _wanted(claim, values)):
        return Receipt.STORED
    if claim.by_resource:
        return _unwatched(values, claim)
    if Delivery.objects.filter(provider=provider, dedupe_key=claim.dedupe_key).exists():
        return Receipt.DUPLICATE
    channels.stop_stray(provider, claim.channel_id, claim.resource_id)
    return Receipt.UNKNOWN


def body_of(delivery: Delivery) -> bytes:
    """The raw body as it was sent. Raises tokens.CannotDecrypt."""
    if not delivery.body:
        return b""
    return tokens.decrypt(delivery.body, purpose=BODY_PURPOSE, context=body_context(delivery))


def body_context(delivery: Delivery) -> str:
    """What a body is bound to: its row, or the request that became several."""
    return str(delivery.request_key or delivery.pk)


def _values(provider: str, webhook_type: str, claim: Claim, body: bytes) -> dict[str, Any]:
    """The columns of a delivery. Where one request becomes several they share its key, and each gets its own id."""
    key, now = uuid.uuid4(), timezone.now()
    own = {"request_key": key} if claim.by_resource else {"id": key, "channel_id": claim.channel_id}
    return {
        **own,
        "provider": provider,
        "webhook_type": webhook_type,
        "dedupe_key": claim.dedupe_key,
        "headers": {name: storable(value) for name, value in claim.headers.items()},
        "body": tokens.encrypt(body, purpose=BODY_PURPOSE, context=str(key)) if body else b"",
        "status": Delivery.Status.RECEIVED,
        "attempts": 0,
        "is_suspect": False,
        "next_attempt_at": now,
        "received_at": now,
        "error": "",
    }


def _unwatched(values: dict[str, Any], claim: Claim) -> Receipt:
    """Keep a request that concerns nobody as ignored, so that it is counted; unless those it concerns have it."""
    if channels.watching(values["provider"], claim.resource_id).exists():
        return Receipt.DUPLICATE
    ignored = {"id": uuid.uuid4(), "channel_id": "", "status": Delivery.Status.IGNORED, "error": NOBODY_WATCHES}
    _insert({**values, **ignored, "finished_at": values["received_at"]}, wanted={})
    return Receipt.UNWATCHED


def _wanted(claim: Claim, values: dict[str, Any]) -> dict[str, Any]:
    """Which channels it concerns: one, all that watch a resource, or none where it names neither."""
    if not (claim.channel_id or claim.by_resource):
        return {}
    by_channel = {} if claim.by_resource else {"channel_id": claim.channel_id}
    resource = {"resource_id": claim.resource_id, "expires_at": values["received_at"]}
    return {"provider": values["provider"], **by_channel, **resource}


def _insert(values: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a row is new. Once more where the connection kept from an earlier request turns out to be dead.

    Django would ask it beforehand, by a statement that costs as much as this one. Here the key makes a second try safe:
    a row that the first one stored after all is a duplicate.
    """
    sql = _insert_sql(connection.vendor, tuple(values), tuple(wanted))
    parameters = [_adapted(Delivery, name, value) for name, value in values.items()]
    parameters += [_adapted(Channel, name, value) for name, value in wanted.items()]
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
        return cursor.rowcount > 0


@cache
def _insert_sql(vendor: str, columns: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """INSERT of these columns; of company and sync state too where channels say them, one row for each.

    ``ON CONFLICT DO NOTHING`` makes a duplicate cost nothing but this statement. The names are this module's own; every
    value is a parameter.
    """
    values = {name: _placeholder(vendor, Delivery, name) for name in columns}
    source, condition = "", "TRUE"
    if wanted:
        values |= {"company_id": "c.company_id", "sync_state_id": "c.sync_state_id"}
        source = "FROM webhook_channels c"
        condition = _BY_CHANNEL if "channel_id" in wanted else _BY_RESOURCE
        condition = condition.format(**{name: _placeholder(vendor, Channel, name) for name in wanted})
    if wanted and "channel_id" not in wanted:
        values |= {"id": _NEW_ID[vendor], "channel_id": "c.channel_id"}
        values["dedupe_key"] += " || ':' || c.channel_id"
    return f"""
        INSERT INTO webhooks_delivery ({", ".join(values)})
        SELECT {", ".join(values.values())} {source} WHERE {condition} ON CONFLICT DO NOTHING
    """  # noqa: S608


_LISTENS = "c.state IN ('opening', 'live') AND (c.expires_at IS NULL OR c.expires_at > {expires_at})"
_BY_RESOURCE = f"c.provider = {{provider}} AND c.resource_id = {{resource_id}} AND {_LISTENS}"
_BY_CHANNEL = f"""
    c.provider = {{provider}} AND c.channel_id = {{channel_id}}
    AND (c.resource_id = '' OR c.resource_id = {{resource_id}}) AND {_LISTENS}
"""
_NEW_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


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
