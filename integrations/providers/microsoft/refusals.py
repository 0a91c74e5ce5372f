"""Why Microsoft's consent page sent a person back without a grant, in words for that person.

Most refusals are called access_denied, whatever they are: only the number in the description tells them apart.
https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import re
from collections.abc import Mapping

from integrations.contract import Refusal

NUMBER = re.compile(r"AADSTS(\d{4,8})\b")

NEEDS_ADMIN = Refusal(
    "Your administrator has to allow it first",
    "Your organization lets only its administrators allow apps that read calendars or mail.",
    "Send your administrator the link below. You get a mail as soon as it is allowed, and connect then.",
    needs_admin=True,
)
CANCELLED = Refusal(
    "You did not allow it",
    "On Microsoft's page you gave no access, or it said that an administrator has to give it. So nothing was linked.",
    "If that was a slip, start again. If Microsoft wanted an administrator's approval, ask for it.",
    may_ask_admin=True,
)
BY_RULE = Refusal(
    "Your organization's rules stopped it",
    "Its access rules (Conditional Access) do not allow this app, this place or this device.",
    "Your administrator can say which rule it was, and let it pass. Then start again.",
)
NOT_ASSIGNED = Refusal(
    "This app is not given to you",
    "Your organization gives this app to chosen people only, and you are not among them.",
    "Ask your administrator to assign it to you, then start again.",
)
NOT_SET_UP = Refusal(
    "This installation is not set up right",
    "Microsoft does not know this installation's client, or what it asks for.",
    "Tell the operator of this installation: docs/microsoft.md has the steps.",
)
BUSY = Refusal(
    "Microsoft has trouble of its own",
    "It ended the consent without an answer.",
    "Nothing was linked. Start again in a few minutes.",
)

BY_NUMBER = {
    65004: CANCELLED,
    90093: NEEDS_ADMIN,
    90094: NEEDS_ADMIN,
    90095: NEEDS_ADMIN,
    50105: NOT_ASSIGNED,
    53000: BY_RULE,
    53001: BY_RULE,
    53002: BY_RULE,
    53003: BY_RULE,
    700016: NOT_SET_UP,
}
BY_ERROR = {
    "access_denied": CANCELLED,
    "consent_required": NEEDS_ADMIN,
    "unauthorized_client": NOT_SET_UP,
    "invalid_client": NOT_SET_UP,
    "invalid_request": NOT_SET_UP,
    "invalid_resource": NOT_SET_UP,
    "invalid_scope": NOT_SET_UP,
    "unsupported_response_type": NOT_SET_UP,
    "server_error": BUSY,
    "temporarily_unavailable": BUSY,
}


def meant(answer: Mapping[str, str]) -> Refusal | None:
    """What the error in an answer means; None for one that is not known."""
    numbers = NUMBER.findall(answer.get("error_description", ""))
    known = next((BY_NUMBER[int(number)] for number in numbers if int(number) in BY_NUMBER), None)
    return known or BY_ERROR.get(answer.get("error", ""))
