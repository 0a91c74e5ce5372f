"""One path for each thing: HubSpot takes dated and numbered versions, and kinds by name or number.

https://developers.hubspot.com/changelog/legacy-apis-and-legacy-apps
"""

import re

from werkzeug.wrappers import Request

from sandbox.hubspot.kinds import SPELLINGS

APP, API = "/hubspot-app", "/hubspot-api"
DATED = re.compile(rf"^{API}/(?:crm/(objects|properties|associations|owners)|(account-info))/2026-(?:03|09)(?=/|$)")
KIND_PLACE = re.compile(rf"^({API}/crm/v[34]/(?:objects|properties)/)([^/]+)")
PAIR_PLACE = re.compile(rf"^({API}/crm/v4/associations/)([^/]+)/([^/]+)")
TARGET_PLACE = re.compile(r"(/associations/(?:default/)?)([^/]+)(/[^/]+)?$")


def canonical(path: str) -> str:
    """The path of the numbered version, kinds by their names, without a slash at the end."""
    if not path.startswith(f"{API}/"):
        return path.rstrip("/") if path.startswith(f"{APP}/") else path
    path = DATED.sub(numbered, path.rstrip("/"))
    if "/associations/" in path:
        path = path.replace(f"{API}/crm/v3/objects/", f"{API}/crm/v4/objects/", 1)
    path = KIND_PLACE.sub(lambda found: found[1] + named(found[2]), path)
    if path.startswith(f"{API}/crm/v4/objects/"):
        path = TARGET_PLACE.sub(lambda found: found[1] + named(found[2]) + (found[3] or ""), path)
    return PAIR_PLACE.sub(lambda found: f"{found[1]}{named(found[2])}/{named(found[3])}", path)


def numbered(found: re.Match[str]) -> str:
    """The beginning of a dated path, in the version that came before it."""
    if found[2]:
        return f"{API}/account-info/v3"
    return f"{API}/crm/{'v4' if found[1] == 'associations' else 'v3'}/{found[1]}"


def named(spelling: str) -> str:
    """A kind by its name; anything else stays as it is."""
    return SPELLINGS.get(spelling.lower(), spelling)


def is_dated(request: Request) -> bool:
    """Whether the request came to a dated path, where some statuses differ."""
    return bool(DATED.match(request.path))
