"""Finds mail: by search, or where nothing can be searched by walking through all of it, newest first."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import requests

from integrations.contract import MailListing, MailQuery, MailRef
from integrations.email import batch
from integrations.email.gmail import calls
from integrations.email.gmail.reading import moment
from integrations.errors import Permanent, Temporary, Unreadable
from integrations.providers import google

PIECE = 25
"""Addresses and domains in one search: no limit of a search's length is documented, this is known to work."""

PROBE_EVERY = 50
"""Where nothing can be searched: of how many messages on a page one is asked for its date."""

PROBES = calls.PAGE_SIZE // PROBE_EVERY + 1

SAFE_TERM = re.compile(r"[\w.+%&'/=^~#$*!?@-]+")
RESTARTED = "restarted:"
"""In front of the next page of a listing that was begun again because Google had forgotten its page: once only."""


def pieces(addresses: Sequence[str], domains: Sequence[str], since: datetime) -> tuple[MailQuery, ...]:
    """Searches for mail with any of these."""
    everybody = [*addresses, *domains]
    found = []
    for start in range(0, len(everybody), PIECE):
        piece = everybody[start : start + PIECE]
        people = max(0, len(addresses) - start)
        found.append(MailQuery(since, tuple(piece[:people]), tuple(piece[people:])))
    return tuple(found)


def page(http: requests.Session, mailbox: str, query: MailQuery) -> MailListing:
    """A page of the ids that match.

    Where nothing can be searched, all mail is listed, newest first, archived mail too. The list has no dates, so
    every fiftieth message is asked for its own (one batch, 220 units at most for a page of 500). A stretch between two
    that are too old is left out, and a page on which all are too old ends the listing: so a single old message among
    new ones, as imports leave them, ends nothing.
    """
    is_search = bool(query.addresses or query.domains)
    answer, mark = _list(http, mailbox, {"q": question(query)} if is_search else {}, query.page)
    refs = tuple(_refs(answer.get("messages")))
    token = calls.next_page(answer, query.page.removeprefix(RESTARTED))
    next_page = mark + token if token else ""
    if is_search or not refs:
        return MailListing(refs, next_page)
    young = _young(http, mailbox, refs, query.since)
    return MailListing(young, next_page if young else "")


def question(query: MailQuery) -> str:
    """Gmail's search: from, to or cc any of them, since then (days would mean Californian ones: seconds do not)."""
    who = [one if SAFE_TERM.fullmatch(one) else _quoted(one) for one in (*query.addresses, *query.domains)]
    terms = " ".join(f"{place}:{one}" for one in who for place in ("from", "to", "cc"))
    return f"{{{terms}}} after:{int(query.since.timestamp()) - 1} -in:chats -in:drafts"


def _quoted(term: str) -> str:
    """An odd address as one word of a search, whatever is in it."""
    plain = term.replace('"', "").replace("\\", "")
    return f'"{plain}"'


def _list(http: requests.Session, mailbox: str, fields: dict[str, Any], page: str) -> tuple[dict[str, Any], str]:
    """A page, and what its next one is marked by. Where Google has forgotten the page, once more from the start."""
    messages = google.api("gmail", "v1").users().messages()
    token = page.removeprefix(RESTARTED)
    mark = page[: len(page) - len(token)]
    wanted = {"userId": mailbox, "maxResults": calls.PAGE_SIZE, **fields}
    try:
        return google.run(messages.list(**wanted, **({"pageToken": token} if token else {})), http), mark
    except Permanent as error:
        if not token or mark or not calls.is_bad_request(error):
            raise
        return google.run(messages.list(**wanted), http), RESTARTED


def _refs(items: Any) -> Iterator[MailRef]:
    """The messages a list names; Google leaves the list out where it would be empty."""
    if items is not None and not isinstance(items, list):
        raise Temporary("Gmail's answer is no list of messages.")
    for item in items or ():
        ref = calls.ref(item)
        if ref:
            yield ref


def _young(http: requests.Session, mailbox: str, refs: Sequence[MailRef], since: datetime) -> tuple[MailRef, ...]:
    """The messages of a page without its stretches from before ``since``."""
    places = sorted({*range(0, len(refs), PROBE_EVERY), len(refs) - 1})
    query = urlencode({"format": "minimal", "fields": "id,internalDate"})
    parts = calls.send(
        http, [f"{calls.path(mailbox, 'messages', refs[place].external_id)}?{query}" for place in places]
    )
    is_old = [_is_older(part, since) for part in parts]
    young: list[MailRef] = []
    for (first, begins_old), (last, ends_old) in pairwise(zip(places, is_old, strict=True)):
        if not (begins_old and ends_old):
            young += refs[first:last]
    return (*young, *(() if is_old[-1] else refs[-1:]))


def _is_older(part: batch.Part | None, since: datetime) -> bool:
    """Whether a probe is older. One that was deleted meanwhile, or is damaged, counts as young: it ends nothing."""
    if part is None or part.status in {404, 410}:
        return False
    if part.status != 200:
        raise google.meant(part.status, part.headers, part.body, is_mail=True)
    try:
        return moment(json.loads(part.body)) < since
    except (*calls.ODD, Unreadable):
        return False
