"""The domain: a GP firm, its people, the LPs they know, and what happened between them.

Nothing here has heard of a provider, OAuth, a webhook or a CRM. All times are aware and stored in UTC; ``*_on`` are
dates that belong to no time zone.
"""

import uuid
import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.text import Truncator

from relationships import addresses
from relationships.tenancy import TenantModel, unindexed_company


def check_time_zone(name: str) -> None:
    """Raises ValidationError unless ``name`` is an IANA time zone, such as Europe/Zurich."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name} is no IANA time zone such as Europe/Zurich.")


def firm_domain(domain: str) -> str:
    """``domain`` as it is stored. Raises ValidationError on ``domain`` for what cannot belong to one firm."""
    try:
        name = addresses.normalize_domain(domain)
    except ValueError as error:
        raise ValidationError({"domain": str(error)}) from error
    if addresses.is_free_mail(name):
        raise ValidationError({"domain": f"Anybody can have an address at {name}: it belongs to no firm."})
    if not addresses.with_parents(name):
        raise ValidationError({"domain": f"{name} is shared by many firms: give the firm's own domain below it."})
    return name


class Company(models.Model):
    """A GP firm that uses the product: the tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    brief_lead_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="How long before a meeting its brief is made; empty takes the installation's value.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "companies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CompanyDomain(TenantModel):
    """A mail domain of the firm itself: whoever writes from it is a colleague, never a guest."""

    domain = models.CharField(max_length=253)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "domain"], name="company_domain_once"),
            models.CheckConstraint(condition=Q(domain=Lower("domain")), name="company_domain_lower"),
        ]

    def __str__(self) -> str:
        return self.domain

    def clean(self) -> None:
        super().clean()
        if not self.domain:
            return
        self.domain = firm_domain(self.domain)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in by e-mail: a member of one company, or staff (who have none)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, null=True, blank=True, related_name="users")
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    shares_mail_subjects = models.BooleanField(
        default=False, help_text="Whether colleagues may read the subjects of their mail with contacts."
    )
    is_company_admin = models.BooleanField(default=False, help_text="May link the firm's CRM and see who is connected.")
    is_staff = models.BooleanField("staff", default=False, help_text="May use the admin; belongs to no company.")
    is_active = models.BooleanField("active", default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        ordering = ["email"]
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
            models.CheckConstraint(
                condition=Q(is_staff=True, company__isnull=True) | Q(is_staff=False, company__isnull=False),
                name="user_member_or_staff",
                violation_error_message="A member needs a company, and staff have none.",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email


class Organization(TenantModel):
    """A firm the company deals with: an LP, another GP, or something else."""

    class Kind(models.TextChoices):
        LP = "lp", "LP"
        GP = "gp", "GP"
        OTHER = "other", "Other"

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=5, choices=Kind, default=Kind.LP)
    city = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["company", "name"], name="organization_name_once"),
            models.CheckConstraint(condition=Q(kind__in=["lp", "gp", "other"]), name="organization_kind"),
        ]

    def __str__(self) -> str:
        return self.name


class OrganizationDomain(TenantModel):
    """A mail domain that belongs to an organization: one owner per company, never a free-mail domain."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(max_length=253)
    is_primary = models.BooleanField(default=False, help_text="The one that stands for the firm, such as in a CRM.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "domain"], name="organization_domain_one_owner"),
            models.UniqueConstraint(
                fields=["organization"], condition=Q(is_primary=True), name="organization_one_primary_domain"
            ),
            models.CheckConstraint(condition=Q(domain=Lower("domain")), name="organization_domain_lower"),
        ]

    def __str__(self) -> str:
        return self.domain

    def clean(self) -> None:
        super().clean()
        if not self.domain:
            return
        self.domain = firm_domain(self.domain)
        others = OrganizationDomain.unscoped.filter(company_id=self.company_id, domain=self.domain).exclude(pk=self.pk)
        if owner := others.select_related("organization").first():
            raise ValidationError({"domain": f"{self.domain} already belongs to {owner.organization}."})
        if CompanyDomain.unscoped.filter(company_id=self.company_id, domain=self.domain).exists():
            raise ValidationError({"domain": f"{self.domain} is the company's own domain."})


class Person(TenantModel):
    """A contact. ``display_name`` is kept as it was given: names are not taken apart."""

    display_name = models.CharField(max_length=200)
    organization = models.ForeignKey(
        Organization, on_delete=models.SET_NULL, null=True, blank=True, related_name="people"
    )
    title = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    assistant_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="assistants"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "people"
        ordering = ["display_name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(assistant_of__isnull=True) | ~Q(assistant_of=F("id")), name="person_no_assistant_of_oneself"
            ),
        ]

    def __str__(self) -> str:
        return self.display_name


class PersonAddress(TenantModel):
    """One e-mail address of a person, lower-cased; ``match_key`` is what addresses are compared by (addresses.py)."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="addresses")
    email = models.EmailField()
    match_key = models.CharField(max_length=254, editable=False)
    is_primary = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "person addresses"
        constraints = [
            models.UniqueConstraint(fields=["company", "email"], name="person_address_once"),
            models.UniqueConstraint(fields=["company", "match_key"], name="person_address_match_once"),
            models.UniqueConstraint(fields=["person"], condition=Q(is_primary=True), name="person_one_primary_address"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="person_address_lower"),
            models.CheckConstraint(condition=~Q(match_key=""), name="person_address_has_match_key"),
        ]

    def __str__(self) -> str:
        return self.email

    @classmethod
    def build(cls, person: Person, email: str, is_primary: bool = False) -> "PersonAddress":
        """An unsaved address, ready for bulk_create. Raises ValueError for what is no address."""
        address = cls(company_id=person.company_id, person=person, email=email, is_primary=is_primary)
        address.read_email()
        return address

    def read_email(self) -> None:
        """Bring ``email`` into its stored form and fill ``match_key``. Raises ValueError for what is no address."""
        self.email = addresses.normalize(self.email)
        self.match_key = addresses.match_key(self.email)

    def clean(self) -> None:
        super().clean()
        if not self.email:
            return
        try:
            self.read_email()
        except ValueError as error:
            raise ValidationError({"email": str(error)}) from error
        others = PersonAddress.unscoped.filter(company_id=self.company_id, match_key=self.match_key).exclude(pk=self.pk)
        if other := others.select_related("person").first():
            raise ValidationError({"email": f"{self.email} already belongs to {other.person}."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.read_email()
        if (fields := kwargs.get("update_fields")) is not None and "email" in fields:
            kwargs["update_fields"] = {*fields, "match_key"}
        super().save(*args, **kwargs)


class Fund(TenantModel):
    """A fund the company raises."""

    name = models.CharField(max_length=200)
    vintage = models.PositiveSmallIntegerField(null=True, blank=True)
    target_size = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="EUR")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["company", "name"], name="fund_name_once")]

    def __str__(self) -> str:
        return self.name


class Match(TenantModel):
    """How well an organization fits a fund: ``score`` from 0 to 100, with its reason in words."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="matches")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="matches")
    score = models.DecimalField(max_digits=5, decimal_places=2)
    summary = models.TextField(blank=True)
    scored_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "matches"
        ordering = ["-score"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "fund"], name="match_once"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=100), name="match_score_range"),
        ]

    def __str__(self) -> str:
        return f"{self.organization} / {self.fund}: {self.score}"


class Touchpoint(TenantModel):
    """One real-world contact between the company and people it knows, however many copies of it were read.

    ``unique_key`` says which real event it is: iCalUID and original start for a meeting, Message-ID for a mail.
    ``origin`` names the row that caused it, as plain text. A cancelled meeting keeps its row (notes hang on it) and
    is hidden by ``cancelled_at``, and so is one whose calendar was disconnected with its data: it ``is_orphaned``.
    """

    class Kind(models.TextChoices):
        MEETING = "meeting", "Meeting"
        EMAIL = "email", "E-mail"
        CALL = "call", "Call"

    company = unindexed_company()
    kind = models.CharField(max_length=10, choices=Kind)
    unique_key = models.CharField(max_length=64, help_text="Hash of the real-world event's identity.")
    title = models.CharField(max_length=500, blank=True)
    occurred_at = models.DateTimeField(help_text="Start. For an all-day meeting: midnight UTC of its first day.")
    ended_at = models.DateTimeField(null=True, blank=True)
    all_day_on = models.DateField(null=True, blank=True, help_text="First day of an all-day meeting, in no zone.")
    location = models.CharField(max_length=500, blank=True)
    join_url = models.URLField(max_length=1000, blank=True)
    people = models.ManyToManyField(Person, blank=True, related_name="touchpoints")
    users = models.ManyToManyField(User, blank=True, related_name="touchpoints")
    organizations = models.ManyToManyField(
        Organization, blank=True, related_name="touchpoints", help_text="Firms known by a guest's domain or person."
    )
    guests = models.JSONField(default=list, blank=True, help_text="External guests: email, name, response.")
    thread_key = models.CharField(max_length=64, blank=True, help_text="Mail of one conversation has one key.")
    is_outgoing = models.BooleanField(null=True, blank=True, help_text="Of mail: whether a colleague wrote it.")
    is_private = models.BooleanField(
        default=False, help_text="Only its own users may read the title; others see that there was contact, and when."
    )
    answerers = models.JSONField(
        default=list,
        blank=True,
        help_text="Ids of the users whom its answer concerns: who wrote it, or whom it was addressed to, not in copy.",
    )
    origin = models.CharField(max_length=100, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    is_withheld = models.BooleanField(
        default=False,
        help_text="A block rule hides it, or it became private: what was told of it elsewhere is taken back.",
    )
    is_orphaned = models.BooleanField(
        default=False,
        help_text="What was imported of it was deleted with its calendar. It was not called off; its notes stay.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-occurred_at", "pk"]
        indexes = [
            models.Index(fields=["company", "occurred_at"]),
            models.Index(fields=["company", "thread_key"], condition=~Q(thread_key=""), name="touchpoint_thread"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["company", "unique_key"], name="touchpoint_once"),
            models.CheckConstraint(condition=Q(kind__in=["meeting", "email", "call"]), name="touchpoint_kind"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("occurred_at")),
                name="touchpoint_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        # Staff see this text. Members' pages ask privacy.title_for.
        # Of mail never: this text is kept in the admin's log, where it would outlive the sharing of the subject.
        is_said = self.kind != self.Kind.EMAIL and not self.is_withheld
        return (is_said and self.title) or self.get_kind_display()

    @property
    def is_out_of_sight(self) -> bool:
        """Whether a block rule hides it, or it is mail that is gone: its row is kept for the notes on it alone."""
        return self.is_withheld or (self.kind == self.Kind.EMAIL and self.cancelled_at is not None)


class Note(TenantModel):
    """What a colleague wrote down, mostly after a meeting."""

    class Outcome(models.TextChoices):
        NONE = "", "No outcome"
        INTERESTED = "interested", "Interested"
        DECLINED = "declined", "Declined"
        FOLLOW_UP = "follow_up", "Follow up"

    touchpoint = models.ForeignKey(Touchpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="notes")
    people = models.ManyToManyField(Person, blank=True, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="notes")
    text = models.TextField()
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.NONE, blank=True)
    sync_to_crm = models.BooleanField("send to the CRM", default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["", "interested", "declined", "follow_up"]), name="note_outcome"
            ),
        ]

    def __str__(self) -> str:
        return Truncator(self.text).chars(60)


class Task(TenantModel):
    """A follow-up somebody promised."""

    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks")
    touchpoint = models.ForeignKey(Touchpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks")
    assignee = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks")
    due_on = models.DateField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    origin = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = [F("due_on").asc(nulls_last=True), "created_at"]

    def __str__(self) -> str:
        return self.title


class FollowUp(TenantModel):
    """An answer that is owed: by the user to the person (``ours``), or by the person to the user (``theirs``).

    It hangs on the mail that waits, one per user and mail, so nobody is reminded twice of one message. ``usual_days``
    is how many business days (of the user's zone) the side that owes usually takes; null where that is not known yet.
    """

    class Side(models.TextChoices):
        OURS = "ours", "We owe an answer"
        THEIRS = "theirs", "They owe an answer"

    class Outcome(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"
        DISMISSED = "dismissed", "Dismissed"
        VOID = "void", "No longer applies"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="follow_ups")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="follow_ups")
    touchpoint = models.ForeignKey(Touchpoint, on_delete=models.CASCADE, related_name="follow_ups")
    side = models.CharField(max_length=6, choices=Side)
    outcome = models.CharField(max_length=9, choices=Outcome, default=Outcome.OPEN)
    since_at = models.DateTimeField(help_text="When the mail that waits was sent.")
    due_at = models.DateTimeField(help_text="From when on it is shown as owed.")
    usual_days = models.DecimalField(max_digits=5, decimal_places=1, null=True)
    snoozed_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    task = models.ForeignKey(Task, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["since_at", "pk"]
        indexes = [models.Index(fields=["user", "due_at"], condition=Q(outcome="open"), name="follow_up_open")]
        constraints = [
            models.UniqueConstraint(fields=["user", "touchpoint"], name="follow_up_once"),
            models.CheckConstraint(condition=Q(side__in=["ours", "theirs"]), name="follow_up_side"),
            models.CheckConstraint(
                condition=Q(outcome__in=["open", "answered", "dismissed", "void"]), name="follow_up_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} since {self.since_at:%Y-%m-%d}"


class Brief(TenantModel):
    """What to read before a meeting. A new version is made when ``fingerprint`` (time, guests, facts) changes."""

    touchpoint = models.ForeignKey(Touchpoint, on_delete=models.CASCADE, related_name="briefs")
    version = models.PositiveSmallIntegerField()
    fingerprint = models.CharField(max_length=64)
    facts = models.JSONField(help_text="Guests, their firms and scores, last meetings, open tasks, notes.")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-made_at"]
        constraints = [models.UniqueConstraint(fields=["touchpoint", "version"], name="brief_version_once")]

    def __str__(self) -> str:
        return f"Brief {self.version} for {self.touchpoint}"


class BriefFailure(TenantModel):
    """A brief that could not be made; the next sweep tries again, and success deletes the row."""

    touchpoint = models.OneToOneField(Touchpoint, on_delete=models.CASCADE, related_name="brief_failure")
    reason = models.TextField()
    tries = models.PositiveIntegerField(default=1)
    first_failed_at = models.DateTimeField(default=timezone.now)
    last_failed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-last_failed_at"]

    def __str__(self) -> str:
        return f"No brief for {self.touchpoint}: {self.reason}"


class BlockRule(TenantModel):
    """Contacts that stay out: for one user or, without one, for the whole firm."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "Address"
        DOMAIN = "domain", "Domain"

    class Strength(models.TextChoices):
        HIDE = "hide", "Hide"
        NEVER = "never", "Never take"

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="block_rules")
    kind = models.CharField(max_length=7, choices=Kind)
    value = models.CharField(max_length=254, help_text="An address, or a domain without @.")
    strength = models.CharField(max_length=5, choices=Strength, default=Strength.NEVER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "value"], name="block_rule_once_per_user"),
            models.UniqueConstraint(
                fields=["company", "kind", "value"], condition=Q(user__isnull=True), name="block_rule_once_per_firm"
            ),
            models.CheckConstraint(condition=Q(value=Lower("value")), name="block_rule_lower"),
            models.CheckConstraint(condition=Q(kind__in=["address", "domain"]), name="block_rule_kind"),
            models.CheckConstraint(condition=Q(strength__in=["hide", "never"]), name="block_rule_strength"),
        ]

    def __str__(self) -> str:
        return f"{self.get_strength_display()}: {self.value}"

    def clean(self) -> None:
        super().clean()
        if not self.value:
            return
        is_domain = self.kind == self.Kind.DOMAIN
        try:
            self.value = addresses.normalize_domain(self.value) if is_domain else addresses.normalize(self.value)
        except ValueError as error:
            raise ValidationError({"value": str(error)}) from error
