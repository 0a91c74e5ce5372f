"""The page that asks which account an app may be installed in.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/oauth/working-with-oauth
"""

from dataclasses import dataclass
from html import escape

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.hubspot.looking import BANNER
from sandbox.hubspot.portals import Owner, Portal
from sandbox.hubspot.scopes import KNOWN
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.hubspot.tokens import Prefill
from sandbox.pages import asking, choices
from sandbox.pages.asking import Asked
from sandbox.providers import Call


class Refused(Exception):
    """A request HubSpot shows its own error page for, and never redirects."""

    def response(self) -> Response:
        """HubSpot's kind of dead end: said here, not to the client."""
        main = f'<div class="consent"><h1>Authorization failed</h1><p>{escape(str(self))}</p></div>'
        return pages.page("Authorization failed", main, 400, BANNER)


@dataclass(frozen=True)
class Wish(Asked):
    """What the client asks of HubSpot. Of the optional scopes the user may leave some out."""

    scopes: list[str]
    optional: list[str]


def authorize(call: Call) -> Response:
    """GET shows the page, POST is the person's answer; both check the request anew."""
    hubspot = hubspot_of(call.world)
    with call.world.lock:
        try:
            wish = read_wish(hubspot, call.request.args)
        except Refused as error:
            return error.response()
        if call.request.method == "POST":
            return decide(hubspot, wish, call.request.form)
        return consent_page(hubspot, wish)


def read_wish(hubspot: HubSpot, args: MultiDict[str, str]) -> Wish:
    """The request's parameters, checked. HubSpot wants no response_type."""
    if name := asking.missing(args, "client_id", "redirect_uri", "scope"):
        raise Refused(f"Missing required parameter: {name}")
    client = hubspot.tokens.clients.get(args["client_id"])
    if hubspot.tokens.is_strict and (client is None or not client.is_registered):
        raise Refused("We couldn't find an app with this client ID.")
    is_foreign = client is not None and client.redirect_uris and args["redirect_uri"] not in client.redirect_uris
    if not asking.is_address(args["redirect_uri"]) or is_foreign:
        raise Refused("Authorization failed because the redirect URL doesn't match the registered redirect URLs.")
    if not asking.is_challenge(args):
        raise Refused("code_challenge must be 43 base64url characters, with the method S256")
    scopes, optional = args["scope"].split(), args.get("optional_scope", "").split()
    if unknown := [scope for scope in [*scopes, *optional] if scope not in KNOWN]:
        raise Refused(f"Authorization failed because one or more scopes are invalid: {' '.join(unknown)}")
    return Wish(**asking.basics(args), scopes=scopes, optional=[one for one in optional if one not in scopes])


def decide(hubspot: HubSpot, wish: Wish, form: MultiDict[str, str]) -> Response:
    """The person's answer. A form without a decision stands for the page as it came up."""
    found = chosen(hubspot, form.get("account", ""))
    if found is None:
        return consent_page(hubspot, wish)
    portal, user = found
    prefill = hubspot.tokens.prefills.get(portal.id, Prefill())
    if form.get("decision", "deny" if prefill.deny else "allow") == "deny":
        return wish.back(error="access_denied", error_description="authorization_rejected")
    ticked = form.getlist("scope") if "decision" in form else ticked_at_first(wish, prefill)
    code = hubspot.tokens.new_code(
        client_id=wish.client_id,
        portal_id=portal.id,
        user_id=user.user_id,
        scopes=[*wish.scopes, *(one for one in wish.optional if one in ticked)],
        redirect_uri=wish.redirect_uri,
        challenge=wish.challenge,
    )
    return wish.back(code=code)


def chosen(hubspot: HubSpot, text: str) -> tuple[Portal, Owner] | None:
    """``PORTAL`` or ``PORTAL ADDRESS``: an account and who is signed in to it; the first owner unless named."""
    number, _, address = text.partition(" ")
    portal = hubspot.portals.get(int(number)) if number.isdecimal() else None
    if portal is None:
        return None
    return next(((portal, one) for one in portal.owners if address in ("", one.email)), None)


def ticked_at_first(wish: Wish, prefill: Prefill) -> list[str]:
    """The optional scopes ticked when the page comes up."""
    return [scope for scope in wish.optional if not any(part in scope for part in prefill.untick)]


def consent_page(hubspot: HubSpot, wish: Wish) -> Response:
    """The form. Its policy lets the answer redirect to the client."""
    people = [(portal, owner) for portal in hubspot.portals.values() for owner in portal.owners]
    if not people:
        return choices.nobody("This sandbox has no HubSpot accounts yet.", BANNER)
    first = people[0][0]
    prefill = hubspot.tokens.prefills.get(first.id, Prefill())
    accounts = "".join(
        choices.account(f"{portal.id} {owner.email}", f"{portal.facts.name} ({portal.id})", index == 0)
        for index, (portal, owner) in enumerate(people)
    )
    asked = "".join(f"<li>{KNOWN[scope]}</li>" for scope in wish.scopes)
    main = (
        f'<div class="consent"><h1>Connect {escape(wish.client_id)} to HubSpot?</h1><form method="post">'
        f"<fieldset><legend>Choose an account</legend>{accounts}</fieldset><p>It will:</p><ul>{asked}</ul>"
        f"{boxes(wish, ticked_at_first(wish, prefill))}{choices.buttons(is_deny_main=prefill.deny)}</form></div>"
    )
    return pages.page("Connect an app", main, 200, BANNER, wish.form_targets)


def boxes(wish: Wish, ticked: list[str]) -> str:
    """The optional scopes as tick boxes."""
    shown = "".join(
        f'<label class="choice"><input type="checkbox" name="scope" value="{scope}"'
        f"{' checked' if scope in ticked else ''}><span>{KNOWN[scope]}<small>{scope}</small></span></label>"
        for scope in wish.optional
    )
    return f"<fieldset><legend>Choose what else it may do</legend>{shown}</fieldset>" if shown else ""
