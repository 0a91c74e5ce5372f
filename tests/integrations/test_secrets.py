"""What must stay secret does, through a whole life of a link: in no log line, no text of the database, no page."""

import logging
import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from django.apps import apps
from django.test import Client
from django.utils import timezone

from integrations import channels, grants, jobs, sync_states
from integrations.models import Channel, Integration
from lpxgp import logs
from relationships.models import User
from tests.integrations.calendar.scene import LP, RunJobs, at, meeting
from tests.integrations.conftest import Google, state_of

pytestmark = pytest.mark.django_db
Written = Callable[[], str]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """Logs everything that any library says, as an operator who looks for a fault would; returns what was written."""
    handlers, level, settings = logging.root.handlers[:], logging.root.level, structlog.get_config()
    logs.configure("DEBUG", mask_key="test")
    for name in logs.QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield lambda: capsys.readouterr().err
    logging.root.handlers, logging.root.level = handlers, level
    structlog.configure(**settings)
    for name in logs.QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def stored_text() -> str:
    """Every row of every table, as text."""
    rows = (row for model in apps.get_models() for row in model._base_manager.values_list())
    return "\n".join(map(repr, rows))


def test_no_secret_is_logged_stored_or_shown(
    google: Google, alice: User, as_alice: Client, as_staff: Client, run_jobs: RunJobs, written: Written
) -> None:
    secrets: dict[str, str] = {}
    google.put(alice.email, meeting("one", at(1), alice.email, LP))

    begun = as_alice.post("/oauth/start/google/calendar")
    secrets["state"] = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
    back = urlsplit(google.consent(begun["Location"], alice.email))
    query = {name: values[0] for name, values in parse_qs(back.query).items()}
    secrets["code"] = query["code"]
    assert as_alice.get(back.path, query).status_code == 302
    run_jobs()
    integration = Integration.unscoped.get()

    def remember(when: str) -> None:
        integration.refresh_from_db()
        secrets.update({f"{when} {name}": value for name, value in grants.unseal(integration).items()})
        for channel in Channel.unscoped.all():
            secrets[f"{when} channel"] = channels.unseal(channel)

    remember("first")
    Integration.unscoped.update(expires_at=timezone.now())
    google.fault("calendar.events.list", "error_500", times=1)
    google.fault("oauth.token", "malformed_json", times=1)
    for _ in range(3):
        sync_states.poke([state_of(integration).pk], trigger="manual")
        run_jobs()
    remember("second")
    channel = Channel.unscoped.get()
    for token in (channels.unseal(channel), "forged-secret-of-nobody"):
        as_alice.post(
            "/webhooks/calendar-event/google",
            headers={
                "x-goog-channel-id": channel.channel_id,
                "x-goog-channel-token": token,
                "x-goog-resource-id": channel.resource_id,
                "x-goog-resource-state": "exists",
                "x-goog-message-number": "7",
            },
        )
    google.post("google/revoke", account=alice.email)
    Integration.unscoped.update(expires_at=timezone.now())
    sync_states.poke([state_of(integration).pk], trigger="manual")
    run_jobs()
    jobs.sweep()
    pages = "".join(
        client.get(path).content.decode()
        for client, path in [
            (as_alice, "/settings/integrations/"),
            (as_alice, f"/settings/integrations/{integration.pk}/history/"),
            (as_staff, f"/admin/integrations/integration/{integration.pk}/change/"),
            (as_staff, f"/admin/integrations/channel/{channel.pk}/change/"),
            (as_staff, "/admin/webhooks/delivery/"),
        ]
    )

    assert len(secrets) >= 6
    log, database = written(), stored_text()
    assert "urllib3" in log, "the libraries' own lines are among them"
    for name, secret in secrets.items():
        assert len(secret) > 20
        for place, text in (("log", log), ("database", database), ("pages", pages)):
            assert secret not in text, f"{name} stands in the {place}"
    assert set(re.findall(r"[\w.+-]+@[\w-]+\.\w+", log)) == set()
    assert "forged-secret-of-nobody" not in log + database
