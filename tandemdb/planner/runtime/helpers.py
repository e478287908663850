"""What generated code calls while it runs: truth tables, membership, sorting and grouping helpers.

Each is a plain function over SQL values (None, int, float, str, bytes) and rows (tuples), without knowledge of plans.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from tandemdb.planner.runtime import values

Row = tuple[Any, ...]
ROWS_MAX = sys.maxsize // 2
"""More rows than there can be: what a slice takes is no greater."""


def fold_chain(parts: tuple[tuple[Any, Any], ...]) -> Any:
    result = parts[0][1]
    for function, operand in parts[1:]:
        result = function(result, operand)
    return result


def logical_not(value: Any) -> int | None:
    found = values.truth(value)
    return None if found is None else int(not found)


def logical_and(left: Any, right: Any) -> int | None:
    a, b = values.truth(left), values.truth(right)
    if a is False or b is False:
        return 0
    return None if a is None or b is None else 1


def logical_or(left: Any, right: Any) -> int | None:
    a, b = values.truth(left), values.truth(right)
    if a or b:
        return 1
    return None if a is None or b is None else 0


def truth_number(found: bool | None) -> int | None:
    return None if found is None else int(found)


def negated_truth_number(found: bool | None) -> int | None:
    return None if found is None else int(not found)


def member(value: Any, members: frozenset[Any], has_null: bool) -> int | None:
    if value is None:
        return None if members or has_null else 0
    if value in members:
        return 1
    return None if has_null else 0


def not_member(value: Any, members: frozenset[Any], has_null: bool) -> int | None:
    found = member(value, members, has_null)
    return None if found is None else 1 - found


def member_set(items: Any, affinity: str | None, key: Callable[[Any], Any] | None = None) -> frozenset[Any]:
    """The set that an IN list is: its values with the operand's affinity, as its collation compares them."""
    convert = values.AFFINITY_FUNCTIONS.get(affinity or "")
    if affinity in ("INTEGER", "REAL"):
        convert = values.affinity_numeric
    if convert is not None and affinity != "BLOB":
        kinds = set(map(type, items))
        if kinds != ({str} if affinity == "TEXT" else {int}):  # Those it leaves as they are.
            items = map(convert, items)
    if key is not None:
        items = map(key, items)
    return frozenset(items)


def without_null(members: frozenset[Any]) -> frozenset[Any]:
    return members - {None} if None in members else members


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "NUMERIC": values.affinity_numeric, "REAL": values.affinity_real, "TEXT": values.affinity_text,
}  # fmt: skip
"""What gives either side of IN (SELECT ...) the affinity of their comparison."""


def member_set_of_rows(
    rows: Sequence[Row], convert: Callable[[Any], Any] | None, key: Callable[[Any], Any] | None
) -> tuple[frozenset[Any], bool]:
    """The first column of rows as a set without NULL, and whether NULL was there."""
    items: Iterable[Any] = [row[0] for row in rows]
    if convert is not None:
        items = map(convert, items)
    if key is not None:
        items = map(key, items)
    members = frozenset(items)
    return (members - {None}, True) if None in members else (members, False)


def in_rows(value: Any, rows: Sequence[Row], convert: Any, key: Any) -> int | None:
    members, has_null = member_set_of_rows(rows, convert, key)
    return member(value, members, has_null)


def not_in_rows(value: Any, rows: Sequence[Row], convert: Any, key: Any) -> int | None:
    members, has_null = member_set_of_rows(rows, convert, key)
    return not_member(value, members, has_null)


class RowMembers:
    """The rows behind (a, b) IN (SELECT ...): those without NULL in a set, the others apart."""

    __slots__ = ("whole", "broken")

    def __init__(self, rows: Iterable[Row], functions: Sequence[Sequence[Callable[[Any], Any]]]) -> None:
        rows = converted_rows(rows, functions)
        self.whole = {row for row in rows if None not in row}
        self.broken = {row for row in rows if None in row}


def converted_rows(rows: Iterable[Row], functions: Sequence[Sequence[Callable[[Any], Any]]]) -> Iterable[Row]:
    """Rows with the functions of each column (its affinity's, its collation's) applied."""
    if not any(functions):
        return list(rows)
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for place, column in enumerate(columns):
        for function in functions[place]:
            column = map(function, column)
        columns[place] = column
    return list(zip(*columns, strict=True))


def row_member(wanted: Row, members: RowMembers) -> int | None:
    """(a, b) IN rows: 1 if one is equal, NULL if one could be but for NULLs, else 0."""
    if None not in wanted:
        if wanted in members.whole:
            return 1
        candidates: Iterable[Row] = members.broken
    else:
        candidates = chain(members.broken, members.whole)
    for row in candidates:
        if all(a is None or b is None or a == b for a, b in zip(wanted, row, strict=True)):
            return None
    return 0


def sort_rows(rows: list[Row], keys: Sequence[tuple[int, bool, bool, Callable[[Any], Any] | None]]) -> list[Row]:
    """Sort by several columns of any class: (position, descending, NULLs first, collation key), the first key leading.

    Stable sorts from the last key to the first, each on a plain column.
    """
    for position, descending, nulls_first, collation in reversed(keys):
        column = [row[position] for row in rows]
        classes = set(map(type, column))
        if collation is not None and str in classes:
            column = [collation(value) for value in column]
        has_null = type(None) in classes
        classes.discard(type(None))
        plain = len(classes) <= 1 or classes <= {int, float}
        if not has_null and plain:
            order = sorted(range(len(rows)), key=column.__getitem__, reverse=descending)
        else:
            low, high = (0, 1) if nulls_first != descending else (1, 0)
            if plain:
                ranked: list[Any] = [(low, 0) if value is None else (high, value) for value in column]
            else:
                ranked = [(low, (0, 0)) if value is None else (high, values.sort_key(value)) for value in column]
            order = sorted(range(len(rows)), key=ranked.__getitem__, reverse=descending)
        rows = [rows[place] for place in order]
    return rows


def distinct_rows(rows: Iterable[Row], collations: Sequence[Callable[[Any], Any] | None], width: int) -> list[Row]:
    """The rows whose first `width` columns were not seen before, as the collations compare them."""
    seen: dict[Row, Row] = {}
    for row in rows:
        key = tuple(
            value if collation is None else collation(value)
            for value, collation in zip(row[:width], collations, strict=True)
        )
        seen.setdefault(key, row)
    return list(seen.values())


def counts_in_order(lists: Iterable[Sequence[Any]]) -> dict[Any, int]:
    """How often each value stands in lists that are sorted, and all of them one after the other."""
    counts: dict[Any, int] = {}
    get = counts.get
    for run in lists:
        start, end = 0, len(run)
        while start < end:
            value = run[start]
            # Neighbours are looked at first: many values stand there once.
            stop = start + 1
            if stop < end and run[stop] == value:
                stop = bisect_right(run, value, stop)
            counts[value] = get(value, 0) + stop - start
            start = stop
    return counts


NOTHING = object()
"""What no value equals."""


def group_order(keys: Iterable[Any]) -> list[Any]:
    """Group keys in SQLite's order: by class, then value, column by column; single keys stand bare."""
    found = list(keys)
    try:
        if not any(key is None for key in found):
            return sorted(found)
    except TypeError:
        pass  # Keys of several classes, or NULLs inside: ordered by rank below.
    if found and isinstance(found[0], tuple):
        return sorted(found, key=lambda key: [values.sort_key(part) for part in key])
    return sorted(found, key=values.sort_key)


def limit_number(value: Any, default: int | None) -> int | None:
    """LIMIT and OFFSET as integers, `default` for a negative one; anything else is a datatype mismatch."""
    from tandemdb.errors import IntegrityError

    if type(value) is not int:
        value = values.affinity_numeric(value)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise IntegrityError("datatype mismatch", code="SQLITE_MISMATCH")
    return default if value < 0 else min(value, ROWS_MAX)


def extreme_item(items: Sequence[Any], column: Sequence[Any], greatest: bool, key: Callable[[Any], Any] | None) -> Any:
    """The item whose value in `column` is the greatest or least, NULLs aside; the last item if all are NULL."""
    best_place, best = len(items) - 1, None
    for place, value in enumerate(column):
        if value is None:
            continue
        ranked = values.sort_key(value if key is None else key(value))
        if best is None or (ranked > best if greatest else ranked < best):
            best_place, best = place, ranked
    return items[best_place]


def filtered_extreme_item(
    items: Sequence[Any],
    calls: Sequence[tuple[Sequence[Any], Sequence[bool] | None, bool, Callable[[Any], Any] | None]],
    keeps_first: bool,
) -> Any:
    """The item beside several min() and max(), some of them with FILTER, as SQLite comes upon it.

    Each row in turn: the last call that looks at it tells whether it is taken. `keeps_first`: a row that a call's
    FILTER leaves out is taken if it is the first.
    """
    chosen, passes_by = items[0], False
    best: list[Any] = [None] * len(calls)
    for place, item in enumerate(items):
        for number, (column, passed, greatest, key) in enumerate(calls):
            if passed is not None:
                if keeps_first:
                    passes_by = place > 0
                if not passed[place]:
                    continue
            value = column[place]
            if value is None:
                passes_by = best[number] is not None
                continue
            ranked = values.sort_key(value if key is None else key(value))
            found = best[number]
            passes_by = found is not None and not (ranked > found if greatest else ranked < found)
            if not passes_by:
                best[number] = ranked
        if not passes_by:
            chosen = item
    return chosen


def distinct_values(items: Iterable[Any], key: Callable[[Any], Any]) -> list[Any]:
    """The values not seen before as the collation compares them."""
    seen: dict[Any, Any] = {}
    for item in items:
        seen.setdefault(key(item), item)
    return list(seen.values())


def combine_collated(operator: str, left: list[Row], right: list[Row], keys: Sequence[Any]) -> list[Row]:
    """UNION, EXCEPT and INTERSECT of rows whose text columns are compared by a collation."""

    def key_of(row: Row) -> Row:
        return tuple(value if key is None else key(value) for value, key in zip(row, keys, strict=True))

    found = {}
    if operator == "UNION":
        for row in (*left, *right):
            found[key_of(row)] = row
        return list(found.values())
    others = {key_of(row) for row in right}
    for row in left:
        key = key_of(row)
        if (key in others) == (operator == "INTERSECT"):
            found[key] = row
    return list(found.values())
