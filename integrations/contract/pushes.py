"""The words of pushes: a request as it came, what it proves and says, and what is promised for a watch."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import requests


@dataclass(frozen=True)
class IncomingRequest:
    """A webhook request as it came: header names lower-cased, body untouched. ``url`` is the public address."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class Reply:
    """What a sender wants to read when its request is stored, answered with 200; others are content with any 2xx."""

    content_type: str
    text: str


@dataclass(frozen=True)
class Claim:
    """A verified webhook request: what identifies it, and the channel it came by.

    ``headers`` is the allow-list to store: no secret may be among them. ``by_resource`` says that the resource is what
    counts: it concerns everybody who watches it, and ``channel_id``, if known, is only the one that asked for it first.
    ``company_id`` says that it concerns each CRM of that company, by no channel. ``signing_id`` names the secret that
    it was signed with, which must be the channel's own still (``integrations/signing_secrets.py``). ``body`` is what to
    store instead of the whole request: its part of one that carries pushes of several, or what is left without secrets.
    """

    dedupe_key: str
    headers: Mapping[str, str]
    channel_id: str = ""
    resource_id: str = ""
    by_resource: bool = False
    company_id: uuid.UUID | None = None
    signing_id: str = ""
    body: bytes | None = None
    reply: Reply | None = None


FORGET = "forget "
"""Before the name of an item that was deleted for privacy: no hint, but the only word there is of it."""

OURS = "ours "
"""Before the name of a row of ours, such as "ours match:<id>"."""


@dataclass(frozen=True)
class Notice:
    """What a stored delivery says: ``is_change`` pokes the channel's resource, else it is ignored for ``detail``.

    ``channel`` says what became of the channel itself: renew it at once, or it is gone and another has to be opened.
    ``items`` names what changed, where that is said, such as "contacts:51": a hint of what to read again. With FORGET
    before it, it was deleted for privacy; with OURS, it is a row of ours.
    ``is_our_own``: the change is one of our own records, so that what is made from these is made again too.
    """

    is_change: bool
    detail: str
    channel: Literal["", "renew", "gone"] = ""
    items: tuple[str, ...] = ()
    is_our_own: bool = False


class Sender(Protocol):
    """Who sends webhooks. Touches no ORM.

    ``handshake`` is the text that answers a request which only asks whether the address is ours. One request may carry
    pushes of several channels: ``verify`` gives those that prove themselves, and raises Refused where none does.
    """

    slug: str
    label: str

    def recognises(self, request: IncomingRequest) -> bool: ...

    def handshake(self, request: IncomingRequest) -> str | None: ...

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]: ...

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice: ...


@dataclass(frozen=True)
class OpenedChannel:
    """The provider's answer to a request for pushes. Without ``renew_at`` it is renewed at half of its life."""

    resource_id: str
    resource_uri: str
    expires_at: datetime
    renew_at: datetime | None = None


@dataclass(frozen=True)
class WatchRequest:
    """What to watch: the resource, our channel's id and secret, where to post, and until when.

    ``resource_id`` is what the provider called it when it was asked before; empty the first time. ``key_id`` names the
    key of ours that signed the secret, and is none itself.
    """

    external_id: str
    channel_id: str
    token: str
    address: str
    expires_at: datetime
    resource_id: str = ""
    key_id: str = ""


class PushAdapter(Protocol):
    """Opens and stops push channels of one kind of resource. Touches no ORM.

    ``is_single_watch``: the provider keeps one watch per account, whoever asked for it. Asking again renews it, and
    stopping ends it for all. Until its answer says otherwise, ``resource_id`` is the account's address in lower case,
    for a whole company's service the id of the org or portal.
    """

    is_single_watch: bool

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel: ...

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None: ...
