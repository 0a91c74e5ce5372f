"""Microsoft Graph: who one is.

https://learn.microsoft.com/graph/api/user-get
"""

from typing import Any

from sandbox.microsoft import graph
from sandbox.microsoft.errors import GraphError
from sandbox.providers import Call, Route


@graph.answers
def me(call: Call) -> dict[str, Any]:
    """GET /me: needs User.Read. ``mail`` is what the tenant says: nobody verified it."""
    account = graph.authorised(call)
    if "User.Read" not in graph.token_of(call).scopes:
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    given, _, family = account.name.partition(" ")
    known = {
        "id": account.oid,
        "displayName": account.name,
        "givenName": given,
        "surname": family or None,
        "mail": account.mail or None,
        "userPrincipalName": account.upn,
    }
    asked = graph.selected(call) or list(known)
    return {"@odata.context": f"{graph.origin(call)}/$metadata#users/$entity"} | {
        name: known.get(name) for name in asked
    }


ROUTES = [Route("GET", f"{graph.BASE}/me", "graph.me.get", me)]
