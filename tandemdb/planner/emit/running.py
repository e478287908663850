"""Aggregates of all rows that are kept as running values: one loop, and no list of what it has read.

    SELECT count(*), sum(amount), min(code) FROM item WHERE amount > 5

        count_1 = 0
        total_1 = 0.0
        least_1 = None
        for item_0 in ...:
            if item_0[3] > p0:
                count_1 += 1
                total_1 += item_0[3]
                x_1 = item_0[2]
                if least_1 is None or x_1 < least_1:
                    least_1 = x_1

An argument that may be NULL, or NaN which is NULL, is named, tested and counted by itself. One argument alone is better
off in a list, which `sum`, `min` and `len` walk in C: `emit.gather` sees to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_NUMBER, Aggregate
from tandemdb.planner.emit.order import PLAIN_CLASSES
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.functions.aggregates import integer_overflow
from tandemdb.planner.runtime.values import INTEGER_MAX, INTEGER_MIN

if TYPE_CHECKING:
    from tandemdb.planner.emit.aggregate import AggregateSink

Call = tuple[Aggregate, Code | None]


def can_run(sink: AggregateSink, call: Aggregate, argument: Code | None) -> bool:
    """Whether an aggregate can be kept as a running value."""
    if argument is None:
        return True
    classes = argument.classes & ~HOLDS_NULL
    if call.name in ("min", "max"):
        return classes in PLAIN_CLASSES and not argument.nan and sink.collation(call) == "None"
    if call.distinct:
        return False
    if call.name == "sum":
        return classes in (HOLDS_INT, HOLDS_FLOAT)
    return call.name == "count" or (call.name in ("avg", "total") and classes in (HOLDS_INT, HOLDS_FLOAT, HOLDS_NUMBER))


def write_running(sink: AggregateSink, calls: Sequence[Call], whole: str | None) -> None:
    """Write the loop over the pipeline's rows, then each aggregate's value into a local.

    `whole`: an expression for the number of rows where it is known without the loop.
    """
    Runner(sink, calls, whole).write()


class Runner:
    """The lines of one loop while they are put together: `arguments` by their text, each with what it adds to."""

    __slots__ = ("sink", "calls", "whole", "before", "arguments", "counters", "counted")

    def __init__(self, sink: AggregateSink, calls: Sequence[Call], whole: str | None) -> None:
        self.sink = sink
        self.calls = calls
        self.whole = whole
        self.before: list[str] = []
        self.arguments: dict[str, Argument] = {}
        self.counters: dict[str, str] = {}
        """The counts of rows (under "") and of arguments that may be missing, by text."""
        self.counted = {self.counter_key(code) for call, code in calls if call.name in ("count", "avg")}

    def write(self) -> None:
        results = [self.add(call, code) for call, code in self.calls]
        frame = self.sink.frame
        for line in self.before:
            frame.emit(line)
        lines = [f"{self.counters['']} += 1"] if "" in self.counters and "" in self.counted else []
        lines += [f"{self.counters['']} = True"] if "" in self.counters and "" not in self.counted else []
        for argument in self.in_turn():
            lines += argument.body()
        if lines:  # Where values are never missing and the rows counted already, the loop has nothing to do.
            self.sink.pipeline.write_either(self.sink.generator, frame, lines)
        for index, code in enumerate(results):
            self.sink.set_aggregate(index, code)

    def add(self, call: Aggregate, code: Code | None) -> Code:
        """Let the loop bring what one aggregate needs; its value after the loop."""
        count = self.counter(code)
        if code is None or call.name == "count":
            return Code(count, HOLDS_INT, True)
        argument = self.argument(code)
        if call.name in ("min", "max"):
            return Code(self.extreme(argument, call.name), code.classes | HOLDS_NULL, True)
        if call.name == "sum" and code.classes & ~HOLDS_NULL == HOLDS_INT:
            return Code(f"({self.whole_total(argument)} if {count} else None)", HOLDS_INT | HOLDS_NULL, True)
        total = self.total(argument)
        if call.name == "avg":
            return Code(f"({total} / {count} if {count} and {total} == {total} else None)", HOLDS_FLOAT | HOLDS_NULL)
        test = f"{total} == {total}" if call.name == "total" else f"{count} and {total} == {total}"
        return Code(f"({total} if {test} else None)", HOLDS_FLOAT | HOLDS_NULL, True)

    def in_turn(self) -> list[Argument]:
        """The arguments, those that stand inside others before them and named."""
        found = sorted(self.arguments.values(), key=lambda argument: len(argument.code.text))
        for argument in found:
            text = argument.code.text
            users = [other for other in found if other is not argument and text in other.code.text]
            if text.startswith("(") and users:
                argument.give_name(self.sink.generator.name("x"))
                for other in users:
                    other.code = other.code._replace(text=other.code.text.replace(text, argument.name))
        return found

    # ---- what the loop keeps

    def new(self, prefix: str, initial: str) -> str:
        name = self.sink.generator.name(prefix)
        self.before.append(f"{name} = {initial}")
        return name

    def argument(self, code: Code) -> Argument:
        found = self.arguments.get(code.text)
        if found is None:
            uses = [call.name for call, other in self.calls if other == code]
            named = is_missing(code) or len(uses) > 1 or uses[0] in ("min", "max")
            name = self.sink.generator.name("x") if named else code.text
            found = self.arguments[code.text] = Argument(code, name)
        return found

    def counter_key(self, code: Code | None) -> str:
        return code.text if code is not None and is_missing(code) else ""

    def counter(self, code: Code | None) -> str:
        """What tells how many values there are, or, where nothing counts them, that there are any."""
        key = self.counter_key(code)
        if not key and self.whole is not None:
            return self.whole
        counts = key in self.counted
        found = self.counters.get(key)
        if found is None:
            found = self.counters[key] = self.new("count", "0") if counts else self.new("found", "False")
            if key:
                assert code is not None
                self.argument(code).lines.append(f"{found} += 1" if counts else f"{found} = True")
        return found

    def total(self, argument: Argument) -> str:
        if argument.total is None:
            argument.total = self.new("total", "0.0")
            argument.lines.append(f"{argument.total} += {argument.name}")
        return argument.total

    def whole_total(self, argument: Argument) -> str:
        """The sum of integers: like SQLite, refused as soon as a partial sum needs more than 64 bits."""
        if argument.whole is None:
            name = argument.whole = self.new("whole", "0")
            error = self.sink.generator.helper(integer_overflow)
            argument.lines += [
                f"{name} += {argument.name}",
                f"if not {INTEGER_MIN} <= {name} <= {INTEGER_MAX}:",
                f"    raise {error}()",
            ]
        return argument.whole

    def extreme(self, argument: Argument, function: str) -> str:
        """The first of the least, or the greatest, values."""
        name = self.new("least" if function == "min" else "greatest", "None")
        sign = "<" if function == "min" else ">"
        argument.lines += [f"if {name} is None or {argument.name} {sign} {name}:", f"    {name} = {argument.name}"]
        return name


class Argument:
    """An argument of aggregates: its name in the loop, and the lines that its value, if there is one, goes into."""

    __slots__ = ("code", "name", "lines", "total", "whole")

    def __init__(self, code: Code, name: str) -> None:
        self.code = code
        self.name = name
        self.lines: list[str] = []
        self.total: str | None = None
        self.whole: str | None = None

    def give_name(self, name: str) -> None:
        """Name the value in the loop, unless it has a name."""
        if self.name == self.code.text:
            self.lines = [line.replace(self.name, name) for line in self.lines]
            self.name = name

    def body(self) -> list[str]:
        lines = [] if self.name == self.code.text else [f"{self.name} = {self.code.text}"]
        tests = [f"{self.name} is not None"] if self.code.nullable else []
        tests += [f"{self.name} == {self.name}"] if self.code.nan else []
        if not tests:
            return lines + self.lines
        return [*lines, f"if {' and '.join(tests)}:", *("    " + line for line in self.lines)]


def is_missing(code: Code) -> bool:
    """Whether a value may be NULL, or NaN which counts as NULL."""
    return code.nullable or code.nan
