"""Commits that wait for their acknowledgements together: threads over sockets, and what becomes of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication import CommitInDoubt, Faults
from tandemdb.replication.core.messages import LSN, Ack
from tandemdb.replication.errors import BaseAbandoned, FencedInDoubt, ReplicationError
from tandemdb.replication.linking import RemoteReplica, replicate_to
from tandemdb.replication.network.address import Address
from tandemdb.replication.node import Node
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import system_of
from tandemdb.storage import Database
from tandemdb.storage.changes import VACANT
from tandemdb.testing.fault_proxy import FaultProxy, StreamFaults

from .patience import IN_PROCESS
from .workload import make_table, put

WAIT_SECONDS = 60.0


class Scene:
    """A primary, and a secondary's node behind a proxy."""

    def __init__(self) -> None:
        self.primary, self.secondary = Database("p"), Database("shop")
        self.table = make_table(self.primary, 10)
        self.node = Node(self.secondary)
        self.node.start()
        self.proxy = FaultProxy(self.node.address.host, self.node.address.port)
        self.proxy.start()
        address = Address(self.node.address.host, self.proxy.port, "shop")
        self.replica: RemoteReplica = replicate_to(self.primary, address)
        self.writers: list[Writer] = []

    @property
    def publisher(self) -> Publisher:
        publisher = system_of(self.primary).publisher
        assert publisher is not None
        return publisher

    def write(self, key: int, value: str = "new") -> Writer:
        """Begin to commit a record in a thread of its own."""
        writer = Writer(lambda: put(self.primary, self.table, key, value))
        self.writers.append(writer)
        return writer

    def write_pending(self, *keys: int) -> list[Writer]:
        """Begin commits, one after the other, that are not acknowledged."""
        writers = []
        for key in keys:
            count = len(self.publisher.pipeline.tickets)
            writers.append(self.write(key))
            until(lambda: len(self.publisher.pipeline.tickets) > count)  # noqa: B023
        return writers

    def let_time_out(self) -> None:
        """Let the time be over for which the oldest pending commit waits."""
        self.publisher.timeout_seconds = 0.0
        self.publisher.pipeline.tickets[0].deadline = 0.0

    def has(self, database: Database, key: int) -> bool:
        return database.root.tables[self.table].find(key) is not None

    def close(self) -> None:
        self.proxy.heal()
        for writer in self.writers:
            writer.join()
        self.replica._stopped.set()
        self.proxy.stop()
        self.node.stop()


class Writer:
    """A thread and what became of its work."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self.value: Any = None
        self.done = False
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.value = self._work()
        except Exception as error:
            self.error = error
        self.done = True

    def join(self) -> BaseException | None:
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        return self.error


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_many_commits_wait_at_a_time(scene: Scene) -> None:
    scene.proxy.stall()

    def write(first: int) -> None:
        for key in range(first, first + 10):
            put(scene.primary, scene.table, key, "x")
            assert scene.has(scene.primary, key), "who has written it reads it"

    writers = [Writer(lambda first=first: write(first)) for first in range(1000, 1160, 10)]  # type: ignore[misc]
    until(lambda: len(scene.publisher.pipeline.tickets) == 16)
    scene.proxy.heal()
    scene.proxy.set_faults(StreamFaults(delay_seconds=0.01))
    assert [writer.join() for writer in writers] == [None] * 16
    assert scene.primary.root is scene.primary.head
    assert scene.primary.root.tables[scene.table].count == 170
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


def test_commits_become_visible_in_order_and_not_before(scene: Scene) -> None:
    scene.primary.keep_history(100)
    before = scene.primary.root
    scene.proxy.stall()
    writers = scene.write_pending(101, 102, 103)
    assert scene.primary.root is before and scene.primary.head.lsn == before.lsn + 3
    assert not any(writer.done for writer in writers)
    scene.proxy.heal()
    assert [writer.join() for writer in writers] == [None] * 3
    assert scene.primary.root.lsn == before.lsn + 3
    for place, key in enumerate((101, 102, 103)):
        root = scene.primary.root_at(before.lsn + 1 + place)
        assert [root.tables[scene.table].find(each) is not None for each in (key, key + 1)] == [True, False]


def test_what_is_not_acknowledged_takes_along_what_builds_on_it(scene: Scene) -> None:
    before = scene.primary.root
    scene.proxy.stall()
    writers = scene.write_pending(101, 102, 103)
    open_one = scene.primary.begin()
    assert open_one.base.lsn == before.lsn + 3
    scene.let_time_out()
    errors = [writer.join() for writer in writers]
    numbers = [error.transaction for error in errors if isinstance(error, CommitInDoubt)]
    assert len(set(numbers)) == 3
    assert scene.primary.root is scene.primary.head is before
    open_one.table(scene.table).insert(104, (104, "builds on nothing", None))
    with pytest.raises(ReplicationError):
        open_one.commit()
    open_one.rollback()
    scene.proxy.heal()
    scene.publisher.timeout_seconds = WAIT_SECONDS
    until(lambda: scene.replica.status.state == "in step")
    put(scene.primary, scene.table, 105, "after")
    assert [scene.has(scene.primary, key) for key in range(101, 106)] == [False, False, False, False, True]
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()
    assert [replication.outcome(scene.primary, number).answer for number in numbers] == ["aborted"] * 3


def test_a_transaction_open_on_an_abandoned_commit_begins_again(scene: Scene) -> None:
    scene.proxy.stall()
    [writer] = scene.write_pending(101)
    transaction = scene.primary.begin()
    transaction.table(scene.table).insert(102, (102, "b", None))
    scene.let_time_out()
    assert isinstance(writer.join(), CommitInDoubt)
    scene.publisher.timeout_seconds = WAIT_SECONDS
    scene.proxy.heal()
    until(lambda: scene.replica.status.state == "in step")
    transaction.table(scene.table).insert(103, (103, "c", None))
    with pytest.raises(BaseAbandoned, match="rolled back"):
        transaction.commit()
    transaction.rollback()
    put(scene.primary, scene.table, 102, "again")
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


def test_promotion_keeps_all_that_was_received(scene: Scene) -> None:
    scene.proxy.stall("down")
    writers = scene.write_pending(101, 102, 103)
    core = scene.node.system.secondary
    assert core is not None
    until(lambda: len(core.unseen.pending) == 3)
    assert not scene.has(scene.secondary, 101)
    report = scene.node.promote()
    assert report.pending_installed == report.lsn == scene.primary.root.lsn + 3
    scene.proxy.cut()
    scene.proxy.heal()
    errors = [writer.join() for writer in writers]
    assert all(isinstance(error, CommitInDoubt) for error in errors)
    for key, error in zip((101, 102, 103), errors, strict=True):
        assert isinstance(error, CommitInDoubt)
        assert scene.has(scene.secondary, key)
        assert replication.outcome(scene.secondary, error.transaction).answer == "committed"


def test_a_link_that_comes_back_goes_on_with_what_is_pending(scene: Scene) -> None:
    scene.publisher.core.limits.on_loss = "wait"
    scene.proxy.stall("down")
    writers = scene.write_pending(101, 102)
    core = scene.node.system.secondary
    assert core is not None
    until(lambda: len(core.unseen.pending) == 2)
    overlays = core.overlay_updates
    scene.proxy.cut()
    scene.proxy.heal()
    assert [writer.join() for writer in writers] == [None, None]
    assert core.overlay_updates == overlays, "they were not sent again"
    put(scene.primary, scene.table, 103, "after")
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


def test_large_transactions_stream_while_others_wait(scene: Scene) -> None:
    scene.proxy.set_faults(StreamFaults(delay_seconds=0.005))

    def write(first: int) -> None:
        for round_ in range(5):
            transaction = scene.primary.begin(WAIT_SECONDS)
            for key in range(first, first + 100):
                mark = transaction.mark()
                transaction.table(scene.table).insert(key + round_ * 100, (key, "x", None))
                if key % 10 == 0:
                    transaction.restore(mark)
            transaction.commit()

    writers = [Writer(lambda first=first: write(first)) for first in range(10_000, 18_000, 1000)]  # type: ignore[misc]
    assert [writer.join() for writer in writers] == [None] * 8
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.primary.root.tables[scene.table].count == 10 + 8 * 5 * 90
    assert scene.secondary.digest() == scene.primary.digest()


def test_secondaries_are_added_and_removed_between_commits(scene: Scene) -> None:
    stop = threading.Event()

    def write(first: int) -> int:
        key = first
        while not stop.is_set():
            put(scene.primary, scene.table, key, "x")
            key += 1
        return key - first

    writers = [Writer(lambda first=first: write(first)) for first in (1_000, 100_000, 200_000)]  # type: ignore[misc]
    for mode in ("sync", "async", "sync"):
        other = Database("other")
        replica = replication.attach(scene.primary, other, mode, **IN_PROCESS)  # type: ignore[arg-type]
        time.sleep(0.05)
        replica.detach()
        assert other.root.lsn > 1 or mode == "async"
        root = scene.primary.root
        assert root.tables[scene.table].count >= other.root.tables[scene.table].count
    stop.set()
    assert [writer.join() for writer in writers] == [None] * 3
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


def test_a_node_is_detached_between_commits(scene: Scene) -> None:
    stop = threading.Event()

    def write(key: int) -> None:
        while not stop.is_set():
            put(scene.primary, scene.table, key, "x")

    writers = [Writer(lambda key=key: write(key)) for key in range(1, 5)]  # type: ignore[misc]
    until(lambda: len(scene.publisher.pipeline.tickets) > 1)
    scene.replica.detach()
    lsn = scene.primary.root.lsn
    until(lambda: scene.primary.root.lsn > lsn + 20)
    stop.set()
    assert [writer.join() for writer in writers] == [None] * 4


def test_a_chain_shows_each_commit_in_turn() -> None:
    first, second, third = Database("a"), Database("b"), Database("c")
    table = make_table(first, 10)
    replication.attach(first, second, faults=Faults(latency_seconds=0.002), **IN_PROCESS)
    replication.attach(second, third, **IN_PROCESS)
    writers = [
        Writer(lambda first_key=key: [put(first, table, first_key + step, "x") for step in range(10)])  # type: ignore[misc]
        for key in range(100, 180, 10)
    ]
    assert [writer.join() for writer in writers] == [None] * 8
    until(lambda: second.root.lsn == first.root.lsn or bool(system_of(second).link.pump()) and False)  # type: ignore[union-attr]
    assert first.digest() == second.digest() == third.digest()


def test_whoever_has_the_last_word_gets_one_commit_at_a_time(tmp_path: Any) -> None:
    file = tandemdb.connect(tmp_path / "file.db", isolation_level=None)
    file.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    standby = tandemdb.connect(":memory:")
    file.replicate_to(standby, "sync")
    publisher = system_of(file._database).publisher
    assert publisher is not None and not publisher.goes_ahead
    file.execute("INSERT INTO t VALUES (1)")
    assert standby.execute("SELECT * FROM t").fetchall() == [(1,)]


class Tables:
    """Connections to a primary whose secondary answers when it is told to."""

    def __init__(self) -> None:
        self.standby = tandemdb.connect(":memory:")
        self.one, self.other, self.reader = [
            tandemdb.connect(":memory:pipeline", isolation_level=None, check_same_thread=False) for _ in range(3)
        ]
        self.one.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        self.replica = self.one.replicate_to(self.standby, "sync", **IN_PROCESS)
        self.publisher = self.replica.link.publisher

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self.one, self.other, self.reader, self.standby):
            connection.close()

    def hold(self) -> None:
        """Let nothing come and go."""
        self.replica.link.pump = lambda tick=True: False

    def let_go(self) -> None:
        del self.replica.link.pump

    def let_go_soon(self) -> threading.Timer:
        timer = threading.Timer(0.1, self.let_go)
        timer.start()
        return timer

    def begin(self, work: Callable[[], Any]) -> Writer:
        """Begin to commit in another thread, and come back when that waits."""
        count = len(self.publisher.pipeline.tickets)
        writer = Writer(work)
        until(lambda: len(self.publisher.pipeline.tickets) > count)
        return writer

    def insert_pending(self, value: int) -> Writer:
        return self.begin(lambda: self.other.execute("INSERT INTO t VALUES (?, 0)", (value,)))


def test_a_statement_follows_what_is_pending_and_readers_do_not_see_it() -> None:
    with Tables() as tables:
        tables.hold()
        inserting = tables.insert_pending(1)
        updating = tables.begin(lambda: tables.one.execute("UPDATE t SET b = 7 WHERE a = 1"))
        assert tables.reader.execute("SELECT * FROM t").fetchall() == []
        tables.let_go()
        assert inserting.join() is updating.join() is None
        assert tables.one.execute("SELECT * FROM t").fetchall() == [(1, 7)]


def test_what_a_transaction_has_read_stands_when_it_ends_without_a_change() -> None:
    with Tables() as tables:
        tables.hold()
        writer = tables.insert_pending(1)
        tables.one.execute("BEGIN IMMEDIATE")
        assert tables.one.execute("SELECT a FROM t").fetchall() == [(1,)]
        timer = tables.let_go_soon()
        tables.one.execute("COMMIT")
        assert tables.one.execute("SELECT a FROM t").fetchall() == [(1,)], "COMMIT has waited for it"
        assert writer.join() is None
        timer.join()
        tables.hold()
        writer = tables.insert_pending(2)
        tables.one.execute("BEGIN IMMEDIATE")
        assert tables.one.execute("SELECT a FROM t").fetchall() == [(1,), (2,)]
        tables.publisher.pipeline.tickets[0].deadline = 0.0
        with pytest.raises(BaseAbandoned):
            tables.one.execute("COMMIT")
        tables.one.rollback()
        assert isinstance(writer.join(), CommitInDoubt)
        assert tables.one.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_a_transaction_in_doubt_cannot_be_committed_again() -> None:
    with Tables() as tables:
        tables.publisher.timeout_seconds = 0.1
        tables.replica.set_faults(Faults(drop=1.0))
        tables.one.execute("BEGIN")
        tables.one.execute("INSERT INTO t VALUES (1, 0)")
        tables.one.execute("SAVEPOINT s")
        with pytest.raises(CommitInDoubt):
            tables.one.execute("COMMIT")
        for commit in (tables.one.commit, lambda: tables.one.execute("COMMIT")):
            with pytest.raises(tandemdb.OperationalError, match="the transaction was rolled back"):
                commit()
        assert tables.one.execute("SELECT * FROM t").fetchall() == []
        tables.one.execute("INSERT INTO t VALUES (2, 0)")
        with pytest.raises(tandemdb.OperationalError, match="the transaction was rolled back"):
            tables.one.execute("COMMIT")
        with pytest.raises(tandemdb.OperationalError, match="no such savepoint"):
            tables.one.execute("ROLLBACK TO s")
        assert tables.one.in_transaction
        tables.one.execute("ROLLBACK")
        assert tables.one.execute("SELECT * FROM t").fetchall() == []


def test_an_answer_about_a_token_waits_for_what_is_pending() -> None:
    with Tables() as tables:
        tables.hold()
        tables.other.execute("BEGIN")
        tables.other.execute("INSERT INTO t VALUES (1, 0)")
        tables.other.mark("order 7")
        lsn = tables.one.lsn
        writer = tables.begin(tables.other.commit)
        timer = tables.let_go_soon()
        assert tables.one.was_committed("order 7")
        assert tables.one.lsn > lsn
        assert writer.join() is None
        timer.join()


def test_a_commit_that_is_interrupted_is_rolled_back(scene: Scene) -> None:
    scene.proxy.stall()
    pause = scene.publisher.pause

    def interrupt(seconds: float) -> None:
        scene.publisher.pause = pause
        raise KeyboardInterrupt

    scene.publisher.pause = interrupt
    with pytest.raises(KeyboardInterrupt):
        put(scene.primary, scene.table, 101, "never")
    assert scene.primary.head is scene.primary.root
    assert not scene.publisher.pipeline.tickets and not scene.publisher.core.pending
    scene.proxy.heal()
    put(scene.primary, scene.table, 102, "after")
    assert not scene.has(scene.primary, 101)
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


@pytest.mark.parametrize("place", ["shown", "told"])
def test_a_commit_that_is_interrupted_when_it_is_visible_stands(
    scene: Scene, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = scene.publisher
    install = publisher.pipeline._install

    def interrupt(*arguments: Any, **named: Any) -> None:
        monkeypatch.undo()
        if place == "shown":
            install(*arguments)
        raise KeyboardInterrupt

    target, name = (publisher.pipeline, "_install") if place == "shown" else (publisher, "take_over")
    monkeypatch.setattr(target, name, interrupt)
    transaction = scene.primary.begin()
    transaction.table(scene.table).insert(101, (101, "stands", None))
    with pytest.raises(KeyboardInterrupt):
        transaction.commit()
    assert transaction.committed and transaction.closed
    assert scene.has(scene.primary, 101) and scene.primary.head is scene.primary.root
    assert not publisher.pipeline.tickets and not publisher.core.pending
    until(lambda: not publisher.core.quorum.missing() or bool(publisher.links.pump_tight()) and False)
    put(scene.primary, scene.table, 102, "after")
    until(lambda: scene.secondary.root.lsn == scene.primary.root.lsn)
    assert scene.secondary.digest() == scene.primary.digest()


def test_whoever_waits_for_what_another_has_committed_may_be_interrupted(scene: Scene) -> None:
    scene.proxy.stall()
    pause = scene.publisher.pause

    def interrupt(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        pause(min(seconds, 0.01))

    scene.publisher.pause = interrupt
    del scene.publisher.pipeline._leading[0]  # so that it is the main thread's to lead
    [writer] = scene.write_pending(101)
    reader = scene.primary.begin()
    scene.publisher.pipeline._leading[:] = VACANT
    with pytest.raises(KeyboardInterrupt):
        for _ in range(1000):
            wait = scene.publisher.unchanged(reader)
            assert wait is not None
            wait()
    reader.rollback()
    scene.proxy.heal()
    assert writer.join() is None
    assert scene.has(scene.primary, 101)


def test_acknowledgements_of_what_was_abandoned_do_not_count() -> None:
    primary, secondary = Database("p"), Database("s")
    make_table(primary, 10)
    replication.attach(primary, secondary)
    publisher = system_of(primary).publisher
    assert publisher is not None
    core = publisher.core
    [peer] = core.peers.values()
    first = LSN(primary.root.lsn + 1)
    abandoned = [core.complete(LSN(first + place), [], None, 0.0) for place in range(3)]
    core._acknowledged(peer, Ack(first, abandoned[0].transaction, primary.root.lsn, None))
    assert [bool(pending.acknowledged) for pending in abandoned] == [True, False, False], "all up to it, and no more"
    core.abandon(abandoned[1])
    again = core.complete(LSN(first + 1), [], None, 0.0)
    core._acknowledged(peer, Ack(LSN(first + 2), abandoned[2].transaction, primary.root.lsn, None))
    assert not again.acknowledged and peer.received_lsn == first
    core._acknowledged(peer, Ack(again.lsn, again.transaction, primary.root.lsn, None))
    assert again.acknowledged == {"s"} and peer.received_lsn == again.lsn
    assert [pending.lsn for pending in core.pending] == [first, first + 1]
    core.abandon()
    assert not core.pending and peer.received_lsn == core.head_lsn == primary.root.lsn


def test_an_error_in_doubt_crosses_a_link_as_what_it_is() -> None:
    from tandemdb.replication.network.calls import describe, rebuild

    error = rebuild(describe(FencedInDoubt("commit in doubt", 7), 1, None))
    assert isinstance(error, FencedInDoubt) and isinstance(error, CommitInDoubt) and error.transaction == 7
