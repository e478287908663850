"""Windows as Python: rows are gathered, sorted for each window in turn, and get its functions' values.

    SELECT name, sum(size) OVER (PARTITION BY country ORDER BY name) FROM city

    items_1 = [(city_0, city_0[3], city_0[2], city_0[1]) for city_0 in ...]      what the windows read stands behind
    items_1.sort(key=itemgetter(3))
    items_1.sort(key=itemgetter(2))
    columns_1 = window_columns(context, items_1, windows_1)
    rows_1 = [(city_0[1], sum_1) for (city_0, _, _, _), sum_1 in zip(items_1, *columns_1)]

Functions of one partition, order and frame are computed together. Such groups nest as SQLite's subqueries do: the group
of the first function written is computed last, so that rows without an ORDER BY of their own come in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_FLOAT, HOLDS_INT, Core, Expr, OrderKey, WindowCall
from tandemdb.planner.bind.traits import collation_of
from tandemdb.planner.bind.window import USER_FUNCTION
from tandemdb.planner.emit.function import json_argument
from tandemdb.planner.emit.order import OrderEmitter, write_sort
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.window_loop import looped_rows
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import window as window_runtime
from tandemdb.planner.runtime.window_frame import Frame
from tandemdb.planner.syntax import ast
from tandemdb.planner.syntax.tree import without_slots

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

CLASSES = {
    "row_number": HOLDS_INT, "rank": HOLDS_INT, "dense_rank": HOLDS_INT, "ntile": HOLDS_INT,
    "percent_rank": HOLDS_FLOAT, "cume_dist": HOLDS_FLOAT,
}  # fmt: skip

Group = list[tuple[int, WindowCall]]


def window_rows(queries: QueryEmitter, core: Core, pipeline: Pipeline, order: OrderEmitter) -> str:
    """Write the windows of a core over its rows; the name of the list of result rows."""
    looped = looped_rows(queries, core, pipeline, order)
    if looped is not None:
        return looped
    return WindowEmitter(queries, core, pipeline).rows(order)


class WindowEmitter:
    """Writes one core's windows. `texts` are what each row carries, after the variables of the loops."""

    def __init__(self, queries: QueryEmitter, core: Core, pipeline: Pipeline) -> None:
        self.queries = queries
        self.core = core
        self.pipeline = pipeline
        self.generator = queries.generator
        self.frame = queries.frame
        self.texts: list[str] = list(pipeline.variables)
        self.classes: dict[int, int] = {}
        self.names: list[str] = list(pipeline.variables)

    def rows(self, order: OrderEmitter) -> str:
        """Write the windows from the innermost to the outermost, then the result rows."""
        groups = grouped(self.core.windows)
        plans = [self.plan(group) for group in groups]
        items = self.pipeline.collect(self.generator, self.frame, as_tuple(self.texts), "items")
        self.names += ["_"] * (len(self.texts) - len(self.names))
        last: list[str] = []
        for place in range(len(groups) - 1, -1, -1):
            last = self.write_group(items, groups[place], plans[place], place == 0)
        element = self.queries.element(self.core, order)
        rows = self.generator.name("rows")
        target, source = as_tuple(self.names or ["_"]), items
        if last:
            target, source = f"{target}, {', '.join(last)}", f"zip({items}, *{self.columns})"
        self.frame.emit(f"{rows} = [{element} for {target} in {source}]")
        return rows

    # ---- what the windows read

    def plan(self, group: Group) -> tuple[window_runtime.Windows, list[OrderKey], list[int], list[str]]:
        """The group as the run time takes it, its sort keys with their places, and its frame's offsets as text."""
        first = group[0][1]
        partition = [OrderKey(item, -1, False, True, collation_name(item)) for item in first.partition_by]
        keys = [*partition, *first.order_by]
        places = [self.place(key.expression) for key in keys]
        width = len(partition)
        runtime_keys = tuple(window_runtime.Key(place, key.collation) for place, key in zip(places, keys, strict=True))
        calls = tuple(self.runtime_call(call) for _, call in group)
        frame, offsets = self.runtime_frame(first)
        windows = window_runtime.Windows(runtime_keys[:width], runtime_keys[width:], frame, calls)
        return windows, keys, places, offsets

    def place(self, expression: Expr, *, json: bool = False) -> int:
        """The place of an expression's value in the rows."""
        expressions = self.queries.expressions
        code = json_argument(expressions, expression) if json else expressions.value(expression)
        width = len(self.pipeline.variables)
        if code.text in self.texts[width:]:
            return self.texts.index(code.text, width)
        self.texts.append(code.text)
        self.classes[len(self.texts) - 1] = code.classes
        return len(self.texts) - 1

    def runtime_call(self, call: WindowCall) -> window_runtime.Call:
        registered = call.function == USER_FUNCTION
        json = not registered and call.function is not None and call.name.startswith("json_")
        arguments = tuple(self.place(item, json=json) for item in call.arguments)
        found = collation_of(call.arguments[0]) if call.arguments and call.name in ("min", "max") else None
        condition = None if call.filter is None else self.place(call.filter)
        function = None if registered else call.function
        collation = found[0] if found else "BINARY"
        return window_runtime.Call(call.name, function, arguments, condition, collation, registered)

    def runtime_frame(self, call: WindowCall) -> tuple[Frame, list[str]]:
        assert call.frame is not None
        frame = call.frame
        offsets = []
        if frame.start.offset is not None or frame.end.offset is not None:
            offsets = [self.offset(frame.start), self.offset(frame.end)]
        key = call.order_by[0] if len(call.order_by) == 1 else None
        descending = key is not None and key.descending
        large = key is not None and key.nulls_first == key.descending
        found = Frame(frame.unit, frame.start.kind, frame.end.kind, None, None, frame.exclude, descending, large)
        return found, offsets

    def offset(self, bound: ast.FrameBound) -> str:
        return "None" if bound.offset is None else self.queries.expressions.value(bound.offset).text

    # ---- the work

    def write_group(
        self,
        items: str,
        group: Group,
        plan: tuple[window_runtime.Windows, list[OrderKey], list[int], list[str]],
        is_last: bool,
    ) -> list[str]:
        """Write the sort and the values of one group; the names of its columns if they aren't joined to the rows."""
        windows, keys, places, offsets = plan
        if keys:
            self.sort(items, keys, places)
        self.generator.needs_context = True
        spec = self.generator.helper(windows, self.generator.name("windows"))
        function = self.generator.helper(window_runtime.window_columns)
        self.columns = self.generator.name("columns")
        arguments = ", ".join(["context", items, spec, *offsets])
        self.frame.emit(f"{self.columns} = {function}({arguments})")
        names = []
        for index, call in group:
            name = self.generator.name(call.name)
            names.append(name)
            self.queries.windows[(id(self.core), index)] = Code(name, result_classes(call), True)
        if is_last:
            return names
        joined = self.generator.helper(add, "add")
        self.frame.emit(f"{items} = list(map({joined}, {items}, zip(*{self.columns})))")
        self.names += names
        return []

    def sort(self, items: str, keys: list[OrderKey], places: list[int]) -> None:
        write_sort(self.queries, items, keys, places, self.classes)


def grouped(windows: Sequence[WindowCall]) -> list[Group]:
    """The functions by partition, order and frame, in the order in which each first comes up."""
    groups: list[tuple[object, Group]] = []
    for index, call in enumerate(windows):
        # Compared as text would be: which literal token of the statement a number is makes no difference.
        window = without_slots((list(call.partition_by), list(call.order_by), call.frame))
        found = next((group for other, group in groups if other == window), None)
        if found is None:
            groups.append((window, [(index, call)]))
        else:
            found.append((index, call))
    return [group for _, group in groups]


def result_classes(call: WindowCall) -> int:
    if call.name in CLASSES and call.function is None:
        return CLASSES[call.name]
    if call.name == "count" and call.function != USER_FUNCTION:
        return HOLDS_INT
    return HOLDS_ANY


def collation_name(expression: Expr) -> str:
    found = collation_of(expression)
    return found[0] if found else "BINARY"


def as_tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)},)" if texts else "(None,)"


__all__ = ["window_rows"]
