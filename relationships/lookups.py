"""Comparing a column with a list of any length: ``filter(match_key__among=keys)``.

The list travels as one parameter: as JSON on SQLite, as an array on PostgreSQL. So it may be longer than the database's
limit of parameters, and every length is the same statement. Of an array whose length it knows PostgreSQL makes a hash
table where it uses no index; one made by a subquery it would go through for each row.
"""

import json
import uuid
from collections.abc import Collection
from typing import Any

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler


class Among(Lookup):
    """Whether the column's value is one of a list of values. An empty list holds none; null is in no list."""

    lookup_name = "among"

    def get_prep_lookup(self) -> list[Any]:
        values: Collection[Any] = self.rhs
        return list(values)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        kind = self.lhs.output_field.db_type(connection)
        return self._compared(compiler, connection, f"= ANY(%s::{kind}[])", self._values())

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        document = json.dumps(self._values(), default=str)
        return self._compared(compiler, connection, "IN (SELECT value FROM json_each(%s))", document)

    def _compared(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, condition: str, values: object
    ) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} {condition}", [*parameters, values]

    def _values(self) -> list[Any]:
        return stored(self.lhs.output_field, self.rhs)


def stored(field: Any, values: Collection[Any]) -> list[Any]:
    """Values as JSON or an array carries them to the database: what Django would store, or their text form."""
    if isinstance(field, models.JSONField):
        return [json.dumps(value) for value in values]
    column = field.target_field if isinstance(field, models.ForeignKey) else field
    if connection.vendor == "sqlite":
        return [column.get_db_prep_save(value, connection) for value in values]
    if not isinstance(column, models.UUIDField):
        return list(values)
    # Their text with hyphens takes ten times as long to write.
    return [value.hex if isinstance(value, uuid.UUID) else value for value in values]
