"""Waiting by looking: only where what is waited for comes soon, and seldom where that was in vain."""

from __future__ import annotations

import socket

import pytest

from tandemdb.replication.network import waiting
from tandemdb.replication.network.waiting import LOOK_SECONDS, SKIPPED_MAX, SKIPPED_MIN, Waiting


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


def test_sockets_are_waited_for() -> None:
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
