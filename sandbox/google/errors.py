"""Google's error envelopes.

https://developers.google.com/workspace/calendar/api/guides/errors
"""

import json
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response

from sandbox.faults import Fault

JSON_TYPE = "application/json; charset=UTF-8"


def reply(content: dict[str, Any], status: int = 200) -> Response:
    """JSON with the headers Google sends."""
    response = Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")), status, content_type=JSON_TYPE)
    response.headers["Cache-Control"] = "no-cache, no-store, max-age=0, must-revalidate"
    response.headers["Vary"] = "Origin, X-Origin, Referer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class ApiError(Exception):
    """A Calendar call that fails: one item of the envelope, plus what stands beside it."""

    def __init__(
        self, code: int, reason: str, message: str, domain: str = "global", location: str = "", **beside: Any
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.domain = code, reason, message, domain
        self.location, self.beside = location, beside

    def response(self) -> Response:
        """The envelope: ``{"error": {"errors": [item], "code", "message"}}``."""
        item = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.location:
            item["locationType"] = "header" if self.location in {"Authorization", "If-Match"} else "parameter"
            item["location"] = self.location
        error = {"errors": [item], "code": self.code, "message": self.message, **self.beside}
        response = reply({"error": error}, self.code)
        if self.code == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        return response


def dead_token() -> ApiError:
    """The access token is unknown, expired or revoked."""
    return ApiError(401, "authError", "Invalid Credentials", location="Authorization")


def login_required() -> ApiError:
    """No token at all."""
    return ApiError(401, "required", "Login Required", location="Authorization")


def scope_missing(method: str, service: str = "calendar-json.googleapis.com") -> ApiError:
    """The token is good, but the user did not grant what this method needs."""
    details = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": service, "method": method},
    }
    error = ApiError(403, "insufficientPermissions", "Insufficient Permission")
    error.beside = {
        "message": "Request had insufficient authentication scopes.",
        "status": "PERMISSION_DENIED",
        "details": [details],
    }
    return error


def not_found() -> ApiError:
    """No such thing, or none this user may see."""
    return ApiError(404, "notFound", "Not Found")


def invalid(location: str, message: str = "Invalid Value") -> ApiError:
    """A parameter with a value Google does not take."""
    return ApiError(400, "invalid", message, location=location)


def full_sync_required() -> ApiError:
    """The sync token is too old or unknown."""
    message = "Sync token is no longer valid, a full sync is required."
    return ApiError(410, "fullSyncRequired", message, "calendar", "syncToken")


def restricted_with_sync_token() -> ApiError:
    """A parameter that must not go with a sync token."""
    message = "Sync token cannot be used with other request restrictions."
    return ApiError(400, "syncTokenWithRequestRestrictions", message, "calendar", "syncToken")


FAULTS: dict[str, Callable[[], ApiError]] = {
    "rate_limit_403": lambda: ApiError(403, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits"),
    "rate_limit_429": lambda: ApiError(429, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits"),
    "forbidden_403": lambda: ApiError(403, "forbidden", "Forbidden"),
    "not_found_404": not_found,
    "gone_410": full_sync_required,
    "error_500": lambda: ApiError(500, "backendError", "Backend Error"),
    "error_503": lambda: ApiError(503, "backendError", "Backend Error"),
    "timeout": lambda: ApiError(504, "backendError", "Backend Error"),
}
DENIED, EXHAUSTED = "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"
NOT_THERE = "Requested entity was not found."
TOO_MANY = "Too many concurrent requests for user."
PROJECT = "project_number:000000000000"
QUOTA_METRIC = (
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
    f"'gmail.googleapis.com' for consumer '{PROJECT}'."
)
# Gmail says these otherwise than Calendar; a history that is gone is a 404 there.
GMAIL_FAULTS: dict[str, Callable[[], ApiError]] = {
    "rate_limit_403": lambda: ApiError(403, "rateLimitExceeded", QUOTA_METRIC, "usageLimits", status=DENIED),
    "rate_limit_429": lambda: ApiError(429, "rateLimitExceeded", TOO_MANY, status=EXHAUSTED),
    "forbidden_403": lambda: ApiError(403, "domainPolicy", "The domain administrators have disabled Gmail apps."),
    "not_found_404": lambda: ApiError(404, "notFound", NOT_THERE, status="NOT_FOUND"),
    "gone_410": lambda: ApiError(404, "notFound", NOT_THERE, status="NOT_FOUND"),
}
OAUTH_FAULTS = {
    "rate_limit_403": (403, "rate_limit_exceeded"),
    "rate_limit_429": (429, "rate_limit_exceeded"),
    "forbidden_403": (403, "access_denied"),
    "not_found_404": (404, "not_found"),
    "gone_410": (410, "deleted_client"),
    "error_500": (500, "internal_failure"),
    "error_503": (503, "backend_error"),
    "timeout": (504, "backend_error"),
}


def fault(order: Fault, operation: str) -> Response:
    """A fault in Google's words: the envelope, or OAuth's two keys for ``oauth.…`` operations."""
    if operation.startswith("oauth."):
        status, name = OAUTH_FAULTS[order.kind]
        response = reply({"error": name, "error_description": name.replace("_", " ").capitalize()}, status)
    else:
        own = GMAIL_FAULTS if operation.startswith("gmail.") else {}
        response = own.get(order.kind, FAULTS[order.kind])().response()
    if order.retry_after:
        response.headers["Retry-After"] = order.retry_after
    return response
