"""One record of a portal as people see it, and what they order on its page: by the same code as the control API."""

from typing import Any

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox.control import ControlError
from sandbox.hubspot import filling, looking, people, sheets
from sandbox.hubspot.errors import ApiError
from sandbox.hubspot.kinds import KINDS, SPELLINGS, Kind
from sandbox.hubspot.looking import Missing
from sandbox.hubspot.people import Work
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.state import hubspot_of
from sandbox.pages import forms, orders
from sandbox.pages.forms import Refusal
from sandbox.providers import Call

Json = dict[str, Any]
ORDERS: dict[str, Work] = {"archive": people.archive_records, "restore": people.restore_records}


def record(call: Call) -> Response:
    """GET /contacts/PORTAL/record/TYPE/ID shows it, POST carries out an order: save, archive or restore."""
    try:
        portal, kind = looking.portal_of(call), kind_of(call)
        one = found(portal, kind, call.args["record_id"])
        if one is None:
            return sheets.merged(portal, kind, int(call.args["record_id"]))
        if call.request.method == "POST":
            return ordered(call, portal, kind, one)
        return sheets.record(hubspot_of(call.world), portal, kind, one, done=call.request.args.get("done", ""))
    except Missing as error:
        return error.response()


def new(call: Call) -> Response:
    """GET /contacts/PORTAL/new/TYPE shows an empty form, POST creates the record. Parameters say what it is with."""
    try:
        portal, kind = looking.portal_of(call), kind_of(call)
        if call.request.method == "POST":
            return created(call, portal, kind)
        return sheets.new(hubspot_of(call.world), portal, kind, call.request.args)
    except Missing as error:
        return error.response()


def kind_of(call: Call) -> Kind:
    """The kind of the path, by name or number; Missing if there is none."""
    text = call.args["kind"]
    if text not in SPELLINGS:
        raise Missing(f"There are no records of the type {text} here.")
    return KINDS[SPELLINGS[text]]


def found(portal: Portal, kind: Kind, text: str) -> Record | None:
    """A record, archived or not; None for one that was merged away, Missing if there is none."""
    book = portal.books[kind.name]
    number = int(text) if text.isdecimal() else 0
    if number in book.aliases:
        return None
    one = book.live.get(number) or book.archived.get(number)
    if one is None:
        raise Missing(f"{portal.facts.name} has no {kind.singular} {text}: it never had, or it is gone for good.")
    return one


def ordered(call: Call, portal: Portal, kind: Kind, one: Record) -> Response:
    """What a person orders on a record's page."""
    form, hubspot = call.request.form, hubspot_of(call.world)
    if not orders.is_own(call.request):
        return orders.refused()
    here, do = looking.address(portal, kind, one.id), form.get("do", "")
    if do in ORDERS:
        refusal, _ = attempted(call, portal, kind, ORDERS[do], {"ids": [str(one.id)]})
        return sheets.record(hubspot, portal, kind, one, refusal) if refusal else redirect(f"{here}?done={do}", 303)
    main, rest = filling.inputs(portal, kind, one.values, is_new=False)
    changes = forms.changed(form, [*main, *rest])
    if not changes:
        return redirect(f"{here}?done=nothing", 303)
    given = {"id": str(one.id), "properties": changes}
    refusal, _ = attempted(call, portal, kind, people.put_records, {"records": [given]})
    if refusal:
        return sheets.record(hubspot, portal, kind, one, refusal, form)
    return redirect(f"{here}?done=save", 303)


def created(call: Call, portal: Portal, kind: Kind) -> Response:
    """Create what was filled in, and show it."""
    form = call.request.form
    if not orders.is_own(call.request):
        return orders.refused()
    main, rest = filling.inputs(portal, kind, {}, is_new=True)
    values = {name: text for name, text in forms.changed(form, [*main, *rest]).items() if text}
    ends, problems = filling.belonging(portal, forms.changed(form, filling.belongings(portal, kind, {})))
    refusal: Refusal | None = Refusal([*problems.values()], problems)
    if not problems:
        given = {"properties": values, **ends}
        refusal, result = attempted(call, portal, kind, people.put_records, {"records": [given]})
    if refusal:
        return sheets.new(hubspot_of(call.world), portal, kind, call.request.args, refusal, form)
    return redirect(f"{looking.address(portal, kind, int(result['ids'][0]))}?done=create", 303)


def attempted(call: Call, portal: Portal, kind: Kind, work: Work, body: Json) -> tuple[Refusal | None, Any]:
    """Carry an order out as the person of the form; why HubSpot refuses, and the result where it does not."""
    body = body | {"by": call.request.form.get("by", "")}
    try:
        return None, people.carried_out(hubspot_of(call.world), portal, kind, body, work)
    except ApiError as error:
        return refusal_of(error), None
    except ControlError as error:
        return Refusal([str(error)], {}), None


def refusal_of(error: ApiError) -> Refusal:
    """HubSpot's words: of every property where it names them."""
    fields: dict[str, str] = {}
    for one in error.errors:
        context = one.get("context", {})
        fields |= dict.fromkeys([*context.get("propertyName", ()), *context.get("properties", ())], one["message"])
    if "properties" in error.context:
        return Refusal([f"{error.message} ({', '.join(error.context['properties'])})"], fields)
    why = [f"{one['message']} ({one['code']})" for one in error.errors] or [f"{error.message} ({error.category})"]
    return Refusal(why, fields)
