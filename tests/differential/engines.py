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


ENGINES: dict[str, Connect] = {"sqlite3": sqlite3_engine, "tandemdb": tandemdb_engine, "reversed": reversed_engine}


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
                key = "" if "WITHOUT ROWID" in str(text) else "rowid, "
                state[name] = connection.execute(f'SELECT {key}* FROM "{name}"').fetchall()
    except Exception as caught:
        state["error"] = [(type(caught).__name__, str(caught))]
    return state
