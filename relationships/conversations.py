"""Touchpoints as a list shows them: the mails of a conversation as one entry, everything else by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from relationships import privacy
from relationships.models import Touchpoint, User


@dataclass(frozen=True)
class Entry:
    """The newest touchpoint of one entry, with the earlier mails of the same conversation, the newest first.

    To readers whom it is not open to, only the day is shown. Their mails of one day between the same people count as
    one entry: which of them belong together is not for them.
    """

    touchpoint: Touchpoint
    title: str
    is_open: bool
    earlier: Sequence[Touchpoint]

    @property
    def count(self) -> int:
        """How many touchpoints it stands for."""
        return len(self.earlier) + 1


def group(touchpoints: Iterable[Touchpoint], readers: Sequence[User]) -> list[Entry]:
    """Entries in the order of their newest touchpoint; ``touchpoints`` come the newest first.

    Prefetch ``users`` and ``people``, or each mail costs two queries.
    """
    entries: dict[Any, list[Touchpoint]] = {}
    for touchpoint in touchpoints:
        entries.setdefault(_key(touchpoint, readers), []).append(touchpoint)
    return [
        Entry(newest, privacy.title_for(newest, *readers), privacy.may_read(newest, *readers), earlier)
        for newest, *earlier in entries.values()
    ]


def _key(touchpoint: Touchpoint, readers: Sequence[User]) -> Any:
    """What the touchpoints of one entry have in common."""
    if touchpoint.kind != Touchpoint.Kind.EMAIL:
        return touchpoint.pk
    if privacy.may_read(touchpoint, *readers):
        return touchpoint.thread_key or touchpoint.pk
    users = frozenset(user.pk for user in touchpoint.users.all())
    people = frozenset(person.pk for person in touchpoint.people.all())
    return timezone.localdate(touchpoint.occurred_at), touchpoint.is_outgoing, users, people
