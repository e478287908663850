"""Joins on columns of unique keys: what is two to a key may be one to a comparison, of another affinity or collation.

    CREATE TABLE t (d UNIQUE); INSERT INTO t VALUES (-1), ('-1')
    ... JOIN t ON n.number = t.d            finds both, and so does a dictionary of t's rows by d as a number
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import tandemdb

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, bare UNIQUE, txt TEXT UNIQUE, folded TEXT COLLATE NOCASE UNIQUE, one, two TEXT,
                UNIQUE (one, two));
INSERT INTO t VALUES (1, -1, '1', 'a', 1, 'a'), (2, '-1', '1.0', 'B', '1', 'a'), (3, 1, '01', 'c', 1, 'A'),
 (4, '1', 'a', '1', '1', 'A'), (5, 'a', 'A', '01', NULL, 'a'), (6, 'A', ' a', '1.0', NULL, 'a'),
 (7, NULL, 'b', NULL, 2, 2), (8, '1.0', 'b ', ' c', 1.5, '2'), (9, x'31', NULL, 'd', 'a', NULL);
CREATE TABLE k (code PRIMARY KEY, more) WITHOUT ROWID;
INSERT INTO k SELECT bare, id FROM t WHERE bare IS NOT NULL;
CREATE TABLE n (i INTEGER, r REAL, s TEXT, b, f TEXT COLLATE NOCASE, z TEXT COLLATE RTRIM);
INSERT INTO n VALUES (1, 1.0, '1', 1, 'A', 'b'), (-1, -1.0, '-1', '-1', 'B', 'a '), (2, 1.5, 'a', 'a', 'c', '1'),
 (NULL, NULL, NULL, NULL, NULL, NULL), (1, 2.0, 'A', x'31', '1', 'b '), (3, 1.0, '01', 1.0, 'D', '01');
"""
CONDITIONS = [
    f"n.{own} {operator} t.{key}{collate}"
    for own in "irsbfz" for key in ("bare", "txt", "folded") for operator in ("=", "IS")
    for collate in ("", " COLLATE NOCASE", " COLLATE BINARY", " COLLATE RTRIM")
] + [
    f"n.{own} = t.one{first} AND n.{other} = t.two{second}"
    for own in "irsb" for other in "ifsz" for first in ("", " COLLATE NOCASE") for second in ("", " COLLATE NOCASE")
]  # fmt: skip
QUERIES = [
    "SELECT n.rowid, t.id FROM n JOIN t ON {} ORDER BY 1, 2",
    "SELECT n.rowid, t.id FROM n LEFT JOIN t ON {} ORDER BY 1, 2",
    "SELECT n.rowid, (SELECT count(*) FROM t WHERE {}), (SELECT max(id) FROM t WHERE {}) FROM n",
    "SELECT rowid FROM n WHERE EXISTS (SELECT 1 FROM t WHERE {})",
    "SELECT count(*), sum(t.id) FROM n, t WHERE {}",
]


MANY = "INSERT INTO n SELECT n.* FROM n, t ORDER BY n.rowid, t.id"


@pytest.fixture(scope="module", params=["", MANY], ids=["few", "many"])
def both(request: Any) -> Any:
    connections = [module.connect(":memory:") for module in (sqlite3, tandemdb)]
    for connection in connections:
        connection.executescript(SCHEMA + request.param)
    return connections


@pytest.mark.parametrize("query", QUERIES)
def test_joins(both: Any, query: str) -> None:
    real, ours = both
    for condition in CONDITIONS:
        text = query.replace("{}", condition)
        assert ours.execute(text).fetchall() == real.execute(text).fetchall(), text


@pytest.mark.parametrize("query", QUERIES)
def test_joins_without_rowid(both: Any, query: str) -> None:
    real, ours = both
    for condition in [condition for condition in CONDITIONS if "t.bare" in condition]:
        text = query.replace("{}", condition.replace("t.bare", "k.code")).replace("t.id", "k.more")
        text = text.replace("max(id)", "max(more)").replace(" t ", " k ").replace(", t", ", k")
        assert ours.execute(text).fetchall() == real.execute(text).fetchall(), text
