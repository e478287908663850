"""Rounds: the two threads of a node that has a coordinator.

    keeper    wait for a change, at most half a lease, or 0.1 s while this node leads  -->  keeper.step()
    lease     each quarter of a lease, whatever the first is busy with                 -->  keeper.renew()
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tandemdb.replication.coordination.keeper import Keeper

log = logging.getLogger("tandemdb.replication")

STEP_SECONDS = 0.1


class Rounds:
    """Drives one keeper; `start` once its node listens, `stop` at the end."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._threads: list[threading.Thread] = []
        keeper.woken = self._woken.set

    def start(self) -> None:
        """Take the first step here, and go on in threads."""
        self.keeper.step()
        node = self.keeper.me.node
        for target, what in ((self._keep, "keeper"), (self._renew, "lease")):
            thread = threading.Thread(target=target, name=f"tandemdb {what} of {node}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; a lease is given back, so that another may lead at once."""
        self._stopped.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(self.keeper.lease_seconds)
        self.keeper.resign()
        self.keeper.claim.coordinator.close()

    def _keep(self) -> None:
        keeper = self.keeper
        while not self._stopped.is_set():
            self._do(self._wait)
            self._woken.clear()
            if not self._stopped.is_set():
                self._do(keeper.step)

    def _wait(self) -> None:
        if self.keeper.looks_often or not self.keeper.await_change():
            self._woken.wait(STEP_SECONDS)

    def _renew(self) -> None:
        while not self._stopped.wait(self.keeper.lease_seconds / 4):
            self._do(self.keeper.renew)

    def _do(self, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception:
            # Not one that is foreseen. Whoever leads must not stop looking after it, or after its lease, for that.
            log.exception("%s is unable to do its part; it is tried again", self.keeper.me.node)
            self._stopped.wait(STEP_SECONDS)
