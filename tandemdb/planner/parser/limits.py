"""SQLite's limits, and the height of an expression.

    a + b * f(c)       height 4: + over * over f over c; the SELECT of a subquery adds nothing of its own

Chains of operators are read in loops and may so grow beyond the limit; what else nests is bounded by the depth of the
stack.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tandemdb.errors import OperationalError
from tandemdb.planner.syntax.ast import (
    Between,
    Binary,
    Call,
    Case,
    Cast,
    Exists,
    InList,
    InSelect,
    IsNull,
    Like,
    Literal,
    Name,
    Parameter,
    RowValue,
    Select,
    Subquery,
    Unary,
)

STACK_DEPTH_MAX = 99
EXPRESSION_DEPTH_MAX = 1000
VARIABLE_NUMBER_MAX = 32766
FUNCTION_ARGUMENTS_MAX = 127
COMPOUND_TERMS_MAX = 500
SOURCES_MAX = 200
ASSIGNMENTS_MAX = 2000
COLUMNS_MAX = 2000


def check_height(node: Any) -> None:
    """Raise an error if any expression in a tree is higher than SQLite allows."""
    if height_of(node) > EXPRESSION_DEPTH_MAX:
        fail_height()


def check_heights(node: Any, height_max: int) -> None:
    """Hold a statement to a lower limit; SQLite adds the height of what a subquery stands in to that of its parts."""
    pending = [(node, 0)]
    while pending:
        node, below = pending.pop()
        for expression in outermost(node, COUNTED):
            height = below + height_of(expression)
            if height > height_max:
                fail_height(height_max)
            pending += [(select, height) for select in outermost(expression, SELECTS)]


def outermost(node: Any, kinds: frozenset[type]) -> list[Any]:
    """The nodes of these kinds that stand in no other such node, `node` itself aside if it is a SELECT."""
    found: list[Any] = []
    pending = [*node] if type(node) in SELECTS else [node]
    while pending:
        part = pending.pop()
        if type(part) in kinds:
            found.append(part)
        elif isinstance(part, (tuple, list)):
            pending.extend(part)
    return found


def height_of(node: Any) -> int:
    """The height of the highest expression in a tree; without recursion."""
    highest = 0
    pending: list[tuple[Any, int]] = [(node, 0)]
    while pending:
        node, height = pending.pop()
        kind = type(node)
        if kind in COUNTED:
            height += 1
            if kind in _NEGATABLE and node.negated:
                height += 1  # SQLite's tree has a NOT above it.
            elif kind is Name and node.table is not None:
                height += 1 if node.schema is None else 2  # SQLite's tree has a node for each dot.
            highest = max(highest, height)
        if kind is not Name and kind is not Literal:
            pending += [(part, height) for part in node if isinstance(part, (tuple, list))]
    return highest


def fail_height(height_max: int = EXPRESSION_DEPTH_MAX) -> NoReturn:
    raise OperationalError(f"Expression tree is too large (maximum depth {height_max})", code="SQLITE_ERROR")


_NEGATABLE: frozenset[type] = frozenset([Between, InList, InSelect, Like])
COUNTED = _NEGATABLE | {Binary, Call, Case, Cast, Exists, IsNull, Literal, Name, Parameter, RowValue, Subquery, Unary}
SELECTS: frozenset[type] = frozenset([Select])
