"""A dry run as a CSV file, which a spreadsheet opens without taking anything in it for a formula."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import Any

from crm.dry_runs import CHANGE_HERE, CREATE, ERROR, SKIP, UPDATE, DryRun, Told

HEAD = (
    "Record", "Id in the CRM", "Action", "Reason", "Field", "Field of the CRM", "Our value", "Their value",
)  # fmt: skip
ACTIONS = {
    CREATE: "Create in the CRM",
    UPDATE: "Update in the CRM",
    SKIP: "Leave alone in the CRM",
    ERROR: "Refused",
    CHANGE_HERE: "Change here",
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection"""
MARK = "\ufeff"
"""By it Excel knows that the file is UTF-8."""


def lines(run: DryRun) -> Iterator[str]:
    """The file, line by line: its head, then one line for each field that something would happen to."""
    yield MARK + _line(HEAD)
    if run.unread:
        yield _line(("", "", "Not compared", f"The CRM could not be asked: {run.unread}", "", "", "", ""))
    for told in run.told:
        yield _line(_cells(told))


def cell(value: Any) -> str:
    """One value as text. What begins like a formula gets an apostrophe, which spreadsheets take for “this is text”."""
    words = value.isoformat() if isinstance(value, date) else value
    text = "" if words is None else str(words).encode("utf-8", "replace").decode()
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _cells(told: Told) -> tuple[Any, ...]:
    action = ACTIONS[told.action]
    return (
        told.title, told.external_id, action, told.reason, told.label, told.crm_field, told.ours, told.theirs,
    )  # fmt: skip


def _line(values: tuple[Any, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow([cell(value) for value in values])
    return text.getvalue()
