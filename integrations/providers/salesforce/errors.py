"""What Salesforce's OAuth says when it refuses. Its answers are objects here; those of the REST API are arrays.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm
"""

from collections.abc import Mapping

from integrations.contract import Refusal
from integrations.errors import BadConfig, IntegrationError, NeedsReconnect, Permanent, RateLimited, Temporary

TOKEN_ERRORS: Mapping[str, tuple[type[IntegrationError], str]] = {
    "invalid_grant": (
        NeedsReconnect,
        "Salesforce no longer accepts this consent: it was revoked, has expired, or the same user has allowed this app "
        "five times since, which ends the oldest consent.",
    ),
    "inactive_user": (NeedsReconnect, "The Salesforce user who allowed it is no longer active."),
    "inactive_org": (NeedsReconnect, "This Salesforce organization is locked, closed or suspended."),
    "invalid_client": (BadConfig, "Salesforce does not accept the client secret (SALESFORCE_CLIENT_SECRET)."),
    "invalid_client_id": (BadConfig, "Salesforce does not know the client id (SALESFORCE_CLIENT_ID)."),
    "invalid_client_credentials": (
        BadConfig,
        "Salesforce does not accept the client secret (SALESFORCE_CLIENT_SECRET).",
    ),
    "redirect_uri_mismatch": (BadConfig, "The callback address is not the one that the app has in Salesforce."),
    "unsupported_grant_type": (BadConfig, "The app has no refresh tokens switched on in Salesforce."),
    "rate_limit_exceeded": (RateLimited, "Salesforce's token service asked us to slow down."),
    "server_error": (Temporary, "Salesforce's token service has trouble of its own."),
    "temporarily_unavailable": (Temporary, "Salesforce's token service has trouble of its own."),
    "unknown_error": (Temporary, "Salesforce's token service has trouble of its own."),
}

SAID: Mapping[str, tuple[type[IntegrationError], str]] = {
    "already being processed": (Temporary, "Salesforce is still answering another request for this access."),
    "ip restricted": (
        Permanent,
        "Salesforce lets this user in from other addresses, or at other hours, alone. The consent is still good: ask "
        "the administrator to relax the IP ranges and login hours for the app.",
    ),
    "inactive organization": TOKEN_ERRORS["inactive_org"],
    "inactive user": TOKEN_ERRORS["inactive_user"],
}
"""By what the description holds: what is called invalid_grant, too, and ends nothing, or not for the usual reason."""

CONSENT_ERRORS: Mapping[str, Refusal] = {
    "inactive_user": Refusal(
        "This user is not active", "Salesforce says that this user is switched off.", "Log in as another."
    ),
    "inactive_org": Refusal(
        "This organization is closed", "Salesforce says that it is locked, closed or suspended.", "Log in to another."
    ),
    "invalid_scope": Refusal(
        "The app may not ask for this",
        "In Salesforce the app lacks one of the permissions api, refresh_token and id.",
        "Whoever set the app up adds them: docs/salesforce.md has the steps.",
    ),
    "redirect_uri_mismatch": Refusal(
        "The app sends you back elsewhere",
        "The callback address in Salesforce is not this installation's.",
        "Whoever set the app up corrects it: docs/salesforce.md has the steps.",
    ),
    "OAUTH_APP_ACCESS_DENIED": Refusal(
        "Salesforce does not let this user use the app",
        "An administrator of your Salesforce has to allow the app for you first.",
        "In Salesforce's Setup he opens the app under Connected Apps, OAuth Usage or External Client App Manager, "
        "and adds your profile or permission set. Then start again.",
    ),
}


def token_error(error: str, description: str) -> IntegrationError:
    """What an error of the token service means in our words."""
    for words, (meant, message) in SAID.items():
        if words in description.lower():
            return meant(message)
    kind, message = TOKEN_ERRORS.get(error, (Permanent, f"Salesforce refused ({error[:80]}: {description[:200]})."))
    return kind(message)
