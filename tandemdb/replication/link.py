"""The in-process link: frames between a primary and a secondary of one process, faithfully or with faults.

    Primary --next_frame--> [ way to the secondary ] --receive--> Secondary
            <---receive---- [ way to the primary   ] <-outgoing-
                              frames with the time they are due; a seeded adversary drops, doubles,
                              delays and overtakes, a cut loses what is under way

`pump` moves what can be moved now, in the caller's thread: the committing one for synchronous mirroring, a background
one for asynchronous. Without faults a frame is delivered as it is pulled, so a pump ends with nothing under way.
The order of locks is link, then either side's; no side's lock is held while the other side is called.
"""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from tandemdb.replication.core.messages import Frame
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.network import wire

if TYPE_CHECKING:
    from collections.abc import Callable


class Sender(Protocol):
    """What a link needs of the primary's driver."""

    is_awaiting: bool

    @property
    def is_over(self) -> bool: ...
    def receive(self, name: str, frame: Frame) -> None: ...
    def next_frame(self, name: str) -> Frame | None: ...
    def disconnected(self, name: str, link: AnyLink | None = None) -> None: ...
    def tick(self) -> None: ...


class AnyLink(Protocol):
    """What a primary's driver needs of a link, in this process or to another."""

    is_cut: bool
    # Why it is gone.
    reason: str

    @property
    def name(self) -> str: ...
    @property
    def promoted(self) -> bool: ...
    def pump(self, tick: bool = True) -> bool: ...
    def due_at(self) -> float | None: ...
    def cut(self) -> None: ...


@dataclass
class Faults:
    """An adversary: rates from 0.0 to 1.0, `delay_seconds` the longest delay of a frame; others may overtake it then.

    Each takes `latency_seconds` besides. The same seed does the same again.
    """

    seed: int = 0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_seconds: float = 0.0
    latency_seconds: float = 0.0


class Way:
    """One direction of a link."""

    def __init__(self, faults: Faults | None, seed: str) -> None:
        self.faults = faults
        self._random = Random(seed)
        self._frames: list[tuple[float, int, Frame]] = []
        self._count = 0

    def put(self, frame: Frame, now: float) -> None:
        faults = self.faults
        if faults is None:
            self._push(now, frame)
            return
        random = self._random
        if random.random() < faults.drop:
            return
        due = now + faults.latency_seconds + random.random() * faults.delay_seconds
        self._push(due, frame)
        if random.random() < faults.duplicate:
            self._push(due + random.random() * faults.delay_seconds, frame)
        if random.random() < faults.reorder and len(self._frames) > 1:
            # Exchange the places of the two frames sent last: the later overtakes.
            later, earlier = sorted(self._frames, key=lambda entry: entry[1])[-1:-3:-1]
            self._frames.remove(later)
            self._frames.remove(earlier)
            self._frames += [(earlier[0], earlier[1], later[2]), (later[0], later[1], earlier[2])]
            heapq.heapify(self._frames)

    @property
    def is_straight(self) -> bool:
        """Whether a frame put in now is the next one out, so that it need not be put in."""
        return self.faults is None and not self._frames

    def take(self, now: float) -> Frame | None:
        """Return the next frame that is due."""
        if self._frames and self._frames[0][0] <= now:
            return heapq.heappop(self._frames)[2]
        return None

    def due_at(self) -> float | None:
        return self._frames[0][0] if self._frames else None

    def clear(self) -> None:
        self._frames.clear()

    def _push(self, due: float, frame: Frame) -> None:
        heapq.heappush(self._frames, (due, self._count, frame))
        self._count += 1


class Link:
    """A primary's link to one secondary in the same process."""

    def __init__(
        self,
        sender: Sender,
        secondary: Secondary,
        secondary_lock: threading.RLock,
        clock: Callable[[], float],
        faults: Faults | None = None,
        over_wire: bool = False,
    ) -> None:
        self.publisher = self._sender = sender
        self.secondary = secondary
        self._secondary_lock = secondary_lock
        self._clock = clock
        self._lock = threading.RLock()
        self.is_cut = False
        self.reason = ""
        # Frames go through their bytes, as on a socket: what arrives shares nothing with what was sent.
        self._decoders = (wire.Decoder(), wire.Decoder()) if over_wire else None
        seed = faults.seed if faults is not None else 0
        self._down = Way(faults, f"{seed} down {secondary.name}")
        self._up = Way(faults, f"{seed} up {secondary.name}")

    @property
    def name(self) -> str:
        return self.secondary.name

    @property
    def promoted(self) -> bool:
        return self.secondary.state == "promoted"

    def cut(self) -> None:
        """Cut the link: what is under way is lost, and the primary knows that the link is gone."""
        with self._lock:
            self.is_cut = True
            self._down.clear()
            self._up.clear()
            self._sender.disconnected(self.name)

    def heal(self) -> None:
        """Mend the link; the secondary says where it stands, and catches up as far as this call can bring it."""
        with self._lock:
            self.is_cut = False
            self.connect()
            self.pump()

    def stop(self) -> None:
        """Deliver nothing more, without a word to the primary."""
        self.is_cut = True

    def connect(self) -> None:
        with self._lock, self._secondary_lock:
            self.secondary.connect(self._clock())

    def set_faults(self, faults: Faults | None) -> None:
        """Change the adversary; None ends the faults, what is under way still arrives."""
        with self._lock:
            for way, direction in ((self._down, "down"), (self._up, "up")):
                way.faults = faults
                if faults is not None:
                    way._random.seed(f"{faults.seed} {direction} {self.name}")

    def pump(self, tick: bool = True) -> bool:
        """Deliver all that is due, and what that sets off. Returns whether anything was delivered."""
        with self._lock:
            if self.is_cut:
                return False
            now = self._clock()
            if tick:
                self._tick(now)
            moved = False
            while self._pump_once(now):
                moved = True
            return moved

    def due_at(self) -> float | None:
        """Tell when the next frame under way arrives, None if none is under way."""
        dues = [due for due in (self._down.due_at(), self._up.due_at()) if due is not None]
        return min(dues, default=None)

    def _pump_once(self, now: float) -> bool:
        down, up = self._down, self._up
        moved = False
        frame = self._sender.next_frame(self.name)
        if frame is not None:
            moved = True
            if down.is_straight:
                self._deliver(frame, now)
            else:
                down.put(frame, now)
        while (arrived := down.take(now)) is not None:
            moved = True
            self._deliver(arrived, now)
        outgoing = self.secondary.outgoing
        while outgoing:
            moved = True
            if up.is_straight:
                self._answer(outgoing.popleft())
            else:
                up.put(outgoing.popleft(), now)
        while (arrived := up.take(now)) is not None:
            moved = True
            self._answer(arrived)
        if self.secondary.owes:
            moved = True
            with self._secondary_lock:
                self.secondary.work(now)
        return moved

    def _tick(self, now: float) -> None:
        self._sender.tick()
        with self._secondary_lock:
            self.secondary.tick(now)

    def _deliver(self, frame: Frame, now: float) -> None:
        if self._decoders is not None:
            frame = self._through(self._decoders[0], frame)
        with self._secondary_lock:
            self.secondary.receive(frame, now)

    def _answer(self, frame: Frame) -> None:
        if self._decoders is not None:
            frame = self._through(self._decoders[1], frame)
        self._sender.receive(self.name, frame)

    def _through(self, decoder: wire.Decoder, frame: Frame) -> Frame:
        [arrived] = decoder.feed(wire.encode(frame))
        return arrived
