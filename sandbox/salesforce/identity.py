"""Who the user is: the identity URL, and userinfo.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid.htm
"""

from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.providers import Call
from sandbox.salesforce import derived, errors
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.scopes import IDENTITY
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.salesforce.values import moment_text


def bearer(request: Request) -> str:
    """The request's access token; Salesforce takes OAuth as well as Bearer. Empty without one."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() in {"bearer", "oauth"} else ""


def signed_in(salesforce: Salesforce, request: Request) -> tuple[Org, Row, list[str]] | None:
    """Org, user and scopes of a session that goes on."""
    session = salesforce.tokens.live(bearer(request))
    found = salesforce.find_user(session.grant.org, session.grant.username) if session else None
    if session is None or found is None or not found[1].get("IsActive"):
        return None
    return *found, session.grant.scopes


def userinfo(call: Call) -> Response:
    """GET /services/oauth2/userinfo."""
    salesforce = salesforce_of(call.world)
    with call.world.lock:
        found = signed_in(salesforce, call.request)
        if found is None:
            return Response("Bad_OAuth_Token", 403, mimetype="text/plain")
        org, user, scopes = found
        if not IDENTITY & set(scopes):
            return Response("Missing_OAuth_Scope", 403, mimetype="text/plain")
        return errors.reply({"sub": identity_url(org, user), **person(org, user), "updated_at": stamp(user, "Z")})


def identity_url(org: Org, user: Row) -> str:
    """Where the user's identity is read; it names org and user."""
    return f"https://{org.login_host}/id/{org.id}/{user['Id']}"


def identity(call: Call) -> Response:
    """GET /id/ORG/USER at a login host, or at the org's own."""
    salesforce = salesforce_of(call.world)
    with call.world.lock:
        found = signed_in(salesforce, call.request)
        if found is None:
            return Response("Bad_OAuth_Token", 403, mimetype="text/plain")
        org, user, scopes = found
        if not IDENTITY & set(scopes):
            return Response("Missing_OAuth_Scope", 403, mimetype="text/plain")
        if (org.id[:15], user["Id"][:15]) != (call.args["org_id"][:15], call.args["user_id"][:15]):
            return Response("Wrong_Org", 403, mimetype="text/plain")
        shared = person(org, user)
        own = {
            "id": identity_url(org, user),
            "asserted_user": True,
            "username": user["Username"],
            "nick_name": shared.pop("nickname"),
            "display_name": shared.pop("name"),
            "first_name": shared.pop("given_name"),
            "last_name": shared.pop("family_name"),
            "timezone": shared.pop("zoneinfo"),
            "last_modified_date": stamp(user, "+0000"),
        }
        return errors.reply({**own, **shared})


def person(org: Org, user: Row) -> dict[str, Any]:
    """What both say of a user."""
    base = f"https://{org.host}"
    return {
        "user_id": user["Id"],
        "organization_id": org.id,
        "preferred_username": user["Username"],
        "nickname": user["CommunityNickname"],
        "name": derived.full_name(user),
        "email": user["Email"],
        "email_verified": True,
        "given_name": user.get("FirstName"),
        "family_name": user["LastName"],
        "zoneinfo": user["TimeZoneSidKey"],
        "photos": {"picture": f"{base}/profilephoto/005/F", "thumbnail": f"{base}/profilephoto/005/T"},
        "profile": f"{base}/{user['Id']}",
        "picture": f"{base}/profilephoto/005/F",
        "address": {},
        "is_salesforce_integration_user": False,
        "urls": urls(base, org.id[:15], user["Id"]),
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
    }


def urls(base: str, org_id: str, user_id: str) -> dict[str, str]:
    """Addresses of the org's APIs; the org's id has 15 letters here."""
    rest = f"{base}/services/data/v{{version}}/"
    soap = f"{base}/services/Soap"
    return {
        "enterprise": f"{soap}/c/{{version}}/{org_id}",
        "metadata": f"{soap}/m/{{version}}/{org_id}",
        "partner": f"{soap}/u/{{version}}/{org_id}",
        "rest": rest,
        "sobjects": f"{rest}sobjects/",
        "search": f"{rest}search/",
        "query": f"{rest}query/",
        "recent": f"{rest}recent/",
        "tooling_soap": f"{soap}/T/{{version}}/{org_id}",
        "tooling_rest": f"{rest}tooling/",
        "profile": f"{base}/{user_id}",
        "feeds": f"{rest}chatter/feeds",
        "groups": f"{rest}chatter/groups",
        "users": f"{rest}chatter/users",
        "feed_items": f"{rest}chatter/feed-items",
        "feed_elements": f"{rest}chatter/feed-elements",
        "custom_domain": base,
    }


def stamp(user: Row, zone: str) -> str:
    """When the user was changed last."""
    text = moment_text(user["LastModifiedDate"])
    return text if zone == "+0000" else text.replace(".000+0000", zone)
