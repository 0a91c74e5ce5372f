"""One record of an org as people see it, and what they order on its page: by the same code as the control API."""

from typing import Any

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox.control import ControlError
from sandbox.pages import forms, orders
from sandbox.pages.forms import Refusal
from sandbox.providers import Call
from sandbox.salesforce import control_records, filling, ids, looking, sheets
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.control_records import Work
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.looking import SHOWN, Missing
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.state import salesforce_of

ORDERS: dict[str, Work] = {"delete": control_records.delete, "undelete": control_records.undelete}


def record(call: Call) -> Response:
    """GET /ID shows it, POST carries out what a person orders: ``do`` is save, delete or undelete."""
    try:
        org = looking.org_of(call)
        name, row = found(org, call.args["record_id"])
        if call.request.method == "POST":
            return ordered(call, org, name, row)
        return sheets.record(org, name, row, done=call.request.args.get("done", ""))
    except Missing as error:
        return error.response()


def new(call: Call) -> Response:
    """GET /new/OBJECT shows an empty form, POST creates the record. Parameters fill in references."""
    try:
        org, name = looking.org_of(call), call.args["name"]
        if name not in SHOWN:
            raise Missing(f"Records of {name} are not made by hand here.")
        if call.request.method == "POST":
            return created(call, org, name)
        return sheets.new(org, name, call.request.args)
    except Missing as error:
        return error.response()


def found(org: Org, record_id: str) -> tuple[str, Row]:
    """The object and the row of an id of 15 or 18 letters, deleted or not; Missing if there is none."""
    table = org.table_of(ids.to18(record_id)) if ids.is_id(record_id) else None
    row = table.newest(ids.to18(record_id)) if table else None
    if table is None or row is None:
        raise Missing(f"{org.name} has no record {record_id}: it never had, or it is gone for good.")
    return table.kind.name, row


def ordered(call: Call, org: Org, name: str, row: Row) -> Response:
    """What a person orders on a record's page."""
    form = call.request.form
    if not orders.is_own(call.request) or name not in SHOWN:
        return orders.refused()
    here, do = looking.address(org, row["Id"]), form.get("do", "")
    if do in ORDERS:
        refusal, _ = attempted(call, org, ORDERS[do], {"id": row["Id"]})
        return sheets.record(org, name, row, refusal) if refusal else redirect(f"{here}?done={do}", 303)
    main, more = filling.inputs(org, filling.user_id(org, form), name, row, is_new=False)
    changes = forms.changed(form, [*main, *more])
    if not changes:
        return redirect(f"{here}?done=nothing", 303)
    refusal, _ = attempted(call, org, control_records.update, {"id": row["Id"], "fields": changes})
    return sheets.record(org, name, row, refusal, form) if refusal else redirect(f"{here}?done=save", 303)


def created(call: Call, org: Org, name: str) -> Response:
    """Create what was filled in, and show it."""
    form = call.request.form
    if not orders.is_own(call.request):
        return orders.refused()
    main, more = filling.inputs(org, filling.user_id(org, form), name, {}, is_new=True)
    given = {key: value for key, value in forms.changed(form, [*main, *more]).items() if value}
    refusal, result = attempted(call, org, control_records.create, {"object": name, "records": [given]})
    if refusal:
        return sheets.new(org, name, call.request.args, refusal, form)
    return redirect(f"{looking.address(org, result['ids'][0])}?done=create", 303)


def attempted(call: Call, org: Org, work: Work, body: dict[str, Any]) -> tuple[Refusal | None, Any]:
    """Carry an order out as the person of the form; why Salesforce refuses, and the result where it does not."""
    body = body | {"by": call.request.form.get("by", "")}
    try:
        return None, control_records.carried_out(salesforce_of(call.world), org, body, work)
    except ApiError as error:
        return Refusal([f"{error.message} ({error.code})"], dict.fromkeys(error.fields or [], error.message)), None
    except ControlError as error:
        return Refusal([str(error)], {}), None
