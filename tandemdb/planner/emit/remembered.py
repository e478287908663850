"""Correlated subqueries whose answers are remembered: the same values of the outer row bring the same answer.

    SELECT ... FROM part, lineitem WHERE ... quantity < (SELECT avg(quantity) FROM lineitem WHERE partkey = p_partkey)

    answers_1 = {}                                                  one answer a part, not a line
    (answers_1[sought_1] if (sought_1 := part_0[0]) in answers_1
     else answers_1.setdefault(sought_1, scalar_query_1(part_0)))

Not where each outer row brings values of its own, nor where an answer may differ from call to call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import (
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NUMBER,
    AggregateRef,
    Column,
    Expr,
    FunctionCall,
    Local,
    Query,
    Rowid,
    Source,
    UserCall,
    WindowRef,
    expressions_of,
    queries_in,
    walk,
)
from tandemdb.planner.bind.traits import STABLE

if TYPE_CHECKING:
    from tandemdb.planner.emit.subquery import SubqueryEmitter

VALUES_MAX = 3
"""More values of outer rows than these are seldom the same again."""


def remembered_by(queries: SubqueryEmitter, query: Query) -> str | None:
    """An expression for the outer values that the query's answer depends on; None where it is computed each time."""
    generator = queries.generator
    if generator.live or generator.row_bound:
        return None
    read: dict[Any, None] = {}
    for node in nodes_of(query):
        if isinstance(node, (UserCall, Local)) or may_differ(node):
            return None
        if isinstance(node, (AggregateRef, WindowRef)) and set(node.core.sources) & query.outer:
            return None
        if isinstance(node, (Column, Rowid)) and node.source in query.outer:
            read[node] = None
    if not 0 < len(read) <= VALUES_MAX or any(map(is_ambiguous, read)):
        return None
    if is_unique_each_time(queries, list(read)):
        return None
    texts = [queries.expressions.value(node).text for node in read]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def nodes_of(query: Query) -> Iterator[Expr]:
    """All nodes of the expressions of a query and of those inside it."""
    for inner in queries_in(query):
        extra = [key.expression for key in inner.order_by] + [inner.limit, inner.offset]
        for core in inner.cores:
            for expression in (*expressions_of(core), *(item for item in extra if item is not None)):
                yield from walk(expression)
            for aggregate in core.aggregates:
                if aggregate.function is None:
                    yield UserCall(aggregate.name, (), False)
            for source in core.sources:
                if source.function is not None:
                    yield UserCall(source.alias, (), False)


def may_differ(node: Expr) -> bool:
    return isinstance(node, FunctionCall) and not node.function.deterministic and node.name not in STABLE


def is_ambiguous(node: Column | Rowid) -> bool:
    """Whether values that are equal may not be the same: 1 and 1.0."""
    if isinstance(node, Rowid):
        return False
    classes = node.source.columns[node.position].classes
    return classes & HOLDS_NUMBER == HOLDS_INT | HOLDS_FLOAT


def is_unique_each_time(queries: SubqueryEmitter, read: list[Any]) -> bool:
    """Whether the values hold the unique key of the only source around the query."""
    if any(is_unique_key(node.source, node) and queries.frame.sources <= {node.source} for node in read):
        return True
    sources = {node.source for node in read}
    if len(sources) != 1 or not queries.frame.sources <= sources:
        return False
    table, positions = sources.pop().table, {node.position for node in read if isinstance(node, Column)}
    return table is not None and any(
        index.unique and index.where is None and {column.position for column in index.columns} <= positions
        for index in table.indexes
    )


def is_unique_key(source: Source, node: Column | Rowid) -> bool:
    if isinstance(node, Rowid):
        return True
    return source.table is not None and node.position == source.table.rowid_position
