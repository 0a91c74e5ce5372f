"""The addresses a mailbox's owner writes by: asked of the provider once a day, and learnt from mail the owner sent."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations import outsiders
from integrations.contract import MessageCopy
from integrations.email.mailbox import Mailbox
from integrations.email.models import OwnAddress
from integrations.models import SyncState
from relationships import bulk, matching

LIST_EVERY = timedelta(days=1)


def refresh(mailbox: Mailbox) -> None:
    """Ask the provider for them again, where that is due. One that is no longer listed stays.

    Old mail came from it, and it may still come.
    """
    state, now = mailbox.held.state, timezone.now()
    if OwnAddress.objects.filter(state=state, listed_at__gt=now - LIST_EVERY).exists():
        return
    listed = mailbox.own_addresses()
    with transaction.atomic():
        # The account's own stands for the look itself: it need not be asked for in each sync, granted or not.
        _store(state, {state.integration.account_address.lower(), *listed}, listed_at=now)


def learn(state: SyncState, copies: Iterable[MessageCopy], known: matching.Known, rules: outsiders.Rules) -> bool:
    """Keep whom sent mail is from, which the provider need not have listed; whether there was any new.

    Mail put into a mailbox by a programme may carry any label, so a contact's address is never learnt.
    """
    senders = {party.email for copy in copies if copy.is_sent for party in copy.parties if party.role == "from"}
    owner = state.integration.user_id
    new = {email for email in senders if owner not in rules.users_at(email) and not outsiders.is_known(email, known)}
    if not new:
        return False
    _store(state, new, listed_at=None)
    return True


def _store(state: SyncState, emails: Iterable[str], listed_at: object) -> None:
    rows = [
        {"company": state.company_id, "state": state.pk, "email": email, "listed_at": listed_at}
        for email in sorted(set(emails) - {""})
    ]
    bulk.upsert(OwnAddress, rows, unique=["state", "email"])
