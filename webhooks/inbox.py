"""Takes verified requests in: one statement each, so that an answer waits for one commit and nothing else."""

import enum
import uuid
from functools import cache
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.utils import timezone

from integrations import channels, tokens
from integrations.contract import Claim
from relationships.models import Company
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
    pushes) and watch the resource the claim names, and what signed it, if anything did, must be the channel's secret
    still; company and sync state come from the channel. A claim by resource becomes a delivery for each such channel,
    of whichever company, and for the one it names if that is just opening. A claim by company becomes one for each CRM
    that it keeps in sync, or one alone, for no sync, where it keeps none.
    """
    if not all(_is_storable(text) for text in (claim.dedupe_key, claim.channel_id, claim.resource_id)):
        return Receipt.UNWATCHED if _is_shared(claim) else Receipt.UNKNOWN
    values = _values(provider, webhook_type, claim, body)
    if _insert(values, claim):
        return Receipt.STORED
    if _is_shared(claim):
        return Receipt.DUPLICATE if _is_known(provider, claim) else _unwatched(values)
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
    key = uuid.uuid4()
    own = {"request_key": key} if _is_shared(claim) else {"id": key, "channel_id": claim.channel_id}
    return {
        **own,
        "provider": provider,
        "webhook_type": webhook_type,
        "dedupe_key": claim.dedupe_key,
        "headers": {name: storable(value) for name, value in claim.headers.items()},
        "body": tokens.encrypt(body, purpose=BODY_PURPOSE, context=str(key)) if body else b"",
        "received_at": timezone.now(),
    }


def _is_shared(claim: Claim) -> bool:
    """Whether it may become several deliveries."""
    return claim.by_resource or claim.company_id is not None


def _is_known(provider: str, claim: Claim) -> bool:
    """Whether what was not stored concerns somebody: then it was stored before."""
    if claim.company_id is not None:
        return Company.objects.filter(pk=claim.company_id).exists()
    # Stored for a channel that was just opening, it is known by that channel, whose row names no resource yet.
    own = Delivery.objects.filter(provider=provider, dedupe_key=f"{claim.dedupe_key}:{claim.channel_id}")
    return channels.watching(provider, claim.resource_id).exists() or own.exists()


def _unwatched(values: dict[str, Any]) -> Receipt:
    """Keep a request that concerns nobody as ignored, so that it is counted."""
    ignored = {"id": uuid.uuid4(), "channel_id": "", "status": Delivery.Status.IGNORED, "error": NOBODY_WATCHES}
    _insert({**values, **ignored, "finished_at": values["received_at"]})
    return Receipt.UNWATCHED


def _insert(values: dict[str, Any], claim: Claim | None = None) -> bool:
    """Whether a row is new. Once more where the connection kept from an earlier request turns out to be dead.

    Django would ask it beforehand, by a statement that costs as much as this one. Here the key makes a second try safe:
    a row that the first one stored after all is a duplicate.
    """
    database = connections[DEFAULT_DB_ALIAS]  # once: the proxy that Django offers looks it up at each use
    parameters = {name: _field(name).get_db_prep_value(value, database) for name, value in values.items()}
    if claim:
        parameters |= {"resource_id": claim.resource_id, "asked_by": claim.channel_id, "signing_id": claim.signing_id}
        if claim.company_id is not None:
            parameters["of_company"] = _field("company").get_db_prep_value(claim.company_id, database)
    sql = _insert_sql(database.vendor, tuple(values), _condition(claim) if claim else "")
    database.health_check_done = True  # type: ignore[attr-defined]  # the stubs do not know it
    try:
        return _execute(database, sql, parameters)
    except (InterfaceError, OperationalError):
        if database.in_atomic_block or database.is_usable():
            raise
        database.close()
        return _execute(database, sql, parameters)


def _execute(database: BaseDatabaseWrapper, sql: str, parameters: dict[str, Any]) -> bool:
    with database.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount > 0


_LISTENS = "c.state IN ('opening', 'live') AND (c.expires_at IS NULL OR c.expires_at > %(received_at)s)"
_BY_RESOURCE = f"c.provider = %(provider)s AND c.resource_id = %(resource_id)s AND {_LISTENS}"
_BY_RESOURCE_OR_OPENING = f"""
    c.provider = %(provider)s AND {_LISTENS}
    AND (c.resource_id = %(resource_id)s OR (c.channel_id = %(asked_by)s AND c.state = 'opening'))
"""
_BY_CHANNEL = f"""
    c.provider = %(provider)s AND c.channel_id = %(channel_id)s
    AND (c.resource_id = '' OR c.resource_id = %(resource_id)s) AND {_LISTENS}
"""
_BY_CHANNEL_SIGNED = f"{_BY_CHANNEL} AND c.signing_id = %(signing_id)s"
_BY_COMPANY = "co.id = %(of_company)s"
_CRMS = """
    FROM relationships_company co LEFT JOIN (
        SELECT s.id, s.company_id FROM integrations_syncstate s JOIN user_integrations i ON i.id = s.integration_id
        WHERE s.resource_type = 'crm' AND s.is_chosen AND NOT s.is_gone AND i.sync_status <> 'revoked'
    ) crm ON crm.company_id = co.id
"""
NEW_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
"""A primary key that the database makes, as each spells it."""


def _condition(claim: Claim) -> str:
    """Which channels it concerns: one, all that watch a resource, or none where it names neither; or whose CRMs."""
    if claim.company_id is not None:
        return _BY_COMPANY
    if claim.by_resource:
        return _BY_RESOURCE_OR_OPENING if claim.channel_id else _BY_RESOURCE
    if claim.signing_id:
        return _BY_CHANNEL_SIGNED
    return _BY_CHANNEL if claim.channel_id else ""


@cache
def _insert_sql(vendor: str, columns: tuple[str, ...], condition: str) -> str:
    """INSERT of these columns; of company and sync state too where channels say them, one row for each.

    ``ON CONFLICT DO NOTHING`` makes a duplicate cost nothing but this statement. The names are this module's own; every
    value of a sender is a parameter. What each row begins with is none, since parameters cost.
    """
    values = {"status": "'received'", "attempts": "0", "is_suspect": "FALSE", "error": "''"}
    values |= {name: _placeholder(vendor, name) for name in columns}
    values["next_attempt_at"] = values["received_at"]
    source = ""
    if condition == _BY_COMPANY:
        values |= {"id": NEW_ID[vendor], "channel_id": "''", "company_id": "co.id", "sync_state_id": "crm.id"}
        values["dedupe_key"] += " || ':' || COALESCE(CAST(crm.id AS text), '')"
        source = _CRMS
    elif condition:
        values |= {"company_id": "c.company_id", "sync_state_id": "c.sync_state_id"}
        source = "FROM webhook_channels c"
    if condition in {_BY_RESOURCE, _BY_RESOURCE_OR_OPENING}:
        values |= {"id": NEW_ID[vendor], "channel_id": "c.channel_id"}
        values["dedupe_key"] += " || ':' || c.channel_id"
    return f"""
        INSERT INTO webhooks_delivery ({", ".join(values)})
        SELECT {", ".join(values.values())} {source} WHERE {condition or "TRUE"} ON CONFLICT DO NOTHING
    """  # noqa: S608


def _placeholder(vendor: str, name: str) -> str:
    """PostgreSQL takes a bare parameter in a SELECT list for text, so it is told the column's type."""
    return f"%({name})s::{_field(name).db_type(connection)}" if vendor == "postgresql" else f"%({name})s"


@cache
def _field(name: str) -> "Field[Any, Any]":
    return cast("Field[Any, Any]", Delivery._meta.get_field(name))


def _is_storable(text: str) -> bool:
    return len(text) <= KEY_CEILING and text == storable(text)


def storable(text: str) -> str:
    """The text without what PostgreSQL refuses in text: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
