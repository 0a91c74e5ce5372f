"""Setting the scene at the pretend Microsoft: functions behind /control/microsoft/…"""

from typing import Any

from werkzeug.wrappers import Request

from sandbox.control import body_of, required
from sandbox.microsoft.state import microsoft_of
from sandbox.providers import Control
from sandbox.world import World


def add_account(world: World, request: Request) -> Any:
    """{"upn", "name"?, "mail"?, "tenant"?, "oid"?}: create or change. ``mail`` may be anybody's: nobody checks it."""
    microsoft, body = microsoft_of(world), body_of(request)
    upn = required(body, "upn").lower()
    before = microsoft.accounts.get(upn)
    account = microsoft.add_account(
        upn,
        body.get("name") or (before.name if before else upn.split("@")[0].title()),
        body.get("mail", before.mail if before else upn),
        body.get("tenant") or (before.tenant if before else ""),
        body.get("oid") or (before.oid if before else ""),
    )
    return {"upn": account.upn, "tenant": account.tenant, "oid": account.oid}


def consent(world: World, request: Request) -> Any:
    """{"account", "deny"?}: how the consent page comes up for an account."""
    microsoft, body = microsoft_of(world), body_of(request)
    account = microsoft.account(required(body, "account").lower())
    change = microsoft.tokens.denying.add if body.get("deny") else microsoft.tokens.denying.discard
    change(account.upn)
    return {"ok": True}


CONTROLS: dict[str, Control] = {
    "POST accounts": add_account,
    "POST consent": consent,
}
