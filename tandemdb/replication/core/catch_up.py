"""Catch-up: how a secondary that stands somewhere else gets level again, by the cheapest of four ways.

    POSITION (epoch, lsn, transaction, digest)
        | same line of history, last transaction known?
        |-- yes, log still held, not longer than the blocks ------> TAIL      transactions after lsn
        |-- yes, log gone: blocks stamped since that commit -------> BLOCKS    no digest exchanged
        |-- no: compare digests, tables first, then blocks --------> BLOCKS    those that differ; none if all are equal
        '-- empty, or more than 60 % of the blocks differ ---------> SNAPSHOT  all blocks

Blocks are shipped from a root that is held meanwhile, so the primary goes on; the tail from that root's LSN follows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.replication.core import blocks
from tandemdb.replication.core.identity import common_end
from tandemdb.replication.core.log import ChangeLog, LogEntry
from tandemdb.replication.core.messages import (
    LSN,
    BlockDigests,
    BlockImage,
    DigestRequest,
    Layout,
    Message,
    Position,
    SnapBegin,
    SnapEnd,
    TableDigests,
    Term,
)

if TYPE_CHECKING:
    from tandemdb.storage import Root

SNAPSHOT_SHARE = 0.6
COMMIT_MARKS_MAX = 1 << 16


class CommitMark(NamedTuple):
    """What a primary remembers of a commit for longer than its log: enough to find the blocks changed since."""

    transaction: int
    stamp: int


class CommitMarks:
    """The marks of the last commits, in runs of LSNs and transactions that follow each other; oldest dropped first.

    A run's stamp is that of its first commit: what has changed since a later one is among what has changed since then.
    """

    def __init__(self, runs_max: int = COMMIT_MARKS_MAX) -> None:
        self._starts: list[int] = []
        self._runs: list[tuple[int, CommitMark]] = []
        self.runs_max = runs_max

    def note(self, lsn: LSN, mark: CommitMark, count: int = 1) -> None:
        """Note a commit, or the first of `count` that follow each other."""
        if self._starts and self._starts[-1] >= lsn:
            place = bisect_left(self._starts, lsn)
            del self._starts[place:], self._runs[place:]
        self._starts.append(lsn)
        self._runs.append((count, mark))
        if len(self._starts) > self.runs_max:
            half = self.runs_max // 2
            del self._starts[:half], self._runs[:half]

    def find(self, lsn: LSN) -> CommitMark | None:
        place = bisect_right(self._starts, lsn) - 1
        if place < 0:
            return None
        start = self._starts[place]
        count, mark = self._runs[place]
        return CommitMark(mark.transaction + lsn - start, mark.stamp) if lsn - start < count else None


class Decision(NamedTuple):
    """What to do for a POSITION. `kind` "walk" means that digests must be compared first."""

    kind: str
    reason: str
    lsn: LSN
    blocks: dict[int, list[int]]


def decide(
    position: Position, history: list[Term], log: ChangeLog, marks: CommitMarks, root: Root, is_doubted: bool = False
) -> Decision:
    """Choose the way for a secondary at this position, its pending transaction counted as what it is told to do.

    `is_doubted`: what it holds may be damaged, so only its digest says that it has that transaction.
    """
    lsn, transaction = position.lsn, position.transaction
    if common_end(history, position.history, lsn) != lsn:
        if position.blocks == 0:
            return Decision("snapshot", "the secondary is empty", LSN(0), {})
        return Decision("walk", "the secondary's history is not ours", lsn, {})
    if lsn == root.lsn and position.root is not None and position.root != blocks.root_digest(root):
        return Decision("walk", "the digests differ at the same LSN", lsn, {})
    entry = log.find(lsn)
    mark = marks.find(lsn)
    if not _agree(position, entry, mark):
        return Decision("walk", "the secondary's last transaction is not ours", lsn, {})
    if is_doubted and not (position.root is not None and position.root == _digest_at(lsn, root, entry)):
        return Decision("walk", "what the secondary was sent did not fit what it holds", lsn, {})
    changed = blocks.changed_since(root, mark.stamp) if mark is not None and mark.transaction == transaction else None
    if entry is not None and log.reaches_back_to(lsn):
        few = log.last_lsn - lsn < 64
        if changed is None or few or log.changes_after(lsn) <= blocks.records_of(root, changed):
            return Decision("tail", f"the log since LSN {lsn} is held", lsn, {})
    if changed is not None:
        return Decision("blocks", f"the log since LSN {lsn} is gone or longer than the blocks changed", lsn, changed)
    return Decision("walk", f"neither log nor mark of LSN {lsn} is held", lsn, {})


def _digest_at(lsn: LSN, root: Root, entry: LogEntry | None) -> int | None:
    """Return what the digest was at an LSN, None if that is not known any more."""
    if lsn == root.lsn:
        return blocks.root_digest(root)
    return entry.root if entry is not None else None


def _agree(position: Position, entry: LogEntry | None, mark: CommitMark | None) -> bool:
    """Tell whether something remembered of that commit says that the secondary has it, and nothing says otherwise."""
    transactions = {found.transaction for found in (entry, mark) if found is not None and found.transaction}
    if transactions and transactions != {position.transaction}:
        return False
    root = entry.root if entry is not None else None
    return bool(transactions) if root is None or position.root is None else root == position.root


@dataclass
class DigestWalk:
    """A comparison by descent with one secondary, against a held root; `start` and `take` return what to ask next."""

    root: Root
    differing: dict[int, list[int]] = field(default_factory=dict)
    _awaited: set[int] = field(default_factory=set)
    done: bool = False

    def start(self, secondary_root: int | None, root_digest: int) -> list[Message]:
        if secondary_root == root_digest:
            self.done = True
            return []
        return [DigestRequest(())]

    def take_tables(self, message: TableDigests) -> list[Message]:
        """Compare table by table; a table that only we have is shipped whole, one both have is asked for by block."""
        theirs = dict(message.digests)
        for table, digest in blocks.table_digests(self.root).items():
            if theirs.get(table) == digest:
                continue
            if table in theirs:
                self._awaited.add(table)
            else:
                self.differing[table] = blocks.block_numbers(self.root, table)
        self.done = not self._awaited
        return [] if self.done else [DigestRequest(tuple(sorted(self._awaited)))]

    def take_blocks(self, message: BlockDigests) -> None:
        if message.table not in self._awaited:
            return
        self._awaited.discard(message.table)
        theirs = dict(message.digests)
        ours = blocks.block_digests(self.root, message.table)
        self.differing[message.table] = [number for number, digest in ours if theirs.get(number) != digest]
        self.done = not self._awaited


def images(
    root: Root,
    transaction: int,
    root_digest: int | None,
    wanted: dict[int, list[int]] | None,
    outcomes: tuple[tuple[tuple[int, int, int], ...], bool] = ((), True),
) -> Iterator[Message]:
    """Yield the transfer of the blocks wanted (None: all), one block at a time so that a slow link holds up nothing."""
    tables = sorted(root.tables)
    kept = () if wanted is None else tuple(table for table in tables if table not in wanted)
    yield SnapBegin(LSN(root.lsn), transaction, root_digest, root.next_object_id, kept, *outcomes)
    count = 0
    for table in tables:
        if table in kept:
            continue
        yield Layout(table, blocks.next_number(root, table), tuple(blocks.block_numbers(root, table)))
        chosen = None if wanted is None else set(wanted[table])
        for block in blocks.blocks_of(root, table):
            if chosen is None or block.number in chosen:
                count += 1
                yield BlockImage(table, block.number, block.keys, block.records)
    yield SnapEnd(LSN(root.lsn), count)


def prefer_snapshot(root: Root, wanted: dict[int, list[int]]) -> bool:
    """Tell whether so much differs that shipping all is simpler."""
    return sum(map(len, wanted.values())) > SNAPSHOT_SHARE * max(1, blocks.block_count(root))
