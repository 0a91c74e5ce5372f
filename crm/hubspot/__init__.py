"""HubSpot as a CRM: companies, contacts, and the engagements that hang on them.

One module per subject; this one puts them together as the adapter.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from crm.contract import (
    Change,
    Field,
    FieldCreated,
    Link,
    NewField,
    Pace,
    ReadBatch,
    RecordPage,
    Related,
    Usage,
    Wanted,
    Written,
)
from crm.hubspot import calls, fields, reading, recovery, writing
from integrations.contract import OpenedChannel, ResourceInfo, WatchRequest
from integrations.providers import hubspot

FOR_GOOD = timedelta(days=3650)
"""Subscriptions belong to the app and never end."""

RENEW_EVERY = timedelta(days=1)
"""Costs nothing, and gives the channel a secret of the newest key, so that older ones can be taken out."""

TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "notes": "0-46",
    "tasks": "0-27",
    "meetings": "0-47",
    "emails": "0-49",
}

PAGES, OWN_PAGES = "app.hubspot.com", re.compile(r"app(?:-[a-z0-9]+)?\.hubspot\.com", re.ASCII)
"""Where people see records: the host, and what a portal's answer may call its own."""


class HubSpot:
    """The adapter. https://developers.hubspot.com/docs/api-reference/overview"""

    slug = "hubspot"
    batch = writing.BATCH
    bulk_from = 0
    is_single_watch = True
    objects: Mapping[str, str] = {
        "organization": "companies",
        "person": "contacts",
        "meeting": "meetings",
        "email": "emails",
        "task": "tasks",
        "note": "notes",
    }
    key_fields: Mapping[str, str] = writing.KEY_FIELDS

    @property
    def paces(self) -> tuple[Pace, ...]:
        """Below HubSpot's 110 calls in 10 s and 5 searches a second, which other apps of the account share."""
        return (Pace("burst", 100, 10.0), Pace("search", 4, 1.0))

    def takes(self, object: str, related: Sequence[Related], known: Collection[Related]) -> tuple[Related, ...]:
        """All of it: a record may be associated with any number of others."""
        return tuple(related)

    def pace_of(self, request: requests.PreparedRequest) -> str:
        """Searches have a limit of their own."""
        return "search" if urlsplit(request.url or "").path.endswith("/search") else "burst"

    def usage(self, response: requests.Response) -> tuple[Usage, ...]:
        """What the headers say; searches have none, and an app that was linked by consent has no daily ones."""
        return tuple(
            one
            for one in (
                _usage(response, "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining", "burst"),
                _usage(response, "X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining", "day"),
            )
            if one
        )

    def accounts(self, link: Link) -> Iterator[ResourceInfo]:
        """The portal."""
        body = calls.get(link, hubspot.current().account)
        name = link.details.get("account_name") or f"HubSpot {link.account_id}"
        yield ResourceInfo(link.account_id, name, str(body.get("timeZone") or ""), is_primary=True, access_role="")

    def fields(self, link: Link, object: str) -> tuple[Field, ...]:
        """Every property the account may see."""
        return fields.fields(link, object)

    def listing(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of everything there is."""
        return reading.listing(link, wanted)

    def changes(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of what changed or was archived since the cursor."""
        return reading.changes(link, wanted)

    def read(self, link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
        """These records as they are now."""
        return reading.read(link, wanted, external_ids)

    def write(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Write up to 100 changes of one object."""
        return writing.write(link, changes)

    def write_many(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """The same, batch after batch: HubSpot's import has no answer per record."""
        starts = range(0, len(changes), self.batch)
        return tuple(one for start in starts for one in writing.write(link, changes[start : start + self.batch]))

    def recover(self, link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Which of these creations are there after all."""
        return recovery.recover(link, object, changes)

    def create_fields(self, link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
        """Create properties of ours."""
        return fields.create(link, wanted)

    def record_url(self, link_details: Mapping[str, str], account_id: str, object: str, external_id: str) -> str:
        """The page of a record in the portal."""
        said = link_details.get("ui_domain", "")
        host = said if OWN_PAGES.fullmatch(said) else PAGES
        return f"https://{host}/contacts/{account_id}/record/{TYPE_IDS[object]}/{external_id}"

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Nothing is asked of HubSpot: the app's own subscriptions push for every portal that linked it."""
        now = datetime.now(UTC)
        return OpenedChannel(wanted.external_id, "", now + FOR_GOOD, renew_at=now + RENEW_EVERY)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """Nothing: pushes of a portal that nobody reads are ignored."""


def _usage(response: requests.Response, limit: str, left: str, window: str) -> Usage | None:
    headers = response.headers
    if not headers.get(limit, "").isdigit() or not headers.get(left, "").isdigit():
        return None
    most = int(headers[limit])
    used = max(0, most - int(headers[left]))
    return Usage("day", used, most) if window == "day" else Usage("burst", used, most, 10)


adapter = HubSpot()
