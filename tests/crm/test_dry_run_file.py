"""A dry run as a file: what stands in it, and that no spreadsheet takes any of it for a formula."""

import csv
import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.http import StreamingHttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from crm import dry_run_file
from crm.dry_runs import DryRun, Told
from integrations.errors import Temporary
from relationships import tenancy
from relationships.models import User
from tests.crm.mapping_scene import Scene, scene

__all__ = ["scene"]


def a_run(*told: Told, unread: str = "") -> DryRun:
    return DryRun("organization", 1, {}, 0, 1, (), told, unread)


def read(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:])))


def asked(client: Client, scene: Scene, kind: str = "organization", limit: str = "20") -> Any:
    return client.post(scene.address("dry-run/file/"), {"kind": kind, "limit": limit})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('=HYPERLINK("https://evil.example")', '\'=HYPERLINK("https://evil.example")'),
        ("+41 44 123 45 67", "'+41 44 123 45 67"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        (-5, "'-5"),
        ("Zürich", "Zürich"),
        (82.5, "82.5"),
        (True, "True"),
        (None, ""),
        ("\ud800", "?"),
    ],
)
def test_no_cell_is_a_formula(value: Any, written: str) -> None:
    assert dry_run_file.cell(value) == written


@given(st.text())
def test_any_value_stays_in_its_cell(value: str) -> None:
    [_head, row] = read("".join(dry_run_file.lines(a_run(Told(value, "1", "update", "x", "y", "z", value, value)))))
    assert len(row) == 8
    for at in (0, 6, 7):
        assert not row[at].lstrip(" ").startswith(dry_run_file.FORMULA_STARTS)


def test_a_file_has_a_line_for_each_field(as_staff: Client, scene: Scene, staff: User) -> None:
    with tenancy.within(scene.company.pk):
        scene.firm.city = "=1+1"
        scene.firm.save()
    answer = asked(as_staff, scene)
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="dry-run-salesforce-organization-')
    assert "no-store" in answer["Cache-Control"]
    head, *rows = read(answer.getvalue().decode())
    assert head == list(dry_run_file.HEAD)
    assert [(row[0], row[2], row[4], row[6], row[7]) for row in rows] == [
        ("Pension One", "Update in the CRM", "Match score", "82.5", ""),
        ("Pension One", "Change here", "City", "'=1+1", "Zürich"),
    ]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (staff, str(scene.integration.pk))
    assert "Saved a dry run as a file: Firms, 1 tried" in entry.change_message
    assert scene.crm.writes == []


def test_a_file_says_where_the_crm_did_not_answer(
    as_staff: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: Any) -> Any:
        raise Temporary("It is down.")

    monkeypatch.setattr(scene.crm, "read", fails)
    _head, first, *_rows = read(asked(as_staff, scene).getvalue().decode())
    assert first[2:4] == ["Not compared", "The CRM could not be asked: It is down."]


def test_a_file_is_posted_for_and_by_staff_alone(as_staff: Client, as_alice: Client, scene: Scene) -> None:
    assert as_staff.get(scene.address("dry-run/file/")).status_code == 400
    assert asked(as_staff, scene, kind="x").status_code == 400
    assert asked(as_staff, scene, limit="9999").status_code == 400
    assert asked(as_alice, scene).status_code == 404
    user = User.objects.create_user("nobody@lpxgp.example", "a-long-password", is_staff=True)
    as_alice.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert asked(as_alice, scene).status_code == 403
    assert not LogEntry.objects.exists()
