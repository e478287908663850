"""What storage calls at each commit of a primary, by what its secondaries need to hear.

    LooseObserver       all are asynchronous: a commit is put down, the background thread does the rest
    Publisher           also digests at commits
    StreamingObserver   some are synchronous: each change as it is made, and commits that wait

    OuterObserver       stands around one of these, or around none, to add a condition or a target of its own
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tandemdb.errors import NotSupportedError, undecodable_seen
from tandemdb.replication.acknowledging import chosen_level
from tandemdb.replication.acknowledging import seen as levels_seen
from tandemdb.replication.core.messages import LSN, Change
from tandemdb.replication.errors import PrimaryFenced
from tandemdb.replication.network import wire
from tandemdb.storage.changes import APPEND

if TYPE_CHECKING:
    from tandemdb.replication.core.primary import Primary
    from tandemdb.replication.publisher import Publisher
    from tandemdb.storage import CommitObserver, Root, Transaction

TOGETHER_MAX = 256
"""So many commits, or changes of commits that made several, are gathered before their writer hands them to the log."""
CHANGES_MANY = 256
"""A commit with more changes is one after which the next one copies what it changes."""
IN_PLACE_COMMITS = 1 << 16
"""After so many commits the next one copies what it changes, and begins with new stamps."""


class LooseObserver:
    """What storage calls where all secondaries are asynchronous: a commit is put down for the background thread.

    Nothing more is done while the writer waits: this is a tenth of what a small commit costs in all.
    """

    hears_commits_only = True

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.lets_change_in_place = publisher.is_loose
        self._in_place_until = 0
        self._writer = publisher.writer
        self._gathering = publisher.gathering
        self._commits = publisher.gathering.commits
        self._core = publisher.core
        self.refuse_table = publisher.refuse_table
        self._changes: list[Change] | None = None
        # Whether the commit that is to be installed came as blocks.
        self._jumps = False
        # Changes gathered of commits that made several, since some were handed to the log.
        self._several = 0

    def started(self, transaction: Transaction) -> None:
        """Nothing is noted of a transaction that may yet change nothing."""

    def committing(self, transaction: Transaction, root: Root) -> None:
        """Keep the changes until the root is installed."""
        self._refuse(transaction)
        self._changes = transaction.changes
        self._jumps = self._changes is None

    def installed(self, root: Root) -> Callable[[], object] | None:
        """Put the commit down."""
        changes, self._changes = self._changes, None
        if self._jumps:
            self._jumps = False
            self.publisher.jump(root)
            return None
        return self._put_down(changes or [], root)

    def committed(self, transaction: Transaction, root: Root) -> Callable[[], object] | None:
        """Refuse a commit, or put it down."""
        if undecodable_seen or self._core.fenced_by is not None:
            self._refuse(transaction)
        changes: list[Change] = transaction.changes or []
        transaction.committed = True
        gathering = self._gathering
        newest = gathering.newest
        if len(changes) != 1 or changes[0][0] == APPEND or self._writer.own:
            if transaction.changes is None:
                self.publisher.jump(root)
                return None
            return self._put_down(changes, root)
        if newest is None or root.lsn != newest.lsn + 1:
            return self._put_down(changes, root)
        # `_put_down` and `_gather`, written out for one change.
        gathering.newest = root
        commits = self._commits
        if not commits:
            gathering.stamp = root.stamp
        commits.append(changes[0])
        if not 1 < len(commits) < TOGETHER_MAX:
            self._move_on()
        return self._wait_for_readers(root) if levels_seen else None

    def committed_in_place(self, transaction: Transaction, root: Root) -> Callable[[], object] | None:
        """As `committed`, with what that calls written out: each call takes a fiftieth of such a commit."""
        if undecodable_seen or self._core.fenced_by is not None:
            self._refuse(transaction)
        changes: list[Change] = transaction.changes  # type: ignore[assignment]
        transaction.committed = True
        gathering, commits = self._gathering, self._commits
        gathering.newest = root
        if root.lsn >= self._in_place_until:
            self.publisher.take_over(root, changes, None, stamp=self._stamp_below_changes(root))
            self.publisher.wake()
            return self._wait_for_readers(root) if levels_seen else None
        # `_gather`, written out for one change.
        if not commits:
            gathering.stamp = self._writer.own - 1
        if len(changes) == 1:
            commits.append(changes[0])
            if not 1 < len(commits) < TOGETHER_MAX:
                self._move_on()
        else:
            self._gather_several(changes)
        return self._wait_for_readers(root) if levels_seen else None

    def interrupted(self, transaction: Transaction, root: Root) -> None:
        """Put down a commit that stands, unless that was done before something interrupted it."""
        publisher = self.publisher
        with publisher.lock:
            publisher.drain()
            if self._core.log.last_lsn < root.lsn:
                publisher.take_over(root, transaction.changes or (), None, stamp=self._stamp_below_changes(root))
        publisher.wake()

    def aborted(self, transaction: Transaction) -> None:
        """Nothing was noted."""

    def _put_down(self, changes: list[Change], root: Root) -> Callable[[], object] | None:
        """Put a commit down. Not the root: held, it would keep each block that later commits replace."""
        if changes and (len(changes) > CHANGES_MANY or changes[0][0] == APPEND):
            self._writer.own = 0  # What it wrote is older than what will be changed, as a secondary away should know.
        stamp = root.stamp if not self._writer.own else self._stamp_below_changes(root)
        gathering = self._gathering
        newest, gathering.newest = gathering.newest, root
        if not changes or changes[0][0] == APPEND or newest is None or root.lsn != newest.lsn + 1:
            self.publisher.take_over(root, changes, None, stamp=stamp)
            self.publisher.wake()
        else:
            self._gather(changes, stamp)
        return self._wait_for_readers(root) if levels_seen and changes else None

    def _gather(self, changes: list[Change], stamp: int) -> None:
        """Leave a commit to the background thread, or many at once to the log."""
        commits = self._commits
        if not commits:
            self._gathering.stamp = stamp
        if len(changes) == 1:
            commits.append(changes[0])
            if not 1 < len(commits) < TOGETHER_MAX:
                self._move_on()
        else:
            self._gather_several(changes)

    def _gather_several(self, changes: list[Change]) -> None:
        """Leave a commit of several changes to the background thread, or what is there to the log."""
        self._commits.append(changes)
        self._several += len(changes)
        if self._several >= TOGETHER_MAX:
            self._several = 0
            self.publisher.relieve()
        self.publisher.wake()

    def _move_on(self) -> None:
        """Wake the background thread for the first commit gathered, or hand many to the log."""
        if len(self._commits) == 1:
            self.publisher.wake()
        else:
            self.publisher.relieve()

    def _refuse(self, transaction: Transaction) -> None:
        """Refuse a commit of a primary whose epoch is over, or one that no message can carry."""
        if self._core.fenced_by is not None:
            raise fenced(self._core)
        if undecodable_seen:
            refuse_undecodable(transaction.changes or ())

    def _wait_for_readers(self, root: Root) -> Callable[[], object] | None:
        """Return what waits until a secondary shows this commit, if that is what this thread wants."""
        if chosen_level() in (None, "none"):
            return None
        return partial(self.publisher.await_shown, LSN(root.lsn), "async")

    def _stamp_below_changes(self, root: Root) -> int:
        """Return a stamp that all blocks changed after this commit will exceed.

        Those changed in place keep the stamps they have, from the oldest that may be. It is made newer now and then,
        so that a secondary that has been away is not sent all that was ever changed in place.
        """
        writer = self._writer
        if not writer.own:
            return root.stamp
        stamp = writer.own - 1
        if root.lsn >= self._in_place_until:
            self._in_place_until = root.lsn + IN_PLACE_COMMITS
            writer.own = 0
        return stamp


class StreamingObserver:
    """A publisher that also hears of every change as it is made: tight sequencing."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.started = publisher.started
        self.committing = publisher.committing
        self.installed = publisher.installed
        self.aborted = publisher.aborted
        self.interrupted = publisher.interrupted
        self.interrupt_wait = publisher.interrupt_wait
        self.unchanged = publisher.unchanged
        self.refuse_table = publisher.refuse_table
        self.withdrawn = publisher.withdrawn

    def changed(self, transaction: Transaction, change: Change) -> None:
        changes = transaction.changes
        if changes is not None:
            self.publisher.stream(transaction, changes)

    def rewound(self, transaction: Transaction, count: int) -> None:
        if transaction.changes is not None:
            self.publisher.stream(transaction, transaction.changes)


class OuterObserver:
    """Passes everything on to the observer inside, if there is one; those that add something derive from it."""

    def __init__(self, inner: CommitObserver | None) -> None:
        self.inner = inner
        for name in ("changed", "interrupt_wait", "interrupted", "refuse_table", "rewound", "unchanged", "withdrawn"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    def started(self, transaction: Transaction) -> None:
        if self.inner is not None:
            self.inner.started(transaction)

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        return self.inner.committing(transaction, root) if self.inner is not None else None

    def commit_inside(self, transaction: Transaction, root: Root) -> None:
        """Let all inside commit, and wait for them: for who has the last word. What one of them raises undoes it."""
        wait = OuterObserver.committing(self, transaction, root)
        if wait is not None:
            wait()

    def installed(self, root: Root) -> None:
        if self.inner is not None:
            wait = self.inner.installed(root)
            if wait is not None:
                wait()

    def aborted(self, transaction: Transaction) -> None:
        if self.inner is not None:
            self.inner.aborted(transaction)


def fenced(core: Primary) -> PrimaryFenced:
    """Make the error of a primary whose epoch is over."""
    return PrimaryFenced(
        "this system is no longer the primary",
        detail=f"Its epoch {core.identity.epoch} ended when a secondary was promoted to epoch {core.fenced_by}.",
        hint="Write to the new primary; attach this system to it to rejoin.",
    )


def refuse_undecodable(changes: Sequence[Change]) -> None:
    """Refuse a commit that no message can carry.

    Raises:
        NotSupportedError: it stores text that is no UTF-8, such as CAST(x'ff' AS TEXT).
    """
    if not wire.can_carry(changes):
        raise NotSupportedError(
            "text that is no UTF-8 cannot be mirrored",
            detail="The commit stores a text made of bytes that do not decode; the transaction is still open.",
            hint="Roll it back, and store the bytes as a BLOB.",
        )
