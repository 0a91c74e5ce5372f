"""What changed in a folder, and which folders changed.

A round ends with the deltaLink that begins the next one. What comes changes during a round comes again in the next.

https://learn.microsoft.com/graph/api/message-delta and https://learn.microsoft.com/graph/delta-query-messages
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, paging
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.mail import query, shapes
from sandbox.microsoft.mail.mailbox import Entry, Folder, Mailbox, Stored
from sandbox.microsoft.mail.reading import Visit, visit_of
from sandbox.microsoft.mail.shapes import Shape
from sandbox.providers import Call

MESSAGES, FOLDERS = "messages", "mailFolders"
"""The kinds of cursors."""
MOST_FILTERED = 5_000
KINDS = ("created", "updated", "deleted")
REFUSED = ("$search", "$top", "$skip", "$count", "$expand")
"""$top is refused although the reference allows it: some mailboxes answer 400, and the header works everywhere."""
Found = tuple[Entry, Stored | None]


@dataclass(frozen=True)
class Round:
    """A round of one folder, and how far it is. It tells the changes after ``since`` up to ``upto``.

    ``after`` is the last change told, or place in the newest-first list of a first round that has an order;
    ``given`` counts what was told, ``last`` is the last message's number.
    """

    upn: str
    folder: int
    since: int
    upto: int
    names: list[str] = field(default_factory=list)
    filter: str = ""
    kinds: list[str] = field(default_factory=list)
    is_newest_first: bool = False
    after: list[float] = field(default_factory=list)
    given: int = 0
    last: int = 0
    is_begun: bool = False


@graph.answers
def messages(call: Call) -> Response:
    """GET /me/mailFolders/{folder}/messages/delta: the first call's options hold for all rounds that follow."""
    visit = visit_of(call)
    folder = visit.folder()
    told = resumed(visit, folder) or begun(visit, folder)
    quirk = visit.microsoft.mail.quirks.get(visit.box.upn, "")
    if quirk == "empty_first" and not told.is_begun:
        return answered(visit, [], replace(told, is_begun=True), is_over=False)
    size = min(visit.prefer.max_page_size or query.USUAL, query.MOST)
    if told.filter:
        size = min(size, MOST_FILTERED - told.given)
    found = list(islice(pending(visit, told, quirk), size + 1))
    page = found[:size]
    is_over = len(found) <= size or (bool(told.filter) and told.given + size >= MOST_FILTERED)
    after = place_of(told, page[-1]) if page else told.after
    further = replace(told, is_begun=True, after=after, given=told.given + len(page))
    value = [shape_of(visit, told, one) for one in page]
    if quirk == "repeat" and (repeated := visit.box.messages.get(told.last)):
        value.insert(0, shapes.message(visit.box, repeated, visit.look(told.names), is_typed=True))
    if quirk == "endless" and is_over:
        return answered(visit, value, told, is_over=False)
    last = next((stored.number for _, stored in reversed(page) if stored), told.last)
    return answered(visit, value, replace(further, last=last), is_over=is_over)


def begun(visit: Visit, folder: Folder) -> Round:
    """A first round by the options of the call. GraphError 400 for those that delta does not take."""
    call = visit.call
    if wrong := [name for name in REFUSED if graph.option(call, name)]:
        raise query.bad_request(f"The query parameter '{wrong[0]}' is not supported for this delta query.")
    text, order = graph.option(call, "$filter"), query.orders(graph.option(call, "$orderby"))
    if any(one.name != "receivedDateTime" or one.operator not in ("ge", "gt") for one in query.conditions(text)):
        raise query.bad_request("A delta query filters by receivedDateTime with ge or gt alone.")
    if order and [(one.name, one.is_descending) for one in order] != [("receivedDateTime", True)]:
        raise query.bad_request("A delta query sorts by receivedDateTime desc alone.")
    kinds = [kind for kind in graph.option(call, "changeType").split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise query.bad_request(f"'{unknown[0]}' is not a valid changeType.")
    names = graph.selected(call)
    visit.look(names)
    is_newest_first = bool(order or text)
    return Round(visit.box.upn, folder.number, 0, visit.box.changes, names, text, kinds, is_newest_first)


def resumed(visit: Visit, folder: Folder) -> Round | None:
    """The round a token of the call stands for; None without a token. GraphError: 410 or 400."""
    token = graph.option(visit.call, "$skiptoken") or graph.option(visit.call, "$deltatoken")
    if not token:
        return None
    told = Round(**paging.find(visit.microsoft, MESSAGES, token))
    if (told.upn, told.folder) != (visit.box.upn, folder.number):
        raise GraphError(400, "InvalidDeltaToken", f"The value '{token}' of parameter '$deltaToken' is invalid.")
    return told if told.is_begun else replace(told, upto=visit.box.changes)


def pending(visit: Visit, told: Round, quirk: str) -> Iterator[Found]:
    """What a round has still to tell."""
    box, folder = visit.box, visit.box.folders[told.folder]
    wanted, is_first = query.conditions(told.filter), not told.since
    silent = set() if is_first or not visit.prefer.is_immutable else untold(box, folder, told, quirk)
    tell = newest_first if is_first and told.is_newest_first else by_change
    for entry, stored in tell(box, folder, told):
        is_meant = not told.kinds or kind_of(told, entry, stored) in told.kinds
        if stored is not None:
            is_meant = is_meant and stored.number not in silent and all(one.holds(box, stored) for one in wanted)
        if is_meant:
            yield entry, stored


def untold(box: Mailbox, folder: Folder, told: Round, quirk: str) -> set[int]:
    """By immutable ids, what left the folder and came back is told as gone, and never as come back.

    https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/72
    """
    numbers = {entry.number for entry in folder.after(told.since) if entry.is_gone}
    if quirk == "lost_moves":
        held = map(box.messages.__getitem__, folder.held)
        numbers |= {one.number for one in held if one.arrived > told.since and one.place != one.number}
    return numbers


def by_change(box: Mailbox, folder: Folder, told: Round) -> Iterator[Found]:
    """Changes in their order; a first round has nobody to tell about what is gone."""
    start = int(told.after[0]) if told.after else told.since
    for entry, stored in box.living(folder.after(start), folder):
        if entry.change > told.upto:
            return
        if stored is not None or told.since:
            yield entry, stored


def newest_first(box: Mailbox, folder: Folder, told: Round) -> Iterator[Found]:
    """All messages of a folder, as they are now, by when they were received."""
    held = box.newest(folder)
    key = (told.after[0], told.after[1]) if told.after else None
    start = bisect_right(held, key, key=lambda one: (-one.received_at, -one.number)) if key else 0
    for stored in islice(held, start, None):
        yield Entry(stored.changed, stored.number, stored.place, False), stored


def kind_of(told: Round, entry: Entry, stored: Stored | None) -> str:
    """What happened, in the words of changeType."""
    return "deleted" if stored is None else "created" if stored.arrived > told.since else "updated"


def place_of(told: Round, found: Found) -> list[float]:
    """Where the next page begins."""
    entry, stored = found
    if told.is_newest_first and not told.since and stored is not None:
        return [-stored.received_at, -stored.number]
    return [entry.change]


def shape_of(visit: Visit, told: Round, found: Found) -> Shape:
    """An item of a page."""
    entry, stored = found
    if stored is None:
        return shapes.removed(visit.box, entry, is_immutable=visit.prefer.is_immutable)
    return shapes.message(visit.box, stored, visit.look(told.names), is_typed=True)


def answered(visit: Visit, value: Sequence[Shape], told: Round, *, is_over: bool) -> Response:
    """A page with the link to the next one, or to the next round."""
    if is_over:
        told = replace(told, since=told.upto, after=[], given=0, last=0, is_begun=False)
    token = paging.issue(visit.microsoft, MESSAGES, asdict(told))
    folder = visit.box.ids.folder(told.folder)
    address = f"{graph.origin(visit.call)}/me/mailfolders('{folder}')/messages/delta"
    return finished(visit, "message", value, address, token, is_over=is_over)


def finished(visit: Visit, what: str, value: Sequence[Shape], address: str, token: str, *, is_over: bool) -> Response:
    """An answer of delta."""
    name, option = ("@odata.deltaLink", "$deltatoken") if is_over else ("@odata.nextLink", "$skiptoken")
    content: Shape = {
        "@odata.context": f"{graph.origin(visit.call)}/$metadata#Collection({what})",
        name: paging.link(address, option, token),
        "value": list(value),
    }
    return visit.answer(content, "odata.track-changes")


@graph.answers
def folders(call: Call) -> Response:
    """GET /me/mailFolders/delta: all folders at any depth, then those made, renamed and deleted."""
    visit = visit_of(call)
    token = graph.option(call, "$skiptoken") or graph.option(call, "$deltatoken")
    start: dict[str, Any] = {"upn": visit.box.upn, "since": 0, "after": 0}
    told = paging.find(visit.microsoft, FOLDERS, token) if token else start
    if told["upn"] != visit.box.upn:
        raise GraphError(400, "InvalidDeltaToken", f"The value '{token}' of parameter '$deltaToken' is invalid.")
    size = min(visit.prefer.max_page_size or query.USUAL, query.MOST)
    changed = changed_folders(visit.box, told["since"], told["after"])
    page, is_over = changed[:size], len(changed) <= size
    after = page[-1][0] if page else told["after"]
    further = {"upn": visit.box.upn, "since": after if is_over else told["since"], "after": after}
    address = f"{graph.origin(call)}/me/mailFolders/delta"
    token = paging.issue(visit.microsoft, FOLDERS, further)
    return finished(visit, "mailFolder", [shape for _, shape in page], address, token, is_over=is_over)


def changed_folders(box: Mailbox, since: int, after: int) -> list[tuple[int, Shape]]:
    """Folders changed since and not told yet, with the number of the change; gone ones only to those who had them."""
    living = [(one.changed, shapes.folder(box, one)) for one in box.folders.values() if one.name != "msgfolderroot"]
    gone = [
        (one.change, {"id": box.ids.folder(one.number), "@removed": {"reason": "deleted"}})
        for one in box.graves
        if since
    ]
    return sorted((one for one in living + gone if one[0] > max(since, after)), key=lambda one: one[0])
