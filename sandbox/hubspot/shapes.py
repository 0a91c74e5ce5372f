"""Records as the API shows them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.values import written

Json = dict[str, Any]
ECHOED = ("hs_object_source", "hs_object_source_id", "hs_object_source_label", "lifecyclestage", "notes_last_updated")
"""What a write answers with beside what it touched."""
BODIES = frozenset({"hs_email_text", "hs_email_html", "hs_email_headers"})
BODIES_SCOPE = "sales-email-read"


def value(kind: Kind, record: Record, name: str) -> str | None:
    """A property of a record; None if it is not set."""
    found = record.values.get(name)
    if found is not None:
        return found
    if name == "hs_object_id":
        return str(record.id)
    if name == kind.stamp:
        return written(record.updated_ms)
    if name == kind.created:
        return written(record.created_ms)
    return of_origin(record, name)


def of_origin(record: Record, name: str) -> str | None:
    """Where a record is from."""
    match name:
        case "hs_object_source" | "hs_object_source_label":
            return record.source.type
        case "hs_object_source_id":
            return record.source.id
        case "hs_merged_object_ids":
            return ";".join(map(str, record.merged)) or None
    return None


@dataclass(frozen=True)
class Shape:
    """How much of records is shown. ``scopes`` are the caller's; ``history`` names properties told with their past."""

    portal: Portal
    kind: Kind
    scopes: Collection[str]
    names: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    associations: tuple[str, ...] = ()

    def read(self, record: Record) -> Json:
        """For reading: the named properties, null where not set, or a few."""
        known = self.portal.properties[self.kind.name]
        names = [name for name in (*(self.names or self.kind.defaults), *self.history) if name in known]
        return self._shown(record, {name: self._value(record, name) for name in sorted({*names, *self.kind.base})})

    def created(self, record: Record) -> Json:
        """After a creation: all that is set."""
        return self._shown(record, self._set(record, {*record.values, *ECHOED, *self.kind.base}))

    def touched(self, record: Record, names: Iterable[str]) -> Json:
        """After a write: what was written, and a few."""
        return self._shown(record, self._set(record, {*names, *ECHOED, *self.kind.base}))

    def _set(self, record: Record, names: Iterable[str]) -> dict[str, str | None]:
        shown = {name: self._value(record, name) for name in sorted(names)}
        return {name: found for name, found in shown.items() if found is not None}

    def _value(self, record: Record, name: str) -> str | None:
        if name in BODIES and BODIES_SCOPE not in self.scopes:
            return None
        return value(self.kind, record, name)

    def _shown(self, record: Record, properties: dict[str, str | None]) -> Json:
        shown: Json = {
            "id": str(record.id),
            "properties": properties,
            "createdAt": written(record.created_ms),
            "updatedAt": written(record.updated_ms),
            "archived": bool(record.archived_ms),
        }
        if record.archived_ms:
            shown["archivedAt"] = written(record.archived_ms)
        if self.history:
            shown["propertiesWithHistory"] = {name: self._past(record, name) for name in self.history}
        if linked := self._linked(record):
            shown["associations"] = linked
        page = f"https://{self.portal.facts.ui_domain}/contacts/{self.portal.id}/record/{self.kind.type_id}/{record.id}"
        return shown | {"url": page}

    def _past(self, record: Record, name: str) -> list[Json]:
        """Newest first."""
        return [
            {
                "value": one.value,
                "timestamp": written(one.at_ms),
                "sourceType": one.source.type,
                "sourceId": one.source.id,
            }
            | ({"updatedByUserId": one.source.user_id} if one.source.user_id else {})
            for one in record.versions(name)
        ]

    def _linked(self, record: Record) -> Json:
        """The kinds asked for that the record is associated with, as version 3 shows them."""
        found = {}
        for end in self.associations:
            live = self.portal.books[end].live if end in KINDS else {}
            ends = self.portal.links.of(self.kind.name, record.id, end)
            items = [
                {"id": str(end_id), "type": one.name}
                for end_id, types in ends.items()
                if end_id in live
                for one in types
            ]
            if items:
                found[end] = {"results": items}
        return found
