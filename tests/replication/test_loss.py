"""What a primary does when synchronous secondaries are lost: each policy, on a clock that moves when somebody waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.errors import ProgrammingError
from tandemdb.replication import loss
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.system import system_of
from tandemdb.storage import Database, ReadOnly
from tandemdb.testing import VirtualClock

from .processes import NodeProcess, in_step, run, until
from .workload import make_table, put


class Scene:
    """A primary with secondaries, on virtual time; `events` happen when the clock has got there."""

    def __init__(self, secondaries: int = 1, arbiter: Arbiter | None = None, **limits: Any) -> None:
        self.clock = VirtualClock()
        self.events: list[tuple[float, Callable[[], None]]] = []
        self.primary = Database("p")
        self.table = make_table(self.primary, 10)
        if arbiter is not None:
            system_of(self.primary).arbiter = arbiter
        self.databases = [Database(f"s{number}") for number in range(secondaries)]
        self.replicas = [
            replication.attach(
                self.primary, each, "sync", clock=self.clock, pause=self.pause, loss_grace_seconds=1.0, **limits
            )
            for each in self.databases
        ]

    def pause(self, seconds: float) -> None:
        self.clock.pause(seconds)
        assert self.clock.now < 1000, "it waits for ever"
        while self.events and self.events[0][0] <= self.clock.now:
            self.events.pop(0)[1]()

    def put(self, key: int) -> int:
        return put(self.primary, self.table, key, f"commit {key}")

    def has(self, database: Database, key: int) -> bool:
        return database.root.tables[self.table].find(key) is not None

    def is_exposed(self) -> bool:
        return replication.is_exposed(self.primary)


class Arbiter:
    """A coordinator's record that strikes off whom it is told to, while it can be reached."""

    def __init__(self, is_reachable: bool = True) -> None:
        self.is_reachable = is_reachable
        self.struck: list[str] = []
        self.woken = 0

    def strike_off(self, publisher: Any, lost: list[Any]) -> bool:
        if self.is_reachable:
            self.struck += [peer.name for peer in lost]
        return self.is_reachable

    def wake(self) -> None:
        self.woken += 1


def test_a_primary_without_secondaries_takes_writes() -> None:
    scene = Scene(secondaries=0)
    scene.put(100)
    assert scene.has(scene.primary, 100)


def test_refuse_is_the_default_without_a_coordinator() -> None:
    scene = Scene()
    scene.replicas[0].cut()
    before = scene.clock.now
    with pytest.raises(replication.SecondaryLost):
        scene.put(100)
    assert scene.clock.now == before, "refused at once"
    assert not scene.has(scene.primary, 100)
    scene.replicas[0].heal()
    scene.put(101)
    assert scene.has(scene.databases[0], 101) and not scene.has(scene.databases[0], 100)


def test_wait_goes_on_when_the_secondary_is_back() -> None:
    scene = Scene(on_loss="wait")
    scene.replicas[0].cut()
    scene.events.append((60.0, scene.replicas[0].heal))
    scene.put(100)
    assert scene.clock.now >= 60.0
    assert scene.has(scene.databases[0], 100) and not scene.is_exposed()


def test_wait_with_the_completion_sent_already() -> None:
    """The link dies when the commit is under way: it is not in doubt, it waits."""
    scene = Scene(on_loss="wait")
    link = scene.replicas[0].link
    secondary, receive = link.secondary, link.secondary.receive

    def receive_and_die(frame: Any, now: float) -> None:
        receive(frame, now)
        if secondary.unseen.pending:
            secondary.receive = receive  # type: ignore[method-assign]
            secondary.outgoing.clear()
            link.is_cut = True
            link.publisher.disconnected(link.name)

    secondary.receive = receive_and_die  # type: ignore[method-assign]
    scene.events.append((30.0, link.heal))
    scene.put(100)
    assert scene.clock.now >= 30.0
    assert scene.has(scene.databases[0], 100)
    assert scene.databases[0].digest() == scene.primary.digest()


def test_degrade_goes_on_exposed_and_is_covered_again(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(on_loss="degrade")
    scene.replicas[0].cut()
    with caplog.at_level(logging.INFO, "tandemdb.replication"):
        scene.put(100)
        assert 1.0 <= scene.clock.now < 3.0, "after the grace, once"
        moment = scene.clock.now
        scene.put(101)
        assert scene.clock.now == moment and scene.is_exposed()
        scene.replicas[0].heal()
    assert not scene.is_exposed() and scene.has(scene.databases[0], 101)
    exposed, covered = [record for record in caplog.records if record.event in ("exposed", "covered")]  # type: ignore[attr-defined]
    assert exposed.event == "exposed" and exposed.levelno == logging.WARNING  # type: ignore[attr-defined]
    assert exposed.lost == ["s0"] and exposed.node == "p" and "EXPOSED" in exposed.getMessage()  # type: ignore[attr-defined]
    assert covered.event == "covered" and covered.secondary == "s0"  # type: ignore[attr-defined]
    moment = scene.clock.now
    scene.replicas[0].cut()
    scene.put(102)
    assert scene.clock.now - moment >= 1.0 and scene.is_exposed(), "it counts again: the grace begins anew"


def test_who_is_back_within_the_grace_was_not_lost() -> None:
    scene = Scene(on_loss="degrade")
    scene.replicas[0].cut()
    scene.events.append((0.5, scene.replicas[0].heal))
    scene.put(100)
    assert scene.clock.now < 1.0 and not scene.is_exposed() and scene.has(scene.databases[0], 100)


def test_shrink_strikes_off_first() -> None:
    arbiter = Arbiter()
    scene = Scene(arbiter=arbiter)  # the default with a coordinator
    scene.replicas[0].cut()
    assert arbiter.struck == []
    scene.put(100)
    assert arbiter.struck == ["s0"] and scene.is_exposed()
    scene.replicas[0].heal()
    assert not scene.is_exposed() and arbiter.woken == 2


def test_shrink_refuses_while_the_coordinator_cannot_be_reached() -> None:
    arbiter = Arbiter(is_reachable=False)
    scene = Scene(arbiter=arbiter)
    scene.replicas[0].cut()
    with pytest.raises(replication.SecondaryLost):
        scene.put(100)
    assert not scene.is_exposed() and not scene.has(scene.primary, 100)


def test_min_sync_turns_shrink_into_refuse() -> None:
    arbiter = Arbiter()
    scene = Scene(secondaries=2, arbiter=arbiter, required=2, min_sync=1)
    scene.replicas[0].cut()
    scene.put(100)
    assert arbiter.struck == ["s0"] and scene.is_exposed() and scene.has(scene.databases[1], 100)
    scene.replicas[1].cut()
    with pytest.raises(replication.SecondaryLost):
        scene.put(101)
    assert arbiter.struck == ["s0"]


def test_stop_takes_no_more_writes_until_told_to() -> None:
    scene = Scene(on_loss="stop")
    scene.replicas[0].cut()
    with pytest.raises(replication.SecondaryLost):
        scene.put(100)
    with pytest.raises(ReadOnly, match="stopped"):
        scene.put(101)
    scene.replicas[0].heal()
    with pytest.raises(ReadOnly, match="stopped"):
        scene.put(102)
    replication.continue_alone(scene.primary)
    scene.put(103)
    assert scene.has(scene.databases[0], 103) and not scene.is_exposed()


@pytest.mark.parametrize(("required", "losses", "goes_on"), [(1, 1, True), (1, 2, True), (2, 1, True), (2, 2, False)])
def test_k_of_n(required: int, losses: int, goes_on: bool) -> None:
    scene = Scene(secondaries=3, required=required)
    for replica in scene.replicas[:losses]:
        replica.cut()
    if not goes_on:
        with pytest.raises(replication.SecondaryLost):
            scene.put(100)
        return
    scene.put(100)
    assert all(scene.has(database, 100) for database in scene.databases[losses:])
    assert not scene.is_exposed()


def test_a_secondary_that_is_nearly_level_gets_into_step_under_steady_commits() -> None:
    """On a slow link it is always a commit behind: then one is held until it is not."""
    scene = Scene(on_loss="degrade")
    replica = scene.replicas[0]
    replica.cut()
    for key in range(100, 120):
        scene.put(key)
    assert scene.is_exposed()
    replica.set_faults(replication.Faults(delay_seconds=0.01))
    replica.heal()
    while replica.status.state != "following":
        scene.pause(0.001)
        replica.link.pump()
    moment = scene.clock.now
    for key in range(120, 130):  # no time passes but for commits that wait
        scene.put(key)
    assert replica.status.state == "in step" and not scene.is_exposed()
    assert scene.clock.now - moment < 1.0
    assert scene.has(scene.databases[0], 128)


def test_one_that_does_not_get_there_costs_little() -> None:
    scene = Scene(on_loss="degrade")
    replica = scene.replicas[0]
    replica.cut()
    scene.put(100)
    replica.heal()
    assert replica.status.state == "in step"
    replica.cut()
    scene.put(101)
    replica.set_faults(replication.Faults(drop=1.0))
    replica.heal()
    peer = replica.link.publisher.core.peers[replica.name]
    peer.state, moment = "following", scene.clock.now
    for key in range(102, 150):
        scene.put(key)
    assert scene.clock.now - moment < 0.2, "one hold, not one a commit"


def test_continue_alone_counts_on_nobody_lost() -> None:
    scene = Scene(secondaries=2, required=2)
    scene.replicas[0].cut()
    with pytest.raises(replication.SecondaryLost):
        scene.put(100)
    replication.continue_alone(scene.primary)
    scene.put(101)
    assert scene.is_exposed() and scene.has(scene.databases[1], 101), "the one that is left counts"
    scene.replicas[1].cut()
    with pytest.raises(replication.SecondaryLost):
        scene.put(102)


@pytest.mark.parametrize(
    ("arbiter", "policy", "reason"),
    [(Arbiter(), "degrade", "does not go"), (None, "shrink", "needs a coordinator"), (None, "x", "unknown policy")],
)
def test_policies_that_would_lie(arbiter: Arbiter | None, policy: str, reason: str) -> None:
    with pytest.raises(ProgrammingError, match=reason):
        Scene(arbiter=arbiter, on_loss=policy)
    assert loss.policy_of(Limits(), arbiter) == ("refuse" if arbiter is None else "shrink")


def test_whoever_connects_to_an_exposed_primary_is_warned() -> None:
    primary = tandemdb.connect("file:exposed?mode=memory&cache=shared", uri=True)
    standby = tandemdb.connect(":memory:")
    primary.execute("CREATE TABLE t (a)")
    replica = primary.replicate_to(standby)
    tandemdb.connect("file:exposed?mode=memory&cache=shared", uri=True).close()  # no warning: it would be an error
    replica.cut()
    with pytest.raises(replication.SecondaryLost):
        primary.execute("INSERT INTO t VALUES (1)").connection.commit()
    primary.rollback()
    primary.continue_alone()
    with pytest.warns(replication.ExposedWarning, match="exposed is EXPOSED") as caught:
        tandemdb.connect("file:exposed?mode=memory&cache=shared", uri=True).close()
    assert caught[0].filename == __file__
    primary.execute("INSERT INTO t VALUES (1)")
    primary.commit()
    primary.close()


def test_a_node_that_degrades_says_so() -> None:
    with ExitStack() as running:
        primary = NodeProcess("--on-loss", "degrade")
        running.callback(primary.stop)
        secondary = NodeProcess("--secondary-of", primary.url)
        running.callback(secondary.stop)
        until(lambda: in_step(primary), "in step")
        secondary.kill()
        with primary.connect() as connection:
            connection.execute("CREATE TABLE t (a)")
        connection.close()
        status, text = run("status", primary.url)
        assert status == 0 and "EXPOSED" in text
        with pytest.warns(replication.ExposedWarning, match="EXPOSED"):
            primary.connect().close()
        returned = NodeProcess("--secondary-of", primary.url)
        running.callback(returned.stop)
        until(lambda: in_step(primary), "in step")
        assert "EXPOSED" not in run("status", primary.url)[1]
    status, text = run("serve", "--name", "x", "--listen", "127.0.0.1:0", "--on-loss", "shrink")
    assert status == 1 and "needs a coordinator" in text


def test_who_is_back_in_step_when_it_has_been_struck_off_counts() -> None:
    scene = Scene(arbiter=(arbiter := Arbiter()))
    [replica] = scene.replicas
    replica.cut()

    def heal_while_it_is_asked(publisher: Any, lost: Any, strike_off: Any = arbiter.strike_off) -> bool:
        done: bool = strike_off(publisher, lost)
        replica.heal()
        return done

    arbiter.strike_off = heal_while_it_is_asked  # type: ignore[method-assign]
    scene.put(100)
    assert replica.status.state == "in step" and not scene.is_exposed()
    assert scene.has(scene.databases[0], 100)


def test_the_grace_is_longer_by_what_the_primary_stood_still() -> None:
    scene = Scene(on_loss="degrade")
    [replica] = scene.replicas
    publisher = replica.link.publisher
    replica.cut()

    def stand_still(seconds: float) -> None:
        publisher.pause = scene.pause
        scene.pause(seconds + 60.0)

    publisher.pause = stand_still
    scene.events.append((60.5, replica.heal))
    scene.put(100)
    assert replica.status.state == "in step" and not scene.is_exposed()
