"""What is known of each of those that look alike, in columns of one table. Needs ``tenancy.within`` their company."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import formats, timezone

from crm import connection, links, naming, rows
from crm.admin_records_desk import row_url, uuids
from crm.catalogue import of_kind
from crm.models import RecordLink, Twin
from crm.record_pages import record_url
from integrations import providers
from integrations.errors import IntegrationError

IN_NAME = {"org.name", "person.name", "person.first_name", "person.last_name"}
"""Fields that the name tells already."""
NOT_TELLING = {"match.score", "match.summary", "match.last_synced"}
"""What we made ourselves tells nobody apart."""


@dataclass(frozen=True)
class Cell:
    """One thing known of one of them, and where it leads."""

    text: str = ""
    url: str = ""


@dataclass
class Side:
    """One of those that look alike. ``whose`` says on which side it is."""

    whose: str
    known: dict[str, Cell]


def side_by_side(twin: Twin) -> tuple[list[Side], str]:
    """All that look alike, ours first, and why the CRM could not be asked, where it could not.

    Records are read from the CRM while it is still to be decided; else, or where that fails, what is remembered stands.
    """
    links_there = _links_there(twin)
    pages = naming.book(links_there.values())
    known = {name: naming.remembered(link, pages) for name, link in links_there.items()}
    trouble = ""
    if twin.theirs and twin.state == Twin.State.OPEN:
        try:
            known |= naming.read(twin.integration, twin.kind, twin.theirs)
        except IntegrationError as error:
            trouble = str(error)
    return [*_ours(twin), *_theirs(twin, links_there, known)], trouble


def _links_there(twin: Twin) -> dict[str, RecordLink]:
    found = RecordLink.objects.filter(
        integration=twin.integration_id, kind=twin.kind, external_id__among=twin.theirs
    ).select_related("integration")
    return {link.external_id: link for link in found.order_by()} if twin.theirs else {}


def _ours(twin: Twin) -> list[Side]:
    ids = uuids(twin.ours)
    values = rows.values(twin.kind, ids)
    firms = _names("organization", [own.get(rows.ORGANIZATION) for own in values.values()])
    linked = links.of_rows(twin.integration, twin.kind, ids)
    sides = []
    for number, pk in enumerate(ids, 1):
        side = Side(f"Our row {number}", {"Name": Cell("Gone")})
        if own := values.get(pk):
            side.known["Name"] = Cell(naming.name_of(twin.kind, own) or "Without a name", row_url(twin.kind, pk))
            firm = own.get(rows.ORGANIZATION)
            side.known |= _facts(twin.kind, own, [firms[firm]] if firm in firms else [])
            side.known["Linked with"] = _record_of(twin, linked.get(pk))
        sides.append(side)
    return sides


def _theirs(twin: Twin, links_there: Mapping[str, RecordLink], known: Mapping[str, naming.Known]) -> list[Side]:
    crm_object = connection.adapter(twin.integration).objects[twin.kind]
    label = providers.get(twin.integration.provider).label
    ours = _names(twin.kind, [link.row_id for link in links_there.values()])
    firms = _firms(twin, known.values())
    sides = []
    for number, name in enumerate(twin.theirs, 1):
        record, url = known.get(name, naming.Known({})), record_url(twin.integration, crm_object, name)
        side = Side(f"{label} record {number}", {"Name": Cell(record.name(twin.kind) or name, url)})
        side.known |= _facts(twin.kind, record.values, [firms[firm] for firm in record.firms if firm in firms])
        link = links_there.get(name)
        row_id = link.row_id if link else None
        side.known["Linked with"] = (
            Cell(ours[row_id], row_url(twin.kind, row_id)) if row_id and row_id in ours else Cell("Nothing")
        )
        side.known["Id"] = Cell(name, url)
        side.known["Changed there"] = Cell("Deleted" if record.is_deleted else _moment(record.modified_at))
        sides.append(side)
    return sides


def _moment(at: datetime | None) -> str:
    return formats.date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else "Not known"


def _record_of(twin: Twin, link: RecordLink | None) -> Cell:
    if link is None or not link.external_id:
        return Cell("Nothing")
    return Cell(link.external_id, record_url(twin.integration, link.crm_object, link.external_id))


def _facts(kind: str, values: Mapping[str, object], firms: list[str]) -> dict[str, Cell]:
    """What tells rows apart, in the order people read it."""
    found = {
        ours.label: Cell(str(values[ours.name]))
        for ours in of_kind(kind)
        if ours.name not in IN_NAME | NOT_TELLING and values.get(ours.name) not in {None, ""}
    }
    if others := [text for text in _texts(values.get(rows.ADDRESSES)) if text != values.get("person.email")]:
        found["Further e-mail"] = Cell(", ".join(others))
    return found | ({"Firm": Cell(", ".join(firms))} if firms else {})


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _firms(twin: Twin, known: Iterable[naming.Known]) -> dict[str, str]:
    """The names of the firms that records belong to, by the firms' ids there."""
    objects = connection.adapter(twin.integration).objects
    ids = {name for each in known for name in each.firms}
    found = links.rows_of(twin.integration, [objects["organization"]], ids)
    names = _names("organization", found.values())
    return {there: names[pk] for (_, there), pk in found.items() if pk in names}


def _names(kind: str, row_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID | None, str]:
    """What our rows are called, by their keys; the others are gone."""
    ids = [pk for pk in row_ids if pk]
    return {pk: str(row) for pk, row in rows.TABLES[kind].objects.in_bulk(ids).items()} if ids else {}
