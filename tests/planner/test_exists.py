"""EXISTS and NOT EXISTS with conditions on either side, which come down to a look-up, a test, a loop or several."""

from __future__ import annotations

import itertools
import sqlite3

import pytest

import tandemdb

SCHEMA = """
CREATE TABLE o (a, b);
INSERT INTO o VALUES (1, 1), (1, 2), (2, 1), (2, NULL), (NULL, 1), (3, 3), ('1', 1), (5, 1);
CREATE TABLE i (id INTEGER PRIMARY KEY, a, b, u UNIQUE);
INSERT INTO i VALUES (1, 1, 1, 1), (2, 2, NULL, 2), (3, NULL, 1, '1'), (4, 3, 5, NULL), (5, 5, 5, 'A');
"""
CONDITIONS = [
    *("i.a = o.a", "i.b = o.b", "o.a = o.b", "o.a > 1", "o.b IS NOT NULL", "i.u = o.a", "i.id = o.a", "o.b IN (1, 2)"),
    *("i.a > o.b", "o.a LIKE '1%'", "i.u = o.b COLLATE NOCASE", "1", "NULL"),
]
TESTS = [
    "EXISTS (SELECT 1 FROM i WHERE {})",
    "NOT EXISTS (SELECT 1 FROM i WHERE {})",
    "NOT EXISTS (SELECT 1 FROM i WHERE {}) AND o.b = 1",
    "o.b = 1 OR NOT EXISTS (SELECT 1 FROM i WHERE {})",
    "EXISTS (SELECT 1 FROM i WHERE {}) = o.a",
    "NOT EXISTS (SELECT 1 FROM i JOIN i AS j ON j.id = i.a WHERE {})",
]


@pytest.mark.parametrize("test", TESTS)
def test_exists(test: str) -> None:
    real, ours = (module.connect(":memory:") for module in (sqlite3, tandemdb))
    for connection in (real, ours):
        connection.executescript(SCHEMA)
    for conditions in [*itertools.permutations(CONDITIONS, 1), *itertools.permutations(CONDITIONS, 2)]:
        query = f"SELECT rowid FROM o WHERE {test.format(' AND '.join(conditions))} ORDER BY 1"
        assert ours.execute(query).fetchall() == real.execute(query).fetchall(), query
