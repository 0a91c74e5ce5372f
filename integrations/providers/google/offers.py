"""What Google can be linked for: permissions, and in plain words what is read, what is kept and what is never read."""

from django.conf import settings

from integrations.contract import Scope, Service

MAIL_SCOPES = {
    "readonly": "https://www.googleapis.com/auth/gmail.readonly",
    "metadata": "https://www.googleapis.com/auth/gmail.metadata",
}
"""GMAIL_SCOPE to Google's name. A token that holds both is treated as the lesser one, so they never meet in one."""

CONNECTIONS_PAGE = "https://myaccount.google.com/connections"

IDENTITY = (
    Scope("openid", "Know which Google account this is"),
    Scope("https://www.googleapis.com/auth/userinfo.email", "Show its address to you"),
)

CALENDAR = Service(
    type="calendar",
    label="Google Calendar",
    adapter="integrations.calendar.google",
    resource="calendar",
    scopes=(
        *IDENTITY,
        Scope("https://www.googleapis.com/auth/calendar.events.readonly", "Read the events of your calendars"),
        Scope(
            "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
            "List your calendars, so that you can choose among them",
            is_required=False,
        ),
    ),
    reads=(
        "Title, time, place, guests and their answers of events in the calendars you choose",
        "90 days back and 60 days ahead",
    ),
    kept=("What is read, until you disconnect and delete it",),
    never_reads=(
        "Descriptions and attachments of events",
        "Events you marked private: only that there is one, not what it is",
        "Anything in your mailbox",
    ),
    webhook_type="calendar-event",
    provider_page=CONNECTIONS_PAGE,
)

MAIL_KEPT = (
    "Of mail with people you know: who wrote to whom, when, the subject and which mail it answers",
    "Of all other mail nothing at all",
    "The text of a mail only where you save it yourself, encrypted, until you delete it",
)

MAIL_BY_SEARCH = Service(
    type="email",
    label="Gmail",
    adapter="integrations.email.gmail",
    resource="mailbox",
    scopes=(*IDENTITY, Scope(MAIL_SCOPES["readonly"], "Read your mail, without changing or sending anything")),
    reads=(
        "From, To, Cc, date and subject of mail with the people and firms you know, 90 days back",
        "Your own addresses, to tell what you sent",
    ),
    kept=MAIL_KEPT,
    never_reads=(
        "The text and the attachments of any mail, unless you press “Save this mail” on one",
        "Drafts, chats, spam and the bin",
    ),
    webhook_type="email-received",
    provider_page=CONNECTIONS_PAGE,
)

MAIL_BY_HEADERS = Service(
    type="email",
    label="Gmail",
    adapter="integrations.email.gmail",
    resource="mailbox",
    scopes=(*IDENTITY, Scope(MAIL_SCOPES["metadata"], "Read the headers of your mail: who, when and the subject")),
    reads=(
        "From, To, Cc, date and subject of all mail, 90 days back: this permission cannot search",
        "Mail with nobody you know is looked at once and forgotten",
    ),
    kept=MAIL_KEPT[:2],
    never_reads=(
        "The text and the attachments of any mail: this permission does not let us",
        "Drafts, chats, spam and the bin",
    ),
    webhook_type="email-received",
    provider_page=CONNECTIONS_PAGE,
)


def services() -> tuple[Service, ...]:
    """What this installation offers: mail by the one permission it chose (GMAIL_SCOPE)."""
    return CALENDAR, MAIL_BY_HEADERS if settings.GMAIL_SCOPE == "metadata" else MAIL_BY_SEARCH


def is_mixed(scopes: tuple[str, ...]) -> bool:
    """Whether a grant holds both permissions of mail."""
    return set(MAIL_SCOPES.values()) <= set(scopes)
