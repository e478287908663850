"""Collations of the program: in partial indexes and those on expressions; never asked while a statement is planned."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest

import tandemdb

INDEXES = [
    "CREATE INDEX k ON t (c) WHERE b > 'm'",
    "CREATE INDEX k ON t (b) WHERE b = 'K1'",
    "CREATE UNIQUE INDEX k ON t (a) WHERE b IN ('k1', 'K2')",
    "CREATE INDEX k ON t (b = 'K1')",
    "CREATE INDEX k ON t (b < c COLLATE own)",
    "CREATE INDEX k ON t (max(b, c))",
    "CREATE INDEX k ON t (nullif(b, 'K3') COLLATE own)",
    "CREATE INDEX k ON t (CASE b WHEN 'K1' THEN 1 ELSE 2 END)",
    "CREATE INDEX k ON t (b COLLATE own) WHERE c BETWEEN 'a' COLLATE own AND 'z'",
]
QUERIES = [
    "SELECT * FROM t WHERE b > 'm' ORDER BY a",
    "SELECT * FROM t WHERE b = 'K1' ORDER BY a",
    "SELECT * FROM t WHERE b > 'm' AND c = 'c1' ORDER BY a",
    "SELECT * FROM t WHERE b IN ('k1', 'K2') AND a = 5",
    "SELECT a FROM t WHERE (b = 'K1') = 1 ORDER BY a",
    "SELECT a FROM t ORDER BY b < c COLLATE own, a",
    "SELECT max(b, c), a FROM t ORDER BY max(b, c), a",
    "SELECT a FROM t WHERE max(b, c) > 'k' ORDER BY a",
    "SELECT a, nullif(b, 'K3') FROM t ORDER BY nullif(b, 'K3') COLLATE own, a",
    "SELECT CASE b WHEN 'K1' THEN 1 ELSE 2 END AS x, count(*) FROM t GROUP BY x",
    "SELECT a FROM t WHERE c BETWEEN 'a' COLLATE own AND 'z' AND b = 'k2' COLLATE own ORDER BY a",
]
CHANGES = [
    "UPDATE t SET b = 'K1' WHERE a % 7 = 0",
    "DELETE FROM t WHERE b = 'k4'",
    "INSERT INTO t (b, c) VALUES ('n', 'N'), ('M', 'm'), ('k1', 'C1')",
    "UPDATE t SET c = b WHERE b > 'k'",
    "REPLACE INTO t VALUES (3, 'k9', 'c9')",
    "UPDATE OR REPLACE t SET b = 'k2' WHERE a < 9",
]
PLANNED = [
    "SELECT * FROM t WHERE b = 'k1'",
    "SELECT * FROM t WHERE b IN ('k1', 'k2', 'k3')",
    "SELECT * FROM t WHERE b > 'k1' AND b < 'k3'",
    "SELECT * FROM t WHERE b = 'a' OR b = 'b' OR a = 3",
    "SELECT b, count(*) FROM t GROUP BY b",
    "SELECT min(b) FROM t",
    "SELECT * FROM t AS x JOIN t AS y ON x.b = y.b",
    "SELECT * FROM t WHERE 'a' < 'b' COLLATE own AND c = 'c1' AND b > 'm'",
    "SELECT * FROM t WHERE b IN (SELECT b FROM t) ORDER BY b",
    "SELECT nullif('a', 'b' COLLATE own), 'a' IN ('b', 'c' COLLATE own)",
    "UPDATE t SET b = 'z' WHERE b = 'k1'",
    "DELETE FROM t WHERE b = 'k1'",
    "INSERT INTO t (b) VALUES ('q')",
]


def compare(left: str, right: str) -> int:
    left, right = left.lower(), right.lower()
    return (left > right) - (left < right)


def open_filled(module: Any) -> Any:
    connection = module.connect(":memory:", isolation_level=None)
    connection.create_collation("own", compare)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE own, c TEXT)")
    draw = random.Random(3)
    rows = [(f"{draw.choice('kKmMz')}{n % 9}", f"{draw.choice('cC')}{n % 7}") for n in range(60)]
    connection.executemany("INSERT INTO t (b, c) VALUES (?, ?)", rows)
    return connection


def answer(connection: Any, statement: str) -> Any:
    try:
        return connection.execute(statement).fetchall()
    except (sqlite3.Error, tandemdb.Error) as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("index", INDEXES)
def test_indexes_that_compare_by_it(index: str) -> None:
    ours, theirs = open_filled(tandemdb), open_filled(sqlite3)
    script = [index, *QUERIES]
    for change in CHANGES:
        script += [change, *QUERIES]
    for statement in [*script, "PRAGMA integrity_check", "REINDEX", "PRAGMA integrity_check", "DROP INDEX k"]:
        assert answer(ours, statement) == answer(theirs, statement), statement


def test_an_index_is_refused_without_the_collation() -> None:
    connection = open_filled(tandemdb)
    connection.create_collation("own", None)
    with pytest.raises(tandemdb.OperationalError, match="^no such collation sequence: own$"):
        connection.execute(INDEXES[0])


@pytest.mark.parametrize("statement", PLANNED)
def test_planning_does_not_ask_it(statement: str) -> None:
    """There is no telling what it would do: change what is planned for, for one."""
    connection = open_filled(tandemdb)
    for number, index in enumerate([*INDEXES, "CREATE INDEX k ON t (b)", "CREATE INDEX k ON t (c, b)"]):
        connection.execute(index.replace(" k ", f" k{number} "))
    calls = []
    connection.create_collation("own", lambda left, right: calls.append(left) or compare(left, right))
    connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    assert calls == []
    connection.execute(statement).fetchall()
