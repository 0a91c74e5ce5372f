"""Properties by the API: what there is to write into, and how to add to it.

https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
"""

import re
from typing import Any

from sandbox.hubspot import paths
from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.envelope import batch_answer, inputs_of
from sandbox.hubspot.errors import ApiError, invalid, not_found
from sandbox.hubspot.kinds import KINDS, Kind

Json = dict[str, Any]
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
TYPES = frozenset({"string", "number", "date", "datetime", "enumeration", "bool", "phone_number"})
FIELD_TYPES = {
    *("text", "textarea", "number", "date", "file", "select", "radio", "checkbox", "booleancheckbox"),
    *("calculation_equation", "html", "phonenumber"),
}
CHANGEABLE = ("label", "description", "groupName", "options", "displayOrder", "hidden", "formField")
MOST_UNIQUE, MOST_IN_BATCH = 10, 100


def kind_of(visit: Visit, access: str) -> Kind:
    """The kind of the path. ApiError 400 for one that is none, 403 without the scope."""
    kind = KINDS.get(visit.call.args["kind"])
    if kind is None:
        raise invalid(f"Unable to infer object type from: {visit.call.args['kind']}")
    schema = f"crm.schemas.{kind.scope}.{access}"
    visit.require(*([schema, f"crm.objects.{kind.scope}.read"] if access == "read" else [schema]))
    return kind


def list_properties(visit: Visit) -> Answer:
    """GET …/KIND: all of them, without pages."""
    kind = kind_of(visit, "read")
    is_archived = visit.request.args.get("archived", "").lower() == "true"
    known = visit.portal.properties[kind.name].values()
    return 200, {"results": [one for one in known if one["archived"] is is_archived]}


def get_property(visit: Visit) -> Answer:
    """GET …/KIND/NAME."""
    return 200, found(visit, kind_of(visit, "read"))


def create_property(visit: Visit) -> Answer:
    """POST …/KIND: 201; a name that is taken 409."""
    kind = kind_of(visit, "write")
    definition = defined(visit, kind, visit.body)
    visit.portal.add_property(kind, definition)
    return 201, definition


def create_properties(visit: Visit) -> Answer:
    """POST …/KIND/batch/create: 201, on dated paths 200; those that are no good make it 207."""
    kind = kind_of(visit, "write")
    results, errors = [], []
    for one in inputs_of(visit, MOST_IN_BATCH):
        try:
            definition = defined(visit, kind, one)
        except ApiError as error:
            errors.append(error.item({"name": [str(one.get("name"))]}))
            continue
        visit.portal.add_property(kind, definition)
        results.append(definition)
    status = 200 if paths.is_dated(visit.request) else 201
    return (207 if errors else status), batch_answer(visit, results, errors)


def update_property(visit: Visit) -> Answer:
    """PATCH …/KIND/NAME: what may be changed, which uniqueness may not."""
    kind = kind_of(visit, "write")
    definition, body = found(visit, kind), visit.body
    if definition["modificationMetadata"]["readOnlyDefinition"]:
        raise invalid(f"Property {definition['name']} is defined by HubSpot and cannot be changed.")
    if body.get("hasUniqueValue", definition["hasUniqueValue"]) != definition["hasUniqueValue"]:
        raise invalid("hasUniqueValue cannot be changed.")
    changes = {name: body[name] for name in CHANGEABLE if name in body}
    if "options" in changes:
        changes["options"] = options_of(changes["options"])
    definition = definition | changes | {"updatedAt": visit.hubspot.now}
    visit.portal.properties[kind.name][definition["name"]] = definition
    return 200, definition


def archive_property(visit: Visit) -> Answer:
    """DELETE …/KIND/NAME: 204."""
    kind = kind_of(visit, "write")
    definition = found(visit, kind)
    if definition["hubspotDefined"]:
        raise invalid(f"Property {definition['name']} is defined by HubSpot and cannot be archived.")
    visit.portal.properties[kind.name][definition["name"]] = definition | {"archived": True}
    return 204, None


def list_groups(visit: Visit) -> Answer:
    """GET …/KIND/groups."""
    return 200, {"results": list(visit.portal.groups[kind_of(visit, "read").name].values())}


def create_group(visit: Visit) -> Answer:
    """POST …/KIND/groups: 201; a name that is taken 409."""
    kind = kind_of(visit, "write")
    body, groups = visit.body, visit.portal.groups[kind.name]
    name = str(body.get("name") or "")
    if not name or not body.get("label"):
        raise invalid("Invalid input JSON: name and label are required")
    if name in groups:
        raise ApiError(409, "CONFLICT", f"Property Group named {name} already exists.")
    order = int(body.get("displayOrder", -1))
    groups[name] = {"name": name, "label": str(body["label"]), "displayOrder": order, "archived": False}
    return 201, groups[name]


def found(visit: Visit, kind: Kind) -> Json:
    """The property that the path names; ApiError 404 if there is none."""
    definition = visit.portal.properties[kind.name].get(visit.call.args["name"])
    if definition is None or definition["archived"]:
        raise not_found(f"Property {visit.call.args['name']} does not exist")
    return definition


def defined(visit: Visit, kind: Kind, body: Json) -> Json:
    """A new property, checked. ApiError 409 for a name that is taken, 400 for anything else."""
    known = visit.portal.properties[kind.name]
    name, group = str(body.get("name") or ""), str(body.get("groupName") or "")
    if name in known and not known[name]["archived"]:
        raise ApiError(409, "CONFLICT", f'A property named "{name}" already exists.')
    if not NAME.fullmatch(name):
        raise invalid(f'Property name "{name}" is invalid: lower-case letters, digits and underscores are allowed.')
    if not body.get("label") or body.get("type") not in TYPES or body.get("fieldType") not in FIELD_TYPES:
        raise invalid("Invalid input JSON: label, type and fieldType are required")
    if group not in visit.portal.groups[kind.name]:
        raise invalid(f"Property group {group} does not exist")
    is_unique = bool(body.get("hasUniqueValue"))
    if is_unique and sum(one["hasUniqueValue"] for one in known.values()) >= MOST_UNIQUE:
        raise invalid(f"At most {MOST_UNIQUE} properties of an object may have unique values.")
    return made(body, visit.hubspot.now) | {"createdUserId": str(visit.token.user_id)}


def made(body: Json, now: str) -> Json:
    """The whole definition of a property of the user's own; what is left out is as HubSpot has it."""
    return {
        "updatedAt": now,
        "createdAt": now,
        "name": body["name"],
        "label": body["label"],
        "type": body["type"],
        "fieldType": body["fieldType"],
        "description": body.get("description") or "",
        "groupName": body["groupName"],
        "options": options_of(body.get("options") or []),
        "displayOrder": body.get("displayOrder", -1),
        "calculated": False,
        "externalOptions": bool(body.get("externalOptions")),
        "archived": False,
        "hasUniqueValue": bool(body.get("hasUniqueValue")),
        "hidden": bool(body.get("hidden")),
        "hubspotDefined": False,
        "modificationMetadata": {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False},
        "formField": bool(body.get("formField")),
        "dataSensitivity": "non_sensitive",
    }


def options_of(given: list[Json]) -> list[Json]:
    """The options of a list or a set of boxes."""
    return [
        {
            "label": str(one.get("label") or one["value"]),
            "value": str(one["value"]),
            "description": one.get("description") or "",
            "displayOrder": one.get("displayOrder", order),
            "hidden": bool(one.get("hidden")),
        }
        for order, one in enumerate(given)
    ]
