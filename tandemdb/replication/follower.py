"""A secondary's link to its primary in another process: connects, logs in, applies, and connects again.

    run()  connect --> log in --> serve --link lost--> wait 0.05 s, 0.1 s ... 2 s, times 1 to 2 by chance --> connect
                 '--- refused for good (another cluster's data): stays refused, keeps what it has
    serve(channel)     frames in --> Secondary --> acknowledgements out, in one thread: the shortest way

Where the primary connects (an application that attaches this node), only `serve` is called, by whoever accepted.
After a promotion a link that still stands is kept, to tell the former primary that its time is over.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from tandemdb.replication.core.messages import Frame, Heartbeat
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.errors import LinkLost, ProtocolError, Refused, ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.network import handshake, transport, wire
from tandemdb.storage.collector import collector_paused

if TYPE_CHECKING:
    from tandemdb.replication.network.address import Address
    from tandemdb.replication.network.transport import Channel
    from tandemdb.replication.system import System

RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 2.0
WAIT_SECONDS = 0.25
NO_MEMORY = "no memory left for what the primary sends"


class Follower:
    """What keeps one database following its primary; `address` is None where the primary connects."""

    publisher = None

    def __init__(self, system: System, secondary: Secondary, address: Address | None = None) -> None:
        self.system = system
        self.secondary = secondary
        self.address = address
        self.name = secondary.name
        self.is_cut = False
        self.channel: Channel | None = None
        self.reason = ""
        self._stopped = threading.Event()
        self._leaves = False

    @property
    def is_linked(self) -> bool:
        return self.channel is not None and not self.channel.is_closed

    def start(self) -> None:
        """Follow in a thread of its own."""
        threading.Thread(target=self.run, name=f"tandemdb secondary {self.name}", daemon=True).start()

    def run(self) -> None:
        """Connect and follow, again and again, until stopped or promoted."""
        pause = RETRY_SECONDS
        while self.wants_link:
            began = time.monotonic()
            try:
                channel = self.connect()
            except (LinkLost, ProtocolError, Refused, MemoryError) as error:
                self.note(str(error) or NO_MEMORY)
            else:
                had_memory = self.serve(channel)
                went_well = self.secondary.state == "following" or time.monotonic() - began > RETRY_SECONDS_MAX
                if went_well and had_memory:
                    pause = RETRY_SECONDS
            if self._stopped.wait(pause * (1 + random.random())):
                return
            pause = min(RETRY_SECONDS_MAX, pause * 2)

    @property
    def wants_link(self) -> bool:
        return not self._stopped.is_set() and not self._leaves and self.secondary.state != "promoted"

    def leave(self) -> None:
        """Follow as long as the link lasts, and connect no more: the primary is about to end it."""
        self._leaves = True

    def connect(self) -> Channel:
        """Connect and log in as a secondary.

        Raises:
            LinkLost, ProtocolError, Refused: it did not come to that.
        """
        address = self.address
        assert address is not None
        channel = transport.connect(address)
        try:
            secret = address.security.secret
            handshake.log_in(channel, self.system.identity, secret, address.name, "secondary", self.secondary.mode)
            handshake.open_up(channel, None)
        except BaseException:
            channel.close()
            raise
        return channel

    def serve(self, channel: Channel) -> bool:
        """Follow over one channel until it is lost. False: there was no memory for what came."""
        previous, self.channel = self.channel, channel
        if previous is not None:
            previous.close()
        self.reason = ""
        secondary, lock = self.secondary, self.system.lock
        try:
            with lock:
                secondary.connect(time.monotonic())
                self._answer(channel)
            while not self._stopped.is_set():
                # A commit on the primary waits for this thread.
                channel.wait(WAIT_SECONDS, looks=secondary.mode == "sync")
                self._step(channel)
        except (LinkLost, ProtocolError, ReplicationError) as error:
            if secondary.state != "promoted":  # Else the former primary has been told, and has closed it.
                self.note(str(error))
        except MemoryError:
            # What was shown stays, and the secondary is out of step: there may be more memory later.
            self.note(NO_MEMORY)
            return False
        finally:
            channel.close()
        return True

    def pump(self, tick: bool = True) -> bool:
        """Apply what has come already, as a promotion does first."""
        channel = self.channel
        if channel is None or channel.is_closed:
            return False
        try:
            return self._step(channel)
        except (LinkLost, ProtocolError, ReplicationError, MemoryError) as error:
            self.note(str(error) or NO_MEMORY)
            return False

    def stop(self) -> None:
        """Follow no more; the link is closed."""
        self._stopped.set()
        self.is_cut = True
        channel = self.channel
        if channel is not None:
            channel.close()

    def note(self, reason: str) -> None:
        """Remember why there is no link, and log it when it is news."""
        if reason != self.reason:
            emit("primary_lost", node=self.name, reason=reason)
        self.reason = reason

    def _step(self, channel: Channel) -> bool:
        with self.system.lock:
            if self.secondary.mode == "sync" and self.secondary.state != "copying":
                return self._move(channel)
            with collector_paused():  # Much comes at once, most of it records, which live on.
                return self._move(channel)

    def _move(self, channel: Channel) -> bool:
        """Take what has come and answer; the lock is held."""
        secondary = self.secondary
        if channel.has_unsent:
            channel.flush()
        arrived = channel.receive()
        moved = bool(arrived)
        now = time.monotonic()
        while arrived:
            frame = arrived.popleft()
            secondary.receive(frame, now)
            if arrived and secondary.outgoing and type(frame.message) is Heartbeat:
                self._answer(channel)  # Now, not when all is done: it is asked for to see how far this one is.
        if secondary.state != "following":
            secondary.tick(now)
        if secondary.outgoing:
            self._answer(channel)
        if secondary.owes:
            secondary.work(now)
            if secondary.outgoing:
                self._answer(channel)
        return moved

    def _answer(self, channel: Channel) -> None:
        outgoing = self.secondary.outgoing
        if len(outgoing) == 1:
            channel.send_bytes(wire.encode(outgoing.popleft()))
            return
        frames: list[Frame] = list(outgoing)
        outgoing.clear()
        channel.send(frames)
