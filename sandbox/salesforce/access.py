"""What a user may see and change: objects, fields and rows."""

from dataclasses import dataclass, field
from typing import Any

ANYBODY = ""


@dataclass
class Access:
    """What is taken from users, by user id; an empty one stands for everybody.

    ``fields`` are hidden, ``readonly_fields`` shown but fixed, each as (object, field); ``objects`` are hidden whole;
    ``readonly_rows`` are ids.
    """

    fields: set[tuple[str, str, str]] = field(default_factory=set)
    readonly_fields: set[tuple[str, str, str]] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)
    readonly_rows: set[tuple[str, str]] = field(default_factory=set)

    def is_hidden(self, user_id: str, name: str, field_name: str) -> bool:
        """Whether a field cannot be seen."""
        return bool({(user_id, name, field_name), (ANYBODY, name, field_name)} & self.fields)

    def is_fixed(self, user_id: str, name: str, field_name: str) -> bool:
        """Whether a field can be seen but not edited."""
        return bool({(user_id, name, field_name), (ANYBODY, name, field_name)} & self.readonly_fields)

    def is_object_hidden(self, user_id: str, name: str) -> bool:
        """Whether an object cannot be seen."""
        return bool({(user_id, name), (ANYBODY, name)} & self.objects)

    def is_row_fixed(self, user_id: str, record_id: str) -> bool:
        """Whether a record cannot be edited."""
        return bool({(user_id, record_id), (ANYBODY, record_id)} & self.readonly_rows)

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {name: sorted(list(one) for one in getattr(self, name)) for name in self.__dataclass_fields__}


def restored(saved: dict[str, Any]) -> Access:
    """What ``dump`` gave."""
    return Access(**{name: {tuple(one) for one in values} for name, values in saved.items()})
