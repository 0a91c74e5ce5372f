"""What a grant may still ask for in this minute, in the provider's quota units: paid before each call.

Nobody sleeps when a minute is used up: the sync ends, and goes on in the next one.
"""

import uuid
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from integrations.errors import Wait
from integrations.models import QuotaMeter
from relationships.tenancy import current_company_id

MINUTE = timedelta(minutes=1)


def pay(integration_id: uuid.UUID, units: int, per_minute: int) -> None:
    """Take ``units`` out of the minute's allowance, by conditional update: two workers never spend the same ones.

    Raises Wait, with the time when the next minute begins, where they are not there. What costs more than a whole
    minute's allowance gets a minute of its own. To be called outside a transaction that may be rolled back.
    """
    meters = QuotaMeter.objects.filter(integration=integration_id)
    for _ in range(2):
        now = timezone.now()
        if meters.filter(began_at__gt=now - MINUTE, units__lte=per_minute - units).update(units=F("units") + units):
            return
        if meters.filter(began_at__lte=now - MINUTE).update(began_at=now, units=units):
            return
        meter, is_new = meters.get_or_create(
            integration_id=integration_id, defaults={"company_id": current_company_id(), "began_at": now - MINUTE}
        )
        if not is_new:
            break
    raise Wait("The provider's limit for a minute is used up.", meter.began_at + MINUTE)


def left(integration_id: uuid.UUID, per_minute: int) -> int:
    """How many units there are still in this minute."""
    meter = QuotaMeter.objects.filter(integration=integration_id, began_at__gt=timezone.now() - MINUTE).first()
    return per_minute - meter.units if meter else per_minute
