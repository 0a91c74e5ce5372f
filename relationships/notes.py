"""Notes that colleagues write, and the meetings that still wait for one."""

import uuid
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from relationships.models import Note, Task, Touchpoint, User

# A meeting is asked about this long; after that nobody remembers.
ASKED_FOR = timedelta(days=7)


def waiting_for_note(user: User, now: datetime) -> QuerySet[Touchpoint]:
    """Meetings this user took part in that ended in the last week and have no note by anybody, the latest first.

    Needs ``tenancy.within`` the user's company.
    """
    return (
        Touchpoint.objects.filter(kind=Touchpoint.Kind.MEETING, cancelled_at=None, users=user)
        # The start is indexed: no meeting of the last week began more than a month before it ended.
        .filter(occurred_at__gt=now - ASKED_FOR - timedelta(days=31), occurred_at__lte=now)
        .annotate(over_at=Coalesce(F("ended_at"), F("occurred_at")))
        .filter(~Exists(Note.objects.filter(touchpoint=OuterRef("pk"))), over_at__gt=now - ASKED_FOR, over_at__lte=now)
        .order_by("-over_at", "pk")
    )


def write(
    touchpoint: Touchpoint,
    author: User,
    text: str,
    outcome: str = Note.Outcome.NONE,
    sync_to_crm: bool = False,
    follow_up: str = "",
    due_on: date | None = None,
    token: uuid.UUID | None = None,
) -> Note:
    """Keep a note on a touchpoint and on everybody who was there; ``follow_up`` becomes the author's task.

    The same author's same note with the same ``token``, such as a form sent by a double click, is kept once.
    Needs ``tenancy.within`` the touchpoint's company.
    """
    said = {"text": text, "outcome": outcome, "sync_to_crm": sync_to_crm}
    same = (author.pk, token or uuid.uuid4(), *said.values(), follow_up, due_on)
    with transaction.atomic():
        note, is_new = Note.objects.get_or_create(
            pk=uuid.uuid5(touchpoint.pk, repr(same)),
            defaults={"company_id": touchpoint.company_id, "touchpoint": touchpoint, "author": author, **said},
        )
        if not is_new:
            return note
        people = list(touchpoint.people.all())
        note.people.set(people)
        if follow_up:
            Task.objects.create(
                company_id=touchpoint.company_id,
                title=follow_up,
                touchpoint=touchpoint,
                # With several guests the task hangs on the meeting alone: nobody said whom it is for.
                person=people[0] if len(people) == 1 else None,
                assignee=author,
                due_on=due_on,
            )
    return note
