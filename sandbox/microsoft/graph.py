"""Microsoft Graph: who one is.

https://learn.microsoft.com/graph/api/user-get
"""

from werkzeug.wrappers import Request, Response

from sandbox.microsoft import errors
from sandbox.microsoft.state import microsoft_of
from sandbox.providers import Call


def bearer(request: Request) -> str:
    """The request's access token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def me(call: Call) -> Response:
    """GET /me: needs User.Read. ``mail`` is what the tenant says: nobody verified it."""
    microsoft = microsoft_of(call.world)
    with call.world.lock:
        token = microsoft.tokens.find_access(bearer(call.request))
        account = microsoft.accounts.get(token.upn) if token else None
    if token is None or account is None:
        return errors.graph(401, "InvalidAuthenticationToken", "Access token is empty or has expired.")
    if "User.Read" not in token.scopes:
        return errors.graph(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    given, _, family = account.name.partition(" ")
    known = {
        "id": account.oid,
        "displayName": account.name,
        "givenName": given,
        "surname": family or None,
        "mail": account.mail or None,
        "userPrincipalName": account.upn,
    }
    asked = [name for name in call.request.args.get("$select", "").split(",") if name] or list(known)
    context = "https://graph.microsoft.com/v1.0/$metadata#users/$entity"
    return errors.reply({"@odata.context": context} | {name: known.get(name) for name in asked})
