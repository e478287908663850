"""Text that is no UTF-8 in a mirrored database: digests know it, no message carries it, so its commit is refused."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb
from tandemdb.dbapi import names, nodes, stores

from .processes import until

STORE = "INSERT INTO t VALUES (CAST(x'ff' AS TEXT))"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("digest", [True, False], ids=["digests known", "digests unknown"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_a_commit_of_it_is_refused_whole(mode: str, digest: bool, autocommit: bool) -> None:
    level = None if autocommit else ""
    primary = tandemdb.connect(":memory:", check_same_thread=False, isolation_level=level)
    standby = tandemdb.connect(":memory:", check_same_thread=False)
    primary.execute("CREATE TABLE t (a)")
    primary.replicate_to(standby, mode=mode)
    for number in range(3):
        primary.execute("INSERT INTO t VALUES (?)", (number,))
        primary.commit()
        if digest:
            primary.digest()
        with pytest.raises(tandemdb.NotSupportedError, match="no UTF-8 cannot be mirrored"):
            primary.execute(STORE)
            primary.commit()
        assert primary.in_transaction is not autocommit
        primary.rollback()
        assert primary.execute("SELECT count(*) FROM t").fetchone() == (number + 1,)
    primary.execute("INSERT INTO t VALUES ('é')")
    primary.commit()
    rows = primary.execute("SELECT * FROM t").fetchall()
    assert rows == [(0,), (1,), (2,), ("é",)]
    if mode == "sync":
        assert standby.execute("SELECT * FROM t").fetchall() == rows
        assert standby.digest() == primary.digest()
    primary.close()
    standby.close()


@pytest.mark.parametrize("to", ["connection", "node", "store", "a node that connects"])
def test_a_database_that_holds_it_is_not_mirrored(to: str, tmp_path: Path) -> None:
    name = f"holds it, to {to}"
    database = tandemdb.connect(f":memory:{name}", isolation_level=None, check_same_thread=False)
    database.execute("CREATE TABLE fine (a)")
    database.execute("CREATE TABLE broken (a, b)")
    database.executemany("INSERT INTO broken VALUES (?, 'é')", [(number,) for number in range(500)])
    database.execute("UPDATE broken SET b = CAST(x'ff' AS TEXT) WHERE a = 400")
    standby = tandemdb.connect(":memory:", check_same_thread=False)
    with ExitStack() as stack:
        if to == "a node that connects":
            first = nodes.serve(name, node="first")
            second = nodes.serve(f"{name} too", secondary_of=str(first.address), node="second")
            stack.callback(first.stop)
            stack.callback(second.stop)
            until(lambda: "no UTF-8" in str(second.status()), "refused, and said why")
        else:
            with pytest.raises(tandemdb.NotSupportedError, match="table broken holds text that is no UTF-8") as raised:
                if to == "connection":
                    database.replicate_to(standby)
                elif to == "store":
                    stack.callback(stores.keep(name, f"unix:{tmp_path}/kept").stop)
                    database.attach_store(f"unix:{tmp_path}/kept")
                else:
                    node = nodes.serve(f"{name} too")
                    stack.callback(node.stop)
                    database.replicate_to(str(node.address))
            assert "column 2" in "".join(raised.value.__notes__)
        assert database.replication_status() == []
        database.execute("INSERT INTO fine VALUES (1)")
        standby.execute("CREATE TABLE still_writable (a)")
        database.execute("UPDATE broken SET b = CAST(b AS BLOB) WHERE a = 400")
        database.replicate_to(standby, overwrite=True)
        assert standby.execute("SELECT b FROM broken WHERE a = 400").fetchone() == (b"\xff",)
    database.close()
    standby.close()
    for store in nodes_left(name):
        tandemdb.drop(store)


def nodes_left(name: str) -> list[str]:
    """Names of the stores that a node keeps."""
    return [store for store in (name, f"{name} too") if store in names._stores]


def test_digests() -> None:
    """They tell the text from the blob of the same bytes and from other texts, whether kept up or computed anew."""
    digests = []
    for known in (False, True):
        for value in ("CAST(x'ff' AS TEXT)", "x'ff'", "CAST(x'fe' AS TEXT)", "'ÿ'"):
            connection = tandemdb.connect(":memory:", isolation_level=None)
            connection.execute("CREATE TABLE t (a)")
            connection.execute("INSERT INTO t VALUES (1)")
            if known:
                connection.digest()
            connection.execute(f"INSERT INTO t VALUES ({value})")
            digests.append(connection.digest())
            connection.close()
    assert digests[:4] == digests[4:]
    assert len(set(digests)) == 4
