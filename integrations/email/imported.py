"""What a grant brought of a mailbox: how much it is, and its deletion once the grant has ended."""

from django.db import transaction

from integrations import outsiders
from integrations.email import exchanges
from integrations.email.models import EmailMessage
from integrations.models import Integration

DELETE_BATCH = 500


def count(integration: Integration) -> int:
    """How many messages were imported through this grant."""
    return EmailMessage.objects.filter(state__integration=integration).count()


def delete_batch(integration: Integration) -> bool:
    """Delete some messages with the touchpoints that hang on them alone; False where none is left.

    What a member saved on purpose stays the member's, until deleted there.
    """
    with transaction.atomic():
        first = EmailMessage.objects.filter(state__integration=integration).order_by("pk")[:DELETE_BATCH]
        rows = EmailMessage.objects.filter(pk__among=list(first.values_list("pk", flat=True)))
        return exchanges.delete(rows, integration.company_id, outsiders.rules_for(integration.company_id, None)) > 0
