"""Names of databases: private, shared in the process, kept, refused."""

from __future__ import annotations

import gc

import pytest

import tandemdb

SHARED = "file:shop?mode=memory&cache=shared"


def count(con: tandemdb.Connection) -> int:
    return con.execute("select count(*) from sqlite_master").fetchone()[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [":memory:", "", "file:x?mode=memory", "file::memory:", "file:"])
def test_private(name: str) -> None:
    first, second = (tandemdb.connect(name, uri=True) for _ in range(2))
    first.execute("create table t(a)")
    assert (count(first), count(second)) == (1, 0)


@pytest.mark.parametrize(
    "names",
    [
        (":memory:shop", SHARED),
        ("file::memory:?cache=shared", "file::memory:?cache=shared"),
        ("file:/x?vfs=memdb", "file:/x?vfs=memdb"),
        ("file:a%20b?mode=memory&cache=shared", ":memory:a b"),
    ],
)
def test_shared(names: tuple[str, str]) -> None:
    first, second = (tandemdb.connect(name, uri=True) for name in names)
    first.execute("create table t(a)")
    assert count(second) == 1


def test_a_shared_store_goes_with_its_last_connection() -> None:
    first = tandemdb.connect(SHARED, uri=True)
    second = tandemdb.connect(SHARED, uri=True)
    first.execute("create table t(a)")
    first.close()
    assert count(second) == 1
    second.close()
    third = tandemdb.connect(SHARED, uri=True)
    assert count(third) == 0
    third.execute("create table t(a)")
    del third
    gc.collect()
    assert count(tandemdb.connect(SHARED, uri=True)) == 0


def test_a_kept_store_stays_until_it_is_dropped() -> None:
    tandemdb.keep("kept")
    tandemdb.connect(":memory:kept").execute("create table t(a)")
    gc.collect()
    assert count(tandemdb.connect(":memory:kept")) == 1
    tandemdb.drop("kept")
    assert count(tandemdb.connect(":memory:kept")) == 0
    with pytest.raises(tandemdb.ProgrammingError, match="no such store: nosuch"):
        tandemdb.drop("nosuch")


def test_a_dropped_store_is_its_connections_own() -> None:
    first = tandemdb.connect(":memory:dropped")
    first.execute("create table t(a)")
    tandemdb.drop("dropped")
    second = tandemdb.connect(":memory:dropped")
    assert (count(first), count(second)) == (1, 0)
    first.close()
    second.execute("create table t(a)")
    assert count(tandemdb.connect(":memory:dropped")) == 1


def test_read_only() -> None:
    con = tandemdb.connect("file:/ro?vfs=memdb&mode=ro", uri=True)
    with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database"):
        con.execute("create table t(a)")


def test_refused(tmp_path: object) -> None:
    with pytest.raises(tandemdb.OperationalError, match="unable to open database file"):
        tandemdb.connect("/nosuch/directory/x.db")
    with pytest.raises(tandemdb.OperationalError, match="unable to open database file"):
        tandemdb.connect(str(tmp_path))
