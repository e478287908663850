"""A program that uses all of sqlite3's typed surface; test_typing checks it with either module's types.

`assert_type` says what both must answer; a `type: ignore` marks what both must refuse (unused ones are errors).
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, assert_type

Level = Literal["DEFERRED", "EXCLUSIVE", "IMMEDIATE"] | None


class Account(sqlite3.Connection):
    """A connection with methods of its own."""

    def balance(self) -> int:
        return int(self.execute("SELECT sum(amount) FROM entry").fetchone()[0])

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return super().execute(sql, parameters)

    def __exit__(self, *details: Any) -> Literal[False]:
        return super().__exit__(*details)


class Reader(sqlite3.Cursor):
    """A cursor with methods of its own."""

    def first(self) -> Any:
        return self.fetchone()


class Total:
    """An aggregate and a window function."""

    def __init__(self) -> None:
        self.total = 0

    def step(self, value: int, /) -> None:
        self.total += value

    def inverse(self, value: int, /) -> None:
        self.total -= value

    def value(self) -> int:
        return self.total

    def finalize(self) -> int:
        return self.total


class Point:
    """A value with an adapter of its own."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


def adapt_point(point: Point) -> str:
    return f"{point.x};{point.y}"


def convert_point(data: bytes) -> Point:
    x, y = data.split(b";")
    return Point(int(x), int(y))


def opening(path: Path) -> None:
    assert_type(sqlite3.connect(":memory:"), sqlite3.Connection)
    assert_type(sqlite3.connect(path), sqlite3.Connection)
    assert_type(sqlite3.connect(b":memory:", timeout=1, detect_types=sqlite3.PARSE_DECLTYPES), sqlite3.Connection)
    assert_type(sqlite3.connect(":memory:", factory=Account), Account)
    assert_type(sqlite3.connect(":memory:", 5.0, 0, "DEFERRED", True, Account, 128, True), Account)
    assert_type(sqlite3.connect("file::memory:", 5.0, 0, None, False, uri=True), sqlite3.Connection)
    account = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=0, factory=Account)
    assert_type(account.balance(), int)
    sqlite3.connect(5)  # type: ignore[call-overload]
    sqlite3.connect(":memory:", timeout="long")  # type: ignore[call-overload]
    sqlite3.connect()  # type: ignore[call-overload]


def running(connection: sqlite3.Connection) -> None:
    assert_type(connection.execute("SELECT 1"), sqlite3.Cursor)
    assert_type(connection.execute("SELECT ?, ?", (1, "two")), sqlite3.Cursor)
    assert_type(connection.execute("SELECT ?", [datetime.date(2020, 1, 2)]), sqlite3.Cursor)
    assert_type(connection.execute("SELECT :a", {"a": b"x"}), sqlite3.Cursor)
    assert_type(connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(3))), sqlite3.Cursor)
    assert_type(connection.executescript("SELECT 1; SELECT 2"), sqlite3.Cursor)
    connection.execute(5)  # type: ignore[arg-type]
    connection.executemany("SELECT 1")  # type: ignore[call-arg]
    connection.executescript(b"SELECT 1")  # type: ignore[arg-type]
    connection.nosuch()  # type: ignore[attr-defined]


def transactions(connection: sqlite3.Connection) -> None:
    with connection as same:
        assert_type(same, sqlite3.Connection)
    assert_type(connection.in_transaction, bool)
    assert_type(connection.total_changes, int)
    connection.isolation_level = None
    connection.isolation_level = "IMMEDIATE"
    level: Level = connection.isolation_level
    connection.isolation_level = level
    connection.commit()
    connection.rollback()
    connection.interrupt()
    connection.close()
    connection.total_changes = 1  # type: ignore[misc]


def cursors(connection: sqlite3.Connection) -> Iterator[Any]:
    cursor = connection.cursor()
    assert_type(cursor, sqlite3.Cursor)
    assert_type(connection.cursor(Reader), Reader)
    assert_type(connection.cursor(factory=Reader).first(), Any)
    assert_type(connection.cursor(Reader).execute("SELECT 1"), Reader)
    assert_type(connection.cursor(Reader).executemany("SELECT ?", [(1,)]), Reader)
    assert_type(sqlite3.Cursor(connection), sqlite3.Cursor)
    assert_type(cursor.connection, sqlite3.Connection)
    assert_type(cursor.lastrowid, int | None)
    assert_type(cursor.rowcount, int)
    assert_type(cursor.arraysize, int)
    assert_type(cursor.fetchone(), Any)
    assert_type(cursor.fetchmany(), list[Any])
    assert_type(cursor.fetchmany(5), list[Any])
    assert_type(cursor.fetchmany(size=5), list[Any])
    assert_type(cursor.fetchall(), list[Any])
    names: list[str] = [column[0] for column in cursor.description]
    names.clear()
    cursor.arraysize = 10
    cursor.setinputsizes([1])
    cursor.setoutputsize(1, 2)
    cursor.row_factory = sqlite3.Row
    cursor.rowcount = 5  # type: ignore[misc]
    yield next(cursor)
    yield from cursor
    for row in connection.execute("SELECT 1"):
        yield row[0]
    yield from zip(cursor, cursor, strict=False)
    cursor.close()


def rows(connection: sqlite3.Connection) -> Mapping[str, Any]:
    connection.row_factory = sqlite3.Row
    connection.row_factory = lambda cursor, record: {cursor.description[0][0]: record[0]}
    connection.row_factory = None
    connection.text_factory = bytes
    connection.text_factory = lambda data: data.decode("latin-1")
    row = sqlite3.Row(connection.cursor(), (1, 2))
    assert_type(row, sqlite3.Row)
    assert_type(row.keys(), list[str])
    assert_type(row["a"], Any)
    assert_type(row[0], Any)
    assert_type(row[0:2], tuple[Any, ...])
    assert_type(len(row), int)
    assert_type(hash(row), int)
    as_sequence: Sequence[Any] = row
    assert_type(row == as_sequence, bool)
    connection.row_factory = 5  # type: ignore[assignment]
    return dict(row)


def callbacks(connection: sqlite3.Connection) -> None:
    connection.create_function("double", 1, lambda value: value * 2)
    connection.create_function("double", narg=1, func=None, deterministic=True)
    connection.create_aggregate("total_of", 1, Total)
    connection.create_window_function("total_of", 1, Total)
    connection.create_window_function("total_of", 1, None)
    connection.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    connection.create_collation("backwards", None)
    connection.set_authorizer(lambda action, first, second, database, trigger: sqlite3.SQLITE_OK)
    connection.set_authorizer(None)
    connection.set_progress_handler(lambda: 0, 100)
    connection.set_progress_handler(None, 0)
    connection.set_trace_callback(print)
    connection.set_trace_callback(None)
    sqlite3.enable_callback_tracebacks(True)
    connection.create_function(1, 1, None)  # type: ignore[arg-type]
    connection.create_collation("backwards", 5)  # type: ignore[arg-type]
    connection.create_function("double", 1, lambda value: value, True)  # type: ignore[call-arg]


def copies(connection: sqlite3.Connection, other: sqlite3.Connection) -> None:
    dump: Generator[str] = connection.iterdump()
    script: Iterable[str] = dump
    other.executescript("".join(script))
    connection.backup(other)
    connection.backup(other, pages=10, progress=lambda status, left, total: None, name="main", sleep=0.1)
    data = connection.serialize(name="main")
    assert_type(data, bytes)
    other.deserialize(data)
    other.deserialize(memoryview(data), name="main")
    connection.backup(other, 10)  # type: ignore[call-arg]
    connection.backup("file")  # type: ignore[arg-type]


def blobs(connection: sqlite3.Connection) -> None:
    with connection.blobopen("t", "a", 1, readonly=True, name="main") as blob:
        assert_type(blob, sqlite3.Blob)
        assert_type(blob.read(), bytes)
        assert_type(blob.read(5), bytes)
        assert_type(blob.tell(), int)
        assert_type(len(blob), int)
        blob.seek(0)
        blob.seek(0, 2)
        blob.write(b"x")
        blob[0] = 65
        blob.close()
    connection.blobopen("t", "a")  # type: ignore[call-arg]
    connection.blobopen("t", "a", 1, True)  # type: ignore[call-arg]


def limits(connection: sqlite3.Connection) -> None:
    assert_type(connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000), int)
    assert_type(connection.getlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH), int)


def the_module() -> None:
    sqlite3.register_adapter(Point, adapt_point)
    sqlite3.register_converter("point", convert_point)
    assert_type(sqlite3.complete_statement("SELECT 1;"), bool)
    assert_type(sqlite3.sqlite_version, str)
    assert_type(sqlite3.sqlite_version_info, tuple[int, int, int])
    assert_type(sqlite3.apilevel, str)
    style: str = sqlite3.paramstyle
    assert_type(sqlite3.Date(2020, 1, 2), datetime.date)
    assert_type(sqlite3.Time(1, 2), datetime.time)
    assert_type(sqlite3.DateFromTicks(0.0), datetime.date)
    assert_type(sqlite3.TimeFromTicks(0.0), datetime.time)
    sqlite3.adapt(1, sqlite3.PrepareProtocol)
    threads: Literal[0, 1, 3] = sqlite3.threadsafety
    codes: list[int] = [sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_BUSY, sqlite3.PARSE_COLNAMES, threads]
    codes.clear()
    style.strip()


def failures(connection: sqlite3.Connection) -> int:
    try:
        connection.execute("SELECT")
    except sqlite3.IntegrityError as error:
        assert_type(error.sqlite_errorname, str)
        return error.sqlite_errorcode
    except (sqlite3.OperationalError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.InternalError):
        raise
    except sqlite3.NotSupportedError as error:
        base: sqlite3.DatabaseError = error
        raise base from None
    except connection.InterfaceError as error:
        general: sqlite3.Error = error
        raise general from None
    except sqlite3.Warning as warning:
        general_warning: Exception = warning
        raise general_warning from None
    return 0
