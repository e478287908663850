"""Authority: how long a primary may acknowledge commits, asked at each of them.

    renewal asked for                                     lease lapses at the coordinator, at the earliest
    |--------------------- 2/3 ----------------->|        |
    commits are acknowledged                     refused  somebody else may lead
                                                          the lease's seconds, counted from when it was *asked* for

Two clocks of equal rate are all that this needs, and a third of the lease is left for them to differ. The check stands
before a commit is sent and again before it is acknowledged: a process that was stopped in between, or starved, finds
its time over however late it wakes up, for the clock counts on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.replication.coordination.coordinator import Lease, boot_clock
from tandemdb.replication.errors import LeaseLost
from tandemdb.replication.observers import OuterObserver
from tandemdb.replication.pipeline import lapsed_in_doubt

if TYPE_CHECKING:
    from tandemdb.replication.system import System
    from tandemdb.storage import CommitObserver, Root, Transaction

SHARE = 2 / 3


class Authority:
    """One node's right to acknowledge commits of its own; what it applies as a secondary needs none."""

    def __init__(self, clock: Callable[[], float] = boot_clock) -> None:
        self.clock = clock
        self.until = float("-inf")

    def extend(self, asked_at: float, lease: Lease) -> None:
        """Count on a lease that was asked for, or renewed, at this time of `clock`."""
        self.until = max(self.until, asked_at + lease.seconds * SHARE)

    def end(self) -> None:
        self.until = float("-inf")

    @property
    def holds(self) -> bool:
        return self.clock() < self.until


class AuthorityObserver(OuterObserver):
    """Lets commits pass while the authority holds, before they are sent and before they are acknowledged."""

    def __init__(self, authority: Authority, system: System, inner: CommitObserver | None) -> None:
        super().__init__(inner)
        self.authority = authority
        self.system = system

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        if self.system.secondary is not None:
            return super().committing(transaction, root)
        if not self.authority.holds:
            raise lapsed()
        wait = super().committing(transaction, root)
        if wait is None:
            self._check_still(transaction)
        return wait  # The publisher checks again before it shows the commit: see `may_acknowledge`.

    def _check_still(self, transaction: Transaction) -> None:
        """Acknowledge nothing that a successor may not have heard of."""
        if self.authority.holds:
            return
        publisher = self.system.publisher
        pending = publisher.core.pending[-1] if publisher is not None and publisher.core.pending else None
        self.aborted(transaction)
        raise lapsed() if pending is None else lapsed_in_doubt(pending.transaction)


def lapsed() -> LeaseLost:
    return LeaseLost(
        "this primary cannot renew its lease and takes no writes",
        detail="Its coordinator cannot be reached, or another node leads by now.",
        hint="Connect to the node that leads: tandemdb://HOST:PORT,HOST:PORT/NAME finds it.",
    )
