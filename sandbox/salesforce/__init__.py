"""Pretend Salesforce: sign-in, and the data of many orgs, at the paths of the real hosts below one prefix each.

login.salesforce.com → /salesforce/login.salesforce.com, test.salesforce.com → /salesforce/test.salesforce.com, and an
org's own host, acme.my.salesforce.com → /salesforce/acme.my.salesforce.com.
"""

from collections.abc import Sequence

from werkzeug.wrappers import Request

from sandbox.pages.tables import Cell, Link
from sandbox.providers import Provider, Table
from sandbox.salesforce import errors, identity, looking, oauth
from sandbox.salesforce.control import CONTROLS
from sandbox.salesforce.control_records import CONTROLS as RECORD_CONTROLS
from sandbox.salesforce.routes import ROUTES, canonical
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.world import World


def account_of(world: World, request: Request) -> str:
    """The user name of the request's access token, code or refresh token."""
    salesforce = salesforce_of(world)
    session = salesforce.tokens.sessions.get(identity.bearer(request))
    if session is not None:
        return session.grant.username
    return oauth.username_of_form(salesforce, request) if request.method == "POST" else ""


def overview(world: World) -> Sequence[Table]:
    """Orgs with their users and records, and who is told of changes."""
    salesforce = salesforce_of(world)
    orgs: list[list[Cell]] = [
        [
            Link(org.name, looking.top(org)),
            org.host,
            org.id,
            ", ".join(row["Username"] for row in org.users()),
            ", ".join(f"{org.tables[name].count()} {name}" for name in looking.SHOWN),
            org.limits.usage,
        ]
        for org in salesforce.orgs.values()
    ]
    told = [[one.org, one.name, "outbound message", one.address] for one in salesforce.notices.outbound.values()]
    told += [[one.org, one.name, "Apex call-out", one.address] for one in salesforce.notices.callouts.values()]
    return [
        Table("Salesforce orgs", ("Name", "Host", "Org id", "Users", "Records", "Calls"), orgs),
        Table("Salesforce pushes", ("Org", "Object", "Kind", "Sends to"), told),
    ]


PROVIDER = Provider(
    slug="salesforce",
    routes=ROUTES,
    new_state=Salesforce,
    fault=errors.fault,
    account_of=account_of,
    controls={**CONTROLS, **RECORD_CONTROLS},
    overview=overview,
    canonical=canonical,
)
