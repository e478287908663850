"""Failover of real processes: kill -9, suspension, empty restarts, with a file or a real etcd to say who leads."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tandemdb

from .etcd_server import EtcdServer
from .processes import NodeProcess, commit, run, until

SCRIPT = """\
CREATE TABLE entry (number INTEGER PRIMARY KEY, half INTEGER);
CREATE TABLE total (name TEXT PRIMARY KEY, entries INTEGER);
INSERT INTO total VALUES ('entries', 0);
"""
LEASE_SECONDS = 3


@pytest.fixture(params=["file", "etcd"])
def coordinator(request: pytest.FixtureRequest, tmp_path: Path, running: ExitStack) -> str:
    """The URL of a coordinator."""
    if request.param == "file":
        return f"file:{tmp_path / 'shop.json'}"
    server = EtcdServer(tmp_path)
    running.callback(server.close)
    return f"etcd://{server.endpoint}/shop"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.sql"
    path.write_text(SCRIPT)
    return path


def start(running: ExitStack, coordinator: str, *arguments: str, listen: str = "127.0.0.1:0") -> NodeProcess:
    node = NodeProcess("--coordinator", coordinator, "--lease", str(LEASE_SECONDS), *arguments, listen=listen)
    running.callback(node.stop)
    return node


def url_of(*nodes: NodeProcess) -> str:
    return f"tandemdb://{','.join(node.listen for node in nodes)}/shop"


def named(node: NodeProcess) -> list[str]:
    return list(node.status()["coordination"]["sync_set"])


def leads(node: NodeProcess) -> bool:
    return bool(node.status()["coordination"]["may_acknowledge"])


class Clerk(threading.Thread):
    """Writes entries through whichever node leads, two rows a commit, and remembers which were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.acknowledged: set[int] = set()
        self.doubtful: set[int] = set()
        self.times: list[float] = []
        self.number = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                connection = tandemdb.connect(self.url, timeout=30, isolation_level=None)
            except tandemdb.Error:
                continue
            try:
                while not self.stopping.is_set():
                    self.write(connection)
            except tandemdb.Error:
                pass  # It leads no more, or is dead: find the one that does.
            finally:
                connection.close()

    def write(self, connection: tandemdb.Connection) -> None:
        self.number += 1
        number = self.number
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entry VALUES (?, 0), (?, 1)", (2 * number, 2 * number + 1))
        connection.execute("UPDATE total SET entries = entries + 2")
        self.doubtful.add(number)
        connection.execute("COMMIT")
        self.doubtful.discard(number)
        self.acknowledged.add(number)
        self.times.append(time.monotonic())

    def finish(self) -> None:
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()

    def check(self, url: str) -> None:
        """All that was acknowledged is there, and nothing by halves."""
        connection = tandemdb.connect(url, timeout=30)
        rows = {row[0] for row in connection.execute("SELECT number FROM entry")}
        assert connection.execute("SELECT entries FROM total").fetchone() == (len(rows),)
        connection.close()
        numbers = {row // 2 for row in rows}
        assert all({2 * number, 2 * number + 1} <= rows for number in numbers), "half a transaction"
        assert self.acknowledged <= numbers, f"acknowledged commits are lost: {self.acknowledged - numbers}"
        assert numbers - self.acknowledged <= self.doubtful, "a commit that failed is there"


def test_kill_9_of_the_primary_again_and_again(
    running: ExitStack, coordinator: str, script: Path, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(21)
    primary = start(running, coordinator, "--load", str(script))
    secondary = start(running, coordinator, "--load", str(script))  # the same command: it finds the record
    assert primary.line.endswith("as primary\n") and f"as secondary of {primary.url}" in secondary.line
    url = url_of(primary, secondary)
    clerk = Clerk(url)
    clerk.start()
    running.callback(clerk.stopping.set)
    kills = request.config.getoption("--failovers")
    for _ in range(kills):
        until(lambda: bool(named(primary)), "the record names the secondary")  # noqa: B023
        before = len(clerk.acknowledged)
        until(lambda: len(clerk.acknowledged) > before, "commits go on")  # noqa: B023
        time.sleep(chance.random() * 0.3)  # at any moment
        primary.kill()
        until(partial(leads, secondary), "the secondary leads by itself")
        before = len(clerk.acknowledged)
        until(lambda: len(clerk.acknowledged) > before, "commits go on there")  # noqa: B023
        primary, secondary = secondary, start(running, coordinator, "--load", str(script), listen=primary.listen)
    until(lambda: bool(named(primary)), "in step")
    clerk.finish()
    clerk.check(url)
    status, text = run("verify", primary.url, secondary.url)
    assert status == 0, text
    assert primary.status()["epoch"] >= kills + 1  # One that stands still for long is succeeded, too.


def test_a_primary_suspended_beyond_its_lease(running: ExitStack, coordinator: str, script: Path) -> None:
    primary = start(running, coordinator, "--load", str(script))
    secondary = start(running, coordinator)
    until(lambda: bool(named(primary)), "in step")
    url = url_of(primary, secondary)
    clerk = Clerk(url)
    clerk.start()
    running.callback(clerk.stopping.set)
    until(lambda: bool(clerk.acknowledged), "a first commit")
    primary.suspend()
    until(partial(leads, secondary), "the secondary leads")
    commit(secondary, "INSERT INTO entry VALUES (1000001, 1), (1000000, 0)")
    commit(secondary, "UPDATE total SET entries = entries + 2")
    clerk.acknowledged.add(500000)
    primary.resume()  # with a write in hand, maybe
    until(lambda: primary.status()["role"] == "secondary", "it follows")
    until(lambda: bool(named(secondary)), "in step")
    clerk.finish()
    clerk.check(url)
    assert primary.status()["orphans"] == 0
    assert run("verify", primary.url, secondary.url)[0] == 0


def test_both_killed_and_restarted_empty(running: ExitStack, coordinator: str, script: Path) -> None:
    nodes = [start(running, coordinator, "--load", str(script)), start(running, coordinator)]
    until(lambda: bool(named(nodes[0])), "in step")
    for node in nodes:
        node.kill()
    nodes = [start(running, coordinator, "--load", str(script), listen=node.listen) for node in nodes]

    def reasons() -> list[str]:
        return [node.status()["coordination"]["reason"] for node in nodes]

    until(lambda: all("is empty now" in reason for reason in reasons()), "they wait, and say why")
    assert not any(leads(node) or node.status()["lsn"] for node in nodes)
    with pytest.raises(tandemdb.OperationalError, match="takes writes"):
        tandemdb.connect(url_of(*nodes), timeout=0.5)
    status, text = run("status", nodes[0].url)
    assert status == 0 and "waiting" in text and "is empty now" in text
    nodes[0].kill()
    until(lambda: nodes[1].status()["coordination"]["leader"] == "", "the lease is free")
    nodes[0] = start(running, coordinator, "--load", str(script), "--bootstrap", listen=nodes[0].listen)
    until(partial(leads, nodes[0]), "it leads")
    until(lambda: bool(named(nodes[0])), "the other follows")
    assert nodes[1].status()["lsn"] == nodes[0].status()["lsn"] > 0


def test_a_secondary_killed_and_the_primary_goes_on_exposed(
    running: ExitStack, coordinator: str, script: Path
) -> None:
    primary = start(running, coordinator, "--load", str(script))
    secondary = start(running, coordinator)
    until(lambda: bool(named(primary)), "in step")
    secondary.kill()
    commit(primary, "INSERT INTO entry VALUES (1, 1)")
    assert named(primary) == [] and primary.status()["exposed"]
    returned = start(running, coordinator, listen=secondary.listen)
    until(lambda: bool(named(primary)), "in step again")
    assert not primary.status()["exposed"]
    assert run("verify", primary.url, returned.url)[0] == 0


def test_commands_with_a_coordinator(running: ExitStack, tmp_path: Path) -> None:
    coordinator = f"file:{tmp_path / 'shop.json'}"
    primary, secondary = start(running, coordinator), start(running, coordinator)
    until(lambda: bool(named(primary)), "in step")
    status, text = run("status", primary.url)
    assert status == 0 and f"may be promoted: {secondary.listen}" in text
    status, text = run("promote", secondary.url)
    assert status == 1 and "the lease is held" in text
    status, text = run("switchover", primary.url, secondary.url)
    assert status == 0, text
    until(lambda: named(secondary) == [primary.listen], "in step, the other way round")
    cases: list[tuple[list[str], int, str]] = [
        (["--secondary-of", primary.url, "--coordinator", coordinator], 2, "leave --secondary-of out"),
        (["--coordinator", "zookeeper://x/y"], 1, "not the address of a coordinator"),
        (["--coordinator", coordinator, "--on-loss", "degrade"], 1, "does not go with a coordinator"),
    ]
    for arguments, expected, reason in cases:
        status, text = run("serve", "--name", "shop", "--listen", "127.0.0.1:0", *arguments)
        assert (status, reason in text) == (expected, True), text


def test_a_deaf_coordinator_at_the_start(running: ExitStack) -> None:
    pytest.importorskip("requests", reason="the extra tandemdb[etcd] is not installed")
    node: Any = start(running, "etcd://127.0.0.1:1/shop")
    assert node.line.endswith("as waiting\n")
    assert "etcd does not answer" in node.status()["coordination"]["reason"]
