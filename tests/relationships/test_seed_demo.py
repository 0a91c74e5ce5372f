from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.forms.models import model_to_dict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from relationships import addresses, matching, tenancy
from relationships.models import (
    Company,
    CompanyDomain,
    Fund,
    Match,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Task,
    Touchpoint,
    User,
)

NOW = "2026-03-02T09:00:00Z"
MODELS = list(apps.get_app_config("relationships").get_models())


@pytest.fixture(autouse=True)
def demo_allowed(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_PROVIDER_ORIGINS = True
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)


def seed(*arguments: str) -> str:
    out = StringIO()
    call_command("seed_demo", *arguments, stdout=out)
    return out.getvalue()


def rows() -> dict[str, list[object]]:
    """Every row of the domain, by table; passwords are salted."""
    with tenancy.every_company():
        return {
            model.__name__: [
                {**model_to_dict(row, exclude=["password"]), "pk": row.pk} for row in model._base_manager.order_by("pk")
            ]
            for model in MODELS
        }


def test_the_firm_is_as_large_as_promised() -> None:
    seed()
    company = Company.objects.get(name="Northlight Capital Partners")
    assert CompanyDomain.unscoped.get().domain == "northlight.example"
    assert list(company.users.order_by("-is_company_admin").values_list("email", "is_company_admin"))[0] == (
        "anna.keller@northlight.example",
        True,
    )
    counts = {model: model._base_manager.count() for model in (Organization, OrganizationDomain, Person, Fund, User)}
    assert counts == {Organization: 60, OrganizationDomain: 60, Person: 200, Fund: 2, User: 5}
    assert Person.unscoped.filter(assistant_of__isnull=False).count() == 15
    emails = PersonAddress.unscoped.values_list("email", flat=True)
    assert sum(addresses.is_free_mail(addresses.domain_of(email)) for email in emails) == 12
    assert len(emails) == 240
    assert PersonAddress.unscoped.filter(is_primary=True).count() == 200
    assert Match.unscoped.exclude(summary="").count() > 80
    assert Task.unscoped.filter(done_at=None).count() == 30
    assert Note.unscoped.count() == 60
    assert Touchpoint.unscoped.filter(kind="call", people__isnull=False, users__isnull=False).distinct().count() == 90


def test_names_are_of_many_kinds() -> None:
    seed()
    names = Person.unscoped.values_list("display_name", flat=True)
    assert any(" " not in name for name in names)
    assert sum(not name[0].isascii() for name in names) > 10
    assert len(set(names)) == 200


def test_assistants_work_where_their_chief_does() -> None:
    seed()
    for person in Person.unscoped.filter(assistant_of__isnull=False).select_related("assistant_of"):
        assert person.organization_id == person.assistant_of.organization_id


def test_nothing_lies_in_the_future_but_promises_and_it_is_all_of_one_company() -> None:
    seed()
    assert not Touchpoint.unscoped.filter(ended_at__gt=timezone.now()).exists()
    assert Task.unscoped.filter(due_on__gt=timezone.localdate()).exists()
    for model in MODELS:
        if model is not User and any(field.name == "company" for field in model._meta.fields):
            for row in model._base_manager.all():
                row.clean()


def test_running_twice_changes_nothing() -> None:
    with time_machine.travel(NOW, tick=False):
        seed()
    before = rows()
    with time_machine.travel(NOW) as clock:
        clock.shift(timedelta(days=3))
        seed()
    assert rows() == before


def test_the_same_seed_gives_the_same_firm_and_another_another() -> None:
    told = []
    for number in ("7", "7", "8"):
        with time_machine.travel(NOW, tick=False):
            seed("--seed", number)
        told.append(rows())
        Company.objects.all().delete()
    assert told[0] == told[1] != told[2]


def test_it_takes_few_queries() -> None:
    with CaptureQueriesContext(connection) as queries:
        seed()
    assert len(queries) < 30


def test_its_people_are_matched() -> None:
    seed()
    with tenancy.within(Company.objects.get().pk):
        emails = PersonAddress.objects.values_list("email", flat=True)
        known = matching.find({addresses.match_key(email) for email in emails}, ["ir.alder-pension.example"])
    assert len(known.people) == 240
    assert len(known.organizations) == 1


def test_members_and_staff_sign_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "another-long-password")
    assert "anna.keller@northlight.example" in seed()
    for email in ("anna.keller@northlight.example", "staff@lpxgp.example"):
        assert User.objects.get(email=email).check_password("another-long-password")
        answer = client.post("/accounts/login/", {"login": email, "password": "another-long-password"})
        assert answer.status_code == 302


def test_plain_production_refuses(settings: Settings) -> None:
    settings.ALLOW_PROVIDER_ORIGINS = settings.DEBUG = False
    with pytest.raises(CommandError, match="known to everybody"):
        seed()
    assert not Company.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "9"], "exists already"),
        (["--company", "Northlight Two"], "signs in for another company"),
        (["--company", "  "], "needs a name"),
        (["--company", "山 Partners"], "needs a name"),
    ],
)
def test_what_stands_in_the_way_is_named_and_nothing_is_written(arguments: list[str], words: str) -> None:
    seed()
    before = rows()
    with pytest.raises(CommandError, match=words):
        seed(*arguments)
    assert rows() == before


def test_a_second_demo_company_stands_beside_the_first() -> None:
    seed()
    seed("--company", "Zenith Partners")
    assert Person.unscoped.filter(company__name="Zenith Partners").count() == 200
    assert User.objects.filter(email="anna.keller@zenith.example").exists()


def test_a_small_company_is_small_and_has_an_admin_of_its_own() -> None:
    seed()
    assert "harriet.lowe@harbourview.example" in seed("--company", "Harbourview Partners", "--small")
    theirs = Company.objects.get(name="Harbourview Partners")
    counts = {model: model.unscoped.filter(company=theirs).count() for model in (Organization, Person, Note, Fund)}
    assert counts == {Organization: 15, Person: 40, Note: 16, Fund: 2}
    assert [user.email for user in theirs.users.filter(is_company_admin=True)] == ["harriet.lowe@harbourview.example"]
    assert PersonAddress.unscoped.filter(company=theirs, is_primary=True).count() == 40
    assert Person.unscoped.count() == 240


def test_some_notes_are_marked_for_the_crm() -> None:
    seed()
    assert Note.unscoped.filter(sync_to_crm=True).count() == 12
