"""Aggregates of which nothing but values is needed: lists of values are gathered, not rows.

    SELECT country, count(*) FROM city GROUP BY country

        groups_1 = counter([city_0[2] for city_0 in ...])
        for key_1 in sorted(groups_1):
            count_1 = groups_1[key_1]
            rows_1.append((key_1, count_1))

    SELECT country, sum(size) FROM city GROUP BY country HAVING sum(size) > 9

        groups_1 = defaultdict(list)
        for city_0 in ...:
            groups_1[city_0[2]].append(city_0[3])
        kept_1 = {}
        for key_1, values_1 in groups_1.items():
            sum_1 = sum_reals(values_1)
            if sum_1 > 9:
                kept_1[key_1] = (key_1, sum_1)
        rows_1 = [kept_1[key_1] for key_1 in sorted(kept_1)]

That asks for built-in aggregates and for results that read no column but those grouped by; `emit.aggregate` does the
rest. What is grouped by is read from the key: the first of equal values is the one a dictionary keeps.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.access.statistics import distinct_values
from tandemdb.planner.bind.bound import (
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    Aggregate,
    Column,
    Core,
    Expr,
    FunctionCall,
    Rowid,
    sources_of,
    walk,
)
from tandemdb.planner.bind.traits import collation_of, is_constant
from tandemdb.planner.emit.columnar import Columnar
from tandemdb.planner.emit.function import REMEMBERED
from tandemdb.planner.emit.group_state import GroupState, group_state
from tandemdb.planner.emit.join import HARMLESS
from tandemdb.planner.emit.order import PLAIN_CLASSES
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.running import can_run, write_running
from tandemdb.planner.emit.writer import Code, Generator
from tandemdb.planner.functions.aggregates import SUM_IS_PLAIN
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.aggregate import AggregateSink

PLAIN_AGGREGATES = frozenset({"count", "sum", "total", "avg", "min", "max", "group_concat"})
READING = ("source", "query")
"""What a node has that reads a row, by itself or in a subquery."""
REPEATED_MIN = 4
"""Values that stand in a key so often are counted by their ends."""
RESULT_NODES_MAX = 20
"""Larger expressions are not searched for what is grouped by: their chains are written flat."""


def gathered_rows(sink: AggregateSink) -> str | None:
    """Write a core's aggregates from lists of values; the name of the result rows, None if rows are needed."""
    core = sink.core
    if not can_gather(core, sink.order.hidden_expressions()):
        return None
    keys = [sink.group_key(expression) for expression in core.group_by]
    if any(call.name in ("min", "max") for call in core.aggregates) and any(key.classes & HOLDS_FLOAT for key in keys):
        return None  # 1 and 1.0 are one group, and the row of the extreme shows its own.
    gatherer = Gatherer(sink, keys)
    return gatherer.grouped() if core.group_by else gatherer.single()


def can_gather(core: Core, hidden: Sequence[Expr]) -> bool:
    """Whether values are all that a core's aggregates and results need. `hidden`: what it is sorted by besides."""
    if core.windows or not all(map(is_plain, core.aggregates)) or not all(map(keeps_value, core.group_by)):
        return False
    results = [*(result.expression for result in core.results), *hidden]
    results += [] if core.having is None else [core.having]
    return all(reads_only(result, core.group_by) for result in results)


def is_plain(call: Aggregate) -> bool:
    if call.function is None or call.filter is not None or call.order_by:
        return False
    return call.name in PLAIN_AGGREGATES and len(call.arguments) <= 1


def keeps_value(expression: Expr) -> bool:
    """Whether a group's key is the value that a result shows: no collation, and read through `raw_value` alone."""
    found = collation_of(expression)
    if found is not None and found[0] != "BINARY":
        return False
    if isinstance(expression, (Column, Rowid)):
        return True
    if isinstance(expression, FunctionCall):
        return not expression.function.makes_json and not expression.name.startswith("json")
    return isinstance(expression, ast.Binary) and expression.operator in ("+", "-", "*", "/", "%", "||")


def reads_only(result: Expr, keys: Sequence[Expr]) -> bool:
    """Whether an expression reads nothing of a row but the keys."""
    if any(not isinstance(key, (Column, Rowid)) for key in keys) and len(list(walk(result))) > RESULT_NODES_MAX:
        return False
    return all(not hasattr(node, name) for node in outside_keys(result, keys) for name in READING)


def outside_keys(node: Any, keys: Sequence[Expr]) -> Iterator[Any]:
    """The nodes of an expression that are not inside a key."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            if any(type(item) is type(key) and item == key for key in keys):
                continue
            yield item
        elif not isinstance(item, (list, tuple)):
            continue
        if not isinstance(item, (Column, Rowid)):
            pending.extend(item)


class Gatherer:
    """Writes the lists of one core's aggregates, and its result rows from them."""

    __slots__ = ("sink", "keys", "generator", "frame", "pipeline", "arguments", "texts", "totals", "state")

    def __init__(self, sink: AggregateSink, keys: Sequence[Code]) -> None:
        self.sink = sink
        self.keys = keys
        self.generator = sink.generator
        self.frame = sink.frame
        self.pipeline = sink.pipeline
        self.totals = False
        """Whether groups hold sums, not lists of what is summed."""
        self.state: GroupState | None = None
        """How groups hold running values, if they do."""
        expressions = sink.queries.expressions
        self.arguments: list[Code | None] = []
        for call in sink.core.aggregates:
            if not call.arguments or self.pipeline.matches is not None:
                self.arguments.append(None)
                continue
            code = expressions.raw_value(call.arguments[0])
            if code.nan and call.name not in ("sum", "total", "avg"):
                code = expressions.settled(code)
            self.arguments.append(code)
        self.texts: list[str] = []
        """What is gathered of each row: the arguments' texts, each once."""
        for argument in self.arguments:
            if argument is not None and argument.text not in self.texts:
                self.texts.append(argument.text)
        if self.pipeline.matches is not None:
            self.texts.append(self.pipeline.matches.name)

    # ---- one group of all rows

    def single(self) -> str:
        sink, frame = self.sink, self.frame
        if not self.texts:
            counted = sink.count_of_table() or self.counted()
            self.compute({}, Code(counted, HOLDS_INT, True))
        elif len(self.texts) > 1 and all(map(partial(can_run, sink), sink.core.aggregates, self.arguments)):
            calls = list(zip(sink.core.aggregates, self.arguments, strict=True))
            write_running(sink, calls, sink.row_count())
        elif (distinct := self.distinct()) is not None:
            sink.set_aggregate(0, distinct)
        else:
            self.compute(*self.columns())
        rows = self.generator.name("rows")
        having = sink.core.having
        test = "True" if having is None else sink.queries.expressions.true(having)
        element = sink.element()
        frame.emit(f"{rows} = [{element}]" if test == "True" else f"{rows} = [{element}] if {test} else []")
        return rows

    def distinct(self) -> Code | None:
        """count(DISTINCT x) as the core's only aggregate: no list of the values is needed."""
        call, argument = self.sink.core.aggregates[0], self.arguments[0]
        if len(self.arguments) != 1 or call.name != "count" or not call.distinct or not self.pipeline.is_comprehension:
            return None
        if argument is None or argument.nullable or self.sink.collation(call) != "None":
            return None
        return Code(f"len(set({self.pipeline.column(self.generator, argument.text)}))", HOLDS_INT)

    def counted(self) -> str:
        """An expression for the number of rows; where the last loop is over a list, its length is enough."""
        clauses = self.pipeline.clauses
        if not self.sink.core.aggregates:
            return "0"
        loops = [clause for clause in clauses if clause.kind == "for"]
        if clauses and clauses[-1].kind == "for" and len(loops) > 1 and self.pipeline.is_comprehension:
            length = length_of(clauses[-1].text)
            if length is not None:
                outer = Pipeline()
                outer.clauses = clauses[:-1]
                return f"sum({outer.comprehension(length)})"
        if len(clauses) == 1 and len(loops) == 1 and (length := length_of(clauses[0].text)) is not None:
            return length
        item = self.pipeline.variables[0] if len(self.pipeline.variables) == 1 else "None"
        return f"len({self.pipeline.collect(self.generator, self.frame, item, 'items', counted=True)})"

    def columns(self) -> tuple[dict[str, str], Code]:
        """Write the lists, one for each text; their names, and an expression for how many rows there are."""
        texts, frame, generator = self.texts, self.frame, self.generator
        if len(texts) == 1:
            name = self.pipeline.collect(generator, frame, texts[0], "values")
            return {texts[0]: name}, Code(f"len({name})", HOLDS_INT, True)
        names = {text: generator.name("values") for text in texts}
        columns = self.columns_of_texts()
        if columns:
            kept = dict.fromkeys(found.name for found in columns.values())
            frame.emit(f"if {' or '.join(f'{name} is None' for name in kept)}:")
            frame.depth += 1
        for name in names.values():
            frame.emit(f"{name} = []")
        lines, shared = shared_parts(generator, texts)
        appends = [f"{name}.append({text})" for name, text in zip(names.values(), shared, strict=True)]
        self.pipeline.write(frame, [*lines, *appends])
        if columns:
            frame.depth -= 1
            frame.emit("else:")
            for text, found in columns.items():
                frame.emit(f"    {names[text]} = [{found.written(text)} for {found.target} in {found.iterable}]")
        return names, Code(f"len({names[texts[0]]})", HOLDS_INT, True)

    def columns_of_texts(self) -> dict[str, Columnar]:
        """How a scan without conditions reads columns for each text alone; empty where it cannot, or should not.

        What may fail, or has effects, is computed row by row.
        """
        arguments = [argument for call in self.sink.core.aggregates for argument in call.arguments]
        if len(self.pipeline.clauses) != 1 or not all(is_apart(node) for item in arguments for node in walk(item)):
            return {}
        found = {text: self.pipeline.columnar(self.generator, text) for text in self.texts}
        return {} if None in found.values() else found  # type: ignore[return-value]

    # ---- groups

    def grouped(self) -> str:
        generator, frame, sink = self.generator, self.frame, self.sink
        if self.each_is_a_group():
            return self.single_groups()
        if not self.texts and self.pipeline.is_comprehension:
            return self.counted_groups()
        groups, key, rows = (generator.name(prefix) for prefix in ("groups", "key", "rows"))
        values = self.gather(groups)
        having = sink.core.having
        if having is None:
            frame.emit(f"{rows} = []")
            frame.emit(f"append_{rows} = {rows}.append")
            frame.emit(f"for {key} in {self.in_order(groups)}:")
            frame.emit(f"    {values} = {groups}[{key}]")
        else:
            kept = generator.name("kept")
            frame.emit(f"{kept} = {{}}")
            frame.emit(f"for {key}, {values} in {groups}.items():")
        frame.depth += 1
        self.know_keys(key)
        if self.state is not None:
            self.state.compute(values)
        else:
            self.compute(*self.unpacked(values))
        if having is None:
            frame.emit(f"append_{rows}({sink.element()})")
        else:
            frame.emit(f"if {sink.queries.expressions.true(having)}:")
            frame.emit(f"    {kept}[{key}] = {sink.element()}")
        frame.depth -= 1
        sink.queries.expressions.know([])
        if having is not None:
            frame.emit(f"{rows} = [{kept}[{key}] for {key} in {self.in_order(kept)}]")
        return rows

    def each_is_a_group(self) -> bool:
        """Whether each row of the outermost loop is a group of its own, and they come in the order of their keys."""
        core, clauses = self.sink.core, self.pipeline.clauses
        first, source = core.group_by[0], clauses[0]
        if not isinstance(first, (Column, Rowid)) or source.target != first.source.variable or len(self.texts) != 1:
            return False
        table = first.source.table
        if table is None or table.without_rowid or first.source.places is not None:
            return False
        if not source.text.startswith("chain"):
            return False
        if isinstance(first, Column) and first.position != table.rowid_position:
            return False
        loops = [clause for clause in clauses if clause.kind == "for"]
        return (self.pipeline.matches is not None or len(loops) > 1) and self.pipeline.is_comprehension and all(
            sources_of(expression) == {first.source} for expression in core.group_by
        )

    def single_groups(self) -> str:
        """Write the loop over rows that each are a group: what they lead to is gathered, and no dictionary needed."""
        generator, frame, sink, pipeline = self.generator, self.frame, self.sink, self.pipeline
        rows, depth, calls = generator.name("rows"), frame.depth, self.sink.core.aggregates
        if pipeline.matches is not None and sink.core.having is None and not any(map(self.counts_alone, calls)):
            for index in range(len(calls)):
                sink.set_aggregate(index, Code(pipeline.matches.name, HOLDS_INT, True))
            frame.emit(f"{rows} = {pipeline.comprehension(sink.element())}")
            return rows
        frame.emit(f"{rows} = []")
        frame.emit(f"append_{rows} = {rows}.append")
        if pipeline.matches is not None:
            pipeline.open(frame)
            for index, call in enumerate(calls):
                name, alone = pipeline.matches.name, self.counts_alone(call)
                sink.set_aggregate(index, Code(f"{name} or 1" if alone else name, HOLDS_INT, not alone))
        else:
            second = [place for place, clause in enumerate(pipeline.clauses) if clause.kind == "for"][1]
            outer, inner = Pipeline(), Pipeline()
            outer.clauses, inner.clauses = pipeline.clauses[:second], pipeline.clauses[second:]
            outer.open(frame)
            values = generator.name("values")
            frame.emit(f"{values} = {inner.comprehension(self.texts[0])}")
            frame.emit(f"if {values}:")
            frame.depth += 1
            self.compute({self.texts[0]: values}, Code(f"len({values})", HOLDS_INT, True))
        having = sink.core.having
        if having is not None:
            frame.emit(f"if {sink.queries.expressions.true(having)}:")
            frame.depth += 1
        frame.emit(f"append_{rows}({sink.element()})")
        frame.depth = depth
        return rows

    def counts_alone(self, call: Aggregate) -> bool:
        """Whether a row without a match counts as one, with the row of NULLs beside it."""
        return bool(self.pipeline.matches.outer) and not call.arguments

    def in_order(self, keys: str) -> str:
        """The keys of groups in the order in which SQLite brings the groups, where that shows."""
        query = self.sink.order.query
        if query is not None and query.counted:
            return keys
        plain = all(code.classes in PLAIN_CLASSES for code in self.keys)
        return f"{'sorted' if plain else self.generator.helper(runtime.group_order)}({keys})"

    @property
    def key_text(self) -> str:
        return self.keys[0].text if len(self.keys) == 1 else f"({', '.join(code.text for code in self.keys)})"

    def counted_groups(self) -> str:
        """Groups of which nothing but their rows' number is asked for, or nothing at all."""
        generator, frame, sink = self.generator, self.frame, self.sink
        groups, key, count, rows = (generator.name(prefix) for prefix in ("groups", "key", "count", "rows"))
        values = self.values_in_order()
        counts = bool(sink.core.aggregates)
        make = generator.helper(Counter, "counter") if counts else "dict.fromkeys"
        made = f"{make}({values or self.pipeline.column(generator, self.key_text)})"
        if values is not None and values.startswith("context."):
            made = f"{generator.helper(runtime.counts_in_order)}({values})"
        frame.emit(f"{groups} = {made}")
        self.know_keys(key)
        self.compute({}, Code(count, HOLDS_INT, True))
        having = sink.core.having
        test = "" if having is None else f" if {sink.queries.expressions.true(having)}"
        element = sink.element()
        sink.queries.expressions.know([])
        pairs = f"{key}, {count} in {groups}.items()" if counts else f"{key} in {groups}"
        in_any_order = values is not None or self.in_order(groups) == groups
        if in_any_order and element == count and not test:
            frame.emit(f"{rows} = list({groups}.values())")
        elif in_any_order:
            frame.emit(f"{rows} = [{element} for {pairs}{test}]")
        elif having is None:
            counted = f" for {count} in [{groups}[{key}]]" if counts else ""
            frame.emit(f"{rows} = [{element} for {key} in {self.in_order(groups)}{counted}]")
        else:
            kept = generator.name("kept")
            frame.emit(f"{kept} = {{{key}: {element} for {pairs}{test}}}")
            frame.emit(f"{rows} = [{kept}[{key}] for {key} in {self.in_order(kept)}]")
        return rows

    def values_in_order(self) -> str | None:
        """The numbers of the one column grouped by, in their order, where all of a table with a key on it is grouped.

        In the lists of the key where each stands there several times, else one by one.

        Texts in that order lie all over the memory: to hash them costs more than to sort the groups.
        """
        core, generator = self.sink.core, self.generator
        if len(core.group_by) != 1 or self.keys[0].classes & ~HOLDS_NUMBER or self.sink.row_count() is None:
            return None
        column, source = core.group_by[0], core.sources[0]
        table = source.table
        if table is None or source.index_hint == "" or not isinstance(column, Column) or column.source is not source:
            return None
        stored = generator.roots[source.database].tables[table.id]
        for index in table.indexes:
            plain = len(index.columns) == 1 and index.columns[0].position == column.position and index.where is None
            if plain and is_usable(source, index, (), stored):
                name = generator.table(source.database, table.id, table.name)
                lists = f"context.watched({name}.keys[{index.id}].value_lists())"
                if stored.count >= REPEATED_MIN * distinct_values(index, stored.keys[index.id], stored.count, 1):
                    return lists
                return f"{generator.helper(chain.from_iterable, 'chain')}({lists})"
        return None

    def gather(self, groups: str) -> str:
        """Write the dictionary of groups; the name that a group's value is to have."""
        generator, frame, pipeline, key = self.generator, self.frame, self.pipeline, self.key_text
        if not self.texts:
            frame.emit(f"{groups} = {generator.helper(defaultdict)}(int)")
            pipeline.write(frame, [f"{groups}[{key}] += 1"])
            return generator.name("count")
        if len(self.texts) == 1:
            parts = pipeline.last_loop(key)
            if parts is None and self.sums_only():
                self.totals = True
                frame.emit(f"{groups} = {generator.helper(defaultdict)}(float)")
                pipeline.write_either(generator, frame, [f"{groups}[{key}] += {self.texts[0]}"])
                return generator.name("total")
            frame.emit(f"{groups} = {generator.helper(defaultdict)}(list)")
            if parts is not None and ":=" not in key and self.is_same_again():
                # The group is the same for all rows of the innermost loop: it is looked up once.
                outer, inner = parts
                more = generator.name("more")
                values = f"{more} = {inner.comprehension(self.texts[0])}"
                outer.write(frame, [values, f"if {more}:", f"    {groups}[{key}] += {more}"])
            else:
                pipeline.write(frame, [f"{groups}[{key}].append({self.texts[0]})"])
            return generator.name("values")
        self.state = group_state(self.sink, list(zip(self.sink.core.aggregates, self.arguments, strict=True)))
        if self.state is not None:
            return self.state.write(pipeline, groups, key)
        frame.emit(f"{groups} = {generator.helper(defaultdict)}(lambda: ({', '.join('[]' for _ in self.texts)}))")
        listed = [generator.name("list") for _ in self.texts]
        lines, texts = shared_parts(generator, self.texts)
        appends = [f"{name}.append({text})" for name, text in zip(listed, texts, strict=True)]
        pipeline.write(frame, [f"{', '.join(listed)} = {groups}[{key}]", *lines, *appends])
        return generator.name("lists")

    def sums_only(self) -> bool:
        """Whether sums of reals, none of which is NaN, are all that is asked of a group: they are kept as they grow."""
        calls = zip(self.sink.core.aggregates, self.arguments, strict=True)
        return all(
            argument is not None and call.name in ("sum", "total") and is_real_sum(call, argument)
            for call, argument in calls
        )

    def is_same_again(self) -> bool:
        """Whether the key of one row may be asked for once for all rows that it is the same for."""
        nodes = [node for expression in self.sink.core.group_by for node in walk(expression)]
        return all(node.function.deterministic for node in nodes if isinstance(node, FunctionCall))

    def unpacked(self, values: str) -> tuple[dict[str, str], Code]:
        """The names of a group's lists, and an expression for how many rows it has."""
        texts = self.texts
        if not texts:
            return {}, Code(values, HOLDS_INT, True)
        if len(texts) == 1:
            return {texts[0]: values}, Code(f"len({values})", HOLDS_INT, True)
        names = {text: self.generator.name("values") for text in texts}
        self.frame.emit(f"{', '.join(names.values())} = {values}")
        return names, Code(f"len({names[texts[0]]})", HOLDS_INT, True)

    def know_keys(self, key: str) -> None:
        """Let expressions read what is grouped by from the key."""
        expressions = self.sink.queries.expressions
        if len(self.keys) == 1:
            expressions.know([(self.sink.core.group_by[0], Code(key, self.keys[0].classes, True))])
        else:
            pairs = enumerate(zip(self.sink.core.group_by, self.keys, strict=True))
            expressions.know([
                (expression, Code(f"{key}[{place}]", code.classes, True)) for place, (expression, code) in pairs
            ])  # fmt: skip

    # ---- aggregates

    def compute(self, names: dict[str, str], count: Code) -> None:
        """Write each aggregate's value into a local."""
        sink = self.sink
        if self.pipeline.matches is not None:
            self.compute_counts(names[self.pipeline.matches.name])
            return
        totals: dict[str, str] = {}
        for index, (call, argument) in enumerate(zip(sink.core.aggregates, self.arguments, strict=True)):
            if argument is None:
                sink.set_aggregate(index, count)
                continue
            text = names[argument.text]
            if self.totals:
                sink.set_aggregate(index, Code(f"{text} if {text} == {text} else None", HOLDS_FLOAT | HOLDS_NULL))
                continue
            if sink.core.group_by and SUM_IS_PLAIN and is_real_sum(call, argument):
                # Of a group, which is never empty, and of reals, none of which is NaN: unless the sum is.
                if text not in totals:
                    totals[text] = self.generator.name("total")
                    self.frame.emit(f"{totals[text]} = sum({text}, 0.0)")
                total = totals[text]
                value = f"{total} / {count.text}" if call.name == "avg" else total
                sink.set_aggregate(index, Code(f"{value} if {total} == {total} else None", HOLDS_FLOAT | HOLDS_NULL))
                continue
            if call.distinct:
                if call.name == "count" and not argument.nullable and sink.collation(call) == "None":
                    sink.set_aggregate(index, Code(f"len(set({text}))", HOLDS_INT))
                    continue
                text = sink.without_repeats(call, text)
            sink.set_aggregate(index, sink.finish(call, text, argument))


    def compute_counts(self, values: str) -> None:
        """Write each count from the numbers of matches."""
        total = self.generator.name("total")
        self.frame.emit(f"{total} = sum({values})")
        for index, call in enumerate(self.sink.core.aggregates):
            alone = self.pipeline.matches.outer and not call.arguments
            text = f"{total} + {values}.count(0)" if alone else total
            self.sink.set_aggregate(index, Code(text, HOLDS_INT, not alone))


def is_apart(node: Expr) -> bool:
    """Whether it makes no difference when a node is computed: of JSON functions all fail in the same words."""
    if isinstance(node, FunctionCall):
        return node.name in HARMLESS or (node.name in REMEMBERED and all(map(is_constant, node.arguments[1:])))
    return isinstance(node, (Column, Rowid, ast.Literal, ast.Parameter, ast.Binary, ast.IsNull))


KEY_LIST = re.compile(r"table_\w+\.keys\[\d+\]\.(equal|range_keys|range_entries)\([^()]*\)")
"""What a key brings that stands in for records."""


def is_real_sum(call: Aggregate, argument: Code) -> bool:
    plain = argument.classes == HOLDS_FLOAT and not argument.nan and not call.distinct
    return plain and call.name in ("sum", "avg", "total")


def shared_parts(generator: Generator, texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines that name each text which stands in another one too, and the texts with those names in them."""
    lines: list[str] = []
    found = list(texts)
    for place in sorted(range(len(found)), key=lambda place: len(texts[place])):
        text = found[place]
        if text.startswith("(") and any(text in other for other in found if other != text):
            name = generator.name("x")
            lines.append(f"{name} = {text}")
            found = [other.replace(text, name) for other in found]
    return lines, found


def length_of(text: str) -> str | None:
    """An expression for how many items a loop over `text` has; None if it is not over a list."""
    if found := re.fullmatch(r"context\.watched_rows\((rows_of_\d+)\)", text):
        return f"len({found[1]})"
    if text.endswith(", ())") and ".get(" in text and text.startswith("hash_"):
        return f"len({text})"
    if text.startswith("under_") and text.endswith("]") or re.fullmatch(KEY_LIST, text):
        return f"len({text})"
    start = text.find(".find_many(")
    if start > 0 and text[:start].isidentifier() and text.endswith(")") and not text.endswith("[::-1])"):
        if "rowids_among(" in text:
            return None  # Unlike those that a key brings, not every rowid asked for is there.
        return f"len({text[start + len('.find_many(') : -1]})"
    return None
