"""A primary's link to a secondary in another process.

    committing thread   pump: send what is ready     wait in poll() with the publisher     pump: take the answers
    own thread (run)    the same, while nobody commits: POSITIONs, catch-up, late acknowledgements, heartbeats

While commits follow each other the link's own thread sleeps in slices instead of waiting for the socket, or every
acknowledgement would wake two threads that then fight for the interpreter. It ships blocks, which a committing thread
never does.

Of several committing threads one sends for all: who finds the link in use leaves its frames to whoever uses it, who
looks again before it goes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.replication.errors import LinkLost, ProtocolError
from tandemdb.replication.events import emit
from tandemdb.replication.network import wire
from tandemdb.replication.places import let_go

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Peer
    from tandemdb.replication.link import Sender
    from tandemdb.replication.network.transport import Channel

SLICE_SECONDS = 0.01
ASYNC_SLICE_SECONDS = 0.05
WAIT_SECONDS = 0.25
SEND_BYTES = 1 << 17


class PrimaryLink:
    """The primary's side of one channel; `peer` is what its core knows of the secondary."""

    def __init__(self, sender: Sender, name: str, channel: Channel, clock: Callable[[], float]) -> None:
        self.publisher = self._sender = sender
        self.name = name
        self.channel = channel
        self.peer: Peer | None = None
        self.is_cut = False
        self.promoted = False
        self.reason = ""
        self._clock = clock
        self._lock = threading.RLock()
        # Whether there may be frames to send that whoever holds the lock has not seen.
        self._is_due = False
        self._committed_at = -1.0

    def run(self) -> None:
        """Look after the link until it is gone: what its own thread does."""
        while not self.is_cut:
            slice_seconds = self._slice_seconds()
            if self._clock() - self._committed_at < slice_seconds:
                time.sleep(slice_seconds)
            else:
                try:
                    self.channel.wait(WAIT_SECONDS)
                except LinkLost as error:
                    self.lose(error)
                    return
            if self._sender.is_over:
                # Who is at the other end must not wait for what will never come: it asks again, and is told.
                self.lose(LinkLost("this system is its primary no more"))
                return
            self._sender.tick()
            with self._lock:
                # A committing thread waits for its answer at the socket: taken here, it would wait on.
                awaited = self._sender.is_awaiting and self.peer is not None and self.peer.mode == "sync"
                try:
                    self._pump(ships_blocks=True, receives=not awaited)
                except MemoryError:
                    # A frame may be lost by now: by another link its secondary says where it stands.
                    self.lose(LinkLost("no memory left to serve it"))
                    return
            if self._is_due:
                self._send_due()

    def pump(self, tick: bool = True) -> bool:
        """Send what is ready and, on a tick, take what has come; never waits. Returns whether anything moved."""
        if self.is_cut:
            return False
        self._committed_at = self._clock()
        if not tick:
            self._is_due = True
            return self._send_due()
        with self._lock:
            moved = self._pump(ships_blocks=False, receives=True)
        if self._is_due:
            self._send_due()
        return moved

    def due_at(self) -> float | None:
        """Tell when the next frame arrives: nobody knows."""
        return None

    def fileno(self) -> int:
        return self.channel.fileno()

    def lose(self, error: Exception) -> None:
        """End this link; its secondary stays registered and may come back by another."""
        with self._lock:
            if self.is_cut:
                return
            self.is_cut = True
            self.reason = str(error)
            self.channel.close()
        emit("link_lost", secondary=self.name, reason=self.reason)
        self._sender.disconnected(self.name, self)

    def cut(self) -> None:
        """Close the link."""
        self.lose(LinkLost("the link was cut"))

    def _slice_seconds(self) -> float:
        """Tell how long to leave the link to others after they have used it.

        The thread that follows the commits of an asynchronous primary also takes what comes; it only ships no blocks.
        """
        peer = self.peer
        follows = peer is not None and peer.mode == "async" and peer.images is None
        return ASYNC_SLICE_SECONDS if follows else SLICE_SECONDS

    def _send_due(self) -> bool:
        """Send what is ready, unless another thread is at it: that one sends this, too, before it is done."""
        moved = False
        try:
            while self._is_due and self._lock.acquire(False):
                try:
                    self._is_due = False
                    moved = self._pump(ships_blocks=False, receives=False) or moved
                finally:
                    self._lock.release()
        except BaseException:
            let_go(self._lock)
            raise
        return moved

    def _pump(self, ships_blocks: bool, receives: bool) -> bool:
        """Move frames; the lock is held."""
        if self.is_cut:
            return False
        try:
            moved = receives and self._take()
            if ships_blocks or self.peer is None or self.peer.images is None:
                moved = self._send() or moved
            return moved
        except (LinkLost, ProtocolError) as error:
            self.lose(error)
            return True

    def _take(self) -> bool:
        arrived = self.channel.receive()
        moved = bool(arrived)
        while arrived:
            self._sender.receive(self.name, arrived.popleft())
        return moved

    def _send(self) -> bool:
        channel, sender, name, peer = self.channel, self._sender, self.name, self.peer
        moved = False
        if peer is None or not peer.is_level:
            while not channel.is_clogged:
                parts: list[bytes] = []
                size = 0
                while size < SEND_BYTES and (frame := sender.next_frame(name)) is not None:
                    parts.append(wire.encode(frame))
                    size += len(parts[-1])
                    if peer is not None and peer.is_level:
                        break
                if not parts:
                    break
                moved = True
                channel.send_bytes(parts[0] if len(parts) == 1 else b"".join(parts))
                if size < SEND_BYTES:
                    break
        if channel.has_unsent:
            channel.flush()
        return moved
