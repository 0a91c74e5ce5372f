"""Finds mail: folder by folder, newest first, and of each page what is with the people who are asked for.

Graph cannot search for hundreds of people at once, and finds no more than 1,000 of a search. So it is looked at who
wrote all mail and got it, which is forgotten but for what matches.

https://learn.microsoft.com/graph/api/user-list-messages
"""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import requests

from integrations.contract import JsonObject, MailListing, MailQuery, MailRef
from integrations.email.outlook import calls
from integrations.email.outlook.reading import emails
from integrations.errors import ResourceGone, Temporary, Unreadable
from integrations.providers import microsoft
from relationships import addresses

SELECT = "receivedDateTime,conversationId,from,sender,toRecipients,ccRecipients,isDraft"
SECOND = timedelta(seconds=1)


def page(http: requests.Session, query: MailQuery) -> MailListing:
    """A page of the ids that match. ``query.page`` names the folder, and where its list goes on."""
    folder, place = _place(query.page)
    link = place if place.startswith("https://") else _first(folder, query.since, place)
    try:
        answer = microsoft.graph(http, "GET", link)
    except ResourceGone as error:
        if folder not in calls.OPTIONAL:
            raise Temporary("Microsoft did not find a folder that every mailbox has.") from error
        return MailListing((), _after(folder))
    items = calls.items(answer)
    found = tuple(_matching(items, frozenset(map(_key, query.addresses)), frozenset(query.domains)))
    further = calls.link(answer, "nextLink")
    if not further:
        return MailListing(found, _after(folder))
    if further == link:
        raise Temporary("Microsoft's list does not end.")
    return MailListing(found, json.dumps([folder, _until(items) or further]))


def _place(token: str) -> tuple[str, str]:
    """The folder to list, and where: a link, or before which time. One of an unknown form is the beginning."""
    try:
        folder, place = json.loads(token) if token else (calls.FOLDERS[0], "")
    except calls.ODD:
        return calls.FOLDERS[0], ""
    return str(folder), str(place)


def _first(folder: str, since: datetime, until: str) -> str:
    """What is sorted by must lead the filter, or Graph finds it too complex."""
    wanted = [f"receivedDateTime ge {_written(since)}", *([f"receivedDateTime lt {until}"] if until else [])]
    return calls.address(
        f"/me/mailFolders/{folder}/messages",
        filter=" and ".join(wanted),
        orderby="receivedDateTime desc",
        select=SELECT,
        top=str(calls.PAGE_SIZE),
    )


def _until(items: Sequence[JsonObject]) -> str:
    """Where the next page begins: with the second of the last message here, which may hold more of them. Empty where
    that leads no further, since all came within that second.

    Graph's own link counts how many messages to leave out: where some are deleted meanwhile, as many would be missed.
    """
    try:
        first, last = (datetime.fromisoformat(items[place]["receivedDateTime"]) for place in (0, -1))
        return _written(last + SECOND) if last + SECOND <= first else ""
    except (*calls.ODD, IndexError):
        return ""


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _after(folder: str) -> str:
    """The page with which the next folder begins; empty after the last."""
    following = calls.FOLDERS[calls.FOLDERS.index(folder) + 1 :]
    return json.dumps([following[0], ""]) if following else ""


def _matching(items: Collection[JsonObject], people: Collection[str], firms: Collection[str]) -> Iterator[MailRef]:
    for item in items:
        ref = calls.ref(item)
        if ref and item.get("isDraft") is not True and any(_is_wanted(one, people, firms) for one in _who(item)):
            yield ref


def _who(item: JsonObject) -> Collection[str]:
    try:
        return emails(item)
    except (*calls.ODD, Unreadable):
        return ()


def _is_wanted(email: str, people: Collection[str], firms: Collection[str]) -> bool:
    """Whether it is one of these, or of one of these firms; what is below a firm's domain is the firm's too."""
    domain = email.rpartition("@")[2]
    return _key(email) in people or domain in firms or any(name in firms for name in addresses.with_parents(domain))


@lru_cache(maxsize=4096)
def _key(email: str) -> str:
    """What all spellings of an address share."""
    try:
        return addresses.match_key(email)
    except ValueError:
        return email
