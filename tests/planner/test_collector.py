"""Python's collector while a plan makes many rows: held, not for functions of the program's own, on again after it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb.storage.collector import with_collector_paused

ROWS = 20_000


@pytest.fixture
def connection() -> Iterator[Any]:
    was_on = gc.isenabled()
    gc.enable()
    opened = tandemdb.connect(":memory:")
    opened.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
    opened.executemany("INSERT INTO t VALUES (?, ?)", [(number, number % 700) for number in range(ROWS)])
    yield opened
    opened.close()
    (gc.enable if was_on else gc.disable)()


QUERIES = (
    "SELECT a, count(*), sum(id) FROM t GROUP BY a",
    "SELECT id FROM t ORDER BY a",
    "SELECT count(*) FROM (SELECT DISTINCT a, id % 5 FROM t)",
    "SELECT count(*) FROM t x JOIN t y ON y.id = x.a",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT sum(i) FROM n",
    "SELECT a, sum(id) FROM t GROUP BY a LIMIT 3",
)


@pytest.mark.parametrize("sql", QUERIES)
def test_is_held_while_rows_are_made(connection: Any, sql: str) -> None:
    seen: list[bool] = []
    connection.set_progress_handler(lambda: seen.append(gc.isenabled()), 100)
    for _ in range(3):  # by way of the session, and made ready
        seen.clear()
        assert connection.execute(sql).fetchall()
        assert seen and not any(seen)
        assert gc.isenabled()


def test_stays_off_where_it_was_off(connection: Any) -> None:
    gc.disable()
    for sql in QUERIES:
        connection.execute(sql).fetchall()
        assert not gc.isenabled()


def test_is_on_again_after_an_error(connection: Any) -> None:
    connection.set_progress_handler(lambda: 1, 100)
    for sql in QUERIES:
        with pytest.raises(tandemdb.OperationalError, match="interrupted"):
            connection.execute(sql).fetchall()
        assert gc.isenabled()


def test_is_not_held_for_functions_of_the_program(connection: Any) -> None:
    seen: set[bool] = set()

    def noted(value: int) -> int:
        seen.add(gc.isenabled())
        return value

    connection.create_function("noted", 1, noted)
    connection.execute("SELECT a, max(noted(id)) FROM t GROUP BY a").fetchall()
    assert seen == {True}


def test_is_not_held_for_a_collation_of_the_program(connection: Any) -> None:
    seen: set[bool] = set()

    def compared(left: str, right: str) -> int:
        seen.add(gc.isenabled())
        return (left > right) - (left < right)

    connection.create_collation("seen", compared)
    connection.execute("CREATE TABLE n (name TEXT)")
    connection.executemany("INSERT INTO n VALUES (?)", [(str(number * 7 % 100),) for number in range(100)])
    for sql in ("SELECT name FROM n ORDER BY name COLLATE seen", "SELECT max(name COLLATE seen) FROM n"):
        seen.clear()
        connection.execute(sql).fetchall()
        assert seen == {True}, sql


def test_is_on_when_the_last_of_threads_that_overlap_is_done(connection: Any) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(roots: Any, params: Any, context: Any) -> bool:
        inside.set()
        leave.wait()
        return gc.isenabled()

    def first(roots: Any, params: Any, context: Any) -> threading.Thread:
        other.start()
        inside.wait()
        return other

    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(with_collector_paused(wait)(None, None, None)))
    with_collector_paused(first)(None, None, None)  # The other found it off, and so has nothing to put on again.
    assert gc.isenabled()
    leave.set()
    other.join()
    assert found == [True] and gc.isenabled()
