"""A store apart: what survives whose death, who may attach, and what a commit says when the store is lost."""

from __future__ import annotations

import ast
import gc
import os
import random
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi import nodes, stores
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.errors import CommitInDoubt, LinkLost, ProtocolError, StoreLost
from tandemdb.replication.store import process
from tandemdb.replication.store.address import read_store_address
from tandemdb.replication.store.attachment import log_in
from tandemdb.replication.system import find_system
from tandemdb.storage import check_root

from .processes import ROOT, NodeProcess, StoreProcess, in_step, until

SCRIPT = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c); CREATE INDEX i ON t (c);"
MODES = ["sync", "async"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def kept(stack: ExitStack, tmp_path: Path) -> process.Store:
    """A store in this process."""
    store = stores.keep("shop", f"unix:{tmp_path}/kept")
    stack.callback(store.stop)
    return store


def started(stack: ExitStack, path: Path) -> StoreProcess:
    store = StoreProcess(f"unix:{path}")
    stack.callback(store.stop)
    return store


def node(stack: ExitStack, *arguments: str, **options: Any) -> NodeProcess:
    found = NodeProcess(*arguments, **options)
    stack.callback(found.stop)
    return found


def opened(stack: ExitStack, store: str, **options: Any) -> tandemdb.Connection:
    connection = stack.enter_context(tandemdb.connect(":memory:", isolation_level=None))
    attachment = connection.attach_store(store, **options)
    stack.callback(attachment.close)
    return connection


def put(connection: tandemdb.Connection, first: int, count: int = 300) -> None:
    rows = [(number, f"text {number}", number % 7) for number in range(first, first + count)]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.execute("DELETE FROM t WHERE a % 13 = 5")
    connection.execute("COMMIT")


def table(connection: tandemdb.Connection) -> list[Any]:
    return connection.execute("SELECT * FROM t ORDER BY a").fetchall()


PROGRAM = """
import os, sys, tandemdb
connection = tandemdb.connect(":memory:", isolation_level=None)
connection.attach_store(sys.argv[1])
if sys.argv[2] == "write":
    connection.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c); CREATE INDEX i ON t (c)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, f"text {n}", n % 7) for n in range(1000)])
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (5000, 'open', 0)")
else:
    print(connection.execute("SELECT count(*), max(a), sum(c) FROM t").fetchone())
    print(connection.execute("SELECT count(*) FROM t INDEXED BY i WHERE c = 3").fetchone())
    print(connection.execute("SELECT a FROM t WHERE b = 'text 77'").fetchone())
    connection.execute("INSERT INTO t VALUES (1000, 'another program', 0)")
print(connection.lsn, connection.digest(), flush=True)
os._exit(9)  # As if killed: with a transaction open, and the link
"""


def run_program(store: str, what: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, store, what], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=300
    )
    assert done.returncode == 9
    return done.stdout.splitlines()


def test_a_killed_application_leaves_its_data_to_the_next(stack: ExitStack, tmp_path: Path) -> None:
    store = started(stack, tmp_path / "store")
    lsn, digest = map(int, run_program(store.url, "write")[0].split())
    assert (store.status()["lsn"], store.status()["digest"]) == (lsn, digest)
    *read, last = run_program(store.url, "read")
    assert read == [str((1000, 999, sum(n % 7 for n in range(1000)))), str((143,)), str((77,))]
    assert int(last.split()[0]) > lsn
    with ExitStack() as third:
        assert opened(third, store.url).execute("SELECT max(a) FROM t").fetchone() == (1000,)


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_primary_node_goes_on_from_its_store(stack: ExitStack, tmp_path: Path, mode: str) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    first = node(stack, "--load", str(script), "--node", "primary", "--store", store.url)
    listen = first.listen
    secondary = node(stack, "--node", "secondary", "--secondary-of", first.url, "--mode", mode)
    with first.connect(isolation_level=None) as connection:
        if mode == "sync":
            until(lambda: in_step(first), "in step")
        put(connection, 0)
        lsn, rows = connection.lsn, table(connection)
    epoch = first.status()["epoch"]
    first.kill()
    assert store.status()["lsn"] == lsn, "the store lives"
    again = node(stack, "--node", "primary", "--store", store.url, listen=listen)
    assert again.status()["epoch"] == epoch + 1, "what the dead process had not finished is over"
    with again.connect(isolation_level=None) as connection:
        assert table(connection) == rows
        if mode == "sync":
            until(lambda: in_step(again), "the secondary follows again")
        put(connection, 1000)
        lsn, digest = connection.lsn, connection.digest()
    until(lambda: nodes.ask(secondary.url, None, "pin")[::2] == [lsn, digest], "level, with the same digest")
    assert (store.status()["lsn"], store.status()["digest"]) == (lsn, digest)


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_secondary_node_goes_on_from_its_store(stack: ExitStack, tmp_path: Path, mode: str) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary")
    arguments = ["--node", "secondary", "--mode", mode, "--store", store.url]
    secondary = node(stack, *arguments, "--secondary-of", primary.url)
    until(lambda: is_following(secondary), "following")
    if mode == "sync":
        wait_for_step(primary)
    with primary.connect(isolation_level=None) as connection:
        put(connection, 0)
        put(connection, 1000, 3000)
        lsn, digest = connection.lsn, connection.digest()
        until(lambda: store.status()["lsn"] == lsn, "all of it is in the secondary's store")
        secondary.kill()
        assert store.status()["digest"] == digest
        again = node(stack, *arguments, "--secondary-of", primary.url)
        until(lambda: is_following(again), "known to its primary")
        if mode == "sync":
            wait_for_step(primary)
        until(lambda: level(again, connection), "level again")
        peer = next(entry for entry in primary.status()["secondaries"] if entry["name"] == "secondary")
        assert not [plan for plan in peer["plans"][1:] if plan == "snapshot"], "it came back with what its store held"
        connection.execute("INSERT INTO t VALUES (-1, 'after', 0)")
        until(lambda: level(again, connection), "follows")
        rows, digest = table(connection), connection.digest()
    primary.kill()
    again.kill()
    # Nobody is left but the secondary's store: whoever attaches to it leads.
    with ExitStack() as program:
        last = opened(program, store.url)
        assert table(last) == rows
        assert last.digest() == digest
        put(last, 9000)
        assert store.status()["lsn"] == last.lsn


def test_a_secondary_killed_right_after_its_first_copy_is_known_again(stack: ExitStack, tmp_path: Path) -> None:
    """The copy came as blocks, and whose they are was known only after them."""
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary")
    arguments = ["--node", "secondary", "--store", store.url, "--secondary-of", primary.url]
    secondary = node(stack, *arguments)
    wait_for_step(primary)
    secondary.kill()
    again = node(stack, *arguments)
    until(lambda: is_following(again), "known to its primary, not as it was before")
    wait_for_step(primary)
    with primary.connect(isolation_level=None) as connection:
        put(connection, 0)
        lsn = connection.lsn
    until(lambda: store.status()["lsn"] == lsn, "follows")


def test_kills_of_a_primary_node_lose_no_acknowledged_commit(stack: ExitStack, tmp_path: Path) -> None:
    """Killed while it commits, with a synchronous secondary: the next node and the secondary have all that was said."""
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary", "--store", store.url)
    listen = primary.listen
    secondary = node(stack, "--node", "secondary", "--secondary-of", primary.url)
    chance = random.Random(3)
    acknowledged: list[int] = []
    for round_number in range(3):
        wait_for_step(primary)
        wanted = len(acknowledged) + chance.randrange(5, 60)
        enough = threading.Event()
        writer = threading.Thread(target=write_on, args=(primary, round_number, acknowledged, wanted, enough))
        writer.start()
        assert enough.wait(60)
        primary.kill()
        writer.join(60)
        assert not writer.is_alive()
        primary = node(stack, "--node", "primary", "--store", store.url, listen=listen)
    until(lambda: in_step(primary), "in step")
    with primary.connect(isolation_level=None) as connection:
        found = [row[0] for row in connection.execute("SELECT a FROM t WHERE c = 0")]
        assert set(acknowledged) <= set(found)
        assert connection.execute("SELECT count(*) FROM t WHERE c = 1").fetchone() == (len(found),), "no half"
        until(lambda: level(secondary, connection), "equal")


def wait_for_step(primary: NodeProcess) -> None:
    until(lambda: in_step(primary), "in step")


def write_on(
    primary: NodeProcess, round_number: int, acknowledged: list[int], wanted: int, enough: threading.Event
) -> None:
    """Commit pairs of rows until the node is gone; note what was acknowledged."""
    with primary.connect(isolation_level=None) as connection:
        for number in range(round_number * 10**6, (round_number + 1) * 10**6, 2):
            try:
                connection.execute("BEGIN")
                connection.execute("INSERT INTO t VALUES (?, ?, 0)", (number, f"first {number}"))
                connection.execute("INSERT INTO t VALUES (?, ?, 1)", (number + 1, f"second {number}"))
                connection.execute("COMMIT")
            except tandemdb.Error:
                return
            acknowledged.append(number)
            if len(acknowledged) >= wanted:
                enough.set()


def test_a_primary_s_store_joins_who_was_promoted_meanwhile(stack: ExitStack, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary", "--store", store.url)
    secondary = node(stack, "--node", "secondary", "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    with primary.connect(isolation_level=None) as connection:
        put(connection, 0)
    primary.kill()
    secondary.ask("promote")
    again = node(stack, "--node", "primary", "--store", store.url, "--secondary-of", secondary.url)
    until(lambda: is_following(again) and in_step(secondary), "in step")
    with secondary.connect(isolation_level=None) as connection:
        put(connection, 1000)
        lsn, digest = connection.lsn, connection.digest()
    until(lambda: (store.status()["lsn"], store.status()["digest"]) == (lsn, digest), "in the former primary's store")


def is_following(secondary: NodeProcess) -> bool:
    return bool(secondary.status()["following"]["state"] == "following")


def level(secondary: NodeProcess, primary: tandemdb.Connection) -> bool:
    return bool(nodes.ask(secondary.url, None, "pin")[::2] == [primary.lsn, primary.digest()])


def test_one_at_a_time_is_attached(stack: ExitStack, tmp_path: Path) -> None:
    store = started(stack, tmp_path / "store")
    first = node(stack, "--node", "first", "--store", store.url)
    with tandemdb.connect(":memory:") as second, pytest.raises(tandemdb.OperationalError, match="is attached to this"):
        second.attach_store(store.url)
    with first.connect(isolation_level=None) as connection:
        connection.executescript(SCRIPT)  # The first has not been disturbed.
        put(connection, 0)
    first.kill()
    assert opened(stack, store.url).execute("SELECT count(*) FROM t").fetchone()[0] > 0


def test_a_closed_connection_leaves_the_store(kept: process.Store) -> None:
    for number in range(3):
        connection = tandemdb.connect(":memory:")
        connection.attach_store(str(kept.address))
        connection.execute(f"CREATE TABLE t{number} (x)")
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (number + 1,)
        connection.close()
        del connection
        gc.collect()


def test_a_store_comes_before_mirroring(stack: ExitStack, kept: process.Store) -> None:
    with ExitStack() as first:
        opened(first, str(kept.address)).executescript(SCRIPT)
    primary, secondary = tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    primary.replicate_to(secondary)
    for connection in (primary, secondary):
        with pytest.raises(tandemdb.OperationalError, match="is mirrored already"):
            connection.attach_store(str(kept.address))
    primary.execute("CREATE TABLE t (x)")
    assert secondary.digest() == primary.digest()


def test_a_secondary_whose_store_is_lost_shows_no_more_commits(stack: ExitStack, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary", "--on-loss", "degrade")
    secondary = node(stack, "--node", "secondary", "--store", store.url, "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    with primary.connect(isolation_level=None) as connection, secondary.connect() as reader:
        put(connection, 0)
        until(lambda: reader.lsn == connection.lsn, "shown")
        rows, lsn = table(reader), reader.lsn
        store.kill()
        for number in range(1, 4):  # The primary goes on without it, as its policy says.
            put(connection, number * 1000)
        assert connection.lsn == lsn + 3
        until(lambda: not in_step(primary), "the primary counts on it no more")
        assert (reader.lsn, table(reader)) == (lsn, rows), "not before its store has it"


def test_two_with_data_are_not_mixed(stack: ExitStack, kept: process.Store) -> None:
    first = tandemdb.connect(":memory:", isolation_level=None)
    first.executescript(SCRIPT)
    attachment = first.attach_store(str(kept.address))
    put(first, 0)
    attachment.detach()
    held = kept.database.root
    put(first, 1000)
    assert kept.database.root is held, "detached"
    with pytest.raises(tandemdb.OperationalError, match="both hold data"):
        first.attach_store(str(kept.address))
    put(first, 2000)
    assert kept.database.root is held
    assert opened(stack, str(kept.address)).lsn == held.lsn


def test_what_no_log_describes_goes_as_blocks(stack: ExitStack, kept: process.Store) -> None:
    """A random life: transactions, savepoints, schema, truncation, restores, mirroring from another; then read back."""
    chance = random.Random(7)
    connection = stack.enter_context(tandemdb.connect(":memory:", isolation_level=None))
    connection.executescript(SCRIPT + "CREATE TABLE w (k TEXT, n REAL, PRIMARY KEY (k, n)) WITHOUT ROWID")
    put(connection, 0, 2000)
    attachment = connection.attach_store(str(kept.address))
    stack.callback(attachment.close)
    connection.keep_history(50)
    steps = ["put", "delete", "savepoint", "schema", "empty", "restore", "keys", "update"]
    for number in range(120):
        step = chance.choice(steps)
        if step == "put":
            connection.execute("DELETE FROM t WHERE a >= ?", (number * 5000,))
            put(connection, number * 5000, chance.randrange(1, 900))
        elif step == "delete":
            connection.execute("DELETE FROM t WHERE a % ? = 0", (chance.randrange(2, 9),))
        elif step == "savepoint":
            connection.executescript("BEGIN; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET c = 1; COMMIT")
        elif step == "schema":
            connection.executescript(f"CREATE TABLE n{number} (x); INSERT INTO n{number} VALUES (x'00'); DROP TABLE w;")
            connection.execute("CREATE TABLE w (k TEXT, n REAL, PRIMARY KEY (k, n)) WITHOUT ROWID")
        elif step == "empty":
            connection.execute("DELETE FROM t")
        elif step == "restore":
            connection.restore(connection.lsn)
        elif step == "keys":
            rows = [(f"k{chance.randrange(99)}", chance.random()) for _ in range(300)]
            connection.executemany("INSERT OR REPLACE INTO w VALUES (?, ?)", rows)
        else:
            connection.execute("UPDATE t SET b = b || 'x', c = a / 3.0 WHERE a % 3 = 1")
        assert kept.database.root.lsn == connection.lsn
        assert kept.database.digest() == connection.digest()
    check_root(kept.database.root)
    rows, keys = table(connection), connection.execute("SELECT * FROM w").fetchall()
    attachment.detach()
    again = opened(stack, str(kept.address))
    assert table(again) == rows
    assert again.execute("SELECT * FROM w").fetchall() == keys
    check_root(again._database.root)


def test_a_return_to_an_earlier_root_is_followed(stack: ExitStack, kept: process.Store) -> None:
    connection = opened(stack, str(kept.address))
    connection.executescript(SCRIPT)
    put(connection, 0)
    before = connection._database.root
    put(connection, 1000, 3000)
    connection._database.rewind(before)
    assert (kept.database.root.lsn, kept.database.digest()) == (before.lsn, connection.digest())
    put(connection, 500)
    assert (kept.database.root.lsn, kept.database.digest()) == (connection.lsn, connection.digest())


def test_a_lost_store_refuses_commits_and_lets_read(stack: ExitStack, tmp_path: Path) -> None:
    store = started(stack, tmp_path / "store")
    connection = opened(stack, store.url)
    connection.executescript(SCRIPT)
    put(connection, 0)
    lsn, rows, digest = connection.lsn, table(connection), connection.digest()
    assert f"store {store.url}: has every commit" in str(connection.replication_status()).splitlines()
    store.kill()
    for _ in range(2):
        with pytest.raises(StoreLost, match="the store is lost"):
            connection.execute("INSERT INTO t VALUES (-1, 'lost', 0)")
        assert (connection.lsn, table(connection), connection.digest()) == (lsn, rows, digest)
    assert f"store {store.url}: LOST, commits are refused: " in str(connection.replication_status())
    # A new store takes the socket file of the dead one, and all that the program holds.
    again = started(stack, tmp_path / "store")
    detach(connection)
    connection.attach_store(again.url)
    put(connection, 1000)
    assert (again.status()["lsn"], again.status()["digest"]) == (connection.lsn, connection.digest())


def detach(connection: tandemdb.Connection) -> None:
    system = find_system(connection._database)
    assert system is not None and system.store is not None
    system.store.detach()


@pytest.mark.parametrize("is_done", [False, True])
def test_a_store_lost_at_completion_is_a_commit_in_doubt(
    stack: ExitStack, kept: process.Store, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    connection = opened(stack, str(kept.address))
    connection.executescript(SCRIPT)
    put(connection, 0)
    lsn, rows = connection.lsn, table(connection)
    complete = process.METHODS["complete"]

    def lose(operations: process.Operations) -> None:
        if is_done:
            complete(operations)
        for channel in list(operations.store._channels):
            channel.close()

    monkeypatch.setitem(process.METHODS, "complete", lose)
    with pytest.raises(CommitInDoubt, match="the store did not answer"):
        connection.execute("INSERT INTO t VALUES (-1, 'in doubt', 0)")
    monkeypatch.setitem(process.METHODS, "complete", complete)
    assert (connection.lsn, table(connection)) == (lsn, rows), "nothing of it is seen here"
    with pytest.raises(StoreLost):
        connection.execute("INSERT INTO t VALUES (-2, 'after', 0)")
    again = opened(stack, str(kept.address))  # Whoever attaches finds out what became of it: all or nothing.
    assert again.lsn == lsn + is_done
    assert table(again) == ([(-1, "in doubt", 0)] if is_done else []) + rows


def test_a_commit_that_the_store_does_not_complete_is_undone_on_secondaries(
    stack: ExitStack, kept: process.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They had agreed: the completion in the store is the last step."""
    primary, secondary = opened(stack, str(kept.address)), tandemdb.connect(":memory:", isolation_level=None)
    primary.executescript(SCRIPT)
    primary.replicate_to(secondary, mode="sync")
    put(primary, 0)
    seen: list[int] = []

    def fail(operations: process.Operations) -> None:
        system = find_system(secondary._database)
        assert system is not None and system.secondary is not None
        seen.append(system.secondary.received_lsn)
        raise OSError("no more memory")

    monkeypatch.setitem(process.METHODS, "complete", fail)
    lsn, rows = primary.lsn, table(primary)
    with pytest.raises(CommitInDoubt, match="the store did not answer"):
        primary.execute("INSERT INTO t VALUES (-1, 'agreed', 0)")
    assert seen == [lsn + 1], "it was complete on the secondary"
    assert (primary.lsn, table(primary), table(secondary)) == (lsn, rows, rows)
    secondary.promote()
    assert (secondary.lsn, table(secondary)) == (lsn, rows)
    assert (kept.database.root.lsn, kept.database.root.epoch) == (lsn, 1)


def test_a_primary_whose_store_is_lost_leaves_its_secondary_level(stack: ExitStack, tmp_path: Path) -> None:
    """Its synchronous secondary shows nothing of the commit that failed, nor once it is promoted."""
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--load", str(script), "--node", "primary", "--store", store.url)
    secondary = node(stack, "--node", "secondary", "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    with primary.connect(isolation_level=None) as connection, secondary.connect() as reader:
        put(connection, 0)
        until(lambda: reader.lsn == connection.lsn, "shown")
        rows = table(connection)
        store.kill()
        with pytest.raises(tandemdb.OperationalError, match="store"):
            connection.execute("INSERT INTO t VALUES (-1, 'lost', 0)")
        assert table(connection) == rows
        assert table(reader) == rows
        nodes.ask(secondary.url, None, "promote")
        assert table(reader) == rows


def test_a_store_that_gets_a_wrong_change_says_so(stack: ExitStack, kept: process.Store) -> None:
    connection = opened(stack, str(kept.address))
    connection.executescript(SCRIPT)
    put(connection, 0)
    transaction = kept.database.begin()  # Damage: a record that the processing node does not have
    position = next(id for id, found in transaction.root.tables.items() if found.definition.name == "t")
    transaction.table(position).insert(-7, (-7, "damage", 0))
    transaction.commit(kept.database.root.lsn)
    with pytest.raises(StoreLost, match="the store is lost"):
        connection.execute("INSERT INTO t VALUES (-7, 'here', 0)")
    assert connection.execute("SELECT count(*) FROM t WHERE a < 0").fetchone() == (0,)


def test_an_aborted_transaction_leaves_nothing(stack: ExitStack, kept: process.Store) -> None:
    """A dead processing node's half-sent commit is undone when its link ends."""
    caller = log_in(Identity(b"", "half", b""), kept.address, b"")
    caller.call("attach", seconds=5.0)
    caller.call("images", [(0, 5, [1], [("table", "t", "t", 2, None)])], seconds=5.0)
    caller.call("prepare_blocks", 9, 0, 5, [(0, 6, [5]), (1, 0, [])], None, seconds=5.0)
    caller.close()
    connection = opened(stack, str(kept.address))
    assert connection.lsn == 0 and kept.database.root.lsn == 0
    connection.executescript(SCRIPT)


def test_only_who_is_attached_operates(kept: process.Store) -> None:
    caller = log_in(Identity(b"", "stranger", b""), kept.address, b"")
    with pytest.raises(ProtocolError, match="for who is attached"):
        caller.call("complete", seconds=5.0)
    with pytest.raises(ProtocolError, match="no operation"):
        caller.call("__class__", seconds=5.0)
    assert caller.call("status", seconds=5.0).value["attached"] == ""
    caller.close()


def test_a_socket_file_is_its_owner_s(kept: process.Store) -> None:
    assert stat.S_IMODE(os.stat(kept.address.path).st_mode) == 0o600
    with pytest.raises(LinkLost, match="another store does"):
        stores.keep("shop", str(kept.address))


def test_over_loopback_the_secret_is_asked_for(stack: ExitStack, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("the right secret")
    wrong.write_text("another secret")
    store = StoreProcess("127.0.0.1:0", "--secret-file", str(right))
    stack.callback(store.stop)
    for secret_file in ("", str(wrong)):
        with tandemdb.connect(":memory:") as connection, pytest.raises(tandemdb.OperationalError, match="secret"):
            connection.attach_store(store.url, secret_file=secret_file)
    connection = opened(stack, store.url, secret_file=str(right))
    connection.executescript(SCRIPT)
    put(connection, 0)
    with pytest.raises(tandemdb.ProgrammingError, match="this machine only"):
        read_store_address("192.0.2.1:7000")
    with pytest.raises(tandemdb.ProgrammingError, match="not the address of a store"):
        read_store_address("unix:")


def test_a_node_is_no_store(stack: ExitStack) -> None:
    served = node(stack)
    with tandemdb.connect(":memory:") as connection, pytest.raises(tandemdb.OperationalError, match="not a store"):
        connection.attach_store(served.listen)


def test_a_coordinator_and_a_store_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(tandemdb.ProgrammingError, match="cannot have a coordinator"):
        nodes.serve("both", coordinator=f"file:{tmp_path}/record", apart=f"unix:{tmp_path}/none")


@pytest.mark.parametrize("fault", ["port", "backup"])
def test_a_node_that_fails_to_start_lets_go_of_its_store(fault: str, kept: process.Store, tmp_path: Path) -> None:
    name = f"fails_{fault}"
    taken = nodes.serve(f"taken_{fault}")
    arguments: dict[str, Any] = {
        "port": {"listen": f"127.0.0.1:{taken.address.port}"},
        "backup": {"backup": f"sqlite:///{tmp_path}/no/such/directory.db"},
    }[fault]
    try:
        with pytest.raises(tandemdb.OperationalError):
            nodes.serve(name, apart=str(kept.address), **arguments)
        with tandemdb.connect(f":memory:{name}") as connection:
            connection.execute("CREATE TABLE u (a)")  # commits, though nobody keeps the store
            assert find_system(connection._database).store is None
        until(lambda: not stores.ask(str(kept.address), "status")["attached"], "another may attach")
    finally:
        taken.stop()
        for store in (name, f"taken_{fault}"):
            tandemdb.drop(store)


@pytest.mark.parametrize("which", ["mode", "backup_mode"])
def test_a_node_refuses_a_mode_that_is_none(which: str) -> None:
    with pytest.raises(tandemdb.ProgrammingError, match="unknown mode of mirroring: 'quick'"):
        nodes.serve(f"unknown_{which}", **{which: "quick"})


def test_the_store_is_passive(stack: ExitStack, tmp_path: Path) -> None:
    """No SQL in its process, no replication in its modules, no network socket while it serves a mirrored primary."""
    store = started(stack, tmp_path / "store")
    primary = node(stack, "--node", "primary", "--store", store.url)
    node(stack, "--node", "secondary", "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    with primary.connect(isolation_level=None) as connection:
        connection.executescript(SCRIPT)
        put(connection, 0)
        assert store.status()["lsn"] == connection.lsn
    assert not [name for name in store.status()["modules"] if name.startswith(("tandemdb.planner", "tandemdb.dialect"))]
    assert not [name for name in store.status()["modules"] if name.startswith("tandemdb.replication.node")]
    if Path("/proc/net/tcp").exists():
        assert network_sockets(store.process.pid) == set()
        assert network_sockets(primary.process.pid), "the processing node is who talks"
    for name in ("process", "address"):
        imported = imports_of(ROOT / "tandemdb" / "replication" / "store" / f"{name}.py")
        rooms = {".".join(module.split(".")[:3]) for module in imported if module.startswith("tandemdb")}
        assert rooms <= {
            "tandemdb.errors",
            "tandemdb.storage",
            "tandemdb.replication.errors",
            "tandemdb.replication.network",
            "tandemdb.replication.store",
            "tandemdb.replication.core",  # of it, the classes that frames carry
        }
        core = {module for module in imported if module.startswith("tandemdb.replication.core")}
        assert core <= {"tandemdb.replication.core.identity", "tandemdb.replication.core.messages"}


def test_the_page_says_what_is_so(stack: ExitStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands and the program of docs/placements.md, in order, with another path and port."""
    text = (ROOT / "docs" / "placements.md").read_text(encoding="utf-8").split("\n## A store apart\n")[1]
    text = text.replace("/run/shop.sock", f"{tmp_path}/shop.sock").replace(":7432", ":0")
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    arguments = [shlex.split(block) for block in blocks[:2]]
    assert [words[:2] for words in arguments] == [["tandemdb", "store"], ["tandemdb", "serve"]]
    store = StoreProcess(arguments[0][3], *arguments[0][6:], name=arguments[0][5])
    stack.callback(store.stop)
    served = node(stack, *arguments[1][6:], name=arguments[1][5], listen=arguments[1][3])
    with served.connect(isolation_level=None) as connection:
        connection.executescript("CREATE TABLE goods (name); INSERT INTO goods VALUES ('chair')")
    served.kill()
    names: dict[str, Any] = {}
    exec(compile(blocks[2], "docs/placements.md", "exec"), names)
    names["connection"].close()
    assert capsys.readouterr().out.strip() == blocks[2].rpartition("# ")[2].strip()


def network_sockets(process_id: int) -> set[str]:
    """The inodes of a process's TCP and UDP sockets."""
    inodes = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net") / name
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        inodes |= {line.split()[9] for line in lines}
    own = set()
    for entry in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue  # Closed meanwhile.
        own.add(target.removeprefix("socket:[").removesuffix("]"))
    return own & inodes


def imports_of(path: Path) -> set[str]:
    return {
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }


def test_kills_of_the_processing_node_lose_nothing(stack: ExitStack, tmp_path: Path) -> None:
    """Killed at random moments of its commits: what was acknowledged is in the store, all of it or nothing else."""
    chance = random.Random(11)
    store = started(stack, tmp_path / "store")
    program = """
import sys, tandemdb
connection = tandemdb.connect(":memory:", isolation_level=None)
connection.attach_store(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS pair (n INTEGER PRIMARY KEY, half INTEGER)")
number = connection.execute("SELECT coalesce(max(n), 0) FROM pair").fetchone()[0]
while True:
    number += 1
    connection.execute("BEGIN")
    connection.execute("INSERT INTO pair VALUES (?, 1)", (2 * number,))
    connection.execute("INSERT INTO pair VALUES (?, 2)", (2 * number + 1,))
    connection.execute("COMMIT")
    number = 2 * number + 1
    print(number, flush=True)
    number = connection.execute("SELECT max(n) FROM pair").fetchone()[0]
    if number > 1 << 40:
        connection.execute("DELETE FROM pair")
        number = 0
"""
    for _ in range(5):
        running = subprocess.Popen(
            [sys.executable, "-c", program, store.url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        stack.callback(running.kill)
        assert running.stdout is not None
        for _ in range(chance.randrange(1, 60)):
            last = int(running.stdout.readline())
        running.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        said = [int(line) for line in running.stdout.read().splitlines() if line]
        running.wait(60)
        with ExitStack() as reading:
            connection = opened(reading, store.url)
            found = connection.execute("SELECT count(*), sum(half = 1), sum(half = 2) FROM pair").fetchone()
            assert found[1] == found[2] and found[0] == found[1] + found[2], "no half of a transaction"
            assert connection.execute("SELECT count(*) FROM pair WHERE n = ?", ([last, *said][-1],)).fetchone() == (1,)
