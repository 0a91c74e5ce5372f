"""Microsoft's two error envelopes: the token endpoint's and Graph's.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
https://learn.microsoft.com/graph/errors
"""

import json
import uuid
from collections.abc import Mapping
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
    """A refusal of the token endpoint. ``code`` is its AADSTS number; clients decide by ``error`` and ``suberror``.

    ``claims`` is JSON for the next authorization request.
    """

    def __init__(
        self, error: str, code: int, description: str, status: int = 400, *, suberror: str = "", claims: str = ""
    ) -> None:
        super().__init__(description)
        self.error, self.code, self.description, self.status = error, code, description, status
        self.extra = {name: value for name, value in (("suberror", suberror), ("claims", claims)) if value}

    def response(self, now: datetime) -> Response:
        """The envelope; ``now`` is aware."""
        trace, correlation, stamp = str(uuid.uuid4()), str(uuid.uuid4()), now.strftime("%Y-%m-%d %H:%M:%SZ")
        ending = f"\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}"
        content = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.description}{ending}",
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }
        return reply(content | self.extra, self.status)


class GraphError(Exception):
    """A refusal of Graph: clients decide by ``code``. ``headers`` go out with it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def response(self, client_request_id: str = "") -> Response:
        """The envelope; the client's own id of the request comes back in it."""
        request_id = str(uuid.uuid4())
        inner = {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": client_request_id or request_id,
        }
        content = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        response = reply(content, self.status)
        response.headers.update({"request-id": request_id, **self.headers})
        return response


def unknown(call: Call) -> Response:
    """A path the sandbox does not have."""
    message = f"The sandbox has no {call.request.method} {call.request.path}"
    return GraphError(404, "ResourceNotFound", message).response()


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
        status = status if error == "temporarily_unavailable" else 400
        response = OAuthError(error, code, "A fault on order.", status).response(datetime.now(UTC))
    else:
        response = GraphError(status, name, "A fault on order.").response()
    if order.retry_after:
        response.headers["Retry-After"] = order.retry_after
    return response
