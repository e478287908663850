"""The fault proxy: a bad cable between real processes. No root rights, any system.

    node ----> proxy ----> node       up: towards the node that listens      down: back from it
               reader --(due, bytes)--> writer          one of each a direction and connection

Frames are told apart by their headers, so that whole ones can be dropped, doubled, exchanged or damaged: that is what
sequence numbers and checksums are for, and TCP alone would hide. The first SPARED frames of each direction, the login,
pass unharmed. Bytes of TLS are not told apart; they can be delayed, stalled and cut.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from dataclasses import dataclass
from random import Random
from typing import Literal

from tandemdb.replication.network.transport import close_socket
from tandemdb.replication.network.wire import HEADER, MAGIC

log = logging.getLogger("tandemdb.testing")

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
SPARED = 2
READ_BYTES = 1 << 16
CONNECT_SECONDS = 5.0
STALL_SECONDS = 0.01


@dataclass
class StreamFaults:
    """What happens to one direction: rates from 0.0 to 1.0 of its frames; a delay for each, plus up to the jitter.

    `bytes_per_second`: how much gets through, 0.0 for as much as there is.
    """

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    flip: float = 0.0


class FaultProxy:
    """Forwards to one address, faithfully until told otherwise. `start`, then `stop`."""

    def __init__(self, to_host: str, to_port: int, seed: int = 0) -> None:
        self.to = (to_host, to_port)
        self.port = 0
        self.random = Random(seed)
        self.faults: dict[Direction, StreamFaults] = {direction: StreamFaults() for direction in DIRECTIONS}
        self.stalled: set[Direction] = set()
        self.is_cut = False
        # Cut all links once so many bytes have been forwarded in all; None: never.
        self.cut_at_bytes: int | None = None
        self.bytes_forwarded = 0
        self.frames: dict[str, int] = {"forwarded": 0, "dropped": 0, "doubled": 0, "exchanged": 0, "damaged": 0}
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    def start(self) -> int:
        """Listen on a port that the system chooses, and return it."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), name="fault proxy", daemon=True).start()
        return self.port

    def stop(self) -> None:
        """Close the port and all links."""
        listener, self._listener = self._listener, None
        if listener is not None:
            close_socket(listener)
        self.cut()

    def set_faults(self, faults: StreamFaults | None, *directions: Direction) -> None:
        """Change what happens to one direction, or to both; None: nothing bad."""
        for direction in directions or DIRECTIONS:
            self.faults[direction] = faults or StreamFaults()

    def cut(self) -> None:
        """Cut all links, and let none come about until `heal`."""
        self.is_cut = True
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            close_socket(each)

    def stall(self, *directions: Direction) -> None:
        """Hold back what is sent in these directions, both unless named; the links stay up."""
        self.stalled |= set(directions or DIRECTIONS)

    def heal(self) -> None:
        """Forward faithfully again, and let links come about."""
        self.set_faults(None)
        self.stalled.clear()
        self.cut_at_bytes = None
        self.is_cut = False

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                near, _ = listener.accept()
            except OSError as error:
                log.debug("the fault proxy accepts no more: %s", error)
                return
            if self.is_cut:
                close_socket(near)
                continue
            try:
                far = socket.create_connection(self.to, CONNECT_SECONDS)
            except OSError as error:
                log.debug("the fault proxy cannot reach %s:%d: %s", *self.to, error)
                close_socket(near)
                continue
            far.settimeout(None)
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {near, far}
            if self.is_cut:  # Since it was looked at above: `cut` may have seen these two or not.
                self.cut()
                continue
            for source, target, direction in ((near, far, DIRECTIONS[0]), (far, near, DIRECTIONS[1])):
                way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=self._read, args=(source, way, direction), daemon=True).start()
                threading.Thread(target=self._write, args=(target, way, direction), daemon=True).start()

    def _read(self, source: socket.socket, way: queue.SimpleQueue[tuple[float, bytes]], direction: Direction) -> None:
        """Take frames, do to them what the faults say, and let the writer have them; b"" ends it."""
        pieces = Pieces()
        held: bytes | None = None
        count = 0
        try:
            while data := source.recv(READ_BYTES):
                for piece in pieces.feed(data):
                    count += 1
                    if count <= SPARED:
                        self._pass(way, direction, piece)
                        continue
                    harmed = self._harm(piece, direction)
                    if held is not None:
                        harmed, held = [*harmed, held], None
                    elif harmed and self._draws(self.faults[direction].reorder, "exchanged"):
                        held = harmed.pop()  # The next one overtakes it.
                    for each in harmed:
                        self._pass(way, direction, each)
        except OSError as error:
            log.debug("a link through the fault proxy ended: %s", error)
        way.put((0.0, b""))

    def _harm(self, piece: bytes, direction: Direction) -> list[bytes]:
        faults = self.faults[direction]
        if self._draws(faults.drop, "dropped"):
            return []
        if self._draws(faults.flip, "damaged"):
            place = self.random.randrange(len(piece))
            piece = piece[:place] + bytes([piece[place] ^ 1 << self.random.randrange(8)]) + piece[place + 1 :]
        return [piece, piece] if self._draws(faults.duplicate, "doubled") else [piece]

    def _draws(self, rate: float, what: str) -> bool:
        if rate <= 0 or self.random.random() >= rate:
            return False
        self.frames[what] += 1
        return True

    def _pass(self, way: queue.SimpleQueue[tuple[float, bytes]], direction: Direction, piece: bytes) -> None:
        faults = self.faults[direction]
        delay = faults.delay_seconds + faults.jitter_seconds * self.random.random()
        way.put((time.monotonic() + delay if delay else 0.0, piece))

    def _write(self, target: socket.socket, way: queue.SimpleQueue[tuple[float, bytes]], direction: Direction) -> None:
        try:
            while True:
                due, piece = way.get()
                if not piece:
                    break
                if due:
                    time.sleep(max(0.0, due - time.monotonic()))
                while direction in self.stalled and target.fileno() >= 0:
                    time.sleep(STALL_SECONDS)
                self.bytes_forwarded += len(piece)
                if self.cut_at_bytes is not None and self.bytes_forwarded >= self.cut_at_bytes:
                    self.cut()
                    break
                rate = self.faults[direction].bytes_per_second
                if rate:
                    time.sleep(len(piece) / rate)
                target.sendall(piece)
                self.frames["forwarded"] += 1
        except OSError as error:
            log.debug("a link through the fault proxy ended: %s", error)
        close_socket(target)


class Pieces:
    """Cuts a stream into frames; what is no frame passes as it came."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return what is complete."""
        self._buffer += data
        found = []
        while self._buffer:
            if not self._buffer.startswith(MAGIC[: len(self._buffer)]):
                found.append(self._buffer)
                self._buffer = b""
                break
            if len(self._buffer) < HEADER.size:
                break
            end = HEADER.size + int(HEADER.unpack_from(self._buffer)[5])
            if len(self._buffer) < end:
                break
            found.append(self._buffer[:end])
            self._buffer = self._buffer[end:]
        return found
