"""Gmail's refusals.

https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

from sandbox.google.errors import DENIED, EXHAUSTED, NOT_THERE, QUOTA_METRIC, ApiError


def not_found() -> ApiError:
    """No such message or thread, or a history id that is too old."""
    return ApiError(404, "notFound", NOT_THERE, status="NOT_FOUND")


def invalid_argument(message: str) -> ApiError:
    """A parameter Gmail does not take."""
    return ApiError(400, "invalidArgument", message, status="INVALID_ARGUMENT")


def history_start_missing() -> ApiError:
    """history.list without a place to begin, or with one that is no number."""
    return ApiError(400, "invalidArgument", "Missing/invalid parameter: startHistoryId")


def forbidden(message: str) -> ApiError:
    """The token is good, the call is not for it."""
    return ApiError(403, "forbidden", message, status=DENIED)


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
        return ApiError(429, "rateLimitExceeded", message, status=EXHAUSTED)
    return ApiError(403, "rateLimitExceeded", QUOTA_METRIC, "usageLimits", status=DENIED)


def topic_refused(topic: str) -> ApiError:
    """Gmail may not publish to the topic of a watch."""
    return forbidden(
        f"Error sending test message to Cloud PubSub {topic} : User not authorized to perform this action."
    )
