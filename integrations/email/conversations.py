"""Which conversation a mail belongs to, alike for all colleagues who hold a copy.

A conversation is what one mailbox groups as a thread, and what mails say they answer. Its key is the hash of its first
mail's Message-ID, as far as that is known; where a mail shows that two of them are one, the keys become one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Case, Q, TextField, Value, When

from integrations.contract import MessageCopy
from integrations.email.models import EmailMessage
from integrations.models import SyncState


def unique_key(copy: MessageCopy, state: SyncState) -> str:
    """Which real mail this is a copy of: its Message-ID. One without is a mail of its own."""
    return digest(copy.message_id or f"{state.integration.external_account_id}/{copy.external_id}")


def digest(message_id: str) -> str:
    """The hash a Message-ID is compared by."""
    return hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Links:
    """Names that mean the same conversation: hashes of Message-IDs, and threads of the mailbox."""

    leaders: dict[str, str] = field(default_factory=dict)

    def leader(self, name: str) -> str:
        """The name that stands for all names linked with this one."""
        path = [name]
        while (above := self.leaders.setdefault(path[-1], path[-1])) != path[-1]:
            path.append(above)
        for passed in path:
            self.leaders[passed] = path[-1]
        return path[-1]

    def link(self, names: Iterable[str]) -> None:
        """Say that all of these mean one conversation."""
        first, *others = [self.leader(name) for name in names]
        for other in others:
            self.leaders[other] = first


def keys(state: SyncState, copies: Sequence[MessageCopy]) -> tuple[dict[str, str], Collection[str]]:
    """The thread key of each copy by its id at the provider, and the unique keys of stored mails whose key changed.

    Two queries for any number of copies, and a few more where conversations turn out to be one.
    """
    links = Links()
    for copy in copies:
        links.link(_names(copy, state))
    stored = _link_stored(links, state, copies)
    by_leader: dict[str, list[MessageCopy]] = defaultdict(list)
    for copy in copies:
        by_leader[links.leader(unique_key(copy, state))].append(copy)
    found: dict[str, str] = {}
    merged: dict[str, str] = {}
    for leader, group in by_leader.items():
        # The smallest, so that two workers that merge the same conversations choose the same key.
        key, *others = sorted(stored.get(leader, ())) or [_first_key(group, state)]
        found |= {copy.external_id: key for copy in group}
        merged |= dict.fromkeys(others, key)
    return found, _merge(merged)


def _names(copy: MessageCopy, state: SyncState) -> list[str]:
    """What says which conversation it is. Of the references the first alone: the others are between it and the mail."""
    cited = [*copy.references[:1], *([copy.in_reply_to] if copy.in_reply_to else [])]
    thread = [_thread(copy.thread_id)] if copy.thread_id else []
    return [unique_key(copy, state), *map(digest, cited), *thread]


def _thread(thread_id: str) -> str:
    return f"thread/{thread_id}"


def _link_stored(links: Links, state: SyncState, copies: Sequence[MessageCopy]) -> Mapping[str, set[str]]:
    """Link what is stored of these conversations, of any colleague; returns the stored keys by leader."""
    hashes = {name for copy in copies for name in _names(copy, state)}
    # Also those whose key is of a mail that was not read when they were, and is now.
    known = EmailMessage.objects.filter(Q(unique_key__among=hashes) | Q(thread_key__among=hashes)).order_by()
    pairs = set(known.values_list("unique_key", "thread_key").distinct())
    # The state is the company's. PostgreSQL without statistics would else look among all of the company's mail.
    threads = EmailMessage.unscoped.filter(
        thread__state=state, thread__external_id__among={copy.thread_id for copy in copies}
    )
    rows = threads.order_by().values_list("thread__external_id", "thread_key").distinct()
    pairs |= {(_thread(thread), key) for thread, key in rows}
    for pair in pairs:
        links.link(pair)
    stored: dict[str, set[str]] = defaultdict(set)
    for _, key in pairs:
        stored[links.leader(key)].add(key)
    return stored


def _first_key(copies: Sequence[MessageCopy], state: SyncState) -> str:
    """The hash of the conversation's first mail, as its earliest known mail tells it."""
    earliest = min(copies, key=lambda copy: (copy.sent_at, copy.external_id))
    cited = [*earliest.references[:1], *([earliest.in_reply_to] if earliest.in_reply_to else [])]
    return digest(cited[0]) if cited else unique_key(earliest, state)


def _merge(merged: Mapping[str, str]) -> Collection[str]:
    """Give stored mails their conversation's one key; returns their unique keys."""
    if not merged:
        return set()
    rows = EmailMessage.objects.filter(thread_key__among=merged)
    touched = set(rows.values_list("unique_key", flat=True))
    cases = [When(thread_key=old, then=Value(new)) for old, new in merged.items()]
    rows.update(thread_key=Case(*cases, output_field=TextField()))
    return touched
