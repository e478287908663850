"""Statements that a registered function runs on the connection whose statement calls it, beside sqlite3."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb

SCRIPT = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b, c DEFAULT 0);
CREATE TABLE log (x);
INSERT INTO t (a, b) VALUES (1, 10), (2, 20), (3, 30);
CREATE INDEX t_b ON t (b);
"""
ONE_ROW = [
    "INSERT INTO t (b) VALUES (f(1))",
    "INSERT INTO t VALUES (f(7), f(8), 9)",
    "INSERT INTO t (a, b) VALUES (1, 5) ON CONFLICT (a) DO UPDATE SET b = f(excluded.b)",
    "UPDATE t SET b = f(b) WHERE a = 1",
    "UPDATE t SET b = f(b + 1) WHERE a = 2",
    "UPDATE t SET c = 1 WHERE a = 2 AND f(b) > 0",
    "DELETE FROM t WHERE a = 1 AND f(b) > 0",
    "DELETE FROM t WHERE a = 2 AND f(b) > 0",
]
SEVERAL_ROWS = [
    "INSERT INTO t (b) VALUES (f(1)), (f(2))",
    "INSERT INTO t (b) SELECT f(b) FROM t",
    "INSERT INTO log SELECT f(b) FROM t",
    "UPDATE t SET b = f(b)",
    "UPDATE t SET b = 5 WHERE f(b) > 0",
    "UPDATE t SET b = f(b) WHERE a < 3 RETURNING a, b",
    "DELETE FROM t WHERE f(b) > 0",
    "DELETE FROM t WHERE f(b) > 0 RETURNING a",
]
READING = ["SELECT count(*) FROM log", "SELECT a, b, c FROM t WHERE a = 3", "PRAGMA table_info(t)"]
WRITING_OTHERS = ["INSERT INTO log VALUES (1)", "UPDATE log SET x = x + 1", "CREATE TABLE w (a)"]
WRITING_SAME = [
    "INSERT INTO t (b) VALUES (99)",
    "UPDATE t SET b = b + 1000 WHERE a = 2",
    "UPDATE t SET c = c + 1000",
    "DELETE FROM t WHERE a = 3",
]
ENDING = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "VACUUM", "DROP TABLE log"]
LEVELS: list[str | None] = [None, ""]


def outcome(
    module: Any, level: str | None, outer: str, inner: str, parameters: Any = None, script: str = ""
) -> list[Any]:
    """What comes of a statement whose function runs another one each time it is called."""
    connection = module.connect(":memory:", isolation_level=level)
    connection.executescript(SCRIPT)
    connection.execute("SELECT count(*) FROM log").fetchall()  # known before: the shortest way is taken inside, too
    answers: list[Any] = []

    def f(value: Any) -> Any:
        try:
            answers.append(connection.execute(inner).fetchall())
        except module.Error as error:
            answers.append(f"{type(error).__name__}: {error}")
        answers.append(connection.in_transaction)
        return value

    connection.create_function("f", 1, f)
    connection.executescript(script)
    found: list[Any] = []
    try:
        if parameters is None:
            found.append(connection.execute(outer).fetchall())
        else:
            found.append(connection.executemany(outer, parameters).rowcount)
    except module.Error as error:
        found.append(f"{type(error).__name__}: {error}")
    found += [answers, connection.in_transaction, connection.total_changes]
    for table in ("t", "log", *(["u"] if "TABLE u" in script else [])):
        found.append(connection.execute(f"SELECT * FROM {table}").fetchall())
    found.append(connection.execute("PRAGMA integrity_check").fetchall())
    connection.close()
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", READING + WRITING_OTHERS + WRITING_SAME + ENDING)
@pytest.mark.parametrize("outer", ONE_ROW)
def test_a_statement_of_one_row(level: str | None, outer: str, inner: str) -> None:
    assert outcome(tandemdb, level, outer, inner) == outcome(sqlite3, level, outer, inner)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", [*READING, "INSERT INTO log VALUES (1)", "COMMIT", "SAVEPOINT s"])
@pytest.mark.parametrize("outer", [outer for outer in SEVERAL_ROWS if "INTO log" not in outer])
def test_a_statement_of_several_rows(level: str | None, outer: str, inner: str) -> None:
    if inner == READING[1] and outer != SEVERAL_ROWS[0]:
        return  # SQLite changes rows as it goes, and its function sees that
    assert outcome(tandemdb, level, outer, inner) == outcome(sqlite3, level, outer, inner)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", WRITING_SAME)
@pytest.mark.parametrize("outer", [outer for outer in SEVERAL_ROWS if not outer.startswith("INSERT")])
def test_rows_that_were_about_to_change(level: str | None, outer: str, inner: str) -> None:
    """Where SQLite's answer depends on how it goes about it, or is `database disk image is malformed`."""
    error, _, in_transaction, _, rows, log, check = outcome(tandemdb, level, outer, inner)
    assert error == "OperationalError: rows were changed by a function that the statement calls"
    assert (in_transaction, check) == (level is not None, [("ok",)])
    assert (rows, log) == ([(1, 10, 0), (2, 20, 0), (3, 30, 0)], [])


FAILING = [
    ("INSERT INTO u VALUES (?, f(1), 5)", [(5,), (6,), (1,), (8,)]),
    ("INSERT INTO u VALUES (?, 1, f(700))", [(5,), (6,), (1,), (8,)]),
    ("INSERT OR ROLLBACK INTO u (k, b) VALUES (f(?), 1)", [(5,), (1,), (8,)]),
    ("INSERT OR FAIL INTO u (k, b) VALUES (f(?), 1)", [(5,), (1,), (8,)]),
    ("INSERT OR IGNORE INTO u (k, b) VALUES (f(?), 1)", [(5,), (1,), (8,)]),
    ("INSERT INTO u (k) VALUES (?) ON CONFLICT (k) DO UPDATE SET b = f(b + 99)", [(5,), (2,), (8,)]),
    ("UPDATE u SET b = f(?) WHERE a = 2", [(5,), (6,), (700,), (8,)]),
    ("UPDATE OR ROLLBACK u SET k = f(?) WHERE a = 3", [(5,), (6,), (1,), (8,)]),
    ("UPDATE OR FAIL u SET k = f(?) WHERE a = 3", [(5,), (6,), (1,), (8,)]),
    ("DELETE FROM u WHERE a = ? AND f(b) > 0", [(1,), ({},), (2,)]),
]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", WRITING_OTHERS[:2])
@pytest.mark.parametrize(("outer", "parameters"), FAILING)
def test_a_set_of_values_that_fails(level: str | None, outer: str, parameters: list[Any], inner: str) -> None:
    """In autocommit mode it takes what its functions have changed along, and leaves what earlier ones did."""
    script = "CREATE TABLE u (a INTEGER PRIMARY KEY, k UNIQUE, b CHECK (b < 100));"
    script += "INSERT INTO u (k, b) VALUES (1, 1), (2, 2), (3, 3);"
    found, expected = (outcome(module, level, outer, inner, parameters, script) for module in (tandemdb, sqlite3))
    found[3:4] = expected[3:4] = []  # total_changes: what has been taken back of a function's may count or not
    assert found == expected


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", READING + WRITING_OTHERS[:1] + WRITING_SAME[:2])
def test_several_executions(level: str | None, inner: str) -> None:
    for outer in (ONE_ROW[0].replace("f(1)", "f(?)"), "UPDATE t SET c = f(?) WHERE a = 1"):
        parameters = [(5,), (6,), (7,)]
        assert outcome(tandemdb, level, outer, inner, parameters) == outcome(sqlite3, level, outer, inner, parameters)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", [READING[0], WRITING_OTHERS[0], "COMMIT"])
@pytest.mark.parametrize("outer", ["INSERT INTO t (b) VALUES (5)", "UPDATE t SET b = 6 WHERE a = 1", "DELETE FROM t"])
def test_functions_called_in_triggers(level: str | None, outer: str, inner: str) -> None:
    triggers = "".join(
        f"CREATE TRIGGER on_{event} AFTER {event} ON t BEGIN UPDATE t SET c = f(c) + 1 WHERE a = 2; END;"
        for event in ("INSERT", "DELETE")
    ) + "CREATE TRIGGER on_update BEFORE UPDATE OF b ON t BEGIN INSERT INTO log VALUES (f(new.b)); END;"
    found, expected = [outcome(module, level, outer, inner, script=triggers) for module in (tandemdb, sqlite3)]
    assert found == expected


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "inner", [READING[0], "UPDATE t SET c = 5 WHERE a = 2", "INSERT OR REPLACE INTO t VALUES (9, 9, 9)"]
)
def test_functions_called_in_checks_defaults_and_views(level: str | None, inner: str) -> None:
    script = """
        CREATE TABLE strict (a INTEGER PRIMARY KEY, b CHECK (f(b) > 0), c DEFAULT (f(7)));
        CREATE VIEW both AS SELECT t.a, b FROM t;
        CREATE TRIGGER on_both INSTEAD OF INSERT ON both BEGIN INSERT INTO strict (b) VALUES (f(new.b)); END;
    """
    for outer in ("INSERT INTO strict (b) VALUES (1), (2)", "INSERT INTO both VALUES (1, 2)"):
        found, expected = [outcome(module, level, outer, inner, script=script) for module in (tandemdb, sqlite3)]
        assert (found[0], found[2], found[4:]) == (expected[0], expected[2], expected[4:])  # not how often it is called


def test_an_insert_that_fails_takes_along_what_its_function_wrote() -> None:
    for level in LEVELS:
        for outer in ("INSERT INTO t (a, b) VALUES (1, f(1))", "INSERT INTO t (a, b) VALUES (9, f(1)), (1, f(2))"):
            inner = "INSERT INTO log VALUES (1)"
            assert outcome(tandemdb, level, outer, inner) == outcome(sqlite3, level, outer, inner)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("inner", [*READING, "INSERT INTO log VALUES (1)", *WRITING_SAME[:2], "COMMIT", "ROLLBACK"])
def test_an_update_of_one_row_that_fails_leaves_what_its_function_wrote(level: str | None, inner: str) -> None:
    script = "CREATE UNIQUE INDEX t_bc ON t (b, c)"
    for outer in (
        "UPDATE t SET b = f(b), a = 1 WHERE a = 2",
        "UPDATE t SET b = f(10) WHERE a = 2",
        "UPDATE OR IGNORE t SET b = f(10) WHERE a = 2",
        "UPDATE OR FAIL t SET b = f(10) WHERE a = 2",
        "UPDATE OR ROLLBACK t SET b = f(10) WHERE a = 2",
        "UPDATE OR REPLACE t SET b = f(10) WHERE a = 2",
    ):
        found, expected = [outcome(module, level, outer, inner, script=script) for module in (tandemdb, sqlite3)]
        assert found == expected, outer


@pytest.mark.parametrize("inner", [READING[0], "INSERT INTO log VALUES (1)", "INSERT INTO t (b) VALUES (99)"])
def test_many_rows_with_functions_in_one_transaction(inner: str) -> None:
    for outer, parameters in (
        ("INSERT INTO t VALUES (?, f(?), 1)", [(20, 5), (21, 6), (22, 7), (20, 8), (23, 9)]),
        ("INSERT OR REPLACE INTO t VALUES (?, f(?), 1)", [(20, 5), (21, 6), (22, 7), (20, 8), (23, 9)]),
        ("UPDATE t SET b = f(?) WHERE a = ?", [(10, 1), (77, 2), (5, 1)]),
        ("DELETE FROM t WHERE a = ? AND f(b)", [(1,), (3,), (9,)]),
    ):
        found, expected = [outcome(module, "", outer, inner, parameters) for module in (tandemdb, sqlite3)]
        assert found == expected, outer


def test_the_schema_stays_while_rows_change() -> None:
    for inner in ("ALTER TABLE t ADD COLUMN d", "CREATE INDEX late ON t (c)", "DROP TABLE t", "ATTACH ':memory:' AS x"):
        found = outcome(tandemdb, None, ONE_ROW[0], inner)
        assert found[0] == [] and found[1][0] == "OperationalError: database table is locked", inner
        assert found[4][-1] == (4, 1, 0)


def test_a_rollback_to_a_savepoint_is_refused() -> None:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.executescript(SCRIPT)

    def f(value: int) -> int:
        with pytest.raises(tandemdb.OperationalError, match="SQL statements in progress"):
            connection.execute("ROLLBACK TO s")
        with pytest.raises(tandemdb.OperationalError, match="cannot release savepoint - SQL statements in progress"):
            connection.execute("RELEASE s")
        return value

    connection.create_function("f", 1, f)
    connection.execute("SAVEPOINT s")
    connection.execute("INSERT INTO t (b) VALUES (f(40))")
    connection.execute("RELEASE s")
    assert connection.execute("SELECT b FROM t").fetchall() == [(10,), (20,), (30,), (40,)]
