"""Blocks that change in RAM by themselves: found by the next digest, told, and never copied on."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.core.peer import Mode
from tandemdb.replication.node import Node
from tandemdb.replication.system import system_of
from tandemdb.storage import Database, Root, recompute
from tandemdb.testing import VirtualClock

from .processes import until
from .workload import make_table, put


def flip(root: Root, table: int) -> None:
    """Change a record where it stands, which nothing that keeps digests hears of."""
    block = next(root.tables[table].location.blocks())
    block.records[3] = (4, "a flipped bit", None)


def start_nodes(stack: ExitStack, count: int, limits: Limits | None = None) -> list[Node]:
    """Start nodes in this process, that end with the stack."""
    nodes = [Node(Database("shop"), limits=limits) for _ in range(count)]
    for node in nodes:
        stack.callback(node.stop)
        node.start()
    return nodes


def test_a_damaged_node_that_is_promoted_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        primary, whole, damaged = start_nodes(stack, 3)
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


class Pair:
    """A primary and its secondary, on virtual time, with a digest at each commit."""

    def __init__(self, mode: Mode) -> None:
        self.clock = VirtualClock()
        self.primary, self.secondary = Database("p"), Database("s")
        self.table = make_table(self.primary, 1000)
        clock = self.clock
        self.replica = replication.attach(
            self.primary, self.secondary, mode=mode, clock=clock, pause=clock.pause, name="s", digest_every=1
        )
        self.check_level()

    def check_level(self) -> None:
        """Within a second, and the record that `flip` changes is as it was."""
        publisher = system_of(self.primary).publisher
        assert publisher is not None
        begin = self.clock()
        while not self.is_level():
            publisher.follow_once()
            self.clock.pause(0.01)
            assert self.clock() - begin < 1.0

    def is_level(self) -> bool:
        found = self.secondary.root.tables.get(self.table)
        return found is not None and found.find(4) == (4, "value 4", None) and same(self.primary, self.secondary)


def same(first: Database, second: Database) -> bool:
    """Whether the records of both are the same, whatever digests were kept up."""
    return recompute(first.root).total == recompute(second.root).total and first.digest() == second.digest()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_each_damage_is_mended_at_once_however_many_there_were(mode: Mode) -> None:
    """What was mended is no reason to ask more seldom; only what fails again and again is."""
    pair = Pair(mode)
    for key in range(1000, 1006):
        flip(pair.secondary.root, pair.table)
        for each in pair.secondary.root.tables.values():
            each.summed = None  # As when it is recomputed.
            for block in each.location.blocks():
                block.digest = None
        put(pair.primary, pair.table, key, "after")
        pair.check_level()
        put(pair.primary, pair.table, key + 100, "and after that")
        pair.check_level()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("others", [0, 3])
def test_a_change_of_the_damaged_record_shows_it(mode: Mode, others: int) -> None:
    """The digest before was kept up, and right: that it is the primary's says nothing of the records."""
    pair = Pair(mode)
    for key in range(500, 500 + others):
        put(pair.primary, pair.table, key, "before")
    pair.check_level()
    flip(pair.secondary.root, pair.table)
    for key in range(5, 5 + others):  # In the same block.
        put(pair.primary, pair.table, key, "meanwhile")
    put(pair.primary, pair.table, 4, "another")
    put(pair.primary, pair.table, 4, "value 4")
    pair.check_level()


def test_a_primary_that_its_secondary_contradicts_mends_itself(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        primary, secondary = start_nodes(stack, 2, Limits(loss_grace_seconds=0.1))
        table = make_table(primary.database, 1000)
        secondary.follow(primary.address)
        until(lambda: secondary.database.digest() == primary.database.digest(), "level")
        put(primary.database, table, 500, "before")
        flip(primary.database.root, table)
        publisher = primary.system.publisher
        assert publisher is not None
        publisher.timeout_seconds = 0.5

        def can_be_written() -> bool:
            try:
                put(primary.database, table, 4, "value 4")
            except replication.ReplicationError:  # What it sent did not fit.
                return False
            return True

        assert not can_be_written()
        until(can_be_written, "it is mended")
        events = [getattr(record, "event", "") for record in caplog.records]
        assert events.count("repaired") == 1 and events.index("damaged") < events.index("repaired")
        until(lambda: same(primary.database, secondary.database), "level")
        assert primary.database.root.tables[table].find(4) == (4, "value 4", None)


def test_the_middle_of_a_chain_mends_itself_from_its_primary() -> None:
    with ExitStack() as stack:
        first, middle, last = start_nodes(stack, 3)
        table = make_table(first.database, 1000)
        middle.follow(first.address)
        until(lambda: same(first.database, middle.database), "the middle one is level")
        last.follow(middle.address, "async")
        until(lambda: same(first.database, last.database), "the last one is level")
        flip(middle.database.root, table)
        middle.system.publisher.contradicted()  # type: ignore[union-attr]
        until(lambda: same(first.database, middle.database), "it is mended")


def damage(database: Database, name: str, choice: random.Random) -> int:
    """Change a record of a table, or the key that it stands under, where it stands; returns the key that it had."""
    table = next(table for table in database.root.tables.values() if table.definition.name == name)
    block = choice.choice(list(table.location.blocks()))
    place = choice.randrange(len(block.keys))
    key, (a, b, c) = block.keys[place], block.records[place]
    changed = [(a + 1, b, c), (a, choice.randrange(100), c), (a, b, "damaged"), (0, None, None), (a, b, c)]
    block.records[place] = choice.choice(changed)
    if block.records[place] == (a, b, c):
        block.keys[place] += choice.choice([-1000, -1, 1, 1000])
    table.kept = None
    assert isinstance(key, int)
    return key


SEEN = [
    "PRAGMA integrity_check",
    "SELECT * FROM t ORDER BY a",
    "SELECT a FROM t WHERE b BETWEEN 3 AND 9 ORDER BY b, a",
    "SELECT a FROM t INDEXED BY by_c WHERE c > 'c5' ORDER BY c",
    "SELECT b, count(*) FROM t GROUP BY b ORDER BY b",
    "SELECT count(*) FROM t x JOIN t y ON x.b = y.a",
]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("seed", range(6))
def test_damage_of_any_kind_is_mended_with_the_indexes(mode: Mode, seed: int) -> None:
    choice, clock = random.Random(seed), VirtualClock()
    primary = tandemdb.connect(":memory:", isolation_level=None)
    secondary = tandemdb.connect(f"file:damaged{seed}{mode}?mode=memory&cache=shared", uri=True, isolation_level=None)
    primary.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b INT, c TEXT); CREATE INDEX by_b ON t (b)")
    primary.execute("CREATE UNIQUE INDEX by_c ON t (c)")
    primary.executemany("INSERT INTO t VALUES (?, ?, ?)", [(key, key % 50, f"c{key}") for key in range(1, 1001)])
    pair = primary._database, secondary._database
    replication.attach(*pair, mode=mode, clock=clock, pause=clock.pause, name="s", digest_every=1)
    publisher = system_of(pair[0]).publisher
    assert publisher is not None

    def check_level() -> None:
        begin = clock()
        while pair[0].root.lsn != pair[1].root.lsn or not same(*pair):
            publisher.follow_once()
            clock.pause(0.01)
            assert clock() - begin < 1.0

    check_level()
    for _ in range(6):
        key = damage(pair[1], "t", choice)
        if choice.random() < 0.5:
            for query in SEEN[2:]:
                secondary.execute(query).fetchall()
        primary.execute("UPDATE t SET b = b + 1, c = c || 'x' WHERE a = ?", (key,))
        if choice.random() < 0.3:
            primary.execute("DELETE FROM t WHERE a = ?", (key,))
        check_level()
        for query in SEEN:
            assert primary.execute(query).fetchall() == secondary.execute(query).fetchall(), query
    primary.close()
    secondary.close()
