"""ORDER BY without a sort: a path that brings the rows in the order asked for.

    ORDER BY id                     the table itself, forwards or backwards
    ORDER BY name LIMIT 10          the key on name, from its end if DESC: ten rows are found, the others never read
    WHERE a = ? ORDER BY b          the key on (a, b): what stands under one a lies in the order of b

Rows that are equal in the order then come as SQLite's come: by rowid, or by rowid backwards where the key is walked
backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.access.lookup import is_rowid
from tandemdb.planner.access.paths import Path
from tandemdb.planner.bind.bound import Column, Expr, OrderKey, Source
from tandemdb.planner.bind.traits import canonical_collation


def path_in_order(
    source: Source, path: Path, keys: Sequence[tuple[OrderKey, Expr]], stored: Any, *, filtered: bool, limited: bool
) -> Path | None:
    """The path itself or another over the same rows that brings them in order; None if they must be sorted."""
    if path.kind in ("find", "unique", "primary"):
        return path
    if any(key.nulls_first == key.descending for key, _ in keys):
        return None
    keys = without_fixed(path, keys)
    if not keys:
        return path
    descending = keys[0][0].descending
    if any(key.descending != descending for key, _ in keys):
        return None
    if path.kind in ("scan", "range") and is_rowid(source, keys[0][1]):
        return path._replace(kind=f"{path.kind}_reversed") if descending else path
    if path.kind == "key":
        begins = covers(source, path.key, len(path.terms), keys)
        return (path._replace(kind="key_reversed") if descending else path) if begins else None
    if path.kind == "scan" and (limited or not filtered):
        index = ordering_index(source, keys, stored)
        if index is not None:
            return path._replace(kind="key_scan_reversed" if descending else "key_scan", key=index)
    return None


def without_fixed(path: Path, keys: Sequence[tuple[OrderKey, Expr]]) -> list[tuple[OrderKey, Expr]]:
    """The keys but for columns that the path holds equal to one value."""
    if path.kind != "key":
        return list(keys)
    fixed = [term.key for term in path.terms]
    return [(key, item) for key, item in keys if item not in fixed]


def ordering_index(source: Source, keys: Sequence[tuple[OrderKey, Expr]], stored: Any) -> Any:
    """The first index that begins with the keys."""
    assert source.table is not None
    if source.index_hint == "":
        return None
    for index in source.table.indexes:
        hinted = not source.index_hint or source.index_hint.lower() == index.name.lower()
        if hinted and index.where is None and is_usable(source, index, (), stored) and covers(source, index, 0, keys):
            return index
    return None


def covers(source: Source, index: Any, start: int, keys: Sequence[tuple[OrderKey, Expr]]) -> bool:
    """Whether the index's columns from `start` on, and then the rowid, are the keys."""
    columns = index.columns[start:]
    for place, (key, item) in enumerate(keys):
        if place == len(columns):
            return is_rowid(source, item)
        column = columns[place]
        if column.descending or not isinstance(item, Column) or item.source is not source:
            return False
        same = canonical_collation(key.collation) == canonical_collation(column.collation)
        if item.position != column.position or not same:
            return False
    return True
