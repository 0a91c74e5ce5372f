"""The admin shows no credentials and lets nobody edit what others' code owns."""

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, Schedule

from lpxgp.admin_site import HIDDEN, READ_ONLY


def test_credentials_are_not_in_the_admin() -> None:
    shown = {model._meta.label_lower for model in admin.site._registry}
    assert not shown & HIDDEN
    assert shown >= set(READ_ONLY)


@pytest.mark.parametrize("label", sorted(READ_ONLY))
def test_read_only_tables_show_rows_and_no_way_to_change_them(as_staff: Client, label: str) -> None:
    Schedule.objects.create(name="sweep", func="integrations.jobs.sweep")
    Failure.objects.create(
        id="1", name="lost", func="integrations.jobs.sync", started=timezone.now(), stopped=timezone.now()
    )
    address = f"/admin/{label.replace('.', '/')}/"
    assert as_staff.get(address).status_code == 200
    assert as_staff.get(f"{address}add/").status_code == 403
