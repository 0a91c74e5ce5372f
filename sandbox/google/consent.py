"""The consent page: choose the account, tick what to allow.

https://developers.google.com/identity/protocols/oauth2/web-server#creatingclient
"""

from dataclasses import dataclass
from html import escape

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.google.scopes import KNOWN, OPTIONAL, SIGN_IN, full_names
from sandbox.google.state import Account, Google, google_of
from sandbox.google.tokens import Prefill
from sandbox.pages import asking, choices
from sandbox.pages.asking import Asked
from sandbox.providers import Call

BANNER = "Sandbox, not Google. No real account is involved."


class Refused(Exception):
    """A request Google shows its own error page for, and never redirects."""

    def __init__(self, error: str, explanation: str) -> None:
        super().__init__(explanation)
        self.error, self.explanation = error, explanation


@dataclass(frozen=True)
class Wish(Asked):
    """What the client asks of Google."""

    scopes: list[str]
    is_offline: bool
    is_incremental: bool
    prompts: frozenset[str]


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
    if name := asking.missing(args, "client_id", "redirect_uri", "response_type", "scope"):
        raise Refused("invalid_request", f"Missing required parameter: {name}")
    client_id, redirect_uri = args["client_id"], args["redirect_uri"]
    client = google.tokens.clients.get(client_id)
    if google.tokens.clients and client is None:
        raise Refused("invalid_client", "The OAuth client was not found.")
    if not asking.is_address(redirect_uri) or (client is not None and redirect_uri not in client.redirect_uris):
        raise Refused("redirect_uri_mismatch", f"The redirect URI is not registered for this client: {redirect_uri}")
    if args["response_type"] != "code":
        raise Refused("invalid_request", f"Invalid response_type: {args['response_type']}")
    if not asking.is_challenge(args):
        raise Refused("invalid_request", "code_challenge must be 43 base64url characters, with the method S256")
    scopes = full_names(args["scope"])
    if unknown := [scope for scope in scopes if scope not in KNOWN]:
        raise Refused("invalid_scope", f"Some requested scopes were invalid: {' '.join(unknown)}")
    return Wish(
        **asking.basics(args),
        scopes=scopes,
        is_offline=args.get("access_type") == "offline",
        is_incremental=args.get("include_granted_scopes") == "true",
        prompts=frozenset(args.get("prompt", "").split()),
    )


def decide(google: Google, wish: Wish, form: MultiDict[str, str]) -> Response:
    """The person's answer. A form without ticks and decision stands for the page as it came up."""
    account = google.accounts.get(form.get("account", ""))
    if account is None:
        return consent_page(google, wish)
    prefill = google.tokens.prefills.get(account.email, Prefill())
    if form.get("decision", "deny" if prefill.deny else "allow") == "deny":
        return wish.back(error="access_denied")
    ticked = set(form.getlist("scope")) if "decision" in form else ticked_at_first(wish, prefill)
    scopes = [scope for scope in wish.scopes if scope in SIGN_IN or scope in ticked]
    return allow(google, wish, account, scopes)


def without_page(google: Google, wish: Wish) -> Response:
    """prompt=none: only what was allowed before, for the hinted account."""
    account = hinted(google, wish)
    if account is None:
        return wish.back(error="login_required")
    if set(wish.scopes) - set(google.tokens.granted.get((wish.client_id, account.email), [])):
        return wish.back(error="interaction_required")
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
    return wish.back(code=code, scope=" ".join(scopes), authuser="0", prompt="consent", **extra)


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
        return choices.nobody("This sandbox has no Google accounts yet.", BANNER)
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
    return pages.page(title, main, 200, BANNER, wish.form_targets)


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
