"""PRAGMA query_only: whatever would write is refused, when it finds no row to change and in open transactions, too."""

from __future__ import annotations

import pytest

from .beside import Step, check

SCHEMA: list[Step] = [
    *("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE INDEX i ON t (b)", "INSERT INTO t VALUES (1, 1), (2, 2)"),
    *("CREATE TEMP TABLE tt (a)", "CREATE VIEW v AS SELECT a FROM t"),
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
]
STATEMENTS = [
    *("INSERT INTO t VALUES (9, 9)", "INSERT OR IGNORE INTO t VALUES (1, 1)", "INSERT INTO t SELECT * FROM t WHERE 0"),
    *("INSERT INTO t VALUES (1, 1)", "INSERT INTO nope VALUES (1)", "UPDATE t SET nope = 1", "UPDATE t SET b = 1"),
    *("UPDATE t SET b = 1 WHERE a = 99", "DELETE FROM t WHERE a = 99", "DELETE FROM t", "INSERT INTO tt VALUES (1)"),
    *("INSERT INTO t VALUES (7, 7) RETURNING a", "CREATE TABLE z (a)", "CREATE TABLE IF NOT EXISTS t (a)"),
    *("CREATE TABLE IF NOT EXISTS z (a)", "CREATE INDEX IF NOT EXISTS i ON t (a)", "CREATE INDEX j ON t (a)"),
    *("CREATE VIEW IF NOT EXISTS v AS SELECT 1", "CREATE TEMP TABLE IF NOT EXISTS tt (a)", "DROP TABLE t", "ANALYZE"),
    *("CREATE TRIGGER IF NOT EXISTS r AFTER INSERT ON t BEGIN SELECT 1; END", "DROP TABLE IF EXISTS nope", "VACUUM"),
    *("ALTER TABLE t ADD COLUMN c", "PRAGMA user_version = 4", "PRAGMA user_version", "BEGIN", "BEGIN IMMEDIATE"),
    *("BEGIN EXCLUSIVE", "COMMIT", "ROLLBACK", "SAVEPOINT s", "CREATE TABLE y AS SELECT 1", "SELECT * FROM t"),
    *("REINDEX", "REINDEX t", "REINDEX i", "REINDEX tt", "REINDEX binary", "REINDEX nocase", "REINDEX nope"),
]
BEGUN: Step = "INSERT INTO t VALUES (5, 5)"
BEFORE: list[list[Step]] = [[], ["BEGIN"], ["BEGIN IMMEDIATE"], ["BEGIN", BEGUN], ["SAVEPOINT k"]]


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_writes_is_refused(statement: str, before: list[Step]) -> None:
    steps: list[Step] = [*SCHEMA, *before, "PRAGMA query_only = ON", statement, statement, statement]
    check([*steps, "PRAGMA query_only = OFF", "SELECT * FROM t", "INSERT INTO t VALUES (3, 3)", "SELECT * FROM t"])


def test_a_change_that_runs_often() -> None:
    change: Step = ("UPDATE t SET b = ? WHERE a = ?", (5, 1))
    check([*SCHEMA, *[change] * 120, "PRAGMA query_only = 1", change, change, "PRAGMA query_only = 0", change, change])
