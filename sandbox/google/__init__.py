"""Pretend Google: sign-in, tokens, Calendar and Gmail, at the paths of the real hosts below one prefix each.

accounts.google.com → /google-accounts, oauth2.googleapis.com → /google-oauth2, www.googleapis.com → /google-apis,
openidconnect.googleapis.com → /google-openid, gmail.googleapis.com → /google-gmail.
"""

from collections.abc import Sequence

from werkzeug.wrappers import Request

from sandbox.google import batch, calendar, channels, consent, errors, identity, oauth
from sandbox.google.control import CONTROLS
from sandbox.google.mail.control import CONTROLS as MAIL_CONTROLS
from sandbox.google.mail.routes import ROUTES as MAIL_ROUTES
from sandbox.google.state import Google, google_of
from sandbox.providers import Provider, Route, Table
from sandbox.world import World

API = "/google-apis/calendar/v3"
CALENDAR = f"{API}/calendars/<calendar_id>"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

ROUTES = [
    Route("GET", "/google-accounts/o/oauth2/v2/auth", "oauth.auth", consent.authorize),
    Route("POST", "/google-accounts/o/oauth2/v2/auth", "oauth.auth", consent.authorize),
    Route("POST", "/google-oauth2/token", "oauth.token", oauth.token),
    Route("POST", "/google-oauth2/revoke", "oauth.revoke", oauth.revoke),
    Route("GET", "/google-apis/oauth2/v1/certs", "oauth.certs", identity.pem_certs),
    Route("GET", "/google-apis/oauth2/v3/certs", "oauth.certs", identity.jwk_certs),
    Route("GET", "/google-apis/oauth2/v2/userinfo", "oauth.userinfo", identity.userinfo),
    Route("GET", "/google-openid/v1/userinfo", "oauth.userinfo", identity.openid_userinfo),
    Route("GET", f"{API}/users/me/calendarList", "calendar.calendarList.list", calendar.list_calendars),
    Route("GET", CALENDAR, "calendar.calendars.get", calendar.get_calendar),
    Route("GET", f"{CALENDAR}/events", "calendar.events.list", calendar.list_events),
    Route("POST", f"{CALENDAR}/events/watch", "calendar.events.watch", channels.watch_events),
    Route("GET", f"{CALENDAR}/events/<event_id>", "calendar.events.get", calendar.get_event),
    Route("GET", f"{CALENDAR}/events/<event_id>/instances", "calendar.events.instances", calendar.list_instances),
    Route("POST", f"{API}/channels/stop", "calendar.channels.stop", channels.stop_channel),
]
UNKNOWN = [
    Route(method, f"/google-{host}/<path:path>", "google.unknown", calendar.unknown)
    for host in ("accounts", "oauth2", "apis", "openid", "gmail")
    for method in METHODS
]


def account_of(world: World, request: Request) -> str:
    """The account of the request's access token, code or refresh token."""
    google = google_of(world)
    token = google.tokens.access.get(calendar.bearer(request))
    if token is not None:
        return token.email
    return oauth.account_of_form(google, request) if request.method == "POST" else ""


def overview(world: World) -> Sequence[Table]:
    """Accounts with their calendars, mail and grants, and what is watched."""
    google = google_of(world)
    accounts = []
    for account in google.accounts.values():
        calendars = [one for one in google.calendars.values() if account.email in one.access]
        clients = [client for client, email in google.tokens.granted if email == account.email]
        names = ", ".join(
            f"{one.summary} ({one.access[account.email]}, {one.last_number} changes)" for one in calendars
        )
        mails = str(len(google.post.mailboxes[account.email].messages))
        accounts.append([account.name, account.email, names, mails, ", ".join(clients) or "none"])
    open_channels = [
        [one["calendar_id"], one["address"], str(one["number"]), "live" if one["is_live"] else "expired"]
        for one in google.pushes.listing()
    ]
    watches = [
        [one["account"], one["topic"], "live" if one["is_live"] else "expired"] for one in google.pubsub.listing()
    ]
    return [
        Table("Google accounts", ("Name", "Address", "Calendars", "Mails", "Linked to"), accounts),
        Table("Google push channels", ("Calendar", "Sends to", "Last message", "State"), open_channels),
        Table("Gmail watches", ("Mailbox", "Topic", "State"), watches),
    ]


PROVIDER = Provider(
    slug="google",
    routes=[*ROUTES, *MAIL_ROUTES, *batch.ROUTES, *UNKNOWN],
    new_state=Google,
    fault=errors.fault,
    account_of=account_of,
    controls={**CONTROLS, **MAIL_CONTROLS},
    overview=overview,
)
