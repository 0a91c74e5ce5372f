"""Conversations told at random, but the same for the same seed: they fill a mailbox that has to look lived in."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

Order = dict[str, Any]
SUBJECTS = ("Fund update", "Data room", "Your questions", "Next steps", "Side letter", "Visit in spring", "References")
LINES = ("Thank you for the call.", "Two questions below.", "Attached as promised.", "Would Tuesday suit you?")
MOST_MAILS = 6
MOST_HOURS_BETWEEN = 72


def told(owner: str, peers: Sequence[str], talks: int, days: float, seed: str, now: datetime) -> Iterator[Order]:
    """``talks`` conversations of ``owner`` with ``peers`` (addresses with or without names) in the days before now."""
    chance = Random(f"{seed} {owner}")
    for number in range(talks):
        peer, subject = chance.choice(peers), chance.choice(SUBJECTS)
        at = now - timedelta(days=chance.random() * days)
        begins_with_peer, last = chance.random() < 0.5, ""
        for place in range(chance.randint(1, MOST_MAILS)):
            if at > now:
                break
            is_from_peer = begins_with_peer is (place % 2 == 0)
            message_id = f"talk-{seed}-{number}-{place}-{owner}"
            order = {
                "from": peer if is_from_peer else owner,
                "to": owner if is_from_peer else peer,
                "subject": f"{'Re: ' if place else ''}{subject} {number}",
                "body": chance.choice(LINES),
                "date": at.isoformat(),
                "message_id": message_id,
            }
            yield order | ({"in_reply_to": last} if last else {})
            last = message_id
            at += timedelta(hours=chance.random() * MOST_HOURS_BETWEEN)
