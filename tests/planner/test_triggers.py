"""Triggers beside sqlite3: scripts whose every outcome, counter and row must be the same."""

from __future__ import annotations

import sys

import pytest

from tests.planner.beside import check
from tests.planner.script_compare import Ours, compare, compare_statements, read_scripts, split

TABLES = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT) | CREATE TABLE log (n INTEGER PRIMARY KEY, m) | "
    "CREATE TABLE u (k UNIQUE, v) | "
)


@pytest.mark.parametrize(("name", "statements"), read_scripts("triggers.sql"))
def test_like_sqlite(name: str, statements: list[str]) -> None:
    compare_statements([*split(TABLES), *statements])


def test_recursion_ends_at_a_thousand() -> None:
    start = TABLES + "PRAGMA recursive_triggers = ON | "
    limit = sys.getrecursionlimit()
    trigger = "CREATE TRIGGER r {} INSERT ON t WHEN NEW.a < {} BEGIN INSERT INTO t (a) VALUES (NEW.a + 1); END | "
    for time in ("AFTER", "BEFORE"):
        compare(start + trigger.format(time, 998) + "INSERT INTO t (a) VALUES (0) | SELECT count(*) FROM t")
        compare(start + trigger.format(time, 999999) + "INSERT INTO t (a) VALUES (0) | SELECT count(*) FROM t")
    assert sys.getrecursionlimit() == limit


def test_programs_are_compiled_once() -> None:
    """Firing for many rows compiles nothing: the program belongs to the plan."""
    ours = Ours()
    ours.rows("CREATE TABLE t (a INTEGER)")
    ours.rows("CREATE TABLE log (a INTEGER, b INTEGER)")
    ours.rows("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.a, NEW.rowid); END")
    ours.rows("INSERT INTO t VALUES (1), (2), (3)")
    (program,) = [p for p in ours.session.namespace().programs.values() if hasattr(p, "steps")]
    plans = list(program.steps[0].plans)
    ours.rows("INSERT INTO t VALUES (4), (5), (6)")
    ours.rows("INSERT INTO t SELECT a FROM t")
    assert program.steps[0].plans == plans
    assert ours.rows("SELECT count(*), max(b) FROM log") == [(12, 12)]


@pytest.mark.parametrize("key", ["a INTEGER PRIMARY KEY, b, c", "a PRIMARY KEY, b, c", "a, b, c, PRIMARY KEY (b, a)"])
@pytest.mark.parametrize("kind", ["", " WITHOUT ROWID"])
def test_order_by_chooses_rows_and_does_not_order_the_changes(key: str, kind: str) -> None:
    for statement in (
        "UPDATE t SET c = b + 1 ORDER BY a DESC LIMIT 3",
        "UPDATE t SET c = c + 1 RETURNING * ORDER BY b DESC LIMIT 3 OFFSET 1",
        "DELETE FROM t ORDER BY c DESC LIMIT 2",
        "DELETE FROM t WHERE b > 1 RETURNING a ORDER BY b, a DESC LIMIT -1",
    ):
        check([
            "CREATE TABLE log (x, y, z)",
            f"CREATE TABLE t ({key}){kind}",
            "CREATE TRIGGER u AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.a, old.c, new.c); END",
            "CREATE TRIGGER d BEFORE DELETE ON t BEGIN INSERT INTO log VALUES (old.a, old.b, old.c); END",
            "INSERT INTO t VALUES (3, 5, 1), (1, 2, 9), (7, 4, 4), (2, 8, 3), (9, 1, 2)",
            statement,
            "SELECT * FROM log",
            "SELECT * FROM t ORDER BY a",
        ])  # fmt: skip


SUBQUERIES = [
    "(SELECT count(*) FROM t2)",
    "(SELECT count(*) + t1.a FROM t2)",
    "(SELECT sum(x) FROM t2 WHERE x >= t1.b)",
    "(SELECT count(*) FROM t1 AS o WHERE o.b = t1.b)",
    "t1.a IN (SELECT x FROM t2)",
    "EXISTS (SELECT 1 FROM t2 WHERE x = t1.a - 1)",
    "(SELECT max(x) FROM t2 WHERE x >= t1.b)",
]
TRIGGERS = [
    "AFTER UPDATE ON t1 BEGIN INSERT INTO t2 VALUES (new.a); END",
    "BEFORE UPDATE ON t1 BEGIN INSERT INTO t2 VALUES (old.a); END",
    "AFTER UPDATE ON t1 BEGIN DELETE FROM t2 WHERE x = new.a; END",
    "AFTER UPDATE ON t1 BEGIN UPDATE t1 SET b = b + 1 WHERE a = new.a + 1; END",
    "AFTER UPDATE ON t1 BEGIN INSERT INTO t2 VALUES ('t' || new.a), (NULL), (1.5), (x'00'); END",
]


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("subquery", SUBQUERIES)
def test_a_row_sees_what_the_triggers_of_rows_before_it_did(subquery: str, trigger: str) -> None:
    for assignment in (f"b = {subquery}", f"(b, c) = ({subquery}, a)", f"b = {subquery} WHERE a < 4"):
        check([
            "CREATE TABLE t1 (a INTEGER PRIMARY KEY, b, c)",
            "CREATE TABLE t2 (x)",
            f"CREATE TRIGGER g {trigger}",
            "INSERT INTO t2 VALUES (2), (7)",
            "INSERT INTO t1 VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 1, 1), (5, 't1', 1), (6, NULL, 2)",
            f"UPDATE t1 SET {assignment}",
            "SELECT * FROM t1",
            "SELECT * FROM t2",
        ])  # fmt: skip
