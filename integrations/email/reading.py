"""Reads messages in batches, each stored in one transaction with a constant number of statements.

The next batch is on its way while the last one is stored. Threads stay together, since a whole one may cost less to
read than its messages.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone

from integrations import outsiders, runs
from integrations.clock import MAX_ATTEMPTS, back_off
from integrations.contract import MailBatch, MailRef, MessageCopy, UnreadableItem
from integrations.email import aliases, conversations, exchanges, searches
from integrations.email.mailbox import Mailbox
from integrations.email.models import EmailMessage, EmailParty, EmailThread, MailToRead
from integrations.errors import Temporary, Wait
from integrations.models import SetAside, SyncRun, SyncState
from relationships import bulk, matching

SOON = timedelta(seconds=5)
"""After this a message that was announced and not found is looked for once more."""

WAIT_AT_MOST = timedelta(minutes=2)
"""A sync is not done while something is due again within this time. What is due later is left to a later sync."""

SLOWLY = timedelta(hours=1)
GIVE_UP_AFTER = 24
"""How often, and how many times, what failed MAX_ATTEMPTS times is asked for."""


class Stored(NamedTuple):
    """What we hold of a message."""

    pk: uuid.UUID
    unique_key: str
    verdict: str
    is_sent: bool


@dataclass(frozen=True)
class Asked:
    """A batch on its way: the rows that asked for it, and the answer to come."""

    rows: Mapping[str, MailToRead]
    answer: "Future[MailBatch]"


def read_all(mailbox: Mailbox, rules: outsiders.Rules) -> None:
    """Read whatever is due. Raises Wait where the minute's quota is used up."""
    held = mailbox.held
    with ThreadPoolExecutor(1) as reader:
        asked = _ask(mailbox, reader, ())
        while asked is not None:
            batch = asked.answer.result()
            following, wait = _ask_next(mailbox, reader, asked)
            rules = _store(held, asked.rows, batch, rules)
            if wait:
                raise wait
            asked = following


def _ask_next(mailbox: Mailbox, reader: ThreadPoolExecutor, asked: Asked) -> tuple[Asked | None, Exception | None]:
    """Ask for the batch after this one; or what is to be raised once this one is stored."""
    try:
        runs.check_time(mailbox.held)
        return _ask(mailbox, reader, asked.rows), None
    except (Wait, runs.OutOfTime) as wait:
        return None, wait


def _ask(mailbox: Mailbox, reader: ThreadPoolExecutor, under_way: Collection[str]) -> Asked | None:
    """Pay for the next batch and send for it, as much of it as the minute allows; None where nothing is due."""
    rows = _due(mailbox, under_way)
    if not rows:
        return None
    some, read = mailbox.paid_read([MailRef(row.external_id, row.thread_id) for row in rows])
    return Asked({row.external_id: row for row in rows[: len(some)]}, reader.submit(read))


def _due(mailbox: Mailbox, under_way: Collection[str]) -> list[MailToRead]:
    """The rows of the next batch: changes first, then in the order they were listed, with the rest of their threads."""
    due = MailToRead.objects.filter(state=mailbox.held.state, due_at__lte=timezone.now())
    if under_way:
        due = due.exclude(external_id__among=under_way)
    size = mailbox.adapter.batch
    first = list(due.order_by(F("search").asc(nulls_first=True), "due_at", "pk")[:size])
    threads = {row.thread_id: None for row in first if row.thread_id}
    if len(first) < size or not threads:
        return first
    whole = due.filter(thread_id__among=threads).order_by("thread_id", "pk")[: size * 4]
    return list(_thread_by_thread(first, whole, size))


def _thread_by_thread(first: Sequence[MailToRead], whole: Iterable[MailToRead], size: int) -> Iterator[MailToRead]:
    """At most ``size`` rows: thread after thread in the order of ``first``, whole ones where they fit."""
    members: dict[str, list[MailToRead]] = {}
    for row in whole:
        members.setdefault(row.thread_id, []).append(row)
    left, seen = size, set()
    for row in first:
        if row.pk in seen:
            continue
        group = members.get(row.thread_id) or [row]
        if len(group) > left < size:
            return
        for one in group[:left]:
            seen.add(one.pk)
            yield one
        left -= len(group[:left])


def wait_for_the_rest(state: SyncState) -> None:
    """Raises Wait where a plan is being shown, or something is due again soon."""
    begins_at = searches.planned_at(state)
    if begins_at is not None:
        raise Wait("The plan is shown before reading begins.", begins_at)
    until = MailToRead.objects.filter(state=state).aggregate(at=Min("due_at"))["at"]
    if until is not None and until < timezone.now() + WAIT_AT_MOST:
        raise Wait("A few messages could not be read yet and are asked for again.", until)


def _store(
    held: runs.Held, rows: Mapping[str, MailToRead], batch: MailBatch, rules: outsiders.Rules
) -> outsiders.Rules:
    """Store what a batch brought, in one transaction; returns the rules, which sent mail may have taught more of."""
    state = held.state
    _check_worth(rows, batch)
    with transaction.atomic():
        copies = {copy.external_id: copy for copy in batch.messages if copy.external_id in rows}
        known = _known(copies.values(), rules)
        if aliases.learn(state, copies.values(), known, rules):
            rules = outsiders.rules_for(state.company_id, state.integration.user_id)
        settled, gone = _settled(rows, batch, copies.keys())
        before = _stored(state, rows)
        judged = {name: _judged(copy, rules, known) for name, copy in copies.items()}
        kept = {name for name in copies if _is_kept(judged[name], name in before)}
        dropped = Counter(judged[name] for name in copies.keys() - kept)
        written = [_sent_if_own(copies[name], state, rules) for name in kept]
        touched = _write(state, written, judged, before)
        deleted = _delete(state, [before[name] for name in gone | copies.keys() - kept if name in before], rules)
        is_past = all(row.search_id for row in rows.values())
        found = exchanges.record(state.company_id, touched, rules, known, is_reviewed=not is_past)
        set_aside = _set_aside(held, batch, settled, rows)
        _settle(rows, batch, settled)
        _count_unannounced(held, rows, [copies[name] for name in kept])
        counts = {
            "found": len(settled),
            "changed": len(kept),
            "deleted": deleted,
            "set_aside": set_aside,
            "touchpoints": found,
        }
        stored_only = Counter(judged[name] for name in kept if judged[name] != EmailMessage.Verdict.EXCHANGE)
        runs.store_page(held, state.cursor, state.page_cursor, counts, dict(dropped + stored_only))
    return rules


def _check_worth(rows: Mapping[str, MailToRead], batch: MailBatch) -> None:
    """Raises Temporary where nothing at all could be read: that is no message's fault."""
    if len(rows) > 1 and len(batch.again) == len(rows):
        raise Temporary("The provider could not answer for any message at this moment.", batch.retry_after)


def _known(copies: Iterable[MessageCopy], rules: outsiders.Rules) -> matching.Known:
    return outsiders.find_known({email for copy in copies for email in exchanges.outsiders_of(copy.parties, rules)})


def _judged(copy: MessageCopy, rules: outsiders.Rules, known: matching.Known) -> str:
    return exchanges.judge(exchanges.outsiders_of(copy.parties, rules), copy.automatic, rules, known)


def _is_kept(verdict: str, is_stored: bool) -> bool:
    """Of mail with nobody known nothing is stored; what was stored while somebody was known stays, and says so."""
    if verdict == EmailMessage.Verdict.UNKNOWN:
        return is_stored
    return verdict not in {exchanges.INTERNAL, exchanges.NEVER}


def _settled(rows: Mapping[str, MailToRead], batch: MailBatch, read: Collection[str]) -> tuple[set[str], set[str]]:
    """Those that need not be asked for again, and which of these are in the mailbox no more.

    What is missing for the second time is gone. What no list names is asked for again.
    """
    gone = rows.keys() & set(batch.gone) | {name for name in batch.missing if name in rows and rows[name].tries}
    given_up = {name for name in batch.again if name in rows and rows[name].tries >= MAX_ATTEMPTS + GIVE_UP_AFTER}
    unreadable = {item.external_id for item in batch.unreadable} & rows.keys()
    return {*read, *gone, *given_up, *unreadable}, gone


def _sent_if_own(copy: MessageCopy, state: SyncState, rules: outsiders.Rules) -> MessageCopy:
    """A copy that says whether its owner sent it, by who it is from: he may have filed it before it was seen among sent
    mail. Of what came in that is no proof."""
    if copy.is_sent or "inbox" in copy.labels:
        return copy
    writers = [party.email for party in copy.parties if party.role == "from"]
    return replace(copy, is_sent=any(state.integration.user_id in rules.users_at(email) for email in writers))


def _stored(state: SyncState, external_ids: Collection[str]) -> dict[str, Stored]:
    """What we hold of these messages, by their ids at the provider."""
    rows = EmailMessage.objects.filter(state=state, external_id__among=external_ids).order_by()
    return {row[0]: Stored(*row[1:]) for row in rows.values_list("external_id", *Stored._fields)}


def _write(
    state: SyncState, copies: Sequence[MessageCopy], judged: Mapping[str, str], before: Mapping[str, Stored]
) -> set[str]:
    """Write these messages with their threads and parties; returns the keys of the mails whose touchpoints follow."""
    if not copies:
        return set()
    thread_keys, touched = conversations.keys(state, copies)
    threads = _write_threads(state, copies)
    now = timezone.now()
    rows = [
        {
            "company": state.company_id,
            "state": state.pk,
            "thread": threads[copy.thread_id or copy.external_id],
            "external_id": copy.external_id,
            "message_id": copy.message_id,
            "unique_key": conversations.unique_key(copy, state),
            "thread_key": thread_keys[copy.external_id],
            "subject": copy.subject,
            "sent_at": copy.sent_at,
            # What was sent stays so, also where it is filed among other mail.
            "is_sent": copy.is_sent or (copy.external_id in before and before[copy.external_id].is_sent),
            "labels": list(copy.labels),
            "automatic": copy.automatic,
            "verdict": str(judged[copy.external_id]),
            "updated_at": now,
        }
        for copy in copies
    ]
    written = bulk.upsert(EmailMessage, rows, unique=["state", "external_id"], returning=["external_id", "id"])
    _write_parties(state, copies, dict(written), before)
    counts = EmailMessage.Verdict.EXCHANGE
    keys = {conversations.unique_key(copy, state) for copy in copies if judged[copy.external_id] == counts}
    keys |= {row.unique_key for name, row in before.items() if row.verdict == counts and name in judged}
    return keys | set(touched)


def _write_threads(state: SyncState, copies: Sequence[MessageCopy]) -> dict[str, uuid.UUID]:
    """The threads' ids by theirs. A thread's subject is that of the first of its messages that was read."""
    last: dict[str, datetime] = {}
    subjects: dict[str, str] = {}
    for copy in sorted(copies, key=lambda copy: copy.sent_at):
        name = copy.thread_id or copy.external_id
        last[name] = copy.sent_at
        subjects.setdefault(name, copy.subject)
    known = EmailThread.objects.filter(state=state, external_id__among=last).order_by()
    for name, at in known.values_list("external_id", "last_at"):
        last[name] = max(last[name], at or last[name])
    rows = [
        {
            "company": state.company_id,
            "state": state.pk,
            "external_id": name,
            "subject": subjects[name],
            "last_at": at,
        }
        for name, at in last.items()
    ]
    columns = ["external_id", "id"]
    return dict(bulk.upsert(EmailThread, rows, ["state", "external_id"], columns, once=["company", "subject"]))


def _write_parties(
    state: SyncState, copies: Sequence[MessageCopy], ids: Mapping[str, uuid.UUID], before: Mapping[str, Stored]
) -> None:
    """Make everybody in these messages those of their copies."""
    known = [ids[copy.external_id] for copy in copies if copy.external_id in before]
    if known:
        EmailParty.objects.filter(message__among=known).delete()
    rows = [
        {
            "company": state.company_id,
            "message": ids[copy.external_id],
            "role": party.role,
            "email": party.email,
            "match_key": outsiders.key_of(party.email),
            "domain": outsiders.domain_of(party.email),
            "name": party.name,
        }
        for copy in copies
        for party in copy.parties
    ]
    bulk.upsert(EmailParty, rows, unique=["message", "role", "email"])


def _delete(state: SyncState, gone: Collection[Stored], rules: outsiders.Rules) -> int:
    if not gone:
        return 0
    rows = EmailMessage.objects.filter(pk__among=[row.pk for row in gone])
    return exchanges.delete(rows, state.company_id, rules)


def _set_aside(held: runs.Held, batch: MailBatch, settled: set[str], rows: Mapping[str, MailToRead]) -> int:
    """Keep what could not be read, with its reason; what can be read again is no longer set aside."""
    state, now = held.state, timezone.now()
    tired = [name for name in batch.again if name in rows and rows[name].tries >= MAX_ATTEMPTS]
    why = "The provider failed whenever it was asked for it. It is tried again each hour for a day."
    unreadable = [*batch.unreadable, *(UnreadableItem(name, why) for name in tired)]
    names = {item.external_id for item in unreadable}
    if held.has_set_aside and settled - names:
        SetAside.objects.filter(state=state, external_id__among=settled - names).delete()
    values = [
        {
            "company": state.company_id,
            "state": state.pk,
            "external_id": item.external_id,
            "reason": item.reason,
            "last_seen_at": now,
        }
        for item in unreadable
    ]
    bulk.upsert(SetAside, values, unique=["state", "external_id"])
    held.has_set_aside = held.has_set_aside or bool(values)
    return len(names)


def _settle(rows: Mapping[str, MailToRead], batch: MailBatch, settled: Collection[str]) -> None:
    """Delete the rows that are done; the others are due again later, each at its own time."""
    MailToRead.objects.filter(pk__among=[rows[name].pk for name in settled]).delete()
    later = [row for name, row in rows.items() if name not in settled]
    if not later:
        return
    now, missing = timezone.now(), set(batch.missing)
    for row in later:
        row.tries += 1
        row.due_at = now + (SOON if row.external_id in missing else _pause(row.tries, batch.retry_after))
    MailToRead.objects.bulk_update(later, ["tries", "due_at"])


def _pause(tries: int, retry_after: float | None) -> timedelta:
    return SLOWLY if tries > MAX_ATTEMPTS else timedelta(seconds=back_off(tries, retry_after))


def _count_unannounced(held: runs.Held, rows: Mapping[str, MailToRead], copies: Iterable[MessageCopy]) -> None:
    """Count changes that a poll found, and that were there for a while: no push told of them."""
    if held.run.kind != SyncRun.Kind.CHANGES:
        return
    announced_by = timezone.now() - runs.MISSED_AFTER
    held.unannounced += sum(
        1 for copy in copies if rows[copy.external_id].search_id is None and copy.sent_at < announced_by
    )
