"""A mapping as a file: taken out of one company, looked at, brought into another. JSON, checked before it is used."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm import transforms
from crm.catalogue import OURS
from crm.drafts import MOST_ROWS
from crm.mapping import Row
from crm.models import ConflictRule, Direction, WriteMode

FORMAT = "lpxgp-field-mapping"
SCHEMA = 1
MOST_BYTES = 256 * 1024
MOST_NAME = 255
CHOICES = {
    "sync_direction": Direction.values,
    "conflict_rule": ConflictRule.values,
    "write_mode": WriteMode.values,
}


class ImportRefused(ValueError):
    """The file cannot be used: nothing of it was taken. ``reasons`` are for who chose it."""

    def __init__(self, reasons: Sequence[str]) -> None:
        # They repeat what the file says, and no page can show half a character.
        self.reasons = [words.encode("utf-8", "replace").decode() for words in reasons]
        super().__init__(" ".join(self.reasons))


def export_json(provider: str, rows: Sequence[Row], title: str, at: datetime) -> str:
    """The lines as the text of a file. It holds names alone: no record, no secret, no company."""
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "provider": provider,
        "title": title,
        "exported_at": at.isoformat(timespec="seconds"),
        "lines": [row.as_json() for row in rows],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def import_json(content: bytes, provider: str) -> list[Row]:
    """The lines of such a file. Raises ImportRefused with every reason; what the CRM lacks is for the checks to say."""
    told = _read(content)
    reasons = []
    if told.get("provider") != provider:
        reasons.append(f"It is a mapping for another CRM: “{_short(told.get('provider'))}”.")
    lines = told.get("lines")
    if not isinstance(lines, list):
        raise ImportRefused([*reasons, "It has no list of lines."])
    if len(lines) > MOST_ROWS:
        raise ImportRefused([*reasons, f"It has more than {MOST_ROWS} lines."])
    for number, line in enumerate(lines, start=1):
        reasons += [f"Line {number}: {words}" for words in _wrong(line)]
    if not reasons:
        names = [line["lpxgp_field"] for line in lines]
        reasons += [f"It maps {name} more than once." for name in sorted(set(names)) if names.count(name) > 1]
    if reasons:
        raise ImportRefused(reasons[:20])
    return [Row(**line) for line in lines]


def _read(content: bytes) -> Mapping[str, Any]:
    """The outermost object of a file of ours."""
    if len(content) > MOST_BYTES:
        raise ImportRefused([f"The file is larger than {MOST_BYTES // 1024} kB."])
    try:
        told = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ImportRefused(["The file is no JSON text."]) from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ImportRefused(["The file is no field mapping exported from here."])
    schema = told.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema != SCHEMA:
        words = f"The file has schema version {_short(schema)}, and this product reads version {SCHEMA}."
        raise ImportRefused([words])
    return told


def _wrong(line: Any) -> list[str]:
    """Why one line cannot be used."""
    if not isinstance(line, dict):
        return ["it is no object."]
    wanted = set(Row.__dataclass_fields__)
    if set(line) != wanted:
        odd = sorted(set(line) ^ wanted)[0]
        return [f"“{_short(odd)}” is {'missing' if odd in wanted else 'not known'}."]
    texts = wanted - {"transform"}
    bad = sorted(name for name in texts if not _is_name(line[name]))
    if bad:
        return [f"{bad[0]} is no short text."]
    found = [f"{name}: “{line[name]}” is not known." for name, known in CHOICES.items() if line[name] not in known]
    if line["lpxgp_field"] not in OURS:
        found.append(f"we have no field “{line['lpxgp_field']}”.")
    return found + _wrong_transform(line["transform"])


def _wrong_transform(transform: Any) -> list[str]:
    if not isinstance(transform, dict) or set(transform) - {"name", "options"}:
        return ["its transform cannot be read."]
    name, options = transform.get("name", ""), transform.get("options", {})
    if not isinstance(name, str) or not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        return ["its transform cannot be read."]
    return transforms.problems(name, options)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_NAME and transforms.is_storable(value)


def _short(value: Any) -> str:
    return str(value)[:60]
