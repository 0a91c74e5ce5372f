"""Which messages are to be read: the questions a mailbox is asked, and their answers, which are ids alone."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from integrations import runs
from integrations.clock import MAX_ATTEMPTS
from integrations.contract import MailAdapter, MailQuery, MailRef
from integrations.email.mailbox import Mailbox
from integrations.email.models import EmailMessage, EmailThread, MailSearch, MailToRead
from integrations.models import SyncRun, SyncState
from relationships import addresses, bulk, follow_ups
from relationships.models import OrganizationDomain, PersonAddress

Purpose = MailSearch.Purpose

THREADS_AT_ONCE = 500

GAP_MARGIN = timedelta(days=1)
"""Mail may reach a mailbox a while after its time."""


class People(NamedTuple):
    """Whose mail is looked for."""

    addresses: Sequence[str]
    domains: Sequence[str]


def begin(mailbox: Mailbox) -> None:
    """Without a cursor: take one first, then ask for what it does not tell. Nothing falls between the two.

    A mailbox never read asks for all of HISTORY_DAYS_BACK; one whose cursor was lost for the time since it was last up
    to date, whose stored mail is read again too: part of it may have been deleted.
    """
    held = mailbox.held
    state, now = held.state, timezone.now()
    cursor = mailbox.cursor()
    horizon = now - timedelta(days=settings.HISTORY_DAYS_BACK)
    is_gap = state.last_success_at is not None
    since = max(horizon, state.last_success_at - GAP_MARGIN) if state.last_success_at else horizon
    with transaction.atomic():
        MailSearch.objects.filter(state=state, listed_at__isnull=True).exclude(purpose=Purpose.CONTACT).delete()
        ask(state, mailbox.adapter, Purpose.GAP if is_gap else Purpose.FIRST, since, everybody())
        if is_gap:
            stored = EmailMessage.objects.filter(state=state, sent_at__gte=since)
            _to_read(state, [MailRef(*row) for row in stored.values_list("external_id", "thread__external_id")])
            why = f"{held.run.why_full} Mail since {since:%-d %B %Y} is looked through again.".strip()
            SyncRun.objects.filter(pk=held.run.pk).update(kind=SyncRun.Kind.FULL, why_full=why)
            held.run.kind, held.run.why_full = SyncRun.Kind.FULL, why
        runs.store_page(held, cursor, "", {}, {})


def ask(
    state: SyncState,
    adapter: MailAdapter,
    purpose: MailSearch.Purpose,
    since: datetime,
    people: People,
    about: str = "",
) -> int:
    """Put questions about these people to a mailbox, as rows to be listed; returns how many."""
    if not people.addresses and not people.domains:
        return 0
    scopes = state.integration.scopes
    rows = [
        MailSearch(
            company_id=state.company_id,
            state=state,
            purpose=purpose,
            about=about,
            addresses=list(query.addresses),
            domains=list(query.domains),
            since=query.since,
        )
        for query in adapter.queries(scopes, people.addresses, people.domains, since)
    ]
    return len(MailSearch.objects.bulk_create(rows))


def everybody() -> People:
    """The current company's contacts' addresses and the domains of firms it knows. Free mail is never among these.

    An address below such a domain is not listed besides it.
    """
    owned = OrganizationDomain.objects.order_by("domain").values_list("domain", flat=True)
    domains = [domain for domain in owned if not addresses.is_free_mail(domain)]
    emails = PersonAddress.objects.order_by("email").values_list("email", flat=True)
    return People([email for email in emails if not is_below(email, domains)], domains)


def is_below(email: str, domains: Collection[str]) -> bool:
    """Whether whoever asks for these domains finds the address too."""
    return any(name in domains for name in addresses.with_parents(email.rpartition("@")[2]))


def list_all(mailbox: Mailbox) -> None:
    """List what is asked and not answered yet, page by page: each is kept before the next is asked for."""
    state = mailbox.held.state
    listed = False
    for search in MailSearch.objects.filter(state=state, listed_at__isnull=True):
        while search.listed_at is None:
            _list_page(mailbox, search)
            runs.check_time(mailbox.held)
        listed = True
    if listed:
        # All of them begin together, once the last one is counted.
        _planned(state).update(due_at=timezone.now() + _shown_for())


def start_now(state: SyncState) -> None:
    """Somebody who saw the plan wants it read at once."""
    _planned(state).update(due_at=timezone.now())


def planned_at(state: SyncState) -> datetime | None:
    """When reading begins by itself, of which the plan is being shown; None where nothing waits for that."""
    return _planned(state).order_by("due_at").values_list("due_at", flat=True).first()


def _planned(state: SyncState) -> QuerySet[MailToRead]:
    """What a listing found, was never asked for, and waits while its plan is shown."""
    rows = MailToRead.objects.filter(state=state, tries=0, due_at__gt=timezone.now())
    return rows.filter(search__purpose__in=[Purpose.FIRST, Purpose.CONTACT])


def _shown_for() -> timedelta:
    return timedelta(seconds=settings.MAIL_PLAN_SECONDS)


def _list_page(mailbox: Mailbox, search: MailSearch) -> None:
    held = mailbox.held
    query = MailQuery(search.since, tuple(search.addresses), tuple(search.domains), search.page)
    page = mailbox.listing(query)
    with transaction.atomic():
        search.found += len(page.found)
        search.page = page.next_page
        search.listed_at = None if page.next_page else timezone.now()
        search.save(update_fields=["found", "page", "listed_at"])
        _to_read(held.state, _unread(held.state, page.found), search)
        runs.store_page(held, held.state.cursor, held.state.page_cursor, {}, {})


def _unread(state: SyncState, found: Collection[MailRef]) -> list[MailRef]:
    """Those that are not stored: what a message says does not change."""
    ids = {ref.external_id for ref in found}
    stored = EmailMessage.objects.filter(state=state, external_id__among=ids)
    read = set(stored.values_list("external_id", flat=True))
    return [ref for ref in found if ref.external_id not in read]


def changed(state: SyncState, refs: Iterable[MailRef]) -> None:
    """Keep what a push or a poll found, to be read next."""
    _to_read(state, refs)


def _to_read(state: SyncState, refs: Iterable[MailRef], search: MailSearch | None = None) -> None:
    """Keep these to be read. What is kept already stays as it is: it may have been tried.

    What a plan is shown of first is due after that; what fills a gap, or came just now, at once.
    """
    is_planned = search is not None and search.purpose != Purpose.GAP
    due_at = timezone.now() + (_shown_for() if is_planned else timedelta())
    rows = [
        {
            "company": state.company_id,
            "state": state.pk,
            "external_id": ref.external_id,
            "thread_id": ref.thread_id,
            "search": search.pk if search else None,
            "due_at": due_at,
        }
        for ref in refs
    ]
    bulk.upsert(MailToRead, rows, unique=["state", "external_id"], once=["company", "thread_id", "search", "due_at"])


def finish(mailbox: Mailbox) -> None:
    """Once all that searches found was read: find out who owes an answer in the conversations that are not too old."""
    held = mailbox.held
    state = held.state
    done = MailSearch.objects.filter(state=state, listed_at__isnull=False, read_at__isnull=True)
    # What fails again and again holds up nothing.
    left = MailToRead.objects.filter(search=OuterRef("pk"), tries__lte=MAX_ATTEMPTS)
    ids = list(done.exclude(Exists(left)).values_list("pk", flat=True))
    if not ids:
        return
    threads = EmailThread.objects.filter(state=state, last_at__gt=timezone.now() - follow_ups.OLDEST)
    rows = EmailMessage.objects.filter(thread__in=threads).order_by("thread_key")
    keys = list(rows.values_list("thread_key", flat=True).distinct())
    for start in range(0, len(keys), THREADS_AT_ONCE):
        with transaction.atomic():
            follow_ups.review(state.company_id, keys[start : start + THREADS_AT_ONCE])
            runs.change_state(held, held_until=timezone.now() + runs.HOLD)
    MailSearch.objects.filter(pk__among=ids).update(read_at=timezone.now())
