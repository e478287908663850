"""Foreign keys beside sqlite3: scripts whose every outcome, counter and row must be the same."""

from __future__ import annotations

import pytest

from tests.planner.beside import check
from tests.planner.script_compare import compare, compare_statements, read_scripts, split

ON = "PRAGMA foreign_keys = ON | "
FAMILY = ON + (
    "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT UNIQUE) | "
    "INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c')"
)


@pytest.mark.parametrize(("name", "statements"), read_scripts("foreign_keys.sql"))
def test_like_sqlite(name: str, statements: list[str]) -> None:
    compare_statements([*split(FAMILY), *statements])


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE c (x REFERENCES missing) | INSERT INTO c VALUES (NULL) | INSERT INTO c VALUES (1)",
        "CREATE TABLE c (x REFERENCES missing, y) | UPDATE c SET y = 1 | UPDATE c SET x = 1 | DELETE FROM c",
        "CREATE TABLE c (x REFERENCES missing) | PRAGMA foreign_keys = OFF | INSERT INTO c VALUES (1) | "
        "PRAGMA foreign_keys = ON | CREATE TABLE missing (a PRIMARY KEY) | INSERT INTO missing VALUES (1) | "
        "DELETE FROM missing",
    ],
)
def test_missing_parent(script: str) -> None:
    compare(ON + script)


def test_cascade_deep() -> None:
    """A chain of rows, each deleted by the deletion of the one before: SQLite gives up at a thousand levels."""
    for rows in (900, 1100):
        compare(
            ON + "CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t ON DELETE CASCADE) | "
            "CREATE INDEX i ON t (up) | "
            f"WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rows}) "
            "INSERT INTO t SELECT x, CASE WHEN x > 1 THEN x - 1 END FROM n | "
            "DELETE FROM t WHERE id = 1 | SELECT count(*) FROM t"
        )


MISMATCHES = {
    "two children": [
        "CREATE TABLE t1 (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE t3 (a INTEGER PRIMARY KEY, b REFERENCES t1)",
        "CREATE TABLE t2 (a INTEGER PRIMARY KEY, b REFERENCES t1)",
    ],
    "one before the parent": [
        "CREATE TABLE t2 (a INTEGER PRIMARY KEY, b REFERENCES t1)",
        "CREATE TABLE t1 (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE t3 (a INTEGER PRIMARY KEY, b REFERENCES t1)",
    ],
    "itself and another": [
        "CREATE TABLE t1 (a, b REFERENCES t1, c REFERENCES t2, PRIMARY KEY (a, b))",
        "CREATE TABLE t2 (a, b, PRIMARY KEY (a, b))",
    ],
    "another and itself": [
        "CREATE TABLE t1 (a, b REFERENCES t2, c REFERENCES t1, PRIMARY KEY (a, b))",
        "CREATE TABLE t2 (a, b, PRIMARY KEY (a, b))",
    ],
    "actions": [
        "CREATE TABLE t1 (a, b DEFAULT 'd', c, d REFERENCES t1, PRIMARY KEY (a, d))",
        "CREATE TABLE t3 (a, b REFERENCES t3, c REFERENCES t1 (a) ON DELETE SET DEFAULT, PRIMARY KEY (a, c))",
    ],
    "cascades": [
        "CREATE TABLE t1 (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE t2 (a INTEGER PRIMARY KEY, b REFERENCES t1 ON DELETE CASCADE)",
        "CREATE TABLE t3 (a INTEGER PRIMARY KEY, b REFERENCES t1 ON UPDATE CASCADE)",
        "CREATE TABLE t4 (a INTEGER PRIMARY KEY, b REFERENCES t1)",
    ],
}


@pytest.mark.parametrize("tables", MISMATCHES)
def test_which_of_several_mismatches_is_told(tables: str) -> None:
    for statement in (
        "UPDATE t1 SET a = 1", "UPDATE t1 SET b = 1", "UPDATE t1 SET (b, a) = (a, b)", "UPDATE t1 SET c = 1",
        "DELETE FROM t1", "INSERT INTO t1 (a, b) VALUES (1, 2)", "UPDATE t1 SET a = 1 WHERE 0", "DELETE FROM t3",
        "UPDATE t2 SET b = 1", "UPDATE t3 SET c = 1", "UPDATE t3 SET b = 1", "INSERT INTO t3 (a) VALUES (1)",
        "PRAGMA foreign_key_check",
    ):  # fmt: skip
        check(["PRAGMA foreign_keys = ON", *MISMATCHES[tables], statement])


def test_foreign_key_check_goes_from_the_newest_table_to_the_oldest() -> None:
    names = ["b", "c", "a"]
    check([
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        *[f"CREATE TABLE {name} (v REFERENCES p)" for name in names],
        *[f"INSERT INTO {name} VALUES (9)" for name in names],
        "PRAGMA foreign_key_check",
    ])  # fmt: skip
