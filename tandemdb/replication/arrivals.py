"""Arrivals: how a committing thread waits for what comes from the synchronous secondaries.

    links to other processes    one thread waits at all their sockets, others look again after a moment
    links in this process       at a condition that is notified of what was delivered

It waits itself: a hop to another thread costs more than the ping-pong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tandemdb.replication.network.waiting import Waiting
from tandemdb.storage.changes import VACANT

if TYPE_CHECKING:
    from tandemdb.replication.link import AnyLink

POLLED_SECONDS = 0.001


@runtime_checkable
class HasFile(Protocol):
    """A link to another process: what comes over it can be waited for."""

    def fileno(self) -> int: ...


class Arrivals:
    """What a publisher's committing threads wait for; `lock` is the publisher's."""

    def __init__(self, lock: threading.RLock) -> None:
        self.condition = threading.Condition(lock)
        # Whether there are sockets to wait at.
        self.has_files = False
        self._waiting = Waiting()
        self._polling: list[None] = [*VACANT]

    def expect(self, links: Iterable[AnyLink]) -> bool:
        """Wait for what comes over these links from now on; returns whether there are sockets to wait at."""
        files = [link.fileno() for link in links if isinstance(link, HasFile) and not link.is_cut]
        files = [file for file in files if file >= 0]  # A socket that another thread has closed has none.
        waiting = Waiting()
        for file in files:
            waiting.register(file)
        self._waiting = waiting
        self.has_files = bool(files)
        return self.has_files

    def wait(self, seconds: float) -> None:
        """Wait until something has come, at most so long."""
        if not self.has_files:
            with self.condition:
                self.condition.wait(seconds)
        else:
            self._poll(seconds)

    def _poll(self, seconds: float) -> None:
        try:
            del self._polling[0]
        except IndexError:
            time.sleep(min(seconds, POLLED_SECONDS))  # Another thread waits at the sockets.
            return
        try:
            self._waiting.wait(seconds)
        finally:
            self._polling[:] = VACANT
