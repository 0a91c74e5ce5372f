"""Writes any number of rows with one statement: the rows travel as one JSON parameter.

Django's bulk_create splits a page into as many statements as the database's limit of parameters asks for. Here a page
of 2,500 events costs what a page of one does. Works on SQLite and PostgreSQL; unknown databases are refused.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.db.models.expressions import RawSQL

from relationships import lookups


def upsert(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    unique: Sequence[str],
    returning: Sequence[str] = (),
    once: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert ``rows`` (field names to values, all with the same fields) or update those that exist by ``unique``.

    Fields that no row names get their default in a new row; these, and those named in ``once``, stay as they are in an
    existing one. Of two rows with the same ``unique`` the last counts. Returns ``returning`` of each row written: where
    there is nothing to update in an existing row, it is not.
    """
    rows = list({tuple([row[name] for name in unique]): row for row in rows}.values())
    if not rows:
        return []
    fields = _written(model, rows[0])
    conflict = [_quoted(_field(model, name).column) for name in unique]
    kept = {*unique, *once}
    given = [_quoted(field.column) for field in fields if field.name in rows[0] and field.name not in kept]
    table = _quoted(model._meta.db_table)
    columns = ", ".join(_quoted(field.column) for field in fields)
    sql = f"INSERT INTO {table} ({columns}) {_select(fields)} ON CONFLICT ({', '.join(conflict)}) DO "
    sql += f"UPDATE SET {', '.join(f'{column} = EXCLUDED.{column}' for column in given)}" if given else "NOTHING"
    back = [_field(model, name) for name in returning]
    if back:
        sql += " RETURNING " + ", ".join(_quoted(field.column) for field in back)
    with connection.cursor() as cursor:
        cursor.execute(sql, [_document(fields, rows)])
        written = cursor.fetchall() if back else []
    return [tuple(field.to_python(value) for field, value in zip(back, row, strict=True)) for row in written]


def update(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Change rows that exist, each found by its ``id``: field names to values, all with the same fields."""
    if not rows:
        return
    fields = [_field(model, name) for name in ("id", *(name for name in rows[0] if name != "id"))]
    table = _quoted(model._meta.db_table)
    changes = ", ".join(f"{_quoted(field.column)} = given.c{number}" for number, field in enumerate(fields) if number)
    where = f"{table}.{_quoted(fields[0].column)} = given.c0"
    sql = f"UPDATE {table} SET {changes} FROM ({_select(fields)}) AS given WHERE {where}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [_document(fields, rows)])


@contextlib.contextmanager
def planned_anew() -> Iterator[None]:
    """Within it PostgreSQL plans every statement for the rows there are at its moment.

    A prepared statement keeps its plan: a first sync would go on reading whole tables, since they were empty at first.
    """
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    driver = connection.connection
    before, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = before


def give_way() -> None:
    """Let others write between two long transactions of a loop.

    SQLite keeps no line of those who wait: each looks ten times a second whether it may write, and of a lock that is
    free for an instant only they get nothing, until they give up after 20 seconds.
    """
    if connection.vendor == "sqlite":
        time.sleep(0.15)


def not_listed(
    rows: models.QuerySet[Any], column: str, lists: models.QuerySet[Any], field: str
) -> models.QuerySet[Any]:
    """``rows`` whose ``column`` stands in none of the JSON arrays ``field`` of ``lists``. The database compares."""
    table = _quoted(lists.model._meta.db_table)
    unnest = {"sqlite": "json_each", "postgresql": "jsonb_array_elements_text"}[connection.vendor]
    item = "item" if connection.vendor == "sqlite" else "item(value)"
    source = f"SELECT item.value FROM {table}, {unnest}({table}.{_quoted(field)}) AS {item}"
    ids = lists.values_list("pk", flat=True)
    inner, parameters = ids.query.sql_with_params()
    listed = RawSQL(f"{source} WHERE {table}.{_quoted('id')} IN ({inner})", parameters)  # noqa: S611
    return rows.exclude(**{f"{column}__in": listed})


def _select(fields: Sequence[Any]) -> str:
    """A SELECT that turns the JSON parameter back into typed rows."""
    if connection.vendor == "sqlite":
        parts = ", ".join(f"json_extract(value, '$[{number}]') AS c{number}" for number in range(len(fields)))
        return f"SELECT {parts} FROM json_each(%s) WHERE TRUE"
    if connection.vendor == "postgresql":
        kinds = enumerate(field.db_type(connection) for field in fields)
        parts = ", ".join(f"(value->>{number})::{kind} AS c{number}" for number, kind in kinds)
        return f"SELECT {parts} FROM jsonb_array_elements(%s::jsonb) AS value"
    raise ImproperlyConfigured(f"{connection.vendor} is not supported: use SQLite or PostgreSQL.")


def _document(fields: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as one JSON text. Column by column, since what a column needs is the same for all of its values."""
    columns = [_column(field, rows) for field in fields]
    # UUIDs, times and days travel in their text form, and the database casts them back.
    return json.dumps(list(zip(*columns, strict=True)), default=str)


def _column(field: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """A field's values. What no row names is the same for all of them, but for their ids."""
    if field.name in rows[0]:
        return lookups.stored(field, [row[field.name] for row in rows])
    if field.primary_key:
        return lookups.stored(field, [field.get_default() for _ in rows])
    return lookups.stored(field, [field.get_default()]) * len(rows)


def _written(model: type[models.Model], row: Mapping[str, Any]) -> Sequence[Any]:
    """The columns of an INSERT: all but a number that the database gives."""
    return [
        field for field in model._meta.concrete_fields if field.name in row or not isinstance(field, models.AutoField)
    ]


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
