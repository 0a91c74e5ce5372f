"""Linking and syncing mailboxes against the pretend Gmail, through the real client and real HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django import conf
from django.test import Client
from pytest_django.fixtures import Settings

from integrations.models import Integration
from relationships.models import User
from tests.pretend_google import Google, Json

READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
MAIL_METADATA = "https://www.googleapis.com/auth/gmail.metadata"
MAIL_SCOPES = ("openid", "https://www.googleapis.com/auth/userinfo.email", READ_MAIL)

TOPIC = "projects/example/topics/gmail"
SERVICE_ACCOUNT = "push@example.iam.gserviceaccount.com"
SETTLE_SECONDS = 20


@dataclass
class Mail:
    """The pretend Gmail as a test sees it. ``account`` is an account's address; nothing is pushed unless wanted."""

    google: Google
    run_jobs: Callable[[], int]

    def put(self, account: str, **fields: Any) -> str:
        """Put one mail into a mailbox, and its copies into those of other accounts it went to; its id.

        The fields are those of ``POST /control/google/mail``; ``from_`` stands for from.
        """
        return self.put_all(account, fields)[0]

    def put_all(self, account: str, *orders: Json, silent: bool = True) -> list[str]:
        """Put mails into a mailbox; their ids."""
        messages = [{name.rstrip("_"): value for name, value in order.items()} for order in orders]
        return self.google.post("google/mail", account=account, messages=messages, silent=silent)["ids"]

    def bulk(self, account: str, count: int, *peers: str, **more: Any) -> None:
        """Many mails between an account and its peers."""
        self.google.post("google/mail/bulk", account=account, count=count, peers=list(peers), **more)

    def junk(self, account: str, known: str) -> dict[str, str]:
        """One of every oddity from or to a known address; ids by names such as "spoofed_name" or "newsletter"."""
        return self.google.post("google/mail/junk", account=account, known=known)["ids"]

    def seed(self, account: str, *peers: str, **more: Any) -> list[str]:
        """Conversations with peers, the same each time; their ids."""
        return self.google.post("google/mail/seed", account=account, peers=list(peers), **more)["ids"]

    def delete(self, account: str, *ids: str, silent: bool = True) -> None:
        self.google.post("google/mail/delete", account=account, ids=list(ids), silent=silent)

    def relabel(self, account: str, *ids: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        self.google.post("google/mail/relabel", account=account, ids=list(ids), add=add, remove=remove, silent=True)

    def send_draft(self, account: str, draft: str) -> str:
        """A draft (put with ``labels=["DRAFT"], copies=False``) goes out; the id of the mail that replaces it."""
        return self.google.post("google/mail/send_draft", account=account, id=draft, silent=True)["id"]

    def alias(self, account: str, *addresses: str) -> None:
        """The other addresses an account sends as."""
        aliases = [{"email": address} for address in addresses]
        self.google.post("google/mail/aliases", account=account, aliases=aliases)

    def forget_history(self, account: str) -> None:
        """Cursors given so far are too old."""
        self.google.post("google/mail/forget_history", account=account)

    def subscribe(self, endpoint: str, audience: str = "") -> None:
        """Let Pub/Sub push to ``endpoint`` (a live server's webhook address) from now on; faults are cancelled.

        ``audience`` is what its tokens are for: the endpoint's path at PUBLIC_URL unless given.
        """
        self.google.http.delete(f"{self.google.url}/control/faults", timeout=20)
        self._subscribe(endpoint, audience or f"{conf.settings.PUBLIC_URL}{urlsplit(endpoint).path}")

    def push(self, account: str, **more: Any) -> None:
        """A notice without a change: ``times``, ``distinct`` (False repeats one message), ``history_id``.

        The account may be one that nobody knows.
        """
        self.google.post("google/mail/push", account=account, **more)

    def tokens(self, mode: str = "good", rotate: int = 0, **more: Any) -> None:
        """What is wrong with the tokens of notices, such as "wrong_audience" (sandbox/google/mail/pubsub.py, MODES).

        ``rotate`` goes on by so many keys: by one the next is published already, by two it was never seen before.
        """
        self.google.post("google/pubsub/options", tokens=mode, rotate=rotate, **more)

    def watches(self) -> list[Json]:
        """Every watch: ``account``, ``client_id``, ``topic``, ``expires_at`` (ms), ``is_live``."""
        return self.google.get("google/mail/watches")["watches"]

    def settle(self) -> None:
        """Wait until every notice is done with."""
        deadline = monotonic() + SETTLE_SECONDS
        while self.google.get("idle")["pending"]:
            assert monotonic() < deadline, "notices are still on their way"
            sleep(0.02)

    def _subscribe(self, endpoint: str, audience: str) -> None:
        self.google.post(
            "google/pubsub", topic=TOPIC, endpoint=endpoint, audience=audience, service_account=SERVICE_ACCOUNT
        )

    def limit(self, units_per_minute: int | None, status: int = 403) -> None:
        """Google's own limit: 6,000 units unless set; None for none."""
        self.google.post("google/mail/quota", units_per_minute=units_per_minute, status=status)

    def used(self, account: str) -> Json:
        """What an account used: ``minute``, ``most_in_a_minute``, ``total``, ``refused``, ``by_operation``."""
        empty: Json = {"minute": 0, "most_in_a_minute": 0, "total": 0, "refused": 0, "by_operation": {}}
        return self.google.get("google/mail/quota")["accounts"].get(account, empty)

    def token(self, account: str, *scopes: str) -> str:
        """An access token by the consent page alone, without the product."""
        asked = {
            "client_id": "client-1",
            "redirect_uri": "http://127.0.0.1:9/back",
            "response_type": "code",
            "scope": " ".join(["openid", *(scopes or (READ_MAIL,))]),
        }
        page = requests.Request("GET", f"{self.google.url}/google-accounts/o/oauth2/v2/auth", params=asked).prepare()
        back = self.google.consent(str(page.url), account, scopes or (READ_MAIL,))
        form = {
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(back).query)["code"][0],
            "redirect_uri": asked["redirect_uri"],
            "client_id": "client-1",
            "client_secret": "secret-1",
        }
        answer = self.google.http.post(f"{self.google.url}/google-oauth2/token", data=form, timeout=20)
        assert answer.ok, answer.text
        return answer.json()["access_token"]

    def link(self, user: User, **consent: Any) -> Integration:
        """Link a user's mailbox through the pages and the consent form, as a browser does, and run the jobs."""
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        answer = self.follow_consent(client, consent.pop("account", user.email), **consent)
        assert answer.status_code == 302, answer.content.decode()
        self.run_jobs()
        return Integration.unscoped.get(user=user, integration_type="email")

    def follow_consent(self, client: Client, account: str, **consent: Any) -> Any:
        """Begin, consent, come back: the answer of the callback."""
        begun = client.post("/oauth/start/google/email")
        assert begun.status_code == 303, begun.content.decode()
        consent.setdefault("scopes", (*MAIL_SCOPES, MAIL_METADATA))
        back = urlsplit(self.google.consent(begun["Location"], account, **consent))
        return client.get(back.path, {name: values[0] for name, values in parse_qs(back.query).items()})


@pytest.fixture
def mail(google: Google, settings: Settings, run_jobs: Callable[[], int]) -> Mail:
    """The mailboxes of alice and bob in a fresh world, empty. Notices of watches on ``TOPIC`` are lost."""
    settings.PROVIDER_ORIGINS = {
        **settings.PROVIDER_ORIGINS,
        "https://gmail.googleapis.com": f"{google.url}/google-gmail",
    }
    mail = Mail(google, run_jobs)
    address = f"{settings.PUBLIC_URL}/webhooks/email-received/google"
    mail._subscribe(address, address)
    return mail


@pytest.fixture
def watched_mail(mail: Mail, settings: Settings) -> Mail:
    """The same, and the product is set up to watch mailboxes: what is linked from now on is."""
    settings.GOOGLE_PUBSUB_TOPIC, settings.GOOGLE_PUBSUB_SERVICE_ACCOUNT = TOPIC, SERVICE_ACCOUNT
    return mail
