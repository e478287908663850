"""Recursive common tables: a queue of rows, each fed to the steps until none is left.

    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) ...

    def setup_query_1(): ...                       the rows to begin with
    def step_query_1(queue): ...                   the rows that some rows lead to
    def follow_1(c_0, count): ...                  where each row leads to one: up to so many, one after another
    common_rows_1 = recurse(context, setup_query_1(), (step_query_1,), False, (), 0, None, follow_1)

What the columns hold is found before the steps are written: what the setup holds, and what the steps make of it, until
nothing is added. How the queue works stands in `recursion`. Where each row leads to one and one query reads them, the
values of a table's only column stand bare (`sole_column`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import (
    HOLDS_NULL,
    HOLDS_NUMBER,
    Column,
    CommonRows,
    Query,
    QueryExists,
    QueryIn,
    QueryValue,
    walk,
)
from tandemdb.planner.emit.expression import ExpressionEmitter
from tandemdb.planner.emit.order import OrderEmitter, collation_key, limit_text
from tandemdb.planner.emit.writer import Frame, Generator
from tandemdb.planner.runtime import recursion
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter


def recursive_rows(queries: QueryEmitter, common: CommonRows) -> None:
    """Write the loop that makes a recursive table's rows; sets `common.rows_name`."""
    from tandemdb.planner.emit.subquery import is_local

    generator = queries.generator
    local = is_local(common)
    home = queries.frame if local else generator.main
    assert common.setup is not None and common.query is not None
    if common.bare and not common.query.order_by:
        common.setup.sole_column = 0
    setup = queries.local_function(common.setup, "setup_query", home, ())
    rows = generator.name("common_rows")
    classes = settled_classes(generator, common, generator.row_classes.get(setup))
    first = f"{setup}()"
    common.rows_name = "queue"
    common.is_local = True
    steps, follow = [], ""
    for step in common.steps:
        note_classes(generator, "queue", classes)
        if classes is not None and follows(common, step, classes):
            if setup in generator.bare:
                generator.bare["queue"] = generator.bare[rows] = 0
            name, follow = write_following(queries, step, home)
            generator.bare.pop("queue", None)
            steps.append(name)
        else:
            steps.append(queries.local_function(step, "step_query", home, ("queue",)))
    if setup in generator.bare and rows not in generator.bare:
        first = f"[(value,) for value in {first}]"
    note_classes(generator, "queue", None)
    note_classes(generator, rows, classes)
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
    arguments = f"context, {first}, ({listed},), {distinct}, ({order}), {start}, {stop}"
    frame.emit(f"return {loop}({arguments}{', ' if follow else ''}{follow})")
    home.emit_setup_lines(["    " + line for line in frame.source()])
    home.emit_setup(f"{rows} = {frame.name}()")


# ---- what the columns hold


def note_classes(generator: Generator, rows: str, classes: Sequence[int] | None) -> None:
    if classes is None:
        generator.row_classes.pop(rows, None)
    else:
        generator.row_classes[rows] = classes


def settled_classes(generator: Generator, common: CommonRows, classes: Sequence[int] | None) -> Sequence[int] | None:
    """What each column of the table may hold, None where only writing the steps would tell."""
    if classes is None or not all(map(is_told, common.steps)):
        return None
    sources = [source for step in common.steps for source in step.cores[0].sources if source.function is common]
    while True:
        for source in sources:
            source.columns = [c._replace(classes=held) for c, held in zip(source.columns, classes, strict=True)]
        wider = list(classes)
        for step in common.steps:
            # Written for their classes only, into a statement that nobody reads.
            scratch = Generator(generator.types, generator.roots)
            scratch.literal_base, scratch.row_bound = generator.literal_base, generator.row_bound
            expressions = ExpressionEmitter(scratch, scratch.main, None)
            for position, result in enumerate(step.cores[0].results):
                wider[position] |= expressions.value(result.expression).classes
        if wider == list(classes):
            return classes
        classes = wider


def is_told(step: Query) -> bool:
    """Whether the classes of a step's columns need no more than those of its sources' columns."""
    core = step.cores[0]
    if len(step.cores) != 1 or core.values is not None or step.common:
        return False
    nodes = [node for result in core.results for node in walk(result.expression)]
    return not any(isinstance(node, (QueryValue, QueryExists, QueryIn)) for node in nodes)


# ---- steps that lead from one row to one


def follows(common: CommonRows, step: Query, classes: Sequence[int]) -> bool:
    """Whether each row leads to one row at most, by nothing but arithmetic: made ahead, such rows do no harm.

    A text may only be handed on: one that grew would do so far beyond what is read.
    """
    core = step.cores[0]
    if len(common.steps) != 1 or common.query is None or common.query.order_by:
        return False
    if len(core.sources) != 1 or core.sources[0].function is not common or core.distinct:
        return False
    if step.limit is not None or step.order_by:
        return False
    results = [result.expression for result in core.results]
    for held, result in zip(classes, results, strict=True):
        if held & ~(HOLDS_NULL | HOLDS_NUMBER) and not isinstance(result, HANDED_ON):
            return False
    nodes = [node for expression in (*results, *core.conjuncts) for node in walk(expression)]
    return all(isinstance(node, ARITHMETIC) for node in nodes) and all(
        node.source is core.sources[0] for node in nodes if isinstance(node, Column)
    )


HANDED_ON = (Column, ast.Literal, ast.Parameter)
ARITHMETIC = (*HANDED_ON, ast.Unary, ast.Binary, ast.IsNull, ast.Case)


def write_following(queries: QueryEmitter, step: Query, home: Frame) -> tuple[str, str]:
    """Define a step's function, and the one that goes on from row to row; their names."""
    generator, core = queries.generator, step.cores[0]
    frame = Frame(generator.name("step_query"), ("queue",), home)
    inner = type(queries)(generator, frame, queries)
    order = OrderEmitter(inner, core, step)
    order.bare = generator.bare.get("queue")
    pipeline, _ = inner.pipeline(core, order)
    element = inner.element(core, order)
    tests = [clause.target for clause in pipeline.clauses if clause.kind == "if"]
    rows = pipeline.collect(generator, frame, element)
    frame.emit(f"return {rows}")
    home.emit_setup_lines(["    " + line for line in frame.source()])
    row, width = core.sources[0].variable, len(core.results)
    ahead = Frame(generator.name("follow"), (row, "count"), home)
    columns = [generator.name("column") for _ in range(width)]
    listed = ", ".join(columns) + ("," if width == 1 else "")

    def of_columns(text: str) -> str:
        return re.sub(rf"\b{row}\[(\d+)\]", lambda place: columns[int(place[1])], text)

    if order.bare is None:
        ahead.emit(f"{listed} = {row}")
    ahead.emit("rows = []")
    ahead.emit("for _ in range(count):")
    if tests:
        ahead.emit(f"    if not ({' and '.join(map(of_columns, tests))}):")
        ahead.emit("        break")
    if order.bare is not None:
        ahead.emit(f"    {row} = {element}")
        ahead.emit(f"    rows.append({row})")
    elif width == 1:
        value = inner.expressions.value(core.results[0].expression).text
        ahead.emit(f"    {columns[0]} = {of_columns(value)}")
        ahead.emit(f"    rows.append(({columns[0]},))")
    else:
        ahead.emit(f"    {listed} = {row} = {of_columns(element)}")
        ahead.emit(f"    rows.append({row})")
    ahead.emit("return rows")
    home.emit_setup_lines(["    " + line for line in ahead.source()])
    return frame.name, ahead.name
