"""Where else people and firms are kept, such as in a CRM: the floors above know it, and pages show it."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """The page of a record somewhere else: whose (the label of a CRM), and where."""

    where: str
    url: str


FINDERS: list[Callable[[Collection[uuid.UUID]], dict[uuid.UUID, list[Page]]]] = []
"""Each finds the pages of our rows by their keys; registered when the apps are ready."""


def pages(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Page]]:
    """The pages of each of these people and firms. Needs ``tenancy.within``."""
    found: dict[uuid.UUID, list[Page]] = {row_id: [] for row_id in row_ids}
    for find in FINDERS:
        for row_id, there in find(row_ids).items():
            found[row_id] += there
    return found
