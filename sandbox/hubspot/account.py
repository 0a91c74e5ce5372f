"""Whose portal it is, and who works in it.

https://developers.hubspot.com/docs/api-reference/account-account-info-v3/guide
"""

from typing import Any
from zoneinfo import ZoneInfo

from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.errors import not_found
from sandbox.hubspot.objects import flag, number_of
from sandbox.hubspot.portals import Owner

Json = dict[str, Any]
MOST_OWNERS = 500


def details(visit: Visit) -> Answer:
    """GET /account-info/v3/details."""
    facts = visit.portal.facts
    offset = visit.call.world.clock.now().astimezone(ZoneInfo(facts.time_zone)).strftime("%z")
    hours, minutes = int(offset[:3]), int(offset[0] + offset[3:])
    return 200, {
        "portalId": visit.portal.id,
        "accountType": "STANDARD",
        "timeZone": facts.time_zone,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": f"{offset[:3]}:{offset[3:]}",
        "utcOffsetMilliseconds": (hours * 60 + minutes) * 60_000,
        "uiDomain": facts.ui_domain,
        "dataHostingLocation": facts.hosting,
    }


def list_owners(visit: Visit) -> Answer:
    """GET /crm/v3/owners/: by pages, by address, archived ones apart."""
    args = visit.request.args
    is_archived, email = flag(visit.request, "archived"), args.get("email", "").lower()
    found = [one for one in visit.portal.owners if one.is_archived is is_archived and email in ("", one.email)]
    limit = min(number_of(args.get("limit") or "100", "limit"), MOST_OWNERS)
    start = number_of(args.get("after") or "0", "after")
    content: Json = {"results": [shown(one) for one in found[start : start + limit]]}
    if start + limit < len(found):
        content["paging"] = {"next": {"after": str(start + limit), "link": ""}}
    return 200, content


def get_owner(visit: Visit) -> Answer:
    """GET /crm/v3/owners/ID, or by the user's number."""
    wanted, is_by_user = visit.call.args["owner_id"], visit.request.args.get("idProperty") == "userId"
    for one in visit.portal.owners:
        if wanted == (str(one.user_id) if is_by_user else one.id):
            return 200, shown(one)
    raise not_found()


def shown(owner: Owner) -> Json:
    """An owner as the API shows him."""
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": None if owner.is_archived else owner.user_id,
        "userIdIncludingInactive": owner.user_id,
        "createdAt": owner.created_at,
        "updatedAt": owner.created_at,
        "archived": owner.is_archived,
    }
