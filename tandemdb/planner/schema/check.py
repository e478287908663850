"""Expressions inside a schema: what a CHECK, an index, a partial index and a generated column may say.

    place                  names                        refused
    CHECK                  columns, rowid               subqueries, parameters
    index column           columns                      the same, t.c, functions that are not deterministic
    index WHERE            columns, rowid               the same but for t.c
    generated column       columns                      as an index column
    DEFAULT                none at all                  (see `is_constant_or_function`)

The walk goes from the outside in and from left to right, as SQLite's does, so that the first fault is the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.schema import Table
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import UserFunctions


class Place(NamedTuple):
    """Where an expression stands, as sqlite3's messages call it, and what it may use there."""

    called: str
    rowid: bool
    qualified: bool
    nondeterministic: bool


CHECK: Final = Place("CHECK constraints", rowid=True, qualified=True, nondeterministic=True)
INDEX_COLUMN: Final = Place("index expressions", rowid=False, qualified=False, nondeterministic=False)
INDEX_WHERE: Final = Place("partial index WHERE clauses", rowid=True, qualified=True, nondeterministic=False)
GENERATED: Final = Place("generated columns", rowid=False, qualified=False, nondeterministic=False)

WINDOW_FUNCTIONS: Final = frozenset({
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lead", "lag", "first_value",
    "last_value", "nth_value",
})  # fmt: skip

CLOCK_CALLS: Final = frozenset({"current_date", "current_time", "current_timestamp"})


def check_table(table: Table, users: UserFunctions | None = None) -> None:
    """Check the expressions of a new table's CHECK constraints and generated columns.

    Raises:
        OperationalError: an unknown name or function, or something that may not stand there.
    """
    for check in table.checks:
        check_expression(check.expression, table, CHECK, users)
    for column in table.columns:
        if column.generated is not None:
            check_expression(column.generated.expression, table, GENERATED, users)


def check_expression(
    expression: ast.Expression, table: Table, place: Place, users: UserFunctions | None = None
) -> None:
    """Check one expression over one record of `table`.

    Raises:
        OperationalError: as check_table.
    """
    pending: list[Any] = [expression]
    while pending:
        node = pending.pop()
        check = CHECKS.get(type(node))
        if check is not None:
            check(node, table, place, users)
        pending.extend(reversed(list(operands(node))))


def operands(node: Any) -> Iterator[Any]:
    """The nodes directly below one, in the order they are written; SELECTs are left out."""
    for part in node:
        if isinstance(part, (ast.Select, str)):
            continue
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            yield part
        elif isinstance(part, (list, tuple)):
            for item in part:
                if isinstance(item, tuple) and hasattr(item, "_fields"):
                    yield item
                elif isinstance(item, tuple):
                    yield from item


def check_name(node: ast.Name, table: Table, place: Place, users: UserFunctions | None) -> None:
    if node.table is not None and not place.qualified:
        raise prohibited('the "." operator', place)
    lowered = node.column.lower()
    of_table = node.table is None or node.table.lower() == table.name.lower()
    if of_table and (lowered in table.by_name or (place.rowid and table.find_rowid_alias(lowered))):
        return
    if node.table is None and (node.quoted or lowered in ("true", "false")):
        return
    shown = ".".join(part for part in (node.schema, node.table, node.column) if part is not None)
    raise fault(f"no such column: {shown}")


def check_subquery(node: Any, table: Table, place: Place, users: UserFunctions | None) -> None:
    raise prohibited("subqueries", place)


def check_parameter(node: ast.Parameter, table: Table, place: Place, users: UserFunctions | None) -> None:
    raise prohibited("parameters", place)


def check_call(node: ast.Call, table: Table, place: Place, users: UserFunctions | None) -> None:
    """Look the function up; refuse aggregates and window functions, and what isn't deterministic where it must be."""
    from tandemdb.planner.functions.registry import AGGREGATES, find_scalar

    name = node.name.lower()
    count = 0 if node.star else len(node.arguments)
    user = None if users is None else users.scalar(name, count)
    if user is not None:
        deterministic = user
    else:
        is_window = name in WINDOW_FUNCTIONS
        is_aggregate = name in AGGREGATES and not (name in ("min", "max") and count != 1)
        if is_window or is_aggregate or (users is not None and users.aggregate(name, count)):
            kind = "window" if is_window or node.over is not None else "aggregate"
            raise fault(f"misuse of {kind} function {node.name}()")
        deterministic = find_scalar(node.name, count).deterministic and name not in CLOCK_CALLS
        if node.over is not None:
            raise fault(f"{node.name}() may not be used as a window function")
        if node.filter is not None:
            raise fault(f"FILTER may not be used with non-aggregate {node.name}()")
    if not deterministic and name not in CLOCK_READERS and not place.nondeterministic:
        raise prohibited("non-deterministic functions", place)


CLOCK_READERS: Final = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime"})
"""Deterministic unless they are asked for 'now', which SQLite finds out only when it evaluates them."""


def check_like(node: ast.Like, table: Table, place: Place, users: UserFunctions | None) -> None:
    """REGEXP and MATCH are calls of functions that the connection has to register."""
    name = node.operator.lower()
    if name == "regexp" and (users is None or users.scalar(name, 2) is None):
        raise fault(f"no such function: {node.operator}")


CHECKS: Final[dict[type, Callable[[Any, Table, Place, UserFunctions | None], None]]] = {
    ast.Name: check_name,
    ast.Subquery: check_subquery,
    ast.Exists: check_subquery,
    ast.InSelect: check_subquery,
    ast.Parameter: check_parameter,
    ast.Call: check_call,
    ast.Like: check_like,
}


def is_constant_or_function(expression: ast.Expression) -> bool:
    """Whether a DEFAULT may say this: no column, no subquery, no parameter; calls are let through."""
    pending: list[Any] = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if node.table is not None or node.quoted or node.column.lower() not in ("true", "false"):
                return False
        elif isinstance(node, (ast.Subquery, ast.Exists, ast.InSelect, ast.Parameter)):
            return False
        pending.extend(operands(node))
    return True


def prohibited(what: str, place: Place) -> OperationalError:
    return fault(f"{what} prohibited in {place.called}")


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")


__all__ = ["CHECK", "GENERATED", "INDEX_COLUMN", "INDEX_WHERE", "check_expression", "check_table"]
