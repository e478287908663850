"""Queries in FROM of whose rows one column is read, or none: they bring its values bare, not rows.

    SELECT max(s) FROM (SELECT grp, sum(amount) AS s FROM item GROUP BY grp)

        append_rows_1(sum_1)                                in place of append_rows_1((key_1, sum_1))
        values_1 = list(rows_of_1)                          in place of [subquery_1[1] for subquery_1 in rows_of_1]

What the other columns would hold is not computed; so only where that could not have failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandemdb.planner.access.covering import columns_read
from tandemdb.planner.bind.bound import (
    AggregateRef,
    Column,
    CommonRows,
    Core,
    Expr,
    OrderKey,
    Query,
    Rowid,
    Source,
    WindowRef,
    walk,
)
from tandemdb.planner.bind.traits import collation_of
from tandemdb.planner.syntax import ast

NO_COLUMN = -1
"""In a column's place: nothing but the number of rows is asked for."""
CANNOT_FAIL = (AggregateRef, WindowRef, Column, Rowid, ast.Literal, ast.Parameter, ast.Collate)
"""Aggregates and window functions are computed, asked for or not."""


def note_sole_columns(core: Core, order_by: Sequence[OrderKey]) -> None:
    """Tell each query that the core reads from, and nobody else, which one of its columns is read if only one is."""
    if any(source.join != "INNER" for source in core.sources):
        return  # A row of NULLs may stand in for one of theirs.
    for source in core.sources:
        query, common = query_of(source), source.function
        if query is None and not is_read_once(common):
            continue
        read = columns_read(core, order_by, source, ())
        if read is None or len(read) > 1:
            continue
        if query is not None:
            query.sole_column = min(read, default=NO_COLUMN)
        else:
            common.bare = True


def is_read_once(common: object) -> bool:
    """Whether a recursive table of one column is read by its only step, once, and by one other query."""
    return (
        isinstance(common, CommonRows)
        and common.recursive
        and common.uses == 2
        and len(common.columns) == len(common.steps) == 1
    )


def query_of(source: Source) -> Query | None:
    """The query that makes a source's rows for it alone."""
    common = source.function
    if isinstance(common, CommonRows):
        return common.query if common.uses == 1 and not common.recursive else None
    return source.query


def bare_column(core: Core, query: Query | None) -> int | None:
    """The column whose values the core may bring in place of rows; None where it has to bring rows."""
    if query is None or query.sole_column is None or core.values is not None or query.order_by:
        return None
    if core.distinct:
        return 0 if len(core.results) == 1 and is_compared_as_it_is(core) else None
    others = [result.expression for at, result in enumerate(core.results) if at != query.sole_column]
    return query.sole_column if all(map(cannot_fail, others)) else None


def is_compared_as_it_is(core: Core) -> bool:
    """Whether DISTINCT compares the one column's values by no collation, as the rows are gathered."""
    found = collation_of(core.results[0].expression)
    return not core.is_aggregate and not core.windows and (found is None or found[0] == "BINARY")


def cannot_fail(expression: Expr) -> bool:
    return all(isinstance(node, CANNOT_FAIL) for node in walk(expression))
