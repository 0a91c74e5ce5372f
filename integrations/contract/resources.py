"""The words for what is read by itself, of whatever kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceInfo:
    """Something of the account that is read by itself, such as a calendar or a mailbox, as the provider lists it."""

    external_id: str
    name: str
    time_zone: str
    is_primary: bool
    access_role: str


@dataclass(frozen=True)
class UnreadableItem:
    """An item that could not be translated, with the reason a person can act on."""

    external_id: str
    reason: str
