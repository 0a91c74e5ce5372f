"""Members and firms are deleted after their accounts were disconnected, and never with a consent still open."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory

from integrations import admin_owners, jobs
from integrations.calendar.models import CalendarEvent
from integrations.models import Channel, Integration
from relationships.models import Company, Note, Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.scene import LP, at, meeting
from tests.pretend_google import Google, Link

pytestmark = pytest.mark.django_db
USERS, COMPANIES = "/admin/relationships/user/", "/admin/relationships/company/"


@pytest.fixture
def linked(google: Google, link: Link, alice: User) -> Integration:
    """Alice's calendar with one meeting, of which she wrote a note."""
    person = Person.unscoped.create(company=alice.company, display_name="Lena")
    PersonAddress.build(person, LP).save()
    google.put(alice.email, meeting("call", at(-1), alice.email, LP))
    integration = link(alice)
    touchpoint = Touchpoint.unscoped.get()
    Note.unscoped.create(company=alice.company, touchpoint=touchpoint, author=alice, text="Went well")
    return integration


def page(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("owner", ["user", "company"])
def test_deleting_is_refused_with_words_until_the_accounts_are_disconnected(
    owner: str, linked: Integration, as_staff: Client, alice: User, google: Google, run_jobs: Callable[[], int]
) -> None:
    listing, pk = (USERS, alice.pk) if owner == "user" else (COMPANIES, alice.company_id)
    address = f"{listing}{pk}/delete/"

    shown = page(as_staff.get(address))
    assert "Linked accounts come first" in shown
    assert "Google Calendar, alice@acme.example (connected)" in shown
    as_staff.post(address, {"post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()

    form = {"action": "disconnect_links", "_selected_action": [str(pk)]}
    assert "1 account being disconnected" in page(as_staff.post(listing, form, follow=True))
    assert "(being disconnected)" in page(as_staff.get(address))
    as_staff.post(address, {"post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()

    run_jobs()
    assert google.requests_of("oauth.revoke") == 1
    assert google.requests_of("calendar.channels.stop") == 1
    assert "Are you sure" in page(as_staff.get(address))
    assert as_staff.post(address, {"post": "yes"}).status_code == 302

    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Integration.unscoped.exists()
    assert not Channel.unscoped.exists()
    assert not CalendarEvent.unscoped.exists()
    if owner == "user":
        assert Touchpoint.unscoped.filter(cancelled_at=None).count() == 1
        assert Note.unscoped.get().author is None
    else:
        assert not Touchpoint.unscoped.exists()


def test_many_at_once_are_refused_alike_and_deleted_after(
    linked: Integration, as_staff: Client, alice: User, bob: User, run_jobs: Callable[[], int]
) -> None:
    chosen = {"_selected_action": [str(alice.pk), str(bob.pk)]}
    delete = {**chosen, "action": "delete_selected"}

    shown = page(as_staff.post(USERS, delete))
    assert "Linked accounts come first" in shown
    assert all(f'name="_selected_action" value="{pk}"' in shown for pk in chosen["_selected_action"])
    page(as_staff.post(USERS, {**delete, "post": "yes"}))
    assert User.objects.filter(pk__in=[alice.pk, bob.pk]).count() == 2

    as_staff.post(USERS, {**chosen, "action": "disconnect_links"})
    run_jobs()
    as_staff.post(USERS, {**delete, "post": "yes"})
    assert not User.objects.filter(pk__in=[alice.pk, bob.pk]).exists()


def test_a_job_that_comes_after_the_deletion_finds_nothing_to_do(
    linked: Integration, as_staff: Client, alice: User, run_jobs: Callable[[], int]
) -> None:
    """The sweep queues the end of a disconnect again each minute until it is through."""
    as_staff.post(USERS, {"action": "disconnect_links", "_selected_action": [str(alice.pk)]})
    run_jobs()
    as_staff.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"})
    jobs.end_grant(str(linked.pk))
    jobs.delete_imported(str(linked.pk))
    assert not Integration.unscoped.exists()


def test_a_grant_that_died_is_disconnected_too(linked: Integration, as_staff: Client, alice: User) -> None:
    Integration.unscoped.update(sync_status="stale")
    assert "(needs reconnecting)" in page(as_staff.get(f"{USERS}{alice.pk}/delete/"))


def test_whoever_never_linked_is_deleted_at_once(as_staff: Client, bob: User) -> None:
    Client().post("/accounts/login/", {"login": bob.email, "password": "a-long-password"})
    assert "Are you sure" in page(as_staff.get(f"{USERS}{bob.pk}/delete/"))
    assert as_staff.post(f"{USERS}{bob.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=bob.pk).exists()


def test_there_may_be_nothing_to_disconnect(as_staff: Client, bob: User) -> None:
    form = {"action": "disconnect_links", "_selected_action": [str(bob.pk)]}
    assert "no linked account left" in page(as_staff.post(USERS, form, follow=True))


def test_an_account_linked_after_the_question_stops_the_deletion(linked: Integration, staff: User, alice: User) -> None:
    request = RequestFactory().post("/")
    request.user = staff
    for admin_class, row in (
        (admin_owners.LinkedUserAdmin, alice),
        (admin_owners.LinkedCompanyAdmin, linked.company),
    ):
        rows = admin_class(type(row), admin.site)
        with pytest.raises(PermissionDenied):
            rows.delete_model(request, row)
    assert User.objects.filter(pk=alice.pk).exists()
    assert Company.objects.filter(pk=linked.company_id).exists()


def test_staff_who_may_not_delete_may_not_disconnect(linked: Integration, client: Client, alice: User) -> None:
    clerk = User.objects.create_user("clerk@lpxgp.example", "a-long-password", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_user"))
    client.force_login(clerk, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.post(USERS, {"action": "disconnect_links", "_selected_action": [str(alice.pk)]})
    linked.refresh_from_db()
    assert linked.sync_status == "active"
