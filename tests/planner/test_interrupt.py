"""interrupt() and progress handlers stop what runs long; what they stop leaves nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.session import Session
from tests.planner.beside import check

LONG = {
    "recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "distinct recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "loops": "SELECT count(*) FROM t x, t y, t z WHERE x.a < y.b + z.b",
    "rows of rows": "WITH c AS MATERIALIZED (SELECT a FROM t) SELECT count(*) FROM c x, c y WHERE x.a < y.a + 1",
    "correlated": "SELECT (SELECT count(*) FROM t y WHERE y.a + x.a > 5) FROM t x, t z",
    "update": "UPDATE t SET b = (SELECT count(*) FROM t x WHERE x.a + t.a > 5)",
    "insert": "INSERT INTO t SELECT x.a, y.b FROM t x, t y",
    "delete": "DELETE FROM t WHERE (SELECT count(*) FROM t x, t y WHERE x.a + y.a > t.a) < 0",
}


@pytest.fixture
def connection() -> Any:
    made = tandemdb.connect(":memory:", check_same_thread=False)
    made.execute("CREATE TABLE t (a, b)")
    made.executemany("INSERT INTO t VALUES (?, ?)", [(i, i % 7) for i in range(4000)])
    made.commit()
    return made


@pytest.mark.parametrize("name", LONG)
def test_interrupt(connection: Any, name: str) -> None:
    timer = threading.Timer(0.05, connection.interrupt)
    timer.start()
    with pytest.raises(tandemdb.OperationalError, match=r"^interrupted$") as caught:
        connection.execute(LONG[name]).fetchall()
    timer.join()
    assert caught.value.sqlite_errorname == "SQLITE_INTERRUPT"
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*), sum(b) FROM t").fetchall() == [(4000, sum(i % 7 for i in range(4000)))]


@pytest.mark.parametrize("name", LONG)
def test_progress(connection: Any, name: str) -> None:
    calls: list[int] = []

    def handler() -> bool:
        calls.append(1)
        return len(calls) == 20

    connection.set_progress_handler(handler, 1000)
    with pytest.raises(tandemdb.OperationalError, match=r"^interrupted$"):
        connection.execute(LONG[name]).fetchall()
    assert len(calls) == 20
    connection.set_progress_handler(None, 1000)
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(4000,)]


def test_idle_interrupt(connection: Any) -> None:
    """Without a running statement nothing comes of it, whichever way the next one is run."""
    for _ in range(3):
        connection.interrupt()
        assert len(connection.execute("SELECT * FROM t").fetchall()) == 4000
        assert connection.execute("SELECT b FROM t WHERE rowid = ?", (5,)).fetchall() == [(4,)]


def test_stream(connection: Any) -> None:
    """A cursor that is half read fails at a later fetch."""
    cursor = connection.execute("SELECT a FROM t WHERE b >= 0")
    assert cursor.fetchone() == (0,)
    connection.interrupt()
    with pytest.raises(tandemdb.OperationalError, match=r"^interrupted$"):
        cursor.fetchall()


def test_transaction_ends_as_in_sqlite() -> None:
    stop = [lambda con: con.set_progress_handler(lambda: 1, 1)]
    go = [lambda con: con.set_progress_handler(None, 1)]
    check(["CREATE TABLE t (a)", "BEGIN", "INSERT INTO t VALUES (1)", *stop, "INSERT INTO t VALUES (2)", *go,
           "SELECT * FROM t", "BEGIN", "INSERT INTO t VALUES (1)", *stop, "SELECT * FROM t", *go, "SELECT * FROM t",
           *stop, "CREATE TABLE u (a)", *go, "SELECT name FROM sqlite_master"])  # fmt: skip


def test_scans_without_watchers_call_nothing(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watched scan asks once a block, not once a record."""
    calls: list[int] = []
    check_records = connection._session.check
    monkeypatch.setattr(Session, "check", lambda _, records: (calls.append(records), check_records(records))[1])
    connection.execute("SELECT count(*) FROM t WHERE a > 5").fetchall()
    assert sum(calls) == 4000
    assert len(calls) < 40
