"""A planned switchover under load: no transaction lost, none failed; connections go on at the node that leads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

import tandemdb
from tandemdb.dbapi import nodes
from tandemdb.replication import ReplicationError
from tandemdb.replication import node as serving
from tandemdb.replication.node import Node
from tandemdb.testing.fault_proxy import FaultProxy

from .processes import until

CLIENTS = 4
SWITCHES = 4


@pytest.fixture
def two() -> Iterator[list[Node]]:
    first = nodes.serve("one", node="one")
    tandemdb.connect(str(first.address)).executescript("CREATE TABLE t (client INTEGER, number INTEGER)")
    second = nodes.serve("two", secondary_of=str(first.address), node="two")
    until_in_step(first)
    yield [first, second]
    for node in (first, second):
        node.stop()
    for name in ("one", "two"):
        tandemdb.drop(name)


def until_in_step(primary: Node) -> None:
    deadline = time.monotonic() + 60
    while not any(entry["state"] == "in step" for entry in primary.status()["secondaries"]):
        assert time.monotonic() < deadline, "not in step within 60 s"
        time.sleep(0.002)


class Client(threading.Thread):
    """Commits, in one of the ways programs do, until told to stop."""

    def __init__(self, url: str, name: int) -> None:
        super().__init__(daemon=True)
        self.connection = tandemdb.connect(url, timeout=60.0, isolation_level=None, check_same_thread=False)
        self.name_there = name
        self.done = 0
        self.failures: list[str] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            try:
                self.commit()
            except tandemdb.Error as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            else:
                self.done += 1

    def commit(self) -> None:
        connection, row = self.connection, (self.name_there, self.done)
        way = self.name_there % 4
        if way == 0:
            connection.execute("INSERT INTO t VALUES (?, ?)", row)
        elif way == 1:
            connection.executemany("INSERT INTO t VALUES (?, ?)", [row])
        else:
            connection.execute("BEGIN" if way == 2 else "BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (?, ?)", row)
            connection.execute("UPDATE t SET number = number WHERE client = ? AND number = ?", row)
            connection.execute("COMMIT")


def start_clients(node: Node) -> list[Client]:
    clients = [Client(str(node.address), name) for name in range(CLIENTS)]
    for client in clients:
        client.start()
    return clients


def end_clients(clients: list[Client]) -> None:
    """Let them come to an end; nothing has failed for any of them."""
    for client in clients:
        client.stopping = True
    for client in clients:
        client.join(60)
        assert not client.is_alive()
        client.connection.close()
    assert [client.failures for client in clients] == [[]] * CLIENTS


def test_nothing_fails_and_nothing_is_lost(two: list[Node]) -> None:
    first, second = two
    clients = start_clients(first)
    for _ in range(SWITCHES):
        before = [client.done for client in clients]
        deadline = time.monotonic() + 60
        while not all(client.done > done + 5 for client, done in zip(clients, before, strict=True)):
            assert time.monotonic() < deadline, [client.failures for client in clients]
            time.sleep(0.002)
        nodes.ask(str(first.address), None, "hand_over", str(second.address), "sync")
        first, second = second, first
        until_in_step(first)
    end_clients(clients)
    with tandemdb.connect(str(first.address)) as connection:
        for client in clients:
            rows = connection.execute("SELECT number FROM t WHERE client = ? ORDER BY number", (client.name_there,))
            assert [number for (number,) in rows] == list(range(client.done))
    assert nodes.verify(str(first.address), str(second.address)).are_equal
    assert first.status()["epoch"] == SWITCHES + 1
    assert second.status()["orphans"] == 0


def test_a_secondary_is_suspended_and_no_commit_fails(two: list[Node]) -> None:
    first, second = two
    clients = start_clients(first)
    for _ in range(5):
        nodes.ask(str(second.address), None, "suspend")
        assert second.status()["following"]["suspended"] and first.status()["secondaries"] == []
        nodes.ask(str(second.address), None, "resume")
        until_in_step(first)
    end_clients(clients)
    assert nodes.verify(str(first.address), str(second.address)).are_equal


def test_a_transaction_that_is_open_is_waited_for(two: list[Node]) -> None:
    first, second = two
    connection = tandemdb.connect(str(first.address), isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1, 1)")
    done = threading.Event()

    def hand_over() -> None:
        nodes.ask(str(first.address), None, "hand_over", str(second.address), "sync")
        done.set()

    threading.Thread(target=hand_over, daemon=True).start()
    connection.execute("INSERT INTO t VALUES (1, 2)")
    assert first.database.read_only is None
    connection.execute("COMMIT")
    assert done.wait(60)
    connection.execute("INSERT INTO t VALUES (1, 3)")
    assert connection.execute("SELECT number FROM t ORDER BY number").fetchall() == [(1,), (2,), (3,)]
    assert nodes.verify(str(first.address), str(second.address)).are_equal
    connection.close()


def test_rows_not_yet_fetched_are_those_of_the_query(two: list[Node]) -> None:
    first, second = two
    connection = tandemdb.connect(str(first.address), isolation_level=None)
    connection.executemany("INSERT INTO t VALUES (1, ?)", [(number,) for number in range(5000)])
    rows = iter(connection.execute("SELECT number FROM t"))
    assert next(rows) == (0,)
    nodes.ask(str(first.address), None, "hand_over", str(second.address), "sync")
    connection.execute("INSERT INTO t VALUES (2, 1)")  # goes to the new one
    assert list(rows) == [(number,) for number in range(1, 5000)]
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (5001,)
    connection.close()


def test_who_writes_on_a_secondary_goes_on_at_the_primary(two: list[Node]) -> None:
    """With a transaction that has read there already it cannot: the primary may be ahead of what was read."""
    first, second = two
    connection = tandemdb.connect(str(second.address), isolation_level=None)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM t").fetchall()
    with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database"):
        connection.execute("INSERT INTO t VALUES (1, 1)")
    connection.execute("ROLLBACK")
    assert (first.status()["clients"], second.status()["clients"]) == (0, 1)
    connection.execute("INSERT INTO t VALUES (1, 2)")
    assert connection.execute("SELECT number FROM t").fetchall() == [(2,)]
    assert first.status()["clients"] == 1


def test_one_that_is_far_behind_is_refused_and_no_write_waits_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers are held up for what a secondary lacks at the end, not for as long as it takes to get there."""
    monkeypatch.setattr(serving, "HAND_OVER_SECONDS", 2.0)
    first = nodes.serve("one", node="one")
    way = FaultProxy(first.address.host, first.address.port)
    way.start()
    second = nodes.serve("two", secondary_of=f"tandemdb://127.0.0.1:{way.port}/one", mode="async", node="two")
    connection = tandemdb.connect(str(first.address), isolation_level=None, timeout=0.5)
    connection.execute("CREATE TABLE t (client INTEGER, number INTEGER)")
    refusals: list[str] = []

    def hand_over() -> None:
        try:
            first.hand_over(second.address, "sync")
        except ReplicationError as error:
            refusals.append(str(error))

    try:
        until(lambda: second.database.root.lsn == first.database.root.lsn, "it follows")
        way.stalled.add("down")
        connection.execute("INSERT INTO t VALUES (0, 0)")
        trying = threading.Thread(target=hand_over, daemon=True)
        trying.start()
        number = 0
        while trying.is_alive():
            number += 1
            connection.execute("INSERT INTO t VALUES (1, ?)", (number,))  # is not locked out
            time.sleep(0.01)
        assert len(refusals) == 1 and "is at LSN 1, not" in refusals[0]
        assert first.status()["role"] == "primary" and second.status()["role"] == "secondary"
        way.stalled.clear()
        until(lambda: second.database.root.lsn == first.database.root.lsn, "level")
        assert nodes.verify(str(first.address), str(second.address)).are_equal
    finally:
        connection.close()
        for each in (first, second):
            each.stop()
        way.stop()
        for name in ("one", "two"):
            tandemdb.drop(name)
