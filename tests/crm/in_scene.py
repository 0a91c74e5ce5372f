"""A linked pretend CRM, a mapping that brings things in, and rows of ours, for tests of the way in."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from crm import connection, mapping, pull, push
from crm.mapping import Row
from crm.models import Conflict, Policy, RecordLink, Twin
from integrations import grants, runs
from integrations.models import Integration, PokedItem, SetAside, SyncRun, SyncState
from relationships.models import Company, Organization, OrganizationDomain, Person, PersonAddress
from tests.crm.pretend_crm import PretendCrm

KINDS = {"name": "choice_table", "options": {"pairs": [["lp", "Investor"], ["gp", "Manager"], ["other", "Other"]]}}
ROWS = (
    Row("org.name", "Account", "Name"),
    Row("org.kind", "Account", "Type", transform=KINDS),
    Row("org.city", "Account", "BillingCity", "from_crm"),
    Row("org.domain", "Account", "Website", transform={"name": "domain"}),
    Row("match.score", "Account", "LPxGP_Match_Score__c", "to_crm", "ours_wins"),
    Row("person.first_name", "Contact", "FirstName"),
    Row("person.last_name", "Contact", "LastName"),
    Row("person.email", "Contact", "Email"),
    Row("person.phone", "Contact", "Phone"),
    Row("person.title", "Contact", "Title", "from_crm"),
    Row("note.title", "Note", "Title"),
    Row("note.text", "Note", "Body"),
)


@dataclass
class In:
    """Acme, its CRM, and what pulls from one to the other. ``past`` are the runs of all pulls."""

    company: Company
    integration: Integration
    crm: PretendCrm
    past: list[SyncRun] = field(default_factory=list)

    def held(self) -> runs.Held:
        """A sync that holds the CRM's state."""
        state = SyncState.objects.select_related("integration").get(integration=self.integration)
        holder = uuid.uuid4()
        SyncState.objects.filter(pk=state.pk).update(held_by=holder, held_until=timezone.now() + runs.HOLD)
        kind = "changes" if state.cursor else "first"
        run = SyncRun.objects.create(company=self.company, state=state, kind=kind, trigger="manual")
        return runs.Held(state, run, holder, state.dirty_mark, grants.Access("a token", 1))

    def pull(self) -> SyncRun:
        """Pull once."""
        return self.pull_with(self.held())

    def pull_with(self, held: runs.Held) -> SyncRun:
        """Pull once, with this hold."""
        self.past.append(held.run)
        with connection.open(self.integration, held.access) as link:
            pull.pull(held, link, mapping.published(self.integration))
        return held.run

    def push(self) -> SyncRun:
        """Push once."""
        held = self.held()
        with connection.open(self.integration, held.access) as link:
            push.push(held, link, mapping.published(self.integration))
        return held.run

    def poke(self, object: str, external_id: str, at: timedelta = timedelta(0)) -> None:
        """A push named this record."""
        PokedItem.objects.create(
            company=self.company,
            state=SyncState.objects.get(integration=self.integration),
            name=f"{object}:{external_id}",
            at=timezone.now() + at,
        )

    def allow(self, **columns: Any) -> None:
        """What the company allows."""
        Policy.objects.update_or_create(company=self.company, integration=self.integration, defaults=columns)

    def firm(self, name: str, domain: str = "", **columns: Any) -> Organization:
        organization = Organization.objects.create(company=self.company, name=name, **columns)
        if domain:
            OrganizationDomain.objects.create(company=self.company, organization=organization, domain=domain)
        return organization

    def person(self, name: str, *emails: str, **columns: Any) -> Person:
        person = Person.objects.create(company=self.company, display_name=name, **columns)
        for email in emails:
            PersonAddress.build(person, email, is_primary=email == emails[0]).save()
        return person

    def link_of(self, external_id: str) -> RecordLink:
        return RecordLink.objects.get(integration=self.integration, external_id=external_id)

    def row(self, external_id: str) -> Any:
        """Our row behind a record."""
        link = self.link_of(external_id)
        return {"organization": Organization, "person": Person}[link.kind].objects.get(pk=link.row_id)

    def conflicts(self) -> list[tuple[str, Any, Any, str]]:
        return [(one.lpxgp_field, one.ours, one.theirs, one.winner) for one in Conflict.objects.order_by("lpxgp_field")]

    def twins(self) -> list[Twin]:
        return list(Twin.objects.all())

    def aside(self) -> dict[str, str]:
        return dict(SetAside.objects.values_list("external_id", "reason"))
