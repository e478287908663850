"""Links that flap, lose one direction, or stand still, and catch-up under load: what is told of each commit is true."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication import CommitInDoubt, ReplicationError, SecondaryLost
from tandemdb.replication.linking import RemoteReplica, replicate_to
from tandemdb.replication.network.address import read_address
from tandemdb.replication.node import Node
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import system_of
from tandemdb.storage import Database
from tandemdb.testing.fault_proxy import FaultProxy, StreamFaults

from .processes import NodeProcess, until
from .workload import make_table, put


class Scene:
    """A primary, its secondary's node, and the cable between them."""

    def __init__(self, primary: Database, mode: str = "sync", **limits: int) -> None:
        self.primary = primary
        self.node = Node(Database("shop"))
        self.node.start()
        self.proxy = FaultProxy(self.node.address.host, self.node.address.port, seed=3)
        self.proxy.start()
        self.doubtful: dict[int, int] = {}
        self.acknowledged: set[int] = set()
        self.replica: RemoteReplica = replicate_to(
            primary,
            self.node.address.with_port(self.proxy.port),
            mode,  # type: ignore[arg-type]
            **limits,
        )

    @property
    def publisher(self) -> Publisher:
        publisher = system_of(self.primary).publisher
        assert publisher is not None
        return publisher

    def write(self, table: int, key: int) -> bool:
        """Commit a record; notes what is known of it. False: it failed."""
        try:
            put(self.primary, table, key, "x")
        except CommitInDoubt as error:
            self.doubtful[key] = error.transaction
            return False
        except ReplicationError:
            return False
        self.acknowledged.add(key)
        return True

    def is_level(self) -> bool:
        return self.node.database.root.lsn == self.primary.root.lsn

    def check_answers(self, database: Database, table: int) -> None:
        """I1, I8: what was acknowledged is there, and what is said of a commit in doubt is so."""
        records = database.root.tables[table]
        assert all(records.find(key) is not None for key in self.acknowledged)
        for key, transaction in self.doubtful.items():
            answer = replication.outcome(database, transaction).answer
            assert (answer == "committed") == (records.find(key) is not None), answer

    def close(self) -> None:
        self.proxy.heal()
        self.replica._stopped.set()
        self.node.stop()
        self.proxy.stop()


@pytest.fixture
def scenes() -> Iterator[Callable[..., Scene]]:
    with ExitStack() as stack:

        def make(primary: Database, mode: str = "sync", **limits: int) -> Scene:
            scene = Scene(primary, mode, **limits)
            stack.callback(scene.close)
            return scene

        yield make


def test_a_link_that_flaps_ten_times_a_second(scenes: Callable[..., Scene]) -> None:
    primary = Database("p")
    table = make_table(primary, 100_000)
    scene = scenes(primary)
    [peer] = scene.publisher.core.peers.values()
    peer.plans.clear()
    size, threads = scene.proxy.bytes_forwarded, threading.active_count()
    stopping = threading.Event()

    def flap() -> None:
        while not stopping.wait(0.08):
            scene.proxy.cut()
            time.sleep(0.02)
            scene.proxy.heal()

    flapping = threading.Thread(target=flap)
    flapping.start()
    deadline, key = time.monotonic() + 2.0, 1_000_000
    while time.monotonic() < deadline:
        key += 1
        if not scene.write(table, key):
            time.sleep(0.002)
    stopping.set()
    flapping.join()
    scene.proxy.heal()
    until(lambda: scene.replica.status.state == "in step", "in step when it holds")
    assert scene.write(table, 999_999)
    until(scene.is_level, "level")
    assert scene.node.database.digest() == primary.digest()
    assert set(peer.plans) <= {"tail"}, "no more than the log"
    assert scene.proxy.bytes_forwarded < 2 * size
    until(lambda: threading.active_count() <= threads + 4, "no threads are left")
    scene.check_answers(primary, table)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("promoted", [False, True])
def test_what_becomes_of_a_commit_in_a_one_way_partition(
    scenes: Callable[..., Scene], direction: str, promoted: bool
) -> None:
    primary = Database("p")
    table = make_table(primary, 10)
    scene = scenes(primary)
    assert scene.write(table, 100)
    scene.publisher.timeout_seconds = 0.2
    scene.proxy.stall(direction)  # type: ignore[arg-type]
    assert not scene.write(table, 101) and list(scene.doubtful) == [101]
    if promoted:  # The former primary hears nothing of it.
        scene.proxy.cut()
        scene.node.promote()
        scene.check_answers(scene.node.database, table)
        if direction == "up":
            assert scene.node.database.root.tables[table].find(101) is None, "it never came"
        return
    scene.proxy.heal()
    until(lambda: scene.write(table, 102), "commits go on")
    until(scene.is_level, "level")
    scene.check_answers(primary, table)
    assert scene.node.database.digest() == primary.digest()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_secondary_process_that_stands_still(mode: str) -> None:
    primary = Database("p")
    table = make_table(primary, 10)
    node = NodeProcess()
    try:
        replica = replicate_to(primary, read_address(node.url), mode, log_bytes_max=20_000)  # type: ignore[arg-type]
        publisher = system_of(primary).publisher
        assert publisher is not None
        publisher.timeout_seconds = 0.3
        node.suspend()
        time.sleep(0.1)  # Signals take their time.
        if mode == "sync":
            with pytest.raises(CommitInDoubt):
                put(primary, table, 1, "in doubt")
            pauses: list[float] = []
            publisher.pause = pauses.append
            for _ in range(20):
                with pytest.raises(SecondaryLost):
                    put(primary, table, 1, "refused")
            assert not pauses, "at once"
            publisher.pause = publisher.arrivals.wait
            assert primary.root.tables[table].find(1) == (1, "value 1", None), "reading goes on"
        else:
            for number in range(2000):
                put(primary, table, number % 10, "x" * 100)
            with publisher.lock:
                publisher.drain()
            assert publisher.core.log.bytes <= 20_000
            assert sum(len(peer.queue) for peer in publisher.core.peers.values()) < 100
        publisher.timeout_seconds = 30.0
        node.resume()
        until(lambda: replica.status.state in ("in step", "following") and not replica.status.lag_commits, "level")
        put(primary, table, 5, "goes on")
        until(lambda: node.status()["lsn"] == primary.root.lsn, "level")
    finally:
        node.stop()


def test_the_schema_changes_while_a_secondary_catches_up(scenes: Callable[..., Scene]) -> None:
    connection = tandemdb.connect("file:catching?mode=memory&cache=shared", uri=True, isolation_level=None)
    connection.execute("CREATE TABLE big (a INTEGER PRIMARY KEY, b TEXT)")
    connection.executemany("INSERT INTO big VALUES (?, ?)", [(number, "x" * 20) for number in range(50_000)])
    connection.execute("CREATE TABLE gone (a)")
    scene = scenes(connection._database, "async")
    until(scene.is_level, "level")
    scene.replica.detach()
    fresh = Node(Database("shop"))
    fresh.start()
    proxy = FaultProxy(fresh.address.host, fresh.address.port)
    proxy.set_faults(StreamFaults(delay_seconds=0.05, bytes_per_second=2e5), "up", "down")
    proxy.start()
    try:
        replica = replicate_to(connection._database, fresh.address.with_port(proxy.port), "async")
        states: set[str] = set()
        for number in range(25):
            states.add(fresh.status()["following"]["state"])
            connection.execute(f"CREATE TABLE t{number} (a INTEGER PRIMARY KEY, b UNIQUE)")
            connection.execute(f"INSERT INTO t{number} VALUES (1, 2), (2, 3)")
            if number == 5:
                connection.execute("DROP TABLE gone")
            if number == 8:
                connection.execute("CREATE INDEX big_b ON big (b)")
            if number == 11:
                connection.execute("ALTER TABLE big ADD COLUMN c INTEGER DEFAULT 7")
            if number % 4 == 3:
                connection.execute(f"DROP TABLE t{number - 1}")
            connection.execute("UPDATE big SET b = 'y' WHERE a = ?", (number * 2000,))
            time.sleep(0.02)
        assert "copying" in states, "it was catching up meanwhile"
        proxy.heal()
        until(lambda: fresh.database.root.lsn == connection._database.root.lsn, "level")
        assert fresh.database.digest() == connection._database.digest()
        assert "gone" not in {record[1] for _, record in fresh.database.root.tables[0].items()}
    finally:
        replica._stopped.set()
        fresh.stop()
        proxy.stop()
        connection.close()


def test_a_link_of_half_a_megabit_a_second(scenes: Callable[..., Scene]) -> None:
    """What takes longer than a commit waits is waited for as long as it comes; and small ones go through between."""
    primary = Database("p")
    table = make_table(primary, 10)
    scene = scenes(primary)
    scene.publisher.timeout_seconds = 3.0
    scene.proxy.set_faults(StreamFaults(bytes_per_second=62_500.0))
    transaction = primary.begin()
    for key in range(1000, 9000):
        transaction.table(table).insert(key, (key, "x" * 12, None))
    begin = time.monotonic()
    transaction.commit()
    assert time.monotonic() - begin > scene.publisher.timeout_seconds, "else it shows nothing"
    assert scene.node.system.secondary is not None
    assert scene.node.system.secondary.received_lsn == primary.root.lsn
    assert all(scene.write(table, key) for key in range(100, 120))
    assert scene.replica.status.plans == ("snapshot",) and scene.replica.status.state == "in step"


def test_a_hundred_thousand_small_transactions_on_their_way(scenes: Callable[..., Scene]) -> None:
    """While nothing gets through: within the log's limit, and by blocks or the log afterwards."""
    primary = Database("p")
    table = make_table(primary, 1000)
    scene = scenes(primary, "async", log_bytes_max=1 << 20)
    until(scene.is_level, "level")
    scene.proxy.stall()
    for number in range(100_000):
        put(primary, table, number % 1000 + 1, "x")
        if number % 10_000 == 0:
            with scene.publisher.lock:
                scene.publisher.drain()
            assert scene.publisher.core.log.bytes <= 1 << 20
    scene.proxy.heal()
    until(scene.is_level, "level")
    assert scene.node.database.digest() == primary.digest()
    assert len(scene.replica.status.plans) <= 5, "no catching up without end"
