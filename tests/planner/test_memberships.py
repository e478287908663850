"""x IN (SELECT ...): one affinity for both sides, which the last SELECT of a compound decides, for all its rows."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb

SCHEMA = """
CREATE TABLE t (a TEXT, b INTEGER, c, d REAL, e NUMERIC);
INSERT INTO t VALUES ('2', 2, 2, 2.0, 2), ('2 ', 1, '2', 1.0, '1'), ('1', 1, 1, 1.0, 1), ('x', 'x', 'x', 'x', 'x'),
 (9007199254740993, 9007199254740993, 9007199254740993, 9007199254740993, 9007199254740993), (NULL, NULL, 1, 0, '');
CREATE TABLE u (x TEXT, y INTEGER, z, r REAL);
INSERT INTO u VALUES ('1', 1, 1, 1), ('2', 2, '2', 2), ('2 ', 3, 2, 3), (9007199254740993, 9007199254740993,
 9007199254740993, 9007199254740993);
"""
INDEXES = "".join(f"CREATE INDEX t_{c} ON t ({c});" for c in "abcde") + "CREATE INDEX u_x ON u (x);"
LEFT = ["1", "'1'", "9007199254740993", "a", "b", "c", "d", "e", "a || ''", "+b", "CAST(b AS TEXT)", "rowid", "NULL"]
COLUMNS = ["x", "y", "z", "r", "x || ''", "CAST(z AS INTEGER)"]
RIGHT = [
    *(f"(SELECT {one} FROM u)" for one in COLUMNS),
    *(f"(SELECT {one} FROM u UNION ALL SELECT {other} FROM u)" for one in COLUMNS for other in COLUMNS[:4]),
    *(f"(SELECT {one} FROM u EXCEPT SELECT {other} FROM u)" for one in COLUMNS[1:] for other in COLUMNS[:2]),
    *("(SELECT x FROM u UNION SELECT NULL UNION SELECT y FROM u)", "(VALUES (1), ('2'), (CAST('2 ' AS INTEGER)))"),
    *("(VALUES (CAST('2 ' AS INTEGER)), ('1'))", "(SELECT * FROM (SELECT x FROM u UNION ALL SELECT y FROM u))"),
    "(WITH w (p) AS (SELECT x FROM u UNION ALL SELECT z FROM u) SELECT p FROM w)",
    "(SELECT y FROM u WHERE u.y = t.b UNION ALL SELECT x FROM u)",
]
PAIRS = [
    *("(SELECT y, y FROM u UNION ALL SELECT x, x FROM u)", "(SELECT x, y FROM u UNION SELECT y, x FROM u)"),
    *("(SELECT 1, CAST('2 ' AS INTEGER) UNION ALL SELECT 1, 1)", "(VALUES (1, 2), ('1', '2'))", "(SELECT x, y FROM u)"),
    *("(VALUES (1, 1), (1, CAST('2 ' AS INTEGER)))", "(SELECT z, x FROM u ORDER BY 1 LIMIT 3)"),
]


def open_both(script: str) -> list[Any]:
    both = [module.connect(":memory:") for module in (sqlite3, tandemdb)]
    for connection in both:
        connection.executescript(script)
    return both


@pytest.mark.parametrize("script", [SCHEMA, SCHEMA + INDEXES], ids=["bare", "indexed"])
@pytest.mark.parametrize("left", LEFT)
def test_affinity_of_a_value_and_the_query_behind_in(left: str, script: str) -> None:
    real, ours = open_both(script)
    for right in RIGHT:
        queries = [f"SELECT {left} IN {right} FROM t", f"SELECT rowid FROM t WHERE {left} NOT IN {right} ORDER BY 1"]
        for query in [*queries, f"SELECT rowid FROM t WHERE {left} IN {right} ORDER BY 1"]:
            assert ours.execute(query).fetchall() == real.execute(query).fetchall(), query


@pytest.mark.parametrize("left", LEFT[:-1])
def test_affinity_of_rows(left: str) -> None:
    """Without NULL on the left, beside which 3.40 forgets the affinity of the other values."""
    real, ours = open_both(SCHEMA)
    for other in LEFT[:-1]:
        for right in PAIRS:
            query = f"SELECT ({left}, {other}) IN {right} FROM t WHERE a IS NOT NULL"
            assert ours.execute(query).fetchall() == real.execute(query).fetchall(), query
