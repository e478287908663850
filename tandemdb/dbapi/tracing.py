"""What a trace callback sees: statements with their values written in, as SQLite's expanded SQL.

    insert into t values(?, :b)   +   ("a'b", b"ab")   -->   insert into t values('a''b', x'6162')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tandemdb.dbapi.constants import SQLITE_LIMIT_LENGTH
from tandemdb.dbapi.functions import report
from tandemdb.dbapi.parameters import Shape, Value, Values
from tandemdb.errors import DataError

# Quoted text and comments are matched so that a question mark in them is left alone.
PLACEHOLDERS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|\Z)"""
    r"""| (?P<placeholder> \?\d* | [:@$]\w+ )""",
    re.S | re.X,
)


class Tracer:
    """Calls the user's callback with the expanded text of what the driver has just handed to the session.

    A text that would be longer than SQLITE_LIMIT_LENGTH is shown as it was written.
    """

    __slots__ = ("callback", "limits", "shape", "sql", "values")

    def __init__(self, callback: Callable[[str], Any], limits: dict[int, int]) -> None:
        """Trace to this callback, under the connection's limits."""
        self.callback = callback
        self.limits = limits
        self.note("", None, ())

    def note(self, sql: str, shape: Shape | None, values: Values) -> None:
        """Remember what is about to run."""
        self.sql, self.shape, self.values = sql, shape, values

    def noting(self, sql: str, shape: Shape, rows: Iterable[Values]) -> Iterator[Values]:
        """Pass rows on, remembering each."""
        for values in rows:
            self.note(sql, shape, values)
            yield values

    def __call__(self, text: str) -> None:
        """Take a text from the session."""
        if self.shape is not None and self.shape.names and text == self.sql:
            expanded = expand(text, self.shape.names, self.values)
            if len(expanded) <= self.limits.get(SQLITE_LIMIT_LENGTH, len(expanded)):
                text = expanded
            else:
                report(DataError("Expanded SQL string exceeds the maximum string length"), self.callback)
        self.callback(text)


def expand(sql: str, names: Sequence[str | None], values: Values) -> str:
    """Write the values in the place of the placeholders."""
    count = 0

    def write(found: re.Match[str]) -> str:
        nonlocal count
        name = found["placeholder"]
        if name is None:
            return found[0]
        if name == "?":
            position = count
        elif name in names:
            position = names.index(name)
        else:
            position = int(name[1:]) - 1
        count = max(count, position + 1)
        return literal(values[position])

    return PLACEHOLDERS.sub(write, sql)


def literal(value: Value) -> str:
    """Write a value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    from tandemdb.planner.runtime.values import to_text

    return to_text(value)
