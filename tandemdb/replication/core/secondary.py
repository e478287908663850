"""The secondary's side of the protocol: frames in, acknowledgements out, backup blocks in step. No I/O, no clock.

    root shown to readers      pending          overlay (a private transaction)     staging (blocks on their way)
    LSN 41  ---------------->  42 --> 43 -----> UPDATES applied as they come        SNAP_BEGIN, LAYOUT, BLOCK ...
         \\                                      TXN_COMMIT: digest checked,         checked and swapped in at SNAP_END
          \\                                     acknowledged, pending as 44
           '-- shown as 42 when the primary says that 42 is stable

A reader here is never ahead of the primary: a pending transaction is complete and acknowledged, yet unseen until a
message carries `stable_lsn` of 42. Meanwhile the next ones come, each built on the one before. Only the primary may
undo them (TXN_ABORT, or a PLAN that keeps fewer); promotion installs them, since their acknowledgement may have let the
commits return.

    state    asking --POSITION--> (primary decides) --PLAN--> copying --> following
             '<---- gap, mismatch, silence: NACK, POSITION again in a new session, last good root kept
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tandemdb.replication.core import blocks
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import (
    LSN,
    Ack,
    BackupComplete,
    BlockDigests,
    BlockImage,
    CheckedImage,
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
from tandemdb.replication.core.overlay import Overlay
from tandemdb.replication.core.peer import SESSION_MODULUS, Mode, make
from tandemdb.replication.core.remains import Remains
from tandemdb.replication.core.unseen import Unseen
from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.storage import Database, Transaction

RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 8.0
REFUSED_SECONDS = 0.02
SETBACKS_MAX = 3

State = Literal["asking", "copying", "following", "refused", "promoted", "detached"]


class Secondary:
    """One database that mirrors another."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        name: str,
        mode: Mode,
        set_aside: Callable[[Sequence[Term], LSN], None] | None = None,
    ) -> None:
        self.unseen = Unseen(database, identity)
        # What to do, before this primary's history is taken over, with commits that are no part of it.
        self._set_aside = set_aside
        self.identity = identity
        self.name = name
        self.mode: Mode = mode
        self.state: State = "detached"
        self.outgoing: deque[Frame] = deque()
        # A completion that was acknowledged when it came; `work` applies it once that is on its way.
        self._owed: TxnWhole | TxnCommit | None = None
        # That while it is applied: whoever asks meanwhile what was received must not be told less than before.
        self._at_work: TxnWhole | TxnCommit | None = None
        # What the last begin told to stand; `work` shows it, once the acknowledgement that is waited for is on its way.
        self._standing_lsn = LSN(0)
        self.session = 0
        self.staging: blocks.Staging | None = None
        # Of transfers that were broken off, until one is complete or something else is planned.
        self.remains = Remains()
        self.primary_lsn = LSN(0)
        self.refused_frames = 0
        self.overlay_updates = 0
        self.reason = ""
        # Whether its blocks may not be what they should: then it says what their digest is now, whatever that costs.
        self._doubts_itself = False
        # Whether completions bring digests to compare.
        self._compares_digests = False
        self._sequence = 0
        self._expected = 0
        self.heard_at = 0.0
        self._retry_seconds = RETRY_SECONDS
        # How often in a row what came could not be applied.
        self._setbacks = 0

    @property
    def database(self) -> Database:
        return self.unseen.database

    @property
    def owes(self) -> bool:
        """Whether there is something for `work` to do."""
        return self._owed is not None or self._standing_lsn > 0

    @property
    def received_transaction(self) -> int:
        """The transaction of `received_lsn`: of two systems at one LSN, the later one has what stands.

        A commit in doubt was undone on the primary, and the next one has got its LSN: both may be held somewhere.
        """
        return self._received()[1]

    @property
    def lsn(self) -> LSN:
        """The last LSN shown to readers."""
        return LSN(self.database.root.lsn)

    @property
    def received_lsn(self) -> LSN:
        """The last LSN complete here, shown or not."""
        return self._received()[0]

    def _received(self) -> tuple[LSN, int]:
        owed = self._at_work or self._owed
        if owed is not None:
            return owed.lsn, owed.transaction
        return self.unseen.last()

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
        staging, self.staging = self.staging, None
        if staging is not None:
            self.remains.keep(staging)
        self.outgoing.clear()
        self.unseen.drop_overlay()
        self.unseen.drop_unknown()
        root = self.database.root
        if self._doubts_itself:
            blocks.trust_records(root)
        self._send(
            Position(
                self.identity.cluster,
                self.identity.node,
                self.identity.incarnation,
                self.mode,
                tuple(self.identity.history),
                LSN(root.lsn),
                self.unseen.last_transaction,
                blocks.root_digest(root) if self._doubts_itself else blocks.known_digest(root),
                blocks.block_count(root),
                tuple([complete.number for complete in self.unseen.pending]),
                self.identity.address,
                self.remains.describe(),
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
        standing, self._standing_lsn = self._standing_lsn, LSN(0)
        self._stabilize(standing)
        owed = self._at_work = self._owed
        self._owed = None
        try:
            if owed is not None:
                self._guard(owed._replace(early=False), now)
        finally:
            self._at_work = None

    def _guard(self, message: Message, now: float) -> None:
        try:
            TAKES[type(message)](self, message, now)
        except MemoryError as error:
            self._restart("memory", 0, 0, f"MemoryError: {error}", now)
        except ReplicationError as error:  # Of whoever hears of commits here: those further down the chain.
            self._restart("refused", 0, 0, f"{type(error).__name__}: {error}", now)
        except (blocks.StorageError, LookupError, TypeError, ValueError) as error:
            self._restart("blocks", 0, 0, f"{type(error).__name__}: {error}", now)

    def promote(self, epoch: Epoch) -> LSN | None:
        """Become a primary's database: install what is pending, drop what is open, begin `epoch`.

        Returns the LSN of the last pending transaction that was installed, None if there was none.
        """
        if epoch <= self.identity.epoch:
            raise ReplicationError(f"epoch {epoch} is not newer than epoch {self.identity.epoch}")
        self.work(0.0)
        installed = self.unseen.pending[-1].lsn if self.unseen.pending else None
        self.unseen.drop_overlay()
        while self.unseen.pending:
            self._show()
        self.staging = None
        self.remains = Remains()
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
        """End the mirroring: an open overlay goes, what is pending too; its primary still has it."""
        self.unseen.drop()
        self.staging = None
        self.remains = Remains()
        self.outgoing.clear()
        self.state = "detached"

    # Messages, in the order of the protocol.

    def _take_nack(self, message: Nack, now: float) -> None:
        # Also while asking: it is of this session, so that the question has arrived, and was no more than an
        # acknowledgement there (`answer_position`).
        self.reason = f"{message.code}: {message.detail}"
        self.connect(now)

    def _take_plan(self, plan: Plan, now: float) -> None:
        self._stabilize(plan.stable_lsn)
        self.unseen.drop(plan.kept_lsn + 1)
        self.reason = plan.reason
        self.primary_lsn = plan.pinned_lsn
        if self._set_aside is not None:
            self._set_aside(plan.history, self.lsn)
        if not plan.resumes:
            self.remains = Remains()
        if plan.kind == "tail":
            self._adopt(plan)
            self._follow()
        else:
            self.state = "copying"
            self.staging = blocks.Staging(plan)

    def _adopt(self, plan: Plan) -> None:
        self.identity.cluster = plan.cluster
        self.identity.history = list(plan.history)
        # What is pending will bring the epoch.
        if not self.unseen.pending:
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
            self.unseen.drop()
            # Whatever becomes of them: what cannot be installed is not to be part of the next transfer.
            remains, self.remains, self.staging = self.remains, Remains(), None
            former = self.identity.history
            # Known before the blocks are here: who asks meanwhile, down a chain, is told what they belong to.
            self.identity.history = list(staging.plan.history)
            try:
                blocks.install_staging(self.database, staging, remains.images, self._doubts_itself)
            except BaseException:
                self.identity.history = former
                raise
            self._adopt(staging.plan)
            begin = staging.begin
            if begin is not None:
                self.unseen.last_transaction = begin.transaction
                self.identity.outcomes.replace(begin.outcomes, begin.outcomes_have_gaps)
                if begin.root is not None:  # Its digest was compared.
                    self._setbacks = 0
            self._doubts_itself = False
            self._follow()

    def _follow(self) -> None:
        self.state = "following"
        if not self._setbacks:
            self._retry_seconds = RETRY_SECONDS
        self._send_ack()

    def _take_begin(self, message: TxnBegin, now: float) -> None:
        self._begin(message.transaction, message.base_lsn, message.stable_lsn, now)

    def _begin(self, number: int, base_lsn: LSN, stable_lsn: LSN, now: float) -> Overlay | None:
        self.unseen.drop_overlay()
        database = self.database
        if database.observer is None:
            self._standing_lsn = stable_lsn
        else:
            self._stabilize(stable_lsn)  # It may be refused: then what builds on it must not be acknowledged.
        last, _ = self.unseen.last()
        if base_lsn != last:
            self._restart("lsn", last, base_lsn, "a transaction begins elsewhere", now)
            return None
        if database.head.lsn != last:
            self.unseen.drop_unknown()
        return self.unseen.open(number)

    def _take_abort(self, message: TxnAbort, now: float) -> None:
        if self.unseen.overlay is not None and self.unseen.overlay.number >= message.transaction:
            self.unseen.drop_overlay()
        undone = [complete.lsn for complete in self.unseen.pending if complete.number >= message.transaction]
        if undone:
            self.unseen.drop(undone[0])

    def _take_updates(self, message: Updates, now: float) -> None:
        overlay = self.unseen.overlay
        if overlay is None or overlay.number != message.transaction or len(overlay.changes) != message.first:
            found = len(overlay.changes) if overlay is not None else -1
            self._restart("updates", message.first, found, "updates do not continue the transaction", now)
            return
        overlay.extend(message.changes)
        self.overlay_updates += len(message.changes)
        if self._compares_digests:
            overlay.hash_ahead()

    def _rewind(self, message: Rewind, now: float) -> None:
        overlay = self.unseen.overlay
        if overlay is None or overlay.number != message.transaction or len(overlay.changes) < message.keep:
            self._restart("rewind", message.keep, 0, "a rewind of a transaction that is not here", now)
            return
        overlay.rewind(message.keep, self.database)

    def _take_commit(self, message: TxnCommit, now: float) -> None:
        if message.early:
            self._owe(message)
            return
        self._stabilize(message.stable_lsn)
        self._complete(message.transaction, message.lsn, message.updates, message.root, now)

    def _complete(self, number: int, lsn: LSN, updates: int, root: int | None, now: float) -> None:
        overlay = self.unseen.overlay
        if overlay is None or overlay.number != number or len(overlay.changes) != updates:
            found = len(overlay.changes) if overlay is not None else -1
            self._restart("updates", updates, found, "the completion of another transaction", now)
            return
        expected = overlay.transaction.base.lsn + 1
        if lsn != expected:
            self._restart("lsn", expected, lsn, "the completion is of another LSN", now)
            return
        self._hold(overlay, lsn, root, now)

    def _hold(self, overlay: Overlay, lsn: LSN, root: int | None, now: float) -> None:
        """Acknowledge a complete transaction and keep it until it is stable."""
        transaction = overlay.transaction
        if root is not None and not self._digest_fits(transaction, root, now):
            return
        self.unseen.complete(overlay, lsn)
        if lsn > self.primary_lsn:
            self.primary_lsn = lsn
        self._send(make(Ack, (lsn, overlay.number, transaction.database.root.lsn, root)))

    def _take_whole(self, message: TxnWhole, now: float) -> None:
        """Take begin, changes and completion at once: what most synchronous commits wait for."""
        number, base_lsn, lsn, changes, root, stable_lsn, _, early = message
        if early:
            self._owe(message)
            return
        overlay = self._begin(number, base_lsn, stable_lsn, now)
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
        self.unseen.drop_overlay()
        for run in message.runs:
            while self.unseen.pending and run.holds(self.unseen.pending[0].lsn, self.unseen.pending[0].number):
                self._show()
        runs = [part for run in message.runs if (part := run.after(self.lsn)) is not None]
        if not runs:
            return
        self.unseen.drop()
        keeps_each = blocks.keeps_each_commit(self.database)
        for group in [[one] for run in runs for one in run.each()] if keeps_each else [runs]:
            if not self._apply_runs(group, now):
                return
        last = runs[-1]
        self.primary_lsn = LSN(max(self.primary_lsn, message.stable_lsn))
        self._send(BackupComplete(self.unseen.last_transaction, last.last_lsn, last.root))

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
                blocks.apply_all(transaction, run.changes)
                if run.root is not None and not self._digest_fits(transaction, run.root, now):
                    return False
                lsn = run.last_lsn
            blocks.commit(transaction, lsn, self.identity.epoch)
        finally:
            transaction.rollback()
        for run in runs:
            self.identity.outcomes.note(run.lsn, run.transaction, len(run.counts))
        self.unseen.last_transaction = runs[-1].last_transaction
        self._setbacks = 0
        return True

    def _digest_fits(self, transaction: Transaction, root: int | None, now: float) -> bool:
        self._compares_digests = root is not None
        if root is None:
            return True
        found = blocks.root_digest(transaction.root)
        if found != root:
            self._restart("root", root, found, "the blocks differ after the same changes", now)
            return False
        self._doubts_itself = False
        return True

    def _heartbeat(self, message: Heartbeat, now: float) -> None:
        self.primary_lsn = LSN(max(self.primary_lsn, message.stable_lsn))
        waits = self.unseen.overlay is not None or bool(self.unseen.pending)
        self._stabilize(message.stable_lsn)
        if message.root is not None and message.lsn == self.lsn:
            found = blocks.root_digest(self.database.root)
            if found != message.root:
                self._restart("root", message.root, found, "the blocks differ", now)
                return
        if message.answer or waits:
            self._send_ack()

    def _send_digests(self, message: DigestRequest, now: float) -> None:
        root = self.database.root
        if not message.tables:
            self._send(TableDigests(tuple(blocks.table_digests(root).items())))
        for table in message.tables:
            self._send(BlockDigests(table, tuple(blocks.block_digests(root, table))))

    # Helpers.

    def _stabilize(self, lsn: LSN) -> None:
        """Show all pending transactions up to one that stands."""
        pending = self.unseen.pending
        while pending and pending[0].lsn <= lsn:
            self._show()

    def _show(self) -> None:
        self.unseen.show()
        self._setbacks = 0

    def _fence(self, session: int) -> None:
        """Tell a primary of an earlier epoch that it is over."""
        epoch = self.identity.epoch
        self.outgoing.append(Frame(session, epoch, 0, Refuse("epoch", epoch, f"epoch {epoch} has begun")))

    def _restart(self, code: str, expected: int, found: int, detail: str, now: float) -> None:
        """Refuse what came, keep the last good root, and ask anew."""
        if code in ("root", "blocks"):
            self._doubts_itself = True
        self._setbacks = self._setbacks + 1 if code in ("root", "blocks", "memory", "refused") else 0
        self._send(Nack(code, expected, found, detail))
        refusal = self.outgoing.pop()
        self.connect(now)
        if self._setbacks > SETBACKS_MAX:
            # It is not the link's fault and will not pass at once: `tick` asks again, later each time.
            self.outgoing.clear()
            if code == "refused":  # But for those down the chain, who may be in step in a moment.
                self._retry_seconds = REFUSED_SECONDS
        self.outgoing.appendleft(refusal)
        self.reason = f"{code}: {detail}"

    def _send_ack(self, root: int | None = None) -> None:
        received, number = self._received()
        self._send(Ack(received, number, self.lsn, root))

    def _send(self, message: Message) -> None:
        if type(message) is Ack and self.outgoing and type(self.outgoing[-1].message) is Ack:
            self.outgoing[-1] = self.outgoing[-1]._replace(message=message)  # It says what the one before says, too.
            return
        self.outgoing.append(make(Frame, (self.session, self.identity.epoch, self._sequence, message)))
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
    CheckedImage: Secondary._take_transfer,
    SnapEnd: Secondary._take_transfer,
    DigestRequest: Secondary._send_digests,
    Nack: Secondary._take_nack,
}
"""What a secondary does with each kind of message; any other is refused."""
