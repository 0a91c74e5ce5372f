"""Whom the company, or one of its users, keeps out."""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from relationships import addresses
from relationships.models import BlockRule, PersonAddress, Touchpoint, User
from relationships.tenancy import current_company_id

STRONGEST_FIRST = (BlockRule.Strength.NEVER.value, BlockRule.Strength.HIDE.value)


@dataclass(frozen=True)
class Blocked:
    """Block rules, each with the user it holds for; None is the whole firm. Addresses are match keys.

    The values are strengths: ``never`` keeps mail and events out, ``hide`` keeps them out of sight.
    """

    addresses: Mapping[tuple[uuid.UUID | None, str], str]
    domains: Mapping[tuple[uuid.UUID | None, str], str]

    def blocks(self, email: str, user_id: uuid.UUID | None) -> bool:
        """Whether a rule of the firm or of this user covers the address. What is no address is covered by none."""
        return self.strength(email, user_id) != ""

    def strength(self, email: str, user_id: uuid.UUID | None) -> str:
        """``never`` or ``hide``, the stronger one where several rules cover the address, or "" where none does."""
        if not (self.addresses or self.domains):
            return ""
        try:
            key, domain = addresses.match_key(email), addresses.domain_of(email)
        except ValueError:
            return ""
        names = addresses.with_parents(domain)
        found = {self.addresses.get((user, key)) for user in (None, user_id)}
        found |= {self.domains.get((user, name)) for user in (None, user_id) for name in names}
        return next((each for each in STRONGEST_FIRST if each in found), "")


def find_rules(user_ids: Collection[uuid.UUID]) -> Blocked:
    """The current company's rules for the whole firm and for these users: one query.

    Raises NoCompany outside ``tenancy.within``.
    """
    rows = BlockRule.objects.filter(Q(user__in=user_ids) | Q(user=None), company_id=current_company_id()).values_list(
        "user_id", "kind", "value", "strength"
    )
    # In this order "never" comes last, where two spellings of one mailbox have a rule each.
    return _of_rows(rows.order_by("strength"))


def kept_out(person_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Whom of these contacts the whole firm keeps out, or out of sight, by any of their addresses. Two queries; one
    where the firm has no rule."""
    blocked = find_rules([])
    if not person_ids or not (blocked.addresses or blocked.domains):
        return set()
    emails = PersonAddress.objects.filter(person__among=person_ids).order_by().values_list("person_id", "email")
    return {pk for pk, email in emails if blocked.blocks(email, None)}


@dataclass(frozen=True)
class Affected:
    """What a rule would concern of what is known: touchpoints by kind, and the contacts whom it covers, by name.

    ``uncovered`` are these contacts' other addresses: whoever keeps somebody out by one of them may be surprised.
    """

    meetings: int
    mails: int
    people: Sequence[str]
    uncovered: Sequence[str]


def affected(kind: str, value: str, user: User | None) -> Affected:
    """What a rule on this address or domain concerns: of one user, or of the whole firm without one.

    Expects ``value`` as a rule stores it. Needs ``tenancy.within``. Three queries.
    """
    rule = _of_rows([(None, kind, value, BlockRule.Strength.NEVER.value)])
    domain = value.rpartition("@")[2]
    domains = addresses.GMAIL_DOMAINS if domain in addresses.GMAIL_DOMAINS else {domain}
    rows = Touchpoint.objects.filter(cancelled_at=None)
    if user is not None:
        held = Touchpoint.users.through._default_manager.filter(user=user)
        rows = rows.filter(pk__in=held.values("touchpoint"))
    # The database leaves few rows to look at; which of them are meant is told by the same rule that will keep them out.
    named = reduce(or_, (Q(text__icontains=name) for name in domains))
    found = rows.annotate(text=Cast("guests", TextField())).filter(named).order_by().values_list("kind", "guests")
    kinds = Counter(
        kind for kind, guests in found if any(rule.blocks(guest.get("email", ""), None) for guest in guests)
    )
    emails = reduce(or_, (Q(email__endswith=name) for name in domains))
    people = PersonAddress.objects.filter(emails).order_by("person__display_name")
    covered = {
        pk: name
        for email, pk, name in people.values_list("email", "person_id", "person__display_name")
        if rule.blocks(email, None)
    }
    others = PersonAddress.objects.filter(person__among=covered).order_by("email").values_list("email", flat=True)
    return Affected(
        meetings=kinds[Touchpoint.Kind.MEETING.value],
        mails=kinds[Touchpoint.Kind.EMAIL.value],
        people=list(dict.fromkeys(covered.values())),
        uncovered=[email for email in others if not rule.blocks(email, None)],
    )


def keep_out(kind: str, value: str, strength: str, user: User | None) -> BlockRule:
    """Make the rule, for one user or for the whole firm, or change its strength. Needs ``tenancy.within``."""
    # A changed rule counts as a new one: what is stored is looked at again.
    rule, _ = BlockRule.objects.update_or_create(
        company_id=current_company_id(),
        user=user,
        kind=kind,
        value=value,
        defaults={"strength": strength, "created_at": timezone.now()},
    )
    return rule


def _of_rows(rows: Iterable[tuple[uuid.UUID | None, str, str, str]]) -> Blocked:
    """From user, kind, value and strength. "never" overwrites "hide" where it comes after it."""
    keys, domains = {}, {}
    for user_id, kind, value, strength in rows:
        if kind == BlockRule.Kind.DOMAIN:
            domains[user_id, value] = strength
        else:
            keys[user_id, _key(value)] = strength
    return Blocked(keys, domains)


def _key(value: str) -> str:
    """The rule's address as addresses are compared; a value from before it was checked covers itself alone."""
    try:
        return addresses.match_key(value)
    except ValueError:
        return value
