"""The inbox: every accepted request is a row before it is answered, and stays one until its effect has arrived.

All times are aware and stored in UTC.
"""

import uuid

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import SyncState
from relationships.models import Company


class Delivery(models.Model):
    """One accepted request of a provider's server.

    ``dedupe_key`` is unique per provider: the same request twice is one row, or one for each channel that it concerns.
    A delivery that pokes a sync is WAITING
    until that sync has finished (``awaits_mark`` against SyncState.done_mark), so DONE means that the change arrived.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", "Received"
        PROCESSING = "processing", "Processing"
        WAITING = "waiting", "Waiting for its sync"
        RETRY = "retry", "To be tried again"
        HELD = "held", "Held until the account is reconnected"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, null=True, related_name="+")
    provider = models.TextField()
    webhook_type = models.TextField(help_text="The last part of its address, such as calendar-event.")
    dedupe_key = models.TextField()
    request_key = models.UUIDField(
        null=True, help_text="Where one request became a delivery for each who watches: the same for all of these."
    )
    channel_id = models.TextField(blank=True)
    sync_state = models.ForeignKey(SyncState, on_delete=models.SET_NULL, null=True, related_name="+")
    awaits_mark = models.PositiveBigIntegerField(null=True)
    headers = models.JSONField(default=dict, help_text="An allow-list of headers, lower-cased, without secrets.")
    body = models.BinaryField(default=b"", help_text="The raw body, encrypted.")
    status = models.TextField(choices=Status, default=Status.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted when claimed, before the work.")
    is_suspect = models.BooleanField(default=False, help_text="Its worker died with it once: it is tried alone.")
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    received_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-received_at"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(status__in=["received", "retry"]), name="delivery_due"
            ),
            models.Index(fields=["lease_until"], condition=Q(status="processing"), name="delivery_claimed"),
            models.Index(fields=["sync_state"], condition=Q(status__in=["waiting", "held"]), name="delivery_waiting"),
            models.Index(fields=["-received_at"], name="delivery_newest"),
            models.Index(fields=["request_key"], condition=Q(request_key__isnull=False), name="delivery_of_request"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "dedupe_key"], name="delivery_once"),
            models.CheckConstraint(
                condition=Q(
                    status__in=["received", "processing", "waiting", "retry", "held", "done", "ignored", "failed"]
                ),
                name="delivery_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.webhook_type} {self.received_at:%Y-%m-%d %H:%M:%S}"


class BulkReplay(models.Model):
    """Many deliveries asked for again at once: who asked and why, and who stopped it half-way."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    asked_by = models.ForeignKey("relationships.User", on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.TextField(blank=True)
    began_at = models.DateTimeField(default=timezone.now)
    left_alone = models.PositiveIntegerField(
        default=0, help_text="Chosen, but done already, under way, or disconnected."
    )
    stopped_at = models.DateTimeField(null=True)
    stopped_by = models.ForeignKey("relationships.User", on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = "replay of many"
        verbose_name_plural = "replays of many"
        ordering = ["-began_at"]

    def __str__(self) -> str:
        return f"Replay of {self.began_at:%Y-%m-%d %H:%M:%S}"


class Attempt(models.Model):
    """One try at a delivery: when, how long, how it ended."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        POKED = "poked", "Asked for a sync"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        RETRY = "retry", "Failed, to be tried again"
        HELD = "held", "Held"
        FAILED = "failed", "Failed for good"
        LOST = "lost", "Its worker died"
        STOPPED = "stopped", "Stopped before it began"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    is_replay = models.BooleanField(default=False)
    asked_by = models.ForeignKey("relationships.User", on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.TextField(blank=True, help_text="Why somebody asked for it.")
    bulk = models.ForeignKey(BulkReplay, on_delete=models.SET_NULL, null=True, related_name="tries")
    before = models.JSONField(
        null=True,
        encoder=DjangoJSONEncoder,
        help_text="What a replay of many found, to be put back if stopped.",
    )
    started_at = models.DateTimeField(default=timezone.now)
    duration = models.DurationField(null=True)
    outcome = models.TextField(choices=Outcome, default=Outcome.RUNNING)
    detail = models.TextField(blank=True, help_text="What happened, in plain words.")
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        ordering = ["number", "started_at"]

    def __str__(self) -> str:
        return f"Try {self.number}: {self.get_outcome_display()}"


class WebhookFailure(models.Model):
    """A delivery that was given up, for staff to review; resolved once its change is here after all."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="failures")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, null=True, related_name="+")
    provider = models.TextField()
    webhook_type = models.TextField()
    payload = models.JSONField(help_text="What was received, redacted.")
    error = models.TextField(null=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Failures of one cause share it.")
    retry_count = models.IntegerField(default=0)
    resolved = models.BooleanField(default=False)
    resolved_at = models.DateTimeField(null=True)
    resolution = models.TextField(blank=True, db_default="", help_text="Why it is resolved, in plain words.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "webhook_failures"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(resolved=False), name="one_open_failure_per_delivery"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.webhook_type}: {self.error}"
