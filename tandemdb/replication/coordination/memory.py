"""A coordinator in this process: for tests, and for clusters of threads.

    record, revision          lease: holder, number, until (by a clock that is passed in)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tandemdb.replication.coordination.coordinator import Lease, State
from tandemdb.replication.coordination.record import Record

POLL_SECONDS = 0.01


class MemoryCoordinator:
    """Keeps one cluster's record; share the object among its nodes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._record: Record | None = None
        self._revision = 0
        self._lease: Lease | None = None
        self._until = 0.0
        self._moment = 0
        self._number = 0

    def read(self) -> State:
        with self._lock:
            self._expire()
            leader = self._lease.holder if self._lease is not None else ""
            return State(self._record, self._revision, leader, self._moment)

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        with self._lock:
            self._expire()
            if revision != self._revision or self._lease != lease:
                return None
            self._record = record
            self._revision += 1
            self._moment += 1
            return self._revision

    def lease(self, holder: str, seconds: float) -> Lease | None:
        with self._lock:
            self._expire()
            if self._lease is not None:
                return None
            self._number += 1
            self._lease = Lease(holder, self._number, seconds)
            self._until = self.clock() + seconds
            self._moment += 1
            return self._lease

    def renew(self, lease: Lease) -> bool:
        with self._lock:
            self._expire()
            if self._lease != lease:
                return False
            self._until = self.clock() + lease.seconds
            return True

    def release(self, lease: Lease) -> None:
        with self._lock:
            if self._lease == lease:
                self._lease = None
                self._moment += 1

    def watch(self, state: State, seconds: float) -> State:
        deadline = time.monotonic() + seconds
        while (found := self.read()).moment == state.moment and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return found

    def close(self) -> None:
        """Nothing is open."""

    def _expire(self) -> None:
        if self._lease is not None and self.clock() >= self._until:
            self._lease = None
            self._moment += 1
