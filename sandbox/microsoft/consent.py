"""The page that asks which account, and whether it may sign in.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

import re
import secrets
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.datastructures import MultiDict
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.microsoft.scopes import KNOWN, short_names
from sandbox.microsoft.state import PERSONAL, Account, Microsoft, microsoft_of
from sandbox.pages import choices
from sandbox.providers import Call

BANNER = "Sandbox, not Microsoft. No real account is involved."
CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")
ORIGIN = re.compile(r"^https?://[A-Za-z0-9.\-\[\]:_]+$")


class Refused(Exception):
    """A request Microsoft shows its own error page for, and never redirects. The code is its AADSTS number."""

    def __init__(self, code: int, explanation: str) -> None:
        super().__init__(explanation)
        self.code, self.explanation = code, explanation


@dataclass(frozen=True)
class Wish:
    """What the client asks for."""

    client_id: str
    redirect_uri: str
    scopes: list[str]
    state: str
    nonce: str
    challenge: str
    login_hint: str


def authorize(call: Call) -> Response:
    """GET shows the page, POST is the person's answer; both check the request anew."""
    microsoft = microsoft_of(call.world)
    with call.world.lock:
        try:
            wish = read_wish(call.request.args)
        except Refused as error:
            return error_page(error)
        if unknown := [scope for scope in wish.scopes if scope not in KNOWN]:
            explanation = f"AADSTS70011: The provided value for the input parameter 'scope' is not valid: {unknown[0]}"
            return back(wish, error="invalid_scope", error_description=explanation)
        accounts = accounts_of(microsoft, call.args["tenant"])
        account = next((one for one in accounts if one.upn == call.request.form.get("account")), None)
        if call.request.method == "POST" and account is not None:
            return decide(microsoft, wish, account, call.request.form)
        return consent_page(microsoft, wish, accounts)


def read_wish(args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked. Every client id is good."""
    for name in ("client_id", "redirect_uri", "response_type", "scope"):
        if not args.get(name):
            raise Refused(900144, f"The request must contain the following parameter: '{name}'.")
    parts = urlsplit(args["redirect_uri"])
    if not ORIGIN.match(f"{parts.scheme}://{parts.netloc}") or parts.fragment:
        raise Refused(50011, "The redirect URI does not match the redirect URIs configured for the application.")
    if args["response_type"] != "code":
        raise Refused(700054, f"response_type '{args['response_type']}' is not enabled for the application.")
    challenge = args.get("code_challenge", "")
    if challenge and (args.get("code_challenge_method") != "S256" or not CHALLENGE.match(challenge)):
        raise Refused(501491, "Invalid size or method of code_challenge.")
    return Wish(
        client_id=args["client_id"],
        redirect_uri=args["redirect_uri"],
        scopes=short_names(args["scope"]),
        state=args.get("state", ""),
        nonce=args.get("nonce", ""),
        challenge=challenge,
        login_hint=args.get("login_hint", ""),
    )


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
    if form.get("decision", "deny" if account.upn in microsoft.tokens.denying else "allow") == "deny":
        description = "AADSTS65004: User declined to consent to access the app."
        return back(wish, error="access_denied", error_subcode="cancel", error_description=description)
    code = microsoft.tokens.new_code(
        client_id=wish.client_id,
        upn=account.upn,
        scopes=wish.scopes,
        redirect_uri=wish.redirect_uri,
        challenge=wish.challenge,
        nonce=wish.nonce,
    )
    return back(wish, code=code, session_state=secrets.token_hex(16))


def back(wish: Wish, **parameters: str) -> Response:
    """Redirect to the client, its own query kept, ``state`` passed through."""
    parts = urlsplit(wish.redirect_uri)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()]
    pairs += [("state", wish.state)] if wish.state else []
    return redirect(urlunsplit(parts._replace(query=urlencode(pairs))), 302)


def consent_page(microsoft: Microsoft, wish: Wish, accounts: list[Account]) -> Response:
    """The form. Its policy lets the answer redirect to the client."""
    if not accounts:
        main = "<h1>No accounts</h1><p>This sandbox has no Microsoft accounts for this tenant yet.</p>"
        return pages.page("No accounts", main, 200, BANNER)
    chosen = next((one for one in accounts if one.upn == wish.login_hint), accounts[0])
    shown = "".join(choices.account(one.upn, one.name, one is chosen) for one in accounts)
    asked = "".join(f"<li>{KNOWN[scope]}</li>" for scope in wish.scopes)
    main = (
        f'<div class="consent"><h1>Sign in to {escape(wish.client_id)}?</h1><form method="post">'
        f"<fieldset><legend>Choose an account</legend>{shown}</fieldset><p>It will:</p><ul>{asked}</ul>"
        f"{choices.buttons(is_deny_main=chosen.upn in microsoft.tokens.denying)}</form></div>"
    )
    parts = urlsplit(wish.redirect_uri)
    return pages.page("Sign in", main, 200, BANNER, f"'self' {parts.scheme}://{parts.netloc}")


def error_page(error: Refused) -> Response:
    """Microsoft's kind of dead end: said here, not to the client."""
    main = (
        '<div class="consent"><h1>Sorry, but we’re having trouble signing you in.</h1>'
        f"<p>AADSTS{error.code}: {escape(error.explanation)}</p></div>"
    )
    return pages.page("Sign in", main, 400, BANNER)
