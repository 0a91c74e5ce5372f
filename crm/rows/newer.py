"""Which rows have news for the CRM, by their stamps, by what may go out, and by what the company allows."""

import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest, TruncDate
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from crm import policy
from crm.models import Policy, RecordLink
from crm.rows.activities import firm_zone
from integrations.models import Integration
from relationships import blocking
from relationships.models import Match, Note, Organization, Person, PersonAddress, Task, Touchpoint

Firms = QuerySet[Organization] | None
"""The firms that may be written; None is all of them."""


def newer(integration: Integration, kind: str, limit: int) -> list[uuid.UUID]:
    """Rows that changed since they were last compared, are due, or were never sent and may be; the oldest news first.

    Never a note nobody marked, or what concerns nobody the CRM knows; of mail that is hidden only what is to be taken
    back. Three queries at most, of tasks five.
    """
    rules = policy.of(integration)
    if rules.writes == Policy.Writes.NONE:
        return []
    firms = Organization.objects.filter(pk__in=policy.listed(rules) or ()) if _is_listed(rules) else None
    now = timezone.now()
    links = RecordLink.objects.filter(integration=integration, kind=kind, row_id=OuterRef("pk"))
    open_links = links.filter(
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now),
        state__in=[RecordLink.State.LINKED, RecordLink.State.NEW],
    )
    rows = _ROWS[kind](integration, rules, firms)
    due = open_links.filter(
        Q(is_due=True) | Q(looked_at__isnull=True) | Q(looked_at__lt=OuterRef("changed_at")) | _by_time(kind)
    )
    rows = rows.filter(Exists(due) | (Q(may_begin=True) & ~Exists(links)))
    return list(rows.order_by("changed_at", "pk").values_list("pk", flat=True)[:limit])


def _is_listed(rules: Policy) -> bool:
    return rules.writes == Policy.Writes.LISTED


def _by_time(kind: str) -> Q:
    """A task becomes urgent by itself once its day is over where the firm is: an open one is compared again then."""
    if kind != "task":
        return Q(pk__in=())
    return Q(LessThanOrEqual(TruncDate("looked_at", tzinfo=firm_zone()), OuterRef("late_on")))


def _organizations(integration: Integration, rules: Policy, firms: Firms) -> QuerySet[Any]:
    # By the firm alone, which is of this company: a database without statistics would go through all its matches.
    scored = Match.unscoped.filter(organization=OuterRef("pk")).order_by().values("organization")
    rows = Organization.objects.annotate(
        changed_at=_latest("updated_at", scored.annotate(last=Max(Greatest("scored_at", "updated_at"))).values("last")),
        may_begin=_is(rules.creates_organizations),
    )
    return rows if firms is None else rows.filter(pk__in=firms.values("pk"))


def _people(integration: Integration, rules: Policy, firms: Firms) -> QuerySet[Any]:
    """A contact the whole firm keeps out is never sent there first."""
    may_begin = _is(rules.creates_people)
    blocked = blocking.find_rules([]) if rules.creates_people else None
    rows = Person.objects.annotate(changed_at=F("updated_at"), may_begin=may_begin)
    if blocked and (blocked.addresses or blocked.domains):
        emails = PersonAddress.objects.values_list("person", "email").iterator()
        kept_out = {pk for pk, email in emails if blocked.blocks(email, None)}
        rows = rows.exclude(pk__among=kept_out)
    return rows if firms is None else rows.filter(organization__in=firms.values("pk"))


def _touchpoints(kind: str) -> Callable[[Integration, Policy, Firms], QuerySet[Any]]:
    def rows(integration: Integration, rules: Policy, firms: Firms) -> QuerySet[Any]:
        noted = Note.unscoped.filter(touchpoint=OuterRef("pk"), sync_to_crm=True).order_by().values("touchpoint")
        found = Touchpoint.objects.filter(kind=kind).annotate(
            changed_at=_latest("updated_at", noted.annotate(last=Max("updated_at")).values("last")),
            # What was cancelled before it was sent is nobody's news.
            may_begin=Q(cancelled_at=None) & _is_known(integration, OuterRef("pk")),
        )
        if kind == Touchpoint.Kind.EMAIL:
            found = found.filter(Q(cancelled_at=None) | Q(is_withheld=True))
        return found if firms is None else found.filter(_is_of(firms, OuterRef("pk")) | Q(is_withheld=True))

    return rows


def _tasks(integration: Integration, rules: Policy, firms: Firms) -> QuerySet[Any]:
    known = Exists(_linked(integration, "person").filter(row_id=OuterRef("person_id")))
    rows = Task.objects.annotate(
        changed_at=F("updated_at"),
        late_on=Case(When(done_at=None, due_on__lt=timezone.localdate(timezone=firm_zone()), then=F("due_on"))),
        may_begin=known | _is_known(integration, OuterRef("touchpoint_id")),
    )
    if firms is None:
        return rows
    return rows.filter(Q(person__organization__in=firms.values("pk")) | _is_of(firms, OuterRef("touchpoint_id")))


def _notes(integration: Integration, rules: Policy, firms: Firms) -> QuerySet[Any]:
    through = Note.people.through._default_manager.filter(note_id=OuterRef("pk"))
    known = Exists(through.filter(person_id__in=_linked(integration, "person").values("row_id")))
    rows = Note.objects.filter(sync_to_crm=True).annotate(
        changed_at=F("updated_at"),
        may_begin=known | _is_known(integration, OuterRef("touchpoint_id")),
    )
    if firms is None:
        return rows
    of_people = Exists(through.filter(person__organization__in=firms.values("pk")))
    return rows.filter(of_people | _is_of(firms, OuterRef("touchpoint_id")))


_ROWS: dict[str, Callable[[Integration, Policy, Firms], QuerySet[Any]]] = {
    "organization": _organizations,
    "person": _people,
    "meeting": _touchpoints(Touchpoint.Kind.MEETING),
    "email": _touchpoints(Touchpoint.Kind.EMAIL),
    "task": _tasks,
    "note": _notes,
}


def _linked(integration: Integration, kind: str) -> QuerySet[Any]:
    return RecordLink.objects.filter(
        integration=integration, kind=kind, state=RecordLink.State.LINKED, row_id__isnull=False
    )


def _is_known(integration: Integration, touchpoint: OuterRef) -> Any:
    """Whether the CRM has somebody, or a firm, of this touchpoint."""
    people = Touchpoint.people.through._default_manager.filter(touchpoint_id=touchpoint)
    firms = Touchpoint.organizations.through._default_manager.filter(touchpoint_id=touchpoint)
    return Exists(people.filter(person_id__in=_linked(integration, "person").values("row_id"))) | Exists(
        firms.filter(organization_id__in=_linked(integration, "organization").values("row_id"))
    )


def _is_of(firms: QuerySet[Organization], touchpoint: OuterRef) -> Any:
    """Whether a firm that may be written, or one of its people, had part in this touchpoint."""
    people = Touchpoint.people.through._default_manager.filter(touchpoint_id=touchpoint)
    own = Touchpoint.organizations.through._default_manager.filter(touchpoint_id=touchpoint)
    return Exists(people.filter(person__organization__in=firms.values("pk"))) | Exists(
        own.filter(organization_id__in=firms.values("pk"))
    )


def _latest(column: str, other: QuerySet[Any]) -> Greatest:
    """The later of a column and a subquery that may have none."""
    return Greatest(F(column), Coalesce(Subquery(other), F(column)))


def _is(is_true: bool) -> Any:
    """A condition that is so, or not, for every row."""
    return Q(pk__isnull=not is_true)
