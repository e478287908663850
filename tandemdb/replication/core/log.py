"""The change log's retained tail: what secondaries may still need, from the oldest LSN kept to the newest.

    base                 runs: commits that follow each other in LSN and transaction, taken over at one time
    LSN 41   ------>     42.. changes of 42, 43, 44     45.. its changes, its digest     46.. changes of 46, 47, ...
    (dropped; only its transaction and digest are remembered)

    keep_above(43)       every secondary has 43: base becomes 43; the first run goes when 44 is not needed either
    bytes_max exceeded   the oldest go; a secondary that lacked them gets blocks instead, so the bound costs no data
                         (what a run takes besides its changes is counted, too: commits one by one may be that small)

Runs, because an asynchronous primary takes over hundreds of commits at a time: an object for each would cost its
writers more than to send it does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.replication.core.messages import LSN, Change, LogRun
from tandemdb.replication.errors import ReplicationError

# What a run of one small commit takes in memory: its objects, ten times as much as its changes when they are sent.
RUN_BYTES = 512
# So many runs are kept whatever `bytes_max` is.
RUNS_MIN = 2048


class LogEntry(NamedTuple):
    """What the log tells of a committed transaction; `root` is the digest after it, if it was computed."""

    lsn: LSN
    transaction: int
    root: int | None
    time: float


class Held(NamedTuple):
    """Commits that follow each other, how many bytes they take, and the log with them since it began."""

    run: LogRun
    bytes: int
    total_bytes: int

    def entry(self, lsn: LSN) -> LogEntry:
        """Tell of one of the commits."""
        run = self.run
        return LogEntry(lsn, run.transaction + lsn - run.lsn, run.root if lsn == run.last_lsn else None, run.time)

    def bytes_up_to(self, lsn: LSN) -> int:
        """Tell the log's size with the commits up to one of these, each counted as the average."""
        count = len(self.run.counts)
        return self.total_bytes - self.bytes * (count - 1 - (lsn - self.run.lsn)) // count


class ChangeLog:
    """The tail of one database's change log on its primary."""

    def __init__(self, base: LSN, bytes_max: int, transaction: int = 0, root: int | None = None) -> None:
        self._starts: list[int] = []
        self._runs: list[Held] = []
        self.bytes_max = bytes_max
        self.base = LogEntry(base, transaction, root, 0.0)
        self.last_lsn = base
        self.total_bytes = self._base_bytes = 0

    @property
    def bytes(self) -> int:
        """The size of the commits held."""
        return self.total_bytes - self._base_bytes

    def append(
        self, lsn: LSN, transaction: int, changes: Sequence[Change], root: int | None, size_bytes: int, time: float
    ) -> None:
        """Add the newest commit, and drop the oldest while the log is larger than `bytes_max`."""
        if lsn != self.last_lsn + 1:
            raise ReplicationError(
                f"change log out of order: LSN {lsn} after {self.last_lsn}",
                hint="Commits of a mirrored database must pass its observer one by one.",
            )
        self._add(LogRun(lsn, transaction, tuple(changes), (len(changes),), root, time), size_bytes)

    def extend(
        self, transaction: int, changes: Sequence[Change], counts: Sequence[int], size_bytes: int, time: float
    ) -> None:
        """Add commits that follow each other, with numbers that do: the changes of all, and how many each made."""
        self._add(LogRun(LSN(self.last_lsn + 1), transaction, changes, counts, None, time), size_bytes)

    def runs_after(self, lsn: LSN, count_max: int, bytes_max: int) -> tuple[LogRun, ...]:
        """Return the next commits after `lsn`, up to so many and so many bytes, but one run at least.

        Runs go whole, all but a first one that is held in part: to take one apart may cost more than to send it.
        """
        place = bisect_right(self._starts, lsn + 1) - 1
        first = self._runs[place].run
        parts = [first.part(lsn + 1 - first.lsn, len(first.counts))]
        count_max -= len(parts[0].counts)
        bytes_max -= self._runs[place].bytes
        for later in range(place + 1, len(self._runs)):
            run, run_bytes, _ = self._runs[later]
            count_max -= len(run.counts)
            bytes_max -= run_bytes
            if count_max < 0 or bytes_max < 0:
                break
            parts.append(run)
        return tuple(parts)

    def keep_above(self, lsn: LSN) -> None:
        """Drop all commits up to and with `lsn`; an LSN that is gone already changes nothing."""
        lsn = min(lsn, self.last_lsn)
        if lsn <= self.base.lsn:
            return
        place = bisect_right(self._starts, lsn) - 1
        held = self._runs[place]
        self.base = held.entry(lsn)
        self._base_bytes = held.bytes_up_to(lsn)
        if lsn == held.run.last_lsn:
            place += 1
        del self._runs[:place], self._starts[:place]

    def find(self, lsn: LSN) -> LogEntry | None:
        """Tell of the commit of this LSN, the base itself included; None if it is not known."""
        if lsn == self.base.lsn:
            return self.base
        return self._run_of(lsn).entry(lsn) if self.base.lsn < lsn <= self.last_lsn else None

    def reaches_back_to(self, lsn: LSN) -> bool:
        """Tell whether all commits after `lsn` are still held."""
        return self.base.lsn <= lsn <= self.last_lsn

    def bytes_after(self, lsn: LSN) -> int:
        """Count the bytes of the commits after `lsn`, of those still held if it is older than the base."""
        if self.base.lsn < lsn <= self.last_lsn:
            return self.total_bytes - self._run_of(lsn).bytes_up_to(lsn)
        return self.bytes

    def commits_after(self, lsn: LSN) -> list[LogRun]:
        """List the commits after `lsn` that are still held, one by one, oldest first."""
        after = max(lsn, self.base.lsn)
        parts = [held.run.after(LSN(after)) for held in self._runs if held.run.last_lsn > after]
        return [one for part in parts if part is not None for one in part.each()]

    def changes_after(self, lsn: LSN) -> int:
        """Count the changes of the commits after `lsn`, which are all still held."""
        if lsn >= self.last_lsn:
            return 0
        place = bisect_right(self._starts, lsn + 1) - 1
        first = self._runs[place].run
        counts = [held.run.counts for held in self._runs[place + 1 :]]
        return sum(map(sum, [first.counts[lsn + 1 - first.lsn :], *counts]))

    def __len__(self) -> int:
        return self.last_lsn - self.base.lsn

    def _add(self, run: LogRun, size_bytes: int) -> None:
        self.total_bytes += size_bytes
        self._starts.append(run.lsn)
        self._runs.append(Held(run, size_bytes, self.total_bytes))
        self.last_lsn = run.last_lsn
        runs_max = max(RUNS_MIN, self.bytes_max // RUN_BYTES)
        while self._runs and (self.bytes > self.bytes_max or len(self._runs) > runs_max):
            # Half of a run at a time: what is left need not be less than it may be.
            first = max(self._runs[0].run.lsn, self.base.lsn + 1)
            self.keep_above(LSN((first + self._runs[0].run.last_lsn) // 2))

    def _run_of(self, lsn: LSN) -> Held:
        return self._runs[bisect_right(self._starts, lsn) - 1]
