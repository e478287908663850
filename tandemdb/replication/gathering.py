"""Gathering: commits of a primary whose secondaries all follow its log, until the log takes them over.

    writer's thread       commits: [change of 42, change of 43, [changes of 44], change of 45]     it only appends
    who holds the lock    drain: 42 to 45 become one run of the log, as it will be sent

Whoever asks the core anything drains first; the writer does so itself when there are many (`LooseObserver`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tandemdb.replication.core.limits import BATCH_BYTES_MAX
from tandemdb.replication.core.messages import LSN, Change
from tandemdb.replication.core.primary import Primary
from tandemdb.replication.network import wire

if TYPE_CHECKING:
    from tandemdb.storage import Root


class Gathering:
    """The commits that a publisher's core has not heard of yet."""

    def __init__(self, core: Primary, clock: Callable[[], float]) -> None:
        self._core = core
        self._clock = clock
        # Of each its one change, or the list of its changes: lists by the hundred would take longer to make.
        self.commits: list[Change | list[Change]] = []
        # A stamp that blocks changed after the first of them will exceed.
        self.stamp = 0
        # The root of the last commit, gathered or not.
        self.newest: Root | None = None
        # Whether the log holds what is sent: there are secondaries in other processes.
        self.packs = False

    def drain(self) -> None:
        """Let the core take over the commits that are there; the publisher's lock is held, the writer goes on."""
        commits, stamp = self.commits.copy(), self.stamp
        last = LSN(self._core.log.last_lsn + len(commits))
        try:
            self._log(*flatten(commits), stamp)
            del self.commits[: len(commits)]
        except BaseException:
            # Interrupted when some of it was done.
            self._core.begin_anew(last, stamp, len(commits))
            del self.commits[: len(commits)]
            raise
        newest = self.newest
        if newest is not None and newest.lsn == last:
            self._core.root = newest

    def _log(self, changes: Sequence[Change], counts: Sequence[int], stamp: int) -> None:
        """Let the core take commits over as one run, or as several: one is sent whole, and must not be too large."""
        form: Sequence[Change] = changes
        if self.packs:
            form = packed = wire.PackedChanges(changes)
            size_bytes = packed.size_bytes
        else:
            size_bytes = wire.changes_bytes(changes)
        if size_bytes > BATCH_BYTES_MAX and len(counts) > 1:
            half = len(counts) // 2
            first = sum(counts[:half])
            self._log(changes[:first], counts[:half], stamp)
            self._log(changes[first:], counts[half:], stamp)
        else:
            self._core.installed_many(form, counts, stamp, size_bytes, self._clock())


def flatten(commits: list[Change | list[Change]]) -> tuple[Sequence[Change], list[int]]:
    """Return the changes of all these commits, and how many each made."""
    if list not in set(map(type, commits)):
        return commits, [1] * len(commits)  # type: ignore[return-value]
    changes: list[Change] = []
    for commit in commits:
        if type(commit) is list:
            changes += commit
        else:
            changes.append(commit)  # type: ignore[arg-type]
    return changes, [len(commit) if type(commit) is list else 1 for commit in commits]
