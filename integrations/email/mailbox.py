"""A mailbox while it is synced: each call to the provider is paid for before it is made."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import requests

from integrations import quota, runs
from integrations.contract import MailAdapter, MailBatch, MailChanges, MailListing, MailQuery, MailRef
from integrations.errors import MissingScope, Temporary


@dataclass(frozen=True)
class Mailbox:
    """What is held, and how it is spoken to. Each call may raise Wait, and the errors of the adapter."""

    held: runs.Held
    adapter: MailAdapter
    http: requests.Session

    @property
    def name(self) -> str:
        """The provider's id of the mailbox."""
        return self.held.state.external_id

    @property
    def scopes(self) -> Collection[str]:
        """What the grant covers."""
        return self.held.state.integration.scopes

    def own_addresses(self) -> tuple[str, ...]:
        """The addresses its owner writes by; none where the grant does not cover asking."""
        self._pay(self.adapter.prices.cursor)
        try:
            return self.adapter.own_addresses(self.http, self.scopes)
        except MissingScope:
            return ()

    def cursor(self) -> str:
        """Where the mailbox's changes stand now."""
        self._pay(self.adapter.prices.cursor)
        return self.adapter.cursor(self.http, self.name)

    def listing(self, query: MailQuery) -> MailListing:
        """A page of the messages that ``query`` means."""
        self._pay(self.adapter.prices.listing)
        page = self.adapter.listing(self.http, self.name, query)
        _check_moves(page.next_page, query.page)
        return page

    def changes(self, cursor: str, page: str) -> MailChanges:
        """A page of what changed since ``cursor``."""
        self._pay(self.adapter.prices.changes)
        changes = self.adapter.changes(self.http, self.name, cursor, page)
        _check_moves(changes.next_page, page)
        return changes

    def paid_read(self, wanted: Sequence[MailRef]) -> tuple[Sequence[MailRef], Callable[[], MailBatch]]:
        """Pay for reading these messages, or as many of the first of them as the minute's quota allows.

        Returns those, and the call that reads them, which touches no database.
        """
        left = quota.left(self.held.state.integration_id, self.adapter.units_per_minute)
        number = len(wanted)
        while number > 1 and self.adapter.cost(wanted[:number]) > left:
            number -= 1
        some = wanted[:number]
        self._pay(self.adapter.cost(some))
        return some, lambda: self.adapter.read(self.http, self.name, some)

    def _pay(self, units: int) -> None:
        quota.pay(self.held.state.integration_id, units, self.adapter.units_per_minute)


def _check_moves(next_page: str, page: str) -> None:
    if next_page and next_page == page:
        raise Temporary("The provider sent the same page twice.")
