"""The change log's retained tail: what secondaries may still need, from the oldest LSN kept to the newest.

    base                 runs: commits that follow each other in LSN and transaction, taken over at one time
    LSN 41   ------>     42.. [changes, changes, changes]     45.. [changes], its digest     46.. [changes, ...]
    (dropped; only its transaction and digest are remembered)

    keep_above(43)       every secondary has 43: base becomes 43, the first run begins with 44
    bytes_max exceeded   the oldest go; a secondary that lacked them gets blocks instead, so the bound costs no data

Runs, because an asynchronous primary takes over hundreds of commits at a time: an object for each would cost its
writers more than to send it does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.replication.core.limits import BATCH_COMMITS_MAX
from tandemdb.replication.core.messages import LSN, Change, LogRun
from tandemdb.replication.errors import ReplicationError


class LogEntry(NamedTuple):
    """One committed transaction, as the log tells of it; `root` is the digest after it, if it was computed."""

    lsn: LSN
    transaction: int
    changes: Sequence[Change]
    root: int | None
    time: float


class Run:
    """Commits that follow each other. `root` is the last one's digest, `total_bytes` the log's size with this run."""

    __slots__ = ("bytes", "commits", "lsn", "root", "time", "total_bytes", "transaction")

    def __init__(
        self,
        lsn: LSN,
        transaction: int,
        commits: Sequence[Sequence[Change]],
        root: int | None,
        size_bytes: int,
        total_bytes: int,
        time: float,
    ) -> None:
        self.lsn = lsn
        self.transaction = transaction
        self.commits = commits
        self.root = root
        self.bytes = size_bytes
        self.total_bytes = total_bytes
        self.time = time

    def entry(self, lsn: LSN) -> LogEntry:
        """Return one of its commits."""
        place = lsn - self.lsn
        root = self.root if place == len(self.commits) - 1 else None
        return LogEntry(lsn, self.transaction + place, self.commits[place], root, self.time)

    def bytes_up_to(self, lsn: LSN) -> int:
        """Tell the log's size with the commits up to one of these, each counted as the average."""
        count = len(self.commits)
        return self.total_bytes - self.bytes * (count - 1 - (lsn - self.lsn)) // count

    def part(self, start: int, stop: int) -> LogRun:
        """Return some of its commits as they are sent."""
        commits = self.commits
        root = self.root if stop >= len(commits) else None
        return LogRun(LSN(self.lsn + start), self.transaction + start, tuple(commits[start:stop]), root, self.time)

    def drop(self, count: int) -> None:
        """Let go of so many commits at the beginning, not of all."""
        self.bytes -= self.bytes * count // len(self.commits)
        self.commits = self.commits[count:]
        self.lsn = LSN(self.lsn + count)
        self.transaction += count


class ChangeLog:
    """The tail of one database's change log on its primary."""

    def __init__(self, base: LSN, bytes_max: int, transaction: int = 0, root: int | None = None) -> None:
        self._starts: list[int] = []
        self._runs: list[Run] = []
        self.bytes_max = bytes_max
        self.base = LogEntry(base, transaction, (), root, 0.0)
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
        self._add(transaction, (tuple(changes),), root, size_bytes, time)

    def extend(self, commits: list[Sequence[Change]], transaction: int, change_bytes: int, time: float) -> None:
        """Add commits that follow each other, with numbers that do, their sizes estimated from a change's."""
        for start in range(0, len(commits), BATCH_COMMITS_MAX):
            run = commits[start : start + BATCH_COMMITS_MAX]
            self._add(transaction + start, run, None, change_bytes * sum(map(len, run)), time)

    def runs_after(self, lsn: LSN, count_max: int, bytes_max: int) -> tuple[LogRun, ...]:
        """Return the next commits after `lsn`: one at least, up to so many and about so many bytes."""
        parts: list[LogRun] = []
        place = bisect_right(self._starts, lsn + 1) - 1
        while place < len(self._runs) and count_max > 0 and (bytes_max > 0 or not parts):
            run = self._runs[place]
            start = lsn + 1 - run.lsn
            size = max(1, run.bytes // len(run.commits))
            stop = min(len(run.commits), start + count_max, start + max(1, bytes_max // size))
            parts.append(run.part(start, stop))
            if stop < len(run.commits):
                break
            lsn = LSN(run.lsn + stop - 1)
            count_max -= stop - start
            bytes_max -= (stop - start) * size
            place += 1
        return tuple(parts)

    def keep_above(self, lsn: LSN) -> None:
        """Drop all commits up to and with `lsn`; an LSN that is gone already changes nothing."""
        lsn = min(lsn, self.last_lsn)
        if lsn <= self.base.lsn:
            return
        place = bisect_right(self._starts, lsn) - 1
        run = self._runs[place]
        self.base = run.entry(lsn)._replace(changes=())
        self._base_bytes = run.bytes_up_to(lsn)
        gone = lsn + 1 - run.lsn
        if gone < len(run.commits):
            run.drop(gone)
            self._starts[place] = run.lsn
        else:
            place += 1
        del self._runs[:place], self._starts[:place]

    def find(self, lsn: LSN) -> LogEntry | None:
        """Return the entry of this LSN, the base itself included (without its changes), or None."""
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

    def entries_after(self, lsn: LSN) -> list[LogEntry]:
        """List the commits after `lsn` that are still held, oldest first."""
        numbers = range(max(lsn, self.base.lsn) + 1, self.last_lsn + 1)
        return [self._run_of(LSN(number)).entry(LSN(number)) for number in numbers]

    def changes_after(self, lsn: LSN) -> int:
        """Count the changes of the commits after `lsn`, which are all still held."""
        parts = self.runs_after(lsn, self.last_lsn - lsn, self.total_bytes + 1) if lsn < self.last_lsn else ()
        return sum(len(changes) for part in parts for changes in part.commits)

    def __len__(self) -> int:
        return self.last_lsn - self.base.lsn

    def _add(
        self, transaction: int, commits: Sequence[Sequence[Change]], root: int | None, size_bytes: int, time: float
    ) -> None:
        first = LSN(self.last_lsn + 1)
        self.total_bytes += size_bytes
        self._starts.append(first)
        self._runs.append(Run(first, transaction, commits, root, size_bytes, self.total_bytes, time))
        self.last_lsn = LSN(self.last_lsn + len(commits))
        while self.bytes > self.bytes_max and self._runs:
            # Half of a run at a time: what is left need not be less than it may be.
            run = self._runs[0]
            self.keep_above(LSN(run.lsn + len(run.commits) // 2))

    def _run_of(self, lsn: LSN) -> Run:
        return self._runs[bisect_right(self._starts, lsn) - 1]
