"""What all calls for Outlook's mail share: folders, ids, pages, and which trouble means what."""

import re
from collections.abc import Sequence
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode

from integrations.contract import JsonObject, MailRef
from integrations.errors import Temporary

FOLDERS = ("inbox", "sentitems", "archive")
"""Those that are read, by the names that stand for their ids in every language."""

OPTIONAL = frozenset({"archive"})
"""Not every mailbox has one."""

PAGE_SIZE = 500
"""Graph allows 1,000, and may take too long for them."""

ID = re.compile(r"[\x21-\x7e]{1,1000}")
ODD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading an answer in an unknown form raises."""


def address(path: str, **options: str) -> str:
    """An address of Graph, behind its version; ``select`` stands for $select."""
    named = {f"${name}": value for name, value in options.items()}
    return f"{path}?{urlencode(named, safe='$,', quote_via=quote)}" if named else path


def message(external_id: str, select: str) -> str:
    """Where a message is."""
    return address(f"/me/messages/{quote(external_id, safe='')}", select=select)


def is_id(value: Any) -> TypeGuard[str]:
    """Whether this is an id as it stands: upper and lower case differ, and a part of one might be another's."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def ref(item: JsonObject) -> MailRef | None:
    """A message as a list names it; None where it has no usable id."""
    if not is_id(item.get("id")):
        return None
    conversation = item.get("conversationId")
    return MailRef(item["id"], conversation if is_id(conversation) else "")


def items(answer: JsonObject) -> Sequence[JsonObject]:
    """What stands on a page. Raises Temporary where there is no list."""
    found = answer.get("value")
    if not isinstance(found, list):
        raise Temporary("Microsoft's answer is no list of messages.")
    return [item for item in found if isinstance(item, dict)]


def link(answer: JsonObject, name: str) -> str:
    """The next page (nextLink) or round (deltaLink) of an answer; empty where there is none."""
    found = answer.get(f"@odata.{name}")
    return found if isinstance(found, str) else ""
