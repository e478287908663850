"""Rows found by a value that equals their key but is of another class: 3.0 for 3. Their keys stay as they are."""

from __future__ import annotations

import pytest

import tandemdb
from tandemdb.storage import check_root

from .beside import Step, check, outcome

TABLES = [
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
    "CREATE TABLE t (a PRIMARY KEY, b) WITHOUT ROWID",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b) WITHOUT ROWID",
    "CREATE TABLE t (a REAL PRIMARY KEY, b) WITHOUT ROWID",
    "CREATE TABLE t (b, a NUMERIC, PRIMARY KEY (a, b)) WITHOUT ROWID",
]
INDEXES = [
    "CREATE INDEX i ON t (b)", "CREATE UNIQUE INDEX i ON t (b)", "CREATE INDEX i ON t (b + 1)",
    "CREATE INDEX i ON t (b, a)",
]  # fmt: skip
CHANGES = [
    "UPDATE t SET b = b + 1 WHERE a = ?",
    "UPDATE t SET b = b + 1 WHERE a = ? AND b = 31",
    "UPDATE t SET b = b + 1 WHERE a IN (?, 9)",
    "UPDATE t SET a = ? WHERE a = 3",
    "UPDATE t SET a = a + 0.0, b = b + 1 WHERE a = ? RETURNING a, b",
    "UPDATE OR REPLACE t SET b = b + 1, a = a WHERE a = ?",
    "INSERT INTO t (a, b) VALUES (?, 700) ON CONFLICT DO UPDATE SET b = b + 1",
    "INSERT OR REPLACE INTO t (a, b) VALUES (?, 30)",
    "DELETE FROM t WHERE a = ?",
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("table", TABLES)
def test_changes(table: str, index: str, change: str) -> None:
    for value in (3.0, 3, "3", "3.0"):
        steps: list[Step] = [table, index, "INSERT INTO t (a, b) VALUES (1, 10), (2, 20), (3, 30), (4, 40)"]
        steps += [(change, (value,))] * 3
        told = "SELECT a, typeof(a), b FROM t ORDER BY b"
        check([*steps, told, "PRAGMA integrity_check", "DELETE FROM t WHERE b > 25", told, "PRAGMA integrity_check"])


@pytest.mark.parametrize("change", CHANGES[:1] + CHANGES[-1:])
@pytest.mark.parametrize("table", TABLES)
def test_changes_that_run_often(table: str, change: str) -> None:
    con = tandemdb.connect(":memory:", isolation_level=None)
    for step in (table, "CREATE INDEX i ON t (b)", *[f"INSERT INTO t (a, b) VALUES ({n}, {n})" for n in range(400)]):
        outcome(con, step)
    for n in range(300):
        con.execute(change, (float(n) if n % 3 else n,))
    check_root(con._database.root)
