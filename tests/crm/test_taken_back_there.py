"""What is taken back through the real adapters over HTTP, at both pretend CRMs."""

import pytest
from django.utils import timezone

from crm import deletes, erasing
from crm.models import RecordLink, Write
from integrations import poked_items
from integrations.contract import FORGET
from relationships.models import Match, Person, Touchpoint
from tests.crm.two_ways import SCORE, Firm, linked

TITLE = {"salesforce": "Subject", "hubspot": "hs_meeting_title"}
PLACE = {"salesforce": "Location", "hubspot": "hs_meeting_location"}


def test_a_deleted_match_is_cleared_and_noted(firm: Firm) -> None:
    slug = firm.world.slug
    account = firm.world.create("organization", name="Alpha Pension")
    firm.firm("Alpha Pension", score=82)
    firm.sync()
    assert float(firm.world.held("organization", account)[SCORE[slug]]) == 82
    firm.later()
    firm.sync()
    Match.objects.all().delete()
    firm.later()
    firm.sync()
    assert firm.world.held("organization", account).get(SCORE[slug]) in (None, "")
    assert Write.objects.order_by("-planned_at")[0].values[SCORE[slug]] is None
    count = firm.writes()
    firm.later()
    firm.sync()
    assert firm.writes() == count


def test_a_hidden_meeting_is_taken_back_and_its_values_are_removed(firm: Firm) -> None:
    slug = firm.world.slug
    account = firm.world.create("organization", name="Alpha Pension")
    firm.world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    firm.sync()
    meeting = Touchpoint.objects.create(
        company=firm.company, kind="meeting", unique_key="1", title="Falcon", location="Clinic",
        occurred_at=timezone.now(), guests=[{"email": "lena@alpha.example"}],
    )  # fmt: skip
    meeting.people.add(Person.objects.get())
    firm.later()
    firm.sync()
    event = firm.external_id(meeting)
    assert firm.world.held("meeting", event)[TITLE[slug]] == "Falcon"
    Touchpoint.objects.update(cancelled_at=timezone.now(), is_withheld=True, updated_at=timezone.now())
    firm.later()
    firm.sync()
    held = firm.world.held("meeting", event)
    assert (held[TITLE[slug]], held.get(PLACE[slug]) or None) == ("Meeting", None)
    newest, oldest = Write.objects.filter(link__kind="meeting").order_by("-planned_at")
    assert set(oldest.values.values()) == {erasing.REMOVED}
    assert newest.values[TITLE[slug]] == "Meeting"


@pytest.mark.django_db(transaction=True)
def test_what_hubspot_deletes_for_privacy_leaves_no_values() -> None:
    with linked("hubspot") as firm:
        contact = firm.world.create("person", first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
        firm.sync()
        Person.objects.update(title="Partner", updated_at=timezone.now())
        firm.later()
        firm.sync()
        link = RecordLink.objects.get(kind="person")
        assert [write.values["jobtitle"] for write in Write.objects.filter(link=link)] == ["Partner"]
        firm.world.desk.control("records/gdpr_delete", ids=[int(contact)], silent=True)
        poked_items.add({firm.state.pk: [f"{FORGET}contacts:{contact}"]})
        firm.later()
        firm.sync()
        link.refresh_from_db()
        assert (link.state, link.reason, link.shadow) == ("deleted", deletes.FORGOTTEN, {})
        assert [write.values for write in Write.objects.filter(link=link)] == [{"jobtitle": erasing.REMOVED}]
        firm.later()
        firm.sync()
        assert Person.objects.get().title == "Partner"
