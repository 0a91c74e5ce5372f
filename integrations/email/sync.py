"""Keeps the copy of one mailbox true: what is there at first, changes since, and the gap after a lost cursor.

Ids are found first and kept in rows of MailToRead. How many they are, and how long reading takes, is shown before it
begins. Then they are read in batches, each of which is one transaction. So a sync may be killed anywhere, and goes on
with what is left.
"""

import uuid
from collections.abc import Collection

from django.db import transaction

from integrations import grants, outsiders, providers, runs
from integrations.contract import MailRef
from integrations.email import aliases, exchanges, reading, searches
from integrations.email.mailbox import Mailbox
from integrations.email.models import EmailMessage, MailSearch, MailToRead
from integrations.errors import CursorExpired
from integrations.models import SetAside, SyncRun, SyncState
from relationships import bulk


def run(state_id: uuid.UUID) -> None:
    """Bring one mailbox up to date. May run twice, or be killed anywhere: it goes on with what is still to be read."""
    with bulk.planned_anew():
        runs.sync(state_id, _read)


def _read(held: runs.Held) -> None:
    """Ask, list, follow the changes, read. Raises OutOfTime and Wait between any two steps."""
    integration = held.state.integration
    _name_run(held)
    held.has_set_aside = SetAside.objects.filter(state=held.state).exists()
    with grants.session(integration, held.access) as http:
        mailbox = Mailbox(held, providers.mail_adapter(integration.provider), http)
        aliases.refresh(mailbox)
        rules = outsiders.rules_for(held.state.company_id, integration.user_id)
        if not held.state.cursor:
            searches.begin(mailbox)
        if held.run.trigger == SyncRun.Trigger.MANUAL:
            searches.start_now(held.state)
        searches.list_all(mailbox)
        _follow(mailbox, rules)
        reading.read_all(mailbox, rules)
        searches.finish(mailbox)
        reading.wait_for_the_rest(held.state)


def _name_run(held: runs.Held) -> None:
    """A run that goes on with the first sync, or with a gap, is one of that kind."""
    if not held.state.cursor:
        return
    open_ones = MailSearch.objects.filter(state=held.state, listed_at__isnull=True).values_list("purpose", flat=True)
    unread = MailToRead.objects.filter(state=held.state, search__isnull=False).values_list("search__purpose", flat=True)
    purposes = {*open_ones, *unread.distinct()}
    if MailSearch.Purpose.FIRST in purposes:
        held.run.kind = SyncRun.Kind.FIRST
    elif MailSearch.Purpose.GAP in purposes:
        held.run.kind = SyncRun.Kind.FULL
        held.run.why_full = "It goes on with the mail of the time that was missed."
    else:
        return
    held.run.save(update_fields=["kind", "why_full"])


def _follow(mailbox: Mailbox, rules: outsiders.Rules) -> None:
    """Keep what changed since the cursor, until now."""
    is_resumed = bool(mailbox.held.state.page_cursor)
    _follow_pages(mailbox, rules)
    if is_resumed:
        # The later pages of a round may know nothing of what changed since its first: the pushes of that are ours too.
        _follow_pages(mailbox, rules)


def _follow_pages(mailbox: Mailbox, rules: outsiders.Rules) -> None:
    """One round of changes. The cursor moves with the last page, once the rows of all of them are stored."""
    state = mailbox.held.state
    while True:
        try:
            page = mailbox.changes(state.cursor, state.page_cursor)
        except CursorExpired:
            if not state.page_cursor:
                raise
            # The page of an interrupted reading may be forgotten while the cursor is still good.
            page = mailbox.changes(state.cursor, "")
        with transaction.atomic():
            gone = set(page.vanished)
            searches.changed(state, _worth_reading(state, page.changed, gone))
            deleted = _forget(mailbox.held, gone, rules)
            cursor = state.cursor if page.next_page else page.next_cursor or state.cursor
            runs.store_page(mailbox.held, cursor, page.next_page, {"deleted": deleted}, {})
        if not page.next_page:
            return
        runs.check_time(mailbox.held)


def _worth_reading(state: SyncState, changed: Collection[MailRef], gone: Collection[str]) -> list[MailRef]:
    """Without what is gone again, and what was not taken when it came and has but other labels now."""
    there = [ref for ref in changed if ref.external_id not in gone]
    relabelled = {ref.external_id for ref in there if ref.is_relabelled}
    if not relabelled:
        return there
    rows = EmailMessage.objects.filter(state=state, external_id__among=relabelled)
    unknown = relabelled - set(rows.values_list("external_id", flat=True))
    return [ref for ref in there if ref.external_id not in unknown]


def _forget(held: runs.Held, external_ids: Collection[str], rules: outsiders.Rules) -> int:
    """Delete what vanished from the mailbox, and do not look for it any more."""
    if not external_ids:
        return 0
    state = held.state
    MailToRead.objects.filter(state=state, external_id__among=external_ids).delete()
    rows = EmailMessage.objects.filter(state=state, external_id__among=external_ids)
    return exchanges.delete(rows, state.company_id, rules)
