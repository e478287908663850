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
    """Raise an error if any expression in a tree is higher than SQLite allows; without recursion."""
    pending: list[tuple[Any, int]] = [(node, 0)]
    while pending:
        node, height = pending.pop()
        kind = type(node)
        if kind in _COUNTED:
            height += 1
            if kind in _NEGATABLE and node.negated:
                height += 1  # SQLite's tree has a NOT above it.
            elif kind is Name and node.table is not None:
                height += 1  # SQLite's tree has a node for the dot.
            if height > EXPRESSION_DEPTH_MAX:
                fail_height()
        if kind is not Name and kind is not Literal:
            pending += [(part, height) for part in node if isinstance(part, tuple)]


def fail_height() -> NoReturn:
    raise OperationalError(f"Expression tree is too large (maximum depth {EXPRESSION_DEPTH_MAX})")


_NEGATABLE: frozenset[type] = frozenset([Between, InList, InSelect, Like])
_COUNTED = _NEGATABLE | {Binary, Call, Case, Cast, Exists, IsNull, Literal, Name, Parameter, RowValue, Subquery, Unary}
