"""Times that are kept as text (in the facts of a brief), as times a template can show in the reader's zone."""

from datetime import date, datetime

from django import template
from django.utils.dateparse import parse_date, parse_datetime

register = template.Library()


@register.filter
def moment(text: str | None) -> datetime | None:
    """The aware time of an ISO 8601 text; None for what is none."""
    try:
        return parse_datetime(text) if text else None
    except ValueError:
        return None


@register.filter
def day(text: str | None) -> date | None:
    """The date of an ISO 8601 text, in no zone; None for what is none."""
    try:
        return parse_date(text) if text else None
    except ValueError:
        return None
