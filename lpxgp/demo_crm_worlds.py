"""The demo's story told to the pretend Salesforce and HubSpot, and whom they are to tell of changes."""

import os
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from html import unescape
from typing import Any

from django.utils import timezone

from lpxgp import demo_stage
from lpxgp.demo_browser import Browser, form_with
from lpxgp.demo_crm import CrmFirm, CrmNote, CrmPerson, Story
from lpxgp.demo_stage import Stage

PUSH_ADDRESS = re.compile(r"https?://[^<\s]+/webhooks/crm-contact/salesforce/[^<\s]+")
PUSH_SECRET = re.compile(r"\b[0-9a-f-]{36}\.[0-9a-f]{8}\.[\w-]{22}\.[\w-]{43}", re.ASCII)
ORG = "northlight.my.salesforce.com"
PORTAL = 4_711_003
OUR_KEY = {"label": "LPxGP sync id", "type": "Text", "length": 64, "externalId": True, "unique": True}
OUR_FIELDS: dict[str, dict[str, Any]] = {
    "Account.LPxGP_Match_Score__c": {"label": "LPxGP match score", "type": "Number", "precision": 5, "scale": 2},
    "Account.LPxGP_Summary__c": {
        "label": "LPxGP summary",
        "type": "LongTextArea",
        "length": 32768,
        "visibleLines": 5,
    },
    **{f"{name}.LPxGP_Sync_Id__c": OUR_KEY for name in ("Account", "Contact", "Activity")},
}
"""Made by the org's admin already. The date of the last sync is missing: the product offers to create it."""

RULES = [
    {
        "object": "Account",
        "when": "BillingCountry = 'Monaco' AND Type = null",
        "message": "Compliance: accounts in Monaco need a Type before they can be saved.",
        "field": "Type",
    }
]
"""Refuses one record, so that the error console has something to show; a mapping of the firm's kind mends it."""


def fill_salesforce(stage: Stage, name: str, username: str, admin: str, tell: Callable[[], Story]) -> None:
    """An org of this name, whose administrator signs in as ``username``; one with accounts stays as it is.

    ``tell`` is asked of an empty one alone: our rows tell it no more once people have worked with them.
    """
    users = [{"username": username, "name": admin}]
    stage.control("salesforce/orgs", org=ORG, name=name, users=users)
    if has_records(stage, f"salesforce/records?org={ORG}&object=Account"):
        return
    story = tell()
    for field, metadata in OUR_FIELDS.items():
        stage.control("salesforce/fields", org=ORG, field=field, metadata=metadata)
    accounts = _saved(stage, "Account", [_account(firm) for firm in story.firms])
    by_key = dict(zip([firm.key for firm in story.firms], accounts, strict=True))
    contacts = _saved(stage, "Contact", [_contact(person, by_key.get(person.firm)) for person in story.people])
    by_email = dict(zip([person.email for person in story.people], contacts, strict=True))
    _saved(stage, "Note", [_note(note, by_email[note.email]) for note in story.notes])
    winner, loser = (by_email[email] for email in story.merged)
    stage.control("salesforce/records/merge", org=ORG, winner=winner, losers=[loser], silent=True)
    stage.control("salesforce/validation_rules", org=ORG, rules=RULES)


def fill_hubspot(stage: Stage, name: str, domain: str, owners: Iterable[str], tell: Callable[[], Story]) -> None:
    """A portal of this name; one with companies stays as it is. The app is known there by its id.

    ``tell`` is asked of an empty one alone, as above.
    """
    owned = [{"email": email} for email in owners]
    stage.control("hubspot/portals", id=PORTAL, name=name, domain=domain, time_zone="Europe/London", owners=owned)
    stage.control(
        "hubspot/clients",
        client_id=os.environ["HUBSPOT_CLIENT_ID"],
        client_secret=os.environ["HUBSPOT_CLIENT_SECRET"],
        app_id=os.environ["HUBSPOT_APP_ID"],
    )
    if has_records(stage, f"hubspot/records?portal={PORTAL}&type=companies"):
        return
    story = tell()
    make = {"data_type": "string", "fieldType": "text"}
    score = {"data_type": "number", "fieldType": "number", "label": "LPxGP match score"}
    stage.control("hubspot/properties", portal=PORTAL, type="companies", name="lpxgp_match_score", **score)
    summary = {"data_type": "string", "fieldType": "textarea", "label": "LPxGP summary"}
    stage.control("hubspot/properties", portal=PORTAL, type="companies", name="lpxgp_summary", **summary)
    for kind in ("companies", "contacts"):
        key = {"name": "lpxgp_sync_id", "label": "LPxGP sync id", "unique": True}
        stage.control("hubspot/properties", portal=PORTAL, type=kind, **key, **make)
    companies = _put(stage, "companies", [{"properties": _company(firm)} for firm in story.firms])
    by_key = dict(zip([firm.key for firm in story.firms], companies, strict=True))
    records = [
        {"properties": _hubspot_contact(person), **({"company": by_key[person.firm]} if person.firm else {})}
        for person in story.people
    ]
    by_email = dict(zip([person.email for person in story.people], _put(stage, "contacts", records), strict=True))
    _put(stage, "notes", [_hubspot_note(note, number, by_email) for number, note in enumerate(story.notes)])
    primary, other = (by_email[email] for email in story.merged)
    stage.control("hubspot/records/merge", portal=PORTAL, type="contacts", primary=primary, other=other, silent=True)


def announce_salesforce(stage: Stage, admin: Browser, pushes_page: str) -> None:
    """Have Salesforce tell us of changes. What was ordered before, perhaps for other addresses, is over.

    Outbound Messages go to the address that the settings show to the company's admin alone; deletions, which they do
    not know, and notes are told by the call-out of docs/salesforce-push.md, signed with a secret that is made for it.
    """
    stage.control("salesforce/notices/remove")
    page = admin.get(pushes_page)
    found = PUSH_ADDRESS.findall(unescape(page.text))
    if not found:
        raise demo_stage.Stuck(f"{pushes_page} shows no address for Salesforce's outbound messages.")
    shown = PUSH_SECRET.search(admin.prove(admin.submit(page, form_with(page, "instead_of"))).text)
    if not shown:
        raise demo_stage.Stuck(f"{pushes_page} shows no secret for Apex to sign with.")
    for name in ("Account", "Contact"):
        stage.control("salesforce/outbound_messages", org=ORG, object=name, address=found[0], session=False)
    called = {"address": f"{stage.web}/webhooks/crm-contact/salesforce", "secret": shown[0]}
    for name, events in (("Account", ["delete", "undelete"]), ("Contact", ["delete", "undelete"]), ("Note", [])):
        stage.control("salesforce/apex_callout", org=ORG, object=name, events=events, **called)


def announce_hubspot(stage: Stage) -> None:
    """HubSpot tells the app, wherever it is installed."""
    stage.control(
        "hubspot/webhooks",
        target=f"{stage.web}/webhooks/crm-contact/hubspot",
        client_id=os.environ["HUBSPOT_CLIENT_ID"],
    )


def has_records(stage: Stage, path: str) -> bool:
    """Whether the pretend CRM lists any there."""
    answer = demo_stage.local().get(f"{stage.sandbox}/control/{path}", timeout=30)
    return bool(answer.json().get("records"))


def _saved(stage: Stage, name: str, records: list[dict[str, Any]]) -> list[str]:
    ids: list[str] = stage.control("salesforce/records", org=ORG, object=name, records=records, silent=True)["ids"]
    return ids


def _put(stage: Stage, kind: str, records: list[dict[str, Any]]) -> list[str]:
    ids: list[str] = stage.control("hubspot/records", portal=PORTAL, type=kind, records=records, silent=True)["ids"]
    return ids


def _account(firm: CrmFirm) -> dict[str, Any]:
    website = f"https://www.{firm.domain}"
    return {"Name": firm.name, "Website": website, "BillingCity": firm.city, "BillingCountry": firm.country}


def _contact(person: CrmPerson, account: str | None) -> dict[str, Any]:
    return {
        "FirstName": person.first or None,
        "LastName": person.last,
        "Email": person.email,
        "Phone": person.phone or None,
        "Title": person.title or None,
        "AccountId": account,
    }


def _note(note: CrmNote, contact: str) -> dict[str, Any]:
    return {"ParentId": contact, "Title": note.title, "Body": note.text}


def _company(firm: CrmFirm) -> dict[str, str]:
    return {"name": firm.name, "domain": firm.domain, "city": firm.city, "country": firm.country}


def _hubspot_contact(person: CrmPerson) -> dict[str, str]:
    return {
        "firstname": person.first,
        "lastname": person.last,
        "email": person.email,
        "phone": person.phone,
        "jobtitle": person.title,
    }


def _hubspot_note(note: CrmNote, number: int, contacts: dict[str, str]) -> dict[str, Any]:
    body = f"<p><strong>{note.title}</strong></p><p>{note.text}</p>"
    at = timezone.now() - timedelta(days=9 * number + 9)
    return {"properties": {"hs_note_body": body, "hs_timestamp": at.isoformat()}, "contacts": [contacts[note.email]]}


def held(stage: Stage, provider: str, crm_object: str, external_id: str) -> dict[str, Any]:
    """What a pretend CRM holds of a record. Raises LookupError."""
    if provider == "salesforce":
        path = f"salesforce/records?org={ORG}&object={crm_object}&id={external_id}"
    else:
        path = f"hubspot/records?portal={PORTAL}&type={crm_object}"
    records = demo_stage.local().get(f"{stage.sandbox}/control/{path}", timeout=30).json()["records"]
    for record in records:
        if external_id in {record.get("Id"), record.get("id")}:
            return dict(record.get("properties", record))
    raise LookupError(f"{provider} has no {crm_object} {external_id}.")


def change(stage: Stage, provider: str, crm_object: str, external_id: str, **values: Any) -> None:
    """Somebody changes a record in a pretend CRM, which tells us."""
    if provider == "salesforce":
        stage.control("salesforce/records/update", org=ORG, id=external_id, fields=values)
    else:
        record = {"id": external_id, "properties": values}
        stage.control("hubspot/records", portal=PORTAL, type=crm_object, records=[record])
