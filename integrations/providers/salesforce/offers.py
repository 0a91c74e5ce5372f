"""What Salesforce can be linked for: permissions, where one logs in, and in plain words what is read and written."""

from integrations.contract import Choice, Question, Scope, Service
from integrations.providers.salesforce import hosts

LOGIN_HOST = "login_host"

CRM = Service(
    type="crm",
    label="Salesforce",
    adapter="crm.salesforce",
    resource="crm",
    is_company_wide=True,
    scopes=(
        Scope("api", "Read and write records with the API, as far as the person who allows it may"),
        Scope("refresh_token", "Stay connected until you disconnect"),
        Scope("id", "Know which organization this is"),
    ),
    reads=(
        "Accounts and contacts: the fields that your mapping names",
        "Notes marked for sync (#lpxgp in title or text)",
        "The list of fields of these objects, so that they can be mapped",
    ),
    kept=("What is read, and what we wrote, until an admin disconnects and deletes it",),
    writes=(
        "Match score, summary and date of the last sync on accounts, as your mapping says",
        "Meetings and mails as events and tasks, follow-ups as tasks, and notes marked for sync",
        "Nothing is ever deleted, merged or archived there",
    ),
    never_reads=("Opportunities, cases, files, e-mails and all other objects",),
    webhook_type="crm-contact",
    push_steps=(
        "In Salesforce's Setup open Outbound Messages and make a new one for Contact, with the address above as its "
        "endpoint. Leave “Send Session ID” off: we need no session of yours. Choose the field Id alone.",
        "In Setup open Flows and make a record-triggered flow on Contact that runs after a record is created or "
        "updated. Its one action is the outbound message. Activate it.",
        "Do both for Account too, with the same address.",
    ),
    signed_push_steps=(
        "Save the secret in Salesforce's Setup as the custom setting “LPxGP Settings”, field “Webhook Secret”.",
        "Deploy the class LPxGPNotifier and its triggers, which whoever runs this installation can give you. They also "
        "tell of deleted records, which an outbound message does not.",
    ),
    provider_page="https://help.salesforce.com/s/articleView?id=sf.remoteaccess_revoke_token.htm",
    questions=(
        Question(
            name=LOGIN_HOST,
            label="Where do you log in to Salesforce?",
            choices=(
                Choice(hosts.PRODUCTION, "Production", "login.salesforce.com: the organization you work in"),
                Choice(hosts.SANDBOX, "Sandbox", "test.salesforce.com: a copy to try things in"),
            ),
            typed=Choice("my-domain", "My Domain", "Where your company does not let you log in at the others"),
            text_label="Address of your My Domain, such as acme.my.salesforce.com",
            checked=hosts.login,
        ),
    ),
)


def services() -> tuple[Service, ...]:
    """What this installation offers."""
    return (CRM,)
