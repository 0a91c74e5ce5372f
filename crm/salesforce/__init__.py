"""Salesforce as a CRM: accounts, contacts, and the activities and notes that hang on them.

One module per subject; this one puts them together as the adapter.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import requests

from crm.contract import (
    Change,
    Field,
    FieldCreated,
    Link,
    NewField,
    Pace,
    ReadBatch,
    Record,
    RecordPage,
    Related,
    Usage,
    Wanted,
    Written,
)
from crm.salesforce import bulk, fields, reading, records, writing
from integrations.contract import OpenedChannel, ResourceInfo, WatchRequest

FOR_GOOD = timedelta(days=3650)
"""An administrator's Outbound Message or trigger pushes until he takes it away."""

RENEW_EVERY = timedelta(days=1)
"""Costs nothing, and gives the channel a secret of the newest key, so that older ones can be taken out."""

USED = re.compile(r"(?<![-\w])(?:per-app-)?api-usage=(\d+)/([1-9]\d*)")
"""The organization's calls, and where its administrator allots us some of them those of ours."""


class Salesforce:
    """The adapter. https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/"""

    slug = "salesforce"
    batch = writing.BATCH
    bulk_from = 2_001
    is_single_watch = True
    objects: Mapping[str, str] = {
        "organization": "Account",
        "person": "Contact",
        "meeting": "Event",
        "email": "Task",
        "task": "Task",
        "note": "Note",
    }
    key_fields: Mapping[str, str] = writing.KEY_FIELDS

    @property
    def paces(self) -> tuple[Pace, ...]:
        """None: Salesforce counts the calls of a day, and says so with each answer."""
        return ()

    def takes(self, object: str, related: Sequence[Related], known: Collection[Related]) -> tuple[Related, ...]:
        """One of each kind, which is all that Salesforce has a field for; a note's is given once and for all."""
        return records.nameable(object, related, known)

    def pace_of(self, request: requests.PreparedRequest) -> str:
        """Every call counts alike."""
        return "burst"

    def usage(self, response: requests.Response) -> tuple[Usage, ...]:
        """The calls of the last 24 hours: the org's, whoever made them, or those allotted to us, whichever is used up
        sooner."""
        found = USED.findall(response.headers.get("Sforce-Limit-Info", ""))
        counts = [(int(used), int(most)) for used, most in found]
        return tuple(Usage("day", *one) for one in [max(counts, key=lambda one: one[0] / one[1])]) if counts else ()

    def accounts(self, link: Link) -> Iterator[ResourceInfo]:
        """The org."""
        name = link.details.get("account_name") or f"Salesforce {link.account_id}"
        yield ResourceInfo(link.account_id, name, "", is_primary=True, access_role="")

    def fields(self, link: Link, object: str) -> tuple[Field, ...]:
        """Every field the linked user may see."""
        return fields.fields(link, object)

    def listing(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of everything there is."""
        page = reading.listing(link, wanted)
        return replace(page, records=_unmarked(page.records))

    def changes(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of what changed or was deleted since the cursor."""
        page = reading.changes(link, wanted)
        return replace(page, records=_unmarked(page.records))

    def read(self, link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
        """These records as they are now."""
        found = reading.read(link, wanted, external_ids)
        return replace(found, records=_unmarked(found.records))

    def write(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Write up to 200 changes of one object."""
        return writing.write(link, changes)

    def write_many(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """The same by a bulk job; notes, whose results could not be told apart, batch after batch."""
        if changes[0].object in self.key_fields:
            return bulk.write(link, changes)
        starts = range(0, len(changes), self.batch)
        return tuple(one for start in starts for one in writing.write(link, changes[start : start + self.batch]))

    def recover(self, link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Which of these creations are there after all."""
        return writing.recover(link, object, changes)

    def create_fields(self, link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
        """Create custom fields of ours, and let the linked user see them."""
        return fields.create(link, wanted)

    def record_url(self, link_details: Mapping[str, str], account_id: str, object: str, external_id: str) -> str:
        """The page of a record in the org."""
        return f"{link_details['instance_url']}/{external_id}"

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Nothing is asked of Salesforce: its administrator sets up what pushes to the channel's address."""
        now = datetime.now(UTC)
        return OpenedChannel(wanted.external_id, "", now + FOR_GOOD, renew_at=now + RENEW_EVERY)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """Nothing: what still comes to the channel's address is refused."""


def _unmarked(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records with their texts as their authors wrote them, without our mark."""
    return tuple(_plain(one) if one.object in writing.MARKED else one for one in records)


def _plain(record: Record) -> Record:
    name = writing.MARKED[record.object]
    text = record.values.get(name)
    return (
        replace(record, values={**record.values, name: writing.without_mark(text)}) if isinstance(text, str) else record
    )


adapter = Salesforce()
