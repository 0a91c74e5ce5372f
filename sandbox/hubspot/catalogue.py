"""The properties every portal has from the start: a part of the some 250 of each kind.

https://knowledge.hubspot.com/properties/hubspots-default-contact-properties
"""

from typing import Any

from sandbox.hubspot.kinds import KINDS, Kind

Json = dict[str, Any]
MADE_AT = "2019-08-06T02:41:44.642Z"
STAGES = "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other"
INDUSTRIES = (
    "ACCOUNTING BANKING CAPITAL_MARKETS COMPUTER_SOFTWARE FINANCIAL_SERVICES INFORMATION_TECHNOLOGY_AND_SERVICES "
    "INSURANCE INVESTMENT_BANKING INVESTMENT_MANAGEMENT REAL_ESTATE VENTURE_CAPITAL_PRIVATE_EQUITY"
)
ROLES = "BLOCKER BUDGET_HOLDER CHAMPION DECISION_MAKER END_USER EXECUTIVE_SPONSOR INFLUENCER LEGAL_AND_COMPLIANCE OTHER"
OWNER = "hubspot_owner_id|Owner|enumeration|select|owner"

COMMON = (
    "hs_object_id|Record ID|number|number|readonly",
    "hs_object_source|Record creation source|string|text|readonly hidden",
    "hs_object_source_id|Record creation source ID|string|text|readonly hidden",
    "hs_object_source_label|Record source|string|text|readonly",
    "hs_merged_object_ids|Merged Record IDs|enumeration|checkbox|readonly",
    OWNER,
)
ROWS: dict[str, tuple[str, ...]] = {
    "contacts": (
        "email|Email|string|text|",
        "firstname|First Name|string|text|",
        "lastname|Last Name|string|text|",
        "phone|Phone Number|string|phonenumber|",
        "mobilephone|Mobile Phone Number|string|phonenumber|",
        "jobtitle|Job Title|string|text|",
        "company|Company Name|string|text|",
        "website|Website URL|string|text|",
        "address|Street Address|string|text|",
        "city|City|string|text|",
        "state|State/Region|string|text|",
        "zip|Postal Code|string|text|",
        "country|Country/Region|string|text|",
        "salutation|Salutation|string|text|",
        "hs_linkedin_url|LinkedIn URL|string|text|",
        "hs_email_optout|Unsubscribed from all email|bool|booleancheckbox|readonly",
        "closedate|Close Date|datetime|date|",
        f"lifecyclestage|Lifecycle Stage|enumeration|radio|{STAGES}",
        "hs_lead_status|Lead Status|enumeration|radio|NEW OPEN IN_PROGRESS UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED",
        f"hs_buying_role|Buying Role|enumeration|checkbox|{ROLES}",
        "createdate|Create Date|datetime|date|readonly",
        "lastmodifieddate|Last Modified Date|datetime|date|readonly",
        "associatedcompanyid|Primary Associated Company ID|number|number|",
        "hs_additional_emails|Additional email addresses|enumeration|checkbox|readonly",
        "hs_email_domain|Email Domain|string|text|readonly",
        "hs_full_name_or_email|Full name or email|string|calculation_equation|readonly hidden",
        "notes_last_updated|Last Activity Date|datetime|date|readonly",
        "num_notes|Number of Sales Activities|number|number|readonly",
    ),
    "companies": (
        "name|Company name|string|text|",
        "domain|Company Domain Name|string|text|",
        "website|Website URL|string|text|",
        "phone|Phone Number|string|phonenumber|",
        "description|Description|string|textarea|",
        "address|Street Address|string|text|",
        "city|City|string|text|",
        "state|State/Region|string|text|",
        "zip|Postal Code|string|text|",
        "country|Country/Region|string|text|",
        f"industry|Industry|enumeration|select|{INDUSTRIES}",
        "type|Type|enumeration|select|PROSPECT PARTNER RESELLER VENDOR OTHER",
        "annualrevenue|Annual Revenue|number|number|",
        "numberofemployees|Number of Employees|number|number|",
        "founded_year|Year Founded|string|text|",
        "is_public|Is Public|bool|booleancheckbox|",
        "hs_is_target_account|Target Account|bool|booleancheckbox|",
        "linkedin_company_page|LinkedIn Company Page|string|text|",
        "closedate|Close Date|datetime|date|",
        f"lifecyclestage|Lifecycle Stage|enumeration|radio|{STAGES}",
        "createdate|Create Date|datetime|date|readonly",
        "hs_lastmodifieddate|Last Modified Date|datetime|date|readonly",
        "num_associated_contacts|Number of Associated Contacts|number|calculation_rollup|readonly",
        "hs_total_deal_value|Total open deal value|number|number|readonly",
        "notes_last_updated|Last Activity Date|datetime|date|readonly",
        "num_notes|Number of Sales Activities|number|number|readonly",
    ),
    "notes": ("hs_note_body|Note body|string|html|",),
    "tasks": (
        "hs_task_subject|Task Title|string|text|",
        "hs_task_body|Task Notes|string|html|",
        "hs_task_status|Task Status|enumeration|select|NOT_STARTED IN_PROGRESS WAITING COMPLETED DEFERRED",
        "hs_task_priority|Priority|enumeration|select|NONE LOW MEDIUM HIGH",
        "hs_task_type|Task Type|enumeration|select|TODO CALL EMAIL LINKED_IN LINKED_IN_CONNECT LINKED_IN_MESSAGE",
        "hs_task_completion_date|Completed at|datetime|date|readonly",
        "hs_task_is_completed|Is completed|number|number|readonly hidden",
    ),
    "meetings": (
        "hs_meeting_title|Meeting name|string|text|",
        "hs_meeting_body|Meeting description|string|html|",
        "hs_meeting_location|Meeting location|string|text|",
        "hs_meeting_start_time|Meeting start time|datetime|date|",
        "hs_meeting_end_time|Meeting end time|datetime|date|",
        "hs_meeting_outcome|Meeting outcome|enumeration|select|SCHEDULED COMPLETED RESCHEDULED NO_SHOW CANCELED",
        "hs_internal_meeting_notes|Internal meeting notes|string|html|",
    ),
    "calls": (
        "hs_call_title|Call Title|string|text|",
        "hs_call_body|Call notes|string|html|",
        "hs_call_direction|Call direction|enumeration|select|INBOUND OUTBOUND",
        "hs_call_duration|Call duration|number|number|",
        "hs_call_status|Call status|enumeration|select|BUSY CANCELED COMPLETED FAILED NO_ANSWER QUEUED",
    ),
    "emails": (
        "hs_email_subject|Email subject|string|text|",
        "hs_email_text|Email body|string|textarea|",
        "hs_email_html|Email HTML|string|html|",
        "hs_email_direction|Email direction|enumeration|select|EMAIL INCOMING_EMAIL FORWARDED_EMAIL",
        "hs_email_status|Email send status|enumeration|select|BOUNCED FAILED SCHEDULED SENDING SENT",
        "hs_email_headers|Email headers|string|textarea|",
    ),
}
LOGGED = (
    "hs_timestamp|Activity date|datetime|date|",
    "hs_createdate|Object create date/time|datetime|date|readonly",
    "hs_lastmodifieddate|Object last modified date/time|datetime|date|readonly",
    "hs_body_preview|Body preview|string|text|readonly",
)


def definition(row: str, group: str) -> Json:
    """A property as HubSpot describes its own. The last part of a row holds flags, or the options."""
    name, label, kind, field_type, rest = row.split("|")
    flags = {word for word in rest.split() if word in {"readonly", "hidden", "owner"}}
    options = [word for word in rest.split() if word not in flags]
    if kind == "bool":
        options = ["true", "false"]
    shown = [
        {"label": word.replace("_", " ").title(), "value": word, "displayOrder": order, "hidden": False}
        for order, word in enumerate(options)
    ]
    return {
        "updatedAt": MADE_AT,
        "createdAt": MADE_AT,
        "name": name,
        "label": label,
        "type": kind,
        "fieldType": field_type,
        "description": "",
        "groupName": group,
        "options": shown,
        **({"referencedObjectType": "OWNER"} if "owner" in flags else {}),
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": "owner" in flags or name == "lifecyclestage",
        "archived": False,
        # An address is unique too, but by a rule of its own: the definition says no.
        "hasUniqueValue": False,
        "hidden": "hidden" in flags,
        "hubspotDefined": True,
        "modificationMetadata": {
            "archivable": True,
            "readOnlyDefinition": True,
            "readOnlyValue": "readonly" in flags,
        },
        "formField": not flags,
        "dataSensitivity": "non_sensitive",
    }


def group_of(kind: Kind) -> str:
    """The first group of a kind's properties."""
    return f"{kind.singular}information" if not kind.is_engagement else f"{kind.singular}_information"


def properties_of(kind: Kind) -> dict[str, Json]:
    """All of a kind's properties, by name."""
    rows = [*ROWS[kind.name], *(LOGGED if kind.is_engagement else ()), *COMMON]
    return {one["name"]: one for one in (definition(row, group_of(kind)) for row in rows)}


def groups_of(kind: Kind) -> dict[str, Json]:
    """All of a kind's groups, by name."""
    name = group_of(kind)
    label = f"{kind.singular.title()} information"
    return {name: {"name": name, "label": label, "displayOrder": 0, "archived": False}}


def everything() -> tuple[dict[str, dict[str, Json]], dict[str, dict[str, Json]]]:
    """Properties and groups of all kinds, new objects."""
    kinds = KINDS.values()
    return {kind.name: properties_of(kind) for kind in kinds}, {kind.name: groups_of(kind) for kind in kinds}
