"""Batches: a hundred records at once, and what happens when some of them are no good.

Results come in another order than the inputs, since HubSpot promises none.
https://developers.hubspot.com/docs/api-reference/error-handling#multi-status-errors
"""

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.hubspot import linking, objects
from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.envelope import batch_answer, inputs_of
from sandbox.hubspot.errors import ApiError, invalid, not_found
from sandbox.hubspot.kinds import SPELLINGS, Kind
from sandbox.hubspot.objects import MOST_LISTED, MOST_WITH_HISTORY
from sandbox.hubspot.records import ADDRESS, Record
from sandbox.hubspot.shapes import Shape

Json = dict[str, Any]
MOST = 100
TRACE = "objectWriteTraceId"
Step = Callable[[], Json]
Plan = Callable[[Json], Step]


def batch_read(kind: Kind, visit: Visit) -> Answer:
    """POST …/batch/read: 207 if some are not there."""
    body, book = visit.body, visit.portal.books[kind.name]
    history = tuple(body.get("propertiesWithHistory") or ())
    associations = tuple(SPELLINGS.get(str(one).lower(), str(one)) for one in body.get("associations") or ())
    names = tuple(body.get("properties") or ())
    shape = Shape(visit.portal, kind, visit.token.scopes, names, history, associations)
    is_archived, name = objects.flag(visit.request, "archived"), str(body.get("idProperty") or "")
    found: dict[int, Record] = {}
    missing = []
    for one in inputs_of(visit, MOST_WITH_HISTORY if history else MOST_LISTED):
        text = str(one.get("id", ""))
        record = book.find(text, is_archived=True) if is_archived else objects.by_property(book, name, text)
        if record is None:
            missing.append(text)
        else:
            found[record.id] = record
    errors = [gone(kind, missing)] if missing else []
    results = [shape.read(record) for record in reversed(found.values())]
    return (207 if errors else 200), batch_answer(visit, results, errors)


def gone(kind: Kind, ids: list[str]) -> Json:
    """The one error for all records that are not there."""
    singular = kind.singular.upper()
    message = f"Could not get some {singular} objects, they may be deleted or not exist. Check that ids are valid."
    return not_found(message).item({"ids": ids})


def batch_create(kind: Kind, visit: Visit) -> Answer:
    """POST …/batch/create: 201, or 207."""
    writer, shape = visit.writer(), objects.plain(kind, visit)
    taken: dict[tuple[str, str], int] = {}

    def plan(one: Json) -> Step:
        values = writer.planned(kind, objects.properties_in(one), None, taken)
        wanted = linking.inline(visit.portal, kind, one.get("associations") or [])

        def step() -> Json:
            record = writer.create(kind, values)
            for association, end_id in wanted:
                writer.link(association, record.id, end_id)
            return shape.created(record)

        return step

    return carried_out(visit, inputs_of(visit, MOST), plan, 201)


def batch_update(kind: Kind, visit: Visit) -> Answer:
    """POST …/batch/update: 200, or 207: records that are not there do not keep the others from being written."""
    writer, shape = visit.writer(), objects.plain(kind, visit)
    book = visit.portal.books[kind.name]
    taken: dict[tuple[str, str], int] = {}
    inputs = inputs_of(visit, MOST)
    refuse_twins(inputs)

    def plan(one: Json) -> Step:
        record = objects.by_property(book, str(one.get("idProperty") or ""), str(one.get("id", "")))
        if record is None:
            raise not_found(context={"ids": [str(one.get("id", ""))]})
        values = writer.planned(kind, objects.properties_in(one), record, taken)

        def step() -> Json:
            writer.update(kind, record, values)
            return shape.touched(record, values)

        return step

    return carried_out(visit, inputs, plan, 200)


def batch_upsert(kind: Kind, visit: Visit) -> Answer:
    """POST …/batch/upsert: by a unique property; ``new`` says which were created."""
    writer, shape = visit.writer(), objects.plain(kind, visit)
    book = visit.portal.books[kind.name]
    taken: dict[tuple[str, str], int] = {}
    inputs = inputs_of(visit, MOST)
    refuse_twins(inputs)

    def plan(one: Json) -> Step:
        name, text = str(one.get("idProperty") or ""), str(one.get("id", ""))
        record = objects.by_property(book, name, text)
        if record is None and name in ("", "hs_object_id"):
            raise not_found(context={"ids": [text]})
        given = ({} if record else {name: text}) | objects.properties_in(one)
        values = writer.planned(kind, given, record, taken)
        if record is not None and name == ADDRESS:
            values = emptied(visit, kind, record) | values

        def step() -> Json:
            if record is None:
                return shape.created(writer.create(kind, values)) | {"new": True}
            writer.update(kind, record, values)
            return shape.touched(record, values) | {"new": False}

        return step

    return carried_out(visit, inputs, plan, 200)


def emptied(visit: Visit, kind: Kind, record: Record) -> dict[str, str]:
    """Partial upserts by address are not supported: what is not sent is lost, but for what others rely on."""
    known = visit.portal.properties[kind.name]
    kept = {ADDRESS, *visit.portal.books[kind.name].unique, "lifecyclestage", "associatedcompanyid"}
    return {
        name: ""
        for name in record.values
        if name not in kept and not known[name]["modificationMetadata"]["readOnlyValue"]
    }


def batch_archive(kind: Kind, visit: Visit) -> Answer:
    """POST …/batch/archive: 204, whether they were there or not."""
    writer, book = visit.writer(), visit.portal.books[kind.name]
    for one in inputs_of(visit, MOST):
        record = book.find(str(one.get("id", "")))
        if record is not None:
            writer.archive(kind, record)
    return 204, None


def carried_out(visit: Visit, inputs: Sequence[Json], plan: Plan, status: int) -> Answer:
    """All inputs or none, unless every one has a trace id of its own: then those that are good.

    A record that is not there is an error of its own in any case.
    """
    traces = [str(one.get(TRACE) or "") for one in inputs]
    is_traced = all(traces) and len(set(traces)) == len(traces)
    steps: list[tuple[str, Step]] = []
    errors = []
    for trace, one in zip(traces, inputs, strict=True):
        try:
            steps.append((trace, plan(one)))
        except ApiError as error:
            if not is_traced and error.status != 404:
                raise
            errors.append(error.item({TRACE: [trace]} if trace else {}))
    results = [step() | ({TRACE: trace} if trace else {}) for trace, step in steps][::-1]
    return (207 if errors else status), batch_answer(visit, results, errors)


def refuse_twins(inputs: Sequence[Json]) -> None:
    """ApiError 400 if one record is meant twice."""
    ids = [str(one.get("id", "")) for one in inputs]
    twins = sorted({one for one in ids if ids.count(one) > 1})
    if twins:
        raise invalid(f"Duplicate IDs found in batch input: [{', '.join(twins)}]. IDs must be unique")
