"""The secondary's side of the protocol: frames in, acknowledgements out, backup blocks in step. No I/O, no clock.

    root shown to readers      overlay (a private transaction)                staging (blocks on their way)
    LSN 41  ---------------->  UPDATES applied as they come; TXN_COMMIT       SNAP_BEGIN, LAYOUT, BLOCK ...
         \\                     checks digest, acknowledges: pending 42        checked and swapped in at SNAP_END
          '-- shown as 42 when the primary says that 42 is stable

A reader here is never ahead of the primary: a pending transaction is complete and acknowledged, yet unseen until a
message carries `stable_lsn` of 42. Only the primary may undo it (TXN_ABORT, or a PLAN that says discard); promotion
installs it, since its acknowledgement may have let the commit return.

    state    asking --POSITION--> (primary decides) --PLAN--> copying --> following
             '<---- gap, mismatch, silence: NACK, POSITION again in a new session, last good root kept
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

from tandemdb.replication.core import blocks
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import (
    LSN,
    Ack,
    BackupComplete,
    BlockDigests,
    BlockImage,
    Change,
    DigestRequest,
    Epoch,
    Frame,
    Heartbeat,
    Layout,
    LogRun,
    Message,
    Nack,
    Plan,
    Position,
    Refuse,
    Rewind,
    SnapBegin,
    SnapEnd,
    TableDigests,
    Term,
    TxnAbort,
    TxnBegin,
    TxnCommit,
    TxnLog,
    TxnWhole,
    Updates,
)
from tandemdb.replication.core.peer import SESSION_MODULUS, Mode
from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.storage import Database, Mark, Transaction

RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 8.0
SETBACKS_MAX = 3
MARK_EVERY_UPDATES = 1024

State = Literal["asking", "copying", "following", "refused", "promoted", "detached"]


class Overlay:
    """A transaction on its way: its changes so far, and storage marks to rewind to without doing all of it again."""

    __slots__ = ("changes", "lsn", "marks", "number", "transaction")

    def __init__(self, number: int, transaction: Transaction) -> None:
        self.number = number
        self.transaction = transaction
        self.changes: list[Change] = []
        self.marks: list[tuple[int, Mark]] = []
        # Set by TXN_COMMIT: complete, digest checked, acknowledged.
        self.lsn = LSN(0)


class Secondary:
    """One database that mirrors another. It holds its database weakly: the database owns it, not the reverse."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        name: str,
        mode: Mode,
        set_aside: Callable[[Sequence[Term], LSN], None] | None = None,
    ) -> None:
        self._database = ref(database)
        # What to do, before this primary's history is taken over, with commits that are no part of it.
        self._set_aside = set_aside
        self.identity = identity
        self.name = name
        self.mode: Mode = mode
        self.state: State = "detached"
        self.outgoing: deque[Frame] = deque()
        # A completion that was acknowledged when it came; `work` applies it once that is on its way.
        self._owed: TxnWhole | TxnCommit | None = None
        self.session = 0
        self.last_transaction = 0
        self.overlay: Overlay | None = None
        self.staging: blocks.Staging | None = None
        self.primary_lsn = LSN(0)
        self.refused_frames = 0
        self.overlay_updates = 0
        self.reason = ""
        # Whether its blocks may not be what they should: then it says their digest, whatever that costs.
        self._doubts_itself = False
        self._sequence = 0
        self._expected = 0
        self.heard_at = 0.0
        self._retry_seconds = RETRY_SECONDS
        # How often in a row what came could not be applied.
        self._setbacks = 0

    @property
    def database(self) -> Database:
        database = self._database()
        if database is None:
            raise ReplicationError("the mirrored database is gone")
        return database

    @property
    def owes(self) -> bool:
        """Whether there is something for `work` to do."""
        return self._owed is not None

    @property
    def received_transaction(self) -> int:
        """The transaction of `received_lsn`: of two systems at one LSN, the later one has what stands.

        A commit in doubt was undone on the primary, and the next one has got its LSN: both may be held somewhere.
        """
        if self._owed is not None:
            return self._owed.transaction
        overlay = self.overlay
        return overlay.number if overlay is not None and overlay.lsn else self.last_transaction

    @property
    def lsn(self) -> LSN:
        """The last LSN shown to readers."""
        return LSN(self.database.root.lsn)

    @property
    def received_lsn(self) -> LSN:
        """The last LSN complete here, shown or not."""
        if self._owed is not None:
            return self._owed.lsn
        overlay = self.overlay  # Read once: status is asked for by other threads.
        return overlay.lsn if overlay is not None and overlay.lsn else self.lsn

    # What the caller drives.

    def connect(self, now: float) -> None:
        """Open a session: say where this system stands and ask how to catch up."""
        if self.state == "promoted":
            return
        if self._owed is not None:
            self.work(now)
        self.session = (self.session + 1) % SESSION_MODULUS
        self._sequence = self._expected = 0
        self.heard_at = now
        self.state = "asking"
        self.staging = None
        self.outgoing.clear()
        overlay = self.overlay
        if overlay is not None and not overlay.lsn:
            self._drop_overlay()
        root = self.database.root
        self._send(
            Position(
                self.identity.cluster,
                self.identity.node,
                self.identity.incarnation,
                self.mode,
                tuple(self.identity.history),
                LSN(root.lsn),
                self.last_transaction,
                blocks.root_digest(root) if self._doubts_itself else blocks.known_digest(root),
                blocks.block_count(root),
                overlay.lsn if overlay is not None else LSN(0),
                overlay.number if overlay is not None and overlay.lsn else 0,
                self.identity.address,
            )
        )

    def tick(self, now: float) -> None:
        """Ask again when an answer, or the next block of a transfer, has been missing for too long."""
        if self.state in ("asking", "copying") and now - self.heard_at >= self._retry_seconds:
            # Doubled: on a link slower than this, asking again would make each answer come too late.
            self._retry_seconds = min(RETRY_SECONDS_MAX, self._retry_seconds * 2)
            self.connect(now)

    def receive(self, frame: Frame, now: float) -> None:
        """Take a frame from the primary. Raises nothing: what does not fit is answered by NACK or REFUSE."""
        if self._owed is not None:
            self.work(now)
        session, epoch, sequence, message = frame
        if session == self.session and isinstance(message, Refuse):
            self.state = "refused" if self.state != "promoted" else self.state
            self.reason = message.reason
            return
        if epoch < self.identity.epoch or self.state == "promoted":
            self.refused_frames += 1
            self._fence(session)
            return
        if session != self.session or sequence < self._expected:
            return
        if sequence > self._expected:
            self._restart("gap", self._expected, sequence, "frames are missing", now)
            return
        self._expected += 1
        self.heard_at = now
        if type(message) in TAKES:
            self._guard(message, now)
        else:
            self._restart("kind", 0, 0, f"a {type(message).__name__} is not for a secondary", now)

    def work(self, now: float) -> None:
        """Do what was put off for an acknowledgement to leave first: call this when `outgoing` was sent."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self._guard(owed._replace(early=False), now)

    def _guard(self, message: Message, now: float) -> None:
        try:
            TAKES[type(message)](self, message, now)
        except (blocks.StorageError, ReplicationError, LookupError, TypeError, ValueError) as error:
            self._restart("blocks", 0, 0, f"{type(error).__name__}: {error}", now)

    def promote(self, epoch: Epoch) -> LSN | None:
        """Become a primary's database: install what is pending, drop what is open, begin `epoch`.

        Returns the LSN of a pending transaction that was installed, None if there was none.
        """
        if epoch <= self.identity.epoch:
            raise ReplicationError(f"epoch {epoch} is not newer than epoch {self.identity.epoch}")
        self.work(0.0)
        installed: LSN | None = None
        if self.overlay is not None and self.overlay.lsn:
            installed = self.overlay.lsn
            self._install()
        self._drop_overlay()
        self.staging = None
        database = self.database
        digest = blocks.root_digest(database.root)
        self.identity.history.append(Term(epoch, LSN(database.root.lsn), digest, self.identity.incarnation))
        blocks.set_epoch(database, epoch)
        self.state = "promoted"
        self.outgoing.clear()
        self._fence(self.session)
        database.read_only = None
        return installed

    def close(self) -> None:
        """End the mirroring: an open overlay goes, a pending transaction too; its primary still has it."""
        self._drop_overlay()
        self.staging = None
        self.outgoing.clear()
        self.state = "detached"

    # Messages, in the order of the protocol.

    def _take_nack(self, message: Nack, now: float) -> None:
        if self.state != "asking":  # While asking, the question is on its way already.
            self.reason = f"{message.code}: {message.detail}"
            self.connect(now)

    def _take_plan(self, plan: Plan, now: float) -> None:
        if plan.pending == "install":
            self._install()
        elif plan.pending == "discard":
            self._drop_overlay()
        self.reason = plan.reason
        self.primary_lsn = plan.pinned_lsn
        if self._set_aside is not None:
            self._set_aside(plan.history, self.lsn)
        if plan.kind == "tail":
            self._adopt(plan)
            self._follow()
        else:
            self.state = "copying"
            self.staging = blocks.Staging(plan)

    def _adopt(self, plan: Plan) -> None:
        self.identity.cluster = plan.cluster
        self.identity.history = list(plan.history)
        # A transaction that is kept pending holds the writer's place; its commit will bring the epoch.
        if self.overlay is None:
            blocks.set_epoch(self.database, self.identity.epoch)
        if self.identity.adopted is not None:
            self.identity.adopted()

    def _take_transfer(self, message: SnapBegin | Layout | BlockImage | SnapEnd, now: float) -> None:
        staging = self.staging
        if staging is None:
            self._restart("transfer", 0, 0, "blocks without a plan", now)
        elif isinstance(message, SnapBegin):
            staging.begin = message
        elif isinstance(message, Layout):
            staging.layouts.append(message)
        elif isinstance(message, BlockImage):
            staging.images.append(message)
        else:
            self._drop_overlay()
            blocks.install_staging(self.database, staging)
            self._adopt(staging.plan)
            begin = staging.begin
            if begin is not None:
                self.last_transaction = begin.transaction
                self.identity.outcomes.replace(begin.outcomes, begin.outcomes_have_gaps)
            self._doubts_itself = False
            self.staging = None
            self._follow()

    def _follow(self) -> None:
        self.state = "following"
        if not self._setbacks:
            self._retry_seconds = RETRY_SECONDS
        self._send_ack()

    def _take_begin(self, message: TxnBegin, now: float) -> None:
        self._begin(message.transaction, message.base_lsn, now)

    def _begin(self, number: int, base_lsn: LSN, now: float) -> Overlay | None:
        overlay, database = self.overlay, self.database
        if overlay is not None and overlay.lsn == base_lsn:
            self._install()
        if base_lsn != database.root.lsn:
            self._restart("lsn", self.lsn, base_lsn, "a transaction begins elsewhere", now)
            return None
        self._drop_overlay()
        overlay = self.overlay = Overlay(number, blocks.begin(database))
        return overlay

    def _take_abort(self, message: TxnAbort, now: float) -> None:
        if self.overlay is not None and self.overlay.number == message.transaction:
            self._drop_overlay()

    def _take_updates(self, message: Updates, now: float) -> None:
        self._update(message.transaction, message.first, message.changes, now)

    def _update(self, number: int, first: int, changes: Sequence[Change], now: float) -> None:
        overlay = self.overlay
        if overlay is None or overlay.number != number or len(overlay.changes) != first:
            found = len(overlay.changes) if overlay is not None else -1
            self._restart("updates", first, found, "updates do not continue the transaction", now)
            return
        blocks.apply_all(overlay.transaction, changes)
        overlay.changes.extend(changes)
        self.overlay_updates += len(changes)
        if len(overlay.changes) - (overlay.marks[-1][0] if overlay.marks else 0) >= MARK_EVERY_UPDATES:
            overlay.marks.append((len(overlay.changes), overlay.transaction.mark()))

    def _rewind(self, message: Rewind, now: float) -> None:
        """Take updates back: to the last mark before that point, then forward again."""
        overlay = self.overlay
        if overlay is None or overlay.number != message.transaction or len(overlay.changes) < message.keep:
            self._restart("rewind", message.keep, 0, "a rewind of a transaction that is not here", now)
            return
        while overlay.marks and overlay.marks[-1][0] > message.keep:
            overlay.marks.pop()
        if overlay.marks:
            start, mark = overlay.marks[-1]
            overlay.transaction.restore(mark)
        else:
            start = 0
            overlay.transaction.rollback()
            overlay.transaction = blocks.begin(self.database)
        del overlay.changes[message.keep :]
        blocks.apply_all(overlay.transaction, overlay.changes[start:])

    def _take_commit(self, message: TxnCommit, now: float) -> None:
        if message.early:
            self._owe(message)
            return
        self._complete(message.transaction, message.lsn, message.updates, message.root, now)

    def _complete(self, number: int, lsn: LSN, updates: int, root: int | None, now: float) -> None:
        overlay = self.overlay
        if overlay is None or overlay.number != number or len(overlay.changes) != updates:
            found = len(overlay.changes) if overlay is not None else -1
            self._restart("updates", updates, found, "the completion of another transaction", now)
            return
        if lsn != self.lsn + 1:
            self._restart("lsn", self.lsn + 1, lsn, "the completion is of another LSN", now)
            return
        self._hold(overlay, lsn, root, now)

    def _hold(self, overlay: Overlay, lsn: LSN, root: int | None, now: float) -> None:
        """Acknowledge a complete transaction and keep it until it is stable."""
        if root is not None and not self._digest_fits(overlay.transaction, root, now):
            return
        overlay.lsn = lsn
        if lsn > self.primary_lsn:
            self.primary_lsn = lsn
        self._send(Ack(lsn, overlay.number, self.lsn, root))

    def _take_whole(self, message: TxnWhole, now: float) -> None:
        """Take begin, changes and completion at once: what most synchronous commits wait for."""
        number, base_lsn, lsn, changes, root, _, _, early = message
        if early:
            self._owe(message)
            return
        overlay = self._begin(number, base_lsn, now)
        if overlay is None:
            return
        if lsn != base_lsn + 1:
            self._restart("lsn", base_lsn + 1, lsn, "the completion is of another LSN", now)
            return
        blocks.apply_all(overlay.transaction, changes)
        overlay.changes += changes
        self.overlay_updates += len(changes)
        self._hold(overlay, lsn, root, now)

    def _owe(self, message: TxnWhole | TxnCommit) -> None:
        """Acknowledge that a transaction is here, and put applying it off."""
        self._owed = message
        self._send(Ack(message.lsn, message.transaction, self.lsn, None))

    def _apply_log(self, message: TxnLog, now: float) -> None:
        overlay = self.overlay
        if overlay is not None and overlay.lsn:
            for run in message.runs:
                if overlay.number - run.transaction == overlay.lsn - run.lsn in range(len(run.commits)):
                    self._install()
                    break
        runs = [part for run in message.runs if (part := run.after(self.lsn)) is not None]
        if not runs:
            return
        self._drop_overlay()
        keeps_each = blocks.keeps_each_commit(self.database)
        for group in [[one] for run in runs for one in run.each()] if keeps_each else [runs]:
            if not self._apply_runs(group, now):
                return
        last = runs[-1]
        self.primary_lsn = LSN(max(self.primary_lsn, message.stable_lsn))
        self._send(BackupComplete(self.last_transaction, last.last_lsn, last.root))

    def _apply_runs(self, runs: Sequence[LogRun], now: float) -> bool:
        """Apply transactions of the log that follow each other, and show what the last one left.

        Nobody could see the states in between for longer than that takes, and to publish each costs more than its
        changes do.
        """
        lsn = self.lsn
        transaction = blocks.begin(self.database)
        try:
            for run in runs:
                if run.lsn != lsn + 1:
                    self._restart("lsn", lsn + 1, run.lsn, "a commit is missing", now)
                    return False
                blocks.apply_all(transaction, chain.from_iterable(run.commits))
                if run.root is not None and not self._digest_fits(transaction, run.root, now):
                    return False
                lsn = run.last_lsn
            blocks.commit(transaction, lsn, self.identity.epoch)
        finally:
            transaction.rollback()
        for run in runs:
            self.identity.outcomes.note(run.lsn, run.transaction, len(run.commits))
        self.last_transaction = runs[-1].transaction + len(runs[-1].commits) - 1
        return True

    def _digest_fits(self, transaction: Transaction, root: int | None, now: float) -> bool:
        if root is None:
            return True
        found = blocks.root_digest(transaction.root)
        if found != root:
            self._restart("root", root, found, "the blocks differ after the same changes", now)
        return found == root

    def _heartbeat(self, message: Heartbeat, now: float) -> None:
        self.primary_lsn = LSN(max(self.primary_lsn, message.stable_lsn))
        overlay = self.overlay
        if overlay is not None and overlay.lsn and overlay.lsn <= message.stable_lsn:
            self._install()
        if message.root is not None and message.lsn == self.lsn:
            found = blocks.root_digest(self.database.root)
            if found != message.root:
                self._restart("root", message.root, found, "the blocks differ", now)
                return
        if message.answer or overlay is not None:
            self._send_ack()

    def _send_digests(self, message: DigestRequest, now: float) -> None:
        root = self.database.root
        if not message.tables:
            self._send(TableDigests(tuple(blocks.table_digests(root).items())))
        for table in message.tables:
            self._send(BlockDigests(table, tuple(blocks.block_digests(root, table))))

    # Helpers.

    def _install(self) -> None:
        """Show a complete transaction to readers."""
        overlay = self.overlay
        if overlay is None or not overlay.lsn:
            return
        try:
            # Before the overlay goes: whoever asks meanwhile for what was received finds it in either place.
            blocks.commit(overlay.transaction, overlay.lsn, self.identity.epoch)
            self.last_transaction = overlay.number
        finally:
            self.overlay = None
        self._setbacks = 0
        self.identity.outcomes.note(overlay.lsn, overlay.number)

    def _drop_overlay(self) -> None:
        if self.overlay is not None:
            transaction, self.overlay = self.overlay.transaction, None
            transaction.rollback()

    def _fence(self, session: int) -> None:
        """Tell a primary of an earlier epoch that it is over."""
        epoch = self.identity.epoch
        self.outgoing.append(Frame(session, epoch, 0, Refuse("epoch", epoch, f"epoch {epoch} has begun")))

    def _restart(self, code: str, expected: int, found: int, detail: str, now: float) -> None:
        """Refuse what came, keep the last good root, and ask anew."""
        self._doubts_itself = code in ("root", "blocks")
        self._setbacks = self._setbacks + 1 if code == "blocks" else 0
        self._send(Nack(code, expected, found, detail))
        refusal = self.outgoing.pop()
        self.connect(now)
        if self._setbacks > SETBACKS_MAX:
            # It is not the link's fault and will not pass at once: `tick` asks again, later each time.
            self.outgoing.clear()
        self.outgoing.appendleft(refusal)
        self.reason = f"{code}: {detail}"

    def _send_ack(self, root: int | None = None) -> None:
        overlay = self.overlay
        number = overlay.number if overlay is not None and overlay.lsn else self.last_transaction
        self._send(Ack(self.received_lsn, number, self.lsn, root))

    def _send(self, message: Message) -> None:
        self.outgoing.append(Frame(self.session, self.identity.epoch, self._sequence, message))
        self._sequence += 1


TAKES: dict[type[Message], Callable[[Secondary, Any, float], None]] = {
    TxnWhole: Secondary._take_whole,
    Updates: Secondary._take_updates,
    TxnLog: Secondary._apply_log,
    Heartbeat: Secondary._heartbeat,
    TxnBegin: Secondary._take_begin,
    TxnCommit: Secondary._take_commit,
    Rewind: Secondary._rewind,
    TxnAbort: Secondary._take_abort,
    Plan: Secondary._take_plan,
    SnapBegin: Secondary._take_transfer,
    Layout: Secondary._take_transfer,
    BlockImage: Secondary._take_transfer,
    SnapEnd: Secondary._take_transfer,
    DigestRequest: Secondary._send_digests,
    Nack: Secondary._take_nack,
}
"""What a secondary does with each kind of message; any other is refused."""
