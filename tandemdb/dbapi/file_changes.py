"""What one commit changed, written into an SQLite file: two roots compared, the difference as SQL.

    root before      root after                      statements, inside one transaction of the file
    sqlite_master    sqlite_master    rows gone      DROP   triggers, views, indexes, tables
    table 5          table 5'         rows new       CREATE tables with all their rows, indexes, views, triggers
      block 0 ------- block 0         (shared)
      block 1         block 1'        keys gone or   DELETE all of them, then INSERT what is there now: so no unique
                                      changed        key collides half-way, whatever the commit exchanged
    sqlite_sequence, user_version                    written last: INSERT has moved the counters
    tokens of transactions                           in a table of their own, once there are any

Blocks that both roots reach are the same objects and are passed over, so the cost follows what was written (plus a walk
over the blocks of the tables that were written). A table whose definition changed is written anew.

The file's own triggers must not fire for rows that have been through tandemdb's: those of a written table are dropped
first and created again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.dbapi.blob import quote
from tandemdb.errors import DatabaseError, NotSupportedError
from tandemdb.planner.schema.schema import ROWID_NAMES, Schema, load_schema
from tandemdb.planner.settings import read_setting
from tandemdb.planner.tokens import find_tokens

if TYPE_CHECKING:
    import sqlite3

    from tandemdb.planner.schema.schema import Table
    from tandemdb.storage import Root
    from tandemdb.storage import Table as StoredTable
    from tandemdb.storage.values import Key, Record

SEQUENCE = "sqlite_sequence"
TOKENS_TABLE = "tandemdb_tokens"
SETTINGS = ("user_version", "application_id")
KINDS = ("trigger", "view", "index", "table")  # in the order of dropping

CatalogRow = tuple[str, str, str, int, str | None]


class RowChanges(NamedTuple):
    """What became of a table's rows: those to delete, as they were, and those to insert."""

    gone: list[tuple[Key, Record]]
    here: list[tuple[Key, Record]]


def write_difference(file: sqlite3.Connection, before: Root, after: Root) -> None:
    """Bring a file that holds `before` to `after`; the caller begins and commits.

    Raises:
        sqlite3.Error: as the file reports it.
        NotSupportedError: a table whose rowids no name reaches.
    """
    old, new = load_schema(before), load_schema(after)
    kept = find_kept(old, new)
    written = find_written(new, kept, before, after)
    resting = {row for row in kept if row[0] == "trigger" and row[2].lower() in written}
    drop(file, [row for row in catalog_rows(old) if row not in kept or row in resting])
    for name, changes in written.items():
        write_rows(file, new.tables[name], changes)
    create(file, [row for row in catalog_rows(new) if row not in kept or row in resting], new, after)
    if SEQUENCE in new.tables:
        write_sequence(file, after.tables[new.tables[SEQUENCE].id])
    for setting in SETTINGS:
        value = read_setting(after, setting)
        if value != read_setting(before, setting):
            file.execute(f"PRAGMA {setting} = {value}")
    write_tokens(file, find_tokens(before), find_tokens(after))


def find_kept(old: Schema, new: Schema) -> set[CatalogRow]:
    """Find what stays as it is: an index or trigger only if its table, or view, does."""
    same = set(catalog_rows(old)) & set(catalog_rows(new)) if old is not new else set(catalog_rows(new))
    owners = {row[1].lower() for row in same if row[0] in ("table", "view")}
    return {row for row in same if row[2].lower() in owners}


def catalog_rows(schema: Schema) -> Iterator[CatalogRow]:
    """Yield what was created by a statement; the planner's statistics stay out of the file."""
    for row in schema.rows:
        if row[4] is not None and not str(row[1]).lower().startswith("sqlite_"):
            yield row


def find_written(schema: Schema, kept: set[CatalogRow], before: Root, after: Root) -> dict[str, RowChanges]:
    """Find the changed rows of the tables whose definition stayed, by lower-case name."""
    written = {}
    for row in kept:
        stored = after.tables.get(row[3]) if row[0] == "table" else None
        if stored is not None and stored is not before.tables[row[3]]:
            changes = compare_rows(before.tables[row[3]], stored)
            if changes.gone or changes.here:
                written[row[1].lower()] = changes
    return written


def compare_rows(before: StoredTable, after: StoredTable) -> RowChanges:
    """List the rows that differ, by the blocks that only one of two states of a table has."""
    shared = {id(block) for block in before.location.blocks()} & {id(block) for block in after.location.blocks()}
    old = dict(rows_outside(before, shared))
    new = dict(rows_outside(after, shared))
    # By identity: 1 and 1.0 are equal, and not the same value.
    gone = [(key, record) for key, record in old.items() if new.get(key) is not record]
    here = [(key, record) for key, record in new.items() if old.get(key) is not record]
    return RowChanges(gone, here)


def rows_outside(table: StoredTable, shared: set[int]) -> Iterator[tuple[Key, Record]]:
    """Yield the rows of the blocks that are not shared."""
    for block in table.location.blocks():
        if id(block) not in shared:
            yield from zip(block.keys, block.records, strict=True)


def drop(file: sqlite3.Connection, rows: list[CatalogRow]) -> None:
    """Drop objects; those of a table go before it."""
    for kind in KINDS:
        for row in rows:
            if row[0] == kind:
                file.execute(f"DROP {kind} IF EXISTS {quote(row[1])}")


def create(file: sqlite3.Connection, rows: list[CatalogRow], schema: Schema, root: Root) -> None:
    """Create objects: tables with all their rows, then what stands on them."""
    tables = [row for row in rows if row[0] == "table"]
    for row in tables:
        file.execute(str(row[4]))
        insert_rows(file, schema.tables[row[1].lower()], root.tables[row[3]].items())
    for row in rows:
        if row[0] != "table":
            file.execute(str(row[4]))


def write_rows(file: sqlite3.Connection, table: Table, changes: RowChanges) -> None:
    """Replace a table's rows that changed.

    Raises:
        DatabaseError: one that changed is not in the file.
    """
    if changes.gone:
        keys: Iterable[Any]
        if table.without_rowid:
            names = [quote(table.columns[position].name) for position in table.primary_key]
            keys = ([record[position] for position in table.primary_key] for _, record in changes.gone)
        else:
            names = [rowid_name(table)]
            keys = ((key,) for key, _ in changes.gone)
        places = " AND ".join(f"{name} = ?" for name in names)
        deleted = file.executemany(f"DELETE FROM {quote(table.name)} WHERE {places}", keys).rowcount
        if deleted != len(changes.gone):
            raise rows_missing(table.name, len(changes.gone) - deleted)
    insert_rows(file, table, changes.here)


def rows_missing(table: str, count: int) -> DatabaseError:
    """Make the error of rows that were written and are gone."""
    return DatabaseError(
        f"rows of table {table} are not there any more",
        detail=f"{count} that a transaction has changed or deleted; somebody else has changed the table.",
        hint="A backup target is written anew by replicate_to(..., overwrite=True).",
        code=None,
    )


def insert_rows(file: sqlite3.Connection, table: Table, rows: Iterable[tuple[Key, Record]]) -> None:
    """Insert rows under their rowids; generated columns are left to SQLite."""
    positions = [column.position for column in table.columns if column.generated is None]
    names = [quote(table.columns[position].name) for position in positions]
    hidden = not table.without_rowid and table.rowid_position < 0
    if hidden:
        names.insert(0, rowid_name(table))
    statement = f"INSERT INTO {quote(table.name)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    values: Iterable[Any]
    if len(positions) == len(table.columns):
        values = ((key, *record) for key, record in rows) if hidden else (record for _, record in rows)
    else:
        values = (
            [*([key] if hidden else ()), *[record[position] for position in positions]] for key, record in rows
        )
    file.executemany(statement, values)


def rowid_name(table: Table) -> str:
    """Return a name for the table's rowid."""
    for name in sorted(ROWID_NAMES, reverse=True):
        if table.find_rowid_alias(name):
            return name
    if table.rowid_position >= 0:
        return quote(table.columns[table.rowid_position].name)
    raise NotSupportedError(
        f"rowids of {table.name} cannot be written: its columns are named like each of {', '.join(sorted(ROWID_NAMES))}"
    )


def write_sequence(file: sqlite3.Connection, stored: StoredTable) -> None:
    """Write the counters of AUTOINCREMENT: a row a table, so all of them."""
    if file.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (SEQUENCE,)).fetchone() is None:
        make_sequence(file.execute)
    rows = [record for records in stored.record_lists() for record in records]
    if rows != file.execute(f"SELECT name, seq FROM {SEQUENCE}").fetchall():
        file.execute(f"DELETE FROM {SEQUENCE}")
        file.executemany(f"INSERT INTO {SEQUENCE} (name, seq) VALUES (?, ?)", rows)


def make_sequence(run: Callable[[str], Any]) -> None:
    """Make the table of counters where no table that has one does: it outlives those."""
    run("CREATE TABLE tandemdb_counter (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    run("DROP TABLE tandemdb_counter")


def write_tokens(file: sqlite3.Connection, before: StoredTable | None, after: StoredTable | None) -> None:
    """Write which tokens transactions bear: `was_committed` is asked for them after a restart, above all."""
    if before is after:
        return
    if before is not None and after is None:
        file.execute(f"DROP TABLE {TOKENS_TABLE}")
        return
    if before is None:
        file.execute(f"CREATE TABLE {TOKENS_TABLE} (number INTEGER PRIMARY KEY, token TEXT NOT NULL)")
    changes = compare_tokens(before, after)
    file.executemany(f"DELETE FROM {TOKENS_TABLE} WHERE number = ?", ((key,) for key, _ in changes.gone))
    file.executemany(f"INSERT INTO {TOKENS_TABLE} VALUES (?, ?)", ((key, token) for key, (token,) in changes.here))


def compare_tokens(before: StoredTable | None, after: StoredTable | None) -> RowChanges:
    """List the tokens that differ, by number; either side may have none."""
    if before is None or after is None:
        return RowChanges(*([] if table is None else list(table.items()) for table in (before, after)))
    return compare_rows(before, after)
