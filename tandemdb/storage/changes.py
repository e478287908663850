"""The change log: what a transaction did to the blocks of tables, in order, as a backup repeats it.

    change = (op, table id, block number, key, record)

    op          key                              record
    1 INSERT    unique key                       the record
    2 UPDATE    unique key                       the new record
    3 DELETE    unique key                       None
    4 SPLIT     number of the new block,         (position, unique key) from which on the records of `block` move there
                right behind `block`
    5 NEW       blocks the table had so far      None; the block opens behind all others and the INSERT or APPEND that
                                                 must follow fills it
    6 FREE      None                             None; `block` was emptied by the DELETE right before
                unique key: the block's last     number of records that go with it (DELETE of a whole block)
    7 APPEND    list of unique keys              list of records, at the end of the last block

Splits are chosen by whoever makes the change and only repeated by a backup, which checks that each change names the
block where it would have put it itself. Changes of tables 0 (sqlite_master) and 1 (layout) are the schema's: applying
one to table 1 creates, alters or drops the object it describes. Secondary keys are derived, hence never in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias

from tandemdb.storage.block import Stamp
from tandemdb.storage.errors import OutOfStep

if TYPE_CHECKING:
    from tandemdb.storage.secondary import SecondaryKey

INSERT = 1
UPDATE = 2
DELETE = 3
SPLIT = 4
NEW = 5
FREE = 6
APPEND = 7

WHOLE_BLOCK = -1
STAMP_NONE = 1 << 62
"""Above all stamps."""

OPERATION_NAMES = {
    INSERT: "INSERT",
    UPDATE: "UPDATE",
    DELETE: "DELETE",
    SPLIT: "SPLIT",
    NEW: "NEW",
    FREE: "FREE",
    APPEND: "APPEND",
}

Change: TypeAlias = tuple[int, int, int, Any, Any]


Undo: TypeAlias = tuple[Any, ...]
"""One record's change in place, as it is taken back: (INSERT, UPDATE, DELETE, or NEW for an insert that opens a block;
table id; page, block and place there; unique key; the new record, or the old one of an UPDATE or DELETE; the table's
count before).

In the place of the old record a list of them: as many records from there on were replaced, none of whose entries moved.

Or, of an UPDATE that moves no entry of a secondary key: (the positions of the columns that were set; table id; page,
block and place there; the old value of each). With WHOLE_BLOCK for the place there is a list of each column's old
values, of all records of the block. The old record, not held here, is freed while the processor has it at hand: at the
end of a long transaction that takes twice the time.
"""


def check_follows(expecting: Change, change: Change) -> None:
    """Check that what had to follow a change does: INSERT or APPEND a NEW, FREE a DELETE that emptied its block.

    Raises:
        OutOfStep: it does not.
    """
    op, table_id, number, key, _ = change
    follows = op in (INSERT, APPEND) if expecting[0] == NEW else op == FREE and key is None
    if not follows or (table_id, number) != expecting[1:3]:
        refuse_follower(expecting, f"{OPERATION_NAMES.get(op, op)} of block {number} of table {table_id}")


def check_complete(expecting: Change) -> None:
    """Refuse the end of a log after a change that another one must follow.

    Raises:
        OutOfStep: always.
    """
    refuse_follower(expecting, "the end of the log")


def refuse_follower(expecting: Change, found: str) -> NoReturn:
    """Raise OutOfStep for what came instead of the change that had to follow."""
    wanted = "INSERT or APPEND" if expecting[0] == NEW else "FREE"
    raise OutOfStep(expecting[1], expecting[2], f"{wanted} of this block", found)


VACANT = (None,)
"""What is in a place for one thread at a time while nobody has it.

It is taken by deleting that, `del place[0]`, which fails if somebody has it, and given back by `place[:] = VACANT`.
Python looks for signals behind calls, and not behind those: no Ctrl-C comes when the place is taken and its taker does
not know it yet, as it may behind the call of a lock's `acquire`.
"""


class Writer:
    """What a database's writable tables refer to: the stamp they must bear and the log they write.

    One per database, for it has one writer at a time. A table whose stamp differs from this one is read-only, which
    is how a commit freezes all that it wrote in one assignment. `dirty` tells that blocks were changed at all.

    own         the oldest stamp that nobody has kept a root of: what bears it, or a newer one, is reached from the
                newest root alone, and the next transaction may change it in place, bearing that stamp; 0 if none
    undo        what the open transaction has changed in place, oldest first; None if it makes copies
    changing    the change that is being made in place; what is left here after an error may be half done
    outstanding the secondary keys, by id, that have changes to make when they are read
    """

    __slots__ = ("changes", "changing", "dirty", "outstanding", "own", "stamp", "undo")

    def __init__(self) -> None:
        self.stamp: Stamp = 0
        self.changes: list[Change] | None = None
        self.dirty = False
        self.own: Stamp = 0
        self.undo: list[Undo] | None = None
        self.changing: Undo | None = None
        self.outstanding: dict[int, SecondaryKey] = {}

    def catch_up(self) -> None:
        """Have all secondary keys make the changes that wait, for somebody else may read them."""
        for secondary in self.outstanding.values():
            secondary.catch_up()
        self.outstanding.clear()

    def let_go(self) -> None:
        """Be nobody's: no table may be changed."""
        self.stamp = 0
        self.changes = self.undo = None
        self.dirty = False

    def oldest_changing(self) -> Stamp:
        """Return the stamp from which on blocks may be changed where they stand, now or by the next transaction."""
        if self.own and self.stamp:
            return min(self.own, self.stamp)
        return self.own or self.stamp or STAMP_NONE


class StreamedChanges(list[Change]):
    """A change log that also hands each change on as it is made (tightly coupled replication)."""

    __slots__ = ("changed", "transaction")

    def __init__(self, changed: Callable[[Any, Change], None], transaction: Callable[[], Any]) -> None:
        self.changed = changed
        # A weak reference: a transaction that is dropped must release the lock at once, not when cycles are collected.
        self.transaction = transaction

    def append(self, change: Change) -> None:
        list.append(self, change)
        self.changed(self.transaction(), change)


class CommitObserver(Protocol):
    """What is told of a database's transactions; calls come from the writing thread, which holds the writer lock.

    It may have more methods: `changed(transaction, change)` for each change as it is made; `rewound(transaction,
    count)` when all but the first `count` of them were undone (ROLLBACK TO, a failed statement);
    `unchanged(transaction)` when one that began on a pending root ends without a change: what it returns waits until
    that root is visible; `refuse_table(definition)`, which may raise before a table is created;
    `interrupt_wait(transaction)`, from any thread, when its commit is to wait no longer; `withdrawn(transaction, root)`
    after `committing` has raised, or was interrupted when it was done, with no root if it was what `committing` has
    returned, or nobody came to call that: it sets `transaction.committed` if the commit stands.
    One whose `hears_commits_only` is true is not told of beginnings, and never makes commits wait: what that saves is
    most of what observing a commit costs. Where no history is kept it is told of a commit at once, just before readers
    get the root, by `committed(transaction, root)`: it raises, or sets `transaction.committed`, and may return what is
    to be called when the next transaction may begin. While such a one also `lets_change_in_place`, it promises that
    whoever keeps a root has called `Database.hold` before, between transactions; the root that it is told of is not to
    be kept. Of a commit in place it is told by `committed_in_place`, which is otherwise as `committed`. Should either
    be interrupted when the commit stands, `interrupted(transaction, root)` is called.
    """

    def started(self, transaction: Any) -> None:
        """A transaction has begun. It may yet change nothing: then it ends in `aborted`."""

    def committing(self, transaction: Any, root: Any) -> Callable[[], None] | None:
        """The root is complete, with its LSN, and `transaction.changes` final. An exception keeps the transaction open.

        May wait here, holding up later writers; or make the root the database's `head` and return a function that
        waits, to be called after the writer lock was released: the next transaction then begins on this root before
        readers see it. If that function raises, the root was abandoned (`Database.abandon_pending`).
        """

    def installed(self, root: Any) -> Callable[[], object] | None:
        """The root is what readers now get. What it returns is called when the next transaction may begin."""

    def aborted(self, transaction: Any) -> None:
        """The transaction was rolled back, or had changed nothing."""
