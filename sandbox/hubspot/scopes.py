"""The permissions an app may ask for, as the consent page words them.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
"""

KNOWN = {
    "oauth": "Basic OAuth functionality",
    "crm.objects.contacts.read": "Read contacts, and what is logged about them",
    "crm.objects.contacts.write": "Create, change and delete contacts, notes and tasks",
    "crm.objects.companies.read": "Read companies",
    "crm.objects.companies.write": "Create, change and delete companies",
    "crm.schemas.contacts.read": "Read the settings of contacts' properties",
    "crm.schemas.contacts.write": "Create and change properties of contacts",
    "crm.schemas.companies.read": "Read the settings of companies' properties",
    "crm.schemas.companies.write": "Create and change properties of companies",
    "crm.objects.owners.read": "See who owns records",
    "sales-email-read": "Read the bodies of logged emails",
}
