"""Writing Anna's calendar at the pretend Microsoft, and reading it back as a client does."""

from typing import Any

from tests.sandbox.graph import Graph
from tests.sandbox.person import Json

ANNA, BEN = "anna@contoso.example", "ben@contoso.example"
WINDOW = "startDateTime=2026-11-01T00:00:00Z&endDateTime=2026-12-01T00:00:00Z"
DELTA = f"/me/calendarView/delta?{WINDOW}"
IMMUTABLE = 'IdType="ImmutableId"'


def at(text: str, zone: str = "UTC") -> Json:
    return {"dateTime": text, "timeZone": zone}


def meeting(subject: str, day: str, hour: int = 10, **more: Any) -> Json:
    """An hour on a day, in UTC."""
    return {"subject": subject, "start": at(f"{day}T{hour:02}:00:00"), "end": at(f"{day}T{hour + 1:02}:00:00"), **more}


def weekly(count: int, **pattern: Any) -> Json:
    return {"pattern": {"type": "weekly", **pattern}, "range": {"type": "numbered", "numberOfOccurrences": count}}


def daily(count: int, **pattern: Any) -> Json:
    return weekly(count, **pattern | {"type": "daily"})


def guest(address: str, response: str = "none", **more: Any) -> Json:
    return {"emailAddress": {"address": address}, "status": {"response": response}, **more}


def put(graph: Graph, *events: Json, **more: Any) -> list[str]:
    """Write events; their immutable ids."""
    ids: list[str] = graph.scene.post("microsoft/events", account=ANNA, events=list(events), **more)["ids"]
    return ids


def order(graph: Graph, path: str, **more: Any) -> Json:
    """Any other order for Anna's calendar."""
    return graph.scene.post(f"microsoft/{path}", account=ANNA, **more)


def read(graph: Graph, path: str, prefer: str = IMMUTABLE) -> Json:
    """A good answer; ``path`` may be a link of another one, which is followed as it is."""
    answer = graph.get(path, headers={"Prefer": prefer} if prefer else {})
    assert answer.ok, answer.text
    found: Json = answer.json()
    return found


def pages(graph: Graph, path: str, prefer: str = IMMUTABLE) -> list[Json]:
    """A list or a round with all its pages."""
    found = [read(graph, path, prefer)]
    while "@odata.nextLink" in found[-1]:
        assert "@odata.deltaLink" not in found[-1]
        assert len(found) < 200, "the pages do not end"
        found.append(read(graph, found[-1]["@odata.nextLink"], prefer))
    return found


def items(graph: Graph, path: str, prefer: str = IMMUTABLE) -> list[Json]:
    """What all pages hold."""
    return [one for page in pages(graph, path, prefer) for one in page["value"]]


def delta(graph: Graph, path: str = DELTA, prefer: str = IMMUTABLE) -> tuple[list[Json], str]:
    """A round: what it brought, and the link of the next."""
    found = pages(graph, path, prefer)
    return [one for page in found for one in page["value"]], found[-1]["@odata.deltaLink"]


def view(graph: Graph) -> list[Json]:
    """The whole of the window, occurrences in full."""
    return items(graph, f"/me/calendarView?{WINDOW}&$top=1000")
