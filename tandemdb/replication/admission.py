"""Admission: what a synchronous commit waits for before any of it is sent.

    too few secondaries are in step    the policy for losses decides (`loss`): it waits, fails, or goes on without
    one is about to get into step      it waits a moment, for under steady commits that one never would
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.errors import OperationalError
from tandemdb.replication.errors import SecondaryLost
from tandemdb.replication.observers import fenced

if TYPE_CHECKING:
    from tandemdb.replication.publisher import Publisher
    from tandemdb.storage import Transaction

JOIN_SECONDS = 0.1


class Admission:
    """A publisher's door. One commit at a time is before it, that of the thread that holds the writer's place.

    `before` is its transaction, from when it comes until others can find out that it waits for acknowledgements; None
    where nobody is there, or who was there is to go away.
    """

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.before: Transaction | None = None
        self._hold_again_at = float("-inf")

    def check(self) -> None:
        """Refuse a commit at once when too few synchronous secondaries are in step, or let it wait for them.

        Raises:
            SecondaryLost: the policy says so.
            PrimaryFenced: this system's epoch is over.
            OperationalError: interrupted.
        """
        publisher, core = self.publisher, self.publisher.core
        with publisher.lock:
            missing = core.quorum.missing()
        while missing and (publisher.links.pump_tight() or publisher.losses.settle()):
            if core.fenced_by is not None:
                break
            self.go_on()
            with publisher.lock:
                missing = core.quorum.missing()
        if core.fenced_by is not None:
            raise fenced(core)
        if missing:
            wanted = core.quorum.required()
            names = ", ".join(f"{peer.name} is {peer.state}" for peer in core.quorum.synchronous())
            raise SecondaryLost(
                "a synchronous secondary is lost and commits are refused",
                detail=f"{wanted} must acknowledge each commit, {missing} too few are in step: {names}.",
                hint="Reconnect it, detach it, or call continue_alone() to go on without.",
            )

    def let_join(self) -> None:
        """Hold a commit until a secondary that is nearly level is in step.

        At most JOIN_SECONDS, and not again for ten times as long, so that one that does not get there costs little.

        Raises:
            OperationalError: interrupted.
        """
        publisher, core = self.publisher, self.publisher.core
        now = publisher.clock()
        if now < self._hold_again_at:
            return
        deadline = now + JOIN_SECONDS
        self._hold_again_at = now + 10 * JOIN_SECONDS
        while core.quorum.is_joining(core.log.last_lsn) and core.fenced_by is None:
            remaining = deadline - publisher.clock()
            if remaining <= 0:
                return
            self.go_on()
            if not publisher.links.pump_tight():
                publisher.pause(min(remaining, publisher.links.until_due()))

    def go_on(self) -> None:
        """Go on, if the commit before the door is not to wait any longer?

        Raises:
            OperationalError: interrupted.
        """
        if self.before is None:
            raise OperationalError("interrupted", code="SQLITE_INTERRUPT")

    def interrupt(self, transaction: Transaction) -> None:
        """Let a commit wait no longer, if it does; the publisher's lock is held."""
        if self.before is transaction:
            self.before = None
