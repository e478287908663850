"""Recursive common tables: a queue of rows, each fed to the steps until none is left.

    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) ...

    def setup_query_1(): ...                       the rows to begin with
    def step_query_1(queue): ...                   the rows that some rows lead to
    common_rows_1 = recurse(context, setup_query_1(), (step_query_1,), False, (), 0, None)

How the queue works stands in `recursion`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import CommonRows
from tandemdb.planner.emit.order import collation_key, limit_text
from tandemdb.planner.emit.writer import Frame
from tandemdb.planner.runtime import recursion

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter


def recursive_rows(queries: QueryEmitter, common: CommonRows) -> None:
    """Write the loop that makes a recursive table's rows; sets `common.rows_name`."""
    from tandemdb.planner.emit.query import is_local

    generator = queries.generator
    local = is_local(common)
    home = queries.frame if local else generator.main
    assert common.setup is not None and common.query is not None
    setup = queries.local_function(common.setup, "setup_query", home, ())
    rows = generator.name("common_rows")
    common.rows_name = "queue"
    common.is_local = True
    steps = []
    for step in common.steps:
        steps.append(queries.local_function(step, "step_query", home, ("queue",)))
    common.rows_name = rows
    common.is_local = local
    frame = Frame(generator.name("recursive"), (), home)
    inner = type(queries)(generator, frame, queries)
    limit = limit_text(inner, common.query)
    start, stop = limit if limit is not None else ("0", "None")
    order = ", ".join(
        f"({key.position}, {key.descending}, {key.nulls_first}, {collation_key(queries, key.collation)})"
        for key in common.query.order_by
    )
    distinct = "UNION" in common.operators
    loop = generator.helper(recursion.recurse)
    listed = ", ".join(steps)
    order += "," if order else ""
    frame.emit(f"return {loop}(context, {setup}(), ({listed},), {distinct}, ({order}), {start}, {stop})")
    home.emit_setup_lines(["    " + line for line in frame.source()])
    home.emit_setup(f"{rows} = {frame.name}()")
