"""POST /$batch: up to twenty calls in one, each with its own headers and its own answer.

https://learn.microsoft.com/graph/json-batching
"""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Response

from sandbox import inner
from sandbox.microsoft import graph, paths
from sandbox.microsoft.errors import GraphError
from sandbox.providers import Call, Route

PATH = f"{graph.BASE}/$batch"
MOST = 20
LEFT_OUT = frozenset({"content-length", "date", "server"})
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
NOT_DONE = {"error": {"code": "FailedDependency", "message": "A request that this one depends on failed."}}
Json = dict[str, Any]


def bad(message: str) -> GraphError:
    """The whole batch is no good."""
    return GraphError(400, "BadRequest", message)


@graph.answers_unlocked
def batch(call: Call) -> Json:
    """All of them, one after the other; the answers stand in another order than the requests, as they may."""
    with call.world.lock:
        graph.authorised(call)
    answers: dict[str, Json] = {}
    for order in sorted(orders_of(call), key=lambda order: bool(order.get("dependsOn"))):
        answers[order["id"]] = answered(call, order, answers)
    return {"responses": list(reversed(answers.values()))}


ROUTES = [Route("POST", PATH, "graph.batch", batch)]


def orders_of(call: Call) -> list[Json]:
    """The requests in the batch, checked. GraphError 400 if they cannot be run."""
    try:
        orders = json.loads(call.request.get_data())["requests"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad("Unable to read JSON request payload: 'requests' is missing.") from error
    if not isinstance(orders, list) or not orders or not all(map(is_readable, orders)):
        raise bad("Every request of a batch has an id, a method and a url, and headers if it has a body.")
    if len(orders) > MOST:
        message = f"Number of batch request steps exceeds the maximum value of {MOST}."
        raise GraphError(400, "MaximumValueExceeded", message)
    if len({order["id"] for order in orders}) < len(orders):
        raise bad("The ids of the requests of a batch must differ.")
    if not is_orderly(orders):
        raise bad("The dependencies of a batch are none, or one and the same, or each request on the one before.")
    return orders


def is_readable(order: object) -> bool:
    """Whether it is a request at all: a relative address, and a type for its body."""
    if not isinstance(order, dict):
        return False
    headers, depends = order.get("headers") or {}, order.get("dependsOn") or []
    if (
        not isinstance(headers, dict)
        or not isinstance(depends, list)
        or not all(isinstance(one, str) for one in depends)
    ):
        return False
    is_named = all(isinstance(order.get(name), str) and order[name] for name in ("id", "method", "url"))
    is_typed = "body" not in order or "content-type" in map(str.lower, headers)
    return is_named and is_typed and order["method"].upper() in METHODS and "://" not in order["url"].partition("?")[0]


def is_orderly(orders: list[Json]) -> bool:
    """Graph takes three patterns: side by side, all behind the same ones, or each behind the one before."""
    depends = [tuple(order.get("dependsOn") or ()) for order in orders]
    free = {order["id"] for order, names in zip(orders, depends, strict=True) if not names}
    named = {names for names in depends if names}
    is_serial = depends == [(), *((order["id"],) for order in orders[:-1])]
    return is_serial or (len(named) <= 1 and all(free.issuperset(names) for names in named))


def answered(call: Call, order: Json, before: dict[str, Json]) -> Json:
    """The answer to one request; ``before`` holds those given already."""
    if any(before[name]["status"] >= 400 for name in order.get("dependsOn") or ()):
        return {"id": order["id"], "status": 424, "headers": {"Content-Type": "application/json"}, "body": NOT_DONE}
    path, _, query = order["url"].partition("?")
    path = f"{graph.BASE}/{unquote(path).strip('/')}"
    if paths.canonical(path) == PATH:
        response = bad("A batch cannot hold another batch.").response()
    else:
        response = call.answer(inner.request(order["method"], path, query, headers_of(call, order), body_of(order)))
    headers = {name: value for name, value in response.headers.items() if name.lower() not in LEFT_OUT}
    shown = {"id": order["id"], "status": response.status_code, "headers": headers}
    return shown | {"body": readable(response)} if response.get_data() else shown


def headers_of(call: Call, order: Json) -> dict[str, str]:
    """A request's own headers. Of the outer ones it inherits the token and nothing else, above all no wishes."""
    own = {str(name).title(): str(value) for name, value in (order.get("headers") or {}).items()}
    return {"Authorization": call.request.headers.get("Authorization", "")} | own


def body_of(order: Json) -> bytes:
    """What the request sends: JSON as it stands, anything else as text."""
    body = order.get("body", "")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def readable(response: Response) -> Any:
    """JSON as it stands; anything else in base64."""
    try:
        return json.loads(response.get_data())
    except ValueError:
        return b64encode(response.get_data()).decode()
