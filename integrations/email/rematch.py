"""Looks at past mail again when contacts, domains or block rules came, changed or went.

What is stored is judged anew. Mail with new contacts was never stored: their mailboxes are asked for the last
HISTORY_DAYS_BACK days of it, each by a search of its own, which shows what it found before it is read.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations import news, outsiders, providers, sync_states
from integrations.email import exchanges, searches
from integrations.email.models import EmailMessage, EmailParty, MailLook, MailSearch
from integrations.models import SyncRun, SyncState
from relationships import addresses, blocking, bulk, follow_ups, tenancy
from relationships.models import BlockRule, OrganizationDomain, PersonAddress, Touchpoint

BATCH = 250

APART_AT_MOST = 20
"""So many new contacts are searched for one by one, each with its own count; more of them together."""

MAILBOX = "mailbox"


class Newcomer(NamedTuple):
    """An address or a domain that became known, and how it is called on a page."""

    value: str
    is_domain: bool
    about: str
    since: datetime


def companies_with_news() -> list[uuid.UUID]:
    """Companies where something came, changed or went since their mail was last judged."""
    return news.companies(MailLook)


def rematch(company_id: uuid.UUID) -> int:
    """Judge the mail again that the news of this company concern, and begin the searches for its new contacts.

    Returns how many messages changed their verdict.
    """
    with tenancy.within(company_id):
        look = news.look(MailLook, company_id, MAILBOX)
        concerned = _messages(Q()) if look.gone else _concerned(look.since, look.released)
        changed = 0
        for start in range(0, len(concerned), BATCH):
            if start:
                bulk.give_way()
            changed += reconsider(company_id, concerned[start : start + BATCH])
        _review(company_id, concerned)
        _look_back(look.since)
        if BlockRule in look.gone:
            _look_for_the_unblocked(~Q(pk__in=look.waits_for))
        elif look.released:
            _look_for_the_unblocked(Q(pk__in=look.released))
        look.close()
        return changed


def _messages(which: Q) -> Sequence[uuid.UUID]:
    return list(EmailMessage.objects.filter(which).order_by("pk").values_list("pk", flat=True))


def _concerned(since: datetime, released: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Messages with somebody whom the news concern, mail with a person who changed, and all of these mailboxes."""
    changed = Touchpoint.objects.filter(people__updated_at__gt=since)
    parties = EmailParty.objects.filter(
        news.concerns(since, EmailParty.objects.all()) | Q(message__unique_key__in=changed.values("unique_key"))
    )
    found = parties.order_by("message_id").values_list("message_id", flat=True).distinct()
    return sorted({*found, *(_messages(Q(state__in=released)) if released else ())})


def reconsider(company_id: uuid.UUID, message_ids: Collection[uuid.UUID]) -> int:
    """Judge these messages by today's contacts and rules, and put their touchpoints right. One transaction.

    One that a sync is writing at this moment is left out: waiting for it could end with both waiting for each other,
    and the overlap of the looks brings it again.
    """
    with transaction.atomic():
        rows = EmailMessage.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        messages = list(rows.filter(pk__among=message_ids).select_related("state__integration"))
        outside = _emails(message.pk for message in messages)
        changed, never = [], []
        for user_id in {message.state.integration.user_id for message in messages}:
            rules = outsiders.rules_for(company_id, user_id)
            own = [message for message in messages if message.state.integration.user_id == user_id]
            emails = {
                message.pk: [email for email in outside[message.pk] if not rules.is_colleague(email)] for message in own
            }
            known = outsiders.find_known({email for some in emails.values() for email in some})
            for message in own:
                verdict = exchanges.judge(emails[message.pk], message.automatic, rules, known)
                if verdict in {exchanges.NEVER, exchanges.INTERNAL}:
                    never.append(message)
                elif verdict != message.verdict:
                    message.verdict = verdict
                    changed.append(message)
        EmailMessage.objects.bulk_update(changed, ["verdict"])
        rules = outsiders.rules_for(company_id, None)
        _take_out(never, company_id, rules)
        keys = {message.unique_key for message in messages} - {one.unique_key for one in never}
        exchanges.record(company_id, keys, rules, is_reviewed=False)
    return len(changed) + len(never)


def _review(company_id: uuid.UUID, message_ids: Sequence[uuid.UUID]) -> None:
    """Find out who owes an answer in the conversations of these messages."""
    rows = EmailMessage.objects.filter(pk__among=message_ids).order_by("thread_key")
    keys = list(rows.values_list("thread_key", flat=True).distinct())
    for start in range(0, len(keys), BATCH):
        with transaction.atomic():
            follow_ups.review(company_id, keys[start : start + BATCH])


def _take_out(messages: Sequence[EmailMessage], company_id: uuid.UUID, rules: outsiders.Rules) -> None:
    """Delete these. Where notes keep a mail's touchpoint, or what was told of it elsewhere and is to be taken back, it
    says no more what the mail was about, nor with whom."""
    if not messages:
        return
    copies = EmailMessage.objects.filter(pk__among=[one.pk for one in messages])
    exchanges.delete(copies, company_id, rules, keeps_passed_on=True)
    hidden = Touchpoint.objects.filter(cancelled_at__isnull=False, kind=Touchpoint.Kind.EMAIL)
    hidden = hidden.filter(unique_key__among={one.unique_key for one in messages})
    hidden.update(title="", guests=[], is_withheld=True, updated_at=timezone.now())


def _emails(message_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """Everybody in these messages."""
    found: dict[uuid.UUID, list[str]] = defaultdict(list)
    rows = EmailParty.objects.filter(message__among=list(message_ids)).order_by()
    for message, email in rows.values_list("message_id", "email"):
        found[message].append(email)
    return found


def _look_back(since: datetime) -> None:
    """Ask every mailbox for past mail with the contacts and domains that are new since then, once."""
    newcomers = list(_newcomers(since))
    if not newcomers:
        return
    for state in _mailboxes(Q()):
        owner = state.integration.user_id
        blocked = blocking.find_rules([owner] if owner else [])
        asked = list(MailSearch.objects.filter(state=state).exclude(purpose=MailSearch.Purpose.GAP))
        wanted = [one for one in newcomers if not _is_asked(one, asked) and not _is_never_taken(one, blocked, owner)]
        _ask(state, wanted)


def _newcomers(since: datetime) -> Iterator[Newcomer]:
    """Domains of firms and addresses of contacts that came since; no free mail, and no address of such a domain."""
    domains = []
    owned = OrganizationDomain.objects.filter(created_at__gt=since).select_related("organization")
    for row in owned.order_by("created_at"):
        if not addresses.is_free_mail(row.domain):
            domains.append(row.domain)
            yield Newcomer(row.domain, True, f"{row.organization.name} ({row.domain})", row.created_at)
    people = PersonAddress.objects.filter(created_at__gt=since).select_related("person").order_by("created_at")
    for row in people:
        if not searches.is_below(row.email, domains):
            yield Newcomer(row.email, False, f"{row.person.display_name} ({row.email})", row.created_at)


def _is_asked(one: Newcomer, asked: Iterable[MailSearch]) -> bool:
    """Whether a search of a mailbox, begun after this one came, asks for it: by name, by its domain, or for all."""
    for search in asked:
        if search.created_at < one.since:
            continue
        if not search.addresses and not search.domains:
            return True
        if one.value in (search.domains if one.is_domain else search.addresses):
            return True
        if not one.is_domain and searches.is_below(one.value, search.domains):
            return True
    return False


def _is_never_taken(one: Newcomer, blocked: blocking.Blocked, user_id: uuid.UUID | None) -> bool:
    address = f"anybody@{one.value}" if one.is_domain else one.value
    return blocked.strength(address, user_id) == BlockRule.Strength.NEVER


def _ask(state: SyncState, wanted: Sequence[Newcomer]) -> None:
    """Begin the searches for these in one mailbox, and queue its sync."""
    if not wanted:
        return
    groups = [[one] for one in wanted] if len(wanted) <= APART_AT_MOST else [wanted]
    since = timezone.now() - timedelta(days=settings.HISTORY_DAYS_BACK)
    adapter = providers.mail_adapter(state.integration.provider)
    with transaction.atomic():
        for group in groups:
            people = searches.People(
                [one.value for one in group if not one.is_domain], [one.value for one in group if one.is_domain]
            )
            about = group[0].about if len(group) == 1 else f"{len(group)} new contacts and domains"
            searches.ask(state, adapter, MailSearch.Purpose.CONTACT, since, people, about)
        sync_states.poke([state.pk], trigger=SyncRun.Trigger.RETRY)


def _look_for_the_unblocked(which: Q) -> None:
    """A rule went: of mail it kept out nothing was stored. What is known already is listed, and not read again.

    A mailbox that a sync reads by the old rules is to be left out until that is over: it would search by these too.
    """
    since = timezone.now() - timedelta(days=settings.HISTORY_DAYS_BACK)
    for state in _mailboxes(which):
        adapter = providers.mail_adapter(state.integration.provider)
        with transaction.atomic():
            about = "Contacts that are no longer blocked"
            searches.ask(state, adapter, MailSearch.Purpose.CONTACT, since, searches.everybody(), about)
            sync_states.poke([state.pk], trigger=SyncRun.Trigger.RETRY)


def _mailboxes(which: Q) -> Sequence[SyncState]:
    """Mailboxes that were read before, and are read: one that was not begins with everybody known anyway."""
    rows = SyncState.objects.filter(which, resource_type=MAILBOX, is_chosen=True).exclude(cursor="")
    return list(rows.select_related("integration").order_by("pk"))
