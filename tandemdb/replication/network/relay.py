"""A relay: a process that only forwards the bytes of links, where neither side can or may reach the other directly.

    secondary ----> relay ----> primary        whoever connects reaches `to` through it, login and all
              <---- bytes <----

It holds no data and no secret, and reads nothing: what comes out is byte for byte what went in, TLS included. Each
direction has a thread and a buffer of READ_BYTES, so that a slow receiver slows its sender down, and nobody else.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from tandemdb.replication.network import transport
from tandemdb.replication.network.accepting import accept_connections, descriptors_free_for_connections

log = logging.getLogger("tandemdb.replication")

READ_BYTES = 1 << 18
CONNECTIONS_MAX = 1024


class Relay:
    """Forwards every connection made to `host`:`port` to another address; `start`, then `stop`."""

    def __init__(self, host: str, port: int, to_host: str, to_port: int) -> None:
        self.host = host
        self.port = port
        self.to = (to_host, to_port)
        self.bytes_forwarded = 0
        self.is_running = False
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> int:
        """Listen; returns the port, which the system chose if it was to.

        Raises:
            LinkLost: the address cannot be listened on.
        """
        self._listener = transport.listen(self.host, self.port)
        self.port = int(self._listener.getsockname()[1])
        self.is_running = True
        calls_in = (self._listener, lambda: self.is_running, self._has_room, self._join, "tandemdb relay")
        threading.Thread(target=accept_connections, args=calls_in, name="tandemdb relay", daemon=True).start()
        return self.port

    def stop(self) -> None:
        """Close the port and all connections."""
        self.is_running = False
        with self._lock:
            sockets = list(self._sockets)
        for each in [*sockets, self._listener]:
            if each is not None:
                transport.close_socket(each)

    def _has_room(self) -> bool:
        """Each connection takes two descriptors."""
        return len(self._sockets) < min(2 * CONNECTIONS_MAX, descriptors_free_for_connections() - 1)

    def _join(self, near: socket.socket, origin: tuple[Any, ...]) -> None:
        """Connect one connection with the other side, until either ends."""
        try:
            far = socket.create_connection(self.to, transport.CONNECT_SECONDS)
        except OSError as error:
            log.warning("the relay is unable to reach %s:%d: %s", *self.to, error)
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._sockets |= {near, far}
        for each in (near, far):
            transport.set_options(each)
        try:
            back = threading.Thread(target=self._forward, args=(far, near), daemon=True)
            back.start()
            self._forward(near, far)
            back.join()
        finally:  # Where there is no second thread to be had, too.
            transport.close_socket(near)
            transport.close_socket(far)
            with self._lock:
                self._sockets -= {near, far}

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(READ_BYTES):
                target.sendall(data)
                self.bytes_forwarded += len(data)
        except OSError as error:
            log.debug("a relayed link ended: %s", error)
        finally:
            transport.close_socket(source)
            transport.close_socket(target)
