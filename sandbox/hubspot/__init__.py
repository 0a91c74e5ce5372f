"""Pretend HubSpot: installing an app, tokens, and the CRM, at the paths of the real hosts below one prefix each.

app.hubspot.com → /hubspot-app, api.hubapi.com → /hubspot-api.
"""

from collections.abc import Sequence

from werkzeug.wrappers import Request

from sandbox.hubspot import browsing, consent, errors, looking, oauth, people, routes, viewing
from sandbox.hubspot.control import CONTROLS
from sandbox.hubspot.paths import API, APP, canonical
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.pages.tables import Cell, Link
from sandbox.providers import Provider, Route, Table
from sandbox.world import World

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PORTAL_COLUMNS = ("Name", "Portal", "Owners", "Contacts", "Companies", "Notes and tasks", "Installed")

CONSENT = [Route(method, f"{APP}/oauth/authorize", "hubspot.auth", consent.authorize) for method in ("GET", "POST")]
PEOPLE = f"{APP}/contacts/<portal>"
PAGES = [
    Route("GET", PEOPLE, "", browsing.listing),
    *(Route(method, f"{PEOPLE}/new/<kind>", "", viewing.new) for method in ("GET", "POST")),
    *(Route(method, f"{PEOPLE}/record/<kind>/<record_id>", "", viewing.record) for method in ("GET", "POST")),
]
UNKNOWN = [
    Route(method, f"{prefix}/<path:path>", "hubspot.unknown", errors.unknown)
    for prefix in (APP, API)
    for method in METHODS
]


def account_of(world: World, request: Request) -> str:
    """The portal whose token the request carries, by its number."""
    return oauth.account_of(hubspot_of(world), request)


def overview(world: World) -> Sequence[Table]:
    """Portals with what is in them, and where webhooks go."""
    hubspot = hubspot_of(world)
    rows: list[list[Cell]] = []
    for one in hubspot.portals.values():
        counts = {name: len(book.live) for name, book in one.books.items()}
        owners = ", ".join(owner.email for owner in one.owners)
        logged = str(counts["notes"] + counts["tasks"])
        clients = ", ".join(hubspot.tokens.installed(one.id)) or "none"
        people_and_firms = [str(counts["contacts"]), str(counts["companies"])]
        rows.append([Link(one.facts.name, looking.top(one)), str(one.id), owners, *people_and_firms, logged, clients])
    options = hubspot.webhooks.options
    targets = [[client_id or "any", address, options.style] for client_id, address in options.targets.items()]
    return [
        Table("HubSpot portals", PORTAL_COLUMNS, rows),
        Table("HubSpot webhooks", ("Client", "Sends to", "Style"), targets),
    ]


PROVIDER = Provider(
    slug="hubspot",
    routes=[*CONSENT, *PAGES, *oauth.ROUTES, *routes.ROUTES, *UNKNOWN],
    new_state=HubSpot,
    fault=errors.fault,
    account_of=account_of,
    controls={**CONTROLS, **people.CONTROLS},
    overview=overview,
    canonical=canonical,
)
