"""Deferred foreign keys where a connection has functions of its own: outside BEGIN each set of values stands alone."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb

SCRIPT = """
PRAGMA foreign_keys = ON;
CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t VALUES (10, 10), (11, 10);
"""
STATEMENTS: list[tuple[str, list[tuple[int, int]] | None]] = [
    ("INSERT INTO t VALUES (same(22), 1)", None),
    ("INSERT INTO t VALUES (same(1), 1)", None),
    ("INSERT INTO t VALUES (same(?), ?)", [(1, 1), (2, 2), (3, 99), (4, 4)]),
    ("INSERT INTO t VALUES (?, ?)", [(1, 1), (2, 2), (3, 99), (4, 4)]),
    ("UPDATE t SET b = same(?) WHERE a = ?", [(10, 10), (11, 11), (77, 10), (10, 11)]),
    ("UPDATE t SET b = same(b) + 50", None),
    ("DELETE FROM t WHERE same(a) = 11", None),
    ("DELETE FROM t WHERE same(a) = 10", None),
    ("INSERT INTO t SELECT same(a) + 100, 999 FROM t", None),
    ("INSERT INTO t VALUES (inserts(30), 31)", None),
    ("INSERT INTO t VALUES (inserts(40), 40)", None),
]


def run(module: Any, statement: str, rows: Any, *, inside: bool) -> list[Any]:
    connection = module.connect(":memory:", isolation_level=None)

    def inserts(value: int) -> int:
        """30 brings the row that the outer statement references, 40 one that breaks the key."""
        connection.execute("INSERT INTO t VALUES (?, ?)", (value + 1, value + 1 + value // 40))
        return value

    connection.create_function("same", 1, lambda value: value)
    connection.create_function("inserts", 1, inserts)
    connection.executescript(SCRIPT)
    found: list[Any] = []

    def note(work: Any) -> None:
        try:
            work()
        except module.Error as error:
            found.append((type(error).__name__, str(error)))
        changes = connection.execute("SELECT changes()").fetchall()
        found.append((connection.total_changes, changes, connection.in_transaction))

    if inside:
        connection.execute("BEGIN")
    note(lambda: connection.execute(statement) if rows is None else connection.executemany(statement, rows))
    if inside:
        note(lambda: connection.execute("COMMIT"))
    return [*found, connection.execute("SELECT * FROM t").fetchall()]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(("statement", "rows"), STATEMENTS)
def test_what_is_deferred_is_judged_when_sqlite_judges_it(statement: str, rows: Any, inside: bool) -> None:
    assert run(tandemdb, statement, rows, inside=inside) == run(sqlite3, statement, rows, inside=inside)
