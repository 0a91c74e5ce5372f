"""What HubSpot's OAuth says when it refuses. All of an error's fields are optional.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

from collections.abc import Mapping
from typing import Any

from integrations.errors import BadConfig, IntegrationError, NeedsReconnect, Permanent

DEAD = "HubSpot no longer accepts this consent: it was revoked, or the app was removed from the account."
BAD_CLIENT = "HubSpot does not accept the client id or secret (HUBSPOT_CLIENT_ID, HUBSPOT_CLIENT_SECRET)."
BAD_CALLBACK = "The redirect address is not one that the app has at HubSpot."

TOKEN_ERRORS: Mapping[str, tuple[type[IntegrationError], str]] = {
    "BAD_REFRESH_TOKEN": (NeedsReconnect, DEAD),
    "BAD_AUTH_CODE": (NeedsReconnect, "HubSpot no longer accepts this consent: it was used before, or is too old."),
    "BAD_HUB": (NeedsReconnect, DEAD),
    "BAD_CLIENT_ID": (BadConfig, BAD_CLIENT),
    "BAD_CLIENT_SECRET": (BadConfig, BAD_CLIENT),
    "BAD_REDIRECT_URI": (BadConfig, BAD_CALLBACK),
    "MISMATCH_REDIRECT_URI_AUTH_CODE": (BadConfig, BAD_CALLBACK),
    "invalid_grant": (NeedsReconnect, DEAD),
    "invalid_client": (BadConfig, BAD_CLIENT),
    "unauthorized_client": (BadConfig, BAD_CLIENT),
}
"""By ``status``, which says more, then by ``error``."""


def token_error(body: Mapping[str, Any]) -> IntegrationError:
    """What an error of the token service means in our words."""
    for name in (body.get("status"), body.get("error")):
        if str(name) in TOKEN_ERRORS:
            kind, message = TOKEN_ERRORS[str(name)]
            return kind(message)
    said = body.get("message") or body.get("error_description") or body.get("error") or "no reason given"
    return Permanent(f"HubSpot refused ({str(said)[:200]}).")
