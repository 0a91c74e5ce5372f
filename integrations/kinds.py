"""What differs between the kinds of resource that are read through a grant, in one table: calendars, mailboxes, CRMs.

Of a CRM this floor knows that there is one per grant; the room above that keeps it puts its own words and counts here.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import requests

from integrations import providers
from integrations.calendar import imported
from integrations.calendar.models import CalendarEvent
from integrations.contract import ResourceInfo
from integrations.email import exchanges, plans
from integrations.email.models import EmailMessage
from integrations.email.plans import Forecast
from integrations.errors import MissingScope
from integrations.models import Integration


@dataclass(frozen=True)
class Kind:
    """One kind. ``not_listed`` begins the sentence that says why listing failed.

    ``words`` are what pages say of it: what one is called, what is kept and what is deleted after a disconnect, what
    happens without a permission, what a full round did, and how ``skipped``, the words for what its runs count, is
    headed.
    Where there ``is_choice`` the user chooses among several; otherwise all there is, is read. ``counts`` says how much
    there is of each state, ``delete_batch`` deletes some of what was imported, with what hangs on it alone, and says
    whether there was any. ``forecast`` says before consent what a first sync would do, where that is worth saying.
    """

    is_choice: bool
    not_listed: str
    words: Mapping[str, str]
    skipped: Mapping[str, str]
    list_all: Callable[[Integration, requests.Session], list[ResourceInfo]]
    counts: Callable[[Collection[uuid.UUID]], dict[uuid.UUID, Counter[str]]]
    delete_batch: Callable[[Integration], bool]
    forecast: Callable[[str, Collection[str]], Forecast | None]


def of(integration: Integration) -> Kind:
    """What is read through this grant."""
    return KINDS[name_of(integration)]


def name_of(integration: Integration) -> str:
    """The name of its kind, as in SyncState.resource_type."""
    return providers.service(integration.provider, integration.integration_type).resource


def _calendars(integration: Integration, http: requests.Session) -> list[ResourceInfo]:
    """Where listing was not granted, the primary calendar alone is offered."""
    try:
        return list(providers.calendar_adapter(integration.provider).calendars(http))
    except MissingScope:
        address = integration.account_address
        return [ResourceInfo(address, address, "", is_primary=True, access_role="")]


def _mailboxes(integration: Integration, http: requests.Session) -> list[ResourceInfo]:
    return list(providers.mail_adapter(integration.provider).mailboxes(http))


def _account(integration: Integration, http: requests.Session) -> list[ResourceInfo]:
    """The linked account itself, as a whole."""
    name = integration.details.get("account_name") or integration.account_address
    return [ResourceInfo(integration.external_account_id, name, "", is_primary=True, access_role="")]


def _nothing_counted(state_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Counter[str]]:
    return {}


def _nothing_left(integration: Integration) -> bool:
    return False


def _no_forecast(provider: str, scopes: Collection[str]) -> None:
    """A first sync of calendars is over before anybody could plan for it."""


KINDS = {
    "calendar": Kind(
        is_choice=True,
        not_listed="Your calendars could not be listed:",
        words={
            "one": "Calendar",
            "kept": "Meetings, notes and briefs stay as they are.",
            "deleted": "Events are deleted, and meetings that no colleague's calendar holds are hidden.",
            "without": "Only your main calendar can be read.",
            "full": "So everything was read again, and what was deleted meanwhile was found.",
            "left_out": "What did not become a meeting",
        },
        skipped=dict(CalendarEvent.Verdict.choices) | {"beyond_window": "More than 60 days ahead"},
        list_all=_calendars,
        counts=imported.counts,
        delete_batch=imported.delete_batch,
        forecast=_no_forecast,
    ),
    "mailbox": Kind(
        is_choice=False,
        not_listed="Your mailbox could not be opened:",
        words={
            "one": "Mailbox",
            "kept": "Past mail stays on the timelines of people and firms; answers that come later are not seen.",
            "deleted": "It is deleted, and mail that no colleague's mailbox holds leaves the timelines. Mail whose "
            "text you saved stays on your privacy page until you delete it there.",
            "without": "Mail goes on being read as far as was granted.",
            "full": "",
            "left_out": "What did not count as an exchange",
        },
        skipped=dict(EmailMessage.Verdict.choices)
        | {
            exchanges.INTERNAL: "Mail of colleagues only: nothing of it is stored",
            exchanges.NEVER: "With somebody of whom nothing is taken, by a block rule: nothing of it is stored",
            EmailMessage.Verdict.UNKNOWN: "With nobody you know: nothing of it is stored",
        },
        list_all=_mailboxes,
        counts=plans.counts,
        delete_batch=exchanges.delete_batch,
        forecast=plans.forecast,
    ),
    "crm": Kind(
        is_choice=False,
        not_listed="The CRM could not be opened:",
        words={
            "one": "CRM",
            "kept": "People, firms and notes stay as they are; changes in the CRM are no longer seen.",
            "deleted": "What only the CRM told us of people and firms is deleted. Nothing is deleted in the CRM.",
            "without": "The rest goes on.",
            "full": "So everything was read again, and what was deleted meanwhile was found.",
            "left_out": "What was left as it is",
        },
        skipped={},
        list_all=_account,
        counts=_nothing_counted,
        delete_batch=_nothing_left,
        forecast=_no_forecast,
    ),
}
"""By SyncState.resource_type."""
