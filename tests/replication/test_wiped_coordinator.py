"""A coordinator that has lost its data: who led goes on if its secondaries are with it, and nobody else begins anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tandemdb.replication.coordination.coordinator import State
from tandemdb.replication.coordination.decision import Part, decide
from tandemdb.replication.coordination.memory import MemoryCoordinator
from tandemdb.replication.coordination.record import Member
from tandemdb.replication.errors import LeaseLost, ReplicationError
from tandemdb.replication.node import Node

from .processes import until
from .test_failover import LEASE_SECONDS, Cluster, equal, has, may_acknowledge, reason, role
from .workload import make_table, put


@pytest.fixture
def wiped() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


def wipe(cluster: Cluster) -> None:
    """Let the coordinator forget record and lease."""
    cluster.coordinator = MemoryCoordinator(cluster.clock)
    for line in cluster.lines.values():
        line.coordinator = cluster.coordinator


def start_three(cluster: Cluster) -> tuple[Node, Node, Node, int]:
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    put(first.database, table, 100, "acknowledged")
    return first, second, third, table


def waits_without_record(node: Node) -> bool:
    return "has lost the record" in node.status()["coordination"]["reason"]


def test_who_led_writes_the_record_anew(wiped: Cluster) -> None:
    first, second, third, table = start_three(wiped)
    before = wiped.coordinator.read().record
    wipe(wiped)
    until(lambda: may_acknowledge(first) and len(wiped.named()) == 2, "it leads, and the others are named")
    record = wiped.coordinator.read().record
    assert before is not None and record is not None
    assert (record.cluster, record.epoch, record.primary) == (before.cluster, 1, before.primary)
    put(first.database, table, 101, "goes on")
    assert role(second) == role(third) == "secondary"
    until(lambda: equal(first, second) and equal(first, third), "level")


def test_a_secondary_that_reads_first_that_there_is_no_record_does_not_begin_one(wiped: Cluster) -> None:
    first, second, third, table = start_three(wiped)
    wiped.lines[first].is_cut = True
    wipe(wiped)
    until(lambda: waits_without_record(second) and waits_without_record(third), "they wait, and say why")
    assert wiped.coordinator.read().record is None and wiped.leader() in (first, None)
    wiped.clock.now += LEASE_SECONDS
    with pytest.raises(LeaseLost):
        put(first.database, table, 101, "refused")
    wiped.lines[first].is_cut = False
    until(lambda: may_acknowledge(first) and len(wiped.named()) == 2, "who led goes on")
    put(first.database, table, 102, "goes on")
    assert has(first, table, 100) and not has(first, table, 101)


def test_who_was_succeeded_does_not_write_it_anew(wiped: Cluster) -> None:
    """Its secondaries have left it: it cannot know that they did not for another primary."""
    first, second, third, table = start_three(wiped)
    wiped.lines[first].is_cut = True
    wiped.let_lapse()
    leader = wiped.await_leader(second, third)
    other = third if leader is second else second
    until(lambda: len(wiped.named()) == 1, "the other follows")
    put(leader.database, table, 101, "of the new epoch")
    wiped.lines[leader].is_cut = wiped.lines[other].is_cut = True
    wipe(wiped)
    wiped.lines[first].is_cut = False
    until(lambda: waits_without_record(first), "it waits, and says why")
    wiped.lines[leader].is_cut = wiped.lines[other].is_cut = False
    until(lambda: may_acknowledge(leader), "the newest primary goes on")
    until(lambda: len(wiped.named()) == 2, "the first one follows")
    assert has(leader, table, 101)
    until(lambda: equal(first, leader) and equal(other, leader), "level")


def test_the_primary_dead_too_is_succeeded_by_the_operator_alone(wiped: Cluster) -> None:
    first, second, third, table = start_three(wiped)
    wiped.kill(first)
    wipe(wiped)
    until(lambda: waits_without_record(second) and waits_without_record(third), "they wait")
    with pytest.raises(ReplicationError, match="may count on its lease yet"):
        second.promote()
    wiped.let_lapse()
    assert second.promote().epoch == 2
    wiped.await_leader(second)
    until(lambda: len(wiped.named()) == 1, "the other follows")
    put(second.database, table, 101, "goes on")
    assert has(second, table, 100) and has(third, table, 100)


def test_a_primary_whose_secondaries_are_dead_goes_on_when_it_is_told_to(wiped: Cluster) -> None:
    first = wiped.start()
    table = make_table(first.database, 10)
    second = wiped.start_in_step(first)
    wiped.kill(second)
    until(lambda: first.status()["secondaries"][0]["state"] == "lost", "the link is gone")
    wipe(wiped)
    until(lambda: waits_without_record(first), "it waits, and says why")
    wiped.let_lapse()
    report = first.promote()
    assert (report.epoch, report.lsn, report.was) == (1, first.database.root.lsn, "primary")
    wiped.await_leader(first)
    put(first.database, table, 101, "goes on")
    with pytest.raises(ReplicationError, match="not a secondary"):
        first.promote()


def test_an_empty_node_begins_anew_and_takes_nobody_s_data(wiped: Cluster) -> None:
    first, second, third, table = start_three(wiped)
    wiped.kill(first)
    wipe(wiped)
    fresh = wiped.start(port=first.address.port)
    wiped.await_leader(fresh)
    until(lambda: "own" in reason(second) or "cluster" in second.status()["following"]["reason"], "refused")
    assert has(second, table, 5) and has(third, table, 5)


@pytest.mark.parametrize(
    ("part", "leader", "course"),
    [("none", "", "found"), ("in office", "", "found"), ("other", "", "wait"), ("in office", "c 1", "wait")],
)
def test_decisions_without_a_record(part: Part, leader: str, course: str) -> None:
    assert decide(State(None, 0, leader, 1), Member("b", "1", "there"), part=part).course == course
