"""Coordinators: what is asked of the system that keeps the record and lends the lease.

    read()                        the record, its revision, and who holds the lease
    cas(revision, record, lease)  change the record if it is still of that revision and the lease is still held
    lease(holder, seconds)        take the lease if nobody has it          release(lease)
    renew(lease)                  hold it for as long again; False: it is lost
    watch(state, seconds)         wait until something has changed

Any of them raises CoordinatorLost where it cannot be reached; a `cas` that ends so may have been done.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

from tandemdb.replication.coordination.record import Record
from tandemdb.replication.errors import ReplicationError

LEASE_SECONDS = 3.0


class CoordinatorLost(ReplicationError):
    """Raised when the coordinator cannot be reached, or does not answer in time."""


class Lease(NamedTuple):
    """The right to lead, lent for so many seconds at a time; `number` tells it from an earlier one of the holder's."""

    holder: str
    number: int
    seconds: float


class State(NamedTuple):
    """What a coordinator keeps: `revision` is the record's, 0 if there is none, `moment` changes with anything."""

    record: Record | None
    revision: int
    leader: str
    moment: int


class Coordinator(Protocol):
    def read(self) -> State: ...
    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        """Return the new revision; None: the record has another one by now, or the lease is lost."""

    def lease(self, holder: str, seconds: float) -> Lease | None: ...
    def renew(self, lease: Lease) -> bool: ...
    def release(self, lease: Lease) -> None: ...
    def watch(self, state: State, seconds: float) -> State: ...
    def close(self) -> None: ...


def boot_clock() -> float:
    """Return seconds that pass even while the machine sleeps, where the system has such a clock. It never jumps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
