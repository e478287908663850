"""Blocks that change in RAM by themselves: found by the next digest, told, and never copied on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tandemdb import replication
from tandemdb.replication.node import Node
from tandemdb.storage import Database, Root
from tandemdb.testing import VirtualClock

from .processes import until
from .workload import make_table, put


def flip(root: Root, table: int) -> None:
    """Change a record where it stands, which nothing that keeps digests hears of."""
    block = next(root.tables[table].location.blocks())
    block.records[3] = (4, "a flipped bit", None)


def test_a_damaged_node_that_is_promoted_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        primary, whole, damaged = (Node(Database("shop")) for _ in range(3))
        for node in (primary, whole, damaged):
            stack.callback(node.stop)
            node.start()
        table = make_table(primary.database, 1000)
        for node in (whole, damaged):
            node.follow(primary.address)
        until(lambda: all(node.database.digest() == primary.database.digest() for node in (whole, damaged)), "level")
        flip(damaged.database.root, table)
        primary.stop()
        whole.promote()
        damaged.promote()
        until(lambda: "damaged" in [getattr(record, "event", "") for record in caplog.records], "it is told")
        told_of = [record.node for record in caplog.records if getattr(record, "event", "") == "damaged"]  # type: ignore[attr-defined]
        assert told_of == [damaged.system.identity.node]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    events = [record for record in caplog.records if getattr(record, "event", "") == "secondary_differs"]
    return [(record.secondary, record.reason.partition(":")[0]) for record in events]  # type: ignore[attr-defined]


def test_a_damaged_secondary_is_told_of_and_mended(caplog: pytest.LogCaptureFixture) -> None:
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 1000)
    replica = replication.attach(primary, secondary)
    put(primary, table, 500, "before")
    assert not told(caplog)
    flip(secondary.root, table)
    for each in secondary.root.tables.values():
        each.summed = None  # As when it is recomputed.
        for block in each.location.blocks():
            block.digest = None
    put(primary, table, 600, "after")
    assert told(caplog) == [(replica.name, "root")]
    assert secondary.root.tables[table].find(4) == (4, "value 4", None)
    assert secondary.digest() == primary.digest() and replica.status.plans[-1] == "blocks"


def test_a_damaged_primary_s_blocks_are_taken_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Its digest was kept up from what was written: what it sends is something else, and the secondary finds out."""
    clock = VirtualClock()
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 1000)
    primary.digest()
    flip(primary.root, table)
    with pytest.raises(replication.ReplicationError, match="did not catch up"):
        replication.attach(primary, secondary, clock=clock, pause=clock.pause, name="s")
    assert set(told(caplog)) == {("s", "blocks")} and len(told(caplog)) < 10
    assert table not in secondary.root.tables, "nothing of it is shown"
