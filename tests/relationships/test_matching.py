import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from relationships import addresses, matching, tenancy
from relationships.models import Company, Organization, OrganizationDomain, Person, PersonAddress


def know(company: Company, email: str, organization: Organization | None = None) -> Person:
    person = Person.unscoped.create(company=company, display_name=email.split("@")[0], organization=organization)
    PersonAddress.build(person, email).save()
    return person


def own(company: Company, *domains: str) -> Organization:
    organization = Organization.unscoped.create(company=company, name=domains[0])
    OrganizationDomain.unscoped.bulk_create(
        OrganizationDomain(company=company, organization=organization, domain=domain) for domain in domains
    )
    return organization


def test_people_are_found_by_any_spelling_of_gmail_and_only_there(in_acme: Company) -> None:
    jane = know(in_acme, "jane.doe@gmail.com")
    know(in_acme, "jane.doe@alder.example")
    keys = [addresses.match_key(email) for email in ("JaneDoe+x@googlemail.com", "janedoe@alder.example")]
    known = matching.find(keys, [])
    assert known.people == {"janedoe@gmail.com": matching.KnownPerson(jane.pk, None, "jane.doe")}


def test_person_carries_their_organization(in_acme: Company) -> None:
    alder = own(in_acme, "alder.example")
    know(in_acme, "jane@alder.example", alder)
    assert matching.find(["jane@alder.example"], []).people["jane@alder.example"].organization_id == alder.pk


def test_a_sub_domain_belongs_to_the_owner_of_the_longest_known_domain(in_acme: Company) -> None:
    pension, relations = own(in_acme, "bigpension.org"), own(in_acme, "ir.bigpension.org")
    asked = ["bigpension.org", "mail.bigpension.org", "a.ir.bigpension.org", "org", "otherpension.org"]
    assert matching.find([], asked).organizations == {
        "bigpension.org": pension.pk,
        "mail.bigpension.org": pension.pk,
        "a.ir.bigpension.org": relations.pk,
    }


def test_free_mail_belongs_to_nobody_even_if_a_row_says_so(in_acme: Company) -> None:
    own(in_acme, "gmail.com")
    assert matching.find([], ["gmail.com"]).organizations == {}


def test_another_companys_contacts_stay_unknown(in_acme: Company, zenith: Company) -> None:
    know(zenith, "jane@alder.example", own(zenith, "alder.example"))
    known = matching.find(["jane@alder.example"], ["alder.example"])
    assert (known.people, known.organizations) == ({}, {})


def test_without_a_company_nothing_is_matched(db: None) -> None:
    with pytest.raises(tenancy.NoCompany):
        matching.find(["jane@alder.example"], ["alder.example"])


@pytest.mark.parametrize("size", [1, 40, 9_000])
def test_two_queries_for_any_number_of_addresses(in_acme: Company, size: int) -> None:
    keys = [f"{number}@firm{number}.example" for number in range(size)]
    with CaptureQueriesContext(connection) as queries:
        matching.find(keys, [f"firm{number}.example" for number in range(size)])
    assert len(queries) == 2
    assert not any("UPPER" in query["sql"] or "LIKE" in query["sql"] for query in queries)


def test_what_was_asked_before_is_not_asked_again(in_acme: Company) -> None:
    jane, joe = know(in_acme, "jane@alder.example"), know(in_acme, "joe@birch.example")
    earlier = matching.find(["jane@alder.example", "nobody@alder.example"], ["alder.example"])
    with CaptureQueriesContext(connection) as queries:
        assert matching.find(["nobody@alder.example"], ["alder.example"], earlier) == earlier
    assert len(queries) == 0
    both = matching.find(["jane@alder.example", "joe@birch.example"], [], earlier)
    assert {person.id for person in both.people.values()} == {jane.pk, joe.pk}


@pytest.fixture
def saved(in_acme: Company) -> Callable[..., PersonAddress]:
    def save(email: str) -> PersonAddress:
        return PersonAddress.objects.create(
            company=in_acme, person=Person.objects.create(company=in_acme, display_name="x"), email=email
        )

    return save


def test_saving_an_address_fills_its_match_key(saved: Callable[..., PersonAddress]) -> None:
    address = saved(" Jane.Doe+lp@GoogleMail.com")
    assert (address.email, address.match_key) == ("jane.doe+lp@googlemail.com", "janedoe@gmail.com")
    address.email = "jane@alder.example"
    address.save(update_fields=["email"])
    address.refresh_from_db()
    assert address.match_key == "jane@alder.example"


def test_saving_what_is_no_address_is_refused(saved: Callable[..., PersonAddress]) -> None:
    with pytest.raises(ValueError, match="no e-mail address"):
        saved("nobody")


def test_unknown_company_finds_nothing(db: None) -> None:
    with tenancy.within(uuid.uuid4()):
        assert matching.find(["jane@alder.example"], []).people == {}
