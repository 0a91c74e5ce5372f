"""Why is this meeting here, or not? Every event read from the member's calendars, with the rule that decided."""

from django.core.paginator import Paginator
from django.db.models import DateTimeField, Q
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent
from relationships.models import Touchpoint
from relationships.views import members_only

EVENTS_PER_PAGE = 50


@members_only
@require_GET
def events(request: HttpRequest) -> HttpResponse:
    """The member's own events, newest first, by words and by verdict."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]  # PostgreSQL takes no NUL
    verdict = request.GET.get("verdict", "")
    rows = CalendarEvent.objects.filter(state__integration__user=request.user.pk)
    if words:
        rows = rows.filter(Q(title__icontains=words) | Q(guests__email__icontains=words.lower())).distinct()
    if verdict in CalendarEvent.Verdict.values:
        rows = rows.filter(verdict=verdict)
    # All-day events among the timed ones, alike on every database.
    begins = Coalesce("starts_at", Cast("starts_on", DateTimeField()))
    rows = rows.select_related("state").annotate(begins=begins).order_by("-begins", "pk")
    page = Paginator(rows, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    found = Touchpoint.objects.filter(unique_key__in=[event.meeting_key for event in page], cancelled_at=None)
    touchpoints = dict(found.values_list("unique_key", "pk"))
    context = {
        "page": page,
        "rows": [(event, touchpoints.get(event.meeting_key)) for event in page],
        "rules": [(CalendarEvent.Verdict(name).label, words) for name, words in meetings.RULES],
        "verdicts": CalendarEvent.Verdict.choices,
        "q": words,
        "verdict": verdict,
    }
    return render(request, "calendar/events.html", context)
