"""What storage calls at each commit of a database that has a feed to a backup target.

    committing    feed.begin   writes it there      secondaries acknowledge      feed.finish   commits it there
    withdrawn     feed.take_back                    somebody further out has refused it after all
    installed     feed.note_commit                  the thread of an asynchronous feed has something to do
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.errors import undecodable_seen
from tandemdb.replication.errors import CommitInDoubt
from tandemdb.replication.observers import OuterObserver, refuse_undecodable
from tandemdb.replication.system import system_of
from tandemdb.replication.targets.target import NotCommitted, TargetLost

if TYPE_CHECKING:
    from tandemdb.replication.targets.feed import Feed
    from tandemdb.storage import CommitObserver, Root, Transaction


class FeedObserver(OuterObserver):
    """Stands around all others: the target's commit is the last step, and what it refuses no secondary has seen."""

    def __init__(self, feed: Feed, inner: CommitObserver | None) -> None:
        super().__init__(inner)
        self.feed = feed
        self._inner_withdrawn = getattr(inner, "withdrawn", None)
        self.withdrawn = self._take_back

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        feed = self.feed
        if system_of(feed.database).secondary is not None:
            return super().committing(transaction, root)
        if undecodable_seen:
            refuse_undecodable(transaction.changes or ())
        if feed.mode == "async":
            return super().committing(transaction, root)
        if not root_changes(transaction, root):
            return super().committing(transaction, root)
        feed.begin(root)
        try:
            self.commit_inside(transaction, root)
        except BaseException:
            feed.undo()
            raise
        try:
            feed.finish()
        except NotCommitted:
            raise
        except TargetLost as error:
            raise in_doubt(feed, error) from error
        return None

    def installed(self, root: Root) -> None:
        super().installed(root)
        self.feed.note_commit(root)

    def _take_back(self, transaction: Transaction, root: Root | None) -> None:
        if self._inner_withdrawn is not None:
            self._inner_withdrawn(transaction, root)
        if root is not None and not transaction.committed:
            self.feed.take_back(root)


def root_changes(transaction: Transaction, root: Root) -> bool:
    """Tell whether a commit has a number of its own: a derived key or a begun epoch has not."""
    return bool(root.lsn != transaction.base.lsn)


def in_doubt(feed: Feed, error: TargetLost) -> CommitInDoubt:
    return CommitInDoubt(
        "commit in doubt: the backup target did not answer its COMMIT",
        0,
        detail=f"The transaction is rolled back here; {feed.name} may hold it until it answers again. {error}",
        hint="Repeat the transaction: the target is brought to what this database holds before it gets another.",
    )
