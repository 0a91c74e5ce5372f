"""Outbound messages as SOAP, and the one answer that counts.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_understanding.htm
"""

from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

import requests
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sandbox.salesforce import derived
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.fields import NUMBERS, Field
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.values import soap_moment

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
VERSION = "62.0"
NOT_ACKNOWLEDGED = "not acknowledged"


def envelope(
    org: Org, action_id: str, name: str, wanted: list[str], session: str, rows: list[tuple[str, Row]]
) -> bytes:
    """One message with a notification for each row."""
    host = f"https://{org.host}/services/Soap"
    session_xml = f"<SessionId>{session}</SessionId>" if session else '<SessionId xsi:nil="true"/>'
    notifications = "".join(notification(org, name, wanted, each, row) for each, row in rows)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f'<notifications xmlns="{OUTBOUND}"><OrganizationId>{org.id}</OrganizationId>'
        f"<ActionId>{action_id}</ActionId>{session_xml}"
        f"<EnterpriseUrl>{host}/c/{VERSION}/{org.id[:15]}</EnterpriseUrl>"
        f"<PartnerUrl>{host}/u/{VERSION}/{org.id[:15]}</PartnerUrl>"
        f"{notifications}</notifications></soapenv:Body></soapenv:Envelope>"
    )
    return text.encode()


def notification(org: Org, name: str, wanted: list[str], notification_id: str, row: Row) -> str:
    """One record: its id first, then the fields chosen; what is null is not there at all."""
    fields = {one.name: one for one in org.all_fields(name)}
    shown = {"Id": row["Id"]}
    for key in sorted(wanted):
        value = derived.value(name, row, key)
        if key in fields and key != "Id" and value is not None:
            shown[key] = written(fields[key], value)
    inner = "".join(f"<sf:{key}>{escape(text)}</sf:{key}>" for key, text in shown.items())
    return (
        f'<Notification><Id>{notification_id}</Id><sObject xsi:type="sf:{name}" '
        f'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{inner}</sObject></Notification>'
    )


def written(field: Field, value: Any) -> str:
    """A value as SOAP has it."""
    if field.type == "datetime":
        return soap_moment(value)
    if field.type == "boolean":
        return "true" if value else "false"
    if field.type in NUMBERS and field.type != "int":
        return str(float(value))
    return str(value)


def verdict(answer: requests.Response) -> int | str:
    """200 for an acknowledgement as it must be, the status for an error, else that it was none."""
    if answer.status_code != 200:
        return answer.status_code if answer.status_code >= 300 else NOT_ACKNOWLEDGED
    is_xml = answer.headers.get("Content-Type", "").partition(";")[0].strip() == "text/xml"
    try:
        root = fromstring(answer.content)
    except (ParseError, DefusedXmlException, ValueError):
        return NOT_ACKNOWLEDGED
    return 200 if is_xml and is_acknowledged(root) else NOT_ACKNOWLEDGED


def is_acknowledged(root: Element) -> bool:
    """Envelope, Body, notificationsResponse, Ack, each in its namespace, and ``true``."""
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        return False
    found = root.find(f"{{{ENVELOPE}}}Body/{{{OUTBOUND}}}notificationsResponse/{{{OUTBOUND}}}Ack")
    return found is not None and (found.text or "").strip() == "true"
