"""Which folder a message lies in, in our words: folders are known by ids, which a mailbox keeps for good.

https://learn.microsoft.com/graph/api/resources/mailfolder
"""

from collections.abc import Collection, Iterable, Mapping
from weakref import WeakKeyDictionary

import requests

from integrations.contract import JsonObject
from integrations.email.outlook import calls
from integrations.errors import IntegrationError, ResourceGone
from integrations.providers import microsoft

NEVER = "never"
OTHER = ""

READ = {"inbox": "inbox", "sentitems": "sent", "archive": OTHER}
ELSEWHERE = {
    "msgfolderroot": OTHER,
    "drafts": NEVER,
    "outbox": NEVER,
    "junkemail": NEVER,
    "deleteditems": NEVER,
    "recoverableitemsdeletions": NEVER,
    "conversationhistory": NEVER,
}
"""Folders by name, with the label of what lies in them; NEVER for what is never taken. Below all of these there may be
more: what lies below one that is never taken is not either, nor what is outside all that its owner sees."""

MAX_DEPTH = 20

_known: "WeakKeyDictionary[requests.Session, dict[str, str]]" = WeakKeyDictionary()
"""Labels by the ids of folders, and by the names that were asked for already."""


def labels(http: requests.Session, folder_ids: Collection[str]) -> Mapping[str, str]:
    """The label of each folder: inbox, sent, NEVER or OTHER. Asked for once in a session, and no more than needed."""
    known = _known.setdefault(http, {})
    wanted = set(folder_ids)
    for names in (READ, ELSEWHERE):
        if wanted - known.keys() and names.keys() - known.keys():
            known |= names | _named(http, names)
    for folder_id in wanted - known.keys():
        known[folder_id] = _below(http, folder_id, known)
    return known


def _named(http: requests.Session, names: Mapping[str, str]) -> dict[str, str]:
    """The ids of folders known by name; not every mailbox has all of them."""
    paths = {name: calls.address(f"/me/mailFolders/{name}", select="id") for name in names}
    return {str(found["id"]): names[name] for name, found in _answered(http, paths) if calls.is_id(found.get("id"))}


def _answered(http: requests.Session, paths: Mapping[str, str]) -> Iterable[tuple[str, JsonObject]]:
    for name, answer in microsoft.batch(http, paths):
        if isinstance(answer, ResourceGone):
            continue
        if isinstance(answer, IntegrationError):
            raise answer
        yield name, answer


def _below(http: requests.Session, folder_id: str, known: Mapping[str, str]) -> str:
    """The label of a folder of the user's own, by what it lies below."""
    for _ in range(MAX_DEPTH):
        path = calls.address(f"/me/mailFolders/{folder_id}", select="parentFolderId")
        parent = next((found.get("parentFolderId") for _, found in _answered(http, {folder_id: path})), None)
        if not calls.is_id(parent) or parent == folder_id:
            return NEVER
        if parent in known:
            return NEVER if known[parent] == NEVER else OTHER
        folder_id = parent
    return NEVER
