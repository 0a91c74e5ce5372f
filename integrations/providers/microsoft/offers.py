"""What Microsoft can be linked for: permissions, and in plain words what is read, what is kept and what is never read.

https://learn.microsoft.com/graph/permissions-reference
"""

from django.conf import settings

from integrations.contract import Scope, Service

MAIL_SCOPES = {"basic": "Mail.ReadBasic", "read": "Mail.Read"}
"""MICROSOFT_MAIL_SCOPE to Microsoft's name. Only the second shows the text of a mail."""

WORK_PAGE = "https://myapps.microsoft.com"
PERSONAL_PAGE = "https://account.live.com/consent/Manage"

IDENTITY = (
    Scope("openid", "Know which Microsoft account this is"),
    Scope("profile", "Show its name and address to you"),
    Scope("offline_access", "Go on reading while you are not here"),
)
"""msal asks for these by itself. Permissions are named as Microsoft's answers spell them: in short."""

CALENDAR = Service(
    type="calendar",
    label="Outlook Calendar",
    adapter="integrations.calendar.outlook",
    resource="calendar",
    scopes=(*IDENTITY, Scope("Calendars.Read", "Read your calendars, without changing anything")),
    reads=(
        "Title, time, place, guests and their answers of events in the calendars you choose",
        "90 days back and 60 days ahead",
    ),
    kept=("What is read, until you disconnect and delete it",),
    never_reads=(
        "Descriptions and attachments of events: they are neither kept nor looked at",
        "Events you marked private: only that there is one, not what it is",
        "Anything in your mailbox",
    ),
    webhook_type="calendar-event",
    provider_page=WORK_PAGE,
    personal_page=PERSONAL_PAGE,
)

MAIL_READS = (
    "From, To, Cc, date and subject of mail in your inbox, archive and sent items, 90 days back",
    "Mail with nobody you know is looked at once and forgotten",
)
MAIL_KEPT = (
    "Of mail with people you know: who wrote to whom, when, the subject and which mail it answers",
    "Of all other mail nothing at all",
)
NEVER_READ = "Drafts, junk, deleted items and your other folders"

MAIL_BY_HEADERS = Service(
    type="email",
    label="Outlook Mail",
    adapter="integrations.email.outlook",
    resource="mailbox",
    scopes=(*IDENTITY, Scope(MAIL_SCOPES["basic"], "Read the headers of your mail: who, when and the subject")),
    reads=MAIL_READS,
    kept=MAIL_KEPT,
    never_reads=("The text and the attachments of any mail: this permission does not let us", NEVER_READ),
    webhook_type="email-received",
    provider_page=WORK_PAGE,
    personal_page=PERSONAL_PAGE,
)

MAIL_WITH_TEXT = Service(
    type="email",
    label="Outlook Mail",
    adapter="integrations.email.outlook",
    resource="mailbox",
    scopes=(*IDENTITY, Scope(MAIL_SCOPES["read"], "Read your mail, without changing or sending anything")),
    reads=MAIL_READS,
    kept=(*MAIL_KEPT, "The text of a mail only where you save it yourself, encrypted, until you delete it"),
    never_reads=("The text and the attachments of any mail, unless you press “Save this mail” on one", NEVER_READ),
    webhook_type="email-received",
    provider_page=WORK_PAGE,
    personal_page=PERSONAL_PAGE,
)


def services() -> tuple[Service, ...]:
    """What this installation offers: mail by the one permission it chose (MICROSOFT_MAIL_SCOPE)."""
    return CALENDAR, MAIL_WITH_TEXT if settings.MICROSOFT_MAIL_SCOPE == "read" else MAIL_BY_HEADERS
