"""Which field of the CRM might be meant by one of ours: by the standard mapping, by name and by type, with the reason.

Nothing is mapped by itself: staff take a suggestion with one click.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crm import checks
from crm.catalogue import KIND_LABELS, OURS, OurField
from crm.checks import Crm
from crm.contract import Field
from crm.mapping import Row
from crm.models import ConflictRule, Direction

NAMES: Mapping[str, frozenset[str]] = {
    "org.name": frozenset({"name", "account name", "company name", "firm"}),
    "org.kind": frozenset({"type", "account type", "investor type", "company type", "kind"}),
    "org.city": frozenset({"city", "billing city", "town", "seat"}),
    "org.country": frozenset({"country", "billing country", "country region"}),
    "org.domain": frozenset({"website", "domain", "company domain name", "web site", "mail domain"}),
    "match.score": frozenset({"match score", "lpxgp match score", "fit score", "score"}),
    "match.summary": frozenset({"summary", "lpxgp summary", "match summary"}),
    "match.last_synced": frozenset({"last synced", "lpxgp last synced"}),
    "person.name": frozenset({"full name", "name"}),
    "person.first_name": frozenset({"first name", "given name", "firstname"}),
    "person.last_name": frozenset({"last name", "surname", "family name", "lastname"}),
    "person.email": frozenset({"email", "e mail", "email address", "work email"}),
    "person.phone": frozenset({"phone", "business phone", "phone number", "telephone"}),
    "person.title": frozenset({"title", "job title", "jobtitle", "position"}),
    "meeting.title": frozenset({"subject", "meeting title", "title", "meeting name"}),
    "meeting.starts_at": frozenset({"start", "start date time", "meeting start time", "start time"}),
    "meeting.ends_at": frozenset({"end", "end date time", "meeting end time", "end time"}),
    "meeting.filed_at": frozenset({"timestamp", "activity date"}),
    "meeting.location": frozenset({"location", "meeting location", "place"}),
    "meeting.description": frozenset({"description", "body", "meeting description", "meeting body", "comments"}),
    "email.title": frozenset({"subject", "email subject"}),
    "email.sent_at": frozenset({"timestamp", "activity date", "due date only", "due date"}),
    "email.description": frozenset({"description", "comments", "text body", "email text", "text"}),
    "email.direction": frozenset({"direction", "email direction"}),
    "email.status": frozenset({"status"}),
    "email.type": frozenset({"task subtype"}),
    "task.title": frozenset({"subject", "task title", "title", "task subject"}),
    "task.description": frozenset({"description", "comments", "task notes", "task body", "body"}),
    "task.due_on": frozenset({"due date", "due date only", "activity date", "timestamp"}),
    "task.priority": frozenset({"priority", "task priority"}),
    "task.status": frozenset({"status", "task status"}),
    "note.title": frozenset({"title"}),
    "note.text": frozenset({"body", "note body", "text"}),
    "note.written_at": frozenset({"timestamp", "activity date", "create date"}),
}
"""What CRMs call each field of ours, in lower case and without signs."""


@dataclass(frozen=True)
class Suggestion:
    """A line that could be added, and why it is thought so."""

    row: Row
    ours: OurField
    theirs: Field
    reason: str


def missing(rows: Sequence[Row], crm: Crm, standard: Sequence[Row] = ()) -> list[Suggestion]:
    """One suggestion for each field of ours that no line maps and that the CRM seems to have, in the catalogue's order.

    What would be an error is not suggested.
    """
    mapped = {row.lpxgp_field for row in rows}
    by_default = {row.lpxgp_field: row for row in standard}
    taken = {(_kind(row), row.crm_field) for row in rows}
    found = []
    for ours in OURS.values():
        free = {name for name in crm.schema.get(crm.objects.get(ours.kind, ""), {}) if (ours.kind, name) not in taken}
        best = None if ours.name in mapped else _best(ours, free, crm, by_default.get(ours.name))
        if best:
            found.append(best)
            taken.add((ours.kind, best.theirs.name))
    return _together(found, rows, crm, {row.lpxgp_field for row in standard})


def fitted(ours: OurField, crm_object: str, theirs: Field) -> Row:
    """A line from ours to theirs with the direction, rule and transform that suit both."""
    row = Row(ours.name, crm_object, theirs.name, transform=_bridge(ours, theirs))
    is_writable = theirs.is_createable or theirs.is_updateable
    if not ours.is_incoming:
        return replace(row, sync_direction=Direction.TO_CRM.value, conflict_rule=ConflictRule.OURS_WINS.value)
    return row if is_writable else replace(row, sync_direction=Direction.FROM_CRM.value)


def _best(ours: OurField, free: Collection[str], crm: Crm, standard: Row | None) -> Suggestion | None:
    crm_object = crm.objects.get(ours.kind, "")
    fields = crm.schema.get(crm_object, {})
    if standard and standard.crm_object == crm_object and standard.crm_field in free:
        reason = "it is part of the standard mapping"
        return _if_sound(Suggestion(standard, ours, fields[standard.crm_field], reason), crm)
    for name in sorted(free, key=lambda name: (fields[name].is_custom, name)):
        theirs = fields[name]
        words = sorted({plain(theirs.label), plain(theirs.name)} & NAMES.get(ours.name, frozenset({plain(ours.label)})))
        if words:
            row = fitted(ours, crm_object, theirs)
            more = "; its table of choices is to be completed" if _is_partial(row, ours) else ""
            reason = f"it is called “{theirs.label}”, and the types fit{more}"
            if sound := _if_sound(Suggestion(row, ours, theirs, reason), crm):
                return sound
    return None


def _is_partial(row: Row, ours: OurField) -> bool:
    """Whether a table of choices lacks some of our values."""
    pairs = (row.transform.get("options") or {}).get("pairs")
    return pairs is not None and len(pairs) < len(ours.options)


def _if_sound(suggestion: Suggestion, crm: Crm) -> Suggestion | None:
    return None if checks.errors(checks.of_row(0, suggestion.row, crm)) else suggestion


def _together(
    found: Sequence[Suggestion], rows: Sequence[Row], crm: Crm, standard: Collection[str]
) -> list[Suggestion]:
    """Those that can all be taken without an error more, the standard ones before others: no full name beside its
    parts."""
    kept: list[Suggestion] = []
    taken, most = list(rows), len(checks.errors(checks.problems(rows, crm)))
    for each in sorted(found, key=lambda each: each.ours.name not in standard):
        if len(checks.errors(checks.problems([*taken, each.row], crm))) <= most:
            taken.append(each.row)
            kept.append(each)
    return [each for each in found if each in kept]


def _bridge(ours: OurField, theirs: Field) -> dict[str, Any]:
    name = checks.BRIDGES.get((ours.type, theirs.type), "")
    if ours.name == "org.domain":
        name = "domain"
    if name == "choice_table":
        pairs = table(ours, theirs)
        return {"name": name, "options": {"pairs": pairs}} if pairs else {}
    if name == "domain":
        return {"name": name, "options": {"form": "address" if theirs.type == "url" else "domain"}}
    if name:
        return {"name": name, "options": {}}
    is_long = ours.type == "long_text" or (ours.type == "text" and (ours.max_length or 0) > (theirs.max_length or 0))
    can_cut = theirs.max_length is not None and theirs.type in {"text", "long_text"} and not ours.constant
    return {"name": "shorten", "options": {}} if is_long and can_cut else {}


def table(ours: OurField, theirs: Field) -> list[list[str]]:
    """Rows for a table of choices: each of our values beside the CRM's that is called alike."""
    pairs = []
    for option in ours.options:
        names = {plain(option.value), plain(option.label)}
        alike = [each.value for each in theirs.options if names & {plain(each.value), plain(each.label)}]
        pairs += [[option.value, value] for value in alike[:1]]
    return pairs


def plain(name: str) -> str:
    """A label or API name in lower case words: “BillingCity”, “billing_city__c” and “Billing City” are one."""
    words = re.sub(r"__c$", "", name)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words)
    words = " ".join(re.sub(r"[^a-z0-9]+", " ", words.lower()).split())
    return words.removeprefix("hs ")


def title(suggestion: Suggestion) -> str:
    """What a suggestion proposes, in one line."""
    ours, theirs = suggestion.ours, suggestion.theirs
    return f"{KIND_LABELS[ours.kind]}: {ours.label} with {theirs.label}"


def _kind(row: Row) -> str:
    return OURS[row.lpxgp_field].kind if row.lpxgp_field in OURS else ""
