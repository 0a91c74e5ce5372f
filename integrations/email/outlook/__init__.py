"""Translates Outlook's mail: finds it, reads its heads in batches, follows its changes, asks for pushes. It only reads.

https://learn.microsoft.com/graph/api/resources/mail-api-overview
https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits

Texts and previews of them are not asked for, except by ``text``: for the one mail whose owner saves it. All ids are
immutable: they stay the same when a message is moved.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

import requests
from django.conf import settings

from integrations.contract import (
    MailBatch,
    MailChanges,
    MailListing,
    MailPrices,
    MailQuery,
    MailRef,
    OpenedChannel,
    ResourceInfo,
    WatchRequest,
)
from integrations.email.outlook import calls, delta, listing, reading, text
from integrations.errors import MissingScope
from integrations.providers import microsoft
from integrations.providers.microsoft import subscriptions

RESOURCE = "/me/messages"
CURSOR_PAGES = 10
"""Graph tells 5,000 messages of a folder where a cursor begins."""


class Outlook:
    """The adapter. ``http`` is an authorised session of ``integrations.outbound``, used by one thread at a time.

    A mailbox is always ``me``: the account of the grant. Its quota counts requests, of a batch each one.
    """

    batch = 5 * microsoft.BATCH_SIZE
    is_single_watch = True

    @property
    def units_per_minute(self) -> int:
        """What Microsoft allows each mailbox a minute, as this installation knows it."""
        return settings.MICROSOFT_REQUESTS_PER_MINUTE

    @property
    def prices(self) -> MailPrices:
        """At most: all folders are asked at once."""
        folders = len(calls.FOLDERS)
        return MailPrices(cursor=folders * CURSOR_PAGES, listing=1, changes=folders)

    def mailboxes(self, http: requests.Session) -> Iterator[ResourceInfo]:
        """The account's one mailbox. Its address is not told: that takes another permission. Raises MissingScope where
        mail was not granted."""
        microsoft.graph(http, "GET", calls.address("/me/mailFolders/inbox", select="id"))
        yield ResourceInfo("me", "Mailbox", "", is_primary=True, access_role="reader")

    def own_addresses(self, http: requests.Session, scopes: Collection[str]) -> tuple[str, ...]:
        """Raises MissingScope: they are learnt from the From of sent mail. To list them takes another permission."""
        raise MissingScope("The permission that was granted does not cover the list of your own addresses.")

    def queries(
        self, scopes: Collection[str], addresses: Collection[str], domains: Collection[str], since: datetime
    ) -> tuple[MailQuery, ...]:
        """One question for all of them, without addresses that a domain covers."""
        firms = sorted(set(domains))
        covered = set(firms)
        people = sorted({one for one in addresses if one.rpartition("@")[2] not in covered})
        return (MailQuery(since, tuple(people), tuple(firms)),) if people or firms else ()

    def cursor(self, http: requests.Session, mailbox: str) -> str:
        """Where the changes of each folder stand now."""
        return delta.begin(http, datetime.now(UTC) - timedelta(days=settings.HISTORY_DAYS_BACK))

    def listing(self, http: requests.Session, mailbox: str, query: MailQuery) -> MailListing:
        """A page of what was asked for."""
        return listing.page(http, query)

    def changes(self, http: requests.Session, mailbox: str, cursor: str, page: str) -> MailChanges:
        """A page of what happened after ``cursor``. Raises CursorExpired where Microsoft no longer knows that place."""
        return delta.page(http, cursor, page)

    def cost(self, wanted: Collection[MailRef]) -> int:
        """Requests of reading these."""
        return len({ref.external_id for ref in wanted})

    def read(self, http: requests.Session, mailbox: str, wanted: Collection[MailRef]) -> MailBatch:
        """The heads of these messages. Raises TokenRefused where the token was refused inside the batch."""
        return reading.read(http, wanted)

    def may_read_text(self, scopes: Collection[str]) -> bool:
        """Whether the granted permission lets us fetch the text of a mail."""
        return microsoft.MAIL_SCOPES["read"] in scopes

    def text(self, http: requests.Session, mailbox: str, external_id: str) -> str:
        """The text of one mail, empty where it has none. Raises ResourceGone, or MissingScope where only headers were
        granted."""
        return text.fetch(http, external_id)

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Have Microsoft announce changes of the whole mailbox; asking again renews."""
        return subscriptions.watch(http, RESOURCE, wanted)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """End the announcements of this mailbox, for all who share them. Raises ResourceGone where they ended."""
        subscriptions.stop(http, resource_id)


adapter = Outlook()
