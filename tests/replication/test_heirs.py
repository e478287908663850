"""Heirs: who is named as the next primary may end before it leads, and what it commits then is nowhere else alone."""

from __future__ import annotations

import pytest

from tandemdb.replication import node as nodes
from tandemdb.replication.coordination import Record
from tandemdb.replication.core.messages import Epoch
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.node import Node
from tandemdb.replication.replica import PromotionReport

from .cluster import Cluster, equal, has, reason, role
from .processes import until
from .workload import make_table, put

GRACE_SECONDS = 10.0

def end_when_named(cluster: Cluster, node: Node) -> list[Record | None]:
    """Let a node's process end when the record names it, before it does anything else; returns what it was then."""
    found: list[Record | None] = []

    def promote_to(epoch: Epoch | None) -> PromotionReport:
        found.append(cluster.coordinator.read().record)
        cluster.lines[node].is_cut = True
        raise ReplicationError("this process ends")

    node.promote_to = promote_to  # type: ignore[method-assign]
    return found


def hand_over_to_one_cut_off(cluster: Cluster, primary: Node, successor: Node) -> None:
    """Name a successor that does not hear of it."""
    cluster.lines[successor].is_cut = True
    with pytest.raises(ReplicationError, match="is named as the primary and does not lead yet"):
        primary.hand_over(successor.address, "sync")


def test_a_candidate_that_ends_once_it_is_named_is_succeeded(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    put(first.database, table, 100, "acknowledged")
    ended = {node: end_when_named(cluster, node) for node in (second, third)}
    cluster.kill(first)
    cluster.let_lapse()
    until(lambda: any(ended.values()), "one was named")
    candidate, heir = (second, third) if ended[second] else (third, second)
    [record] = ended[candidate]
    assert record is not None and [member.node for member in record.sync_set] == [heir.system.identity.node]
    cluster.kill(candidate)
    del heir.promote_to  # type: ignore[method-assign]
    cluster.let_lapse()
    cluster.await_leader(heir)
    assert has(heir, table, 100) and heir.system.identity.epoch == 3
    put(heir.database, table, 101, "goes on")


def test_whoever_is_named_leads_with_its_heirs_in_step(cluster: Cluster) -> None:
    first = cluster.start(loss_grace_seconds=GRACE_SECONDS)
    table = make_table(first.database, 10)
    second, third = (cluster.start_in_step(first, loss_grace_seconds=GRACE_SECONDS) for _ in range(2))
    cluster.kill(first)
    cluster.let_lapse()
    leader = cluster.await_leader(second, third)
    heir = third if leader is second else second
    assert cluster.named() == [heir.system.identity.node]
    put(leader.database, table, 100, "on both")
    until(lambda: equal(leader, heir), "both show it")


def test_heirs_that_do_not_come_are_struck_off(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    cluster.lines[third].is_cut = True  # It lets go when it is asked to, and does not hear whom to follow.
    cluster.kill(first)
    cluster.let_lapse()
    cluster.await_leader(second)
    assert cluster.named() == []
    put(second.database, table, 100, "alone")
    cluster.lines[third].is_cut = False
    until(lambda: cluster.named() == [third.system.identity.node], "it is in step again")
    until(lambda: equal(second, third), "both show it")


def test_a_successor_that_ends_before_it_leads_leaves_the_place_to_who_had_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "HAND_OVER_SECONDS", 0.3)
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    put(first.database, table, 100, "acknowledged")
    hand_over_to_one_cut_off(cluster, first, second)
    cluster.kill(second)
    cluster.await_leader(first)
    assert first.system.identity.epoch == 3
    put(first.database, table, 101, "goes on")
    returned = cluster.start()
    until(lambda: cluster.named() == [returned.system.identity.node], "another is in step")
    assert equal(returned, first)


def test_with_three_either_of_the_others_takes_the_place_of_such_a_successor(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "HAND_OVER_SECONDS", 0.3)
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    put(first.database, table, 100, "acknowledged")
    hand_over_to_one_cut_off(cluster, first, second)
    assert set(cluster.named()) == {first.system.identity.node, third.system.identity.node}
    cluster.kill(second)
    leader = cluster.await_leader(first, third)
    assert has(leader, table, 100)
    other = third if leader is first else first
    until(lambda: cluster.named() == [other.system.identity.node], "the other one is in step")
    put(leader.database, table, 101, "goes on")
    until(lambda: equal(first, third), "both show it")


def test_a_successor_counts_on_who_hands_the_place_over(cluster: Cluster) -> None:
    first = cluster.start(loss_grace_seconds=GRACE_SECONDS)
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first, loss_grace_seconds=GRACE_SECONDS)
    first.hand_over(second.address, "sync")
    assert cluster.leader() is second and role(first) == "secondary"
    assert cluster.named() == [first.system.identity.node]
    put(second.database, table, 100, "on both")
    until(lambda: equal(first, second), "both show it")
    assert reason(second) == "the record names this node for epoch 2"


def test_a_primary_that_will_follow_asynchronously_is_no_heir(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first, loss_grace_seconds=GRACE_SECONDS)
    first.hand_over(second.address, "async")
    assert cluster.leader() is second and cluster.named() == []
    put(second.database, table, 100, "alone")
    until(lambda: has(first, table, 100), "it follows")
