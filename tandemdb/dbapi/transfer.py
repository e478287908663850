"""Copying schema and rows from one SQL database to another, either of them tandemdb or SQLite.

    source                              target, in one transaction
    sqlite_master: tables        -----> drop what is there, create the tables
    rows, rowids where hidden    -----> insert
    sqlite_sequence              -----> update or insert
    indexes, views, triggers     -----> create, after the rows: an index is built at once, a trigger must not fire
    user_version, application_id -----> set
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tandemdb.dbapi.blob import quote
from tandemdb.errors import NotSupportedError

UNCHECKED = {"foreign_keys": 0, "ignore_check_constraints": 1}


class Side(NamedTuple):
    """A database: how to run a statement, which returns its rows, and how to run one for many rows."""

    run: Callable[[str], Iterable[Any]]
    run_many: Callable[[str, Iterable[Any]], Any]


class Entry(NamedTuple):
    """A row of sqlite_master."""

    kind: str
    name: str
    sql: str


def transfer(source: Side, target: Side) -> None:
    """Make the target's schema and rows those of the source.

    Raises:
        NotSupportedError: the source has virtual tables.
    """
    schema = read_schema(source)
    # Rows are copied as they are, also those that no CHECK would let in now.
    former = {name: next(iter(target.run(f"PRAGMA {name}")))[0] for name in UNCHECKED}
    for name, value in UNCHECKED.items():
        target.run(f"PRAGMA {name} = {value}")
    target.run("BEGIN IMMEDIATE")
    try:
        clear(target)
        for entry in schema:
            if entry.kind == "table" and not entry.name.startswith("sqlite_"):
                target.run(entry.sql)
                copy_rows(source, target, entry.name)
        copy_sequence(source, target, schema)
        for entry in schema:
            if entry.kind != "table":
                target.run(entry.sql)
        for pragma in ("user_version", "application_id"):
            target.run(f"PRAGMA {pragma} = {next(iter(source.run(f'PRAGMA {pragma}')))[0]}")
        target.run("COMMIT")
    except BaseException:
        target.run("ROLLBACK")
        raise
    finally:
        for name, value in former.items():
            target.run(f"PRAGMA {name} = {value}")


def read_schema(side: Side) -> list[Entry]:
    """Read what can be created again, in the order it was created."""
    entries = [
        Entry(*row)
        for row in side.run("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    ]
    for entry in entries:
        if entry.sql.upper().startswith("CREATE VIRTUAL"):
            raise NotSupportedError(f"virtual tables cannot be copied: {entry.name}")
    return entries


def clear(side: Side) -> None:
    """Drop everything that was created."""
    for kind in ("trigger", "view", "index", "table"):
        for entry in read_schema(side):
            if entry.kind == kind and not entry.name.startswith("sqlite_"):
                side.run(f"DROP {kind} {quote(entry.name)}")


def copy_rows(source: Side, target: Side, table: str) -> None:
    """Copy a table's rows; their rowids too, for a table that has them but no column for them."""
    info = list(source.run(f"PRAGMA table_xinfo({quote(table)})"))
    names = [quote(column[1]) for column in info if not column[6]]
    keys = [column for column in info if column[5]]
    # Of PRIMARY KEYs, the one that is the rowid has no index; INTEGER PRIMARY KEY DESC has.
    is_rowid = len(keys) == 1 and all(index[3] != "pk" for index in source.run(f"PRAGMA index_list({quote(table)})"))
    alias = find_rowid_name(source, table, {column[1].lower() for column in info})
    if alias is not None and not is_rowid:
        names.insert(0, alias)
    marks = ", ".join("?" * len(names))
    rows = source.run(f"SELECT {', '.join(names)} FROM {quote(table)}")
    target.run_many(f"INSERT INTO {quote(table)} ({', '.join(names)}) VALUES ({marks})", map(tuple, rows))


def find_rowid_name(side: Side, table: str, columns: set[str]) -> str | None:
    """Return a name for the table's rowid: none for a WITHOUT ROWID table, nor if columns have all three names."""
    for row in side.run(f"PRAGMA table_list({quote(table)})"):
        if row[1] == table and not row[4]:
            return next((name for name in ("rowid", "oid", "_rowid_") if name not in columns), None)
    return None


def copy_sequence(source: Side, target: Side, schema: list[Entry]) -> None:
    """Copy the counters of AUTOINCREMENT; a source whose last such table was dropped may still have their table."""
    if all(any(entry.name == "sqlite_sequence" for entry in entries) for entries in (schema, read_schema(target))):
        rows = list(source.run("SELECT name, seq FROM sqlite_sequence"))
        target.run("DELETE FROM sqlite_sequence")
        target.run_many("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", map(tuple, rows))
