import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from relationships.models import (
    BlockRule,
    Brief,
    BriefFailure,
    Company,
    CompanyDomain,
    FollowUp,
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

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
MODELS = list(apps.get_app_config("relationships").get_models())


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def fill(number: int) -> None:
    """One row of every table, each in a company of its own."""
    company = Company.objects.create(name=f"Firm {number}")
    user = User.objects.create_user(f"u{number}@firm.example", company=company)
    CompanyDomain.unscoped.create(company=company, domain="firm.example")
    organization = Organization.unscoped.create(company=company, name="LP")
    OrganizationDomain.unscoped.create(company=company, organization=organization, domain="lp.example")
    person = Person.unscoped.create(company=company, display_name="Jane", organization=organization)
    PersonAddress.build(person, "jane@lp.example").save()
    fund = Fund.unscoped.create(company=company, name="Fund I")
    Match.unscoped.create(company=company, organization=organization, fund=fund, score=50, scored_at=AT)
    touchpoint = Touchpoint.unscoped.create(
        company=company,
        kind="meeting",
        unique_key="k",
        title="Talk",
        occurred_at=AT,
        guests=[{"email": "jane@lp.example"}],
    )
    touchpoint.people.through._default_manager.create(touchpoint_id=touchpoint.pk, person_id=person.pk)
    Note.unscoped.create(company=company, text="Hm", author=user, touchpoint=touchpoint, created_at=AT)
    Task.unscoped.create(company=company, title="Do", person=person, assignee=user, due_on=AT)
    Brief.unscoped.create(
        company=company, touchpoint=touchpoint, version=1, fingerprint="f", facts={"guests": ["Zoë"]}, made_at=AT
    )
    BriefFailure.unscoped.create(
        company=company, touchpoint=touchpoint, reason="Why", first_failed_at=AT, last_failed_at=AT
    )
    FollowUp.unscoped.create(
        company=company, user=user, person=person, touchpoint=touchpoint, side="ours", since_at=AT, due_at=AT
    )
    BlockRule.unscoped.create(company=company, user=user, kind="domain", value="secret.example", created_at=AT)


@pytest.mark.parametrize("model", MODELS)
def test_every_table_has_its_pages(as_staff: Client, model: type[Model]) -> None:
    fill(1)
    assert as_staff.get(url(model, "changelist"), {"q": "x"}).status_code == 200
    row = model._base_manager.first()
    assert row is not None
    assert as_staff.get(url(model, "change", row.pk)).status_code == 200
    can_add = model not in {Brief, BriefFailure, FollowUp}
    assert as_staff.get(url(model, "add")).status_code == (200 if can_add else 403)


def test_lists_of_thirty_cost_what_lists_of_three_do(as_staff: Client) -> None:
    def count(model: type[Model]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_staff.get(url(model, "changelist")).status_code == 200
        return len(queries)

    for number in range(3):
        fill(number)
    few = {model.__name__: count(model) for model in [*MODELS, *MODELS]}
    for number in range(3, 30):
        fill(number)
    assert {model.__name__: count(model) for model in MODELS} == few


@pytest.mark.parametrize("model", MODELS)
def test_lists_do_not_count_the_whole_table(model: type[Model]) -> None:
    assert admin.site.get_model_admin(model).show_full_result_count is False


@pytest.fixture
def alder(acme: Company) -> Organization:
    return Organization.unscoped.create(company=acme, name="Alder")


@pytest.fixture
def theirs(zenith: Company) -> Organization:
    return Organization.unscoped.create(company=zenith, name="Theirs")


@pytest.fixture
def jane(acme: Company, alder: Organization) -> Person:
    return Person.unscoped.create(company=acme, display_name="Jane", organization=alder)


def inline(prefix: str, *rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    """The fields of a formset."""
    fields: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        fields |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return fields


SavePerson = Callable[..., Any]


@pytest.fixture
def save_jane(as_staff: Client, jane: Person) -> SavePerson:
    def save(*rows: dict[str, Any], initial: int = 0, **fields: Any) -> Any:
        data = {"display_name": "Jane", **inline("addresses", *rows, initial=initial), **fields}
        return as_staff.post(url(Person, "change", jane.pk), data)

    return save


def test_addresses_are_saved_below_their_person(save_jane: SavePerson, jane: Person) -> None:
    answer = save_jane({"email": "Jane.Doe@Gmail.com", "is_primary": "on"}, {"email": "jane@alder.example"})
    assert answer.status_code == 302
    rows = PersonAddress.unscoped.filter(person=jane).order_by("email").values_list("email", "match_key", "company_id")
    assert list(rows) == [
        ("jane.doe@gmail.com", "janedoe@gmail.com", jane.company_id),
        ("jane@alder.example", "jane@alder.example", jane.company_id),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"email": "j.a.n.e@gmail.com"}], "already belongs to Taken"),
        ([{"email": "a@b.example"}, {"email": "A@b.example"}], "remove one of them"),
        ([{"email": "j.d@gmail.com"}, {"email": "jd@gmail.com"}], "remove one of them"),
        ([{"email": "jane@localhost"}], "no e-mail address"),
        ([{"email": "a@b.example", "is_primary": "on"}, {"email": "c@b.example", "is_primary": "on"}], "one primary"),
    ],
)
def test_a_wrong_address_is_refused_beside_it(
    save_jane: SavePerson, acme: Company, rows: list[dict[str, str]], words: str
) -> None:
    taken = Person.unscoped.create(company=acme, display_name="Taken")
    PersonAddress.build(taken, "jane@gmail.com").save()
    answer = save_jane(*rows)
    assert answer.status_code == 200
    errors = str(answer.context["inline_admin_formsets"][0].formset.errors)
    assert words in errors
    assert PersonAddress.unscoped.count() == 1


def test_the_primary_mark_moves_from_one_address_to_another(save_jane: SavePerson, jane: Person) -> None:
    second, first = (PersonAddress.build(jane, f"{name}@alder.example", name == "b") for name in "ab")
    first.save()
    second.save()
    rows = [
        {"id": second.pk, "person": jane.pk, "email": "a@alder.example", "is_primary": "on"},
        {"id": first.pk, "person": jane.pk, "email": "b@alder.example"},
    ]
    assert save_jane(*rows, initial=2).status_code == 302
    assert PersonAddress.unscoped.get(is_primary=True) == second


def test_the_same_address_may_stand_in_two_companies(save_jane: SavePerson, zenith: Company) -> None:
    PersonAddress.build(Person.unscoped.create(company=zenith, display_name="X"), "jane@alder.example").save()
    assert save_jane({"email": "jane@alder.example"}).status_code == 302


@pytest.mark.parametrize(
    ("domains", "words"),
    [(["gmail.com"], "Anybody can have"), (["a.example", "A.example"], "remove one"), (["acme.example"], "own domain")],
)
def test_a_wrong_domain_is_refused_beside_it(
    as_staff: Client, acme: Company, alder: Organization, domains: list[str], words: str
) -> None:
    rows = [{"domain": domain} for domain in domains]
    answer = as_staff.post(
        url(Organization, "change", alder.pk), {"name": "Alder", "kind": "lp", **inline("domains", *rows)}
    )
    assert answer.status_code == 200
    assert words in str(answer.context["inline_admin_formsets"][0].formset.errors).replace("&#x27;", "'")


def test_domains_are_saved_with_a_new_organization(as_staff: Client, acme: Company) -> None:
    data = {"company": acme.pk, "name": "New", "kind": "lp", **inline("domains", {"domain": "NEW.example"})}
    assert as_staff.post(url(Organization, "add"), data).status_code == 302
    assert OrganizationDomain.unscoped.get().domain == "new.example"


def test_a_companys_own_domains_are_saved_with_it(as_staff: Client) -> None:
    page = as_staff.get(url(Company, "add"))
    prefix = page.context["inline_admin_formsets"][0].formset.prefix
    rows = inline(prefix, {"domain": "New.example"})
    assert as_staff.post(url(Company, "add"), {"name": "New", "time_zone": "UTC", **rows}).status_code == 302
    assert CompanyDomain.unscoped.get().domain == "new.example"


def test_a_firm_of_another_company_is_refused_in_words(
    save_jane: SavePerson, theirs: Organization, jane: Person
) -> None:
    answer = save_jane(organization=theirs.pk)
    assert answer.context["adminform"].form.errors == {"organization": ["Theirs does not belong to the same company."]}


def test_people_of_another_company_are_refused_in_words(
    as_staff: Client, acme: Company, zenith: Company, alice: User
) -> None:
    stranger = Person.unscoped.create(company=zenith, display_name="Stranger")
    answer = as_staff.post(url(Note, "add"), {"company": acme.pk, "text": "x", "people": [stranger.pk]})
    assert answer.context["adminform"].form.errors == {"people": ["Stranger does not belong to Acme Partners."]}


def test_autocomplete_offers_the_rows_of_the_same_company(as_staff: Client, jane: Person, theirs: Organization) -> None:
    page = as_staff.get(url(Person, "change", jane.pk)).content.decode()
    assert f"/admin/autocomplete/?company={jane.company_id}" in page
    ask = {"app_label": "relationships", "model_name": "person", "field_name": "organization", "term": ""}
    limited = as_staff.get(reverse("admin:autocomplete"), {**ask, "company": str(jane.company_id)}).json()
    assert [row["text"] for row in limited["results"]] == ["Alder"]
    everything = as_staff.get(reverse("admin:autocomplete"), {**ask, "company": "nonsense"}).json()
    assert [row["text"] for row in everything["results"]] == ["Alder", "Theirs"]


NEW_USER = {
    "email": "New@Acme.example",
    "time_zone": "UTC",
    "usable_password": "true",
    "password1": "a-fairly-long-secret",
    "password2": "a-fairly-long-secret",
}


def test_a_new_member_has_a_hashed_password(as_staff: Client, acme: Company) -> None:
    assert as_staff.post(url(User, "add"), {**NEW_USER, "company": acme.pk}).status_code == 302
    member = User.objects.get(email="new@acme.example")
    assert member.password != "a-fairly-long-secret"
    assert member.check_password("a-fairly-long-secret")
    assert (member.company, member.is_staff) == (acme, False)


@pytest.mark.parametrize(("with_company", "is_staff"), [(False, ""), (True, "on")])
def test_a_user_is_a_member_or_staff(as_staff: Client, acme: Company, with_company: bool, is_staff: str) -> None:
    data = {**NEW_USER, "company": acme.pk if with_company else "", "is_staff": is_staff}
    answer = as_staff.post(url(User, "add"), data)
    assert "A member needs a company, and staff have none." in answer.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()


def test_a_taken_address_is_refused_whatever_its_case(as_staff: Client, alice: User, acme: Company) -> None:
    answer = as_staff.post(url(User, "add"), {**NEW_USER, "email": "ALICE@acme.example", "company": acme.pk})
    assert "email" in answer.context["adminform"].form.errors


def test_staff_who_are_no_superusers_cannot_raise_anybody(client: Client, staff: User, alice: User) -> None:
    page = admin.site.get_model_admin(User)
    request = type("Request", (), {"user": User(is_superuser=False)})()
    assert {"is_superuser", "groups", "user_permissions"} <= set(page.get_readonly_fields(request, alice))


def test_a_touchpoint_typed_in_gets_a_key_of_its_own(as_staff: Client, acme: Company) -> None:
    data = {
        "company": acme.pk,
        "kind": "call",
        "title": "Call",
        "occurred_at_0": "2026-03-02",
        "occurred_at_1": "09:00",
    }
    assert as_staff.post(url(Touchpoint, "add"), data).status_code == 302
    assert len(Touchpoint.unscoped.get().unique_key) == 32


def test_facts_are_shown_as_people_read_them_and_escaped(as_staff: Client, acme: Company) -> None:
    touchpoint = Touchpoint.unscoped.create(company=acme, kind="meeting", unique_key="k", occurred_at=AT)
    facts = {"guests": [{"name": "Zoë <script>"}]}
    brief = Brief.unscoped.create(company=acme, touchpoint=touchpoint, version=1, fingerprint="f", facts=facts)
    page = as_staff.get(url(Brief, "change", brief.pk)).content.decode()
    assert "Zoë &lt;script&gt;" in page
    assert json.dumps(facts) not in page


class TestParts:
    """An address is part of its person and a domain of its firm: an edit of it on its own page is one of theirs."""

    @pytest.fixture(autouse=True)
    def long_ago(self, jane: Person, alder: Organization) -> None:
        OrganizationDomain.unscoped.create(company=alder.company, organization=alder, domain="lp.example")
        PersonAddress.build(jane, "jane@lp.example").save()
        for model in (Person, Organization):
            model.unscoped.update(updated_at=AT)

    def touched(self) -> set[str]:
        rows = [*Person.unscoped.exclude(updated_at=AT), *Organization.unscoped.exclude(updated_at=AT)]
        Person.unscoped.update(updated_at=AT)
        Organization.unscoped.update(updated_at=AT)
        return {str(row) for row in rows}

    def test_what_is_added_changed_moved_or_deleted_is_news_of_its_whole(
        self, as_staff: Client, jane: Person, alder: Organization
    ) -> None:
        other = Person.unscoped.create(company=jane.company, display_name="Ulf")
        lists: list[tuple[type[Model], str, str, list[Any]]] = [
            (PersonAddress, "person", "email", [jane, other]),
            (OrganizationDomain, "organization", "domain", [alder]),
        ]
        for model, whole, column, owners in lists:
            rows = model.unscoped  # type: ignore[attr-defined]
            value = "new@lp2.example" if column == "email" else "lp2.example"
            sent = {"company": str(jane.company_id), whole: str(owners[0].pk), column: value}
            self.touched()
            assert as_staff.post(url(model, "add"), sent).status_code == 302
            assert self.touched() == {str(owners[0])}
            row = rows.get(**{column: value})
            assert as_staff.post(url(model, "change", row.pk), sent | {column: f"x.{value}"}).status_code == 302
            assert self.touched() == {str(owners[0])}
            moved = sent | {whole: str(owners[-1].pk)}
            assert as_staff.post(url(model, "change", row.pk), moved).status_code == 302
            assert self.touched() == {str(owner) for owner in owners}, "both, where it moved"
            assert as_staff.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 302
            assert self.touched() == {str(owners[-1])}
            chosen = {
                "action": "delete_selected",
                "_selected_action": [str(pk) for pk in rows.values_list("pk", flat=True)],
            }
            assert as_staff.post(url(model, "changelist"), chosen | {"post": "yes"}).status_code == 302
            assert self.touched() == {str(owners[0])}
            assert not rows.exists()


def test_members_do_not_get_in(as_alice: Client) -> None:
    assert as_alice.get(url(Person, "changelist")).status_code in {302, 403, 404}


class TestPrivateMail:
    """Staff find and read no subject that is its users' alone."""

    @pytest.fixture
    def mails(self, alice: User) -> list[Touchpoint]:
        return [
            Touchpoint.unscoped.create(
                company=alice.company,
                kind="email",
                unique_key=title[0],
                title=title,
                occurred_at=AT,
                is_private=is_private,
                guests=[{"email": "someone@hush.example", "name": "Someone", "role": "to"}],
            )
            for title, is_private in (("Hush-hush offer", True), ("Open offer", False))
        ]

    def test_it_is_not_found_by_its_subject(self, as_staff: Client, mails: list[Touchpoint]) -> None:
        field = {"app_label": "relationships", "model_name": "note", "field_name": "touchpoint", "term": "offer"}
        for page, asked in ((url(Touchpoint, "changelist"), {"q": "offer"}), (reverse("admin:autocomplete"), field)):
            text = as_staff.get(page, asked).content.decode()
            assert str(mails[1].pk) in text
            assert str(mails[0].pk) not in text
        assert str(mails[0].pk) not in as_staff.get(url(Touchpoint, "changelist"), {"q": "hush-hush"}).content.decode()

    def test_no_page_of_it_shows_its_subject(self, as_staff: Client, mails: list[Touchpoint]) -> None:
        for page in ("change", "delete", "history"):
            assert b"Hush-hush" not in as_staff.get(url(Touchpoint, page, mails[0].pk)).content
        assert b"Open offer" in as_staff.get(url(Touchpoint, "change", mails[1].pk)).content

    def test_saving_the_page_neither_opens_nor_empties_it(self, as_staff: Client, mails: list[Touchpoint]) -> None:
        form = {"kind": "email", "occurred_at_0": "2026-03-03", "occurred_at_1": "09:00:00"}
        sent = {**form, "is_private": "", "title": "Mine now"}
        assert as_staff.post(url(Touchpoint, "change", mails[0].pk), sent).status_code == 302
        mails[0].refresh_from_db()
        assert (mails[0].title, mails[0].is_private, mails[0].occurred_at.day) == ("Hush-hush offer", True, 3)

    @pytest.mark.parametrize("lookup", ["title__startswith", "title__regex", "title", "guests__icontains"])
    def test_nobody_guesses_it_letter_by_letter(self, as_staff: Client, mails: list[Touchpoint], lookup: str) -> None:
        assert as_staff.get(url(Touchpoint, "changelist"), {lookup: "Hush"}).status_code == 400

    def test_its_guests_are_not_for_staff(self, as_staff: Client, mails: list[Touchpoint]) -> None:
        private, shared = (as_staff.get(url(Touchpoint, "change", mail.pk)).content for mail in mails)
        assert b"hush.example" not in private
        assert b"hush.example" in shared

    def test_staff_make_nobody_its_reader(
        self, as_staff: Client, mails: list[Touchpoint], alice: User, bob: User
    ) -> None:
        mails[0].users.add(alice)
        sent = {"kind": "meeting", "occurred_at_0": "2026-03-03", "occurred_at_1": "09:00:00", "users": [str(bob.pk)]}
        assert as_staff.post(url(Touchpoint, "change", mails[0].pk), sent).status_code == 302
        mails[0].refresh_from_db()
        assert (mails[0].kind, list(mails[0].users.all())) == ("email", [alice])
