"""The consent page: choose the account, tick what to allow.

https://developers.google.com/identity/protocols/oauth2/web-server#creatingclient
"""

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.datastructures import MultiDict
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.google.scopes import KNOWN, OPTIONAL, SIGN_IN, full_names
from sandbox.google.state import Account, Google, google_of
from sandbox.google.tokens import Prefill
from sandbox.pages import choices
from sandbox.providers import Call

BANNER = "Sandbox, not Google. No real account is involved."
CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")
ORIGIN = re.compile(r"^https?://[A-Za-z0-9.\-\[\]:_]+$")


class Refused(Exception):
    """A request Google shows its own error page for, and never redirects."""

    def __init__(self, error: str, explanation: str) -> None:
        super().__init__(explanation)
        self.error, self.explanation = error, explanation


@dataclass(frozen=True)
class Wish:
    """What the client asks for."""

    client_id: str
    redirect_uri: str
    scopes: list[str]
    state: str
    nonce: str
    challenge: str
    is_offline: bool
    is_incremental: bool
    prompts: frozenset[str]
    login_hint: str


def authorize(call: Call) -> Response:
    """GET shows the page, POST is the person's answer; both check the request anew."""
    google = google_of(call.world)
    with call.world.lock:
        try:
            wish = read_wish(google, call.request.args)
        except Refused as error:
            return error_page(error)
        if "none" in wish.prompts:
            return without_page(google, wish)
        if call.request.method == "POST":
            return decide(google, wish, call.request.form)
        return consent_page(google, wish)


def read_wish(google: Google, args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked."""
    for name in ("client_id", "redirect_uri", "response_type", "scope"):
        if not args.get(name):
            raise Refused("invalid_request", f"Missing required parameter: {name}")
    client_id, redirect_uri = args["client_id"], args["redirect_uri"]
    client = google.tokens.clients.get(client_id)
    if google.tokens.clients and client is None:
        raise Refused("invalid_client", "The OAuth client was not found.")
    parts = urlsplit(redirect_uri)
    is_good = parts.scheme in {"http", "https"} and ORIGIN.match(origin_of(redirect_uri)) and not parts.fragment
    if not is_good or (client is not None and redirect_uri not in client.redirect_uris):
        raise Refused("redirect_uri_mismatch", f"The redirect URI is not registered for this client: {redirect_uri}")
    if args["response_type"] != "code":
        raise Refused("invalid_request", f"Invalid response_type: {args['response_type']}")
    challenge = args.get("code_challenge", "")
    if challenge and (args.get("code_challenge_method") != "S256" or not CHALLENGE.match(challenge)):
        raise Refused("invalid_request", "code_challenge must be 43 base64url characters, with the method S256")
    scopes = full_names(args["scope"])
    if unknown := [scope for scope in scopes if scope not in KNOWN]:
        raise Refused("invalid_scope", f"Some requested scopes were invalid: {' '.join(unknown)}")
    return Wish(
        client_id=client_id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=args.get("state", ""),
        nonce=args.get("nonce", ""),
        challenge=challenge,
        is_offline=args.get("access_type") == "offline",
        is_incremental=args.get("include_granted_scopes") == "true",
        prompts=frozenset(args.get("prompt", "").split()),
        login_hint=args.get("login_hint", ""),
    )


def decide(google: Google, wish: Wish, form: MultiDict[str, str]) -> Response:
    """The person's answer. A form without ticks and decision stands for the page as it came up."""
    account = google.accounts.get(form.get("account", ""))
    if account is None:
        return consent_page(google, wish)
    prefill = google.tokens.prefills.get(account.email, Prefill())
    if form.get("decision", "deny" if prefill.deny else "allow") == "deny":
        return back(wish, error="access_denied")
    ticked = set(form.getlist("scope")) if "decision" in form else ticked_at_first(wish, prefill)
    scopes = [scope for scope in wish.scopes if scope in SIGN_IN or scope in ticked]
    return allow(google, wish, account, scopes)


def without_page(google: Google, wish: Wish) -> Response:
    """prompt=none: only what was allowed before, for the hinted account."""
    account = hinted(google, wish)
    if account is None:
        return back(wish, error="login_required")
    if set(wish.scopes) - set(google.tokens.granted.get((wish.client_id, account.email), [])):
        return back(wish, error="interaction_required")
    return allow(google, wish, account, wish.scopes)


def allow(google: Google, wish: Wish, account: Account, scopes: list[str]) -> Response:
    """Back to the client with a code. A refresh token comes when there was something to consent to, or by force."""
    before = google.tokens.granted.get((wish.client_id, account.email))
    if wish.is_incremental and before:
        scopes = list(dict.fromkeys([*scopes, *before]))
    code = google.tokens.new_code(
        client_id=wish.client_id,
        email=account.email,
        scopes=scopes,
        redirect_uri=wish.redirect_uri,
        challenge=wish.challenge,
        nonce=wish.nonce,
        is_refreshable=wish.is_offline and (bool(set(scopes) - set(before or [])) or "consent" in wish.prompts),
    )
    extra = {"hd": account.hd} if account.hd else {}
    return back(wish, code=code, scope=" ".join(scopes), authuser="0", prompt="consent", **extra)


def back(wish: Wish, **parameters: str) -> Response:
    """Redirect to the client, its own query kept, ``state`` passed through."""
    parts = urlsplit(wish.redirect_uri)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    pairs += [("state", wish.state)] if wish.state else []
    return redirect(urlunsplit(parts._replace(query=urlencode([*pairs, *parameters.items()]))), 302)


def hinted(google: Google, wish: Wish) -> Account | None:
    """The account of ``login_hint``, an address or a sub."""
    hint = wish.login_hint
    return next((one for one in google.accounts.values() if hint and hint in (one.email, one.sub)), None)


def ticked_at_first(wish: Wish, prefill: Prefill) -> set[str]:
    """The scopes ticked when the page comes up."""
    return {scope for scope in wish.scopes if not any(part in scope for part in prefill.untick)}


def consent_page(google: Google, wish: Wish) -> Response:
    """The form. Its policy lets the answer redirect to the client."""
    accounts = list(google.accounts.values())
    chosen = hinted(google, wish) or (accounts[0] if accounts else None)
    if chosen is None:
        main = "<h1>No accounts</h1><p>This sandbox has no Google accounts yet.</p>"
        return pages.page("No accounts", main, 200, BANNER)
    prefill = google.tokens.prefills.get(chosen.email, Prefill())
    is_sign_in = not set(wish.scopes) & set(OPTIONAL)
    title = "Sign in" if is_sign_in else "Link your account"
    accounts_shown = "".join(choices.account(one.email, one.name, one is chosen) for one in accounts)
    main = (
        f'<div class="consent"><h1>{title} to {escape(wish.client_id)}?</h1><form method="post">'
        f"<fieldset><legend>Choose an account</legend>{accounts_shown}</fieldset>"
        f"{scope_choices(wish, ticked_at_first(wish, prefill))}{choices.buttons(is_deny_main=prefill.deny)}"
        "</form></div>"
    )
    return pages.page(title, main, 200, BANNER, f"'self' {origin_of(wish.redirect_uri)}")


def scope_choices(wish: Wish, ticked: set[str]) -> str:
    """Sign-in comes as a list, everything else as tick boxes."""
    basics = "".join(f"<li>{SIGN_IN[scope]}</li>" for scope in wish.scopes if scope in SIGN_IN)
    boxes = "".join(
        f'<label class="choice"><input type="checkbox" name="scope" value="{scope}"'
        f"{' checked' if scope in ticked else ''}><span>{OPTIONAL[scope]}<small>{scope}</small></span></label>"
        for scope in wish.scopes
        if scope in OPTIONAL
    )
    signing_in = f"<p>It will:</p><ul>{basics}</ul>" if basics else ""
    return signing_in + (f"<fieldset><legend>Choose what it may do</legend>{boxes}</fieldset>" if boxes else "")


def error_page(error: Refused) -> Response:
    """Google's kind of dead end: said here, not to the client."""
    main = (
        f'<div class="consent"><h1>Access blocked</h1><p>{escape(error.explanation)}</p>'
        f'<p class="quiet">Error 400: {escape(error.error)}</p></div>'
    )
    return pages.page("Access blocked", main, 400, BANNER)


def origin_of(address: str) -> str:
    """Scheme and host of an address; empty for one that cannot be read."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
