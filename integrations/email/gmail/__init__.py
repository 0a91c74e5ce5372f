"""Translates Gmail: finds mail, reads its headers in batches, follows its history, asks for pushes. It only reads.

https://developers.google.com/workspace/gmail/api/reference/rest
https://developers.google.com/workspace/gmail/api/reference/quota

Snippets and texts are not asked for, except by ``text``: for the one mail whose owner saves it.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

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
from integrations.email import headers
from integrations.email.gmail import calls, history, listing, reading, text
from integrations.errors import BadConfig, MissingScope, Temporary
from integrations.providers import google

RENEW_EVERY = timedelta(days=1)


class Gmail:
    """The adapter. ``http`` is an authorised session of ``integrations.outbound``, used by one thread.

    A mailbox is always ``me``: the account of the grant.
    """

    batch = 2 * calls.BATCH_PARTS
    # Most messages come with their threads, so that twice as many need no more parts than one call takes.
    is_single_watch = True

    @property
    def units_per_minute(self) -> int:
        """What Google allows each account a minute, as this installation knows it."""
        return settings.GMAIL_UNITS_PER_MINUTE

    @property
    def prices(self) -> MailPrices:
        """Where nothing can be searched, a page of a listing is probed for its dates, which costs most."""
        probes = listing.PROBES if settings.GMAIL_SCOPE == "metadata" else 0
        return MailPrices(
            cursor=calls.PROFILE_UNITS,
            listing=calls.LIST_UNITS + probes * calls.MESSAGE_UNITS,
            changes=calls.HISTORY_UNITS,
        )

    def mailboxes(self, http: requests.Session) -> Iterator[ResourceInfo]:
        """The account's one mailbox, named by its address. Raises MissingScope where mail was not granted."""
        yield ResourceInfo("me", _address(_profile(http, "me")), "", is_primary=True, access_role="reader")

    def own_addresses(self, http: requests.Session, scopes: Collection[str]) -> tuple[str, ...]:
        """Every address the owner may send as, lower-cased. Raises MissingScope where only headers were granted: then
        they are to be learnt from the From of sent mail."""
        if google.MAIL_SCOPES["readonly"] not in scopes:
            raise MissingScope("The permission that was granted does not cover the list of your own addresses.")
        users = google.api("gmail", "v1").users()
        answer = google.run(users.settings().sendAs().list(userId="me"), http)
        items = answer.get("sendAs")
        found = [
            str(item.get("sendAsEmail", "")).strip().lower()
            for item in (items if isinstance(items, list) else [])
            if isinstance(item, dict) and (item.get("isPrimary") or item.get("verificationStatus") == "accepted")
        ]
        return tuple(dict.fromkeys(address for address in found if "@" in address))

    def queries(
        self, scopes: Collection[str], addresses: Collection[str], domains: Collection[str], since: datetime
    ) -> tuple[MailQuery, ...]:
        """How to ask for mail with these people: in pieces, without addresses that a domain covers. Where only headers
        were granted, one question for all mail."""
        firms = sorted(set(domains))
        covered = set(firms)
        people = sorted({one for one in addresses if one.rpartition("@")[2] not in covered})
        if not people and not firms:
            return ()
        if google.MAIL_SCOPES["readonly"] not in scopes:
            return (MailQuery(since),)
        return listing.pieces(people, firms, since)

    def cursor(self, http: requests.Session, mailbox: str) -> str:
        """Where the history stands now."""
        return history.history_id(_profile(http, mailbox))

    def listing(self, http: requests.Session, mailbox: str, query: MailQuery) -> MailListing:
        """A page of what was asked for."""
        return listing.page(http, mailbox, query)

    def changes(self, http: requests.Session, mailbox: str, cursor: str, page: str) -> MailChanges:
        """A page of what happened after ``cursor``. Raises CursorExpired where Google's history begins later."""
        return history.page(http, mailbox, cursor, page)

    def cost(self, wanted: Collection[MailRef]) -> int:
        """Quota units of reading these."""
        return reading.cost(wanted)

    def read(self, http: requests.Session, mailbox: str, wanted: Collection[MailRef]) -> MailBatch:
        """The headers of these messages. Raises TokenRefused where the token was refused inside the batch."""
        return reading.read(http, mailbox, wanted)

    def may_read_text(self, scopes: Collection[str]) -> bool:
        """Whether the granted permission lets us fetch the text of a mail."""
        return google.MAIL_SCOPES["metadata"] not in scopes

    def text(self, http: requests.Session, mailbox: str, external_id: str) -> str:
        """The text of one mail, empty where it has none. Raises ResourceGone, or MissingScope where only headers were
        granted."""
        return text.fetch(http, mailbox, external_id)

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Ask Gmail to announce changes in this installation's topic; asking again renews. Raises BadConfig where there
        is none, or where Gmail may not publish there. Channel, secret and address are the topic's matter."""
        if not settings.GOOGLE_PUBSUB_TOPIC:
            raise BadConfig("This installation has no topic for Gmail's pushes (GOOGLE_PUBSUB_TOPIC).")
        mailbox = _address(_profile(http, wanted.external_id))
        body = {
            "topicName": settings.GOOGLE_PUBSUB_TOPIC,
            "labelIds": ["INBOX", "SENT"],
            "labelFilterBehavior": "include",
        }
        answer = google.run(google.api("gmail", "v1").users().watch(userId=wanted.external_id, body=body), http)
        try:
            ends_at = datetime.fromtimestamp(int(answer["expiration"]) / 1000, UTC)
        except calls.ODD as error:
            raise Temporary("Gmail did not say how long it will announce changes.") from error
        now = datetime.now(UTC)
        return OpenedChannel(mailbox, "", ends_at, renew_at=min(now + RENEW_EVERY, now + (ends_at - now) / 2))

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """End all announcements of this mailbox, whoever asked for them."""
        google.run(google.api("gmail", "v1").users().stop(userId="me"), http)


def _profile(http: requests.Session, mailbox: str) -> dict[str, Any]:
    return google.run(google.api("gmail", "v1").users().getProfile(userId=mailbox), http)


def _address(profile: dict[str, Any]) -> str:
    address = headers.cleaned(str(profile.get("emailAddress", ""))).lower()
    if "@" not in address:
        raise Temporary("Gmail did not say whose mailbox this is.")
    return address


adapter = Gmail()
