"""What staff see of values that were taken back: words, never a blank, and no button that would bring them back."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm import erasing, rows, taken_back
from crm.models import Conflict, DriftReport, RecordLink, Write
from relationships.models import Touchpoint
from tests.crm.out_scene import Out
from tests.crm.test_taken_back import SECRET, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def removed(out: Out) -> RecordLink:
    """A meeting that was told, and is hidden by a rule now."""
    row, link = told(out)
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    taken_back.sweep(out.integration)
    return link


@pytest.mark.parametrize("table", [Write, Conflict, DriftReport, RecordLink])
def test_pages_and_lists_say_that_values_were_removed(removed: RecordLink, as_staff: Client, table: Any) -> None:
    row = removed if table is RecordLink else table.objects.get()
    name = table._meta.model_name
    page = as_staff.get(reverse(f"admin:crm_{name}_change", args=[row.pk])).content.decode()
    assert erasing.REMOVED in page
    listed = as_staff.get(reverse(f"admin:crm_{name}_changelist")).content.decode()
    assert SECRET not in page + listed
    if table in {Write, Conflict}:
        assert erasing.REMOVED in listed
    if table is not RecordLink:
        assert taken_back.WITHHELD in page


def test_nothing_offers_to_put_it_back_and_nothing_does(removed: RecordLink, as_staff: Client) -> None:
    conflict = Conflict.objects.get()
    assert "/restore/" not in as_staff.get(reverse("admin:crm_conflict_change", args=[conflict.pk])).content.decode()
    address = reverse("admin:crm_conflict_restore", args=[conflict.pk])
    page = as_staff.post(address, follow=True).content.decode()
    assert "It was not put back: Its values were removed here." in page
    conflict.refresh_from_db()
    assert conflict.restored_at is None


def test_staff_read_nothing_of_what_is_withheld_and_find_it_by_no_title(removed: RecordLink, as_staff: Client) -> None:
    page = as_staff.get(reverse("admin:relationships_touchpoint_change", args=[removed.row_id])).content.decode()
    assert SECRET not in page
    assert "lena@" not in page
    for name in ("crm_recordlink", "crm_write", "relationships_touchpoint"):
        found = as_staff.get(reverse(f"admin:{name}_changelist"), {"q": SECRET})
        assert list(found.context["cl"].result_list) == []
    Touchpoint.objects.update(is_withheld=False)
    found = as_staff.get(reverse("admin:crm_recordlink_changelist"), {"q": SECRET})
    assert [link.pk for link in found.context["cl"].result_list] == [removed.pk]


def test_no_link_is_found_by_a_subject_that_is_private(removed: RecordLink, as_staff: Client) -> None:
    Touchpoint.objects.update(is_withheld=False, is_private=True, kind="email")
    RecordLink.objects.filter(pk=removed.pk).update(kind="email")
    found = as_staff.get(reverse("admin:crm_recordlink_changelist"), {"q": SECRET})
    assert list(found.context["cl"].result_list) == []


def test_a_firm_that_gave_way_is_told_as_removed(removed: RecordLink, as_staff: Client) -> None:
    Conflict.objects.update(lpxgp_field=rows.ORGANIZATION)
    page = as_staff.get(reverse("admin:crm_conflict_change", args=[Conflict.objects.get().pk])).content.decode()
    listed = as_staff.get(reverse("admin:crm_conflict_changelist")).content.decode()
    assert erasing.REMOVED in page
    assert f"{erasing.REMOVED} / {erasing.REMOVED}" in listed
