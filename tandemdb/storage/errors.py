"""What storage raises; the planner turns these into sqlite3's own errors and texts.

    StorageError <- DuplicateKey       a unique key that is already there
                 <- NoSuchKey          a unique key that was to be replaced or deleted is not there
                 <- NoSuchObject       no table or secondary key of this root has the given object id
                 <- LockTimeout        another transaction held the writer lock for too long
                 <- SnapshotTooOld     the caller read a root that is no longer the newest
                 <- ReadOnly           the database takes no local writes (a mirror, a fenced primary)
                 <- OutOfStep          a change from the log does not fit this backup
                 <- HistoryGone        an earlier root was asked for that is not kept
                 <- UnknownCollation   a key column names a collation nobody registered
                 <- TransactionClosed  a transaction was used after its end
                 <- StaleTable         a table was written through after its stamp had been given up
                 <- NeedsCopies        a change would move records between blocks, which is not done in place
                 <- Inconsistent       a check found structures in a state that should not exist

Each carries what a message needs as attributes. They know no SQL, hence no names of columns.
"""

from __future__ import annotations

from typing import Any


class StorageError(Exception):
    """Raised when storage cannot do what was asked; the base of all errors below."""


class DuplicateKey(StorageError):
    """Raised when a record is inserted under a unique key that the table already holds."""

    def __init__(self, table_id: int, key: Any) -> None:
        super().__init__(f"table {table_id} already holds a record under this unique key")
        self.table_id = table_id
        self.key = key


class NoSuchKey(StorageError):
    """Raised when a record is to be replaced or deleted whose unique key the table does not hold."""

    def __init__(self, table_id: int, key: Any) -> None:
        super().__init__(f"table {table_id} holds no record under this unique key")
        self.table_id = table_id
        self.key = key


class NoSuchObject(StorageError):
    """Raised when an object id names no table or secondary key of the root."""

    def __init__(self, object_id: int, expected: str) -> None:
        super().__init__(f"object {object_id} is no {expected} of this root")
        self.object_id = object_id
        self.expected = expected


class LockTimeout(StorageError):
    """Raised when the writer lock of a database stayed taken for the whole of the given time."""

    def __init__(self, database: str, timeout_seconds: float) -> None:
        super().__init__(f"database {database!r} is locked by another transaction (waited {timeout_seconds} s)")
        self.database = database
        self.timeout_seconds = timeout_seconds


class SnapshotTooOld(StorageError):
    """Raised when a transaction was to begin on a root that later commits have replaced."""

    def __init__(self, expected_lsn: int, found_lsn: int) -> None:
        super().__init__(f"the snapshot is of LSN {expected_lsn}, but the database is at LSN {found_lsn}")
        self.expected_lsn = expected_lsn
        self.found_lsn = found_lsn


class ReadOnly(StorageError):
    """Raised when a transaction is begun on a database that takes no local writes."""

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(f"database {database!r} is read-only: {reason}")
        self.database = database
        self.reason = reason


class OutOfStep(StorageError):
    """Raised when a change from the log does not fit the blocks of this backup."""

    def __init__(self, table_id: int, block: int, expected: str, found: str) -> None:
        super().__init__(f"table {table_id}, block {block}: expected {expected}; found {found}")
        self.table_id = table_id
        self.block = block
        self.expected = expected
        self.found = found


class HistoryGone(StorageError):
    """Raised when a root is asked for that the database keeps no longer, or not yet."""

    def __init__(self, lsn: int, oldest_lsn: int, newest_lsn: int) -> None:
        super().__init__(f"LSN {lsn} is not kept: the history reaches from LSN {oldest_lsn} to {newest_lsn}")
        self.lsn = lsn
        self.oldest_lsn = oldest_lsn
        self.newest_lsn = newest_lsn


class UnknownCollation(StorageError):
    """Raised when a key column's collation is neither built in nor registered."""

    def __init__(self, collation: str) -> None:
        super().__init__(f"no such collation sequence: {collation}")
        self.collation = collation


class TransactionClosed(StorageError):
    """Raised when a transaction is used after its commit or rollback."""


class StaleTable(StorageError):
    """Raised when a table is written to that is not the transaction's present version of it."""

    def __init__(self, table_id: int) -> None:
        super().__init__(
            f"table {table_id} is no longer writable through this object; "
            "take it from Transaction.table() again after mark(), restore() or renew_stamp()"
        )
        self.table_id = table_id


class Inconsistent(StorageError):
    """Raised when a check finds blocks, keys or counts that contradict each other."""


class NeedsCopies(StorageError):
    """Raised before a change that cannot be made in place: `Transaction.leave_in_place`, then it can be made.

    `many`: it is one of many records, which never can.
    """

    def __init__(self, table_id: int, many: bool = False) -> None:
        super().__init__(f"this change of table {table_id} needs copies of its blocks")
        self.table_id = table_id
        self.many = many
