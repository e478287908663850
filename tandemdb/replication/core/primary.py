"""The primary's side of the protocol: transactions in, numbered frames out, acknowledgements in. No I/O, no clock.

    writers' threads                                  a link per secondary
    changed()  -----> UPDATES to all in step          receive(name, frame, now)
    complete() -----> TXN_COMMIT, pending             next_frame(name, now) -> Frame | None
    released() <----- enough acknowledged?            disconnected(name)
    installed() ----> log; HEARTBEAT with stable_lsn  tick(now)
    abandon()  -----> TXN_ABORT

    root --> pending, oldest first --> open           each builds on the one before; an acknowledgement is of all up to
    41       42   43   44              45             its LSN; they become visible in order, and are abandoned from some
                                                      point on: 43 takes 44 and 45 along

Frames are pulled, never pushed: a slow link holds no more than what it asked for. A secondary in step gets each
change as it is made; any other follows the log. One lock around every call is the caller's business.

Who decides what becomes of a transaction that a secondary holds complete but not stable: this system, while it leads.
If the commit was installed here it stands there, if it was abandoned it is undone there (`Plan.pending`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tandemdb.replication.core.catch_up import CommitMark, CommitMarks, DigestWalk
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.levels import Level
from tandemdb.replication.core.limits import (
    BATCH_BYTES_MAX,
    BATCH_COMMITS_MAX,
    GATHER_SECONDS,
    LOOKS_SECONDS,
    Limits,
    standstill,
)
from tandemdb.replication.core.log import ChangeLog
from tandemdb.replication.core.messages import (
    LSN,
    Ack,
    BackupComplete,
    BlockDigests,
    BlockImage,
    Change,
    Epoch,
    Frame,
    Heartbeat,
    Message,
    Nack,
    Position,
    Refuse,
    SnapEnd,
    TableDigests,
    TxnAbort,
    TxnCommit,
    TxnLog,
    TxnWhole,
)
from tandemdb.replication.core.peer import CHUNK_CHANGES, Mode, Peer, make
from tandemdb.replication.core.positions import answer_position, take_digests, tell_history
from tandemdb.replication.core.quorum import Quorum
from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.storage import Root

# What all secondaries have applied one by one may stay in the log until it is so many commits, or bytes.
TRIM_COMMITS = 32
TRIM_BYTES = 1 << 16


@dataclass(slots=True)
class Pending:
    """A transaction that waits for acknowledgements: complete, not installed."""

    transaction: int
    lsn: LSN
    changes: Sequence[Change]
    root: int | None
    time: float
    acknowledged: set[str] = field(default_factory=set)
    level: Level = "applied"
    # The same object for all that get it whole, so that it is encoded once.
    whole: TxnWhole | None = None


class Primary:
    """One database's primary. `first_transaction` numbers its transactions: pass what no earlier start of it used."""

    def __init__(self, identity: Identity, root: Root, limits: Limits, first_transaction: int) -> None:
        self.identity = identity
        self.limits = limits
        self.root = root
        self.marks = CommitMarks()
        self.transaction = first_transaction
        self._begin_log(LSN(root.lsn), root.stamp)
        self.peers: dict[str, Peer] = {}
        self.quorum = Quorum(self.peers, limits)
        # Their LSNs follow the root's, their numbers rise.
        self.pending: deque[Pending] = deque()
        self.fenced_by: Epoch | None = None
        # Secondaries that have got into step, and whether they had been dismissed, until the driver has taken note.
        self.arrivals: list[tuple[str, bool]] = []
        # Secondaries that what they were sent does not fit, and why, until the driver has told it.
        self.complaints: list[tuple[str, str]] = []
        self.walks: dict[str, DigestWalk] = {}
        self._ticked_at = float("-inf")
        self._known: list[Change] = []

    # Secondaries.

    def add(self, name: str, mode: Mode, now: float) -> Peer:
        """Register a secondary; it is served from its first POSITION on."""
        if name in self.peers:
            raise ReplicationError(f"this database already has a secondary named {name!r}")
        peer = self.peers[name] = Peer(name, mode, added_at=now, heard_at=now, listed=not self.quorum.lists)
        return peer

    def remove(self, name: str) -> None:
        del self.peers[name]
        self.walks.pop(name, None)
        self._trim()

    def disconnected(self, name: str, reason: str = "") -> None:
        """Note that a link is gone, and why: what was in flight may or may not arrive; a POSITION will tell."""
        peer = self.peers[name]
        if peer.state != "refused":
            peer.state = "lost"
            peer.reason = reason
        peer.drop_outgoing()
        self.walks.pop(name, None)

    def mistrust(self, peer: Peer, reason: str = "no answer in time") -> None:
        """Count a silent secondary as out of step until it has said where it stands; the link stays."""
        if peer.state != "refused":
            peer.state = "asking"
            peer.reason = reason
        peer.drop_outgoing()

    def digest_due(self, lsn: LSN) -> bool:
        """Tell whether this commit's completion carries the digest of all blocks."""
        every = self.limits.digest_every
        if every is None:
            return self.quorum.has_synchronous()
        return every > 0 and lsn % every == 0

    # Transactions.

    @property
    def head_lsn(self) -> LSN:
        """The commit that the next transaction builds on, pending or not."""
        return self.pending[-1].lsn if self.pending else self.log.last_lsn

    def changed(self, changes: Sequence[Change], now: float) -> bool:
        """Stream a transaction's changes so far; those sent before that a savepoint took back are rewound.

        Changes that follow each other fast are gathered, `update_batch` at most. Returns whether anything is to go.
        """
        sent = False
        for peer in self.peers.values():
            if peer.state != "in step" or peer.mode != "sync":
                continue
            streamed = peer.streamed
            if streamed is None:
                unsent, quiet = len(changes), now - peer.sent_at >= self.limits.gather_seconds
            else:
                unsent, quiet = len(changes) - len(streamed), now - peer.sent_at >= GATHER_SECONDS
            if quiet or not 0 <= unsent < self.limits.update_batch:
                peer.stream(self.transaction, self.head_lsn, self.log.last_lsn, changes)
                sent = True
        return sent

    def complete(
        self, lsn: LSN, changes: Sequence[Change], root: int | None, now: float, level: Level = "applied"
    ) -> Pending:
        """Send the completion of the open transaction; it is pending until `installed` or `abandon`."""
        pending = Pending(self.transaction, lsn, changes, root, now, level=level)
        self.pending.append(pending)
        self.transaction += 1
        for peer in self.peers.values():
            if peer.state == "in step" and peer.mode == "sync":
                self._send_pending(peer, pending)
            peer.streamed = None
        return pending

    def released(self, pending: Pending) -> bool:
        """Tell whether enough secondaries have a pending transaction."""
        if pending.level == "none":
            return True
        if self.quorum.lists:
            return not self.quorum.lacking(pending.acknowledged)
        return len(pending.acknowledged) >= self.quorum.required()

    def heard_at(self, pending: Pending) -> float | None:
        """When a secondary that is still at a large transaction was last heard; None: it is not large, or nobody is.

        It answers between the parts, so that whoever is heard is getting on.
        """
        if len(pending.changes) <= CHUNK_CHANGES:
            return None
        waited_for = [peer for peer in self.quorum.in_step() if peer.name not in pending.acknowledged]
        return max([peer.heard_at for peer in waited_for], default=None)

    def shown(self, lsn: LSN, mode: Mode) -> int:
        """Count the secondaries of a mode whose readers see a commit."""
        return sum(peer.applied_lsn >= lsn for peer in self.peers.values() if peer.mode == mode)

    def installed(
        self,
        root: Root,
        changes: Sequence[Change],
        digest: int | None,
        size_bytes: int,
        now: float,
        stamp: int | None = None,
    ) -> None:
        """Take over a commit that readers now see, the oldest pending one or one that nobody was to acknowledge.

        It is logged, and the secondaries that hold it are told that it stands. `stamp`: blocks that are changed later
        will have a higher one, None if that is the root's.
        """
        lsn = LSN(root.lsn)
        if lsn == self.log.last_lsn and not changes:
            # The same commit in another form: a key derived, an epoch begun.
            before, self.root = self.root, root
            self._tell_epoch(before)
            return
        if lsn != self.log.last_lsn + 1:
            self._jump(root, stamp)
            return
        if self.pending and self.pending[0].lsn == lsn:
            number = self.pending.popleft().transaction
        else:
            number = self.transaction
            self._begin_next()
        self.log.append(lsn, number, changes, digest, size_bytes, now)
        self.marks.note(lsn, make(CommitMark, (number, root.stamp if stamp is None else stamp)))
        self.identity.outcomes.note(lsn, number)
        before, self.root = self.root, root
        for peer in self.peers.values():
            if peer.pending_lsn >= lsn:
                peer.standing_lsn = lsn
            elif peer.state == "in step":
                self._take_back_open(peer)
                peer.state = "following"
        self._tell_epoch(before)

    def installed_many(
        self, changes: Sequence[Change], counts: Sequence[int], stamp: int, size_bytes: int, now: float
    ) -> None:
        """Take over the commits that follow the last one, of a primary whose secondaries all follow its log.

        Args:
            changes: those of all of them; `counts` tells how many each made.
            stamp: the first one's. `root` is the last one's already, or an earlier one.
            size_bytes: what the changes take in the log.
        """
        lsn, count = LSN(self.log.last_lsn + 1), len(counts)
        self.marks.note(lsn, CommitMark(self.transaction, stamp), count)
        self.identity.outcomes.note(lsn, self.transaction, count)
        self.log.extend(self.transaction, changes, counts, size_bytes, now)
        self.transaction += count

    def begin_anew(self, lsn: LSN, stamp: int, numbers: int) -> None:
        """Begin the log behind this commit, whatever was done to take over those up to it.

        Args:
            numbers: how many transaction numbers they may have got.
        """
        while self.pending and self.pending[0].lsn <= lsn:
            self.pending.popleft()
        self.transaction += numbers
        self._begin_log(lsn, stamp)
        self._ask_all()

    def jump(self, root: Root) -> None:
        """Go on from a root that came as blocks, which no change describes; secondaries ask for blocks, too."""
        self.root = root
        self.begin_anew(LSN(root.lsn), root.stamp, 1)

    def _tell_epoch(self, before: Root) -> None:
        """Let secondaries know of an epoch that has begun: one down a chain hears of it only here."""
        if self.root.epoch == before.epoch:
            return
        for peer in self.peers.values():
            if peer.attentive:
                tell_history(self, peer)
            elif peer.state == "copying":
                self.mistrust(peer)  # It was told the history that was, for when it has all blocks.

    def _jump(self, root: Root, stamp: int | None) -> None:
        """Begin the log anew: this system, itself a secondary, was given blocks instead of commits, or was rewound."""
        self.root = root
        self._begin_log(LSN(root.lsn), root.stamp if stamp is None else stamp)
        self._ask_all()

    def _ask_all(self) -> None:
        """Let all secondaries say where they stand."""
        for peer in self.peers.values():
            if peer.attentive or peer.state == "copying":
                self.mistrust(peer)

    def _begin_log(self, lsn: LSN, stamp: int) -> None:
        """Let the log begin behind a commit; whatever led to it counts as one transaction with a number of its own."""
        self.log = ChangeLog(lsn, self.limits.log_bytes_max, self.transaction)
        self.marks.note(lsn, CommitMark(self.transaction, stamp))
        self.transaction += 1

    def abandon(self, first: Pending | None = None) -> None:
        """Undo pending transactions from one on, or all, and the open one, wherever they have gone."""
        first = first or (self.pending[0] if self.pending else None)
        if first is None:
            self.abandon_open()
            return
        last = LSN(first.lsn - 1)
        while self.pending and self.pending[-1].lsn > last:
            self.pending.pop()
        for peer in self.peers.values():
            if peer.streamed is not None or peer.pending_lsn > last:
                peer.queue.append(TxnAbort(first.transaction))
                peer.pending_lsn = LSN(min(peer.pending_lsn, last))
                peer.sent_lsn = LSN(min(peer.sent_lsn, last))
            peer.received_lsn = LSN(min(peer.received_lsn, last))
            peer.joined_lsn = LSN(min(peer.joined_lsn, last))
        self._begin_next()

    def abandon_open(self) -> None:
        """Undo the open transaction wherever it has gone."""
        for peer in self.peers.values():
            self._take_back_open(peer)
        self._begin_next()

    def _begin_next(self) -> None:
        """Number what is done from now on as another transaction's."""
        self.transaction += 1
        for peer in self.peers.values():
            peer.streamed = None

    def _take_back_open(self, peer: Peer) -> None:
        if peer.streamed is not None:
            peer.queue.append(TxnAbort(self.transaction))
            peer.streamed = None

    # Links.

    def receive(self, name: str, frame: Frame, now: float) -> None:
        """Take a frame from a secondary. Frames of earlier sessions, repeated and overtaken ones are ignored."""
        peer = self.peers.get(name)
        if peer is None:
            return
        message = frame.message
        if frame.epoch > self.identity.epoch and self._concerns_us(peer, frame):
            self.fence(frame.epoch)
            return
        peer.heard_at = now
        if type(message) is Position:
            if peer.opens_session(frame.session):
                peer.open_session(frame.session)
                self.walks.pop(name, None)
                answer_position(self, peer, message)
            return
        if frame.session != peer.session or frame.sequence < peer.expected:
            return
        peer.expected = frame.sequence + 1
        self._dispatch(peer, message)

    def next_frame(self, name: str, now: float) -> Frame | None:
        """Give the next frame for a secondary, None if there is nothing to send at present."""
        peer = self.peers.get(name)
        if peer is None or peer.state == "lost" or peer.session < 0:
            return None
        message = peer.queue.popleft() if peer.queue else self._next_message(peer)
        return None if message is None else peer.frame(self.identity.epoch, message, now)

    def tick(self, now: float) -> None:
        """Queue the heartbeats that are due and give up secondaries that have been silent for too long."""
        away = standstill(now, self._ticked_at + LOOKS_SECONDS)
        self._ticked_at = now
        for peer in self.peers.values():
            owes = peer.attentive and self.behind(peer)
            if not owes:
                peer.level_at = now
            elif away:
                peer.level_at = min(now, max(peer.heard_at, peer.level_at) + away)
            if owes and now - max(peer.heard_at, peer.level_at) > self.limits.dead_seconds:
                self.mistrust(peer)
            elif owes and peer.state == "in step" and peer.received_lsn < self.log.base.lsn:
                # What waits for it in its queue is not to be more than what the log would hold.
                self.mistrust(peer, "the log was dropped at its size limit")
            if peer.queue or peer.standing_lsn or now - peer.sent_at < self.limits.heartbeat_seconds:
                continue
            if owes:
                peer.queue.append(Heartbeat(LSN(peer.sent_lsn), self.log.last_lsn, None, True))
            elif peer.state == "asking":
                peer.queue.append(Nack("position", self.log.last_lsn, peer.applied_lsn, "where do you stand?"))

    def behind(self, peer: Peer) -> bool:
        """Whether a secondary has yet to acknowledge something, or was sent a transaction that is still open."""
        if peer.applied_lsn < self.log.last_lsn or peer.pending_lsn > self.log.last_lsn:
            return True
        return peer.state != "in step" and peer.mode == "sync"

    # Helpers, in call order.

    def _concerns_us(self, peer: Peer, frame: Frame) -> bool:
        """Tell whether a frame is of our cluster, and so its epoch one that may end ours."""
        if isinstance(frame.message, Position):
            return frame.message.cluster == self.identity.cluster
        return frame.session == peer.session

    def _send_pending(self, peer: Peer, pending: Pending) -> None:
        number, lsn, changes, stable = pending.transaction, pending.lsn, pending.changes, self.log.last_lsn
        base, early = LSN(lsn - 1), pending.level == "received"
        # First, so that an interrupt in between finds something to take back: that nothing was sent does no harm.
        peer.sent_lsn = peer.pending_lsn = lsn
        if peer.streamed is None and len(changes) <= CHUNK_CHANGES:
            whole = pending.whole
            if whole is None:
                whole = pending.whole = make(
                    TxnWhole, (number, base, lsn, tuple(changes), pending.root, stable, pending.time, early)
                )
            if peer.standing_lsn <= whole.stable_lsn:
                peer.standing_lsn = LSN(0)
            peer.queue.append(whole)
        else:
            peer.stream(number, base, stable, changes)
            peer.queue.append(TxnCommit(number, lsn, len(changes), pending.root, stable, pending.time, early))

    def fence(self, epoch: Epoch) -> None:
        """End this primary's time: nothing is sent any more."""
        self.fenced_by = max(epoch, self.fenced_by or epoch)
        for peer in self.peers.values():
            peer.state = "refused"
            peer.reason = f"epoch {self.fenced_by} has begun elsewhere"
            peer.drop_outgoing()

    def _dispatch(self, peer: Peer, message: Message) -> None:
        if isinstance(message, (Ack, BackupComplete)):  # Not a union: that takes three times as long.
            self._acknowledged(peer, message)
        elif isinstance(message, (TableDigests, BlockDigests)):
            take_digests(self, peer, message)
        elif isinstance(message, Nack):
            peer.state = "asking"
            peer.reason = f"{message.code}: expected {message.expected}, found {message.found} {message.detail}".strip()
            if message.code in ("root", "blocks"):
                peer.is_doubted = True
            if message.code in ("root", "blocks", "memory"):
                self.complaints.append((peer.name, peer.reason))
            peer.drop_outgoing()
        elif isinstance(message, Refuse):
            peer.state = "refused"
            peer.reason = message.reason

    def _acknowledged(self, peer: Peer, message: Ack | BackupComplete) -> None:
        if not peer.attentive:
            return
        lingering = 0
        if isinstance(message, Ack):
            received, number, applied, _ = message
            lingering = TRIM_COMMITS
        else:
            number, received, _ = message
            applied = received
        received = max(applied, self.note_acknowledged(peer, received, number))
        if received > peer.received_lsn:
            peer.received_lsn = received
        if applied > peer.applied_lsn:
            peer.applied_lsn = applied
        if peer.state == "following":
            self.join(peer)
        log = self.log
        if applied - log.base.lsn > lingering or log.bytes > TRIM_BYTES:
            self._trim()

    def note_acknowledged(self, peer: Peer, lsn: LSN, transaction: int) -> LSN:
        """Note that a secondary has all up to a transaction, at this LSN. Returns up to which LSN that is so.

        What was abandoned meanwhile bears a lower number than what has taken its LSN.
        """
        have = self.log.last_lsn
        if lsn <= have:
            if (self.number_at(lsn) or 0) > transaction:
                return LSN(0)
            have = lsn
        for pending in self.pending:
            if pending.lsn > lsn or pending.transaction > transaction:
                break
            pending.acknowledged.add(peer.name)
            have = pending.lsn
        return have

    def number_at(self, lsn: LSN) -> int | None:
        """The number of the transaction that was committed at this LSN, None if it is not known, or 0."""
        if lsn > self.log.last_lsn:
            return None
        entry = self.log.find(lsn)
        if entry is not None:
            return entry.transaction
        mark = self.marks.find(lsn)
        return mark.transaction if mark is not None else None

    def join(self, peer: Peer) -> None:
        """Bring a synchronous secondary that has caught up into step, and send it what is pending."""
        if peer.mode != "sync" or peer.state != "following":
            return
        if peer.sent_lsn == peer.received_lsn == self.log.last_lsn or peer.pending_lsn > self.log.last_lsn:
            peer.state = "in step"
            self.arrivals.append((peer.name, peer.dismissed))
            peer.has_joined = True
            peer.dismissed = False
            peer.joined_lsn = self.head_lsn
            for pending in self.pending:
                if pending.lsn > peer.sent_lsn:
                    self._send_pending(peer, pending)

    def _next_message(self, peer: Peer) -> Message | None:
        if peer.standing_lsn:
            return peer.tell_stability()
        if peer.images is not None:
            return self._next_image(peer)
        if peer.state != "following" or peer.sent_lsn >= self.log.last_lsn:
            return None
        if not self.log.reaches_back_to(peer.sent_lsn):
            peer.state = "asking"
            return Nack("behind", self.log.base.lsn, peer.sent_lsn, "the log was dropped at its size limit")
        if self.log.bytes_after(peer.applied_lsn) - self.log.bytes_after(peer.sent_lsn) > self.limits.window_bytes:
            return None
        runs = self.log.runs_after(peer.sent_lsn, BATCH_COMMITS_MAX, BATCH_BYTES_MAX)
        peer.sent_lsn = runs[-1].last_lsn
        return TxnLog(runs, self.log.last_lsn)

    def _next_image(self, peer: Peer) -> Message | None:
        assert peer.images is not None
        message = next(peer.images, None)
        if message is None or isinstance(message, SnapEnd):
            peer.images = None
        if isinstance(message, SnapEnd):
            peer.state = "following"
            peer.sent_lsn = message.lsn
            peer.blocks_shipped += message.blocks
        elif isinstance(message, BlockImage):
            peer.blocks_sent += 1
        return message

    def _trim(self) -> None:
        """Drop the log that every secondary has applied; a lost one keeps it, up to the log's own size limit."""
        lowest = self.log.last_lsn
        for peer in self.peers.values():
            if peer.applied_lsn < lowest:
                lowest = peer.applied_lsn
        self.log.keep_above(lowest)

