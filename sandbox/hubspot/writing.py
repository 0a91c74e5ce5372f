"""What changes records: every way in, from the API or by hand, ends here, and what happened is told here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.hubspot.errors import ApiError, conflict, invalid
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.links import LinkType
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import ADDRESS, MORE_ADDRESSES, Record, Source
from sandbox.hubspot.values import Problem, checked, refusal, written

Json = dict[str, Any]
TOLD = frozenset({"contacts", "companies"})
"""The kinds that webhooks tell of."""


@dataclass(frozen=True)
class Change:
    """Something that happened to a record, as webhooks tell it; ``facts`` are the fields of its own."""

    portal: Portal
    kind: Kind
    event: str
    object_id: int
    source: Source
    at_ms: int
    facts: Json = field(default_factory=dict)


@dataclass
class Writer:
    """Somebody who writes into a portal at one moment. ``tell`` hears of each change."""

    portal: Portal
    source: Source
    now_ms: int
    tell: Callable[[Change], None]

    def planned(
        self, kind: Kind, given: Mapping[str, Any], record: Record | None, taken: dict[tuple[str, str], int]
    ) -> dict[str, str]:
        """What would be written, checked; ApiError if it may not be. ``taken`` are values of the same batch."""
        values, problems = checked(given, self.portal.properties[kind.name], self.portal.owner_ids())
        if problems:
            raise refusal(problems, self.portal.id)
        self._check_unique(kind, values, record, taken)
        if record is None:
            check_required(kind, values)
        return values

    def create(self, kind: Kind, values: Mapping[str, str]) -> Record:
        """A new record of planned values."""
        book = self.portal.books[kind.name]
        kept = {name: value for name, value in values.items() if value}
        kept |= {name: value for name, value in derived(kind, kept, self.now_ms).items() if value}
        record = Record(book.new_id(), kept, self.now_ms, self.now_ms, self.source)
        book.hide(record, self.now_ms, self._lag_ms, is_new=True)
        book.add(record)
        self._tell(kind, "creation", record.id, {"changeFlag": "CREATED"})
        self._tell_values(kind, record, {name: value for name, value in values.items() if value})
        return record

    def update(self, kind: Kind, record: Record, values: Mapping[str, str]) -> None:
        """Write planned values. If they are what is there, nothing moves, not even the stamp."""
        changes = {name: value for name, value in values.items() if value != record.values.get(name, "")}
        if not changes:
            return
        told = dict(changes)
        others = record.values.get(MORE_ADDRESSES, "").split(";")
        if changes.get(ADDRESS) in others and kind.name == "contacts":
            changes[MORE_ADDRESSES] = ";".join(one for one in others if one != changes[ADDRESS])
        after = {name: value for name, value in (record.values | changes).items() if value}
        changes |= {
            name: value
            for name, value in derived(kind, after, self.now_ms).items()
            if value != record.values.get(name, "")
        }
        self._change(kind, record, changes)
        self._tell_values(kind, record, told)

    def archive(self, kind: Kind, record: Record) -> None:
        """Into the bin."""
        book = self.portal.books[kind.name]
        book.remove(record)
        record.archived_ms = record.updated_ms = self.now_ms
        book.archived[record.id] = record
        self._recount(kind, record)
        self._tell(kind, "deletion", record.id, {"changeFlag": "DELETED"})

    def restore(self, kind: Kind, record: Record) -> None:
        """Out of the bin; ApiError if another record has its address by now."""
        book = self.portal.books[kind.name]
        self._check_unique(kind, dict(book.keys(record)), record, {})
        del book.archived[record.id]
        record.archived_ms, record.updated_ms = 0, self.now_ms
        book.add(record)
        self._recount(kind, record)
        self._tell(kind, "restore", record.id)

    def forget(self, kind: Kind, record: Record) -> None:
        """Delete for good, as the law on privacy wants it. Both events come, in no order."""
        book = self.portal.books[kind.name]
        if record.id in book.live:
            book.remove(record)
        else:
            del book.archived[record.id]
        self._recount(kind, record)
        for one, end_id in list(self.portal.links.all_of(kind.name, record.id)):
            self.portal.links.remove(one, record.id, end_id)
        self._tell(kind, "privacyDeletion", record.id)
        self._tell(kind, "deletion", record.id, {"changeFlag": "DELETED"})

    def merge(self, kind: Kind, primary: Record, other: Record) -> Record:
        """Two records become a third with an id of its own; the first one's values win."""
        book, links = self.portal.books[kind.name], self.portal.links
        values = other.values | primary.values
        moved = len(values) - len(primary.values)
        addresses = [*book.keys(primary), *book.keys(other)] if kind.name == "contacts" else []
        more = dict.fromkeys(text for name, text in addresses if name == ADDRESS and text != values.get(ADDRESS))
        if more:
            values[MORE_ADDRESSES] = ";".join(more)
        merged = Record(
            book.new_id(),
            values,
            min(primary.created_ms, other.created_ms),
            self.now_ms,
            primary.source,
            merged=(*primary.merged, primary.id, *other.merged, other.id),
            history=primary.history,
        )
        for old in (primary, other):
            book.remove(old)
            book.aliases[old.id] = merged.id
        book.hide(merged, self.now_ms, self._lag_ms, is_new=True)
        book.add(merged)
        # The other one's company is not the primary company of the merged contact.
        for old in (primary, other):
            for one, end_id in list(links.all_of(kind.name, old.id)):
                links.remove(one, old.id, end_id)
                if old is primary or not one.is_primary:
                    links.add(one, merged.id, end_id)
        self._recount(kind, merged)
        facts = {
            "primaryObjectId": primary.id,
            "mergedObjectIds": [other.id],
            "newObjectId": merged.id,
            "numberOfPropertiesMoved": moved,
        }
        self._tell(kind, "merge", merged.id, facts)
        return merged

    def link(self, one: LinkType, start_id: int, end_id: int) -> None:
        """Associate two records. A contact has one primary company; a label brings the plain type along."""
        links = self.portal.links
        if one.is_primary:
            start, contact_id, company_id = (
                (one, start_id, end_id) if one.start == "contacts" else (links.types[one.back], end_id, start_id)
            )
            for known_id, types in links.of("contacts", contact_id, "companies").items():
                if known_id != company_id and start in types:
                    self.unlink(start, contact_id, known_id)
        plain = links.default(one.start, one.end)
        for added in dict.fromkeys([one, *([plain] if plain else [])]):
            if links.add(added, start_id, end_id):
                self._linked(added, start_id, end_id, is_removed=False)

    def unlink(self, one: LinkType, start_id: int, end_id: int) -> None:
        """Take one type of an association away."""
        if self.portal.links.remove(one, start_id, end_id):
            self._linked(one, start_id, end_id, is_removed=True)

    def set_computed(self, kind: Kind, record: Record, values: Mapping[str, str]) -> None:
        """What HubSpot itself works out: the stamp moves as for any other property."""
        changes = {name: value for name, value in values.items() if value != record.values.get(name, "")}
        if changes:
            self._change(kind, record, changes)

    @property
    def _lag_ms(self) -> int:
        return round(self.portal.lag_seconds * 1000)

    def _change(self, kind: Kind, record: Record, changes: dict[str, str]) -> None:
        book = self.portal.books[kind.name]
        book.hide(record, self.now_ms, self._lag_ms)
        book.change(record, changes, self.now_ms, self.source)

    def _check_unique(
        self, kind: Kind, values: Mapping[str, str], record: Record | None, taken: dict[tuple[str, str], int]
    ) -> None:
        """ApiError if another record has one of these values; else they are taken."""
        own_id = record.id if record else 0
        for name, index in self.portal.books[kind.name].unique.items():
            value = values.get(name)
            if not value:
                continue
            key = value.lower()
            holder = index.get(key) or taken.get((name, key), own_id)
            if holder != own_id:
                raise taken_already(self.portal.id, kind, name, value, own_id, holder)
            taken[name, key] = own_id or -1

    def _linked(self, one: LinkType, start_id: int, end_id: int, *, is_removed: bool) -> None:
        """What follows from an association: computed properties, and events at both ends."""
        back = self.portal.links.types[one.back]
        for end, near_id, far_id in ((one, start_id, end_id), (back, end_id, start_id)):
            kind, far = KINDS[end.start], KINDS[end.end]
            record = self.portal.books[kind.name].live.get(near_id)
            if record is not None:
                self._work_out(kind, record, far, far_id, is_removed=is_removed)
            if {kind.name, far.name} == TOLD:
                facts = {
                    "associationType": f"{kind.singular}_to_{far.singular}".upper(),
                    "fromObjectId": near_id,
                    "toObjectId": far_id,
                    "associationRemoved": is_removed,
                    "isPrimaryAssociation": end.is_primary,
                }
                self._tell(kind, "associationChange", near_id, facts)

    def _work_out(self, kind: Kind, record: Record, far: Kind, far_id: int, *, is_removed: bool) -> None:
        links = self.portal.links
        if kind.name == "companies" and far.name == "contacts":
            live = self.portal.books[far.name].live
            count = sum(one in live for one in links.of(kind.name, record.id, far.name))
            self.set_computed(kind, record, {"num_associated_contacts": str(count)})
        elif kind.name == "contacts" and far.name == "companies":
            companies = links.of(kind.name, record.id, far.name)
            main = next((str(one) for one, types in companies.items() if any(t.is_primary for t in types)), "")
            self.set_computed(kind, record, {"associatedcompanyid": main})
        elif far.is_engagement and not is_removed:
            count = len(links.of(kind.name, record.id, far.name))
            self.set_computed(kind, record, {"notes_last_updated": written(self.now_ms), "num_notes": str(count)})

    def _recount(self, kind: Kind, record: Record) -> None:
        """A contact came or went: its companies count anew."""
        if kind.name == "contacts":
            companies = self.portal.books["companies"].live
            for company_id in self.portal.links.of(kind.name, record.id, "companies"):
                if company_id in companies:
                    self._work_out(KINDS["companies"], companies[company_id], kind, record.id, is_removed=False)

    def _tell(self, kind: Kind, event: str, object_id: int, facts: Json | None = None) -> None:
        if kind.name in TOLD:
            self.tell(Change(self.portal, kind, event, object_id, self.source, self.now_ms, facts or {}))

    def _tell_values(self, kind: Kind, record: Record, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self._tell(kind, "propertyChange", record.id, {"propertyName": name, "propertyValue": value})


def check_required(kind: Kind, values: Mapping[str, str]) -> None:
    """ApiError for a new record that lacks what its kind needs."""
    missing = [name for name in kind.required if not values.get(name)]
    if kind.needs_one and not any(values.get(name) for name in kind.needs_one):
        missing = list(kind.needs_one)
    if missing:
        message = f"Error creating {kind.singular.upper()}. Some required properties were not set."
        detail = {"message": message, "code": "REQUIRED_PROPERTY_MISSING", "context": {"properties": missing}}
        raise invalid(message, errors=[detail], context={"properties": missing})


def taken_already(portal_id: int, kind: Kind, name: str, value: str, own_id: int, holder: int) -> ApiError:
    """Another record has the value: 409 for an address, 400 for a unique property of the user's own."""
    if name == ADDRESS:
        return conflict(kind.singular, max(holder, 0))
    message = (
        f"Cannot set PropertyValueCoordinates{{portalId={portal_id}, objectTypeId={kind.type_id}, "
        f"propertyName={name}, value={value}}} on {own_id}. {holder} already has that value."
    )
    return refusal([Problem(name, "CONFLICTING_UNIQUE_VALUE", message)], portal_id)


def derived(kind: Kind, values: Mapping[str, str], now_ms: int) -> dict[str, str]:
    """What HubSpot fills in from other properties."""
    if kind.name == "contacts":
        email = values.get(ADDRESS, "")
        full = " ".join(filter(None, (values.get("firstname"), values.get("lastname"))))
        return {"hs_email_domain": email.rpartition("@")[2], "hs_full_name_or_email": full or email}
    if kind.name == "companies":
        return {} if values.get("website") or not values.get("domain") else {"website": values["domain"]}
    if kind.name == "tasks":
        is_done = values.get("hs_task_status") == "COMPLETED"
        at = values.get("hs_task_completion_date") or written(now_ms)
        return {"hs_task_is_completed": str(int(is_done)), "hs_task_completion_date": at if is_done else ""}
    if kind.name == "notes":
        return {"hs_body_preview": re.sub(r"<[^>]*>", "", values.get("hs_note_body", "")).strip()}
    return {}
