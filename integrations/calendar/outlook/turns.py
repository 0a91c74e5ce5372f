"""How much one page may ask: its batches stay well within the time that a sync holds its calendar.

What one turn does not get to is asked for by the next, so that nothing that was answered is asked for twice.
"""

from collections.abc import Mapping
from itertools import islice
from time import monotonic, sleep

import requests

from integrations.calendar.outlook import calls
from integrations.contract import JsonObject
from integrations.errors import IntegrationError, Permanent, Temporary, TokenRefused
from integrations.providers import microsoft

MOST_BATCHES = 6
SECONDS = 40.0
"""After so many nothing more is asked. A request may take sixty more, and a sync holds its calendar for 120."""

TRIES = 3
"""With so many batches that failed in part a turn ends."""

PATIENCE = 5.0
"""Seconds that are waited for here. Mailboxes are busy for a second now and then, which is no reason to give a worker
back; whoever is asked to wait longer gives it back."""


class Turn:
    """What is asked for one page. ``trouble`` is why it ended before its time."""

    def __init__(self, http: requests.Session) -> None:
        self.http = http
        self.trouble: Temporary | None = None
        self._batches, self._failed = 0, 0
        self._ends_at = monotonic() + SECONDS

    def fetched(self, wanted: Mapping[str, str]) -> dict[str, JsonObject | Permanent]:
        """What each address answered, or why it never will, as far as the turn got.

        Raises TokenRefused, and what is wrong with more than one address.
        """
        found: dict[str, JsonObject | Permanent] = {}
        left = dict(wanted)
        while left and self._may_ask():
            for key, answer in self._batch(left).items():
                found[key] = answer
                del left[key]
        return found

    def lists(self, wanted: Mapping[str, str]) -> dict[str, list[JsonObject] | Permanent]:
        """The same for lists, to the end of each."""
        found: dict[str, list[JsonObject] | Permanent] = {}
        links, begun = dict(wanted), {key: list[JsonObject]() for key in wanted}
        while links and self._may_ask():
            for key, answer in self._batch(links).items():
                if not isinstance(answer, Permanent):
                    begun[key] += calls.values(answer)
                    # In its place, so that what is begun is ended first.
                    links[key] = str(answer.get("@odata.nextLink") or "")
                if isinstance(answer, Permanent) or not links[key]:
                    found[key] = answer if isinstance(answer, Permanent) else begun[key]
                    del links[key]
        return found

    def _may_ask(self) -> bool:
        return self.trouble is None and self._batches < MOST_BATCHES and monotonic() < self._ends_at

    def _batch(self, left: Mapping[str, str]) -> dict[str, JsonObject | Permanent]:
        """What the first ones answered. Those that fail for a moment are not among them, and are asked again."""
        self._batches += 1
        asked = dict(islice(left.items(), microsoft.BATCH_SIZE))
        found: dict[str, JsonObject | Permanent] = {}
        failed: list[Temporary] = []
        for answer, key in self._answers(asked):
            if isinstance(answer, Temporary):
                failed.append(answer)
            elif isinstance(answer, IntegrationError) and not isinstance(answer, Permanent):
                raise answer
            else:
                found[key] = answer
        if failed:
            self._wait(max(failed, key=lambda error: error.retry_after or 0))
        return found

    def _answers(self, asked: Mapping[str, str]) -> list[tuple[JsonObject | IntegrationError, str]]:
        try:
            answers = [
                (answer, key) for key, answer in microsoft.batch(self.http, asked, page_size=calls.INSTANCES_SIZE)
            ]
        except TokenRefused:
            raise
        except Temporary as error:
            return [(error, key) for key in asked]
        for answer, _ in answers:
            if isinstance(answer, TokenRefused):
                raise answer
        return answers

    def _wait(self, error: Temporary) -> None:
        """Wait as long as Microsoft asks, if that is short; else, and after some such batches, end the turn."""
        self._failed += 1
        seconds = error.retry_after or 0.0
        if self._failed >= TRIES or seconds > PATIENCE or monotonic() + seconds >= self._ends_at:
            self.trouble = error
        elif seconds:
            sleep(seconds)
