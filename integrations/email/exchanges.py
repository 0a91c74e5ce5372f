"""What makes a mail an exchange with people the company knows, and the touchpoint that follows from its copies.

RULES are in the order they are asked; it is what the member's page shows. Of mail that the first ones keep out nothing
is stored at all.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations import outsiders
from integrations.contract import Party
from integrations.email.models import EmailMessage, EmailParty, EmailThread
from integrations.models import Integration
from relationships import follow_ups, matching, passed_on, touchpoints
from relationships.models import BlockRule, Company, Touchpoint

Verdict = EmailMessage.Verdict

INTERNAL, NEVER = "internal", "never"
"""Besides Verdict.UNKNOWN, why nothing of a mail is stored."""

RULES: tuple[tuple[str, str], ...] = (
    ("Only colleagues", "Mail among yourselves is never stored."),
    ("Never taken", "Mail with somebody on your block list, or your firm's, as “never take” is not stored."),
    ("Nobody you know", "Mail with no contact, and nobody from the domain of a firm you know, is not stored."),
    (Verdict.INVITATION.label, "Invitations come by the calendar: as mail they do not count."),
    (Verdict.AUTOMATIC.label, "Out-of-office notes and other automatic replies are no exchange."),
    (Verdict.LIST.label, "What goes to many at once is no exchange."),
    (Verdict.HIDDEN.label, "It is kept, and shown nowhere but here."),
    (Verdict.UNKNOWN.label, "It was stored while somebody was. Add the contact again, and it counts again."),
    (Verdict.EXCHANGE.label, "All other mail counts: from, to or in copy to a contact or a firm you know."),
)

DELETE_BATCH = 500

AUTOMATIC = {"auto_reply": Verdict.AUTOMATIC, "list": Verdict.LIST, "invitation": Verdict.INVITATION}


def outsiders_of(parties: Iterable[Party], rules: outsiders.Rules) -> list[str]:
    """The addresses in a mail that are not the company's own."""
    return [party.email for party in parties if not rules.is_colleague(party.email)]


def judge(emails: Collection[str], automatic: str, rules: outsiders.Rules, known: matching.Known) -> str:
    """A Verdict for a mail with these outsiders; or INTERNAL or NEVER, which is never stored."""
    if not emails:
        return INTERNAL
    strengths = {rules.blocked.strength(email, rules.user_id) for email in emails}
    if BlockRule.Strength.NEVER in strengths:
        return NEVER
    if not any(outsiders.is_known(email, known) for email in emails):
        return Verdict.UNKNOWN
    if automatic:
        return AUTOMATIC[automatic]
    if BlockRule.Strength.HIDE in strengths:
        return Verdict.HIDDEN
    return Verdict.EXCHANGE


def record(
    company_id: uuid.UUID,
    unique_keys: Collection[str],
    rules: outsiders.Rules,
    known: matching.Known = matching.NOTHING,
    is_reviewed: bool = True,
) -> int:
    """Make the touchpoints of these mails what all their copies say together; returns how many there are.

    To be called in the transaction that changed the copies. The lock makes two colleagues' syncs take turns, so that
    the later one sees both copies. What ``known`` says is not asked again. Unless ``is_reviewed`` the caller finds out
    later who owes an answer: that looks at a year's mail with the same people, which many batches would do in vain.
    """
    if not unique_keys:
        return 0
    Company.objects.select_for_update(no_key=True).filter(pk=company_id).values_list("pk").get()
    parties = list(_parties(unique_keys))
    mails = _mails((party for party in parties if party.message__verdict == Verdict.EXCHANGE), rules, known)
    hidden = {party.message__unique_key for party in parties if party.message__verdict == Verdict.HIDDEN}
    threads = {mail.thread_key for mail in mails}
    if is_reviewed:
        threads |= set(Touchpoint.objects.filter(unique_key__among=unique_keys).values_list("thread_key", flat=True))
    gone = set(unique_keys) - {mail.unique_key for mail in mails}
    touchpoints.record_mails(mails, gone, withheld=hidden & gone)
    if is_reviewed:
        follow_ups.review(company_id, threads)
    return len(mails)


COPY = (
    "message_id",
    "message__unique_key",
    "message__verdict",
    "message__thread_key",
    "message__subject",
    "message__sent_at",
    "message__is_sent",
    "message__state__integration__user_id",
    "message__state__integration__user__shares_mail_subjects",
)
PARTY = ("role", "email", "name", "match_key", "domain")


def _parties(unique_keys: Collection[str]) -> QuerySet[Any, Any]:
    """Everybody in every copy that counts, or that a rule hides, of any colleague; those of the copy that came first
    come first."""
    rows = EmailParty.objects.filter(
        message__unique_key__among=unique_keys, message__verdict__in=[Verdict.EXCHANGE, Verdict.HIDDEN]
    )
    return rows.order_by("message__sent_at", "message_id", "email", "role").values_list(*COPY, *PARTY, named=True)


def _mails(parties: Iterable[Any], rules: outsiders.Rules, known: matching.Known) -> list[touchpoints.Mail]:
    """One mail per key, from the parties of all its copies."""
    by_key: dict[str, list[Any]] = defaultdict(list)
    for party in parties:
        by_key[party.message__unique_key].append(party)
    theirs = {key: _outsiders(rows, rules) for key, rows in by_key.items()}
    everybody = [row for rows in theirs.values() for row in rows.values()]
    known = matching.find({row.match_key for row in everybody}, {row.domain for row in everybody} - {""}, earlier=known)
    return [_mail(rows, theirs[key], rules, known) for key, rows in by_key.items()]


ROLES = ("from", "to", "cc", "bcc")
"""Whoever is in a mail twice counts by the first of these."""


def _outsiders(rows: Iterable[Any], rules: outsiders.Rules) -> dict[str, Any]:
    """A row for each outsider."""
    ordered = sorted(rows, key=lambda row: ROLES.index(row.role), reverse=True)
    return {row.email: row for row in ordered if not rules.is_colleague(row.email)}


def _mail(
    rows: Sequence[Any], theirs: Mapping[str, Any], rules: outsiders.Rules, known: matching.Known
) -> touchpoints.Mail:
    """Time and subject are those of the copy that came first; the users are the owners of all copies that count."""
    first = rows[0]
    people = [known.people[row.match_key] for row in theirs.values() if row.match_key in known.people]
    firms = {person.organization_id for person in people if person.organization_id}
    firms |= {known.organizations[row.domain] for row in theirs.values() if row.domain in known.organizations}
    shares = {
        row.message__state__integration__user_id: row.message__state__integration__user__shares_mail_subjects
        for row in rows
    }
    is_outgoing = any(row.message__is_sent or (row.role == "from" and rules.is_colleague(row.email)) for row in rows)
    if is_outgoing:
        concerned = {row.message__state__integration__user_id for row in rows if row.message__is_sent}
    else:
        concerned = {user for row in rows if row.role == "to" for user in rules.users_at(row.email)}
    return touchpoints.Mail(
        unique_key=first.message__unique_key,
        thread_key=first.message__thread_key,
        subject=first.message__subject,
        sent_at=first.message__sent_at,
        is_outgoing=is_outgoing,
        is_private=not all(shares.values()),
        people=frozenset(person.id for person in people),
        organizations=frozenset(firms),
        users=frozenset(shares.keys() - {None}),
        # Whose mailbox is not read cannot be seen to answer, nor to get an answer.
        answerers=frozenset(concerned & shares.keys() - {None}),
        guests=tuple({"email": row.email, "name": row.name, "role": row.role} for row in theirs.values()),
        origin=f"mail:{first.message_id}",
    )


def delete(
    messages: QuerySet[EmailMessage], company_id: uuid.UUID, rules: outsiders.Rules, keeps_passed_on: bool = False
) -> int:
    """Delete these copies, and put right what followed from them; returns how many there were. One transaction's part.

    A touchpoint with notes or tasks stays, hidden: these are the company's; with ``keeps_passed_on`` also one that was
    told elsewhere.
    """
    rows = list(messages.values_list("pk", "unique_key", "thread_id"))
    if not rows:
        return 0
    EmailMessage.objects.filter(pk__among=[pk for pk, _, _ in rows]).delete()
    EmailThread.objects.filter(pk__among={thread for _, _, thread in rows}, messages__isnull=True).delete()
    keys = {key for _, key, _ in rows}
    record(company_id, keys, rules)
    hidden = Touchpoint.objects.filter(unique_key__among=keys, kind=Touchpoint.Kind.EMAIL, cancelled_at__isnull=False)
    unneeded = hidden.filter(notes__isnull=True, tasks__isnull=True)
    (unneeded.exclude(passed_on.is_passed_on()) if keeps_passed_on else unneeded).delete()
    return len(rows)


def delete_batch(integration: Integration) -> bool:
    """Delete some messages of a grant with the touchpoints that hang on them alone; False where none is left.

    What a member saved on purpose stays, until the member deletes it.
    """
    with transaction.atomic():
        first = EmailMessage.objects.filter(state__integration=integration).order_by("pk")[:DELETE_BATCH]
        rows = EmailMessage.objects.filter(pk__among=list(first.values_list("pk", flat=True)))
        return delete(rows, integration.company_id, outsiders.rules_for(integration.company_id, None)) > 0
