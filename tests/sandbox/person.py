"""A user of the pretend Google who links an account and calls the API with Google's own client."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httplib2
import requests
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document

from tests.sandbox.discovery import check_answer

READ = "https://www.googleapis.com/auth/calendar.readonly"
ROOTS = {"gmail": "google-gmail"}
READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
MAIL_METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SCOPES = ("openid", "https://www.googleapis.com/auth/userinfo.email", READ)
REDIRECT = "http://127.0.0.1:9/oauth/callback/google"
CLIENT = ("client-1", "secret-1")
Json = dict[str, Any]


class CheckedTransport:
    """What Google's client calls instead of httplib2. Every JSON answer is held against the discovery documents."""

    def __init__(self, token: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        answer = self._session.request(method, uri, data=body, headers=headers, timeout=20, allow_redirects=False)
        if answer.ok and answer.content and "fields=" not in uri:
            meant = (headers or {}).get("x-http-method-override", method)
            check_answer(meant, urlsplit(uri).path, answer.json())
        response = httplib2.Response({name.lower(): value for name, value in answer.headers.items()})
        response.status, response["status"] = answer.status_code, str(answer.status_code)
        response.reason = answer.reason
        return response, answer.content

    def close(self) -> None:
        self._session.close()


def service(url: str, api: str, version: str, token: str) -> Any:
    """Google's client, pointed at the sandbox."""
    document = json.loads(discovery_cache.get_static_doc(api, version))
    document["rootUrl"] = f"{url}/{ROOTS.get(api, 'google-apis')}/"
    document.pop("mtlsRootUrl", None)
    return build_from_document(document, http=CheckedTransport(token))


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    hashed = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


@dataclass
class Scene:
    """The sandbox's control API, and shortcuts through sign-in."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> Json:
        answer = self.http.get(f"{self.url}/control/{path}", timeout=20)
        assert answer.ok, answer.text
        found: Json = answer.json()
        return found

    def post(self, path: str, **body: Any) -> Json:
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        found: Json = answer.json()
        return found

    def put(self, calendar: str, *events: Json, silent: bool = True) -> list[str]:
        """Create or change events; their ids."""
        ids: list[str] = self.post("google/events", calendar=calendar, events=list(events), silent=silent)["ids"]
        return ids

    def ask(self, **parameters: str) -> requests.Response:
        """Open the consent page."""
        asked = {
            "client_id": CLIENT[0],
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": " ".join(SCOPES),
            "state": "state-1",
            "access_type": "offline",
        } | parameters
        page = f"{self.url}/google-accounts/o/oauth2/v2/auth"
        return self.http.get(page, params=asked, timeout=20, allow_redirects=False)

    def answer(self, page: requests.Response, email: str, **form: Any) -> dict[str, str]:
        """Send the consent form; the parameters of the redirect."""
        answer = self.http.post(page.url, data={"account": email, **form}, timeout=20, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        return redirected(answer)

    def token(self, **form: Any) -> requests.Response:
        """POST /token, the client in the body."""
        form = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "redirect_uri": REDIRECT} | form
        return self.http.post(f"{self.url}/google-oauth2/token", data=form, timeout=20)

    def link(self, email: str, **parameters: str) -> Json:
        """The whole of sign-in; the token reply."""
        verifier, challenge = pkce()
        page = self.ask(code_challenge=challenge, code_challenge_method="S256", **parameters)
        code = self.answer(page, email)["code"]
        answer = self.token(grant_type="authorization_code", code=code, code_verifier=verifier)
        assert answer.ok, answer.text
        reply: Json = answer.json()
        return reply

    def calendar(self, email: str) -> Any:
        """Google's Calendar client for a freshly linked account."""
        return service(self.url, "calendar", "v3", self.link(email)["access_token"])

    def mail(self, account: str, *orders: Json, silent: bool = True) -> list[str]:
        """Put mails into a mailbox; their ids there."""
        answer = self.post("google/mail", account=account, messages=list(orders), silent=silent)
        ids: list[str] = answer["ids"]
        return ids

    def mail_token(self, email: str, *scopes: str) -> str:
        """An access token of a freshly linked mailbox."""
        token: str = self.link(email, scope=" ".join(["openid", *(scopes or (READ_MAIL,))]))["access_token"]
        return token

    def gmail(self, email: str, *scopes: str) -> Any:
        """Google's Gmail client for a freshly linked mailbox."""
        return service(self.url, "gmail", "v1", self.mail_token(email, *scopes))


def redirected(answer: requests.Response) -> dict[str, str]:
    """The query parameters of a redirect to the client."""
    location = answer.headers["Location"]
    assert location.startswith(REDIRECT), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def timed(event_id: str, start: str, end: str, **more: Any) -> Json:
    """A timed event by RFC 3339 times."""
    return {"id": event_id, "summary": event_id, "start": {"dateTime": start}, "end": {"dateTime": end}, **more}


def whole_list(calendar: Any, **parameters: Any) -> tuple[list[Json], str]:
    """All pages of events.list, and the sync token of the last."""
    items: list[Json] = []
    while True:
        page = calendar.events().list(**parameters).execute()
        items += page["items"]
        if "nextPageToken" not in page:
            return items, page.get("nextSyncToken", "")
        assert "nextSyncToken" not in page
        parameters["pageToken"] = page["nextPageToken"]
