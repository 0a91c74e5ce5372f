"""Several calls in one, the later ones with values of the earlier ones.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from sandbox import inner
from sandbox.salesforce import errors
from sandbox.salesforce.api import INNER, Ask
from sandbox.salesforce.errors import ApiError, bad_json

MOST_PARTS, MOST_NODES = 25, 500
REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
STEP = re.compile(r"[A-Za-z0-9_]+")
HALTED = "The transaction was rolled back since another operation in the same transaction failed."
Reply = dict[str, Any]


def composite(ask: Ask) -> Response:
    """POST composite: up to 25 parts, counted as one call."""
    body = ask.json_object()
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts:
        raise bad_json("compositeRequest is required")
    if len(parts) > MOST_PARTS:
        message = f"The maximum number of subrequests is {MOST_PARTS}"
        raise ApiError("LIMIT_EXCEEDED", message)
    return errors.reply({"compositeResponse": replies(ask, parts, is_all_or_none=bool(body.get("allOrNone")))})


def graph(ask: Ask) -> Response:
    """POST composite/graph: each graph is saved whole or not at all."""
    graphs = ask.json_object().get("graphs")
    if not isinstance(graphs, list):
        raise bad_json("graphs is required")
    if sum(len(one.get("compositeRequest", [])) for one in graphs) > MOST_NODES:
        raise ApiError("LIMIT_EXCEEDED", f"The maximum number of nodes is {MOST_NODES}")
    content = []
    for one in graphs:
        found = replies(ask, one["compositeRequest"], is_all_or_none=True)
        is_good = all(reply["httpStatusCode"] < 300 for reply in found)
        reply = {"compositeResponse": found}
        content.append({"graphId": one["graphId"], "graphResponse": reply, "isSuccessful": is_good})
    return errors.reply({"graphs": content})


def replies(ask: Ask, parts: list[Any], *, is_all_or_none: bool) -> list[Reply]:
    """The answer of each part, in order."""
    known: dict[str, Any] = {}
    found: list[Reply] = []
    held, ask.org.held = ask.org.held, True
    try:
        with ask.org.all_or_nothing():
            mark = ask.org.mark()
            for part in parts:
                found.append(one_reply(ask, part, known))
            if is_all_or_none and any(reply["httpStatusCode"] >= 300 for reply in found):
                ask.org.roll_back(mark)
                return [halted(reply) for reply in found]
    finally:
        ask.org.held = held
    return found


def one_reply(ask: Ask, part: Any, known: dict[str, Any]) -> Reply:
    """Ask one part."""
    name = str(part.get("referenceId", ""))
    try:
        filled = fill(part, known)
    except LookupError as error:
        halt = [{"errorCode": "PROCESSING_HALTED", "message": f"Invalid reference specified. {error.args[0]}"}]
        return {"body": halt, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": name}
    answer = ask.call.answer(request_for(ask, filled))
    body = json.loads(answer.get_data()) if answer.get_data() else None
    if answer.status_code < 300:
        known[name] = body
    headers = {"Location": answer.headers["Location"]} if "Location" in answer.headers else {}
    return {"body": body, "httpHeaders": headers, "httpStatusCode": answer.status_code, "referenceId": name}


def request_for(ask: Ask, part: dict[str, Any]) -> Request:
    """The part as a request of its own, by the same user."""
    address = urlsplit(str(part.get("url", "")))
    headers = {"Authorization": ask.request.headers["Authorization"], "Content-Type": "application/json"}
    headers |= {str(key): str(value) for key, value in (part.get("httpHeaders") or {}).items()}
    body = json.dumps(part["body"]).encode() if part.get("body") is not None else b""
    path = f"/salesforce/{ask.org.host}{address.path}"
    made = inner.request(str(part.get("method", "GET")), path, address.query, headers, body)
    made.environ[INNER] = True
    return made


def fill(value: Any, known: dict[str, Any]) -> Any:
    """Put earlier answers' values in place of @{name.path}; LookupError names one that is not there."""
    if isinstance(value, dict):
        return {key: fill(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [fill(one, known) for one in value]
    return (
        REFERENCE.sub(lambda found: str(looked_up(found[1], found[2], known)), value)
        if isinstance(value, str)
        else value
    )


def looked_up(name: str, path: str, known: dict[str, Any]) -> Any:
    """A value of an earlier answer."""
    here = known.get(name)
    for step in STEP.findall(path):
        try:
            here = here[int(step)] if isinstance(here, list) else here[step] if here else None
        except (KeyError, IndexError, ValueError):
            here = None
    if here is None:
        raise LookupError(f"No value for {name}{path} found")
    return here


def halted(reply: Reply) -> Reply:
    """A part that was good, and is undone because another was not."""
    if reply["httpStatusCode"] >= 300:
        return reply
    body = [{"errorCode": "PROCESSING_HALTED", "message": HALTED}]
    return {**reply, "body": body, "httpHeaders": {}, "httpStatusCode": 400}
