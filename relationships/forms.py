"""What members type into the pages over the domain."""

import zoneinfo
from datetime import date, timedelta
from functools import cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from relationships import addresses
from relationships.models import BlockRule, CompanyDomain, Note, User

MOST_DAYS_AHEAD = 730


@cache
def time_zones() -> list[str]:
    """The IANA time zones a person may live in, by name: places and UTC, no abbreviations and no offsets."""
    places = {name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/")}
    return sorted(places | {"UTC"})


class SearchForm(forms.Form):
    """A few words of a name, an address or a firm."""

    q = forms.CharField(
        label="Search people",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, address or firm", "autocomplete": "off"}),
    )


class NoteForm(forms.Form):
    """A note on a touchpoint, and the follow-up that was promised in it.

    ``token`` belongs to one showing of the form: the same note sent twice with it is one note.
    """

    token = forms.UUIDField(required=False, widget=forms.HiddenInput)
    text = forms.CharField(
        label="What was said",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": "Write a sentence or two: what was said, and what happens next."},
    )
    outcome = forms.ChoiceField(label="Outcome", choices=Note.Outcome.choices, required=False)
    follow_up = forms.CharField(
        label="Follow-up task", max_length=300, required=False, help_text="For example: Send the Q3 report."
    )
    due_on = forms.DateField(label="Due on", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    sync_to_crm = forms.BooleanField(
        label="Also send this note to the CRM",
        required=False,
        help_text="It goes out with the next sync, once your firm's CRM is linked.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuses a due date without a task, and one that has passed in the member's zone."""
        data = super().clean() or {}
        self.errors.pop("token", None)  # a mangled one is no reason to refuse what was written
        due_on = data.get("due_on")
        if due_on and not data.get("follow_up"):
            self.add_error("follow_up", "Say what is due, or remove the date.")
        if due_on and due_on < timezone.localdate():
            self.add_error("due_on", "Choose today or a later day.")
        return data


class ProfileForm(forms.Form):
    """What a person may change about their own account."""

    name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.CharField(
        label="Time zone",
        max_length=64,
        help_text="Type a city, such as Zurich, and choose from the list. Every time you see here is in this zone.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_time_zone(self) -> str:
        """The zone as IANA spells it, also for its city alone, and for another case or blanks."""
        typed = self.cleaned_data["time_zone"]
        if typed in zoneinfo.available_timezones():
            return typed
        wanted = typed.replace(" ", "_").casefold()
        meant = [zone for zone in time_zones() if zone.casefold() == wanted or zone.casefold().endswith(f"/{wanted}")]
        if len(meant) != 1:
            raise ValidationError("No such time zone. Choose one from the list, such as Europe/Zurich.")
        return meant[0]


class UntilForm(forms.Form):
    """The day until which a follow-up rests, or by which its task is due."""

    on = forms.DateField(
        label="Day",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": "Choose a day.", "invalid": "Choose a day, such as 2026-12-24."},
    )

    def clean_on(self) -> date:
        """Refuses today and what has passed in the member's zone, and what nobody can mean."""
        on: date = self.cleaned_data["on"]
        if not timezone.localdate() < on < timezone.localdate() + timedelta(days=MOST_DAYS_AHEAD):
            raise ValidationError("Choose a day after today, within two years.")
        return on


class SharingForm(forms.Form):
    """Whether colleagues may read the subjects of one's mail."""

    is_shared = forms.BooleanField(
        label="Colleagues may read the subjects of my mail with contacts",
        required=False,
        help_text="Holds for past mail too. A mail's subject is shown to the firm once everybody of yours who wrote or "
        "got it says so. What a mail says is never shared.",
    )


class BlockForm(forms.Form):
    """Whom to keep out. ``kind`` follows from what was typed: an address has an @."""

    value = forms.CharField(
        label="Address or domain",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        help_text="Such as jane@pension.example, or pension.example for everybody there.",
        error_messages={"required": "Type an address or a domain."},
    )
    strength = forms.ChoiceField(
        label="How",
        choices=[
            (BlockRule.Strength.HIDE, "Hide: it stays stored, and nobody sees it"),
            (BlockRule.Strength.NEVER, "Never take: it is not read, and what is stored is deleted"),
        ],
        initial=BlockRule.Strength.HIDE,
        widget=forms.RadioSelect,
    )
    whose = forms.ChoiceField(
        label="For whom",
        choices=[("me", "For me"), ("firm", "For the whole firm")],
        initial="me",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.is_company_admin:
            del self.fields["whose"]

    def clean_value(self) -> str:
        """The address or domain as a rule stores it. Refuses what covers nobody, and the firm's own people."""
        typed = self.cleaned_data["value"].strip().removeprefix("@")
        try:
            value = addresses.normalize(typed) if "@" in typed else addresses.normalize_domain(typed)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        domain = value.rpartition("@")[2]
        if not addresses.with_parents(domain):
            raise ValidationError(f"{domain} is shared by many firms: give the firm's own domain below it.")
        own = CompanyDomain.objects.filter(domain__in=addresses.with_parents(domain)).exists()
        if own or User.objects.filter(company=self.user.company, email=value).exists():
            raise ValidationError(f"{value} is your own firm's: mail among yourselves is never stored.")
        return value

    def clean(self) -> dict[str, Any]:
        """Adds ``kind``, and ``of``: the user whom the rule holds for, or None."""
        data = super().clean() or {}
        if value := data.get("value"):
            data["kind"] = BlockRule.Kind.ADDRESS.value if "@" in value else BlockRule.Kind.DOMAIN.value
        data["of"] = None if data.get("whose") == "firm" else self.user
        return data
