"""Catch-up: each of the four ways is chosen where it is the cheapest, and ships no more than it must."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tandemdb import replication
from tandemdb.replication.core import blocks, positions
from tandemdb.replication.core.catch_up import Decision, decide
from tandemdb.replication.core.messages import Position, TxnCommit
from tandemdb.replication.core.secondary import TAKES, Secondary
from tandemdb.storage import Database, OutOfStep
from tandemdb.testing.clock import VirtualClock

from .workload import Workload, make_table, put

RECORDS = 128 * 100


def mirrored(mode: str = "async", **options: int) -> tuple[Database, Database, int, replication.Replica]:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, RECORDS, key=True)
    replica = replication.attach(primary, secondary, mode, **options)
    replication.wait_for(secondary, primary.root.lsn)
    assert replica.status.plans == ("snapshot",)
    assert replica.status.blocks_shipped >= 100
    return primary, secondary, table_id, replica


def shipped_since(replica: replication.Replica, before: int) -> int:
    return replica.status.blocks_shipped - before


def level(primary: Database, secondary: Database) -> None:
    replication.wait_for(secondary, primary.root.lsn)
    assert secondary.digest() == primary.digest()


def test_tail_while_the_log_is_held() -> None:
    primary, secondary, table_id, replica = mirrored()
    before = replica.status.blocks_shipped
    replica.cut()
    for key in range(30):
        put(primary, table_id, key * 400 + 1, "changed")
    replica.heal()
    level(primary, secondary)
    assert replica.status.plans[-1] == "tail"
    assert shipped_since(replica, before) == 0


def test_blocks_changed_when_the_log_is_gone() -> None:
    primary, secondary, table_id, replica = mirrored(log_bytes_max=2000)
    before = replica.status.blocks_shipped
    replica.cut()
    for round_ in range(100):
        put(primary, table_id, 128 * (round_ % 5) + 1, f"changed {round_} {'x' * 50}")
    replica.heal()
    level(primary, secondary)
    assert replica.status.plans[-1] == "blocks"
    assert shipped_since(replica, before) == 5


def test_blocks_when_the_log_is_longer_than_the_blocks() -> None:
    primary, secondary, table_id, replica = mirrored()
    before = replica.status.blocks_shipped
    replica.cut()
    for round_ in range(200):
        put(primary, table_id, 7, f"changed {round_}")
    replica.heal()
    level(primary, secondary)
    assert replica.status.plans[-1] == "blocks"
    assert shipped_since(replica, before) == 1


def test_freed_blocks_and_dropped_tables_go_on_the_secondary_too() -> None:
    primary, secondary, table_id, replica = mirrored(log_bytes_max=10)
    other = make_table(primary, 300)
    level(primary, secondary)
    before = replica.status.blocks_shipped
    replica.cut()
    transaction = primary.begin()
    for key in range(1, 128 * 10 + 1):
        transaction.table(table_id).delete(key)
    transaction.drop_table(other)
    transaction.commit()
    replica.heal()
    level(primary, secondary)
    assert replica.status.plans[-1] == "blocks"
    assert shipped_since(replica, before) <= 2
    assert other not in secondary.root.tables


def test_digest_walk_after_the_primary_forgot() -> None:
    primary, secondary, table_id, replica = mirrored()
    replica.detach()
    put(primary, table_id, 1, "changed")
    put(primary, table_id, 128 * 50, "changed")
    again = replication.attach(primary, secondary, "async")
    level(primary, secondary)
    assert again.status.plans == ("blocks",)
    assert again.status.blocks_shipped == 2


def test_digest_walk_of_equal_systems_ships_nothing() -> None:
    primary, secondary, _, replica = mirrored()
    replica.detach()
    twin = primary.fork("twin")
    again = replication.attach(primary, twin, "async", overwrite=True)
    while again.status.state != "following" or again.status.lag_commits:
        time.sleep(0.001)
    level(primary, twin)
    assert again.status.plans == ("blocks",)
    assert again.status.blocks_shipped == 0


def test_snapshot_when_most_blocks_differ() -> None:
    primary, secondary, table_id, replica = mirrored(log_bytes_max=10)
    before = replica.status.blocks_shipped
    replica.cut()
    transaction = primary.begin()
    for key in range(1, RECORDS, 100):
        transaction.table(table_id).replace(key, (key, "changed", None))
    transaction.commit()
    replica.heal()
    level(primary, secondary)
    assert replica.status.plans[-1] == "snapshot"
    assert shipped_since(replica, before) >= 100


def test_the_log_dropped_while_following_leads_to_blocks() -> None:
    primary, secondary, table_id, replica = mirrored(log_bytes_max=3000)
    workload = Workload(1)
    for _ in range(40):
        workload.transaction(primary)
    level(primary, secondary)


def test_a_damaged_secondary_is_found_by_the_next_commit_and_repaired() -> None:
    primary, secondary, table_id, replica = mirrored("sync")
    before = replica.status.blocks_shipped
    block = next(secondary.root.tables[table_id].location.blocks())
    block.records[0] = (1, "flipped in RAM", None)
    block.digest = None
    for table in secondary.root.tables.values():
        table.summed = None
    put(primary, table_id, 500, "changed")
    assert secondary.digest() == primary.digest()
    assert secondary.root.tables[table_id].find(1) == (1, "value 1", None)
    assert replica.status.plans[-1] == "blocks"
    assert shipped_since(replica, before) == 1


def test_blocks_bring_the_record_of_outcomes() -> None:
    primary, first, second = Database("p"), Database("a"), Database("b")
    table = make_table(primary, 10)
    replica = replication.attach(primary, first)
    core = replica.link.publisher.core
    numbers = []
    for key in range(5):
        numbers.append(core.transaction)
        put(primary, table, key, "certain")
    core.log.keep_above(primary.root.lsn)
    late = replication.attach(primary, second)
    assert late.status.plans == ("snapshot",)
    late.promote()
    answers = [replication.outcome(second, number) for number in numbers]
    assert answers == [("committed", lsn) for lsn in range(2, 7)]
    assert replication.outcome(second, numbers[-1] + 1).answer == "aborted"


def test_what_cannot_be_applied_is_not_asked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secondary out of memory, say: it asks less and less often, and goes on when it can."""
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 10)
    replica = replication.attach(primary, secondary, "sync", clock=clock, pause=clock.pause)
    tries = 0

    def fail(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OutOfStep(table_id, 0, "memory", "none")

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "apply_all", fail)
        with pytest.raises(replication.ReplicationError):
            put(primary, table_id, 100, "not there yet")
        for _ in range(10_000):
            clock.pause(0.01)
            replica.link.pump()
    assert 3 < tries < 20
    while replica.status.state != "in step":
        clock.pause(0.1)
        replica.link.pump()
    put(primary, table_id, 101, "there")
    assert secondary.digest() == primary.digest()


def test_one_that_vouches_for_a_commit_and_doubts_itself_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first question is no more than an acknowledgement: blocks would take from it what it vouches for."""
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 10)
    replica = replication.attach(primary, secondary, "sync", clock=clock, pause=clock.pause)
    take = TAKES[TxnCommit]
    doubts = [True]

    def take_and_doubt(self: Secondary, message: TxnCommit, now: float) -> None:
        take(self, message, now)
        if doubts.pop() if doubts else False:
            self.outgoing.clear()  # What it acknowledges is lost, and what comes next does not fit.
            self._restart("blocks", 0, 0, "it does not fit", now)

    def compare_if_doubted(position: Position, *known: Any) -> Decision:
        is_doubted = known[-1]
        return Decision("walk", "it is doubted", position.lsn, {}) if is_doubted else decide(position, *known)

    monkeypatch.setitem(TAKES, TxnCommit, take_and_doubt)
    monkeypatch.setattr(positions, "decide", compare_if_doubted)
    put(primary, table_id, 100, "vouched for")
    end = clock.now + 60
    while replica.status.state != "in step":
        assert clock.now < end, (replica.status, replica.link.secondary.state)
        clock.pause(0.1)
        replica.link.pump()
    assert not doubts
    put(primary, table_id, 101, "goes on")
    level(primary, secondary)
