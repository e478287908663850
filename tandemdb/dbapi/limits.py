"""Limits of a connection that are lower than SQLite's own, held against a statement's tree when it is prepared.

    setlimit(SQLITE_LIMIT_FUNCTION_ARG, 1) ─► _limits ─┐
    "SELECT max(1, 2)" ─► Select ─► ... ─► Call ───────┴─► too many arguments on function max

Plans are shared by the whole process, limits are one connection's: so the parser knows SQLite's own limits only, and a
connection that has lowered one looks at each new statement here. Values are measured as they come and go: those that
arise and vanish within an expression are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tandemdb.dbapi.constants import (
    SQLITE_LIMIT_ATTACHED,
    SQLITE_LIMIT_COLUMN,
    SQLITE_LIMIT_COMPOUND_SELECT,
    SQLITE_LIMIT_EXPR_DEPTH,
    SQLITE_LIMIT_FUNCTION_ARG,
    SQLITE_LIMIT_LENGTH,
    SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
    SQLITE_LIMIT_TRIGGER_DEPTH,
)
from tandemdb.errors import DataError, OperationalError

RUNNING = {
    SQLITE_LIMIT_LENGTH: "length",
    SQLITE_LIMIT_ATTACHED: "attached",
    SQLITE_LIMIT_TRIGGER_DEPTH: "trigger_depth",
    SQLITE_LIMIT_LIKE_PATTERN_LENGTH: "pattern",
}
"""Limits that a running statement meets, by their names in `planner.lowered_limits`."""


def check_limits(statement: Any, limits: Mapping[int, int]) -> None:
    """Refuse a statement that goes past a limit.

    Raises:
        OperationalError: too many arguments, columns or terms, in SQLite's words.
    """
    from tandemdb.planner.syntax import ast, ddl
    from tandemdb.planner.syntax.tree import walk

    shape = getattr(statement, "shape", None)
    if shape is None:  # a node's statement: the node holds it to its own limits
        return
    if SQLITE_LIMIT_EXPR_DEPTH in limits:
        from tandemdb.planner.parser.limits import check_heights

        check_heights(shape.node, limits[SQLITE_LIMIT_EXPR_DEPTH])
    arguments_max, columns_max, terms_max = (
        limits.get(limit, 1 << 31)
        for limit in (SQLITE_LIMIT_FUNCTION_ARG, SQLITE_LIMIT_COLUMN, SQLITE_LIMIT_COMPOUND_SELECT)
    )
    for node in walk(shape.node):
        if isinstance(node, ast.Call):
            refuse_if(len(node.arguments) > arguments_max, f"too many arguments on function {node.name}")
        elif isinstance(node, ast.SelectCore):
            refuse_if(len(node.columns) > columns_max, "too many columns in result set")
            refuse_if(len(node.group_by) > columns_max, "too many terms in GROUP BY clause")
        elif isinstance(node, ast.Select):
            terms = sum(isinstance(core, ast.SelectCore) for core in node.cores)
            refuse_if(terms > terms_max, "too many terms in compound SELECT")
            refuse_if(len(node.order_by) > columns_max, "too many terms in ORDER BY clause")
        elif isinstance(node, ddl.CreateTable):
            refuse_if(len(node.columns) > columns_max, f"too many columns on {node.name}")
        elif isinstance(node, ddl.CreateIndex):
            refuse_if(len(node.columns) > columns_max, "too many columns in index")


def measured(rows: Iterable[Any], length_max: int) -> Iterator[Any]:
    """Pass rows, or sets of values, on.

    Raises:
        DataError: a text or blob is longer than the limit.
    """
    for row in rows:
        check_lengths(row, length_max)
        yield row


def check_lengths(values: Iterable[Any], length_max: int) -> None:
    """Refuse texts and blobs that are longer than the limit.

    Raises:
        DataError: string or blob too big.
    """
    for value in values:
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogateescape")
        if isinstance(value, bytes) and len(value) > length_max:
            raise too_big()


def too_big() -> DataError:
    return DataError("string or blob too big", code="SQLITE_TOOBIG")


def refuse_if(too_many: bool, message: str) -> None:
    if too_many:
        raise OperationalError(message, code="SQLITE_ERROR")
