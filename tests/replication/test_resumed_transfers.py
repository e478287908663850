"""Transfers of all blocks that are broken off: the next one brings what is lacking and what has changed, no more."""

from __future__ import annotations

from random import Random

import pytest

from tandemdb import replication
from tandemdb.replication.core.messages import Frame
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.node import Node
from tandemdb.storage import Database, TableDefinition
from tandemdb.testing import VirtualClock
from tandemdb.testing.fault_proxy import FaultProxy

from .processes import until
from .workload import Workload, make_table, put

BLOCKS = 40


def make_plain_table(database: Database, records: int) -> int:
    """As `make_table`, but that the workload may put into it whatever it likes: no column is the rowid."""
    transaction = database.begin()
    table_id = transaction.create_table(TableDefinition(name="t", columns=3))
    keys = list(range(1, records + 1))
    transaction.table(table_id).append_many(keys, [(number, f"value {number}", None) for number in keys])
    transaction.commit()
    return table_id


class Broken:
    """A mirror whose link dies after so many frames to the secondary, which has nearly nothing of what there is."""

    def __init__(self, mode: str = "sync") -> None:
        self.clock = VirtualClock()
        self.primary, self.secondary = Database("p"), Database("s")
        make_plain_table(self.primary, 10)
        clock = self.clock
        self.replica = replication.attach(
            self.primary, self.secondary, mode, clock=clock, pause=clock.pause, log_bytes_max=1
        )
        self.replica.cut()
        self.replica.link.publisher.core.quorum.dismiss(self.replica.link.publisher.core.quorum.synchronous())
        self.table = make_plain_table(self.primary, 128 * BLOCKS)
        self.frames: int | None = None
        self.publisher = self.replica.link.publisher
        self._next_frame = self.publisher.next_frame
        self.publisher.next_frame = self.next_frame  # type: ignore[method-assign]

    def next_frame(self, name: str) -> Frame | None:
        if self.frames == 0:
            self.replica.link.is_cut = True
            self.publisher.disconnected(name)
            self.publisher.core.quorum.dismiss(self.publisher.core.quorum.synchronous())
            return None
        if self.frames is not None:
            self.frames -= 1
        return self._next_frame(name)

    def heal(self, frames: int | None) -> int:
        """Mend the link for so many frames; returns how many blocks were planned."""
        self.frames = frames
        self.replica.heal()
        for _ in range(100):
            if not self.replica.link.is_cut:
                self.replica.link.pump()
                self.clock.pause(0.01)
        return self.publisher.core.peers[self.replica.name].blocks_planned

    def check_level(self) -> None:
        assert self.secondary.root.lsn == self.primary.root.lsn
        assert self.secondary.digest() == self.primary.digest()
        for root in (self.secondary.root, self.primary.root):
            for table in root.tables.values():
                assert sum(len(block.keys) for block in table.location.blocks()) == table.count


def test_the_next_transfer_brings_what_is_lacking_and_what_has_changed() -> None:
    broken = Broken()
    before = broken.secondary.root
    whole = broken.heal(30)
    assert whole > BLOCKS and broken.replica.link.is_cut
    held = broken.replica.link.secondary.staging
    assert held is not None
    there = len(held.images)
    assert there > 20 and broken.secondary.root is before, "readers see what was there"
    last = held.images[-1].keys[0]
    put(broken.primary, broken.table, 1, "changed meanwhile")
    put(broken.primary, broken.table, last, "changed meanwhile")
    assert broken.heal(None) == whole - there + 2
    assert broken.replica.status.plans[-2:] == ("snapshot", "snapshot")
    broken.check_level()
    assert not broken.replica.link.secondary.remains.images


def test_what_was_changed_between_two_breaks_is_not_taken_for_new() -> None:
    broken = Broken()
    broken.heal(25)
    put(broken.primary, broken.table, 1, "changed once")  # Its block is there as it was before.
    broken.heal(3)  # Broken off again before it comes.
    put(broken.primary, broken.table, 128 * BLOCKS, "changed once")
    broken.heal(None)
    broken.check_level()
    assert broken.secondary.root.tables[broken.table].find(1) == (1, "changed once", None)


@pytest.mark.parametrize("seed", range(30))
def test_broken_off_again_and_again(seed: int) -> None:
    random, workload = Random(seed), Workload(seed)
    broken = Broken(random.choice(["sync", "async"]))
    for _ in range(random.randrange(1, 5)):
        broken.heal(random.randrange(1, 60))
        for _ in range(random.randrange(3)):
            workload.transaction(broken.primary, 6)
        if broken.table not in broken.primary.root.tables:  # The workload drops tables, too.
            broken.table = make_plain_table(broken.primary, 128 * BLOCKS)
        if random.random() < 0.3:
            put(broken.primary, broken.table, random.randrange(1, 128 * BLOCKS), "changed")
    broken.heal(None)
    broken.check_level()


def test_another_primary_s_commits_are_not_taken_for_this_one_s() -> None:
    """Its LSN may be the same: the transaction's number tells them apart."""
    broken = Broken()
    broken.heal(30)
    secondary = broken.replica.link.secondary
    secondary.connect(broken.clock())
    assert secondary.remains.as_of is not None and secondary.remains.images
    lsn, number = secondary.remains.as_of
    secondary.remains.as_of = lsn, number + 1
    for place, image in list(secondary.remains.images.items()):
        secondary.remains.images[place] = image._replace(records=[(key, "another's", None) for key in image.keys])
    plans = len(broken.replica.status.plans)
    broken.heal(None)
    assert len(broken.replica.status.plans) == plans + 1, "it is not even tried"
    broken.check_level()


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_bytes_over_a_cable(share: float) -> None:
    """What was on its way when the cable was cut goes again, and what the node had got does not."""
    primary = Database("p")
    make_table(primary, 100_000)
    sizes, planned = [], []
    for cut_at in (None, share):
        node = Node(Database("shop"))
        node.start()
        proxy = FaultProxy(node.address.host, node.address.port)
        if cut_at is not None:
            proxy.cut_at_bytes = int(sizes[0] * cut_at)
        proxy.start()
        replica = replicate_to(primary, node.address.with_port(proxy.port), "async")
        before = 0
        if cut_at is not None:
            until(lambda: proxy.is_cut, "cut")  # noqa: B023
            before = proxy.bytes_forwarded
            proxy.heal()
        until(lambda: node.database.root.lsn == primary.root.lsn, "level")  # noqa: B023
        assert node.database.digest() == primary.digest()
        assert replica.link is not None and replica.link.peer is not None
        peer = replica.link.peer
        sizes.append(proxy.bytes_forwarded - before)
        planned.append(peer.blocks_planned)
        assert list(replica.status.plans) == ["snapshot"] * (1 if cut_at is None else 2)
        replica.detach()
        node.stop()
        proxy.stop()
    assert planned[1] == planned[0] - sum(len(numbers) for _, numbers in peer.held.tables)
    assert sizes[1] < sizes[0] * planned[1] / planned[0] + 0.1 * sizes[0]
