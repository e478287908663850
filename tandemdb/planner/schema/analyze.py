"""ANALYZE and REINDEX.

    sqlite_stat1
    tbl    idx      stat
    city   by_name  1000 4 1      1000 rows; 4 a value of the first column on average, 1 a value of both
    flag   NULL     17            a table without an index: its rows

The planner counts for itself and has no need of these numbers; programs read them, and carry them to other databases.
REINDEX has nothing to do, for keys are always in order, but its names have to be known, and what it names be writable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.create import bookkeeping_steps
from tandemdb.planner.schema.names import find_database, search_order
from tandemdb.planner.schema.recipes import run_steps
from tandemdb.planner.schema.schema import Index, Schema, Table, load_schema
from tandemdb.planner.settings import bump_schema_version
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.session import Session
    from tandemdb.storage import Root, Transaction

STATISTICS = "sqlite_stat1"


def reindex(session: Session, node: ast.Reindex) -> None:
    """REINDEX [collation | table | index].

    Raises:
        OperationalError: the name means none of these; unknown database; there are indexes, which may not be written.
    """
    namespace = session.namespace()
    if node.schema is not None and find_database(namespace, node.schema) is None:
        raise fault(f"unknown database {node.schema}")
    lowered = None if node.name is None else node.name.lower()
    if lowered is None or (node.schema is None and session.users.has_collation(lowered)):
        for position, schema in enumerate(namespace.schemas):
            indexes = () if schema is None else schema.indexes.values()
            if any(lowered is None or lowered in collations_of(index) for index in indexes):
                session.write(position)
        return
    for position in search_order(namespace, node.schema or "main"):
        schema = namespace.schemas[position]
        if schema is not None and (lowered in schema.tables or lowered in schema.indexes):
            if lowered in schema.indexes or schema.tables[lowered].indexes:
                session.write(position)
            return
    raise fault("unable to identify the object to be reindexed")


def collations_of(index: Index) -> set[str]:
    return {column.collation.lower() for column in index.columns}


def analyze(session: Session, node: ast.Analyze) -> None:
    """ANALYZE [database | table | index]: count rows and distinct values, into sqlite_stat1.

    Raises:
        OperationalError: no such table; unknown database.
    Cost: reads every key of what it analyzes.
    """
    namespace = session.namespace()
    if node.name is None:
        for position, name in enumerate(namespace.names):
            if name != "temp":
                analyze_tables(session.write(position), None, None)
        return
    if node.schema is not None and find_database(namespace, node.schema) is None:
        raise fault(f"unknown database {node.schema}")
    named = search_order(namespace, node.name) if node.schema is None else []
    if named:
        analyze_tables(session.write(named[0]), None, None)
        return
    lowered = node.name.lower()
    for position in search_order(namespace, node.schema):
        schema = namespace.schemas[position]
        if schema is None:
            continue
        index = schema.indexes.get(lowered)
        if index is not None:
            analyze_tables(session.write(position), schema.tables[index.table_name.lower()], index)
            return
        if lowered in schema.tables:
            analyze_tables(session.write(position), schema.tables[lowered], None)
            return
    raise fault(f"no such table: {node.name if node.schema is None else f'{node.schema}.{node.name}'}")


def analyze_tables(txn: Transaction, only: Table | None, index: Index | None) -> None:
    """Replace the statistics of one index, one table or all tables."""
    schema = load_schema(txn.root)
    if STATISTICS not in schema.tables:
        run_steps(txn, bookkeeping_steps(STATISTICS, ("tbl", "idx", "stat")))
        bump_schema_version(txn)
        schema = load_schema(txn.root)
    statistics = txn.table(schema.tables[STATISTICS].id)
    for key, row in list(statistics.items()):
        if only is None or (row[0] == only.name and (index is None or row[1] == index.name)):
            statistics.delete(key)
    rows: list[tuple[Any, ...]] = []
    for table in analyzed_tables(schema, only):
        rows += statistics_of(txn.root, table, table.indexes if index is None else [index])
    last = statistics.last_key()
    first = 1 if not isinstance(last, int) else last + 1
    statistics.append_many(list(range(first, first + len(rows))), rows)


def analyzed_tables(schema: Schema, only: Table | None) -> Sequence[Table]:
    """The tables in the order of the catalog, the bookkeeping ones left out."""
    if only is not None:
        return [only]
    return [table for name, table in schema.tables.items() if not name.startswith("sqlite_")]


def statistics_of(root: Root, table: Table, indexes: Sequence[Index]) -> list[tuple[Any, ...]]:
    """The rows of sqlite_stat1 for a table; none while it is empty."""
    count = root.tables[table.id].count
    if not count:
        return []
    rows: list[tuple[Any, ...]] = []
    for index in indexes:
        distinct, entries = count_prefixes(root, table, index)
        if entries:
            averages = " ".join(str(rows_of_each(entries, number)) for number in distinct)
            name = index.name if index.id >= 0 else table.name
            rows.append((table.name, name, f"{entries} {averages}"))
    if all(index.where is not None for index in indexes):
        rows.append((table.name, None, str(count)))
    return rows


def rows_of_each(entries: int, distinct: int) -> int:
    """The average as SQLite rounds it: up, but that an index with few values twice counts as one without."""
    average = (entries + distinct - 1) // distinct
    return 1 if average == 2 and entries * 10 <= distinct * 11 else average


def count_prefixes(root: Root, table: Table, index: Index) -> tuple[list[int], int]:
    """How many different values the first column has, the first two, ... and how many entries there are."""
    stored = root.tables[table.id]
    width = len(index.columns)
    distinct = [0] * width
    previous: Any = None
    entries = 0
    key = stored.keys.get(index.id)
    values = (
        ((k[: 2 * width],) for k, _ in stored.items()) if key is None else ((e[0], e[1]) for e in key.scan_entries())
    )
    for entry in values:
        parts = columns_of_entry(entry, width)
        entries += 1
        changed = 0 if previous is None else next((at for at in range(width) if parts[at] != previous[at]), width)
        for at in range(changed, width):
            distinct[at] += 1
        previous = parts
    return distinct, entries


def columns_of_entry(entry: tuple[Any, ...], width: int) -> list[Any]:
    """(rank, value) of each column: of a unique key, or of a secondary key's rank and stored value."""
    flat = entry[0] if len(entry) == 1 else (entry[0], *(entry[1] if width > 1 else (entry[1],)))
    return [(flat[2 * at], flat[2 * at + 1]) for at in range(width)]


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
