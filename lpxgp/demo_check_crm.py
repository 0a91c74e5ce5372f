"""demo-check's steps with the CRMs: Northlight's Salesforce, Harbourview's HubSpot, and staff who map a field.

People change records in the pretend CRMs by the control API, and staff work in the real admin by a small browser.
"""

import hashlib
import hmac
import json
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import requests
from django.db.models import Q
from django.utils import timezone

from crm.models import Conflict, FieldMapping, RecordLink, Write
from integrations.models import Channel
from lpxgp import demo, demo_crm_links, demo_crm_worlds, demo_stage
from lpxgp.demo_check_mapping import MappingCheck
from lpxgp.demo_crm_links import SALESFORCE, CrmLink
from lpxgp.demo_stage import Stage, Stuck
from relationships.models import Match, Person
from webhooks.models import Delivery

WITHIN = 30
BEST = 99
NEW_TITLE, THEIR_PHONE, OUR_PHONE = "Chief Risk Officer", "+41 79 555 90 01", "+41 44 555 90 02"
HOOKS = "/webhooks/crm-contact"
CORE_HOOK = "/webhooks/entity-updated"


@dataclass(frozen=True)
class Field:
    """A field of a record in the CRM that is linked to a row of ours."""

    link: RecordLink
    name: str


class CrmCheck:
    """The steps, in the order they are played. ``rejected`` counts the forgeries that were refused."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._crms = demo_crm_links.load(stage)
        self.rejected = 0

    def steps(self) -> tuple[Callable[[], None], ...]:
        """Raise Stuck, LookupError or requests' errors."""
        return (
            self.link_crms,
            self.follow_the_crms,
            self.push_scores,
            self.settle_conflicts,
            self.map_a_field,
            self.reject_forged_crm_pushes,
        )

    def link_crms(self) -> None:
        """Both admins consent; firms, people and marked notes come in, and what is ours goes out."""
        for crm in self._crms:
            browser = demo.sign_in(self._stage, crm.admin)
            demo_crm_links.connect(self._stage, browser, crm)
            if crm.provider == SALESFORCE:
                demo_crm_links.announce_salesforce(self._stage, browser, crm)
        for crm in self._crms:
            self._stage.wait(partial(demo_crm_links.is_synced, crm), WITHIN, f"the first sync of {crm.provider}")
            if not Person.unscoped.filter(company=crm.company, display_name="Regula Amstad").exists():
                raise Stuck(f"Somebody whom only {crm.provider} knew did not come in.")
            written = Write.unscoped.filter(integration=crm.integration, state=Write.State.DONE)
            if not written.filter(link__kind="organization").exists():
                raise Stuck(f"No score reached {crm.provider}.")

    def follow_the_crms(self) -> None:
        """A contact's title changes in the CRM, and is here by push."""
        for crm in self._crms:
            title = self._field(crm, "person.title")
            self._change_there(crm, title, NEW_TITLE)
            person = Person.unscoped.filter(pk=title.link.row_id, title=NEW_TITLE)
            self._stage.wait(person.exists, WITHIN, f"the new title of {crm.provider}")
            pushed = Delivery.objects.filter(provider=crm.provider, status=Delivery.Status.DONE)
            self._stage.wait(pushed.exists, WITHIN, f"a push of {crm.provider} to be done")

    def push_scores(self) -> None:
        """The core says that a score changed: it reaches the CRM once, and its echo ends there."""
        for crm in self._crms:
            score = self._field(crm, "match.score", error_cause="")
            Match.unscoped.filter(organization=score.link.row_id).update(score=BEST, scored_at=timezone.now())
            before = timezone.now()
            self._tell_of_match(crm)
            written = Write.unscoped.filter(link=score.link, planned_at__gte=before)
            self._stage.wait(partial(self._is_best, crm, score), WITHIN, f"the new score in {crm.provider}")
            self._stage.wait(written.filter(echoes__gt=0).exists, WITHIN, f"its echo from {crm.provider}")
            if written.count() != 1:
                raise Stuck(f"The score was written {written.count()} times to {crm.provider}.")

    def settle_conflicts(self) -> None:
        """Both sides change one phone number: the CRM's stays, and ours is kept in the journal."""
        for crm in self._crms:
            phone = self._field(crm, "person.phone")
            person = Person.unscoped.filter(pk=phone.link.row_id)
            demo_crm_links.wait_for_silence(self._stage, crm)
            person.update(phone=OUR_PHONE, updated_at=timezone.now())
            self._change_there(crm, phone, THEIR_PHONE)
            journaled = Conflict.unscoped.filter(link=phone.link, ours=OUR_PHONE, theirs=THEIR_PHONE, winner="theirs")
            self._stage.wait(journaled.exists, WITHIN, f"the conflict with {crm.provider}")
            if not person.filter(phone=THEIR_PHONE).exists():
                raise Stuck(f"The phone number of {crm.provider} did not stay.")

    def map_a_field(self) -> None:
        """Staff map a new field in the admin, see it refused for one firm, correct, publish, and take it back."""
        MappingCheck(self._stage, self._crms[0]).map_a_field()

    def reject_forged_crm_pushes(self) -> None:
        """Who does not know the secret gets 401 and leaves no delivery behind."""
        for crm in self._crms:
            demo_crm_links.wait_for_silence(self._stage, crm)
        before = Delivery.objects.count()
        now = str(int(time.time()))
        apex = json.dumps({"organizationId": "00D000000000000EAA", "object": "Contact", "ids": []}).encode()
        channel = Channel.unscoped.get(integration=self._crms[0].integration, state=Channel.State.LIVE)
        apex_headers = {
            "X-Salesforce-Secret-Id": f"{channel.channel_id}.{channel.signing_id}",
            "X-Salesforce-Timestamp": now,
            "X-Salesforce-Signature": _mac(b"forged", now.encode(), apex),
        }
        self._refused(f"{HOOKS}/salesforce", apex, apex_headers)
        self._refused(f"{HOOKS}/salesforce/{channel.channel_id}/forged", b"<Envelope/>", {"Content-Type": "text/xml"})
        stamp = str(int(time.time() * 1000))
        signed = _mac(b"forged", b"POST", f"{self._stage.web}{HOOKS}/hubspot".encode(), b"[]", stamp.encode())
        hubspot_headers = {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": signed}
        self._refused(f"{HOOKS}/hubspot", b"[]", hubspot_headers)
        self._refused(CORE_HOOK, b"{}", {"webhook-id": "m1", "webhook-timestamp": now, "webhook-signature": "v1,Zm9v"})
        if Delivery.objects.count() != before:
            raise Stuck("A forged push was stored.")

    def counts(self) -> dict[str, int]:
        """Of both companies: records that came in, writes that went out, values that gave way, echoes of writes."""
        mine = Q(integration__in=[crm.integration for crm in self._crms])
        came = RecordLink.unscoped.filter(mine, kind__in=("organization", "person", "note"), state="linked")
        written = Write.unscoped.filter(mine, state=Write.State.DONE)
        return {
            "pulled": came.filter(external_stamp__isnull=False).count(),
            "pushed": written.count(),
            "conflicts": Conflict.unscoped.filter(mine).count(),
            "echoes": written.filter(echoed_at__isnull=False).count(),
        }

    def _field(self, crm: CrmLink, lpxgp_field: str, **more: Any) -> Field:
        """A mapped field of some linked record. Raises Stuck."""
        line = FieldMapping.unscoped.get(company=crm.company, crm_provider=crm.provider, lpxgp_field=lpxgp_field)
        links = RecordLink.unscoped.filter(integration=crm.integration, crm_object=line.crm_object, state="linked")
        if lpxgp_field == "match.score":
            scored = Match.unscoped.filter(company=crm.company).values("organization")
            links = links.filter(row_id__in=scored)
        link = links.filter(row_id__isnull=False, **more).order_by("external_id").first()
        if link is None:
            raise Stuck(f"No {line.crm_object} of {crm.provider} is linked.")
        return Field(link, line.crm_field)

    def _change_there(self, crm: CrmLink, field: Field, value: object) -> None:
        link = field.link
        demo_crm_worlds.change(self._stage, crm.provider, link.crm_object, link.external_id, **{field.name: value})

    def _is_best(self, crm: CrmLink, score: Field) -> bool:
        record = demo_crm_worlds.held(self._stage, crm.provider, score.link.crm_object, score.link.external_id)
        return Decimal(str(record.get(score.name) or 0)) == BEST

    def _tell_of_match(self, crm: CrmLink) -> None:
        """As LPxGP Core does, signed after the Standard Webhooks specification."""
        body = json.dumps({"type": "match.updated", "company_id": str(crm.company.pk), "entity": "match"}).encode()
        message, now = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
        secret = b64decode(demo_stage.CORE_SECRET.removeprefix("whsec_"))
        signed = _mac(secret, f"{message}.{now}.".encode(), body)
        headers = {"webhook-id": message, "webhook-timestamp": now, "webhook-signature": f"v1,{signed}"}
        answer = self._post(CORE_HOOK, body, headers)
        if answer.status_code != 202:
            raise Stuck(f"Word of a changed score was answered {answer.status_code}.")

    def _refused(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        answer = self._post(path, body, headers)
        if answer.status_code != 401:
            raise Stuck(f"A forged push to {path} was answered {answer.status_code}.")
        self.rejected += 1

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> requests.Response:
        sent = {"Content-Type": "application/json"} | headers
        return demo_stage.local().post(f"{self._stage.web}{path}", data=body, headers=sent, timeout=10)


def _mac(secret: bytes, *parts: bytes) -> str:
    return b64encode(hmac.new(secret, b"".join(parts), hashlib.sha256).digest()).decode()
