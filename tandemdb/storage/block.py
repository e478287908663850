"""Blocks: a table's records, cut into numbered runs in unique-key order.

    location table                     blocks
    highest key   number   address     keys           records (parallel lists)
             17        0   ----------> [ 3  9 17]     [r3  r9  r17]
             42        1   ----------> [21 30 42]     [r21 r30 r42]
             90        4   ----------> [55 61 90]     [r55 r61 r90]

A writer copies a block that bears another stamp before its first change, so the root that a reader holds still leads
to the old one:

    reader's root --> 0  1  4
    writer's root --> 0  1' 4          1' = [21 30* 42], stamped by the writer, changed in place

A secondary key keeps its entries in blocks too: `keys` are its stored values (equal ones side by side), `records` the
unique keys they lead to.

Invariants, each checked by `check_table`, which tests call after every step:
  * nothing that a committed root reaches ever changes (but for `digest`, which is only remembered);
  * keys rise strictly inside a table's block, and from each block to the next;
  * no block is empty; in one root, no number names two blocks of a table.
"""

from __future__ import annotations

from itertools import count
from typing import Any, TypeAlias

Stamp: TypeAlias = int
BlockDigest: TypeAlias = "int | tuple[Any, ...] | None"
"""Of a block's records; None while nobody has asked for it; a tuple with what has changed since (see `sums`)."""

BLOCK_RECORDS_MAX = 128

next_stamp = count(1).__next__
"""Draw a stamp no transaction of this process ever bore: forks share blocks, so stamps are unique across databases."""


class Block:
    """A run of records under one number. `digest` is the content's as far as it is known."""

    __slots__ = ("digest", "keys", "number", "records", "stamp")

    def __init__(self, number: int, keys: list[Any], records: list[Any], stamp: Stamp, digest: BlockDigest = None):
        self.number = number
        self.keys = keys
        self.records = records
        self.stamp = stamp
        self.digest = digest

    def copy(self, stamp: Stamp) -> Block:
        """Return a version of this block that the bearer of the stamp may change."""
        return Block(self.number, self.keys.copy(), self.records.copy(), stamp, self.digest)

    def __repr__(self) -> str:
        return f"<Block {self.number}: {len(self.keys)} records>"
