"""Coordinators: one contract, kept by each of them; and what needs none of them: decisions, standing, membership."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.errors import ProgrammingError
from tandemdb.replication.coordination import Coordinator, CoordinatorLost, Member, Record, State, open_coordinator
from tandemdb.replication.coordination.decision import decide
from tandemdb.replication.coordination.file import FileCoordinator
from tandemdb.replication.coordination.membership import (
    Membership,
    heirs_in_step,
    heirs_of,
    is_enough_meanwhile,
    is_enough_without,
    members_after_loss,
    members_now,
)
from tandemdb.replication.coordination.memory import MemoryCoordinator
from tandemdb.replication.coordination.record import decode, encode
from tandemdb.replication.coordination.standing import count, level_with
from tandemdb.replication.core.messages import LSN
from tandemdb.replication.errors import ProtocolError
from tandemdb.replication.system import system_of
from tandemdb.storage import Database

from .etcd_server import EtcdServer
from .processes import until
from .workload import make_table

A, B, C, D = (Member(name, f"{name}1", f"tandemdb://{name}:7432/shop") for name in "abcd")
RECORD = Record("c0ffee", 3, A, (B, C), 1)
LEASE_SECONDS = 2.0


class Clock:
    """The time by which leases lapse; it stands still between a test's steps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_lease(self, coordinator: Coordinator) -> None:
        self.now += LEASE_SECONDS + 0.1


class RealTime(Clock):
    """etcd counts by itself: wait until it says so."""

    def pass_lease(self, coordinator: Coordinator) -> None:
        until(lambda: coordinator.read().leader == "", "the lease has lapsed", 30)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    yield server
    server.close()


Kind = tuple[Callable[[], Coordinator], Clock]


@pytest.fixture(params=["memory", "file", "etcd"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A function that opens the coordinator once more, as another node would, and its clock."""
    clock = Clock()
    if request.param == "memory":
        shared = MemoryCoordinator(clock)
        return lambda: shared, clock
    if request.param == "file":
        return lambda: FileCoordinator(str(tmp_path / "shop.json"), clock), clock
    endpoint = request.getfixturevalue("etcd").endpoint
    return lambda: open_coordinator(f"etcd://{endpoint}/{request.node.name}", 5.0), RealTime()


def test_the_record_is_compared_and_swapped(kind: Kind) -> None:
    ours, theirs = kind[0](), kind[0]()
    assert ours.read().record is None and ours.read().revision == 0
    lease = ours.lease("a", 60.0)
    assert lease is not None
    revision = ours.cas(0, RECORD, lease)
    assert revision is not None
    assert theirs.read()[:3] == (RECORD, revision, "a")
    assert ours.cas(0, RECORD, lease) is None, "there is one by now"
    changed = RECORD._replace(epoch=4, sync_set=())
    second = ours.cas(revision, changed, lease)
    assert second is not None and ours.cas(revision, RECORD, lease) is None
    assert theirs.read().record == changed


def test_one_holds_the_lease(kind: Kind) -> None:
    open_one, clock = kind
    ours, theirs = open_one(), open_one()
    lease = ours.lease("a", LEASE_SECONDS)
    assert lease is not None and theirs.lease("b", LEASE_SECONDS) is None and ours.lease("a", LEASE_SECONDS) is None
    assert ours.renew(lease)
    clock.pass_lease(theirs)
    assert theirs.read().leader == ""
    second = theirs.lease("b", 60.0)
    assert second is not None and not ours.renew(lease)
    assert ours.cas(0, RECORD, lease) is None, "it has lapsed"
    ours.release(lease)  # of no account
    assert theirs.read().leader == "b" and theirs.cas(0, RECORD, second) is not None
    theirs.release(second)
    assert ours.read().leader == ""


def test_a_lease_of_the_same_holder_is_another_one(kind: Kind) -> None:
    coordinator = kind[0]()
    first = coordinator.lease("a", 60.0)
    assert first is not None
    coordinator.release(first)
    second = coordinator.lease("a", 60.0)
    assert second is not None and second != first
    assert not coordinator.renew(first) and coordinator.cas(0, RECORD, first) is None
    assert coordinator.renew(second) and coordinator.cas(0, RECORD, second) is not None


def test_watching_ends_with_a_change(kind: Kind) -> None:
    ours, theirs = kind[0](), kind[0]()
    state = theirs.read()
    found: list[State] = []
    watcher = threading.Thread(target=lambda: found.append(theirs.watch(state, 60.0)))
    watcher.start()
    lease = ours.lease("a", 60.0)
    assert lease is not None
    watcher.join(30)
    assert not watcher.is_alive() and found[0].leader == "a"
    state = theirs.read()
    assert theirs.watch(state, 0.05)[:3] == state[:3], "nothing happened in that time"
    ours.release(lease)
    assert theirs.watch(state, 60.0).leader == "", "it happened before it was watched"


def test_of_many_one_gets_the_lease_and_one_changes_the_record(kind: Kind) -> None:
    coordinators = [kind[0]() for _ in range(8)]
    start = threading.Barrier(8)
    leases, changes = [], []

    def try_it(number: int) -> None:
        start.wait()
        lease = coordinators[number].lease(f"n{number}", 60.0)
        if lease is not None:
            leases.append(lease)

    def change_it(number: int) -> None:
        start.wait()
        revision = coordinators[number].cas(0, RECORD._replace(epoch=number), leases[0])
        if revision is not None:
            changes.append(number)

    for what in (try_it, change_it):
        threads = [threading.Thread(target=what, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(leases) == 1 and len(changes) == 1
    record = coordinators[0].read().record
    assert record is not None and record.epoch == changes[0]


def test_etcd_gone_and_back(tmp_path: Path) -> None:
    server = EtcdServer(tmp_path)
    try:
        coordinator = open_coordinator(f"etcd://{server.endpoint}/shop", 2.0)
        lease = coordinator.lease("a", 60.0)
        assert lease is not None and coordinator.cas(0, RECORD, lease) is not None
        state = coordinator.read()
        server.stop()
        for ask in (
            coordinator.read,
            lambda: coordinator.cas(state.revision, RECORD, lease),
            lambda: coordinator.lease("b", 2.0),
            lambda: coordinator.renew(lease),
            lambda: coordinator.watch(state, 0.1),
        ):
            with pytest.raises(CoordinatorLost, match="etcd does not answer"):
                ask()
        server.start()
        assert coordinator.read().record == RECORD
        several = open_coordinator(f"etcd://127.0.0.1:1,{server.endpoint}/shop", 2.0)
        assert several.read().record == RECORD
    finally:
        server.close()


@pytest.mark.parametrize("url", ["", "shop", "etcd:shop", "etcd://host:1", "etcd://host:1/", "redis://h/x", "etcd://h/x?a=1"])
def test_what_is_no_coordinator(url: str) -> None:
    with pytest.raises(ProgrammingError, match="not the address of a coordinator"):
        open_coordinator(url)


def test_records_as_json() -> None:
    assert decode(json.dumps(encode(RECORD))) == RECORD
    short = json.dumps({**encode(RECORD), "primary": ["a"]})
    for wrong in ("[]", "{}", "null", '{"cluster": "a", "epoch": "x"}', short):
        with pytest.raises(ProtocolError):
            decode(wrong)


def test_how_many_must_be_heard() -> None:
    three, one = (B, C, D), (B,)
    for members, required, must in ((three, 1, 3), (three, 2, 2), (three, 3, 1), (one, 2, 1), (one, 1, 1)):
        assert RECORD._replace(sync_set=members, required=required).must_be_heard == must


def test_an_etcd_that_lets_nobody_watch_is_not_asked_at_once(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = pytest.importorskip("requests")
    post = requests.post

    def refuse_to_stream(url: str, **options: Any) -> Any:
        if url.endswith("/watch"):
            raise requests.ConnectionError("a proxy that does not stream")
        return post(url, **options)

    monkeypatch.setattr(requests, "post", refuse_to_stream)
    coordinator = open_coordinator(f"etcd://{etcd.endpoint}/unwatched", 5.0)
    state = coordinator.read()
    begin = time.monotonic()
    for _ in range(3):
        assert coordinator.watch(state, 60.0)[:3] == state[:3]
    assert 0.3 <= time.monotonic() - begin < 30


@pytest.mark.parametrize(
    ("record", "leader", "me", "course", "reason"),
    [
        (None, "", B, "found", "no record"),
        (None, C.holder, B, "wait", "c holds the lease"),
        (RECORD, A.holder, A, "lead", "epoch 3"),
        (RECORD, "", A, "lead", "epoch 3"),
        (RECORD, A.holder, B, "follow", "a leads"),
        (RECORD, A.holder, D, "follow", "a leads"),
        (RECORD, "", B, "stand", "let its lease lapse"),
        (RECORD, C.holder, B, "wait", "c stands"),
        (RECORD, B.holder, B, "stand", "let its lease lapse"),
        (RECORD, D.holder, D, "wait", "not known to hold"),
        (RECORD, "", D, "wait", "not known to hold"),
        (RECORD, "", A._replace(incarnation="a2"), "wait", "led before it was restarted"),
        (RECORD, "", B._replace(incarnation="b2"), "wait", "restarted, and is empty"),
        (RECORD, A.holder, A._replace(incarnation="a2"), "wait", "has not lapsed"),
    ],
)
def test_decisions(record: Record | None, leader: str, me: Member, course: str, reason: str) -> None:
    found = decide(State(record, 1, leader, 1), me)
    assert found.course == course and reason in found.reason


def test_bootstrap_overrules_the_record_but_no_lease() -> None:
    again = A._replace(incarnation="a2")
    assert decide(State(RECORD, 1, "", 1), again, bootstrap=True).course == "found"
    assert decide(State(RECORD, 1, B.holder, 1), again, bootstrap=True).course == "wait"


def test_standing() -> None:
    two, three = RECORD, RECORD._replace(sync_set=(B, C, D))
    assert count(two, B, (2, 7, 41), lambda member: (2, 7, 41)).reason == ""
    assert count(two, B, (2, 7, 41), lambda member: (2, 6, 40)).reason == ""
    assert "c is ahead, at LSN 42" in count(two, B, (2, 7, 41), lambda member: (2, 8, 42)).reason
    assert "c is ahead" in count(two, B, (2, 7, 41), lambda member: (3, 1, 40)).reason
    assert "c is ahead" in count(two, B, (2, 7, 42), lambda member: (2, 8, 41)).reason, "what b has was abandoned"
    assert count(two, B, (2, 7, 41), lambda member: None).reason == "2 must be heard and c do not answer"
    asked: list[Member] = []

    def ask(member: Member) -> tuple[int, ...] | None:
        asked.append(member)
        return (2, 7, 41) if member == D else None

    assert "3 must be heard and c do not answer" in count(three, B, (2, 7, 41), ask).reason
    assert asked == [C, D], "itself it need not ask"
    assert count(three._replace(required=2), B, (2, 7, 41), ask).reason == ""


def found(in_step: tuple[Member, ...], level: str, away: str = "", complete: str = "bcd") -> Membership:
    names = {f"secondary {name}": name for name in "bcd"}
    return Membership(in_step, frozenset(complete), frozenset(level), frozenset(away), names)


def test_membership() -> None:
    none, one, two = (RECORD._replace(sync_set=members) for members in ((), (B,), (B, C)))
    restarted = B._replace(incarnation="b2")
    assert members_now(none, found((B,), "b")) == (B,), "joins"
    assert members_now(none, found((B,), "", complete="")) == (), "it lacks what was released without it"
    assert members_now(none, found((B,), "")) == (B,), "what it has not acknowledged waits for it"
    assert members_now(one, found((), "", "b")) == (B,), "an heir as good as it was"
    assert members_now(two, found((B,), "b", "c")) == (B,), "the other holds everything"
    assert members_now(two, found((B,), "", "c")) == (B, C), "it does not yet"
    assert members_now(two._replace(required=2), found((B,), "b", "c")) == (B, C), "one is not enough"
    assert members_now(one, found((restarted,), "b")) == (restarted,)
    assert members_now(two, found((B, C, D), "bcd")) == (B, C, D)
    assert members_after_loss(two, found((B,), "b", "c"), ["secondary c"]) == (B,)
    assert members_after_loss(two, found((B,), "", "c"), ["secondary c"]) is None
    assert members_after_loss(one, found((), "", "b"), ["secondary b"]) == ()
    assert is_enough_meanwhile(two, (B,), found((B,), "b", "c")), "it is named before and after"
    assert not is_enough_meanwhile(one, (C,), found((C,), "c", "b")), "before, the other one is an heir"
    assert not is_enough_meanwhile(two._replace(required=2), (B, D), found((B, D), "bd", "c"))
    assert is_enough_without(two, found((B, D), "bd", "c"))
    assert not is_enough_without(two._replace(required=2), found((B, D), "bd", "c"))


def test_heirs() -> None:
    two, three = RECORD, RECORD._replace(sync_set=(B, C, D))
    restarted = C._replace(incarnation="c2")
    places: dict[Member, tuple[int, ...] | None] = {C: (2, 7, 41), D: (2, 6, 41)}
    assert level_with(three, B, count(three, B, (2, 7, 41), places.get)) == (C,), "the other one lacks something"
    places[C] = None
    assert level_with(three, B, count(three._replace(required=2), B, (2, 7, 41), places.get)) == ()
    assert heirs_of(three, found((B, C, D), "bcd"), B) == (C, D)
    assert heirs_of(three, found((B, C, D), "bc"), B) == (C,), "the other one lacks something"
    assert heirs_of(two, found((B, restarted), "bc"), B) == (), "it is another one than is named"
    assert heirs_of(two, found((B, D), "bd"), B) == (), "who is not named need not hold what was acknowledged before"
    assert heirs_in_step(three, found((C, D), "cd", "b")) == (C, D)
    assert heirs_in_step(three, found((C, D), "cd", "b", complete="d")) == (D,)
    assert heirs_in_step(two, found((B, restarted), "bc")) == (B,)


def test_who_lacks_the_pending_commit_is_not_level() -> None:
    """It may be released already, by those who were named before: then whoever stays, or joins, must have it."""
    primary, secondary = Database("p"), Database("s")
    make_table(primary, 10)
    replication.attach(primary, secondary)
    publisher = system_of(primary).publisher
    assert publisher is not None
    assert Membership.of(publisher).level == {"s"}
    publisher.core.complete(LSN(primary.root.lsn + 1), [], None, 0.0)
    assert Membership.of(publisher).level == set()
    publisher.core.pending[0].acknowledged.add("s")
    assert Membership.of(publisher).level == {"s"}
    publisher.core.abandon()
    peer = publisher.core.peers["s"]
    assert Membership.of(publisher).complete == {"s"}
    publisher.core.complete(LSN(primary.root.lsn + 1), [], None, 0.0)
    peer.state = "following"
    publisher.core.join(peer)
    assert peer.state == "in step" and Membership.of(publisher).complete == set(), "released before it was waited for"
    publisher.core.abandon()
    assert Membership.of(publisher).complete == {"s"}, "it came to nothing"
    assert Membership.of(None).in_step == ()


def test_one_that_is_busy_is_asked_again_whether_it_has_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a node that is to load something if it is the first: it need not be started again."""
    coordinator = MemoryCoordinator()
    read, answers = coordinator.read, iter([CoordinatorLost("it is busy")] * 2)

    def be_busy() -> State:
        for error in answers:
            raise error
        return read()

    monkeypatch.setattr(coordinator, "read", be_busy)
    monkeypatch.setattr(nodes, "find_coordinator", lambda url: coordinator)
    assert not nodes.has_record("memory")
    answers = iter([CoordinatorLost("it is away")] * 1000)
    monkeypatch.setattr(nodes, "COORDINATOR_SECONDS", 0.2)
    with pytest.raises(CoordinatorLost, match="away"):
        nodes.has_record("memory")
