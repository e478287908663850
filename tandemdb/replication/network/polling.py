"""Asking which files can be read or written: poll() where there is one, and on Windows the same by select()."""

from __future__ import annotations

import select
from typing import Any, Protocol

READABLE = 1
WRITABLE = 4
"""POLLIN and POLLOUT, the same numbers wherever there is a poll()."""


class Poll(Protocol):
    """What is used of `select.poll()`."""

    def register(self, file: Any, events: int = ..., /) -> None:
        """Ask for these events of a file from now on."""

    def poll(self, milliseconds: float = ..., /) -> list[tuple[int, int]]:
        """List (file, events) of those that can be read or written, or wait for one, at most so long."""


class SelectPoll:
    """poll() in terms of select(): up to 512 sockets on Windows."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, file: Any, events: int = READABLE, /) -> None:
        self._events[file if isinstance(file, int) else file.fileno()] = events

    def poll(self, milliseconds: float = 0.0, /) -> list[tuple[int, int]]:
        readers = [file for file, events in self._events.items() if events & READABLE]
        writers = [file for file, events in self._events.items() if events & WRITABLE]
        readable, writable, _ = select.select(readers, writers, [], milliseconds / 1000)
        found = dict.fromkeys(readable, READABLE)
        for file in writable:
            found[file] = found.get(file, 0) | WRITABLE
        return list(found.items())


def make_poll() -> Poll:
    """Make an object that waits for files; nothing is registered yet."""
    return select.poll() if hasattr(select, "poll") else SelectPoll()
