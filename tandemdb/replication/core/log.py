"""The change log's retained tail: what secondaries may still need, from the oldest LSN kept to the newest.

    base                 entries (dict; LSNs have no holes, so the two ends say which exist)
    LSN 41   ------>     42: changes, digest, bytes     43: ...     44: ...
    (dropped; only its transaction and digest are remembered)

    keep_above(42)       every secondary has 42: base becomes 42
    bytes_max exceeded   the oldest go; a secondary that lacked them gets blocks instead, so the bound costs no data

Why a dict and not a sorted one: appends are in order and look-ups exact, so ordering needs no structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tandemdb.replication.core.messages import LSN, Change, LogEntry
from tandemdb.replication.errors import ReplicationError


class ChangeLog:
    """The tail of one database's change log on its primary."""

    def __init__(self, base: LSN, bytes_max: int, transaction: int = 0, root: int | None = None) -> None:
        self._entries: dict[int, LogEntry] = {}
        self.bytes_max = bytes_max
        self.bytes = 0
        self.base = LogEntry(base, transaction, (), root, 0, 0, 0.0)
        self.last_lsn = base
        self.total_bytes = 0

    def append(
        self, lsn: LSN, transaction: int, changes: Sequence[Change], root: int | None, size_bytes: int, time: float
    ) -> None:
        """Add the newest commit, and drop the oldest while the log is larger than `bytes_max`."""
        if lsn != self.last_lsn + 1:
            raise ReplicationError(
                f"change log out of order: LSN {lsn} after {self.last_lsn}",
                hint="Commits of a mirrored database must pass its observer one by one.",
            )
        self.total_bytes += size_bytes
        self._entries[lsn] = LogEntry(lsn, transaction, tuple(changes), root, size_bytes, self.total_bytes, time)
        self.last_lsn = lsn
        self.bytes += size_bytes
        while self.bytes > self.bytes_max and self._entries:
            self._drop_oldest()

    def extend(self, commits: list[Sequence[Change]], transaction: int, change_bytes: int, time: float) -> None:
        """Add commits that follow each other, with numbers that do, their sizes estimated from a change's.

        The asynchronous way's hot path: what is done here a commit, writers wait for (0.5 µs).
        """
        entries, lsn, total = self._entries, self.last_lsn, self.total_bytes
        before = total
        make = tuple.__new__
        for changes in commits:
            lsn = cast(LSN, lsn + 1)
            size = change_bytes * len(changes)
            total += size
            entries[lsn] = make(LogEntry, (lsn, transaction, changes, None, size, total, time))
            transaction += 1
        self.last_lsn = lsn
        self.total_bytes = total
        self.bytes += total - before
        while self.bytes > self.bytes_max and entries:
            self._drop_oldest()

    def run_after(self, lsn: LSN, count_max: int, bytes_max: int) -> tuple[LogEntry, ...]:
        """Return the next commits after `lsn`: one at least, up to so many and about so many bytes."""
        entries = self._entries
        first = entries[lsn + 1]
        last = min(self.last_lsn, lsn + count_max)
        while last > lsn + 1 and entries[last].total_bytes - first.total_bytes > bytes_max:
            last = LSN(lsn + 1 + (last - lsn) // 2)
        return tuple([entries[number] for number in range(lsn + 1, last + 1)])

    def keep_above(self, lsn: LSN) -> None:
        """Drop all entries up to and with `lsn`; an LSN that is gone already changes nothing."""
        entries = self._entries
        last = min(lsn, self.last_lsn)
        if last <= self.base.lsn:
            return
        base = entries.pop(last)
        for number in range(self.base.lsn + 1, last):
            del entries[number]
        self.bytes -= base.total_bytes - self.base.total_bytes
        self.base = LogEntry(base.lsn, base.transaction, (), base.root, 0, base.total_bytes, base.time)

    def find(self, lsn: LSN) -> LogEntry | None:
        """Return the entry of this LSN, the base itself included (without its changes), or None."""
        if lsn == self.base.lsn:
            return self.base
        return self._entries.get(lsn)

    def reaches_back_to(self, lsn: LSN) -> bool:
        """Tell whether all commits after `lsn` are still held."""
        return self.base.lsn <= lsn <= self.last_lsn

    def bytes_after(self, lsn: LSN) -> int:
        """Count the bytes of the commits after `lsn`, of those still held if it is older than the base."""
        entry = self.find(lsn) or self.base
        return self.total_bytes - entry.total_bytes

    def entries_after(self, lsn: LSN) -> list[LogEntry]:
        """List the commits after `lsn` that are still held, oldest first."""
        return [self._entries[number] for number in range(max(lsn, self.base.lsn) + 1, self.last_lsn + 1)]

    def remember_root(self, lsn: LSN, root: int) -> None:
        """Note a digest that was computed after its commit was logged."""
        if lsn == self.base.lsn:
            self.base = self.base._replace(root=root)
        elif lsn in self._entries:
            self._entries[lsn] = self._entries[lsn]._replace(root=root)

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_oldest(self) -> None:
        entry = self._entries.pop(self.base.lsn + 1)
        self.bytes -= entry.bytes
        self.base = entry._replace(changes=(), bytes=0)
