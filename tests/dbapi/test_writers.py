"""Two connections to one database: statements that have nothing to write wait for no other writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import tandemdb

SCHEMA = """
CREATE TABLE t (a);
CREATE INDEX i ON t (a);
CREATE VIEW v AS SELECT 1;
CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;
"""
STATEMENTS = [
    "CREATE TABLE IF NOT EXISTS t (b)",
    "CREATE TABLE IF NOT EXISTS v (b)",
    "CREATE TABLE IF NOT EXISTS t AS SELECT 5",
    "CREATE TABLE IF NOT EXISTS z (a)",
    "CREATE VIEW IF NOT EXISTS v AS SELECT 2",
    "CREATE INDEX IF NOT EXISTS i ON t (a, b)",
    "CREATE INDEX IF NOT EXISTS j ON t (a)",
    "CREATE TRIGGER IF NOT EXISTS r AFTER DELETE ON t BEGIN SELECT 2; END",
    "DROP TABLE IF EXISTS z",
    "DROP INDEX IF EXISTS z",
    "SELECT * FROM t",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t WHERE a = 1",
]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_beside_another_writer(statement: str, begun: bool, tmp_path: Path) -> None:
    told: list[Any] = []
    for module, name in ((sqlite3, str(tmp_path / "app.db")), (tandemdb, "file:beside?mode=memory&cache=shared")):
        writer, other = (module.connect(name, uri=True, timeout=0, isolation_level=None) for _ in range(2))
        writer.execute("PRAGMA journal_mode = WAL").fetchall()
        writer.executescript(SCHEMA)
        writer.execute("BEGIN IMMEDIATE")
        if begun:
            other.execute("BEGIN")
        for _ in range(2):
            try:
                told.append(other.execute(statement).fetchall())
            except module.Error as error:
                told.append(str(error))
            told.append(other.in_transaction)
        other.close()
        writer.close()
    assert told[4:] == told[:4]
