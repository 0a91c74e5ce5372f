"""The query options of messages: $select, $filter, $orderby, $top and $skip, as Outlook takes them.

https://learn.microsoft.com/graph/api/user-list-messages
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.clock import parse_instant
from sandbox.microsoft import graph
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.mail.mailbox import Mailbox, Stored
from sandbox.providers import Call

MOST, USUAL = 1_000, 10
CONDITION = re.compile(r"^\s*\(?\s*([\w/]+)\s+(eq|ne|gt|ge|lt|le)\s+('(?:[^']|'')*'|[^\s')]+)\s*\)?\s*$", re.IGNORECASE)
JOINT = re.compile(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)", re.IGNORECASE)
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")
}
FIELDS: dict[str, Callable[[Mailbox, Stored], Any]] = {
    "receivedDateTime": lambda box, one: float(int(one.received_at)),
    "sentDateTime": lambda box, one: float(int(one.source.letter().sent_at or 0)),
    "lastModifiedDateTime": lambda box, one: float(int(one.modified_at)),
    "isRead": lambda box, one: one.is_read,
    "isDraft": lambda box, one: one.is_draft,
    "hasAttachments": lambda box, one: bool(one.source.letter().attachments),
    "subject": lambda box, one: one.source.letter().subject.lower(),
    "internetMessageId": lambda box, one: one.source.letter().message_id.lower(),
    "conversationId": lambda box, one: box.ids.conversation(one.source.letter().conversation),
    "parentFolderId": lambda box, one: box.ids.folder(one.folder),
    "importance": lambda box, one: one.source.letter().importance.lower(),
    "from/emailAddress/address": lambda box, one: (one.source.letter().author or ["", ""])[1].lower(),
    "sender/emailAddress/address": lambda box, one: (one.source.letter().sender or ["", ""])[1].lower(),
}
"""What the sandbox filters and sorts by. Texts compare without regard to case, ids exactly."""
EXACT = frozenset({"conversationId", "parentFolderId"})
CANONICAL = {name.lower(): name for name in FIELDS}


@dataclass(frozen=True)
class Condition:
    """One comparison of a filter."""

    name: str
    operator: str
    value: Any

    def holds(self, box: Mailbox, stored: Stored) -> bool:
        """Whether a message meets it."""
        return OPERATORS[self.operator](FIELDS[self.name](box, stored), self.value)


@dataclass(frozen=True)
class Order:
    """One key of a sort order."""

    name: str
    is_descending: bool


def conditions(text: str) -> list[Condition]:
    """A $filter: comparisons joined by ``and``. GraphError 400 for what cannot be read or is not known here."""
    return [condition(part) for part in JOINT.split(text)] if text.strip() else []


def condition(text: str) -> Condition:
    """One comparison."""
    match = CONDITION.match(text)
    if match is None:
        raise bad_request(f"Invalid filter clause: The sandbox cannot read '{text.strip()}'.")
    name = CANONICAL.get(match[1].lower())
    if name is None:
        raise bad_request(f"Invalid filter clause: The sandbox does not filter by '{match[1]}'.")
    return Condition(name, match[2].lower(), value_of(name, match[3]))


def value_of(name: str, text: str) -> Any:
    """The value a field is compared with: a time with its offset, a truth, or a text in single quotes."""
    if name.endswith("DateTime"):
        try:
            return parse_instant(text.strip("'") if "T" in text.upper() else f"{text}T00:00:00Z").timestamp()
        except ValueError:
            raise bad_request(f"Invalid filter clause: '{text}' is not a time.") from None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not text.startswith("'"):
        raise bad_request(f"Invalid filter clause: '{text}' is not a text in single quotes.")
    plain = text[1:-1].replace("''", "'")
    return plain if name in EXACT else plain.lower()


def orders(text: str) -> list[Order]:
    """An $orderby: names, each ascending unless it says desc."""
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, direction = part.partition(" ")
        known = CANONICAL.get(name.lower())
        if known is None or direction.strip().lower() not in ("", "asc", "desc"):
            raise bad_request(f"Invalid orderby clause: The sandbox does not sort by '{part}'.")
        found.append(Order(known, direction.strip().lower() == "desc"))
    return found


def check_lead(wanted: list[Condition], sorting: list[Order]) -> None:
    """What is sorted by must lead the filter, in the same order."""
    leading = list(dict.fromkeys(one.name for one in wanted))[: len(sorting)]
    if wanted and leading != [one.name for one in sorting]:
        message = "The restriction or sort order is too complex for this operation."
        raise GraphError(400, "InefficientFilter", message)


def page_size(call: Call, wished: int | None) -> int:
    """How many items a page has: $top, else the header's wish, else ten."""
    text = graph.option(call, "$top")
    if not text:
        return min(wished or USUAL, MOST)
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise bad_request(f"Invalid value '{text}' for $top query option found. It must be from 1 to {MOST}.")
    return int(text)


def skipped(call: Call) -> int:
    """$skip: how many items of the mailbox were gone through, not how many were shown."""
    text = graph.option(call, "$skip") or "0"
    if not text.isdecimal():
        raise bad_request(f"Invalid value '{text}' for $skip query option found.")
    return int(text)


def bad_request(message: str) -> GraphError:
    """400 for an option that cannot be read."""
    return GraphError(400, "BadRequest", message)
