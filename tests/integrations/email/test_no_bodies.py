"""No text of any mail anywhere: a marked one is planted, everything runs, and its trace is looked for in all places."""

import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer
from requests import PreparedRequest, Response

from integrations import jobs, outbound, sync_states
from integrations.email.models import EmailMessage, SavedMail
from integrations.models import SyncState
from integrations.providers.google import pushes
from integrations.providers.google.certificates import Certificates
from relationships import tenancy
from relationships.models import Person, PersonAddress, Touchpoint, User
from tests.integrations.email.memory import ALICE, BOB, LP
from tests.pretend_google import Google, state_of
from tests.pretend_mail import Mail
from webhooks import drain, inbox, settling
from webhooks.models import Delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lena")]

MARK = "planted-text-5e1f9c"
PATH = "/webhooks/email-received/google"
RunJobs = Callable[[], int]


def forms() -> list[bytes]:
    """The mark as it stands, and inside base64 however it lies there."""
    found = [MARK.encode()]
    for shift in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            # What a neighbouring byte shares in is cut off.
            found.append(encode(b" " * shift + MARK.encode())[4:-4])
    return found


def is_marked(content: bytes) -> bool:
    return any(form in content for form in forms())


@pytest.fixture(autouse=True)
def certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes, "certificates", Certificates())


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything any provider sends us."""
    found: list[bytes] = []
    original = outbound.ProviderTransport.send

    def send(self: Any, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        answer = original(self, request, *args, **options)
        found.append(answer.content)
        return answer

    monkeypatch.setattr(outbound.ProviderTransport, "send", send)
    return found


@pytest.fixture
def world(
    watched_mail: Mail, live_server: LiveServer, settings: Settings, google: Google, alice: User, bob: User
) -> Mail:
    """Mailboxes full of marked mail, pushing to the live server."""
    settings.PUBLIC_URL = live_server.url
    watched_mail.subscribe(live_server.url + PATH, live_server.url + PATH)
    marked: dict[str, Any] = {"body": f"Dear all, {MARK}.", "html": f"<p>Dear all, {MARK}.</p>"}
    for number in range(4):
        at = (timezone.now() - timedelta(days=number + 1)).isoformat()
        theirs = {"from": LP, "to": [ALICE, BOB], "subject": f"In {number}", "thread": f"talk{number}", "date": at}
        watched_mail.put_all(ALICE, theirs | marked)
        ours = {"from": ALICE, "to": LP, "subject": f"Out {number}", "thread": f"talk{number}", "date": at}
        watched_mail.put_all(ALICE, ours | marked)
    watched_mail.put_all(ALICE, {"from": "ben@oak.example", "to": ALICE, "subject": "Unknown"} | marked)
    watched_mail.put_all(ALICE, {"from": LP, "to": ALICE, "subject": "Odd", "raw": _odd()})
    return watched_mail


def _odd() -> str:
    """A mail that is nearly none."""
    return f"From: {LP}\r\nTo: {ALICE}\r\nSubject: Odd\r\nContent-Type: nothing/known\r\n\r\n{MARK}\r\n"


def work_off(run_jobs: RunJobs) -> None:
    """What the worker does, once round."""
    while drain.run():
        pass
    run_jobs()
    settling.settle()


def everything(world: Mail, run_jobs: RunJobs, alice: User, bob: User, noon: time_machine.Traveller) -> SyncState:
    """Both mailboxes linked and read, pushed to, changed, lost track of, and asked for a new contact's past."""
    state = state_of(world.link(alice))
    world.link(bob)
    work_off(run_jobs)
    world.put_all(
        ALICE,
        {"from": LP, "to": [ALICE], "subject": "Pushed", "body": f"{MARK} now"},
        {"from": LP, "to": [ALICE], "subject": "Deleted", "body": f"{MARK} now"},
        silent=False,
    )
    world.settle()
    work_off(run_jobs)
    gone = EmailMessage.unscoped.get(subject="Deleted").external_id
    world.delete(ALICE, gone)
    world.relabel(ALICE, EmailMessage.unscoped.get(subject="Pushed").external_id, add=("IMPORTANT",))
    sync_states.poke([state.pk])
    work_off(run_jobs)
    world.forget_history(ALICE)
    sync_states.poke([state.pk])
    work_off(run_jobs)
    with tenancy.within(alice.company_id):  # type: ignore[arg-type]
        ben = Person.objects.create(company=alice.company, display_name="Ben Oak")
        PersonAddress.build(ben, "ben@oak.example", is_primary=True).save()
    for _ in range(3):
        noon.shift(timedelta(minutes=2))
        jobs.rematch()
        sync_states.queue_due()
        work_off(run_jobs)
    return state


def at_the_provider(world: Mail, external_id: str) -> bytes:
    """A mail as whoever asks for all of it gets it: the mark must be there to be found."""
    address = f"{world.google.url}/google-gmail/gmail/v1/users/me/messages/{external_id}"
    bearer = {"Authorization": f"Bearer {world.token(ALICE)}"}
    return world.google.http.get(address, headers=bearer, timeout=10).content


def every_value() -> Iterator[tuple[str, bytes]]:
    """Every value of every table, as it stands and, where it is packed or encrypted, opened."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            for row in cursor.fetchall():
                for value in row:
                    is_binary = isinstance(value, bytes | memoryview)
                    yield table, bytes(value) if is_binary else str(value).encode("utf-8", "replace")
    for job in OrmQ.objects.all():
        yield "a job, unpacked", repr(job.task).encode()
    for delivery in Delivery.objects.all():
        yield "a delivery, decrypted", inbox.body_of(delivery)


def every_page(*members: User, staff: Client) -> Iterator[tuple[str, bytes]]:
    """Each member's pages over mail, and every page of the admin over every row."""
    for user in members:
        yield from pages_of(user)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield name, staff.get(reverse(f"{name}_changelist")).content
        for pk in list(model._base_manager.values_list("pk", flat=True))[:30]:
            yield f"{name} {pk}", staff.get(reverse(f"{name}_change", args=[pk])).content


def pages_of(user: User) -> Iterator[tuple[str, bytes]]:
    """A member's pages over mail."""
    member = Client()
    member.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    paths = [
        "/",
        reverse("relationships:people"),
        reverse("relationships:privacy"),
        *(reverse(f"integrations:{name}") for name in ("settings", "mail", "saved_mails", "events")),
        *(reverse("relationships:person", args=[pk]) for pk in Person.unscoped.values_list("pk", flat=True)),
        *(reverse("relationships:meeting", args=[pk]) for pk in Touchpoint.unscoped.values_list("pk", flat=True)),
    ]
    own = EmailMessage.unscoped.filter(state__integration__user=user)
    paths += [reverse("integrations:message", args=[pk]) for pk in own.values_list("pk", flat=True)]
    states = SyncState.unscoped.filter(integration__user=user)
    paths += [reverse("integrations:history", args=[pk]) for pk in states.values_list("integration", flat=True)]
    for path in paths:
        page = member.get(path)
        assert page.status_code == 200, path
        yield path, page.content


def test_no_text_of_any_mail_is_anywhere(
    world: Mail,
    alice: User,
    bob: User,
    as_staff: Client,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
    answers: list[bytes],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    everything(world, run_jobs, alice, bob, noon)

    subjects = set(EmailMessage.unscoped.values_list("subject", flat=True))
    assert {"In 0", "Out 3", "Pushed", "Unknown", "Odd"} <= subjects
    assert "Deleted" not in subjects
    assert is_marked(at_the_provider(world, EmailMessage.unscoped.get(subject="Pushed").external_id))
    assert len(answers) > 10
    assert [answer[:200] for answer in answers if is_marked(answer)] == []
    assert [table for table, value in every_value() if is_marked(value)] == []
    assert [path for path, page in every_page(alice, bob, staff=as_staff) if is_marked(page)] == []
    out, err = capfd.readouterr()
    assert not is_marked((caplog.text + out + err).encode())


def test_a_saved_text_is_for_its_member_alone_and_leaves_no_trace_once_deleted(
    world: Mail,
    alice: User,
    bob: User,
    as_staff: Client,
    as_alice: Client,
    run_jobs: RunJobs,
    noon: time_machine.Traveller,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    everything(world, run_jobs, alice, bob, noon)
    one = EmailMessage.unscoped.get(subject="In 1", state__integration__user=alice)
    as_alice.post(reverse("integrations:save_mail", args=[one.pk]))
    run_jobs()
    saved = SavedMail.unscoped.get()
    assert saved.error == ""
    page = reverse("integrations:saved_mail", args=[saved.pk])

    assert is_marked(as_alice.get(page).content)
    assert [table for table, value in every_value() if is_marked(value)] == []
    assert [path for path, shown in every_page(alice, bob, staff=as_staff) if is_marked(shown)] == []

    as_alice.post(page)
    assert as_alice.get(page).status_code == 404
    assert not SavedMail.unscoped.exists()
    assert not apps.get_model("email", "SavedMail")._base_manager.exists()
    out, err = capfd.readouterr()
    assert not is_marked((caplog.text + out + err).encode())
