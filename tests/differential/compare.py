"""Finds the first difference between two runs of one script.

A feature that tandemdb refuses by name (NotSupportedError) is not a difference: it is counted, and ends the comparison,
for what follows may depend on it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from .engines import Outcome, Run
from .script import Order, Script


class Difference(NamedTuple):
    """Where two runs part: the statement's place (the number of statements: the state left), and both sides."""

    place: int
    what: str
    expected: Any
    found: Any

    def signature(self) -> str:
        """What makes two differences the same kind, for counting: the sort, and the error's first words."""
        if self.what.startswith(("rows", "state")):
            return f"{self.what.split()[0]}: {nature(self.expected, self.found)}"
        return f"{self.what} | {error_text(self.expected)} | {error_text(self.found)}"


class Refused(NamedTuple):
    """A feature that tandemdb says it does not have."""

    place: int
    message: str


def compare(script: Script, expected: Run, found: Run) -> Difference | Refused | None:
    """Return the first difference, or what was refused, or None when the runs are equal."""
    for place, statement in enumerate(script.statements):
        one, other = expected.outcomes[place], found.outcomes[place]
        if other.error and other.error[0] == "NotSupportedError" and not one.error:
            return Refused(place, other.error[1])
        inserts = str(statement.text).startswith(("INSERT", "REPLACE"))
        difference = compare_outcomes(place, statement.order, one, other, inserts=inserts)
        if difference:
            return difference
    for name in expected.state.keys() | found.state.keys():
        left, right = expected.state.get(name), found.state.get(name)
        if not same_rows("any", left or [], right or []) or (left is None) != (right is None):
            return Difference(len(script.statements), f"state of {name}", left, right)
    return None


def compare_outcomes(
    place: int, order: Order, one: Outcome, other: Outcome, *, inserts: bool = False
) -> Difference | None:
    """Compare what one statement gave."""
    if one.error != other.error:
        return Difference(place, "error", one.error, other.error)
    # ALTER TABLE tells of a check that it makes itself.
    told = one.columns and one.columns[0].startswith(("raise(", "CASE WHEN quick_check"))
    if (
        not one.error and one.columns != other.columns and not told
    ):  # an error may come with execute() or with a later fetch
        return Difference(place, "columns", one.columns, other.columns)
    if not same_rows(order, one.rows, other.rows):
        return Difference(place, f"rows ({order})", one.rows, other.rows)
    # An error may come with execute() or with a later fetch.
    for name in ("in_transaction", "total_changes") if one.error else ("rowcount", "in_transaction", "total_changes"):
        if getattr(one, name) != getattr(other, name):
            return Difference(place, name, getattr(one, name), getattr(other, name))
    # What an INSERT that failed leaves as the last rowid hangs on how far SQLite's program came.
    if inserts and not one.error and one.rowcount > 0 and one.lastrowid != other.lastrowid:
        return Difference(place, "lastrowid", one.lastrowid, other.lastrowid)
    return None


def same_rows(order: Order, one: list[Any], other: list[Any]) -> bool:
    """Tell whether two lists of rows are equal in the sense of `order`."""
    if order == "scan":
        return typed(one) == typed(other)
    if order == "total":
        return [alike(row) for row in one] == [alike(row) for row in other]
    if order == "any":
        return Counter(map(typed, one)) == Counter(map(typed, other))
    return Counter(map(alike, one)) == Counter(map(alike, other))


def typed(value: Any) -> Any:
    """The value with its classes, so that 1 and 1.0 differ; reals to 12 digits, for sums may add in any order."""
    if isinstance(value, (tuple, list)):
        return tuple(map(typed, value))
    if isinstance(value, float):
        return "real", f"{value + 0.0:.12g}"
    return type(value).__name__, value


def alike(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with values that a collation or comparison may hold equal made equal."""
    return tuple(map(fold, row))


def fold(value: Any) -> Any:
    if isinstance(value, float):
        return ("number", f"{value + 0.0:.12g}") if abs(value) < 1e15 else ("number", f"{value:.10g}")
    if isinstance(value, int):
        return ("number", f"{float(value) + 0.0:.12g}") if abs(value) < 10**15 else ("number", f"{float(value):.10g}")
    if isinstance(value, str):
        return "text", value.lower().rstrip(" ")
    return type(value).__name__, value


def nature(expected: Any, found: Any) -> str:
    """How two lists of rows differ: their number, their order, the classes of values, or the values."""
    if not isinstance(expected, list) or not isinstance(found, list):
        return "something is missing"
    if len(expected) != len(found):
        return "more rows" if len(found) > len(expected) else "fewer rows"
    if Counter(map(typed, expected)) == Counter(map(typed, found)):
        return "order"
    one, other = (sorted(side, key=lambda row: repr(alike(row))) for side in (expected, found))
    for left, right in zip(one, other, strict=True):
        for value, instead in zip(left, right, strict=False):
            if type(value) is not type(instead):
                return f"{type(instead).__name__} for {type(value).__name__}"
    return "values"


def error_text(side: Any) -> str:
    """The words of an error without its names and numbers."""
    if isinstance(side, tuple) and len(side) == 3 and isinstance(side[1], str):
        return f"{side[0]}: {' '.join(side[1].split()[:4])}"
    return ""
