"""Aggregates: rows are gathered by group, then each aggregate is one function over a list.

    SELECT country, count(*), avg(size) FROM city GROUP BY country HAVING count(*) > 1

    groups_1 = defaultdict(list)
    for city_0 in chain(table_city_1.record_lists()):
        groups_1[city_0[2]].append(city_0)
    rows_1 = []
    for key_1 in sorted(groups_1):
        items_1 = groups_1[key_1]
        city_0 = items_1[0]
        count_1 = len(items_1)
        avg_1 = avg([city_0[3] for city_0 in items_1])
        if count_1 > 1:
            rows_1.append((city_0[2], count_1, avg_1))

Groups come in the order of their keys, as SQLite's sorter brings them. A column that is neither grouped by nor
aggregated
has its value from the group's first row, or from the row that holds the minimum or maximum of the last min() or max()
that is asked for (https://www.sqlite.org/lang_select.html#bareagg).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    Aggregate,
    Between,
    Core,
    Rowid,
    walk,
)
from tandemdb.planner.bind.traits import collation_of
from tandemdb.planner.emit.collation import collated_call
from tandemdb.planner.emit.condition import PYTHON_COMPARISON
from tandemdb.planner.emit.gather import gathered_rows
from tandemdb.planner.emit.order import PLAIN_CLASSES, OrderEmitter, collation_key
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.functions.aggregates import average_numbers, sum_bounded, sum_checked, sum_integers, sum_reals
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter


class AggregateSink:
    """Writes the grouping of one core over its pipeline."""

    __slots__ = ("queries", "core", "pipeline", "order", "generator", "frame")

    def __init__(self, queries: QueryEmitter, core: Core, pipeline: Pipeline, order: OrderEmitter) -> None:
        self.queries = queries
        self.core = core
        self.pipeline = pipeline
        self.order = order
        self.generator = queries.generator
        self.frame = queries.frame

    def rows(self) -> str:
        """Write the groups and their results; the name of the list of result rows."""
        gathered = gathered_rows(self)
        if gathered is not None:
            return gathered
        return self.grouped_rows() if self.core.group_by else self.single_row()

    # ---- one group of all rows

    def single_row(self) -> str:
        counted = self.count_of_table()
        rows = self.generator.name("rows")
        if counted is not None:
            self.set_aggregate(0, Code(counted, HOLDS_INT, True))
        else:
            items = self.collect_items()
            self.bind_row(items, empty=True)
            self.compute(items)
        test = "True" if self.core.having is None else self.queries.expressions.true(self.core.having)
        element = self.element()
        self.frame.emit(f"{rows} = [{element}]" if test == "True" else f"{rows} = [{element}] if {test} else []")
        return self.with_windows(rows)

    def known_row(self, values: Iterable[Code]) -> str:
        """The one row of a core whose aggregates are known without its rows; the name of the list that holds it.

        Args:
            values: each aggregate's, written when it is asked for.
        """
        rows = self.generator.name("rows")
        for index, value in enumerate(values):
            self.set_aggregate(index, value)
        self.frame.emit(f"{rows} = [{self.element()}]")
        return rows

    def count_of_table(self) -> str | None:
        """count(*) of a whole table is known without reading it."""
        core = self.core
        if len(core.aggregates) != 1 or core.having is not None:
            return None
        call = core.aggregates[0]
        if not call.star or call.filter is not None or call.name != "count":
            return None
        if any(hasattr(part, "source") for result in core.results for part in walk(result.expression)):
            return None
        return self.row_count()

    def row_count(self) -> str | None:
        """An expression for the number of rows where they are all those of a stored table."""
        core = self.core
        if len(self.pipeline.clauses) != 1 or len(core.sources) != 1 or core.conjuncts:
            return None
        source = core.sources[0]
        if source.table is None:
            return None
        return f"{self.generator.table(source.database, source.table.id, source.table.name)}.count"

    # ---- groups

    def grouped_rows(self) -> str:
        generator, frame = self.generator, self.frame
        groups, key, items, rows = (generator.name(prefix) for prefix in ("groups", "key", "items", "rows"))
        codes = [self.group_key(expression) for expression in self.core.group_by]
        text = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
        frame.emit(f"{groups} = {generator.helper(defaultdict)}(list)")
        self.pipeline.write(frame, [f"{groups}[{text}].append({self.item})"])
        frame.emit(f"{rows} = []")
        plain = len(codes) == 1 and codes[0].classes in PLAIN_CLASSES
        plain = plain or all(code.classes in PLAIN_CLASSES for code in codes)
        order = "sorted" if plain else generator.helper(runtime.group_order)
        frame.emit(f"for {key} in {order}({groups}):")
        frame.depth += 1
        frame.emit(f"{items} = {groups}[{key}]")
        self.bind_row(items, empty=False)
        self.compute(items)
        if self.core.having is not None:
            frame.emit(f"if {self.queries.expressions.true(self.core.having)}:")
            frame.depth += 1
        frame.emit(f"{rows}.append({self.element()})")
        frame.depth -= 1 if self.core.having is None else 2
        return self.with_windows(rows)

    def group_key(self, expression: object) -> Code:
        """A group's key: the value as its collation compares it."""
        expressions = self.queries.expressions
        found = collation_of(expression)
        return expressions.collated(expressions.value(expression), found[0] if found else "BINARY")

    # ---- what a group holds

    @property
    def item(self) -> str:
        """What is kept of each row: its record, or the records of all sources."""
        variables = self.pipeline.variables
        if not variables:
            return "None"
        return variables[0] if len(variables) == 1 else f"({', '.join(variables)})"

    @property
    def target(self) -> str:
        return "_" if not self.pipeline.variables else self.item

    def collect_items(self) -> str:
        return self.pipeline.collect(self.generator, self.frame, self.item, "items")

    def bind_row(self, items: str, *, empty: bool) -> None:
        """Give the row variables the row that bare columns read."""
        if not self.pipeline.variables or not self.needs_row():
            return
        chosen = self.extreme_row(items)
        first = chosen if chosen is not None else f"{items}[0]"
        if not empty:
            self.frame.emit(f"{self.target} = {first}")
            return
        nothing = ", ".join(self.nothing(name) for name in self.pipeline.variables)
        nothing = nothing if len(self.pipeline.variables) == 1 else f"({nothing})"
        self.frame.emit(f"{self.target} = {first} if {items} else {nothing}")

    def needs_row(self) -> bool:
        """Whether any result reads a column outside its aggregates."""
        parts = [result.expression for result in self.core.results]
        parts.extend(self.order.hidden_expressions())
        if self.core.having is not None:
            parts.append(self.core.having)
        for window in self.core.windows:
            parts.extend(window.arguments)
            parts.extend(window.partition_by)
            parts.extend(key.expression for key in window.order_by)
        return any(hasattr(node, "source") or hasattr(node, "query") for part in parts for node in walk(part))

    def nothing(self, variable: str) -> str:
        for source in self.core.sources:
            if source.variable == variable:
                source.nullable = True
                self.queries.expressions.forget()
                if source.places is not None and "" in source.places.values():
                    return "None"  # The variable holds a value, no row.
                return self.generator.helper((None,) * len(source.columns), f"null_row_{len(source.columns)}")
        return "None"

    def extreme_row(self, items: str) -> str | None:
        """The row of the minimum or maximum; of several such calls the last one's, as in SQLite."""
        calls = [call for call in self.core.aggregates if call.name in ("min", "max") and len(call.arguments) == 1]
        if not calls:
            return None
        columns = []
        for call in calls:
            value = self.queries.expressions.value(call.arguments[0]).text
            passed = "None"
            if call.filter is not None:
                passed = f"[{self.queries.expressions.true(call.filter)} for {self.target} in {items}]"
            listed = f"[({value}) for {self.target} in {items}]"
            columns.append((listed, passed, str(call.name == "max"), self.collation(call)))
        listed, passed, greatest, key = columns[-1]
        if passed == "None":
            return f"{self.generator.helper(runtime.extreme_item)}({items}, {listed}, {greatest}, {key})"
        # Without groups, SQLite keeps the first row only where every call has a FILTER.
        first = bool(self.core.group_by) or all(passed != "None" for _, passed, _, _ in columns)
        texts = ", ".join(f"({', '.join(column)})" for column in columns)
        return f"{self.generator.helper(runtime.filtered_extreme_item)}({items}, ({texts},), {first})"

    def collation(self, call: Aggregate) -> str:
        found = collation_of(call.arguments[0]) if call.arguments else None
        return collation_key(self.queries, found[0] if found else "BINARY")

    # ---- aggregates

    def compute(self, items: str) -> None:
        """Write each aggregate's value over the group's rows into a local."""
        for index, call in enumerate(self.core.aggregates):
            self.set_aggregate(index, self.aggregate(call, items))

    def set_aggregate(self, index: int, code: Code) -> None:
        call = self.core.aggregates[index]
        if not code.text.isidentifier():
            name = self.generator.name(call.name)
            self.frame.emit(f"{name} = {code.text}")
            code = Code(name, code.classes, True)
        self.queries.aggregates[(id(self.core), index)] = code

    def aggregate(self, call: Aggregate, items: str) -> Code:
        if call.name == "count" and (call.star or not call.arguments) and call.function is not None:
            if call.filter is None:
                return Code(f"len({items})", HOLDS_INT)
            test = self.queries.expressions.true(call.filter)
            return Code(f"sum([1 for {self.target} in {items} if {test}])", HOLDS_INT)
        values_text, argument = self.argument_list(call, items)
        if call.function is None:
            self.generator.needs_context = True
            tuples = values_text if len(call.arguments) != 1 else f"[(value,) for value in {values_text}]"
            return Code(f"context.call_aggregate({call.name!r}, {len(call.arguments)}, {tuples})", HOLDS_ANY)
        return self.finish(call, values_text, argument)

    def finish(self, call: Aggregate, values_text: str, argument: Code) -> Code:
        if call.name == "count" and not argument.nullable:
            return Code(f"len({values_text})", HOLDS_INT)
        if call.name in ("min", "max") and argument.classes in PLAIN_CLASSES and self.collation(call) == "None":
            return Code(f"{call.name}({values_text}, default=None)", argument.classes | HOLDS_NULL)
        bound = self.bound(call) if (call.name, argument.classes) == ("sum", HOLDS_INT) else None
        if bound is not None:
            return Code(f"{self.generator.helper(sum_bounded)}({values_text}, {bound})", HOLDS_INT | HOLDS_NULL)
        direct = DIRECT.get((call.name, argument.classes))
        if direct is not None:
            classes = argument.classes if call.name == "sum" else HOLDS_FLOAT
            return Code(f"{self.generator.helper(direct)}({values_text})", classes | HOLDS_NULL)
        function = call.function
        assert function is not None
        found = collation_of(call.arguments[0]) if call.arguments else None
        name = collated_call(self.generator, function, found[0] if found else "BINARY", f"sql_{call.name}")
        classes = function.result_classes
        if call.name == "sum" and argument.classes & ~(HOLDS_NUMBER | HOLDS_NULL) == 0:
            classes = (argument.classes & HOLDS_NUMBER) | HOLDS_NULL
        return Code(f"{name}({values_text})", classes)

    def bound(self, call: Aggregate) -> str | None:
        """What no value of the argument exceeds in magnitude, computed once; None where that is not known."""
        node = call.arguments[0]
        if isinstance(node, TRUTHS) or (isinstance(node, ast.Binary) and node.operator in TRUTH_OPERATORS):
            return "1"
        if isinstance(node, ast.Binary) and node.operator == "%":
            results = [node.right]
        elif isinstance(node, ast.Case) and node.otherwise is not None:
            results = [then for _, then in node.whens] + [node.otherwise]
        else:
            return None
        if self.generator.row_bound or not all(isinstance(result, (ast.Literal, ast.Parameter)) for result in results):
            return None
        texts = dict.fromkeys(self.queries.expressions.value(result).text for result in results)
        return self.generator.hoist(Code(f"max(map(abs, ({', '.join(texts)},)))"), "bound").text

    def argument_list(self, call: Aggregate, items: str) -> tuple[str, Code]:
        """An expression for the list of argument values in row order, after FILTER, DISTINCT and ORDER BY."""
        from tandemdb.planner.emit.function import json_argument

        expressions = self.queries.expressions
        codes = [json_argument(expressions, item) if call.function is not None and "json" in call.name
                 else expressions.value(item) for item in call.arguments]  # fmt: skip
        element = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
        argument = codes[0] if codes else Code("1", HOLDS_INT)
        condition = "" if call.filter is None else f" if {expressions.true(call.filter)}"
        if call.order_by:
            return self.ordered(call, element, items, condition), argument
        text = f"[{element} for {self.target} in {items}{condition}]"
        return self.without_repeats(call, text) if call.distinct else text, argument

    def without_repeats(self, call: Aggregate, text: str) -> str:
        """DISTINCT: the first of equal values."""
        key = self.collation(call)
        if key == "None":
            return f"list(dict.fromkeys({text}))"
        return f"{self.generator.helper(runtime.distinct_values)}({text}, {key})"

    def ordered(self, call: Aggregate, element: str, items: str, condition: str) -> str:
        expressions = self.queries.expressions
        keys = [expressions.value(key.expression).text for key in call.order_by]
        listed = [
            f"({at + 1}, {key.descending}, {key.nulls_first}, {collation_key(self.queries, key.collation)})"
            for at, key in enumerate(call.order_by)
        ]
        sort = self.generator.helper(runtime.sort_rows)
        rows = f"[({element}, {', '.join(keys)}) for {self.target} in {items}{condition}]"
        text = f"[row[0] for row in {sort}({rows}, ({', '.join(listed)},))]"
        return f"list(dict.fromkeys({text}))" if call.distinct else text

    # ---- results

    def element(self) -> str:
        if self.core.windows:
            return self.window_context()
        return self.queries.element(self.core, self.order)

    def window_context(self) -> str:
        """What window functions over groups need of each: its row variables and aggregates."""
        names = [*self.pipeline.variables, *self.aggregate_names()]
        return f"({', '.join(names)},)"

    def aggregate_names(self) -> Sequence[str]:
        return [
            code.text
            for (core, _), code in self.queries.aggregates.items()
            if core == id(self.core) and code.text.isidentifier()
        ]

    def with_windows(self, rows: str) -> str:
        if not self.core.windows:
            return rows
        from tandemdb.planner.emit.window import window_rows

        names = [*self.pipeline.variables, *self.aggregate_names()]
        pipeline = Pipeline()
        pipeline.variables = names
        pipeline.loop(f"({', '.join(names)},)", rows)
        return window_rows(self.queries, self.core, pipeline, self.order)


TRUTHS = (ast.IsNull, ast.Like, ast.InList, Between)
TRUTH_OPERATORS = frozenset({*PYTHON_COMPARISON, "AND", "OR", "IS", "IS NOT"})
DIRECT = {
    ("sum", HOLDS_FLOAT): sum_reals,
    ("sum", HOLDS_INT): sum_integers,
    ("sum", HOLDS_NUMBER): sum_checked,
    ("avg", HOLDS_FLOAT): average_numbers,
    ("avg", HOLDS_INT): average_numbers,
    ("avg", HOLDS_NUMBER): average_numbers,
}
"""What need not look at the classes of its values first."""

__all__ = ["AggregateSink", "HOLDS_NULL", "Rowid"]
