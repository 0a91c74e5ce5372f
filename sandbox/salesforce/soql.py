"""SOQL: from its text to a tree. What a client that syncs needs of it: no grouping, no children in SELECT.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
"""

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce.errors import ApiError

LONGEST = 100_000
TOKEN = re.compile(
    r"""\s*(?:
    (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)(?![\dT])
  | (?P<number>[+-]?\d+(?:\.\d+)?)(?![\w.])
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<word>[A-Za-z_][\w.]*(?::\d+)?)
  | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
SIGNS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
RELATIVE = re.compile(r"(?:YESTERDAY|TODAY|TOMORROW|(?:LAST|NEXT)_N_DAYS:\d+)$", re.IGNORECASE)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
ENDS = frozenset({"where", "order", "limit", "offset", "all", "for", "using", "group", "with"})


@dataclass(frozen=True)
class Literal:
    """A value in a query. ``kind``: string, number, boolean, null, date, datetime or relative."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Compare:
    """``path operator value``; ``values`` are several for IN and INCLUDES. ``place`` is where it stands in the text."""

    path: str
    operator: str
    values: tuple[Literal, ...]
    place: int


@dataclass(frozen=True)
class Group:
    """Conditions joined by ``and`` or ``or``, or one under ``not``."""

    operator: str
    parts: tuple["Node", ...]


Node = Compare | Group


@dataclass
class Query:
    """A whole query. ``order`` holds path, whether it falls, and whether nulls come first."""

    text: str
    name: str = ""
    select: list[tuple[str, int]] = field(default_factory=list)
    is_count: bool = False
    where: Node | None = None
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    is_all_rows: bool = False


def malformed(message: str) -> ApiError:
    """The text is no SOQL."""
    return ApiError("MALFORMED_QUERY", message)


class Parser:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise malformed("SOQL statements cannot exceed 100,000 characters")
        self._text = text
        self._tokens = self._split(text)
        self._next = 0

    def query(self) -> Query:
        """SELECT … to the end."""
        query = Query(self._text)
        self._expect("select")
        self._select(query)
        self._expect("from")
        query.name = self._name()
        if self._take("where"):
            query.where = self._condition()
        if self._take("order"):
            self._expect("by")
            query.order = self._order()
        query.limit = self._number("limit")
        query.offset = self._number("offset") or 0
        if self._take("all"):
            self._expect("rows")
            query.is_all_rows = True
        self._end()
        return query

    def condition(self) -> Node:
        """A condition alone, as it stands behind WHERE."""
        found = self._condition()
        self._end()
        return found

    def _split(self, text: str) -> list[tuple[str, str, int]]:
        tokens, place, end = [], 0, len(text.rstrip())
        while place < end:
            found = TOKEN.match(text, place)
            if found is None:
                raise malformed(f"line 1:{place} no viable alternative at character '{text[place:].lstrip()[:1]}'")
            kind = str(found.lastgroup)
            tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()
        return tokens

    def _select(self, query: Query) -> None:
        while True:
            name, place = self._name(), self._place()
            if self._take("("):
                if name.lower() != "count" or query.select:
                    raise malformed(f"unexpected token: '{name}'")
                self._expect(")")
                query.is_count = True
            else:
                query.select.append((name, place))
            if not self._take(","):
                return

    def _order(self) -> list[tuple[str, bool, bool]]:
        order = []
        while True:
            path = self._name()
            is_falling = self._take("desc") or (self._take("asc") and False)
            is_null_first = not is_falling
            if self._take("nulls"):
                is_null_first = self._take("first")
                if not is_null_first:
                    self._expect("last")
            order.append((path, is_falling, is_null_first))
            if not self._take(","):
                return order

    def _condition(self) -> Node:
        parts = [self._term()]
        operator = ""
        while (found := self._take("and") and "and") or (found := self._take("or") and "or"):
            if operator not in ("", found):
                # Real SOQL wants brackets around them too.
                raise malformed(f"unexpected token: '{found}'")
            operator = found
            parts.append(self._term())
        return Group(operator, tuple(parts)) if operator else parts[0]

    def _term(self) -> Node:
        if self._take("not"):
            return Group("not", (self._term(),))
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        path, place = self._name(), self._place()
        operator = self._operator()
        if operator in {"in", "not in", "includes", "excludes"}:
            return Compare(path, operator, self._list(), place)
        return Compare(path, operator, (self._literal(),), place)

    def _operator(self) -> str:
        kind, text, _ = self._peek()
        if kind == "sign" and text in SIGNS:
            self._next += 1
            return "!=" if text == "<>" else text
        if self._take("not"):
            self._expect("in")
            return "not in"
        for word in ("like", "in", "includes", "excludes"):
            if self._take(word):
                return word
        raise malformed(f"unexpected token: '{text or '<EOF>'}'")

    def _list(self) -> tuple[Literal, ...]:
        self._expect("(")
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        self._expect(")")
        return tuple(found)

    def _literal(self) -> Literal:
        kind, text, _ = self._peek()
        self._next += 1
        if kind == "string":
            return Literal(
                "string", re.sub(r"\\(.)", lambda one: ESCAPES.get(one[1], one[1]), text[1:-1], flags=re.DOTALL)
            )
        if kind == "number":
            return Literal("number", float(text))
        if kind in {"date", "datetime"}:
            return Literal(kind, text)
        if kind == "word" and text.lower() in {"true", "false"}:
            return Literal("boolean", text.lower() == "true")
        if kind == "word" and text.lower() == "null":
            return Literal("null", None)
        if kind == "word" and RELATIVE.match(text):
            return Literal("relative", text.upper())
        raise malformed(f"unexpected token: '{text or '<EOF>'}'")

    def _number(self, word: str) -> int | None:
        if not self._take(word):
            return None
        kind, text, _ = self._peek()
        if kind != "number" or not text.isdecimal():
            raise malformed(f"unexpected token: '{text or '<EOF>'}'")
        self._next += 1
        return int(text)

    def _name(self) -> str:
        kind, text, _ = self._peek()
        if kind != "word" or text.lower() in ENDS:
            raise malformed(f"unexpected token: '{text or '<EOF>'}'")
        self._next += 1
        return text

    def _place(self) -> int:
        return self._tokens[self._next - 1][2]

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "", len(self._text))

    def _take(self, word: str) -> bool:
        kind, text, _ = self._peek()
        is_it = kind != "string" and text.lower() == word
        self._next += is_it
        return is_it

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise malformed(f"unexpected token: '{self._peek()[1] or '<EOF>'}' (expecting '{word}')")

    def _end(self) -> None:
        if self._next < len(self._tokens):
            raise malformed(f"unexpected token: '{self._peek()[1]}'")
