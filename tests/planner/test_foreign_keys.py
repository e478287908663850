"""Foreign keys beside sqlite3: scripts whose every outcome, counter and row must be the same."""

from __future__ import annotations

import pytest

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
