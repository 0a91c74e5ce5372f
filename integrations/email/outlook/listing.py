"""Finds mail: folder by folder, newest first, and of each page what is with the people who are asked for.

Graph cannot search for hundreds of people at once, and finds no more than 1,000 of a search. So it is looked at who
wrote all mail and got it, which is forgotten but for what matches.

https://learn.microsoft.com/graph/api/user-list-messages
"""

import json
from collections.abc import Collection, Iterator
from datetime import UTC

import requests

from integrations.contract import JsonObject, MailListing, MailQuery, MailRef
from integrations.email.outlook import calls
from integrations.email.outlook.reading import emails
from integrations.errors import ResourceGone, Temporary, Unreadable
from integrations.providers import microsoft
from relationships import addresses

SELECT = "conversationId,from,sender,toRecipients,ccRecipients,isDraft"


def page(http: requests.Session, query: MailQuery) -> MailListing:
    """A page of the ids that match. ``query.page`` names the folder, and where its list goes on."""
    folder, link = _place(query.page)
    try:
        answer = microsoft.graph(http, "GET", link or _first(folder, query))
    except ResourceGone as error:
        if folder not in calls.OPTIONAL:
            raise Temporary("Microsoft did not find a folder that every mailbox has.") from error
        return MailListing((), _after(folder))
    people, firms = frozenset(query.addresses), frozenset(query.domains)
    found = tuple(_matching(calls.items(answer), people, firms))
    further = calls.link(answer, "nextLink")
    if further and further == link:
        raise Temporary("Microsoft's list does not end.")
    return MailListing(found, json.dumps([folder, further]) if further else _after(folder))


def _place(token: str) -> tuple[str, str]:
    """The folder to list, and the link of its next page. A place of an unknown form is the beginning."""
    try:
        folder, link = json.loads(token) if token else (calls.FOLDERS[0], "")
    except calls.ODD:
        return calls.FOLDERS[0], ""
    return str(folder), str(link)


def _first(folder: str, query: MailQuery) -> str:
    """What is sorted by must lead the filter, or Graph finds it too complex."""
    when = query.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return calls.address(
        f"/me/mailFolders/{folder}/messages",
        filter=f"receivedDateTime ge {when}",
        orderby="receivedDateTime desc",
        select=SELECT,
        top=str(calls.PAGE_SIZE),
    )


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
    return email in people or domain in firms or any(name in firms for name in addresses.with_parents(domain))
