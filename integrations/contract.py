"""What a provider and an adapter are: the words the engine speaks with them. All times are aware.

A provider is one module in ``integrations/providers`` named by its slug; it says OAuth, client, webhook and errors in
these words and touches no ORM. An adapter translates one kind of data (calendar, mail, CRM) of one provider.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol

import requests


@dataclass(frozen=True)
class Scope:
    """A permission, as the provider names it and as a person understands it."""

    name: str
    meaning: str
    is_required: bool = True


@dataclass(frozen=True)
class Service:
    """Something a provider can be linked for. ``adapter`` is the dotted path of its adapter module.

    ``resource`` is the kind of thing that is read through it: calendar or mailbox. ``provider_page`` is where consent
    is withdrawn; ``personal_page`` is where people with an account of their own do that, if elsewhere.
    """

    type: str
    label: str
    adapter: str
    scopes: tuple[Scope, ...]
    reads: tuple[str, ...]
    never_reads: tuple[str, ...]
    kept: tuple[str, ...] = ()
    webhook_type: str = ""
    provider_page: str = ""
    personal_page: str = ""
    resource: str = "calendar"


@dataclass(frozen=True)
class ClientConfig:
    """The OAuth client of this installation at a provider, and the exact addresses consent returns to: the member's,
    and an administrator's, who allows the app for everybody."""

    client_id: str
    client_secret: str
    redirect_uri: str
    admin_redirect_uri: str = ""


@dataclass(frozen=True)
class ConsentWanted:
    """What to ask a person's consent for. ``state`` is ours and comes back with the answer.

    ``claims`` is what the provider demanded of the next consent when it refused the last grant, in its own words.
    """

    service: Service
    state: str
    login_hint: str = ""
    force_consent: bool = True
    claims: str = ""


@dataclass(frozen=True)
class Begun:
    """Where to send the browser, and what ``exchange`` needs when it comes back (a verifier): to be kept secret."""

    url: str
    kept: str


@dataclass(frozen=True)
class Refusal:
    """Why a consent ended without a grant, for the person who reads it: what happened, and what he can do.

    ``needs_admin``: only an administrator of the account may allow it. ``may_ask_admin``: perhaps so.
    """

    title: str
    what: str
    remedy: str
    needs_admin: bool = False
    may_ask_admin: bool = False


@dataclass(frozen=True)
class Tokens:
    """What a token endpoint answered. No ``refresh_token`` means: keep the old one."""

    access_token: str
    refresh_token: str | None
    expires_at: datetime | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    """Whose grant it is. ``id`` never changes; ``address`` is for people."""

    id: str
    address: str


@dataclass(frozen=True)
class IncomingRequest:
    """A webhook request as it came: header names lower-cased, body untouched. ``url`` is the public address."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class Claim:
    """A verified webhook request: what identifies it, and the channel it came by.

    ``headers`` is the allow-list to store: no secret may be among them. ``by_resource`` says that the resource is what
    counts: it concerns everybody who watches it, and ``channel_id``, if known, is only the one that asked for it first.
    ``body`` is what to store instead of the whole request: its part of one that carries pushes of several.
    """

    dedupe_key: str
    headers: Mapping[str, str]
    channel_id: str = ""
    resource_id: str = ""
    by_resource: bool = False
    body: bytes | None = None


@dataclass(frozen=True)
class Notice:
    """What a stored delivery says: ``is_change`` pokes the channel's resource, else it is ignored for ``detail``.

    ``channel`` says what became of the channel itself: renew it at once, or it is gone and another has to be opened.
    """

    is_change: bool
    detail: str
    channel: Literal["", "renew", "gone"] = ""


@dataclass(frozen=True)
class OpenedChannel:
    """The provider's answer to a request for pushes. Without ``renew_at`` it is renewed at half of its life."""

    resource_id: str
    resource_uri: str
    expires_at: datetime
    renew_at: datetime | None = None


class Reach(Protocol):
    """How far requests may go: to these hosts, and only those that ``is_allowed``, whatever the code asks.

    It says no to what could change or send something there; it may not raise.
    """

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def is_allowed(self, request: requests.PreparedRequest) -> bool: ...


class Provider(Reach, Protocol):
    """One provider. Errors raised are those of ``integrations.errors``; ``requests`` errors become Temporary.

    ``can_revoke``: consent ends when we tell the provider; else only its owner can withdraw it, and ``revoke`` does
    nothing. ``refresh`` asks for the ``scopes`` that were granted. ``refusal`` knows what an error in a consent's
    answer means, and says None where the engine's words will do. ``admin_consent_url`` is empty where administrators
    have no consent of their own. ``handshake`` is the text that answers a request which only asks whether the address
    is ours. One request may carry pushes of several channels: ``verify`` gives those that prove themselves, and raises
    Refused where none does.
    """

    slug: str
    label: str
    consent_origins: tuple[str, ...]
    can_revoke: bool

    @property
    def services(self) -> tuple[Service, ...]: ...

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun: ...

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]: ...

    def refresh(
        self, config: ClientConfig, http: requests.Session, refresh_token: str, scopes: Collection[str]
    ) -> Tokens: ...

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None: ...

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str: ...

    def revoke(self, http: requests.Session, token: str) -> None: ...

    def is_issuer(self, issuer: str) -> bool: ...

    def recognises(self, request: IncomingRequest) -> bool: ...

    def handshake(self, request: IncomingRequest) -> str | None: ...

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]: ...

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice: ...


@dataclass(frozen=True)
class ResourceInfo:
    """Something of the account that is read by itself, such as a calendar or a mailbox, as the provider lists it."""

    external_id: str
    name: str
    time_zone: str
    is_primary: bool
    access_role: str


@dataclass(frozen=True)
class Guest:
    """Somebody invited. ``email`` is lower-cased; ``response`` is accepted, declined, tentative or needs_action."""

    email: str
    name: str = ""
    response: str = "needs_action"
    is_organizer: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class EventCopy:
    """One event or instance as a calendar holds it. Timed events have ``starts_at``; all-day ones ``starts_on`` and an
    exclusive ``ends_on``. ``visibility`` is default or private; ``event_type`` is default, focus_time, out_of_office,
    working_place, birthday or from_mail.

    A cancelled one promises no more than ``external_id`` (and, for an instance, series and slot).
    """

    external_id: str
    etag: str = ""
    is_cancelled: bool = False
    ical_uid: str = ""
    series_id: str = ""
    original_start: str = ""
    title: str = ""
    location: str = ""
    join_url: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    organizer: str = ""
    my_response: str = ""
    visibility: str = "default"
    event_type: str = "default"
    guests: tuple[Guest, ...] = ()
    guests_omitted: bool = False
    updated_at: datetime | None = None


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
    unreadable: tuple["UnreadableItem", ...] = ()
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


@dataclass(frozen=True)
class UnreadableItem:
    """An item that could not be translated, with the reason a person can act on."""

    external_id: str
    reason: str


@dataclass(frozen=True)
class EventPage:
    """One page. ``next_page`` asks for the next; ``next_cursor`` stands on the last one only.

    Of ``whole_series`` every instance that there is in the window is among ``events``: what is stored of such a series
    and not named is gone.
    """

    events: tuple[EventCopy, ...]
    unreadable: tuple[UnreadableItem, ...] = ()
    next_page: str = ""
    next_cursor: str = ""
    whole_series: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageRequest:
    """Which page to fetch: by ``cursor`` (changes since) or by window (a full round); ``page`` continues either.

    Beside a cursor the window is what is kept now: whoever tells no changes of all of it raises CursorExpired.
    """

    calendar_id: str
    cursor: str = ""
    page: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None


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
    stopping ends it for all. Until its answer says otherwise, ``resource_id`` is the account's address in lower case.
    """

    is_single_watch: bool

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel: ...

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None: ...


class MailAdapter(PushAdapter, Protocol):
    """Reads mailboxes of one provider through an authorised session, headers only. Touches no ORM.

    ``batch`` is how many messages one ``read`` takes; ``units_per_minute`` is what the provider allows per account.
    """

    batch: int

    @property
    def units_per_minute(self) -> int: ...

    @property
    def prices(self) -> MailPrices: ...

    def mailboxes(self, http: requests.Session) -> Iterator["ResourceInfo"]: ...

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


class CalendarAdapter(PushAdapter, Protocol):
    """Reads calendars of one provider through an authorised session. Touches no ORM."""

    def calendars(self, http: requests.Session) -> Iterator[ResourceInfo]: ...

    def page(self, http: requests.Session, wanted: PageRequest) -> EventPage: ...


JsonObject = dict[str, Any]
