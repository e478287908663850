"""What a bound expression is worth in a comparison: affinity, collation, constancy.

    expression            affinity          collation
    column                the column's      the column's, implicit
    CAST(x AS type)       the type's        x's, implicit
    x COLLATE c           x's               c, explicit
    +x                    none              x's
    (SELECT e ...)        e's               none
    anything else         none              the leftmost explicit one below it

Rules: https://www.sqlite.org/datatype3.html, sections 4.2 and 7.1.
"""

from __future__ import annotations

from tandemdb.planner import ast
from tandemdb.planner.bound import (
    AggregateRef,
    Column,
    Expr,
    FunctionCall,
    Local,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    UserCall,
    WindowRef,
    children,
    walk,
)


def affinity_of(expression: Expr) -> str | None:
    """INTEGER, REAL, NUMERIC, TEXT or BLOB; None for an expression that has no affinity."""
    while isinstance(expression, ast.Collate):
        expression = expression.operand
    if isinstance(expression, Column):
        return expression.source.columns[expression.position].affinity
    if isinstance(expression, Rowid):
        return "INTEGER"
    if isinstance(expression, Local):
        return expression.affinity
    if isinstance(expression, ast.Cast):
        from tandemdb.planner.schema import affinity_of as affinity_of_type

        return affinity_of_type(expression.type_name) if expression.type_name.strip('"') else "NUMERIC"
    if isinstance(expression, QueryValue):
        return expression.query.columns[expression.position].affinity
    return None


def collation_of(expression: Expr) -> tuple[str, bool] | None:
    """The collation's name and whether COLLATE asked for it; None where the expression brings none."""
    if isinstance(expression, ast.Collate):
        return canonical_collation(expression.collation), True
    if isinstance(expression, Column):
        return canonical_collation(expression.source.columns[expression.position].collation), False
    if isinstance(expression, Rowid):
        return "BINARY", False
    if isinstance(expression, Local):
        return canonical_collation(expression.collation), False
    if isinstance(expression, ast.Cast) or (isinstance(expression, ast.Unary) and expression.operator == "+"):
        return collation_of(expression.operand)
    for part in children(expression):
        found = collation_of(part)
        if found is not None and found[1]:
            return found
    return None


def canonical_collation(name: str) -> str:
    """BINARY, NOCASE and RTRIM in upper case; a collation of the connection's own as written, for the error's sake."""
    upper = name.upper()
    return upper if upper in ("BINARY", "NOCASE", "RTRIM") else name


def comparison_collation(left: Expr, right: Expr) -> str:
    """The collation of `left <op> right`: an explicit one first, then the left column's, then the right's."""
    of_left, of_right = collation_of(left), collation_of(right)
    if of_left is not None and of_left[1]:
        return of_left[0]
    if of_right is not None and of_right[1]:
        return of_right[0]
    chosen = of_left or of_right
    return chosen[0] if chosen else "BINARY"


def comparison_affinity(left: Expr, right: Expr) -> tuple[str | None, str | None]:
    """The affinity to apply to the left and to the right operand before they are compared."""
    return affinity_applied(affinity_of(left), affinity_of(right)), affinity_applied(
        affinity_of(right), affinity_of(left)
    )


def affinity_applied(own: str | None, other: str | None) -> str | None:
    """The affinity that an operand of affinity `own` gets from its partner's."""
    own_numeric, other_numeric = own in NUMERIC, other in NUMERIC
    if other_numeric and not own_numeric:
        return "NUMERIC"
    if other == "TEXT" and own is None:
        return "TEXT"
    return None


NUMERIC = ("INTEGER", "REAL", "NUMERIC")


def is_constant(expression: Expr) -> bool:
    """Whether the value is the same for all rows of one execution: no column, no aggregate, nothing random, no subquery."""
    for node in walk(expression):
        if isinstance(
            node, (Column, Rowid, AggregateRef, WindowRef, QueryValue, QueryExists, QueryIn, Local, ast.Raise)
        ):
            return False
        if isinstance(node, FunctionCall) and not node.function.deterministic and node.name not in STABLE:
            return False
        if isinstance(node, UserCall):
            return False
    return True


STABLE = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime", "current_date", "current_time",
                    "current_timestamp"})  # fmt: skip
"""Functions that read the clock: the same within one statement."""
