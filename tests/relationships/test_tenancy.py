import uuid

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model

from relationships import tenancy
from relationships.models import Company, Note, Organization, OrganizationDomain, Person, Touchpoint, User
from relationships.tenancy import NoCompany, TenantManager

PRODUCT = {"lpxgp", "webhooks", "crm", "integrations", "relationships"}

# Tables with a company whose rows are asked for without one, each with its reason.
WITHOUT_SCOPE = {
    "relationships.User": "somebody who signs in has no company before they are known",
    "webhooks.Delivery": "a request is stored before it is known whose it is; members never see it",
    "webhooks.WebhookFailure": "belongs to a delivery; members never see it",
}


def product_models() -> list[type[Model]]:
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in PRODUCT]


def test_every_table_with_a_company_fails_closed() -> None:
    with_company = [model for model in product_models() if any(f.name == "company" for f in model._meta.get_fields())]
    assert len(with_company) > 15
    open_tables = [
        model._meta.label
        for model in with_company
        if model._meta.label not in WITHOUT_SCOPE
        and not (isinstance(model._default_manager, TenantManager) and isinstance(model.objects, TenantManager))  # type: ignore[attr-defined]
    ]
    assert open_tables == []


@pytest.mark.parametrize("model", [Organization, Person, Touchpoint, Note])
def test_without_a_company_there_is_only_an_error(db: None, model: type[tenancy.TenantModel]) -> None:
    with pytest.raises(NoCompany):
        model.objects.all()
    with pytest.raises(NoCompany):
        model.objects.filter(pk=uuid.uuid4())
    with pytest.raises(NoCompany):
        tenancy.current_company_id()


def test_related_rows_fail_closed_too(acme: Company) -> None:
    alder = Organization.unscoped.create(company=acme, name="Alder")
    with pytest.raises(NoCompany):
        alder.people.all()
    with pytest.raises(NoCompany):
        alder.domains.count()


def test_one_company_never_sees_another(acme: Company, zenith: Company) -> None:
    ours = Organization.unscoped.create(company=acme, name="Alder")
    theirs = Organization.unscoped.create(company=zenith, name="Alder")
    with tenancy.within(acme.pk):
        assert list(Organization.objects.all()) == [ours]
        assert not Organization.objects.filter(pk=theirs.pk).exists()
        assert Organization.objects.filter(pk=theirs.pk).update(name="Stolen") == 0
        assert Organization.objects.filter(pk=theirs.pk).delete()[0] == 0
        with tenancy.within(zenith.pk):
            assert list(Organization.objects.all()) == [theirs]
        assert list(Organization.objects.all()) == [ours]
    with pytest.raises(NoCompany):
        Organization.objects.all()


def test_the_company_is_left_after_an_error(acme: Company) -> None:
    with pytest.raises(KeyError), tenancy.within(acme.pk):
        raise KeyError
    with pytest.raises(NoCompany):
        tenancy.current_company_id()


def test_every_company_sees_all_and_belongs_to_none(acme: Company, zenith: Company) -> None:
    for company in (acme, zenith):
        Organization.unscoped.create(company=company, name="Alder")
    with tenancy.every_company():
        assert Organization.objects.count() == 2
        with pytest.raises(NoCompany):
            tenancy.current_company_id()


def test_a_row_of_another_company_is_refused_in_words(in_acme: Company, zenith: Company, charlie: User) -> None:
    theirs = Organization.unscoped.create(company=zenith, name="Alder")
    person = Person(company=in_acme, display_name="Jane", organization=theirs)
    with pytest.raises(ValidationError) as refused:
        person.full_clean()
    assert refused.value.message_dict == {"organization": ["Alder does not belong to the same company."]}
    with pytest.raises(ValidationError, match="Charlie Cole does not belong to the same company"):
        Note(company=in_acme, text="x", author=charlie).full_clean()


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("GMail.com", "Anybody can have an address at gmail.com"),
        ("co.uk", "co.uk is shared by many firms"),
        ("no domain", "is no mail domain"),
        ("ACME.example", "is the company's own domain"),
        ("taken.example", "already belongs to Owner"),
    ],
)
def test_a_domain_that_no_organization_can_own_is_refused(in_acme: Company, domain: str, words: str) -> None:
    owner = Organization.objects.create(company=in_acme, name="Owner")
    OrganizationDomain.objects.create(company=in_acme, organization=owner, domain="taken.example")
    with pytest.raises(ValidationError, match=words):
        OrganizationDomain(company=in_acme, organization=owner, domain=domain).full_clean()


def test_a_domain_is_stored_in_lower_case(in_acme: Company) -> None:
    owner = Organization.objects.create(company=in_acme, name="Owner")
    domain = OrganizationDomain(company=in_acme, organization=owner, domain=" Alder.EXAMPLE. ")
    domain.full_clean()
    assert domain.domain == "alder.example"
