"""Aggregates over frames that can be had without playing the frame: the whole partition, so far, or integers.

    so far      accumulate(column)                      1 3 6 10 ...
    sliding     prefix[high] - prefix[low]              integers only: taking reals back leaves SQLite's rounding errors

Each function gives None where its short cut does not hold (NULLs, mixed classes, sums beyond 64 bits): the accumulators
of `functions.aggregates` know those cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import isfinite
from operator import truediv
from typing import Any

from tandemdb.planner.functions.registry import AggregateFunction

INTEGER_MAX = 2**63 - 1
EXACT = frozenset({"count", "sum", "total", "avg", "min", "max"})
"""Aggregates whose value over a partition is what `finish` gives; texts put together have rules of their own."""
NUMBERS = frozenset({int, float})

Column = list[Any]


def whole_value(name: str, function: AggregateFunction, given: Sequence[Column], count: int) -> Column | None:
    """The value over all rows, in a list of one."""
    if name not in EXACT:
        return None
    return [function.finish(given[0] if given else [1] * count)]


def running_values(name: str, given: Sequence[Column], count: int) -> Column | None:
    """The value over the first row, the first two, the first three ..."""
    if name == "count" and (not given or None not in given[0]):
        return list(range(1, count + 1))
    if name not in EXACT or not given:
        return None
    column = given[0]
    kinds = set(map(type, column))
    if name in ("min", "max"):
        if kinds <= NUMBERS or kinds == {str} or kinds == {bytes}:
            return list(accumulate(column, min if name == "min" else max))
        return None
    if name == "sum" and kinds == {int}:
        return list(accumulate(column)) if fits(column) else None
    if not kinds <= NUMBERS or (name == "sum" and kinds != {float}):
        return None
    totals = list(accumulate(column, initial=0.0))[1:]
    if not isfinite(totals[-1]):
        return None
    return list(map(truediv, totals, range(1, count + 1))) if name == "avg" else totals


def fits(column: Column) -> bool:
    """Whether no partial sum can leave 64 bits."""
    return bool(max(max(column), -min(column)) * len(column) <= INTEGER_MAX)


def sliding_values(name: str, given: Sequence[Column], lows: Sequence[int], highs: Sequence[int]) -> Column | None:
    """The value over rows `low` to `high` (not included), for each pair."""
    if name == "count" and (not given or None not in given[0]):
        return [high - low if high > low else 0 for low, high in zip(lows, highs, strict=True)]
    if name != "sum" or set(map(type, given[0])) != {int} or not fits(given[0]):
        return None
    sums = list(accumulate(given[0], initial=0))
    return [sums[high] - sums[low] if high > low else None for low, high in zip(lows, highs, strict=True)]
