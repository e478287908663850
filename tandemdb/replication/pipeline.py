"""Commits that wait for their acknowledgements, oldest first, while later ones are made.

    writer 1   complete 42, leave the writer's place --> wait: leads      sends, polls, installs 42 and 43, wakes -->
    writer 2   begins on 42, complete 43, leave it ----> wait: sends, sleeps                               woken -->
    writer 3   begins on 43, changes ...

An acknowledgement is of all commits up to its own, so one answer may release many: however long the way to the
secondary, it is not the number of commits that is bounded by it. One of the waiting threads *leads*: it takes what
comes and decides for all, the others sleep; it leads until its own commit is settled, then the oldest one's thread
does. A commit becomes visible after all those before it. If one is given up, all after it go too, and so does what is
open: they build on it.

A ticket that does not go ahead is of a thread that holds the writer's place while it waits and installs its commit
itself, because somebody around the publisher has the last word: a store apart, a synchronous backup target, a file.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.replication.core.limits import standstill
from tandemdb.replication.errors import BaseAbandoned, CommitInDoubt, FencedInDoubt, ReplicationError
from tandemdb.replication.places import await_place
from tandemdb.storage.changes import VACANT

if TYPE_CHECKING:
    from tandemdb.replication.core.primary import Pending
    from tandemdb.replication.publisher import Publisher
    from tandemdb.storage import Database, Root, Transaction

# A sleeping thread looks up so often, whatever happens.
SLEEP_SECONDS = 0.25


class Ticket:
    """One commit that waits. `error` is what its committer is told; once `settled`, nothing changes any more."""

    __slots__ = (
        "database",
        "deadline",
        "error",
        "goes_ahead",
        "has_left",
        "is_slept_for",
        "is_stopped",
        "pending",
        "root",
        "settled",
        "transaction",
        "wake",
    )

    def __init__(
        self, pending: Pending, transaction: Transaction, root: Root, goes_ahead: bool, deadline: float
    ) -> None:
        self.pending = pending
        self.transaction = transaction
        self.database: Database = transaction.database
        self.root = root
        self.goes_ahead = goes_ahead
        self.deadline = deadline
        self.settled = False
        self.error: ReplicationError | None = None
        self.is_slept_for = False
        # Whether its committer was interrupted by another thread.
        self.is_stopped = False
        self.has_left = False
        self.wake: queue.SimpleQueue[None] = queue.SimpleQueue()


class Pipeline:
    """A publisher's tickets. They are entered, and taken out, under the publisher's lock."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.tickets: deque[Ticket] = deque()
        # Settled ones whose threads sleep. They are woken one by the other: all at a time would wait for each other.
        self._to_wake: deque[Ticket] = deque()
        self._leading: list[None] = [*VACANT]
        self._has_stopped = False
        # When whoever leads was to look again.
        self._looks_at = float("-inf")

    def enter(self, pending: Pending, transaction: Transaction, root: Root, goes_ahead: bool, now: float) -> Ticket:
        """Give a commit a ticket; if it goes ahead, the next transaction begins on it. The lock is held."""
        publisher = self.publisher
        deadline = now + publisher.timeout_seconds
        ticket = Ticket(pending, transaction, root, goes_ahead, deadline)
        if goes_ahead:
            transaction.database.head = root
        self.tickets.append(ticket)
        publisher.is_awaiting = True
        return ticket

    def find(self, root: Root) -> Ticket | None:
        """Find the ticket of a root, or of what a key derived meanwhile has made of it. The lock is held."""
        return next((ticket for ticket in self.tickets if ticket.root.lsn == root.lsn), None)

    def stop(self, transaction: Transaction) -> None:
        """Let a commit wait no longer, if it does: who leads gives it up. The lock is held."""
        for ticket in self.tickets:
            if ticket.transaction is transaction:
                ticket.is_stopped = self._has_stopped = True

    def withdraw(self, transaction: Transaction) -> None:
        """Undo the commit of a transaction that nobody waits for, if it has a ticket and is not settled."""
        with self.publisher.lock:
            ticket = next((ticket for ticket in self.tickets if ticket.transaction is transaction), None)
        if ticket is not None:  # Else there is no need to wait for who leads.
            await_place(self._leading)
            try:
                if not ticket.settled:
                    self._end_interrupted(ticket)
            finally:
                self._leading[:] = VACANT

    def await_settled(self, ticket: Ticket, is_own: bool = True) -> None:
        """Wait until a commit is released and, if it goes ahead, visible; `is_own`: the commit is this thread's.

        Raises:
            CommitInDoubt: it was sent, and is rolled back here.
        """
        publisher = self.publisher
        try:
            publisher.links.pump_tight(tick=not publisher.links.has_files)
            # What was sent just now is not answered yet: wait at once, or look for what there is first?
            # Where nobody's answer is wanted, as when all who were in step are given up, none may ever come.
            looks = (
                not publisher.links.has_files or len(self.tickets) != 1 or publisher.core.released(ticket.pending)
            )
            while not ticket.settled:
                try:
                    del self._leading[0]
                except IndexError:
                    looks = True
                    self._sleep(ticket)
                    continue
                try:
                    self._lead(ticket, looks)
                finally:
                    self._leading[:] = VACANT
                if self.tickets:
                    self._pass_on()
        except BaseException:
            await_place(self._leading)
            try:
                if is_own and not ticket.settled:
                    self._end_interrupted(ticket)
            finally:
                self._leading[:] = VACANT
            raise
        finally:
            ticket.has_left = ticket.has_left or is_own
            if self._to_wake:
                self._wake_next()
        if ticket.error is not None:
            raise ticket.error
        if ticket.pending.level == "visible" and ticket.goes_ahead:
            publisher.await_shown(ticket.pending.lsn, "sync")

    # Helpers, in call order.

    def _lead(self, ticket: Ticket, looks: bool) -> None:
        """Take what comes and settle what can be, until this ticket is."""
        publisher = self.publisher
        moved = looks
        if looks:
            self._install_released()
        while not ticket.settled:
            if publisher.core.fenced_by is not None:
                self._abandon(self.tickets[0], fenced_in_doubt)
                return
            if self._has_stopped:
                self._abandon_stopped()
                continue
            if not moved:
                self._wait_or_decide(self.tickets[0])
            moved = publisher.links.pump_tight()
            self._install_released()

    def _install_released(self) -> None:
        """Show readers what enough secondaries have, in order, and wake who waits for it."""
        publisher, tickets = self.publisher, self.tickets
        while tickets and publisher.core.released(tickets[0].pending):
            first = tickets[0]
            if first.goes_ahead:
                if not publisher.may_acknowledge():
                    self._abandon(first, lapsed_in_doubt)
                    return
                self._install(first)
            with publisher.lock:
                tickets.popleft()
                publisher.is_awaiting = bool(tickets)
            self._settle(first)
        if self._to_wake:
            self._wake_next()

    def _install(self, ticket: Ticket) -> None:
        ticket.database.install(ticket.root)
        ticket.transaction.committed = True

    def _end_interrupted(self, ticket: Ticket) -> None:
        """Undo a commit whose thread was interrupted, unless readers have it by now; only who leads does."""
        publisher, tickets = self.publisher, self.tickets
        if any(pending is ticket.pending for pending in publisher.core.pending):
            self._abandon(ticket, in_doubt)
            return
        with publisher.lock:
            if ticket in tickets:  # Else it was interrupted when that was done.
                tickets.remove(ticket)
            publisher.is_awaiting = bool(tickets)
        ticket.transaction.committed = True
        self._settle(ticket)

    def _abandon_stopped(self) -> None:
        self._has_stopped = False
        stopped = next((ticket for ticket in self.tickets if ticket.is_stopped), None)
        if stopped is not None:
            self._abandon(stopped, stopped_in_doubt)

    def _wait_or_decide(self, first: Ticket) -> None:
        """Wait for an answer; if the oldest commit has none in time, let the policy for losses decide."""
        publisher = self.publisher
        now = publisher.clock()
        if away := standstill(now, max(self._looks_at, first.pending.time)):
            for ticket in list(self.tickets):
                ticket.deadline += away
        remaining = first.deadline - now
        if remaining > 0 and not publisher.links.is_cut_off():
            seconds = min(remaining, publisher.links.until_due())
            self._looks_at = now + seconds
            publisher.pause(seconds)
            return
        heard_at = publisher.core.heard_at(first.pending)
        if heard_at is not None and heard_at + publisher.timeout_seconds > publisher.clock():
            self._put_off(heard_at + publisher.timeout_seconds)
            return
        publisher.mistrust_silent(first.pending)
        if publisher.losses.settle():
            self._looks_at = publisher.clock()
            self._put_off(self._looks_at + publisher.timeout_seconds)
        else:
            publisher.mistrust_silent(first.pending)
            self._abandon(first, in_doubt)

    def _put_off(self, deadline: float) -> None:
        for ticket in list(self.tickets):
            ticket.deadline = max(ticket.deadline, deadline)

    def _abandon(self, first: Ticket, error: Callable[[int], ReplicationError]) -> None:
        """Undo a commit, all after it, and what is open; only who leads does."""
        publisher, tickets = self.publisher, self.tickets
        failed: deque[Ticket] = deque()
        with first.database.install_lock, publisher.lock:
            while first not in failed:
                failed.appendleft(tickets.pop())
            publisher.abandon(first.pending)
            if first.goes_ahead:
                first.database.abandon_pending(tickets[-1].root if tickets else None)
            publisher.is_awaiting = bool(tickets)
        for ticket in failed:
            ticket.error = error(ticket.pending.transaction)
            self._settle(ticket)
        self._wake_next()
        publisher.links.pump_tight()

    def _settle(self, ticket: Ticket) -> None:
        ticket.settled = True
        if ticket.is_slept_for:
            self._to_wake.append(ticket)

    def _wake_next(self) -> None:
        """Wake the next thread whose commit is settled; it wakes the one after it."""
        to_wake = self._to_wake
        try:
            while (ticket := to_wake.popleft()).has_left:
                pass
        except IndexError:
            return
        ticket.wake.put(None)

    def _pass_on(self) -> None:
        """Let the thread of the oldest ticket lead."""
        with self.publisher.lock:
            if self.tickets:
                self.tickets[0].wake.put(None)

    def _sleep(self, ticket: Ticket) -> None:
        publisher = self.publisher
        if publisher.is_driven:
            publisher.pause(publisher.links.until_due())
            return
        ticket.is_slept_for = True
        if ticket.settled:
            return
        try:
            ticket.wake.get(timeout=SLEEP_SECONDS)
        except queue.Empty:
            return
        if ticket.settled:
            ticket.wake.put(None)  # Another thread may wait for what this one has made.


ASK_LATER = "Ask whichever system leads later before repeating the transaction."


def in_doubt(transaction: int) -> CommitInDoubt:
    return CommitInDoubt(
        "commit in doubt: it was sent and not acknowledged",
        transaction,
        detail=f"Transaction {transaction} is rolled back here. A secondary that holds it undoes it when it"
        " returns to this primary, and keeps it if it is promoted instead.",
        hint=ASK_LATER,
    )


def stopped_in_doubt(transaction: int) -> CommitInDoubt:
    return CommitInDoubt(
        "commit in doubt: it was interrupted while it waited to be acknowledged",
        transaction,
        detail=f"Transaction {transaction} is rolled back here, and with it what was built on it."
        " A secondary that holds it keeps it if it is promoted.",
        hint=ASK_LATER,
    )


def lapsed_in_doubt(transaction: int) -> CommitInDoubt:
    return CommitInDoubt(
        "commit in doubt: this primary could not renew its lease while it waited",
        transaction,
        detail="The transaction is rolled back here. A secondary that holds it keeps it if it is promoted.",
        hint=ASK_LATER,
    )


def fenced_in_doubt(transaction: int) -> FencedInDoubt:
    return FencedInDoubt(
        "commit in doubt: this system is no longer the primary",
        transaction,
        detail=f"A secondary was promoted while transaction {transaction} waited to be acknowledged.",
        hint="Ask the new primary before repeating the transaction; attach this system to it to rejoin.",
    )


def base_abandoned() -> BaseAbandoned:
    return BaseAbandoned(
        "the commit that this transaction builds on was rolled back",
        detail="It was sent and not acknowledged in time; nothing of this transaction is anywhere.",
        hint="Roll back and begin again.",
    )
