"""Windows that one loop over each partition computes: functions of one partition and order, frames that only grow.

    SELECT name, row_number() OVER w, sum(size) OVER w FROM city WINDOW w AS (PARTITION BY country ORDER BY id)

    groups_1 = defaultdict(list)
    for city_0 in ...:
        groups_1[city_0[2]].append(city_0)
    for key_1 in sorted(groups_1):
        items_1 = groups_1[key_1]
        items_1.sort(key=itemgetter(0))
        whole_1 = 0
        for row_number_1, city_0 in enumerate(items_1, 1):
            whole_1 += city_0[3]
            sum_1 = whole_1
            append_rows_1((city_0[1], row_number_1, sum_1))

    default frame, rows equal in order      for _, peers_1 in groupby(items_1, ...): add all, then give each its value
    frame of the whole partition            computed before the loop, as over a group

Sorting each partition by itself costs less than sorting all rows by one key more. What the loop cannot do is left to
`emit.window` and the functions of `runtime.window`.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import (
    HOLDS_FLOAT,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    Aggregate,
    Column,
    Core,
    Rowid,
    WindowCall,
    walk,
)
from tandemdb.planner.bind.traits import collation_of
from tandemdb.planner.bind.window import USER_FUNCTION
from tandemdb.planner.emit.aggregate import AggregateSink
from tandemdb.planner.emit.order import PLAIN_CLASSES, OrderEmitter, write_sort
from tandemdb.planner.emit.pipeline import COLUMN, Pipeline
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.functions.aggregates import integer_overflow, running_sums, running_whole_sums
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.runtime.values import INTEGER_MAX, INTEGER_MIN
from tandemdb.planner.syntax.tree import without_slots

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

PEER_RANKS = frozenset({"rank", "dense_rank"})
RANKS = PEER_RANKS | {"row_number"}
SUMS = frozenset({"sum", "avg", "total"})


def looped_rows(queries: QueryEmitter, core: Core, pipeline: Pipeline, order: OrderEmitter) -> str | None:
    """Write the windows of a core as one loop; the name of the list of result rows, None where that cannot be."""
    first = core.windows[0]
    window = without_slots((list(first.partition_by), list(first.order_by)))
    if any(without_slots((list(call.partition_by), list(call.order_by))) != window for call in core.windows):
        return None
    if any(is_collated(item) for item in first.partition_by) or any(k.collation != "BINARY" for k in first.order_by):
        return None
    loop = WindowLoop(queries, core, pipeline, order)
    return loop.write() if all(map(loop.can_write, core.windows)) else None


class WindowLoop:
    """The lines of the loop while they are put together.

    `before` comes before it, in each partition; `shared` is done for all rows of equal order before the first of them
    gets its values; `own` for each row.
    """

    __slots__ = ("queries", "core", "pipeline", "order", "generator", "frame", "partition_by", "order_by", "has_peers",
                 "codes", "before", "shared", "own", "numbering", "counter", "items", "value", "beside")  # fmt: skip

    def __init__(self, queries: QueryEmitter, core: Core, pipeline: Pipeline, order: OrderEmitter) -> None:
        self.queries = queries
        self.core = core
        self.pipeline = pipeline
        self.order = order
        self.generator = queries.generator
        self.frame = queries.frame
        self.partition_by = core.windows[0].partition_by
        self.order_by = core.windows[0].order_by
        self.has_peers = not any(self.is_unique(key.expression) for key in self.order_by)
        self.codes = [queries.expressions.value(key.expression) for key in self.order_by]
        self.before: list[str] = []
        self.shared: list[str] = []
        self.own: list[str] = []
        self.numbering = ""
        self.items = ""
        self.value: Column | Rowid | None = None
        """The only column that is kept of the rows, where that is enough."""
        self.beside: dict[str, str] = {}
        """Names of values that are made for all rows at once, each with the list of them."""

    # ---- what the loop can do

    def is_unique(self, expression: object) -> bool:
        """Whether no two rows have the same value: the unique key of the only table."""
        if len(self.core.sources) != 1 or self.core.is_aggregate:
            return False
        source = self.core.sources[0]
        if isinstance(expression, Rowid):
            return expression.source is source
        if not isinstance(expression, Column) or expression.source is not source or source.table is None:
            return False
        return expression.position == source.table.rowid_position >= 0

    def can_write(self, call: WindowCall) -> bool:
        if call.function is None:
            return call.name in RANKS or (call.name == "first_value" and (is_whole(call) or is_running(call)))
        if call.function == USER_FUNCTION or call.filter is not None or not (is_whole(call) or is_running(call)):
            return False
        if not call.arguments:
            return call.name == "count"
        code = self.queries.expressions.value(call.arguments[0])
        classes = code.classes & ~HOLDS_NULL
        if call.name in ("min", "max"):
            return classes in PLAIN_CLASSES and not is_collated(call.arguments[0])
        if call.name == "count":
            return True
        if call.name == "sum":
            return classes in (HOLDS_INT, HOLDS_FLOAT)
        return call.name in SUMS and classes in (HOLDS_INT, HOLDS_FLOAT, HOLDS_NUMBER)

    # ---- the loop

    def write(self) -> str:
        frame, generator = self.frame, self.generator
        rows, depth = generator.name("rows"), frame.depth
        item, target, places = self.item()
        if self.partition_by:
            groups, key = generator.name("groups"), generator.name("key")
            self.items = generator.name("items")
            codes = [self.queries.expressions.value(item) for item in self.partition_by]
            text = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
            frame.emit(f"{groups} = {generator.helper(defaultdict)}(list)")
            self.pipeline.write(frame, [f"{groups}[{text}].append({item})"])
            plain = all(code.classes in PLAIN_CLASSES for code in codes)
            frame.emit(f"{rows} = []")
            frame.emit(f"for {key} in {'sorted' if plain else generator.helper(runtime.group_order)}({groups}):")
            frame.depth += 1
            frame.emit(f"{self.items} = {groups}[{key}]")
        else:
            self.items = self.pipeline.collect(generator, frame, item, "items")
            frame.emit(f"{rows} = []")
            frame.emit(f"if {self.items}:")
            frame.depth += 1
        self.sort(places)
        if self.value is not None:
            code = self.queries.expressions.value(self.value)
            self.queries.expressions.know([(self.value, code._replace(text=target))])
        names = [self.function(index, call, target) for index, call in enumerate(self.core.windows)]
        for index, (name, classes) in enumerate(names):
            self.queries.windows[(id(self.core), index)] = Code(name, classes, True)
        self.write_loop(rows, target, places)
        self.queries.expressions.know([])
        frame.depth = depth
        return rows

    def item(self) -> tuple[str, str, list[int]]:
        """What is kept of each row, what it is unpacked to, and where in it the order's values stand.

        One value, if nothing else is read; the row itself, if there is but one and the values are columns of it; else a
        tuple of all.
        """
        self.value = self.sole_value()
        if self.value is not None:
            return self.queries.expressions.value(self.value).text, self.generator.name("item"), []
        variables = self.pipeline.variables
        found = [COLUMN.fullmatch(code.text) for code in self.codes]
        if len(variables) == 1 and all(match is not None and match[1] == variables[0] for match in found):
            return variables[0], variables[0], [int(match[2]) for match in found if match is not None]
        texts = [*variables, *(code.text for code in self.codes)]
        names = [*variables, *("_" for _ in self.codes)]
        if not texts:
            return "None", "_", []
        return f"({', '.join(texts)},)", f"({', '.join(names)},)", list(range(len(variables), len(texts)))

    def sole_value(self) -> Column | Rowid | None:
        """The only column that is read of the rows, if they come in the order asked for."""
        if self.core.is_aggregate or (self.order_by and (len(self.order_by) > 1 or not self.comes_in_order())):
            return None
        if any(call.function is None and call.name in PEER_RANKS for call in self.core.windows):
            return None  # What the rows are ordered by is looked at again.
        results = [result.expression for result in self.core.results]
        if self.order.bare is not None:
            results = results[self.order.bare :][:1] if self.order.bare >= 0 else []
        arguments = [argument for call in self.core.windows for argument in call.arguments]
        nodes = [node for item in (*results, *self.order.hidden_expressions(), *arguments) for node in walk(item)]
        if any(hasattr(node, "query") for node in nodes):
            return None
        read = {node for node in nodes if isinstance(node, (Column, Rowid))}
        return read.pop() if len(read) == 1 else None

    def sort(self, places: list[int]) -> None:
        keys = list(self.order_by)
        if keys and self.comes_in_order():
            keys, places = keys[:-1], places[:-1]
        if keys:
            classes = {place: code.classes for place, code in zip(places, self.codes, strict=False)}
            write_sort(self.queries, self.items, keys, places, classes)

    def comes_in_order(self) -> bool:
        """Whether the rows come in the order of the last key: a table's unique key, the table read in its order."""
        clauses, key = self.pipeline.clauses, self.order_by[-1]
        if key.descending or not self.is_unique(key.expression) or clauses[0].kind != "for":
            return False
        source = self.core.sources[0]
        plain = source.table is not None and not source.table.without_rowid
        return plain and "record_lists(" in clauses[0].text and "chain(" in clauses[0].text

    def write_loop(self, rows: str, target: str, places: list[int]) -> None:
        frame, generator = self.frame, self.generator
        for line in self.before:
            frame.emit(line)
        element = self.queries.element(self.core, self.order)
        items = self.items
        if not self.own and not self.shared and (whole := self.beside.get(element)) is not None:
            frame.emit(f"{rows} += {whole}")
            return
        if self.shared and self.has_peers:
            peers = generator.name("peers")
            key = f"{generator.helper(itemgetter)}({', '.join(map(str, places))})"
            frame.emit(f"for _, {peers} in {generator.helper(groupby)}({items}, {key}):")
            frame.depth += 1
            frame.emit(f"{peers} = list({peers})")
            frame.emit(f"for {target} in {peers}:")
            for line in self.shared:
                frame.emit(f"    {line}")
            items = peers
        else:
            self.own = self.shared + self.own
        if self.beside:
            target = f"({target}, {', '.join(self.beside)})"
            items = f"zip({items}, {', '.join(self.beside.values())})"
        if self.numbering and not (self.shared and self.has_peers):
            target, items = f"{self.numbering}, {target}", f"enumerate({items}, 1)"
        elif self.numbering:
            self.own.insert(0, f"{self.numbering} += 1")
        if self.own:
            frame.emit(f"for {target} in {items}:")
            for line in (*self.own, f"{rows}.append({element})"):
                frame.emit(f"    {line}")
        else:
            frame.emit(f"{rows} += [{element} for {target} in {items}]")

    # ---- functions

    def function(self, index: int, call: WindowCall, target: str) -> tuple[str, int]:
        """Let the loop bring one function's value; the name that holds it, and its classes."""
        if call.name == "row_number" and call.function is None:
            return self.number(), HOLDS_INT
        if call.function is None and call.name in RANKS:
            return self.rank(call.name), HOLDS_INT
        name = self.generator.name(call.name)
        if call.function is None:
            code = self.queries.expressions.value(call.arguments[0])
            self.frame.emit(f"{target} = {self.items}[0]")
            self.frame.emit(f"{name} = {code.text}")
            return name, code.classes
        if is_whole(call):
            found = self.whole(call, target)
            self.frame.emit(f"{name} = {found.text}")
            return name, found.classes
        lines = self.own if call.frame is not None and call.frame.unit == "ROWS" else self.shared
        if lines is self.own or not self.has_peers:
            classes = self.accumulated(call, name, target)
            if classes:
                return name, classes
        return name, self.running(call, name, lines)

    def accumulated(self, call: WindowCall, name: str, target: str) -> int:
        """Sums of the rows so far of values that are all there, made at once; their classes, 0 where that cannot be."""
        if call.name != "sum" or self.shared_with_peers():
            return 0
        code = self.queries.expressions.value(call.arguments[0])
        if code.classes not in (HOLDS_INT, HOLDS_FLOAT):
            return 0
        function = running_sums if code.classes == HOLDS_FLOAT else running_whole_sums
        sums = self.generator.name("sums")
        self.frame.emit(f"{sums} = {self.generator.helper(function)}({self.listed(code, target)})")
        self.beside[name] = sums
        return HOLDS_INT if code.classes == HOLDS_INT else HOLDS_FLOAT | HOLDS_NULL

    def shared_with_peers(self) -> bool:
        """Whether other functions of the loop give rows of equal order one value."""
        frames = [call.frame for call in self.core.windows if call.function is not None and not is_whole(call)]
        return self.has_peers and any(frame is None or frame.unit != "ROWS" for frame in frames)

    def number(self) -> str:
        if not self.numbering:
            self.numbering = self.generator.name("row_number")
            self.before.append(f"{self.numbering} = 0")
        return self.numbering

    def rank(self, kind: str) -> str:
        name, previous, peer = (self.generator.name(prefix) for prefix in (kind, "previous", "peer"))
        self.before.append(f"{name}, {previous} = 0, {self.generator.helper(runtime.NOTHING, 'nothing')}")
        text = ", ".join(code.text for code in self.codes)
        value = f"{name} + 1" if kind == "dense_rank" else self.number()
        self.own += [
            f"{peer} = {text if len(self.codes) == 1 else f'({text})'}",
            f"if {peer} != {previous}:",
            f"    {name}, {previous} = {value}, {peer}",
        ]
        return name

    def whole(self, call: WindowCall, target: str) -> Code:
        """An aggregate over the whole partition."""
        if not call.arguments:
            return Code(f"len({self.items})", HOLDS_INT)
        code = self.queries.expressions.value(call.arguments[0])
        sink = AggregateSink(self.queries, self.core, self.pipeline, self.order)
        aggregate = Aggregate(call.name, call.function, call.arguments, False, (), None, call.star)
        return sink.finish(aggregate, self.listed(code, target), code)

    def listed(self, code: Code, target: str) -> str:
        """An expression for the list of a value of each row."""
        return self.items if code.text == target else f"[{code.text} for {target} in {self.items}]"

    def running(self, call: WindowCall, name: str, lines: list[str]) -> int:
        """An aggregate of the rows so far."""
        initial = "0" if call.name == "count" else "None"
        self.before.append(f"{name} = {initial}")
        if not call.arguments:
            lines.append(f"{name} += 1")
            return HOLDS_INT
        code = self.queries.expressions.value(call.arguments[0])
        x = self.generator.name("x")
        lines.append(f"{x} = {code.text}")
        inner = self.added(call.name, name, x, code)
        lines += [f"if {x} is not None:", *("    " + line for line in inner)] if code.nullable else inner
        if call.name == "count":
            return HOLDS_INT
        if call.name in ("min", "max") or (call.name == "sum" and code.classes & HOLDS_INT):
            return code.classes | HOLDS_NULL
        return HOLDS_FLOAT | HOLDS_NULL

    def added(self, function: str, name: str, x: str, code: Code) -> list[str]:
        """What a value that is not NULL does to an aggregate."""
        if function == "count":
            return [f"{name} += 1"]
        if function in ("min", "max"):
            return [f"if {name} is None or {x} {'<' if function == 'min' else '>'} {name}:", f"    {name} = {x}"]
        total = self.generator.name("total")
        if function == "sum" and code.classes & HOLDS_INT:
            error = self.generator.helper(integer_overflow)
            self.before.append(f"{total} = 0")
            check = f"if not {INTEGER_MIN} <= {total} <= {INTEGER_MAX}:"
            return [f"{total} += {x}", check, f"    raise {error}()", f"{name} = {total}"]
        self.before.append(f"{total} = 0.0")
        if function == "total":
            self.before.append(f"{name} = 0.0")
        if function != "avg":
            return [f"{total} += {x}", f"{name} = {total} if {total} == {total} else None"]
        count = self.generator.name("count")
        self.before.append(f"{count} = 0")
        mean = f"{name} = {total} / {count} if {total} == {total} else None"
        return [f"{total} += {x}", f"{count} += 1", mean]


def is_collated(expression: object) -> bool:
    found = collation_of(expression)
    return found is not None and found[0] != "BINARY"


def is_running(call: WindowCall) -> bool:
    frame = call.frame
    assert frame is not None
    return (frame.start.kind, frame.end.kind, frame.exclude) == ("UNBOUNDED PRECEDING", "CURRENT ROW", "NO OTHERS")


def is_whole(call: WindowCall) -> bool:
    """Whether each row's frame is the partition; without an order, all its rows are peers."""
    frame = call.frame
    assert frame is not None
    if frame.start.kind != "UNBOUNDED PRECEDING" or frame.exclude != "NO OTHERS":
        return False
    return frame.end.kind == "UNBOUNDED FOLLOWING" or (
        frame.end.kind == "CURRENT ROW" and frame.unit != "ROWS" and not call.order_by
    )
