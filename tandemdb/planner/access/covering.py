"""Covering keys: a query that reads nothing of a table but what a secondary key holds reads only the key.

    SELECT id FROM city WHERE country = ?                 "key"     the unique keys under the value are the ids
    SELECT name, id FROM city ORDER BY name LIMIT 10      "entry"   pairs (stored value, unique key), in order
    SELECT name FROM city                                 "value"   the stored values, in order

A stored value stands for the column's where the key orders it as it is (BINARY) and no NULL is among them.
Without a condition or an order that the key serves, the table is read: its records lie in memory as they were made, and
the values of a key, in their own order, all over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tandemdb.planner.access.paths import Path
from tandemdb.planner.bind.bound import (
    HOLDS_NULL,
    Column,
    Core,
    Expr,
    Local,
    OrderKey,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    Source,
    expressions_of,
    walk,
)
from tandemdb.planner.bind.traits import canonical_collation


def covered(
    core: Core, order_by: Sequence[OrderKey], source: Source, path: Path, *, with_results: bool = True
) -> Path:
    """The path, or the same over the key alone where that holds all that is read, by results too or not."""
    if source.uses_key or source.table is None or source.table.without_rowid:
        return path
    results = () if with_results else [result.expression for result in core.results]
    read = columns_read(core, order_by, source, [*path.used, *results])
    if read is None:
        return path
    if path.kind not in ("key", "key_reversed", "key_scan", "key_scan_reversed"):
        return path
    rowid = source.table.rowid_position
    if not read or (read == {rowid} and rowid >= 0):
        return path._replace(cover="key")
    if is_equality(path):
        return path
    places = places_in(source, path.key)
    if not read <= places.keys():
        return path
    whole = path.kind == "key_scan" and len(path.key.columns) == 1 and read == {path.key.columns[0].position}
    return path._replace(cover="value" if whole else "entry")


def is_equality(path: Path) -> bool:
    """Whether the path finds what stands under one value, of which the key tells no more."""
    return bool(path.terms) and len(path.terms) == len(path.key.columns)


def columns_read(
    core: Core, order_by: Sequence[OrderKey], source: Source, without: Sequence[Expr]
) -> set[int] | None:
    """The columns of the source that the core reads, some expressions aside; None if more than columns may be."""
    done = {id(expression) for expression in without}
    expressions: Iterable[Expr] = [item for item in expressions_of(core) if id(item) not in done]
    expressions = [*expressions, *(key.expression for key in order_by if key.expression is not None)]
    read = set()
    for expression in expressions:
        for node in walk(expression):
            if isinstance(node, Local):
                return None
            if isinstance(node, (QueryValue, QueryExists, QueryIn)) and source in node.query.outer:
                return None
            if isinstance(node, (Column, Rowid)) and node.source is source:
                if isinstance(node, Rowid):
                    return None
                read.add(node.position)
    return read


def places_in(source: Source, index: Any) -> dict[int, str]:
    """Where in an entry (stored value, unique key) the columns stand that it holds as the records do."""
    assert source.table is not None
    found = {}
    single = len(index.columns) == 1
    for number, column in enumerate(index.columns):
        if holds_as_it_is(source, column):
            found[column.position] = "[0]" if single else f"[0][{2 * number}]"
    if source.table.rowid_position >= 0:
        found[source.table.rowid_position] = "[1]"
    return found


def holds_as_it_is(source: Source, column: Any) -> bool:
    if column.position < 0 or canonical_collation(column.collation) != "BINARY":
        return False
    return not source.columns[column.position].classes & HOLDS_NULL
