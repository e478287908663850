"""Texts that differ in their literals share a plan, but where a literal means more than its value."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.change import dml

INSERTS = [
    "INSERT INTO t SELECT {n}, 'name {n}'",
    "INSERT INTO t SELECT {n} + 0, 'name {n}' WHERE {n} = {n}",
    "INSERT INTO t SELECT {n}, 'name {n}' WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = {n})",
    "INSERT INTO t SELECT a + {n}, b || '{n}' FROM t WHERE a = 1",
    "INSERT INTO t (b) SELECT b || 'x{n}' FROM t ORDER BY a LIMIT 1",
    "INSERT INTO t SELECT {n}, 'x' UNION ALL SELECT {n} + 1000, 'y{n}'",
    "INSERT OR REPLACE INTO t SELECT max(a) + {n}, min(b) FROM t",
]


def open_filled(module: Any) -> Any:
    connection = module.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    return connection


@pytest.mark.parametrize("text", INSERTS)
def test_an_insert_of_other_literals_is_planned_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = open_filled(tandemdb), open_filled(sqlite3)
    plans = []
    compile_dml = dml.compile_dml

    def counted(*arguments: Any, **options: Any) -> Any:
        plans.append(arguments[1])
        return compile_dml(*arguments, **options)

    monkeypatch.setattr(dml, "compile_dml", counted)
    for n in range(10, 40):
        for connection in (ours, theirs):
            connection.execute(text.format(n=n))
    assert ours.execute("SELECT * FROM t").fetchall() == theirs.execute("SELECT * FROM t").fetchall()
    assert len(plans) <= 2


def test_a_literal_that_names_a_column_keeps_its_writing() -> None:
    ours, theirs = open_filled(tandemdb), open_filled(sqlite3)
    for n in (5, 6, 7):
        for text in (f"SELECT a + {n}, {n} FROM t", f"INSERT INTO t SELECT NULL, 'x' RETURNING a + {n}, {n}"):
            cursors = [connection.execute(text) for connection in (ours, theirs)]
            names = [[column[0] for column in cursor.description] for cursor in cursors]
            assert names[0] == names[1]
            assert cursors[0].fetchall() == cursors[1].fetchall()
