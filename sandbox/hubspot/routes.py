"""The paths of the API in one spelling; sandbox/hubspot/paths.py knows the others."""

from functools import partial

from sandbox.hubspot import account, batches, fields, linking, objects, search
from sandbox.hubspot.access import Handler, served
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.paths import API
from sandbox.providers import Route

OBJECTS = [
    ("GET", "", "list", "read", objects.list_records),
    ("POST", "", "create", "write", objects.create_record),
    ("POST", "/search", "search", "read", search.search),
    ("POST", "/merge", "merge", "write", objects.merge_records),
    ("POST", "/gdpr-delete", "gdpr_delete", "write", objects.delete_for_good),
    ("POST", "/batch/read", "batch.read", "read", batches.batch_read),
    ("POST", "/batch/create", "batch.create", "write", batches.batch_create),
    ("POST", "/batch/update", "batch.update", "write", batches.batch_update),
    ("POST", "/batch/upsert", "batch.upsert", "write", batches.batch_upsert),
    ("POST", "/batch/archive", "batch.archive", "write", batches.batch_archive),
    ("GET", "/<record_id>", "get", "read", objects.get_record),
    ("PATCH", "/<record_id>", "update", "write", objects.update_record),
    ("DELETE", "/<record_id>", "archive", "write", objects.archive_record),
]
PAIR = f"{API}/crm/v4/objects/<start>/<start_id>/associations"
PAIRS = f"{API}/crm/v4/associations/<start>/<end>"
PROPERTIES = f"{API}/crm/v3/properties/<kind>"
OTHERS: list[tuple[str, str, str, Handler]] = [
    ("GET", f"{PAIR}/<end>", "associations.list", linking.list_ends),
    ("PUT", f"{PAIR}/default/<end>/<end_id>", "associations.default", linking.put_default),
    ("PUT", f"{PAIR}/<end>/<end_id>", "associations.label", linking.put_labelled),
    ("DELETE", f"{PAIR}/<end>/<end_id>", "associations.delete", linking.delete_all),
    ("POST", f"{PAIRS}/batch/read", "associations.batch.read", linking.batch_read),
    ("POST", f"{PAIRS}/batch/create", "associations.batch.create", linking.batch_create),
    ("POST", f"{PAIRS}/batch/associate/default", "associations.batch.default", linking.batch_default),
    ("POST", f"{PAIRS}/batch/archive", "associations.batch.archive", linking.batch_archive),
    ("POST", f"{PAIRS}/batch/labels/archive", "associations.batch.labels.archive", linking.archive_labels),
    ("GET", f"{PAIRS}/labels", "associations.labels", linking.list_labels),
    ("GET", PROPERTIES, "properties.list", fields.list_properties),
    ("POST", PROPERTIES, "properties.create", fields.create_property),
    ("POST", f"{PROPERTIES}/batch/create", "properties.batch.create", fields.create_properties),
    ("GET", f"{PROPERTIES}/groups", "properties.groups.list", fields.list_groups),
    ("POST", f"{PROPERTIES}/groups", "properties.groups.create", fields.create_group),
    ("GET", f"{PROPERTIES}/<name>", "properties.get", fields.get_property),
    ("PATCH", f"{PROPERTIES}/<name>", "properties.update", fields.update_property),
    ("DELETE", f"{PROPERTIES}/<name>", "properties.archive", fields.archive_property),
    ("GET", f"{API}/account-info/v3/details", "account.details", account.details),
]
OWNERS = [
    ("GET", f"{API}/crm/v3/owners", "owners.list", account.list_owners),
    ("GET", f"{API}/crm/v3/owners/<owner_id>", "owners.get", account.get_owner),
]
OWNERS_SCOPE = "crm.objects.owners.read"


def of_kind(kind: Kind) -> list[Route]:
    """The routes of one kind of records: their operations carry its name."""
    return [
        Route(
            method,
            f"{API}/crm/v3/objects/{kind.name}{path}",
            f"hubspot.{kind.name}.{name}",
            served(partial(handler, kind), f"crm.objects.{kind.scope}.{access}", is_search=name == "search"),
        )
        for method, path, name, access, handler in OBJECTS
    ]


ROUTES = [
    *(route for kind in KINDS.values() for route in of_kind(kind)),
    *(Route(method, path, f"hubspot.{name}", served(handler)) for method, path, name, handler in OTHERS),
    *(Route(method, path, f"hubspot.{name}", served(handler, OWNERS_SCOPE)) for method, path, name, handler in OWNERS),
]
