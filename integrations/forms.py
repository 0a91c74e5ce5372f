"""Forms of the integrations settings."""

from collections.abc import Mapping

from django import forms

from integrations.contract import Question, Service
from integrations.errors import Unusable

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


class StartForm(forms.Form):
    """A service's questions before consent: of each the choices, and a field for what may be typed instead."""

    def __init__(self, service: Service, data: Mapping[str, str] | None, known: Mapping[str, str]) -> None:
        """``known`` is what was answered the last time."""
        super().__init__(data)
        self.questions = service.questions
        for question in service.questions:
            self._ask(question, known.get(question.name, ""))

    def _ask(self, question: Question, known: str) -> None:
        choices = [*question.choices, question.typed]
        is_typed = bool(known) and known not in [choice.value for choice in question.choices]
        self.fields[question.name] = forms.ChoiceField(
            label=question.label,
            choices=[(choice.value, choice.label) for choice in choices],
            initial=question.typed.value if is_typed else known or choices[0].value,
            widget=forms.RadioSelect,
            error_messages={"required": "Choose one."},
        )
        self.fields[_typed_name(question)] = forms.CharField(
            label=question.text_label, required=False, max_length=200, initial=known if is_typed else ""
        )

    def clean(self) -> dict[str, str]:
        cleaned: dict[str, str] = super().clean() or {}
        for question in self.questions:
            if cleaned.get(question.name) != question.typed.value:
                continue
            try:
                cleaned[question.name] = question.checked(cleaned.get(_typed_name(question), ""))
            except Unusable as error:
                self.add_error(_typed_name(question), str(error))
        return cleaned

    @property
    def initial_answers(self) -> dict[str, str]:
        """What stands in the fields before anything is changed."""
        return {name: str(field.initial) for name, field in self.fields.items()}

    @property
    def options(self) -> dict[str, str]:
        """The answers by the questions' names."""
        return {question.name: self.cleaned_data[question.name] for question in self.questions}

    @property
    def asked(self) -> list[tuple[Question, forms.BoundField, forms.BoundField]]:
        """Each question with its two fields, for the page."""
        return [(one, self[one.name], self[_typed_name(one)]) for one in self.questions]


def _typed_name(question: Question) -> str:
    return f"{question.name}_typed"
