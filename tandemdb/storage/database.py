"""Databases: the newest root, the place of its one writer, and the roots kept as history.

    readers ---> root              one attribute read, no lock
    writer  ---> place, head       head is root, or ahead of it by commits that still wait for a mirror
    history ---> {39: Root, 40: Root, 41: Root}
    open    ---> the transaction that changes `root` in place, if one does

A fork is another database that begins with the same root: every block is shared until one side writes.

Whoever has a database for itself may set `alone`: it promises that nobody reads its roots but in the thread, or under
the lock, that also writes, and that `hold` is called before anybody keeps a root, or anything that one leads to, beyond
the next change. Then single records are changed in place (`begin(in_place=True)`, see `transaction`). All methods here
that hand out a root call `hold` themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import RLock
from time import monotonic, sleep
from typing import Any

from tandemdb.storage.catalog import empty_root
from tandemdb.storage.changes import VACANT, CommitObserver, Writer
from tandemdb.storage.digest import root_digest
from tandemdb.storage.errors import HistoryGone, LockTimeout, ReadOnly, SnapshotTooOld
from tandemdb.storage.root import LSN, Root
from tandemdb.storage.transaction import Transaction

EMPTY_ROOT = empty_root()
"""Every new database begins with this root: it never changes, so they can share it."""

PENDING_SLICE_SECONDS = 0.0005
WAIT_SLICE_SECONDS = 0.1


class Database:
    """A database in RAM.

    `root` is what readers get. `observer` is told of commits; set it by `observe`, or by `set_observer` while no
    transaction is open, for one that began before has no log (`changes` None). `quiet_observer` is the same one if it
    hears of commits only, else None: looked up once, for each commit would look it up. `read_only` is the reason why
    only a mirror's applying may begin transactions, None if anyone may.
    """

    # Whether commits may wait for their acknowledgements, several at a time, while later ones are made.
    pipelines = True

    __slots__ = (
        "__weakref__",
        "alone",
        "head",
        "history",
        "history_commits",
        "install_lock",
        "lets_change_in_place",
        "name",
        "observer",
        "open",
        "place",
        "quiet_observer",
        "read_only",
        "root",
        "showing",
        "vacated",
        "waiting",
        "writer",
    )

    def __init__(self, name: str = "", root: Root | None = None) -> None:
        self.name = name
        self.root = self.head = EMPTY_ROOT if root is None else root
        self.writer = Writer()
        # The writer's place, as `changes.VACANT` tells.
        self.place: list[None] = [*VACANT]
        # An entry for each thread that waits for the place, and what one of them is woken by.
        self.waiting: list[None] = []
        self.vacated: SimpleQueue[None] = SimpleQueue()
        self.set_observer(None)
        self.read_only: str | None = None
        self.history: OrderedDict[LSN, Root] | None = None
        self.history_commits = 0
        self.install_lock = RLock()
        # Held while a prepared commit is told to the observer and shown: the observer stays the same meanwhile.
        self.showing = RLock()
        self.alone = False
        self.open: Transaction | None = None

    def begin(
        self,
        timeout: float = 5.0,
        expected: Root | None = None,
        *,
        applying: bool = False,
        in_place: bool = False,
        observed: bool = True,
    ) -> Transaction:
        """Begin the write transaction, waiting for another one to end.

        Args:
            timeout: how many seconds to wait; 0 does not wait.
            expected: the root that the caller has read, if the transaction must follow right upon it.
            applying: this is a mirror's own applying, which `read_only` does not hinder.
            in_place: it may begin to change records in place, if nobody holds the newest root.
            observed: keep a log for the observer, if there is one.
        Raises:
            LockTimeout: another transaction is still open after that time.
            ReadOnly: the database takes no local writes.
            SnapshotTooOld: `expected` is no longer the newest root.
        """
        transaction: Transaction | None = None
        taken = False
        try:
            try:
                del self.place[0]
                taken = True
            except IndexError:
                taken = timeout > 0 and self.await_place(timeout)
            if not taken:
                raise LockTimeout(self.name, timeout)
            head = self.head
            if self.read_only is not None and not applying:
                raise ReadOnly(self.name, self.read_only or "")
            if expected is not None and head is not expected:
                raise SnapshotTooOld(expected.lsn, head.lsn)
            if in_place:
                in_place = self.writer.own != 0 and self.lets_change_in_place and self.history is None
            transaction = Transaction(self, head, in_place, observed)
            transaction.closed = False
        except BaseException:
            if transaction is not None and not transaction.closed:
                transaction.rollback()
            elif taken:
                self.open = None
                self.writer.let_go()
                self.vacate()
            raise
        return transaction

    def begin_settled(self, timeout: float = 5.0, *, applying: bool = False) -> Transaction:
        """As `begin`, when no commit is pending any more: each is visible, or abandoned.

        Raises:
            LockTimeout: another transaction is still open, or a commit pending, after that time.
        """
        deadline = monotonic() + timeout
        while True:
            transaction = self.begin(max(0.0, deadline - monotonic()), applying=applying)
            while self.head is not self.root and monotonic() < deadline:
                sleep(PENDING_SLICE_SECONDS)
            if transaction.base is self.root:
                return transaction
            transaction.rollback()
            if monotonic() >= deadline:
                raise LockTimeout(self.name, timeout)

    @property
    def is_taken(self) -> bool:
        """Whether somebody has the writer's place: a transaction is open."""
        return not self.place

    def take(self) -> bool:
        """Take the writer's place if it is free; returns whether it was."""
        try:
            del self.place[0]
        except IndexError:
            return False
        return True

    def await_place(self, timeout: float) -> bool:
        """Wait for the writer's place; returns whether it was taken in time.

        Not at a lock: that would go to a thread that sleeps, and each one that is awake and comes for it meanwhile
        would have to sleep, too, until the first has woken and got the interpreter. So whoever is awake takes it first.
        """
        waiting = self.waiting
        deadline = monotonic() + timeout
        taken = False
        waiting.append(None)
        try:
            while not (taken := self.take()):
                remaining = deadline - monotonic()
                if remaining <= 0:
                    return False
                try:
                    self.vacated.get(timeout=min(remaining, WAIT_SLICE_SECONDS))
                except Empty:
                    continue
            return True
        finally:
            del waiting[-1]
            if not taken and waiting:
                self.vacated.put(None)  # It may have been woken in another one's place.

    def vacate(self) -> None:
        """Give the writer's place back, and wake one of those who wait for it, unless one is woken already."""
        self.place[:] = VACANT
        if self.waiting and self.vacated.empty():
            self.vacated.put(None)

    def hold(self) -> None:
        """Let the newest root be kept by whoever likes: from now on it does not change. Cost: O(1), usually."""
        if self.writer.outstanding:
            self.writer.catch_up()
        self.writer.own = 0
        if self.open is not None:
            self.open.settle()

    def forget(self) -> None:
        """Let go of what is only of use to later readers of a database that nobody uses any more."""
        for secondary in self.writer.outstanding.values():
            secondary.forget_changes()  # key and changes refer to each other
        self.writer.outstanding.clear()

    def share(self) -> None:
        """Others, a mirror's link or another thread, read this database from now on: nothing is changed in place."""
        self.alone = False
        self.hold()

    def snapshot(self) -> Root:
        """Return the newest root; whoever holds it sees the database as of now. Cost: see `hold`."""
        self.hold()
        return self.root

    def fork(self, name: str = "") -> Database:
        """Make another database that begins with this one's content and shares its blocks. Cost: O(1).

        LSN and epoch go on from here in both; observer, history and `read_only` stay behind.
        """
        return Database(name or self.name, self.snapshot())

    def keep_history(self, commits: int) -> None:
        """Keep the roots of so many commits from now on, for `root_at`; 0 forgets them."""
        self.hold()
        with self.install_lock:
            self.history_commits = commits
            if commits <= 0:
                self.history = None
                return
            history: OrderedDict[LSN, Root] = self.history or OrderedDict()
            self.remember(history, self.root)
            self.history = history

    def root_at(self, lsn: LSN) -> Root:
        """Return the root of an earlier commit.

        Raises:
            HistoryGone: it is not kept (see `keep_history`), or not committed yet.
        """
        root = self.snapshot()
        if lsn == root.lsn:
            return root
        history = self.history
        if history is None or lsn not in history:
            raise HistoryGone(lsn, min(history or (), default=root.lsn), root.lsn)
        return history[lsn]

    def digest(self) -> int:
        """Return the digest of the newest root. Cost: O(records) the first time, then O(blocks changed + tables)."""
        return root_digest(self.snapshot())

    def publish(self, root: Root) -> Callable[[], object] | None:
        """Let readers have a root that was committed, whatever they have now: it may be an earlier one (a rewind).

        Returns what the observer wants called when the next transaction may begin.
        """
        self.writer.own = 0
        with self.install_lock:
            history = self.history
            if history is not None:
                while history and next(reversed(history)) >= root.lsn:
                    history.popitem()
                self.remember(history, root)
            self.root = root
            return self.observer.installed(root) if self.observer is not None else None

    def install(self, root: Root) -> None:
        """Let readers have a root that was pending, unless it or a later one is installed already."""
        self.writer.own = 0
        with self.install_lock:
            head = self.head
            if head.lsn == root.lsn and head.epoch == root.epoch:
                root = head  # The same commit, with a key derived meanwhile.
            if self.history is not None and root.lsn not in self.history:
                self.remember(self.history, root)
            if root.lsn > self.root.lsn or root.epoch > self.root.epoch:
                self.root = root
                if self.observer is not None:
                    try:
                        self.observer.installed(root)
                    except BaseException:
                        interrupted = getattr(self.observer, "interrupted", None)
                        if interrupted is not None:
                            interrupted(None, root)
                        raise

    def abandon_pending(self, newest: Root | None = None) -> None:
        """Forget the commits that still wait to be installed, all or those after `newest`.

        A transaction that is open on one of them finds its base no longer to be the head: it cannot be committed.
        """
        with self.install_lock:
            self.writer.own = 0
            self.head = self.root if newest is None else newest

    def rewind(self, root: Root, timeout: float = 5.0) -> None:
        """Go back to an earlier root of this database, or over to a root of another one; pending commits go too.

        Raises:
            LockTimeout: another transaction is still open after that time.
        """
        transaction = self.begin(timeout, applying=True)
        try:
            self.head = root
            self.publish(root)
        finally:
            transaction.rollback()

    def observe(self, observer: CommitObserver | None, timeout: float = 5.0) -> Root:
        """Set the observer between two transactions; return the root that its first commit will follow.

        Raises:
            LockTimeout: another transaction is still open after that time.
        """
        transaction = self.begin(timeout, applying=True)
        try:
            self.set_observer(observer)
            self.writer.own = 0
            return transaction.base
        finally:
            transaction.rollback()

    def set_observer(self, observer: CommitObserver | None) -> None:
        """Set the observer; no transaction is open."""
        self.observer = observer
        told = self.observer  # Another one, where a database is its file's: that stands around the one that was set.
        self.quiet_observer: Any = told if getattr(told, "hears_commits_only", False) else None
        self.lets_change_in_place: bool = told is None or getattr(told, "lets_change_in_place", False)

    def remember(self, history: OrderedDict[LSN, Root], root: Root) -> None:
        """Keep a root, and forget the oldest beyond the number to keep."""
        history[root.lsn] = root
        while len(history) > self.history_commits:
            history.popitem(last=False)

    def __repr__(self) -> str:
        return f"<Database {self.name!r}: LSN {self.root.lsn}>"
