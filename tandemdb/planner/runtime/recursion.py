"""Running recursive common tables: a queue of rows, each fed to the steps, whose rows join the queue.

    queue [setup rows] --> row --> given on, and to the steps --> their rows, behind the others or sorted in

    one step, no order     whole generations go through the step at once; where a row leads to one at most, a loop
    several steps          row by row, first in, first out
    ORDER BY               row by row, the least first: a heap

Rows are made as they are read, so a reader with a LIMIT ends a table that would never end; what was made is kept for
the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, islice, takewhile
from typing import Any

from tandemdb.planner.runtime import values

Row = tuple[Any, ...]
Step = Callable[[list[Row]], Iterable[Row]]
Follow = Callable[[Row, int], list[Row]]
SortKey = tuple[int, bool, bool, Callable[[Any], Any] | None]


UNCHECKED_MAX = 500
"""Rows made before the session is asked whether to go on."""


class GrowingRows:
    """Rows that are made when they are first read; may be read many times, and while another reads them."""

    __slots__ = ("made", "rest")

    def __init__(self, batches: Iterator[list[Row]]) -> None:
        self.made: list[list[Row]] = []
        self.rest: Iterator[list[Row]] | None = batches

    def __iter__(self) -> Iterator[Row]:
        return chain.from_iterable(self.made if self.rest is None else self.grow())

    def grow(self) -> Iterator[list[Row]]:
        made, place = self.made, 0
        while True:
            while place < len(made):
                yield made[place]
                place += 1
            batch = None if self.rest is None else next(self.rest, None)
            if batch is None:
                self.rest = None
                return
            made.append(batch)


def recurse(
    context: Any,
    setup: Iterable[Row],
    steps: Sequence[Step],
    distinct: bool,
    order: Sequence[SortKey],
    start: int,
    stop: int | None,
    follow: Follow | None = None,
) -> GrowingRows:
    """The rows of a recursive table, of which those from `start` to `stop` count.

    `follow`, of a row and a count: as many of the rows that come after it, each made of the one before.
    """
    seen: set[Row] | None = set() if distinct else None
    queue = fresh(setup, seen)
    if order:
        batches = in_order(context, queue, steps, seen, order)
    elif len(steps) > 1:
        batches = one_by_one(context, queue, steps, seen)
    elif follow is not None and len(queue) == 1:
        batches = one_after_another(context, queue, follow, seen)
    else:
        batches = by_generations(context, queue, steps[0], seen)
    return GrowingRows(batches if start == 0 and stop is None else between(batches, start, stop))


def between(batches: Iterator[list[Row]], start: int, stop: int | None) -> Iterator[list[Row]]:
    """The rows from `start` to `stop`; none is made that lies behind."""
    place = 0
    while stop is None or place < stop:
        batch = next(batches, None)
        if batch is None:
            return
        wanted = batch[max(0, start - place) : None if stop is None else stop - place]
        place += len(batch)
        if wanted:
            yield wanted


def one_after_another(context: Any, queue: list[Row], follow: Follow, seen: set[Row] | None) -> Iterator[list[Row]]:
    """Where each row leads to one at most: many are made in one loop, the more the more are read."""
    check, count = context.session.check, 1
    while queue:
        check(len(queue))
        yield queue
        count = min(2 * count, UNCHECKED_MAX)
        queue = follow(queue[-1], count)
        if seen is not None:
            # The first row that was there before ends it: all behind it were there too.
            if not seen.isdisjoint(queue):
                queue = list(takewhile(lambda row: row not in seen, queue))
            queue = list(dict.fromkeys(queue))
            seen.update(queue)


def by_generations(context: Any, queue: list[Row], step: Step, seen: set[Row] | None) -> Iterator[list[Row]]:
    check, unchecked = context.session.check, 0
    while queue:
        unchecked += len(queue)
        if unchecked > UNCHECKED_MAX:
            check(unchecked)
            unchecked = 0
        yield queue
        made = step(queue)
        queue = made if seen is None and type(made) is list else fresh(made, seen)


def one_by_one(context: Any, setup: list[Row], steps: Sequence[Step], seen: set[Row] | None) -> Iterator[list[Row]]:
    queue = deque(setup)
    while queue:
        context.session.check(1)
        row = queue.popleft()
        yield [row]
        for step in steps:
            queue.extend(fresh(step([row]), seen))


def in_order(
    context: Any, setup: list[Row], steps: Sequence[Step], seen: set[Row] | None, order: Sequence[SortKey]
) -> Iterator[list[Row]]:
    heap: list[tuple[Row, int, Row]] = []
    count = 0
    for row in setup:
        heappush(heap, (sort_key_of(row, order), count, row))
        count += 1
    while heap:
        context.session.check(1)
        row = heappop(heap)[2]
        yield [row]
        for step in steps:
            for made in fresh(step([row]), seen):
                heappush(heap, (sort_key_of(made, order), count, made))
                count += 1


def fresh(rows: Iterable[Row], seen: set[Row] | None) -> list[Row]:
    """The rows as a list; with `seen` only those not seen before."""
    if seen is None:
        return list(rows)
    found = []
    for row in rows:
        if row not in seen:
            seen.add(row)
            found.append(row)
    return found


def sort_key_of(row: Row, order: Sequence[SortKey]) -> Row:
    """What puts the row in its place among others: for each key where NULL goes, then the value."""
    parts: list[Any] = []
    for position, descending, nulls_first, collation in order:
        value = row[position]
        if value is None:
            parts += (0 if nulls_first else 2, 0)
            continue
        ranked = values.sort_key(value if collation is None or type(value) is not str else collation(value))
        parts += (1, Reversed(ranked) if descending else ranked)
    return tuple(parts)


class Reversed:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def in_batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows in lists that grow, for a reader that may stop at the first."""
    size = 1
    while batch := list(islice(rows, size)):
        yield batch
        size = min(size * 2, 256)
