"""Indexes: the same rows with and without them, in sqlite3's order with them, and a plan that names the one read."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tests.planner.twins import Twins

TABLE = "create table t(a integer primary key, b text, c int, d real, e text collate nocase)"
INDEXES = [
    "create index tb on t(b)",
    "create index tcd on t(c, d)",
    "create index te on t(e)",
    "create index tu on t(upper(b), c)",
    "create index tc1 on t(c + 1)",
    "create index t_three on t(d) where c = 3",
    "create index t_named on t(c) where b is not null",
]

# A query, and what one line of its plan holds.
SEARCHES = [
    ("select a from t where a in (5, 1, 3, 3, null, '7', 2.0, 2.5, 999)", "INTEGER PRIMARY KEY (rowid=?)"),
    ("select a from t where a in (select c from t)", "INTEGER PRIMARY KEY (rowid=?)"),
    ("select count(*) from t where a in (5, 1, 3, 3, null, '7', 2.0, 2.5, 999, 1000)", "INTEGER PRIMARY KEY (rowid=?)"),
    ("select count(*) from t where a in (1, 999, 998) or b = 'y'", "MULTI-INDEX OR"),
    ("select a from t where b in ('x', 'abc', null)", "INDEX tb (b=?)"),
    ("select a from t where e in ('FOO', 'bar')", "INDEX te (e=?)"),
    ("select a, c from t where c in (1, 3) order by a", "INDEX tcd (c=?)"),
    ("select a from t where b glob 'ab*'", "INDEX tb (b>? AND b<?)"),
    ("select a from t where e like 'fo%'", "INDEX te (e>? AND e<?)"),
    ("select a from t where e like 'F%p'", "INDEX te (e>? AND e<?)"),
    ("select a from t where a = 5 or b = 'zeta'", "MULTI-INDEX OR"),
    ("select a from t where a = 5 or a = 7 or c = 3 and d = 1.5", "MULTI-INDEX OR"),
    ("select a from t where a in (1, 2) or b = 'y' and c > 2", "MULTI-INDEX OR"),
    ("select a from t where upper(b) = 'ABC'", "INDEX tu (<expr>=?)"),
    ("select a from t where upper(b) = 'ABC' and c = 2", "INDEX tu (<expr>=? AND c=?)"),
    ("select a from t where c + 1 = 3", "INDEX tc1 (<expr>=?)"),
    ("select a from t where 5 = c + 1", "INDEX tc1 (<expr>=?)"),
    ("select a from t where d = 1.5 and c = 3", "INDEX t"),
    ("select a from t where c = 2 and b = 'x'", "INDEX t"),
    ("select a from t where c = 2 and b is not null", "INDEX t"),
    ("select a, b from t order by b", "SCAN t USING INDEX tb"),
    ("select a, b from t order by b desc", "SCAN t USING INDEX tb"),
    ("select a, b from t order by b limit 5", "SCAN t USING INDEX tb"),
    ("select a, b from t order by b desc, a desc limit 5 offset 3", "SCAN t USING INDEX tb"),
    ("select a, c, d from t order by c desc, d desc limit 7", "SCAN t USING INDEX tcd"),
    ("select a, c, d from t where c = 3 order by d desc limit 3", "INDEX tcd (c=?)"),
    ("select a, e from t order by e limit 9", "SCAN t USING INDEX te"),
    ("select a, b from t where b > 'a' order by b desc limit 4", "INDEX tb (b>?)"),
    ("select a from t where d > 1 order by c limit 4", "SCAN t USING INDEX tcd"),
    ("select min(b) from t", "SEARCH t USING COVERING INDEX tb"),
    ("select max(b), typeof(max(b)) from t", "SEARCH t USING COVERING INDEX tb"),
    ("select a, max(b) from t", "SEARCH t USING COVERING INDEX tb"),
    ("select a, min(c), e from t", "SEARCH t USING COVERING INDEX"),
    ("select max(e) from t", "SEARCH t USING COVERING INDEX te"),
    ("select max(a) from t", "SEARCH t"),
]

# Queries that look as if an index would do, but for a detail.
SCANS = [
    ("select a, c, d from t order by c, d desc limit 7", "tcd"),
    ("select a from t where c + 2 = 5", "tc1"),
    ("select a from t where d = 1.5", "t_three"),
    ("select a from t where d = 1.5 and c = 4", "t_three"),
    ("select a from t where b like '_b%'", "tb"),
    ("select a from t where b like 'ab%' escape 'b'", "tb"),
    ("select a from t where e glob 'F*'", "te ("),
    ("select a, e from t order by e collate binary limit 9", "te"),
    ("select a from t where b = 'x' collate nocase", "tb"),
    ("select a from t where b not in ('x', 'y')", "tb"),
]

JOINS = [
    "select t.a, u.a from t left join t u on u.a in (1, 2) where t.a < 3",
    "select t.a, u.a from t join t u on u.b = t.b and u.c in (1, 2) where t.a in (3, 4) order by 1, 2",
    "select a, (select count(*) from t u where u.a in (t.a, 3)) from t where a in (1, 3)",
    "select a from t where exists (select 1 from t u where u.a = t.a + 1 or u.b = t.b and u.a = 4) order by a",
]


def rows() -> list[tuple[object, ...]]:
    chance = random.Random(5)
    return [
        (
            number,
            chance.choice([None, "x", "y", "abc", "abd", "ABC", "zeta", ""]),
            chance.choice([None, 1, 2, 3, 4, 5]),
            chance.choice([None, 1.5, 2.5, -1.0]),
            chance.choice(["Foo", "foo", "bar", "Bar", "BAZ", None, "fop"]),
        )
        for number in range(1, 300)
    ]


def fill(twins: Twins) -> Twins:
    twins.run(TABLE)
    for row in rows():
        twins.run("insert into t values(?, ?, ?, ?, ?)", *row)
    return twins


@pytest.fixture(scope="module")
def plain() -> Iterator[Twins]:
    found = fill(Twins())
    yield found
    found.close()


@pytest.fixture(scope="module")
def indexed() -> Iterator[Twins]:
    found = fill(Twins())
    for statement in INDEXES:
        found.run(statement)
    yield found
    found.close()


@pytest.mark.parametrize(("sql", "line"), SEARCHES)
def test_an_index_changes_no_row(plain: Twins, indexed: Twins, sql: str, line: str) -> None:
    plain.same(sql)
    indexed.same(sql)
    assert any(line in found for found in indexed.plan(sql)), indexed.plan(sql)


@pytest.mark.parametrize(("sql", "index"), SCANS)
def test_what_an_index_cannot_do(plain: Twins, indexed: Twins, sql: str, index: str) -> None:
    plain.same(sql)
    assert sorted(indexed.found(sql), key=repr) == sorted(plain.found(sql), key=repr)
    assert not any(f"INDEX {index} (" in found for found in indexed.plan(sql)), indexed.plan(sql)


@pytest.mark.parametrize("sql", JOINS)
def test_look_ups_inside_joins(plain: Twins, indexed: Twins, sql: str) -> None:
    plain.same(sql)
    indexed.same(sql)


def test_plans_rest_on_no_literal_of_another_statement() -> None:
    twins = Twins("create table t(a, b); create index i on t(a) where b = 5; create index j on t(a + 1)")
    for number in range(40):
        twins.run("insert into t values(?, ?)", number % 4, number % 7)
    for value in (5, 6, 5, 3):
        twins.same(f"select * from t where a = 2 and b = {value}")
        twins.same(f"select * from t where a + {value} = 3")
        twins.same("select * from t where a = 2 and b = ?", value)


def test_changes_keep_computed_indexes() -> None:
    twins = Twins(
        "create table t(a integer primary key, b text, c int);"
        "create unique index u on t(lower(b)) where c > 0; create index v on t(c * 2)"
    )
    twins.same("insert into t values(1, 'X', 1), (2, 'x', 0), (3, 'y', 2)")
    twins.same("insert into t values(4, 'x', 5)")
    twins.same("insert or ignore into t values(4, 'x', 5), (5, 'z', 5)")
    twins.same("insert or replace into t values(6, 'X', 7)")
    twins.same("update t set c = 3 where c * 2 = 0")
    twins.same("update t set b = 'w' where a = 2")
    twins.same("update t set c = c + 1 where lower(b) = 'w' and c > -1")
    twins.same("delete from t where c * 2 = 4")
    twins.same("select * from t where lower(b) = 'x' and c > 0")
    twins.same("select * from t where c * 2 = 10")
    twins.same("select * from t")


def test_changes_through_look_ups() -> None:
    twins = fill(Twins())
    for statement in INDEXES:
        twins.run(statement)
    twins.run("update t set d = 9.0 where b in ('x', 'y') or a = 5")
    twins.run("delete from t where a in (10, 20, 30)")
    twins.run("update t set c = c + 1 where e like 'fo%'")
    twins.run("update t set b = 'q' where upper(b) = 'ABC'")
    twins.same("select * from t")
    twins.same("select a from t where upper(b) = 'Q'")


def test_an_index_on_the_clock_is_refused() -> None:
    twins = Twins("create table t(b); create index i on t(date(b))")
    twins.same("insert into t values('2024-01-02')")
    twins.same("insert into t values('now')")
    twins.same("create index j on t(nosuch(b))")


EXTREMES = [
    "select max(b) from t",
    "select a, min(b) from t",
    "select coalesce(max(a), 0) + 1 from t",
    "select max(a), b from t",
    "select (select max(b) from t), a from t where a = 1",
    "select max(b) from t limit 0",
    "select min(b) from t having min(b) > 'a'",
    "select * from t where b = (select max(b) from t)",
    "select min(rowid) from t",
    "select *, max(c) from t",
    "select max(b), min(b) from t",
    "select max(b) || 'x', min(b), max(c), min(a), max(a), min(rowid) from t",
    "select max(a) - min(a) as n, max(b) from t order by n + max(a), min(c)",
    "select max(b), min(b), c from t",
    "select min(c), max(a), b from t",
    "select max(b), min(b), (select count(*) from t as x where x.b < t.b) from t",
    "select max(b), max(d) from t",
    "select max(a), count(*) from t",
    "select max(b), min(b) from t having max(b) > 'x'",
    "select max(a) from t order by b",
    "select x.a from t as x where x.b in (select max(b) from t union select min(b) from t)",
    "select (select max(t.b) || min(y.b) from t as y) from t",
    "select * from (select min(b) as low, max(b) as high from t) join t on b between low and high order by a",
]


@pytest.mark.parametrize("sql", EXTREMES)
@pytest.mark.parametrize(
    "values", [[], [(1, None, None)], [(1, None, "B"), (2, "x", "b"), (3, "y", "a"), (4, "y", "A"), (5, None, None)]]
)
def test_extremes_from_the_end_of_a_key(sql: str, values: list[tuple[object, ...]]) -> None:
    twins = Twins(
        "create table t(a integer primary key, b, c collate nocase, d); create index i on t(b); create index j on t(c)"
    )
    for row in values:
        twins.run("insert into t values(?, ?, ?, 0)", *row)
    twins.same(sql)
    twins.close()


def test_both_ends_of_a_key_are_looked_up() -> None:
    database = tandemdb.connect(":memory:")
    database.execute("create table t (a integer primary key, b text, c)")
    database.execute("create index i on t (b)")
    plan = [row[3] for row in database.execute("explain query plan select max(b), min(b), max(a) from t")]
    assert plan == ["SEARCH t USING COVERING INDEX i"] * 2 + ["SEARCH t"]
    database.close()


@pytest.mark.parametrize("declared", ["", "text", "real", "int", "text collate nocase", "blob"])
def test_both_ends_among_equal_values(declared: str) -> None:
    """Of values that are equal and not the same, SQLite gives the one that its walk meets first."""
    twins = Twins(f"create table t(a integer primary key, b {declared}); create index i on t(b, a desc)")
    for value in (None, 1, 1.0, "x", "X", 0.0, -0.0, 0, b"x", "y", "Y", 1.0, 1, None):
        twins.same("select max(b), min(b) from t")
        twins.run("insert into t (b) values (?)", value)
    twins.same("select max(b), min(b), max(a), min(a) from t")
    twins.run("delete from t where b not in (0, 1)")
    twins.same("select max(b), min(b), max(a), min(a) from t")
    twins.close()


def test_averages_of_analyze() -> None:
    told = []
    for module in (sqlite3, tandemdb):
        connection: Any = module.connect(":memory:", isolation_level=None)
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("CREATE INDEX i ON t (a, b)")
        for number in range(60):
            # More and more rows, of which more and more have the value of another one.
            connection.execute("INSERT INTO t VALUES (?, ?)", (number - number // 9 % 5, number // 2))
            connection.execute("ANALYZE")
            told.append(connection.execute("SELECT * FROM sqlite_stat1").fetchall())
    assert told[60:] == told[:60]
