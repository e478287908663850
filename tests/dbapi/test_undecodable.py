"""Text that is no UTF-8: fetched as sqlite3 fetches it, row by row, by each method and text factory."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import tandemdb

FOUR = "SELECT 1 AS n UNION ALL SELECT 'é' UNION ALL SELECT CAST(x'61ff' AS TEXT) UNION ALL SELECT 4"
QUERIES = [
    ("SELECT CAST(x'ff' AS TEXT)", ()),
    ("SELECT 1, CAST(x'41ff0042' AS TEXT) AS \"a'é\", CAST(x'fe' AS TEXT)", ()),
    ("SELECT CAST(? AS TEXT) AS n", (b"ab\xff" * 100,)),
    (f"SELECT CAST(? AS TEXT) AS {'n' * 250}", (b"\xff",)),
    ("SELECT CAST(? AS TEXT) AS n", (b"\xed\xa0\x80",)),
    ("SELECT CAST(? AS TEXT) AS n", ("ü".encode() * 3,)),
    ("SELECT CAST(? AS TEXT) AS n", ("ü".encode()[:1],)),
    ("SELECT 'a' || x'ff'", ()),
    ("SELECT substr(CAST(x'41ff42' AS TEXT), 3), hex(CAST(x'ff' AS TEXT)), length(CAST(x'ff' AS TEXT))", ()),
    ("SELECT CAST(x'ff' AS INTEGER), x'ff' + 1, CAST(CAST(x'ff' AS TEXT) AS BLOB)", ()),
    ("SELECT char(55296)", ()),
    ("SELECT * FROM t", ()),
    ("SELECT a, count(*) FROM t GROUP BY a ORDER BY a DESC", ()),
    ("UPDATE t SET a = a || 'x' RETURNING a", ()),
    (FOUR, ()),
]


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except sqlite3.Error as error:
        return type(error).__name__, str(error), getattr(error, "sqlite_errorname", None)


def fetched(module: Any, sql: str, values: tuple[Any, ...], how: str, **settings: Any) -> list[Any]:
    """What each attempt gives, beyond the end, too."""
    connection = module.connect(":memory:", detect_types=settings.pop("detect_types", 0))
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT)), ('plain'), (1), (x'ff')")
    for name, value in settings.items():
        setattr(connection, name, value)
    answers = []
    for _ in range(3):  # the second run makes the text ready, the third uses that
        cursor = connection.execute(sql, values)
        if how == "iterate":
            rows = iter(cursor)
            answers.append([outcome(lambda rows=rows: next(rows, None)) for _ in range(6)])
            answers.append(outcome(cursor.fetchone))
        else:
            fetch = getattr(cursor, how)
            answers.append([outcome(partial(fetch, 2) if how == "fetchmany" else fetch) for _ in range(6)])
        connection.rollback()
    connection.close()
    return answers


@pytest.mark.parametrize("how", ["fetchone", "fetchall", "fetchmany", "iterate"])
@pytest.mark.parametrize(("sql", "values"), QUERIES, ids=[sql[:40] for sql, _ in QUERIES])
def test_fetching(sql: str, values: tuple[Any, ...], how: str) -> None:
    assert fetched(tandemdb, sql, values, how) == fetched(sqlite3, sql, values, how)


@pytest.mark.parametrize(
    "factory",
    [bytes, bytearray, lambda data: data.decode(errors="replace"), lambda data: data.decode(errors="surrogateescape")],
)
@pytest.mark.parametrize("how", ["fetchone", "fetchall", "iterate"])
def test_text_factories_take_any_text(factory: Any, how: str) -> None:
    for sql, values in QUERIES:
        found = fetched(tandemdb, sql, values, how, text_factory=factory)
        assert found == fetched(sqlite3, sql, values, how, text_factory=factory)


def test_with_a_row_factory() -> None:
    found = fetched(tandemdb, FOUR, (), "fetchone", row_factory=lambda cursor, row: list(row))
    assert found == fetched(sqlite3, FOUR, (), "fetchone", row_factory=lambda cursor, row: list(row))


def test_converters_get_the_bytes() -> None:
    sqlite3.register_converter("undecodable", bytes.hex)
    sql = "SELECT CAST(x'ff' AS TEXT) AS \"a [undecodable]\""
    found = fetched(tandemdb, sql, (), "fetchall", detect_types=sqlite3.PARSE_COLNAMES)
    assert found == fetched(sqlite3, sql, (), "fetchall", detect_types=sqlite3.PARSE_COLNAMES)
    sql = "SELECT CAST(x'ff' AS TEXT) AS \"a [unknown]\""
    with pytest.raises(tandemdb.OperationalError, match="Could not decode to UTF-8 column"):
        tandemdb.connect(":memory:", detect_types=sqlite3.PARSE_COLNAMES).execute(sql).fetchall()


def test_a_long_iteration_stops_at_the_row() -> None:
    for keep in (True, False):
        connection = tandemdb.connect(":memory:")
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(b"x",)] * 1000)
        connection.execute("UPDATE t SET a = x'ff' WHERE rowid = 700")
        cursor = connection.execute("SELECT rowid, CAST(a AS TEXT) FROM t")
        rows = iter(cursor)
        if not keep:
            del cursor
        seen = 0
        with pytest.raises(tandemdb.OperationalError, match="Could not decode"):
            for _ in rows:
                seen += 1
        assert seen == 699
        connection.close()


@pytest.mark.parametrize("rows", ["cursor", "connection.execute(QUERY)"])
def test_the_first_in_a_process_is_met_late_in_an_iteration(rows: str) -> None:
    code = f"""
import tandemdb
connection = tandemdb.connect(":memory:")
connection.execute("CREATE TABLE t (a)")
values = [(b"x" if row != 700 else b"ab" + bytes([255]),) for row in range(1000)]
connection.executemany("INSERT INTO t VALUES (?)", values)
QUERY = "SELECT CAST(a AS TEXT) AS n FROM t"
cursor = connection.execute(QUERY)
count = 0
try:
    for row in {rows}:
        count += 1
except tandemdb.OperationalError as error:
    print(count, ascii(str(error)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "700 " + ascii("Could not decode to UTF-8 column 'n' with text 'ab\ufffd'")


@pytest.mark.parametrize("fetch", ["fetchall()", "fetchmany(5)", "fetchone()"])
def test_the_first_in_a_process(fetch: str) -> None:
    """Nothing is looked at before: the statement is ready when it meets the process's first such bytes."""
    code = f"""
import tandemdb
connection = tandemdb.connect(":memory:")
for value in (b"a", b"b", b"c", bytes([255])):
    cursor = connection.execute("SELECT CAST(? AS TEXT) AS n", (value,))
    try:
        print(cursor.{fetch})
    except tandemdb.OperationalError as error:
        print(ascii(str(error)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[3] == ascii("Could not decode to UTF-8 column 'n' with text '\ufffd'")


def test_writing_part_of_a_text() -> None:
    with tandemdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES ('abc')")
        with connection.blobopen("t", "a", 1) as blob:
            blob.write(b"\xff")
        with pytest.raises(tandemdb.OperationalError, match="Could not decode"):
            connection.execute("SELECT a FROM t").fetchone()
        assert connection.execute("SELECT hex(a) FROM t").fetchone() == ("FF6263",)
        with connection.blobopen("t", "a", 1) as blob:
            for byte in "ä".encode() + b"!":
                blob.write(bytes([byte]))
        assert connection.execute("SELECT a FROM t").fetchall() == [("ä!",)]
    connection.close()
