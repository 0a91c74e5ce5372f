"""Deliveries that were given up: one open row each, for staff to review, grouped by cause."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from integrations import tokens
from webhooks import inbox, redaction
from webhooks.models import Delivery, WebhookFailure

LOST = "Lost"
SYNC = "Sync"
CAUSE = ("payload", "error", "fingerprint", "retry_count")

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ADDRESS = re.compile(r"\S+@\S+")
_ID = re.compile(r"\b(?=\w*\d)[\w-]{6,}\b")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class GivenUp:
    """A delivery, with the class of what ended it and the words for it."""

    delivery: Delivery
    kind: str
    error: str


def fingerprint(kind: str, error: str) -> str:
    """Equal for failures of one cause: what names a single case (ids, numbers, addresses, quotations) is left out."""
    cause = error
    for pattern, stand_in in ((_QUOTED, "“”"), (_ADDRESS, "@"), (_ID, "#"), (_NUMBER, "#")):
        cause = pattern.sub(stand_in, cause)
    return hashlib.sha256(f"{kind}|{' '.join(cause.split()).lower()}".encode("utf-8", "replace")).hexdigest()


def record(given_up: Iterable[GivenUp]) -> None:
    """Open a failure for each of these. One that is open already, from before a replay, says the newest cause."""
    rows = {
        one.delivery.pk: WebhookFailure(
            delivery=one.delivery,
            company_id=one.delivery.company_id,
            provider=one.delivery.provider,
            webhook_type=one.delivery.webhook_type,
            payload=payload_of(one.delivery),
            error=one.error,
            fingerprint=fingerprint(one.kind, one.error),
            retry_count=one.delivery.attempts,
        )
        for one in given_up
    }
    if not rows:
        return
    still_open = list(WebhookFailure.objects.filter(delivery__in=rows, resolved=False))
    for failure in still_open:
        newest = rows.pop(failure.delivery_id)
        for name in CAUSE:
            setattr(failure, name, getattr(newest, name))
    WebhookFailure.objects.bulk_update(still_open, CAUSE)
    WebhookFailure.objects.bulk_create(rows.values(), ignore_conflicts=True)


def resolve(deliveries: Iterable[Delivery], why: str) -> int:
    """Close the open failures of these deliveries: what they announced has arrived, or matters no more."""
    rows = WebhookFailure.objects.filter(delivery__in=[one.pk for one in deliveries], resolved=False)
    return rows.update(resolved=True, resolved_at=timezone.now(), resolution=why)


def payload_of(delivery: Delivery) -> dict[str, object]:
    """What was received, redacted; where its body cannot be read any more, the reason."""
    try:
        return redaction.payload(delivery.headers, inbox.body_of(delivery))
    except tokens.CannotDecrypt as error:
        return {**redaction.payload(delivery.headers, b""), "body": str(error)}
