"""Why a refresh token is refused, in Microsoft's words.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
https://learn.microsoft.com/entra/identity-platform/claims-challenge
"""

from dataclasses import dataclass
from datetime import datetime

from sandbox.microsoft.errors import OAuthError

GRAPH_APP = "00000003-0000-0000-c000-000000000000"
CLAIMS = '{"access_token":{"capolids":{"essential":true,"values":["4ac30fb9-6ccb-4a4f-8c1e-3c1c3b1f7f5e"]}}}'
"""What a client must send with its next authorization request, as the policy that stands in the way asks."""


@dataclass(frozen=True)
class Trouble:
    """One reason. ``text`` may name {app}, {issued} and {since}; ``is_final``: no consent mends this token."""

    error: str
    text: str
    suberror: str = ""
    claims: str = ""
    is_final: bool = False


KNOWN = {
    50173: Trouble(
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have "
        "changed or reset their password. The grant was issued on '{issued}' and the TokensValidFrom date (before "
        "which tokens are not valid) for this user is '{since}'.",
        is_final=True,
    ),
    700082: Trouble(
        "invalid_grant",
        "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive for "
        "90.00:00:00.",
        is_final=True,
    ),
    70008: Trouble(
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive "
        "authorization request for this user and resource.",
        is_final=True,
    ),
    50057: Trouble("invalid_grant", "The user account is disabled."),
    65001: Trouble(
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{app}' named 'Sandbox'. Send an "
        "interactive authorization request for this user and resource.",
        suberror="consent_required",
    ),
    50076: Trouble(
        "interaction_required",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
        f"use multi-factor authentication to access '{GRAPH_APP}'.",
        suberror="basic_action",
        claims=CLAIMS,
    ),
    50079: Trouble(
        "interaction_required",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
        f"enroll in multi-factor authentication to access '{GRAPH_APP}'.",
        suberror="basic_action",
        claims=CLAIMS,
    ),
    53003: Trouble(
        "invalid_grant",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
        suberror="message_only",
        claims=CLAIMS,
    ),
}
DEMANDS = frozenset({50076, 50079})
"""Another proof is wanted, which a consent that carries the claims brings."""
CURABLE = frozenset(code for code, trouble in KNOWN.items() if not trouble.is_final)


def refusal(code: int, client_id: str, issued: datetime, now: datetime) -> OAuthError:
    """The token endpoint's answer, to a grant that was issued then. Times are aware."""
    trouble = KNOWN[code]
    text = trouble.text.format(app=client_id, issued=seven_digits(issued), since=seven_digits(now))
    return OAuthError(trouble.error, code, text, suberror=trouble.suberror, claims=trouble.claims)


def seven_digits(moment: datetime) -> str:
    """Microsoft's ticks: seven digits behind the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"
