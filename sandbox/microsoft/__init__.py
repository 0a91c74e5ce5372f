"""Pretend Microsoft: sign-in and who one is, at the paths of the real hosts below one prefix each.

login.microsoftonline.com → /microsoft-login, graph.microsoft.com → /microsoft-graph.
"""

from collections.abc import Sequence

from werkzeug.wrappers import Request

from sandbox.microsoft import (
    admin_consent,
    admission,
    batch,
    consent,
    discovery,
    errors,
    graph,
    identity,
    me,
    oauth,
    paths,
    subscription_calls,
    subscription_control,
)
from sandbox.microsoft.calendar import control as calendar_control
from sandbox.microsoft.calendar.routes import ROUTES as CALENDAR_ROUTES
from sandbox.microsoft.control import CONTROLS
from sandbox.microsoft.mail import control as mail_control
from sandbox.microsoft.mail.routes import ROUTES as MAIL_ROUTES
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.microsoft.tokens import Code, Refresh, Token
from sandbox.providers import Provider, Route, Table
from sandbox.world import World

LOGIN = "/microsoft-login/<tenant>"
METHODS = ("GET", "POST", "PATCH", "DELETE")
ACCOUNT_COLUMNS = ("Name", "Signs in as", "Says its address is", "Tenant", "Object id", "Linked to")

ROUTES = [
    Route("GET", f"{LOGIN}/oauth2/v2.0/authorize", "microsoft.auth", consent.authorize),
    Route("POST", f"{LOGIN}/oauth2/v2.0/authorize", "microsoft.auth", consent.authorize),
    Route("POST", f"{LOGIN}/oauth2/v2.0/token", "microsoft.token", oauth.token),
    Route("GET", f"{LOGIN}/v2.0/adminconsent", "microsoft.admin_consent", admin_consent.admin_consent),
    Route("POST", f"{LOGIN}/v2.0/adminconsent", "microsoft.admin_consent", admin_consent.admin_consent),
    Route("GET", f"{LOGIN}/discovery/v2.0/keys", "microsoft.keys", identity.published_keys),
    Route("GET", f"{LOGIN}/discovery/instance", "microsoft.discovery", discovery.instance),
    Route(
        "GET", f"{LOGIN}/v2.0/.well-known/openid-configuration", "microsoft.discovery", discovery.openid_configuration
    ),
]
UNKNOWN = [
    Route(method, f"/microsoft-{host}/<path:path>", "microsoft.unknown", errors.unknown)
    for host in ("login", "graph")
    for method in METHODS
]


def account_of(world: World, request: Request) -> str:
    """The account of the request's access token, code or refresh token."""
    tokens = microsoft_of(world).tokens
    found: Token | Code | Refresh | None = tokens.access.get(graph.bearer(request))
    if found is None and request.method == "POST" and request.mimetype == "application/x-www-form-urlencoded":
        form = request.form
        found = tokens.codes.get(form.get("code", "")) or tokens.refresh.get(form.get("refresh_token", ""))
    return found.upn if found else ""


def overview(world: World) -> Sequence[Table]:
    """Accounts with the addresses they claim and the clients they are linked to."""
    microsoft = microsoft_of(world)
    rows = [
        [one.name, one.upn, one.mail, one.tenant, one.oid, microsoft.links(one)] for one in microsoft.accounts.values()
    ]
    return [
        Table("Microsoft accounts", ACCOUNT_COLUMNS, rows),
        calendar_control.table(microsoft_of(world)),
        mail_control.table(microsoft_of(world)),
        subscription_control.table(microsoft_of(world)),
    ]


PROVIDER = Provider(
    slug="microsoft",
    routes=[
        *ROUTES,
        *me.ROUTES,
        *CALENDAR_ROUTES,
        *MAIL_ROUTES,
        *subscription_calls.ROUTES,
        *batch.ROUTES,
        *UNKNOWN,
    ],
    new_state=Microsoft,
    fault=errors.fault,
    account_of=account_of,
    controls={
        **CONTROLS,
        **calendar_control.CONTROLS,
        **mail_control.CONTROLS,
        **subscription_control.CONTROLS,
        **admission.CONTROLS,
    },
    overview=overview,
    canonical=paths.canonical,
    gate=admission.gate,
)
