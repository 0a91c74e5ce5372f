"""The standard mapping of HubSpot, and the properties of ours that it can be asked to create. Data alone."""

from typing import Any

from crm.contract import NewField
from crm.standard_lines import line

DOMAIN = {"name": "domain", "options": {"form": "domain"}}
MORNING = {"name": "time_of_day", "options": {"time": "09:00"}}
STATES = {"name": "choice_table", "options": {"pairs": [["open", "NOT_STARTED"], ["done", "COMPLETED"]]}}
PRIORITIES = {"name": "choice_table", "options": {"pairs": [["high", "HIGH"], ["normal", "MEDIUM"], ["low", "LOW"]]}}
WAYS = {"name": "choice_table", "options": {"pairs": [["out", "EMAIL"], ["in", "INCOMING_EMAIL"]]}}

DEFAULT_ROWS: tuple[dict[str, Any], ...] = (
    line("org.name", "companies.name", "bidirectional"),
    line("org.city", "companies.city", "from_crm"),
    line("org.country", "companies.country", "from_crm"),
    line("org.domain", "companies.domain", "from_crm", DOMAIN),
    line("match.score", "companies.lpxgp_match_score"),
    line("match.summary", "companies.lpxgp_summary"),
    line("match.last_synced", "companies.lpxgp_last_synced"),
    line("person.first_name", "contacts.firstname", "bidirectional"),
    line("person.last_name", "contacts.lastname", "bidirectional"),
    line("person.email", "contacts.email", "bidirectional"),
    line("person.phone", "contacts.phone", "bidirectional"),
    line("person.title", "contacts.jobtitle", "bidirectional"),
    line("meeting.title", "meetings.hs_meeting_title"),
    line("meeting.starts_at", "meetings.hs_meeting_start_time"),
    line("meeting.ends_at", "meetings.hs_meeting_end_time"),
    line("meeting.filed_at", "meetings.hs_timestamp"),
    line("meeting.location", "meetings.hs_meeting_location"),
    line("meeting.description", "meetings.hs_meeting_body"),
    line("email.title", "emails.hs_email_subject"),
    line("email.sent_at", "emails.hs_timestamp"),
    line("email.description", "emails.hs_email_text"),
    line("email.direction", "emails.hs_email_direction", transform=WAYS),
    line("task.title", "tasks.hs_task_subject"),
    line("task.description", "tasks.hs_task_body"),
    line("task.due_on", "tasks.hs_timestamp", transform=MORNING),
    line("task.priority", "tasks.hs_task_priority", transform=PRIORITIES),
    line("task.status", "tasks.hs_task_status", transform=STATES),
    line("note.text", "notes.hs_note_body", "bidirectional"),
    line("note.written_at", "notes.hs_timestamp", "bidirectional"),
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
