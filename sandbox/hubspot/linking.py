"""Associations by the API.

https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
"""

from collections.abc import Callable
from typing import Any

from sandbox.hubspot import paths
from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.envelope import batch_answer, inputs_of
from sandbox.hubspot.errors import ApiError, invalid, not_found
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.links import DEFINED, LinkType
from sandbox.hubspot.portals import Portal

Json = dict[str, Any]
MOST_READ, MOST_WRITTEN, MOST_LISTED = 1000, 2000, 500
Done = Callable[[int, int, Json], Json]


def inline(portal: Portal, kind: Kind, wanted: list[Json]) -> list[tuple[LinkType, int]]:
    """The associations that a creation brings along. ApiError 400 for one that cannot be."""
    found = []
    for one in wanted:
        end_id = id_in(one.get("to"))
        for spec in one.get("types") or []:
            category, number = spec.get("associationCategory", DEFINED), int(spec.get("associationTypeId", 0))
            known = portal.links.types.get(number)
            if known is None or known.start != kind.name or known.category != category:
                raise invalid(f"Association type {number} does not lead from {kind.singular.upper()}.")
            if end_id not in portal.books[known.end].live:
                raise invalid(f"No {known.end} with id {end_id} exists; it cannot be associated.")
            found.append((known, end_id))
    return found


def id_in(holder: Any) -> int:
    """The number of ``{"id": …}``, which may be a text; 0 for anything else."""
    text = str(holder.get("id", "")) if isinstance(holder, dict) else ""
    return int(text) if text.isdecimal() else 0


def ends(visit: Visit, access: str) -> tuple[Kind, Kind]:
    """The two kinds of the path. ApiError 400 for a kind that is none, 403 without the scopes of both."""
    names = visit.call.args["start"], visit.call.args["end"]
    for name in names:
        if name not in KINDS:
            raise invalid(f"Unable to infer object type from: {name}")
        visit.require(f"crm.objects.{KINDS[name].scope}.{access}")
    return KINDS[names[0]], KINDS[names[1]]


def resolved(visit: Visit, kind: Kind, record_id: int) -> int:
    """The id of a live record; ApiError 404 if there is none."""
    record = visit.portal.books[kind.name].find(str(record_id))
    if record is None:
        raise not_found(f"No {kind.name} with id {record_id} exists.")
    return record.id


def live_ends(visit: Visit, start: Kind, start_id: int, end: Kind) -> list[Json]:
    """What a record is associated with: ids are numbers here."""
    live = visit.portal.books[end.name].live
    return [
        {"toObjectId": end_id, "associationTypes": [one.shown() for one in types]}
        for end_id, types in visit.portal.links.of(start.name, start_id, end.name).items()
        if end_id in live
    ]


def list_ends(visit: Visit) -> Answer:
    """GET …/objects/KIND/ID/associations/KIND."""
    start, end = ends(visit, "read")
    found = live_ends(visit, start, resolved(visit, start, path_id(visit, "start_id")), end)
    after = int(visit.request.args.get("after") or 0)
    limit = min(int(visit.request.args.get("limit") or MOST_LISTED), MOST_LISTED)
    content: Json = {"results": found[after : after + limit]}
    if after + limit < len(found):
        content["paging"] = {"next": {"after": str(after + limit), "link": visit.request.url}}
    return 200, content


def put_default(visit: Visit) -> Answer:
    """PUT …/associations/default/KIND/ID: the plain type, told in both directions."""
    start, end = ends(visit, "write")
    start_id = resolved(visit, start, path_id(visit, "start_id"))
    end_id = resolved(visit, end, path_id(visit, "end_id"))
    results = linked_by_default(visit, start, end, start_id, end_id)
    return 200, batch_answer(visit, results)


def linked_by_default(visit: Visit, start: Kind, end: Kind, start_id: int, end_id: int) -> list[Json]:
    """Associate plainly."""
    plain = visit.portal.links.default(start.name, end.name)
    if plain is None:
        raise invalid(f"{start.name} and {end.name} cannot be associated.")
    visit.writer().link(plain, start_id, end_id)
    return [
        {
            "from": {"id": str(near)},
            "to": {"id": str(far)},
            "associationSpec": {"associationCategory": DEFINED, "associationTypeId": number},
        }
        for near, far, number in ((start_id, end_id, plain.number), (end_id, start_id, plain.back))
    ]


def put_labelled(visit: Visit) -> Answer:
    """PUT …/associations/KIND/ID with a list of types: 201."""
    start, end = ends(visit, "write")
    start_id = resolved(visit, start, path_id(visit, "start_id"))
    end_id = resolved(visit, end, path_id(visit, "end_id"))
    return 201, labelled(visit, start, end, start_id, end_id, types_in(visit, start, end, specs_of(visit)))


def specs_of(visit: Visit) -> list[Json]:
    """The body, which is a list here; ApiError 400 for anything else."""
    specs = visit.request.get_json(force=True, silent=True)
    if not isinstance(specs, list):
        raise invalid("Invalid input JSON: a list of types is expected")
    return specs


def types_in(visit: Visit, start: Kind, end: Kind, specs: list[Json]) -> list[LinkType]:
    """The types meant; ApiError 400 for one that does not lead from the one kind to the other."""
    found = []
    for spec in specs:
        category, number = spec.get("associationCategory", DEFINED), int(spec.get("associationTypeId", 0))
        one = visit.portal.links.find(start.name, end.name, category, number)
        if one is None:
            raise invalid(f"Association type {number} does not lead from {start.type_id} to {end.type_id}.")
        found.append(one)
    if not found:
        raise invalid("At least one association type is required.")
    return found


def labelled(visit: Visit, start: Kind, end: Kind, start_id: int, end_id: int, types: list[LinkType]) -> Json:
    """Associate with types; what version 4 says of the pair then."""
    for one in types:
        visit.writer().link(one, start_id, end_id)
    return {
        "fromObjectTypeId": start.type_id,
        "fromObjectId": start_id,
        "toObjectTypeId": end.type_id,
        "toObjectId": end_id,
        "labels": [one.label for one in types if one.label],
    }


def delete_all(visit: Visit) -> Answer:
    """DELETE …/associations/KIND/ID: every type between the two, 204."""
    start, end = ends(visit, "write")
    unlink_all(visit, start, end, path_id(visit, "start_id"), path_id(visit, "end_id"))
    return 204, None


def unlink_all(visit: Visit, start: Kind, end: Kind, start_id: int, end_id: int) -> None:
    """Take every type between two records away."""
    for one in visit.portal.links.of(start.name, start_id, end.name).get(end_id, []):
        visit.writer().unlink(one, start_id, end_id)


def path_id(visit: Visit, name: str) -> int:
    """A record's number in the path; 0, which is nobody's, for anything else."""
    text = visit.call.args[name]
    return int(text) if text.isdecimal() else 0


def batch_read(visit: Visit) -> Answer:
    """POST …/batch/read: records without associations are missing from the results, and make it 207."""
    start, end = ends(visit, "read")
    results: list[Json] = []
    errors: list[Json] = []
    for one in inputs_of(visit, MOST_READ):
        text = str(one.get("id", ""))
        record = visit.portal.books[start.name].find(text)
        found = live_ends(visit, start, record.id, end) if record else []
        if found:
            results.append({"from": {"id": text}, "to": found})
            continue
        message = f"No {end.type_id} is associated with {start.type_id} {text}."
        context = {"fromObjectId": [text], "fromObjectType": [start.type_id], "toObjectType": [end.type_id]}
        errors.append(not_found(message).item(context))
    return (207 if errors else 200), batch_answer(visit, results, errors)


def batch_create(visit: Visit) -> Answer:
    """POST …/batch/create: 201, on dated paths 200; 207 if some records are not there."""
    start, end = ends(visit, "write")

    def done(start_id: int, end_id: int, one: Json) -> Json:
        return labelled(visit, start, end, start_id, end_id, types_in(visit, start, end, one.get("types") or []))

    results, errors = each_pair(visit, start, end, done)
    status = 200 if paths.is_dated(visit.request) else 201
    return (207 if errors else status), batch_answer(visit, results, errors)


def batch_default(visit: Visit) -> Answer:
    """POST …/batch/associate/default: 200."""
    start, end = ends(visit, "write")
    results: list[Json] = []

    def done(start_id: int, end_id: int, one: Json) -> Json:
        results.extend(linked_by_default(visit, start, end, start_id, end_id))
        return {}

    _, errors = each_pair(visit, start, end, done)
    return (207 if errors else 200), batch_answer(visit, results, errors)


def each_pair(visit: Visit, start: Kind, end: Kind, done: Done) -> tuple[list[Json], list[Json]]:
    """Do something to every pair of the inputs; results, and errors for records that are not there."""
    results, errors = [], []
    for one in inputs_of(visit, MOST_WRITTEN):
        try:
            start_id = resolved(visit, start, id_in(one.get("from")))
            results.append(done(start_id, resolved(visit, end, id_in(one.get("to"))), one))
        except ApiError as error:
            if error.status != 404:
                raise
            errors.append(error.item())
    return results, errors


def batch_archive(visit: Visit) -> Answer:
    """POST …/batch/archive: everything between each record and those named with it; 204, on dated paths 200."""
    start, end = ends(visit, "write")
    for one in inputs_of(visit, MOST_WRITTEN):
        for far in one.get("to") or []:
            unlink_all(visit, start, end, id_in(one.get("from")), id_in(far))
    return (200, batch_answer(visit, [])) if paths.is_dated(visit.request) else (204, None)


def archive_labels(visit: Visit) -> Answer:
    """POST …/batch/labels/archive: only the types named; 204."""
    start, end = ends(visit, "write")
    for one in inputs_of(visit, MOST_WRITTEN):
        for kind in types_in(visit, start, end, one.get("types") or []):
            visit.writer().unlink(kind, id_in(one.get("from")), id_in(one.get("to")))
    return 204, None


def list_labels(visit: Visit) -> Answer:
    """GET …/labels: the types from one kind to another."""
    start, end = ends(visit, "read")
    return 200, {"results": [one.shown() for one in visit.portal.links.between(start.name, end.name)]}
