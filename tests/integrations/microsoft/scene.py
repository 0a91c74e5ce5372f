"""What tests of linking Outlook share: the page, and a link made through it."""

from html import unescape

from django.test import Client

from integrations.models import Integration
from relationships.models import User
from tests.pretend_microsoft import Microsoft

KIND = "email"
ALICE = "alice@acme.example"


def the_link(user: User) -> Integration | None:
    return Integration.unscoped.filter(user=user).first()


def settings_page(client: Client) -> str:
    return unescape(client.get("/settings/integrations/").content.decode())


def linked(microsoft: Microsoft, client: Client, user: User) -> Integration:
    """Linked, but nothing of it read."""
    answer = microsoft.follow(client, KIND, user.email)
    assert answer.status_code == 302, answer.content.decode()
    return Integration.unscoped.get(user=user, integration_type=KIND)
