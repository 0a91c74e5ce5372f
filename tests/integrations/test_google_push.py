"""Pub/Sub's pushes: only what Google signed for us is taken, and whatever is inside is taken without a fault."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import Claim, IncomingRequest
from integrations.errors import Refused
from integrations.providers.google import certificates as certificates_module
from integrations.providers.google import pushes
from integrations.providers.google.certificates import Certificates

FIXTURES = Path(__file__).parents[1] / "fixtures" / "google"
ACCOUNT = "push@example-project.iam.gserviceaccount.com"
URL = "https://hub.example.com/webhooks/email-received/google"
Json = dict[str, Any]


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


class Key:
    """A signing key with the certificate that Google would publish for it."""

    def __init__(self, kid: str) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.example")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .sign(private, SHA256())
        )
        self.kid = kid
        self.certificate = certificate.public_bytes(Encoding.PEM).decode()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        self.signer = crypt.RSASigner.from_string(pem, kid)

    def token(self, **changes: Any) -> str:
        """A token as Pub/Sub signs it, with these claims changed; None takes one away."""
        now = int(time.time())
        claims = json.loads(fixture("pubsub_push_jwt_claims")) | {"aud": URL, "iat": now, "exp": now + 3600} | changes
        return jwt.encode(self.signer, {name: value for name, value in claims.items() if value is not None}).decode()


@pytest.fixture(scope="module")
def key() -> Key:
    return Key("first")


@pytest.fixture(scope="module")
def other_key() -> Key:
    return Key("second")


class Publisher(BaseHTTPRequestHandler):
    """Where Google publishes its certificates."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        status, certificates = self.server.answer  # type: ignore[attr-defined]
        content = json.dumps(certificates).encode()
        self.send_response(status)
        self.send_header("Cache-Control", "public, max-age=19000, must-revalidate")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(
    server: ThreadingHTTPServer, key: Key, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> ThreadingHTTPServer:
    """Google publishes one key, this process has asked for none yet, and pushes are signed by our account."""
    settings.PROVIDER_ORIGINS = {"https://www.googleapis.com": f"http://127.0.0.1:{server.server_port}"}
    settings.GOOGLE_PUBSUB_SERVICE_ACCOUNT = ACCOUNT
    monkeypatch.setattr(pushes, "certificates", Certificates())
    server.asked = []  # type: ignore[attr-defined]
    server.answer = (200, {key.kid: key.certificate})  # type: ignore[attr-defined]
    return server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock that certificates are kept by."""
    now = [1000.0]
    monkeypatch.setattr(certificates_module, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def push(authorization: str | None, body: bytes = fixture("pubsub_push_gmail"), url: str = URL) -> Claim:
    """What the provider makes of a push."""
    headers = {"content-type": "application/json"} | ({"authorization": authorization} if authorization else {})
    request = IncomingRequest("POST", url, headers, body, datetime.now(UTC))
    (claim,) = providers.get("google").verify(request, lambda channel, token: False)
    return claim


def test_a_push_names_its_message_and_the_mailbox_and_no_channel(published: ThreadingHTTPServer, key: Key) -> None:
    claim = push(f"Bearer {key.token()}")

    assert claim == Claim("2070443601311540", {}, "", "user@example.com", by_resource=True)


def test_certificates_are_asked_for_once(published: Any, key: Key, clock: Callable[[float], None]) -> None:
    for _ in range(5):
        push(f"bearer {key.token()}")
        clock(3000)

    assert published.asked == ["/oauth2/v1/certs"]


def test_certificates_are_asked_for_again_when_their_time_is_over(
    published: Any, key: Key, clock: Callable[[float], None]
) -> None:
    push(f"Bearer {key.token()}")
    clock(19001)
    push(f"Bearer {key.token()}")

    assert len(published.asked) == 2


def test_a_new_key_is_looked_for_once_a_minute(
    published: Any, key: Key, other_key: Key, clock: Callable[[float], None]
) -> None:
    push(f"Bearer {key.token()}")
    clock(30)
    for _ in range(3):
        with pytest.raises(Refused):
            push(f"Bearer {other_key.token()}")
    assert len(published.asked) == 1

    published.answer = (200, {one.kid: one.certificate for one in (key, other_key)})
    clock(31)

    assert push(f"Bearer {other_key.token()}").by_resource
    assert len(published.asked) == 2


def test_a_known_key_does_not_wait_while_an_unknown_one_is_asked_for(published: Any, key: Key) -> None:
    push(f"Bearer {key.token()}")
    taken: list[Claim] = []
    with pushes.certificates._lock:  # as whoever asks Google holds it
        thread = Thread(target=lambda: taken.append(push(f"Bearer {key.token()}")), daemon=True)
        thread.start()
        thread.join(timeout=10)

    assert taken


@pytest.mark.parametrize("answer", [(503, {}), (200, {}), (200, []), (200, "junk")])
def test_old_certificates_stay_good_while_google_does_not_answer(
    published: Any, key: Key, clock: Callable[[float], None], answer: tuple[int, Any]
) -> None:
    push(f"Bearer {key.token()}")
    published.answer = answer
    clock(20000)

    assert push(f"Bearer {key.token()}").by_resource
    assert len(published.asked) == 2


def test_without_any_certificate_nothing_is_taken(published: Any, key: Key) -> None:
    published.answer = (503, {})

    with pytest.raises(Refused):
        push(f"Bearer {key.token()}")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://hub.example.com/webhooks/calendar-event/google"},
        {"aud": "https://evil.example/webhooks/email-received/google"},
        {"aud": [URL]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"email": "push@another-project.iam.gserviceaccount.com"},
        {"email": ACCOUNT.upper()},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"exp": 1550185935, "iat": 1550182335},
        {"exp": None},
        {"exp": "junk"},
        {"iat": 9999999999, "exp": 9999999999},
        {"iat": None},
    ],
)
def test_each_claim_must_be_right(published: Any, key: Key, changes: Json) -> None:
    with pytest.raises(Refused):
        push(f"Bearer {key.token(**changes)}")


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
def test_both_spellings_of_the_issuer_are_good(published: Any, key: Key, issuer: str) -> None:
    assert push(f"Bearer {key.token(iss=issuer)}").by_resource


def test_a_token_is_good_at_its_own_address_only(published: Any, key: Key) -> None:
    for url in (f"{URL}/", f"{URL}?x=1", URL.removesuffix("/google"), "http" + URL.removeprefix("https")):
        with pytest.raises(Refused):
            push(f"Bearer {key.token()}", url=url)


def forged(key: Key, header: Json) -> str:
    """A token whose header says something else than what signed it."""
    _, payload, signature = key.token().split(".")
    return ".".join([base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("="), payload, signature])


def test_tampered_tokens_are_refused(published: Any, key: Key, other_key: Key) -> None:
    good = key.token()
    head, payload, signature = good.split(".")
    impostor = Key(key.kid)
    bad = [
        impostor.token(),
        other_key.token(),
        ".".join([head, payload, signature[:-4] + "AAAA"]),
        ".".join([head, payload, ""]),
        ".".join([head, payload]),
        ".".join([head, payload, signature, signature]),
        forged(key, {"alg": "none", "typ": "JWT", "kid": key.kid}),
        forged(key, {"alg": "HS256", "typ": "JWT", "kid": key.kid}),
        forged(key, {"alg": "ES256", "typ": "JWT", "kid": key.kid}),
        forged(key, {"alg": "RS256", "typ": "JWT", "kid": [key.kid]}),
        forged(key, {"alg": ["RS256"], "kid": key.kid}),
        good + "A" * 9000,
        "",
        "junk",
        "ä.ö.ü",
    ]
    for token in bad:
        with pytest.raises(Refused):
            push(f"Bearer {token}")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "\x00", "Bearer \ud800"]
)
def test_without_a_token_nothing_is_taken(published: Any, authorization: str | None) -> None:
    with pytest.raises(Refused):
        push(authorization)


def test_without_our_account_in_the_settings_nothing_is_taken(published: Any, key: Key, settings: Settings) -> None:
    settings.GOOGLE_PUBSUB_SERVICE_ACCOUNT = ""

    with pytest.raises(Refused):
        push(f"Bearer {key.token(email='')}")


@given(junk=st.one_of(st.text(max_size=200), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True)))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_token_causes_a_fault(published: Any, junk: str) -> None:
    with pytest.raises(Refused):
        push(f"Bearer {junk}")


def envelope(data: object, **message: object) -> bytes:
    encoded = data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode()
    return json.dumps({"message": {"data": encoded, "messageId": "1", **message}, "subscription": "s"}).encode()


def test_both_kinds_of_history_id_and_all_forms_of_base64_are_read() -> None:
    numeric = json.loads(fixture("pubsub_push_gmail_decoded_numeric"))
    text = json.loads(fixture("pubsub_push_gmail_decoded"))
    # An address that needs all of the alphabet: the two forms differ in it.
    odd = {"emailAddress": "ÿ?>~ÿ@Example.com", "historyId": 7}
    plain = base64.b64encode(json.dumps(odd, ensure_ascii=False).encode()).decode()
    assert {"+", "/"} & set(plain)

    assert pushes.announcement(envelope(numeric)) == pushes.Announcement("1", "alice@example.com", "1710")
    assert pushes.announcement(envelope(text)) == pushes.Announcement("1", "user@example.com", "9876543210")
    for data in (plain, plain.replace("+", "-").replace("/", "_"), plain.rstrip("=")):
        assert pushes.announcement(envelope(data)).mailbox == "ÿ?>~ÿ@example.com"


def test_both_spellings_of_the_message_id_are_read() -> None:
    body = json.loads(fixture("pubsub_push_all_keys"))
    del body["message"]["messageId"]

    assert pushes.announcement(json.dumps(body).encode()).message_id == "2070443601311540"


@pytest.mark.parametrize(
    "body",
    [
        fixture("pubsub_push_all_keys"),
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"message": null}',
        b'{"message": []}',
        b'{"message": {"messageId": "1"}}',
        b'{"message": {"messageId": "1", "data": "!!!"}}',
        b"[" * 100_000,
        envelope([]),
        envelope({"emailAddress": 5}),
        envelope({"emailAddress": "nobody"}),
        envelope({"historyId": 5}),
    ],
)
def test_a_signed_message_that_names_no_mailbox_is_nobodys(published: Any, key: Key, body: bytes) -> None:
    """It must be acknowledged, or it comes again for a week; and it must not wake anybody's mailbox."""
    claim = push(f"Bearer {key.token()}", body)

    assert (claim.resource_id, claim.by_resource) == (pushes.NOBODY, True)
    assert claim.dedupe_key
    assert not providers.get("google").read("email-received", {}, body).is_change


@given(body=st.one_of(st.binary(max_size=200), st.builds(envelope, st.recursive(st.none() | st.text(), st.lists))))
def test_no_body_causes_a_fault(body: bytes) -> None:
    assert pushes.announcement(body).message_id


def test_every_notice_of_gmail_is_a_poke() -> None:
    notice = providers.get("google").read("email-received", {}, fixture("pubsub_push_gmail"))

    assert notice.is_change
    assert "1234567890" in notice.detail
    assert "@" not in notice.detail


def test_gmails_pushes_are_recognised_by_what_comes_with_them(key: Key) -> None:
    def recognised(headers: dict[str, str], body: bytes) -> bool:
        return providers.get("google").recognises(IncomingRequest("POST", URL, headers, body, datetime.now(UTC)))

    signed = {"authorization": f"Bearer {key.token()}"}
    assert recognised(signed, fixture("pubsub_push_gmail"))
    assert recognised({"x-goog-channel-id": "1"}, b"")
    assert not recognised({}, fixture("pubsub_push_gmail"))
    assert not recognised(signed, b"{}")
