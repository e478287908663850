"""A claim: what one keeper knows of the record and of the lease, and how it changes either.

    read()                the record as it is; since when there is none        await_change()  until it may be another
    take() / give_back()  the lease           renew()  for as long again: from when that was asked, authority counts
    change(record)        compare and swap, by the revision that was read and with the lease

A change that was not answered may have been done, or be done yet, whatever is read meanwhile. Until another change of
that revision has succeeded, or the lease is another, both records count as in force (`is_sure`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tandemdb.replication.coordination.coordinator import Coordinator, CoordinatorLost, Lease, State

if TYPE_CHECKING:
    from tandemdb.replication.coordination.authority import Authority
    from tandemdb.replication.coordination.record import Record


class Claim:
    """One keeper's. Whatever asks the coordinator raises CoordinatorLost where there is no answer."""

    def __init__(
        self,
        coordinator: Coordinator,
        authority: Authority,
        lease_seconds: float,
        make_lock: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.coordinator = coordinator
        self.authority = authority
        self.lease_seconds = lease_seconds
        self.state = State(None, 0, "", 0)
        self.lease: Lease | None = None
        # Reentrant: held while the coordinator is asked, by whoever changes the record.
        self.changing = make_lock()
        # When the lease was asked for, the last time that it was given.
        self._asked_at = 0.0
        # The change of the record that was not answered: of which revision, with which lease.
        self._unanswered: tuple[int, Lease] | None = None
        # Since when there is no record, by the clock of leases.
        self._missing_since: float | None = None
        # Held only to tell whether the lease is still the one that was renewed.
        self._renewing = threading.Lock()

    @property
    def is_sure(self) -> bool:
        """Whether the record stays as it was read as long as this keeper does not change it."""
        return self._unanswered is None or self._unanswered != (self.state.revision, self.lease)

    def read(self) -> State:
        """Read the record. Not while it is changed: what was read before must not be taken for what is now."""
        with self.changing:
            self.state = self.coordinator.read()
            if self.state.record is not None:
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = self.authority.clock()
            return self.state

    def await_change(self, seconds: float) -> None:
        """Wait at most so long until the coordinator keeps something else than what was read."""
        self.coordinator.watch(self.state, seconds)

    def has_been_missing(self) -> bool:
        """Tell whether there is no record for so long that nobody counts on a lease from when there was one."""
        since = self._missing_since
        return since is not None and self.authority.clock() - since > self.lease_seconds

    def take(self, holder: str) -> Lease | None:
        """Take the lease, or go on with it; None: another has it."""
        if self.lease is None:
            self._asked_at = self.authority.clock()
            self.lease = self.coordinator.lease(holder, self.lease_seconds)
        return self.lease

    def count_on(self, lease: Lease) -> None:
        """Let commits be acknowledged for as long as the lease allows."""
        self.authority.extend(self._asked_at, lease)

    def renew(self, leads: Callable[[], bool]) -> bool:
        """Hold the lease for as long again, and count on it if this node `leads`. False: it is lost."""
        lease = self.lease
        if lease is None:
            return True
        asked_at = self.authority.clock()
        renewed = self.coordinator.renew(lease)
        with self._renewing:
            if self.lease is not lease:
                return True  # Given back meanwhile: what it allowed is over.
            if renewed:
                self._asked_at = asked_at
                if leads():
                    self.count_on(lease)
            else:
                self.lease = None
                self.authority.end()
        return renewed

    def give_back(self) -> None:
        """Give the lease back, if there is one: another may lead at once."""
        with self._renewing:
            lease, self.lease = self.lease, None
            self.authority.end()
        if lease is not None:
            self.coordinator.release(lease)

    def change(self, record: Record) -> bool:
        """Swap the record for this one, if it is as it was read. False: it was not done, and may yet be."""
        with self.changing:
            lease = self.lease
            if lease is None:
                return False
            before = self.state.revision
            unanswered = self._unanswered
            self._unanswered = before, lease
            try:
                revision = self.coordinator.cas(before, record, lease)
            except CoordinatorLost:
                self.read()
            else:
                if revision is None:
                    self._unanswered = unanswered
                    self.read()
                else:
                    self.state = self.state._replace(record=record, revision=revision)
            return self.state.revision != before and self.state.record == record
