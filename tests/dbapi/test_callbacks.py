"""Functions, aggregates, collations and hooks of the user, beside sqlite3."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.dbapi.compare import Script, check, own_engine_only

CASES: list[Script] = []
case = CASES.append



@case
def functions(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    answer: list[Any] = [None]
    con.create_function("f", -1, lambda *values: answer[0])
    for value in (2**63, object(), [1], float("nan"), True, bytearray(b"x"), "\ud800", 5, memoryview(b"ab"), "é", None):
        answer[0] = value
        do(lambda: con.execute("select f(1), typeof(f())").fetchone())
    con.create_function("echo", 1, lambda value: (repr(value)))
    do(lambda: con.execute("select echo(1), echo(2.5), echo('a'), echo(x'00'), echo(null)").fetchone())
    con.create_function("fails", 0, lambda: 1 / 0)
    do(lambda: con.execute("select fails()").fetchone())

    def no_memory() -> None:
        raise MemoryError

    con.create_function("no_memory", 0, no_memory)
    do(lambda: con.execute("select no_memory()").fetchone())
    do(lambda: con.execute("select echo(1, 2)").fetchone())
    do(lambda: con.execute("select nosuch(1)").fetchone())
    con.create_function("echo", 2, lambda a, b: a + b)
    do(lambda: con.execute("select echo(1), echo(1, 2)").fetchone())
    do(con.create_function, "echo", 2, None)
    do(lambda: con.execute("select echo(1, 2)").fetchone())
    con.create_function("abs", 1, lambda value: "own")
    do(lambda: con.execute("select abs(-1), ABS(2)").fetchone())
    do(con.create_function, "x", -100, lambda: 1)
    do(con.create_function, "x", 128, lambda: 1)
    do(con.create_function, 5, 1, lambda: 1)
    do(con.create_function, name="x", narg=1, func=lambda x: x)
    do(con.create_function, "x", 1, lambda x: x, deterministic=True)
    con.execute("create table t(a)")
    do(con.execute, "create index i on t(x(a))")
    do(con.execute, "create index j on t(echo(a))")


@case
def aggregates(db: Any, do: Any) -> None:
    con = db.connect(":memory:")

    class Total:
        def __init__(self) -> None:
            self.total = 0

        def step(self, *values: Any) -> None:
            self.total += sum(value for value in values if value is not None)

        def finalize(self) -> Any:
            return self.total

    class NoStep:
        def finalize(self) -> Any:
            return 7

    class NoFinalize:
        def step(self, value: Any) -> None:
            pass

    class BadInit:
        def __init__(self) -> None:
            raise ZeroDivisionError

    class BadStep(Total):
        def step(self, *values: Any) -> None:
            raise ZeroDivisionError

    class BadFinalize(Total):
        def finalize(self) -> Any:
            raise ZeroDivisionError

    for kind in (Total, NoStep, NoFinalize, BadInit, BadStep, BadFinalize):
        do(con.create_aggregate, "ag", 1, kind)
        do(lambda: con.execute("select ag(a) from (select 1 as a union select 2)").fetchall())
        do(lambda: con.execute("select ag(a) from (select 1 as a) where 0").fetchall())
    con.create_aggregate("ag", -1, Total)
    do(lambda: con.execute("select a % 2, ag(a, 10) from (select 1 a union select 2) group by 1").fetchall())
    do(con.create_aggregate, "ag", -1, None)
    do(lambda: con.execute("select ag(1)").fetchall())
    do(con.create_aggregate, "ag", n_arg=1, aggregate_class=Total)


@case
def windows(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a, b)")
    con.executemany("insert into t values(?, ?)", [("a", 4), ("b", 5), ("c", 3), ("d", 8), ("e", 1)])

    class Sum:
        def __init__(self) -> None:
            self.count = 0

        def step(self, value: int) -> None:
            self.count += value

        def inverse(self, value: int) -> None:
            self.count -= value

        def value(self) -> int:
            return self.count

        def finalize(self) -> int:
            return self.count

    con.create_window_function("sumint", 1, Sum)
    sql = "select a, sumint(b) over (order by a rows between 1 preceding and 1 following) from t order by a"
    do(lambda: con.execute(sql).fetchall())
    do(lambda: con.execute("select sumint(b) from t").fetchall())
    for name in ("step", "value", "inverse", "finalize"):
        broken = type("Broken", (Sum,), {name: lambda self, *values: 1 / 0})
        con.create_window_function("sumint", 1, broken)
        do(lambda: con.execute(sql).fetchall())
    con.create_window_function("sumint", 1, None)
    do(lambda: con.execute(sql).fetchall())
    do(con.create_window_function, "x", -100, Sum)


@case
def collations(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    sql = "select a from (select 'b' as a union all select 'a' union all select 'C') order by a collate co"
    do(con.create_collation, "co", 5)
    do(con.create_collation, 5, None)
    do(con.create_collation, "\ud800", None)
    do(lambda: con.execute(sql).fetchall())
    con.create_collation("co", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
    do(lambda: con.execute(sql).fetchall())
    con.create_collation("CO", lambda a, b: (a < b) - (a > b))
    do(lambda: con.execute(sql).fetchall())
    do(lambda: con.execute("select 'a' = 'A' collate co, max('a', 'b' collate co)").fetchall())
    con.create_collation("co", None)
    do(lambda: con.execute(sql).fetchall())


@case
@own_engine_only
def authorizers(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table t(a, b)")
    con.execute("insert into t values(1, 2)")
    con.commit()
    for number, answer in enumerate((lambda *question: 1 / 0, lambda *question: "x", lambda *question: 1)):
        con.set_authorizer(answer)
        do(con.execute, f"select {number}")
    seen: list[Any] = []

    def watch(*question: Any) -> int:
        seen.append(question)
        return db.SQLITE_IGNORE if question[0] == db.SQLITE_READ and question[2] == "b" else db.SQLITE_OK

    con.set_authorizer(watch)
    do(lambda: con.execute("select a, b from t").fetchall())
    do(lambda: seen)
    seen.clear()
    do(con.execute, "insert into t values(3, 4)")
    do(lambda: seen)
    do(con.commit)
    con.set_authorizer(None)
    do(lambda: con.execute("select a, b from t").fetchall())


@case
def progress(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select sum(i) from n"
    con.set_progress_handler(lambda: 1, 1)
    do(lambda: con.execute(sql).fetchall())
    con.set_progress_handler(lambda: 1 / 0, 1)
    do(lambda: con.execute(sql).fetchall())
    con.set_progress_handler(None, 1)
    do(lambda: con.execute(sql).fetchall())


@case
def tracebacks(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    caught: list[Any] = []
    previous, sys.unraisablehook = sys.unraisablehook, caught.append

    def fails() -> None:
        raise ZeroDivisionError("mine")

    con.create_function("fails", 0, fails)
    try:
        do(lambda: con.execute("select fails()").fetchone())
        do(lambda: len(caught))
        db.enable_callback_tracebacks(True)
        do(lambda: con.execute("select fails()").fetchone())
        do(lambda: [(one.exc_type.__name__, str(one.exc_value), one.object is fails, one.err_msg) for one in caught])
    finally:
        db.enable_callback_tracebacks(False)
        sys.unraisablehook = previous
        caught.clear()


@pytest.mark.parametrize("script", CASES, ids=lambda script: script.__name__)
def test_as_sqlite3(script: Script, engine: str) -> None:
    check(script, engine)

