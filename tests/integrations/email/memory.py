"""A mailbox in memory that speaks the engine's words: for what only the engine decides, and at any size."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import requests
from django.utils import timezone

from integrations.contract import (
    MailBatch,
    MailChanges,
    MailListing,
    MailPrices,
    MailQuery,
    MailRef,
    MessageCopy,
    OpenedChannel,
    Party,
    ResourceInfo,
    UnreadableItem,
    WatchRequest,
)
from integrations.errors import CursorExpired, MissingScope

LP = "lena@alder.example"
ALICE = "alice@acme.example"
BOB = "bob@acme.example"


def mail(
    name: str,
    sender: str,
    *to: str,
    cc: Collection[str] = (),
    bcc: Collection[str] = (),
    days: float = -1,
    thread: str = "",
    owner: str = ALICE,
    **more: object,
) -> MessageCopy:
    """One mail as ``owner``'s mailbox holds it, sent so many days from now; its Message-ID is alike for everybody."""
    roles = [("from", [sender]), ("to", to), ("cc", cc), ("bcc", bcc)]
    values = {
        "external_id": name,
        "thread_id": thread or f"t-{name}",
        "sent_at": timezone.now() + timedelta(days=days),
        "message_id": f"{name}@mail.example",
        "subject": f"Subject {name}",
        "parties": tuple(Party(role, email) for role, emails in roles for email in emails),
        "is_sent": sender == owner,
        "labels": ("sent",) if sender == owner else ("inbox",),
    }
    return MessageCopy(**(values | more))  # type: ignore[arg-type]


@dataclass
class MemoryMail:
    """What a provider would hold of one mailbox, and what it was asked."""

    batch: int = 4
    page_size: int = 3
    units_per_minute: int = 6000
    is_single_watch: bool = True
    prices: MailPrices = field(default_factory=lambda: MailPrices(cursor=1, listing=5, changes=2))
    messages: dict[str, MessageCopy] = field(default_factory=dict)
    history: list[tuple[str, str]] = field(default_factory=list)
    forgotten: int = 0
    aliases: tuple[str, ...] | None = ()
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[list[str]] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    failing: Counter[str] = field(default_factory=Counter)
    not_yet: Counter[str] = field(default_factory=Counter)

    def put(self, *copies: MessageCopy) -> None:
        """New or changed mail, with an entry of history."""
        for copy in copies:
            self.messages[copy.external_id] = copy
            self.history.append(("changed", copy.external_id))

    def remove(self, *names: str) -> None:
        for name in names:
            del self.messages[name]
            self.history.append(("vanished", name))

    def mailboxes(self, http: requests.Session) -> Iterator[ResourceInfo]:
        yield ResourceInfo("me", ALICE, "", is_primary=True, access_role="")

    def own_addresses(self, http: requests.Session, scopes: Collection[str]) -> tuple[str, ...]:
        self.calls["own_addresses"] += 1
        if self.aliases is None:
            raise MissingScope("not granted")
        return self.aliases

    def queries(
        self, scopes: Collection[str], addresses: Collection[str], domains: Collection[str], since: datetime
    ) -> tuple[MailQuery, ...]:
        whole = [("addresses", one) for one in addresses] + [("domains", one) for one in domains]
        return tuple(
            MailQuery(
                since,
                tuple(value for kind, value in whole[start : start + 2] if kind == "addresses"),
                tuple(value for kind, value in whole[start : start + 2] if kind == "domains"),
            )
            for start in range(0, len(whole), 2)
        )

    def cursor(self, http: requests.Session, mailbox: str) -> str:
        self.calls["cursor"] += 1
        return str(len(self.history))

    def listing(self, http: requests.Session, mailbox: str, query: MailQuery) -> MailListing:
        self.calls["listing"] += 1
        found = [copy for copy in self.messages.values() if _means(query, copy)]
        found.sort(key=lambda copy: copy.sent_at, reverse=True)
        start = int(query.page or 0)
        end = start + self.page_size
        refs = tuple(MailRef(copy.external_id, copy.thread_id) for copy in found[start:end])
        return MailListing(refs, str(end) if end < len(found) else "")

    def changes(self, http: requests.Session, mailbox: str, cursor: str, page: str) -> MailChanges:
        self.calls["changes"] += 1
        if int(cursor) < self.forgotten:
            raise CursorExpired("It no longer knows where we stopped.")
        start = int(page or cursor)
        end = start + self.page_size
        part = self.history[start:end]
        changed = tuple(self._ref(name) for kind, name in part if kind == "changed")
        vanished = tuple(name for kind, name in part if kind == "vanished")
        if end < len(self.history):
            return MailChanges(changed, vanished, next_page=str(end))
        return MailChanges(changed, vanished, next_cursor=str(len(self.history)))

    def cost(self, wanted: Collection[MailRef]) -> int:
        return 20 * len(wanted)

    def read(self, http: requests.Session, mailbox: str, wanted: Collection[MailRef]) -> MailBatch:
        self.calls["read"] += 1
        names = [ref.external_id for ref in wanted]
        self.asked.append(names)
        again = tuple(name for name in names if self._counts_down(self.failing, name))
        missing = tuple(name for name in names if name not in again and self._is_missing(name))
        left = [name for name in names if name not in again and name not in missing]
        gone = tuple(name for name in left if name in self.gone)
        unreadable = tuple(UnreadableItem(name, "It has no form.") for name in left if name in self.unreadable)
        read = tuple(self.messages[name] for name in left if name not in self.gone | self.unreadable)
        return MailBatch(read, unreadable, gone, missing, again)

    def may_read_text(self, scopes: Collection[str]) -> bool:
        return True

    def text(self, http: requests.Session, mailbox: str, external_id: str) -> str:
        self.calls["text"] += 1
        return f"Text of {external_id}"

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        return OpenedChannel(ALICE, "", wanted.expires_at)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        self.calls["stop"] += 1

    def _ref(self, name: str) -> MailRef:
        copy = self.messages.get(name)
        return MailRef(name, copy.thread_id if copy else "")

    def _is_missing(self, name: str) -> bool:
        return name not in self.messages or self._counts_down(self.not_yet, name)

    def _counts_down(self, counter: Counter[str], name: str) -> bool:
        counter[name] -= 1
        return counter[name] >= 0


def _means(query: MailQuery, copy: MessageCopy) -> bool:
    emails = {party.email for party in copy.parties if party.role != "bcc"}
    domains = [f".{email.partition('@')[2]}" for email in emails]
    wanted = not emails.isdisjoint(query.addresses)
    wanted = wanted or any(domain.endswith(f".{name}") for domain in domains for name in query.domains)
    return copy.sent_at >= query.since and wanted


def relabelled(copy: MessageCopy, *labels: str) -> MessageCopy:
    return replace(copy, labels=labels)
