"""When transactions begin and end, beside sqlite3: isolation_level, autocommit, with blocks, what a trace sees."""

from __future__ import annotations

# ruff: noqa: B023 -- a script's lambdas run where they stand
import sys
from typing import Any

import pytest

from tests.dbapi.compare import Script, check, own_engine_only

CASES: list[Script] = []
case = CASES.append



@case
@own_engine_only
def begun_for_what_fails(db: Any, do: Any) -> None:
    """A statement that cannot be prepared begins no transaction; one whose values cannot be bound does."""
    for sql in (
        "insert into nosuch values(1)",
        "insert into t values(1, 2, 3)",
        "insert into t values(?, ?)",
        "insert into t values(nosuch(?))",
        "insert into t values(?)",
        "insert into t values(:a)",
        "update t set zz = 1",
        "delete from t where a = ?",
        "select ?",
        "syntax error",
    ):
        for level in (None, "", "IMMEDIATE"):
            for values in ((), (1,), (1, 2), (object(),), {"a": 1}, {}):
                con = db.connect(":memory:", isolation_level=level)
                con.execute("create table t(a)")
                do(lambda: con.execute(sql, values).fetchall())
                do(lambda: con.in_transaction)
                con.rollback()
                do(lambda: con.executemany(sql, [values]).rowcount)
                do(lambda: con.in_transaction)
                con.rollback()
                do(lambda: con.executemany(sql, []).rowcount)
                do(lambda: con.in_transaction)


@case
def legacy(db: Any, do: Any) -> None:
    for level in ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE", None):
        con = db.connect(":memory:", isolation_level=level)
        seen: list[str] = []
        con.set_trace_callback(seen.append)
        for sql in (
            "create table t(a)",
            "select * from t",
            "insert into t values(1)",
            "create table u(a)",
            "  /* c */ -- d\n update t set a = 2",
            "delete from t",
            "replace into t values(3)",
            "with x as (select 1) insert into t select * from x",
            "savepoint s",
            "release s",
        ):
            do(lambda sql=sql: (con.execute(sql).fetchall(), con.in_transaction))
        con.commit()
        do(lambda: (con.in_transaction, con.isolation_level))
        con.rollback()
        con.execute("begin")
        do(lambda: con.in_transaction)
        con.isolation_level = None
        do(lambda: con.in_transaction)
        con.set_trace_callback(None)
        do(lambda: seen)


@case
def tracing(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a)")
    seen: list[str] = []
    con.set_trace_callback(seen.append)
    con.execute("insert into t values(?)", ("a'b",))
    con.execute("select :a, :b -- foo\n", {"a": None, "b": b"ab"})
    con.execute("select ?, ?", (1, 2.5))
    con.commit()
    con.executemany("insert into t values(?)", [(1,), (2,)])
    con.executescript("select 1; select 2;")
    con.execute("savepoint x")
    con.rollback()
    do(lambda: seen)
    con.set_trace_callback(lambda text: 1 / 0)
    do(con.execute, "select 1")


@case
def blocks(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a primary key)")

    def good() -> Any:
        with con as same:
            con.execute("insert into t values(1)")
        return (same is con, con.in_transaction, con.execute("select count(*) from t").fetchone())

    def bad() -> Any:
        with con:
            con.execute("insert into t values(2)")
            con.execute("insert into t values(1)")

    do(good)
    do(bad)
    do(lambda: (con.in_transaction, con.execute("select a from t").fetchall()))
    do(con.__exit__, None, None, None)

    class Failing(db.Connection):  # type: ignore[name-defined, misc]
        def commit(self) -> None:
            raise ZeroDivisionError

    failing = db.connect(":memory:", factory=Failing)
    failing.execute("create table t(a)")

    def unable() -> Any:
        with failing:
            failing.execute("insert into t values(1)")

    do(unable)


@case
def scripts(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a)")
    con.execute("insert into t values(1)")
    do(con.executescript, "insert into t values(2); select 1;")
    do(lambda: con.in_transaction)
    con.rollback()
    do(lambda: con.execute("select a from t").fetchall())
    do(con.executescript, "begin; insert into t values(3);")
    do(lambda: con.in_transaction)
    con.rollback()
    do(con.executescript, "insert into t values(4); sel; insert into t values(5)")
    do(lambda: con.execute("select a from t").fetchall())
    do(con.executescript, "")
    do(con.executescript, "-- only a comment")
    do(con.executescript, "create trigger g after insert on t begin select 1; select ';'; end; select 2")
    cur = con.cursor()
    do(lambda: (cur.executescript("select 1") is cur, cur.description, cur.fetchall(), cur.rowcount))


@case
def reading_across_ends(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a)")
    con.executemany("insert into t values(?)", [(n,) for n in range(5)])
    cur = con.execute("select a from t order by a")
    do(cur.fetchone)
    con.commit()
    do(cur.fetchone)
    con.execute("insert into t values(9)")
    con.rollback()
    do(cur.fetchall)


@case
def nested(db: Any, do: Any) -> None:
    con = db.connect(":memory:", isolation_level=None)
    do(con.execute, "commit")
    do(con.execute, "rollback")
    do(con.commit)
    do(con.rollback)
    con.execute("create table t(a)")
    con.execute("begin")
    do(con.execute, "begin")
    con.execute("insert into t values(1)")
    con.execute("savepoint s")
    con.execute("insert into t values(2)")
    con.execute("rollback to s")
    do(lambda: con.execute("select * from t").fetchall())
    do(con.execute, "release nosuch")
    con.execute("release s")
    con.commit()
    do(lambda: (con.execute("select * from t").fetchall(), con.in_transaction))


if sys.version_info >= (3, 12):

    @case
    def autocommit(db: Any, do: Any) -> None:
        con = db.connect(":memory:", autocommit=False)
        do(lambda: (con.in_transaction, con.autocommit, con.isolation_level))
        con.commit()
        do(lambda: con.in_transaction)
        do(con.executescript, "create table t(a)")
        seen: list[str] = []
        con.set_trace_callback(seen.append)
        con.commit()
        con.rollback()
        con.autocommit = True
        con.commit()
        con.rollback()
        con.execute("insert into t values(1)")
        do(lambda: con.in_transaction)
        con.autocommit = False
        con.autocommit = db.LEGACY_TRANSACTION_CONTROL
        do(lambda: (con.autocommit, con.in_transaction))
        con.execute("insert into t values(1)")
        con.isolation_level = None
        con.execute("insert into t values(1)")
        con.autocommit = True
        with con:
            con.execute("select 1")
        con.executescript("begin; select 2")
        do(con.executescript, "select 3")
        do(lambda: con.in_transaction)
        con.isolation_level = ""
        do(lambda: con.in_transaction)
        con.autocommit = False
        con.isolation_level = None
        with con:
            con.execute("insert into t values(5)")
        con.close()
        do(lambda: seen)
        do(getattr, con, "autocommit")
        do(db.connect, ":memory:", autocommit=5)
        do(lambda: db.connect(":memory:", autocommit=True).autocommit)


@pytest.mark.parametrize("script", CASES, ids=lambda script: script.__name__)
def test_as_sqlite3(script: Script, engine: str) -> None:
    check(script, engine)

