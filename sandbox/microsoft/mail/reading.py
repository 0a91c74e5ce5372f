"""Reading folders and messages, one by one and in lists.

https://learn.microsoft.com/graph/api/user-list-mailfolders and https://learn.microsoft.com/graph/api/user-list-messages
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, prefer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.mail import query, shapes
from sandbox.microsoft.mail.mailbox import ROOT, Folder, Mailbox, Stored
from sandbox.microsoft.mail.query import Condition, Order
from sandbox.microsoft.mail.shapes import Look, Shape
from sandbox.microsoft.prefer import Prefer
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.providers import Call

WHOLE = ("Mail.Read", "Mail.ReadWrite")
BASIC = ("Mail.ReadBasic", *WHOLE)


@dataclass(frozen=True)
class Visit:
    """A call with the mailbox it may read."""

    call: Call
    microsoft: Microsoft
    box: Mailbox
    prefer: Prefer
    is_whole: bool

    def look(self, names: Sequence[str]) -> Look:
        """How the client wants to see messages."""
        return shapes.look(names, self.prefer, is_whole=self.is_whole)

    def folder(self) -> Folder:
        """The folder of the path; GraphError 404."""
        folder = self.box.folder(self.call.args["folder"])
        if folder is None:
            raise not_found()
        return folder

    def answer(self, content: Shape, *also: str) -> Response:
        """An answer that says which wishes it follows."""
        return prefer.applied(graph.reply(content), self.prefer, *also)


def visit_of(call: Call) -> Visit:
    """Whose mailbox a call reads. GraphError: 401 or 403."""
    account = graph.authorised(call, *BASIC)
    microsoft = microsoft_of(call.world)
    is_whole = bool(set(WHOLE) & set(graph.token_of(call).scopes))
    return Visit(call, microsoft, microsoft.mail.mailbox(account.upn), prefer.read(call.request), is_whole)


def not_found() -> GraphError:
    """404: gone, never there, or the id of a place it left."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


@graph.answers
def get_message(call: Call) -> Response:
    """GET /me/messages/{id}, also below a folder: by either spelling of its id."""
    visit = visit_of(call)
    look = visit.look(graph.selected(call))
    stored = visit.box.find(call.args["message_id"])
    if stored is None or ("folder" in call.args and visit.folder().number != stored.folder):
        raise not_found()
    return visit.answer(context(visit, "messages", "/$entity") | shapes.message(visit.box, stored, look))


@graph.answers
def list_messages(call: Call) -> Response:
    """GET /me/messages, which means all folders with Deleted Items, or the messages of one folder."""
    visit = visit_of(call)
    if graph.option(call, "$search"):
        raise query.bad_request("The sandbox does not search messages.")
    look = visit.look(graph.selected(call))
    wanted, sorting = query.conditions(graph.option(call, "$filter")), query.orders(graph.option(call, "$orderby"))
    if sorting:
        query.check_lead(wanted, sorting)
    folder = visit.folder() if "folder" in call.args else None
    meant = sorted_by(visit.box, sorting, visit.box.newest(folder))
    start, size = query.skipped(call), query.page_size(call, visit.prefer.max_page_size)
    page, end = page_of(visit.box, meant, wanted, start, size)
    content = context(visit, "messages") | {"value": [shapes.message(visit.box, one, look) for one in page]}
    if any_left(visit.box, meant, wanted, end):
        content["@odata.nextLink"] = next_link(call, end)
    return visit.answer(content)


def sorted_by(box: Mailbox, sorting: Sequence[Order], messages: Sequence[Stored]) -> Sequence[Stored]:
    """In the order asked for; newest first without one."""
    for order in reversed(sorting):
        key = partial(query.FIELDS[order.name], box)
        messages = sorted(messages, key=key, reverse=order.is_descending)
    return messages


def page_of(
    box: Mailbox, messages: Sequence[Stored], wanted: Sequence[Condition], start: int, size: int
) -> tuple[list[Stored], int]:
    """Up to ``size`` messages that meet all conditions, and how many had to be gone through, from the beginning."""
    page: list[Stored] = []
    for index in range(start, len(messages)):
        if len(page) == size:
            return page, index
        if all(one.holds(box, messages[index]) for one in wanted):
            page.append(messages[index])
    return page, len(messages)


def any_left(box: Mailbox, messages: Sequence[Stored], wanted: Sequence[Condition], start: int) -> bool:
    """Whether another page would hold something."""
    return bool(page_of(box, messages, wanted, start, 1)[0])


def next_link(call: Call, skip: int) -> str:
    """The same call further on. $skip counts what was gone through, so nobody can compute it."""
    kept = [(name, value) for name, value in call.request.args.items(multi=True) if name.lower() != "$skip"]
    pairs = [f"{quote(name)}={quote(value, safe='')}" for name, value in [*kept, ("$skip", str(skip))]]
    return f"{graph.origin(call)}{call.request.path.removeprefix(graph.BASE)}?{'&'.join(pairs)}"


def context(visit: Visit, what: str, tail: str = "") -> dict[str, Any]:
    """The context line of an answer."""
    names = graph.selected(visit.call)
    chosen = f"({','.join(names)})" if names else ""
    oid = visit.microsoft.account(visit.box.upn).oid
    return {"@odata.context": f"{graph.origin(visit.call)}/$metadata#users('{oid}')/{what}{chosen}{tail}"}


@graph.answers
def list_folders(call: Call) -> Response:
    """GET /me/mailFolders, or the folders in one: ten at a time, hidden ones only with includeHiddenFolders."""
    visit = visit_of(call)
    parent = visit.folder().number if "folder" in call.args else ROOT
    with_hidden = graph.option(call, "includeHiddenFolders").lower() == "true"
    meant = [one for one in visit.box.folders.values() if one.parent == parent and (with_hidden or not one.is_hidden)]
    start, size = query.skipped(call), query.page_size(call, visit.prefer.max_page_size)
    content = context(visit, "mailFolders") | {
        "value": [chosen(shapes.folder(visit.box, one), graph.selected(call)) for one in meant[start : start + size]]
    }
    if start + size < len(meant):
        content["@odata.nextLink"] = next_link(call, start + size)
    return visit.answer(content)


@graph.answers
def get_folder(call: Call) -> Response:
    """GET /me/mailFolders/{id or well-known name}."""
    visit = visit_of(call)
    shape = chosen(shapes.folder(visit.box, visit.folder()), graph.selected(call))
    return visit.answer(context(visit, "mailFolders", "/$entity") | shape)


def chosen(shape: Shape, names: Sequence[str]) -> Shape:
    """A folder with the properties of a $select; all without one."""
    wanted = {name.lower() for name in names} | {"id"}
    return {key: value for key, value in shape.items() if key.lower() in wanted} if names else shape
