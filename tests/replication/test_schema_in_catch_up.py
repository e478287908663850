"""The schema changes while a secondary catches up: its readers see whole commits, and in the end both are equal.

    log tail           away for some commits                        the log goes in small windows
    blocks changed     away, and the log is gone                    images of a pinned root; then the log since it
    digest walk        the primary has forgotten it                 digests compared first
    snapshot           new, and empty                               all blocks

Virtual time: a statement, some of the latency, a look at the secondary, the next statement.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import pytest

import tandemdb
from tandemdb.replication.core.catch_up import CommitMarks
from tandemdb.testing import Faults, VirtualClock, assert_identical

ROWS = 128 * 12
FRAME_SECONDS = 0.01
SCRIPT = f"""
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c);
CREATE INDEX t_b ON t (b);
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {ROWS})
INSERT INTO t SELECT n, 'value ' || (n % 100), n * 2 FROM r;
CREATE TABLE gone (a, b);
INSERT INTO gone SELECT a, b FROM t WHERE a < 500;
"""
CHANGES = [
    "CREATE TABLE n (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c DEFAULT 7)",
    "INSERT INTO n (b) VALUES ('x'), ('y'), ('z')",
    "CREATE INDEX n_c ON n (c, b)",
    "ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 5",
    "UPDATE t SET d = a % 10 WHERE a % 3 = 0",
    "CREATE INDEX t_d ON t (d)",
    "ALTER TABLE t RENAME COLUMN b TO label",
    "DROP TABLE gone",
    "ALTER TABLE n RENAME TO renamed",
    "BEGIN; CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT OR IGNORE INTO w SELECT label, a FROM t;"
    " DROP TABLE renamed; COMMIT",
    "CREATE VIEW v AS SELECT label, count(*) AS count FROM t GROUP BY label",
    "ALTER TABLE t DROP COLUMN c",
    "CREATE TRIGGER after_w AFTER INSERT ON w BEGIN UPDATE t SET d = NEW.v WHERE a = 1; END",
    "INSERT INTO w VALUES ('fired', 99)",
    "DELETE FROM t WHERE a BETWEEN 200 AND 900",
    "DROP INDEX t_d",
    "BEGIN; DROP TABLE w; CREATE TABLE w (only_one UNIQUE); INSERT INTO w VALUES (1), (2.5), (NULL); COMMIT",
    "CREATE UNIQUE INDEX t_even ON t (a) WHERE a % 2 = 0",
    "ALTER TABLE w RENAME TO w2",
    "DROP VIEW v",
    "ALTER TABLE w2 ADD COLUMN more DEFAULT 'x'",
    "DROP TABLE w2",
    "INSERT INTO t (label, d) SELECT label, d FROM t WHERE a < 150",
]


class Narrow(Faults):
    """A cable that one frame takes FRAME_SECONDS, after the one before."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._free_at = 0.0
        super().__init__()

    @property
    def latency_seconds(self) -> float:  # type: ignore[override]
        now = self._clock()
        self._free_at = max(now, self._free_at) + FRAME_SECONDS
        return self._free_at - now

    @latency_seconds.setter
    def latency_seconds(self, _: float) -> None:
        """The base class sets it."""


def connect() -> Any:
    return tandemdb.connect(":memory:", isolation_level=None)


class State(NamedTuple):
    """What a reader sees of one commit: the digest, the schema, and each table with its columns."""

    digest: int
    schema: tuple[Any, ...]
    tables: dict[str, tuple[tuple[str, ...], list[Any]]]


def see(connection: Any) -> State:
    schema = tuple(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"))
    tables = {}
    for kind, name, _, _ in schema:
        if kind in ("table", "view"):
            cursor = connection.execute(f"SELECT * FROM {name}")
            columns = tuple(column[0] for column in cursor.description)
            tables[name] = columns, sorted(cursor.fetchall(), key=repr)
    return State(connection.digest(), schema, tables)


class Scene:
    """A primary, a secondary with a latency between them, and what the primary was after each commit."""

    def __init__(self, mode: str) -> None:
        self.clock = VirtualClock()
        self.primary, self.standby = connect(), connect()
        self.primary.executescript(SCRIPT)
        self.replica = self.primary.replicate_to(
            self.standby,
            mode,
            clock=self.clock,
            pause=self.clock.pause,
            over_wire=True,
            on_loss="degrade",
            loss_grace_seconds=0.0,
            window_bytes=2000,
        )
        self.states = {0: see(connect()), self.primary.lsn: see(self.primary)}
        # What was read in part: rows to come, and those that must be all.
        self.open: list[tuple[Any, list[Any]]] = []
        self.replica.set_faults(Narrow(self.clock))

    @property
    def core(self) -> Any:
        return self.replica.link.publisher.core

    @property
    def peer(self) -> Any:
        return self.core.peers[self.replica.name]

    @property
    def stages(self) -> set[str]:
        """How far it is, by what either side knows; none if it is level."""
        return set() if self.is_level else {self.peer.state, self.replica.link.secondary.state}

    @property
    def is_level(self) -> bool:
        return self.peer.state in ("following", "in step") and self.standby.lsn == self.primary.lsn

    def change(self, sql: str) -> None:
        self.primary.executescript(sql)
        self.states[self.primary.lsn] = see(self.primary)

    def advance(self, seconds: float) -> None:
        """Let time pass in small steps, and look at the secondary after each."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.pause(0.005)
            self.replica.link.pump()
            self.look()

    def advance_until(self, state: str) -> None:
        """Let it get into a state on its way to being level."""
        end = self.clock.now + 3
        while state not in self.stages:
            assert self.clock.now < end, self.replica.status
            self.advance(0.005)

    def look(self) -> None:
        """What the secondary shows is one of the primary's commits, whole, its keys included."""
        standby, expected = self.standby, self.states[self.standby.lsn]
        found = see(standby)
        assert found == expected, f"at LSN {standby.lsn}"
        if "t" in found.tables:
            columns, _ = found.tables["t"]
            name = "label" if "label" in columns else "b"
            by_key = standby.execute(f"SELECT a FROM t WHERE {name} = 'value 7' ORDER BY a").fetchall()
            assert by_key == standby.execute(f"SELECT a FROM t WHERE +{name} = 'value 7' ORDER BY a").fetchall()
        if len(self.open) > 2:
            rows, all_of_them = self.open.pop(0)
            assert list(rows) == all_of_them, "a cursor goes on with what it began with"
        if "t" in found.tables:
            all_rows = standby.execute("SELECT * FROM t").fetchall()
            cursor = iter(standby.execute("SELECT * FROM t"))
            assert next(cursor) == all_rows[0]
            self.open.append((cursor, all_rows[1:]))

    def settle(self) -> None:
        end = self.clock.now + 100
        while not self.is_level:
            assert self.clock.now < end, self.replica.status
            self.advance(0.02)


def touch(scene: Scene, count: int) -> None:
    for number in range(1, count + 1):
        scene.change(f"UPDATE t SET c = -c WHERE a = {number * 25}")


def tail(scene: Scene) -> None:
    touch(scene, 60)


def blocks(scene: Scene) -> None:
    scene.core.log.bytes_max = 50
    touch(scene, 8)


def walk(scene: Scene) -> None:
    """The primary does not know the commit at which the secondary is."""
    scene.core.log.bytes_max = 50
    touch(scene, 8)
    scene.core.marks = CommitMarks()


def snapshot(scene: Scene) -> None:
    scene.core.log.bytes_max = 50
    scene.change("UPDATE t SET c = -c")


KINDS: dict[str, tuple[Callable[[Scene], None], str, str]] = {
    "tail": (tail, "tail", "following"),
    "blocks": (blocks, "blocks", "copying"),
    "walk": (walk, "blocks", "walking"),
    "snapshot": (snapshot, "snapshot", "copying"),
}


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_changes_in_the_midst(kind: str, mode: str, seed: int) -> None:
    be_away, plan, state = KINDS[kind]
    draw = random.Random(f"{kind} {mode} {seed}")
    scene = Scene(mode)
    scene.settle()
    scene.replica.cut()
    be_away(scene)
    changes = iter(CHANGES)
    for sql in islice(changes, draw.randrange(4)):
        scene.change(sql)
    plans = len(scene.replica.status.plans)
    scene.replica.heal()
    met = Counter[str]()
    for sql in changes:
        if not met[state]:
            scene.advance_until(state)
        met.update(scene.stages)
        scene.change(sql)
        scene.advance(draw.choice([0.0, 0.005, 0.01, 0.1]))
    scene.settle()
    assert scene.replica.status.plans[plans] == plan and met[state], (scene.replica.status, met)
    assert_identical(scene.primary, scene.standby)
    scene.change("CREATE TABLE afterwards AS SELECT * FROM t WHERE a < 10")
    scene.settle()
    assert_identical(scene.primary, scene.standby)
