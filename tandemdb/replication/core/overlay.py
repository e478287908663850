"""An overlay: a transaction on its way to a secondary, applied as it comes, and seen by nobody yet.

    changes    [1 2 ... 1024 ... 2048 ... 2100]       all so far: the completion says how many there must be
    marks              ^ 1024    ^ 2048               of storage, to go back to without doing all of it again

    rewind to 1500: restore the mark at 1024, apply 1025 to 1500
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import Change

if TYPE_CHECKING:
    from tandemdb.storage import Database, Mark, Transaction

MARK_EVERY_UPDATES = 1024


class Overlay:
    """One transaction; `number` is its primary's."""

    __slots__ = ("changes", "hashed", "marks", "number", "transaction")

    def __init__(self, number: int, transaction: Transaction) -> None:
        self.number = number
        self.transaction = transaction
        self.changes: list[Change] = []
        self.marks: list[tuple[int, Mark]] = []
        # How many changes there were when they were hashed.
        self.hashed = 0

    def extend(self, changes: Sequence[Change]) -> None:
        """Apply further changes."""
        blocks.apply_all(self.transaction, changes)
        self.changes += changes
        if len(self.changes) - (self.marks[-1][0] if self.marks else 0) >= MARK_EVERY_UPDATES:
            self.marks.append((len(self.changes), self.transaction.mark()))

    def hash_ahead(self) -> None:
        """Hash what has changed, if that is much: the primary waits for an answer to the completion, not to this."""
        if len(self.changes) - self.hashed >= blocks.HASH_EVERY_UPDATES:
            blocks.hash_ahead(self.transaction.root)
            self.hashed = len(self.changes)

    def rewind(self, keep: int, database: Database) -> None:
        """Take changes back, but for the first `keep`: to the last mark before that point, then forward again."""
        while self.marks and self.marks[-1][0] > keep:
            self.marks.pop()
        if self.marks:
            start, mark = self.marks[-1]
            self.transaction.restore(mark)
        else:
            start = 0
            self.transaction.rollback()
            self.transaction = blocks.begin_overlay(database)
        del self.changes[keep:]
        self.hashed = min(self.hashed, keep)
        blocks.apply_all(self.transaction, self.changes[start:])
