"""The door of the API: whose token, which scopes, how often; and what every answer carries."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.hubspot.errors import ApiError, invalid, missing_scopes, reply
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Source
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.hubspot.tokens import Token
from sandbox.hubspot.values import written
from sandbox.hubspot.writing import Writer
from sandbox.providers import Call, View

Json = dict[str, Any]
LONGEST_ADDRESS = 8_190


@dataclass(frozen=True)
class Visit:
    """An admitted request."""

    call: Call
    hubspot: HubSpot
    portal: Portal
    token: Token

    @property
    def request(self) -> Request:
        """As it came."""
        return self.call.request

    @property
    def body(self) -> Json:
        """Its JSON object; ApiError 400 for anything else."""
        try:
            body = json.loads(self.request.get_data())
        except ValueError:
            raise invalid("Invalid input JSON") from None
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: an object is expected")
        return body

    def writer(self) -> Writer:
        """The app as somebody who writes."""
        app_id = self.hubspot.tokens.app_id(self.token.client_id)
        return self.hubspot.writer(self.portal, Source("INTEGRATION", str(app_id)))

    def require(self, *scopes: str) -> None:
        """ApiError 403 if none of the scopes was granted."""
        if not set(scopes) & set(self.token.scopes):
            raise missing_scopes(*scopes)


Answer = tuple[int, Any]
Handler = Callable[[Visit], Answer]


def served(handler: Handler, *scopes: str, is_search: bool = False) -> View:
    """A view of the API. One of the scopes is enough; none lets everybody in who has a token."""

    def view(call: Call) -> Response:
        headers: dict[str, str] = {}
        try:
            with call.world.lock:
                visit = admitted(call)
                headers = visit.hubspot.meter.enter(visit.portal.id, visit.token.client_id, is_search=is_search)
                visit.hubspot.troubles.check(call.operation, visit.portal.id)
                if scopes:
                    visit.require(*scopes)
                try:
                    status, content = handler(visit)
                finally:
                    visit.hubspot.announce()
            response = reply(content, status)
        except ApiError as error:
            response = error.response()
        response.headers.update(headers)
        return response

    return view


def admitted(call: Call) -> Visit:
    """Whose request it is. ApiError 401 without a good token, 414 for too long an address."""
    hubspot = hubspot_of(call.world)
    if len(call.request.full_path) > LONGEST_ADDRESS:
        raise ApiError(414, "URI_TOO_LONG", "URI Too Long")
    token = hubspot.tokens.access.get(bearer(call.request))
    if token is None or token.portal_id not in hubspot.portals:
        message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
        raise ApiError(401, "INVALID_AUTHENTICATION", message)
    late = hubspot.tokens.now() - token.expires_at
    if late >= 0:
        message = f"The OAuth token used to make this call expired {int(late)} second(s) ago."
        context = {"expire time": [written(int(token.expires_at * 1000))]}
        raise ApiError(401, "EXPIRED_AUTHENTICATION", message, context=context)
    return Visit(call, hubspot, hubspot.portals[token.portal_id], token)


def bearer(request: Request) -> str:
    """The access token of a request; empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
