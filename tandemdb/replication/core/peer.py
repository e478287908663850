"""A peer: what a primary knows of one secondary, and the frames on their way to it.

    state      asking -> walking -> copying -> following -> in step        lost, fenced, refused
               (no       (digests   (blocks    (log tail,   (sync only: every change as it is made)
               POSITION) compared)  shipped)   async stays)

    sent_lsn >= received_lsn >= applied_lsn        what was sent, is complete there, is shown there
    queue      messages that go before anything else; then block images; then the log's tail

A session lasts from one POSITION to the next; what was sent in an earlier one is of no account.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tandemdb.replication.core.messages import (
    LSN,
    Change,
    Epoch,
    Frame,
    Heartbeat,
    Held,
    Message,
    Rewind,
    TxnBegin,
    Updates,
)

Mode = Literal["sync", "async"]
State = Literal["asking", "walking", "copying", "following", "in step", "lost", "refused"]
SESSION_MODULUS = 1 << 16
PLANS_MAX = 16
# Of a transaction's changes in one message, at most; after so many an answer is asked for, so that whoever is at a
# large transaction is heard.
CHUNK_CHANGES = 512

make = tuple.__new__
"""Builds a named tuple in half the time that calling its class takes."""


@dataclass
class Peer:
    """The primary's side of one link."""

    name: str
    mode: Mode
    state: State = "asking"
    session: int = -1
    sequence: int = 0
    expected: int = 0
    sent_lsn: LSN = LSN(0)
    received_lsn: LSN = LSN(0)
    applied_lsn: LSN = LSN(0)
    node: str = ""
    incarnation: bytes = b""
    address: str = ""
    # Whether its acknowledgements count: with a coordinator, only once the record names it. Until then commits need
    # its acknowledgement besides, so that it lacks nothing when it is named.
    listed: bool = True
    # The changes of the open transaction that went out to it, None before its TXN_BEGIN; kept to find rewinds.
    streamed: list[Change] | None = None
    # The last pending commit that went out to it whole; 0 if none has in this session.
    pending_lsn: LSN = LSN(0)
    # The last commit that stands here and that it has not been told of; 0 if it has, by the next commit mostly.
    standing_lsn: LSN = LSN(0)
    # Whether it has been in step: from then on its loss matters to commits.
    has_joined: bool = False
    # The last commit that may have been released before it was waited for; with this one it lacks nothing.
    joined_lsn: LSN = LSN(0)
    # Whether commits went on without it after it had been in step, until it is again.
    dismissed: bool = False
    # Whether what it was sent did not fit what it holds: no log mends that.
    is_doubted: bool = False
    reason: str = ""
    added_at: float = 0.0
    heard_at: float = 0.0
    # When it was last known to owe no answer; later by the time for which this side stood still since.
    level_at: float = 0.0
    sent_at: float = 0.0
    queue: deque[Message] = field(default_factory=deque)
    images: Iterator[Message] | None = None
    # What it holds of a transfer that was broken off, as it said.
    held: Held = Held(LSN(0), 0, ())
    blocks_shipped: int = 0
    blocks_planned: int = 0
    blocks_sent: int = 0
    plans: list[str] = field(default_factory=list)

    def note_plan(self, kind: str) -> None:
        """Remember how it caught up, the last PLANS_MAX times."""
        self.plans.append(kind)
        del self.plans[:-PLANS_MAX]

    def opens_session(self, session: int) -> bool:
        """Tell whether a POSITION of this session is newer than what we have; numbers wrap."""
        return self.session < 0 or 0 < (session - self.session) % SESSION_MODULUS < SESSION_MODULUS // 2

    def open_session(self, session: int) -> None:
        """Forget what was under way: the secondary has said where it stands and ignores what was sent before."""
        self.session = session
        self.sequence = 0
        self.expected = 1
        self.drop_outgoing()
        self.streamed = None
        self.pending_lsn = LSN(0)

    def frame(self, epoch: Epoch, message: Message, now: float) -> Frame:
        """Number a message for the link."""
        frame: Frame = make(Frame, (self.session, epoch, self.sequence, message))
        self.sequence += 1
        self.sent_at = now
        return frame

    def stream(self, transaction: int, base_lsn: LSN, stable_lsn: LSN, changes: Sequence[Change]) -> None:
        """Queue what an open transaction has changed, or taken back, since the last time."""
        if self.streamed is None:
            if self.standing_lsn <= stable_lsn:
                self.standing_lsn = LSN(0)
            self.queue.append(TxnBegin(transaction, base_lsn, stable_lsn))
            self.streamed = []
        streamed = self.streamed
        keep = common_length(streamed, changes)
        if keep < len(streamed):
            self.queue.append(Rewind(transaction, keep))
            del streamed[keep:]
        fresh = changes[keep:]
        for start in range(0, len(fresh), CHUNK_CHANGES):
            self.queue.append(Updates(transaction, keep + start, tuple(fresh[start : start + CHUNK_CHANGES])))
            before = len(streamed)
            streamed.extend(fresh[start : start + CHUNK_CHANGES])
            if before // CHUNK_CHANGES != len(streamed) // CHUNK_CHANGES:
                self.queue.append(Heartbeat(stable_lsn, stable_lsn, None, True))

    def tell_stability(self) -> Heartbeat:
        """Make the message that all commits up to `standing_lsn` stand, which is due when the queue is empty."""
        lsn, self.standing_lsn = self.standing_lsn, LSN(0)
        return Heartbeat(lsn, lsn, None, False)

    def drop_outgoing(self) -> None:
        """Forget what was to be sent."""
        self.queue.clear()
        self.images = None
        self.standing_lsn = LSN(0)

    @property
    def is_level(self) -> bool:
        """Whether there is nothing to send: to one in step, all that is in its queue, and what stands."""
        return not self.queue and not self.standing_lsn and self.state == "in step"

    @property
    def attentive(self) -> bool:
        """Whether frames sent now would be taken."""
        return self.state in ("following", "in step")


def common_length(streamed: Sequence[Change], changes: Sequence[Change]) -> int:
    """Count how many changes at the beginning are the very same objects: a rewind replaces all from some point on."""
    length = min(len(streamed), len(changes))
    if length == 0 or streamed[length - 1] is changes[length - 1]:
        return length
    low, high = 0, length - 1
    while low < high:
        middle = (low + high) // 2
        if streamed[middle] is changes[middle]:
            low = middle + 1
        else:
            high = middle
    return low
