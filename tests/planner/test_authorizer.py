"""Authorizers beside sqlite3: what they are asked, and what becomes of their answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

import tandemdb
from tests.planner.beside import lines, outcome

SCHEMA = """
CREATE TABLE t (a, b);
CREATE TABLE u (a INTEGER PRIMARY KEY, c);
CREATE TABLE log (m);
CREATE VIEW v AS SELECT a, c FROM u WHERE c > 1;
CREATE INDEX i ON t (b);
CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); SELECT new.b; UPDATE u SET c = c + 1; END;
CREATE TEMP TABLE z (y);
INSERT INTO u VALUES (1, 2), (2, 3);
INSERT INTO log VALUES (5);
"""
SAME_ORDER = """
SELECT 1
SELECT a, b FROM t
SELECT * FROM t
SELECT t.* FROM t WHERE b > 1
SELECT count(*) FROM t
SELECT 1 FROM t
SELECT rowid FROM t
SELECT rowid, oid, a FROM u
SELECT a AS q FROM t ORDER BY q
SELECT upper(a), abs(b) FROM t
SELECT x.a FROM t x JOIN u y ON x.a = y.a
SELECT a FROM (SELECT a, b FROM t)
SELECT a FROM (SELECT max(a) a FROM t)
SELECT * FROM v
SELECT a FROM v WHERE c = 2
SELECT (SELECT max(c) FROM u) FROM t
WITH c AS (SELECT a FROM t) SELECT * FROM c
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n
VALUES (1, 2)
SELECT a LIKE 'x', a GLOB 'y' FROM t
SELECT row_number() OVER (ORDER BY a) FROM t
SELECT total(a) FILTER (WHERE b > 1) FROM t
SELECT y FROM z
SELECT name FROM sqlite_master
SELECT name FROM sqlite_temp_master
INSERT INTO t VALUES (1, 2)
INSERT INTO u VALUES (11, 2)
INSERT INTO t (a) SELECT c FROM u
INSERT INTO u VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET c = excluded.c + c
INSERT INTO u VALUES (3, 2) RETURNING a, c
REPLACE INTO u VALUES (1, 3)
UPDATE t SET a = 1
UPDATE t SET a = b, b = a + 1 WHERE a > 1
UPDATE u SET a = 50 WHERE a = 1
DELETE FROM t
DELETE FROM t WHERE a = 1
DELETE FROM u WHERE a = 1 RETURNING c
BEGIN
SAVEPOINT s
RELEASE s
ROLLBACK
CREATE TABLE n (a)
CREATE INDEX ni ON n (a)
CREATE VIEW nv AS SELECT * FROM t
CREATE TRIGGER nt AFTER INSERT ON n BEGIN SELECT 1; END
CREATE TEMP TABLE tn (a)
CREATE TEMP VIEW tv AS SELECT 1
DROP TRIGGER nt
DROP VIEW nv
DROP VIEW tv
DROP INDEX ni
DROP TABLE n
DROP TABLE tn
DROP TABLE IF EXISTS nosuch
PRAGMA user_version
PRAGMA user_version = 5
PRAGMA table_info(t)
ATTACH ':memory:' AS aux
CREATE TABLE aux.q (a)
SELECT * FROM aux.q
DETACH aux
EXPLAIN QUERY PLAN SELECT a FROM t
"""
SAME_SET = """
SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 1
SELECT * FROM t NATURAL JOIN u
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)
SELECT a FROM t UNION SELECT c FROM u
UPDATE u SET c = (SELECT max(a) FROM t) WHERE a = 1
UPDATE t SET a = u.c FROM u WHERE u.a = t.a
DELETE FROM u WHERE c IN (SELECT a FROM t)
"""
DENIED = """
SELECT a, b FROM t
SELECT a FROM t
SELECT * FROM v
SELECT max(c), upper(a) FROM u
SELECT b FROM t WHERE a = (SELECT c FROM u)
SELECT * FROM (SELECT a, b FROM t) WHERE b IS NULL
INSERT INTO t VALUES (5, 6)
INSERT INTO u VALUES (77, 78)
UPDATE u SET c = 100, a = a + 100 WHERE a > 1
UPDATE u SET c = 100
DELETE FROM log
DELETE FROM u WHERE c = 2
CREATE TABLE n (a)
DROP TABLE log
PRAGMA user_version = 9
BEGIN
COMMIT
SELECT * FROM t
SELECT * FROM u
SELECT * FROM log
"""


def both() -> list[Any]:
    """A connection of each module to the same schema."""
    made = [sqlite3.connect(":memory:", isolation_level=None), tandemdb.connect(":memory:", isolation_level=None)]
    for connection in made:
        connection.executescript(SCHEMA)
    return made


def watched(connections: list[Any], sql: Any) -> list[list[Any]]:
    """What each connection's authorizer is asked about a statement, and its outcome."""
    logs: list[list[Any]] = []
    for connection in connections:
        asked: list[Any] = []

        def allow(*question: Any, asked: list[Any] = asked) -> int:
            asked.append(question)
            return sqlite3.SQLITE_OK

        connection.set_authorizer(allow)
        result = outcome(connection, sql)
        connection.set_authorizer(None)
        logs.append([*asked, result])
    return logs


def test_questions() -> None:
    connections = both()
    for sql in lines(SAME_ORDER):
        expected, found = watched(connections, sql)
        if str(sql).startswith("EXPLAIN"):
            expected, found = expected[:-1], found[:-1]
        assert found == expected, sql


def test_questions_whose_order_differs() -> None:
    connections = both()
    for sql in lines(SAME_SET):
        expected, found = watched(connections, sql)
        assert set(map(repr, found)) == set(map(repr, expected)), sql


def refusing(answer: int, wanted: tuple[Any, ...]) -> Callable[..., int]:
    def authorize(*question: Any) -> int:
        return answer if question[: len(wanted)] == wanted else sqlite3.SQLITE_OK

    return authorize


@pytest.mark.parametrize("answer", [sqlite3.SQLITE_DENY, sqlite3.SQLITE_IGNORE])
@pytest.mark.parametrize(
    "wanted",
    [
        (sqlite3.SQLITE_READ, "t", "b"), (sqlite3.SQLITE_READ, "u", "c"), (sqlite3.SQLITE_READ, "v", "a"),
        (sqlite3.SQLITE_SELECT,), (sqlite3.SQLITE_FUNCTION, None, "upper"), (sqlite3.SQLITE_FUNCTION, None, "max"),
        (sqlite3.SQLITE_INSERT, "u"), (sqlite3.SQLITE_INSERT, "t"), (sqlite3.SQLITE_UPDATE, "u", "c"),
        (sqlite3.SQLITE_DELETE, "log"), (sqlite3.SQLITE_DELETE, "u"), (sqlite3.SQLITE_CREATE_TABLE,),
        (sqlite3.SQLITE_DROP_TABLE,), (sqlite3.SQLITE_PRAGMA,), (sqlite3.SQLITE_TRANSACTION, "BEGIN"),
    ],
    ids=str,
)  # fmt: skip
def test_answers(answer: int, wanted: tuple[Any, ...]) -> None:
    real, ours = both()
    for connection in (real, ours):
        if answer == sqlite3.SQLITE_IGNORE:
            connection.execute("DROP TRIGGER r")  # see test_triggers_are_not_ignored
        connection.set_authorizer(refusing(answer, wanted))
    for sql in lines(DENIED):
        expected = outcome(real, sql)
        assert outcome(ours, sql) == expected, (sql, wanted)


def test_statements_are_asked_about_again() -> None:
    connections = both()
    for connection in connections:
        asked: list[Any] = []
        connection.execute("SELECT a FROM t")
        connection.set_authorizer(lambda *question, asked=asked: asked.append(question) or 0)
        for _ in range(3):
            connection.execute("SELECT a FROM t")
        assert len(asked) == 2
        connection.set_authorizer(lambda *question: sqlite3.SQLITE_DENY)
        assert outcome(connection, "SELECT a FROM t")[0][:2] == ("DatabaseError", "not authorized")
        connection.set_authorizer(None)
        assert connection.execute("SELECT a FROM t ").fetchall() == []


def test_other_connections_are_not_affected() -> None:
    """Plans made under an authorizer are nobody else's."""
    ours, other = both()[1], both()[1]
    ours.set_authorizer(refusing(sqlite3.SQLITE_IGNORE, (sqlite3.SQLITE_READ, "u", "c")))
    assert ours.execute("SELECT c FROM u WHERE a = 1").fetchall() == [(None,)]
    assert other.execute("SELECT c FROM u WHERE a = 1").fetchall() == [(2,)]


def test_triggers_are_not_ignored() -> None:
    ours = both()[1]
    ours.set_authorizer(refusing(sqlite3.SQLITE_IGNORE, (sqlite3.SQLITE_UPDATE, "u", "c")))
    with pytest.raises(tandemdb.NotSupportedError, match="cannot ignore what a trigger does"):
        ours.execute("INSERT INTO t VALUES (1, 2)")


def test_strange_answers() -> None:
    for answer in (5, -1, 2**40, "x", None):
        results = []
        for connection in both():
            connection.set_authorizer(lambda *question, answer=answer: answer)
            results.append(outcome(connection, "SELECT 1"))
        assert results[0] == results[1], answer


def test_a_change_that_is_denied_begins_no_transaction() -> None:
    for change in ("UPDATE t SET a = 1", "INSERT INTO t VALUES (1, 2)", "DELETE FROM t", "UPDATE t SET a = nothing(1)"):
        for deny in (True, False):
            told = []
            for module in (sqlite3, tandemdb):
                connection: Any = module.connect(":memory:")
                connection.execute("CREATE TABLE t (a, b)")
                denied = module.SQLITE_DENY if deny else module.SQLITE_OK
                connection.set_authorizer(lambda action, *rest, denied=denied: denied if action in (9, 18, 23) else 0)
                told.append([outcome(connection, change), outcome(connection, change)])
            assert told[1] == told[0], change
