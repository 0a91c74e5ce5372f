"""A score that changed here goes to the CRM, whoever changed it and however."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from crm import told
from crm.models import RecordLink
from integrations import poked_items
from integrations.contract import OURS
from integrations.models import PokedItem, SyncState
from relationships.models import Match, Note, Organization, Touchpoint
from tests.crm.two_ways import SCORE, Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def match(firm: Firm) -> Match:
    """A match whose score is in the CRM."""
    firm.world.create("organization", name="Pension One")
    organization = firm.firm("Pension One", score=80)
    firm.sync()
    long_ago = timezone.now() - timedelta(days=1)
    Organization.objects.update(updated_at=long_ago)
    Match.objects.update(updated_at=long_ago, scored_at=long_ago)
    assert score_there(firm, organization) == 80
    return Match.objects.get()


def score_there(firm: Firm, organization: Organization) -> float:
    return float(firm.world.held("organization", firm.external_id(organization))[SCORE[firm.world.slug]])


def test_a_score_that_staff_correct_goes_out(firm: Firm, match: Match) -> None:
    """The admin keeps the moment at which the score was computed."""
    match.score = 30
    match.save()
    firm.later()
    firm.sync()
    assert score_there(firm, match.organization) == 30


def test_a_score_that_leaves_no_stamp_goes_out_once_the_core_names_it(firm: Firm, match: Match) -> None:
    Match.objects.update(score=30)
    firm.later()
    firm.sync()
    assert score_there(firm, match.organization) == 80

    poked_items.add({firm.state.pk: [f"{OURS}match:{match.pk}"]})
    firm.later()
    firm.sync()
    assert score_there(firm, match.organization) == 30
    assert not PokedItem.objects.exists()


def test_what_the_core_names_once_a_sync_began_waits_for_the_next_one(
    firm: Firm, match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = told.mark

    def late(state: SyncState) -> None:
        mark(state)
        poked_items.add({firm.state.pk: [f"{OURS}match:{match.pk}"]})

    monkeypatch.setattr(told, "mark", late)
    firm.later()
    firm.sync()
    assert PokedItem.objects.filter(name__startswith=OURS).exists()


def test_what_was_named_of_others_is_forgotten(firm: Firm, match: Match) -> None:
    RecordLink.objects.update(state=RecordLink.State.IGNORED, is_due=False)
    names = [f"{OURS}match:{match.pk}", f"{OURS}person:{uuid.uuid4()}", "Contact:003A"]
    poked_items.add({firm.state.pk: names})
    told.mark(firm.state)
    assert not RecordLink.objects.filter(is_due=True).exists()
    assert [item.name for item in PokedItem.objects.all()] == ["Contact:003A"]


def test_a_note_is_told_with_its_meeting(firm: Firm, match: Match) -> None:
    meeting = Touchpoint.objects.create(
        company=firm.company, kind="meeting", unique_key="m1", title="Coffee", occurred_at=timezone.now()
    )
    note = Note.objects.create(company=firm.company, touchpoint=meeting, text="It went well.")
    link = RecordLink.objects.create(
        company=firm.company, integration=firm.integration, kind="meeting", row_id=meeting.pk, crm_object="Event",
        external_id="00U1", state=RecordLink.State.LINKED,
    )  # fmt: skip
    poked_items.add({firm.state.pk: [f"{OURS}note:{note.pk}"]})
    told.mark(firm.state)
    link.refresh_from_db()
    assert link.is_due
