"""What HubSpot can be linked for: permissions, and in plain words what is read and written."""

from integrations.contract import Scope, Service

CRM = Service(
    type="crm",
    label="HubSpot",
    adapter="crm.hubspot",
    resource="crm",
    is_company_wide=True,
    scopes=(
        Scope("oauth", "Know which HubSpot account this is"),
        Scope("crm.objects.contacts.read", "Read contacts, and the notes, tasks and meetings on them"),
        Scope("crm.objects.contacts.write", "Create and update contacts, notes, tasks and meetings"),
        Scope("crm.objects.companies.read", "Read companies"),
        Scope("crm.objects.companies.write", "Create and update companies"),
        Scope("crm.schemas.contacts.read", "Read which properties contacts have, so that they can be mapped"),
        Scope("crm.schemas.companies.read", "Read which properties companies have, so that they can be mapped"),
        Scope("crm.schemas.contacts.write", "Create our properties of contacts, if you ask for it", is_required=False),
        Scope(
            "crm.schemas.companies.write", "Create our properties of companies, if you ask for it", is_required=False
        ),
    ),
    reads=(
        "Companies and contacts: the properties that your mapping names",
        "Notes marked for sync (#lpxgp in the text)",
        "The list of properties, so that they can be mapped",
    ),
    kept=("What is read, and what we wrote, until an admin disconnects and deletes it",),
    writes=(
        "Match score, summary and date of the last sync on companies, as your mapping says",
        "Meetings, mails, follow-ups and notes marked for sync, on the people they are about",
        "Nothing is ever deleted, merged or archived there",
    ),
    never_reads=("Deals, tickets, conversations, files and all other objects",),
    webhook_type="crm-contact",
    provider_page="https://app.hubspot.com/l/integrations-settings/installed",
)

REQUIRED = tuple(scope.name for scope in CRM.scopes if scope.is_required)
OPTIONAL = tuple(scope.name for scope in CRM.scopes if not scope.is_required)


def services() -> tuple[Service, ...]:
    """What this installation offers."""
    return (CRM,)
