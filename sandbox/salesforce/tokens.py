"""Codes, sessions, refresh tokens, and what users approved.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm
"""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock

CODE_SECONDS = 900
SESSION_SECONDS = 7_200
MOST_APPROVALS = 5
"""Of one user to one app: the next one ends the oldest."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class Grant:
    """What a user allowed an app, in an org by its host."""

    client_id: str
    org: str
    username: str
    scopes: list[str]


@dataclass
class Code:
    """A code, good once: for the app it was asked by, at its address, with its verifier."""

    grant: Grant
    redirect_uri: str
    challenge: str
    expires_at: float


@dataclass
class Session:
    """An access token. Each call makes it last anew; ``refresh`` is the refresh token it hangs on."""

    grant: Grant
    expires_at: float
    refresh: str = ""


@dataclass
class Client:
    """A configured app; without any, every client id is good."""

    secret: str
    redirect_uris: list[str]


class Tokens:
    """All grants at this Salesforce."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """No grants, no apps, no rotation."""
        self.codes: dict[str, Code] = {}
        self.sessions: dict[str, Session] = {}
        self.refresh: dict[str, Grant] = {}
        self.clients: dict[str, Client] = {}
        self.denying: set[str] = set()
        self.is_rotating = False
        self.session_seconds = SESSION_SECONDS

    def new_code(self, grant: Grant, redirect_uri: str, challenge: str) -> str:
        """A code for a quarter of an hour."""
        code = f"aPrx{secrets.token_urlsafe(60)}=="
        self.codes[code] = Code(grant, redirect_uri, challenge, self._now() + CODE_SECONDS)
        return code

    def take_code(self, code: str) -> Code | None:
        """A code in time, and never again."""
        found = self.codes.pop(code, None)
        return found if found is not None and found.expires_at > self._now() else None

    def new_session(self, grant: Grant, org_id: str, refresh: str) -> str:
        """An access token."""
        token = f"{org_id[:15]}!" + "".join(secrets.choice(LETTERS + "._") for _ in range(96))
        self.sessions = {name: one for name, one in self.sessions.items() if one.expires_at > self._now()}
        self.sessions[token] = Session(grant, self._now() + self.session_seconds, refresh)
        return token

    def new_refresh(self, grant: Grant) -> str:
        """A refresh token for a new approval."""
        mine = [name for name, one in self.refresh.items() if owner(one) == owner(grant)]
        for oldest in mine[: max(0, len(mine) - MOST_APPROVALS + 1)]:
            self.revoke(oldest)
        token = "5Aep861" + "".join(secrets.choice(LETTERS + "._") for _ in range(80))
        self.refresh[token] = grant
        return token

    def rotate(self, old: str) -> str:
        """A new refresh token in place of one that dies at once; its sessions go on."""
        grant = self.refresh.pop(old)
        new = self.new_refresh(grant)
        for session in self.sessions.values():
            session.refresh = new if session.refresh == old else session.refresh
        return new

    def live(self, token: str) -> Session | None:
        """A session that goes on, or None. Asking makes it last anew."""
        found = self.sessions.get(token)
        if found is None or found.expires_at <= self._now():
            return None
        found.expires_at = self._now() + self.session_seconds
        return found

    def revoke(self, token: str) -> bool:
        """End a refresh token with its sessions, or one session; whether there was one."""
        if token in self.refresh:
            del self.refresh[token]
            self.sessions = {name: one for name, one in self.sessions.items() if one.refresh != token}
            return True
        return self.sessions.pop(token, None) is not None

    def end_grants(self, org: str, username: str | None) -> None:
        """Everything of one user, or of all users of an org."""
        for tokens in (self.refresh, {name: one.grant for name, one in self.sessions.items()}):
            for name, grant in list(tokens.items()):
                if grant.org == org and username in (None, grant.username):
                    self.revoke(name)

    def expire_sessions(self, org: str | None, username: str | None) -> None:
        """Sessions are over now; refreshing works."""
        for session in self.sessions.values():
            if org in (None, session.grant.org) and username in (None, session.grant.username):
                session.expires_at = self._now()

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "sessions": {name: asdict(one) for name, one in self.sessions.items()},
            "refresh": {name: asdict(one) for name, one in self.refresh.items()},
            "clients": {name: asdict(one) for name, one in self.clients.items()},
            "denying": sorted(self.denying),
            "is_rotating": self.is_rotating,
            "session_seconds": self.session_seconds,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.sessions = {
            name: Session(Grant(**one["grant"]), one["expires_at"], one["refresh"])
            for name, one in saved["sessions"].items()
        }
        self.refresh = {name: Grant(**one) for name, one in saved["refresh"].items()}
        self.clients = {name: Client(**one) for name, one in saved["clients"].items()}
        self.denying = set(saved["denying"])
        self.is_rotating = saved["is_rotating"]
        self.session_seconds = saved["session_seconds"]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def owner(grant: Grant) -> tuple[str, str, str]:
    """App and user."""
    return grant.client_id, grant.org, grant.username
