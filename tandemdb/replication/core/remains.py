"""Remains: the blocks of a transfer that was broken off, so that the next one need not bring them again.

    transfer of the root at LSN 41     blocks 0 1 2 3 | link lost        remains: blocks 0..3 as of 41
    POSITION  held: (41, transaction, {table: 0..3})                     the primary remembers the stamp of that commit
    transfer of the root at LSN 55     blocks 2 (changed since) 4 5 ...  PLAN resumes: installed with 0 1 3 of these

What a second transfer brought counts as of the first one's LSN, too: what has changed between the two is sent once more
then, and nothing that is old is ever taken for new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import LSN, BlockImage, Held

if TYPE_CHECKING:
    from tandemdb.replication.core.catch_up import CommitMarks
    from tandemdb.storage import Root


class Remains:
    """What a secondary has of transfers that were broken off; `as_of` is the LSN and transaction that it is of."""

    def __init__(self) -> None:
        self.as_of: tuple[LSN, int] | None = None
        self.images: dict[tuple[int, int], BlockImage] = {}

    def keep(self, staging: blocks.Staging) -> None:
        """Add what a transfer has brought so far, if all of its root was to come."""
        if staging.begin is None or staging.plan.kind != "snapshot":
            return
        if self.as_of is None:
            self.as_of = staging.begin.lsn, staging.begin.transaction
        self.images.update({(image.table, image.block): image for image in staging.images})

    def describe(self) -> Held:
        """Say for a POSITION what there is."""
        if self.as_of is None or not self.images:
            return Held(LSN(0), 0, ())
        numbers: dict[int, list[int]] = {}
        for table, number in self.images:
            numbers.setdefault(table, []).append(number)
        return Held(*self.as_of, tuple((table, tuple(listed)) for table, listed in numbers.items()))


def lacking(root: Root, held: Held, marks: CommitMarks) -> dict[int, list[int]] | None:
    """List, of all tables, the blocks that a secondary with these remains lacks; None: what it has is of no use.

    Cost: O(blocks), no digest computed.
    """
    mark = marks.find(held.lsn)
    if not held.tables or mark is None or mark.transaction != held.transaction:
        return None
    there = {table: frozenset(numbers) for table, numbers in held.tables}
    none: frozenset[int] = frozenset()
    return {
        table: [
            block.number
            for block in blocks.blocks_of(root, table)
            if block.stamp > mark.stamp or block.number not in there.get(table, none)
        ]
        for table in sorted(root.tables)
    }
