"""What people do in a portal by hand: functions behind /control/hubspot/records…, …/properties and …/labels."""

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request

from sandbox.clock import parse_instant
from sandbox.control import ControlError, body_of, required
from sandbox.hubspot import bulk, catalogue, fields
from sandbox.hubspot.errors import ApiError
from sandbox.hubspot.kinds import KINDS, SPELLINGS, Kind
from sandbox.hubspot.links import LinkType
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import MORE_ADDRESSES, Record, Source
from sandbox.hubspot.shapes import Shape
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.hubspot.writing import Writer
from sandbox.providers import Control
from sandbox.world import World

Json = dict[str, Any]
MOST_PREVIEWED = 5_000


def kind_of(body: Json, name: str = "type") -> Kind:
    """The kind an order names; ControlError for one that is none."""
    found = SPELLINGS.get(str(body.get(name) or "contacts").lower())
    if found is None:
        raise ControlError(f"{name} must be one of {', '.join(KINDS)}")
    return KINDS[found]


def writer_of(hubspot: HubSpot, portal: Portal, body: Json) -> Writer:
    """Who does it: ``by`` is an owner's address, the first owner unless given; or a ``source`` that is nobody.

    Sources are IMPORT, AUTOMATION_PLATFORM (a workflow), or INTEGRATION with another app's number as ``source_id``.
    """
    if body.get("source"):
        return hubspot.writer(portal, Source(str(body["source"]), str(body.get("source_id") or "")))
    owner = next((one for one in portal.owners if one.email == body.get("by")), portal.owners[0])
    return hubspot.writer(portal, owner.source)


Work = Callable[[Writer, Kind, Json], Any]


def by_hand(work: Work) -> Control:
    """A control that does what a person does; what HubSpot refuses is the order's error."""

    def control(world: World, request: Request) -> Any:
        hubspot, body = hubspot_of(world), body_of(request)
        try:
            return carried_out(hubspot, hubspot.portal(body["portal"]), kind_of(body), body, work)
        except ApiError as error:
            raise ControlError(error.message) from error

    return control


def carried_out(hubspot: HubSpot, portal: Portal, kind: Kind, body: Json, work: Work) -> Any:
    """Do it, then send webhooks of what changed unless it is to be silent. ApiError where HubSpot refuses."""
    try:
        return work(writer_of(hubspot, portal, body), kind, body)
    finally:
        hubspot.announce(is_silent=bool(body.get("silent")))


def put_records(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "records", "by"?, "source"?, "source_id"?, "silent"?}.

    ``records`` are {"id"?, "properties", "more_emails"?, "company"?, "contacts"?, "companies"?}. One with an id is
    changed, any other created. ``company`` is the id of a primary company; the last two are ids to associate with.
    """
    ids = []
    for given in body["records"]:
        record = existing(writer, kind, given["id"]) if given.get("id") else None
        values = writer.planned(kind, given.get("properties") or {}, record, {})
        if record is None:
            record = writer.create(kind, values)
        else:
            writer.update(kind, record, values)
        if "more_emails" in given:
            more = ";".join(str(one).lower() for one in given["more_emails"])
            writer.set_computed(kind, record, {MORE_ADDRESSES: more})
        associate_all(writer, kind, record, given)
        ids.append(str(record.id))
    return {"ids": ids}


def associate_all(writer: Writer, kind: Kind, record: Record, given: Json) -> None:
    """The associations that come with a record."""
    if given.get("company"):
        writer.link(writer.portal.links.types[1], record.id, existing(writer, KINDS["companies"], given["company"]).id)
    for name in ("contacts", "companies"):
        for end_id in given.get(name) or []:
            plain = writer.portal.links.default(kind.name, name)
            if plain is None:
                raise ControlError(f"{kind.name} and {name} cannot be associated")
            writer.link(plain, record.id, existing(writer, KINDS[name], end_id).id)


def existing(writer: Writer, kind: Kind, record_id: object, *, is_archived: bool = False) -> Record:
    """A record; ControlError if there is none."""
    record = writer.portal.books[kind.name].find(str(record_id), is_archived=is_archived)
    if record is None:
        raise ControlError(f"no {kind.singular} {record_id}")
    return record


def archive_records(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "ids", "silent"?}: into the bin."""
    for one in body["ids"]:
        writer.archive(kind, existing(writer, kind, one))
    return {"ids": body["ids"]}


def restore_records(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "ids", "silent"?}: out of the bin."""
    for one in body["ids"]:
        writer.restore(kind, existing(writer, kind, one, is_archived=True))
    return {"ids": body["ids"]}


def forget_records(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "ids", "silent"?}: deleted for good, as the law on privacy wants it."""
    for one in body["ids"]:
        writer.forget(kind, existing(writer, kind, one))
    return {"ids": body["ids"]}


def merge_records(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "primary", "other", "silent"?}: the id of the record that both became."""
    primary, other = existing(writer, kind, body["primary"]), existing(writer, kind, body["other"])
    if primary is other:
        raise ControlError("a record cannot be merged with itself")
    return {"id": str(writer.merge(kind, primary, other).id)}


def associate(writer: Writer, kind: Kind, body: Json) -> Any:
    """{"portal", "type"?, "id", "to_type", "to_id", "type_id"?, "remove"?, "silent"?}: plainly without a type."""
    end = kind_of(body, "to_type")
    one = link_type(writer, kind, end, body.get("type_id"))
    work = writer.unlink if body.get("remove") else writer.link
    work(one, existing(writer, kind, body["id"]).id, existing(writer, end, body["to_id"]).id)
    return {"type_id": one.number}


def link_type(writer: Writer, kind: Kind, end: Kind, number: object) -> LinkType:
    """A type by number, or the plain one; ControlError if there is none."""
    links = writer.portal.links
    found = links.types.get(int(str(number))) if number else links.default(kind.name, end.name)
    if found is None or (found.start, found.end) != (kind.name, end.name):
        raise ControlError(f"no such association from {kind.name} to {end.name}")
    return found


def list_records(world: World, request: Request) -> Any:
    """?portal=…&type=…&archived=…: the first 5,000 with all their properties, and how many there are."""
    portal = hubspot_of(world).portal(request.args.get("portal", ""))
    kind = kind_of({"type": request.args.get("type")})
    book = portal.books[kind.name]
    shelf = book.archived if request.args.get("archived", "").lower() in ("1", "true") else book.live
    names = tuple(portal.properties[kind.name])
    shape = Shape(portal, kind, ("sales-email-read",), names, associations=tuple(KINDS))
    ids = sorted(shelf)[:MOST_PREVIEWED]
    found = [shape.read(shelf[one]) for one in ids]
    for one in found:
        one["properties"] = {name: value for name, value in one["properties"].items() if value is not None}
    return {"records": found, "total": len(shelf)}


def bulk_records(world: World, request: Request) -> Any:
    """{"portal", "count", "type"?, "days"?, "until"?, "domain"?, "companies"?}: many, silently."""
    hubspot, body = hubspot_of(world), body_of(request)
    portal, kind = hubspot.portal(body["portal"]), kind_of(body)
    until_ms = int(parse_instant(body["until"]).timestamp() * 1000) if body.get("until") else hubspot.now_ms
    order = bulk.Order(
        int(body["count"]),
        until_ms,
        float(body.get("days", 365)),
        str(body.get("domain") or "bulk.example"),
        int(body.get("companies") or 0),
    )
    ids = bulk.fill(portal, kind, order, portal.owners[0].source)
    return {"count": len(ids), "first_id": str(ids[0]) if ids else None, "last_id": str(ids[-1]) if ids else None}


def put_property(world: World, request: Request) -> Any:
    """{"portal", "type"?, "name", "label"?, "data_type"?, "fieldType"?, "options"?: [values], "read_only"?, "unique"?}.

    Creates or changes one, also one of HubSpot's.
    """
    hubspot, body = hubspot_of(world), body_of(request)
    portal, kind = hubspot.portal(body["portal"]), kind_of(body)
    name = required(body, "name")
    known = portal.properties[kind.name].get(name) or fields.made(
        {"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": catalogue.group_of(kind)},
        hubspot.now,
    )
    changes: Json = {key: body[key] for key in ("label", "fieldType", "hidden") if key in body}
    changes |= {"type": body["data_type"]} if "data_type" in body else {}
    changes |= {"hasUniqueValue": bool(body["unique"])} if "unique" in body else {}
    if "options" in body:
        given = [one if isinstance(one, dict) else {"value": one} for one in body["options"]]
        changes["options"] = fields.options_of(given)
    if "read_only" in body:
        changes["modificationMetadata"] = known["modificationMetadata"] | {"readOnlyValue": bool(body["read_only"])}
    portal.add_property(kind, known | changes | {"updatedAt": hubspot.now, "archived": False})
    return portal.properties[kind.name][name]


def remove_property(world: World, request: Request) -> Any:
    """{"portal", "type"?, "name"}: gone, with its values."""
    hubspot, body = hubspot_of(world), body_of(request)
    portal, kind = hubspot.portal(body["portal"]), kind_of(body)
    del portal.properties[kind.name][required(body, "name")]
    for record in portal.books[kind.name].live.values():
        record.values.pop(body["name"], None)
    portal.books[kind.name].unique.pop(body["name"], None)
    return {"ok": True}


def add_label(world: World, request: Request) -> Any:
    """{"portal", "type"?, "to_type", "label"}: an association label of the user's own."""
    hubspot, body = hubspot_of(world), body_of(request)
    portal = hubspot.portal(body["portal"])
    one = portal.links.add_label(kind_of(body).name, kind_of(body, "to_type").name, required(body, "label"))
    return {"type_id": one.number, "back_type_id": one.back}


CONTROLS: dict[str, Control] = {
    "POST records": by_hand(put_records),
    "GET records": list_records,
    "POST records/archive": by_hand(archive_records),
    "POST records/restore": by_hand(restore_records),
    "POST records/gdpr_delete": by_hand(forget_records),
    "POST records/merge": by_hand(merge_records),
    "POST records/associate": by_hand(associate),
    "POST bulk_records": bulk_records,
    "POST properties": put_property,
    "POST properties/remove": remove_property,
    "POST labels": add_label,
}
