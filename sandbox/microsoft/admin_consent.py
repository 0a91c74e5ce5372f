"""The administrator's consent, for a whole tenant: a page, and the way back without a code.

https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
"""

from html import escape

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.microsoft.consent import BANNER, Refused, Wish, accounts_of, check_client
from sandbox.microsoft.scopes import GRAPH, KNOWN, SIGN_IN, full_names, short_names
from sandbox.microsoft.state import PERSONAL, Account, Microsoft, microsoft_of
from sandbox.pages import asking, choices
from sandbox.providers import Call

WHOLE = ".default"
DENIED = "AADSTS65004: The resource owner or authorization server denied the request."


def admin_consent(call: Call) -> Response:
    """GET shows the page, POST is the administrator's answer. ``scope`` may be .default: all there is."""
    microsoft = microsoft_of(call.world)
    with call.world.lock:
        try:
            wish = read_wish(call.request.args)
            accounts = administrators(microsoft, call.args["tenant"])
        except Refused as error:
            return error.response()
        account = next((one for one in accounts if one.upn == call.request.form.get("account")), None)
        if call.request.method == "POST" and account is not None:
            return decide(microsoft, wish, account, call.request.form)
        return consent_page(wish, accounts)


def read_wish(args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked; .default stands for all of Graph's scopes."""
    check_client(args, "client_id", "redirect_uri", "scope")
    scopes = short_names(args["scope"])
    if WHOLE in scopes:
        scopes = [scope for scope in KNOWN if scope == "User.Read" or scope not in SIGN_IN]
    if unknown := [scope for scope in scopes if scope not in KNOWN]:
        raise Refused(70011, f"The provided value for the input parameter 'scope' is not valid: {unknown[0]}")
    return Wish(**asking.basics(args), scopes=scopes)


def administrators(microsoft: Microsoft, tenant: str) -> list[Account]:
    """Who may answer: everybody of the tenant, the sandbox knows no roles. Nobody answers for personal accounts."""
    if tenant in {"common", "consumers", PERSONAL}:
        raise Refused(50059, "Tenant-identifying information was not found in the request.")
    return accounts_of(microsoft, tenant)


def decide(microsoft: Microsoft, wish: Wish, account: Account, form: MultiDict[str, str]) -> Response:
    """The administrator's answer; a form without a decision is a yes."""
    if form.get("decision", "allow") == "deny":
        return wish.back(admin_consent="True", error="consent_required", error_description=DENIED)
    microsoft.grants.allow(wish.client_id, account.tenant, wish.scopes)
    return wish.back(admin_consent="True", tenant=account.tenant, scope=full_names(wish.scopes))


def consent_page(wish: Wish, accounts: list[Account]) -> Response:
    """The form. Its policy lets the answer redirect to the client."""
    if not accounts:
        return choices.nobody("This sandbox has no Microsoft accounts for this tenant yet.", BANNER)
    shown = "".join(choices.account(one.upn, one.name, one is accounts[0]) for one in accounts)
    asked = "".join(f"<li>{KNOWN[scope]} <small>{GRAPH}{scope}</small></li>" for scope in wish.scopes)
    main = (
        f'<div class="consent"><h1>Allow {escape(wish.client_id)} for your whole organization?</h1><form method="post">'
        '<p class="quiet">In the sandbox everybody is an administrator.</p>'
        f"<fieldset><legend>Answer as</legend>{shown}</fieldset>"
        f"<p>It will be able to do this for everyone who links an account:</p><ul>{asked}</ul>"
        f"{choices.buttons(is_deny_main=False)}</form></div>"
    )
    return pages.page("Permissions requested", main, 200, BANNER, wish.form_targets)
