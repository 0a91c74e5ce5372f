"""The standard mapping of Salesforce, and the fields of ours that it can be asked to create. Data alone."""

from typing import Any

from crm.contract import NewField
from crm.standard_lines import line

SHORTEN = {"name": "shorten", "options": {}}
DAY = {"name": "date_in_zone", "options": {}}
DONE = {"name": "choice_table", "options": {"pairs": [["done", "Completed"]]}}
STATES = {"name": "choice_table", "options": {"pairs": [["open", "Not Started"], ["done", "Completed"]]}}
PRIORITIES = {"name": "choice_table", "options": {"pairs": [["high", "High"], ["normal", "Normal"], ["low", "Low"]]}}
WEBSITE = {"name": "domain", "options": {"form": "address"}}

DEFAULT_ROWS: tuple[dict[str, Any], ...] = (
    line("org.name", "Account.Name", "bidirectional"),
    line("org.city", "Account.BillingCity", "from_crm"),
    line("org.country", "Account.BillingCountry", "from_crm"),
    line("org.domain", "Account.Website", "from_crm", WEBSITE),
    line("match.score", "Account.LPxGP_Match_Score__c"),
    line("match.summary", "Account.LPxGP_Summary__c", transform=SHORTEN),
    line("match.last_synced", "Account.LPxGP_Last_Synced__c"),
    line("person.first_name", "Contact.FirstName", "bidirectional"),
    line("person.last_name", "Contact.LastName", "bidirectional"),
    line("person.email", "Contact.Email", "bidirectional"),
    line("person.phone", "Contact.Phone", "bidirectional"),
    line("person.title", "Contact.Title", "bidirectional"),
    line("meeting.title", "Event.Subject", transform=SHORTEN),
    line("meeting.starts_at", "Event.StartDateTime"),
    line("meeting.ends_at", "Event.EndDateTime"),
    line("meeting.location", "Event.Location", transform=SHORTEN),
    line("meeting.description", "Event.Description", transform=SHORTEN),
    line("email.title", "Task.Subject", transform=SHORTEN),
    line("email.sent_at", "Task.ActivityDate", transform=DAY),
    line("email.description", "Task.Description", transform=SHORTEN),
    line("email.status", "Task.Status", transform=DONE),
    line("email.type", "Task.TaskSubtype"),
    line("task.title", "Task.Subject", transform=SHORTEN),
    line("task.description", "Task.Description", transform=SHORTEN),
    line("task.due_on", "Task.ActivityDate"),
    line("task.priority", "Task.Priority", transform=PRIORITIES),
    line("task.status", "Task.Status", transform=STATES),
    line("note.title", "Note.Title", "bidirectional", SHORTEN),
    line("note.text", "Note.Body", "bidirectional", SHORTEN),
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
