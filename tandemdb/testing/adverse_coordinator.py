"""A coordinator whose answers an adversary has in hand, on virtual time: for the simulation of failovers.

    keeper ---- request ----> [ way ] ----> MemoryCoordinator, by its own clock ----> [ way ] ----> answer
      told that it is lost:     never arrives                         carried out, its answer is lost
                                arrives later than it was waited for: what was given up is carried out after all
      not told:                 arrives twice, the second answer is the one that counts (another endpoint was asked)

That a request is late is the worst of it: whoever has read meanwhile that nothing was done may find it done afterwards.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import TypeVar

from tandemdb.replication.coordination import CoordinatorLost, Lease, Record, State
from tandemdb.replication.coordination.memory import MemoryCoordinator

TIMEOUT_SECONDS = 1.0
LATE_SECONDS_MAX = 4.0
WAY_SECONDS = 0.005
SLOW_SECONDS = 0.5

Answer = TypeVar("Answer")


class AdverseCoordinator:
    """What is kept, and the requests that are late. `trouble` is the share of requests that something happens to."""

    def __init__(self, random: Random, now: Callable[[], float], rate: float) -> None:
        self.random = random
        self.now = now
        self.rate = rate
        self.kept = self._make()
        # The record that was wiped: it is in force for whoever it named, until there is another.
        self.forgotten: Record | None = None
        self.trouble = 0.0
        # What was asked for and may yet be carried out: a change and the record it is to make.
        self._changes: dict[Callable[[], object], Record] = {}
        self._late: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def under_way(self) -> list[Record]:
        """List the records that may yet be kept: of changes that were asked for, given up or not."""
        return list(self._changes.values())

    @contextmanager
    def changing(self, request: Callable[[], object], record: Record) -> Iterator[None]:
        """Know of a change of the record while it may be carried out."""
        self._changes[request] = record
        try:
            yield
        finally:
            if not any(each is request for _, _, each in self._late):
                del self._changes[request]

    def wipe(self) -> None:
        """Forget everything."""
        self.forgotten = self.kept.read().record or self.forgotten
        self.kept = self._make()

    def carry_out_late(self) -> None:
        """Carry out what arrives by now."""
        while self._late and self._late[0][0] <= self.now():
            request = heapq.heappop(self._late)[2]
            request()
            self._changes.pop(request, None)

    def _make(self) -> MemoryCoordinator:
        return MemoryCoordinator(lambda: self.now() * self.rate)

    def be_late(self, request: Callable[[], object]) -> None:
        due = self.now() + self.random.random() * LATE_SECONDS_MAX
        heapq.heappush(self._late, (due, self._count, request))
        self._count += 1


class Line:
    """One process' way to the coordinator; `pause` lets time pass for that process."""

    def __init__(self, coordinator: AdverseCoordinator, pause: Callable[[float], None]) -> None:
        self.coordinator = coordinator
        self.pause = pause
        self.is_cut = False

    def read(self) -> State:
        return self._ask(lambda: self.coordinator.kept.read())

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        def request() -> int | None:
            return self.coordinator.kept.cas(revision, record, lease)

        with self.coordinator.changing(request, record):
            return self._ask(request)

    def lease(self, holder: str, seconds: float) -> Lease | None:
        return self._ask(lambda: self.coordinator.kept.lease(holder, seconds))

    def renew(self, lease: Lease) -> bool:
        return self._ask(lambda: self.coordinator.kept.renew(lease))

    def release(self, lease: Lease) -> None:
        self._ask(lambda: self.coordinator.kept.release(lease))

    def watch(self, state: State, seconds: float) -> State:
        """Not waited for: whoever drives a keeper on virtual time lets it pass."""
        return state

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, request: Callable[[], Answer]) -> Answer:
        """Send a request and wait for its answer, if the adversary lets that be.

        Raises:
            CoordinatorLost: no answer in time.
        """
        coordinator, random = self.coordinator, self.coordinator.random
        fate = random.random() / coordinator.trouble if coordinator.trouble else 1.0
        if fate >= 1.0 and not self.is_cut and random.random() < 0.7:
            self.pause(WAY_SECONDS)
            return request()
        if self.is_cut or fate < 0.3:
            self._give_up()
        if fate < 0.5:
            self.pause(TIMEOUT_SECONDS)
            coordinator.be_late(request)
            raise CoordinatorLost("no answer in time")
        way_seconds = SLOW_SECONDS if fate < 1.0 else WAY_SECONDS
        self.pause(random.random() * way_seconds)
        if self.is_cut:
            self._give_up()
        answer = request()
        if fate < 0.7:
            self._give_up()
        if fate < 0.8:
            self.pause(random.random() * way_seconds)
            answer = request()
        self.pause(random.random() * way_seconds)
        return answer

    def _give_up(self) -> None:
        self.pause(TIMEOUT_SECONDS)
        raise CoordinatorLost("no answer in time")
