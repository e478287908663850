"""What tandemdb's connections do beyond sqlite3's, and copies to and from real sqlite3 connections."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import tandemdb
from tests.dbapi.test_copying import SCHEMA


@pytest.fixture
def con() -> tandemdb.Connection:
    con = tandemdb.connect(":memory:")
    con.execute("create table t(a integer primary key, b)")
    con.executemany("insert into t(b) values(?)", [(n,) for n in range(300)])
    con.commit()
    return con


def total(con: tandemdb.Connection) -> int:
    return con.execute("select count(*) from t").fetchone()[0]  # type: ignore[no-any-return]


def test_a_fork_and_its_source_do_not_see_each_other(con: tandemdb.Connection) -> None:
    con.row_factory = tandemdb.Row
    fork = con.fork()
    assert fork.digest() == con.digest()
    fork.execute("delete from t where a > 10")
    con.execute("insert into t(b) values('mine')")
    assert (total(fork), total(con)) == (10, 301)
    assert isinstance(fork.execute("select 1").fetchone(), tandemdb.Row)
    fork.commit()
    assert fork.fork().execute("select max(a) from t").fetchone()[0] == 10


def test_a_fork_shows_what_is_committed(con: tandemdb.Connection) -> None:
    con.execute("delete from t")
    assert total(con.fork()) == 300


def test_a_fork_under_a_name(con: tandemdb.Connection) -> None:
    fork = con.fork("forked")
    other = tandemdb.connect("file:forked?mode=memory&cache=shared", uri=True)
    with other:
        other.execute("delete from t")
    assert (total(fork), total(con)) == (0, 300)
    with pytest.raises(tandemdb.ProgrammingError, match="a store named forked is open already"):
        con.fork("forked")
    fork.close()
    assert total(tandemdb.connect(":memory:forked")) == 0
    other.close()
    assert total(con.fork("forked")) == 300


def test_snapshot_as_of_and_restore(con: tandemdb.Connection) -> None:
    before = con.snapshot()
    with con:
        con.execute("delete from t where a <= 100")
        con.execute("create table u(a)")
    past = con.as_of(before)
    assert (total(past), total(con)) == (300, 200)
    with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database"):
        past.execute("delete from t")
    con.restore(before)
    assert total(con) == 300
    assert con.digest() == before.digest()
    con.execute("insert into t(b) values(1)")
    with pytest.raises(tandemdb.OperationalError, match="in use"):
        con.restore(before)


def test_as_of_an_lsn(con: tandemdb.Connection) -> None:
    con.keep_history(10)
    lsn = con.lsn
    with con:
        con.execute("delete from t")
    assert con.lsn == lsn + 1
    assert (total(con.as_of(lsn)), total(con.as_of(lsn + 1))) == (300, 0)
    with pytest.raises(tandemdb.OperationalError, match="no such moment: LSN 12345"):
        con.as_of(12345)


def test_explain(con: tandemdb.Connection) -> None:
    lines = con.explain("select b from t where a = ?").splitlines()
    assert lines[0] == "QUERY PLAN"
    assert "INTEGER PRIMARY KEY" in lines[1]


def test_backup_to_a_real_connection_and_back() -> None:
    con = tandemdb.connect(":memory:")
    con.executescript(SCHEMA)
    real = sqlite3.connect(":memory:")
    real.execute("create table gone(a)")
    con.backup(real)
    expected = list(real.iterdump())
    assert list(con.iterdump()) == expected
    assert real.execute("pragma integrity_check").fetchall() == [("ok",)]
    again = tandemdb.connect(":memory:")
    again.deserialize(real.serialize())
    assert list(again.iterdump()) == expected
    assert again.execute("pragma user_version").fetchone() == (7,)


def test_backup_from_a_real_connection() -> None:
    real = sqlite3.connect(":memory:")
    real.executescript(SCHEMA)
    real.execute("attach ':memory:' as aux")
    real.execute("create table aux.only_here(a)")
    con = tandemdb.connect(":memory:")
    con.execute("create table gone(a)")
    seen: list[tuple[int, int, int]] = []
    con.backup_from(real, pages=2, progress=lambda *state: seen.append(state), sleep=0)
    assert list(con.iterdump()) == list(real.iterdump())
    assert len(seen) > 1
    assert seen[-1][:2] == (sqlite3.SQLITE_DONE, 0)
    con.backup_from(real, name="aux")
    tables = "select name from sqlite_master where name not like 'sqlite_%'"  # AUTOINCREMENT's stays behind
    assert con.execute(tables).fetchall() == [("only_here",)]
    with pytest.raises(tandemdb.OperationalError, match="unknown database nosuch"):
        con.backup_from(real, name="nosuch")
    con.execute("insert into only_here values(1)")
    with pytest.raises(tandemdb.OperationalError, match="destination database is in use"):
        con.backup_from(real)
    con.rollback()
    other = tandemdb.connect(":memory:")
    other.execute("create table t(a)")
    con.backup_from(other)
    assert con.execute("select name from sqlite_master").fetchall() == [("t",)]


def test_a_locked_target_is_an_error_of_tandemdb(tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    holder = sqlite3.connect(path)
    holder.execute("begin exclusive")
    target = sqlite3.connect(path, timeout=0)
    with pytest.raises(tandemdb.OperationalError, match="database is locked") as caught:
        tandemdb.connect(":memory:").backup(target)
    assert caught.value.sqlite_errorname == "SQLITE_BUSY"


def test_backup_keeps_rowids() -> None:
    con = tandemdb.connect(":memory:")
    con.execute("create table t(a)")
    con.execute("insert into t(rowid, a) values(7, 'x'), (9, 'y')")
    con.commit()
    real = sqlite3.connect(":memory:")
    con.backup(real)
    assert real.execute("select rowid, a from t").fetchall() == [(7, "x"), (9, "y")]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_mirror_follows_and_takes_over(con: tandemdb.Connection, mode: str) -> None:
    from tandemdb.replication import wait_for

    mirror = tandemdb.connect(":memory:")
    con.replicate_to(mirror, mode)
    with con:
        con.execute("insert into t(b) values('mirrored')")
    wait_for(mirror._database, con.lsn)
    assert total(mirror) == 301
    assert mirror.digest() == con.digest()
    assert len(con.replication_status()) == 1
    with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database"):
        mirror.execute("delete from t")
    mirror.rollback()
    mirror.promote()
    mirror.execute("delete from t")
    mirror.commit()
    assert total(mirror) == 0


def test_backup_into_a_mirrored_database(con: tandemdb.Connection) -> None:
    primary, mirror = tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    primary.replicate_to(mirror)
    con.backup(primary)
    assert total(mirror) == 300
    assert mirror.digest() == primary.digest()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "VALUES (1)",
        "VALUES (1), (2)",
        "SELECT 1 UNION SELECT 2",
        "SELECT (SELECT 1)",
        "SELECT * FROM t UNION ALL VALUES (3)",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (1), (2)",
        "INSERT INTO t SELECT 1",
        "UPDATE t SET a = (SELECT 1)",
    ],
)
def test_the_plan_of_what_reads_no_table(sql: str) -> None:
    found, expected = (
        [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        for connection in (tandemdb.connect(":memory:"), sqlite3.connect(":memory:"))
        if connection.execute("CREATE TABLE t (a)")
    )
    assert found == expected
