"""The pretend mailboxes of all providers, spoken to in the same words: what every mail adapter is tried with.

An order of a mail names from, to, cc, bcc, subject, body, message_id, in_reply_to, references, headers and bcc as the
control APIs do; ``days`` is when it came, counted from now; ``place`` is inbox, sent, archive, junk, bin or draft, and
else follows from who wrote it; ``talk`` is a conversation of a name of one's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from django import conf
from django.utils import timezone

from integrations.models import Integration
from relationships.models import User
from tests.pretend_mail import MAIL_METADATA, MAIL_SCOPES, Mail
from tests.pretend_microsoft import Microsoft

Json = dict[str, Any]

STEPS = ("listing", "changes", "start", "read")
"""What can go wrong: the calls that list, follow and read, and the first of all."""


class Box(Protocol):
    """The mailboxes of one provider's accounts. Nothing is pushed."""

    slug: ClassVar[str]

    def put(self, account: str, *orders: Json) -> list[str]:
        """Put mails into one mailbox, and into no other; their ids as the adapter says them."""

    def move(self, account: str, external_id: str, place: str) -> None: ...

    def mark(self, account: str, external_id: str) -> None:
        """Change a mail in a way that says nothing about it."""

    def delete(self, account: str, external_id: str) -> None:
        """For good."""

    def send_draft(self, account: str, external_id: str) -> None: ...

    def forget(self, account: str) -> None:
        """Cursors given so far are no good any more."""

    def fault(self, step: str, kind: str, **more: Any) -> None:
        """Spoil a call of a step; ``message`` is one message within a batch."""

    def reads(self) -> int:
        """How many messages were asked for one by one."""

    def allow(self, per_minute: int) -> None:
        """What the product thinks the provider allows: so many messages read in a minute."""

    def revoke(self, account: str) -> None: ...

    def ask_for_text(self) -> None:
        """From now on consent covers texts."""

    def ask_for_headers(self) -> None:
        """From now on consent covers headers alone."""

    def link(self, user: User) -> Integration: ...


def at(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


@dataclass
class GmailBox:
    """The pretend Gmail's."""

    slug: ClassVar[str] = "google"
    LABELS: ClassVar[Mapping[str, list[str]]] = {
        "inbox": ["INBOX"],
        "sent": ["SENT"],
        "archive": [],
        "junk": ["SPAM"],
        "bin": ["TRASH"],
        "draft": ["DRAFT"],
    }
    CALLS: ClassVar[Mapping[str, str]] = {
        "listing": "gmail.users.messages.list",
        "changes": "gmail.users.history.list",
        "start": "gmail.users.getProfile",
        "read": "batch*",
        "message": "gmail.users.messages.get",
    }
    mail: Mail
    scopes: tuple[str, ...] = (*MAIL_SCOPES, MAIL_METADATA)

    def put(self, account: str, *orders: Json) -> list[str]:
        return self.mail.put_all(account, *map(self._translated, orders))

    def _translated(self, order: Json) -> Json:
        order = {"copies": False, **order, "date": at(order.get("days", -1))}
        order.pop("days", None)
        place, talk = order.pop("place", ""), order.pop("talk", "")
        return order | ({"labels": self.LABELS[place]} if place else {}) | ({"thread": talk} if talk else {})

    def move(self, account: str, external_id: str, place: str) -> None:
        labels = self.LABELS[place]
        self.mail.relabel(account, external_id, remove=tuple({"INBOX", "SPAM", "TRASH"} - set(labels)))
        self.mail.relabel(account, external_id, add=tuple(labels))

    def mark(self, account: str, external_id: str) -> None:
        self.mail.relabel(account, external_id, add=("STARRED",))

    def delete(self, account: str, external_id: str) -> None:
        self.mail.delete(account, external_id)

    def send_draft(self, account: str, external_id: str) -> None:
        self.mail.send_draft(account, external_id)

    def forget(self, account: str) -> None:
        self.mail.forget_history(account)

    def fault(self, step: str, kind: str, **more: Any) -> None:
        # The first look at the profile names the mailbox.
        self.mail.google.fault(self.CALLS[step], kind, after=1 if step == "start" else 0, **more)

    def reads(self) -> int:
        return self.mail.google.requests_of(self.CALLS["message"])

    def allow(self, per_minute: int) -> None:
        conf.settings.GMAIL_UNITS_PER_MINUTE = 20 * per_minute

    def revoke(self, account: str) -> None:
        self.mail.google.post("google/revoke", account=account)

    def ask_for_text(self) -> None:
        pass

    def ask_for_headers(self) -> None:
        conf.settings.GMAIL_SCOPE, self.scopes = "metadata", (*MAIL_SCOPES[:2], MAIL_METADATA)

    def link(self, user: User) -> Integration:
        return self.mail.link(user, scopes=self.scopes)


@dataclass
class OutlookBox:
    """The pretend Outlook's."""

    slug: ClassVar[str] = "microsoft"
    FOLDERS: ClassVar[Mapping[str, str]] = {
        "inbox": "inbox",
        "sent": "sentitems",
        "archive": "archive",
        "junk": "junkemail",
        "bin": "deleteditems",
        "draft": "drafts",
    }
    CALLS: ClassVar[Mapping[str, str]] = {
        "listing": "graph.messages.list",
        "changes": "graph.messages.delta",
        "start": "graph.mailFolders.get",
        "read": "graph.batch",
        "message": "graph.messages.get",
    }
    microsoft: Microsoft

    def put(self, account: str, *orders: Json) -> list[str]:
        messages = list(map(self._translated, orders))
        answer = self.microsoft.post("microsoft/messages", account=account, messages=messages, silent=True)
        return list(answer["ids"])

    def _translated(self, order: Json) -> Json:
        order = {**order, "received_at": at(order.get("days", -1))}
        order.pop("days", None)
        place = order.pop("place", "")
        if "talk" in order:
            order["conversation"] = order.pop("talk")
        return order | ({"folder": self.FOLDERS[place], "draft": place == "draft"} if place else {})

    def move(self, account: str, external_id: str, place: str) -> None:
        self._change("move", account, external_id, folder=self.FOLDERS[place])

    def mark(self, account: str, external_id: str) -> None:
        self._change("mark", account, external_id)

    def delete(self, account: str, external_id: str) -> None:
        self._change("delete", account, external_id)

    def send_draft(self, account: str, external_id: str) -> None:
        self._change("send", account, external_id)

    def _change(self, how: str, account: str, external_id: str, **more: Any) -> None:
        self.microsoft.post(f"microsoft/messages/{how}", account=account, id=external_id, silent=True, **more)

    def forget(self, account: str) -> None:
        self.microsoft.post("microsoft/cursors/expire_mail", account=account)

    def fault(self, step: str, kind: str, **more: Any) -> None:
        # The first look at a folder names the mailbox.
        self.microsoft.fault(self.CALLS[step], kind, after=1 if step == "start" else 0, **more)

    def reads(self) -> int:
        return self.microsoft.requests_of(self.CALLS["message"])

    def allow(self, per_minute: int) -> None:
        conf.settings.MICROSOFT_REQUESTS_PER_MINUTE = per_minute

    def revoke(self, account: str) -> None:
        self.microsoft.post("microsoft/revoke", account=account)

    def ask_for_text(self) -> None:
        conf.settings.MICROSOFT_MAIL_SCOPE = "read"

    def ask_for_headers(self) -> None:
        conf.settings.MICROSOFT_MAIL_SCOPE = "basic"

    def link(self, user: User) -> Integration:
        return self.microsoft.link(user, "email")
