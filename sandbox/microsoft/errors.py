"""Microsoft's two error envelopes: the token endpoint's and Graph's.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
https://learn.microsoft.com/graph/errors
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.faults import Fault
from sandbox.providers import Call


def reply(content: dict[str, Any], status: int = 200) -> Response:
    """JSON that nobody may store."""
    response = Response(json.dumps(content, ensure_ascii=False), status, content_type="application/json; charset=utf-8")
    response.headers["Cache-Control"] = "no-store, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class OAuthError(Exception):
    """A refusal of the token endpoint. ``code`` is its AADSTS number."""

    def __init__(self, error: str, code: int, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.code, self.description, self.status = error, code, description, status

    def response(self, now: datetime) -> Response:
        """The envelope; ``now`` is aware."""
        trace = str(uuid.uuid4())
        content = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.description} Trace ID: {trace}",
            "error_codes": [self.code],
            "timestamp": now.strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": trace,
            "correlation_id": str(uuid.uuid4()),
        }
        return reply(content, self.status)


def graph(status: int, code: str, message: str) -> Response:
    """Graph's envelope."""
    return reply({"error": {"code": code, "message": message, "innerError": {"request-id": str(uuid.uuid4())}}}, status)


def unknown(call: Call) -> Response:
    """A path the sandbox does not have."""
    return graph(404, "ResourceNotFound", f"The sandbox has no {call.request.method} {call.request.path}")


GRAPH_FAULTS = {
    "rate_limit_403": (403, "ErrorQuotaExceeded"),
    "rate_limit_429": (429, "TooManyRequests"),
    "forbidden_403": (403, "ErrorAccessDenied"),
    "not_found_404": (404, "ErrorItemNotFound"),
    "gone_410": (410, "SyncStateNotFound"),
    "error_500": (500, "InternalServerError"),
    "error_503": (503, "ServiceUnavailable"),
    "timeout": (504, "UnknownError"),
}
OAUTH_FAULTS = {
    "rate_limit_403": ("access_denied", 53003),
    "rate_limit_429": ("temporarily_unavailable", 90055),
    "forbidden_403": ("unauthorized_client", 700016),
    "not_found_404": ("invalid_request", 90002),
    "gone_410": ("invalid_grant", 700082),
}


def fault(order: Fault, operation: str) -> Response:
    """A fault in Microsoft's words: Graph's envelope, or the token endpoint's for ``microsoft.…`` operations."""
    status, name = GRAPH_FAULTS[order.kind]
    if operation.startswith("microsoft."):
        error, code = OAUTH_FAULTS.get(order.kind, ("temporarily_unavailable", 90033))
        response = OAuthError(error, code, "A fault on order.", status).response(datetime.now(UTC))
    else:
        response = graph(status, name, "A fault on order.")
    if order.retry_after:
        response.headers["Retry-After"] = order.retry_after
    return response
