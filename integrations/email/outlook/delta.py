"""What happened in a mailbox since a cursor: Graph tells it for each folder by itself, and we ask for all at once.

A cursor is one link for each folder. A page holds the links of a round that goes on, and what keeps it from going on
for ever.

https://learn.microsoft.com/graph/delta-query-messages
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import requests

from integrations.contract import JsonObject, MailChanges, MailRef
from integrations.email.outlook import calls
from integrations.errors import CursorExpired, IntegrationError, Permanent, ResourceGone, Temporary
from integrations.providers import microsoft

SELECT = "conversationId,isDraft"
MAX_PAGES = 2_000
MAX_STILL = 20
"""So many pages in a row may bring nothing new: Graph sends empty ones now and then, and may begin again."""


@dataclass(frozen=True)
class Round:
    """How far a round is: the next link of each folder, those that are not at their end (``left``), and how many pages
    there were. ``was`` stands for the last page, of which ``still`` brought the same."""

    links: Mapping[str, str]
    left: tuple[str, ...]
    pages: int = 0
    still: int = 0
    was: str = ""


def begin(http: requests.Session, since: datetime) -> str:
    """The cursor that stands for now. Each folder has to be gone through for it, from ``since`` on; of folders with
    more than 5,000 messages Graph tells the newest."""
    when = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    links = {
        name: calls.address(
            f"/me/mailFolders/{name}/messages/delta", select=SELECT, filter=f"receivedDateTime ge {when}"
        )
        for name in calls.FOLDERS
    }
    ahead = Round(links, calls.FOLDERS)
    while ahead.left:
        ahead, _ = _step(http, ahead, may_lack=calls.OPTIONAL)
    return json.dumps(ahead.links)


def page(http: requests.Session, cursor: str, token: str) -> MailChanges:
    """A page of what happened after ``cursor``. Raises CursorExpired where Graph no longer knows that place."""
    before = _read(cursor, token)
    try:
        ahead, found = _step(http, before)
    except IntegrationError as error:
        # What Graph finds wrong with a link of its own is mended by a new one; the same trouble without a link is told.
        if isinstance(error, ResourceGone) or type(error) is Permanent:
            raise CursorExpired("Microsoft no longer takes the place where we stopped reading.") from error
        raise
    changed = tuple(_changed(found))
    if ahead.left:
        return MailChanges(changed, next_page=json.dumps(asdict(ahead)))
    return MailChanges(changed, next_cursor=json.dumps(ahead.links))


def _read(cursor: str, token: str) -> Round:
    """Where to go on. Raises CursorExpired where it is no cursor of ours."""
    try:
        if token:
            told = json.loads(token)
            return Round(**told | {"links": _links(told["links"]), "left": tuple(told["left"])})
        links = _links(json.loads(cursor))
        return Round(links, tuple(links))
    except calls.ODD as error:
        raise CursorExpired("The place where we stopped reading has an unknown form.") from error


def _links(told: Mapping[str, str]) -> Mapping[str, str]:
    """The links of a cursor. Raises one of ``calls.ODD`` where there are none."""
    links = dict(told)
    if not links or not all(isinstance(link, str) for link in links.values()):
        raise ValueError("There is no link.")
    return links


def _step(http: requests.Session, before: Round, may_lack: Collection[str] = ()) -> tuple[Round, list[JsonObject]]:
    """The next page of each folder that has one, by one request. Folders that ``may_lack`` and do are left out.

    Raises what is wrong with any of them: the same links are good for another try.
    """
    links, left = dict(before.links), list[str]()
    found: list[JsonObject] = []
    wanted = {name: before.links[name] for name in before.left}
    for name, answer in microsoft.batch(http, wanted, page_size=calls.PAGE_SIZE):
        if isinstance(answer, ResourceGone) and name in may_lack:
            del links[name]
            continue
        if isinstance(answer, IntegrationError):
            raise answer
        found += calls.items(answer)
        further = calls.link(answer, "nextLink")
        links[name] = further or calls.link(answer, "deltaLink")
        if not links[name]:
            raise Temporary("Microsoft did not say where its list of changes goes on.")
        left += [name] if further else []
    return _checked(before, replace(before, links=links, left=tuple(left), pages=before.pages + 1), found), found


def _checked(before: Round, ahead: Round, found: Iterable[JsonObject]) -> Round:
    """Raises Temporary where Graph leads us round in a circle."""
    now = hashlib.sha256(json.dumps([str(item.get("id")) for item in found]).encode()).hexdigest()[:16]
    still = before.still + 1 if now == before.was else 0
    if ahead.left and (still > MAX_STILL or ahead.pages > MAX_PAGES):
        raise Temporary("Microsoft's list of changes does not end.")
    return replace(ahead, still=still, was=now)


def _changed(found: Iterable[JsonObject]) -> Iterable[MailRef]:
    """The messages to look at: new ones, changed ones, and those that left a folder.

    These may have been moved or deleted, which is not told: reading them tells. Where they were not taken before,
    nothing is to be read. What left one folder and came into another is new in that one, whichever is told first.
    """
    last: dict[str, MailRef] = {}
    for item in found:
        ref = calls.ref(item)
        if ref is None or item.get("isDraft") is True:
            continue
        is_gone = "@removed" in item
        if is_gone and ref.external_id in last:
            continue
        last[ref.external_id] = replace(ref, is_relabelled=is_gone)
    return last.values()
