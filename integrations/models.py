"""Linked accounts and what is known about keeping them up to date.

``user_integrations`` and ``webhook_channels`` keep the specification's columns to the letter; the others are added.
All times are aware and stored in UTC.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from relationships.tenancy import TenantModel


class Integration(TenantModel):
    """One grant at one provider: a user's calendar or mail, or his company's CRM, which has no ``user``.

    ``version`` counts token changes; together with ``lease`` it lets exactly one process redeem a refresh token.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Connected"
        SYNCING = "syncing", "Syncing"
        PAUSED = "paused", "Paused"
        STALE = "stale", "Needs reconnecting"
        REVOKED = "revoked", "Disconnected"
        ERROR = "error", "Needs attention"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="integrations")
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who linked what belongs to the whole company.",
    )
    provider = models.TextField()
    integration_type = models.TextField()
    encrypted_tokens = models.BinaryField(
        help_text="Access and refresh token, encrypted (tokens.py). Empty once deleted."
    )
    scopes = models.JSONField(default=list, help_text="What the provider granted, which may be less than was asked.")
    expires_at = models.DateTimeField(null=True, help_text="When the access token expires.")
    last_sync = models.DateTimeField(null=True)
    sync_status = models.TextField(choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now)
    external_account_id = models.TextField(help_text="The provider's id of the account, never its address.")
    account_address = models.TextField(blank=True, help_text="As shown to people; it may change.")
    details = models.JSONField(
        default=dict, help_text="What the provider says of the link that is no secret, such as where its calls go."
    )
    reason = models.TextField(blank=True, help_text="Why it is not active, in plain words.")
    claims = models.TextField(
        blank=True, help_text="What the provider demands of the consent that reconnects it, in its own words."
    )
    status_changed_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, help_text="When the user was told by mail that it broke.")
    version = models.PositiveIntegerField(default=1)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    resources_listed_at = models.DateTimeField(null=True, help_text="When what it can read was last listed.")
    resources_tried_at = models.DateTimeField(null=True)
    is_revocation_due = models.BooleanField(default=False, help_text="Disconnected here, still to be revoked there.")
    is_deletion_due = models.BooleanField(
        default=False, help_text="What was imported through it is still to be deleted."
    )

    class Meta:
        db_table = "user_integrations"
        ordering = ["provider", "integration_type"]
        constraints = [
            models.UniqueConstraint(fields=["user", "provider", "integration_type"], name="integration_once_per_user"),
            models.UniqueConstraint(
                fields=["company", "provider", "integration_type"],
                condition=Q(user__isnull=True),
                name="integration_once_per_company",
            ),
            models.CheckConstraint(
                condition=Q(sync_status__in=["active", "syncing", "paused", "stale", "revoked", "error"]),
                name="integration_status",
            ),
            models.CheckConstraint(
                condition=Q(integration_type__in=["calendar", "email", "crm"]), name="integration_type"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.integration_type} of {self.account_address}"

    @property
    def works(self) -> bool:
        """Whether syncs may run: connected, and neither paused nor waiting for the user."""
        return self.sync_status in {self.Status.ACTIVE, self.Status.SYNCING, self.Status.ERROR}


class SyncState(TenantModel):
    """Where we stand with one linked resource, such as one calendar.

    A poke raises ``dirty_mark``; a finished sync sets ``done_mark`` to the mark it began with, so a poke during a sync
    leaves the state dirty. A sync that is given up sets ``gave_up_mark``. ``held_by`` belongs to the running sync.
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="sync_states")
    resource_type = models.TextField(help_text="calendar, mailbox or crm")
    external_id = models.TextField()
    name = models.TextField(blank=True)
    is_primary = models.BooleanField(default=False)
    is_chosen = models.BooleanField(default=False, help_text="Whether the user wants it read.")
    is_gone = models.BooleanField(default=False, help_text="No longer offered by the provider.")
    access_role = models.TextField(blank=True)
    time_zone = models.TextField(blank=True)
    cursor = models.TextField(blank=True, help_text="The provider's sync token; empty asks for a full round.")
    page_cursor = models.TextField(blank=True, help_text="Next page of a round that was interrupted.")
    round_id = models.UUIDField(
        null=True, help_text="The full round under way: what it does not find is deleted after."
    )
    window_start = models.DateTimeField(null=True)
    window_end = models.DateTimeField(null=True)
    dirty_mark = models.PositiveBigIntegerField(default=0)
    done_mark = models.PositiveBigIntegerField(default=0)
    gave_up_mark = models.PositiveBigIntegerField(default=0)
    held_by = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True, help_text="When a job was queued for it; cleared when one starts.")
    next_poll_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="Failed tries in a row.")
    next_attempt_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    last_success_at = models.DateTimeField(null=True)
    last_push_at = models.DateTimeField(null=True)
    trigger = models.TextField(
        blank=True, help_text="What asked for the next run: the newest of link, push, manual, retry."
    )
    missed_pushes = models.PositiveIntegerField(
        default=0, help_text="Polls in a row that found what no push announced."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "calendar, mailbox or CRM being synced"
        verbose_name_plural = "calendars, mailboxes and CRMs being synced"
        ordering = ["-is_primary", "name"]
        indexes = [
            models.Index(fields=["next_poll_at"], condition=Q(is_chosen=True), name="sync_state_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["integration", "resource_type", "external_id"], name="sync_state_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    @property
    def is_dirty(self) -> bool:
        return self.dirty_mark > self.done_mark


class SyncRun(TenantModel):
    """One run of a sync, as the progress bar and the coverage receipt read it."""

    class Kind(models.TextChoices):
        FIRST = "first", "First sync"
        CHANGES = "changes", "Changes"
        FULL = "full", "Full round"

    class Trigger(models.TextChoices):
        LINK = "link", "Linked"
        PUSH = "push", "Push"
        POLL = "poll", "Poll"
        MANUAL = "manual", "Sync now"
        RETRY = "retry", "Retry"

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted, goes on"

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="runs")
    kind = models.TextField(choices=Kind)
    trigger = models.TextField(choices=Trigger)
    outcome = models.TextField(choices=Outcome, default=Outcome.RUNNING)
    why_full = models.TextField(blank=True, help_text="Why a full round was needed, in plain words.")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    pages = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    set_aside = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=dict, help_text="Count of what did not become a touchpoint, by reason.")
    touchpoints = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["state", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float:
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class PokedItem(TenantModel):
    """Something a push named, such as "contacts:51": read again by the next sync, which then deletes the row."""

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="poked_items")
    name = models.TextField()
    at = models.DateTimeField(default=timezone.now, help_text="When a push named it last.")

    class Meta:
        indexes = [models.Index(fields=["state", "at"])]
        constraints = [models.UniqueConstraint(fields=["state", "name"], name="poked_item_once")]

    def __str__(self) -> str:
        return self.name


class RoundPage(TenantModel):
    """The ids one page of a full round held. Once the round is whole, rows of ours on no page are deletions."""

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="round_pages")
    round_id = models.UUIDField()
    external_ids = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["state", "round_id"])]

    def __str__(self) -> str:
        return f"{len(self.external_ids)} ids of round {self.round_id}"


class SetAside(TenantModel):
    """An item the provider sent that could not be read: kept with its reason, while the rest of its page went on."""

    state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="set_aside")
    external_id = models.TextField()
    reason = models.TextField()
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "event or mail we could not read"
        verbose_name_plural = "events and mails we could not read"
        constraints = [models.UniqueConstraint(fields=["state", "external_id"], name="set_aside_once")]

    def __str__(self) -> str:
        return f"{self.external_id}: {self.reason}"


class Channel(TenantModel):
    """A provider's promise to push to us. ``channel_token`` is the channel's secret, encrypted.

    A renewal is a new row that ``replaces`` the old one; the database allows one replacement per channel.
    """

    class State(models.TextChoices):
        OPENING = "opening", "Opening"
        LIVE = "live", "Live"
        STOPPING = "stopping", "To be stopped"
        STOPPED = "stopped", "Stopped"
        EXPIRED = "expired", "Expired"
        FAILED = "failed", "Could not be opened"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="channels")
    sync_state = models.ForeignKey(SyncState, on_delete=models.CASCADE, related_name="channels")
    provider = models.TextField()
    channel_id = models.TextField()
    channel_token = models.TextField(help_text="The channel's secret, encrypted.")
    token_key_id = models.TextField(blank=True, help_text="Which key signed the secret.")
    signing_id = models.TextField(
        blank=True,
        help_text="Which secret a company's own code signs its pushes with, once an admin asked for one. The secret "
        "is made from it and stored nowhere.",
    )
    resource_id = models.TextField(
        blank=True, help_text="The provider's id of what is watched; known once it answered."
    )
    resource_uri = models.TextField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True)
    renew_at = models.DateTimeField(null=True)
    state = models.TextField(choices=State, default=State.OPENING)
    replaces = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replacement"
    )
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "webhook_channels"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["renew_at"], condition=Q(state="live"), name="channel_due"),
            models.Index(fields=["provider", "resource_id"], name="channel_resource"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "channel_id"], name="channel_once"),
            models.UniqueConstraint(
                fields=["sync_state"], condition=Q(state="opening"), name="channel_one_opening_per_state"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["opening", "live", "stopping", "stopped", "expired", "failed"]),
                name="channel_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} channel {self.channel_id}"


class QuotaMeter(TenantModel):
    """What a grant used of the provider's quota in the minute that began at ``began_at``, in the provider's units."""

    integration = models.OneToOneField(Integration, on_delete=models.CASCADE, related_name="quota")
    began_at = models.DateTimeField(default=timezone.now)
    units = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.units} units since {self.began_at:%H:%M:%S}"


class LinkAttempt(TenantModel):
    """A consent that was begun: its one-time state, bound to session, user, provider and type. Deleted when used."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    provider = models.TextField()
    integration_type = models.TextField()
    state_digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the state sent to the provider.")
    session_digest = models.CharField(
        max_length=64, help_text="SHA-256 of a secret that only this browser session holds."
    )
    encrypted_verifier = models.BinaryField(
        help_text="What is needed when the browser comes back, such as the PKCE verifier, encrypted."
    )
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.provider}/{self.integration_type} for {self.user}"


class AdminRequest(TenantModel):
    """A member asked his administrator to allow the app for his organization, by a link he sends himself.

    The link carries a state of its own, which a grant uses up. It proves only that somebody came back from there: the
    member still consents, and the provider decides.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    provider = models.TextField()
    integration_type = models.TextField()
    state_digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the state in the link.")
    encrypted_state = models.BinaryField(help_text="The state itself, encrypted: the link is shown again.")
    asked_at = models.DateTimeField(default=timezone.now)
    granted_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True, help_text="When the answer was no; the link stays good.")
    told_at = models.DateTimeField(null=True, help_text="When the member was told by mail that it is allowed.")

    class Meta:
        verbose_name = "link for an administrator"
        verbose_name_plural = "links for administrators"
        constraints = [
            models.UniqueConstraint(fields=["user", "provider", "integration_type"], name="admin_request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.integration_type} for {self.user}"


class Heartbeat(models.Model):
    """When a background process last showed a sign of life: what the worker's watch and /readyz look at."""

    name = models.CharField(max_length=50, primary_key=True)
    pid = models.PositiveIntegerField()
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beat_at:%H:%M:%S}"
