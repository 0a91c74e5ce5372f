"""What a provider is."""

from collections.abc import Collection, Mapping
from typing import Protocol

import requests

from integrations.contract.linking import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.contract.pushes import Sender


class Reach(Protocol):
    """How far requests may go: to these hosts, and only those that ``is_allowed``, whatever the code asks.

    It says no to what could change or send something there; it may not raise.
    """

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def is_allowed(self, request: requests.PreparedRequest) -> bool: ...


class Provider(Reach, Sender, Protocol):
    """One provider. Errors raised are those of ``integrations.errors``; ``requests`` errors become Temporary.

    ``can_revoke``: consent ends when we tell the provider; else only its owner can withdraw it, and ``revoke`` does
    nothing. ``refresh`` asks for the ``scopes`` that were granted; it and ``revoke`` get the link's ``details``.
    ``refusal`` knows what an error in a consent's answer means, and says None where the engine's words will do.
    ``admin_consent_url`` is empty where administrators have no consent of their own.
    """

    can_revoke: bool

    @property
    def services(self) -> tuple[Service, ...]: ...

    def begin(self, config: ClientConfig, http: requests.Session, wanted: ConsentWanted) -> Begun: ...

    def exchange(
        self, config: ClientConfig, http: requests.Session, answer: Mapping[str, str], kept: str
    ) -> tuple[Tokens, Account]: ...

    def refresh(
        self,
        config: ClientConfig,
        http: requests.Session,
        refresh_token: str,
        scopes: Collection[str],
        details: Mapping[str, str],
    ) -> Tokens: ...

    def refusal(self, answer: Mapping[str, str]) -> Refusal | None: ...

    def admin_consent_url(self, config: ClientConfig, service: Service, state: str) -> str: ...

    def revoke(self, config: ClientConfig, http: requests.Session, token: str, details: Mapping[str, str]) -> None: ...

    def is_issuer(self, issuer: str) -> bool: ...
