"""Salesforce's errors: REST's are a list of objects, OAuth's are one object.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

import json
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response

from sandbox.faults import Fault

JSON_TYPE = "application/json;charset=UTF-8"
TOTAL_LIMIT = "TotalRequests Limit exceeded."
CONCURRENT_LIMIT = "ConcurrentPerOrgLongTxn Limit exceeded."


def reply(content: Any, status: int = 200, **headers: str) -> Response:
    """JSON with the type Salesforce says."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    response = Response(text, status, content_type=JSON_TYPE)
    response.headers["Cache-Control"] = "no-cache,must-revalidate,max-age=0,no-store,private"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def empty(status: int = 204) -> Response:
    """No body and no type."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


class ApiError(Exception):
    """A call, or one record of it, that fails. Without ``fields`` they are left out; ``beside`` stands beside them."""

    def __init__(
        self, code: str, message: str, fields: list[str] | None = None, status: int = 400, **beside: Any
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.fields, self.status, self.beside = code, message, fields, status, beside

    def response(self) -> Response:
        """The answer of a call: a list with one error."""
        error: dict[str, Any] = {**self.beside, "message": self.message, "errorCode": self.code}
        if self.fields is not None:
            error["fields"] = self.fields
        return reply([error], self.status)

    def item(self) -> dict[str, Any]:
        """The same for one record of a collection, where the code has another name."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields or []}


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """No such address, object or record."""
    return ApiError("NOT_FOUND", message, status=404)


def is_deleted() -> ApiError:
    """The record lies in the Recycle Bin."""
    return ApiError("ENTITY_IS_DELETED", "entity is deleted", [], 404)


def invalid_session() -> ApiError:
    """The access token is unknown or over, or the org is another one."""
    return ApiError("INVALID_SESSION_ID", "Session expired or invalid", status=401)


def limit_exceeded(message: str) -> ApiError:
    """No more calls today, or too many long ones at once: only the message tells."""
    return ApiError("REQUEST_LIMIT_EXCEEDED", message, status=403)


def no_rights(what: str) -> ApiError:
    """The user may not do this."""
    return ApiError("INSUFFICIENT_ACCESS_OR_READONLY", f"insufficient access rights on {what}", [], 403)


def bad_json(message: str) -> ApiError:
    """A value of another type than the field's, or no JSON at all."""
    return ApiError("JSON_PARSER_ERROR", message)


class OAuthError(Exception):
    """A token call that fails: one object."""

    def __init__(self, error: str, explanation: str, status: int = 400) -> None:
        super().__init__(explanation)
        self.error, self.explanation, self.status = error, explanation, status

    def response(self) -> Response:
        """``{"error", "error_description"}``."""
        return reply({"error": self.error, "error_description": self.explanation}, self.status)


FAULTS: dict[str, Callable[[], ApiError]] = {
    "rate_limit_403": lambda: limit_exceeded(TOTAL_LIMIT),
    "rate_limit_429": lambda: limit_exceeded(CONCURRENT_LIMIT),
    "forbidden_403": lambda: ApiError(
        "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", status=403
    ),
    "not_found_404": not_found,
    "gone_410": lambda: ApiError("INVALID_QUERY_LOCATOR", "invalid query locator"),
    "error_500": lambda: ApiError("UNKNOWN_EXCEPTION", "An unexpected error occurred.", status=500),
    "error_503": lambda: ApiError("SERVER_UNAVAILABLE", "server temporarily unavailable", status=503),
    "timeout": lambda: ApiError("SERVER_UNAVAILABLE", "server temporarily unavailable", status=504),
}
OAUTH_FAULTS = {
    "rate_limit_403": (403, "invalid_request"),
    "rate_limit_429": (429, "retry_later"),
    "forbidden_403": (403, "access_denied"),
    "not_found_404": (404, "not_found"),
    "gone_410": (400, "invalid_grant"),
    "error_500": (500, "unknown_error"),
    "error_503": (503, "server_error"),
    "timeout": (504, "server_error"),
}
OAUTH_OPERATIONS = frozenset({"salesforce.auth", "salesforce.token", "salesforce.revoke", "salesforce.userinfo"})


def fault(order: Fault, operation: str) -> Response:
    """A fault in Salesforce's words."""
    if operation in OAUTH_OPERATIONS:
        status, name = OAUTH_FAULTS[order.kind]
        response = reply({"error": name, "error_description": name.replace("_", " ")}, status)
    else:
        response = FAULTS[order.kind]().response()
    if order.retry_after:
        response.headers["Retry-After"] = order.retry_after
    return response
