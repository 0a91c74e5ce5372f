"""Reads the headers of a mail as they come: addresses, subject, what it answers, and whether a machine wrote it.

RFC 5322 (addresses, Message-ID), 2047 (encoded words), 6854 (groups), 3834 (automatic answers), 2919 and 2369 (lists).
Whatever stands in a header, nothing is raised: what makes no sense is left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.errors import HeaderParseError
from email.headerregistry import HeaderRegistry
from functools import lru_cache
from itertools import islice

from integrations.contract import Party
from relationships import addresses

Headers = Mapping[str, Sequence[str]]
"""Values by lower-cased name, in the order they came: names keep their sender's case, and may repeat."""

WANTED = (
    "From",
    "To",
    "Cc",
    "Bcc",
    "Sender",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Id",
    "List-Unsubscribe",
    "Precedence",
    "Return-Path",
    "Content-Type",
    "Content-Class",
    "X-MS-Exchange-Calendar-Originator-Id",
    "X-MS-Exchange-Calendar-Series-Instance-Id",
    "X-Autoreply",
    "X-Autorespond",
)
"""All that is ever asked for, where a provider lets one choose."""

ROLES = ("from", "to", "cc", "bcc")

MAX_PARTIES = 1000
MAX_MAILBOX = 500
"""Characters of one mailbox with its name: longer is junk, and slow to read."""

MAX_HEADER = 100_000
MAX_NAME = 200
MAX_SUBJECT = 500
MAX_ID = 1000
MAX_REFERENCES = 100

TOKEN = re.compile(
    r"""
    (?P<quoted> "(?:\\.|[^"\\])*" )
    | (?P<comment> \( (?: \\. | [^()\\] | \( (?:\\.|[^()\\])* \) )* \) )
    | (?P<unclosed> ["(] )
    | (?P<angle> <[^<>]*> )
    | (?P<end> [,;] )
    | (?P<text> [^"(<>,;]+ | . )
    """,
    re.VERBOSE,
)
SPEC = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
SIMPLE = re.compile(rf'(?:"(?P<quoted>[\w .,@-]*)"|(?P<name>[\w -]*)) ?<(?P<spec>{SPEC})>|(?P<bare>{SPEC})')
"""A mailbox as nearly all are written: words, in quotes or not, and an address of ordinary letters."""

BRACKETED = re.compile(r"<([^<>\s]+)>")
UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that turn the direction of what follows: they make one name look like another."""

PARSER_FAULTS = (HeaderParseError, ValueError, IndexError, LookupError, TypeError, AttributeError, RecursionError)
"""What the standard library raises for some headers in place of reading them as far as they go."""

CALENDAR_SENDERS = frozenset({"calendar-notification@google.com"})
CALENDAR_MARKS = ("x-ms-exchange-calendar-originator-id", "x-ms-exchange-calendar-series-instance-id")
CALENDAR_CLASSES = ("urn:content-classes:calendarmessage", "urn:content-classes:appointment")

registry = HeaderRegistry()


def grouped(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The headers by name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        found[name.strip().lower()].append(value[:MAX_HEADER])
    return found


def parties(headers: Headers) -> tuple[Party, ...]:
    """Who is in From, To, Cc and Bcc, each once per role, in order. Group names are left out, their members are not.

    An address is never taken from a name: of ``"alice@x.example" <eve@y.example>`` it is Eve's, quoted or not.
    """
    found: dict[tuple[str, str], Party] = {}
    for role in ROLES:
        # A second From is against all rules, and shown by no mail program.
        for value in headers.get(role, ())[: 1 if role == "from" else None]:
            for party in _mailboxes(role, value):
                found.setdefault((role, party.email), party)
                if len(found) >= MAX_PARTIES:
                    return tuple(found.values())
    return tuple(found.values())


def subject(headers: Headers) -> str:
    """The subject as a person reads it, in one line."""
    return _decoded(_first(headers, "subject"))[:MAX_SUBJECT]


def message_id(headers: Headers) -> str:
    """The Message-ID without brackets: opaque text, empty where there is none."""
    return _id(_first(headers, "message-id"))


def in_reply_to(headers: Headers) -> str:
    """The mail that this one answers."""
    return _id(_first(headers, "in-reply-to"))


def references(headers: Headers) -> tuple[str, ...]:
    """The mails before this one, oldest first, each once. Of a very long list the oldest and the newest ones."""
    ids = list(dict.fromkeys(_ids(" ".join(headers.get("references", ())))))
    if len(ids) > MAX_REFERENCES:
        ids = [ids[0], *ids[1 - MAX_REFERENCES :]]
    return tuple(ids)


def automatic(headers: Headers) -> str:
    """Why a mail is no exchange between people: invitation, auto_reply or list; empty for all others."""
    if _is_invitation(headers):
        return "invitation"
    if _is_automatic(headers):
        return "auto_reply"
    is_list = any(_first(headers, name) for name in ("list-id", "list-unsubscribe"))
    return "list" if is_list or _word(headers, "precedence") in {"bulk", "list", "junk"} else ""


def cleaned(text: str) -> str:
    """Text that every database takes and every reader sees as it is: one line, no control characters, no halves of
    surrogate pairs."""
    spoken = UNSPEAKABLE.sub("", text.encode("utf-8", "ignore").decode())
    return " ".join(spoken.split())


def _is_invitation(headers: Headers) -> bool:
    """Invitations, answers to them and cancellations.

    What makes them such is a part inside, which headers do not show; so it is told by what calendars write in front.
    """
    if _word(headers, "content-type") == "text/calendar":
        return True
    if _word(headers, "content-class") in CALENDAR_CLASSES or any(_first(headers, name) for name in CALENDAR_MARKS):
        return True
    senders = {party.email for value in headers.get("sender", ()) for party in _mailboxes("from", value)}
    content_type = _first(headers, "content-type").lower()
    return bool(senders & CALENDAR_SENDERS) or re.search(r"\bmethod\s*=\s*\"?request\b", content_type) is not None


def _is_automatic(headers: Headers) -> bool:
    """Absence notes, delivery reports and other mail that a machine answered with."""
    if _word(headers, "auto-submitted") not in {"", "no"}:
        return True
    if _word(headers, "precedence") in {"auto_reply", "auto-reply"}:
        return True
    if any(_first(headers, name) for name in ("x-autoreply", "x-autorespond")):
        return True
    # An empty return path is what delivery reports have, so that nothing answers them.
    return _word(headers, "content-type") == "multipart/report" or _first(headers, "return-path").strip() == "<>"


def _mailboxes(role: str, value: str) -> Iterator[Party]:
    for piece in islice(_pieces(value), MAX_PARTIES):
        for email, name in _read(piece):
            yield Party(role, email, name)


@lru_cache(maxsize=4096)
def _read(piece: str) -> tuple[tuple[str, str], ...]:
    """Address and name of what stands between two commas: mostly one mailbox, none for an empty group.

    The same people stand in most mails of a mailbox, so they are read once; and what is simply written is read without
    the standard library's parser, which takes twenty times as long for the same answer.
    """
    simple = SIMPLE.fullmatch(piece)
    if simple and "=?" not in piece:
        return tuple(_normal([(simple["spec"] or simple["bare"], simple["quoted"] or simple["name"] or "")]))
    return tuple(_normal(parsed(piece)))


def parsed(piece: str) -> list[tuple[str, str]]:
    """Address and name as the standard library reads them."""
    try:
        mailboxes = registry("to", piece).addresses  # type: ignore[attr-defined]  # it is an address header by its name
        return [(f"{one.username}@{one.domain}", one.display_name) for one in mailboxes]
    except PARSER_FAULTS:
        return [(spec, "") for spec in BRACKETED.findall(piece)[-1:]]


def _normal(found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for spec, name in found:
        try:
            yield addresses.normalize(spec), cleaned(name)[:MAX_NAME]
        except ValueError:
            continue


def _pieces(value: str) -> Iterator[str]:
    """The mailboxes of a header one by one, so that reading a long list costs no more than its parts.

    Semicolons part them too, as some mail programs write them. A name in front of an address in angle brackets that is
    itself one, and not quoted, gets quotes: otherwise it would be read as the address.
    """
    tokens: list[str] = []
    has_address = False
    for kind, text in _tokens(" ".join(value.split())):
        if kind == "end":
            yield from _piece(tokens)
            tokens, has_address = [], False
        elif kind == "angle" and has_address:
            tokens = ['"', _as_name("".join(tokens)), '" ', text]
        else:
            tokens.append(text)
            has_address = has_address or (kind in {"text", "angle"} and "@" in text)
    yield from _piece(tokens)


def _as_name(text: str) -> str:
    """What stands in front of an address, fit to be quoted; a group's name is none of it."""
    return re.sub(r'[\\"()]', "", text.rpartition(":")[2]).strip()[:MAX_NAME]


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """Quotes, comments, addresses in angle brackets, commas, and what is between. One pass: a quote or comment that
    never ends is none, and then none of its kind is one in the rest."""
    at = 0
    while match := TOKEN.match(value, at):
        kind, text, at = str(match.lastgroup), match[0], match.end()
        if kind == "unclosed":
            value, at = value[at:].replace(text, " "), 0
        else:
            yield kind, text


def _piece(tokens: Sequence[str]) -> Iterator[str]:
    text = "".join(tokens).strip()
    if "@" in text and len(text) <= MAX_MAILBOX:
        yield text


def _decoded(value: str) -> str:
    """Text with its encoded words read. Text without any stays what it is: so it may be decoded already."""
    if "=?" in value:
        try:
            value = str(registry("subject", " ".join(value[: 20 * MAX_SUBJECT].split())))
        except PARSER_FAULTS:
            return cleaned(value)
    return cleaned(value)


def _id(value: str) -> str:
    """One Message-ID; without brackets all of the text, since half of it might be another mail's."""
    bracketed = BRACKETED.search(value)
    text = cleaned(bracketed[1] if bracketed else value.strip().strip("<>"))
    return text if len(text) <= MAX_ID else ""


def _ids(value: str) -> list[str]:
    """The Message-IDs in a header; without brackets, what blanks part."""
    found = BRACKETED.findall(value) or value.replace("<", " ").replace(">", " ").split()
    return [text for text in map(cleaned, found) if text and len(text) <= MAX_ID]


def _first(headers: Headers, name: str) -> str:
    return next(iter(headers.get(name, ())), "")


def _word(headers: Headers, name: str) -> str:
    """The first word of a header, lower-cased, without its parameters."""
    return _first(headers, name).partition(";")[0].strip().lower()
