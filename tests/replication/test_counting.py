"""Whose acknowledgements count while the record is changed, and while a candidate hears the others."""

from __future__ import annotations

import threading

import pytest

from tandemdb.replication import CommitInDoubt, SecondaryLost
from tandemdb.replication.coordination import Lease, Record
from tandemdb.replication.follower import Follower
from tandemdb.replication.node import Node

from .cluster import Cluster, has
from .processes import until
from .workload import make_table, put


def test_who_is_being_struck_off_is_not_enough_though_it_comes_back_meanwhile(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    name = second.system.identity.node
    line, asked, go_on = cluster.lines[first], threading.Event(), threading.Event()

    def cas(revision: int, record: Record, lease: Lease) -> int | None:
        if name not in [member.node for member in record.sync_set]:
            asked.set()
            assert go_on.wait(60)
        return line.reach().cas(revision, record, lease)

    line.cas = cas  # type: ignore[method-assign]
    link = second.system.link
    assert isinstance(link, Follower) and link.channel is not None
    with second.system.lock:  # It is away until it is about to be struck off.
        link.channel.close()
        assert asked.wait(60)
    until(lambda: in_step(first, name), "it is back")
    writer = threading.Thread(target=put, args=(first.database, table, 100, "on the one that stays"))
    with third.system.lock:
        writer.start()
        until(lambda: second.status()["following"]["received"] == 2, "it has the commit")
        writer.join(0.3)
        assert writer.is_alive() and not has(first, table, 100), "whom the record will not name holds it alone"
        go_on.set()
    writer.join(60)
    assert has(first, table, 100)
    until(lambda: has(third, table, 100), "it shows the commit")


def test_who_was_heard_acknowledges_nothing(cluster: Cluster) -> None:
    first = cluster.start(min_sync=1)
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.lines[second].is_cut = True  # Else it would follow again, for the primary's lease holds.
    place = second.stand_aside()
    with pytest.raises((SecondaryLost, CommitInDoubt)):
        put(first.database, table, 100, "behind the candidate's back")
    assert second.stand_aside() == place


def in_step(primary: Node, name: str) -> bool:
    return any(entry["name"] == name and entry["state"] == "in step" for entry in primary.status()["secondaries"])
