"""Copies of mail with known people: who wrote to whom, when, about what. No body and no snippet is ever a column here.

The one exception is what a member saved on purpose, one mail at a time: ``SavedMail``, encrypted.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import SyncState
from relationships.tenancy import TenantModel, unindexed_company


class OwnAddress(TenantModel):
    """An address that a mailbox's owner writes by: listed by the provider, or learnt from mail the owner sent.

    Whoever has it is no outsider, in mail and in meetings of the whole company.
    """

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="own_addresses")
    email = models.TextField()
    listed_at = models.DateTimeField(null=True, help_text="When the provider listed it; null where it was learnt.")

    class Meta:
        verbose_name_plural = "own addresses"
        constraints = [models.UniqueConstraint(fields=["state", "email"], name="own_address_once")]

    def __str__(self) -> str:
        return self.email


class EmailThread(TenantModel):
    """A conversation as one mailbox groups it. The subject is its owner's."""

    company = unindexed_company()
    # Its index is that of ``email_thread_once``.
    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="threads", db_index=False)
    external_id = models.TextField()
    subject = models.TextField(blank=True)
    last_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-last_at"]
        indexes = [models.Index(fields=["company", "-last_at"])]
        constraints = [models.UniqueConstraint(fields=["state", "external_id"], name="email_thread_once")]

    def __str__(self) -> str:
        # Never the subject: it is its owner's, and staff see this text.
        return self.external_id


class EmailMessage(TenantModel):
    """One copy of one mail in one linked mailbox. ``sent_at`` is when the provider took it, in UTC.

    Of mail with nobody known there is no row at all.
    """

    class Verdict(models.TextChoices):
        EXCHANGE = "exchange", "Mail with people you know"
        AUTOMATIC = "automatic", "An automatic reply"
        LIST = "list", "From a mailing list or newsletter"
        INVITATION = "invitation", "A calendar invitation"
        HIDDEN = "hidden", "Somebody in it is hidden by a block rule"
        UNKNOWN = "unknown", "Nobody in it is a known contact any more"

    company = unindexed_company()
    # Its index is that of ``email_message_once``.
    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="messages", db_index=False)
    thread = models.ForeignKey(EmailThread, on_delete=models.CASCADE, related_name="messages")
    external_id = models.TextField()
    message_id = models.TextField(blank=True, help_text="The Message-ID header without its brackets; may be missing.")
    unique_key = models.CharField(max_length=64, help_text="Touchpoint.unique_key: one for all colleagues' copies.")
    thread_key = models.CharField(max_length=64, help_text="Touchpoint.thread_key: from the first mail's Message-ID.")
    subject = models.TextField(blank=True)
    sent_at = models.DateTimeField()
    is_sent = models.BooleanField(default=False, help_text="Whether the mailbox's owner wrote it.")
    labels = models.JSONField(default=list, help_text="Those that matter, in our words: inbox, sent, important.")
    verdict = models.TextField(choices=Verdict, default=Verdict.EXCHANGE)
    automatic = models.TextField(blank=True, help_text="Why no person wrote it: auto_reply, list or invitation.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-sent_at"]
        indexes = [
            models.Index(fields=["company", "unique_key"]),
            models.Index(fields=["company", "thread_key"]),
            models.Index(fields=["company", "-sent_at"]),
        ]
        constraints = [models.UniqueConstraint(fields=["state", "external_id"], name="email_message_once")]

    def __str__(self) -> str:
        return self.external_id


class EmailParty(TenantModel):
    """Somebody in a mail's From, To or Cc (Bcc only of mail the owner sent), with the keys contacts are matched by."""

    class Role(models.TextChoices):
        FROM = "from", "From"
        TO = "to", "To"
        CC = "cc", "Cc"
        BCC = "bcc", "Bcc"

    company = unindexed_company()
    # Its index is that of ``email_party_once``.
    message = models.ForeignKey(EmailMessage, on_delete=models.CASCADE, related_name="parties", db_index=False)
    role = models.TextField(choices=Role)
    email = models.TextField()
    match_key = models.TextField()
    domain = models.TextField()
    name = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "email parties"
        indexes = [
            models.Index(fields=["company", "match_key"]),
            models.Index(fields=["company", "domain"]),
        ]
        constraints = [models.UniqueConstraint(fields=["message", "role", "email"], name="email_party_once")]

    def __str__(self) -> str:
        return f"{self.role} of {self.message_id}"


class MailSearch(TenantModel):
    """One question to a mailbox: which messages with these people since then? Its answer is rows of ``MailToRead``."""

    class Purpose(models.TextChoices):
        FIRST = "first", "First sync"
        GAP = "gap", "Gap after a lost cursor"
        CONTACT = "contact", "New contact or domain"

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="searches")
    purpose = models.TextField(choices=Purpose)
    about = models.TextField(blank=True, help_text="Whom it is for, in words, where it is for a new contact.")
    addresses = models.JSONField(default=list)
    domains = models.JSONField(default=list)
    since = models.DateTimeField()
    page = models.TextField(blank=True, help_text="Next page of a listing that was interrupted.")
    found = models.PositiveIntegerField(default=0)
    listed_at = models.DateTimeField(null=True, help_text="When the last page was listed.")
    read_at = models.DateTimeField(
        null=True, help_text="When all it found had been read, and who owes an answer was found out."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "mail searches"
        ordering = ["created_at", "pk"]
        indexes = [models.Index(fields=["state"], condition=Q(listed_at__isnull=True), name="mail_search_open")]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} since {self.since:%Y-%m-%d}"


class MailToRead(TenantModel):
    """A message that was listed or announced and is still to be read. Deleted in the transaction that stores it."""

    company = unindexed_company()
    # Its index is that of ``mail_to_read_once``.
    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="to_read", db_index=False)
    external_id = models.TextField()
    thread_id = models.TextField(blank=True)
    search = models.ForeignKey(MailSearch, on_delete=models.SET_NULL, null=True, related_name="to_read")
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "mail to read"
        indexes = [models.Index(fields=["state", "due_at"])]
        constraints = [models.UniqueConstraint(fields=["state", "external_id"], name="mail_to_read_once")]

    def __str__(self) -> str:
        return self.external_id


class SavedMail(TenantModel):
    """The text of one mail that a member chose to keep. It outlives the copy in the mailbox, and ends by one click."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_mails")
    message = models.ForeignKey(EmailMessage, on_delete=models.SET_NULL, null=True, related_name="saved")
    unique_key = models.CharField(max_length=64, help_text="EmailMessage.unique_key.")
    subject = models.TextField(blank=True)
    sent_at = models.DateTimeField()
    encrypted_text = models.BinaryField(help_text="Encrypted (tokens.py). Empty while it is being fetched.")
    error = models.TextField(blank=True, help_text="Why it could not be fetched.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "unique_key"], name="saved_mail_once")]

    def __str__(self) -> str:
        return f"Saved by {self.user} on {self.created_at:%Y-%m-%d}"


class MailLook(TenantModel):
    """Up to when new contacts, domains and block rules of a company were looked at for its mail."""

    looked_at = models.DateTimeField()
    rows = models.JSONField(default=dict, help_text="How many rows of each kind there were: fewer mean removed ones.")
    waits_for = models.JSONField(
        default=dict, help_text="Syncs under way when a block rule went: what each reads, and its hold."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company"], name="mail_look_once")]

    def __str__(self) -> str:
        return f"{self.company} at {self.looked_at:%Y-%m-%d %H:%M}"
