"""Where the values of a column stand in a table: kept for scans that ask for few of them again and again.

    one version of "orders"      values    ['1992-01-01' '1992-01-02' ...]      each once, in order
                                 starts    [0 7 12 ...]                         where the places of each begin
                                 places    [5 77 ... | 3 9 ... | ...]           of the records, counted from the first

    o_orderdate >= ? AND o_orderdate < ?      two bisections; the records of a slice of places, in the table's order

Made when a scan with such a condition comes for the second time upon one version of a table, in the time of a scan,
and given up with that version (see `kept`). It only leaves out records: what is not left out is tested like any other.
A column of which nearly every value is another has none.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate, chain, islice
from operator import itemgetter
from typing import Any, TypeAlias

from tandemdb.planner.runtime.kept import KEPT_RECORDS_MAX, put, shelf_of

Lists: TypeAlias = list[list[tuple[Any, ...]]]
Condition = tuple[Any, ...]
"""A column's position, and (low, low is open, high, high is open) or the set of values it may have."""

UNBOUNDED = object()
"""A bound that is not there; None is one that is NULL, which nothing passes."""
SAMPLE = 4096
"""So many records tell whether values recur."""
DISTINCT_PART = 0.5
"""With more values than this share of the records, sorting them costs more than it brings."""
WORTH_PART = 0.2
"""Where more than this share of the records is left, a scan of everything is about as fast."""
BESIDE_PART = 0.35
"""Where a condition leaves more than this share, it is of no use beside another either."""
FEW_PART = 0.05
"""A condition that leaves so few needs no other beside it."""


def narrowed(table: Any, conditions: Sequence[Condition]) -> Lists:
    """The table's lists of records, or lists without most of those that fail one of the conditions."""
    count = table.count
    if table.writer.stamp == table.stamp or count > KEPT_RECORDS_MAX:
        return table.record_lists()  # type: ignore[no-any-return]
    chosen: list[Sequence[array[int]]] = []
    sizes: list[int] = []
    for condition in conditions:
        if None in condition:
            return Few()
        places = places_of(table, condition[0])
        if places is None:
            continue
        runs = places.among(*condition[1:]) if len(condition) == 2 else places.between(*condition[1:])
        found = sum([stop - start for start, stop in runs])
        if found <= count * BESIDE_PART:
            chosen.append([places.places[start:stop] for start, stop in runs])
            sizes.append(found)
            if found <= count * FEW_PART or len(sizes) > 1:
                break
    if not sizes or math.prod(sizes) > count ** len(sizes) * WORTH_PART:
        return table.record_lists()  # type: ignore[no-any-return]
    wanted: Collection[int] = list(chain.from_iterable(chosen[-1]))
    if len(chosen) > 1:
        wanted = set(wanted).intersection(chain.from_iterable(chosen[0]))
    return Few(table.records_at(sorted(wanted)))


class Few(Lists):
    """Lists of records from which others were left out."""

    __slots__ = ()


def places_of(table: Any, position: int) -> Places | None:
    """The places of a column's values; None for the first time, and where there are none."""
    shelf = shelf_of(table)
    name = "places", position
    found = shelf.get(name, False)
    if found is False:
        put(shelf, name, None)
        return None
    if found is None:
        found = make_places(table.record_lists(), table.count, position)
        shelf[name] = () if found is None else found
    return found or None


def make_places(lists: Lists, count: int, position: int) -> Places | None:
    """The places of all values but NULL, None if too few recur."""
    by_value: defaultdict[Any, list[int]] = defaultdict(list)
    column = map(itemgetter(position), chain.from_iterable(lists))
    for place, value in enumerate(islice(column, SAMPLE)):
        by_value[value].append(place)
    if len(by_value) > min(SAMPLE, count) * DISTINCT_PART:
        return None
    for place, value in enumerate(column, SAMPLE):
        by_value[value].append(place)
    by_value.pop(None, None)
    if len(by_value) > count * DISTINCT_PART:
        return None
    values = sorted(by_value)
    found = list(map(by_value.__getitem__, values))
    return Places(values, list(accumulate(map(len, found), initial=0)), array("I", chain.from_iterable(found)))


class Places:
    """The drawing above."""

    __slots__ = ("values", "starts", "places")

    def __init__(self, values: list[Any], starts: list[int], places: array[int]) -> None:
        self.values = values
        self.starts = starts
        self.places = places

    def between(self, low: Any, low_open: bool, high: Any, high_open: bool) -> list[tuple[int, int]]:
        """The runs (start, stop) of the places of values in a range: one, or none."""
        values = self.values
        start, stop = 0, len(values)
        if low is not UNBOUNDED:
            start = bisect_right(values, low) if low_open else bisect_left(values, low)
        if high is not UNBOUNDED:
            stop = bisect_left(values, high) if high_open else bisect_right(values, high)
        return [(self.starts[start], self.starts[stop])] if start < stop else []

    def among(self, members: Collection[Any]) -> list[tuple[int, int]]:
        """The runs of the places of some values, which may be of any class."""
        values, runs = self.values, []
        for member in members:
            try:
                at = bisect_left(values, member)
            except TypeError:
                continue  # Of another class than the column's values.
            if at < len(values) and values[at] == member:
                runs.append((self.starts[at], self.starts[at + 1]))
        return runs
