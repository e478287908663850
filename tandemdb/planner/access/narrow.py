"""Which index SQLite reads in place of a table that is read whole: rows then come in the index's order.

    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email TEXT, UNIQUE (name))
    SELECT id, name FROM person              in the order of names

    what a row is estimated to be wide     table: id 1 + name 5 + email 5 = 11      index: name 5 + id 1 = 6

An index takes the table's place where it holds all columns that are read and its rows are narrower; among several the
narrowest, then the one made last. Nobody is promised that order, but programs see it. Widths are SQLite's estimates
from declared types, on its scale of logarithms (src/build.c, estimateTableWidth; src/where.c, whereLoopAddBtree).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.bind.bound import (
    Column,
    Core,
    Expr,
    Local,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    Source,
    expressions_of,
    queries_in,
    walk,
)
from tandemdb.planner.bind.traits import canonical_collation
from tandemdb.planner.schema.schema import Column as TableColumn
from tandemdb.planner.schema.schema import Table

SCAN_COST = 16
"""What reading a table costs above its rows, on the scale of logarithms."""
PARTIAL_GAIN = 10
"""How much fewer the rows of a partial index are taken to be."""
SHOW_ORDER = frozenset({"group_concat", "string_agg", "json_group_array", "json_group_object"})
STANDARD_TYPES = {"ANY": 1, "INT": 1, "INTEGER": 1, "REAL": 1, "BLOB": 5, "TEXT": 5}


def narrower_index(source: Source, read: set[int], conjuncts: Sequence[Expr], stored: Any) -> Any:
    """The index that SQLite reads instead of the whole table for these columns; None if it reads the table."""
    table = source.table
    assert table is not None
    if source.index_hint is not None:
        return named_index(table, source.index_hint)
    best, best_cost = None, math.inf if table.without_rowid else SCAN_COST
    width = table_width(table)
    for index in newest_first(table):
        whole = table.without_rowid and index.origin == "pk"
        if not whole and not may_replace(source, index, read, conjuncts, stored):
            continue
        own = logarithm(4 * sum(map(column_width, table.columns))) if whole else index_width(table, index)
        if own >= width and index.where is None and not table.without_rowid:
            continue
        cost = 1 + 15 * own // width - (PARTIAL_GAIN if index.where is not None else 0)
        if cost < best_cost:
            best, best_cost = None if whole else index, cost
    return best


def newest_first(table: Table) -> Sequence[Any]:
    """The indexes as SQLite goes through them; that of an INTEGER PRIMARY KEY WITHOUT ROWID it makes after the UNIQUE
    constraints'.
    """
    indexes = table.indexes
    if not table.without_rowid or len(table.primary_key) > 1:
        return indexes
    if table.columns[table.primary_key[0]].type_name.upper() != "INTEGER":
        return indexes
    return sorted(indexes, key=lambda index: "c pk u".index(index.origin))


def may_replace(source: Source, index: Any, read: set[int], conjuncts: Sequence[Expr], stored: Any) -> bool:
    """Whether an index holds all that is read, in the order of its columns."""
    if index.id < 0 or any(column.descending for column in index.columns):
        return False
    assert source.table is not None
    return read <= columns_held(source.table, index) and is_usable(source, index, conjuncts, stored)


def columns_held(table: Table, index: Any) -> set[int]:
    """The columns that SQLite reads in an index."""
    held = {column.position for column in index.columns}
    if not table.without_rowid:
        return held | {table.rowid_position, -1}
    # Of a UNIQUE constraint's index, it overlooks that the primary key is in it, too.
    return held | set(table.primary_key) if index.origin == "c" else held


def shows_order(core: Core) -> bool:
    """Whether an aggregate of all rows tells in which order they came: by itself, or by the row beside it."""
    if core.group_by:
        return False
    if any(call.function is None or call.name in SHOW_ORDER for call in core.aggregates):
        return True
    bare = [result.expression for result in core.results] + ([] if core.having is None else [core.having])
    return any(isinstance(node, (Column, Rowid)) for expression in bare for node in walk(expression))


def columns_needed(core: Core, source: Source) -> set[int] | None:
    """The columns of the source that the core reads, subqueries in it included; -1 for its rowid.

    None where whole records are gathered to be changed.
    """
    read: set[int] = set()
    pending = expressions_of(core)
    while pending:
        for node in walk(pending.pop()):
            if isinstance(node, Column) and node.source is source:
                read.add(node.position)
            elif isinstance(node, Rowid) and node.source is source:
                read.add(-1)
            elif isinstance(node, Local):
                return None
            elif isinstance(node, (QueryValue, QueryExists, QueryIn)) and source in node.query.outer:
                for query in queries_in(node.query):
                    pending += [item for inner in query.cores for item in expressions_of(inner)]
                    pending += [key.expression for key in query.order_by if key.expression is not None]
    return read


def named_index(table: Table, name: str) -> Any:
    """The index after INDEXED BY."""
    for index in table.indexes:
        if index.name.lower() == name.lower() and index.id >= 0:
            return None if any(column.descending for column in index.columns) else index
    return None


def table_width(table: Table) -> int:
    width = sum(map(column_width, table.columns)) + (table.rowid_position < 0)
    return logarithm(4 * width)


def index_width(table: Table, index: Any) -> int:
    width = 0 if table.without_rowid else 1  # the rowid
    for column in index.columns:
        plain = column.position >= 0 and column.position != table.rowid_position
        width += column_width(table.columns[column.position]) if plain else 1
    if table.without_rowid:
        kept = {(column.position, canonical_collation(column.collation)) for column in index.columns}
        columns = [table.columns[position] for position in table.primary_key]
        missing = [c for c in columns if (c.position, canonical_collation(c.collation)) not in kept]
        width += sum(map(column_width, missing))
    return logarithm(4 * width)


def column_width(column: TableColumn) -> int:
    """SQLite's estimate, in units of four bytes."""
    declared = column.type_name.upper()
    if not declared:
        return 1
    if declared in STANDARD_TYPES:
        return STANDARD_TYPES[declared]
    if column.affinity not in ("TEXT", "BLOB"):
        return 1
    at = declared.rfind("CHAR")
    if at < 0:
        at = declared.find("BLOB(")
    if at < 0:
        return 5
    found = re.search(r"\d+", declared[at:])
    return min(255, (int(found[0]) if found else 0) // 4 + 1)


def logarithm(value: int) -> int:
    """Ten times the logarithm to base two, as SQLite rounds it."""
    scaled = 40
    if value < 8:
        if value < 2:
            return 0
        while value < 8:
            scaled -= 10
            value <<= 1
    else:
        while value > 255:
            scaled += 40
            value >>= 4
        while value > 15:
            scaled += 10
            value >>= 1
    return (0, 2, 3, 5, 6, 7, 8, 9)[value & 7] + scaled - 10
