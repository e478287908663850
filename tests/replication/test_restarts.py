"""Real processes that die, both or one, or stand still, and come back under their names and addresses, in any order."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.errors import ReplicationError

from .processes import NodeProcess, commit, in_step, run, until
from .test_failover_processes import leads, named

LEASE_SECONDS = 3
SCRIPT = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);"


def start(running: ExitStack, name: str, *arguments: str, listen: str = "127.0.0.1:0") -> NodeProcess:
    node = NodeProcess("--node", name, *arguments, listen=listen)
    running.callback(node.stop)
    return node


def insert(node: NodeProcess, *values: int) -> None:
    for value in values:
        commit(node, "INSERT INTO t VALUES (?, 'x')", value)


def values(node: NodeProcess) -> list[int]:
    with tandemdb.connect(node.url) as connection:
        found = [value for (value,) in connection.execute("SELECT a FROM t ORDER BY a")]
    connection.close()
    return found


class Pair:
    """A primary, and its secondary, of a cluster whose coordinator is a file."""

    def __init__(self, running: ExitStack, folder: Path) -> None:
        self.running = running
        self.folder = folder / "coordinator"
        self.folder.mkdir()
        script = folder / "script.sql"
        script.write_text(SCRIPT)
        coordinator = f"file:{self.folder / 'shop.json'}"
        self.arguments = ("--load", str(script), "--coordinator", coordinator, "--lease", str(LEASE_SECONDS))
        self.first, self.second = (start(running, name, *self.arguments) for name in ("first", "second"))
        until(lambda: named(self.first) == ["second"], "in step")
        insert(self.first, 1)

    def restart(self, node: NodeProcess) -> NodeProcess:
        name = "first" if node is self.first else "second"
        return start(self.running, name, *self.arguments, listen=node.listen)


def is_empty(node: NodeProcess) -> bool:
    return not node.status()["lsn"]


def waits(node: NodeProcess) -> bool:
    return "is empty now" in node.status()["coordination"]["reason"] and not leads(node)


@pytest.mark.parametrize("order", ["the primary first", "the secondary first", "the secondary only"])
def test_both_killed_and_none_that_is_empty_leads(running: ExitStack, tmp_path: Path, order: str) -> None:
    pair = Pair(running, tmp_path)
    pair.second.kill()
    pair.first.kill()
    dead = [pair.first, pair.second] if order == "the primary first" else [pair.second, pair.first]
    nodes = [pair.restart(node) for node in (dead[:1] if order == "the secondary only" else dead)]
    until(lambda: all(waits(node) for node in nodes), "they wait, and say why")
    time.sleep(LEASE_SECONDS + 0.1)
    assert all(waits(node) and is_empty(node) for node in nodes)
    with pytest.raises(ReplicationError):
        nodes[0].ask("promote")


def test_the_primary_is_back_empty_at_once(running: ExitStack, tmp_path: Path) -> None:
    """Under its name and address, before its lease has lapsed: what the secondary has is kept, and leads."""
    pair = Pair(running, tmp_path)
    pair.first.kill()
    back = pair.restart(pair.first)
    until(lambda: leads(pair.second), "the secondary leads")
    until(lambda: named(pair.second) == ["first"], "the other follows")
    insert(pair.second, 2)
    assert values(pair.second) == [1, 2] and pair.second.status()["epoch"] == 2
    assert run("verify", pair.second.url, back.url)[0] == 0


def test_the_primary_is_back_empty_while_the_coordinator_is_gone(running: ExitStack, tmp_path: Path) -> None:
    pair = Pair(running, tmp_path)
    pair.folder.rename(tmp_path / "gone")
    pair.folder.touch()  # In the place of the folder: nothing can be read there, nor written.
    pair.first.kill()
    with pytest.raises(AssertionError, match="not the address of a coordinator"):
        pair.restart(pair.first)
    deadline = time.monotonic() + LEASE_SECONDS + 0.5
    while time.monotonic() < deadline:
        assert not leads(pair.second) and pair.second.status()["following"]["received"] == 2
    pair.folder.unlink()
    (tmp_path / "gone").rename(pair.folder)
    back = pair.restart(pair.first)
    until(lambda: leads(pair.second), "the secondary leads")
    until(lambda: named(pair.second) == ["first"], "the other follows")
    assert values(pair.second) == [1]
    assert run("verify", pair.second.url, back.url)[0] == 0


def test_the_primary_is_back_and_there_is_no_coordinator(running: ExitStack, tmp_path: Path) -> None:
    """It has data, even, by the script that it loads: it is another cluster's, and takes nobody's place."""
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    primary = start(running, "first", "--load", str(script))
    secondary = start(running, "second", "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    insert(primary, 1, 2)
    primary.kill()
    back = start(running, "first", "--load", str(script), listen=primary.listen)
    until(lambda: "another cluster" in secondary.status()["following"]["reason"], "the refusal is told")
    assert secondary.status()["following"]["received"] == 3 and not back.status()["secondaries"]
    assert secondary.ask("promote")["lsn"] == 3
    assert values(secondary) == [1, 2]
    back.ask("follow", secondary.url, "sync", False)
    until(lambda: "another cluster" in back.status()["following"]["reason"], "and so is the other one's")
    back.ask("follow", secondary.url, "sync", True)
    until(lambda: in_step(secondary), "in step")
    insert(secondary, 3)
    assert run("verify", secondary.url, back.url)[0] == 0


@pytest.mark.parametrize("level", ["applied", "none"])
def test_a_primary_suspended_with_writes_in_hand(running: ExitStack, tmp_path: Path, level: str) -> None:
    """However it is to acknowledge: what it answers when it wakes and its lease has lapsed is not that it is done."""
    pair = Pair(running, tmp_path)
    connections = [
        tandemdb.connect(pair.first.url, isolation_level=None, check_same_thread=False) for _ in range(4)
    ]
    for connection in connections:
        connection.execute("SELECT count(*) FROM t").fetchall()
    pair.first.suspend()
    outcomes: list[str] = []

    def write(place: int) -> None:  # The node gets it when it wakes.
        try:
            with connections[place].acknowledging(level):
                connections[place].execute("INSERT INTO t VALUES (?, 'in hand')", (100 + place,))
            outcomes.append("done")
        except tandemdb.Error as error:
            outcomes.append(type(error).__name__)

    writers = [threading.Thread(target=write, args=(place,)) for place in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: leads(pair.second), "the secondary leads")
    insert(pair.second, 2)
    pair.first.resume()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    there = values(pair.second)
    assert outcomes.count("done") <= len([value for value in there if value >= 100]), "acknowledged, and not there"
    assert 2 in there
    until(lambda: named(pair.second) == ["first"], "it follows")
    assert pair.first.status()["orphans"] == 0
    for connection in connections:
        connection.close()
    assert run("verify", pair.first.url, pair.second.url)[0] == 0
