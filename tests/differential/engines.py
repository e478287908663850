"""Runs a script on one engine and notes all that a program could see of it.

connect() ──► execute each statement ──► Outcome(columns, rows, error, rowcount, lastrowid, ...)
                                    └──► state: the schema's rows and every table's, read with the same engine
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from .script import Script, Statement

Connect: TypeAlias = Callable[[], Any]


class Outcome(NamedTuple):
    """What one statement gave."""

    columns: tuple[str, ...] | None
    rows: list[tuple[Any, ...]]
    error: tuple[str, str, str] | None
    rowcount: int
    lastrowid: int | None
    in_transaction: bool
    total_changes: int


class Run(NamedTuple):
    """What a script gave: an outcome for each statement, and what it left."""

    outcomes: list[Outcome]
    state: dict[str, list[Any]]


def sqlite3_engine() -> Any:
    """A connection of the reference."""
    return sqlite3.connect(":memory:", isolation_level=None)


def tandemdb_engine() -> Any:
    """A connection of the engine under test."""
    import tandemdb

    return tandemdb.connect(":memory:", isolation_level=None)


class BackwardsConnection(sqlite3.Connection):
    """sqlite3 that visits rows backwards where it may, except when the state is read."""

    def read_forwards(self) -> None:
        self.execute("PRAGMA reverse_unordered_selects = OFF")


def reversed_engine() -> Any:
    """sqlite3 that visits rows backwards where it may: what differs from it hangs on an order that nobody promised.

    It finds faults of the generator, not of tandemdb (those of order "scan" are expected: sqlite3 does reverse them).
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=BackwardsConnection)
    connection.execute("PRAGMA reverse_unordered_selects = ON")
    connection.execute("PRAGMA automatic_index = OFF")
    return connection


class LaterConnection:
    """A later SQLite (apsw's) behind as much of sqlite3's interface as scripts use."""

    def __init__(self) -> None:
        import apsw

        self.connection = apsw.Connection(":memory:")

    def cursor(self) -> LaterCursor:
        return LaterCursor(self.connection)

    def execute(self, text: str) -> LaterCursor:
        cursor = self.cursor()
        cursor.execute(text, ())
        return cursor

    @property
    def in_transaction(self) -> bool:
        return bool(self.connection.in_transaction)

    @property
    def total_changes(self) -> int:
        return int(self.connection.total_changes())

    def close(self) -> None:
        self.connection.close()


class LaterCursor:
    """A cursor of `LaterConnection`; rowcount and lastrowid are those of the statement before where none is known."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.rows: list[Any] = []

    def execute(self, text: str, parameters: Any) -> None:
        import apsw

        cursor = self.connection.cursor()
        try:
            cursor.execute(text, parameters)
            try:
                self.description = cursor.get_description() or None
            except apsw.ExecutionCompleteError:
                self.description = None
            self.rows = list(cursor)
        except apsw.Error as caught:
            raise later_error(caught) from caught
        if text.lstrip("( ").upper().startswith(("INSERT", "UPDATE", "DELETE", "REPLACE")):
            self.rowcount = self.connection.changes()
        self.lastrowid = self.connection.last_insert_rowid()

    def fetchall(self) -> list[Any]:
        return self.rows


def later_error(caught: Any) -> sqlite3.Error:
    """The error as sqlite3 raises it."""
    kinds: dict[str, type[sqlite3.Error]] = {
        "ConstraintError": sqlite3.IntegrityError,
        "MismatchError": sqlite3.IntegrityError,
        "TooBigError": sqlite3.DataError,
    }
    error = kinds.get(type(caught).__name__, sqlite3.OperationalError)(str(caught))
    codes = {
        value: name for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(value, int)
    }
    error.sqlite_errorname = codes.get(getattr(caught, "extendedresult", 0), "SQLITE_ERROR")
    return error


ENGINES: dict[str, Connect] = {
    "sqlite3": sqlite3_engine, "tandemdb": tandemdb_engine, "reversed": reversed_engine, "later": LaterConnection,
}  # fmt: skip


def run(connect: Connect, script: Script) -> Run:
    """Run all statements, whatever each gives, and read the state that is left."""
    connection = connect()
    try:
        outcomes = [execute(connection, statement) for statement in script.statements]
        if isinstance(connection, BackwardsConnection):
            connection.read_forwards()
        return Run(outcomes, read_state(connection))
    finally:
        connection.close()


def execute(connection: Any, statement: Statement) -> Outcome:
    """Execute one statement and fetch what it gives; an error is an outcome, even one that no driver should raise."""
    cursor = connection.cursor()
    columns, rows, error = None, [], None
    try:
        cursor.execute(str(statement.text), statement.parameters)
        columns = tuple(entry[0] for entry in cursor.description) if cursor.description else None
        rows = cursor.fetchall()
    except sqlite3.Error as caught:
        error = (type(caught).__name__, str(caught), getattr(caught, "sqlite_errorname", ""))
    except Exception as caught:  # a fault of the engine: reported as a difference, for sqlite3 raises none of these
        error = (f"({type(caught).__module__}) {type(caught).__name__}", str(caught), "")
    return Outcome(
        columns, rows, error, cursor.rowcount, cursor.lastrowid, connection.in_transaction, connection.total_changes
    )


def read_state(connection: Any) -> dict[str, list[Any]]:
    """Read the schema and every table; in what order is not compared (sqlite3 may scan a covering index)."""
    state: dict[str, list[Any]] = {}
    try:
        schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        state["schema"] = schema
        for kind, name, _, text in schema:
            if kind == "table":
                # In what order a log's rows came hangs on the order in which a statement visits rows.
                key = "" if "WITHOUT ROWID" in str(text) or name in ("log", "sqlite_stat1") else "rowid, "
                rows = connection.execute(f'SELECT {key}* FROM "{name}"').fetchall()
                # SQLite makes a counter's row even for a trigger that might have inserted, but has not.
                state[name] = [row for row in rows if name != "sqlite_sequence" or row[2]]
    except Exception as caught:
        state["error"] = [(type(caught).__name__, str(caught))]
    return state
