"""Processes that run out of memory, descriptors or threads: what cannot be done is refused, and goes on afterwards."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.replication.errors import LinkLost, ReplicationError
from tandemdb.replication.network import accepting, transport

from .processes import NodeProcess, in_step, run, start, until

try:
    import resource

    prlimit = resource.prlimit
except (ImportError, AttributeError):
    prlimit = None  # type: ignore[assignment]

limited = pytest.mark.skipif(prlimit is None, reason="no limits can be set for another process on this system (Linux)")
ROW = "x" * 2_000_000
CREATE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"


@contextmanager
def memory_left(node: NodeProcess, size_bytes: int) -> Iterator[None]:
    """Let a process have so many bytes of address space more than it has."""
    pages = int(Path(f"/proc/{node.process.pid}/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + size_bytes
    prlimit(node.process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        prlimit(node.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def level(primary: NodeProcess) -> bool:
    entry = primary.status()["secondaries"][0]
    return entry["state"] in ("in step", "following") and entry["lag_commits"] == 0


def is_warm(node: NodeProcess) -> bool:
    """Whether it has loaded SQL: what runs out of memory while it is imported is Python's own to get over."""
    return "tandemdb.planner.change.update_delete" in node.status()["modules"]


def is_behind(primary: NodeProcess) -> bool:
    entry = primary.status()["secondaries"][0]
    return entry["state"] not in ("in step", "following") and entry["lag_commits"] > 0


@limited
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_secondary_without_memory(running: ExitStack, mode: str) -> None:
    primary = start(running, "--on-loss", "degrade")
    secondary = start(running, "--secondary-of", primary.url, "--mode", mode)
    until(lambda: bool(primary.status()["secondaries"]), "registered")
    connection = primary.connect(isolation_level=None)
    connection.execute(CREATE)
    until(lambda: level(primary) and is_warm(secondary), "level")
    with memory_left(secondary, 4 << 20):
        for number in range(200):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, ROW))
            if number % 3 == 2 and is_behind(primary):
                break
        until(lambda: is_behind(primary), "it does not follow")
    until(lambda: level(primary), "it follows again when there is memory")
    connection.execute("INSERT INTO t VALUES (1000, 'goes on')")
    connection.close()
    assert run("verify", primary.url, secondary.url)[0] == 0


@limited
def test_a_primary_without_memory(running: ExitStack) -> None:
    primary = start(running)
    secondary = start(running, "--secondary-of", primary.url)
    until(lambda: in_step(primary), "in step")
    connection = primary.connect(isolation_level=None)
    connection.execute(CREATE)
    connection.execute("INSERT INTO t VALUES (-1, 'x')")
    done = 1
    with memory_left(primary, 4 << 20):
        with pytest.raises((MemoryError, tandemdb.Error)):
            for number in range(100):
                connection.execute("INSERT INTO t VALUES (?, ?)", (number, ROW))
                done += 1
    until(lambda: in_step(primary), "in step")
    connection.close()
    with primary.connect(isolation_level=None) as connection:
        count = connection.execute("SELECT count(*) FROM t").fetchone()[0]
        assert 0 < done <= count <= done + 1
        connection.execute("INSERT INTO t VALUES (1000, 'goes on')")
    connection.close()
    assert run("verify", primary.url, secondary.url)[0] == 0


@limited
def test_clients_leave_descriptors_for_what_keeps_a_primary_in_office(running: ExitStack, tmp_path: Path) -> None:
    coordinator = ("--coordinator", f"file:{tmp_path / 'shop.json'}", "--lease", "3")
    primary, secondary = start(running, *coordinator), start(running, *coordinator)
    until(lambda: in_step(primary), "in step")
    prlimit(primary.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    connection = primary.connect(isolation_level=None)
    connection.execute(CREATE)
    clients: list[Any] = []
    with pytest.raises(ReplicationError, match="clients already"):
        while len(clients) < 100:
            clients.append(primary.connect())
    for _ in range(100):  # Who does not even log in.
        clients.append(socket.create_connection(transport_address(primary)))
    deadline = time.monotonic() + 4.0  # More than a lease.
    number = 0
    while time.monotonic() < deadline:
        connection.execute("INSERT INTO t VALUES (?, 'x')", (number,))
        number += 1
        time.sleep(0.01)
    assert secondary.status()["role"] == "secondary" and secondary.status()["epoch"] == 1
    for client in clients:
        client.close()
    until(lambda: primary.status()["clients"] == 1, "they are gone")
    primary.connect().close()
    third = start(running, *coordinator)
    until(lambda: in_step(primary, 2), "and others come")
    connection.close()
    assert run("verify", primary.url, third.url)[0] == 0


def transport_address(node: NodeProcess) -> tuple[str, int]:
    host, _, port = node.listen.partition(":")
    return host, int(port)


@limited
def test_no_thread_to_be_had(running: ExitStack) -> None:
    node = start(running)
    node.connect().close()
    with memory_left(node, 1 << 20), pytest.raises((LinkLost, OSError)):
        for _ in range(20):
            running.enter_context(node.connect(timeout=1))
    until(lambda: bool(node.connect().execute("SELECT 1").fetchone()), "it takes connections again")


class PoorListener:
    """A listener that lacks descriptors now and then."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.failures = 3

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.listener.accept()


def test_accepting_goes_on_and_says_once_what_is_wrong(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE_SECONDS", 0.01)
    listener = transport.listen("127.0.0.1", 0)
    poor: Any = PoorListener(listener)
    is_running, room = [True], [1]

    def serve(connected: socket.socket, origin: Any) -> None:
        connected.sendall(b"served")
        connected.close()
        room[0] = 0

    calls_in = (poor, lambda: bool(is_running), lambda: room[0] > 0, serve, "it")
    thread = threading.Thread(target=accepting.accept_connections, args=calls_in, daemon=True)
    thread.start()
    try:
        for expected in (b"served", b""):
            with socket.create_connection(listener.getsockname(), 60) as connected:
                assert connected.recv(100) == expected
            until(lambda: room[0] == 0, "no room any more")
    finally:
        is_running.clear()
        transport.close_socket(listener)
        thread.join(60)
    told = [record.getMessage() for record in caplog.records if "unable to take" in record.getMessage()]
    assert len(told) == 2 and "Too many open files" in told[0] and "too many already" in told[1]
    assert not thread.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on Windows")
def test_descriptors_that_connections_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, free in ((1024, 992), (40, 8), (20, 1), (resource.RLIM_INFINITY, sys.maxsize)):
        monkeypatch.setattr(accepting.resource, "getrlimit", lambda which, soft=soft: (soft, soft))
        assert accepting.descriptors_free_for_connections() == free
