"""demo-check's member of staff: maps a new field in the real admin, tries it, publishes it, and takes it back."""

from datetime import datetime
from functools import partial

from django.utils import timezone

from crm.models import FieldMapping, RecordLink, Write
from lpxgp import demo, demo_crm_links, demo_crm_worlds
from lpxgp.demo_browser import Page, form_to
from lpxgp.demo_crm_links import CrmLink
from lpxgp.demo_stage import Stage, Stuck
from relationships import demo as seed
from relationships.models import Organization, User

WITHIN = 30
OURS, THEIRS, FIRMS = "org.kind", "Type", "organization"
HALF_A_TABLE = [("lp", "Prospect")]
TABLE = [*HALF_A_TABLE, ("gp", "Technology Partner"), ("other", "Other")]
REFUSED = "has no row in the table of choices"


class MappingCheck:
    """The kind of firm ↔ Salesforce's Account Type. ``crm`` is Northlight's link."""

    def __init__(self, stage: Stage, crm: CrmLink) -> None:
        self._stage, self._crm = stage, crm
        self._editor = f"/admin/crm/fieldmapping/{crm.integration.pk}"
        self._staff = demo.sign_in(stage, User.objects.get(email=seed.STAFF_EMAIL))

    def map_a_field(self) -> None:
        """Draft, trial, correction, publication; out, there and back; and the version from before again.

        Raises Stuck, LookupError or requests' errors.
        """
        self._create_missing_fields()
        self._save_line(HALF_A_TABLE)
        if REFUSED not in self._trial():
            raise Stuck("The trial does not say which record would be refused.")
        self._save_line(TABLE)
        if REFUSED in self._trial():
            raise Stuck("The trial refuses what was corrected.")
        demo_crm_links.wait_for_silence(self._stage, self._crm)
        link, published_at = self._mended_link(), timezone.now()
        self._publish()
        self._stage.wait(partial(self._holds, link, "Prospect"), WITHIN, "the kind of firm in Salesforce")
        self._follow_there_and_back(link, published_at)
        self._restore()

    def _create_missing_fields(self) -> None:
        """The date of the last sync is the one that Salesforce lacks."""
        page = self._staff.get(self._address("/create-fields/"))
        self._expect(self._staff.submit(page, form_to(page, "")), "LPxGP_Last_Synced__c is there.")

    def _save_line(self, table: list[tuple[str, str]]) -> None:
        path = f"/line/{OURS}/"
        page = self._staff.get(self._address(path))
        ours, theirs = zip(*table, strict=True)
        filled: dict[str, str | list[str]] = {
            "crm_field": THEIRS,
            "transform": "choice_table",
            "pair-ours": list(ours),
            "pair-theirs": list(theirs),
            "do": "save",
        }
        self._expect(self._staff.submit(page, form_to(page, f"{self._editor}{path}"), **filled), "in the draft")

    def _trial(self) -> str:
        """The draft tried on the one firm that is no LP."""
        firm = Organization.unscoped.get(company=self._crm.company, kind=Organization.Kind.OTHER)
        return self._staff.get(self._address(f"/try/?kind={FIRMS}&record={firm.pk}")).text

    def _mended_link(self) -> RecordLink:
        """The account that Salesforce's rule refuses as long as it has no type."""
        links = RecordLink.unscoped.filter(integration=self._crm.integration, error_cause="rule")
        self._stage.wait(links.exists, WITHIN, "the record that Salesforce's rule refuses")
        return links.get()

    def _publish(self) -> None:
        page = self._staff.get(self._address("/change/"))
        form = form_to(page, f"{self._editor}/publish/")
        self._expect(self._staff.submit(page, form, note="The kind of firm for compliance"), "is published")

    def _follow_there_and_back(self, link: RecordLink, since: datetime) -> None:
        """What we wrote comes back once and is ignored; what is changed there comes here, and is not sent back."""
        written = Write.unscoped.filter(link=link, planned_at__gte=since, state=Write.State.DONE)
        self._stage.wait(written.filter(echoes__gt=0).exists, WITHIN, "its echo")
        if RecordLink.unscoped.get(pk=link.pk).error_cause:
            raise Stuck("The record that was refused still stands among the errors.")
        demo_crm_worlds.change(self._stage, self._crm.provider, link.crm_object, link.external_id, Type="Other")
        firm = Organization.unscoped.filter(pk=link.row_id, kind=Organization.Kind.OTHER)
        self._stage.wait(firm.exists, WITHIN, "the kind that was changed in Salesforce")
        demo_crm_links.wait_for_silence(self._stage, self._crm)
        if written.count() != 1 or not self._holds(link, "Other"):
            raise Stuck(f"The kind of firm was written {written.count()} times.")

    def _restore(self) -> None:
        """Back to the first version, which did not map the field."""
        page = self._staff.get(self._address("/versions/1/"))
        form = form_to(page, f"{self._editor}/versions/1/restore/")
        self._expect(self._staff.submit(page, form, do="publish"), "Version 3 is published")
        if FieldMapping.unscoped.filter(company=self._crm.company, lpxgp_field=OURS).exists():
            raise Stuck("The field is still mapped.")

    def _holds(self, link: RecordLink, value: str) -> bool:
        held = demo_crm_worlds.held(self._stage, self._crm.provider, link.crm_object, link.external_id)
        return bool(held[THEIRS] == value)

    def _address(self, path: str) -> str:
        return f"{self._stage.web}{self._editor}{path}"

    def _expect(self, page: Page, words: str) -> None:
        if page.status != 200 or words not in page.text:
            raise Stuck(f"{page.url} ({page.status}) does not say “{words}”: {' '.join(page.text.split())[-1500:]}")
