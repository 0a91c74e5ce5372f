"""The paths of the pretend Salesforce, all below /salesforce/<host>/."""

from werkzeug.wrappers import Response

from sandbox.providers import Call, Route
from sandbox.salesforce import (
    asking,
    browsing,
    bulk,
    collection,
    composite,
    consent,
    describing,
    errors,
    identity,
    oauth,
    records,
    tooling,
    viewing,
)
from sandbox.salesforce.api import Answer, api

HOST = "/salesforce/<host>"
DATA = f"{HOST}/services/data/v<version>"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# More particular paths need no place before others: the longer fixed part wins.
API: list[tuple[str, str, str, Answer]] = [
    ("GET", "", "resources", describing.resources),
    ("GET", "/limits", "limits", describing.limits),
    ("GET", "/query", "query", asking.query),
    ("GET", "/queryAll", "queryAll", asking.query_all),
    ("GET", "/query/<cursor>", "query.more", asking.next_page),
    ("GET", "/queryAll/<cursor>", "query.more", asking.next_page),
    ("GET", "/sobjects", "sobjects.list", describing.objects),
    ("GET", "/sobjects/<name>", "sobjects.get", describing.basics),
    ("GET", "/sobjects/<name>/describe", "sobjects.describe", describing.describe),
    ("GET", "/sobjects/<name>/deleted", "sobjects.deleted", asking.deleted),
    ("GET", "/sobjects/<name>/updated", "sobjects.updated", asking.updated),
    ("POST", "/sobjects/<name>", "records.create", records.create),
    ("GET", "/sobjects/<name>/<record_id>", "records.get", records.get),
    ("PATCH", "/sobjects/<name>/<record_id>", "records.update", records.update),
    ("DELETE", "/sobjects/<name>/<record_id>", "records.delete", records.delete),
    ("GET", "/sobjects/<name>/<key>/<path:value>", "records.get", records.get_by_key),
    ("PATCH", "/sobjects/<name>/<key>/<path:value>", "records.upsert", records.upsert),
    ("POST", "/composite", "composite", composite.composite),
    ("POST", "/composite/graph", "composite.graph", composite.graph),
    ("POST", "/composite/sobjects", "collections.create", collection.create),
    ("PATCH", "/composite/sobjects", "collections.update", collection.update),
    ("DELETE", "/composite/sobjects", "collections.delete", collection.delete),
    ("POST", "/composite/sobjects/<name>", "collections.get", collection.read),
    ("GET", "/composite/sobjects/<name>", "collections.get", collection.read_by_address),
    ("PATCH", "/composite/sobjects/<name>/<key>", "collections.upsert", collection.upsert),
    ("POST", "/jobs/ingest", "jobs.create", bulk.create_ingest),
    ("PUT", "/jobs/ingest/<job_id>/batches", "jobs.upload", bulk.upload),
    ("GET", "/jobs/ingest/<job_id>", "jobs.get", bulk.get),
    ("PATCH", "/jobs/ingest/<job_id>", "jobs.update", bulk.change),
    ("DELETE", "/jobs/ingest/<job_id>", "jobs.delete", bulk.delete),
    ("GET", "/jobs/ingest/<job_id>/<which>", "jobs.results", bulk.results),
    ("POST", "/jobs/query", "jobs.create", bulk.create_query),
    ("GET", "/jobs/query/<job_id>", "jobs.get", bulk.get),
    ("PATCH", "/jobs/query/<job_id>", "jobs.update", bulk.change),
    ("DELETE", "/jobs/query/<job_id>", "jobs.delete", bulk.delete),
    ("GET", "/jobs/query/<job_id>/results", "jobs.results", bulk.query_results),
    ("GET", "/tooling/query", "tooling.query", asking.tooling_query),
    ("POST", "/tooling/sobjects/CustomField", "tooling.fields.create", tooling.create_field),
    ("GET", "/tooling/sobjects/CustomField/<record_id>", "tooling.fields.get", tooling.describe_field),
]


def unknown(call: Call) -> Response:
    """A path this Salesforce does not know."""
    return errors.not_found().response()


ROUTES = [
    Route("GET", f"{HOST}/services/oauth2/authorize", "salesforce.auth", consent.authorize),
    Route("POST", f"{HOST}/services/oauth2/authorize", "salesforce.auth", consent.authorize),
    Route("POST", f"{HOST}/services/oauth2/token", "salesforce.token", oauth.token),
    Route("POST", f"{HOST}/services/oauth2/revoke", "salesforce.revoke", oauth.revoke),
    Route("GET", f"{HOST}/services/oauth2/revoke", "salesforce.revoke", oauth.revoke),
    Route("GET", f"{HOST}/services/oauth2/userinfo", "salesforce.userinfo", identity.userinfo),
    Route("GET", f"{HOST}/id/<org_id>/<user_id>", "salesforce.identity", identity.identity),
    Route("GET", f"{HOST}/services/data", "salesforce.versions", describing.versions),
    *(Route(method, DATA + path, f"salesforce.{operation}", api(answer)) for method, path, operation, answer in API),
    Route("GET", HOST, "", browsing.listing),
    *(Route(method, f"{HOST}/new/<name>", "", viewing.new) for method in ("GET", "POST")),
    *(Route(method, f"{HOST}/<record_id>", "", viewing.record) for method in ("GET", "POST")),
    *(Route(method, f"{HOST}/<path:path>", "salesforce.unknown", unknown) for method in METHODS),
]


def canonical(path: str) -> str:
    """The client writes a slash at the end of an object's path; the routes have none."""
    return path.rstrip("/") if path.startswith("/salesforce/") else path
