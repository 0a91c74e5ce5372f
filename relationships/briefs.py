"""Briefs: what to read before a meeting, made by a sweep so that a moved or re-invited meeting gets a fresh one."""

import copy
import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from relationships import facts
from relationships.models import Brief, BriefFailure, Company, Touchpoint

# A meeting that has begun is still given its first brief this long: a short outage must not cost it.
GRACE = timedelta(minutes=5)


def due_at(touchpoint: Touchpoint) -> datetime:
    """When the brief of this meeting is made. In lists select_related("company"), which says how long before."""
    return touchpoint.occurred_at - timedelta(minutes=_lead_minutes(touchpoint.company))


def due(now: datetime) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """(company id, touchpoint id) of the meetings whose brief is missing or could be out of date, the soonest first.

    That is every meeting within its company's lead: any fact may change until it starts, and ``make`` tells whether one
    did. A meeting that began in the last GRACE is due only while it has no brief. Looks over every company.
    """
    overrides = Company.objects.exclude(brief_lead_minutes=None)
    leads = overrides.order_by().values_list("brief_lead_minutes", flat=True).distinct()
    within_lead = Q(company__brief_lead_minutes=None, occurred_at__lte=_horizon(now, settings.BRIEF_LEAD_MINUTES))
    for minutes in leads:
        within_lead |= Q(company__brief_lead_minutes=minutes, occurred_at__lte=_horizon(now, minutes or 0))
    has_none = ~Exists(Brief.unscoped.filter(touchpoint=OuterRef("pk")))
    rows = Touchpoint.unscoped.filter(
        within_lead,
        Q(occurred_at__gt=now) | (Q(occurred_at__gt=now - GRACE) & has_none),
        kind=Touchpoint.Kind.MEETING,
        cancelled_at=None,
    )
    return list(rows.order_by("occurred_at", "pk").values_list("company_id", "pk"))


def make(touchpoint_id: uuid.UUID) -> Brief | None:
    """Write a new version if the facts differ from the newest one; None where there is nothing new to say.

    None as well for a meeting that was cancelled or deleted, and where another worker wrote the version first. What
    ``facts`` holds is described in ``relationships.facts``. Needs ``tenancy.within`` the meeting's company.
    """
    meetings = Touchpoint.objects.filter(kind=Touchpoint.Kind.MEETING, cancelled_at=None).select_related("company")
    touchpoint = meetings.filter(pk=touchpoint_id).first()
    if touchpoint is None:
        return None
    newest = Brief.objects.filter(touchpoint=touchpoint).order_by("-version").first()
    known = facts.gather(touchpoint)
    fingerprint = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    if newest and newest.fingerprint == fingerprint:
        return None
    brief = Brief(
        company_id=touchpoint.company_id,
        touchpoint=touchpoint,
        version=newest.version + 1 if newest else 1,
        fingerprint=fingerprint,
        facts=known,
    )
    try:
        with transaction.atomic():
            brief.save(force_insert=True)
    except IntegrityError:
        # Another worker made this version meanwhile; if it knew less, the next sweep makes the next one.
        return None
    return brief


def readable(brief: Brief) -> facts.Facts:
    """What may be read of it now: of other meetings that a block rule hides since it was made no title. One query.

    Of a meeting's own brief nothing is for reading once the meeting is hidden: whoever shows it asks before.
    """
    known: facts.Facts = copy.deepcopy(brief.facts)
    named = list(_touchpoints(known))
    rows = Touchpoint.objects.filter(pk__in={one["touchpoint_id"] for one in named}, is_withheld=True)
    hidden = {str(pk) for pk in rows.values_list("pk", flat=True)}
    for one in named:
        if one["touchpoint_id"] in hidden:
            one["title"] = ""
    return known


def _touchpoints(known: object) -> Iterator[dict[str, Any]]:
    """Whatever in these facts names a touchpoint."""
    if isinstance(known, dict) and known.get("touchpoint_id"):
        yield known
    inner = known.values() if isinstance(known, dict) else known if isinstance(known, list) else ()
    for each in inner:
        yield from _touchpoints(each)


def record_failure(company_id: uuid.UUID, touchpoint_id: uuid.UUID, error: Exception) -> None:
    """Keep why a brief could not be made, where staff see it; ``clear_failure`` ends it."""
    reason = f"{type(error).__name__}: {error}"[:2000]
    rows = BriefFailure.unscoped.filter(touchpoint_id=touchpoint_id)
    if not rows.update(reason=reason, tries=F("tries") + 1, last_failed_at=timezone.now()):
        failure = BriefFailure(company_id=company_id, touchpoint_id=touchpoint_id, reason=reason)
        # Two sweeps may fail on it at once: one row is enough.
        BriefFailure.unscoped.bulk_create([failure], ignore_conflicts=True)


def clear_failure(touchpoint_id: uuid.UUID) -> None:
    """The brief could be made after all."""
    BriefFailure.unscoped.filter(touchpoint_id=touchpoint_id).delete()


def _lead_minutes(company: Company) -> int:
    own = company.brief_lead_minutes
    return settings.BRIEF_LEAD_MINUTES if own is None else own


def _horizon(now: datetime, minutes: int) -> datetime:
    return now + timedelta(minutes=minutes)
