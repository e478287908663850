"""Statements that a collation runs on its own connection: in the midst of a change, it may only read."""

from __future__ import annotations

import gc
import sqlite3
import weakref
from typing import Any

import pytest

import tandemdb

SCRIPT = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE own, c DEFAULT 0);
CREATE TABLE log (x);
CREATE TABLE child (p TEXT REFERENCES parent);
CREATE TABLE parent (p TEXT COLLATE own PRIMARY KEY);
INSERT INTO parent VALUES ('b'), ('d');
INSERT INTO child VALUES ('b');
INSERT INTO t (a, b) VALUES (1, 'b'), (2, 'd'), (3, 'f');
"""
INDEXES = ["", "CREATE INDEX t_b ON t (b)", "CREATE UNIQUE INDEX t_b ON t (b)"]
CHANGES = [
    "INSERT INTO t (b) VALUES ('c')",
    "INSERT INTO t (b) VALUES ('c'), ('g')",
    "INSERT INTO t (b) SELECT b || 'x' FROM t",
    "UPDATE t SET b = 'e' WHERE a = 1",
    "UPDATE t SET b = b || 'z'",
    "UPDATE t SET c = 5 WHERE b = 'd'",
    "UPDATE t SET c = 5 WHERE b > 'b'",
    "UPDATE t SET b = 'q' WHERE b = 'd' RETURNING a",
    "DELETE FROM t WHERE b = 'd'",
    "DELETE FROM t WHERE b > 'c'",
    "DELETE FROM t WHERE a = 2",
    "INSERT OR REPLACE INTO t VALUES (2, 'b', 1)",
    "INSERT OR IGNORE INTO t VALUES (9, 'b', 1)",
    "INSERT INTO t VALUES (9, 'b', 1) ON CONFLICT DO UPDATE SET c = 7",
    "INSERT INTO child VALUES ('d')",
    "CREATE INDEX late ON t (b)",
    "CREATE TABLE sorted AS SELECT * FROM t ORDER BY b",
    "REINDEX t",
]
READING = ["SELECT count(*) FROM log", "SELECT a, c FROM t WHERE a = 3", "SELECT x FROM log"]
WRITING = [
    "INSERT INTO log VALUES (1)",
    "INSERT INTO t (a, b) VALUES (NULL, NULL)",
    "UPDATE t SET c = c + 1000",
    "DELETE FROM t WHERE a = 3",
    "DELETE FROM t",
    "DROP TABLE log",
    "ROLLBACK",
    "SAVEPOINT s",
]


def outcome(module: Any, outer: str, inner: str, index: str, *, inside: bool) -> tuple[list[Any], list[Any]]:
    """What comes of a change whose collation runs another statement each time; and what that answered."""
    connection = module.connect(":memory:", isolation_level=None)
    answers: list[Any] = []
    active = False

    def own(left: str, right: str) -> int:
        nonlocal active
        if active and len(answers) < 6 and inner:
            active = False
            try:
                answers.append(connection.execute(inner).fetchall())
            except module.Error as error:
                answers.append(f"{type(error).__name__}: {error}")
            active = True
        return (left > right) - (left < right)

    connection.create_collation("own", own)
    connection.executescript(SCRIPT + index)
    connection.execute("PRAGMA foreign_keys = ON")
    for known in READING + ["INSERT INTO log VALUES (1)"]:
        for _ in range(2):  # the shortest way is taken inside, too
            connection.execute(known).fetchall()
    connection.execute("DELETE FROM log")
    if inside:
        connection.execute("BEGIN")
    active = True
    found: list[Any] = []
    try:
        found.append(connection.execute(outer).fetchall())
    except module.Error as error:
        found.append(f"{type(error).__name__}: {error}")
    active = False
    found.append(connection.in_transaction)
    found += [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("t", "log", "child")]
    found.append(connection.execute("PRAGMA integrity_check").fetchall())
    connection.close()
    return found, answers


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("outer", CHANGES)
def test_a_collation_may_read(outer: str, index: str, inside: bool) -> None:
    for inner in READING:
        found, _ = outcome(tandemdb, outer, inner, index, inside=inside)
        expected, _ = outcome(sqlite3, outer, inner, index, inside=inside)
        assert found == expected, inner


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("outer", CHANGES)
def test_what_it_would_change_is_refused(outer: str, index: str, inside: bool) -> None:
    expected, _ = outcome(sqlite3, outer, "", index, inside=inside)
    for inner in WRITING:
        found, answers = outcome(tandemdb, outer, inner, index, inside=inside)
        assert found == expected, inner
        assert {*answers} <= {"OperationalError: database table is locked"}, inner


@pytest.mark.parametrize("outer", CHANGES)
def test_planning_a_change_is_a_part_of_it(outer: str) -> None:
    """A plan that is not in the cache counts a key's entries, for which no collation may do more than read."""
    index = f"CREATE INDEX t_b ON t (b); CREATE TABLE only_for_{CHANGES.index(outer)} (x)"
    expected, _ = outcome(sqlite3, outer, "", index, inside=False)
    found, answers = outcome(tandemdb, outer, "INSERT INTO log VALUES (1)", index, inside=False)
    assert found == expected
    assert {*answers} <= {"OperationalError: database table is locked"}


def test_reading_what_is_half_changed_leaves_nothing() -> None:
    inner = "SELECT a FROM t WHERE b = 'd'"
    for outer in CHANGES:
        for index in INDEXES:
            expected, _ = outcome(sqlite3, outer, "", index, inside=False)
            assert outcome(tandemdb, outer, inner, index, inside=False)[0] == expected


def test_a_collation_may_be_registered_within_a_transaction() -> None:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    connection.execute("BEGIN")
    for number in range(300):
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, "x"))
    connection.create_collation("own", lambda left, right: (left > right) - (left < right))
    connection.execute("CREATE INDEX t_b ON t (b COLLATE own)")
    connection.execute("INSERT INTO t VALUES (300, 'a')")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_a_collation_holds_no_connection() -> None:
    connection = tandemdb.connect(":memory:")
    connection.create_collation("held", lambda left, right: 0)
    gone = weakref.ref(connection)
    connection.close()
    del connection
    gc.collect()
    assert gone() is None
