"""Many small commits that a frozen secondary has not got, and one that makes many changes: memory and catching up.

`--commits` says how many: REPLICATION's fault 25 is 100,000 of the small ones, and ten times as many changes in one.
"""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

import tandemdb
from tandemdb.replication import CommitInDoubt
from tandemdb.replication.system import system_of

from .processes import NodeProcess, start_named, until

ROWS = 100
# What a primary keeps for its secondaries, made small: the limits are reached by few commits.
LOG_BYTES = 1 << 15
MARKS = 256
# Between two moments at which nothing more should be kept: lists grow in steps, and dictionaries are made for plans.
LOST_SECONDS = 4.0
SLACK_BYTES = 3 << 16


def open_filled(running: ExitStack, rows: int) -> tandemdb.Connection:
    """Open a database of this process that has a table with so many rows."""
    connection = tandemdb.connect(":memory:", isolation_level=None)
    running.callback(connection.close)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    connection.executemany("INSERT INTO t VALUES (?, 0)", [(number,) for number in range(rows)])
    return connection


def write(connection: Any, first: int, count: int) -> int:
    """Commit so many changes, one each; returns how many are in doubt."""
    doubtful = 0
    for number in range(first, first + count):
        try:
            connection.execute("UPDATE t SET b = ? WHERE a = ?", (f"{number:0100}", number % ROWS))
        except CommitInDoubt:
            connection.rollback()
            doubtful += 1
    return doubtful


def is_level(connection: Any, node: NodeProcess) -> bool:
    return bool(node.status()["lsn"] == connection.lsn)


def states(connection: Any) -> dict[str, str]:
    return {entry.name: entry.state for entry in connection.replication_status()}


@pytest.mark.timeout(3600)  # --commits says how long it takes.
@pytest.mark.parametrize("case", ["asynchronous", "synchronous", "one of two synchronous"])
def test_small_ones_are_not_kept_for_a_frozen_secondary(
    case: str, running: ExitStack, request: pytest.FixtureRequest, record_property: pytest.RecordProperty
) -> None:
    commits = request.config.getoption("--commits")
    frozen = start_named(running, "frozen")
    connection = open_filled(running, ROWS)
    mode = "async" if case == "asynchronous" else "sync"
    limits = {"log_bytes_max": LOG_BYTES, "window_bytes": LOG_BYTES, "on_loss": "degrade", "loss_grace_seconds": 0.1}
    limits["dead_seconds"] = LOST_SECONDS
    connection.replicate_to(frozen.url, mode, **limits)
    nodes = [frozen]
    if case == "one of two synchronous":
        nodes.append(start_named(running, "other"))
        connection.replicate_to(nodes[1].url, mode)
    publisher = system_of(connection._database).publisher
    assert publisher is not None
    publisher.core.marks.runs_max = MARKS
    write(connection, 0, 100)
    until(partial(is_level, connection, frozen), "level")
    publisher.timeout_seconds = LOST_SECONDS
    tracemalloc.start()
    running.callback(tracemalloc.stop)
    frozen.suspend()
    doubtful = write(connection, 0, commits // 2)
    gc.collect()
    half, _ = tracemalloc.get_traced_memory()
    doubtful += write(connection, 0, commits // 2)
    gc.collect()
    whole, most = tracemalloc.get_traced_memory()
    assert doubtful == 0, "the policy let the first one go on, too, that waited for it"
    assert whole - half < SLACK_BYTES, f"{whole - half} bytes more are kept after {commits // 2} commits more"
    assert publisher.core.log.bytes <= LOG_BYTES
    assert states(connection)["frozen"] != "in step"
    frozen.resume()
    for node in nodes:
        until(partial(is_level, connection, node), "level again", 60)
        with node.connect() as reading:
            assert reading.digest() == connection.digest()
        reading.close()
    told = f"{case}: {commits} commits while it was frozen, {half} bytes kept after half of them, {whole} after all"
    record_property("commits", f"{told}, at most {most}")


def test_nobody_waits_where_nobody_is_waited_for(running: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits that go on without a frozen secondary, whose link still stands, do not wait for it to answer."""
    frozen = start_named(running, "frozen")
    connection = open_filled(running, ROWS)
    connection.replicate_to(frozen.url, "sync", on_loss="degrade", loss_grace_seconds=0.1, dead_seconds=LOST_SECONDS)
    publisher = system_of(connection._database).publisher
    assert publisher is not None
    publisher.timeout_seconds = LOST_SECONDS
    write(connection, 0, 1)
    frozen.suspend()
    write(connection, 0, 1)
    until(lambda: states(connection)["frozen"] != "in step", "it is lost")
    waits: list[float] = []
    pause = publisher.pause

    def note(seconds: float) -> None:
        waits.append(seconds)
        pause(seconds)

    monkeypatch.setattr(publisher, "pause", note)
    assert write(connection, 0, 40) == 0
    assert len(waits) < 10, "but for the moment in which one that is nearly level may join"
    frozen.resume()
    until(lambda: states(connection)["frozen"] == "in step", "in step again", 60)
    write(connection, 0, 1)
    assert waits, "for it is waited for again"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_one_with_many_changes(mode: str, running: ExitStack, request: pytest.FixtureRequest) -> None:
    """No secondary is taken for lost because of it, and readers there see all of it or nothing."""
    rows = request.config.getoption("--commits")
    node = start_named(running, "standby")
    connection = open_filled(running, rows)
    connection.replicate_to(node.url, mode)
    until(partial(is_level, connection, node), "level")
    reading = node.connect()
    running.callback(reading.close)
    connection.execute("BEGIN")
    for turn in range(10):
        connection.execute("UPDATE t SET b = b + 1")
        assert reading.execute("SELECT min(b), max(b) FROM t").fetchone() == (0, 0), turn
    connection.execute("COMMIT")
    assert mode == "async" or states(connection) == {"standby": "in step"}
    seen = [(0, 0)]
    while seen[-1] != (10, 10):
        seen.append(reading.execute("SELECT min(b), max(b) FROM t").fetchone())
    assert set(seen) == {(0, 0), (10, 10)}
    until(partial(is_level, connection, node), "level", 60)
    assert reading.digest() == connection.digest()
    [entry] = connection.replication_status()
    assert entry.plans == ("snapshot",), "it was never out of step"
