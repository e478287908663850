"""Node processes ended by SIGKILL, at random moments and at named points of the protocol, one after the other.

    primary, standby, clerks who book        one of the two dies
      the primary did:  promote the standby, start another one           the standby did:  start another one
    then: what was acknowledged is there, nothing by halves, and in the end both hold the same blocks
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tandemdb.testing.failpoints import POINTS, install

from .clerk import NUMBERS, SCRIPT, Clerk, check, has_begun
from .processes import NodeProcess, in_step, run, until

# A primary that dies before any standby is level takes the only copy with it: nothing to test there.
PRIMARY_POINTS = sorted(point for point in POINTS if point.startswith("primary.") and "snapshot" not in point)
SECONDARY_POINTS = sorted(point for point in POINTS if point.startswith("secondary.") and "snapshot" not in point)
REACH_SECONDS = 60.0
CLERKS = 3


class Pair:
    """A primary and its standby, processes; one at a time is told where to die, for both would be two failures."""

    def __init__(self, stack: ExitStack, script: Path, seed: int) -> None:
        self.stack = stack
        self.folder = script.parent
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.names: dict[NodeProcess, str] = {}
        self.primary = self.start("first", "--load", str(script))
        self.standby = self.start("second", "--secondary-of", self.primary.url)

    def start(self, name: str, *arguments: str, failpoint: str = "") -> NodeProcess:
        file = self.folder / name
        node = NodeProcess(*arguments, "--node", name, failpoint=failpoint, failpoint_file=str(file))
        self.stack.callback(node.stop)
        self.names[node] = name
        return node

    def make_level(self) -> None:
        """Wait for the standby to be in step; sometimes one dies on the way there, and another is started."""
        deadline = time.monotonic() + 120
        while not in_step(self.primary):
            assert time.monotonic() < deadline, "the standby did not get into step"
            if self.standby.is_dead:
                self.killed["secondary.mid_snapshot"] += 1
                self.follow_anew(self.names[self.standby])
            time.sleep(0.005)

    def follow_anew(self, name: str) -> None:
        """Start an empty standby, which may die while it is given its blocks."""
        doomed = self.random.random() < 0.1
        failpoint = f"secondary.mid_snapshot:{self.random.randrange(1, 6)}" if doomed else ""
        try:
            self.standby = self.start(name, "--secondary-of", self.primary.url, failpoint=failpoint)
        except AssertionError:
            assert doomed, "a node without a failpoint did not start"
            self.killed["secondary.mid_snapshot"] += 1  # Before it could say that it listens.
            self.standby = self.start(name, "--secondary-of", self.primary.url)

    def end_one(self) -> NodeProcess:
        """Let one of the two die: at a point of the protocol that it gets to from now on, or at any moment."""
        dying = self.random.choice([self.primary, self.standby])
        points = PRIMARY_POINTS if dying is self.primary else SECONDARY_POINTS
        point = self.random.choice(points) if self.random.random() < 0.8 else "at random"
        time.sleep(self.random.random() * 0.1)
        if point != "at random":
            spec = f"{point}:{self.random.choice([1, 2, 3, 10, 50])}"
            (self.folder / self.names[dying]).write_text(spec)
            dying.process.send_signal(signal.SIGUSR1)
            until(lambda: dying.is_dead, f"{spec} is reached", REACH_SECONDS)
        dying.kill()
        self.killed[point] += 1
        return dying


@pytest.mark.timeout(3600)  # --kills says how long it takes: half a second each.
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="processes are told by a signal where to die")
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
            clerks = [Clerk(pair.primary, place * NUMBERS + number) for place in range(CLERKS)]
            for clerk in clerks:
                clerk.start()
            until(partial(has_begun, clerks[0]), "a first commit")
            dead = pair.end_one()
            for clerk in clerks:
                clerk.join(60)
                assert not clerk.is_alive()
            if dead is pair.primary:
                report = pair.standby.ask("promote")
                promotions += 1
                assert report["commits_missing"] == 0
                pair.primary = pair.standby
            for place, clerk in enumerate(clerks):
                check(pair.primary, clerk, place * NUMBERS + number)
            number = max(clerk.number % NUMBERS for clerk in clerks) + 10
            pair.follow_anew(pair.names[dead])
        pair.make_level()
        with pair.primary.connect() as connection:
            connection.execute("INSERT INTO entry VALUES (?, 1, 5)", (CLERKS * NUMBERS,))
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

    standby = Database("shop")
    node = Node(standby)
    node.start()
    primary = Database("p")
    table = make_table(primary, 1000)
    try:
        replica = replicate_to(primary, node.address, "sync")
        for key in range(3):
            put(primary, table, key, "x")
        until(lambda: standby.root.lsn == primary.root.lsn, "all is shown")  # the node's own thread does that
        replica.detach()
    finally:
        node.stop()


def test_unknown_points_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown failpoint"):
        install("primary.nowhere:1", lambda: None)
