"""Time zones by the names Outlook uses: Windows' own and IANA's.

https://learn.microsoft.com/graph/api/resources/datetimetimezone
https://github.com/unicode-org/cldr/blob/main/common/supplemental/windowsZones.xml
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

WINDOWS = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "W. Europe Standard Time": "Europe/Berlin",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "Romance Standard Time": "Europe/Paris",
    "E. Europe Standard Time": "Europe/Chisinau",
    "FLE Standard Time": "Europe/Kyiv",
    "GTB Standard Time": "Europe/Bucharest",
    "Turkey Standard Time": "Europe/Istanbul",
    "Russian Standard Time": "Europe/Moscow",
    "Israel Standard Time": "Asia/Jerusalem",
    "Egypt Standard Time": "Africa/Cairo",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Arabian Standard Time": "Asia/Dubai",
    "Pakistan Standard Time": "Asia/Karachi",
    "India Standard Time": "Asia/Kolkata",
    "Nepal Standard Time": "Asia/Kathmandu",
    "SE Asia Standard Time": "Asia/Bangkok",
    "China Standard Time": "Asia/Shanghai",
    "Singapore Standard Time": "Asia/Singapore",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Korea Standard Time": "Asia/Seoul",
    "Cen. Australia Standard Time": "Australia/Adelaide",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "New Zealand Standard Time": "Pacific/Auckland",
    "E. South America Standard Time": "America/Sao_Paulo",
    "Argentina Standard Time": "America/Argentina/Buenos_Aires",
    "Newfoundland Standard Time": "America/St_Johns",
    "Atlantic Standard Time": "America/Halifax",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "US Mountain Standard Time": "America/Phoenix",
    "Pacific Standard Time": "America/Los_Angeles",
    "Alaskan Standard Time": "America/Anchorage",
    "Hawaiian Standard Time": "Pacific/Honolulu",
}
_IANA = {name: ZoneInfo(iana) for name, iana in WINDOWS.items()}


def zone(name: str) -> ZoneInfo:
    """The zone of a Windows or IANA name; ValueError for a name that stands for none."""
    if name in _IANA:
        return _IANA[name]
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r}") from error


def instant(moment: dict[str, Any]) -> datetime:
    """A dateTimeTimeZone → aware UTC. A time the clocks skip moves on by the gap; of a doubled one the first."""
    return wall(moment).replace(tzinfo=zone(moment["timeZone"])).astimezone(UTC)


def wall(moment: dict[str, Any]) -> datetime:
    """A dateTimeTimeZone → what the clock on the wall says, naive."""
    return datetime.fromisoformat(moment["dateTime"])


def moment_of(at: datetime, name: str) -> dict[str, str]:
    """An aware time → dateTimeTimeZone in the zone of that name."""
    return written(at.astimezone(zone(name)).replace(tzinfo=None), name)


def written(naive: datetime, name: str) -> dict[str, str]:
    """Wall-clock time as Graph writes it: seven digits of a second, and the zone beside it."""
    return {"dateTime": f"{naive:%Y-%m-%dT%H:%M:%S}.{naive.microsecond * 10:07d}", "timeZone": name}
