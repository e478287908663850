"""Input of a size or depth that a recursive program would choke on: the answer, or the limit's error, is sqlite3's.

    chains      a AND b AND ...          1,000 terms
    nests       f(f(f(...)))             as deep as SQLite's parser goes, and deeper
    lists       IN (1, 2, ...)           10,000 items; 2,000 columns; 500 SELECTs in a compound; 64 tables in a join
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb

COLUMN_COUNT = 2000
SETUP = (
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
    "INSERT INTO t VALUES (1, 2), (2, 'x'), (3, NULL)",
    f"CREATE TABLE wide ({', '.join(f'c{at}' for at in range(COLUMN_COUNT))})",
    f"INSERT INTO wide VALUES ({', '.join('1' for _ in range(COLUMN_COUNT))})",
)
OPERATORS = ("AND", "OR", "+", "-", "*", "/", "%", "||", "&", "|", "<<", "=", "<", "IS", "LIKE")


def chains(count: int) -> Iterator[tuple[str, str]]:
    """Operators that lean to the left."""
    for operator in OPERATORS:
        yield f"{operator} x {count}", f"SELECT {f' {operator} '.join(['1'] * count)}"
    yield f"filter AND x {count}", "SELECT count(*) FROM t WHERE " + " AND ".join(f"a <> {at}" for at in range(count))
    yield f"filter OR x {count}", "SELECT count(*) FROM t WHERE " + " OR ".join(f"a = {at}" for at in range(count))
    yield f"value OR x {count}", "SELECT " + " OR ".join(f"a = {at}" for at in range(count)) + " FROM t"
    yield f"value + x {count}", "SELECT " + " + ".join(f"a * {at}" for at in range(count)) + " FROM t"
    yield f"BETWEEN x {count}", "SELECT 1 " + "BETWEEN 0 AND 1 " * count
    yield f"ISNULL x {count}", "SELECT 1 " + "ISNULL " * count
    yield f"COLLATE x {count}", "SELECT 'a' " + "COLLATE nocase " * count
    yield f"->> x {count}", "SELECT '{}' " + "->> 'a' " * count
    yield f"rows x {count}", f"SELECT ({', '.join(['1'] * count)}) = ({', '.join(['1'] * count)})"
    whens = " ".join(f"WHEN a = {at} THEN {at}" for at in range(count))
    yield f"CASE x {count}", f"SELECT CASE {whens} END FROM t"
    yield f"UNION ALL x {count // 2}", " UNION ALL ".join(f"SELECT {at}" for at in range(count // 2))
    yield f"VALUES x {count}", "VALUES " + ", ".join(f"({at})" for at in range(count))
    yield f"columns x {count}", "SELECT " + ", ".join(f"a + {at}" for at in range(count)) + " FROM t"
    tables = ", ".join(f"c{at} AS (SELECT {at} AS x{f' FROM c{at - 1}' if at else ''})" for at in range(count))
    yield f"WITH x {count}", f"WITH {tables} SELECT * FROM c{count - 1}"


def nests(depth: int) -> Iterator[tuple[str, str]]:
    """What stands inside itself."""
    for name, opening, inner, closing in (
        ("parentheses", "(", "a", ")"),
        ("abs", "abs(", "a", ")"),
        ("coalesce", "coalesce(", "b", ", 1)"),
        ("iif", "iif(a > 1, ", "1", ", 0)"),
        ("CASE", "CASE WHEN a = 1 THEN ", "1", " END"),
        ("CAST", "CAST(", "a", " AS TEXT)"),
        ("IN", "a IN (1, ", "1", ")"),
        ("plus", "(a + ", "1", ")"),
        ("or", "(a > 1 OR ", "b", ")"),
        ("and", "(b > 1 AND ", "b", ")"),
        ("like", "(b LIKE ", "b", ")"),
        ("between", "(a BETWEEN 0 AND ", "b", ")"),
        ("subquery", "(SELECT ", "a", ")"),
        ("not", "NOT (a = ", "b", ")"),
    ):
        yield f"{name} in itself {depth} times", f"SELECT {opening * depth}{inner}{closing * depth} FROM t"
    for distinct in ("", "DISTINCT "):
        nested = f"(SELECT {distinct}* FROM " * depth + "t" + ")" * depth
        yield f"FROM {distinct}in itself {depth} times", f"SELECT * FROM {nested}"
    yield f"EXISTS {depth}", "SELECT 1 WHERE " + "EXISTS (SELECT 1 WHERE " * depth + "1" + ")" * depth
    joins = " ".join(f"LEFT JOIN t AS t{at} ON t{at}.a = t{at - 1}.a" for at in range(1, depth))
    yield f"LEFT JOIN x {depth}", f"SELECT count(*) FROM t AS t0 {joins}"
    names = ", ".join(f"t AS t{at}" for at in range(depth))
    equal = " AND ".join(f"t{at}.a = t0.a" for at in range(depth))
    yield f"tables x {depth}", f"SELECT count(*) FROM {names} WHERE {equal}"


def lists() -> Iterator[tuple[str, str]]:
    """Long lists and long texts."""
    items = ", ".join(map(str, range(10_000)))
    yield "IN numbers", f"SELECT a FROM t WHERE a IN ({items})"
    yield "NOT IN numbers", f"SELECT a FROM t WHERE a NOT IN ({items})"
    texts = ", ".join(f"'{at}'" for at in range(10_000))
    yield "IN texts", f"SELECT a FROM t WHERE b IN ({texts})"
    varying = ", ".join(f"a + {at}" for at in range(2_000))
    yield "IN what varies", f"SELECT a FROM t WHERE 5 IN ({varying})"
    yield "long text", f"SELECT length('{'x' * 1_000_000}'), '{'y' * 1_000_000}' LIKE '%y'"
    yield "long name", f'SELECT 1 AS "{"x" * 100_000}"'
    yield "all columns", "SELECT * FROM wide"
    yield "too many columns", f"CREATE TABLE wider ({', '.join(f'c{at}' for at in range(COLUMN_COUNT + 1))})"
    yield "too many results", f"SELECT {', '.join(['1'] * (COLUMN_COUNT + 1))}"
    yield "too many groups", f"SELECT 1 FROM t GROUP BY {', '.join(['a'] * (COLUMN_COUNT + 1))}"
    yield "too many sort keys", f"SELECT 1 FROM t ORDER BY {', '.join(['a'] * (COLUMN_COUNT + 1))}"
    yield "SET of all", f"UPDATE wide SET {', '.join(f'c{at} = c{at} + 1' for at in range(COLUMN_COUNT))} RETURNING c7"
    yield "patterns", f"SELECT '{'a' * 1_000}' GLOB '{'*a' * 12}b', '{'a' * 1_000}' LIKE '{'%a' * 12}b'"
    yield "growing text", "SELECT length(replace(hex(zeroblob(100000)), '0', 'abcdefghij'))"


CASES = {
    **dict(chains(100)), **dict(chains(999)), **dict(chains(1000)),
    **dict(nests(10)), **dict(nests(40)), **dict(nests(64)), **dict(nests(100)), **dict(nests(300)),
    **dict(lists()),
}  # fmt: skip


@pytest.fixture(scope="module")
def connections() -> Iterator[tuple[Any, Any]]:
    pair = sqlite3.connect(":memory:", isolation_level=None), tandemdb.connect(":memory:", isolation_level=None)
    for connection in pair:
        for statement in SETUP:
            connection.execute(statement)
    yield pair
    for connection in pair:
        connection.close()


@pytest.mark.skipif(sqlite3.sqlite_version_info[:2] != (3, 40), reason="limits and their words are SQLite 3.40's")
@pytest.mark.parametrize("name", CASES)
def test_like_sqlite(connections: tuple[Any, Any], name: str) -> None:
    expected, found = (outcome(connection, CASES[name]) for connection in connections)
    assert found == expected


def outcome(connection: Any, sql: str) -> Any:
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error as error:
        return type(error).__name__, str(error)
