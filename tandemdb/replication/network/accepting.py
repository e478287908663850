"""Accepting: the loop of whoever listens. It goes on whatever there is too little of for a moment.

    accept --> room? no: closed at once      so that descriptors are left for files, coordinators and links out
       |        '---> a thread of its own
       '-- no descriptor, no thread, no memory: what is there goes on, some of it will end; told once, tried again
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

if sys.platform != "win32":
    import resource

log = logging.getLogger("tandemdb.replication")

PAUSE_SECONDS = 0.1
DESCRIPTORS_RESERVED = 32


def accept_connections(
    listener: socket.socket,
    is_running: Callable[[], bool],
    has_room: Callable[[], bool],
    serve: Callable[[socket.socket, tuple[Any, ...]], None],
    name: str,
) -> None:
    """Let `serve` have each connection in a thread of its own, until the listener is closed.

    Args:
        has_room: whether another one is taken; else it is closed.
        name: who listens, for the log and the threads.
    """
    told = ""
    while is_running():
        connected: socket.socket | None = None
        try:
            connected, origin = listener.accept()
            if not has_room():
                reason = "there are too many already"
                connected.close()
            else:
                thread = threading.Thread(target=serve, args=(connected, origin), name=f"{name} {origin}", daemon=True)
                thread.start()
                reason = ""
        except (OSError, RuntimeError, MemoryError) as error:  # RuntimeError: there is no thread to be had.
            if connected is not None:
                connected.close()
            if not is_running():
                return
            reason = str(error) or type(error).__name__
            time.sleep(PAUSE_SECONDS)
        if reason and reason != told:
            log.error("%s is unable to take a connection: %s", name, reason)
        told = reason


def descriptors_free_for_connections() -> int:
    """How many descriptors connections may take of those that the system lets this process have."""
    if sys.platform == "win32":
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(1, soft - DESCRIPTORS_RESERVED)
