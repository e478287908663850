"""Collations of the program on a mirrored database: keys by them are each process's own, unique keys cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import tandemdb

from .processes import NodeProcess

COLLATION = "BY_LENGTH"
TABLE = f"CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE {COLLATION} UNIQUE)"
UNMIRRORABLE = f"CREATE TABLE w (b TEXT COLLATE {COLLATION} PRIMARY KEY, c) WITHOUT ROWID"


def compare(left: str, right: str) -> int:
    one, other = (len(left), left), (len(right), right)
    return (one > other) - (one < other)


def open_registered() -> Any:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.create_collation(COLLATION, compare)
    return connection


@pytest.fixture
def primary() -> Iterator[Any]:
    connection = open_registered()
    yield connection
    connection.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_standby_in_the_process_goes_on_when_the_primary_is_closed(primary: Any, mode: Any) -> None:
    standby = tandemdb.connect(":memory:", isolation_level=None)
    primary.replicate_to(standby, mode=mode)
    primary.execute(TABLE)
    primary.execute(f"CREATE INDEX i ON t (a) WHERE b > 'mm' COLLATE {COLLATION}")
    primary.executemany("INSERT INTO t VALUES (?, ?)", [(number, "x" * (number % 50) + "y") for number in range(50)])
    primary.execute("UPDATE t SET b = 'zz' || a WHERE a % 3 = 0")
    standby.wait_for(primary.commit_token())
    assert standby.digest() == primary.digest()
    primary.close()
    standby.promote()
    with pytest.raises(tandemdb.OperationalError, match=f"^no such collation sequence: {COLLATION}$"):
        standby.execute("SELECT a FROM t WHERE b = 'zz9'")
    standby.create_collation(COLLATION, compare)
    assert standby.execute("SELECT a FROM t WHERE b = 'zz9'").fetchall() == [(9,)]
    with pytest.raises(tandemdb.IntegrityError, match=r"^UNIQUE constraint failed: t\.b$"):
        standby.execute("INSERT INTO t VALUES (100, 'zz9')")
    assert standby.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_closed_connections_comparison_goes_on() -> None:
    """Keys keep the function that they were made with, whoever has registered it."""
    first = tandemdb.connect(":memory:shared by collation", isolation_level=None)
    second = tandemdb.connect(":memory:shared by collation", isolation_level=None)
    for connection in (second, first):
        connection.create_collation(COLLATION, compare)
    first.execute(TABLE)
    first.executemany("INSERT INTO t VALUES (?, ?)", [(number, "x" * number) for number in range(20)])
    first.close()
    second.execute("INSERT INTO t VALUES (50, 'abcdefgh')")
    assert second.execute("SELECT a FROM t WHERE b > 'xxxxxxx' ORDER BY b LIMIT 3").fetchall() == [(50,), (8,), (9,)]
    second.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_table_whose_unique_keys_only_this_process_can_order_is_refused(primary: Any, mode: Any) -> None:
    standby = tandemdb.connect(":memory:", isolation_level=None)
    replica = primary.replicate_to(standby, mode=mode)
    primary.execute(TABLE)
    message = f"^table w cannot be mirrored: its unique keys are ordered by {COLLATION}"
    with pytest.raises(tandemdb.NotSupportedError, match=message):
        primary.execute(UNMIRRORABLE)
    assert primary.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("t",)]
    standby.wait_for(primary.commit_token())
    assert standby.digest() == primary.digest()
    replica.detach()
    primary.execute(UNMIRRORABLE)
    primary.execute("INSERT INTO w VALUES ('long', 1), ('a', 2)")
    assert primary.execute("SELECT b FROM w").fetchall() == [("a",), ("long",)]
    with pytest.raises(tandemdb.NotSupportedError, match=message):
        primary.replicate_to(tandemdb.connect(":memory:"), mode=mode)


def test_a_node_without_the_collation_says_why_it_does_not_follow(primary: Any) -> None:
    primary.execute(TABLE)
    with ExitStack() as stack:
        node = NodeProcess()
        stack.callback(node.stop)
        with pytest.raises(tandemdb.OperationalError, match="^the secondary at .* did not catch up in 4 s") as caught:
            primary.replicate_to(node.url, mode="sync", timeout_seconds=4.0)
        assert f"no such collation sequence: {COLLATION}" in "".join(caught.value.__notes__)
        # Nothing is lost by that: it goes on alone.
        primary.execute("INSERT INTO t VALUES (1, 'one')")
        assert node.status()["lsn"] == 0
