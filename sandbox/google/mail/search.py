"""Gmail's search language: the part of ``q`` that programs use. It finds messages, not threads.

https://developers.google.com/workspace/gmail/api/guides/filtering and https://support.google.com/mail/answer/7190
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from zoneinfo import ZoneInfo

from sandbox.google.mail import errors, rfc5322
from sandbox.google.mail.mailbox import HIDDEN, Mailbox

TOKENS = re.compile(r'[-+](?=\S)|[(){}]|[A-Za-z_]\w*:(?=[({])|[A-Za-z_]\w*:"[^"]*"|"[^"]*"|[^\s(){}]+')
WORDS = re.compile(r"\w+")
HEADERS = {
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "deliveredto": "delivered-to",
    "list": "list-id",
}
PLACES = {"drafts": "DRAFT", "draft": "DRAFT", "chats": "CHAT", "chat": "CHAT"}
UNITS = {"d": 1, "m": 30, "y": 365}
# Dates without a time mean midnight there, wherever the account is.
PACIFIC = ZoneInfo("America/Los_Angeles")
Found = set[str]


def find(box: Mailbox, text: str, now: datetime) -> Found:
    """The ids of the messages that a query finds, spam and trash among them. ApiError for what cannot be read."""
    search = Search(box, now, TOKENS.findall(text))
    found = search.all_of("")
    if search.tokens:
        raise errors.invalid_argument("Invalid query")
    return found


def wants_hidden(text: str) -> bool:
    """Whether a query asks for spam, trash or everything."""
    return bool(re.search(r"(?i)\b(?:in|is|label):(?:anywhere|spam|trash)\b", text))


class Search:
    """Reads one query from left to right and answers it at once: every part is a set of message ids."""

    def __init__(self, box: Mailbox, now: datetime, tokens: list[str]) -> None:
        self.tokens = tokens
        self._box, self._now = box, now

    def all_of(self, closing: str, operator: str = "") -> Found:
        """Terms up to the closing bracket or the end; joined by AND, within braces by OR."""
        found: Found | None = None
        while self.tokens and self.tokens[0] not in {")", "}"}:
            term = self.term(operator)
            while self.tokens and self.tokens[0] == "OR":
                self.tokens.pop(0)
                term = term | self.term(operator)
            is_either = closing == "}"
            found = term if found is None else found | term if is_either else found & term
        self._close(closing)
        return set(self._box.messages) if found is None else found

    def term(self, operator: str) -> Found:
        """One term; ``operator`` is that of the brackets it stands in, such as from: of from:(a b)."""
        if not self.tokens:
            raise errors.invalid_argument("Invalid query")
        piece = self.tokens.pop(0)
        if piece == "-":
            return set(self._box.messages) - self.term(operator)
        if piece == "+":
            return self.term(operator)
        if piece in {"(", "{"}:
            return self.all_of(")" if piece == "(" else "}", operator)
        if piece in {")", "}"}:
            raise errors.invalid_argument("Invalid query")
        if piece.endswith(":") and self.tokens and self.tokens[0] in {"(", "{"}:
            return self.term_of_group(piece[:-1].lower())
        name, colon, value = piece.partition(":")
        if colon and not operator and not piece.startswith('"'):
            return self.found_by(name.lower(), value.strip('"'))
        return self.found_by(operator, piece.strip('"'))

    def term_of_group(self, operator: str) -> Found:
        """The brackets behind an operator."""
        return self.all_of(")" if self.tokens.pop(0) == "(" else "}", operator)

    def found_by(self, operator: str, value: str) -> Found:
        """The messages with a value, by the operator before it."""
        if operator in HEADERS:
            return self.by_words(HEADERS[operator], value)
        finders: dict[str, Callable[[str], Found]] = {
            "": self.by_text,
            "subject": self.by_subject,
            "rfc822msgid": lambda text: set(self._box.ids_of(rfc5322.bare(text))),
            "after": lambda text: self.by_time(text, is_after=True),
            "before": lambda text: self.by_time(text, is_after=False),
            "newer_than": lambda text: self.by_age(text, is_newer=True),
            "older_than": lambda text: self.by_age(text, is_newer=False),
            "in": self.by_label,
            "is": self.by_label,
            "label": self.by_label,
            "category": lambda text: self.by_label(f"category_{text}"),
            "has": self.by_attachment,
        }
        if operator not in finders:
            raise errors.invalid_argument(f"The sandbox does not search by {operator}:")
        return finders[operator](value)

    def by_words(self, header: str, value: str) -> Found:
        """Messages in whose header the words of a value follow each other: a domain also finds its addresses."""
        found: Found = set()
        for held, ids in self._box.by_header[header].items():
            if is_phrase(words(value), words(held)):
                found |= ids
        return found

    def by_subject(self, value: str) -> Found:
        """Messages with a phrase in the subject."""
        return {
            one.id
            for one in self._box.messages.values()
            if is_phrase(words(value), words(rfc5322.first(one.source.headers(), "subject")))
        }

    def by_text(self, value: str) -> Found:
        """Messages with a phrase in the subject, the addresses or the text."""
        wanted = words(value)
        return {
            one.id
            for one in self._box.messages.values()
            if any(is_phrase(wanted, words(held)) for _, held in one.source.headers())
            or is_phrase(wanted, words(rfc5322.plain_text(rfc5322.tree_of(one.source.raw()))))
        }

    def by_time(self, value: str, *, is_after: bool) -> Found:
        """Seconds since 1970, or a day, which begins at midnight in California."""
        limit = 1000 * int(value) if value.isdecimal() and len(value) > 4 else day_ms(value)
        return {one.id for one in self._box.messages.values() if (one.at_ms >= limit) is is_after}

    def by_age(self, value: str, *, is_newer: bool) -> Found:
        """An age such as 2d, 3m or 1y."""
        match = re.fullmatch(r"(\d+)([dmy])", value)
        if match is None:
            raise errors.invalid_argument(f"Invalid age: {value}")
        limit = int((self._now - timedelta(days=int(match[1]) * UNITS[match[2]])).timestamp() * 1000)
        return {one.id for one in self._box.messages.values() if (one.at_ms >= limit) is is_newer}

    def by_label(self, value: str) -> Found:
        """Messages with a label, by its id or by a user's name for it."""
        wanted = value.lower()
        if wanted == "anywhere":
            return set(self._box.messages)
        if wanted == "read":
            return set(self._box.messages) - self._box.by_label["UNREAD"]
        named = [label for label, name in self._box.user_labels.items() if name.lower().replace(" ", "-") == wanted]
        label = named[0] if named else PLACES.get(wanted, wanted.upper())
        return set(self._box.by_label.get(label, set()))

    def by_attachment(self, value: str) -> Found:
        """``has:attachment``."""
        if value != "attachment":
            raise errors.invalid_argument(f"The sandbox does not search by has:{value}")
        return {
            one.id
            for one in self._box.messages.values()
            if any(part.get_filename() for part in rfc5322.tree_of(one.source.raw()).walk())
        }

    def _close(self, closing: str) -> None:
        if closing and (not self.tokens or self.tokens.pop(0) != closing):
            raise errors.invalid_argument("Invalid query")


def day_ms(value: str) -> int:
    """A day as 2014/01/31 or 2014-01-31, in milliseconds since 1970."""
    try:
        moment = datetime.strptime(value.replace("-", "/"), "%Y/%m/%d").replace(tzinfo=PACIFIC)
    except ValueError:
        raise errors.invalid_argument(f"Invalid date: {value}") from None
    return int(moment.astimezone(UTC).timestamp() * 1000)


def visible(box: Mailbox, *, with_hidden: bool) -> Found:
    """All messages, without spam and trash unless wanted."""
    everything = set(box.messages)
    return everything if with_hidden else everything.difference(*(box.by_label[label] for label in HIDDEN))


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """The words of a header or of a query, lower-cased; encoded words are decoded."""
    return tuple(WORDS.findall(decoded(text).lower().replace("_", " ")))


def decoded(text: str) -> str:
    """A header with its encoded words decoded, as it is where they cannot be."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def is_phrase(wanted: tuple[str, ...], held: tuple[str, ...]) -> bool:
    """Whether words follow each other in a text."""
    size = len(wanted)
    return size > 0 and any(held[start : start + size] == wanted for start in range(len(held) - size + 1))
