"""An org: its users, objects, records, limits and rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.clock import Clock
from sandbox.control import ControlError
from sandbox.salesforce import access, catalogue, ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.fields import Field
from sandbox.salesforce.rules import DuplicateRule, ValidationRule
from sandbox.salesforce.tables import Table, Undo

DAY = 86_400
BIN_DAYS = 15
ACTIVITIES = ("Task", "Event")


@dataclass
class Limits:
    """Calls a day; ``since`` is when the day began. ``long_calls`` more calls are refused as too many at once.

    ``scanned`` is how many rows a query may have to look at, None for any number. Beyond it takes too long, or is
    refused at once where ``is_refused_at_once``.
    """

    most: int = 15_000
    used: int = 0
    since: int = 0
    long_calls: int = 0
    scanned: int | None = None
    is_refused_at_once: bool = False

    @property
    def usage(self) -> str:
        """The value of Sforce-Limit-Info."""
        return f"api-usage={self.used}/{self.most}"


@dataclass
class Change:
    """A record saved by a transaction, for those who are told: ``event`` is create, update, delete or undelete."""

    name: str
    record_id: str
    event: str


@dataclass(frozen=True)
class Seen:
    """A field as a user has it."""

    field: Field
    is_editable: bool


@dataclass
class Locks:
    """Rows somebody else holds: ``ids`` of None are all; ``times`` more writes fail."""

    ids: list[str] | None = None
    times: int = 0


@dataclass
class Late:
    """A saved row on its way into queries; ``at`` is when it commits, ``before`` what waited in its place."""

    at: float
    name: str
    number: int
    change: Change | None = None
    before: Row | None = None


class Org:
    """One customer's Salesforce. The world's lock guards it.

    ``held`` keeps parts of a larger call from telling of their changes before it is done.
    """

    def __init__(self, host: str, name: str, org_id: str, clock: Clock) -> None:
        self.host = host
        self.name = name
        self.id = org_id
        self.clock = clock
        self.tag = ids.tag_of(host)
        self.tables: dict[str, Table] = {}
        self.custom: dict[str, dict[str, Field]] = {}
        self.access = access.Access()
        self.limits = Limits()
        self.locks = Locks()
        self.validation_rules: list[ValidationRule] = []
        self.duplicate_rules: list[DuplicateRule] = []
        self.lag_seconds = 0.0
        self.late: list[Late] = []
        self.log_starts = 0
        self.schema_changed = self.now()
        self.changes: list[Change] = []
        self.undo: Undo | None = None
        self.held = False
        self._seen: dict[tuple[str, str], dict[str, Seen]] = {}
        self._names: dict[str, str] = {}
        for kind in catalogue.kinds().values():
            self.tables[kind.name] = Table(kind, self.tag, ids.first_number(host, kind.name))
            self._names[kind.name.lower()] = kind.name

    @property
    def is_sandbox(self) -> bool:
        """Whether its users sign in at test.salesforce.com."""
        return ".sandbox." in self.host

    @property
    def login_host(self) -> str:
        """Where its users sign in, besides its own host."""
        return "test.salesforce.com" if self.is_sandbox else "login.salesforce.com"

    def now(self) -> int:
        """Whole seconds since 1970, as Salesforce stamps records."""
        return int(self.clock.now().timestamp())

    def table(self, name: str) -> Table | None:
        """A table by its object's name, however its letters are."""
        return self.tables.get(self._names.get(name.lower(), ""))

    def table_of(self, record_id: str) -> Table | None:
        """The table that an id belongs to."""
        return next((one for one in self.tables.values() if one.number_of(record_id) is not None), None)

    def row(self, record_id: str) -> Row | None:
        """Any row by id as it was saved last, deleted or not."""
        table = self.table_of(record_id)
        return table.newest(record_id) if table else None

    def users(self) -> list[Row]:
        """Its users."""
        return [*self.tables["User"].everything()]

    def user(self, username: str) -> Row:
        """A user by name; ControlError if there is none."""
        for row in self.users():
            if row["Username"] == username:
                return row
        raise ControlError(f"no user {username} in {self.host}")

    def all_fields(self, name: str) -> Iterator[Field]:
        """Every field of an object, standard ones first."""
        custom = self.custom.get(name, {})
        for one in self.tables[name].kind.fields:
            yield custom.get(one.name, one)
        standard = {one.name for one in self.tables[name].kind.fields}
        yield from (one for key, one in custom.items() if key not in standard)

    def set_field(self, name: str, added: Field) -> None:
        """A new field, or a field that is otherwise than before."""
        self.custom.setdefault(name, {})[added.name] = added
        self.forget_schema()

    def change_field(self, name: str, field_name: str, **changes: Any) -> None:
        """Change what a field is; ControlError if there is none."""
        found = next((one for one in self.all_fields(name) if one.name == field_name), None)
        if found is None:
            raise ControlError(f"no field {field_name} on {name}")
        self.set_field(name, replace(found, **changes))

    def forget_schema(self) -> None:
        """Fields or permissions are others now: describe again."""
        self._seen.clear()
        self.schema_changed = self.now()

    def seen(self, user_id: str, name: str) -> dict[str, Seen]:
        """The fields of an object that a user may read, by their names in small letters; for "" all."""
        if (user_id, name) not in self._seen:
            self._seen[user_id, name] = dict(self._look(user_id, name))
        return self._seen[user_id, name]

    def _look(self, user_id: str, name: str) -> Iterator[tuple[str, Seen]]:
        permitted = self._permitted(user_id, name)
        for one in self.all_fields(name):
            if not user_id:
                yield one.name.lower(), Seen(one, is_editable=True)
                continue
            reads, edits = permitted.get(one.name, (False, False)) if one.is_granted_only else (True, True)
            if reads and not self.access.is_hidden(user_id, name, one.name):
                is_fixed = self.access.is_fixed(user_id, name, one.name)
                yield one.name.lower(), Seen(one, edits and not is_fixed)

    def _permitted(self, user_id: str, name: str) -> dict[str, tuple[bool, bool]]:
        """What permission sets give a user on an object's fields: reading and editing."""
        assigned = self.tables["PermissionSetAssignment"]
        sets = {row["PermissionSetId"] for row in assigned.everything() if row["AssigneeId"] == user_id}
        found: dict[str, tuple[bool, bool]] = {}
        for row in self.tables["FieldPermissions"].everything():
            if row["ParentId"] in sets and row["SobjectType"] == name:
                field_name = row["Field"].partition(".")[2]
                before = found.get(field_name, (False, False))
                edits = bool(row.get("PermissionsEdit"))
                found[field_name] = (before[0] or edits or bool(row.get("PermissionsRead")), before[1] or edits)
        return found

    def save(self, row: Row, event: str) -> None:
        """Put a row into its table, now or when its transaction commits, and remember whom to tell."""
        table = self.table_of(row["Id"])
        number = table.number_of(row["Id"]) if table else None
        if table is None or number is None:
            raise ValueError(f"no table for {row['Id']}")
        change = Change(table.kind.name, row["Id"], event) if event else None
        if self.lag_seconds:
            before = table.pending.get(number)
            table.pending[number] = row
            at = self.clock.now().timestamp() + self.lag_seconds
            self.late.append(Late(at, table.kind.name, number, change, before))
            return
        table.put(row, self.undo)
        if change:
            self.changes.append(change)

    def settle(self, *, is_all: bool = False) -> None:
        """Commit what is due, or everything, and empty the Recycle Bin of what is too old."""
        now = self.clock.now().timestamp()
        due = [one for one in self.late if is_all or one.at <= now]
        self.late = [one for one in self.late if one not in due]
        for one in due:
            table = self.tables[one.name]
            row = table.pending.pop(one.number, None)
            if row is not None:
                table.put(row)
            if one.change:
                self.changes.append(one.change)
        self.empty_bin(self.now() - BIN_DAYS * DAY)

    def empty_bin(self, before: int) -> None:
        """Deleted rows from before a moment go for good; the log of deletions keeps their ids."""
        for table in self.tables.values():
            while table.bin() and table.bin()[0][0] < before:
                table.purge(table.bin()[0][1])

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is saved inside is undone by an exception, or by ``roll_back``."""
        outer, self.undo = self.undo, []
        mark = self.mark()
        try:
            yield
        except Exception:
            # Whatever went wrong: half of a transaction must not stay. It is raised on.
            self.roll_back(mark)
            raise
        finally:
            if outer is not None:
                outer.extend(self.undo)
            self.undo = outer

    def mark(self) -> tuple[int, int]:
        """Where ``roll_back`` goes back to: how many changes are to be told, and how many rows wait."""
        return len(self.changes), len(self.late)

    def roll_back(self, mark: tuple[int, int]) -> None:
        """Undo what was saved inside ``all_or_nothing`` since a mark that was set there."""
        undone, self.undo = self.undo or [], []
        for table, number, row in reversed(undone):
            table.restore(number, row)
        for one in reversed(self.late[mark[1] :]):
            pending = self.tables[one.name].pending
            pending.pop(one.number, None)
            if one.before is not None:
                pending[one.number] = one.before
        del self.changes[mark[0] :]
        del self.late[mark[1] :]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "host": self.host,
            "name": self.name,
            "id": self.id,
            "tables": {name: table.dump() for name, table in self.tables.items()},
            "custom": {name: [asdict(one) for one in found.values()] for name, found in self.custom.items()},
            "access": self.access.dump(),
            "limits": asdict(self.limits),
            "validation_rules": [asdict(one) for one in self.validation_rules],
            "duplicate_rules": [asdict(one) for one in self.duplicate_rules],
            "log_starts": self.log_starts,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        for name, table in saved["tables"].items():
            self.tables[name].load(table)
        for name, found in saved["custom"].items():
            self.custom[name] = {one["name"]: restored_field(one) for one in found}
        self.access = access.restored(saved["access"])
        self.limits = Limits(**saved["limits"])
        self.validation_rules = [ValidationRule(**one) for one in saved["validation_rules"]]
        self.duplicate_rules = [DuplicateRule(**one) for one in saved["duplicate_rules"]]
        self.log_starts = saved["log_starts"]


def restored_field(saved: dict[str, Any]) -> Field:
    """A field from JSON, which knows no tuples."""
    return Field(**{**saved, "picklist": tuple(saved["picklist"]), "references": tuple(saved["references"])})
