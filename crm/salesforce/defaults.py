"""The standard mapping of Salesforce, and the fields of ours that it can be asked to create. Data alone."""

from typing import Any

from crm.contract import NewField

SHORTEN = {"name": "shorten", "options": {}}
DAY = {"name": "date_in_zone", "options": {}}
DONE = {"name": "choice_table", "options": {"pairs": [["done", "Completed"]]}}
STATES = {"name": "choice_table", "options": {"pairs": [["open", "Not Started"], ["done", "Completed"]]}}
PRIORITIES = {"name": "choice_table", "options": {"pairs": [["high", "High"], ["normal", "Normal"], ["low", "Low"]]}}
WEBSITE = {"name": "domain", "options": {"form": "address"}}


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
    _row("org.name", "Account.Name", "bidirectional"),
    _row("org.city", "Account.BillingCity", "from_crm"),
    _row("org.country", "Account.BillingCountry", "from_crm"),
    _row("org.domain", "Account.Website", "from_crm", WEBSITE),
    _row("match.score", "Account.LPxGP_Match_Score__c"),
    _row("match.summary", "Account.LPxGP_Summary__c", transform=SHORTEN),
    _row("match.last_synced", "Account.LPxGP_Last_Synced__c"),
    _row("person.first_name", "Contact.FirstName", "bidirectional"),
    _row("person.last_name", "Contact.LastName", "bidirectional"),
    _row("person.email", "Contact.Email", "bidirectional"),
    _row("person.phone", "Contact.Phone", "bidirectional"),
    _row("person.title", "Contact.Title", "bidirectional"),
    _row("meeting.title", "Event.Subject", transform=SHORTEN),
    _row("meeting.starts_at", "Event.StartDateTime"),
    _row("meeting.ends_at", "Event.EndDateTime"),
    _row("meeting.location", "Event.Location", transform=SHORTEN),
    _row("meeting.description", "Event.Description", transform=SHORTEN),
    _row("email.title", "Task.Subject", transform=SHORTEN),
    _row("email.sent_at", "Task.ActivityDate", transform=DAY),
    _row("email.description", "Task.Description", transform=SHORTEN),
    _row("email.status", "Task.Status", transform=DONE),
    _row("email.type", "Task.TaskSubtype"),
    _row("task.title", "Task.Subject", transform=SHORTEN),
    _row("task.description", "Task.Description", transform=SHORTEN),
    _row("task.due_on", "Task.ActivityDate"),
    _row("task.priority", "Task.Priority", transform=PRIORITIES),
    _row("task.status", "Task.Status", transform=STATES),
    _row("note.title", "Note.Title", "bidirectional", SHORTEN),
    _row("note.text", "Note.Body", "bidirectional", SHORTEN),
)
"""The specification's table, and what its rules say of contacts, touchpoints, tasks and notes."""

KEY = "Our own key of the record: by it a record is found again where an answer was lost. Nobody fills it in."

NEW_FIELDS: tuple[NewField, ...] = (
    NewField("Account", "LPxGP_Match_Score__c", "LPxGP match score", "number",
             "How well the firm fits the fund it fits best, from 0 to 100."),
    NewField("Account", "LPxGP_Summary__c", "LPxGP summary", "long_text", "The reason for the score.", 32768),
    NewField("Account", "LPxGP_Last_Synced__c", "LPxGP last synced", "datetime", "When LPxGP last wrote here."),
    *(
        NewField(crm_object, "LPxGP_Sync_Id__c", "LPxGP sync id", "text", KEY, 64, is_key=True)
        for crm_object in ("Account", "Contact", "Task", "Event")
    ),
)  # fmt: skip
"""What “Create the missing fields” asks for, where it is not there."""

CREATING_NEEDS = (
    "In Salesforce the linked user needs “Customize Application”. A new field is visible to nobody at first: we try to "
    "show it to the linked user, and where that is not allowed an administrator opens the field in Setup, presses “Set "
    "Field-Level Security” and makes it visible and editable for that user's profile."
)
