"""Fields as queries name them: of the record itself, or of its parents (Account.Owner.Name)."""

from dataclasses import dataclass
from typing import Any

from sandbox.salesforce import derived
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.fields import Field
from sandbox.salesforce.orgs import Org

DEEPEST = 5
ANY_PARENT = Field("Name", "Name", "string", 255)
KIND = Field("Type", "Type", "picklist", 40)


@dataclass(frozen=True)
class Path:
    """The field at the end, and the reference fields that lead to it, each with the object it starts from."""

    steps: tuple[tuple[str, Field], ...]
    name: str
    field: Field

    @property
    def is_polymorphic(self) -> bool:
        """Whether the last parent may be of several objects."""
        return bool(self.steps) and len(self.steps[-1][1].references) > 1


@dataclass(frozen=True)
class View:
    """What a user of an org sees. ``user_id`` empty is Salesforce itself, which sees everything."""

    org: Org
    user_id: str

    def path(self, name: str, text: str, where: str = "") -> Path:
        """Find a path from an object on; ApiError if a part of it is not there, or not for this user."""
        *relations, last = text.split(".")
        if relations and relations[0].lower() == name.lower() and not self._relation(name, relations[0]):
            relations = relations[1:]
        steps: list[tuple[str, Field]] = []
        here = name
        for relation in relations[:DEEPEST]:
            step = self._relation(here, relation)
            if step is None:
                raise no_relation(relation, here, where)
            steps.append((here, step))
            here = next(one for one in (*step.references, "") if one in self.org.tables or not one)
        if steps and len(steps[-1][1].references) > 1 and last.lower() == "type":
            return Path(tuple(steps), here, KIND)
        found = self.org.seen(self.user_id, here).get(last.lower()) if here else None
        if found is None or self.org.access.is_object_hidden(self.user_id, here):
            raise no_column(last, here or name, where)
        return Path(tuple(steps), here, found.field)

    def read(self, name: str, path: Path, row: Row) -> Any:
        """The path's value for a row; null where a parent is missing."""
        here, at = name, row
        for _, step in path.steps:
            parent = self.parent(at, step)
            if parent is None:
                return None
            here, at = parent
        return here if path.field is KIND else derived.value(here, at, path.field.name)

    def parent(self, row: Row, step: Field) -> tuple[str, Row] | None:
        """The object and the row that a reference leads to, if this user sees them."""
        table = self.org.table_of(row[step.name]) if row.get(step.name) else None
        found = table.get(table.number_of(row[step.name])) if table else None
        if table is None or found is None or self.org.access.is_object_hidden(self.user_id, table.kind.name):
            return None
        return table.kind.name, found

    def _relation(self, name: str, relation: str) -> Field | None:
        for one in self.org.seen(self.user_id, name).values():
            if one.field.relationship.lower() == relation.lower() and one.field.relationship:
                return one.field
        return None


def no_column(column: str, name: str, where: str = "") -> ApiError:
    """The field is not there, or hidden from this user: nobody can tell which."""
    advice = (
        "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
        "Please reference your WSDL or the describe call for the appropriate names."
    )
    return ApiError("INVALID_FIELD", f"{where}No such column '{column}' on entity '{name}'. {advice}")


def no_relation(relation: str, name: str, where: str) -> ApiError:
    """No parent of this name."""
    message = f"{where}Didn't understand relationship '{relation}' in field path on entity '{name}'."
    return ApiError("INVALID_FIELD", message)
