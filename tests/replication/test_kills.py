"""Node processes ended by SIGKILL, at random moments and at named points of the protocol, one after the other.

    primary, standby, a clerk who books      one of the two dies
      the primary did:  promote the standby, start another one           the standby did:  start another one
    then: what was acknowledged is there, nothing by halves, and in the end both hold the same blocks
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tandemdb.replication.errors import ReplicationError
from tandemdb.testing.failpoints import POINTS, install

from .clerk import SCRIPT, Clerk, check
from .processes import NodeProcess, in_step, run, until

# A primary that dies before any standby is level takes the only copy with it: nothing to test there.
MORTAL_POINTS = sorted(set(POINTS) - {"primary.mid_snapshot"})


class Pair:
    """A primary and its standby, processes; one may have a failpoint, for both at once would be two failures."""

    def __init__(self, stack: ExitStack, script: Path, seed: int) -> None:
        self.stack = stack
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.points: dict[NodeProcess, str] = {}
        self.primary = self.start("first", "--load", str(script), mortal=False)
        self.standby = self.start("second", "--secondary-of", self.primary.url)
        self.names = {self.primary: "first", self.standby: "second"}

    def start(self, name: str, *arguments: str, mortal: bool = True) -> NodeProcess:
        """Start a node, mostly with a failpoint; one that dies before it listens is started again without."""
        point = self.random.choice(MORTAL_POINTS) if mortal and self.random.random() < 0.85 else ""
        spec = f"{point}:{self.random.choice([1, 2, 5, 10, 40, 150])}" if point else ""
        try:
            node = NodeProcess(*arguments, "--node", name, failpoint=spec)
        except AssertionError:
            assert spec, "a node without a failpoint did not start"
            self.killed[point] += 1
            return self.start(name, *arguments, mortal=False)
        self.stack.callback(node.stop)
        self.points[node] = point
        return node

    def make_level(self) -> None:
        """Wait for the standby to be in step; if it dies before, start another one."""
        deadline = time.monotonic() + 30
        while not self.primary.is_dead and not in_step(self.primary):
            assert time.monotonic() < deadline, "the standby did not get into step"
            if self.standby.is_dead:
                self.bury(self.standby)
                name = self.names[self.standby]
                self.standby = self.start(name, "--secondary-of", self.primary.url, mortal=False)
                self.names[self.standby] = name
            time.sleep(0.005)

    def bury(self, node: NodeProcess) -> None:
        node.process.wait(10)
        self.killed[self.points[node] or "at random"] += 1

    def await_death(self) -> NodeProcess:
        """Let one of the two die at its failpoint, or kill one."""
        deadline = time.monotonic() + 0.05 + self.random.random() * 0.4
        while time.monotonic() < deadline:
            for node in (self.primary, self.standby):
                if node.is_dead:
                    return node
            time.sleep(0.002)
        mortal = [node for node in (self.primary, self.standby) if self.points[node]]
        node = mortal[0] if mortal else self.random.choice([self.primary, self.standby])
        if not node.is_dead:
            self.points[node] = ""
            node.kill()
        return node


@pytest.mark.timeout(3600)  # --kills says how long it takes: half a second each.
def test_killed_at_random_and_at_named_points(
    tmp_path: Path, request: pytest.FixtureRequest, record_property: pytest.RecordProperty
) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    kills = request.config.getoption("--kills")
    number, promotions = 1, 0
    with ExitStack() as stack:
        pair = Pair(stack, script, seed=kills)
        while pair.killed.total() < kills:
            pair.make_level()
            if pair.primary.is_dead:
                # It was level once, so the standby's copy is complete, but for what it had not to wait for.
                clerk = None
            else:
                try:
                    clerk = Clerk(pair.primary, number)
                    clerk.start()
                except ReplicationError:  # It died in this moment.
                    clerk = None
            dead = pair.await_death()
            pair.bury(dead)
            if clerk is not None:
                clerk.join(15)
                assert not clerk.is_alive()
            if dead is pair.primary and not pair.standby.is_dead:
                report = pair.standby.ask("promote")
                promotions += 1
                assert report["commits_missing"] == 0
                name = pair.names[dead]
                pair.primary = pair.standby
                mortal = not pair.points[pair.primary]
                pair.standby = pair.start(name, "--secondary-of", pair.primary.url, mortal=mortal)
                pair.names[pair.standby] = name
            assert not pair.primary.is_dead or dead is pair.primary, "both have died"
            if clerk is not None:
                check(pair.primary, clerk, number)
                number = clerk.number + 10
        pair.make_level()
        with pair.primary.connect() as connection:
            connection.execute("INSERT INTO entry VALUES (?, 1, 5)", (10_000_000,))
        until(partial(in_step, pair.primary), "in step")
        status, text = run("verify", pair.primary.url, pair.standby.url)
        assert status == 0, text
    counted = ", ".join(f"{point} {count}" for point, count in sorted(pair.killed.items()))
    record_property("kills", counted)
    sys.stdout.write(f"{pair.killed.total()} kills, {promotions} promotions: {counted}\n")


@pytest.mark.parametrize("point", sorted(POINTS))
def test_every_point_is_there(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import import_module

    named = POINTS[point]
    module = import_module(f"tandemdb.replication.{named.module}")
    owner = getattr(module, named.owner) if named.owner else module
    method = getattr(owner, named.method)
    takes = dict(getattr(module, "TAKES", {}))
    reached: list[str] = []
    try:
        install(f"{point}:2", lambda: reached.append(point))
        assert getattr(owner, named.method) is not method
        reach_it(point)
    finally:
        setattr(owner, named.method, method)
        getattr(module, "TAKES", {}).update(takes)
    assert reached == [point]


def reach_it(point: str) -> None:
    """Mirror a database to a node of this process: every point is reached on the way."""
    from tandemdb.replication.linking import replicate_to
    from tandemdb.replication.node import Node
    from tandemdb.storage import Database

    from .workload import make_table, put

    node = Node(Database("shop"))
    node.start()
    primary = Database("p")
    table = make_table(primary, 1000)
    try:
        replica = replicate_to(primary, node.address, "sync")
        for key in range(3):
            put(primary, table, key, "x")
        replica.detach()
    finally:
        node.stop()


def test_unknown_points_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown failpoint"):
        install("primary.nowhere:1", lambda: None)
