"""HubSpot's addresses in each generation, and the statuses that differ between them.

v1 to v3 are unsupported from September 2027, v4 from March 2027: the dated paths are the default, and the old ones are
there for whoever sits behind something that knows no others.
https://developers.hubspot.com/docs/api-reference/overview
"""

from django.conf import settings

API = "https://api.hubapi.com"

DATED = {
    "objects": "/crm/objects/2026-09/{object}",
    "properties": "/crm/properties/2026-09/{object}",
    "associations": "/crm/associations/2026-09/{source}/{target}/batch/{verb}",
}
NUMBERED = {
    "objects": "/crm/v3/objects/{object}",
    "properties": "/crm/v3/properties/{object}",
    "associations": "/crm/v4/associations/{source}/{target}/batch/{verb}",
}
GENERATIONS = {"2026-09": DATED, "v3": NUMBERED}


def objects(object: str, rest: str = "") -> str:
    """The address of a kind of record, or of what follows it, such as /batch/read."""
    return _table()["objects"].format(object=object) + rest


def properties(object: str, rest: str = "") -> str:
    """The address of a kind of record's fields."""
    return _table()["properties"].format(object=object) + rest


def associations(source: str, target: str, verb: str) -> str:
    """The address that reads or creates many associations at once."""
    return _table()["associations"].format(source=source, target=target, verb=verb)


def _table() -> dict[str, str]:
    return GENERATIONS[settings.HUBSPOT_API_GENERATION]
