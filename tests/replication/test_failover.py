"""Failover through a coordinator: nodes over real sockets in one process, leases on a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

import tandemdb
from tandemdb.replication import CommitInDoubt, SecondaryLost, linking, outcome
from tandemdb.replication.coordination import CoordinatorLost, Lease, Record
from tandemdb.replication.core.primary import Pending
from tandemdb.replication.errors import LeaseLost, LinkLost, ReplicationError
from tandemdb.replication.linking import remove_secondary
from tandemdb.replication.node import Node
from tandemdb.replication.overview import draw
from tandemdb.storage import Database, StorageError

from .cluster import LEASE_SECONDS, Cluster, Line, equal, has, may_acknowledge, reason, role
from .processes import until
from .workload import make_table, put


def test_the_first_leads_and_the_second_follows(cluster: Cluster) -> None:
    first = cluster.start()
    assert role(first) == "primary" and first.status()["coordination"]["may_acknowledge"]
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    assert role(second) == "secondary"
    put(first.database, table, 100, "mirrored")
    assert second.status()["following"]["received"] == first.database.root.lsn
    with pytest.raises(StorageError, match="read-only"):
        second.database.begin()
    record = cluster.coordinator.read().record
    assert record is not None and record.epoch == 1 and record.primary.address == str(first.address)


def test_many_start_at_once_and_one_leads(cluster: Cluster) -> None:
    threads = [threading.Thread(target=cluster.start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leader = cluster.await_leader(*cluster.nodes)
    until(lambda: len(cluster.named()) == 4, "all others are in step")
    table = make_table(leader.database, 10)
    until(lambda: all(has(node, table, 5) for node in cluster.nodes), "and have what it commits")


def test_a_dead_primary_is_succeeded(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    put(first.database, table, 100, "acknowledged")
    port = first.address.port
    cluster.kill(first)
    until(lambda: not second.status()["following"]["linked"], "it knows")
    assert role(second) == "secondary", "the lease has not lapsed"
    cluster.let_lapse()
    cluster.await_leader(second)
    assert has(second, table, 100)
    put(second.database, table, 101, "goes on")
    assert second.system.identity.epoch == 2
    returned = cluster.start(port=port)
    until(lambda: returned.system.identity.node in cluster.named(), "it is back, in step")
    assert role(returned) == "secondary" and equal(returned, second)


def test_a_primary_cut_from_the_coordinator_fences_itself(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    assert not [line for line in draw(first.status()) if "TAKES NO WRITES" in line]
    cluster.lines[first].is_cut = cluster.lines[second].is_cut = True
    cluster.clock.now += LEASE_SECONDS * 0.7  # two thirds: it stops before the lease lapses
    with pytest.raises(LeaseLost):
        put(first.database, table, 100, "refused")
    assert "TAKES NO WRITES: its lease could not be renewed" in draw(first.status())
    assert cluster.coordinator.read().leader, "nobody else could lead yet"
    assert has(first, table, 5) and not has(first, table, 100)
    cluster.let_lapse()
    cluster.lines[second].is_cut = False
    cluster.await_leader(second)
    put(second.database, table, 101, "the new history")
    cluster.lines[first].is_cut = False
    until(lambda: first.system.identity.node in cluster.named(), "the former primary follows")
    assert role(first) == "secondary"
    until(lambda: equal(first, second), "with what the other has")
    assert first.status()["orphans"] == 0


def test_a_lease_that_lapses_while_a_commit_waits(cluster: Cluster) -> None:
    """The acknowledgement is there, but by then another may lead: the commit is in doubt, not acknowledged."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.lines[first].is_cut = cluster.lines[second].is_cut = True
    publisher = first.system.publisher
    assert publisher is not None
    released = publisher.core.released

    def released_and_starved(pending: Pending) -> bool:
        is_released = released(pending)
        if is_released:
            cluster.clock.now += LEASE_SECONDS
        return is_released

    publisher.core.released = released_and_starved  # type: ignore[method-assign]
    with pytest.raises(CommitInDoubt) as caught:
        put(first.database, table, 100, "in doubt")
    assert not has(first, table, 100)
    publisher.core.released = released  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        put(first.database, table, 101, "refused")
    cluster.lines[second].is_cut = False
    cluster.await_leader(second)
    answer = outcome(second.database, caught.value.transaction).answer
    assert (answer == "committed") == has(second, table, 100)


def test_a_coordinator_that_is_gone_for_all_stops_writes_and_promotes_nobody(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    for line in cluster.lines.values():
        line.is_cut = True
    cluster.let_lapse()
    with pytest.raises(LeaseLost):
        put(first.database, table, 100, "refused")
    assert role(second) == "secondary" and cluster.leader() is None
    for line in cluster.lines.values():
        line.is_cut = False
    leader = cluster.await_leader(first, second)
    until(lambda: len(cluster.named()) == 1, "the other follows")
    put(leader.database, table, 101, "goes on")


def test_a_secondary_cut_from_the_coordinator_changes_nothing(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.lines[second].is_cut = True
    put(first.database, table, 100, "goes on")
    assert cluster.leader() is first and cluster.named() == [second.system.identity.node]
    assert second.status()["following"]["received"] == first.database.root.lsn


def test_both_restarted_empty_do_not_lead(cluster: Cluster) -> None:
    """The amnesia rule: their former selves acknowledged what they deny."""
    first = cluster.start()
    make_table(first.database, 10)
    second = cluster.start_in_step(first)
    ports = [node.address.port for node in (first, second)]
    cluster.kill(first)
    cluster.kill(second)
    cluster.let_lapse()
    first, second = (cluster.start(port=port) for port in ports)
    until(lambda: "led before it was restarted, and is empty" in reason(first), "it says so")
    until(lambda: "was restarted, and is empty" in reason(second), "it says so")
    assert role(first) == role(second) == "waiting" and cluster.leader() is None
    for node in (first, second):
        with pytest.raises(StorageError, match="waits until it is known who leads"):
            make_table(node.database)
    cluster.kill(second)
    again = cluster.start(port=ports[1], bootstrap=True)
    cluster.await_leader(again)
    assert again.system.identity.epoch == 2
    until(lambda: first.system.identity.node in cluster.named(), "the other follows")
    assert make_table(again.database, 10)


def test_an_empty_node_never_takes_the_place_of_a_full_one(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    port = first.address.port
    cluster.kill(first)
    restarted = cluster.start(port=port)  # under the same name, before the lease has lapsed
    cluster.let_lapse()
    cluster.await_leader(second)
    until(lambda: restarted.system.identity.node in cluster.named(), "it follows")
    assert has(restarted, table, 5)


def test_who_was_struck_off_does_not_lead(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.sever(second)
    put(first.database, table, 100, "without it")
    assert cluster.named() == [] and first.status()["exposed"]
    cluster.kill(first)
    cluster.let_lapse()
    cluster.lines[second].is_cut = False
    until(lambda: "not known to hold every acknowledged commit" in reason(second), "it says so")
    assert cluster.leader() is None and not has(second, table, 100)
    report = second.promote()  # the operator's decision
    assert report.epoch == 2 and cluster.await_leader(second)
    put(second.database, table, 101, "goes on")


def test_a_struck_off_secondary_comes_back_by_being_level(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.sever(second)
    put(first.database, table, 100, "without it")
    assert cluster.named() == []
    cluster.lines[second].is_cut = False
    until(lambda: cluster.named() == [second.system.identity.node], "it is named again")
    assert not first.status()["exposed"] and has(second, table, 100)


def test_min_sync_refuses_and_keeps_the_record(cluster: Cluster) -> None:
    first = cluster.start(min_sync=1)
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    cluster.kill(second)
    with pytest.raises((SecondaryLost, CommitInDoubt)):
        put(first.database, table, 100, "refused")
    assert cluster.named() == [second.system.identity.node] and not has(first, table, 100)


def test_the_one_ahead_leads(cluster: Cluster) -> None:
    """Of two secondaries, one of which must acknowledge, the one that lacks a commit gives way."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    cluster.lines[first].is_cut = True  # so that nobody is struck off
    cluster.sever(second)
    put(first.database, table, 100, "on the third only")
    cluster.lines[third].is_cut = True
    cluster.kill(first)
    cluster.let_lapse()
    cluster.lines[second].is_cut = False
    until(lambda: "is ahead" in reason(second), "it gives way")
    assert role(second) == "secondary"
    cluster.lines[third].is_cut = False
    cluster.await_leader(third)
    until(lambda: second.system.identity.node in cluster.named(), "the other follows")
    assert has(second, table, 100)


def test_too_few_heard_and_nobody_leads(cluster: Cluster) -> None:
    """The best secondary dies with the primary: better no primary than a lost commit."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    cluster.lines[first].is_cut = True
    cluster.sever(second)
    put(first.database, table, 100, "on the third only")
    cluster.kill(third)
    cluster.kill(first)
    cluster.let_lapse()
    cluster.lines[second].is_cut = False
    until(lambda: "2 must be heard" in reason(second), "it says why not")
    assert cluster.leader() is None
    with pytest.raises(LinkLost, match="takes writes"):
        tandemdb.connect(f"tandemdb://{','.join(hosts(first, second, third))}/shop", timeout=0.2)


def hosts(*nodes: Node) -> list[str]:
    return [f"{node.address.host}:{node.address.port}" for node in nodes]


def test_with_two_required_one_may_be_missing(cluster: Cluster) -> None:
    first = cluster.start(required=2)
    table = make_table(first.database, 10)
    others = [cluster.start_in_step(first, required=2) for _ in range(3)]
    put(first.database, table, 100, "on two of three at least")
    cluster.kill(others[0])
    cluster.kill(first)
    cluster.let_lapse()
    leader = cluster.await_leader(*others[1:])
    assert has(leader, table, 100)


def test_a_damaged_block_keeps_a_secondary_from_leading(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 1000)
    second = cluster.start_in_step(first)
    block = next(iter(second.database.root.tables[table].location.blocks()))
    block.records[3] = (4, "a flipped bit", None)
    cluster.kill(first)
    cluster.let_lapse()
    until(lambda: "digest differs" in reason(second), "it finds out")
    assert cluster.leader() is None


def test_a_planned_switchover(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    for number in range(4):
        first.hand_over(second.address, "sync")
        first, second = second, first
        assert may_acknowledge(first) and role(second) == "secondary"
        until(lambda: len(cluster.named()) == 1, "in step")
        put(first.database, table, 100 + number, "goes on")
    assert first.system.identity.epoch == 5
    until(lambda: equal(first, second), "shown there too")
    with pytest.raises(ReplicationError, match="coordinator's to say"):
        second.follow(first.address)


def test_who_logged_in_before_a_switchover_and_is_served_after_it_finds_the_new_primary(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no chains: a former primary with a secondary of its own would stand still once that one has gone."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    logged_in, handed_over, answered = threading.Event(), threading.Event(), threading.Event()
    accept_secondary = linking.accept_secondary

    def accept_late(database: Database, *arguments: Any) -> Any:
        if database is not first.database or logged_in.is_set():
            return accept_secondary(database, *arguments)
        logged_in.set()
        assert handed_over.wait(30)
        try:
            return accept_secondary(database, *arguments)
        finally:
            answered.set()

    monkeypatch.setattr(linking, "accept_secondary", accept_late)
    third = cluster.start()
    assert logged_in.wait(30)
    first.hand_over(second.address, "sync")
    handed_over.set()
    assert answered.wait(30)
    until(lambda: len(cluster.named()) == 2, "both others are in step")
    for number in range(5):
        put(second.database, table, 100 + number, "goes on")
    until(lambda: equal(first, second) and equal(third, second), "all show it")
    assert first.system.publisher is None and first.status()["secondaries"] == []


class UnansweredChanges:
    """Stands in for a line's `cas`: changes do not arrive, until they are let arrive late."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.asked: list[tuple[int, Record, Lease]] = []
        line.cas = self.cas  # type: ignore[method-assign]

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        self.asked.append((revision, record, lease))
        raise CoordinatorLost("no answer in time")

    def arrive(self) -> int | None:
        return self.line.reach().cas(*self.asked[0])

    def end(self) -> None:
        del self.line.cas  # type: ignore[method-assign]


def test_a_successor_that_may_yet_be_named(cluster: Cluster) -> None:
    """Nobody knows whether the change will be done: until then nothing is acknowledged that the successor may lack."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    third = cluster.start_in_step(first)
    changes = UnansweredChanges(cluster.lines[first])
    with pytest.raises(ReplicationError, match="could not be changed"):
        first.hand_over(second.address, "sync")
    with pytest.raises(LeaseLost):
        put(first.database, table, 100, "refused")
    assert changes.arrive() is not None
    cluster.await_leader(second)
    changes.end()
    until(lambda: len(cluster.named()) == 2, "both others are in step")
    put(second.database, table, 101, "goes on")
    assert cluster.leader() is second and not has(third, table, 100)


def test_a_successor_that_is_not_named_after_all(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    changes = UnansweredChanges(cluster.lines[first])
    with pytest.raises(ReplicationError, match="could not be changed"):
        first.hand_over(second.address, "sync")
    changes.end()
    cluster.await_leader(first)
    assert changes.arrive() is None, "its revision has been replaced"
    put(first.database, table, 100, "goes on")


def test_a_candidate_that_is_not_answered_goes_on(cluster: Cluster) -> None:
    """The lease was given to it, and what it read then was not: it must not sit on the lease."""
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    line = cluster.lines[second]
    lost: list[int] = []

    def lease(holder: str, seconds: float) -> Lease | None:
        given = line.reach().lease(holder, seconds)
        if given is not None and not lost:
            line.is_cut = True
            lost.append(given.number)
        return given

    line.lease = lease  # type: ignore[method-assign]
    cluster.kill(first)
    cluster.let_lapse()
    until(lambda: bool(lost) and reason(second) == "the line is cut", "it has the lease and no answer")
    line.is_cut = False
    cluster.await_leader(second)
    assert has(second, table, 5)


def test_an_operator_cannot_depose_a_living_primary(cluster: Cluster) -> None:
    first = cluster.start()
    make_table(first.database, 10)
    second = cluster.start_in_step(first)
    with pytest.raises(ReplicationError, match="the lease is held"):
        second.promote()
    with pytest.raises(ReplicationError, match="not a secondary"):
        first.promote()
    assert cluster.leader() is first


def test_a_node_that_stops_gives_its_place_up_at_once(cluster: Cluster) -> None:
    first = cluster.start()
    table = make_table(first.database, 10)
    second = cluster.start_in_step(first)
    first.stop()
    cluster.await_leader(second)  # no time has passed
    put(second.database, table, 100, "goes on")


def test_a_secondary_that_is_detached_leaves_the_record(cluster: Cluster) -> None:
    first = cluster.start()
    make_table(first.database, 10)
    second, third = cluster.start_in_step(first), cluster.start_in_step(first)
    cluster.kill(second)
    until(lambda: cluster.named() == [third.system.identity.node], "the others can do without")
    remove_secondary(first.database, second.system.identity.node)
    assert [entry["name"] for entry in first.status()["secondaries"]] == [third.system.identity.node]


def test_clients_find_the_primary(cluster: Cluster) -> None:
    first = cluster.start()
    second = cluster.start_in_step(first)
    url = f"tandemdb://{','.join(hosts(second, first))}/shop"
    with tandemdb.connect(url, isolation_level=None) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        cluster.kill(first)
        with pytest.raises(tandemdb.OperationalError):
            connection.execute("INSERT INTO t VALUES (2)")
    found: list[Any] = []
    client = threading.Thread(target=lambda: found.append(tandemdb.connect(url, timeout=60, check_same_thread=False)))
    client.start()
    cluster.let_lapse()
    client.join(60)
    assert found and found[0].execute("SELECT a FROM t WHERE a = 1").fetchone() == (1,)
    found[0].execute("INSERT INTO t VALUES (3)")
    found[0].commit()
    assert second.status()["role"] == "primary"


def test_an_engine_goes_on_with_the_new_primary(cluster: Cluster) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    first = cluster.start()
    second = cluster.start_in_step(first)
    one, other = hosts(first, second)
    engine = sqlalchemy.create_engine(f"sqlite+tandemdb:///shop?host={one}&host={other}&timeout=60")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    cluster.kill(first)
    cluster.let_lapse()
    cluster.await_leader(second)
    with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (2)")
    assert caught.value.connection_invalidated
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (3)")
        assert connection.exec_driver_sql("SELECT a FROM t ORDER BY a").all() == [(1,), (3,)]
    engine.dispose()


def test_a_connection_leaves_a_node_that_leads_no_more(cluster: Cluster) -> None:
    first = cluster.start()
    second = cluster.start_in_step(first)
    url = f"tandemdb://{','.join(hosts(first, second))}/shop"
    connection = tandemdb.connect(url, timeout=60, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    cluster.lines[first].is_cut = cluster.lines[second].is_cut = True
    cluster.let_lapse()
    with pytest.raises(LeaseLost):
        connection.execute("INSERT INTO t VALUES (1)")
    assert connection.is_lost
    cluster.lines[second].is_cut = False
    with tandemdb.connect(url, timeout=60, isolation_level=None) as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    assert not connection.is_lost and may_acknowledge(second)


def test_a_coordinator_s_error_is_told_once(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    first = cluster.start()
    told: Callable[[], list[str]] = lambda: [  # noqa: E731
        record.getMessage() for record in caplog.records if getattr(record, "event", "") == "coordinator_lost"
    ]
    cluster.lines[first].is_cut = True
    until(lambda: bool(told()), "told")
    cluster.lines[first].is_cut = False
    until(lambda: reason(first) != "the line is cut", "it is back")
    assert len(set(told())) == 1


class Writer(threading.Thread):
    """Writes to whichever node leads, and remembers which commits were acknowledged."""

    def __init__(self, cluster: Cluster, table: int, first_key: int) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.table = table
        self.first_key = first_key
        self.acknowledged: set[int] = set()
        self.failed: set[int] = set()
        # By key, the number of the transaction that is in doubt.
        self.doubtful: dict[int, int] = {}
        self.stopping = threading.Event()

    def run(self) -> None:
        key = self.first_key
        while not self.stopping.wait(0.001):
            leaders = [node for node in list(self.cluster.nodes) if node.is_running and may_acknowledge(node)]
            for node in leaders[:1]:
                key += 1
                try:
                    put(node.database, self.table, key, f"commit {key}")
                    self.acknowledged.add(key)
                except CommitInDoubt as error:
                    self.doubtful[key] = error.transaction
                except (ReplicationError, StorageError, LookupError):
                    self.failed.add(key)

    def finish(self) -> None:
        self.stopping.set()
        self.join(90)
        assert not self.is_alive()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("required", [1, 2])
def test_a_storm(cluster: Cluster, seed: int, required: int, request: pytest.FixtureRequest) -> None:
    """Whatever happens to nodes and lines, nobody's acknowledged commit is lost and no two nodes lead."""
    chance = Random(f"{seed} {required}")
    first = cluster.start(required=required)
    table = make_table(first.database, 10)
    for _ in range(2):
        cluster.start_in_step(first, required=required)
    writers = [Writer(cluster, table, number * 1_000_000) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    leader = first
    try:
        for _ in range(2 * int(request.config.getoption("--failovers"))):
            cluster.await_all_named(2)
            before = [len(writer.acknowledged) for writer in writers]
            until(
                lambda: all(len(writer.acknowledged) > count for writer, count in zip(writers, before, strict=True)),  # noqa: B023
                "commits go on",
                30,
            )
            hit = chance.choice([node for node in cluster.nodes if node.is_running])
            what = chance.choice(["kill", "cut off", "sever", "stop", "hand over", "all cut off"])
            if what in ("kill", "stop"):
                port = hit.address.port
                (cluster.kill if what == "kill" else Node.stop)(hit)
                if what == "kill":
                    cluster.let_lapse()
                cluster.await_leader(*[node for node in cluster.nodes if node.is_running])
                cluster.start(port=port, required=required)
            elif what == "cut off":
                cluster.lines[hit].is_cut = True
                cluster.let_lapse()
                cluster.await_leader(*[node for node in cluster.nodes if node.is_running])
                cluster.lines[hit].is_cut = False
            elif what == "sever" and hit.system.link is not None:
                hit.system.link.stop()
            elif what == "hand over":
                leader = cluster.await_leader(*cluster.nodes)
                other = chance.choice([node for node in cluster.nodes if node.is_running and node is not leader])
                try:
                    leader.hand_over(other.address, "sync")
                except ReplicationError:
                    pass  # It was not level in time, say: then nothing has changed.
            elif what == "all cut off":
                for line in cluster.lines.values():
                    line.is_cut = True
                cluster.let_lapse()
                for node, line in cluster.lines.items():
                    line.is_cut = not node.is_running
            leader = cluster.await_leader(*[node for node in cluster.nodes if node.is_running])
        cluster.await_all_named(2)
    finally:
        for writer in writers:
            writer.finish()
    leader = cluster.await_leader(*[node for node in cluster.nodes if node.is_running])
    for writer in writers:
        lost = sorted(key for key in writer.acknowledged if not has(leader, table, key))
        assert not lost, f"lost: {lost}"
        shown = sorted(key for key in writer.failed if has(leader, table, key))
        assert not shown, f"refused, and there: {shown}"
        for key, transaction in writer.doubtful.items():
            answer = outcome(leader.database, transaction).answer
            assert answer == "forgotten" or (answer == "committed") == has(leader, table, key)
    running = [node for node in cluster.nodes if node.is_running]
    until(lambda: all(equal(leader, node) for node in running), "all hold the same")
    assert sum(node.status()["orphans"] for node in running) == 0
