"""What a provider and an adapter are: the words the engine speaks with them. All times are aware.

A provider is one module in ``integrations/providers`` named by its slug; it says OAuth, client, webhook and errors in
these words and touches no ORM. An adapter translates one kind of data (calendar, mail, CRM) of one provider.
"""

from typing import Any

from integrations.contract.calendar import CalendarAdapter, EventCopy, EventPage, Guest, PageRequest
from integrations.contract.linking import (
    Account,
    Begun,
    Choice,
    ClientConfig,
    ConsentWanted,
    Question,
    Refusal,
    Scope,
    Service,
    Tokens,
)
from integrations.contract.mail import (
    MailAdapter,
    MailBatch,
    MailChanges,
    MailListing,
    MailPrices,
    MailQuery,
    MailRef,
    MessageCopy,
    Party,
)
from integrations.contract.provider import Provider, Reach
from integrations.contract.pushes import (
    FORGET,
    OURS,
    Claim,
    IncomingRequest,
    Notice,
    OpenedChannel,
    PushAdapter,
    Reply,
    Sender,
    WatchRequest,
)
from integrations.contract.resources import ResourceInfo, UnreadableItem

__all__ = [
    "FORGET",
    "OURS",
    "Account",
    "Begun",
    "CalendarAdapter",
    "Choice",
    "Claim",
    "ClientConfig",
    "ConsentWanted",
    "EventCopy",
    "EventPage",
    "Guest",
    "IncomingRequest",
    "JsonObject",
    "MailAdapter",
    "MailBatch",
    "MailChanges",
    "MailListing",
    "MailPrices",
    "MailQuery",
    "MailRef",
    "MessageCopy",
    "Notice",
    "OpenedChannel",
    "PageRequest",
    "Party",
    "Provider",
    "PushAdapter",
    "Question",
    "Reach",
    "Refusal",
    "Reply",
    "ResourceInfo",
    "Scope",
    "Sender",
    "Service",
    "Tokens",
    "UnreadableItem",
    "WatchRequest",
]

JsonObject = dict[str, Any]
