"""The words of linking: what is offered, what consent is asked for, and the grant that comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Scope:
    """A permission, as the provider names it and as a person understands it."""

    name: str
    meaning: str
    is_required: bool = True


@dataclass(frozen=True)
class Service:
    """Something a provider can be linked for. ``adapter`` is the dotted path of its adapter module.

    ``resource`` is the kind of thing that is read through it: calendar, mailbox or crm. ``writes`` is what is changed
    there: nothing, but for a CRM. ``provider_page`` is where consent is withdrawn; ``personal_page`` is where people
    with an account of their own do that, if elsewhere. ``is_company_wide``: it is the whole company's, and its admins
    alone link it. ``questions`` come before consent. ``push_steps`` are what an admin does there so that it pushes to
    the channel's own address; none where pushes need nobody. ``signed_push_steps`` are what he does instead with code
    of his own there, which signs what it tells with the channel's secret.
    """

    type: str
    label: str
    adapter: str
    scopes: tuple[Scope, ...]
    reads: tuple[str, ...]
    never_reads: tuple[str, ...]
    kept: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    webhook_type: str = ""
    provider_page: str = ""
    personal_page: str = ""
    resource: str = "calendar"
    is_company_wide: bool = False
    push_steps: tuple[str, ...] = ()
    signed_push_steps: tuple[str, ...] = ()
    questions: tuple["Question", ...] = ()


@dataclass(frozen=True)
class Choice:
    """An answer to choose."""

    value: str
    label: str
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """What has to be known before consent can be asked for: one of ``choices``, or typed text.

    ``typed`` is the choice that asks for text; ``checked`` turns that into the answer, or raises Unusable with words
    for who typed it.
    """

    name: str
    label: str
    choices: tuple[Choice, ...]
    typed: Choice
    text_label: str
    checked: Callable[[str], str]


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
    ``options`` are the answers to the service's questions, by name.
    """

    service: Service
    state: str
    login_hint: str = ""
    force_consent: bool = True
    claims: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


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
    """What a token endpoint answered. No ``refresh_token`` means: keep the old one. No ``expires_at`` means: good until
    it is refused.

    ``details`` are facts of the link that are no secret, such as the address its calls go to. They are stored with it,
    given back to ``refresh`` and ``revoke``, and replaced one by one by those of a newer answer.
    """

    access_token: str
    refresh_token: str | None
    expires_at: datetime | None
    scopes: tuple[str, ...]
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """Whose grant it is. ``id`` never changes; ``address`` is for people."""

    id: str
    address: str
