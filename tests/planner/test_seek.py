"""A single row is looked up once for its change, unless something may move it in between.

seek            keys [1 2 3 4 5] --> record 5 stands at index 4
in between      rows 1 and 2 are deleted: by a function of the user's, a trigger, OR REPLACE
put             what stands at index 4 now is not record 5
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb

ROWS = [(key, f"code {key}", key * 10) for key in range(1, 301)]
BY_KEY = "UPDATE t SET size = size + 1 WHERE id = ?"
UPSERT = "INSERT INTO t VALUES (?, 'x', 0) ON CONFLICT (id) DO UPDATE SET code = 'new' || t.id, size = t.size + 1"
SHRINKING = "CREATE TRIGGER shrink BEFORE UPDATE ON t BEGIN DELETE FROM t WHERE id < 100; END"


def filled(module: Any, code: str = "TEXT UNIQUE") -> Any:
    connection = module.connect(":memory:", isolation_level=None)
    connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, code {code}, size INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    return connection


def plan_of(connection: Any, sql: str) -> str:
    return "\n".join(row[-1] for row in connection.execute(f"EXPLAIN {sql}", (200,)))


def contents(connection: Any) -> Any:
    connection.execute("PRAGMA integrity_check").fetchall()
    by_code = [connection.execute("SELECT id FROM t WHERE code = ?", (f"code {n}",)).fetchall() for n in range(1, 301)]
    return connection.execute("SELECT * FROM t ORDER BY id").fetchall(), by_code


@pytest.mark.parametrize("sql", [BY_KEY, "DELETE FROM t WHERE id = ?", UPSERT])
def test_one_look_up(sql: str) -> None:
    connection = filled(tandemdb)
    assert ".seek(" in plan_of(connection, sql)
    assert plan_of(connection, sql).count(".find(") == ("INSERT" in sql)  # whether there is a row to change


@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("sql", [BY_KEY, "UPDATE t SET code = 'new' || id WHERE code = 'code ' || ?", UPSERT])
def test_changed_by_a_trigger(sql: str, runs: int) -> None:
    found = []
    for module in (sqlite3, tandemdb):
        connection = filled(module)
        connection.execute(SHRINKING)
        for key in range(105, 105 + runs):
            connection.execute(sql, (key,))
        found.append(contents(connection))
    assert found[0] == found[1]


@pytest.mark.parametrize("runs", [1, 4])
def test_changed_by_replace(runs: int) -> None:
    found = []
    for module in (sqlite3, tandemdb):
        connection = filled(module, "TEXT UNIQUE ON CONFLICT REPLACE")
        for key in range(105, 105 + runs):
            connection.execute("UPDATE t SET code = 'code 7' WHERE id = ?", (key,))
            connection.execute("UPDATE OR REPLACE t SET code = 'code 8' WHERE id = ?", (key + 5,))
            outcome = None
            try:
                connection.execute(UPSERT.replace("'new' || t.id", "'code 9'"), (key + 10,))
            except module.IntegrityError as error:
                outcome = str(error)
            found.append((outcome, contents(connection)))
    assert found[:runs] == found[runs:]


@pytest.mark.parametrize("sql", [BY_KEY, "DELETE FROM t WHERE id = ?", UPSERT])
def test_beside_functions(sql: str) -> None:
    """A function of the user's, which a collation may be, might run between look-up and change."""
    connection = filled(tandemdb)
    connection.create_collation("backwards", lambda one, other: (one < other) - (one > other))
    assert ".seek(" not in plan_of(connection, sql)
