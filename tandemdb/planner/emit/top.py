"""ORDER BY with LIMIT: only rows that can still be among the first are kept.

    SELECT id FROM item ORDER BY name LIMIT 10

    room_1, bound_1, rows_1 = room_for(stop_1), None, []
    for batch_1 in context.watched(table_item_1.record_lists()):
        if bound_1 is None:
            rows_1 += [(item_0[0], item_0[2]) for item_0 in batch_1]
        else:
            rows_1 += [(item_0[0], item_0[2]) for item_0 in batch_1 if item_0[2] < bound_1]
        if len(rows_1) > room_1:
            rows_1.sort(key=itemgetter(1))
            del rows_1[stop_1:]
            bound_1 = rows_1[-1][1]

A row that is equal to the last of the first ten, and comes later, is not among them: the sort is stable. One
comparison a
row beats a heap three times over.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import HOLDS_NULL, Column, Query
from tandemdb.planner.emit.order import PLAIN_CLASSES, OrderEmitter, limit_text, write_sort
from tandemdb.planner.emit.pipeline import Clause, Pipeline

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

BATCHES = re.compile(r"chain_*\((context\.watched\(.+\))\)\Z")
ROOM_MIN = 1000
"""Rows gathered before the first sort: enough for its bound to be a low one."""


def top_rows(queries: QueryEmitter, order: OrderEmitter, pipeline: Pipeline, element: str, query: Query) -> str | None:
    """Write the loop over batches; the name of the list of rows, None where the order or the loops do not suit."""
    test = bound_test(queries, order)
    first = pipeline.clauses[0] if pipeline.clauses else None
    found = BATCHES.match(first.text) if first is not None and first.kind == "for" else None
    if test is None or first is None or found is None or not pipeline.is_comprehension:
        return None
    frame, generator = queries.frame, queries.generator
    order.limit = limit_text(queries, query)
    assert order.limit is not None
    stop = order.limit[1]
    rows, room, bound, batch = (generator.name(prefix) for prefix in ("rows", "room", "bound", "batch"))
    condition = test.replace("BOUND", bound)
    frame.emit(f"{room}, {bound}, {rows} = {generator.helper(room_for)}({stop}), None, []")
    frame.emit(f"for {batch} in {found[1]}:")
    frame.depth += 1
    whole, bounded = Pipeline(), Pipeline()
    whole.clauses = [first._replace(text=batch), *pipeline.clauses[1:]]
    at = 1 if condition_reads(condition, first.target) else len(pipeline.clauses)
    bounded.clauses = [*whole.clauses[:at], Clause("if", condition), *whole.clauses[at:]]
    frame.emit(f"if {bound} is None:")
    frame.emit(f"    {rows} += {whole.comprehension(element)}")
    frame.emit("else:")
    frame.emit(f"    {rows} += {bounded.comprehension(element)}")
    frame.emit(f"if len({rows}) > {room}:")
    frame.depth += 1
    places = order.places()
    write_sort(queries, rows, order.keys, places, order.codes)
    frame.emit(f"del {rows}[{stop}:]")
    frame.emit(f"{bound} = {rows}[-1][{places[0]}]")
    frame.depth -= 2
    return rows


def bound_test(queries: QueryEmitter, order: OrderEmitter) -> str | None:
    """The condition under which a row may still come before the last one kept, whose leading value is `BOUND`."""
    keys, places = order.keys, order.places()
    if any(
        key.collation != "BINARY" or order.codes.get(place, 0) & ~HOLDS_NULL not in PLAIN_CLASSES
        for key, place in zip(keys, places, strict=True)
    ):
        return None
    leading = keys[0]
    expression = leading.expression if leading.position < 0 else order.core.results[leading.position].expression
    if not isinstance(expression, Column) or leading.nulls_first == leading.descending:
        return None
    code = queries.expressions.value(expression)
    operator = (">" if leading.descending else "<") + ("" if len(keys) == 1 else "=")
    test = f"{code.text} {operator} BOUND"
    if not code.nullable:
        return test
    return f"{code.text} is not None and {test}" if leading.descending else f"({code.text} is None or {test})"


def condition_reads(condition: str, target: str) -> bool:
    """Whether the condition's column is of the loop's own variable."""
    variables = [name.strip() for name in target.split(",")]
    return any(re.search(rf"\b{re.escape(name)}\[", condition) for name in variables)


def room_for(stop: int | None) -> Any:
    """How many rows to gather before all but `stop` are dropped: any number where there is no limit, or it is 0."""
    return 2 * stop + ROOM_MIN if stop else sys.maxsize
