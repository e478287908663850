"""Many entries of a secondary key at once: sorted, they go into blocks by runs.

    entries   (3, 7) (4, 1) | (9, 2) | (30, 5) (31, 5) (40, 8)
                 block 0      block 1   behind all: blocks of their own

One look-up finds the block of a run; the run ends with the block. Entries are (stored value, unique key).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, TypeAlias

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block
from tandemdb.storage.location import LocationTable

Pairs: TypeAlias = list[tuple[Any, Any]]

BUILD_FILL = BLOCK_RECORDS_MAX * 3 // 4
"""Entries a block when many are built or cut at once: later ones come in anywhere, and a full one would split soon."""
RUN_MERGED_MIN = 16
"""A longer run is sorted into its block; of a shorter one each entry is put in its place."""


def add_run(segment: LocationTable, place: tuple[int, int, int], pairs: Pairs, start: int) -> int:
    """Add the entries from `start` on that belong into the block at `place`; where the next run begins."""
    page_index, block_index, index = place
    block = segment.own_block(page_index, block_index)
    keys, records = block.keys, block.records
    stop = bisect_left(pairs, (keys[-1], records[-1]), start)
    count = stop - start
    if count >= RUN_MERGED_MIN or len(keys) + count > BLOCK_RECORDS_MAX:
        merged = [*zip(keys, records, strict=True), *pairs[start:stop]]
        merged.sort()
        keys[:], records[:] = map(list, zip(*merged, strict=True))
        if len(keys) > BLOCK_RECORDS_MAX:
            segment.cut_block(page_index, block_index, BUILD_FILL)
        return stop
    for stored, key in pairs[start:stop]:
        index = bisect_left(keys, stored, index)
        if keys[index] == stored and records[index] < key:
            index = bisect_left(records, key, index + 1, bisect_right(keys, stored, index))
        keys.insert(index, stored)
        records.insert(index, key)
    return stop


def append_run(segment: LocationTable, pairs: Pairs, start: int = 0) -> None:
    """Add the entries from `start` on behind all others."""
    if segment.pages:
        page = segment.pages[-1]
        room = BLOCK_RECORDS_MAX - len(page.blocks[-1].keys)
        if room > 0 and start < len(pairs):
            block = segment.own_block(len(segment.pages) - 1, len(page.blocks) - 1)
            for stored, key in pairs[start : start + room]:
                block.keys.append(stored)
                block.records.append(key)
            segment.raise_last_high(block.keys[-1])
            start += room
    for first in range(start, len(pairs), BLOCK_RECORDS_MAX):
        run = pairs[first : first + BLOCK_RECORDS_MAX]
        segment.open_block(segment.next_number, [stored for stored, _ in run], [key for _, key in run])


def remove_run(segment: LocationTable, place: tuple[int, int, int], pairs: Pairs, start: int) -> int:
    """Take the entries from `start` on out of the block at `place`; where the next run begins.

    `start` itself says that the first is not there.
    """
    page_index, block_index, index = place
    block: Block = segment.own_block(page_index, block_index)
    keys, records = block.keys, block.records
    stop = bisect_right(pairs, (keys[-1], records[-1]), start)
    find = records.index
    places = []
    try:
        for stored, key in pairs[start:stop]:
            index = bisect_left(keys, stored, index)
            if records[index] is not key:
                index = find(key, index)
            if keys[index] != stored:
                return start
            places.append(index)
    except (IndexError, ValueError):
        return start
    last = places[-1] == len(keys) - 1 if places else False
    for at in reversed(places):
        del keys[at], records[at]
    if last:
        segment.note_last(page_index, block_index)
    return stop
