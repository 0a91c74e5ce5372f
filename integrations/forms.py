"""Forms of the integrations settings."""

from django import forms

CONFIRM_WORD = "delete"


class DisconnectForm(forms.Form):
    """Disconnecting is one decision, deleting what was imported another; only the second needs a typed word."""

    imported = forms.ChoiceField(
        label="What was imported",
        choices=[("keep", "Keep it"), ("delete", "Delete it")],
        initial="keep",
        widget=forms.RadioSelect,
    )
    confirm = forms.CharField(
        label=f"To delete, type “{CONFIRM_WORD}”", required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def clean(self) -> dict[str, str]:
        cleaned: dict[str, str] = super().clean() or {}
        if cleaned.get("imported") == "delete" and cleaned.get("confirm", "").strip().lower() != CONFIRM_WORD:
            self.add_error("confirm", f"Type “{CONFIRM_WORD}” to delete what was imported, or choose to keep it.")
        return cleaned

    @property
    def is_data_deleted(self) -> bool:
        return self.cleaned_data["imported"] == "delete"
