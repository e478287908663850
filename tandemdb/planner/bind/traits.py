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

from tandemdb.planner.bind.bound import (
    HOLDS_NUMBER,
    HOLDS_TEXT,
    AggregateRef,
    Column,
    Expr,
    FunctionCall,
    Local,
    Part,
    Query,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    UserCall,
    WindowRef,
    children,
)
from tandemdb.planner.syntax import ast


def affinity_of(expression: Expr) -> str | None:
    """INTEGER, REAL, NUMERIC, TEXT or BLOB; None for an expression that has no affinity."""
    while isinstance(expression, (ast.Collate, Part)):
        expression = expression.operand if isinstance(expression, ast.Collate) else expression.expression
    if isinstance(expression, Column):
        return expression.source.columns[expression.position].affinity
    if isinstance(expression, Rowid):
        return "INTEGER"
    if isinstance(expression, Local):
        return expression.affinity
    if isinstance(expression, ast.Cast):
        from tandemdb.planner.schema.schema import affinity_of as affinity_of_type

        return affinity_of_type(expression.type_name) if expression.type_name.strip('"') else "NUMERIC"
    if isinstance(expression, QueryValue):
        return expression.query.columns[expression.position].affinity
    return None


def collation_of(expression: Expr) -> tuple[str, bool] | None:
    """The collation's name and whether COLLATE asked for it; None where the expression brings none."""
    expression = below_casts(expression)
    if isinstance(expression, BEARERS):
        return own_collation(expression)
    # Any other expression has only what COLLATE asks for below it, the leftmost first.
    pending = children(expression)
    pending.reverse()
    while pending:
        part = below_casts(pending.pop())
        if isinstance(part, BEARERS):
            found = own_collation(part)
            if found is not None and found[1]:
                return found
        else:
            pending.extend(reversed(children(part)))
    return None


def below_casts(expression: Expr) -> Expr:
    while isinstance(expression, ast.Cast) or (isinstance(expression, ast.Unary) and expression.operator == "+"):
        expression = expression.operand
    return expression


def own_collation(expression: Expr) -> tuple[str, bool] | None:
    if isinstance(expression, Part):
        return expression.collation
    if isinstance(expression, ast.Collate):
        return canonical_collation(expression.collation), True
    if isinstance(expression, Column):
        return canonical_collation(expression.source.columns[expression.position].collation), False
    if isinstance(expression, Local):
        if expression.collation is None:
            return None
        return canonical_collation(expression.collation), expression.explicit
    return "BINARY", False


BEARERS = (ast.Collate, Column, Local, Part, Rowid)
"""Expressions that bring a collation themselves."""


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


def compared_result(query: Query, place: int = 0) -> Expr:
    """What lends a column behind IN its affinity and collation: the expression in the last SELECT, as in SQLite."""
    core = query.cores[-1]
    return core.results[place].expression if core.values is None else core.values[-1][place]


def comparison_affinity(left: Expr, right: Expr) -> tuple[str | None, str | None]:
    """The affinity to apply to the left and to the right operand before they are compared."""
    one, other = affinity_of(left), affinity_of(right)
    if one is not None and other is not None:
        affinity = "NUMERIC" if one in NUMERIC or other in NUMERIC else None
    else:
        affinity = one or other
        affinity = "NUMERIC" if affinity in NUMERIC else affinity if affinity == "TEXT" else None
    return affinity_applied(affinity, one, left), affinity_applied(affinity, other, right)


def membership_affinity(operand: Expr, query: Query, place: int = 0) -> tuple[str | None, str | None]:
    """The affinity to apply to what stands left of IN and to the query's column before they are compared."""
    result = compared_result(query, place)
    one, other = affinity_of(operand), affinity_of(result)
    if one is not None and other is not None:
        affinity = "NUMERIC" if one in NUMERIC or other in NUMERIC else None
    else:
        affinity = one or other
        affinity = None if affinity == "BLOB" else "NUMERIC" if affinity == "INTEGER" else affinity
    if affinity is None:
        return None, None
    # The last SELECT decides for values of all of them.
    given = [item for core in query.cores for item in (
        [core.results[place].expression] if core.values is None else [row[place] for row in core.values])]  # fmt: skip
    conforms = all(affinity_applied(affinity, affinity_of(item), item) is None for item in given)
    return affinity_applied(affinity, one, operand), None if conforms else affinity


def affinity_applied(affinity: str | None, own: str | None, operand: Expr) -> str | None:
    """The comparison's affinity, or None where the operand's own has already made its values such."""
    conforms = own in NUMERIC if affinity == "NUMERIC" else own == affinity
    if conforms and isinstance(operand, Column) and operand.source.table is None:
        # A column of a query bears the affinity of its first SELECT, but values of all of them.
        foreign = HOLDS_TEXT if affinity == "NUMERIC" else HOLDS_NUMBER
        conforms = not operand.source.columns[operand.position].classes & foreign
    return None if conforms else affinity


NUMERIC = ("INTEGER", "REAL", "NUMERIC")


def part_of(expression: Expr) -> Part:
    """The expression as a part that is computed by itself."""
    return Part(expression, collation_of(expression), is_constant(expression))


def is_constant(expression: Expr) -> bool:
    """Whether the value is the same for all rows of one execution: no column, aggregate, subquery, nothing random."""
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, VARYING):
            return False
        if isinstance(node, Part):
            if not node.constant:
                return False
            continue
        if isinstance(node, FunctionCall) and not node.function.deterministic and node.name not in STABLE:
            return False
        pending.extend(children(node))
    return True


VARYING = (
    Column, Rowid, AggregateRef, WindowRef, QueryValue, QueryExists, QueryIn, Local, ast.Raise, UserCall,
)  # fmt: skip
STABLE = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime", "current_date", "current_time",
                    "current_timestamp"})  # fmt: skip
"""Functions that read the clock: the same within one statement."""
