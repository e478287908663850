"""Switchover after switchover between real processes under load: nothing lost, nothing failed, nobody read backwards.

    writers, each in its own way --> tandemdb://a,b/shop      a  <-- the primary's place -->  b       third, if any
    a reader goes round the nodes with commit tokens

`--switchovers` and `--switchovers-apart` make it last: REPLICATION's fault 27 is 300 of them, 2 s apart.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.overview import draw

from .processes import NodeProcess, run, start, until

SCRIPT = """\
CREATE TABLE entry (client INTEGER, number INTEGER, PRIMARY KEY (client, number));
CREATE TABLE total (entries INTEGER NOT NULL);
INSERT INTO total VALUES (0);
"""
WRITERS = 5
READ_EVERY = 10


class Client(threading.Thread):
    """Goes on with what it does until it is told to stop, or fails."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.failures: list[str] = []
        self.done = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.act()
            except (tandemdb.Error, AssertionError) as error:
                notes = " ".join(getattr(error, "__notes__", ()))
                self.failures.append(f"{time.strftime('%T')} {self.done}: {type(error).__name__}: {error} {notes}")
                if len(self.failures) > 5:
                    return
            else:
                self.done += 1

    def act(self) -> None:
        raise NotImplementedError


class Writer(Client):
    """Commits one row after the other, and counts it in the same transaction, in one of the ways programs do."""

    def __init__(self, url: str, client: int) -> None:
        super().__init__()
        self.url = url
        self.client = client
        self.connection: tandemdb.Connection | None = None
        self.times = [time.monotonic()]

    def act(self) -> None:
        if self.connection is None:
            self.connection = tandemdb.connect(self.url, timeout=60, isolation_level=None)
        connection, way, row = self.connection, self.client % 5, (self.client, self.done)
        if way == 0:  # Statement by statement: counted by nobody.
            connection.execute("INSERT INTO entry VALUES (?, ?)", row)
        elif way == 1:
            connection.executemany("INSERT INTO entry VALUES (?, ?)", [row])
        else:
            connection.execute("BEGIN IMMEDIATE" if way == 3 else "BEGIN")
            connection.execute("INSERT INTO entry VALUES (?, ?)", row)
            connection.execute("UPDATE total SET entries = entries + 1")
            connection.execute("COMMIT")
        self.times.append(time.monotonic())
        if self.done % READ_EVERY == 0:  # What it has written it reads, wherever it has been taken.
            found = connection.execute("SELECT max(number) FROM entry WHERE client = ?", (self.client,)).fetchone()
            assert found == (self.done,), f"client {self.client} reads {found} after writing {self.done}"
        if way == 4:  # A program that connects anew each time.
            connection.close()
            self.connection = None

    @property
    def pause_longest(self) -> float:
        return max(after - before for before, after in pairwise(self.times))


class Reader(Client):
    """Reads on one node after the other, each time at least what it has read before."""

    def __init__(self, nodes: list[NodeProcess]) -> None:
        super().__init__()
        self.nodes = nodes
        self.token = ""
        self.seen: dict[int, int] = {}
        self.connections: dict[NodeProcess, tandemdb.Connection] = {}

    def act(self) -> None:
        node = self.nodes[self.done % len(self.nodes)]
        if node not in self.connections:
            self.connections[node] = node.connect(isolation_level=None)
        connection = self.connections[node]
        if self.token:
            connection.wait_for(self.token, timeout=60)
        rows = connection.execute(
            "SELECT client, count(*), max(number) + 1 FROM entry GROUP BY client"
            " UNION ALL SELECT -1, entries, (SELECT count(*) FROM entry WHERE client % 5 > 1) FROM total"
        ).fetchall()
        for client, count, number in rows:
            assert count == number, f"a gap, or a transaction by halves: {client} {count} {number}"
            assert count >= self.seen.get(client, 0), f"client {client}: {count} after {self.seen[client]}"
            self.seen[client] = count
        self.token = connection.commit_token()
        time.sleep(0.005)


def is_ready(primary: NodeProcess, successor: NodeProcess) -> bool:
    """Tell whether commits wait for the secondary."""
    entries = {entry["name"]: entry["state"] for entry in primary.status()["secondaries"]}
    return entries.get(successor.status()["node"]) == "in step"


def hand_over(primary: NodeProcess, successor: NodeProcess, nodes: list[NodeProcess]) -> None:
    try:
        primary.ask("hand_over", successor.url, "sync")
    except tandemdb.Error as error:
        for node in nodes:
            error.add_note("\n".join([*draw(node.status()), *node.log[-20:]]))
        raise


@pytest.mark.timeout(7200)  # --switchovers and --switchovers-apart say how long it takes.
@pytest.mark.parametrize("third", ["none", "sync", "async"])
@pytest.mark.parametrize("coordinator", ["none", "file"])
def test_again_and_again_under_load(
    coordinator: str,
    third: str,
    running: ExitStack,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: pytest.RecordProperty,
) -> None:
    script = tmp_path / "script.sql"
    script.write_text(SCRIPT)
    count, apart = request.config.getoption("--switchovers"), request.config.getoption("--switchovers-apart")
    file = ["--coordinator", f"file:{tmp_path / 'shop.json'}"] if coordinator == "file" else []
    primary = start(running, "--node", "a", "--load", str(script), *file)
    behind = file or ["--secondary-of", primary.url]
    successor = start(running, "--node", "b", *behind)
    rest = [start(running, "--node", "c", "--mode", third, *behind)] if third != "none" else []
    nodes = [primary, successor, *rest]
    until(lambda: is_ready(primary, successor), "in step")
    url = f"tandemdb://{primary.listen},{successor.listen}/shop"
    writers = [Writer(url, client) for client in range(WRITERS)]
    reader = Reader(nodes)
    clients = [*writers, reader]
    for client in clients:
        client.start()
        running.callback(client.stopping.set)
    draw = random.Random(count)
    took = []
    for number in range(count):
        until(partial(is_ready, primary, successor), "in step", 30)
        before = [writer.done for writer in writers]
        time.sleep(apart * (0.5 + draw.random()))
        until(lambda: have_gone_on(writers, before), "all writers go on", 60)  # noqa: B023
        began = time.monotonic()
        if number == 0:
            status, text = run("switchover", primary.url, successor.url)
            assert status == 0, text
            began = time.monotonic()
        else:
            hand_over(primary, successor, nodes)
        took.append(time.monotonic() - began)
        primary, successor = successor, primary
        failures = [failure for client in clients for failure in client.failures]
        assert not failures, (number, failures)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive()
    failures = [failure for client in clients for failure in client.failures]
    assert not failures, failures
    connection = primary.connect()
    for writer in writers:
        rows = connection.execute("SELECT number FROM entry WHERE client = ? ORDER BY number", (writer.client,))
        assert [row for (row,) in rows] == list(range(writer.done))
    counted = sum(writer.done for writer in writers if writer.client % 5 > 1)
    assert connection.execute("SELECT entries FROM total").fetchone() == (counted,)
    connection.close()
    for node in nodes[1:]:
        status, text = run("verify", nodes[0].url, node.url)
        assert status == 0, text
    statuses = [node.status() for node in nodes]
    assert [(each["epoch"], each["orphans"]) for each in statuses] == [(count + 1, 0)] * len(nodes)
    told = (
        f"{coordinator} {third}: {count} switchovers, {sum(writer.done for writer in writers)} commits,"
        f" {reader.done} reads, 0 failed, longest pause of a writer"
        f" {max(writer.pause_longest for writer in writers) * 1000:.0f} ms, a switchover took"
        f" {sorted(took)[len(took) // 2] * 1000:.0f} ms (median), {max(took) * 1000:.0f} ms (longest)"
    )
    record_property("switchovers", told)
    sys.stdout.write(told + "\n")


def have_gone_on(writers: list[Writer], before: list[int]) -> bool:
    return any(writer.failures for writer in writers) or all(
        writer.done > done + 1 for writer, done in zip(writers, before, strict=True)
    )
