"""Setting the scene at the pretend Microsoft: functions behind /control/microsoft/…"""

from typing import Any

from werkzeug.wrappers import Request

from sandbox.control import ControlError, body_of, required
from sandbox.microsoft import troubles
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
    change = microsoft.grants.denying.add if body.get("deny") else microsoft.grants.denying.discard
    change(account.upn)
    return {"ok": True}


def admin_consent_required(world: World, request: Request) -> Any:
    """{"tenant", "required"?}: only an administrator may allow more than sign-in; what he allowed is taken back.

    Refresh tokens given before stay good. ``tenant`` may be an account's address, for its tenant.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    named = required(body, "tenant").lower()
    account = microsoft.accounts.get(named)
    microsoft.grants.require_admin(account.tenant if account else named, bool(body.get("required", True)))
    return {"ok": True}


def bar(world: World, request: Request) -> Any:
    """{"account", "code"?, "at"?}: the tenant's rules refuse the account with this AADSTS number (see troubles.py):
    "at" its "consent", or when the "token" for it is fetched. 0 lifts it; a demand for another proof ends once met.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    account, code = microsoft.account(required(body, "account").lower()), int(body.get("code", 53003))
    if code and code not in troubles.CURABLE:
        raise ControlError(f"code must be 0 or one of {', '.join(map(str, sorted(troubles.CURABLE)))}")
    if (at := body.get("at", "consent")) not in {"consent", "token"}:
        raise ControlError("at must be consent or token")
    microsoft.grants.bar(account.upn, code, is_at_consent=at == "consent")
    return {"ok": True}


def revoke(world: World, request: Request) -> Any:
    """{"account", "code"?}: the refresh tokens given so far fail, with this AADSTS number (sandbox/…/troubles.py).

    50173, 700082 and 70008 are final; of the others a new consent cures the old tokens too. Access tokens live on, but
    subscriptions do not: Graph takes them away and says so.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    account, code = microsoft.account(required(body, "account").lower()), int(body.get("code", 50173))
    if code not in troubles.KNOWN:
        raise ControlError(f"code must be one of {', '.join(map(str, sorted(troubles.KNOWN)))}")
    microsoft.tokens.spoil(account.upn, code)
    microsoft.subscriptions.revoked(account.upn)
    return {"ok": True}


def secret(world: World, request: Request) -> Any:
    """{"wrong"?}: the token endpoint refuses every client's secret, or takes any again."""
    microsoft_of(world).tokens.is_secret_wrong = bool(body_of(request).get("wrong", True))
    return {"ok": True}


def expire_access_tokens(world: World, request: Request) -> Any:
    """{"account"?}: access tokens run out now; refreshing works."""
    microsoft_of(world).tokens.expire_access(str(body_of(request).get("account") or "").lower())
    return {"ok": True}


CONTROLS: dict[str, Control] = {
    "POST accounts": add_account,
    "POST consent": consent,
    "POST admin_consent_required": admin_consent_required,
    "POST bar": bar,
    "POST revoke": revoke,
    "POST secret": secret,
    "POST expire_access_tokens": expire_access_tokens,
}
