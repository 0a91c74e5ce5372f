"""Who is told of changes: outbound messages, and an Apex trigger that calls out.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm
"""

import hashlib
import hmac
import json
import secrets
import time
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from sandbox.outbox import Message
from sandbox.salesforce import ids, soap
from sandbox.salesforce.orgs import DAY, Change, Org
from sandbox.sender import Sender, until_accepted
from sandbox.world import World

MOST_NOTIFICATIONS, MOST_CALLED = 100, 200
OUTBOUND_EVENTS = frozenset({"create", "update", "undelete"})


@dataclass
class Outbound:
    """An outbound message of an org, sent when a record of ``name`` is created or changed. An id begins with 04k."""

    id: str
    org: str
    name: str
    address: str
    fields: list[str]
    user_id: str
    is_session_sent: bool = True


@dataclass
class CallOut:
    """An Apex trigger on ``name`` that posts ids, signed with a secret shared with the receiver."""

    id: str
    org: str
    name: str
    address: str
    secret: str
    events: list[str] = field(default_factory=list)


class Notices:
    """The receivers and their sender. The world's lock guards them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sender = Sender(world, "sandbox-salesforce")
        self.outbound: dict[str, Outbound] = {}
        self.callouts: dict[str, CallOut] = {}
        self._number = 0

    def reset(self) -> None:
        """Nobody is told; what is not sent yet is thrown away."""
        self.outbound.clear()
        self.callouts.clear()
        self._sender.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._sender.stop()

    def pending(self) -> int:
        """Messages not finished yet."""
        return self._sender.pending()

    def next_number(self) -> int:
        """A number nothing else has."""
        self._number += 1
        return self._number

    def announce(self, org: Org, changes: list[Change], times: int = 1) -> None:
        """Tell of what a transaction saved, several times over if asked to."""
        for _ in range(times):
            for callout in [one for one in self.callouts.values() if one.org == org.host]:
                self._call_out(org, callout, changes)
            for outbound in [one for one in self.outbound.values() if one.org == org.host]:
                self._send_outbound(org, outbound, changes)

    def dump(self) -> dict[str, Any]:
        """The receivers as JSON; messages on their way are not kept."""
        return {
            "number": self._number,
            "outbound": [asdict(one) for one in self.outbound.values()],
            "callouts": [asdict(one) for one in self.callouts.values()],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self._number = saved["number"]
        self.outbound = {one["id"]: Outbound(**one) for one in saved["outbound"]}
        self.callouts = {one["id"]: CallOut(**one) for one in saved["callouts"]}

    def _call_out(self, org: Org, callout: CallOut, changes: list[Change]) -> None:
        """One call for each event and 200 records. A trigger tries once."""
        mine = [
            one for one in changes if one.name == callout.name and (not callout.events or one.event in callout.events)
        ]
        for event, group in groupby(mine, key=lambda one: one.event):
            found = list(dict.fromkeys(one.record_id for one in group))
            for start in range(0, len(found), MOST_CALLED):
                content = {
                    "organizationId": org.id,
                    "object": callout.name,
                    "ids": found[start : start + MOST_CALLED],
                    "event": event,
                }
                body = json.dumps(content, separators=(",", ":")).encode()
                self._send(callout, org, event, partial(signed, callout.secret, body), lambda body=body: body)

    def _send_outbound(self, org: Org, outbound: Outbound, changes: list[Change]) -> None:
        """Up to 100 notifications in a message; each keeps its id when it is sent again."""
        mine = [one.record_id for one in changes if one.name == outbound.name and one.event in OUTBOUND_EVENTS]
        found = list(dict.fromkeys(mine))
        for start in range(0, len(found), MOST_NOTIFICATIONS):
            part = found[start : start + MOST_NOTIFICATIONS]
            named = [(ids.make("04l", org.tag, self.next_number() + 62**3), record_id) for record_id in part]
            self._send(
                outbound,
                org,
                "outbound",
                soap_headers,
                partial(self._envelope, org, outbound, named),
                self._until_acknowledged(),
                soap.verdict,
            )

    def _envelope(self, org: Org, outbound: Outbound, named: list[tuple[str, str]]) -> bytes:
        """Written at each try: what is late tells of the records as they are by then."""
        session = f"{org.id[:15]}!{secrets.token_hex(40)}" if outbound.is_session_sent else ""
        rows = [(notification_id, org.row(record_id)) for notification_id, record_id in named]
        there = [(notification_id, row) for notification_id, row in rows if row is not None]
        return soap.envelope(org, outbound.id, outbound.name, outbound.fields, session, there)

    def _until_acknowledged(self) -> Any:
        """Again and again for a day, ever more slowly."""
        begun = self._world.clock.now().timestamp()

        def next_try(status: int | str, tries: int) -> float | None:
            is_over = self._world.clock.now().timestamp() - begun > DAY
            return None if is_over else until_accepted(status, tries)

        return next_try

    def _send(
        self,
        receiver: Outbound | CallOut,
        org: Org,
        state: str,
        headers: Any,
        body: Any,
        next_try: Any = lambda status, tries: None,
        verdict: Any = lambda answer: answer.status_code,
    ) -> None:
        known: Any = self.outbound if isinstance(receiver, Outbound) else self.callouts
        message = Message(
            channel_id=receiver.id,
            address=receiver.address,
            state=state,
            number=self.next_number(),
            headers=headers,
            is_wanted=lambda: known.get(receiver.id) is receiver,
            next_try=next_try,
            body=body,
            verdict=verdict,
        )
        self._sender.send(message, org.host)


def signed(secret: str, body: bytes) -> dict[str, str]:
    """The headers of a call-out. Its time is the real one, whatever the sandbox's clock says; all of the secret but
    what follows its last dot names it."""
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "SFDC-Callout/62.0",
        "X-Salesforce-Secret-Id": secret.rpartition(".")[0],
        "X-Salesforce-Timestamp": stamp,
        "X-Salesforce-Signature": b64encode(digest).decode(),
    }


def soap_headers() -> dict[str, str]:
    """What comes with an outbound message. Nothing in it is signed."""
    return {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '""',
        "User-Agent": "Jakarta Commons-HttpClient/3.1",
    }
