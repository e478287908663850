"""Threads: the same-thread check, connections that take turns, and many connections at once."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import tandemdb
from tests.dbapi.compare import neutral


def in_thread(function: Callable[[], Any]) -> str:
    """Run a function in a thread and say what came of it."""
    answers: list[str] = []

    def work() -> None:
        try:
            answers.append(neutral(repr(function())))
        except Exception as error:
            answers.append(f"! {type(error).__name__}: {neutral(str(error))}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers[0]


def other_thread(db: ModuleType, check: bool) -> list[str]:
    con = db.connect(":memory:", check_same_thread=check)
    cur = con.execute("select 1 union select 2")
    closed = db.connect(":memory:", check_same_thread=check)
    closed_cursor = closed.cursor()
    closed.close()
    calls: list[Callable[[], Any]] = [
        lambda: con.execute("select 1").fetchall(),
        lambda: con.cursor().fetchone(),
        con.commit,
        con.rollback,
        lambda: con.total_changes,
        lambda: con.in_transaction,
        lambda: con.isolation_level,
        cur.fetchone,
        cur.fetchall,
        lambda: next(cur, None),
        lambda: cur.execute("select 3").fetchall(),
        lambda: cur.executemany("select 1", []),
        lambda: cur.executescript("select 1"),
        lambda: con.create_function("f", 0, None),
        lambda: con.set_trace_callback(None),
        lambda: con.getlimit(0),
        lambda: list(con.iterdump()),
        lambda: con.__enter__() is con,
        cur.close,
        con.interrupt,
        closed.commit,
        closed_cursor.fetchone,
        closed.close,
        con.close,
    ]
    return [in_thread(call) for call in calls]


@pytest.mark.parametrize("check", [True, False])
def test_another_thread_as_in_sqlite3(check: bool) -> None:
    assert other_thread(tandemdb, check) == other_thread(sqlite3, check)


def test_a_shared_connection_takes_turns() -> None:
    con = tandemdb.connect(":memory:", check_same_thread=False)
    con.execute("create table t(a integer primary key, thread)")
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for _ in range(50):
            con.execute("insert into t(thread) values(?)", (number,))
            assert con.execute("select max(a) from t").fetchone()[0] >= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    con.commit()
    assert con.execute("select count(*), count(distinct a) from t").fetchone() == (200, 200)


def test_whoever_waits_for_a_connection_that_is_closed_is_told() -> None:
    con = tandemdb.connect(":memory:", check_same_thread=False)
    uses = [
        lambda: con.execute("SELECT 1"),
        lambda: con.executemany("INSERT INTO t VALUES (?)", [(1,)]),
        con.commit,
        con.rollback,
        con.interrupt,
    ]
    found: list[BaseException | None] = []

    def use(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=use, args=(work,)) for work in uses]
    with con._lock:
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        con.close()
    for thread in threads:
        thread.join()
    assert {(type(error), str(error)) for error in found} == {
        (tandemdb.ProgrammingError, "Cannot operate on a closed database.")
    }
    assert len(found) >= 4


def test_connections_of_many_threads_on_one_store() -> None:
    first = tandemdb.connect(":memory:many")
    first.execute("create table t(a integer primary key, n integer)")
    first.execute("insert into t values(1, 0)")
    first.commit()
    failures: list[BaseException] = []

    def work() -> None:
        con = tandemdb.connect(":memory:many", timeout=30, isolation_level="IMMEDIATE")
        try:
            for _ in range(25):
                with con:
                    con.execute("update t set n = n + 1 where a = 1")
        except BaseException as error:
            failures.append(error)
        con.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert first.execute("select n from t").fetchone() == (100,)


def test_two_writers() -> None:
    first = tandemdb.connect(":memory:two")
    second = tandemdb.connect(":memory:two", timeout=0)
    first.execute("create table t(a)")
    first.execute("insert into t values(1)")
    with pytest.raises(tandemdb.OperationalError, match="database is locked") as caught:
        second.execute("insert into t values(2)")
    assert caught.value.sqlite_errorname == "SQLITE_BUSY"
    assert second.execute("select count(*) from t").fetchone() == (0,)
    first.commit()
    second.rollback()
    second.execute("insert into t values(2)")
    second.commit()
    assert first.execute("select a from t order by a").fetchall() == [(1,), (2,)]


def test_an_abandoned_connection_frees_the_database() -> None:
    first = tandemdb.connect(":memory:abandoned")
    first.execute("create table t(a)")
    second = tandemdb.connect(":memory:abandoned")
    second.execute("insert into t values(1)")
    del second
    first.execute("insert into t values(2)")
    assert first.execute("select a from t").fetchall() == [(2,)]


@pytest.mark.parametrize("level", [None, "", "IMMEDIATE"])
def test_no_update_is_lost(level: str | None) -> None:
    """Whatever a change was computed from is still so when it is made; waiting for other writers is no error."""
    name = f":memory:counting {level}"
    anchor = tandemdb.connect(name)
    anchor.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0), (2, 0)")
    failures: list[Exception] = []

    def count() -> None:
        con = tandemdb.connect(name, isolation_level=level, timeout=60)
        try:
            for _ in range(100):
                con.execute("UPDATE t SET n = n + 1 WHERE id = ?", (1,))
                con.commit()
                con.executemany("UPDATE t SET n = (SELECT n FROM t WHERE id = 2) + ? WHERE id = 2", [(1,), (1,)])
                con.commit()
        except Exception as error:
            failures.append(error)
        con.close()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    assert anchor.execute("SELECT n FROM t").fetchall() == [(400,), (800,)]
