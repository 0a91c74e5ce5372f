"""Errors that carry their consequence. Providers and adapters raise them; jobs, inbox and views catch them.

The message is in plain words for the person who will read it; anything else that is raised is a bug.
"""

from datetime import datetime


class IntegrationError(Exception):
    """Something went wrong between a provider and us."""


class Temporary(IntegrationError):
    """Worth another try. ``retry_after``: seconds the provider asked us to wait, if it said."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(Temporary):
    """The provider was reached and did not answer in time: a smaller question may be answered."""


class Moved(Temporary):
    """The provider answers that what is asked for has another address, where nobody is followed."""


class RateLimited(Temporary):
    """The provider's quota is used up for now."""


class TokenRefused(Temporary):
    """The provider no longer takes this access token: a refresh, then another try."""


class Wait(IntegrationError):
    """Nothing failed: there is more to do, and ``until`` then it may not, or need not, be done."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class Permanent(IntegrationError):
    """Another try would end the same way until somebody acts."""


class NeedsReconnect(Permanent):
    """The grant is dead: the user must consent again. ``claims``: what the provider demands of that consent."""

    def __init__(self, message: str, claims: str = "") -> None:
        super().__init__(message)
        self.claims = claims


class MissingScope(Permanent):
    """The grant lives, but does not cover what was asked."""


class BadConfig(Permanent):
    """The installation is set up wrongly (client id or secret, redirect address): the operator must act."""


class Unusable(Permanent):
    """What a person typed cannot be used. The message says what can."""


class ResourceGone(Permanent):
    """The calendar or folder no longer exists, or is no longer shared with the account."""


class Unreadable(Permanent):
    """What was received does not have the form the provider documents."""


class CursorExpired(IntegrationError):
    """The provider no longer knows our cursor: a full round is needed."""


class Refused(IntegrationError):
    """A webhook that does not prove where it comes from. Its sender learns nothing but 401."""
