"""The demo's two companies with a CRM: Northlight has Salesforce, Harbourview HubSpot. Linked as their admins would."""

from dataclasses import dataclass
from functools import partial

from django.db.models import F, Q
from django.urls import reverse

from crm import record_pages
from crm.models import RecordLink
from integrations.models import Channel, Integration, SyncRun, SyncState
from lpxgp import demo_crm, demo_crm_worlds, demo_stage
from lpxgp.demo_browser import Browser, form_to, form_with
from lpxgp.demo_crm_worlds import ORG, PORTAL
from lpxgp.demo_stage import Stage, Stuck
from relationships import demo as seed
from relationships import tenancy
from relationships.models import Company, Person, User
from webhooks.models import Delivery

SETTINGS = "/settings/integrations/"
SALESFORCE, HUBSPOT = "salesforce", "hubspot"


@dataclass(frozen=True)
class CrmLink:
    """A company, its admin, and the CRM that he links. ``account`` is what he chooses on the consent page."""

    company: Company
    admin: User
    provider: str
    account: str

    @property
    def integration(self) -> Integration:
        """Raises Integration.DoesNotExist before it is linked."""
        return Integration.unscoped.get(company=self.company, provider=self.provider, integration_type="crm")

    @property
    def is_linked(self) -> bool:
        found = Integration.unscoped.filter(company=self.company, provider=self.provider, integration_type="crm")
        return found.exists()

    @property
    def works(self) -> bool:
        """Whether it is linked still: who plays with the demo may have disconnected or paused it."""
        return self.is_linked and self.integration.works


def load(stage: Stage) -> tuple[CrmLink, CrmLink]:
    """Fill the pretend CRMs of both companies, where they are empty."""
    northlight, harbourview = (Company.objects.get(name=name) for name in (seed.COMPANY, seed.SECOND_COMPANY))
    ours = CrmLink(northlight, _admin(northlight), SALESFORCE, _admin(northlight).email)
    theirs = CrmLink(harbourview, _admin(harbourview), HUBSPOT, str(PORTAL))
    for link in (ours, theirs):
        story = partial(_story, link.company)
        if link.provider == SALESFORCE:
            demo_crm_worlds.fill_salesforce(stage, link.company.name, link.account, link.admin.name, story)
        else:
            owners = [user.email for user in link.company.users.order_by("-is_company_admin", "email")]
            domain = seed.domain_of(link.company.name)
            demo_crm_worlds.fill_hubspot(stage, link.company.name, domain, owners, story)
            demo_crm_worlds.announce_hubspot(stage)
    return ours, theirs


def connect(stage: Stage, browser: Browser, link: CrmLink) -> None:
    """From the settings over the consent page and back, as the admin would. Raises Stuck."""
    start = browser.get(f"{stage.web}/oauth/start/{link.provider}/crm")
    # Only Salesforce asks where one logs in.
    where = {"login_host": "my-domain", "login_host_typed": ORG} if link.provider == SALESFORCE else {}
    consent = browser.submit(start, form_to(start, ""), **where)
    form = form_with(consent, "decision", "allow")
    back = browser.submit(consent, form, account=link.account, decision="allow")
    if back.status != 200 or SETTINGS not in back.url:
        raise Stuck(f"Linking ended at {back.url} ({back.status}): {' '.join(back.text.split())[:600]}")


def announce_salesforce(stage: Stage, browser: Browser, link: CrmLink) -> None:
    """Have Salesforce tell us of changes, where its admin's settings say. Raises Stuck."""
    channels = Channel.unscoped.filter(integration=link.integration, state=Channel.State.LIVE)
    stage.wait(channels.exists, 60, "the address for Salesforce's pushes")
    demo_crm_worlds.announce_salesforce(stage, browser, f"{stage.web}{SETTINGS}{link.integration.pk}/pushes/")


def is_synced(link: CrmLink) -> bool:
    """Whether both sides were brought up to date once."""
    return SyncRun.unscoped.filter(state__integration=link.integration, outcome=SyncRun.Outcome.DONE).exists()


def wait_for_silence(stage: Stage, link: CrmLink) -> None:
    """Until nothing is on its way between the CRM and us. Raises Stuck."""
    stage.wait(lambda: _is_silent(stage, link), 30, f"{link.provider} to be silent")


def _is_silent(stage: Stage, link: CrmLink) -> bool:
    if demo_stage.local().get(f"{stage.sandbox}/control/idle", timeout=30).json()["pending"]:
        return False
    if Delivery.objects.filter(status__in=["received", "processing", "waiting", "retry"]).exists():
        return False
    states = SyncState.unscoped.filter(integration=link.integration)
    return not states.filter(Q(held_by__isnull=False) | Q(dirty_mark__gt=F("done_mark"))).exists()


def tour(stage: Stage, links: tuple[CrmLink, ...]) -> str:
    """What there is to see of the CRMs."""
    ours, theirs = links
    admin, pk = f"{stage.web}/admin/crm", ours.integration.pk
    lines = {
        "Mapping": f"{admin}/fieldmapping/{pk}/change/   which field is which; try it, publish it, take it back",
        "Errors": f"{admin}/recordlink/console/{pk}/   why a record failed, what to do, and again",
        "Echoes": f"{admin}/write/   what we wrote, and what of it came back and was ignored",
        "Conflicts": f"{admin}/conflict/   values that gave way; open one to put it back",
    }
    shown = "\n".join(f"    {title:10}{line}" for title, line in lines.items())
    return f"""  - The CRMs, as staff: a line of each mapping asks for a field that the CRM does not have yet.
{shown}
  - Sign in as {theirs.admin.email}, the admin of a second firm, whose CRM is HubSpot.
  - Look into the CRMs as their own people do. What we wrote is marked there, and every record can be changed:
    Salesforce {stage.sandbox}/salesforce/{ORG}/
    HubSpot    {stage.sandbox}/hubspot-app/contacts/{PORTAL}/{_somebody(stage, ours)}"""


def _somebody(stage: Stage, link: CrmLink) -> str:
    """One person on both sides, to be changed there and watched here; nothing where nobody is linked any more."""
    contacts = RecordLink.unscoped.filter(integration=link.integration, kind="person", state="linked")
    known = contacts.filter(row_id__isnull=False).order_by("external_id").first()
    if known is None:
        return ""
    name = Person.unscoped.get(pk=known.row_id).display_name
    return f"""
  - Give {name} another title in Salesforce, and see it here within seconds:
    there      {record_pages.record_url(known.integration, known.crm_object, known.external_id)}
    here       {stage.web}{reverse("relationships:person", args=[known.row_id])}"""


def _story(company: Company) -> demo_crm.Story:
    with tenancy.within(company.pk):
        return demo_crm.story()


def _admin(company: Company) -> User:
    """Raises Stuck where nobody is one any more."""
    admin = company.users.filter(is_company_admin=True).order_by("date_joined", "email").first()
    if admin is None:
        raise Stuck(
            f"{company.name} has no admin any more. Make somebody one in the admin, or delete var/ to begin anew."
        )
    return admin
