"""Window functions at run time: from sorted rows to a column of values for each function.

    rows sorted by p, o        partitions   groups of peers     row_number   sum(x) OVER (PARTITION BY p ORDER BY o)
    ('a', 1, 10)               0            0                   1            10
    ('a', 2, 20)               |            1                   2            60
    ('a', 2, 30)               |            |                   3            60
    ('b', 1, 40)               3            3                   1            40

All functions of one partition, order and frame are computed together. Frames that only grow are sums so far, made by
`accumulate`; row numbers and ranks come from the groups; what is left plays the frame's tape with an accumulator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.registry import AggregateFunction, JsonText
from tandemdb.planner.runtime import values
from tandemdb.planner.runtime.window_frame import (
    EMIT,
    STEP,
    Frame,
    Tape,
    checked_frame,
    frame_tape,
    row_bounds,
    tape_bounds,
    whole_number,
)
from tandemdb.planner.runtime.window_sums import running_values, sliding_values, whole_value

Column = list[Any]


class Key(NamedTuple):
    """A column of PARTITION BY or ORDER BY: its place in the rows, and the name of its collation."""

    place: int
    collation: str


class Call(NamedTuple):
    """A window function: places of its arguments and filter in the rows.

    `function` is None for row_number and its like, and where `registered` tells of a class of the connection's own.
    """

    name: str
    function: AggregateFunction | None
    arguments: tuple[int, ...]
    filter: int | None
    collation: str
    registered: bool


class Windows(NamedTuple):
    """The functions of one partition, order and frame; the frame's offsets come with each execution."""

    partition_by: tuple[Key, ...]
    order_by: tuple[Key, ...]
    frame: Frame
    calls: tuple[Call, ...]


class Partition:
    """One partition while its functions are computed: its rows, its groups, its tape when one is needed."""

    __slots__ = ("first", "count", "starts", "keys", "frame", "_tape", "_bounds")

    def __init__(self, first: int, count: int, starts: list[int], keys: Column, frame: Frame) -> None:
        self.first = first
        self.count = count
        self.starts = starts
        self.keys = keys
        self.frame = frame
        self._tape: Tape | None = None
        self._bounds: tuple[list[int], list[int]] | None = None

    @property
    def tape(self) -> Tape:
        if self._tape is None:
            starts = list(range(self.count + 1)) if self.frame.unit == "ROWS" else self.starts
            self._tape = frame_tape(self.frame, starts, self.keys)
        return self._tape

    @property
    def bounds(self) -> tuple[list[int], list[int]]:
        if self._bounds is None:
            self._bounds = row_bounds(self.frame, self.count) if self.frame.unit == "ROWS" else tape_bounds(self.tape)
        return self._bounds

    def per_group(self, made: Sequence[Any]) -> Column:
        """One value for each group, repeated for its rows."""
        starts = self.starts
        if len(made) == self.count:
            return list(made)
        repeated = ([value] * (b - a) for value, a, b in zip(made, starts, starts[1:], strict=False))
        return list(chain.from_iterable(repeated))


def window_columns(context: Any, rows: Sequence[tuple[Any, ...]], windows: Windows, *offsets: Any) -> list[Column]:
    """The values of each function for rows that are sorted by partition and order.

    Raises:
        OperationalError: a frame's offset or an argument is not the number it must be.
    """
    columns: list[Column] = [[] for _ in windows.calls]
    if not rows:
        return columns
    frame = windows.frame
    if offsets:
        frame = checked_frame(frame._replace(start_offset=offsets[0], end_offset=offsets[1]))
    arguments = [[column_of(rows, place) for place in call.arguments] for call in windows.calls]
    filters = [None if call.filter is None else column_of(rows, call.filter) for call in windows.calls]
    functions = [collated_function(context, call) for call in windows.calls]
    for partition in partitions_of(context, rows, windows, frame):
        first, behind = partition.first, partition.first + partition.count
        for number, call in enumerate(windows.calls):
            given = [column[first:behind] for column in arguments[number]]
            kept = filters[number]
            passed = None if kept is None else [values.truth(value) is True for value in kept[first:behind]]
            if call.function is None and not call.registered:
                made = PURE_FUNCTIONS[call.name](partition, given)
            else:
                made = aggregate_values(context, call, functions[number], partition, given, passed)
            columns[number] += made
    return columns


def column_of(rows: Sequence[tuple[Any, ...]], place: int) -> Column:
    return list(map(itemgetter(place), rows))


def collated_function(context: Any, call: Call) -> AggregateFunction | None:
    if call.function is None or call.collation == "BINARY":
        return call.function
    return call.function.collated(context.collation_key_function(call.collation))


def partitions_of(context: Any, rows: Sequence[tuple[Any, ...]], windows: Windows, frame: Frame) -> list[Partition]:
    """The partitions, each with its groups of peers."""
    count = len(rows)
    by_order = [key_column(context, rows, key) for key in windows.order_by]
    cuts = [0, *changes([key_column(context, rows, key) for key in windows.partition_by]), count]
    needs_keys = frame.unit == "RANGE" and ("PRECEDING" in (frame.start, frame.end) or "FOLLOWING" in (
        frame.start, frame.end))  # fmt: skip
    found = []
    for first, behind in zip(cuts, cuts[1:], strict=False):
        whole = len(cuts) == 2
        columns = by_order if whole else [column[first:behind] for column in by_order]
        starts = [0, *changes(columns), behind - first] if columns else [0, behind - first]
        keys = [columns[0][place] for place in starts[:-1]] if needs_keys else []
        found.append(Partition(first, behind - first, starts, keys, frame))
    return found


def key_column(context: Any, rows: Sequence[tuple[Any, ...]], key: Key) -> Column:
    column = column_of(rows, key.place)
    if key.collation == "BINARY":
        return column
    return list(map(context.collation_key_function(key.collation), column))


def changes(columns: Sequence[Column]) -> list[int]:
    """The places where a row differs from the one before it in any of the columns."""
    if not columns:
        return []
    keys: Sequence[Any] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    previous = iter(keys)
    return [place for place, (key, before) in enumerate(zip(keys[1:], previous, strict=False), 1) if key != before]


# ---- functions that are windows only


def row_numbers(partition: Partition, given: Sequence[Column]) -> Column:
    return list(range(1, partition.count + 1))


def ranks(partition: Partition, given: Sequence[Column]) -> Column:
    return partition.per_group([start + 1 for start in partition.starts[:-1]])


def dense_ranks(partition: Partition, given: Sequence[Column]) -> Column:
    return partition.per_group(range(1, len(partition.starts)))


def percent_ranks(partition: Partition, given: Sequence[Column]) -> Column:
    others = partition.count - 1
    return partition.per_group([start / others if others else 0.0 for start in partition.starts[:-1]])


def cumulative_distributions(partition: Partition, given: Sequence[Column]) -> Column:
    return partition.per_group([end / partition.count for end in partition.starts[1:]])


def tiles(partition: Partition, given: Sequence[Column]) -> Column:
    """ntile(N): the first of N parts have one row more where rows are left over."""
    parts = values.as_integer(given[0][0]) if given[0][0] is not None else 0
    if parts <= 0:
        raise OperationalError("argument of ntile must be a positive integer", code="SQLITE_ERROR")
    size, left_over = divmod(partition.count, parts)
    if size == 0:
        return list(range(1, partition.count + 1))
    sizes = chain([size + 1] * left_over, [size] * (parts - left_over))
    return list(chain.from_iterable([number] * length for number, length in enumerate(sizes, 1)))


def lagging(partition: Partition, given: Sequence[Column]) -> Column:
    return neighbours(partition, given, -1)


def leading(partition: Partition, given: Sequence[Column]) -> Column:
    return neighbours(partition, given, 1)


def neighbours(partition: Partition, given: Sequence[Column], direction: int) -> Column:
    """lag and lead: the value so many rows away, the default where there is no such row.

    lag with a negative offset sees one row ahead and no more: SQLite has read only that far.
    """
    column, count = given[0], partition.count
    defaults = given[2] if len(given) > 2 else [None] * count
    offsets = given[1] if len(given) > 1 else [1]
    first = offsets[0]
    if type(first) is int and (len(offsets) == 1 or offsets.count(first) == count):
        distance = max(-count, min(count, first * direction))
        if direction < 0 and distance > 1:
            return defaults
        if distance >= 0:
            return column[distance:] + defaults[count - distance :]
        return defaults[:-distance] + column[:distance]
    combine = values.add if direction > 0 else values.subtract
    made = []
    for place in range(count):
        wanted = whole_number(combine(place, offsets[place]))
        if wanted is None or not 0 <= wanted < count or (direction < 0 and wanted > place + 1):
            made.append(defaults[place])
        else:
            made.append(column[wanted])
    return made


def first_values(partition: Partition, given: Sequence[Column]) -> Column:
    column = given[0]
    if partition.frame.exclude != "NO OTHERS":
        return [column[places[0]] if places else None for places in kept_places(partition)]
    if partition.frame.start == "UNBOUNDED PRECEDING" and partition.frame.end not in ("PRECEDING",):
        return [column[0]] * partition.count
    lows, highs = partition.bounds
    return [column[low] if low < high else None for low, high in zip(lows, highs, strict=True)]


def last_values(partition: Partition, given: Sequence[Column]) -> Column:
    column = given[0]
    if partition.frame.exclude != "NO OTHERS":
        return [column[places[-1]] if places else None for places in kept_places(partition)]
    if partition.frame.is_running and partition.frame.unit != "ROWS":
        return partition.per_group([column[end - 1] for end in partition.starts[1:]])
    lows, highs = partition.bounds
    return [column[high - 1] if low < high else None for low, high in zip(lows, highs, strict=True)]


def nth_values(partition: Partition, given: Sequence[Column]) -> Column:
    column = given[0]
    if partition.frame.exclude != "NO OTHERS":
        made = []
        for places, number in zip(kept_places(partition), given[1], strict=True):
            wanted = positive(number) if places else 1
            made.append(column[places[wanted - 1]] if wanted <= len(places) else None)
        return made
    lows, highs = partition.bounds
    made = []
    for low, high, number in zip(lows, highs, given[1], strict=True):
        place = low + positive(number) - 1
        made.append(column[place] if place < high else None)
    return made


def positive(value: Any) -> int:
    number = whole_number(value)
    if number is None or number <= 0:
        raise OperationalError("second argument to nth_value must be a positive integer", code="SQLITE_ERROR")
    return number


def kept_places(partition: Partition) -> list[list[int]]:
    """For each row, the rows of its frame that EXCLUDE leaves."""
    lows, highs = partition.bounds
    exclude = partition.frame.exclude
    group_of = partition.per_group(range(len(partition.starts) - 1))
    made = []
    for place, (low, high) in enumerate(zip(lows, highs, strict=True)):
        if exclude == "EXPLICITLY NONE":
            made.append(list(range(low, high)))
            continue
        if exclude == "CURRENT ROW":
            made.append([other for other in range(low, high) if other != place])
            continue
        group = group_of[place]
        first, behind = partition.starts[group], partition.starts[group + 1]
        kept = [other for other in range(low, high) if not first <= other < behind]
        if exclude == "TIES" and low <= place < high:
            kept = sorted([*kept, place])
        made.append(kept)
    return made


PURE_FUNCTIONS: dict[str, Callable[[Partition, Sequence[Column]], Column]] = {
    "row_number": row_numbers,
    "rank": ranks,
    "dense_rank": dense_ranks,
    "percent_rank": percent_ranks,
    "cume_dist": cumulative_distributions,
    "ntile": tiles,
    "lag": lagging,
    "lead": leading,
    "first_value": first_values,
    "last_value": last_values,
    "nth_value": nth_values,
}


# ---- aggregates


def aggregate_values(
    context: Any,
    call: Call,
    function: AggregateFunction | None,
    partition: Partition,
    given: Sequence[Column],
    passed: Column | None,
) -> Column:
    """An aggregate's value over each row's frame."""
    frame, count = partition.frame, partition.count
    if frame.exclude != "NO OTHERS":
        return excluding(context, call, function, partition, given, passed)
    if function is not None and passed is None and call.collation == "BINARY":
        if frame.is_whole:
            found = whole_value(call.name, function, given, count)
            if found:
                return found * count
        elif frame.is_running:
            made = running_values(call.name, given, count)
            if made is not None:
                by_row = frame.unit == "ROWS"
                return made if by_row else partition.per_group([made[end - 1] for end in partition.starts[1:]])
        elif frame.unit == "ROWS":
            made = sliding_values(call.name, given, *partition.bounds)
            if made is not None:
                return made
    if call.name in ("min", "max") and function is not None and frame.start != "UNBOUNDED PRECEDING":
        passed = None  # SQLite 3.40 heeds no FILTER here: it keeps the frame's values in an index, unfiltered.
    accumulator = new_accumulator(context, call, function, frame.start != "UNBOUNDED PRECEDING")
    made = play(partition.tape, accumulator, arguments_of(given, count), passed)
    return [str(value) if type(value) is JsonText else value for value in made] if call.name[:5] == "json_" else made


def arguments_of(given: Sequence[Column], count: int) -> list[tuple[Any, ...]]:
    return list(zip(*given, strict=True)) if given else [()] * count


def new_accumulator(context: Any, call: Call, function: AggregateFunction | None, slides: bool) -> Any:
    if function is not None:
        return function.sliding_accumulator() if slides else function.accumulator()
    return Registered(context, call.name, len(call.arguments))


def play(tape: Tape, accumulator: Any, given: Sequence[tuple[Any, ...]], passed: Column | None) -> Column:
    """Play a frame's tape with an accumulator; the values in row order."""
    step, leave, value = accumulator.step, accumulator.inverse, accumulator.value
    made: Column = []
    for operation, first, behind in tape:
        if operation == EMIT:
            if behind - first == 1:
                made.append(value())
            else:
                made += [value()] * (behind - first)
            continue
        act = step if operation == STEP else leave
        for place in range(first, behind):
            if passed is None or passed[place]:
                act(*given[place])
    if isinstance(accumulator, Registered):
        accumulator.end_partition()
    return made


def excluding(
    context: Any,
    call: Call,
    function: AggregateFunction | None,
    partition: Partition,
    given: Sequence[Column],
    passed: Column | None,
) -> Column:
    """With EXCLUDE, each row's frame is summed up anew, as SQLite does."""
    made: Column = []
    arguments = arguments_of(given, partition.count)
    for places in kept_places(partition):
        kept = [arguments[place] for place in places if passed is None or passed[place]]
        if function is None:
            registered = Registered(context, call.name, len(call.arguments))
            for row in kept:
                registered.step(*row)
            made.append(registered.finalize() if kept else None)
            continue
        column: Sequence[Any] = [row[0] for row in kept] if len(call.arguments) == 1 else kept
        found = function.finish(column) if kept else function.empty
        made.append(str(found) if type(found) is JsonText else found)
    return made


class Registered:
    """An object of a class given to create_window_function, made when its first row comes."""

    __slots__ = ("instance",)

    def __init__(self, context: Any, name: str, count: int) -> None:
        self.instance = context.session.users.window_class(name, count)()

    def step(self, *arguments: Any) -> None:
        self.instance.step(*arguments)

    def inverse(self, *arguments: Any) -> None:
        self.instance.inverse(*arguments)

    def end_partition(self) -> None:
        """Call finalize, as SQLite does when it lets the accumulator go: nobody reads what it gives or raises."""
        with suppress(Exception):
            self.instance.finalize()

    def value(self) -> Any:
        from tandemdb.planner.context import checked_result

        return checked_result(self.instance.value())

    def finalize(self) -> Any:
        from tandemdb.planner.context import checked_result

        return checked_result(self.instance.finalize())
