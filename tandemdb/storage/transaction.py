"""Transactions: one writer's private root, with marks to return to.

    begin               root = the database's newest     stamp 7
    table(2).insert     root' (7) -> table 2' (7) -> block 5' (7)         copied once, then changed in place
    mark()              mark = (root', length of the log)   stamp 8       root' is frozen by its stamp
    table(2).insert     root" (8) -> table 2" (8) -> block 5" (8)
    restore(mark)       root = root'   stamp 9                            the log is cut back, nothing else to undo
    commit()            LSN + 1, database.root = root'

A mark costs a new stamp, so that the next changes copy what they touch: about 1 µs. Nothing is copied or undone by the
length of a transaction. Tables must be taken from `table()` again after `mark`, `restore` and `renew_stamp`.

In place: of a database whose one user promises to say when somebody keeps a root (`Database.alone`, `hold`), what bears
a stamp since then (`Writer.own` is the oldest) is reached from the newest root alone. A transaction may then go on with
that stamp, and change single records without a copy; what it changes is noted, to be taken back:

    begin(in_place)      root = the newest, itself     stamp 7 again          undo []
    record_table(2).insert                                                    undo [insert 5]
    commit()             LSN + 1, undo forgotten       the next one may go on likewise
    rollback()           leave_in_place, then a copy of the root with the undo taken back replaces the newest

    mark()               how many changes there are                           [insert 5 |
    restore(mark)        those behind it are taken back, in place             [insert 5 |

It leaves that state, for copies as above, before anything else: a change of many records (but for `Table.rewrite`) or
of the schema, a block that is split or emptied, an open cursor, `hold`. `changed` is then the root that was changed in
place, `undo` what leads back from it; the database's newest root is `changed` until the end, or until somebody asks
for it (`settle`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from tandemdb.storage import catalog
from tandemdb.storage.block import next_stamp
from tandemdb.storage.changes import NEW, VACANT, Change, StreamedChanges, Undo, check_complete
from tandemdb.storage.definition import Extract, KeyDefinition, TableDefinition
from tandemdb.storage.errors import NoSuchObject, TransactionClosed
from tandemdb.storage.root import LSN, Epoch, Root
from tandemdb.storage.table import Table

if TYPE_CHECKING:
    from tandemdb.storage.database import Database

Mark: TypeAlias = tuple[Root, int, bool, bool, int]
"""Root, length of the change log, whether it was dirty, whether keys were derived; the length of `undo`, or -1."""


class Transaction:
    """A database's one write transaction, made by `Database.begin`; any thread may go on with it or end it.

    `root` is what it has made so far, after `commit` the committed root. `changes` is its log, None if nobody observes.
    A transaction that is dropped without an end rolls back.
    """

    __slots__ = (
        "__weakref__",
        "base",
        "changed",
        "changes",
        "closed",
        "committed",
        "database",
        "derived",
        "expecting",
        "in_place",
        "root",
        "settled",
        "stamp",
        "undo",
        "writer",
    )

    def __init__(self, database: Database, root: Root, in_place: bool = False, observed: bool = True) -> None:
        self.closed = True  # until the writer lock is this transaction's to release: see `Database.begin`
        self.database = database
        self.base = root
        self.root = root
        self.writer = writer = database.writer
        self.committed = False
        self.derived = False
        self.changes: list[Change] | None = None
        self.expecting: Change | None = None
        self.undo: list[Undo] = []
        self.changed = root
        self.in_place = in_place
        self.settled = not in_place
        if in_place:
            self.stamp = writer.stamp = writer.own
            writer.undo = self.undo
            if database.observer is not None:
                self.changes = writer.changes = []
            database.open = self
            return
        if writer.outstanding:
            writer.catch_up()  # before there is a stamp: what it makes is of the root that this transaction begins with
        self.stamp = writer.stamp = next_stamp()
        if database.observer is not None and observed:
            if database.quiet_observer is not None:
                self.changes = writer.changes = []
            else:
                self.start_log()

    def record_table(self, table_id: int) -> Table:
        """As `table`, for single records only: `insert`, `replace` and `delete` may be done in place.

        They raise NeedsCopies, having changed nothing, where they would have to split, open or free a block.
        """
        if not self.in_place:
            return self.table(table_id)
        tables = self.root.tables
        table = tables[table_id]
        stamp = self.stamp
        if table.stamp < stamp:
            table = tables[table_id] = table.copy(stamp, self.writer)
        elif table.stamp > stamp:
            table.relabel(stamp)
        table.kept = None
        return table

    def table(self, table_id: int) -> Table:
        """Return a table that may be changed until the next `mark`, `restore`, `renew_stamp` or end.

        Raises:
            NoSuchObject: the root has no such table.
        Cost: about 1 µs the first time after a mark, then a look-up.
        """
        if self.in_place:
            self.leave_in_place()
        root = self.root
        stamp = self.stamp
        if root.stamp != stamp:
            if self.closed:
                raise TransactionClosed("the transaction has ended")
            root = self.root = root.copy(stamp)
        try:
            table = root.tables[table_id]
        except KeyError:
            raise NoSuchObject(table_id, "table") from None
        if table.stamp != stamp:
            table = root.tables[table_id] = table.copy(stamp, self.writer)
        if table_id < catalog.FIRST_FREE_ID:
            root.schema = None
        return table

    def mark(self) -> Mark:
        """Return a state that `restore` can bring back: a savepoint, or the start of a statement. Cost: O(1)."""
        if self.in_place:
            return (self.root, 0, False, self.derived, len(self.undo))
        changes = self.changes
        mark = (self.root, 0 if changes is None else len(changes), self.writer.dirty, self.derived, -1)
        self.make_copies()
        return mark

    def restore(self, mark: Mark) -> None:
        """Undo all that was done since a mark, which may be used again.

        Cost: O(1), plus cutting the change log; for a mark made in place, about 2 µs for each change in place since.
        """
        if self.closed:
            raise TransactionClosed("restore: the transaction has ended")
        try:
            self.go_to(mark)
        except BaseException:
            self.go_to(mark)  # Interrupted in it: half of the way is no state to be in.
            raise

    def go_to(self, mark: Mark) -> None:
        root, count, dirty, self.derived, position = mark
        self.expecting = None
        if position >= 0:
            if self.in_place and self.writer.changing is None:
                self.take_back(position)
                self.cut_log()
            else:
                self.go_back(position)
            return
        self.root, self.writer.dirty = root, dirty
        self.make_copies()
        changes = self.changes
        if changes is not None and len(changes) > count:
            del changes[count:]
            rewound = getattr(self.database.observer, "rewound", None)
            if rewound is not None:
                rewound(self, count)

    def renew_stamp(self) -> None:
        """Freeze `root` as it is, for a cursor that goes on reading it: later changes are made to copies."""
        self.make_copies()
        self.writer.own = 0

    def make_copies(self) -> None:
        """As `renew_stamp`, for a root that is let go when the transaction ends at the latest."""
        if self.closed:
            raise TransactionClosed("the transaction has ended")
        if self.in_place:
            self.leave_in_place()
        else:
            self.stamp = self.writer.stamp = next_stamp()

    def leave_in_place(self, keep: int | None = None) -> None:
        """Go on with copies: what has been changed in place is frozen as `changed`, the way back from it is `undo`.

        Args:
            keep: take back all but so many of the changes made in place, and the one that is half done.
        """
        if not self.in_place:
            return
        writer = self.writer
        if writer.outstanding:
            writer.catch_up()
        dirty, stamp = bool(self.undo), next_stamp()
        # From here to the last of these nothing comes in between.
        self.in_place = False
        self.changed = self.root
        writer.undo = None
        writer.dirty = dirty
        self.stamp = writer.stamp = stamp
        if keep is not None:
            self.go_back(keep)

    def take_back(self, position: int) -> None:
        """Take back, in place, all but so many of the changes made in place."""
        undo, writer = self.undo, self.writer
        while len(undo) > position:
            # In this order, so that an error in between finds the change done, or half done, never both or neither.
            writer.changing = change = undo[-1]
            undo.pop()
            table = self.root.tables[change[1]]
            table.kept = None
            table.take_back(change)
            writer.changing = None

    def go_back(self, position: int) -> None:
        """Take back, on copies, all but so many of the changes made in place, and all that was done to copies."""
        self.leave_in_place()
        self.root = self.changed = self.way_back(position)
        del self.undo[position:]
        self.cut_log()
        self.stamp = self.writer.stamp = next_stamp()

    def cut_log(self) -> None:
        """Let the log end with the changes made in place that have not been taken back."""
        if self.changes:
            del self.changes[len(self.undo) + sum([change[0] == NEW for change in self.undo]) :]

    def way_back(self, position: int) -> Root:
        """Make a root of what there was after so many of the changes in place; it bears this transaction's stamp."""
        writer = self.writer
        taken = self.undo[position:]
        half_done = writer.changing
        if self.undo and self.undo[-1] is half_done:
            half_done = None  # it was done, and noted
        if not taken and half_done is None:
            writer.changing = None
            return self.changed
        before, self.root = self.root, self.changed
        try:
            if half_done is not None:
                self.table(half_done[1]).take_back(half_done, half_done=True)
            for change in reversed(taken):
                self.table(change[1]).take_back(change)
            root = self.own_root()
        finally:
            self.root = before
        writer.changing = None
        return root

    def settle(self) -> None:
        """Let the database's newest root be what was committed last, with nothing of this transaction in it."""
        self.leave_in_place()
        if self.settled:
            return
        if self.writer.changing is not None:
            self.go_back(len(self.undo))
        database = self.database
        self.base = database.head = database.root = self.way_back(0)
        self.settled = True
        self.stamp = self.writer.stamp = next_stamp()

    def adopt(self, source: Root) -> None:
        """Let the tables be those of another database's root: both share them from now on."""
        root = self.own_root()
        root.tables = dict(source.tables)
        root.next_object_id = source.next_object_id
        root.schema = source.schema
        root.has_stale = source.has_stale
        self.writer.dirty = True
        self.renew_stamp()

    def create_table(self, definition: TableDefinition) -> int:
        """Create an empty table; its object id is assigned and returned."""
        return catalog.create_table(self, definition)

    def alter_table(self, definition: TableDefinition) -> None:
        """Change the definition of the table whose id it bears. Records are left alone: replace those that must change.

        Secondary keys keep their column positions; drop those that would not fit before.
        """
        catalog.alter_table(self, definition)

    def drop_table(self, table_id: int) -> None:
        """Drop a table with its records and secondary keys. Cost: O(its secondary keys)."""
        catalog.drop_table(self, table_id)

    def create_key(self, definition: KeyDefinition) -> int:
        """Create a secondary key, built from the records there are; its object id is assigned and returned.

        A unique one is not checked here: the planner does so by `SecondaryKey.first` or `distinct` values.
        """
        return catalog.create_key(self, definition)

    def drop_key(self, key_id: int) -> None:
        """Drop a secondary key."""
        catalog.drop_key(self, key_id)

    def derive_key(self, key_id: int, extract: Extract) -> None:
        """Build a computed key that is stale here, because its layout record came without the function."""
        definition = self.root.key(key_id).definition._replace(extract=extract)
        catalog.place_key(self, definition)
        self.derived = True

    def commit(self, lsn: LSN | None = None, epoch: Epoch | None = None) -> Root:
        """Publish what was done as the database's new root and end the transaction; return the root.

        A transaction that changed no block publishes nothing and gets no LSN: the root it began with is returned.

        Args:
            lsn: number the commit by this (a mirror) instead of the next one.
            epoch: begin this epoch (a promotion) instead of going on in the present one.
        Raises:
            TransactionClosed: it has ended before.
            OutOfStep: the log applied here breaks off where a change must follow.
            Exception: whatever the database's observer raised; the transaction is then still open, unless it was its
                wait that failed (`closed` tells).
        """
        if self.closed:
            raise TransactionClosed("commit: the transaction has ended")
        if self.expecting is not None:
            check_complete(self.expecting)
        database = self.database
        base = self.base
        if self.in_place:
            if lsn is None and epoch is None:
                return self.commit_in_place()
            self.leave_in_place()
        if not self.writer.dirty and lsn is None and epoch is None:
            return self.commit_unchanged()
        root = self.root
        if root.stamp != self.stamp:
            root = self.own_root()
        root.lsn = base.lsn + 1 if lsn is None else lsn
        if epoch is not None:
            root.epoch = epoch
        if database.observer is None and database.history is None:
            database.head = database.root = root
            self.committed = True
            self.note_own()
            self.close()
        elif database.quiet_observer is not None and database.history is None:
            self.commit_told(root)
        else:
            self.commit_observed(root)
        return root

    def prepare(self, lsn: LSN, epoch: Epoch) -> Root:
        """End the transaction as a pending commit: its root is the database's head, and shown by `Database.install`.

        No observer is told. For a mirror, which applies commits before it knows that they stand.

        Raises:
            TransactionClosed: it has ended before.
            OutOfStep: the log applied here breaks off where a change must follow.
        """
        if self.expecting is not None:
            check_complete(self.expecting)
        root = self.own_root()
        root.lsn, root.epoch = lsn, epoch
        self.writer.own = 0
        self.database.head = root
        self.committed = True
        self.close()
        return root

    def rollback(self) -> None:
        """End the transaction without a trace. Does nothing if it has ended, or has only to be closed."""
        if self.closed:
            return
        if self.committed:
            self.close()  # Something has interrupted the commit when it was done.
            return
        writer = self.writer
        if not self.settled and (self.undo or writer.changing is not None or not self.in_place):
            self.settle()
            self.root = self.base
            self.abort()
            if self.base is not self.changed and self.database.alone and not writer.own:
                writer.own = self.base.stamp  # of a root made just now
        else:
            self.root = self.base
            self.abort()

    # Steps of the above ----------------------------------------------------------------------------------------

    def note_own(self) -> None:
        """Let later transactions change in place what this one wrote, unless others read the database."""
        if self.database.alone and not self.writer.own:
            self.writer.own = self.stamp

    def commit_in_place(self) -> Root:
        """Number what was done in place, and leave the root and its stamp to the next transaction."""
        if self.writer.changing is not None:
            self.leave_in_place(len(self.undo))
            return self.commit()
        root = self.root
        wait = None
        if self.undo:
            root.lsn += 1
            observer: Any = self.database.observer
            if observer is not None:
                try:
                    wait = observer.committed_in_place(self, root)
                except BaseException:
                    if not self.committed:
                        root.lsn -= 1
                        raise
                    observer.interrupted(self, root)
                    self.close()
                    raise
        self.committed = True
        self.close()
        if wait is not None:
            wait()
        return root

    def own_root(self) -> Root:
        """Copy the root unless this transaction, by its stamp, already has."""
        if self.closed:
            raise TransactionClosed("the transaction has ended")
        self.leave_in_place()
        root = self.root
        if root.stamp != self.stamp:
            root = self.root = root.copy(self.stamp)
        return root

    def start_log(self) -> None:
        """Begin to log changes, for the observer."""
        observer: Any = self.database.observer
        changed = getattr(observer, "changed", None)
        self.changes = [] if changed is None else StreamedChanges(changed, ref(self))
        self.writer.changes = self.changes
        observer.started(self)

    def commit_unchanged(self) -> Root:
        """End a transaction that changed no block; what it derived replaces the root under the same LSN."""
        database = self.database
        base = self.base
        wait = None
        if database.root is not base:
            unchanged = getattr(database.observer, "unchanged", None)
            wait = unchanged(self) if unchanged is not None else None
        root = base
        if self.derived:
            with database.install_lock:
                if database.head is base:
                    root = database.head = self.root
                    if database.root is base:
                        database.root = root
        self.root = root
        self.committed = True
        self.abort()
        if wait is not None:
            wait()
        return root

    def commit_observed(self, root: Root) -> None:
        """Publish a root under the eyes of an observer, or with a history to keep."""
        database = self.database
        observer: Any = database.observer
        wait: Callable[[], object] | None = None
        if observer is not None:
            try:
                wait = observer.committing(self, root)
            except BaseException:
                self.withdraw(root)
                raise
        if wait is None:
            self.committed = True
            database.head = root
            try:
                wait = database.publish(root)
            except BaseException:
                self.publish_all_the_same(root)
                raise
            finally:
                self.close()
            if wait is not None:
                wait()
        else:
            try:
                self.close()
                wait()
            except BaseException:
                self.withdraw(None)
                raise
            self.committed = True
            if database.root is not root:
                database.install(root)

    def withdraw(self, root: Root | None) -> None:
        """Take back a commit that failed, or was interrupted before anybody waited for it; it may stand all the same.

        Args:
            root: what was to be committed, None if it is on its way.
        """
        withdrawn = getattr(self.database.observer, "withdrawn", None)
        if withdrawn is not None:
            withdrawn(self, root)
        if self.closed:
            return
        if self.committed:
            self.close()
            return
        # The observer may hold this root: go on with a copy, numbered as before.
        self.renew_stamp()
        self.own_root().lsn = self.base.lsn

    def commit_told(self, root: Root) -> None:
        """Publish a root, and tell an observer that keeps neither it nor anybody waiting."""
        database = self.database
        self.note_own()
        try:
            wait = database.quiet_observer.committed(self, root)
        except BaseException:
            if not self.committed:
                self.renew_stamp()
                self.own_root().lsn = self.base.lsn
                raise
            database.head = root
            self.publish_all_the_same(root)
            self.close()
            raise
        database.head = database.root = root
        self.close()
        if wait is not None:
            wait()

    def publish_all_the_same(self, root: Root) -> None:
        """Let readers and those who observe have a root that is the head, whatever has interrupted its publication."""
        database = self.database
        if database.root is not root:
            database.root = root
        interrupted = getattr(database.observer, "interrupted", None)
        if interrupted is not None:
            interrupted(self, root)

    def interrupt_wait(self) -> None:
        """Let the commit fail if it waits in its observer; any thread may call this."""
        interrupt = getattr(self.database.observer, "interrupt_wait", None)
        if interrupt is not None:
            interrupt(self)

    def abort(self) -> None:
        """End the transaction, telling the observer that nothing came of it."""
        observer = self.database.observer if self.changes is not None else None
        try:
            if observer is not None:
                observer.aborted(self)
        finally:
            self.close()

    def close(self) -> None:
        """Freeze what was written and let the next writer in."""
        self.closed = True
        self.in_place = False
        self.stamp = 0
        writer = self.writer
        writer.stamp = 0
        writer.changes = None
        writer.dirty = False
        writer.undo = None
        database = self.database
        database.open = None
        database.place[:] = VACANT
        if database.waiting and database.vacated.empty():  # `vacate`, written out: each commit ends here
            database.vacated.put(None)

    def __del__(self) -> None:
        if not getattr(self, "closed", True):  # it has none if an error came before it was made
            try:
                self.rollback()
            except BaseException:
                self.rollback()  # Interrupted in it, and nobody else will do it.
                raise
