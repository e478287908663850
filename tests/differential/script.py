"""A script: statements in order, each with what may be asked of its rows' order.

order   rows must be equal as
"scan"  lists: a simple scan without ORDER BY, whose order users lean on
"total" lists, up to values that the ORDER BY holds equal ('a' and 'A' under NOCASE, 1 and 1.0)
"any"   multisets
"loose" multisets up to such values (DISTINCT, GROUP BY, UNION and min() may return either)
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from .fragment import Fragment

Order: TypeAlias = Literal["scan", "total", "any", "loose"]
Value: TypeAlias = "None | int | float | str | bytes"


class Statement(NamedTuple):
    """One statement, its parameters, and how its rows are compared."""

    text: Fragment
    parameters: tuple[Value, ...] = ()
    order: Order = "any"


class Script(NamedTuple):
    """What one run does: statements, on one connection in autocommit mode."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(show(statement) for statement in self.statements)


def show(statement: Statement) -> str:
    """The statement as one line of a script, with its parameters behind it."""
    text = " ".join(str(statement.text).split("\n"))
    return f"{text};  -- {statement.parameters!r}" if statement.parameters else f"{text};"
