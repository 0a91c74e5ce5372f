"""A mailbox of the pretend Outlook, and what a test does with it."""

from tests.sandbox.graph import Graph, linked
from tests.sandbox.person import Json, Scene

ANNA, BEN = "anna@contoso.example", "ben@contoso.example"
GINA = "Gina Grant <gina@pension.example>"
IMMUTABLE = 'IdType="ImmutableId"'


def put(graph: Graph, **order: object) -> str:
    """Put one mail into Anna's mailbox; its immutable id."""
    return put_all(graph, order)[0]


def put_all(graph: Graph, *orders: Json) -> list[str]:
    messages = [{name.rstrip("_"): value for name, value in {"from_": GINA, **order}.items()} for order in orders]
    ids: list[str] = graph.scene.post("microsoft/messages", account=ANNA, messages=messages)["ids"]
    return ids


def move(graph: Graph, message_id: str, folder: str) -> Json:
    return graph.scene.post("microsoft/messages/move", account=ANNA, id=message_id, folder=folder)


def read(graph: Graph, path: str, prefer: str = "") -> Json:
    """A good answer; ``path`` may be a link of another one."""
    answer = graph.get(path, headers={"Prefer": prefer} if prefer else {})
    assert answer.ok, answer.text
    found: Json = answer.json()
    return found


def subjects(items: list[Json]) -> list[str]:
    return [one["subject"] for one in items]


def mailbox(scene: Scene, *scopes: str) -> Graph:
    """Anna's, beside Ben's, through an app that was granted the least it may ask for, or ``scopes``."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
    scene.post("microsoft/accounts", upn=BEN, name="Ben Busch")
    return linked(scene, ANNA, *(scopes or ("Mail.ReadBasic",)))
