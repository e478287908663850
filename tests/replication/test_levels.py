"""Levels of acknowledgement: what a commit waits for, as a setting and for single transactions."""

from __future__ import annotations

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication import SecondaryLost
from tandemdb.replication.acknowledging import acknowledging
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.node import Node
from tandemdb.storage import Database
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
    assert not core.pending  # not applied to its end
    monkeypatch.setattr(Secondary, "work", work)
    monkeypatch.undo()
    put(primary, table, 2, "applied")
    assert_identical(primary, secondary)


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
