"""The question that Graph asks a new address before it sends anything there.

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
"""

import uuid
from urllib.parse import quote_plus

import requests

from sandbox.microsoft.errors import GraphError

PATIENCE_SECONDS = 10.0
REFUSED = (
    "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
)
TIMED_OUT = "Subscription validation request timed out."


def validate(address: str) -> None:
    """Ask, and want the question back as plain text within ten seconds. GraphError 400 otherwise.

    Call it without the world's lock: whoever is asked may be asking the sandbox.
    """
    # A real token reads like this: whoever sends it back still encoded has not understood it.
    token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
    target = f"{address}{'&' if '?' in address else '?'}validationToken={quote_plus(token)}"
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                target,
                data=b"",
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=PATIENCE_SECONDS,
                allow_redirects=False,
            )
    except requests.Timeout as error:
        raise GraphError(400, "InvalidRequest", TIMED_OUT) from error
    except requests.RequestException as error:
        raise GraphError(400, "InvalidRequest", REFUSED) from error
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status_code != 200 or kind != "text/plain" or answer.text != token:
        raise GraphError(400, "InvalidRequest", REFUSED)
