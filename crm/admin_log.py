"""Who of the staff did what: the admin's own log, written by buttons that the admin knows nothing of."""

from collections.abc import Iterable

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from relationships.models import User

MOST = 30
LONGEST_NAME = 200


def note(user: User, row: Model, words: str, name: str = "") -> None:
    """Keep what somebody did to a row. ``name`` is what the row is called there: it outlives the row."""
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=(name or str(row))[:LONGEST_NAME],
        action_flag=CHANGE,
        change_message=words,
    )


def note_each(user: User, rows: Iterable[Model], words: str) -> None:
    """The same of each of these rows, which are of one model. Two statements at most."""
    found = list(rows)
    if found:
        content = ContentType.objects.get_for_model(found[0])
        LogEntry.objects.bulk_create(
            LogEntry(
                user=user, content_type=content, object_id=str(row.pk), object_repr=str(row)[:LONGEST_NAME],
                action_flag=CHANGE, change_message=words,
            )
            for row in found
        )  # fmt: skip


def told(row: Model) -> list[LogEntry]:
    """What staff did to a row, the newest first."""
    content = ContentType.objects.get_for_model(row)
    found = LogEntry.objects.filter(content_type=content, object_id=str(row.pk))
    return list(found.select_related("user")[:MOST])
