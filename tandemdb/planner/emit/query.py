"""Queries as Python: each core becomes a pipeline with a sink, each subquery a value, a set or a local function.

    SELECT name FROM city WHERE country IN (SELECT id FROM country WHERE area > ?) ORDER BY name LIMIT 5

    def plan(roots, params, context):
        p0 = params[0]
        table_city_1 = roots[0].tables[5]
        def query_1():                                        # an uncorrelated subquery: run once
            ...
        members_1 = query_1()
        rows_1 = [(city_0[1],) for city_0 in ... if city_0[2] in members_1]
        rows_1 = smallest(...)
        return (rows_1,)

A correlated subquery is a local function that takes the outer rows it reads; the dictionaries it probes are made
once, in
the function around it that has all they need.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandemdb.planner.access.implied import implied_conditions
from tandemdb.planner.access.join_order import JoinPlan, Step, order_joins
from tandemdb.planner.access.paths import COST_SCAN
from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    AggregateRef,
    Column,
    CommonRows,
    Core,
    Expr,
    Query,
    Source,
    WindowRef,
    sources_of,
    walk,
)
from tandemdb.planner.emit.aggregate import AggregateSink
from tandemdb.planner.emit.counted_join import counted_source
from tandemdb.planner.emit.explain import Explanation
from tandemdb.planner.emit.expression import ExpressionEmitter
from tandemdb.planner.emit.extreme import explain_extreme, find_extremes, write_extreme
from tandemdb.planner.emit.gather import can_gather
from tandemdb.planner.emit.join import emit_step
from tandemdb.planner.emit.order import OrderEmitter, limit_text, limited_collect
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.sole_column import bare_column, note_sole_columns
from tandemdb.planner.emit.subquery import SubqueryEmitter, is_local
from tandemdb.planner.emit.top import top_rows
from tandemdb.planner.emit.writer import Code, Frame, Generator

READ_BY_KEY = frozenset({"find", "unique", "primary", "key"})
"""Paths to few rows."""


class QueryEmitter(SubqueryEmitter):
    """Writes the queries of one frame."""

    def __init__(
        self, generator: Generator, frame: Frame, parent: QueryEmitter | None, explanation: Explanation | None = None
    ) -> None:
        self.generator = generator
        self.frame = frame
        self.parent = parent
        self.expressions = ExpressionEmitter(generator, frame, self)
        self.aggregates: dict[tuple[int, int], Code] = {}
        self.windows: dict[tuple[int, int], Code] = {}
        self.explanation: Explanation = explanation or (parent.explanation if parent else Explanation())
        self.single_row = False
        self.counted: Source | None = None
        """The source of a join whose rows are only counted."""
        self.order: OrderEmitter | None = None
        """The core whose sources are being read, and its order."""
        self.element_classes: list[int] = []
        """What each column of the row that `element` wrote last may hold."""
        self.row_classes: Sequence[int] | None = None
        """What each column of the query's rows may hold, once they are written."""
        self.bare: int | None = None
        """The column that the query brings the values of, in place of rows."""

    # ---- whole queries

    def rows(self, query: Query) -> str:
        """Write the query into this frame; the name of the list that holds its rows."""
        self.common(query)
        if len(query.cores) == 1:
            name = self.core_rows(query.cores[0], query)
            self.note_row_classes(len(query.columns))
        else:
            from tandemdb.planner.emit.compound import compound_rows

            name = compound_rows(self, query)
        return name

    def note_row_classes(self, width: int) -> None:
        """Keep what the columns of the element written last may hold as those of the query's rows."""
        self.row_classes = self.element_classes[:width] if len(self.element_classes) >= width else None

    def common(self, query: Query) -> None:
        """Make the rows of the query's common tables that are read."""
        if query.common:
            for core in query.cores:
                note_sole_columns(core, query.order_by)
        for common in query.common:
            self.common_rows(common)

    def core_rows(self, core: Core, query: Query | None) -> str:
        """Write one core with the query's ORDER BY and LIMIT (None: without them)."""
        order = OrderEmitter(self, core, query)
        self.bare = order.bare = bare_column(core, query)
        if core.values is not None:
            return order.finish(self.values_rows(core))
        if core.is_aggregate and (rows := self.extreme_row(core, order)) is not None:
            return order.finish(rows)
        if counts_only(core):
            for source in core.sources:
                if source.query is not None and source.query.limit is None:
                    source.query.counted = True
        pipeline, plan = self.pipeline(core, order)
        if core.is_aggregate:
            return order.finish(AggregateSink(self, core, pipeline, order).rows())
        if core.windows:
            from tandemdb.planner.emit.window import window_rows

            return order.finish(window_rows(self, core, pipeline, order))
        element = self.element(core, order)
        if query is not None and query.limit is not None and not core.distinct and (
            order.sorted_by_path or not query.order_by
        ):
            limited = limited_collect(self, pipeline, element, query)
            if limited is not None:
                return limited
        if core.distinct and (rows := order.distinct_rows(pipeline, element)) is not None:
            return order.finish(rows, distinct=True)
        if query is not None and query.limit is not None and query.order_by and not core.distinct:
            first = None if order.sorted_by_path else top_rows(self, order, pipeline, element, query)
            if first is not None:
                return order.finish(first)
        if query is not None and (items := order.records_in_order(pipeline)) is not None:
            ordered = Pipeline()
            ordered.loop(pipeline.variables[0], items)
            pipeline, element = ordered, self.element(core, order)
        return order.finish(pipeline.collect(self.generator, self.frame, element))

    def extreme_row(self, core: Core, order: OrderEmitter) -> str | None:
        """Write the one row of a core whose aggregates are the ends of keys; None if there are others."""
        extremes = find_extremes(core, self.generator.roots)
        if extremes is None:
            return None
        sink = AggregateSink(self, core, Pipeline(), order)
        reads_row = sink.needs_row()
        if reads_row and len(extremes) > 1:
            return None
        self.frame.sources.update(core.sources)
        for extreme in extremes:
            self.explanation.line(explain_extreme(extreme))
        return sink.known_row(write_extreme(self, extreme, reads_row=reads_row) for extreme in extremes)

    def values_rows(self, core: Core) -> str:
        assert core.values is not None
        name = self.generator.name("rows")
        self.explanation.constant(len(core.values))
        self.frame.emit(f"{name} = [")
        self.element_classes = [0] * len(core.results)
        for row in core.values:
            codes = [self.expressions.value(item) for item in row]
            self.element_classes = [held | code.classes for held, code in zip(self.element_classes, codes, strict=True)]
            self.frame.emit(f"    ({', '.join(code.text for code in codes)},),")
        self.frame.emit("]")
        return name

    def pipeline(self, core: Core, order: OrderEmitter | None = None) -> tuple[Pipeline, JoinPlan | None]:
        """The loops over the core's sources, with its conditions placed."""
        pipeline = Pipeline()
        if not core.sources:
            self.explanation.constant(1)
            for conjunct in core.conjuncts:
                pipeline.test(self.expressions.true(conjunct))
            return pipeline, None
        if any(source.function is not None for source in core.sources):
            from tandemdb.planner.bind.table_functions import take_constraints

            take_constraints(core)
        if order is not None:
            note_sole_columns(core, order.keys)
        for source in core.sources:
            source.exact = self.generator.literal_base is None
            source.live = self.generator.live
            if len(core.sources) > 1 and source.join == "INNER":
                source.implied = implied_conditions(core.conjuncts, source)
            if source.live:
                source.columns = [column._replace(classes=HOLDS_ANY) for column in source.columns]
        outside = self.outside(core)
        plan = order_joins(core, self.generator.roots, outside)
        if order is not None:
            plan = order.with_cover(order.with_order(plan))
        self.frame.sources.update(core.sources)
        completed = any(source.join in ("RIGHT", "FULL") for source in core.sources)
        for conjunct in core.conjuncts:
            if not (sources_of(conjunct) - outside) and not completed:
                pipeline.test(self.expressions.true(conjunct))
        self.order = order
        if order is not None and can_gather(core, order.hidden_expressions()):
            self.counted = counted_source(core, plan)
        self.single_row = all(step.path.kind in ("find", "unique", "primary") for step in plan.steps)
        if any(step.path.kind not in READ_BY_KEY for step in plan.steps):
            self.generator.reads_many = True
        for number, step in enumerate(plan.steps):
            self.emit_step(pipeline, step, outside, number)
        if order is not None:
            order.explain(self.explanation)
        return pipeline, plan

    def emit_step(self, pipeline: Pipeline, step: Step, outside: set[Source], number: int) -> None:
        self.explanation.step(step)
        source = step.source
        kept = [c for c in step.filters if sources_of(c) - outside or source.join != "INNER" or c in source.on]
        emit_step(self, pipeline, step._replace(filters=kept))

    def outside(self, core: Core) -> set[Source]:
        """Sources read by the core that belong to queries around it."""
        found: set[Source] = set()
        for expression in (*core.conjuncts, *(c for source in core.sources for c in source.on)):
            found |= sources_of(expression)
        return found - set(core.sources)

    def element(self, core: Core, order: OrderEmitter) -> str:
        """The result row of the current variables, with the hidden columns that ORDER BY needs behind it."""
        hidden = order.hidden_expressions()
        results = [result.expression for result in core.results]
        plain = not hidden and order.bare is None and not self.expressions.known
        if plain and is_whole_record(core, results):
            codes = [self.expressions.value(item) for item in results]
            for position, code in enumerate(codes):
                order.note_classes(position, code)
            self.element_classes = [code.classes for code in codes]
            return core.sources[0].variable
        texts, classes = [], []
        for position, item in enumerate((*results, *hidden)):
            code = self.expressions.value(item)
            order.note_classes(position, code)
            texts.append(code.text)
            classes.append(code.classes)
        self.element_classes = classes
        if order.bare is not None:
            return texts[order.bare] if order.bare >= 0 else "None"
        return f"({', '.join(texts)},)" if len(texts) == 1 else f"({', '.join(texts)})"

    # ---- names that expressions ask for

    def aggregate_code(self, node: AggregateRef) -> Code | None:
        emitter: QueryEmitter | None = self
        while emitter is not None:
            found = emitter.aggregates.get((id(node.core), node.index))
            if found is not None:
                return found
            emitter = emitter.parent
        return None

    def window_code(self, node: WindowRef) -> Code:
        return self.windows[(id(node.core), node.index)]

    def build_frame(self, source: Source) -> Frame:
        """The function in which a source's rows can be made once: the main one unless they are correlated."""
        if source.query is not None:
            return self.home_of(source.query)
        if isinstance(source.function, CommonRows):
            return self.frame if is_local(source.function) else self.generator.main
        return self.frame if source.function is not None else self.generator.main

    # ---- rows made once

    def materialized(self, query: Query, label: str) -> str:
        """The rows of a query in FROM, made before the loops that read them."""
        self.explanation.open(f"MATERIALIZE {label}" if label else "MATERIALIZE")
        name = self.once(query, "rows_of")
        self.explanation.close()
        return name

    def once(self, query: Query, prefix: str) -> str:
        """Run a query once per execution (or per call of this function, if it reads rows from around it)."""
        home = self.home_of(query)
        function = self.local_function(query, f"{prefix}_query", home, ())
        name = self.generator.name(prefix)
        home.emit_setup(f"{name} = {function}()")
        if function in self.generator.row_classes:
            self.generator.row_classes[name] = self.generator.row_classes[function]
        if function in self.generator.bare:
            self.generator.bare[name] = self.generator.bare[function]
        return name

    def function_frame(self, query: Query, prefix: str, home: Frame, arguments: Sequence[str], result: str) -> Frame:
        """A function inside `home` that runs the query. `result`: rows, first, any, set."""
        frame = Frame(self.generator.name(prefix), arguments, home)
        inner = QueryEmitter(self.generator, frame, self)
        inner.write_result(query, result)
        if inner.row_classes is not None:
            self.generator.row_classes[frame.name] = inner.row_classes
        if inner.bare is not None:
            self.generator.bare[frame.name] = inner.bare
        return frame

    def write_result(self, query: Query, result: str) -> None:
        frame = self.frame
        simple = len(query.cores) == 1 and query.cores[0].values is None and not query.cores[0].is_aggregate
        simple = simple and query.limit is None and query.offset is None and not query.cores[0].windows
        core = query.cores[0]
        if result == "set":
            from tandemdb.planner.emit.compound import write_set

            write_set(self, query, simple=simple)
        elif result == "any" and simple:
            self.common(query)
            order = OrderEmitter(self, core, None)
            order.any_row = True
            pipeline, _ = self.pipeline(core, order)
            pipeline.write(frame, ["return True"])
            frame.emit("return False")
        elif result == "first" and simple and not query.order_by and not core.distinct:
            self.common(query)
            pipeline, _ = self.pipeline(core)
            codes = [self.expressions.value(item.expression) for item in core.results]
            self.row_classes = [code.classes for code in codes]
            pipeline.write(frame, [f"return ({', '.join(code.text for code in codes)},)"])
            frame.emit("return None")
        else:
            rows = self.rows(query)
            frame.emit({"any": f"return bool({rows})", "first": f"return {rows}[0] if {rows} else None",
                        "rows": f"return {rows}"}[result])  # fmt: skip

    def common_rows(self, common: CommonRows) -> str:
        """The name of a common table's rows, made on first use in the frame that owns the WITH clause."""
        if common.rows_name is None:
            if common.recursive:
                from tandemdb.planner.emit.recursive import recursive_rows

                self.explanation.open(f"MATERIALIZE {common.name}")
                recursive_rows(self, common)
                self.explanation.close()
            else:
                assert common.query is not None
                common.is_local = is_local(common)
                common.rows_name = self.materialized(common.query, common.name)
        assert common.rows_name is not None
        return common.rows_name


def counts_only(core: Core) -> bool:
    """Whether a core's rows are counted and nothing else, so that their order makes no difference."""
    if not core.aggregates or core.group_by or core.windows:
        return False
    if any(call.name != "count" or call.function is None for call in core.aggregates):
        return False
    shown = [result.expression for result in core.results] + ([] if core.having is None else [core.having])
    return not any(hasattr(node, "source") or hasattr(node, "query") for item in shown for node in walk(item))


def is_whole_record(core: Core, results: Sequence[Expr]) -> bool:
    """Whether the result is just the record as stored."""
    if len(core.sources) != 1 or len(results) != len(core.sources[0].columns):
        return False
    source = core.sources[0]
    return source.places is None and all(
        isinstance(item, Column) and item.source is source and item.position == position
        for position, item in enumerate(results)
    )


__all__ = ["COST_SCAN", "QueryEmitter", "limit_text"]
