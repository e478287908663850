"""Functions, aggregates and collations of the user, beside sqlite3; and which plans connections share."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb
from tandemdb.planner import plan
from tests.planner.beside import check, lines


class Count:
    """An aggregate that counts what it is given."""

    def __init__(self) -> None:
        self.count = 0

    def step(self, *values: Any) -> None:
        self.count += len(values) or 1

    def inverse(self, *values: Any) -> None:
        self.count -= len(values) or 1

    def value(self) -> int:
        return self.count

    finalize = value


def without_case(left: str, right: str) -> int:
    return (left.lower() > right.lower()) - (left.lower() < right.lower())


def function(name: str, count: int, made: Any, **options: Any) -> Any:
    return lambda con: con.create_function(name, count, made, **options)


def test_arity_and_replacement() -> None:
    check([
        function("f", 1, lambda x: f"one {x}"), "SELECT f(1)", "SELECT f(1, 2)", "SELECT f()", "SELECT F('a')",
        function("f", -1, lambda *x: f"many {x}"), "SELECT f(1), f(1, 2), f()",
        function("f", 2, lambda *x: f"two {x}"), "SELECT f(1), f(1, 2), f(1, 2, 3)",
        function("f", 2, None), "SELECT f(1, 2)", "SELECT f(1), f(1, 2, 3)",
        function("abs", 1, lambda x: "own"), "SELECT abs(-1)", "SELECT abs(-1, 2)",
        function("count", 1, lambda x: "own"), "SELECT count(1)", "SELECT count(*)",
        "SELECT f(DISTINCT 1)", "SELECT f(1) FILTER (WHERE 1)", "SELECT f(1) OVER ()", "SELECT nosuch(1)",
        "SELECT f(*)",
        function("like", 2, lambda pattern, text: 7), "SELECT 'a' LIKE 'b', 'a' NOT LIKE 'b'",
        function("regexp", 2, lambda pattern, text: pattern in text), "SELECT 'abc' REGEXP 'b', 'abc' NOT REGEXP 'b'",
    ])  # fmt: skip


def test_aggregates() -> None:
    check([
        "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 2), (1, 3), (2, 4)",
        lambda con: con.create_aggregate("c", 1, Count), lambda con: con.create_aggregate("c", -1, Count),
        "SELECT c(a), c(a, b), c() FROM t", "SELECT c(a) FROM t WHERE 0", "SELECT a, c(b) FROM t GROUP BY a",
        "SELECT c(DISTINCT a) FROM t", "SELECT c(a) FILTER (WHERE b > 2) FROM t", "SELECT c(*) FROM t",
        "SELECT a FROM t GROUP BY a HAVING c(b) > 1", "SELECT c(a) OVER () FROM t", "SELECT c(c(a)) FROM t",
        "SELECT a FROM t WHERE c(a)", lambda con: con.create_aggregate("sum", 1, Count), "SELECT sum(b) FROM t",
        "SELECT total(b) FROM t", function("c", 1, lambda x: "scalar"), "SELECT c(a), c(a, b) FROM t",
    ])  # fmt: skip


def test_window_functions() -> None:
    check([
        "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 2), (1, 3), (2, 4)",
        lambda con: con.create_window_function("w", 1, Count),
        "SELECT w(b) OVER (ORDER BY a, b) FROM t", "SELECT w(b) FROM t",
        "SELECT w(b) OVER (ORDER BY b ROWS 1 PRECEDING) FROM t",
        lambda con: con.create_window_function("w", 1, None), "SELECT w(b) FROM t",
        lambda con: con.create_window_function("sum", 1, Count), "SELECT sum(b) FROM t",
        lambda con: con.create_window_function("sum", 1, None), "SELECT sum(b) FROM t",
    ])  # fmt: skip


def test_determinism() -> None:
    check([
        "CREATE TABLE t (a, b)", "INSERT INTO t VALUES ('x', 1), ('Y', 2)",
        function("det", 1, lambda x: str(x).lower(), deterministic=True), function("non", 1, lambda x: x),
        *lines("""
            CREATE INDEX i1 ON t (non(a))
            CREATE INDEX i2 ON t (a) WHERE non(a)
            CREATE TABLE u (a, b AS (non(a)))
            CREATE TABLE v (a CHECK (non(a)), b DEFAULT (non(5)))
            INSERT INTO v (a) VALUES (1)
            SELECT * FROM v
            CREATE INDEX i3 ON t (det(a))
            INSERT INTO t VALUES ('Z', 3)
            SELECT b FROM t WHERE det(a) = 'z'
            CREATE UNIQUE INDEX i4 ON t (det(a))
            INSERT INTO t VALUES ('z', 4)
            CREATE INDEX i5 ON t (random())
            CREATE TABLE w (a, b AS (det(a)))
            INSERT INTO w VALUES ('ABC')
            SELECT * FROM w
        """),
    ])  # fmt: skip


def test_collations() -> None:
    check([
        "SELECT 'a' = 'A' COLLATE Co", "SELECT 1 ORDER BY 1 COLLATE Co", "CREATE TABLE t (a COLLATE co)",
        lambda con: con.create_collation("co", without_case),
        *lines("""
            CREATE TABLE t (a COLLATE co, b)
            INSERT INTO t VALUES ('b', 1), ('A', 2), ('B', 3), ('c', 4), (NULL, 5), (7, 6)
            SELECT a FROM t ORDER BY a, b
            SELECT a FROM t ORDER BY b COLLATE co DESC
            SELECT count(*) FROM t GROUP BY a
            SELECT count(*), min(a), max(a) FROM t
            SELECT DISTINCT a FROM t
            SELECT b FROM t WHERE a = 'B' ORDER BY b
            SELECT b FROM t WHERE a IN ('B', 'C') ORDER BY b
            SELECT b FROM t WHERE a BETWEEN 'a' AND 'B' ORDER BY b
            SELECT b FROM t WHERE a IN (SELECT 'C') ORDER BY b
            SELECT max(a, 'Z'), nullif(a, 'C') FROM t ORDER BY b
            SELECT count(*) FROM (SELECT a FROM t UNION SELECT 'C')
            SELECT count(*) FROM (SELECT a FROM t EXCEPT SELECT 'C')
            SELECT count(*) FROM (SELECT a FROM t INTERSECT SELECT 'C')
            SELECT x.b, y.b FROM t x JOIN t y ON x.a = y.a WHERE x.b <> y.b ORDER BY 1
            SELECT count(DISTINCT a) FROM t
            CREATE INDEX i ON t (a)
            SELECT b FROM t WHERE a = 'B' ORDER BY b
            SELECT a FROM t WHERE a > 'a' ORDER BY a, b
            CREATE TABLE u (a COLLATE co UNIQUE)
            INSERT INTO u VALUES ('x'), ('Y')
            INSERT INTO u VALUES ('X')
            CREATE TABLE w (a COLLATE co PRIMARY KEY) WITHOUT ROWID
            INSERT INTO w VALUES ('x'), ('Y'), ('a')
            INSERT INTO w VALUES ('y')
            SELECT * FROM w WHERE a >= 'X'
            SELECT group_concat(a) OVER (PARTITION BY a ORDER BY b) FROM t WHERE typeof(a) = 'text'
        """),
        lambda con: con.create_collation("CO", None),
        "SELECT a FROM t ORDER BY a", "SELECT a FROM t WHERE a = 'x'", "SELECT b FROM t", "CREATE INDEX j ON t (a, b)",
        lambda con: con.create_collation("co", lambda a, b: (a < b) - (a > b)), "SELECT 'a' < 'b' COLLATE co",
        lambda con: con.create_collation("NOCASE", lambda a, b: 0),
    ])  # fmt: skip


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources compiled from now on."""
    sources: list[str] = []
    compile_source = plan.compile_source

    def note(source: str, *arguments: Any) -> Any:
        sources.append(source)
        return compile_source(source, *arguments)

    monkeypatch.setattr(plan, "compile_source", note)
    return sources


def connect(**functions: Any) -> Any:
    connection = tandemdb.connect(":memory:")
    connection.execute("CREATE TABLE shared_plans (a INTEGER PRIMARY KEY, b)")
    connection.execute("INSERT INTO shared_plans VALUES (1, 'one')")
    for name, made in functions.items():
        connection.create_function(name, 1, made)
    return connection


def test_plans_are_shared_by_names(compiled: list[str]) -> None:
    query = "SELECT upper(b) FROM shared_plans WHERE b IS NOT 'share'"
    assert connect().execute(query).fetchall() == [("ONE",)]
    compiled.clear()
    for connection in (connect(floor=int), connect(regexp=str, floor=int), connect()):
        for _ in range(2):
            assert connection.execute(query).fetchall() == [("ONE",)]
    assert compiled == []
    assert connect(upper=lambda text: "own").execute(query).fetchall() == [("own",)]
    assert len(compiled) == 1
    assert connect().execute(query).fetchall() == [("ONE",)]
    assert connect(upper=lambda text: "other").execute(query).fetchall() == [("other",)]
    assert len(compiled) == 1


def test_changes_are_shared_by_names(compiled: list[str]) -> None:
    change = "UPDATE shared_plans SET b = own(a) || 'share'"
    first, second = connect(own=lambda x: f"first {x} "), connect(own=lambda x: f"second {x} ", more=str)
    first.execute(change)
    count = len(compiled)
    second.execute(change)
    assert len(compiled) == count
    assert second.execute("SELECT b FROM shared_plans").fetchall() == [("second 1 share",)]
    with pytest.raises(tandemdb.OperationalError, match="no such function: own"):
        connect().execute(change)


def test_results_of_each_connection() -> None:
    """A shared plan calls the function of the connection that runs it."""
    connections = [connect(mine=lambda x, n=n: n) for n in range(3)]
    for _ in range(2):
        assert [c.execute("SELECT mine(1)").fetchone() for c in connections] == [(0,), (1,), (2,)]


PROGRAMS = {
    "a trigger": (
        "CREATE TABLE t (a, b); CREATE TABLE log (x);"
        "CREATE TRIGGER r AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (upper(new.a)); END;",
        "INSERT INTO t VALUES ('x', 1)", "UPDATE t SET b = b + 1", "SELECT x FROM log",
    ),
    "a trigger's condition": (
        "CREATE TABLE t (a, b); CREATE TABLE log (x);"
        "CREATE TRIGGER r BEFORE DELETE ON t WHEN upper(old.a) = 'X' BEGIN INSERT INTO log VALUES (old.b); END;",
        "INSERT INTO t VALUES ('x', 1), ('y', 2)", "DELETE FROM t WHERE a = 'x'", "SELECT x FROM log",
    ),
    "a trigger of a trigger": (
        "CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE log (x);"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.a); END;"
        "CREATE TRIGGER s AFTER INSERT ON u BEGIN INSERT INTO log VALUES (upper(new.a)); END;",
        "SELECT 1", "INSERT INTO t VALUES ('x')", "SELECT x FROM log",
    ),
    "a view": (
        "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t;"
        "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (upper(new.a)); END;",
        "SELECT 1", "INSERT INTO v VALUES ('x')", "SELECT a FROM t",
    ),
    "an action of a foreign key": (
        "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p ON DELETE CASCADE); CREATE TABLE log (x);"
        "CREATE TRIGGER r AFTER DELETE ON c BEGIN INSERT INTO log VALUES (upper(old.a)); END;",
        "INSERT INTO p VALUES ('x')", "DELETE FROM p", "SELECT x FROM log",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_call_the_functions_of_their_connection(name: str) -> None:
    """Connections with one schema share plans, but not those whose triggers mean other functions."""
    script, first, change, told = PROGRAMS[name]
    found: list[list[Any]] = []
    for module in (sqlite3, tandemdb):
        connections = []
        for function in (None, lambda text: f"B{text}", lambda text: f"D{text}", None):
            connection: Any = module.connect(":memory:", isolation_level=None)
            connection.executescript(script)
            connection.execute("PRAGMA foreign_keys = ON")
            if function is not None:
                connection.create_function("upper", 1, function)
            connections.append(connection)
        rows = []
        for place in (1, 0, 2, 3, 0, 1, 2, 3):
            connections[place].execute(first)
            if "c (a REFERENCES" in script:
                connections[place].execute("INSERT INTO c VALUES ('x')")
            connections[place].execute(change)
            rows.append(connections[place].execute(told).fetchall())
        found.append(rows)
    assert found[1] == found[0]
