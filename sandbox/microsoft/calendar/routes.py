"""Where Outlook's calendars are found, and under which names faults are ordered for them."""

from sandbox.microsoft.calendar import calls, delta
from sandbox.microsoft.graph import BASE
from sandbox.providers import Route

ME = f"{BASE}/me"
ONE = f"{ME}/calendars/<calendar_id>"

ROUTES = [
    Route("GET", f"{ME}/calendars", "graph.calendars.list", calls.list_calendars),
    Route("GET", ONE, "graph.calendars.get", calls.get_calendar),
    Route("GET", f"{ME}/calendar", "graph.calendars.get", calls.get_calendar),
    *(
        route
        for home in (ME, f"{ME}/calendar", ONE)
        for route in (
            Route("GET", f"{home}/calendarView", "graph.calendarView.list", calls.calendar_view),
            Route("GET", f"{home}/calendarView/delta", "graph.calendarView.delta", delta.view_delta),
            Route("GET", f"{home}/events", "graph.events.list", calls.list_events),
            Route("GET", f"{home}/events/<event_id>", "graph.events.get", calls.get_event),
            Route("GET", f"{home}/events/<event_id>/instances", "graph.events.instances", calls.list_instances),
        )
    ),
]
