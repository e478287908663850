"""Targets: what one must be able to do, and its position.

    in the target, one row, changed in each transaction that changes the data:

    cluster   epoch   lsn    writer                        sequence
    5f…       3       870    drawn by each feed's start    41

A transaction compares writer and sequence before it commits, so that each is applied exactly once, and only by the
feed that was opened last: a former primary's, or one of a copy that was restored from this very target, is superseded.
After a commit whose answer was lost, the sequence tells whether it was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tandemdb.replication.errors import ReplicationError, SecondaryLost

if TYPE_CHECKING:
    from tandemdb.replication.core.messages import Term
    from tandemdb.replication.system import System
    from tandemdb.storage import Root


class TargetLost(SecondaryLost):
    """Raised when a target cannot be reached, or has failed; it is tried again."""


class NotCommitted(TargetLost):
    """Raised when a target has certainly not done a COMMIT, as one that is locked; it is tried again."""


class TargetRefused(ReplicationError):
    """Raised when a target cannot take something: a type, a value, a name. Trying again would not help."""


class Superseded(ReplicationError):
    """Raised when a target is written by another feed by now, or holds what is newer than this database."""


class Position(NamedTuple):
    """What a target holds: everything up to this LSN of this epoch of this cluster."""

    cluster: str
    epoch: int
    lsn: int
    writer: str
    sequence: int


class Claims:
    """What a database knows of positions in targets, whichever of its feeds has written them.

    writers    those drawn by its feeds
    undone     (writer, sequence) of commits that a target may hold and this database has taken back: their LSN names
               another commit by now
    started    where the target was that the database was started from
    """

    def __init__(self) -> None:
        self.writers: set[str] = set()
        self.undone: set[tuple[str, int]] = set()
        self.started: Position | None = None

    def knows(self, position: Position) -> bool:
        """Tell whether the LSN of a position on this database's history says which of its commits that is."""
        return (position.writer, position.sequence) not in self.undone

    def is_foreign(self, position: Position, history: Sequence[Term], lsn: int) -> bool:
        """Tell whether a position was written from the same target as this database was started from, but not by it.

        Each that is started there begins the same epoch, and so nothing else tells their commits apart.
        """
        started = self.started
        if started is None or position == started or position.writer in self.writers:
            return False
        if position.epoch <= started.epoch:
            return not lies_on(position, history, lsn)
        return position.epoch == started.epoch + 1


def claims_of(system: System) -> Claims:
    """Find what a system knows of positions, or begin it."""
    if system.claims is None:
        system.claims = Claims()
    return system.claims


class Target(Protocol):
    """A place for rows. Errors are TargetLost, TargetRefused and Superseded."""

    @property
    def name(self) -> str: ...
    def open(self) -> Position | None:
        """Connect, again if need be, and read the position; None if there is none."""

    def is_empty(self) -> bool:
        """Whether there is nothing of anybody's."""

    def load(self, root: Root, position: Position) -> None:
        """Begin a transaction in which all content is replaced by the root's."""

    def write(self, before: Root, after: Root, held: Position, position: Position) -> None:
        """Begin a transaction that brings it from one root to another, if it is at `held`."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


def lies_on(position: Position, history: Sequence[Term], lsn: int) -> bool:
    """Tell whether a position of this cluster lies on its history, up to `lsn`: then what it holds is known."""
    for term, follower in zip(history, [*history[1:], None], strict=True):
        if term.epoch == position.epoch:
            end = lsn if follower is None else follower.lsn
            return term.lsn <= position.lsn <= end
    return False
