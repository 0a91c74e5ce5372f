"""What is told with a row of ours and leaves no stamp when it goes: the matches of a firm, the notes on a meeting."""

from typing import Any

from django.db.models import Count, QuerySet

from crm.models import RecordLink
from integrations.models import Integration
from relationships.models import Match, Note


def find_lost(integration: Integration) -> None:
    """Have those compared again that have fewer now than when they last were. What is more of them has a stamp."""
    for kind, (others, column) in _others().items():
        links = RecordLink.objects.filter(
            integration=integration, kind=kind, parts__gt=0, is_due=False,
            state__in=[RecordLink.State.LINKED, RecordLink.State.NEW],
        )  # fmt: skip
        counted = others.order_by().values(column).annotate(count=Count("pk"))
        # There are few numbers, and for each the database compares two sets: counting row by row takes far longer.
        for number in list(links.order_by().values_list("parts", flat=True).distinct()):
            whole = counted.filter(count__gte=number).values(column)
            links.filter(parts=number).exclude(row_id__in=whole).update(is_due=True)


def _others() -> dict[str, tuple[QuerySet[Any], str]]:
    return {
        "organization": (Match.objects.all(), "organization"),
        "meeting": (Note.objects.filter(sync_to_crm=True, touchpoint__isnull=False), "touchpoint"),
    }
