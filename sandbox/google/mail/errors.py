"""Gmail's refusals.

https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

from sandbox.google.errors import ApiError

PROJECT = "project_number:000000000000"


def not_found() -> ApiError:
    """No such message or thread, or a history id that is too old."""
    return ApiError(404, "notFound", "Requested entity was not found.", status="NOT_FOUND")


def invalid_argument(message: str) -> ApiError:
    """A parameter Gmail does not take."""
    return ApiError(400, "invalidArgument", message, status="INVALID_ARGUMENT")


def history_start_missing() -> ApiError:
    """history.list without a place to begin, or with one that is no number."""
    return ApiError(400, "invalidArgument", "Missing/invalid parameter: startHistoryId")


def forbidden(message: str) -> ApiError:
    """The token is good, the call is not for it."""
    return ApiError(403, "forbidden", message, status="PERMISSION_DENIED")


def no_search() -> ApiError:
    """A token that holds the metadata scope cannot search, whatever else it holds."""
    return forbidden("Metadata scope does not support 'q' parameter")


def no_format(wanted: str) -> ApiError:
    """Such a token sees no text."""
    return ApiError(403, "forbidden", f"Metadata scope doesn't allow format {wanted.upper()}")


def quota_exceeded(status: int) -> ApiError:
    """The minute's units are used up: said as 403, or as 429."""
    if status == 429:
        message = "Resource has been exhausted (e.g. check quota)."
        return ApiError(429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED")
    message = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
        f"'gmail.googleapis.com' for consumer '{PROJECT}'."
    )
    return ApiError(403, "rateLimitExceeded", message, "usageLimits", status="PERMISSION_DENIED")


def too_many_at_once() -> ApiError:
    """Said to parts of a batch, mostly."""
    message = "Too many concurrent requests for user."
    return ApiError(429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED")


def mail_switched_off() -> ApiError:
    """The user's firm does not allow it."""
    return ApiError(403, "domainPolicy", "The domain administrators have disabled Gmail apps.")


def topic_refused(topic: str) -> ApiError:
    """Gmail may not publish to the topic of a watch."""
    return forbidden(
        f"Error sending test message to Cloud PubSub {topic} : User not authorized to perform this action."
    )
