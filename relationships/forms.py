"""What members type into the pages over the domain."""

from typing import Any

from django import forms
from django.utils import timezone

from relationships.models import Note


class SearchForm(forms.Form):
    """A few words of a name, an address or a firm."""

    q = forms.CharField(
        label="Search people",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, address or firm", "autocomplete": "off"}),
    )


class NoteForm(forms.Form):
    """A note on a touchpoint, and the follow-up that was promised in it."""

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
        label="Also send this note to the CRM", required=False, help_text="It goes out with the next CRM sync."
    )

    def clean(self) -> dict[str, Any]:
        """Refuses a due date without a task, and one that has passed in the member's zone."""
        data = super().clean() or {}
        due_on = data.get("due_on")
        if due_on and not data.get("follow_up"):
            self.add_error("follow_up", "Say what is due, or remove the date.")
        if due_on and due_on < timezone.localdate():
            self.add_error("due_on", "Choose today or a later day.")
        return data
