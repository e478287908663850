"""pandas and polars on connections and engines: the frames that sqlite3 gives, and no warning on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

import tandemdb

# A connection that another test left open may be collected here: Python 3.13 warns of it, and rightly.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


def log_of(play: Callable[[Any, Callable[[Any], None]], None], target: Any) -> list[str]:
    """Play on a connection or an engine; return what was noted, errors by class and text."""
    log: list[str] = []

    def note(work: Any) -> None:
        try:
            result = work() if callable(work) else work
            log.append(str(result))
        except Exception as error:
            log.append(f"{type(error).__name__}: {error}")

    play(target, note)
    return log


def play_pandas(target: Any, note: Callable[[Any], None]) -> None:
    import pandas

    frame = pandas.DataFrame(
        {
            "number": [1, 2, None],
            "text": ["x", None, "ü"],
            "day": pandas.to_datetime(["2024-01-01", "2024-02-29", None]),
            "flag": [True, False, True],
        }
    )
    note(lambda: frame.to_sql("t", target, index_label="i"))
    note(lambda: frame.to_sql("t", target, index_label="i", if_exists="append"))
    note(lambda: pandas.read_sql("SELECT * FROM t", target))
    note(lambda: pandas.read_sql("SELECT * FROM t", target).dtypes)
    note(lambda: frame.to_sql("t", target))
    note(lambda: frame.to_sql("t", target, index=False, if_exists="replace", method="multi", chunksize=2))
    note(lambda: pandas.read_sql("SELECT * FROM t", target, parse_dates=["day"], index_col="number"))
    note(lambda: pandas.read_sql("SELECT text, count(*) AS n FROM t GROUP BY 1 ORDER BY n, 1", target))
    note(lambda: [len(part) for part in pandas.read_sql("SELECT * FROM t", target, chunksize=2)])
    note(lambda: pandas.read_sql("SELECT max(number) AS most FROM t WHERE number > 99", target))


def play_pandas_on_a_connection(connection: Any, note: Callable[[Any], None]) -> None:
    import pandas

    play_pandas(connection, note)
    note(lambda: pandas.read_sql_query("SELECT * FROM t WHERE number > ?", connection, params=(1,)))
    note(lambda: pandas.read_sql_query("SELECT * FROM t WHERE number > :n", connection, params={"n": 1}))
    note(lambda: pandas.read_sql("SELECT * FROM missing", connection))
    note(lambda: connection.execute("SELECT sql FROM sqlite_master").fetchall())
    note(lambda: connection.in_transaction)


def test_pandas_on_connections() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    found = log_of(play_pandas_on_a_connection, tandemdb.connect(":memory:"))
    assert found == log_of(play_pandas_on_a_connection, sqlite3.connect(":memory:"))


def test_pandas_on_engines() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    logs = []
    for url in ("sqlite+tandemdb://", "sqlite://"):
        engine = sqlalchemy.create_engine(url)
        logs.append(log_of(play_pandas, engine))
        engine.dispose()
    assert logs[0] == logs[1]


def play_polars(target: Any, note: Callable[[Any], None]) -> None:
    import polars

    note(lambda: polars.read_database("SELECT * FROM t", target))
    note(lambda: polars.read_database("SELECT a, b FROM t WHERE a > 1", target).schema)
    note(lambda: polars.read_database("SELECT * FROM t", target, schema_overrides={"a": polars.Int8}).schema)
    batches = polars.read_database("SELECT * FROM t", target, iter_batches=True, batch_size=2)
    note(lambda: [batch.shape for batch in batches])


def play_polars_on_a_connection(connection: Any, note: Callable[[Any], None]) -> None:
    import polars

    connection.executescript("CREATE TABLE t (a INTEGER, b TEXT, c REAL, d BLOB)")
    rows = [(1, "x", 0.5, b"\0"), (2, None, None, None), (3, "ü", 1e300, b"")]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    play_polars(connection, note)
    note(lambda: polars.read_database("SELECT * FROM t ORDER BY a DESC", connection.cursor()))


def test_polars_on_connections() -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    found = log_of(play_polars_on_a_connection, tandemdb.connect(":memory:"))
    assert found == log_of(play_polars_on_a_connection, sqlite3.connect(":memory:"))


def test_polars_on_engines() -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    logs = []
    for url in ("sqlite+tandemdb://", "sqlite://"):
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a INTEGER, b TEXT, c REAL, d BLOB)")
            connection.exec_driver_sql(
                "INSERT INTO t VALUES (1, 'x', 0.5, NULL), (2, NULL, NULL, x'00'), (3, 'ü', 1, '')"
            )
        logs.append(log_of(play_polars, engine))
        engine.dispose()
    assert logs[0] == logs[1]
