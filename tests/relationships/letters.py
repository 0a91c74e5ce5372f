"""Mail between colleagues and contacts, recorded as a sync would, for the tests of who owes whom and who sees what."""

import hashlib
from collections.abc import Collection
from datetime import datetime

import pytest
from django.db.models import QuerySet

from relationships import correspondence, follow_ups, touchpoints
from relationships.models import Person, Touchpoint, User


def address_of(person: Person) -> str:
    """The person's first address. Raises IndexError for one without."""
    return str(list(person.addresses.order_by("-is_primary", "email"))[0].email)


def letter(
    thread: str,
    at: datetime,
    *,
    of: Collection[User],
    to: Collection[Person] = (),
    by: Person | None = None,
    cc: Collection[Person] = (),
    asked: Collection[User] | None = None,
    subject: str = "Fund III",
) -> touchpoints.Mail:
    """A mail ``by`` a contact, or else by a colleague ``to`` contacts, of which the users ``of`` hold a copy.

    Its answer concerns the users ``asked``: by default all that hold one.
    """
    roles = [*([(by, "from")] if by else []), *((person, "to") for person in to), *((person, "cc") for person in cc)]
    people = [person for person, _ in roles]
    key = hashlib.sha256(f"{thread}/{at.isoformat()}/{sorted(user.email for user in of)}".encode()).hexdigest()
    return touchpoints.Mail(
        unique_key=key,
        thread_key=thread,
        subject=subject,
        sent_at=at,
        is_outgoing=by is None,
        is_private=not all(user.shares_mail_subjects for user in of),
        people=frozenset(person.pk for person in people),
        organizations=frozenset(person.organization_id for person in people if person.organization_id),
        users=frozenset(user.pk for user in of),
        answerers=frozenset(user.pk for user in (of if asked is None else asked)),
        guests=tuple(
            {"email": address_of(person), "name": person.display_name, "role": role} for person, role in roles
        ),
        origin="mail:1",
    )


def arrive(user: User, *mails: touchpoints.Mail) -> list[Touchpoint]:
    """Record the mails for the user's company and look at who owes an answer; needs ``tenancy.within`` it."""
    ids = touchpoints.record_mails(mails)
    assert user.company_id is not None
    follow_ups.review(user.company_id, {mail.thread_key for mail in mails})
    rows = {row.pk: row for row in Touchpoint.objects.filter(pk__in=ids.values())}
    return [rows[ids[mail.unique_key]] for mail in mails]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many letters are read at once, each time that some are, from now on."""
    read, sizes = correspondence.read, list[int]()

    def reading(touchpoints: QuerySet[Touchpoint]) -> list[correspondence.Letter]:
        letters = read(touchpoints)
        sizes.append(len(letters))
        return letters

    monkeypatch.setattr(correspondence, "read", reading)
    return sizes
