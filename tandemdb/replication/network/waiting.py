"""Waiting for sockets: by looking again and again, where what is waited for mostly comes within a moment, else asleep.

    wait ──► looks, LOOK_SECONDS at most ──► sleeps in poll()
             '── only if the last one came that soon, and not for a while after looking in vain

A thread that sleeps is woken 20 to 50 µs late and finds its caches cold: both together are more than the work of a
commit. On a core that others want, the system that is waited for above all, looking is in vain: each time that it is,
twice as many waits go by before the next try.
"""

from __future__ import annotations

import time

from tandemdb.replication.network.polling import READABLE, make_poll

LOOK_SECONDS = 0.0005
SKIPPED_MIN, SKIPPED_MAX = 4, 64


class Waiting:
    """What one thread waits for, by file number."""

    def __init__(self) -> None:
        self._poll = make_poll()
        self._comes_soon = False
        self._to_skip = 0
        self._skipped = 0

    def register(self, file: int, events: int = READABLE) -> None:
        """Wait for this file too, or for other events of it: poll()'s."""
        self._poll.register(file, events)

    def sleep(self, seconds: float) -> bool:
        """As `wait`, without looking: for one of many threads, or one that nobody waits for."""
        return bool(self._poll.poll(seconds * 1000))

    def wait(self, seconds: float) -> bool:
        """Wait until something can be read (or written), at most so long. Returns whether that is so.

        Raises:
            OSError, ValueError: a file is not open.
        """
        clock, poll = time.perf_counter, self._poll.poll
        begin = clock()
        if self._to_skip:
            self._to_skip -= 1
        elif self._comes_soon:
            end = begin + min(seconds, LOOK_SECONDS)
            if poll(0):
                return True  # Before it was waited for: that says nothing about looking.
            while clock() < end:
                if poll(0):
                    self._skipped >>= 1
                    return True
            self._to_skip = self._skipped = min(SKIPPED_MAX, max(SKIPPED_MIN, 2 * self._skipped))
        came = bool(poll(seconds * 1000))
        self._comes_soon = came and clock() - begin < LOOK_SECONDS
        return came
