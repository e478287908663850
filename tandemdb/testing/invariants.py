"""Invariants: what mirroring promises, checked on the roots that readers of each system get.

    I1  an acknowledged commit survives               I6  epoch and LSN seen at one system never go back
    I2  nothing half-applied or aborted is ever seen  I7  memory is bounded
    I3  equal LSN in one epoch => equal digest        I8  an answer about a commit in doubt is true
    I4  one system acknowledges in each epoch         I9  after healing there is progress within a bound
    I5  a standby shows prefixes, never ahead         I10 no anomaly: transactions follow each other

I2 and I10 are read off each root (`workload.entries_of`): money adds up, and the counter, which every transaction reads
and writes, has counted exactly the entries there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.testing.workload import Workload, entries_of

if TYPE_CHECKING:
    from tandemdb.storage import Database, Root


class InvariantBroken(AssertionError):
    """Raised when a promise of mirroring does not hold; the message says which, and how to run it again."""


class Observations:
    """What has been seen so far in one simulated cluster."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.digests: dict[tuple[int, int], tuple[int, str]] = {}
        self.leaders: dict[int, str] = {}
        self.newest: dict[str, tuple[int, int]] = {}
        # By epoch, the last LSN a leader has shown.
        self.shown: dict[int, int] = {}
        self.aborted: set[int] = set()

    def leader_committed(self, name: str, root: Root) -> None:
        """Note that a system has acknowledged a commit: I4, I3."""
        holder = self.leaders.setdefault(root.epoch, name)
        require(holder == name, "I4", f"{holder} and {name} both acknowledge commits in epoch {root.epoch}")
        self.shown[root.epoch] = root.lsn

    def look(self, name: str, database: Database, leads: bool) -> set[int]:
        """Look at a system as its readers do: I2, I3, I5, I6, I10. Returns the entries there."""
        root = database.root
        place = (root.epoch, root.lsn)
        require(place >= self.newest.get(name, (0, 0)), "I6", f"{name} went from {self.newest.get(name)} to {place}")
        self.newest[name] = place
        if not self.workload.is_loaded or self.workload.tables[0] not in root.tables:
            return set()  # Empty: its first blocks have not come yet.
        digest = database.digest()
        known, first = self.digests.setdefault(place, (digest, name))
        require(known == digest, "I3", f"{first} and {name} differ at LSN {root.lsn} of epoch {root.epoch}")
        if leads:
            self.shown[root.epoch] = max(self.shown.get(root.epoch, 0), root.lsn)
        elif root.epoch in self.shown:
            shown = self.shown[root.epoch]
            require(root.lsn <= shown, "I5", f"{name} shows LSN {root.lsn}, its primary only LSN {shown}")
        try:
            entries = entries_of(root, self.workload.tables)
        except AssertionError as error:
            raise InvariantBroken(f"I2: {name} at LSN {root.lsn}: {error}") from error
        wrong = entries & self.aborted
        require(not wrong, "I2", f"{name} shows {len(wrong)} entries of aborted transactions")
        return entries

    def forget(self, name: str) -> None:
        """A system was started anew, empty."""
        self.newest.pop(name, None)


def require(holds: bool, invariant: str, text: str) -> None:
    """Raise InvariantBroken unless the condition holds."""
    if not holds:
        raise InvariantBroken(f"{invariant}: {text}")
