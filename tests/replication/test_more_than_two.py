"""Three and four node processes: a chain whose middle dies, the best secondary dead, places handed over and over."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.errors import CommitInDoubt, ReplicationError, SecondaryLost

from .processes import NodeProcess, commit, in_step, run, start_named, until
from .test_failover_processes import leads, named

CREATE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"


def follows(primary: NodeProcess, name: str) -> bool:
    return any(entry["name"] == name and entry["state"] == "in step" for entry in primary.status()["secondaries"])


def test_a_chain_whose_middle_dies(running: ExitStack) -> None:
    first = start_named(running, "first")
    middle = start_named(running, "middle", "--secondary-of", first.url)
    until(lambda: in_step(first), "in step")
    last = start_named(running, "last", "--secondary-of", middle.url)
    until(lambda: in_step(middle), "in step")
    connection = first.connect(isolation_level=None)
    connection.execute(CREATE)
    for number in range(20):
        connection.execute("INSERT INTO t VALUES (?, 'x')", (number,))
    until(lambda: last.status()["lsn"] >= 20, "it has come down the chain")
    middle.kill()
    with pytest.raises((CommitInDoubt, SecondaryLost)):
        connection.execute("INSERT INTO t VALUES (20, 'refused')")
    lsn = last.status()["lsn"]
    assert 20 <= lsn <= 21 and last.status()["role"] == "secondary", "it stays at a commit that was acknowledged"
    last.ask("follow", first.url, "sync", False)
    until(lambda: follows(first, "last"), "it takes the place of the middle one")
    connection.execute("INSERT INTO t VALUES (21, 'x')")
    assert last.status()["following"]["received"] == first.status()["lsn"]
    back = start_named(running, "middle", "--secondary-of", last.url)
    until(lambda: follows(last, "middle"), "the middle one is the end now")
    connection.execute("INSERT INTO t VALUES (22, 'x')")
    connection.close()
    first.kill()
    assert last.ask("promote")["commits_missing"] == 0
    with last.connect(isolation_level=None) as connection:
        rows = [number for (number,) in connection.execute("SELECT a FROM t ORDER BY a")]
        assert rows == [*range(20), 21, 22]
        connection.execute("INSERT INTO t VALUES (23, 'x')")
    connection.close()
    assert run("verify", last.url, back.url)[0] == 0


def test_the_best_of_three_secondaries_dies_with_the_primary(running: ExitStack, tmp_path: Path) -> None:
    """One of three must acknowledge: any of them may be the only one that has a commit, so all must be heard."""
    coordinator = ("--coordinator", f"file:{tmp_path / 'shop.json'}", "--lease", "3")
    primary = start_named(running, "p", *coordinator)
    best, *others = [start_named(running, name, *coordinator) for name in "abc"]
    until(lambda: len(named(primary)) == 3, "in step")
    commit(primary, CREATE)
    for other in others:
        other.suspend()
    commit(primary, "INSERT INTO t VALUES (1, 'on the best one only')")
    best.kill()
    primary.kill()
    for other in others:
        other.resume()
    until(lambda: any("must be heard" in other.status()["coordination"]["reason"] for other in others), "it says why")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert not any(leads(other) for other in others), "it may lack what was acknowledged"
        time.sleep(0.05)
    assert others[0].ask("promote")["epoch"] == 2  # The operator's decision.


class Reader(threading.Thread):
    """Reads a counter at one node, again and again: I6, neither it nor epoch and LSN ever go back."""

    def __init__(self, node: NodeProcess) -> None:
        super().__init__(daemon=True)
        self.connection = node.connect(check_same_thread=False)
        self.seen: list[int] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            self.seen.append(self.connection.execute("SELECT max(a) FROM t").fetchone()[0])
            time.sleep(0.001)
        self.connection.close()


def test_places_handed_over_again_and_again_under_load(running: ExitStack) -> None:
    first = start_named(running, "first")
    second = start_named(running, "second", "--secondary-of", first.url)
    until(lambda: in_step(first), "in step")
    writing = tandemdb.connect(first.url, timeout=30, isolation_level=None, check_same_thread=False)
    writing.execute(CREATE)
    writing.execute("INSERT INTO t VALUES (0, 'x')")
    until(lambda: second.status()["lsn"] == first.status()["lsn"], "level")
    readers = [Reader(node) for node in (first, second)]
    done, stopping = [0], threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        while not stopping.is_set():
            try:
                writing.execute("INSERT INTO t VALUES (?, 'x')", (done[0] + 1,))
            except tandemdb.Error as error:
                failures.append(error)
                return
            done[0] += 1

    writer = threading.Thread(target=write)
    for thread in (*readers, writer):
        thread.start()
    places: dict[str, tuple[int, int]] = {}
    for turn in range(4):
        before = done[0]
        until(lambda: done[0] > before + 20, f"commits go on: {failures}")  # noqa: B023
        report = first.ask("hand_over", second.url, "sync")
        assert report["epoch"] == turn + 2
        first, second = second, first
        until(lambda: in_step(first), "in step")  # noqa: B023
        for node in (first, second):
            found = node.status()
            place = found["epoch"], found["lsn"]
            assert place >= places.get(found["node"], (0, 0))
            places[found["node"]] = place
    stopping.set()
    writer.join(60)
    for reader in readers:
        reader.stopping = True
        reader.join(60)
        assert reader.seen == sorted(reader.seen) and len(set(reader.seen)) > 1
    assert not failures and not writer.is_alive()
    with first.connect() as connection:
        rows = [number for (number,) in connection.execute("SELECT a FROM t ORDER BY a")]
        assert rows == list(range(done[0] + 1))
    connection.close()
    writing.close()
    assert second.status()["orphans"] == first.status()["orphans"] == 0
    with pytest.raises(ReplicationError, match="not a primary"):
        second.ask("hand_over", first.url, "sync")
    assert run("verify", first.url, second.url)[0] == 0
