"""Outcomes: which transactions of this history were committed, for those whose commit was in doubt.

    runs   LSN 41.. transaction 7001.. 300 of them | LSN 341.. transaction 7342.. 12 | ...

Transactions are numbered one after the other, but for those that were abandoned, so that thousands of commits take one
run. A primary and its secondaries keep the same record; after a promotion the new primary answers. Blocks that replace
commits bring the record that goes with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.replication.core.messages import LSN

RUNS_MAX = 1 << 14

# First LSN, first transaction, how many.
Run = tuple[int, int, int]


class Outcome(NamedTuple):
    """What became of a transaction: "committed" at `lsn`, "aborted", or "forgotten": maybe older than the record."""

    answer: str
    lsn: LSN | None


class Outcomes:
    """The record of one system."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._has_gaps = False

    def note(self, lsn: int, transaction: int, count: int = 1) -> None:
        """Note commits that follow each other in both numbers."""
        runs = self._runs
        if runs:
            first_lsn, first, had = runs[-1]
            if lsn == first_lsn + had and transaction == first + had:
                runs[-1] = (first_lsn, first, had + count)
                return
            if lsn != first_lsn + had:
                self._has_gaps = True  # Blocks came instead of commits.
        elif lsn > 1:
            self._has_gaps = True
        runs.append((lsn, transaction, count))
        if len(runs) > RUNS_MAX:
            del runs[: RUNS_MAX // 2]
            self._has_gaps = True

    def up_to(self, lsn: int) -> tuple[tuple[Run, ...], bool]:
        """Return the record of the commits up to one, and whether older ones may be missing from it."""
        runs = [(first_lsn, first, min(count, lsn + 1 - first_lsn)) for first_lsn, first, count in self._runs]
        return tuple([run for run in runs if run[2] > 0]), self._has_gaps

    def replace(self, runs: Sequence[Run], has_gaps: bool) -> None:
        """Take over the record of the system whose blocks were taken over."""
        self._runs = [(first_lsn, first, count) for first_lsn, first, count in runs]
        self._has_gaps = has_gaps

    def find(self, transaction: int) -> Outcome:
        """Tell what became of a transaction. Cost: O(runs)."""
        for first_lsn, first, count in reversed(self._runs):
            if first <= transaction < first + count:
                return Outcome("committed", LSN(first_lsn + transaction - first))
        # Numbers begin anywhere with each primary, so one that is near those recorded was abandoned among them.
        near = any(abs(transaction - first) <= count + RUNS_MAX for _, first, count in self._runs)
        return Outcome("aborted" if near or not self._has_gaps else "forgotten", None)
