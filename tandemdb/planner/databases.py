"""The databases of one session, and its transaction on each.

    position  name   database             transaction        snapshot
           0  main   Database "shop"      Transaction        (own root)
           1  temp   Database ""          None               None
           2  aux    Database "archive"   None               Root at LSN 17     read since BEGIN

Reading inside BEGIN ... COMMIT holds the root that was first read; writing begins a storage transaction on top of it,
which fails with `database is locked` if another connection has committed since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.storage import Database, LockTimeout, ReadOnly, SnapshotTooOld, Transaction

if TYPE_CHECKING:
    from tandemdb.planner.user_functions import UserFunctions


class Opened(NamedTuple):
    """What ATTACH is given: `release` gives the database back, `file` is where it is kept, "" if nowhere."""

    database: Database
    release: Callable[[], None] | None = None
    file: str = ""
    read_only: bool = False


class Attached:
    """One database as a session sees it."""

    __slots__ = ("name", "database", "transaction", "snapshot", "file", "release", "read_only", "undone")

    def __init__(self, name: str, database: Database, file: str = "") -> None:
        self.name = name
        self.database = database
        self.transaction: Transaction | None = None
        self.snapshot: Any = None
        self.file = file
        self.release: Callable[[], None] | None = None
        self.read_only = False
        # Whether its transaction's COMMIT has failed, and rolled it back: nothing else of it may be committed.
        self.undone = False

    def root(self) -> Any:
        """The root that the session's next statement reads."""
        if self.transaction is not None:
            return self.transaction.root
        return self.snapshot if self.snapshot is not None else self.database.root

    def root_in_transaction(self) -> Any:
        """The root that a statement reads inside BEGIN: from the first one on it stays the same until written to."""
        transaction = self.transaction
        if transaction is not None:
            return transaction.root
        if self.snapshot is None:
            self.snapshot = self.database.root
        return self.snapshot

    def begin(
        self, timeout: float, in_place: bool = False, settled: bool = False, users: UserFunctions | None = None
    ) -> Transaction:
        """The session's write transaction, begun if it is not there; `in_place`: for changes of single records.

        `settled`: begin when no commit waits to be acknowledged any more. `users`: what is registered, for indexes.

        Raises:
            OperationalError: database is locked; attempt to write a readonly database.
        """
        if self.transaction is None:
            if self.read_only:
                raise OperationalError("attempt to write a readonly database", code="SQLITE_READONLY")
            try:
                if settled:
                    self.transaction = self.database.begin_settled(timeout)
                else:
                    self.transaction = self.database.begin(timeout, self.snapshot, in_place=in_place)
            except LockTimeout as error:
                raise OperationalError(
                    "database is locked", detail=str(error), hint="Retry, or connect with a longer timeout.",
                    code="SQLITE_BUSY",
                ) from error  # fmt: skip
            except SnapshotTooOld as error:
                raise OperationalError(
                    "database is locked", detail=str(error),
                    hint="Roll back and begin again: another connection committed after this transaction first read.",
                    code="SQLITE_BUSY_SNAPSHOT",
                ) from error  # fmt: skip
            except ReadOnly as error:
                raise OperationalError(
                    "attempt to write a readonly database", detail=str(error), code="SQLITE_READONLY"
                ) from error
            except BaseException:
                begun = self.database.open
                if in_place and begun is not None and self.transaction is None:
                    begun.rollback()  # It is known to the database alone.
                raise
            if self.transaction.root.has_stale:
                self.derive_indexes(self.transaction, users)
        return self.transaction

    def derive_indexes(self, transaction: Transaction, users: UserFunctions | None) -> None:
        """Build the indexes that a mirror, which leads by now, could not follow for want of their functions."""
        from tandemdb.planner.change.row_functions import derive_stale_keys

        try:
            derive_stale_keys(transaction, users)
        except BaseException:
            self.transaction = None
            transaction.rollback()
            raise

    def end(self, *, commit: bool) -> None:
        """Commit or roll back what was written, and let go of the snapshot."""
        if commit:
            if self.undone:
                raise OperationalError(
                    "cannot commit - the transaction was rolled back", detail="Its COMMIT has failed before.",
                    hint="ROLLBACK, ask the system that leads what became of it, and begin again if it has to be.",
                    code="SQLITE_ERROR",
                )  # fmt: skip
            if self.transaction is not None and not self.transaction.closed:
                self.commit()
        elif self.transaction is not None:
            try:
                self.transaction.rollback()
            except BaseException:
                self.transaction.rollback()  # Interrupted in it; what has been done is not done again.
                self.transaction = self.snapshot = None
                raise
        self.transaction = self.snapshot = None

    def commit(self) -> None:
        """Commit what was written; if that fails, the transaction stays as it is, or is over, rolled back."""
        transaction = self.transaction
        assert transaction is not None
        try:
            transaction.commit()
        except BaseException:
            self.note_end()
            raise

    def note_end(self) -> None:
        """Note what has become of the transaction whose commit has failed, or was interrupted."""
        transaction = self.transaction
        if transaction is None:
            return
        if transaction.committed:
            transaction.rollback()  # It was interrupted when it was done, and has only to be closed.
        if transaction.closed:
            self.transaction = self.snapshot = None
            self.undone = not transaction.committed  # It was sent, and is in doubt.

    def close(self) -> None:
        """Give the database back to whoever opened it."""
        release, self.release = self.release, None
        if release is not None:
            release()


def end_all(databases: Sequence[Attached], *, commit: bool) -> None:
    """End the transaction on each database: all commit, or the error leaves them all as they are.

    Only a database with an observer (a mirror, a file) may refuse to commit, so those go first. Where two of them were
    written to, the second may still fail when the first is done: as in SQLite without a rollback journal.
    """
    if commit and len(databases) > 1:
        databases = sorted(databases, key=lambda attached: attached.database.observer is None)
    for attached in databases:
        attached.end(commit=commit)
        if not commit:
            attached.undone = False
