"""Levels of acknowledgement: what a commit waits for, as a setting and for single transactions."""

from __future__ import annotations

from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication import SecondaryLost
from tandemdb.replication.acknowledging import acknowledging
from tandemdb.replication.core import blocks
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.core.messages import LSN, Frame, Heartbeat, TxnBegin, TxnWhole
from tandemdb.replication.core.peer import Peer
from tandemdb.replication.core.primary import Primary
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.node import Node
from tandemdb.replication.observers import LooseObserver
from tandemdb.replication.publisher import Publisher
from tandemdb.storage import UPDATE, Database
from tandemdb.testing import VirtualClock, assert_identical

from .workload import make_table, put


def attach(level: str = "applied") -> tuple[Database, Database, int, replication.Replica]:
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 10)
    replica = replication.attach(
        primary, secondary, clock=clock, pause=clock.pause, gather_seconds=1.0, acknowledge=level
    )
    return primary, secondary, table, replica


def test_none_waits_for_nobody_even_when_all_are_lost() -> None:
    primary, secondary, table, replica = attach()
    replica.cut()
    with pytest.raises(SecondaryLost):
        put(primary, table, 1, "refused")
    with acknowledging("none"):
        put(primary, table, 1, "at once")
    with pytest.raises(SecondaryLost):
        put(primary, table, 2, "refused again")
    replica.heal()
    put(primary, table, 3, "together")
    assert_identical(primary, secondary)


@pytest.mark.parametrize("observed", [False, True])
def test_a_commit_is_acknowledged_before_the_one_before_is_shown(observed: bool) -> None:
    """That need not be waited for; but where it may be refused, nothing that builds on it is acknowledged before."""
    primary, secondary, table, replica = attach()
    core = replica.link.secondary
    replica.link.stop()
    if observed:
        secondary.set_observer(LooseObserver(Publisher(secondary, Primary(core.identity, secondary.root, Limits(), 1))))
    lsn, number = secondary.root.lsn, core.unseen.last_transaction
    [block] = [block for block in secondary.root.tables[table].location.blocks() if 1 in block.keys]

    def take(step: int) -> None:
        """Take the commit that is `step` after what is shown now; the one before it stands."""
        change = (UPDATE, table, block.number, 1, (1, f"step {step}", None))
        whole = TxnWhole(number + step, lsn + step - 1, lsn + step, (change,), None, lsn + step - 1, 0.0)
        core.receive(Frame(core.session, core.identity.epoch, core._expected, whole), 0.0)

    take(1)
    core.work(0.0)
    core.outgoing.clear()
    take(2)
    [answer] = core.outgoing
    assert answer.message.received_lsn == lsn + 2
    assert secondary.root.lsn == (lsn + 1 if observed else lsn)
    assert core.owes != observed
    core.work(0.0)
    assert (secondary.root.lsn, core.received_lsn) == (lsn + 1, lsn + 2)
    assert not core.owes


def test_what_stands_is_told_once() -> None:
    """By the next commit, if one comes, or else by a message of its own."""
    peer = Peer("s", "sync", "in step", session=1)
    peer.standing_lsn = LSN(7)
    assert not peer.is_level
    assert peer.tell_stability() == Heartbeat(LSN(7), LSN(7), None, False)
    assert peer.is_level
    peer.standing_lsn = LSN(8)
    peer.stream(3, LSN(9), LSN(8), [])
    assert [type(message) for message in peer.queue] == [TxnBegin]
    assert peer.standing_lsn == 0


@pytest.mark.parametrize("gather_seconds", [0.0, 1.0])
def test_received_is_acknowledged_before_it_is_applied(
    gather_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, secondary, table, replica = attach()
    replica.link.publisher.core.limits.gather_seconds = gather_seconds
    core = replica.link.secondary
    work, put_off = Secondary.work, []
    monkeypatch.setattr(Secondary, "work", lambda self, now: put_off.append(self.received_lsn))
    monkeypatch.setattr(Secondary, "owes", property(lambda self: False))
    with acknowledging("received"):
        put(primary, table, 1, "received")
    assert core.received_lsn == primary.root.lsn > secondary.root.lsn
    assert not core.unseen.pending  # not applied to its end
    monkeypatch.setattr(Secondary, "work", work)
    monkeypatch.undo()
    put(primary, table, 2, "applied")
    assert_identical(primary, secondary)


def test_what_was_received_stays_so_while_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may ask for the status at any moment, and elections go by it."""
    primary, secondary, table, replica = attach("received")
    core = replica.link.secondary
    told: list[tuple[int, int]] = []
    apply_all = blocks.apply_all

    def apply_and_tell(transaction: Any, changes: Any) -> None:
        told.append((core.received_lsn, core.received_transaction))
        apply_all(transaction, changes)
        told.append((core.received_lsn, core.received_transaction))

    monkeypatch.setattr(blocks, "apply_all", apply_and_tell)
    for key in range(3):
        before = (core.received_lsn, core.received_transaction)
        put(primary, table, key, "received")
        assert told == [(primary.root.lsn, before[1] + 1)] * 2 > [before]
        told.clear()


def test_promotion_applies_what_was_only_received(monkeypatch: pytest.MonkeyPatch) -> None:
    primary, secondary, table, replica = attach("received")
    work = Secondary.work
    monkeypatch.setattr(Secondary, "work", lambda self, now: None)
    monkeypatch.setattr(Secondary, "owes", property(lambda self: False))
    put(primary, table, 1, "received")
    monkeypatch.setattr(Secondary, "work", work)
    replica.link.is_cut = True
    report = replica.promote()
    assert report.lsn == primary.root.lsn
    assert secondary.root.tables[table].find(1) == (1, "received", None)


@pytest.mark.parametrize("as_setting", [True, False])
def test_visible_waits_for_the_secondary_s_readers(as_setting: bool) -> None:
    node = Node(Database("shop"))
    node.start()
    primary = Database("p")
    table = make_table(primary, 10)
    level = "visible" if as_setting else "applied"
    replica = replicate_to(primary, node.address, "sync", acknowledge=level)  # type: ignore[arg-type]
    try:
        for number in range(50):
            with acknowledging(None if as_setting else "visible"):
                put(primary, table, 1, f"turn {number}")
            assert node.database.root.lsn == primary.root.lsn
            assert node.database.root.tables[table].find(1) == (1, f"turn {number}", None)
    finally:
        replica.detach()
        node.stop()


def test_a_commit_may_wait_for_an_asynchronous_secondary() -> None:
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 10)
    replication.attach(primary, secondary, "async", clock=clock, pause=clock.pause)
    put(primary, table, 1, "at once")
    assert secondary.root.lsn < primary.root.lsn
    with acknowledging("applied"):
        put(primary, table, 1, "waited for")
    assert secondary.root.lsn == primary.root.lsn
    assert_identical(primary, secondary)


def test_levels_of_one_connection_and_over_a_link() -> None:
    name = "levels"
    node = nodes.serve(name)
    standby = Database("s")
    primary = nodes.keep_store(name)
    clock = VirtualClock()
    remote = tandemdb.connect(str(node.address), isolation_level=None)
    local = tandemdb.connect(f":memory:{name}", isolation_level=None)
    try:
        local.execute("CREATE TABLE t (a)")
        replica = replication.attach(primary, standby, clock=clock, pause=clock.pause)
        replica.cut()
        for connection in (remote, local):
            with pytest.raises(SecondaryLost):
                connection.execute("INSERT INTO t VALUES (1)")
            with connection.acknowledging("none"):
                connection.execute("INSERT INTO t VALUES (2)")
            with pytest.raises(SecondaryLost):
                connection.execute("INSERT INTO t VALUES (3)")
            with pytest.raises(tandemdb.ProgrammingError, match="unknown level"), connection.acknowledging("perhaps"):
                pass
        replica.heal()
        remote.execute("INSERT INTO t VALUES (4)")
        assert local.execute("SELECT a FROM t").fetchall() == [(2,), (2,), (4,)]
        assert_identical(primary, standby)
    finally:
        remote.close()
        local.close()
        node.stop()
        tandemdb.drop(name)
