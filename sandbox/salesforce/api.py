"""What every call of the data API has in common: the session, the count of calls, errors, and telling of changes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.providers import Call, View
from sandbox.salesforce import errors, identity, writes
from sandbox.salesforce.errors import ApiError, bad_json, not_found
from sandbox.salesforce.orgs import DAY, Org
from sandbox.salesforce.scopes import DATA
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.salesforce.tables import Table

FIRST_VERSION, LAST_VERSION = 31, 66
LONGEST_ADDRESS = 16_384
INNER = "sandbox.salesforce.inner"
"""In the environment of a request that came inside another one: it is not counted again."""


@dataclass(frozen=True)
class Ask:
    """One call: who asks which org for what, in which version (62.0), by which app's client id."""

    call: Call
    salesforce: Salesforce
    org: Org
    user_id: str
    version: str
    app: str

    @property
    def request(self) -> Request:
        """The request itself."""
        return self.call.request

    @property
    def args(self) -> dict[str, str]:
        """The parts of the path."""
        return dict(self.call.args)

    @property
    def writer(self) -> writes.Writer:
        """How this user saves, by the header on duplicates."""
        header = self.request.headers.get("Sforce-Duplicate-Rule-Header", "")
        may_duplicate = "allowsave=true" in header.replace(" ", "").lower()
        return writes.Writer(self.org, self.user_id, may_duplicate, app=self.app)

    def body(self) -> Any:
        """The request's JSON; ApiError if it is none."""
        try:
            return json.loads(self.request.get_data())
        except ValueError:
            raise bad_json("The HTTP entity body is required, but this request has no entity body.") from None

    def json_object(self) -> dict[str, Any]:
        """The request's JSON object."""
        body = self.body()
        if not isinstance(body, dict):
            raise bad_json("Can not deserialize request body as Map")
        return body

    def table(self, name: str, *, is_tooling: bool = False) -> Table:
        """A table by its object's name; ApiError if it is not there for this user."""
        found = self.org.table(name)
        if found is None or self.org.access.is_object_hidden(self.user_id, found.kind.name):
            raise not_found()
        if found.kind.is_tooling is not is_tooling:
            raise not_found()
        return found

    def path(self, rest: str) -> str:
        """An address of this API, as replies have it."""
        return f"/services/data/v{self.version}/{rest}"


Answer = Callable[[Ask], Response]


def api(function: Answer) -> View:
    """A view for a function that answers a signed-in user."""

    def view(call: Call) -> Response:
        salesforce = salesforce_of(call.world)
        if len(call.request.full_path) > LONGEST_ADDRESS:
            return Response("<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", 414, mimetype="text/html")
        with call.world.lock:
            try:
                ask = admitted(salesforce, call)
            except ApiError as error:
                return error.response()
            try:
                count(ask)
                with ask.org.all_or_nothing():
                    response = function(ask)
            except ApiError as error:
                response = error.response()
            ask.org.settle()
            salesforce.announce(ask.org)
            response.headers["Sforce-Limit-Info"] = ask.org.limits.usage
            return response

    return view


def admitted(salesforce: Salesforce, call: Call) -> Ask:
    """The call's user and org; ApiError if the session is over, of another org, or not for data."""
    version = call.args["version"]
    number, _, minor = version.partition(".")
    if minor != "0" or not number.isdecimal() or not FIRST_VERSION <= int(number) <= LAST_VERSION:
        raise not_found()
    found = identity.signed_in(salesforce, call.request)
    if found is None or found[0].host != call.args["host"]:
        raise errors.invalid_session()
    org, user, scopes = found
    if not DATA & set(scopes):
        raise ApiError("INVALID_SESSION_ID", "This session is not valid for use with the REST API", status=401)
    org.settle()
    app = salesforce.tokens.sessions[identity.bearer(call.request)].grant.client_id
    return Ask(call, salesforce, org, user["Id"], version, app)


def count(ask: Ask) -> None:
    """One call more today; ApiError if there were too many, or too many long ones at once."""
    limits, now = ask.org.limits, ask.org.now()
    if ask.request.environ.get(INNER):
        return
    if now - limits.since >= DAY:
        limits.since, limits.used = now, 0
    if limits.long_calls:
        limits.long_calls -= 1
        raise errors.limit_exceeded(errors.CONCURRENT_LIMIT)
    if limits.used >= limits.most:
        raise errors.limit_exceeded(errors.TOTAL_LIMIT)
    limits.used += 1
