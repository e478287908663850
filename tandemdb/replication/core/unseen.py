"""What a secondary holds that its readers do not see: transactions that are complete, and the one that is open.

    database.root     pending                    overlay
    LSN 41            42 --> 43                  applied as it comes
    readers           prepared, acknowledged     nobody

Each is built on the one before, so an end is always cut off: what is dropped goes with all after it. Pending ones are
shown from the oldest on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import LSN
from tandemdb.replication.core.overlay import Overlay
from tandemdb.replication.errors import ReplicationError

if TYPE_CHECKING:
    from tandemdb.replication.core.identity import Identity
    from tandemdb.storage import Database, Transaction


class Complete(NamedTuple):
    """A pending transaction: applied, its digest checked, acknowledged; its root is shown when it is stable."""

    number: int
    lsn: LSN
    transaction: Transaction


class Unseen:
    """Pending transactions, oldest first, and the overlay; `last_transaction` is the last one shown.

    The database is held weakly: it owns its secondary, not the reverse.
    """

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = ref(database)
        self._identity = identity
        self.overlay: Overlay | None = None
        # Their LSNs follow the root's.
        self.pending: deque[Complete] = deque()
        self.last_transaction = 0

    @property
    def database(self) -> Database:
        database = self._database()
        if database is None:
            raise ReplicationError("the mirrored database is gone")
        return database

    def last(self) -> tuple[LSN, int]:
        """Return LSN and number of the last transaction that is complete, shown or not."""
        try:
            last = self.pending[-1]
        except IndexError:  # Not asked for before: status is read by other threads.
            return LSN(self.database.root.lsn), self.last_transaction
        return last.lsn, last.number

    def open(self, number: int) -> Overlay:
        """Open an overlay on the last complete transaction."""
        overlay = self.overlay = Overlay(number, blocks.begin_overlay(self.database))
        return overlay

    def complete(self, overlay: Overlay, lsn: LSN) -> None:
        """Make the overlay a pending transaction."""
        transaction = overlay.transaction
        transaction.prepare(lsn, self._identity.epoch)
        transaction.changes = overlay.changes  # For the database's own observer, when it is shown.
        # In this order: whoever asks meanwhile for what was received finds it in either place.
        self.pending.append(Complete(overlay.number, lsn, transaction))
        self.overlay = None

    def show(self) -> None:
        """Show the oldest pending transaction to readers; if that fails, all of them go."""
        number, lsn, transaction = self.pending[0]
        try:
            blocks.install(transaction, self._identity.epoch)
        except BaseException:
            self.drop()
            raise
        # Before it goes: whoever asks meanwhile for what was received finds it in either place.
        self.last_transaction = number
        self.pending.popleft()
        self._identity.outcomes.note(lsn, number)

    def drop_overlay(self) -> None:
        """Undo the open transaction."""
        if self.overlay is not None:
            transaction, self.overlay = self.overlay.transaction, None
            transaction.rollback()

    def drop_unknown(self) -> None:
        """Undo what is pending in the database alone: something came in between before it was noted here."""
        database = self.database
        newest = self.pending[-1].transaction.root if self.pending else database.root
        if database.head.lsn != newest.lsn:
            database.abandon_pending(newest)

    def drop(self, lsn: int = 0) -> None:
        """Undo the open transaction, and the pending ones from this LSN on."""
        self.drop_overlay()
        self.drop_unknown()
        if not self.pending or self.pending[-1].lsn < lsn:
            return
        while self.pending and self.pending[-1].lsn >= lsn:
            self.pending.pop()
        self.database.abandon_pending(self.pending[-1].transaction.root if self.pending else None)
