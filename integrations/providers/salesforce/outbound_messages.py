"""Salesforce's Outbound Messages: SOAP that nothing signs. What proves one is the address it came to.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_understanding.htm
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from integrations.errors import Unreadable

DEEPEST = 8
"""An Envelope, its Body, notifications, Notification, sObject, field: six."""
MOST_ELEMENTS = 60_000
MOST_NOTIFICATIONS = 1_000
"""Salesforce sends a hundred at most."""

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
RECORDS = ("{urn:sobject.enterprise.soap.sforce.com}", "{urn:sobject.partner.soap.sforce.com}")
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
DECLARED = re.compile(r"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")

ACKNOWLEDGEMENT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">
 <soapenv:Body>
  <notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">
   <Ack>true</Ack>
  </notificationsResponse>
 </soapenv:Body>
</soapenv:Envelope>
"""
"""One for all notifications of a message. Whatever else is answered brings them again, for a day."""


@dataclass(frozen=True)
class Notification:
    """Its own id, and the kind and id of the record that it is about."""

    id: str
    object: str
    record_id: str


@dataclass(frozen=True)
class Message:
    """One message. The session that it may carry is never read."""

    organization_id: str
    notifications: tuple[Notification, ...]


def parse(body: bytes) -> Message:
    """A message from its SOAP. Raises Unreadable for everything else, such as what has a DTD or is no UTF-8."""
    found = _tree(body).find(f"{SOAP}Body/{OUTBOUND}notifications")
    organization_id = found.findtext(f"{OUTBOUND}OrganizationId") if found is not None else None
    if found is None or not organization_id:
        raise Unreadable("This is no Outbound Message.")
    notifications = tuple(_notification(one) for one in found.iterfind(f"{OUTBOUND}Notification"))
    if not 0 < len(notifications) <= MOST_NOTIFICATIONS:
        raise Unreadable("An Outbound Message has some notifications, and not thousands.")
    return Message(organization_id.strip(), notifications)


class _Shallow(TreeBuilder):
    """Gives up on what is deeper or larger than any message is."""

    depth = count = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        self.count += 1
        if self.depth > DEEPEST or self.count > MOST_ELEMENTS:
            raise Unreadable("It is deeper or larger than Salesforce's messages are.")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def _tree(body: bytes) -> Element:
    try:
        text = body.decode("utf-8-sig")
        declared = DECLARED.match(text)
        # With a zero in each character the parser would take it for UTF-16.
        if "\0" in text or (declared and declared[1].lower() not in {"utf-8", "utf8"}):
            raise Unreadable("Salesforce writes UTF-8.")
        parser = DefusedXMLParser(target=_Shallow(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
        parser.feed(text)
        tree: Element = parser.close()
    except (UnicodeDecodeError, ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable("It is no XML that we read.") from error
    return tree


def _notification(element: Element) -> Notification:
    record = element.find(f"{OUTBOUND}sObject")
    ids = [record.findtext(f"{space}Id") for space in RECORDS] if record is not None else []
    kind = record.get(TYPE, "").rpartition(":")[2] if record is not None else ""
    own = element.findtext(f"{OUTBOUND}Id") or ""
    record_id = next((one for one in ids if one), "")
    if not own or not kind or not record_id:
        raise Unreadable("A notification does not say which record it is about.")
    return Notification(own.strip(), kind, record_id.strip())
