"""The background thread of a publisher: it moves the asynchronous links, woken by commits.

    writer's thread   wake ──► [True True False]   the queue; False ends the thread
    this thread                 get ─► gather for a moment ─► follow_once: what came in a row goes together

It knows its publisher weakly, and ends with it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING

from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.replication.publisher import Publisher
    from tandemdb.storage import Database

log = logging.getLogger("tandemdb.replication")

GATHER_SECONDS = 0.005
RETRY_SECONDS = 0.05


class Background:
    """The thread's place with its publisher. `wake` costs next to nothing while it is awake, or was never started."""

    def __init__(self) -> None:
        self._wake: queue.SimpleQueue[bool] | None = None
        self._woken = False

    def start(self, publisher: Publisher, database: Database | None) -> None:
        """Start the thread if it does not run; it ends with the publisher, or the database."""
        if self._wake is None:
            self._wake = queue.SimpleQueue()
            threading.Thread(
                target=follow,
                args=(weakref.ref(publisher), self._wake),
                name=f"tandemdb mirror of {publisher.core.identity.node}",
                daemon=True,
            ).start()
            if database is not None:
                weakref.finalize(database, self._wake.put, False).atexit = False
        self.wake()

    def wake(self) -> None:
        """Let the thread look after the asynchronous links."""
        wake = self._wake
        if wake is not None and not self._woken:
            self._woken = True
            wake.put(True)

    def sleeps(self) -> None:
        """Note that the thread has taken up what it was woken for: it can be woken anew."""
        self._woken = False

    def end(self) -> None:
        """End the thread."""
        if self._wake is not None:
            self._wake.put(False)
            self._wake = None


def follow(publisher: weakref.ref[Publisher], wake: queue.SimpleQueue[bool]) -> None:
    """Pump asynchronous links when woken; ends when told to or when the publisher is gone."""
    timeout: float | None = None
    while True:
        try:
            go_on = wake.get(timeout=timeout)
            while go_on and not wake.empty():
                go_on = wake.get()
        except queue.Empty:
            go_on = True
        mirrored = publisher()
        if not go_on or mirrored is None:
            return
        del mirrored
        # A commit that came alone waits this long; those that come in a row share one turn of the interpreter lock.
        time.sleep(GATHER_SECONDS)
        mirrored = publisher()
        if mirrored is None:
            return
        try:
            timeout = mirrored.follow_once()
        except (ReplicationError, MemoryError):
            log.exception("asynchronous mirroring failed; it is tried again")
            timeout = RETRY_SECONDS
        del mirrored
