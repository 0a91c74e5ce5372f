"""Setting the scene at the pretend Salesforce: functions behind /control/salesforce/…"""

from typing import Any

from werkzeug.wrappers import Request

from sandbox.control import ControlError, body_of, required
from sandbox.providers import Control
from sandbox.salesforce import ids, seeding
from sandbox.salesforce.access import ANYBODY
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.notices import CallOut, Outbound
from sandbox.salesforce.orgs import Change, Org
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.salesforce.tables import Table
from sandbox.salesforce.tokens import SESSION_SECONDS, Client
from sandbox.world import World

SUFFIX = ".my.salesforce.com"


def add_org(world: World, request: Request) -> Any:
    """{"org": host or its first part, "name"?, "id"?, "users"?}.

    Creates or changes an org and its users: {"username", "name"?, "email"?, "profile"?, "active"?, "time_zone"?}.
    A host with ``--`` and ``.sandbox.`` in it is a sandbox.
    """
    salesforce, body = salesforce_of(world), body_of(request)
    host = required(body, "org").lower()
    host = host if host.endswith(SUFFIX) else host + SUFFIX
    before = salesforce.orgs.get(host)
    name = body.get("name") or (before.name if before else host.partition(".")[0].title())
    org = salesforce.add_org(host, name, str(body.get("id") or ""))
    try:
        users = {
            required(one, "username"): seeding.add_user(org, one["username"], one) for one in body.get("users", [])
        }
    except ApiError as error:
        raise ControlError(f"{error.code}: {error.message}") from error
    salesforce.announce(org, is_silent=True)
    return {"org": org.host, "id": org.id, "instance_url": f"https://{org.host}", "users": users}


def list_orgs(world: World, request: Request) -> Any:
    """Every org with its users and calls."""
    return {
        "orgs": [
            {
                "org": org.host,
                "name": org.name,
                "id": org.id,
                "used": org.limits.used,
                "max": org.limits.most,
                "users": {row["Username"]: row["Id"] for row in org.users()},
            }
            for org in salesforce_of(world).orgs.values()
        ]
    }


def set_limits(world: World, request: Request) -> Any:
    """{"org", "max"?, "used"?, "concurrent"?: so many calls are refused as too many long ones at once}."""
    org, body = org_of(world, request)
    org.limits.most = int(body.get("max", org.limits.most))
    org.limits.used = int(body.get("used", org.limits.used))
    org.limits.long_calls = int(body.get("concurrent", org.limits.long_calls))
    org.limits.since = org.now()
    return {"max": org.limits.most, "used": org.limits.used, "concurrent": org.limits.long_calls}


def set_queries(world: World, request: Request) -> Any:
    """{"org", "scanned", "at_once"?}: a query that has to look at more rows than that takes too long, or is refused as
    too large at once. Without ``scanned`` none is."""
    org, body = org_of(world, request)
    org.limits.scanned = None if body.get("scanned") is None else int(body["scanned"])
    org.limits.is_refused_at_once = bool(body.get("at_once"))
    return {"scanned": org.limits.scanned, "at_once": org.limits.is_refused_at_once}


def lock_rows(world: World, request: Request) -> Any:
    """{"org", "times", "ids"?}: so many writes to these records, or to any, fail with UNABLE_TO_LOCK_ROW."""
    org, body = org_of(world, request)
    org.locks.times = int(body.get("times", 1))
    org.locks.ids = [ids.to18(one) for one in body["ids"]] if body.get("ids") else None
    return {"times": org.locks.times}


def set_access(world: World, request: Request) -> Any:
    """{"org", "user"?, "hide_fields"?, "readonly_fields"?, "hide_objects"?, "readonly_ids"?}; without a user for all.

    Fields are "Account.Phone". Each list replaces what was said for the same user before.
    """
    org, body = org_of(world, request)
    user_id = user_id_of(org, body)
    access = org.access
    if "hide_fields" in body:
        access.fields = replaced(access.fields, user_id, [split(one) for one in body["hide_fields"]])
    if "readonly_fields" in body:
        access.readonly_fields = replaced(
            access.readonly_fields, user_id, [split(one) for one in body["readonly_fields"]]
        )
    if "hide_objects" in body:
        access.objects = replaced(
            access.objects, user_id, [(table_of(org, one).kind.name,) for one in body["hide_objects"]]
        )
    if "readonly_ids" in body:
        access.readonly_rows = replaced(
            access.readonly_rows, user_id, [(ids.to18(one),) for one in body["readonly_ids"]]
        )
    org.forget_schema()
    return access.dump()


def replaced(before: set[Any], user_id: str, wanted: list[tuple[str, ...]]) -> set[Any]:
    """The same for others, something new for this user."""
    return {one for one in before if one[0] != user_id} | {(user_id, *one) for one in wanted}


def split(full_name: str) -> tuple[str, str]:
    """ "Account.Phone" → its two parts."""
    name, _, field_name = full_name.partition(".")
    return name, field_name


def expire_access_tokens(world: World, request: Request) -> Any:
    """{"org"?, "user"?}: sessions are over now; refreshing works."""
    salesforce, body = salesforce_of(world), body_of(request)
    host = salesforce.org(body["org"]).host if body.get("org") else None
    salesforce.tokens.expire_sessions(host, body.get("user"))
    return {"ok": True}


def revoke(world: World, request: Request) -> Any:
    """{"org", "user"?}: what a user, or everybody of the org, allowed is taken back."""
    org, body = org_of(world, request)
    salesforce_of(world).tokens.end_grants(org.host, body.get("user"))
    return {"ok": True}


def rotate_refresh_tokens(world: World, request: Request) -> Any:
    """{"on"}: each refresh brings a new refresh token, and the old one dies at once."""
    tokens = salesforce_of(world).tokens
    tokens.is_rotating = bool(body_of(request)["on"])
    return {"on": tokens.is_rotating}


def set_session(world: World, request: Request) -> Any:
    """{"seconds"}: how long an access token lasts after its last use."""
    tokens = salesforce_of(world).tokens
    tokens.session_seconds = int(body_of(request).get("seconds") or SESSION_SECONDS)
    return {"seconds": tokens.session_seconds}


def set_consent(world: World, request: Request) -> Any:
    """{"user", "deny"}: how the consent page comes up for a user."""
    denying, body = salesforce_of(world).tokens.denying, body_of(request)
    (denying.add if body.get("deny") else denying.discard)(required(body, "user"))
    return {"ok": True}


def add_client(world: World, request: Request) -> Any:
    """{"client_id", "client_secret", "redirect_uris"}: from the first one on, only such apps are good."""
    body = body_of(request)
    client = Client(required(body, "client_secret"), [str(one) for one in body.get("redirect_uris", [])])
    salesforce_of(world).tokens.clients[required(body, "client_id")] = client
    return {"ok": True}


def set_commit_lag(world: World, request: Request) -> Any:
    """{"org", "seconds"}: what is saved from now on shows in queries so much later, stamped when it was saved.

    0 commits everything at once.
    """
    org, body = org_of(world, request)
    org.lag_seconds = float(body.get("seconds") or 0)
    if not org.lag_seconds:
        org.settle(is_all=True)
        salesforce_of(world).announce(org)
    return {"seconds": org.lag_seconds, "waiting": len(org.late)}


def set_jobs(world: World, request: Request) -> Any:
    """{"polls"}: how many times a bulk job says InProgress before it is done."""
    jobs = salesforce_of(world).jobs
    jobs.polls = int(body_of(request).get("polls", 0))
    return {"polls": jobs.polls}


def add_outbound_message(world: World, request: Request) -> Any:
    """{"org", "object", "address", "fields"?, "user"?, "session"?}: SOAP messages on every create and change.

    ``session`` false leaves the session id out.
    """
    salesforce = salesforce_of(world)
    org, body = org_of(world, request)
    table = table_of(org, required(body, "object"))
    made = Outbound(
        id=ids.make("04k", org.tag, salesforce.notices.next_number() + 62**3),
        org=org.host,
        name=table.kind.name,
        address=required(body, "address"),
        fields=[str(one) for one in body.get("fields") or ["Id", "LastModifiedById", "SystemModstamp"]],
        user_id=user_id_of(org, body),
        is_session_sent=bool(body.get("session", True)),
    )
    salesforce.notices.outbound[made.id] = made
    return {"id": made.id}


def add_apex_callout(world: World, request: Request) -> Any:
    """{"org", "object", "address", "secret", "events"?}: signed JSON on every change, or on some kinds of them."""
    salesforce = salesforce_of(world)
    org, body = org_of(world, request)
    table = table_of(org, required(body, "object"))
    made = CallOut(
        id=ids.make("01q", org.tag, salesforce.notices.next_number() + 62**3),
        org=org.host,
        name=table.kind.name,
        address=required(body, "address"),
        secret=required(body, "secret"),
        events=[str(one) for one in body.get("events") or []],
    )
    salesforce.notices.callouts[made.id] = made
    return {"id": made.id}


def remove_notices(world: World, request: Request) -> Any:
    """{"id"?}: one outbound message or call-out is told nothing more, or all."""
    notices, wanted = salesforce_of(world).notices, body_of(request).get("id")
    for known in (notices.outbound, notices.callouts):
        for one in [one for one in known if wanted in (None, one)]:
            del known[one]
    return {"ok": True}


def push(world: World, request: Request) -> Any:
    """{"org", "ids", "event"?, "times"?}: messages without a change."""
    salesforce = salesforce_of(world)
    org, body = org_of(world, request)
    changes = []
    for record_id in body["ids"]:
        table = org.table_of(ids.to18(record_id))
        if table is None:
            raise ControlError(f"no object for {record_id}")
        changes.append(Change(table.kind.name, ids.to18(record_id), str(body.get("event") or "update")))
    salesforce.notices.announce(org, changes, int(body.get("times", 1)))
    return {"ok": True}


def org_of(world: World, request: Request) -> tuple[Org, dict[str, Any]]:
    """The org an order is about, and the order."""
    body = body_of(request)
    return salesforce_of(world).org(required(body, "org")), body


def table_of(org: Org, name: str) -> Table:
    """A table by its object's name; ControlError if there is none."""
    found = org.table(name)
    if found is None:
        raise ControlError(f"no object {name}")
    return found


def user_id_of(org: Org, body: dict[str, Any]) -> str:
    """The id of the order's user; empty without one."""
    return str(org.user(body["user"])["Id"]) if body.get("user") else ANYBODY


def finished(salesforce: Salesforce, org: Org, body: dict[str, Any]) -> None:
    """Push what an order changed, unless it is silent."""
    org.settle()
    salesforce.announce(org, is_silent=bool(body.get("silent")))


CONTROLS: dict[str, Control] = {
    "POST orgs": add_org,
    "GET orgs": list_orgs,
    "POST limits": set_limits,
    "POST queries": set_queries,
    "POST lock_rows": lock_rows,
    "POST access": set_access,
    "POST expire_access_tokens": expire_access_tokens,
    "POST revoke": revoke,
    "POST rotate_refresh_tokens": rotate_refresh_tokens,
    "POST session": set_session,
    "POST consent": set_consent,
    "POST clients": add_client,
    "POST commit_lag": set_commit_lag,
    "POST jobs": set_jobs,
    "POST outbound_messages": add_outbound_message,
    "POST apex_callout": add_apex_callout,
    "POST notices/remove": remove_notices,
    "POST push": push,
}
