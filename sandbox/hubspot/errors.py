"""How HubSpot says no: the API's envelope, the limits' other one, the token endpoint's.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.wrappers import Response

from sandbox.faults import Fault
from sandbox.providers import Call

Json = dict[str, Any]
VALIDATION = "VALIDATION_ERROR"
POLICIES = {"TEN_SECONDLY_ROLLING": "ten_secondly_rolling", "SECONDLY": "secondly", "DAILY": "daily"}
CONFLICT_TEXT = "{singular} already exists. Existing ID: {id}"
SCOPES_TEXT = (
    "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: "
    "https://developers.hubspot.com/scopes."
)


def reply(content: Any, status: int = 200) -> Response:
    """JSON, or nothing at all for None."""
    text = "" if content is None else json.dumps(content, ensure_ascii=False)
    response = Response(text, status, content_type="application/json;charset=utf-8")
    response.headers["X-HubSpot-Correlation-Id"] = str(uuid.uuid4())
    return response


class ApiError(Exception):
    """A refusal of the API. Clients decide by status and ``category``; ``headers`` go out with it."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: Sequence[Json] = (),
        context: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.category, self.message = status, category, message
        self.errors, self.context, self.headers = list(errors), dict(context or {}), dict(headers or {})

    def content(self) -> Json:
        """The envelope without what is empty."""
        content: Json = {"status": "error", "message": self.message, "correlationId": str(uuid.uuid4())}
        content |= {"errors": self.errors} if self.errors else {}
        content |= {"context": self.context} if self.context else {}
        return content | {"category": self.category}

    def response(self) -> Response:
        """The answer."""
        response = reply(self.content(), self.status)
        response.headers.update(self.headers)
        return response

    def item(self, context: Mapping[str, list[str]] | None = None) -> Json:
        """The error as one of several in a 207, with all that the real client insists on."""
        return {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "errors": self.errors,
            "context": self.context | dict(context or {}),
            "links": {},
        }


class RateLimited(ApiError):
    """Too many requests. These have no category but say which limit it was."""

    def __init__(self, policy: str) -> None:
        super().__init__(429, "", f"You have reached your {POLICIES[policy]} limit.")
        self.policy = policy

    def content(self) -> Json:
        """The limits' own envelope."""
        return {
            "status": "error",
            "message": self.message,
            "errorType": "RATE_LIMIT",
            "correlationId": str(uuid.uuid4()),
            "policyName": self.policy,
            "requestId": uuid.uuid4().hex,
        }


class OAuthError(Exception):
    """A refusal of the token endpoint: ``error`` by the standard, ``status`` by HubSpot."""

    def __init__(self, error: str, status: str, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.error, self.status, self.message, self.code = error, status, message, code

    def response(self) -> Response:
        """The answer, with both ways to say it."""
        content = {"error": self.error, "error_description": self.message}
        return reply(content | {"status": self.status, "message": self.message}, self.code)


def invalid(message: str, **more: Any) -> ApiError:
    """The request is no good."""
    return ApiError(400, VALIDATION, message, **more)


def not_found(message: str = "resource not found", **more: Any) -> ApiError:
    """There is no such record."""
    return ApiError(404, "OBJECT_NOT_FOUND", message, **more)


def conflict(singular: str, record_id: int) -> ApiError:
    """Another record has the e-mail address."""
    return ApiError(409, "CONFLICT", CONFLICT_TEXT.format(singular=singular.title(), id=record_id))


def missing_scopes(*scopes: str) -> ApiError:
    """None of these was granted."""
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": list(scopes)},
    }
    return ApiError(403, "MISSING_SCOPES", SCOPES_TEXT, errors=[detail])


def unknown(call: Call) -> Response:
    """A path the sandbox does not have."""
    message = f"The sandbox has no {call.request.method} {call.request.path}"
    return ApiError(404, "NOT_FOUND", message).response()


FAULTS = {
    "forbidden_403": missing_scopes("crm.objects.contacts.read"),
    "not_found_404": not_found(),
    "gone_410": ApiError(410, "GONE", "A fault on order."),
    "error_500": ApiError(500, "INTERNAL_ERROR", "internal error"),
    "error_503": ApiError(503, "SERVICE_UNAVAILABLE", "A fault on order."),
    "timeout": ApiError(504, "GATEWAY_TIMEOUT", "A fault on order."),
    "rate_limit_403": RateLimited("DAILY"),
}


def fault(order: Fault, operation: str) -> Response:
    """A fault in HubSpot's words. Its limits are all 429: ``rate_limit_403`` is the daily one."""
    error = FAULTS.get(order.kind)
    if error is None:
        error = RateLimited("SECONDLY" if operation.endswith(".search") else "TEN_SECONDLY_ROLLING")
    response = error.response()
    if order.retry_after:
        response.headers["Retry-After"] = order.retry_after
    return response
