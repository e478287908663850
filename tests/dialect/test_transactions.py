"""Engines, pools and transactions: where our dialect does better than `sqlite://` these tests say what is expected."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine, create_engine, event, exc, pool, select, text
from sqlalchemy.dialects import sqlite

from tandemdb.dialect import TandemDialect, ThreadPool

from .conftest import tandem_engine


def words(connection) -> list[str]:
    return list(connection.execute(text("SELECT word FROM t ORDER BY word")).scalars())


def make_table(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (word TEXT)"))


def test_names():
    dialect = create_engine("sqlite+tandemdb://").dialect
    assert (dialect.name, dialect.driver, dialect.supports_statement_cache) == ("sqlite", "tandemdb", True)
    assert isinstance(create_engine("tandemdb://").dialect, TandemDialect)
    assert isinstance(dialect, sqlite.pysqlite.dialect)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite+tandemdb://", ThreadPool),
        ("sqlite+tandemdb:///:memory:", ThreadPool),
        ("sqlite+tandemdb:///:memory:shop", pool.QueuePool),
        ("sqlite+tandemdb:///file:shop?mode=memory&cache=shared", pool.QueuePool),
        ("tandemdb:///:memory:shop", pool.QueuePool),
    ],
)
def test_pools(url, kind):
    assert isinstance(create_engine(url).pool, kind)


@pytest.mark.parametrize(
    ("url", "name", "options"),
    [
        ("sqlite+tandemdb:///:memory:shop?timeout=2", ":memory:shop", {"timeout": 2.0}),
        (
            "sqlite+tandemdb:///file:shop?mode=memory&cache=shared&isolation_level=IMMEDIATE",
            "file:shop?cache=shared&mode=memory",
            {"uri": True, "isolation_level": "IMMEDIATE"},
        ),
        ("tandemdb://db.example:7000/shop", "tandemdb://db.example:7000/shop", {}),
    ],
)
def test_connect_arguments(url, name, options):
    engine = create_engine(url)
    assert engine.dialect.create_connect_args(engine.url) == ([name], {"check_same_thread": False, **options})


def test_two_engines_without_a_name_share_nothing():
    first, second = tandem_engine(), tandem_engine()
    make_table(first)
    with second.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sqlite_master")) == 0
    first.dispose(), second.dispose()


def test_threads_find_the_tables(engine):
    make_table(engine)
    seen: list[list[str]] = []

    def work(number: int) -> None:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (:word)"), {"word": f"w{number}"})
        with engine.connect() as connection:
            seen.append(words(connection))

    for number in range(8):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        thread.join()
    assert seen[-1] == [f"w{number}" for number in range(8)]
    assert len(engine.pool._all_conns) <= 3  # connections of threads that have ended are closed


def test_ddl_is_rolled_back(engine):
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (word TEXT)"))
        connection.execute(text("INSERT INTO t VALUES ('a')"))
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM sqlite_master")) == 0


def test_savepoint_first_is_inside_the_transaction(engine):
    make_table(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(text("INSERT INTO t VALUES ('a')"))
        connection.rollback()
        assert words(connection) == []


def test_savepoints_nest(engine):
    make_table(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES ('a')"))
        outer = connection.begin_nested()
        connection.execute(text("INSERT INTO t VALUES ('b')"))
        inner = connection.begin_nested()
        connection.execute(text("INSERT INTO t VALUES ('c')"))
        inner.rollback()
        connection.execute(text("INSERT INTO t VALUES ('d')"))
        outer.commit()
    with engine.connect() as connection:
        assert words(connection) == ["a", "b", "d"]


def test_recipe_of_listeners_still_works(engine):
    @event.listens_for(engine, "connect")
    def leave_alone(connection, _record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    make_table(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(text("INSERT INTO t VALUES ('a')"))
        connection.rollback()
        assert words(connection) == []


def test_autocommit(engine):
    make_table(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("INSERT INTO t VALUES ('a')"))
        assert not connection.connection.in_transaction
    with engine.connect() as connection:
        assert words(connection) == ["a"]
        connection.execute(text("INSERT INTO t VALUES ('b')"))
        connection.rollback()
        assert words(connection) == ["a"]


def test_isolation_levels(same):
    def scenario(engine):
        with engine.connect() as connection:
            return connection.get_isolation_level(), connection.default_isolation_level

    same(scenario)


def test_unknown_isolation_level(engine):
    with pytest.raises(exc.ArgumentError, match="Invalid value"):
        engine.connect().execution_options(isolation_level="CHAOS")


def test_a_lost_connection_is_replaced(engine):
    with engine.connect() as connection:
        connection.connection.dbapi_connection.close()
        with pytest.raises(exc.ProgrammingError) as caught:
            connection.execute(text("SELECT 1"))
        assert caught.value.connection_invalidated
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_regexp(engine):
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 'tandem' REGEXP '^t.*m$'")) == 1
        assert connection.scalar(select(text("NULL REGEXP 'x'"))) is None


def test_named_store_is_shared_by_connections_with_their_own_transactions():
    engine = tandem_engine("sqlite+tandemdb:///:memory:dialect_shared")
    make_table(engine)
    with engine.connect() as writer, engine.connect() as reader:
        assert writer.connection.dbapi_connection is not reader.connection.dbapi_connection
        assert words(reader) == []
        reader.rollback()
        writer.execute(text("INSERT INTO t VALUES ('a')"))
        writer.commit()
        assert words(reader) == ["a"]
    engine.dispose()


def test_reader_keeps_its_snapshot():
    engine = tandem_engine("sqlite+tandemdb:///:memory:dialect_snapshot")
    make_table(engine)
    with engine.connect() as writer, engine.connect() as reader:
        assert words(reader) == []
        writer.execute(text("INSERT INTO t VALUES ('a')"))
        assert words(reader) == []
        writer.commit()
        assert words(reader) == []
        reader.rollback()
        assert words(reader) == ["a"]
    engine.dispose()


def test_legacy_transactions():
    engine = create_engine("sqlite+tandemdb:///:memory:dialect_legacy?legacy_transactions=true")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (word TEXT)"))
        assert not connection.connection.in_transaction
        connection.execute(text("INSERT INTO t VALUES ('a')"))
        assert connection.connection.in_transaction
    engine.dispose()
