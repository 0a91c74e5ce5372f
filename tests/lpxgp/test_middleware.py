"""What every request passes: tenancy, the admin's door, session limits, time zones."""

from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from lpxgp import urls
from relationships import tenancy
from relationships.models import Company, Person, User


def whoami(request: HttpRequest) -> HttpResponse:
    """A page that tells the company, the rows and the zone that its code sees."""
    try:
        rows = str(Person.objects.count())
    except tenancy.NoCompany:
        rows = "closed"
    return HttpResponse(f"{rows} {timezone.get_current_timezone_name()}")


urlpatterns = [
    path("whoami/", whoami),
    path("webhooks/whoami", whoami),
    path("admin/whoami/", whoami),
    *urls.urlpatterns,
]


@pytest.fixture(autouse=True)
def _pages(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def people(acme: Company, zenith: Company) -> None:
    Person.unscoped.create(company=acme, display_name="Ann")
    Person.unscoped.create(company=zenith, display_name="Zoe")
    Person.unscoped.create(company=zenith, display_name="Zed")


@pytest.mark.usefixtures("people")
class TestTenancy:
    def test_a_member_sees_the_rows_of_her_company(self, as_alice: Client) -> None:
        assert as_alice.get("/whoami/").content.startswith(b"1 ")

    def test_a_visitor_sees_no_rows(self, client: Client) -> None:
        assert client.get("/whoami/").content.startswith(b"closed")

    def test_staff_see_every_company_in_the_admin_alone(self, as_staff: Client) -> None:
        assert as_staff.get("/admin/whoami/").content.startswith(b"3 ")
        assert as_staff.get("/whoami/").content.startswith(b"closed")

    def test_a_machines_address_has_no_company_even_with_a_session(self, as_alice: Client) -> None:
        assert as_alice.get("/webhooks/whoami").content.startswith(b"closed")

    def test_the_scope_ends_with_the_request(self, as_alice: Client) -> None:
        as_alice.get("/whoami/")
        with pytest.raises(tenancy.NoCompany):
            tenancy.current_company_id()


def test_a_machines_address_costs_no_query(
    as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries, acme: Company
) -> None:
    with django_assert_num_queries(0):
        response = as_alice.get("/webhooks/whoami")
    assert "no-store" not in response.headers.get("Cache-Control", "")


def test_times_are_in_the_members_zone_and_utc_where_it_is_unknown(as_alice: Client, alice: User) -> None:
    for name, shown in (("Asia/Tokyo", "Asia/Tokyo"), ("Mars/Base", "UTC"), ("../etc", "UTC")):
        User.objects.filter(pk=alice.pk).update(time_zone=name)
        assert as_alice.get("/whoami/").content.endswith(shown.encode())


class TestAdminsDoor:
    def test_to_a_member_the_admin_does_not_exist(self, as_alice: Client) -> None:
        for address in ("/admin/", "/admin/relationships/company/", "/admin/login/", "/admin/nothing/"):
            assert as_alice.get(address).status_code == 404

    def test_a_visitor_is_sent_to_the_one_sign_in_page(self, client: Client) -> None:
        response = client.get("/admin/", follow=False)
        final = client.get(response["Location"]) if "/admin/login/" in response["Location"] else response
        assert final["Location"].startswith("/accounts/login/?next=")

    def test_staff_enter(self, as_staff: Client) -> None:
        assert as_staff.get("/admin/").status_code == 200


class TestSessionLimits:
    @pytest.mark.parametrize(("hours", "status"), [(7.9, 200), (8.1, 302)])
    def test_a_member_who_was_idle_for_eight_hours_signs_in_again(self, alice: User, hours: float, status: int) -> None:
        assert self._status_after(alice, [hours]) == status

    @pytest.mark.parametrize(("hours", "status"), [(0.9, 200), (1.1, 302)])
    def test_staff_who_were_idle_for_an_hour_sign_in_again(self, staff: User, hours: float, status: int) -> None:
        assert self._status_after(staff, [hours]) == status

    def test_staff_sign_in_again_after_twelve_hours_of_work(self, staff: User) -> None:
        assert self._status_after(staff, [0.5] * 24) == 200
        assert self._status_after(staff, [0.5] * 25) == 302

    def test_a_member_signs_in_again_after_seven_days_of_work(self, alice: User) -> None:
        assert self._status_after(alice, [7] * 24) == 200
        assert self._status_after(alice, [7] * 25) == 302

    def test_the_old_session_is_gone(self, alice: User) -> None:
        self._status_after(alice, [9])
        assert not [row for row in Session.objects.all() if row.get_decoded().get("_auth_user_id") == str(alice.pk)]

    def _status_after(self, user: User, hours: list[float]) -> int:
        """The status of a page that needs sign-in, asked for after each of these pauses."""
        client = Client()
        with time_machine.travel("2030-03-04T08:00:00Z", tick=False) as clock:
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
            client.get("/accounts/sessions/")
            for pause in hours:
                clock.shift(timedelta(hours=pause))
                response = client.get("/accounts/sessions/")
        return response.status_code


def test_a_user_who_is_switched_off_is_signed_out_at_once(as_alice: Client, alice: User) -> None:
    assert as_alice.get("/accounts/sessions/").status_code == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert as_alice.get("/accounts/sessions/").status_code == 302


def test_every_response_has_an_id_of_ours(client: Client, db: None) -> None:
    first, second = (client.get("/whoami/", headers={"X-Request-ID": "chosen"})["X-Request-ID"] for _ in range(2))
    assert first != second
    assert UUID(first)


def test_what_a_session_was_read_for_is_never_stored_by_a_browser(as_alice: Client) -> None:
    for address in ("/whoami/", "/accounts/sessions/", "/no/such/page"):
        assert "no-store" in as_alice.get(address)["Cache-Control"], address
