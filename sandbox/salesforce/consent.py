"""The page that asks who signs in, and whether the app may have access.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm
"""

from dataclasses import dataclass
from html import escape

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.pages import asking, choices
from sandbox.pages.asking import Asked
from sandbox.providers import Call
from sandbox.salesforce.looking import BANNER
from sandbox.salesforce.scopes import KNOWN
from sandbox.salesforce.state import LOGIN_HOSTS, Salesforce, salesforce_of
from sandbox.salesforce.tokens import Grant

DEFAULT_SCOPES = ["refresh_token", "api", "id"]


class Refused(Exception):
    """A request that Salesforce shows its own error page for, and never redirects."""

    def __init__(self, error: str, explanation: str) -> None:
        super().__init__(explanation)
        self.error, self.explanation = error, explanation


@dataclass(frozen=True)
class Wish(Asked):
    """What the app asks of Salesforce."""

    scopes: list[str]


def authorize(call: Call) -> Response:
    """GET shows the page, POST is the person's answer; both check the request anew."""
    salesforce, host = salesforce_of(call.world), call.args["host"]
    with call.world.lock:
        try:
            wish = read_wish(salesforce, host, call.request.args)
        except Refused as error:
            return error_page(error)
        if not wish.challenge:
            return wish.back(error="invalid_request", error_description="missing required code challenge")
        if unknown := [scope for scope in wish.scopes if scope not in KNOWN]:
            return wish.back(error="invalid_scope", error_description=f"invalid scope: {unknown[0]}")
        if call.request.method == "POST":
            return decide(salesforce, host, wish, call.request.form)
        return consent_page(salesforce, host, wish)


def read_wish(salesforce: Salesforce, host: str, args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked as far as the app cannot be told."""
    if host not in LOGIN_HOSTS and host not in salesforce.orgs:
        raise Refused("unknown_host", f"There is no org at {host}.")
    if name := asking.missing(args, "client_id", "redirect_uri", "response_type"):
        raise Refused("invalid_request", f"missing required parameter: {name}")
    client = salesforce.tokens.clients.get(args["client_id"])
    if salesforce.tokens.clients and client is None:
        raise Refused("invalid_client_id", "client identifier invalid")
    address = args["redirect_uri"]
    if not asking.is_address(address) or (client is not None and address not in client.redirect_uris):
        raise Refused("redirect_uri_mismatch", "redirect_uri must match configuration")
    if args["response_type"] != "code":
        raise Refused("unsupported_response_type", "response type not supported")
    if not asking.is_challenge(MultiDict({"code_challenge_method": "S256", **args.to_dict()})):
        raise Refused("invalid_request", "invalid code challenge")
    return Wish(**asking.basics(args), scopes=args.get("scope", "").split() or DEFAULT_SCOPES)


def decide(salesforce: Salesforce, host: str, wish: Wish, form: MultiDict[str, str]) -> Response:
    """The person's answer. A form without a decision stands for the page as it came up."""
    found = salesforce.find_user(host, form.get("account", ""))
    if found is None:
        return consent_page(salesforce, host, wish)
    org, user = found
    foreseen = "deny" if user["Username"] in salesforce.tokens.denying else "allow"
    if form.get("decision", foreseen) == "deny":
        return wish.back(error="access_denied", error_description="end-user denied authorization")
    if not user.get("IsActive"):
        return error_page(Refused("inactive_user", "Your account is not active. Ask your administrator."))
    grant = Grant(wish.client_id, org.host, user["Username"], wish.scopes)
    return wish.back(code=salesforce.tokens.new_code(grant, wish.redirect_uri, wish.challenge))


def consent_page(salesforce: Salesforce, host: str, wish: Wish) -> Response:
    """The form. Its policy lets the answer redirect to the app."""
    users = [(org, row) for org in salesforce.at(host) for row in org.users()]
    if not users:
        return choices.nobody(f"Nobody can sign in at {host} yet.", BANNER)
    chosen = next((row for _, row in users if row["Username"] == wish.login_hint), users[0][1])
    shown = "".join(
        choices.account(row["Username"], f"{row['LastName']}, {org.name}", row is chosen) for org, row in users
    )
    wanted = "".join(f"<li>{escape(text)}</li>" for text in dict.fromkeys(KNOWN[scope] for scope in wish.scopes))
    is_deny_main = chosen["Username"] in salesforce.tokens.denying
    main = (
        f'<div class="consent"><h1>Allow access to {escape(wish.client_id)}?</h1><form method="post">'
        f"<fieldset><legend>Choose who signs in at {escape(host)}</legend>{shown}</fieldset>"
        f"<p>It asks to:</p><ul>{wanted}</ul>{choices.buttons(is_deny_main=is_deny_main)}</form></div>"
    )
    return pages.page("Allow access", main, 200, BANNER, wish.form_targets)


def error_page(error: Refused) -> Response:
    """A dead end: said here, not to the app."""
    main = (
        f'<div class="consent"><h1>We can’t authorize you</h1><p>{escape(error.explanation)}</p>'
        f'<p class="quiet">error={escape(error.error)}</p></div>'
    )
    return pages.page("Not authorized", main, 400, BANNER)
