"""The primary's side of the protocol: transactions in, numbered frames out, acknowledgements in. No I/O, no clock.

    writer's thread                                   a link per secondary
    changed()  -----> UPDATES to all in step          receive(name, frame, now)
    complete() -----> TXN_COMMIT, pending             next_frame(name, now) -> Frame | None
    released() <----- enough acknowledged?            disconnected(name)
    installed() ----> log; HEARTBEAT with stable_lsn  tick(now)
    abandon()  -----> TXN_ABORT

Frames are pulled, never pushed: a slow link holds no more than what it asked for. A secondary in step gets each
change as it is made; any other follows the log. One lock around every call is the caller's business.

Who decides what becomes of a transaction that a secondary holds complete but not stable: this system, while it leads.
If the commit was installed here it stands there, if it was abandoned it is undone there (`Plan.pending`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tandemdb.replication.core import blocks
from tandemdb.replication.core.catch_up import CommitMark, CommitMarks, DigestWalk, decide, images, prefer_snapshot
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.levels import Level
from tandemdb.replication.core.limits import (
    BATCH_BYTES_MAX,
    BATCH_COMMITS_MAX,
    GATHER_SECONDS,
    JOIN_COMMITS_MAX,
    Limits,
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
    Plan,
    Position,
    Refuse,
    SnapEnd,
    TableDigests,
    TxnAbort,
    TxnCommit,
    TxnLog,
    TxnWhole,
)
from tandemdb.replication.core.peer import Mode, Peer
from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.storage import Root


@dataclass
class Pending:
    """The transaction that waits for acknowledgements: complete, not installed."""

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
        self._begin_log(root)
        self.peers: dict[str, Peer] = {}
        self.pending: Pending | None = None
        self.fenced_by: Epoch | None = None
        # Whether a coordinator's record says whose acknowledgements count.
        self.lists = False
        # Secondaries that have got into step, and whether they had been dismissed, until the driver has taken note.
        self.arrivals: list[tuple[str, bool]] = []
        self._walks: dict[str, DigestWalk] = {}
        self._known: list[Change] = []

    # Secondaries.

    def add(self, name: str, mode: Mode, now: float) -> Peer:
        """Register a secondary; it is served from its first POSITION on."""
        if name in self.peers:
            raise ReplicationError(f"this database already has a secondary named {name!r}")
        peer = self.peers[name] = Peer(name, mode, added_at=now, heard_at=now, listed=not self.lists)
        return peer

    def remove(self, name: str) -> None:
        del self.peers[name]
        self._walks.pop(name, None)
        self._trim()

    def disconnected(self, name: str) -> None:
        """Note that a link is gone: what was in flight may or may not arrive; a POSITION will tell."""
        peer = self.peers[name]
        if peer.state != "refused":
            peer.state = "lost"
        peer.queue.clear()
        peer.images = None
        self._walks.pop(name, None)

    def mistrust(self, peer: Peer) -> None:
        """Count a silent secondary as out of step until it has said where it stands; the link stays."""
        if peer.state != "refused":
            peer.state = "asking"
            peer.reason = "no answer in time"
        peer.queue.clear()
        peer.images = None

    def synchronous(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer.mode == "sync"]

    def digest_due(self, lsn: LSN) -> bool:
        """Tell whether this commit's completion carries the digest of all blocks."""
        every = self.limits.digest_every
        if every is None:
            every = 1 if self.synchronous() else 0
        return every > 0 and lsn % every == 0

    def missing(self) -> int:
        """Count how many secondaries in step a synchronous commit lacks; 0 means that it may go ahead."""
        if self.lists:
            return self._lacking({peer.name for peer in self.in_step()})
        missing = self.required()
        for peer in self.peers.values():
            if peer.mode == "sync" and peer.state == "in step":
                missing -= 1
        return max(0, missing)

    def required(self) -> int:
        """How many secondaries must have a commit before it is shown, of those that have not been dismissed."""
        joined = 0
        for peer in self.peers.values():
            if peer.has_joined and peer.mode == "sync":
                joined += 1
        return min(self.limits.required, joined)

    def is_joining(self) -> bool:
        """Whether a synchronous secondary lacks so little that it would be in step if no commit came for a moment."""
        for peer in self.peers.values():
            if peer.state == "following" and peer.mode == "sync":
                if self.log.last_lsn - peer.received_lsn <= JOIN_COMMITS_MAX:
                    return True
        return False

    def in_step(self) -> list[Peer]:
        return [peer for peer in self.synchronous() if peer.state == "in step"]

    def lost(self) -> list[Peer]:
        """The synchronous secondaries that commits count on and that are not in step."""
        return [peer for peer in self.synchronous() if peer.has_joined and peer.state != "in step"]

    def dismiss(self, peers: Sequence[Peer]) -> None:
        """Count on these secondaries no longer, until they are in step again."""
        for peer in peers:
            peer.has_joined = False
            peer.dismissed = True

    @property
    def is_exposed(self) -> bool:
        """Whether commits have fewer copies than they are meant to, for secondaries were dismissed."""
        synchronous = self.synchronous()
        wanted = min(self.limits.required, len(synchronous))
        return any(peer.dismissed for peer in synchronous) and self.required() < wanted

    # Transactions.

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
                peer.stream(self.transaction, LSN(self.root.lsn), changes)
                sent = True
        return sent

    def complete(
        self, lsn: LSN, changes: Sequence[Change], root: int | None, now: float, level: Level = "applied"
    ) -> None:
        """Send the completion of a transaction; it is pending until `installed` or `abandon`."""
        self.pending = Pending(self.transaction, lsn, changes, root, now, level=level)
        for peer in self.synchronous():
            if peer.state == "in step":
                self._send_pending(peer)

    def released(self) -> bool:
        """Tell whether enough secondaries have the pending transaction."""
        pending = self.pending
        if pending is None or pending.level == "none":
            return True
        if self.lists:
            return not self._lacking(pending.acknowledged)
        return len(pending.acknowledged) >= self.required()

    def shown(self, lsn: LSN, mode: Mode) -> int:
        """Count the secondaries of a mode whose readers see a commit."""
        return sum(peer.applied_lsn >= lsn for peer in self.peers.values() if peer.mode == mode)

    def installed(self, root: Root, changes: Sequence[Change], digest: int | None, size_bytes: int, now: float) -> None:
        """Take over a commit that readers now see: log it, and tell the secondaries that hold it that it stands."""
        lsn = LSN(root.lsn)
        if lsn == self.log.last_lsn and not changes:
            # The same commit in another form: a key derived, an epoch begun.
            self.root = root
            return
        if lsn != self.log.last_lsn + 1:
            self._jump(root)
            return
        self.log.append(lsn, self.transaction, changes, digest, size_bytes, now)
        self.marks.note(lsn, CommitMark(self.transaction, root.stamp))
        self.identity.outcomes.note(lsn, self.transaction)
        self.root = root
        self.pending = None
        self.transaction += 1
        for peer in self.peers.values():
            peer.streamed = None
            if peer.completed:
                peer.completed = False
                peer.queue.append(Heartbeat(lsn, lsn, None, False))
            elif peer.state == "in step":
                peer.state = "following"

    def installed_many(
        self, lsn: LSN, stamp: int, commits: list[Sequence[Change]], change_bytes: int, now: float
    ) -> None:
        """Take over commits that follow each other, of a primary whose secondaries all follow its log.

        `lsn` and `stamp` are the first one's. `root` is the last one's already, or an earlier one.
        """
        if lsn != self.log.last_lsn + 1:
            self._jump(self.root)  # A rewind: what follows is counted from there.
            return
        self.marks.note(lsn, CommitMark(self.transaction, stamp), len(commits))
        self.identity.outcomes.note(lsn, self.transaction, len(commits))
        self.log.extend(commits, self.transaction, change_bytes, now)
        self.transaction += len(commits)

    def _jump(self, root: Root) -> None:
        """Begin the log anew: this system, itself a secondary, was given blocks instead of commits."""
        self._begin_log(root)
        for peer in self.peers.values():
            if peer.attentive or peer.state == "copying":
                self.mistrust(peer)

    def _begin_log(self, root: Root) -> None:
        """Let the log begin behind this root; whatever led to it counts as one transaction with a number of its own."""
        lsn = LSN(root.lsn)
        self.root = root
        self.log = ChangeLog(lsn, self.limits.log_bytes_max, self.transaction)
        self.marks.note(lsn, CommitMark(self.transaction, root.stamp))
        self.transaction += 1

    def abandon(self) -> None:
        """Undo the open or pending transaction wherever it has gone."""
        for peer in self.peers.values():
            if peer.streamed is not None or peer.completed:
                peer.queue.append(TxnAbort(self.transaction))
                peer.sent_lsn = LSN(min(peer.sent_lsn, self.root.lsn))
            peer.streamed = None
            peer.completed = False
            peer.joined_lsn = LSN(min(peer.joined_lsn, self.root.lsn))
        self.pending = None
        self.transaction += 1

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
        if isinstance(message, Position):
            if peer.opens_session(frame.session):
                peer.open_session(frame.session)
                self._walks.pop(name, None)
                self._plan(peer, message)
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
        message = self._next_message(peer)
        return None if message is None else peer.frame(self.identity.epoch, message, now)

    def tick(self, now: float) -> None:
        """Queue the heartbeats that are due and give up secondaries that have been silent for too long."""
        for peer in self.peers.values():
            if peer.queue or now - peer.sent_at < self.limits.heartbeat_seconds:
                continue
            if peer.attentive and self.behind(peer):
                if now - peer.heard_at > self.limits.dead_seconds:
                    self.mistrust(peer)
                peer.queue.append(Heartbeat(LSN(peer.sent_lsn), LSN(self.root.lsn), None, True))
            elif peer.state == "asking":
                peer.queue.append(Nack("position", self.log.last_lsn, peer.applied_lsn, "where do you stand?"))

    def behind(self, peer: Peer) -> bool:
        """Whether a secondary has yet to acknowledge something, or was sent a transaction that is still open."""
        return peer.applied_lsn < self.log.last_lsn or peer.state != "in step" and peer.mode == "sync" or peer.completed

    # Helpers, in call order.

    def _concerns_us(self, peer: Peer, frame: Frame) -> bool:
        """Tell whether a frame is of our cluster, and so its epoch one that may end ours."""
        if isinstance(frame.message, Position):
            return frame.message.cluster == self.identity.cluster
        return frame.session == peer.session

    def _lacking(self, those: set[str]) -> int:
        """Count how many secondaries are wanted besides those named: `required` of the listed, and all others."""
        joined = [peer for peer in self.synchronous() if peer.has_joined]
        listed = [peer for peer in joined if peer.listed]
        wanted = min(self.limits.required, len(listed)) - sum(peer.name in those for peer in listed)
        return max(0, wanted) + sum(not peer.listed and peer.name not in those for peer in joined)

    def _send_pending(self, peer: Peer) -> None:
        pending = self.pending
        if pending is None or peer.completed:
            return
        number, lsn, changes, stable = pending.transaction, pending.lsn, pending.changes, LSN(self.root.lsn)
        if peer.streamed is None:
            peer.forget_stability()
            if pending.whole is None:
                pending.whole = TxnWhole(
                    number, stable, lsn, tuple(changes), pending.root, stable, pending.time, pending.level == "received"
                )
            peer.queue.append(pending.whole)
            peer.streamed = list(changes)
        else:
            peer.stream(number, stable, changes)
            early = pending.level == "received"
            peer.queue.append(TxnCommit(number, lsn, len(changes), pending.root, stable, pending.time, early))
        peer.sent_lsn = pending.lsn
        peer.completed = True

    def fence(self, epoch: Epoch) -> None:
        """End this primary's time: nothing is sent any more."""
        self.fenced_by = max(epoch, self.fenced_by or epoch)
        for peer in self.peers.values():
            peer.state = "refused"
            peer.queue.clear()
            peer.images = None

    def _plan(self, peer: Peer, position: Position) -> None:
        """Answer a POSITION."""
        if peer.incarnation and peer.incarnation != position.incarnation:
            peer.listed = not self.lists
        peer.node, peer.incarnation, peer.address = position.node, position.incarnation, position.address
        if self.fenced_by is not None:
            return
        if position.cluster and position.cluster != self.identity.cluster:
            self._refuse(peer, "cluster", "the secondary holds another cluster's data")
            return
        if position.blocks and position.lsn > 0 and blocks.block_count(self.root) == 0:
            self._refuse(peer, "amnesia", "an empty primary does not overwrite a secondary that holds data")
            return
        position, pending = self._settle_pending(position)
        holds_ours = bool(position.pending_lsn) and pending == "keep"
        decision = decide(position, self.identity.history, self.log, self.marks, self.root)
        if holds_ours and self.pending is not None:
            # Its acknowledgement was lost; that it still holds the transaction says the same.
            self.pending.acknowledged.add(peer.name)
            if decision.kind != "tail":
                # Blocks would take from it what it has just vouched for. It asks again; by then the commit stands.
                peer.state = "asking"
                return
        peer.reason = decision.reason
        if decision.kind == "walk":
            walk = self._walks[peer.name] = DigestWalk(self.root)
            peer.state = "walking"
            peer.queue.extend(walk.start(position.root, blocks.root_digest(self.root)))
            self._finish_walk(peer)
        elif decision.kind == "tail":
            self._follow(peer, decision.lsn, pending, holds_ours)
        else:
            self._ship(peer, self.root, decision.blocks if decision.kind == "blocks" else None)

    def _refuse(self, peer: Peer, code: str, reason: str) -> None:
        peer.state = "refused"
        peer.reason = reason
        peer.queue.append(Refuse(code, self.identity.epoch, reason))

    def _settle_pending(self, position: Position) -> tuple[Position, str]:
        """Decide about the transaction that the secondary holds complete but unseen."""
        if not position.pending_lsn:
            return position, "keep"
        pending = self.pending
        if pending is not None and pending.transaction == position.pending_transaction:
            return position, "keep"
        entry = self.log.find(position.pending_lsn)
        mark = self.marks.find(position.pending_lsn)
        known = entry.transaction if entry is not None else mark.transaction if mark is not None else None
        if known == position.pending_transaction:
            # Its digest after that commit is ours of then: both made the same changes to the same blocks.
            settled = position._replace(lsn=position.pending_lsn, transaction=position.pending_transaction)
            root = entry.root if entry is not None and entry.root is not None else None
            return settled._replace(root=position.root if root is None else root), "install"
        return position, "discard"

    def _follow(self, peer: Peer, lsn: LSN, pending: str, holds_ours: bool) -> None:
        peer.queue.append(self._plan_message("tail", lsn, pending, peer.reason, 0))
        peer.note_plan("tail")
        peer.state = "following"
        peer.sent_lsn = lsn
        peer.received_lsn = peer.applied_lsn = lsn
        peer.completed = holds_ours
        self._join(peer)

    def _plan_message(self, kind: str, lsn: LSN, pending: str, reason: str, count: int) -> Plan:
        return Plan(
            kind, self.identity.cluster, tuple(self.identity.history), lsn, LSN(self.root.lsn), pending, reason, count
        )

    def _ship(self, peer: Peer, root: Root, wanted: dict[int, list[int]] | None, compared: bool = False) -> None:
        kind = "blocks"
        if wanted is None or prefer_snapshot(root, wanted):
            kind, wanted = "snapshot", None
        count = blocks.block_count(root) if wanted is None else sum(map(len, wanted.values()))
        # What it holds pending stays until the blocks are in: its promotion meanwhile must not lose that.
        peer.queue.append(self._plan_message(kind, LSN(root.lsn), "keep", peer.reason, count))
        peer.note_plan(kind)
        peer.state = "copying"
        peer.completed = False
        peer.received_lsn = peer.applied_lsn = LSN(0)
        peer.blocks_planned, peer.blocks_sent = count, 0
        lsn = LSN(root.lsn)
        # A secondary that is not to be checked at each commit need not make either side hash all that it holds.
        digest = blocks.root_digest(root) if compared or self.digest_due(lsn) else blocks.known_digest(root)
        peer.images = images(root, self._transaction_at(lsn), digest, wanted, self.identity.outcomes.up_to(lsn))

    def _transaction_at(self, lsn: LSN) -> int:
        entry = self.log.find(lsn)
        return entry.transaction if entry is not None else 0

    def _finish_walk(self, peer: Peer) -> None:
        walk = self._walks.get(peer.name)
        if walk is not None and walk.done:
            del self._walks[peer.name]
            self._ship(peer, walk.root, walk.differing, compared=True)

    def _dispatch(self, peer: Peer, message: Message) -> None:
        if isinstance(message, Ack | BackupComplete):
            self._acknowledged(peer, message)
        elif isinstance(message, TableDigests):
            if peer.name in self._walks:
                peer.queue.extend(self._walks[peer.name].take_tables(message))
                self._finish_walk(peer)
        elif isinstance(message, BlockDigests):
            if peer.name in self._walks:
                self._walks[peer.name].take_blocks(message)
                self._finish_walk(peer)
        elif isinstance(message, Nack):
            peer.state = "asking"
            peer.reason = f"{message.code}: expected {message.expected}, found {message.found} {message.detail}".strip()
            peer.queue.clear()
            peer.images = None
        elif isinstance(message, Refuse):
            peer.state = "refused"
            peer.reason = message.reason

    def _acknowledged(self, peer: Peer, message: Ack | BackupComplete) -> None:
        if not peer.attentive:
            return
        received = message.received_lsn if isinstance(message, Ack) else message.lsn
        applied = message.applied_lsn if isinstance(message, Ack) else message.lsn
        peer.received_lsn = LSN(max(peer.received_lsn, received))
        peer.applied_lsn = LSN(max(peer.applied_lsn, applied))
        pending = self.pending
        if pending is not None and received == pending.lsn and message.transaction == pending.transaction:
            pending.acknowledged.add(peer.name)
        self._join(peer)
        self._trim()

    def _join(self, peer: Peer) -> None:
        """Bring a synchronous secondary that has caught up into step, and let it take part in what is pending."""
        if peer.mode != "sync" or peer.state != "following":
            return
        if peer.sent_lsn == peer.received_lsn == self.log.last_lsn or (peer.completed and self.pending is not None):
            peer.state = "in step"
            self.arrivals.append((peer.name, peer.dismissed))
            peer.has_joined = True
            peer.dismissed = False
            peer.joined_lsn = self.pending.lsn if self.pending is not None else self.log.last_lsn
            if peer.completed and self.pending is not None:
                peer.sent_lsn = self.pending.lsn
            self._send_pending(peer)

    def _next_message(self, peer: Peer) -> Message | None:
        if peer.queue:
            return peer.queue.popleft()
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
        peer.sent_lsn = LSN(runs[-1].lsn + len(runs[-1].commits) - 1)
        return TxnLog(runs, LSN(self.root.lsn))

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

