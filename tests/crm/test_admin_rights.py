"""Who may open and press what in the CRM's admin: every address, found by itself."""

import contextlib
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from crm.models import Conflict, DriftReport, MappingVersion, Policy, RecordLink, Twin, Write
from relationships.models import User
from tests.crm.out_scene import Out

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def addresses(pk: uuid.UUID) -> list[str]:
    """Each address of the CRM's admin, with this id in it."""
    found = set()
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and resolver.app_name == "admin":
            names = {one.name for one in patterns(resolver.url_patterns) if one.name and one.name.startswith("crm_")}
            for name in names:
                for arguments in ([], [pk], [pk, 1], [pk, "organization"], [pk, "org.name"], [pk, "organization", pk]):
                    with contextlib.suppress(NoReverseMatch):
                        found.add(reverse(f"admin:{name}", args=arguments))
    assert len(found) > 40
    return sorted(found)


@pytest.fixture
def scene(out: Out) -> list[uuid.UUID]:
    """One row of everything; their ids."""
    of = {"company": out.company, "integration": out.integration}
    firm, _ = out.linked_firm("Alder")
    link = RecordLink.objects.get()
    rows = [
        Policy.objects.create(**of),
        Conflict.objects.create(**of, link=link, lpxgp_field="org.name", crm_field="Name", winner="ours", rule="x"),
        Write.objects.create(**of, link=link, idempotency_key="x", crm_object="Account"),
        Twin.objects.create(**of, kind="organization", digest="x", ours=[str(firm.pk)], theirs=["1"]),
        DriftReport.objects.create(**of, finished_at=timezone.now()),
    ]
    return [out.integration.pk, link.pk, *(row.pk for row in rows)]


def a_staff_member(*codenames: str) -> Client:
    user = User.objects.create_user("clerk@lpxgp.example", "a-long-password", is_staff=True, name="Clerk")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="crm", codename__in=codenames))
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def state() -> list[object]:
    tables = (Policy, Conflict, Write, Twin, DriftReport, RecordLink)
    return [list(table.unscoped.order_by("pk").values()) for table in tables]


def test_who_has_no_right_opens_and_changes_nothing(scene: list[uuid.UUID]) -> None:
    client, before = a_staff_member(), state()
    for pk in scene:
        for address in addresses(pk):
            for answer in (client.get(address), client.post(address, {"decision": "merge", "which": "all"})):
                # Django sends who asks for a row that is not there to the index.
                assert answer.status_code in {302, 400, 403, 404, 405}, address
    assert state() == before
    assert not MappingVersion.unscoped.filter(state="draft").exists()


def test_who_may_only_view_changes_nothing(scene: list[uuid.UUID]) -> None:
    models = ("policy", "conflict", "write", "twin", "driftreport", "recordlink", "fieldmapping")
    client, before = a_staff_member(*(f"view_{name}" for name in models)), state()
    seen = 0
    for pk in scene:
        for address in addresses(pk):
            seen += client.get(address).status_code == 200
            answer = client.post(address, {"decision": "merge", "which": "all", "seen": timezone.now().isoformat()})
            assert answer.status_code != 500, address
    assert seen > 10
    assert state() == before


@pytest.mark.parametrize("is_admin", [True, False])
def test_a_member_finds_no_admin(scene: list[uuid.UUID], as_alice: Client, alice: User, is_admin: bool) -> None:
    User.objects.filter(pk=alice.pk).update(is_company_admin=is_admin)
    for address in addresses(scene[0]):
        assert as_alice.get(address).status_code in {302, 403, 404}
        assert as_alice.post(address).status_code in {302, 403, 404}


def test_nothing_is_changed_without_a_token_of_the_form(scene: list[uuid.UUID], staff: User) -> None:
    client, before = Client(enforce_csrf_checks=True), state()
    client.force_login(staff, backend=BACKEND)
    for pk in scene:
        for address in addresses(pk):
            assert client.post(address, {"decision": "dismiss", "which": "all"}).status_code in {302, 403, 404, 405}
    assert state() == before


def test_reading_changes_nothing(scene: list[uuid.UUID], as_staff: Client) -> None:
    before = state()
    for pk in scene:
        for address in addresses(pk):
            assert as_staff.get(address).status_code in {200, 302, 400, 403, 404, 405}, address
    assert state() == before
