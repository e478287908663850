"""Every placement of data, control and link, times both sequencings: one test, parametrised.

    primary     memory      in the program's own process, which attaches the secondary
                store       in a node process; programs reach it over a link, control and mirroring are in the node
                relayed     likewise, its links forwarded by a process that holds nothing
                apart       in a passive store process; link and control are in the node attached to it
    secondary   memory      in a program's own process, which follows the primary and reads from its memory
                store       in a node process that also answers SQL
                relayed     likewise, behind a relay
                apart       in a passive store process, likewise
                storage     in a node process that has no SQL loaded

docs/placements.md says which claims each stands for.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi import nodes
from tandemdb.replication import linking
from tandemdb.replication.network.address import read_address
from tandemdb.replication.network.relay import Relay
from tandemdb.replication.system import find_system
from tandemdb.storage import Database

from .processes import ROOT, NodeProcess, StoreProcess, until

PRIMARIES = ["memory", "store", "relayed", "apart"]
SECONDARIES = ["memory", "store", "relayed", "storage", "apart"]
numbers = itertools.count()  # Names that no earlier store has, as an id() may be.
SCRIPT = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c); CREATE INDEX i ON t (c);"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Primary:
    """One primary: how programs reach it, and how secondaries do."""

    def __init__(self, stack: ExitStack, placement: str, script: Path) -> None:
        self.stack = stack
        self.placement = placement
        self.store: StoreProcess | None = None
        if placement == "memory":
            name = f"placed {next(numbers)}"
            self.connection = tandemdb.connect(f":memory:{name}", isolation_level=None)
            self.connection.executescript(SCRIPT)
            self.node = nodes.serve(name, node="primary")
            stack.callback(self.node.stop)
            self.url = str(self.node.address)
        else:
            self.store = started_store(stack, script.parent / "primary") if placement == "apart" else None
            arguments = ["--store", self.store.url] if self.store is not None else []
            process = NodeProcess("--load", str(script), "--node", "primary", *arguments)
            stack.callback(process.stop)
            self.url = relayed(stack, process.url) if placement == "relayed" else process.url
            self.connection = tandemdb.connect(self.url, isolation_level=None)
        stack.callback(self.connection.close)

    def peer(self, name: str) -> dict[str, Any]:
        """What the primary knows of the secondary."""
        found = [entry for entry in nodes.ask(self.url, None, "status")["secondaries"] if entry["name"] == name]
        return found[0] if found else {"state": "absent", "applied": 0}


class Secondary:
    """One secondary."""

    def __init__(self, stack: ExitStack, placement: str, primary: Primary, mode: str, directory: Path) -> None:
        self.placement = placement
        self.store = started_store(stack, directory / "secondary") if placement == "apart" else None
        self.name = f"mirror {next(numbers)}" if placement == "memory" else "secondary"
        self.database: Database | None = None
        self.process: NodeProcess | None = None
        if placement == "memory":
            self.connection = tandemdb.connect(f":memory:{self.name}", isolation_level=None)
            self.database = nodes.keep_store(self.name)
            stack.callback(tandemdb.drop, self.name)
            follower = linking.follow(self.database, read_address(primary.url), mode)  # type: ignore[arg-type]
            stack.callback(follower.stop)
            stack.callback(self.connection.close)
            return
        arguments = ["--storage-only"] if placement == "storage" else []
        if self.store is not None:
            arguments = ["--store", self.store.url]
        url = relayed(stack, primary.url) if placement == "relayed" else primary.url
        self.process = NodeProcess(*arguments, "--node", "secondary", "--secondary-of", url, "--mode", mode)
        stack.callback(self.process.stop)

    def shown(self) -> tuple[int, int, int]:
        """LSN and digest that its readers get, and the LSN that is complete there."""
        if self.database is not None:
            system = find_system(self.database)
            assert system is not None and system.secondary is not None
            return self.database.root.lsn, self.database.digest(), system.secondary.received_lsn
        assert self.process is not None
        lsn, _, digest = pin(self.process.url)
        return lsn, digest, self.process.status()["following"]["received"]

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query on it."""
        if self.process is None:
            return self.connection.execute(sql).fetchall()
        with self.process.connect() as connection:
            return connection.execute(sql).fetchall()

    def promote(self) -> str:
        """Promote it; returns the URL or name of a database that takes writes."""
        if self.process is not None:
            self.process.ask("promote")
            return self.process.url
        self.connection.promote()
        assert self.database is not None
        return f":memory:{self.database.name}"


def started_store(stack: ExitStack, path: Path) -> StoreProcess:
    """Start a store that listens on a socket file."""
    store = StoreProcess(f"unix:{path}")
    stack.callback(store.stop)
    return store


def relayed(stack: ExitStack, url: str) -> str:
    """Put a relay in front of a node."""
    address = read_address(url)
    relay = Relay("127.0.0.1", 0, address.host, address.port)
    stack.callback(relay.stop)
    return str(address.with_port(relay.start()))


def pin(url: str) -> tuple[int, int, int]:
    lsn, epoch, digest = nodes.ask(url, None, "pin")
    return lsn, epoch, digest


def change(connection: tandemdb.Connection, number: int) -> None:
    """A transaction with inserts, updates, deletes, savepoints and now and then a change of the schema."""
    connection.execute("BEGIN IMMEDIATE")
    rows = [(number * 100 + row, f"{number} {row}", row % 7) for row in range(40)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.execute("SAVEPOINT s")
    connection.execute("DELETE FROM t")
    connection.execute("ROLLBACK TO s")
    connection.execute("UPDATE t SET c = c + 1 WHERE a % 5 = ?", (number % 5,))
    connection.execute("DELETE FROM t WHERE a % 11 = ?", (number % 11,))
    if number % 4 == 0:
        connection.execute(f"CREATE TABLE extra_{number} (x)")
        connection.execute(f"INSERT INTO extra_{number} VALUES (zeroblob(20))")
    connection.execute("COMMIT")


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("secondary_placement", SECONDARIES)
@pytest.mark.parametrize("primary_placement", PRIMARIES)
def test_placed(stack: ExitStack, tmp_path: Path, primary_placement: str, secondary_placement: str, mode: str) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    primary = Primary(stack, primary_placement, script)
    secondary = Secondary(stack, secondary_placement, primary, mode, tmp_path)
    following = "in step" if mode == "sync" else "following"
    until(lambda: primary.peer(secondary.name)["state"] == following, f"{following}: {primary.peer('secondary')}")
    for number in range(8):
        change(primary.connection, number)
        lsn = primary.connection.lsn
        if primary.store is not None:
            found = primary.store.status()
            assert (found["lsn"], found["digest"]) == (lsn, primary.connection.digest()), "in the store when it returns"
        shown, _, received = secondary.shown()
        if secondary.store is not None:
            assert secondary.store.status()["lsn"] >= shown, "in the store before its readers see it"
        assert shown <= lsn, "readers of the secondary are never ahead"
        if mode == "sync":
            assert received == lsn, "tight: complete on the secondary when the commit returns"
        else:
            assert primary.peer(secondary.name)["applied"] <= secondary.shown()[0], "loose: complete only when applied"
    lsn, digest = primary.connection.lsn, primary.connection.digest()
    until(lambda: secondary.shown()[:2] == (lsn, digest), "level, with the same digest")
    for store in (primary.store, secondary.store):
        assert store is None or (store.status()["lsn"], store.status()["digest"]) == (lsn, digest)
    rows = primary.connection.execute("SELECT * FROM t ORDER BY a").fetchall()
    if secondary_placement == "storage":
        assert secondary.process is not None
        modules = secondary.process.status()["modules"]
        assert not [name for name in modules if name.startswith(("tandemdb.planner", "tandemdb.dialect"))]
        with pytest.raises(tandemdb.OperationalError, match="storage only"):
            secondary.process.connect()
    else:
        assert secondary.read("SELECT * FROM t ORDER BY a") == rows
        assert secondary.read("SELECT count(*) FROM t INDEXED BY i WHERE c = 3") == [
            (sum(row[2] == 3 for row in rows),)
        ]
    name = secondary.promote()
    if secondary_placement == "storage":
        assert secondary.process is not None and secondary.process.status()["role"] == "primary"
        # A processing node is attached to it: it has the data, and SQL.
        follower = NodeProcess("--node", "processing", "--secondary-of", secondary.process.url)
        stack.callback(follower.stop)
        until(lambda: pin(follower.url)[2] == digest, "the processing node has it all")
        with follower.connect() as connection:
            assert connection.execute("SELECT * FROM t ORDER BY a").fetchall() == rows
        return
    with tandemdb.connect(name) as connection:
        connection.execute("INSERT INTO t VALUES (-1, 'the first of the new epoch', 0)")
        if secondary.store is not None:
            assert secondary.store.status()["lsn"] == connection.lsn


def test_a_primary_alone_and_a_secondary_alone(tmp_path: Path, stack: ExitStack) -> None:
    """Each side has location tables of its own: the same blocks by number, at addresses of their own."""
    first, second = tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    first.executescript(SCRIPT)
    change_all(first)
    replica = first.replicate_to(second, over_wire=True)
    ours, theirs = replica.primary.root, replica.secondary.root
    for table_id, table in ours.tables.items():
        blocks, mirrored = list(table.location.blocks()), list(theirs.tables[table_id].location.blocks())
        assert [block.number for block in blocks] == [block.number for block in mirrored]
        assert [block.keys for block in blocks] == [block.keys for block in mirrored]
        assert [block.records for block in blocks] == [block.records for block in mirrored]
        assert not {id(block) for block in blocks} & {id(block) for block in mirrored}
    first.close()  # Neither needs the other.
    assert second.execute("SELECT count(*) FROM t").fetchone()[0] > 0


def change_all(connection: tandemdb.Connection) -> None:
    connection.isolation_level = None
    for number in range(5):
        change(connection, number)


def test_a_program_s_death_leaves_the_store(stack: ExitStack, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    store = NodeProcess("--load", str(script))
    stack.callback(store.stop)
    program = f"""
import os, tandemdb
connection = tandemdb.connect({store.url!r}, isolation_level=None)
connection.execute("INSERT INTO t VALUES (1, 'committed', 0)")
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO t VALUES (2, 'open', 0)")
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300).returncode == 9
    with store.connect(timeout=30.0) as connection:
        connection.execute("INSERT INTO t VALUES (3, 'another program', 0)")
        assert connection.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (3,)]


def test_a_relay_holds_nothing_and_changes_nothing(stack: ExitStack) -> None:
    """Bytes in are bytes out, and the relay's process has no engine's state: no system, no database."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    stack.callback(listener.close)
    relay = Relay("127.0.0.1", 0, "127.0.0.1", listener.getsockname()[1])
    stack.callback(relay.stop)
    sent = bytes(range(256)) * 4000
    near = socket.create_connection(("127.0.0.1", relay.start()))
    far, _ = listener.accept()
    threading.Thread(target=near.sendall, args=(sent,), daemon=True).start()
    came = receive(far, len(sent))
    assert came == sent
    threading.Thread(target=far.sendall, args=(sent[::-1],), daemon=True).start()
    assert receive(near, len(sent)) == sent[::-1]
    near.close()
    far.close()
    shown = "[name for name in sys.modules if name.startswith('tandemdb')]"
    code = f"import sys; import tandemdb.replication.network.relay; print(*{shown})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert "tandemdb.planner" not in loaded.stdout


def receive(connected: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connected.recv(1 << 16)
    return data
