"""Mail touchpoints as letters: who wrote, who was asked, and whom an answer concerns. Five queries for any number."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from relationships import addresses, matching
from relationships.models import Touchpoint, User

Guest = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail. ``holders`` are the active colleagues with a copy, ``users`` those among them whom its answer concerns:
    its writer, or those asked.

    ``person`` is the contact on the other side: who wrote it, or the first contact it was written to; ``people`` are
    all contacts in it. ``is_known`` says whether the other side is a contact, or somebody of a known firm.
    """

    pk: uuid.UUID
    thread_key: str
    at: datetime
    is_outgoing: bool
    is_known: bool
    holders: frozenset[uuid.UUID]
    users: frozenset[uuid.UUID]
    person: uuid.UUID | None
    people: frozenset[uuid.UUID]


def read(touchpoints: QuerySet[Touchpoint]) -> list[Letter]:
    """The mail among ``touchpoints`` that is not cancelled, the earliest first. Needs ``tenancy.within``."""
    mails = touchpoints.filter(kind=Touchpoint.Kind.EMAIL, cancelled_at=None).order_by("occurred_at", "pk")
    rows = list(mails.values_list("pk", "thread_key", "occurred_at", "is_outgoing", "answerers", "guests"))
    if not rows:
        return []
    known = _known([guest for *_, guests in rows for guest in guests])
    holders = _holders([pk for pk, *_ in rows])
    letters = []
    for pk, thread_key, at, is_outgoing, answerers, guests in rows:
        asked = _with_role(guests, "to" if is_outgoing else "from")
        people = [person for guest in guests if (person := _person(guest, known))]
        letters.append(
            Letter(
                pk=pk,
                thread_key=thread_key,
                at=at,
                is_outgoing=bool(is_outgoing),
                is_known=any(_person(guest, known) or _domain(guest) in known.organizations for guest in asked),
                holders=frozenset(map(uuid.UUID, holders[pk])),
                users=frozenset(map(uuid.UUID, holders[pk] & set(answerers))),
                person=next((person for guest in asked if (person := _person(guest, known))), None),
                people=frozenset(people),
            )
        )
    return letters


def _holders(pks: Collection[uuid.UUID]) -> Mapping[uuid.UUID, set[str]]:
    """Ids, as text, of the active users of each touchpoint."""
    held: dict[uuid.UUID, set[str]] = defaultdict(set)
    links = Touchpoint.users.through._default_manager.filter(touchpoint_id__among=pks)
    active = links.filter(user__in=User.objects.filter(is_active=True))
    for pk, user_id in active.values_list("touchpoint_id", "user_id"):
        held[pk].add(str(user_id))
    return held


def _known(guests: Collection[Guest]) -> matching.Known:
    return matching.find({_key(guest) for guest in guests}, {_domain(guest) for guest in guests} - {""})


def _with_role(guests: Sequence[Guest], role: str) -> list[Guest]:
    return [guest for guest in guests if guest.get("role") == role]


def _person(guest: Guest, known: matching.Known) -> uuid.UUID | None:
    found = known.people.get(_key(guest))
    return found.id if found else None


def _key(guest: Guest) -> str:
    """The address as contacts are compared by; as it stands where it is none, which matches nobody."""
    try:
        return addresses.match_key(guest.get("email", ""))
    except ValueError:
        return guest.get("email", "")


def _domain(guest: Guest) -> str:
    try:
        return addresses.domain_of(guest.get("email", ""))
    except ValueError:
        return ""
