"""The text of a mail that a member saves on purpose: fetched then, kept encrypted, deleted by one click.

Nothing else ever asks for the text of a mail.
"""

import uuid
from datetime import timedelta

import requests
import structlog
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from integrations import grants, providers, quota, tokens
from integrations.contract import MailRef
from integrations.email.models import EmailMessage, SavedMail
from integrations.errors import IntegrationError, MissingScope, ResourceGone, Wait
from relationships import tenancy
from relationships.models import User

log = structlog.get_logger()

PURPOSE = "mail-text"

FETCHED_WITHIN = timedelta(minutes=1)
"""What did not come within this time is not coming: it may be asked for again."""

GONE = "The mail is no longer in your mailbox."
HEADERS_ONLY = "Only the headers of your mail may be read by what you agreed to, never its text. So it cannot be saved."
NEXT_MINUTE = "Your mailbox is being read at this moment, as fast as its provider allows. Try again in a minute."
FAULT = "A fault of our own: it was logged. Try again."


def begin(user: User, message: EmailMessage) -> SavedMail:
    """Ask for the text of one of the user's own mails, unless it is saved already; a job fetches it."""
    with transaction.atomic():
        saved, is_new = SavedMail.objects.get_or_create(
            user=user,
            unique_key=message.unique_key,
            defaults={
                "company_id": message.company_id,
                "message": message,
                "subject": message.subject,
                "sent_at": message.sent_at,
                "encrypted_text": b"",
            },
        )
        if saved.encrypted_text:
            return saved
        if not is_new:
            saved.message, saved.error, saved.created_at = message, "", timezone.now()
            saved.save(update_fields=["message", "error", "created_at"])
        async_task("integrations.email.jobs.fetch_text", str(saved.pk))
    return saved


def is_coming(saved: SavedMail) -> bool:
    """Whether the text is being fetched at this moment."""
    return not saved.encrypted_text and not saved.error and timezone.now() - saved.created_at < FETCHED_WITHIN


def fetch(saved_id: uuid.UUID) -> None:
    """Fetch the text and keep it, or the reason why it cannot be had. Does nothing where it is there, or unwanted."""
    rows = SavedMail.unscoped.select_related("message__state__integration__user")
    saved = rows.filter(pk=saved_id, encrypted_text=b"").first()
    if saved is None:
        return
    with tenancy.within(saved.company_id):
        changes: dict[str, object] = {"error": ""}
        try:
            text = _fetched(saved.message)
            changes["encrypted_text"] = tokens.encrypt(text.encode(), purpose=PURPOSE, context=context(saved))
        except ResourceGone:
            changes["error"] = GONE
        except MissingScope:
            changes["error"] = HEADERS_ONLY
        except Wait:
            changes["error"] = NEXT_MINUTE
        except IntegrationError as error:
            changes["error"] = str(error)
        except Exception as error:  # the member waits for an answer; the log keeps the bug, and nothing of the text
            changes["error"] = FAULT
            log.error("saved_mail.bug", saved=str(saved_id), kind=type(error).__name__)
        # Whoever deleted it meanwhile does not want it any more.
        SavedMail.objects.filter(pk=saved_id).update(**changes)


def _fetched(message: EmailMessage | None) -> str:
    """The text from the provider."""
    if message is None:
        raise ResourceGone(GONE)
    state, external_id = message.state, message.external_id
    adapter = providers.mail_adapter(state.integration.provider)
    units = adapter.cost([MailRef(message.external_id)])

    def text(http: requests.Session) -> str:
        quota.pay(state.integration_id, units, adapter.units_per_minute)
        return adapter.text(http, state.external_id, external_id)

    return grants.ask(state.integration, text)


def text_of(saved: SavedMail) -> str:
    """The saved text. Raises tokens.CannotDecrypt."""
    return tokens.decrypt(saved.encrypted_text, purpose=PURPOSE, context=context(saved)).decode()


def context(saved: SavedMail) -> str:
    """Whose text this is: part of the key that encrypts it."""
    return f"company={saved.company_id}|saved={saved.pk}"
