"""Records that are linked to nothing yet: linked to the row they are, made a row of, or put to staff as twins."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.utils import timezone

from crm import links, matches, rows, twins
from crm.comparing import Compared
from crm.contract import Record
from crm.intake import DOUBLE, TAG, WAITS, Page
from crm.matches import Match, Stranger, key_of
from crm.models import Policy, RecordLink
from integrations.outsiders import Rules
from relationships import addresses
from relationships.models import BlockRule


@dataclass
class _Claims:
    """Who among the strangers of a page was first: by the row of ours, or by an address, domain or name."""

    links: dict[uuid.UUID, RecordLink]
    rows: dict[uuid.UUID, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def welcome(page: Page, records: Sequence[Record]) -> list[Compared]:
    """What is linked now, to be compared like the others; rows that were made are among it. Ten statements at most."""
    if not records:
        return []
    known = [stranger for stranger in _read(page, records) if _is_wanted(page, stranger)]
    found = matches.find(page.integration, page.kind, known, page.lines, page.intake.context)
    claims = _Claims(_links(page, {match.row_id for match in found.values()}))
    doubles = _doubles(page, known, found, claims)
    apart = twins.dismissed(page.integration, doubles.values())
    linked: list[Compared] = []
    wanted: list[Stranger] = []
    for stranger in known:
        name = stranger.record.external_id
        if (double := doubles.get(name)) and double.digest not in apart:
            _set_apart(page, stranger, double)
        elif double or name not in found:
            wanted.append(_without_addresses(stranger) if double else stranger)
        else:
            linked.append(_link(page, stranger, found[name], claims))
    linked += _make(page, wanted)
    if linked:
        page.intake.linked.add(page.kind)
    return linked


def _read(page: Page, records: Iterable[Record]) -> list[Stranger]:
    crm_object = page.intake.adapter.objects[page.kind]
    key_field = page.intake.adapter.key_fields.get(crm_object, "")
    return [matches.read(record, page.lines, page.intake.context, key_field) for record in records]


def _is_wanted(page: Page, stranger: Stranger) -> bool:
    """Colleagues are no contacts, nor is whom the firm never takes; a note is ours to read where it says so."""
    if page.kind == "note":
        is_marked = any(TAG in str(value).lower() for value in stranger.record.values.values())
        page.skipped["unmarked"] += not is_marked
        return is_marked
    outsiders = page.intake.outsiders
    if any(_is_colleague(outsiders, email) for email in stranger.emails[:1]):
        page.skipped["colleague"] += 1
        return False
    if any(outsiders.blocked.strength(email, None) == BlockRule.Strength.NEVER for email in stranger.emails):
        page.skipped["blocked"] += 1
        return False
    return True


def _is_colleague(rules: Rules, email: str) -> bool:
    """As Rules.is_colleague, which remembers everybody it was ever asked about."""
    try:
        domain = addresses.domain_of(email)
    except ValueError:
        return False
    return key_of(email) in rules.colleagues or not rules.own_domains.isdisjoint(addresses.with_parents(domain))


def _links(page: Page, row_ids: set[uuid.UUID]) -> dict[uuid.UUID, RecordLink]:
    """The links these rows have already; those of the page as they are being changed."""
    at_hand = {link.pk: link for link in (*page.book.links.values(), *page.book.touched.values())}
    found = links.of_rows(page.integration, page.kind, row_ids)
    return {pk: at_hand.get(link.pk, link) for pk, link in found.items()}


def _doubles(
    page: Page, strangers: Sequence[Stranger], found: dict[str, Match], claims: _Claims
) -> dict[str, twins.Proposal]:
    """The strangers whose row is another record's already, or that are the same as one before them."""
    doubles: dict[str, twins.Proposal] = {}
    for stranger in strangers:
        name, match = stranger.record.external_id, found.get(stranger.record.external_id)
        other = _holder(match.row_id, claims) if match else ""
        keys = [] if match else _keys(page.kind, stranger)
        other = other or next((claims.keys[key] for key in keys if key in claims.keys), "")
        if other:
            doubles[name] = twins.Proposal(page.kind, DOUBLE, theirs=(other, name))
        elif match:
            claims.rows[match.row_id] = name
        else:
            claims.keys |= dict.fromkeys(keys, name)
    return doubles


def _holder(row_id: uuid.UUID, claims: _Claims) -> str:
    """The record that a row of ours is linked to, unless that is gone."""
    link = claims.links.get(row_id)
    if link is None or link.deleted_at is not None:
        return claims.rows.get(row_id, "")
    return link.external_id or claims.rows.get(row_id, "")


def _keys(kind: str, stranger: Stranger) -> list[str]:
    """What no two rows of ours share."""
    if kind == "person":
        return [key_of(email) for email in stranger.emails]
    if kind == "organization":
        domain, name = stranger.values.get("org.domain"), str(stranger.values.get("org.name") or "").lower()
        return [key for key in (f"@{domain}" if domain else "", name) if key]
    return []


def _set_apart(page: Page, stranger: Stranger, double: twins.Proposal) -> None:
    """Leave it until staff decided."""
    page.skipped["twin"] += 1
    if stranger.record.external_id in page.book.links:
        return
    link = _new(page, stranger, None)
    link.state, link.reason = RecordLink.State.IGNORED, double.reason
    held = {line.crm_field: line.normal(stranger.record.values.get(line.crm_field)) for line in page.lines}
    # Both sides never agreed: it is kept for staff, who are to know it by its name.
    link.shadow = {name: {"theirs": value, "ours": None} for name, value in held.items() if value is not None}
    page.book.proposals.append(double)
    page.book.touch(link)


def _link(page: Page, stranger: Stranger, match: Match, claims: _Claims) -> Compared:
    """Link it to the row it is. What that was linked to before is gone, or was never made."""
    _drop_waiting(page, stranger)
    link = claims.links.get(match.row_id) or _new(page, stranger, match.row_id)
    if link.external_id != stranger.record.external_id:
        link.external_id, link.external_stamp = stranger.record.external_id, None
        link.shadow = link.shadow if link.state == RecordLink.State.NEW else {}
        link.state, link.deleted_at, link.reason = RecordLink.State.LINKED, None, ""
        link.created_at = timezone.now()
    for rival in match.rivals:
        reason = "One record of the CRM fits both."
        page.book.proposals.append(twins.Proposal(page.kind, reason, ours=(match.row_id, rival)))
    return Compared(link, stranger.record, is_new=True)


def _drop_waiting(page: Page, stranger: Stranger) -> None:
    """What it looked like is gone: it waits for nobody any more."""
    waiting = page.book.links.pop(stranger.record.external_id, None)
    if waiting is not None:
        page.book.dropped.append(waiting)


def _new(page: Page, stranger: Stranger, row_id: uuid.UUID | None) -> RecordLink:
    crm_object = page.intake.adapter.objects[page.kind]
    return links.new(page.integration, page.kind, crm_object, stranger.record.external_id, row_id)


def _without_addresses(stranger: Stranger) -> Stranger:
    """Staff said it is somebody else: what the other one has here already is left there."""
    values = {name: value for name, value in stranger.values.items() if name not in {"person.email", "org.domain"}}
    return Stranger(replace(stranger.record, addresses=()), values, stranger.problems)


def are_taken(policy: Policy, kind: str) -> bool:
    """Whether the company takes what the CRM alone has."""
    return {"organization": policy.takes_organizations, "person": policy.takes_people}.get(kind, True)


def _make(page: Page, wanted: Sequence[Stranger]) -> list[Compared]:
    """Make rows of those nobody here is, where the company takes such."""
    if not are_taken(page.intake.policy, page.kind):
        page.skipped["not_taken"] += len(wanted)
        return []
    linked = []
    coming = _coming(page)
    for stranger, made in zip(wanted, rows.create(page.kind, [_row(page, each) for each in wanted]), strict=True):
        problems = [one for one in stranger.problems if one.field in coming]
        if made.id is None:
            page.report(stranger.record.external_id, problems or made.problems)
            continue
        _drop_waiting(page, stranger)
        link = _new(page, stranger, made.id)
        link.related, (_, is_waiting) = links.related_of(stranger.record), page.behind(stranger.record)
        link.reason = WAITS if is_waiting and page.kind != "organization" else ""
        problems += made.problems
        linked.append(Compared(link, stranger.record, is_new=True, is_made=True, problems=problems))
    return linked


def _row(page: Page, stranger: Stranger) -> rows.New:
    """What a new row begins with: the fields that come in, further addresses, and what it belongs to."""
    coming = _coming(page)
    values = {name: value for name, value in stranger.values.items() if name in coming}
    others, _ = page.behind(stranger.record)
    if page.kind == "person":
        values[rows.ADDRESSES] = stranger.record.addresses
        values[rows.ORGANIZATION] = next((pk for kind, pk in others if kind == "organization"), None)
    elif page.kind == "note":
        values[rows.PEOPLE] = page.people_of(others)
    return rows.New(values)


def _coming(page: Page) -> set[str]:
    """The fields of ours that come from the CRM."""
    return {line.ours.name for line in page.lines if line.is_in}
