"""Ports that are kept for a test: a process that is started anew finds its own free.

    kept()  -->  a socket that is bound and never listens     nobody else is given the port
                 '-- who names the port may listen there      its own node, again and again

Closed and used again, a port may be another process's by then: the system gives them out to all that ask for any.
"""

from __future__ import annotations

import os
import socket
import sys


class KeptPort:
    """A port of 127.0.0.1 that nobody else is given while this object is there."""

    def __init__(self) -> None:
        with socket.socket() as keeper:
            # So that who listens, and sets the same, does not find it taken.
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(("127.0.0.1", 0))
            self.number = int(keeper.getsockname()[1])
            # Elsewhere a port that is bound is taken for whoever wants to listen there.
            self._file = keeper.detach() if sys.platform.startswith("linux") else None

    def __str__(self) -> str:
        return f"127.0.0.1:{self.number}"

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)
