"""The page that asks which account, and whether it may sign in or be linked.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

import secrets
from dataclasses import dataclass
from html import escape

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.microsoft import troubles
from sandbox.microsoft.scopes import KNOWN, SIGN_IN, short_names
from sandbox.microsoft.state import PERSONAL, Account, Microsoft, microsoft_of
from sandbox.pages import asking, choices
from sandbox.pages.asking import Asked
from sandbox.providers import Call

BANNER = "Sandbox, not Microsoft. No real account is involved."


class Refused(Exception):
    """A request Microsoft shows its own error page for, and never redirects. The code is its AADSTS number."""

    def __init__(self, code: int, explanation: str) -> None:
        super().__init__(explanation)
        self.code, self.explanation = code, explanation

    def response(self) -> Response:
        """Microsoft's kind of dead end: said here, not to the client."""
        main = (
            '<div class="consent"><h1>Sorry, but we’re having trouble signing you in.</h1>'
            f"<p>AADSTS{self.code}: {escape(self.explanation)}</p></div>"
        )
        return pages.page("Sign in", main, 400, BANNER)


@dataclass(frozen=True)
class Wish(Asked):
    """What the client asks of Microsoft, scopes by their short names."""

    scopes: list[str]
    claims: str = ""


def authorize(call: Call) -> Response:
    """GET shows the page, POST is the person's answer; both check the request anew."""
    microsoft = microsoft_of(call.world)
    with call.world.lock:
        try:
            wish = read_wish(call.request.args)
        except Refused as error:
            return error.response()
        if unknown := [scope for scope in wish.scopes if scope not in KNOWN]:
            explanation = f"AADSTS70011: The provided value for the input parameter 'scope' is not valid: {unknown[0]}"
            return wish.back(error="invalid_scope", error_description=explanation)
        accounts = accounts_of(microsoft, call.args["tenant"])
        account = next((one for one in accounts if one.upn == call.request.form.get("account")), None)
        if call.request.method == "POST" and account is not None:
            return decide(microsoft, wish, account, call.request.form)
        return consent_page(microsoft, wish, accounts)


def read_wish(args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked. Every client id is good."""
    check_client(args, "client_id", "redirect_uri", "response_type", "scope")
    if args["response_type"] != "code":
        raise Refused(700054, f"response_type '{args['response_type']}' is not enabled for the application.")
    if args.get("response_mode", "query") != "query":
        raise Refused(90023, f"response_mode '{args['response_mode']}' is not supported by this sandbox.")
    if not asking.is_challenge(args):
        raise Refused(501491, "Invalid size or method of code_challenge.")
    return Wish(**asking.basics(args), scopes=short_names(args["scope"]), claims=args.get("claims", ""))


def check_client(args: MultiDict[str, str], *names: str) -> None:
    """Refused without one of the parameters, or with an address nobody can be sent back to."""
    if name := asking.missing(args, *names):
        raise Refused(900144, f"The request must contain the following parameter: '{name}'.")
    if not asking.is_address(args["redirect_uri"]):
        raise Refused(50011, "The redirect URI does not match the redirect URIs configured for the application.")


def accounts_of(microsoft: Microsoft, tenant: str) -> list[Account]:
    """Who may sign in at this authority: common, organizations, consumers, or one tenant."""
    everybody = list(microsoft.accounts.values())
    if tenant == "organizations":
        return [one for one in everybody if one.tenant != PERSONAL]
    if tenant == "consumers":
        return [one for one in everybody if one.tenant == PERSONAL]
    return everybody if tenant == "common" else [one for one in everybody if one.tenant == tenant]


def decide(microsoft: Microsoft, wish: Wish, account: Account, form: MultiDict[str, str]) -> Response:
    """The person's answer. A form without a decision stands for the page as it came up."""
    if form.get("decision", "deny" if account.upn in microsoft.grants.denying else "allow") == "deny":
        description = "AADSTS65004: User declined to consent to access the app."
        return wish.back(error="access_denied", error_subcode="cancel", error_description=description)
    if microsoft.grants.needs_admin(wish.client_id, account.tenant, wish.scopes):
        return wish.back(error="access_denied", error_description="AADSTS90094: The grant requires admin permission.")
    if trouble := barred(microsoft, wish, account):
        description = f"AADSTS{trouble}: {troubles.KNOWN[trouble].text.format(app=wish.client_id)}"
        return wish.back(error="access_denied", error_description=description)
    microsoft.tokens.forgive(account.upn, troubles.CURABLE)
    code = microsoft.tokens.new_code(
        client_id=wish.client_id,
        upn=account.upn,
        scopes=wish.scopes,
        redirect_uri=wish.redirect_uri,
        challenge=wish.challenge,
        nonce=wish.nonce,
    )
    return wish.back(code=code, session_state=secrets.token_hex(16))


def barred(microsoft: Microsoft, wish: Wish, account: Account) -> int:
    """The number of what stands against it, 0 for nothing. Whoever is sent here with what was demanded gives proof."""
    rules = microsoft.grants
    waiting = {rules.barred_consents.get(account.upn), rules.barred_codes.get(account.upn)}
    if wish.claims == troubles.CLAIMS and waiting & troubles.DEMANDS:
        rules.bar(account.upn, 0, is_at_consent=True)
    return rules.barred_consents.get(account.upn, 0)


def consent_page(microsoft: Microsoft, wish: Wish, accounts: list[Account]) -> Response:
    """The form. Its policy lets the answer redirect to the client."""
    if not accounts:
        return choices.nobody("This sandbox has no Microsoft accounts for this tenant yet.", BANNER)
    chosen = next((one for one in accounts if one.upn == wish.login_hint), accounts[0])
    title = "Link your account" if set(wish.scopes) - set(SIGN_IN) else "Sign in"
    shown = "".join(choices.account(one.upn, one.name, one is chosen) for one in accounts)
    asked = "".join(f"<li>{KNOWN[scope]}</li>" for scope in wish.scopes)
    main = (
        f'<div class="consent"><h1>{title} to {escape(wish.client_id)}?</h1><form method="post">'
        f"<fieldset><legend>Choose an account</legend>{shown}</fieldset><p>It will:</p><ul>{asked}</ul>"
        f"{choices.buttons(is_deny_main=chosen.upn in microsoft.grants.denying)}</form></div>"
    )
    return pages.page(title, main, 200, BANNER, wish.form_targets)
