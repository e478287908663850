"""A coordinator in a file, for the nodes of one machine: flock around each step, a new file renamed over the old.

    shop.json        {"record": {…}, "revision": 4, "moment": 9,
                      "lease": {"holder": "a:7432 91…", "number": 7, "seconds": 2.0, "until": 81234.5}}
    shop.json.lock   what is locked; never renamed, never removed

`until` is by the clock that counts from the machine's start. After a restart it lies further ahead than any lease
reaches: then it has lapsed. The file protects against dying processes, not against the machine's death.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tandemdb.replication.coordination.coordinator import CoordinatorLost, Lease, State, boot_clock
from tandemdb.replication.coordination.record import Record, decode, encode

POLL_SECONDS = 0.02
LOCK_SECONDS, LOCK_PAUSE_SECONDS = 10.0, 0.002

Result = TypeVar("Result")


class FileCoordinator:
    """Keeps one cluster's record in the file at `path`; it is made with the first lease."""

    def __init__(self, path: str, clock: Callable[[], float] = boot_clock) -> None:
        self.path = path
        self.clock = clock

    def read(self) -> State:
        with self._locked():
            return self._state(self._load())

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        with self._locked():
            kept = self._load()
            if kept["revision"] != revision or not self._holds(kept, lease):
                return None
            kept["revision"] += 1
            self._store({**kept, "record": encode(record)})
            return int(kept["revision"])

    def lease(self, holder: str, seconds: float) -> Lease | None:
        with self._locked():
            kept = self._load()
            if kept["lease"] is not None:
                return None
            number = kept["moment"] + 1
            until = self.clock() + seconds
            self._store({**kept, "lease": {"holder": holder, "number": number, "seconds": seconds, "until": until}})
            return Lease(holder, number, seconds)

    def renew(self, lease: Lease) -> bool:
        with self._locked():
            kept = self._load()
            if not self._holds(kept, lease):
                return False
            kept["moment"] -= 1  # Nobody waits for this.
            self._store({**kept, "lease": {**lease._asdict(), "until": self.clock() + lease.seconds}})
            return True

    def release(self, lease: Lease) -> None:
        with self._locked():
            kept = self._load()
            if self._holds(kept, lease):
                self._store({**kept, "lease": None})

    def watch(self, state: State, seconds: float) -> State:
        deadline = time.monotonic() + seconds
        while True:
            found = self.read()
            if (found.moment, found.leader) != (state.moment, state.leader) or time.monotonic() >= deadline:
                return found
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Nothing is open."""

    # Helpers, in call order.

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CoordinatorLost(f"unable to lock {self.path}: {error.strerror}") from error
        try:
            lock(descriptor)
            yield
        except OSError as error:
            raise CoordinatorLost(f"unable to use {self.path}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _load(self) -> dict[str, Any]:
        """Read what is kept; a lease that has lapsed is none."""
        try:
            with open(self.path, encoding="utf-8") as file:
                kept = json.load(file)
        except FileNotFoundError:
            return {"record": None, "revision": 0, "moment": 0, "lease": None}
        except ValueError as error:
            raise CoordinatorLost(f"{self.path} is no coordinator's file", detail=str(error)) from None
        lease = kept["lease"]
        if lease is not None:
            remaining = lease["until"] - self.clock()
            if not 0 < remaining <= lease["seconds"]:
                kept["lease"] = None
        return dict(kept)

    def _state(self, kept: dict[str, Any]) -> State:
        record, lease = kept["record"], kept["lease"]
        return State(
            None if record is None else decode(record),
            kept["revision"],
            "" if lease is None else lease["holder"],
            kept["moment"],
        )

    def _holds(self, kept: dict[str, Any], lease: Lease) -> bool:
        found = kept["lease"]
        return found is not None and (found["holder"], found["number"]) == (lease.holder, lease.number)

    def _store(self, kept: dict[str, Any]) -> None:
        kept["moment"] += 1
        fresh = f"{self.path}.new"
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path)


def lock(descriptor: int) -> None:
    """Lock an open file until it is closed, waiting for whoever has it."""
    if sys.platform == "win32":
        import msvcrt

        deadline = time.monotonic() + LOCK_SECONDS
        while True:  # LK_LOCK would try once a second: a lease lapses meanwhile.
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
