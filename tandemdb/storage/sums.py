"""Sums: the digests of blocks and tables as far as they were computed, and what has changed since, not yet hashed.

    block.digest     None                                     never asked for, or too much has changed
                     4711                                     of its records
                     ((4711, 1, 17, r17, r17'), 2, 42, ...)   4711 before; since then r17 was replaced by r17', ...
    table.summed     (sum, ((None, 5, 4711, block 5'), 6, 12, block 6'), ...)
                      of all blocks, with 4711 counted for block 5 and 12 for block 6, that are 5' and 6' by now

To hash a record costs more than all else that a change of one does, so changes are only noted here: whoever asks for a
digest pays for what has changed since the last time, and nobody pays where nobody asks. Notes are tuples that lead to
the note before, so that versions of a block or table share them. They keep old records and blocks in memory: of a block
FOLLOWED_MAX at most, of a table about a sixteenth of its blocks, else the digest is forgotten and computed anew.

Invariants, checked by `check_digests`: a block's digest, its notes taken into account, is that of its records; a
table's sum is that of its blocks, those noted counted as the oldest note says; blocks that may still change are noted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tandemdb.storage.block import Block, BlockDigest
from tandemdb.storage.hashing import MASK, mix, record_hasher
from tandemdb.storage.values import Key, Record

FOLLOWED_MAX = 16
NOTED_MIN = 32
NOTED_SHARE = 16

Note: TypeAlias = tuple[Any, int, BlockDigest, Block | None]
"""The note before, number of a block, what the sum has for it, the block (None: gone). Of several, the oldest one's
digest counts, and the newest one's block.
"""
Summed: TypeAlias = tuple[int, Note | None, int, int]
"""Sum, newest note, how many there are, at how many those are dropped that newer ones replace."""


def follow(digest: BlockDigest, key: Key, old: Record | None, new: Record | None) -> BlockDigest:
    """Note in a block's digest that a record was inserted (no old one), replaced, or deleted (no new one)."""
    if digest is None:
        return None
    if type(digest) is int:
        return (digest, 1, key, old, new)
    before, count, last, former, _ = digest  # type: ignore[misc]
    if last == key:
        return (before, count, key, former, new)
    return (digest, count + 1, key, old, new) if count < FOLLOWED_MAX else None


def settle(digest: Any, has_rowids: bool) -> int:
    """Hash what is noted in a block's digest, and return the number that it is then.

    Records of a table without rowids are hashed without their unique keys.
    """
    record_digest = record_hasher()
    before, _, key, old, new = digest
    if type(before) is int:
        hashed = key if has_rowids else None
        if old is not None:
            before -= record_digest(hashed, old)
        if new is not None:
            before += record_digest(hashed, new)
        return before & MASK
    olds: dict[Key, Record | None] = {}
    news: dict[Key, Record | None] = {}
    while type(digest) is tuple:
        digest, _, key, old, new = digest
        olds[key] = old
        news.setdefault(key, new)
    for key, new in news.items():
        old = olds[key]
        hashed = key if has_rowids else None
        if old is not new:
            if old is not None:
                digest -= record_digest(hashed, old)
            if new is not None:
                digest += record_digest(hashed, new)
    return digest & MASK  # type: ignore[no-any-return]


def note(
    summed: Summed | None, number: int, digest: BlockDigest, block: Block | None, block_count: int
) -> Summed | None:
    """Note in a table's sum what a block with this digest was replaced by; 0 is the digest of one that is new."""
    if summed is None:
        return None
    total, last, count, limit = summed
    if count < limit:
        return (total, (last, number, digest, block), count + 1, limit)
    merged: Note | None = None
    notes = list_notes(last)
    count = len(notes)
    if count > NOTED_MIN + block_count // NOTED_SHARE:
        return None
    for known, (before, present) in notes.items():
        merged = (merged, known, before, present)
    return (total, (merged, number, digest, block), count + 1, 2 * count + NOTED_MIN)


def list_notes(last: Note | None) -> dict[int, tuple[BlockDigest, Block | None]]:
    """List the notes by block: what the sum has for it, and what it is now."""
    notes: dict[int, tuple[BlockDigest, Block | None]] = {}
    while last is not None:
        last, number, digest, block = last
        notes[number] = (digest, notes[number][1] if number in notes else block)
    return notes


def settle_sum(summed: Summed, table_id: int, changing: int, block_digest: Callable[[Block], int]) -> Summed | None:
    """Take what is noted into the sum; only the blocks of this stamp and newer ones, that may yet change, stay noted.

    Returns None where the sum cannot tell.
    """
    total, last, _, _ = summed
    assert last is not None
    former, number, before, block = last
    if former is not None and former[0] is None:
        # What the commit before changed was settled when its digest was asked for.
        settled = former[3]
        if former[1] == number:
            before, former = former[2], None
        elif settled is not None and settled.digest == former[2] and settled.stamp < changing:
            former = None
    if former is None and block is not None and type(before) is int:
        after = block_digest(block)
        total = total + mix(table_id, number, after - before) & MASK
        if block.stamp >= changing:
            return (total, (None, number, after, block), 1, NOTED_MIN)
        return (total, None, 0, NOTED_MIN)
    rest: Note | None = None
    count = 0
    for number, (before, block) in list_notes(last).items():
        if type(before) is not int:
            return None
        after = 0
        if block is not None:
            after = block_digest(block)
            if block.stamp >= changing:
                rest = (rest, number, after, block)
                count += 1
        if after != before:
            total += mix(table_id, number, after - before)
    return (total & MASK, rest, count, count + NOTED_MIN)
