"""The words of mail, and what an adapter of it does."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import requests

from integrations.contract.pushes import PushAdapter
from integrations.contract.resources import ResourceInfo, UnreadableItem


@dataclass(frozen=True)
class Party:
    """Somebody in a mail's header. ``role`` is from, to, cc or bcc; ``email`` is lower-cased, never out of a name."""

    role: str
    email: str
    name: str = ""


@dataclass(frozen=True)
class MessageCopy:
    """One mail as a mailbox holds it, without its text. ``sent_at`` is when the provider took it, not the Date header.

    ``automatic`` says why it is no exchange between people: auto_reply, list or invitation; empty for all others.
    ``labels`` are in our words: inbox, sent, important. ``message_id`` and ``references`` stand without brackets.
    """

    external_id: str
    thread_id: str
    sent_at: datetime
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    subject: str = ""
    parties: tuple[Party, ...] = ()
    is_sent: bool = False
    labels: tuple[str, ...] = ()
    automatic: str = ""


@dataclass(frozen=True)
class MailRef:
    """A message that a listing or a change names: all that is known of it before it is read.

    ``is_relabelled`` says that only its labels changed: where it was not taken before, there is nothing to read now.
    """

    external_id: str
    thread_id: str = ""
    is_relabelled: bool = False


@dataclass(frozen=True)
class MailQuery:
    """Which messages to list: since then, from, to or cc one of these addresses or domains. ``page`` goes on.

    Without addresses and domains everything since then is meant (where the granted scope cannot search).
    """

    since: datetime
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True)
class MailListing:
    """A page of a listing. Without ``next_page`` it is the last."""

    found: tuple[MailRef, ...]
    next_page: str = ""


@dataclass(frozen=True)
class MailChanges:
    """A page of what happened since a cursor. ``next_cursor`` stands on the last page only.

    ``changed`` are new messages and those whose labels changed in a way that matters: to be read (again).
    """

    changed: tuple[MailRef, ...]
    vanished: tuple[str, ...] = ()
    next_page: str = ""
    next_cursor: str = ""


@dataclass(frozen=True)
class MailBatch:
    """What reading some messages brought. Each one asked for is in exactly one of the lists.

    ``gone`` were deleted, or are drafts, chats, spam or trash, which are never taken. ``missing`` were not found, which
    right after a push may be too early. ``again`` failed for now, and are to be asked again after ``retry_after`` s.
    """

    messages: tuple[MessageCopy, ...]
    unreadable: tuple[UnreadableItem, ...] = ()
    gone: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    retry_after: float | None = None


@dataclass(frozen=True)
class MailPrices:
    """What one call of each kind costs, in the provider's quota units."""

    cursor: int
    listing: int
    changes: int


class MailAdapter(PushAdapter, Protocol):
    """Reads mailboxes of one provider through an authorised session, headers only. Touches no ORM.

    ``batch`` is how many messages one ``read`` takes; ``units_per_minute`` is what the provider allows per account.
    """

    batch: int

    @property
    def units_per_minute(self) -> int: ...

    @property
    def prices(self) -> MailPrices: ...

    def mailboxes(self, http: requests.Session) -> Iterator[ResourceInfo]: ...

    def own_addresses(self, http: requests.Session, scopes: Collection[str]) -> tuple[str, ...]: ...

    def queries(
        self, scopes: Collection[str], addresses: Collection[str], domains: Collection[str], since: datetime
    ) -> tuple[MailQuery, ...]: ...

    def cursor(self, http: requests.Session, mailbox: str) -> str: ...

    def listing(self, http: requests.Session, mailbox: str, query: MailQuery) -> MailListing: ...

    def changes(self, http: requests.Session, mailbox: str, cursor: str, page: str) -> MailChanges: ...

    def cost(self, wanted: Collection[MailRef]) -> int: ...

    def read(self, http: requests.Session, mailbox: str, wanted: Collection[MailRef]) -> MailBatch: ...

    def may_read_text(self, scopes: Collection[str]) -> bool: ...

    def text(self, http: requests.Session, mailbox: str, external_id: str) -> str: ...
