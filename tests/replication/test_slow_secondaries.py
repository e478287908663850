"""Secondaries far away, frozen, or busy with a large transaction: lost only when nothing comes of them any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication import CommitInDoubt, Faults
from tandemdb.replication.core.messages import Updates
from tandemdb.replication.core.peer import Peer
from tandemdb.replication.core.secondary import TAKES, Secondary
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.node import Node
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import system_of
from tandemdb.storage import Database
from tandemdb.testing import VirtualClock, pair
from tandemdb.testing.fault_proxy import FaultProxy

from .workload import make_table, put

CHUNK_CHANGES = 512
LARGE = 40 * CHUNK_CHANGES


def test_a_far_away_secondary_is_in_step_after_a_pause() -> None:
    """That nothing was heard of it while nothing was asked tells nothing."""
    script = "CREATE TABLE t (a INTEGER PRIMARY KEY)"
    far = Faults(latency_seconds=0.2)
    with pair(script, faults=far, connect=lambda: tandemdb.connect(":memory:", isolation_level=None)) as both:
        peer = both.replica.link.publisher.core.peers[both.replica.name]
        states: set[str] = set()
        pause = both.replica.link.publisher.pause

        def watch(seconds: float) -> None:
            states.add(peer.state)
            pause(seconds)

        both.replica.link.publisher.pause = watch
        for number in range(3):
            both.advance(10)
            both.primary.execute("INSERT INTO t VALUES (?)", (number,))
        assert states == {"in step"}
        both.assert_identical()


def test_one_that_has_got_nothing_yet_lags_since_it_was_added() -> None:
    clock = VirtualClock()
    clock.now = 5000.0
    primary = Database("p")
    make_table(primary, 10)
    lost = Faults(drop=1.0)
    replica = replication.attach(primary, Database("s"), "async", clock=clock, pause=clock.pause, faults=lost)
    clock.pause(3.0)
    assert replica.status.lag_commits == 1 and replica.status.lag_seconds == 3.0


class Two:
    """A primary with two secondaries, one of which is to acknowledge; the second one's link takes nothing any more."""

    def __init__(self, **limits: int) -> None:
        self.clock = VirtualClock()
        self.primary = Database("p")
        self.table = make_table(self.primary, 10)
        clock = self.clock
        self.replicas = [
            replication.attach(self.primary, Database(name), name=name, clock=clock, pause=clock.pause, **limits)
            for name in "ab"
        ]
        self.link = self.replicas[1].link
        self.pump = self.link.pump
        self.link.pump = lambda tick=True: False  # type: ignore[method-assign]

    @property
    def peer(self) -> Peer:
        peer: Peer = self.link.publisher.core.peers["b"]
        return peer

    def thaw(self) -> None:
        self.link.pump = self.pump  # type: ignore[method-assign]


def test_what_a_frozen_secondary_is_not_sent_does_not_pile_up() -> None:
    """It is one of two, and the other acknowledges: commits go on, and what it does not take is not kept for ever."""
    two = Two()
    for number in range(300):
        put(two.primary, two.table, number, "x" * 100)
        two.clock.pause(0.05)
    assert two.peer.state == "asking" and len(two.peer.queue) <= 2
    two.thaw()
    for _ in range(100):
        two.clock.pause(0.1)
        two.link.pump()
    assert two.peer.state == "in step"
    put(two.primary, two.table, 1, "goes on")
    assert two.link.secondary.received_lsn == two.primary.root.lsn


def test_nor_what_is_more_than_the_log_would_hold() -> None:
    two = Two(log_bytes_max=20_000)
    for number in range(300):  # No time passes.
        put(two.primary, two.table, number, "x" * 1000)
    two.replicas[0].link.publisher.tick()
    assert two.peer.state == "asking" and not any(type(message).__name__ == "TxnWhole" for message in two.peer.queue)
    assert "size limit" in two.peer.reason


@pytest.fixture
def over_a_cable(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Node, FaultProxy, int, Publisher]]:
    """A node that takes its time over each part of a transaction, and whose primary waits less than for all of them."""

    def take_slowly(self: Secondary, message: Updates, now: float, take: Any = Secondary._take_updates) -> None:
        time.sleep(0.35 * len(message.changes) / CHUNK_CHANGES)
        take(self, message, now)

    monkeypatch.setitem(TAKES, Updates, take_slowly)
    node = Node(Database("shop"))
    node.start()
    proxy = FaultProxy(node.address.host, node.address.port)
    proxy.start()
    primary = Database("p")
    table = make_table(primary, 10)
    replica = replicate_to(primary, node.address.with_port(proxy.port), "sync")
    publisher = system_of(primary).publisher
    assert publisher is not None
    publisher.timeout_seconds = 4.0
    yield primary, node, proxy, table, publisher
    replica._stopped.set()
    node.stop()
    proxy.stop()


def insert_many(database: Database, table: int) -> None:
    transaction = database.begin()
    try:
        keys = list(range(100, 100 + LARGE))
        transaction.table(table).append_many(keys, [(key, "x", None) for key in keys])
        for key in keys[::5]:
            transaction.table(table).replace(key, (key, "y", None))
        transaction.commit()
    finally:
        transaction.rollback()


def test_a_large_transaction_may_take_longer_than_a_commit_waits(
    over_a_cable: tuple[Database, Node, FaultProxy, int, Publisher],
) -> None:
    primary, node, _, table, publisher = over_a_cable
    insert_many(primary, table)
    assert node.system.secondary is not None and node.system.secondary.received_lsn == primary.root.lsn
    assert [peer.plans for peer in publisher.core.peers.values()] == [["snapshot"]], "and it was in step all the time"
    put(primary, table, 1, "goes on")
    assert primary.root.tables[table].find(100) == (100, "y", None)


def test_a_secondary_that_is_gone_in_the_midst_of_it_is_not_waited_for(
    over_a_cable: tuple[Database, Node, FaultProxy, int, Publisher],
) -> None:
    primary, _, proxy, table, publisher = over_a_cable
    before = primary.root
    begin = time.monotonic()
    proxy.stall("down")
    with pytest.raises(CommitInDoubt):
        insert_many(primary, table)
    assert primary.root is before and time.monotonic() - begin < 5 * publisher.timeout_seconds
    proxy.heal()


@pytest.mark.parametrize("seconds", [3.0, 3600.0])
def test_a_primary_that_stood_still_has_lost_nobody(seconds: float) -> None:
    """Suspended while a commit waits: what it did not hear meanwhile tells nothing of its secondary."""
    clock = VirtualClock()
    primary = Database("p")
    table = make_table(primary, 10)

    def pause_and_stand_still(for_seconds: float) -> None:
        publisher.pause = clock.pause
        clock.pause(for_seconds + seconds)
        publisher.tick()  # As the link's own thread does, before anybody has looked what has come.

    near = Faults(latency_seconds=0.1)
    replica = replication.attach(primary, Database("s"), clock=clock, pause=clock.pause, faults=near)
    publisher = replica.link.publisher
    publisher.pause = pause_and_stand_still
    put(primary, table, 1, "acknowledged")
    assert publisher.pause == clock.pause and replica.status.state == "in step"
    assert replica.link.secondary.received_lsn == primary.root.lsn


def test_one_that_is_slow_all_the_time_finds_out_who_is_lost() -> None:
    """On a busy machine it looks once a second: of each, a part counts."""
    clock = VirtualClock()
    primary = Database("p")
    table = make_table(primary, 10)
    replica = replication.attach(primary, Database("s"), clock=clock, pause=lambda seconds: clock.pause(seconds + 1))
    put(primary, table, 1, "acknowledged")
    replica.set_faults(Faults(drop=1.0))
    with pytest.raises(CommitInDoubt):
        put(primary, table, 1, "in doubt")
    assert clock.now < 120
