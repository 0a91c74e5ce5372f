"""What of ours can be kept equal with a CRM: every field by name, with its type and its meaning for staff."""

from dataclasses import dataclass

from crm.contract import FieldType, Option

KIND_LABELS = {
    "organization": "Firms",
    "person": "People",
    "meeting": "Meetings",
    "email": "Mail",
    "task": "Follow-up tasks",
    "note": "Notes",
}
"""Our kinds of rows, in the order they are written: what others belong to comes first."""


@dataclass(frozen=True)
class OurField:
    """One field of ours. ``kind`` is one of models.KINDS: whose record it belongs to.

    ``is_volatile``: it is sent along with others, and is alone no reason to write. ``max_length`` is what we can store.
    ``constant`` is its value for every row. ``is_required``: a row of ours cannot be made without it.
    """

    name: str
    kind: str
    label: str
    type: FieldType
    meaning: str
    is_outgoing: bool = True
    is_incoming: bool = False
    is_volatile: bool = False
    options: tuple[Option, ...] = ()
    max_length: int | None = None
    constant: str = ""
    is_required: bool = False


_ORGANIZATION = (
    OurField("org.name", "organization", "Name of the firm", "text", "As members see it; each firm has its own.",
             is_incoming=True, max_length=200, is_required=True),
    OurField("org.kind", "organization", "Kind of firm", "choice", "Whether it is an LP, another GP or something else.",
             is_incoming=True, options=(Option("lp", "LP"), Option("gp", "GP"), Option("other", "Other"))),
    OurField("org.city", "organization", "City", "text", "Where the firm has its seat.",
             is_incoming=True, max_length=100),
    OurField("org.country", "organization", "Country", "text", "In words, as it was given.",
             is_incoming=True, max_length=100),
    OurField("org.domain", "organization", "Mail domain", "text", "The firm's first mail domain, such as"
             " pension.example. It decides whose mail counts as the firm's.", is_incoming=True, max_length=253),
    OurField("match.score", "organization", "Match score", "number", "How well the firm fits the fund it fits best, "
             "from 0 to 100."),
    OurField("match.summary", "organization", "Match summary", "long_text", "The reason for that score, in words."),
    OurField("match.last_synced", "organization", "Last synced", "datetime", "When we last wrote to the record. It "
             "goes along with other changes, and is none by itself.", is_volatile=True),
)  # fmt: skip

_PERSON = (
    OurField("person.name", "person", "Full name", "text", "The name as it was given, in one piece.",
             is_incoming=True, max_length=200),
    OurField("person.first_name", "person", "First name", "text", "The full name without its last part. Coming in, it "
             "is put together with the last name.", is_incoming=True, max_length=200),
    OurField("person.last_name", "person", "Last name", "text", "The last part of the full name, with a “von” or “de”.",
             is_incoming=True, max_length=200),
    OurField("person.email", "person", "E-mail", "email", "The main address; others a person has are never removed.",
             is_incoming=True, max_length=254),
    OurField("person.phone", "person", "Phone", "phone", "As it was given.", is_incoming=True, max_length=40),
    OurField("person.title", "person", "Job title", "text", "What the person is at the firm.",
             is_incoming=True, max_length=200),
)  # fmt: skip

_MEETING = (
    OurField("meeting.title", "meeting", "Title", "text", "What the meeting is called; a private one only “Meeting”.",
             max_length=500),
    OurField("meeting.starts_at", "meeting", "Start", "datetime", "When it begins."),
    OurField("meeting.ends_at", "meeting", "End", "datetime", "When it ends."),
    OurField("meeting.filed_at", "meeting", "Filed under", "datetime", "The start again, for CRMs that file what "
             "happened under a moment of its own."),
    OurField("meeting.location", "meeting", "Place", "text", "The place, where one was given.", max_length=500),
    OurField("meeting.description", "meeting", "Description", "long_text", "Who took part, and the firm's own notes on "
             "it that are marked for the CRM."),
)  # fmt: skip

_EMAIL = (
    OurField("email.title", "email", "Subject", "text", "The subject, where its owner shares it; else “Mail”.",
             max_length=500),
    OurField("email.sent_at", "email", "Sent", "datetime", "When it was sent."),
    OurField("email.description", "email", "Description", "long_text", "Who wrote to whom; never the mail's text."),
    OurField("email.direction", "email", "Direction", "choice", "Whether the firm wrote it or received it.",
             options=(Option("out", "Sent by us"), Option("in", "Received"))),
    OurField("email.status", "email", "State", "choice", "Always done: a mail is no open task.",
             options=(Option("done", "Done"),), constant="done"),
    OurField("email.type", "email", "Type of activity", "text", "Always “Email”, for CRMs that keep mail among tasks.",
             constant="Email"),
)  # fmt: skip

_TASK = (
    OurField("task.title", "task", "Title", "text", "What was promised.", max_length=300),
    OurField("task.description", "task", "Description", "long_text", "More about it."),
    OurField("task.due_on", "task", "Due", "date", "The day it is due, in no time zone."),
    OurField("task.priority", "task", "Priority", "choice", "High once it is overdue, else normal.",
             options=(Option("high", "High"), Option("normal", "Normal"), Option("low", "Low"))),
    OurField("task.status", "task", "State", "choice", "Open until somebody ticks it off.",
             options=(Option("open", "Open"), Option("done", "Done"))),
)  # fmt: skip

_NOTE = (
    OurField("note.title", "note", "Title", "text", "The first words of the note. Coming in, its first line.",
             is_incoming=True, max_length=200),
    OurField("note.text", "note", "Text", "long_text", "What a colleague wrote, where it is marked for the CRM.",
             is_incoming=True, is_required=True),
    OurField("note.written_at", "note", "Written", "datetime", "When it was written.", is_incoming=True),
)  # fmt: skip

OURS = {
    field.name: field
    for kind in (_ORGANIZATION, _PERSON, _MEETING, _EMAIL, _TASK, _NOTE)
    for field in kind
}  # fmt: skip
"""Every field of ours by its name, as FieldMapping.lpxgp_field holds it."""


def of_kind(kind: str) -> tuple[OurField, ...]:
    """The fields of one kind of row, in the order people read them."""
    return tuple(field for field in OURS.values() if field.kind == kind)
