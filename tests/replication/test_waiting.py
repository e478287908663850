"""Waiting by looking: only where what is waited for comes soon, and seldom where that was in vain."""

from __future__ import annotations

import select
import socket

import pytest

import tandemdb
from tandemdb.replication.network import waiting
from tandemdb.replication.network.polling import READABLE, WRITABLE, SelectPoll
from tandemdb.replication.network.waiting import LOOK_SECONDS, SKIPPED_MAX, SKIPPED_MIN, Waiting
from tandemdb.replication.node import Node
from tandemdb.replication.replica import wait_for_token
from tandemdb.storage import Database


class World:
    """A clock, and a poll() for which something comes `comes_after` seconds after each wait has begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.comes_at = 0.0
        self.looks = self.sleeps = 0
        monkeypatch.setattr(waiting.time, "perf_counter", lambda: self.now)
        self.waiting = Waiting()
        self.waiting._poll = self  # type: ignore[assignment]

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        if milliseconds:
            self.sleeps += 1
            self.now = max(self.now, min(self.comes_at, self.now + milliseconds / 1000))
        else:
            self.looks += 1
            self.now += LOOK_SECONDS / 20
        return [(3, 1)] if self.now >= self.comes_at else []

    def wait(self, comes_after: float, seconds: float = 1.0) -> bool:
        self.comes_at = self.now + comes_after
        return self.waiting.wait(seconds)


def test_what_comes_soon_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    assert world.wait(LOOK_SECONDS / 2)
    assert (world.looks, world.sleeps) == (0, 1)  # It was not known to come soon.
    for _ in range(100):
        assert world.wait(LOOK_SECONDS / 2)
    assert world.sleeps == 1


def test_what_comes_late_is_slept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    for _ in range(100):
        assert world.wait(5 * LOOK_SECONDS)
    assert not world.wait(2.0, seconds=1.0)
    assert (world.looks, world.sleeps) == (0, 101)


def test_only_who_is_waited_for_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the threads that serve clients, of which there may be many, nor what follows a primary asynchronously."""
    world = World(monkeypatch)
    for _ in range(10):
        world.wait(LOOK_SECONDS / 2)
    before = world.looks
    for _ in range(10):
        world.comes_at = world.now + LOOK_SECONDS / 2
        assert world.waiting.sleep(1.0)
    assert world.looks == before


def test_to_look_in_vain_again_and_again_becomes_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on one core: asleep the answer comes at once, while looking keeps it from coming."""
    world = World(monkeypatch)
    rounds = 5000
    tries = 0
    for _ in range(rounds):
        before = world.looks
        looks = world.waiting._comes_soon and not world.waiting._to_skip
        world.wait(3 * LOOK_SECONDS if looks else LOOK_SECONDS / 2)
        tries += world.looks > before
    assert SKIPPED_MIN < SKIPPED_MAX
    assert tries <= rounds / SKIPPED_MAX + 10
    for _ in range(SKIPPED_MAX + 1):
        world.wait(LOOK_SECONDS / 2)
    before = world.sleeps
    for _ in range(50):
        world.wait(LOOK_SECONDS / 2)
    assert world.sleeps == before  # Once it is not in vain, it goes on.


@pytest.mark.parametrize("by", ["poll", "select"])
def test_sockets_are_waited_for(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "select":
        monkeypatch.delattr("select.poll", raising=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        patient = Waiting()
        patient.register(ours.fileno())
        assert not patient.wait(0.001)
        for _ in range(20):
            theirs.send(b"x")
            assert patient.wait(1.0)
            ours.recv(1)
        theirs.close()
        assert patient.wait(1.0)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_nodes_need_no_poll(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which has none."""
    monkeypatch.delattr("select.poll", raising=False)
    node = Node(Database("shop"))
    node.start()
    try:
        connection = tandemdb.connect(":memory:", isolation_level=None)
        connection.execute("CREATE TABLE t (a)")
        connection.replicate_to(str(node.address), mode=mode)
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
        wait_for_token(node.database, connection.commit_token())
        assert node.database.digest() == connection.digest()
    finally:
        node.stop()


def test_select_tells_what_poll_does() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for waiting_for in (select.poll(), SelectPoll()) if hasattr(select, "poll") else (SelectPoll(),):
            waiting_for.register(ours, READABLE)
            assert waiting_for.poll(1) == []
            waiting_for.register(ours.fileno(), READABLE | WRITABLE)
            assert waiting_for.poll(1) == [(ours.fileno(), WRITABLE)]
            theirs.send(b"x")
            assert waiting_for.poll(1000) == [(ours.fileno(), READABLE | WRITABLE)]
            ours.recv(1)
