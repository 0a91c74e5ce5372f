"""Rows that look like one: proposed to staff, merged here when they say so, never by itself."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from crm.models import Twin
from integrations.models import Integration
from relationships import bulk


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
