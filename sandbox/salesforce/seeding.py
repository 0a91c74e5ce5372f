"""What every org has from its first day: itself, profiles and their permission sets; and how it gets users."""

from typing import Any

from sandbox.salesforce import writes
from sandbox.salesforce.orgs import Org

PROFILES = ("System Administrator", "Standard User", "Minimum Access - API Only Integrations")
ADMINISTRATOR = PROFILES[0]


def seed(org: Org) -> None:
    """Profiles, each with the permission set it owns."""
    for name in PROFILES:
        profile_id = put(org, "Profile", Name=name, UserType="Standard")
        rights = {"PermissionsApiEnabled": True, "PermissionsCustomizeApplication": name == ADMINISTRATOR}
        set_name = f"X{profile_id[:15]}"
        put(org, "PermissionSet", Name=set_name, Label=name, ProfileId=profile_id, IsOwnedByProfile=True, **rights)
    put(org, "Organization", Name=org.name, IsSandbox=org.is_sandbox, OrganizationType="Enterprise Edition")
    org.changes.clear()


def put(org: Org, name: str, **values: Any) -> str:
    """A record by Salesforce itself, with fields nobody else may write."""
    table = org.tables[name]
    now = org.now()
    record_id = org.id if name == "Organization" else table.new_id()
    stamps = {"CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
    table.put({"Id": record_id, **values, **stamps})
    return record_id


def add_user(org: Org, username: str, given: dict[str, Any]) -> str:
    """Create or change a user: ``name``, ``email``, ``profile``, ``active``, ``time_zone``; the user's id."""
    known = {row["Username"]: row for row in org.users()}
    before = known.get(username)
    first, _, last = str(given.get("name") or username.partition("@")[0].title()).rpartition(" ")
    profile = str(given.get("profile") or ADMINISTRATOR)
    values = {
        "FirstName": first or None,
        "LastName": last,
        "Email": given.get("email") or username,
        "IsActive": bool(given.get("active", True)),
        "TimeZoneSidKey": given.get("time_zone") or "Europe/Berlin",
        "ProfileId": profile_id(org, profile),
    }
    writer = writes.Writer(org, "")
    if before is not None:
        kept = {key: value for key, value in values.items() if key in CHANGES and CHANGES[key] in given}
        writes.update(writer, "User", before["Id"], kept | ({"LastName": last} if "name" in given else {}))
        return str(before["Id"])
    own = {"Username": username, "Alias": username[:8], "CommunityNickname": username[:40]}
    user_id = writes.create(writer, "User", {**own, **values})
    owned = [row for row in org.tables["PermissionSet"].everything() if row.get("ProfileId") == values["ProfileId"]]
    put(org, "PermissionSetAssignment", PermissionSetId=owned[0]["Id"], AssigneeId=user_id)
    org.forget_schema()
    return user_id


CHANGES = {
    "FirstName": "name",
    "Email": "email",
    "IsActive": "active",
    "TimeZoneSidKey": "time_zone",
    "ProfileId": "profile",
}


def profile_id(org: Org, name: str) -> str:
    """A profile's id; a new one of this name is made."""
    for row in org.tables["Profile"].everything():
        if row["Name"] == name:
            return str(row["Id"])
    made = put(org, "Profile", Name=name, UserType="Standard")
    put(org, "PermissionSet", Name=f"X{made[:15]}", Label=name, ProfileId=made, IsOwnedByProfile=True)
    return made


def may_customize(org: Org, user_id: str) -> bool:
    """Whether a user may create fields: by the profile's permission set or another one."""
    assigned = org.tables["PermissionSetAssignment"].everything()
    sets = {row["PermissionSetId"] for row in assigned if row["AssigneeId"] == user_id}
    rows = org.tables["PermissionSet"].everything()
    return any(row["Id"] in sets and row.get("PermissionsCustomizeApplication") for row in rows)
