"""The demo's mailboxes: how talks with LPs go on by mail, and the noise around them, told as mail about seeded people.

The same cast, seed and day give the same mail. Bodies are there because real mail has them: none is ever stored.
"""

import hashlib
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lpxgp.demo_world import Cast, Colleague, Contact

Mail = dict[str, Any]
SEED = 3
DAYS_BACK = 85
TALKS = 34
SUBJECTS = (
    "{fund}: data room access",
    "Questions on {fund}",
    "Your visit to Zurich",
    "{fund}: draft side letter",
    "Reference calls",
    "Follow-up to our meeting",
    "ESG questionnaire",
    "Track record since 2015",
    "Timing of the first close",
    "Subscription documents",
)
LINES = (
    "Thank you for your time. Please find our thoughts below.",
    "Could you share the latest portfolio report?",
    "That works for us. Would Thursday suit you?",
    "Our committee meets next month; a few questions remain.",
    "Attached is what you asked for.",
)
UNANSWERED_DAYS = (1, 2, 4, 6, 8, 11)
"""How long the newest mails of the last talks have been waiting: half for us, half for them."""


class Mailboxes:
    """Writes the mail, conversation by conversation. ``now`` is aware."""

    def __init__(self, cast: Cast, now: datetime) -> None:
        self._cast = cast
        self._now = now.astimezone(ZoneInfo(cast.time_zone)).replace(second=0, microsecond=0)
        self._random = random.Random(SEED)  # noqa: S311 a story, not a secret
        self.me, *self._others = cast.colleagues

    def mails(self) -> Iterator[Mail]:
        """Every mail once, with its real sender and recipients; the sandbox puts a copy into each of its mailboxes."""
        for number in range(TALKS):
            yield from self._talk(number)
        yield from self._waiting()
        yield from self._noise()

    def _talk(self, number: int) -> Iterator[Mail]:
        """Two to six mails to and fro, at the firm's own pace, that ended weeks ago."""
        contact = self._cast.contacts[number * 3 % len(self._cast.contacts)]
        writer = self._random.choice((self.me, self.me, *self._others[:2]))
        pace = timedelta(hours=self._random.choice((5, 9, 26, 50)))
        at = self._now - timedelta(days=self._random.randint(35, DAYS_BACK), hours=self._random.randint(0, 8))
        yield from self._exchange(f"talk {number}", contact, writer, at, pace, self._random.randint(2, 6))

    def _waiting(self) -> Iterator[Mail]:
        """Talks whose newest mail waits for an answer: from us where its number is even, else from them."""
        for number, days in enumerate((*UNANSWERED_DAYS, *reversed(UNANSWERED_DAYS))):
            contact = self._cast.contacts[number * 5 % len(self._cast.contacts)]
            count = 4 + number % 2
            pace = timedelta(hours=self._random.choice((8, 20, 30)))
            at = self._now - timedelta(days=days, hours=2) - pace * (count - 1)
            yield from self._exchange(f"waiting {number}", contact, self.me, at, pace, count)

    def _exchange(
        self, name: str, contact: Contact, writer: Colleague, at: datetime, pace: timedelta, count: int
    ) -> Iterator[Mail]:
        """``count`` mails in turn, ours first, ``pace`` apart, each an answer to the one before."""
        subject = self._random.choice(SUBJECTS).format(fund=self._cast.fund)
        copy = [self._of(self._others[0])] if self._others and self._random.random() < 0.25 else []
        references: list[str] = []
        at = self._in_office(at)
        for turn in range(count):
            if at > self._now:
                return
            ours, theirs = self._of(writer), f"{contact.name} <{contact.email}>"
            sender, recipient = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
            mail = self._mail(f"{name} {turn}", sender, [recipient], f"{'Re: ' if turn else ''}{subject}", at, copy)
            if references:
                mail |= {"in_reply_to": references[-1], "references": " ".join(references)}
            references.append(mail["message_id"])
            yield mail
            at = self._in_office(at + pace + timedelta(minutes=self._random.randint(-90, 90)))

    def _in_office(self, at: datetime) -> datetime:
        """The next moment from ``at`` on at which somebody sits at a desk."""
        if at.hour >= 18:
            at = at.replace(hour=8) + timedelta(days=1)
        while at.weekday() > 4:
            at = at.replace(hour=9) + timedelta(days=1)
        return at.replace(hour=max(at.hour, 8))

    def _noise(self) -> Iterator[Mail]:
        """What is no exchange with a contact: strangers, lists, automatic answers, invitations, colleagues."""
        contact, mine = self._cast.contacts[0], self._of(self.me)
        known = f"{contact.name} <{contact.email}>"
        weekly = {"List-Id": "LP letters <letters.example>", "List-Unsubscribe": "<https://letters.example/off>"}
        for week in range(8):
            at = self._now - timedelta(weeks=week, hours=3)
            yield self._mail(f"letter {week}", known, [mine], "Our weekly letter", at) | {"headers": weekly}
        at = self._now - timedelta(days=3)
        away = {"Auto-Submitted": "auto-replied"}
        yield self._mail("away", known, [mine], "Out of office", at) | {"headers": away}
        for number in range(12):
            stranger = f"Shop {number} <shop{number}@shop.example>"
            at = self._now - timedelta(days=2 * number, hours=5)
            yield self._mail(f"shop {number}", stranger, [mine], "Your order", at)
        for other in self._others:
            yield self._mail(f"colleague {other.email}", self._of(other), [mine], "Lunch?", at)

    def _mail(
        self, name: str, sender: str, to: list[str], subject: str, at: datetime, cc: list[str] | None = None
    ) -> Mail:
        return {
            "message_id": f"<{hashlib.sha256(name.encode()).hexdigest()[:24]}@mail.demo.example>",
            "from": sender,
            "to": to,
            "cc": cc or [],
            "subject": subject,
            "date": at.isoformat(),
            "body": self._random.choice(LINES),
        }

    def _of(self, colleague: Colleague) -> str:
        return f"{colleague.name} <{colleague.email}>"


def by_mailbox(cast: Cast, now: datetime) -> dict[str, list[Mail]]:
    """All mail of the demo by the colleague's mailbox it is put into first, the oldest first."""
    boxes: dict[str, list[Mail]] = {colleague.email: [] for colleague in cast.colleagues}
    for mail in sorted(Mailboxes(cast, now).mails(), key=lambda mail: mail["date"]):
        parties = " ".join((mail["from"], *mail["to"], *mail["cc"]))
        boxes[next(email for email in boxes if f"<{email}>" in parties)].append(mail)
    return boxes
