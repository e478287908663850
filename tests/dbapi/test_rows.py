"""Rows, factories, converters and text, beside sqlite3."""

from __future__ import annotations

# ruff: noqa: B905 -- a script's lambdas run where they stand
from typing import Any

import pytest

from tests.dbapi.compare import Script, check, own_engine_only

CASES: list[Script] = []
case = CASES.append



@case
def rows(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.row_factory = db.Row
    row = con.execute("select 1 as a, 'x' as \"B b\", 3 as c").fetchone()
    do(lambda: (row.keys(), tuple(row), len(row), row["A"], row["b B"], row[0], row[-1], row[0:2], row[::-1]))
    for key in ("nosuch", 9, -9, 1.5, "\ud800", 2**70):
        do(lambda key=key: row[key])
    other = con.execute("select 1 as a, 'x' as \"B b\", 3 as c").fetchone()
    third = con.execute("select 1 as z, 'x' as y, 3 as c").fetchone()
    do(lambda: (row == other, row != other, row == third, row == tuple(row), hash(row) == hash(other), row in [other]))
    do(lambda: catch(lambda: row < other))
    do(lambda: isinstance(row, __import__("collections").abc.Sequence))
    do(lambda: ("x" in row, row.__class__.__name__, dict(row), *reversed(row)))
    do(lambda: catch(lambda: __import__("pickle").dumps(row)))
    do(lambda: catch(lambda: row.__setitem__(0, 1)))
    do(db.Row, 5, ())
    cur = con.execute("select 1 as a")
    do(db.Row, cur, 5)
    do(lambda: tuple(db.Row(cur, (7,))))
    do(lambda: db.Row(cur, (7,))["a"])

    class Mine(db.Row):  # type: ignore[name-defined, misc]
        def total(self) -> Any:
            return sum(self)

    con.row_factory = Mine
    do(lambda: [row.total() for row in con.execute("select 1, 2 union select 3, 4")])
    do(lambda: [type(row).__name__ for row in con.execute("select 1").fetchall()])


def catch(function: Any, *arguments: Any) -> str:
    """Name the class of the error."""
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__
    return "none"


@case
def factories(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row)}
    cur = con.execute("select 1 as a, 2 as b union all select 3, 4 union all select 5, 6 union all select 7, 8")
    do(cur.fetchone)
    do(cur.fetchmany, 1)
    cur.row_factory = None
    do(cur.fetchone)
    cur.row_factory = lambda cursor, row: list(row)
    do(lambda: list(cur))
    con.row_factory = lambda cursor, row: 1 / 0
    do(lambda: con.execute("select 1").fetchone())
    do(lambda: con.execute("select 1").fetchall())
    do(lambda: list(con.execute("select 1")))
    con.row_factory = 5
    do(lambda: con.execute("select 1").fetchone())
    con.row_factory = None

    class Cursor(db.Cursor):  # type: ignore[name-defined, misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.row_factory = lambda cursor, row: ("mine", row)

        def execute(self, *arguments: Any) -> Any:
            return super().execute(*arguments)

    class Connection(db.Connection):  # type: ignore[name-defined, misc]
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

    do(lambda: con.cursor(Cursor).execute("select 1").fetchall())
    do(lambda: con.cursor(factory=Cursor).execute("select 1").fetchone())
    mine = db.connect(":memory:", factory=Connection)
    do(lambda: (type(mine).__name__, type(mine.execute("select 1")).__name__, list(mine.execute("select 1"))))
    mine.row_factory = lambda cursor, row: ("connection's", row)
    do(lambda: mine.execute("select 1").fetchall())
    mine.extra = 5
    do(lambda: mine.extra)


@case
def texts(db: Any, do: Any) -> None:
    con = db.connect(":memory:")

    def one() -> Any:
        return con.execute("select 'aé', 1, 2.5, null, x'01', ''").fetchall()

    for factory in (str, bytes, bytearray, lambda data: data.decode() + "!", lambda data: 1 / 0, 5):
        con.text_factory = factory
        do(one)


@case
@own_engine_only
def converting(db: Any, do: Any) -> None:
    db.register_converter("foo", lambda data: ("foo", data))
    db.register_converter("BAD", lambda data: 1 / 0)
    con = db.connect(":memory:", detect_types=db.PARSE_COLNAMES | db.PARSE_DECLTYPES)

    def one(sql: str) -> Any:
        cur = con.execute(sql)
        return (cur.description, cur.fetchall())

    do(one, "select 1 as 'a [foo]', 2.5 as 'b[FOO]', null as 'c [foo]', x'' as 'd [foo]', '' as 'e [foo]'")
    do(one, "select 1 as 'f [bar] [foo]', 2 as 'b[FOO]x', 3 as '[foo]', 'q' as 'g [foo', 1e100 as 'h [foo]'")
    do(one, "select 1 as 'a [bad]'")
    con.execute("create table t(a foo, b foo(10), c FOO bar, d integer, e bar, f bad)")
    con.execute("insert into t values(1, 'x', x'0102', 4, 5, null)")
    do(one, "select * from t")
    do(one, "select a, a + 1, b as x, max(a), (select a from t) from t")
    con = db.connect(":memory:", detect_types=db.PARSE_DECLTYPES)
    con.execute("create table t(a foo)")
    con.execute("insert into t values(1)")
    do(one, "select a, 1 as 'a [foo]' from t")
    con = db.connect(":memory:", detect_types=db.PARSE_COLNAMES)
    con.row_factory = db.Row
    do(lambda: con.execute("select 1 as 'a [foo]'").fetchone().keys())


@case
@own_engine_only
def dates(db: Any, do: Any) -> None:
    import datetime

    con = db.connect(":memory:", detect_types=db.PARSE_DECLTYPES)
    con.execute("create table t(d date, s timestamp)")
    do(con.execute, "insert into t values(?, ?)", (datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5)))
    do(lambda: con.execute("select * from t").fetchall())
    do(lambda: con.execute("select typeof(d), d || '' from t").fetchall())
    do(lambda: (db.Date(2020, 1, 2), db.Time(1, 2, 3), db.Timestamp(2020, 1, 2, 3, 4, 5), db.Binary(b"x").tobytes()))
    do(lambda: (db.DateFromTicks(86400), db.TimeFromTicks(86400), db.TimestampFromTicks(86400)))


@pytest.mark.parametrize("script", CASES, ids=lambda script: script.__name__)
def test_as_sqlite3(script: Script, engine: str) -> None:
    check(script, engine)

