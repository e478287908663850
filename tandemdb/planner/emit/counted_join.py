"""A join of which nothing is asked but how many rows match: a dictionary of numbers in place of one of rows.

    SELECT count(*), count(o.id) FROM customer c LEFT JOIN orders o ON o.customer = c.id

        counts_1 = counts_by(context, table_orders_1, (1,))              or, of the rows that pass a condition:
        counts_1 = counter([orders_1[1] for orders_1 in ... if ...])
        matches_1 = [matches for customer_0 in ... for matches in [counts_1.get(customer_0[0], 0)]]
        total_1 = sum(matches_1)
        count_1 = total_1 + matches_1.count(0)                           a customer without orders is a row too
        count_2 = total_1
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.planner.access.join_order import JoinPlan
from tandemdb.planner.access.paths import unique_on
from tandemdb.planner.bind.bound import (
    HOLDS_NULL,
    Column,
    Core,
    Expr,
    QueryExists,
    QueryIn,
    QueryValue,
    Source,
    sources_of,
    walk,
)
from tandemdb.planner.emit.hash_join import hash_key, kept_positions, probe_text
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.runtime.kept import counts_by

if TYPE_CHECKING:
    from tandemdb.planner.emit.source import SourceReader

STEPS_MAX = 6
"""Longer pipelines may be cut and go on from their rows."""


class Matches(NamedTuple):
    """The variable that holds how many rows match; whether a row without a match stands as one."""

    name: str
    outer: bool


def counted_source(core: Core, plan: JoinPlan) -> Source | None:
    """The last source of a join whose rows are only counted; None if more is asked of them."""
    if not 1 < len(plan.steps) <= STEPS_MAX or not core.aggregates or core.windows:
        return None
    step = plan.steps[-1]
    source, path = step.source, step.path
    if path.kind != "hash" or source.table is None or source.uses_key or source.live or source.join not in JOINS:
        return None
    if unique_on(source, path.terms) or step.after or any(sources_of(test) != {source} for test in step.filters):
        return None
    for call in core.aggregates:
        if call.name != "count" or call.function is None or call.distinct or call.filter is not None:
            return None
        if call.order_by or not all(is_never_null(argument, source) for argument in call.arguments):
            return None
    shown: list[Expr] = [result.expression for result in core.results] + core.group_by
    shown += [] if core.having is None else [core.having]
    if any(reads(expression, source) for expression in shown):
        return None
    return source


JOINS = ("INNER", "LEFT")


def is_never_null(argument: Expr, source: Source) -> bool:
    if not isinstance(argument, Column) or argument.source is not source:
        return False
    return not source.columns[argument.position].classes & HOLDS_NULL


def reads(expression: Expr, source: Source) -> bool:
    """Whether the source, or a subquery that might read it, stands in an expression outside aggregates."""
    nodes = walk(expression)
    return source in sources_outside_aggregates(nodes) or any(
        isinstance(node, (QueryValue, QueryExists, QueryIn)) for node in nodes
    )


def sources_outside_aggregates(nodes: list[Expr]) -> set[Source]:
    return {node.source for node in nodes if hasattr(node, "source")}


def count_matches(reader: SourceReader, pipeline: Pipeline) -> None:
    """Write the look-up of how many rows match; those of an inner join that match none end there."""
    generator = reader.generator
    outer = reader.source.join == "LEFT"
    name = generator.name("matching")
    pipeline.let(name, f"{counts(reader)}.get({probe_text(reader)}, 0)")
    if not outer:
        pipeline.test(name)
    pipeline.matches = Matches(name, outer)


def counts(reader: SourceReader) -> str:
    """The name of the dictionary: one that the table keeps, or of the rows that pass the conditions."""
    generator, table = reader.generator, reader.table
    positions = kept_positions(reader)
    if positions is not None and not reader.own_tests:
        places = f"({', '.join(map(str, positions))},)"
        return reader.made_once(f"{generator.helper(counts_by)}(context, {table}, {places})", "counts")
    codes = [hash_key(reader, term, of_source=True) for term in reader.path.terms]
    key = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
    inner = Pipeline()
    inner.loop(reader.target, reader.scan_text())
    for test in reader.own_tests:
        inner.test(test)
    for code in codes:
        if code.nullable:
            inner.test(f"({code.text}) is not None")
    home = reader.queries.build_frame(reader.source)
    name = generator.name("counts")
    home.emit_setup(f"{name} = {generator.helper(Counter, 'counter')}({inner.either_comprehension(generator, key)})")
    return name
