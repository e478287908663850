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
    from tandemdb.storage import Root


class TargetLost(SecondaryLost):
    """Raised when a target cannot be reached, or has failed; it is tried again."""


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
