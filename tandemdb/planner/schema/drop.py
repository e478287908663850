"""DROP TABLE, INDEX, VIEW and TRIGGER: the rows of sqlite_master that go, and what storage forgets with them.

DROP TABLE t      row of t, rows of its indexes and triggers; its records, keys, sqlite_sequence and sqlite_stat1 rows
DROP VIEW v       row of v, rows of its triggers
DROP INDEX i      row of i, its key
DROP TRIGGER r    row of r
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.schema import CATALOG_ID, CATALOG_NAMES, Schema, Table, load_schema
from tandemdb.planner.settings import bump_schema_version
from tandemdb.planner.syntax import ddl

if TYPE_CHECKING:
    from tandemdb.storage import Transaction


def drop(
    txn: Transaction, node: ddl.Drop, *, database: str = "main", before_drop: Callable[[Table], None] | None = None
) -> None:
    """Drop one object.

    `before_drop` is called with a table that is about to go, to delete its rows as foreign keys ask for.
    Raises:
        OperationalError: it is not there (unless IF EXISTS), not of that kind, or may not be dropped.
    """
    schema = load_schema(txn.root)
    if node.kind in ("TABLE", "VIEW"):
        dropped = drop_table_or_view(txn, node, schema, database, before_drop)
    elif node.kind == "INDEX":
        dropped = drop_index(txn, node, schema)
    else:
        dropped = drop_trigger(txn, node, schema)
    if dropped:
        bump_schema_version(txn)


def drop_table_or_view(
    txn: Transaction, node: ddl.Drop, schema: Schema, database: str, before_drop: Callable[[Table], None] | None
) -> bool:
    lowered = node.name.lower()
    if lowered in CATALOG_NAMES:
        raise fault(f"table {'sqlite_temp_master' if database == 'temp' else 'sqlite_master'} may not be dropped")
    table, view = schema.tables.get(lowered), schema.views.get(lowered)
    if table is None and view is None:
        return missing(node)
    if table is not None:
        if lowered.startswith("sqlite_") and not lowered.startswith("sqlite_stat"):
            raise fault(f"table {table.name} may not be dropped")
        if node.kind == "VIEW":
            raise fault(f"use DROP TABLE to delete table {table.name}")
        if before_drop is not None:
            before_drop(table)
        remove_table(txn, table, schema)
    elif view is not None:
        if node.kind == "TABLE":
            raise fault(f"use DROP VIEW to delete view {view.name}")
    delete_catalog_rows(txn, lambda row: row[2].lower() == lowered)
    return True


def remove_table(txn: Transaction, table: Table, schema: Schema) -> None:
    """Take away a table's records and keys, and what the bookkeeping tables say of it."""
    if table.autoincrement:
        delete_records(txn, schema.tables.get("sqlite_sequence"), 0, table.name)
    delete_records(txn, schema.tables.get("sqlite_stat1"), 0, table.name)
    txn.drop_table(table.id)


def drop_index(txn: Transaction, node: ddl.Drop, schema: Schema) -> bool:
    index = schema.indexes.get(node.name.lower())
    if index is None:
        return missing(node)
    if index.origin != "c":
        raise fault("index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped")
    delete_catalog_rows(txn, lambda row: row[0] == "index" and row[1].lower() == index.name.lower())
    delete_records(txn, schema.tables.get("sqlite_stat1"), 1, index.name)
    txn.drop_key(index.id)
    return True


def drop_trigger(txn: Transaction, node: ddl.Drop, schema: Schema) -> bool:
    lowered = node.name.lower()
    if lowered not in schema.triggers:
        return missing(node)
    delete_catalog_rows(txn, lambda row: row[0] == "trigger" and row[1].lower() == lowered)
    return True


def drop_triggers_of(txn: Transaction, table_name: str) -> None:
    """Drop the triggers on a table of another database: temporary ones go with the table they are on."""
    lowered = table_name.lower()
    schema = load_schema(txn.root)
    if lowered not in schema.tables and lowered not in schema.views:
        delete_catalog_rows(txn, lambda row: row[0] == "trigger" and row[2].lower() == lowered)


def missing(node: ddl.Drop) -> bool:
    """False under IF EXISTS.

    Raises:
        OperationalError: no such table, view, index or trigger.
    """
    if node.if_exists:
        return False
    shown = node.name if node.schema is None else f"{node.schema}.{node.name}"
    raise fault(f"no such {node.kind.lower()}: {shown}")


def delete_catalog_rows(txn: Transaction, doomed: Callable[[tuple[Any, ...]], bool]) -> None:
    catalog = txn.table(CATALOG_ID)
    for key in [key for key, row in catalog.items() if doomed(row)]:
        catalog.delete(key)


def delete_records(txn: Transaction, table: Table | None, position: int, value: str) -> None:
    """Delete a bookkeeping table's records that have `value` at `position`."""
    if table is None:
        return
    keys = [key for key, record in txn.root.tables[table.id].items() if record[position] == value]
    if keys:
        writable = txn.table(table.id)
        for key in keys:
            writable.delete(key)


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
