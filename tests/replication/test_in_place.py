"""A private database that is mirrored asynchronously goes on changing in place, and its mirror follows all the same.

    connection ── UPDATE in place ── log ──────────► mirror, in this process or on a node
                  a link that comes back: the newest root is held, its blocks go out, changes copy what it leads to
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication.core.log import ChangeLog
from tandemdb.replication.core.messages import BlockImage, Frame
from tandemdb.replication.node import Node
from tandemdb.replication.system import system_of
from tandemdb.storage import Database, check_root, describe_difference

ROWS = 600


def open_private() -> Any:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT UNIQUE)")
    connection.execute("CREATE INDEX t_grp ON t (grp)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, n % 7, f"name {n}") for n in range(ROWS)])
    return connection


def change(connection: Any, chance: random.Random) -> None:
    """Run a statement, or a transaction of some; some fail, some are taken back."""
    kind = chance.choice(["one", "one", "one", "many", "savepoint", "rollback", "fail", "bulk", "insert"])
    execute, key = connection.execute, chance.randrange(ROWS)

    def update() -> None:
        execute("UPDATE t SET grp = ? WHERE id = ?", (chance.randrange(9), chance.randrange(ROWS)))

    if kind == "one":
        chance.choice([update, lambda: execute("DELETE FROM t WHERE id = ?", (key,))])()
    elif kind == "insert":
        execute("INSERT INTO t (grp, name) VALUES (?, ?)", (key % 5, f"new {chance.random()}"))
    elif kind == "bulk":
        execute("UPDATE t SET grp = grp + 1 WHERE id > ?", (ROWS - 50,))
    elif kind == "fail":
        with contextlib.suppress(tandemdb.IntegrityError):
            execute("INSERT INTO t VALUES (?, 1, 'x'), (?, 2, 'x')", (key + 10_000, key + 10_001))
    else:
        execute("BEGIN")
        update()
        if kind == "savepoint":
            execute("SAVEPOINT s")
            execute("INSERT INTO t (grp, name) VALUES (?, ?)", (1, f"taken back {chance.random()}"))
            execute("ROLLBACK TO s")
        update()
        execute("ROLLBACK" if kind == "rollback" else "COMMIT")


def assert_equal(primary: Database, mirror: Database) -> None:
    assert describe_difference(primary.snapshot(), mirror.snapshot()) == []
    assert primary.digest() == mirror.digest()
    check_root(primary.root)
    check_root(mirror.root)


@pytest.mark.parametrize("over_wire", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_mirror_follows_what_is_changed_in_place(seed: int, over_wire: bool) -> None:
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    replica = connection.replicate_to(mirror, mode="async", over_wire=over_wire)
    primary, copy = connection._database, mirror._database
    mirror.wait_for(connection.commit_token())
    chance = random.Random(seed)
    in_place = 0
    for number in range(400):
        change(connection, chance)
        in_place += primary.writer.own != 0
        if number % 80 == 40:
            replica.cut()
            if number % 3 == 0:  # what it lacks is no longer in the log: blocks have to tell
                replica.link.publisher.status()
                replica.link.publisher.core.log.keep_above(connection.lsn)
        elif number % 80 == 60:
            replica.heal()
        elif number % 80 == 79:
            mirror.wait_for(connection.commit_token())
            assert_equal(primary, copy)
    assert in_place > 300
    assert sorted(mirror.execute("SELECT * FROM t")) == sorted(connection.execute("SELECT * FROM t"))


def test_nothing_is_copied_for_a_mirror_that_follows_the_log() -> None:
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    connection.replicate_to(mirror, mode="async")
    mirror.wait_for(connection.commit_token())
    for key in range(ROWS):
        connection.execute("UPDATE t SET grp = 1 WHERE id = ?", (key,))
    root = connection._database.root
    before = [block for table in root.tables.values() for block in table.location.blocks()]
    for key in range(ROWS):
        connection.execute("UPDATE t SET grp = 2 WHERE id = ?", (key,))
    assert connection._database.root is root
    now = [block for table in root.tables.values() for block in table.location.blocks()]
    assert all(old is new for old, new in zip(before, now, strict=True))
    mirror.wait_for(connection.commit_token())
    assert mirror.execute("SELECT DISTINCT grp FROM t").fetchall() == [(2,)]


@pytest.fixture
def node() -> Iterator[Node]:
    started = Node(Database("shop"))
    started.start()
    yield started
    started.stop()


def test_a_node_that_comes_back_again_and_again_gets_whole_commits(node: Node) -> None:
    """Its POSITIONs come while the writer commits: each is answered with a root that does not change meanwhile."""
    connection = open_private()
    connection.execute("CREATE TABLE pair (a INTEGER PRIMARY KEY, b INTEGER)")
    connection.executemany("INSERT INTO pair VALUES (?, 0)", [(n,) for n in range(ROWS)])
    connection.replicate_to(str(node.address), mode="async")
    primary, copy = connection._database, node.database
    torn: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            root = copy.root
            table = root.tables.get(primary_table)
            if table is not None and table.count == ROWS:
                total = sum(record[1] for records in table.record_lists() for record in records)
                if total % 2:  # each commit adds one to two of them
                    torn.append((root.lsn, total))
            time.sleep(0.001)

    primary_table = max(table for table in primary.root.tables)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        chance = random.Random(3)
        for _ in range(12):
            publisher = system_of(primary).publisher
            assert publisher is not None
            end = time.monotonic() + 0.15
            while time.monotonic() < end:
                connection.execute("BEGIN")
                for _ in range(2):
                    connection.execute("UPDATE pair SET b = b + 1 WHERE a = ?", (chance.randrange(ROWS),))
                connection.execute("COMMIT")
                change(connection, chance)
                time.sleep(0)
            with publisher.lock:
                publisher.drain()
                publisher.core.log.keep_above(publisher.core.log.last_lsn)
            for link in publisher.links.values():
                link.cut()
        wait_until(lambda: copy.root.lsn == connection.lsn)
    finally:
        done.set()
        reader.join()
    assert not torn
    assert_equal(primary, copy)


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_position_waits_for_the_open_transaction() -> None:
    """A root in the midst of being changed is not handed out: the mirror that comes back is answered after it."""
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    replica = connection.replicate_to(mirror, mode="async")
    mirror.wait_for(connection.commit_token())
    connection.execute("UPDATE t SET grp = 1 WHERE id = 1")
    connection.execute("UPDATE t SET grp = 1 WHERE id = 2")
    replica.cut()
    connection.execute("UPDATE t SET grp = 100 WHERE id = 1")
    publisher = replica.link.publisher
    publisher.status()
    publisher.core.log.keep_above(connection.lsn)
    connection.execute("BEGIN")
    connection.execute("UPDATE t SET grp = 200 WHERE id = 1")
    assert connection._database.open is not None
    replica.heal()
    time.sleep(0.1)
    assert mirror.execute("SELECT grp FROM t WHERE id = 1").fetchone() == (1,)
    connection.execute("ROLLBACK")
    mirror.wait_for(connection.commit_token())
    assert mirror.execute("SELECT grp FROM t WHERE id = 1").fetchone() == (100,)
    assert_equal(connection._database, mirror._database)


def test_a_synchronous_mirror_besides_ends_it() -> None:
    connection, loose, tight = open_private(), tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    connection.replicate_to(loose, mode="async")
    connection.execute("UPDATE t SET grp = 1 WHERE id = 1")
    connection.execute("UPDATE t SET grp = 1 WHERE id = 2")
    connection.replicate_to(tight, mode="sync")
    held = tight._database.root
    for key in range(20):
        connection.execute("UPDATE t SET grp = 5 WHERE id = ?", (key,))
        assert tight._database.root.lsn == connection.lsn
    assert held is not tight._database.root
    assert not connection._database.writer.own
    loose.wait_for(connection.commit_token())
    assert_equal(connection._database, loose._database)
    assert_equal(connection._database, tight._database)


def test_blocks_on_their_way_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    replica = connection.replicate_to(mirror, mode="async")
    mirror.wait_for(connection.commit_token())
    for _ in range(2):
        connection.execute("UPDATE t SET grp = 3 WHERE id = 1")
    replica.cut()
    connection.execute("UPDATE t SET grp = 100 WHERE id > 5")
    publisher = replica.link.publisher
    publisher.status()
    publisher.core.log.keep_above(connection.lsn)
    before = len(replica.status.plans)
    reached, go_on = threading.Event(), threading.Event()
    take = replica.link.secondary.receive

    def take_slowly(frame: Frame, now: float) -> None:
        if isinstance(frame.message, BlockImage):
            reached.set()
            assert go_on.wait(60)
        take(frame, now)

    monkeypatch.setattr(replica.link.secondary, "receive", take_slowly)
    healing = threading.Thread(target=replica.heal)
    healing.start()
    assert reached.wait(60)
    for key in range(10, 60):
        connection.execute("DELETE FROM t WHERE id = ?", (key,))
        connection.execute("UPDATE t SET grp = 7 WHERE id = ?", (key + 100,))
    go_on.set()
    healing.join()
    mirror.wait_for(connection.commit_token())
    assert_equal(connection._database, mirror._database)
    assert len(replica.status.plans) == before + 1, "what came did not fit: it was asked for anew"


def test_a_mirror_that_was_away_is_sent_what_changed_meanwhile() -> None:
    """Not what a large commit before had changed, though its blocks might be changed in place."""
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    connection.executemany("INSERT INTO t (grp, name) VALUES (?, ?)", [(1, f"more {n}") for n in range(20_000)])
    replica = connection.replicate_to(mirror, mode="async")
    connection.execute("UPDATE t SET grp = 5 WHERE id = 7")
    connection.execute("UPDATE t SET grp = grp + 1")
    mirror.wait_for(connection.commit_token())
    replica.cut()
    for key in (10, 5_000, 15_000):
        connection.execute("UPDATE t SET grp = -1 WHERE id = ?", (key,))
    publisher = replica.link.publisher
    publisher.status()
    publisher.core.log.keep_above(connection.lsn)
    replica.heal()
    mirror.wait_for(connection.commit_token())
    assert replica.status.plans[-1] == "blocks"
    assert replica.status.blocks_planned == 3
    assert_equal(connection._database, mirror._database)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_log_that_was_interrupted_begins_anew(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, mirror = open_private(), tandemdb.connect(":memory:")
    connection.replicate_to(mirror, mode=mode)
    publisher = system_of(connection._database).publisher
    assert publisher is not None

    def append(log: ChangeLog, *arguments: Any) -> None:
        monkeypatch.undo()
        log._starts.append(0)
        raise KeyboardInterrupt

    for number in range(3):
        monkeypatch.setattr(ChangeLog, "append", append)
        with pytest.raises(KeyboardInterrupt):
            connection.executemany("INSERT INTO t (grp) VALUES (?)", [(number,)] * 5)
        deadline = time.monotonic() + 60
        while mode == "sync" and publisher.core.quorum.missing():
            publisher.links.pump_tight()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(number):
            connection.execute("UPDATE t SET grp = grp + 1 WHERE id = ?", (number,))
        replication.wait_for(mirror._database, connection._database.root.lsn)
        assert not describe_difference(connection._database.root, mirror._database.root)
    assert mirror.execute("SELECT count(*) FROM t").fetchone() == (ROWS + 15,)
