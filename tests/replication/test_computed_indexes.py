"""Partial indexes and those on expressions, in a system that has received blocks and leads now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tandemdb

from .processes import NodeProcess, StoreProcess, in_step, until

SCHEMA = """
CREATE TABLE t (a INTEGER, b TEXT);
CREATE UNIQUE INDEX by_length ON t (length(b)) WHERE a IS NOT NULL;
CREATE INDEX large ON t (b) WHERE a > 1;
INSERT INTO t VALUES (1, 'x'), (2, 'xx');
"""
SAME_LENGTH = "INSERT INTO t VALUES (3, 'yy')"


def open_empty() -> Any:
    return tandemdb.connect(":memory:", isolation_level=None, check_same_thread=False)


def check_kept(connection: Any) -> None:
    """The indexes hold, and are used."""
    with pytest.raises(tandemdb.IntegrityError, match="UNIQUE constraint failed: index 'by_length'"):
        connection.execute(SAME_LENGTH)
    connection.execute("INSERT INTO t VALUES (4, 'yy') ON CONFLICT DO NOTHING")
    connection.execute("INSERT OR REPLACE INTO t VALUES (5, 'yyy')")
    with pytest.raises(tandemdb.IntegrityError, match="by_length"):
        connection.execute("UPDATE t SET b = 'zzz' WHERE a = 1")
    assert connection.execute("SELECT * FROM t").fetchall() == [(1, "x"), (2, "xx"), (5, "yyy")]
    assert connection.execute("SELECT a FROM t WHERE b = 'xx' AND a > 1").fetchall() == [(2,)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_standby_that_leads_keeps_them(when: str) -> None:
    primary, standby = open_empty(), open_empty()
    if when == "before":
        primary.executescript(SCHEMA)
    primary.replicate_to(standby)
    if when == "after":
        primary.executescript(SCHEMA)
    fork = standby.fork()
    standby.promote()
    check_kept(standby)
    assert "USING INDEX large" in standby.explain("SELECT a FROM t WHERE b = 'xx' AND a > 1")
    check_kept(fork)
    standby.replicate_to(primary)
    standby.execute("INSERT INTO t VALUES (6, 'yyyy')")
    assert primary.digest() == standby.digest()
    primary.promote()
    with pytest.raises(tandemdb.IntegrityError, match="by_length"):
        primary.execute("INSERT INTO t VALUES (7, 'zzzz')")


def test_a_transaction_that_is_rolled_back_leaves_them_to_the_next() -> None:
    primary, standby = open_empty(), open_empty()
    primary.executescript(SCHEMA)
    primary.replicate_to(standby)
    standby.promote()
    for _ in range(2):
        standby.execute("BEGIN IMMEDIATE")
        with pytest.raises(tandemdb.IntegrityError):
            standby.execute(SAME_LENGTH)
        standby.execute("ROLLBACK")
    check_kept(standby)


def test_functions_of_the_former_primary_are_asked_for() -> None:
    primary, standby = open_empty(), open_empty()
    primary.create_function("own", 1, lambda value: value % 3, deterministic=True)
    primary.executescript("CREATE TABLE t (a); CREATE UNIQUE INDEX i ON t (own(a)); CREATE TABLE u (a)")
    primary.execute("INSERT INTO t VALUES (1)")
    primary.replicate_to(standby)
    standby.promote()
    standby.execute("INSERT INTO u VALUES (1)")
    with pytest.raises(tandemdb.OperationalError, match="UNIQUE index of this table cannot be looked up"):
        standby.execute("INSERT INTO t VALUES (4)")
    standby.create_function("own", 1, lambda value: value % 3, deterministic=True)
    with pytest.raises(tandemdb.IntegrityError, match="UNIQUE constraint failed: index 'i'"):
        standby.execute("INSERT INTO t VALUES (4)")
    standby.execute("INSERT INTO t VALUES (5)")
    assert standby.execute("SELECT a FROM t").fetchall() == [(1,), (5,)]


def test_a_node_that_leads_keeps_them(tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCHEMA)
    primary = NodeProcess("--load", str(script))
    standby = NodeProcess("--secondary-of", primary.url)
    try:
        until(lambda: in_step(primary), "the standby is in step")
        primary.kill()
        with standby.connect(isolation_level=None) as connection:
            connection.promote()
            check_kept(connection)
    finally:
        primary.stop()
        standby.stop()


def test_the_next_program_of_a_store_keeps_them(tmp_path: Path) -> None:
    store = StoreProcess(f"unix:{tmp_path / 'socket'}")
    try:
        first = open_empty()
        first.executescript(SCHEMA)
        first.attach_store(store.url).detach()
        second = open_empty()
        second.attach_store(store.url)
        check_kept(second)
        second.close()
    finally:
        store.stop()
