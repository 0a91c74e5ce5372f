"""What is known about keeping a CRM and us equal: mappings, links, what was written, what disagreed.

``crm_field_mappings`` keeps the specification's columns to the letter; the others are added. All times are aware UTC.
"""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Integration
from relationships.models import Organization
from relationships.tenancy import TenantModel

KINDS = ["organization", "person", "meeting", "email", "task", "note"]


class Direction(models.TextChoices):
    """Which way a field's value travels."""

    FROM_CRM = "from_crm", "From the CRM to us"
    TO_CRM = "to_crm", "From us to the CRM"
    BIDIRECTIONAL = "bidirectional", "Both ways"


class ConflictRule(models.TextChoices):
    """Whose value stays where both sides changed it since they last agreed."""

    CRM_WINS = "crm_wins", "The CRM's value stays"
    OURS_WINS = "ours_wins", "Our value stays"
    NEWEST = "newest", "The newer value stays"


class WriteMode(models.TextChoices):
    """When the receiving side is written."""

    ALWAYS = "always", "Always"
    IF_EMPTY = "if_empty", "Only if it is empty there"
    APPEND = "append", "Add to what is there"


class FieldMapping(TenantModel):
    """One line of the published mapping: our field, their field, which way, and who wins."""

    crm_provider = models.TextField()
    lpxgp_field = models.TextField()
    crm_field = models.TextField()
    sync_direction = models.TextField(choices=Direction)
    created_at = models.DateTimeField(default=timezone.now)
    crm_object = models.TextField()
    conflict_rule = models.TextField(choices=ConflictRule, default=ConflictRule.CRM_WINS)
    write_mode = models.TextField(choices=WriteMode, default=WriteMode.ALWAYS)
    transform = models.JSONField(default=dict, help_text="Its name and options, as transforms.py knows them.")
    version = models.PositiveIntegerField(default=1, help_text="The published version it came with.")

    class Meta:
        db_table = "crm_field_mappings"
        ordering = ["crm_object", "lpxgp_field"]
        constraints = [
            models.UniqueConstraint(fields=["company", "crm_provider", "lpxgp_field"], name="field_mapping_once"),
            models.CheckConstraint(
                condition=Q(sync_direction__in=["from_crm", "to_crm", "bidirectional"]), name="field_mapping_direction"
            ),
            models.CheckConstraint(
                condition=Q(conflict_rule__in=["crm_wins", "ours_wins", "newest"]), name="field_mapping_rule"
            ),
            models.CheckConstraint(
                condition=Q(write_mode__in=["always", "if_empty", "append"]), name="field_mapping_mode"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lpxgp_field} ↔ {self.crm_object}.{self.crm_field}"


class MappingVersion(TenantModel):
    """A whole mapping of a company and CRM: the one draft being edited, or one that was published, with its author.

    ``rows`` are the columns of FieldMapping that people edit, one object per line.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"

    crm_provider = models.TextField()
    state = models.TextField(choices=State, default=State.DRAFT)
    number = models.PositiveIntegerField(null=True, help_text="Counts published versions; a draft has none.")
    rows = models.JSONField(default=list)
    note = models.TextField(blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["company", "crm_provider"], condition=Q(state="draft"), name="mapping_one_draft"
            ),
            models.UniqueConstraint(
                fields=["company", "crm_provider", "number"], condition=Q(number__isnull=False), name="mapping_number"
            ),
            models.CheckConstraint(condition=Q(state__in=["draft", "published"]), name="mapping_state"),
        ]

    def __str__(self) -> str:
        return f"Version {self.number}" if self.number else "Draft"


class ObjectFields(TenantModel):
    """The CRM's own list of one object's fields, kept until somebody refreshes it or a day has passed.

    ``fields`` are contract.Field as JSON.
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="crm_fields")
    crm_object = models.TextField()
    fields = models.JSONField(default=list)
    fetched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "field list of the CRM"
        verbose_name_plural = "field lists of the CRM"
        constraints = [models.UniqueConstraint(fields=["integration", "crm_object"], name="object_fields_once")]

    def __str__(self) -> str:
        return f"Fields of {self.crm_object}"


class Policy(TenantModel):
    """What a company allows its CRM link to do, beyond the mapping."""

    class Writes(models.TextChoices):
        ALL = "all", "Every firm"
        LISTED = "listed", "Only the firms below"
        NONE = "none", "None: only read from the CRM"

    class OnDelete(models.TextChoices):
        IGNORE = "ignore", "Keep it here, and say that it was deleted there"
        UNLINK = "unlink", "Keep it here, and forget the link"

    integration = models.OneToOneField(Integration, on_delete=models.CASCADE, related_name="crm_policy")
    writes = models.TextField(choices=Writes, default=Writes.ALL)
    organizations = models.ManyToManyField(Organization, blank=True, related_name="+")
    creates_organizations = models.BooleanField(
        default=False, help_text="Firms the CRM does not have are created there."
    )
    creates_people = models.BooleanField(default=False, help_text="People the CRM does not have are created there.")
    takes_organizations = models.BooleanField(default=True, help_text="Firms we do not have are created here.")
    takes_people = models.BooleanField(default=True, help_text="People we do not have are created here.")
    on_delete = models.TextField(choices=OnDelete, default=OnDelete.IGNORE)
    daily_share = models.PositiveSmallIntegerField(
        default=80, help_text="Per cent of the CRM's daily allowance, used by anybody, from which on we wait."
    )

    class Meta:
        verbose_name = "CRM policy"
        verbose_name_plural = "CRM policies"
        constraints = [
            models.CheckConstraint(condition=Q(writes__in=["all", "listed", "none"]), name="policy_writes"),
            models.CheckConstraint(condition=Q(on_delete__in=["ignore", "unlink"]), name="policy_on_delete"),
            models.CheckConstraint(condition=Q(daily_share__gte=1, daily_share__lte=100), name="policy_share"),
        ]

    def __str__(self) -> str:
        return f"Policy of {self.integration}"


class RecordLink(TenantModel):
    """One row of ours and one record of theirs that are the same thing, and what both held when they last agreed.

    ``shadow`` is {crm_field: {"theirs": value, "ours": value}}, both normalised and in the CRM's form: a side has
    changed where it differs from its own half, so a lossy transform is no change. ``external_id`` is empty while the
    record is still to be created; ``row_id`` is null where theirs waits for a person to decide. ``created_at`` is when
    both were linked.
    """

    class State(models.TextChoices):
        NEW = "new", "To be created there"
        LINKED = "linked", "Linked"
        DELETED = "deleted", "Deleted in the CRM"
        PAUSED = "paused", "Paused"
        IGNORED = "ignored", "Not kept in sync"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="record_links")
    kind = models.TextField(help_text="organization, person, meeting, email, task or note")
    row_id = models.UUIDField(null=True, help_text="Primary key of our row.")
    kept_row_id = models.UUIDField(null=True, help_text="Primary key of the row that ours was merged into.")
    crm_object = models.TextField()
    external_id = models.TextField(blank=True)
    state = models.TextField(choices=State, default=State.LINKED)
    reason = models.TextField(blank=True, help_text="Why it is in this state, in plain words.")
    shadow = models.JSONField(default=dict)
    related = models.JSONField(default=list, help_text="What it belongs to in the CRM, as last written or read.")
    parts = models.PositiveIntegerField(
        default=0, help_text="How many matches of a firm, or notes on a meeting, there were when it was last compared."
    )
    is_withheld = models.BooleanField(
        default=False, help_text="What its row was may not be told any more, and what was told is emptied here."
    )
    external_stamp = models.DateTimeField(null=True, help_text="When it last changed there, by the CRM's clock.")
    looked_at = models.DateTimeField(null=True, help_text="When our row was last compared with it.")
    is_due = models.BooleanField(default=False, help_text="To be compared again, whatever the stamps say.")
    error_cause = models.TextField(blank=True, help_text="One of errors.CAUSES.")
    error_field = models.TextField(blank=True)
    error_code = models.TextField(blank=True)
    error = models.TextField(blank=True, help_text="The CRM's own words.")
    failed_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True, help_text="When it was deleted there, as far as we know.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["kind", "created_at"]
        indexes = [
            models.Index(fields=["integration", "kind"], condition=Q(is_due=True), name="link_due"),
            models.Index(
                fields=["integration", "kind"], condition=Q(kept_row_id__isnull=False), name="link_merged_away"
            ),
            models.Index(
                fields=["integration", "error_cause", "error_field"],
                condition=~Q(error_cause=""),
                name="link_failed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "kind", "row_id"], condition=Q(row_id__isnull=False), name="link_once_per_row"
            ),
            models.UniqueConstraint(
                fields=["integration", "crm_object", "external_id"],
                condition=~Q(external_id=""),
                name="link_once_per_record",
            ),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="link_kind"),
            models.CheckConstraint(
                condition=Q(state__in=["new", "linked", "deleted", "paused", "ignored"]), name="link_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ↔ {self.crm_object} {self.external_id or 'to be created'}"


class Write(TenantModel):
    """One write to the CRM, noted before it is sent: the exact values, and what came of it.

    The idempotency key makes the same write, sent again after a lost reply, the same row. What comes back equal to it
    is its echo.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "About to be sent"
        SENT = "sent", "Sent, its reply is not known"
        DONE = "done", "Taken"
        REFUSED = "refused", "Refused"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="crm_writes")
    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="writes")
    idempotency_key = models.CharField(max_length=64)
    crm_object = models.TextField()
    external_id = models.TextField(blank=True)
    values = models.JSONField(default=dict, help_text="{crm_field: value} as sent.")
    held = models.JSONField(default=dict, help_text="What the CRM said it holds after it.")
    is_creation = models.BooleanField(default=False)
    state = models.TextField(choices=State, default=State.PLANNED)
    error = models.TextField(blank=True)
    planned_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)
    echoed_at = models.DateTimeField(null=True, help_text="When it first came back from the CRM and was ignored.")
    echoes = models.PositiveIntegerField(default=0)
    erased_at = models.DateTimeField(null=True, help_text="When its values were removed here, for good.")
    erased_why = models.TextField(blank=True)

    class Meta:
        ordering = ["-planned_at"]
        indexes = [
            models.Index(fields=["link", "-planned_at"], name="write_of_link"),
            models.Index(fields=["integration"], condition=Q(state__in=["planned", "sent"]), name="write_unsure"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["integration", "idempotency_key"], name="write_once"),
            models.CheckConstraint(condition=Q(state__in=["planned", "sent", "done", "refused"]), name="write_state"),
        ]

    def __str__(self) -> str:
        return f"{self.crm_object} {self.external_id}: {', '.join(self.values)}"


class Conflict(TenantModel):
    """Both sides changed one field since they last agreed, or a value of ours gave way: both values, and who won.

    ``ours`` is our value as it stood here, to be put back by a restore; ``theirs`` is the CRM's, or, where two of our
    rows were merged, that of the row that stayed.
    """

    class Winner(models.TextChoices):
        THEIRS = "theirs", "The CRM's value"
        OURS = "ours", "Our value"
        KEPT = "kept", "The older row's value"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="crm_conflicts")
    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="conflicts")
    lpxgp_field = models.TextField()
    crm_field = models.TextField()
    ours = models.JSONField(null=True)
    theirs = models.JSONField(null=True)
    base = models.JSONField(null=True, help_text="What both held when they last agreed.")
    winner = models.TextField(choices=Winner)
    rule = models.TextField(help_text="Why that value won, in plain words.")
    found_at = models.DateTimeField(default=timezone.now)
    restored_at = models.DateTimeField(null=True)
    restored_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    erased_at = models.DateTimeField(null=True, help_text="When its values were removed here, for good.")
    erased_why = models.TextField(blank=True)

    class Meta:
        ordering = ["-found_at"]
        indexes = [models.Index(fields=["integration", "-found_at"], name="conflict_newest")]
        constraints = [
            models.CheckConstraint(condition=Q(winner__in=["theirs", "ours", "kept"]), name="conflict_winner")
        ]

    def __str__(self) -> str:
        return f"{self.lpxgp_field}: {self.winner} won"


class Twin(TenantModel):
    """Two rows that look like one: proposed to staff, never merged by itself.

    ``ours`` are keys of our rows, ``theirs`` ids of CRM records; each list may be empty.
    """

    class State(models.TextChoices):
        OPEN = "open", "To be decided"
        MERGED = "merged", "Merged"
        DISMISSED = "dismissed", "Not the same"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="crm_twins")
    kind = models.TextField()
    digest = models.CharField(max_length=64, help_text="Of both lists: the same pair is proposed once.")
    ours = models.JSONField(default=list)
    theirs = models.JSONField(default=list)
    reason = models.TextField()
    state = models.TextField(choices=State, default=State.OPEN)
    found_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-found_at"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "digest"], name="twin_once"),
            models.CheckConstraint(condition=Q(state__in=["open", "merged", "dismissed"]), name="twin_state"),
        ]

    def __str__(self) -> str:
        return self.reason


class Budget(TenantModel):
    """What the CRM's allowance looks like, as its answers tell, and what waits because it is short."""

    integration = models.OneToOneField(Integration, on_delete=models.CASCADE, related_name="crm_budget")
    day_used = models.PositiveIntegerField(default=0, help_text="Calls of everybody in the CRM's day.")
    day_limit = models.PositiveIntegerField(null=True)
    day_seen_at = models.DateTimeField(null=True)
    our_day = models.DateField(null=True, help_text="The UTC day that our_calls counts.")
    our_calls = models.PositiveIntegerField(default=0)
    windows = models.JSONField(default=dict, help_text="{window: [started_at, calls]} of bursts and searches.")
    waiting = models.JSONField(default=dict, help_text="{kind: rows} that wait for allowance.")
    waits_until = models.DateTimeField(null=True)
    waits_for = models.TextField(blank=True, help_text="Why, in plain words.")

    def __str__(self) -> str:
        return f"{self.day_used} of {self.day_limit or 'an unknown number of'} calls"


class DriftReport(TenantModel):
    """A comparison of both sides: counts, and mapped fields that differ though nobody is about to change them.

    ``counts`` is {kind: {"ours", "theirs", "linked", "compared", "different"}}; ``differences`` holds the first ones.
    """

    GIVEN_UP_AFTER = timedelta(minutes=10)

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="drift_reports")
    made_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    differences = models.JSONField(default=list)
    error = models.TextField(blank=True)
    mended_at = models.DateTimeField(null=True)
    mended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-made_at"]
        indexes = [models.Index(fields=["integration", "-made_at"], name="drift_newest")]

    def __str__(self) -> str:
        return f"Drift report of {self.made_at:%Y-%m-%d %H:%M}"

    @property
    def is_interrupted(self) -> bool:
        """Whether nobody is at work on it any more: a comparison ends itself long before."""
        return self.finished_at is None and self.made_at < timezone.now() - self.GIVEN_UP_AFTER
