"""Blocks as replication sees them: what it reads from roots, and how a backup's root is made from what was shipped.

    root --> digests of tables, of blocks        what to compare
         --> blocks stamped after a commit       what has changed since
    Staging: SNAP_BEGIN, LAYOUTs, BLOCKs  -->    a new root: shipped blocks in place, all others the backup's own

Stamps rise from commit to commit within one database, so the stamp of a commit's root divides the blocks: those with
a higher one were changed later. No block needs to know its LSN for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tandemdb import storage
from tandemdb.replication.core.messages import LSN, BlockImage, Change, Epoch, Layout, Plan, SnapBegin
from tandemdb.storage import (
    LockTimeout,
    OutOfStep,
    Recomputed,
    StorageError,
    damaged_blocks,
    hash_ahead,
    is_damaged,
    mend_block,
    recompute,
    root_digest,
    table_digests,
    trust_records,
)

if TYPE_CHECKING:
    from tandemdb.storage import Block, Database, Root, Stamp, Transaction

__all__ = [
    "LockTimeout",
    "OutOfStep",
    "StorageError",
    "hash_ahead",
    "damaged_blocks",
    "is_damaged",
    "mend_block",
    "Recomputed",
    "recompute",
    "root_digest",
    "table_digests",
    "trust_records",
]

APPLY_TIMEOUT_SECONDS = 5.0
HASH_EVERY_UPDATES = 128
"""After so many updates of a transaction that is still open, they are hashed on both sides."""


def block_digests(root: Root, table: int) -> list[tuple[int, int]]:
    """List (number, digest) of a table's blocks in key order, none if there is no such table."""
    return storage.block_digests(root.tables[table]) if table in root.tables else []


def known_digest(root: Root) -> int | None:
    """Return a root's digest if its tables were hashed before, None if all records would have to be."""
    if any(table.summed is None for table in root.tables.values()):
        return None
    return root_digest(root)


def block_count(root: Root) -> int:
    return sum(table.location.block_count for table in root.tables.values())


def block_numbers(root: Root, table: int) -> list[int]:
    return [block.number for block in blocks_of(root, table)]


def blocks_of(root: Root, table: int) -> Iterator[Block]:
    return root.tables[table].location.blocks()


def next_number(root: Root, table: int) -> int:
    return root.tables[table].location.next_number


def changed_since(root: Root, stamp: Stamp) -> dict[int, list[int]]:
    """Find the tables changed after the commit that bore `stamp`, and in each the blocks that are newer.

    Cost: O(blocks of the tables changed).
    """
    return {
        table_id: [block.number for block in table.location.blocks() if block.stamp > stamp]
        for table_id, table in sorted(root.tables.items())
        if table.stamp > stamp
    }


def records_of(root: Root, wanted: dict[int, list[int]]) -> int:
    """Count the records of these blocks."""
    count = 0
    for table_id, numbers in wanted.items():
        chosen = set(numbers)
        count += sum(len(block.keys) for block in blocks_of(root, table_id) if block.number in chosen)
    return count


def keeps_each_commit(database: Database) -> bool:
    """Tell whether each commit's root matters to more than readers: to a history, or to secondaries further on."""
    return database.history is not None or database.observer is not None


def begin(database: Database) -> Transaction:
    """Begin a backup's own transaction, which its being read-only does not hinder."""
    return database.begin(APPLY_TIMEOUT_SECONDS, applying=True)


def begin_settled(database: Database) -> Transaction:
    """As `begin`, when no commit is pending any more."""
    return database.begin_settled(APPLY_TIMEOUT_SECONDS, applying=True)


def begin_unshown(database: Database) -> Transaction:
    """As `begin`, while nothing that is pending is being shown: `showing` is held, and the caller releases it."""
    transaction = begin(database)
    if not database.showing.acquire(timeout=APPLY_TIMEOUT_SECONDS):
        transaction.rollback()
        raise LockTimeout(database.name, APPLY_TIMEOUT_SECONDS)
    return transaction


def begin_overlay(database: Database) -> Transaction:
    """As `begin`, for what will be pending: the database's observer hears of it when it is installed."""
    return database.begin(APPLY_TIMEOUT_SECONDS, applying=True, observed=False)


def apply_all(transaction: Transaction, changes: Iterable[Change]) -> None:
    storage.apply_all(transaction, changes)


def commit(transaction: Transaction, lsn: LSN, epoch: Epoch) -> None:
    transaction.commit(lsn, epoch)


def install(transaction: Transaction, epoch: Epoch) -> None:
    """Show readers what a transaction has prepared, if the database's observer agrees."""
    database, root = transaction.database, transaction.root
    root.epoch = epoch
    with database.showing:
        observer = database.observer
        if observer is not None:
            try:
                wait = observer.committing(transaction, root)
                if wait is not None:
                    wait()
            except BaseException:
                observer.aborted(transaction)
                raise
        database.install(root)


def set_epoch(database: Database, epoch: Epoch) -> None:
    """Let the root bear this epoch, at the LSN it has."""
    if database.root.epoch != epoch:
        transaction = begin(database)
        try:
            transaction.commit(LSN(database.root.lsn), epoch)
        finally:
            transaction.rollback()


@dataclass
class Staging:
    """Blocks on their way to a backup, apart from its root until all are there."""

    plan: Plan
    begin: SnapBegin | None = None
    layouts: list[Layout] = field(default_factory=list)
    images: list[BlockImage] = field(default_factory=list)


def install_staging(
    database: Database, staging: Staging, remains: Mapping[tuple[int, int], BlockImage], mends: bool
) -> None:
    """Swap in what a transfer brought, at the LSN and in the epoch of the root it was taken from.

    `remains`: what an earlier one brought, by table and block; it stands for what has not come again. `mends`: what is
    here may be damaged.

    Raises:
        OutOfStep: a block is missing, or the digest is not the one announced; the backup keeps its root.
    """
    opening = staging.begin
    if opening is None:
        raise OutOfStep(-1, -1, "SNAP_BEGIN before SNAP_END", "none")
    present = database.root
    tables = [(layout.table, layout.next_number, list(layout.blocks)) for layout in staging.layouts]
    for table in opening.kept:
        if table not in present.tables:
            raise OutOfStep(table, -1, "a table that both systems have", "no such table here")
        tables.append((table, next_number(present, table), block_numbers(present, table)))
    transaction = begin(database)
    try:
        storage.load_blocks(transaction, (opening.next_object, tables), [*remains.values(), *staging.images], mends)
        if opening.root is not None:
            found = root_digest(transaction.root)
            if found != opening.root:
                raise OutOfStep(-1, -1, f"digest {opening.root:016x} after the transfer", f"{found:016x}")
        transaction.commit(opening.lsn, staging.plan.history[-1].epoch)
    finally:
        transaction.rollback()
