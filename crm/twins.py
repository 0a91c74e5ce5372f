"""Rows that look like one: proposed to staff, merged here when they say so, never by itself."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from crm import ledger, merging, rows
from crm.models import RecordLink, Twin, Write
from integrations.errors import Unusable
from integrations.models import Integration, PokedItem, SyncState
from relationships import bulk
from relationships.models import User


@dataclass(frozen=True)
class Proposal:
    """Two or more that look like one: keys of our rows, ids of their records, and why, in words."""

    kind: str
    reason: str
    ours: tuple[uuid.UUID, ...] = ()
    theirs: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The same pair has the same one, in whatever order it is found."""
        both = [self.kind, sorted(str(pk) for pk in self.ours), sorted(self.theirs)]
        return hashlib.sha256(json.dumps(both).encode()).hexdigest()


def propose(integration: Integration, proposals: Iterable[Proposal]) -> None:
    """Put these to staff, each pair once for ever. One statement."""
    rows = [
        {
            "company": integration.company_id,
            "integration": integration.pk,
            "kind": one.kind,
            "digest": one.digest,
            "ours": sorted(str(pk) for pk in one.ours),
            "theirs": sorted(one.theirs),
            "reason": one.reason,
        }
        for one in proposals
    ]
    kept = ["company", "kind", "ours", "theirs", "reason"]
    bulk.upsert(Twin, rows, unique=["integration", "digest"], once=kept)


def dismissed(integration: Integration, proposals: Iterable[Proposal]) -> set[str]:
    """The digests of those that staff said are not the same. One query."""
    digests = [one.digest for one in proposals]
    if not digests:
        return set()
    rows = Twin.objects.filter(integration=integration, digest__among=digests, state=Twin.State.DISMISSED)
    return set(rows.values_list("digest", flat=True))


def merge(twin: Twin, user: User) -> None:
    """Make our rows of this proposal one, the oldest, with all that belonged to the others.

    Needs ``tenancy.within`` its company. Raises Unusable, with words, where there are no two rows of ours left, or the
    CRM has not answered what was last sent of them: that is found again by their keys.
    """
    with transaction.atomic():
        _take(twin)
        ids = [uuid.UUID(pk) for pk in twin.ours]
        if Write.objects.filter(link__kind=twin.kind, link__row_id__in=ids, state__in=ledger.UNSURE).exists():
            raise Unusable("The CRM has not answered yet what was last sent of them. Try again in a few minutes.")
        left = merging.unite(twin.kind, ids)
        if left is None:
            raise Unusable("There are no two rows here any more. Two records of the CRM are merged there, not here.")
        pairs = [(link.integration, other) for link, other in left]
        for integration, (kept, other) in pairs:
            reason = "Their rows were merged here; in the CRM they are still two."
            propose(integration, [Proposal(twin.kind, reason, theirs=(kept, other))])
        _decide(twin, Twin.State.MERGED, user)
        _follow(twin)


def _follow(merged: Twin) -> None:
    """Other proposals that name a row which is gone now name the one it became."""
    kept = {str(pk) for pk in rows.stamps(merged.kind, [uuid.UUID(pk) for pk in merged.ours])}
    gone = set(merged.ours) - kept
    for other in Twin.objects.filter(kind=merged.kind, state=Twin.State.OPEN):
        if gone.isdisjoint(other.ours):
            continue
        other.ours = sorted({*other.ours, *kept} - gone)
        ours = tuple(uuid.UUID(pk) for pk in other.ours)
        other.digest = Proposal(other.kind, other.reason, ours, tuple(other.theirs)).digest
        same = Twin.objects.filter(integration=other.integration_id, digest=other.digest).exclude(pk=other.pk)
        if (len(ours) < 2 and len(other.theirs) < 2) or same.exists():
            other.delete()
        else:
            other.save(update_fields=["ours", "digest"])


def dismiss(twin: Twin, user: User) -> None:
    """They are not the same. Records that waited for this are read again, and become rows of their own.

    Needs ``tenancy.within`` its company. Raises Unusable where it was decided before.
    """
    with transaction.atomic():
        _take(twin)
        waiting = RecordLink.objects.filter(
            integration=twin.integration_id,
            kind=twin.kind,
            external_id__among=twin.theirs,
            state=RecordLink.State.IGNORED,
            row_id=None,
        )
        state = SyncState.objects.filter(integration=twin.integration_id, is_chosen=True).first()
        named = [
            {"company": twin.company_id, "state": state.pk, "name": f"{link.crm_object}:{link.external_id}"}
            for link in waiting
            if state
        ]
        bulk.upsert(PokedItem, named, unique=["state", "name"])
        waiting.delete()
        _decide(twin, Twin.State.DISMISSED, user)


def reopen(twin: Twin, user: User) -> None:
    """Take back that they are not the same. What became a row of its own meanwhile stays one until it is merged.

    Needs ``tenancy.within`` its company. Raises Unusable where that was not what was decided.
    """
    back = {"state": Twin.State.OPEN, "decided_at": None, "decided_by": None}
    if not Twin.objects.filter(pk=twin.pk, state=Twin.State.DISMISSED).update(**back):
        raise Unusable("Only what was said not to be the same can be taken back.")


def _take(twin: Twin) -> None:
    """Raises Unusable where somebody else was faster."""
    state = Twin.objects.select_for_update(of=("self",)).values_list("state", flat=True).get(pk=twin.pk)
    if state != Twin.State.OPEN:
        raise Unusable("This was decided already.")


def _decide(twin: Twin, state: str, user: User) -> None:
    twin.state, twin.decided_at, twin.decided_by = state, timezone.now(), user
    twin.save(update_fields=["state", "decided_at", "decided_by"])
