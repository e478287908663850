"""Aggregates: over a whole group at once, or following a window frame.

    finish([3, None, 4.5])        one call over the list of a group: 7.5
    accumulator()                 step(3) step(None) step(4.5) value() -> 7.5, inverse(3) value() -> 4.5

sum, total and avg add in row order in double arithmetic, as SQLite 3.40 does: no compensation (which Python's own
`sum` has had since 3.12), so that the last digits agree. Whole integers are summed exactly, and only as such can they
overflow.
"""

from __future__ import annotations

import operator
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, takewhile
from typing import Any

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.numeric import numeric_argument
from tandemdb.planner.functions.registry import HOLDS_NUMBER, AggregateFunction
from tandemdb.planner.runtime.values import INTEGER_MAX, INTEGER_MIN, as_real, decode, encode, sort_key, to_text
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value

SUM_IS_PLAIN = sys.version_info < (3, 12)
"""Whether Python's `sum` adds reals without compensation."""

# ---- whole groups ----


def finish_count(values: Sequence[Any]) -> int:
    """count(X)."""
    return len(values) - values.count(None)


def finish_sum(values: Sequence[Value]) -> int | float | None:
    """sum(X): an integer if all values are, else a real; NULL if there are none."""
    kinds = set(map(type, values))
    if type(None) in kinds:
        kinds.discard(type(None))
        values = [value for value in values if value is not None]
    if kinds == {int}:
        return sum_integers(values)  # type: ignore[arg-type]
    if kinds == {float}:
        return sum_reals(values)  # type: ignore[arg-type]
    if kinds == {int, float}:
        return sum_numbers(values)  # type: ignore[arg-type]
    if not kinds:
        return None
    return finish_sum([as_summed(value) for value in values])


def as_summed(value: Value) -> int | float | None:
    """A text or blob as the number that sum takes it for: an integer only if all of it is one."""
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    number = numeric_argument(value)
    return number if isinstance(number, int) else as_real(value)


def sum_reals(values: Sequence[float]) -> float | None:
    """Add reals; a NaN among them is NULL, and so is the sum of none."""
    if not values:
        return None
    total = add_in_order(values)
    if total != total and (numbers := [value for value in values if value == value]) != values:
        return sum_reals(numbers)
    return total if total == total else None


def sum_integers(values: Sequence[int]) -> int | None:
    """Add integers; like SQLite, refuse if a partial sum needs more than 64 bits, even if the whole does not."""
    return whole_sum(values, sum(values)) if values else None


def whole_sum(values: Sequence[int], total: int) -> int:
    """The sum of integers, at least one, once it is sure that no partial sum needs more than 64 bits."""
    least = min(values)
    if least >= 0 and total <= INTEGER_MAX:
        return total  # No partial sum is larger.
    if max(max(values), -least) * len(values) <= INTEGER_MAX:
        return total
    total = 0
    for value in values:
        total += value
        if not INTEGER_MIN <= total <= INTEGER_MAX:
            raise integer_overflow()
    return total


def sum_checked(values: Sequence[int | float]) -> int | float | None:
    """Add numbers, nearly always integers all."""
    total = sum(values)
    if type(total) is not int:
        return finish_sum(values)
    return whole_sum(values, total) if values else None  # type: ignore[arg-type]


def sum_bounded(values: Sequence[int], bound: int) -> int | None:
    """Add integers none of which is larger than `bound` in magnitude."""
    if not values:
        return None
    return sum(values) if bound * len(values) <= INTEGER_MAX else sum_integers(values)


def sum_numbers(values: Sequence[int | float]) -> float | None:
    """Add integers and reals, both present: a real, unless the integers before the first real go beyond 64 bits."""
    leading: list[Any] = list(takewhile(is_integer, values))
    sum_integers(leading)
    return sum_reals(values)


def is_integer(value: Value) -> bool:
    return type(value) is int


def add_in_order(values: Iterable[float]) -> float:
    """Add numbers as reals one after the other, as C does."""
    if SUM_IS_PLAIN:
        return sum(values, 0.0)
    return deque(accumulate(values, initial=0.0), 1)[0]


def running_sums(values: Sequence[float]) -> list[float | None]:
    """The sum of reals up to each of them; NULL from where it is NaN, which it then stays."""
    totals: list[float | None] = list(accumulate(values, initial=0.0))
    del totals[0]
    if totals and totals[-1] != totals[-1]:
        return [total if total == total else None for total in totals]
    return totals


def running_whole_sums(values: Sequence[int]) -> list[int]:
    """The sum of integers up to each of them, none of which may need more than 64 bits."""
    totals = list(accumulate(values))
    if totals and not INTEGER_MIN <= min(totals) <= max(totals) <= INTEGER_MAX:
        raise integer_overflow()
    return totals


def integer_overflow() -> OperationalError:
    """The error of a sum beyond 64 bits."""
    return OperationalError("integer overflow", code="SQLITE_ERROR")


def finish_total(values: Sequence[Value]) -> float | None:
    """total(X): always a real, 0.0 over nothing."""
    total = add_reals(values)[0]
    return total if total == total else None


def finish_average(values: Sequence[Value]) -> float | None:
    """avg(X)."""
    total, count = add_reals(values)
    return total / count if count and total == total else None


def average_numbers(values: Sequence[float]) -> float | None:
    """avg(X) of numbers alone."""
    if not values:
        return None
    total = add_in_order(values)
    return total / len(values) if total == total else finish_average(values)


def add_reals(values: Sequence[Value]) -> tuple[float, int]:
    """Add values as reals in their order; also count those that are not NULL. A NaN is NULL."""
    kinds = set(map(type, values))
    if type(None) in kinds:
        kinds.discard(type(None))
        values = [value for value in values if value is not None]
    if not kinds <= {int, float}:
        values = [as_real(value) for value in values]
    total = add_in_order(values)  # type: ignore[arg-type]
    if total != total and float in kinds:
        values = [value for value in values if value == value]
        total = add_in_order(values)  # type: ignore[arg-type]
    return total, len(values)


def extreme(values: Sequence[Any], choose: Callable[..., Any]) -> Any:
    """Return the first greatest or least value that is not NULL."""
    if None in values:
        values = [value for value in values if value is not None]
    if not values:
        return None
    try:
        return choose(values)
    except TypeError:  # values of several classes
        return choose(values, key=sort_key)


def extreme_by(values: Sequence[Any], choose: Callable[..., Any], key: Callable[[Any], Any]) -> Any:
    """Return the first greatest or least value under a collation."""
    values = [value for value in values if value is not None]
    return choose(values, key=lambda value: sort_key(key(value))) if values else None


def finish_concatenation(values: Sequence[Any]) -> str | None:
    """group_concat(X) of a list of values, group_concat(X, SEPARATOR) of a list of pairs."""
    if values and type(values[0]) is tuple:
        state = Concatenation()
        for value, separator in values:
            state.step(value, separator)
        return decode(state.text) if state.started else None
    kinds = set(map(type, values))
    if kinds == {str}:
        return ",".join(values)
    if kinds == {int}:
        return ",".join(map(str, values))
    texts = [value if type(value) is str else to_text(value) for value in values if value is not None]
    return ",".join(texts) if texts else None


# ---- window frames ----


class Count:
    """count(X) and count(*) over a frame."""

    def __init__(self) -> None:
        self.count = 0

    def step(self, *arguments: Value) -> None:
        if not arguments or arguments[0] is not None:
            self.count += 1

    def inverse(self, *arguments: Value) -> None:
        if not arguments or arguments[0] is not None:
            self.count -= 1

    def value(self) -> int:
        return self.count


class Sum:
    """sum, and by its parts total and avg, over a frame.

    Taking reals back leaves their rounding errors, and once there has been a real the sum stays one: SQLite's own.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.whole = 0
        self.approximate = False
        self.overflow = False

    def step(self, value: Value) -> None:
        if value is None:
            return
        number = numeric_argument(value)
        self.count += 1
        if isinstance(number, int):
            self.total += number
            if not self.approximate:
                self.whole += number
                if not INTEGER_MIN <= self.whole <= INTEGER_MAX:
                    self.approximate = self.overflow = True
        else:
            self.total += as_real(value)
            self.approximate = True

    def inverse(self, value: Value) -> None:
        if value is None:
            return
        self.count -= 1
        number = numeric_argument(value)
        if isinstance(number, int) and not self.approximate:
            self.total -= number
            self.whole = (self.whole - number + 2**63) % 2**64 - 2**63  # not checked for overflow: it wraps
        else:
            self.total -= as_real(value)

    def value(self) -> int | float | None:
        if not self.count:
            return None
        if self.overflow:
            raise integer_overflow()
        if not self.approximate:
            return self.whole
        return self.total if self.total == self.total else None


class Total(Sum):
    """total over a frame."""

    def value(self) -> float | None:
        return self.total if self.total == self.total else None


class Average(Sum):
    """avg over a frame."""

    def value(self) -> float | None:
        return self.total / self.count if self.count and self.total == self.total else None


class Extreme:
    """min or max over a frame: the candidates still to come into their own, best first.

    A value that is beaten by a later one can never be the answer again, so each value enters and leaves once. Of
    equals (1 and 1.0) the first is the answer, in a frame whose start moves the last: SQLite's own.
    """

    def __init__(self, largest: bool, sliding: bool, key: Callable[[Any], Any] | None = None) -> None:
        self.key = key
        self.beats: Callable[[Any, Any], bool]
        if largest:
            self.beats = operator.ge if sliding else operator.gt
        else:
            self.beats = operator.le if sliding else operator.lt
        self.first = 0
        self.next = 0
        self.candidates: deque[tuple[tuple[int, Any], int, Value]] = deque()

    def step(self, value: Value) -> None:
        if value is None:
            return
        rank = sort_key(self.key(value) if self.key else value)
        candidates = self.candidates
        while candidates and self.beats(rank, candidates[-1][0]):
            candidates.pop()
        candidates.append((rank, self.next, value))
        self.next += 1

    def inverse(self, value: Value) -> None:
        if value is None:
            return
        if self.candidates and self.candidates[0][1] == self.first:
            self.candidates.popleft()
        self.first += 1

    def value(self) -> Value:
        return self.candidates[0][2] if self.candidates else None


class Concatenation:
    """group_concat over a frame.

    Taking a value back also takes the separator that followed it. A frame whose text becomes empty starts anew, even
    if empty values are still in it, and an empty text is NULL: SQLite's own. So is cutting by bytes.
    """

    def __init__(self) -> None:
        self.text = b""
        self.started = False
        self.count = 0
        self.first_length = 0
        self.lengths: list[int] | None = None

    def step(self, value: Value, separator: Value = ",") -> None:
        if value is None:
            return
        between = b"" if separator is None else encode(to_text(separator))
        if not self.started:
            self.started = True
            self.first_length = len(between)
        else:
            self.text += between
            if len(between) != self.first_length or self.lengths is not None:
                if self.lengths is None:
                    self.lengths = [self.first_length] * max(self.count - 1, 0)
                self.lengths.append(len(between))
        self.count += 1
        self.text += encode(to_text(value))

    def inverse(self, value: Value, separator: Value = ",") -> None:
        if value is None:
            return
        removed = len(encode(to_text(value)))
        self.count -= 1
        if self.lengths is None:
            removed += self.first_length
        elif self.count > 0 and self.lengths:
            removed += self.lengths.pop(0)
        self.text = self.text[removed:]
        if not self.text:
            self.started = False
            self.lengths = None

    def value(self) -> str | None:
        return decode(self.text) if self.text else None


def extreme_function(name: str, key: Callable[[Any], Any] | None = None) -> AggregateFunction:
    """Describe min or max, perhaps under a collation."""
    choose: Callable[..., Any] = max if name == "max" else min
    return AggregateFunction(
        name,
        1,
        1,
        partial(extreme, choose=choose) if key is None else partial(extreme_by, choose=choose, key=key),
        partial(Extreme, name == "max", False, key),
        make_collated=partial(extreme_function, name),
        make_sliding=partial(Extreme, name == "max", True, key),
    )


NULL, INTEGER, REAL, TEXT = HOLDS_NULL, HOLDS_INT, HOLDS_FLOAT, HOLDS_TEXT
AGGREGATE_FUNCTIONS = {
    function.name: function
    for function in (
        AggregateFunction("count", 0, 1, finish_count, Count, 0, INTEGER),
        AggregateFunction("sum", 1, 1, finish_sum, Sum, None, HOLDS_NUMBER | NULL),
        AggregateFunction("total", 1, 1, finish_total, Total, 0.0, REAL | NULL),
        AggregateFunction("avg", 1, 1, finish_average, Average, None, REAL | NULL),
        extreme_function("max"),
        extreme_function("min"),
        AggregateFunction("group_concat", 1, 2, finish_concatenation, Concatenation, None, TEXT | NULL),
        AggregateFunction("string_agg", 2, 2, finish_concatenation, Concatenation, None, TEXT | NULL),
    )
}
