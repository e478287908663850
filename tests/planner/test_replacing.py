"""INSERT OR REPLACE beside sqlite3: rows that stand in the way go, one or several, alone, many, and before a fault."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest

import tandemdb

TABLES = [
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL, c DEFAULT 7)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL, c CHECK (c < 90))",
    "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b NOT NULL, c)",
    "CREATE TABLE t (a UNIQUE, b NOT NULL DEFAULT 'none', c)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE NOT NULL, c REAL UNIQUE)",
    "CREATE TABLE t (a TEXT PRIMARY KEY, b NOT NULL, c, UNIQUE (b, c))",
    "CREATE TABLE t (a PRIMARY KEY, b NOT NULL, c UNIQUE) WITHOUT ROWID",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER NOT NULL UNIQUE, c TEXT) STRICT",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL, c); CREATE INDEX t_b ON t (b); CREATE INDEX t_c ON t (c, a)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL, c, d AS (b || c) UNIQUE)",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL UNIQUE ON CONFLICT IGNORE, c UNIQUE ON CONFLICT FAIL)",
]
STATEMENTS = [
    "REPLACE INTO t (a, b, c) VALUES (?, ?, ?)",
    "INSERT OR REPLACE INTO t (a, b, c) VALUES (?, ?, ?) RETURNING a, b, c",
    "INSERT OR REPLACE INTO t (b, a, c) VALUES (?, ? + 1, abs(?))",
]


def drawn(draw: random.Random) -> tuple[Any, ...]:
    values = [None, 0, 1, 2, 3, 5, 8, 13, 21, 89, 99, -4, "x", "y", "3", 2.0, 2.5]
    return tuple(draw.choice(values) for _ in range(3))


def outcome(connection: Any, module: Any, statement: str, parameters: Any) -> list[Any]:
    found: list[Any] = []
    try:
        if type(parameters) is list:
            cursor = connection.executemany(statement, parameters)
        else:
            cursor = connection.execute(statement, parameters)
            found.append(cursor.fetchall())
        found.append(cursor.rowcount)
    except (module.Error, OverflowError) as error:
        found.append(f"{type(error).__name__}: {error}")
    found += [connection.in_transaction, connection.total_changes]
    found += connection.execute("SELECT changes(), last_insert_rowid()").fetchall()
    return found + connection.execute("SELECT * FROM t").fetchall()


@pytest.mark.parametrize("level", [None, ""])
@pytest.mark.parametrize("table", TABLES)
def test_rows_in_the_way_are_replaced(table: str, level: str | None) -> None:
    for seed in range(4):
        draw = random.Random(seed)
        pair = [(module, module.connect(":memory:", isolation_level=level)) for module in (tandemdb, sqlite3)]
        for _, connection in pair:
            connection.executescript(table)
        for _ in range(60):
            many = draw.random() < 0.3 and draw.randrange(2, 6)
            statement = STATEMENTS[draw.choice([0, 0, 2]) if many else draw.randrange(3)]
            parameters: Any = [drawn(draw) for _ in range(many)] if many else drawn(draw)
            found, expected = [
                outcome(connection, module, statement, parameters) for module, connection in pair
            ]
            assert found == expected, (statement, parameters)
            if draw.random() < 0.1:
                action = draw.choice(["COMMIT", "ROLLBACK", "BEGIN"])
                for module, connection in pair:
                    try:
                        connection.execute(action)
                    except module.OperationalError:
                        pass
        checks = [connection.execute("PRAGMA integrity_check").fetchall() for _, connection in pair]
        assert checks[0] == checks[1] == [("ok",)]


@pytest.mark.parametrize("name", [":memory:", "file:returning?mode=memory&cache=shared"])
@pytest.mark.parametrize("level", [None, ""])
def test_an_error_in_returning_leaves_nothing(name: str, level: str | None) -> None:
    for statement in (
        "INSERT INTO t VALUES (2, -9223372036854775808) RETURNING abs(b)",
        "REPLACE INTO t VALUES (1, -9223372036854775808) RETURNING a, abs(b)",
        "UPDATE t SET b = -9223372036854775808 WHERE a = 1 RETURNING abs(b)",
        "DELETE FROM t WHERE a = 1 RETURNING abs(b - 9223372036854775807 - 1)",
        "INSERT INTO t VALUES (1, -9223372036854775808) ON CONFLICT DO UPDATE SET b = excluded.b RETURNING abs(b)",
    ):
        found = []
        for module in (tandemdb, sqlite3):
            connection = module.connect(name, uri=True, isolation_level=level)
            connection.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 0)")
            found.append(outcome(connection, module, statement, ()))
            connection.close()
        assert found[0] == found[1], statement
        assert found[0][0] == "OperationalError: integer overflow"


def test_replacing_where_blocks_fill_and_empty() -> None:
    for table in (TABLES[0], TABLES[5], TABLES[8]):
        pair = [module.connect(":memory:", isolation_level=None) for module in (tandemdb, sqlite3)]
        draw = random.Random(7)
        rows = [(draw.randrange(400), f"b{draw.randrange(400)}", draw.randrange(50)) for _ in range(3000)]
        for connection in pair:
            connection.executescript(table)
            for row in rows[:2000]:
                connection.execute(STATEMENTS[0], row)
            connection.execute("BEGIN")
            connection.executemany(STATEMENTS[0], rows[2000:])
            connection.execute("ROLLBACK")
            connection.executemany(STATEMENTS[0], rows[2500:])
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ours, theirs = [connection.execute("SELECT rowid, * FROM t").fetchall() for connection in pair]
        assert ours == theirs
