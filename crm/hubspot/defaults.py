"""The standard mapping of HubSpot, and the properties of ours that it can be asked to create. Data alone."""

from typing import Any

from crm.contract import NewField

DOMAIN = {"name": "domain", "options": {"form": "domain"}}
MORNING = {"name": "time_of_day", "options": {"time": "09:00"}}
STATES = {"name": "choice_table", "options": {"pairs": [["open", "NOT_STARTED"], ["done", "COMPLETED"]]}}
PRIORITIES = {"name": "choice_table", "options": {"pairs": [["high", "HIGH"], ["normal", "MEDIUM"], ["low", "LOW"]]}}
WAYS = {"name": "choice_table", "options": {"pairs": [["out", "EMAIL"], ["in", "INCOMING_EMAIL"]]}}


def _row(ours: str, theirs: str, direction: str = "to_crm", transform: dict[str, Any] | None = None) -> dict[str, Any]:
    """One line of the mapping. Contact data is the CRM's where both sides changed it, everything else ours."""
    crm_object, _, crm_field = theirs.partition(".")
    return {
        "lpxgp_field": ours,
        "crm_object": crm_object,
        "crm_field": crm_field,
        "sync_direction": direction,
        "conflict_rule": "ours_wins" if direction == "to_crm" else "crm_wins",
        "write_mode": "always",
        "transform": transform or {},
    }


DEFAULT_ROWS: tuple[dict[str, Any], ...] = (
    _row("org.name", "companies.name", "bidirectional"),
    _row("org.city", "companies.city", "from_crm"),
    _row("org.country", "companies.country", "from_crm"),
    _row("org.domain", "companies.domain", "from_crm", DOMAIN),
    _row("match.score", "companies.lpxgp_match_score"),
    _row("match.summary", "companies.lpxgp_summary"),
    _row("match.last_synced", "companies.lpxgp_last_synced"),
    _row("person.first_name", "contacts.firstname", "bidirectional"),
    _row("person.last_name", "contacts.lastname", "bidirectional"),
    _row("person.email", "contacts.email", "bidirectional"),
    _row("person.phone", "contacts.phone", "bidirectional"),
    _row("person.title", "contacts.jobtitle", "bidirectional"),
    _row("meeting.title", "meetings.hs_meeting_title"),
    _row("meeting.starts_at", "meetings.hs_meeting_start_time"),
    _row("meeting.ends_at", "meetings.hs_meeting_end_time"),
    _row("meeting.filed_at", "meetings.hs_timestamp"),
    _row("meeting.location", "meetings.hs_meeting_location"),
    _row("meeting.description", "meetings.hs_meeting_body"),
    _row("email.title", "emails.hs_email_subject"),
    _row("email.sent_at", "emails.hs_timestamp"),
    _row("email.description", "emails.hs_email_text"),
    _row("email.direction", "emails.hs_email_direction", transform=WAYS),
    _row("task.title", "tasks.hs_task_subject"),
    _row("task.description", "tasks.hs_task_body"),
    _row("task.due_on", "tasks.hs_timestamp", transform=MORNING),
    _row("task.priority", "tasks.hs_task_priority", transform=PRIORITIES),
    _row("task.status", "tasks.hs_task_status", transform=STATES),
    _row("note.text", "notes.hs_note_body", "bidirectional"),
    _row("note.written_at", "notes.hs_timestamp", "bidirectional"),
)
"""The specification's table, and what its rules say of contacts, touchpoints, tasks and notes."""

KEY = "Our own key of the record: by it a record is found again where an answer was lost. Nobody fills it in."

NEW_FIELDS: tuple[NewField, ...] = (
    NewField("companies", "lpxgp_match_score", "LPxGP match score", "number",
             "How well the firm fits the fund it fits best, from 0 to 100."),
    NewField("companies", "lpxgp_summary", "LPxGP summary", "long_text", "The reason for the score."),
    NewField("companies", "lpxgp_last_synced", "LPxGP last synced", "datetime", "When LPxGP last wrote here."),
    *(
        NewField(crm_object, "lpxgp_sync_id", "LPxGP sync id", "text", KEY, is_key=True)
        for crm_object in ("companies", "contacts")
    ),
)  # fmt: skip
"""What “Create the missing fields” asks for, where it is not there."""

CREATING_NEEDS = (
    "In HubSpot the link needs the scopes crm.schemas.companies.write and crm.schemas.contacts.write, which were asked "
    "for when it was made; a super admin can edit properties under Settings, Properties. New ones are visible at once."
)
