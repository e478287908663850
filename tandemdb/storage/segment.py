"""A segment of a secondary key: entries (stored value, unique key) in order of both, in blocks of two parallel lists.

    page_highs  [7 40]      highs [3 7] [9 40]      keys [1 1 3] [4 7 7] ...     unique keys [2 8 1] [3 6 9] ...

Highs hold stored values alone. Where many entries share one, the last unique key of pages and blocks decides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain, compress
from operator import not_
from typing import Any

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block, Stamp
from tandemdb.storage.entry_runs import BUILD_FILL, add_run, append_run, remove_run
from tandemdb.storage.location import LocationTable, Page, build_location
from tandemdb.storage.values import RANK_ABOVE_ALL, Key

SAMPLES = 32
"""Entries looked at to estimate how many distinct values there are."""
DISTINCT_STEPS_MAX = 100
"""Up to so many distinct values are counted one by one; beyond, a sample of blocks gives an estimate."""


def join(segment: LocationTable, low: Any, low_open: bool, high: Any, high_open: bool) -> list[Key]:
    """Concatenate the unique keys between two stored values."""
    slices = segment.slices(low, low_open, high, high_open)
    if len(slices) == 1:
        block, start, stop = slices[0]
        return block.records[start:stop]
    keys: list[Key] = []
    for block, start, stop in slices:
        keys += block.records[start:stop]
    return keys


def estimate_distinct(segment: LocationTable, width: int) -> int:
    """Estimate how many values (their first `width` parts, 0 for whole values) a segment has."""
    found = 0
    stored = segment.pages[0].blocks[0].keys[0] if segment.pages else None
    while stored is not None and found < DISTINCT_STEPS_MAX:
        found += 1
        stored = next_stored(segment, (*stored[:width], RANK_ABOVE_ALL) if width else stored)
    if stored is None:
        return found
    # An entry drawn at random lies in a run of equal values; the mean of 1 / run's length is values / entries.
    entries = 0
    shares = 0.0
    for number in range(SAMPLES):
        page = segment.pages[number * len(segment.pages) // SAMPLES]
        keys = page.blocks[number * 37 % len(page.blocks)].keys
        entries += len(keys)
        low = high = keys[number * 11 % len(keys)]
        if width:
            low, high = low[:width], (*low[:width], RANK_ABOVE_ALL)
        slices = segment.slices(low, False, high, False)
        shares += 1 / sum([stop - start for _, start, stop in slices])
    return max(found, round(entries / SAMPLES * segment.block_count * shares / SAMPLES))


def next_stored(segment: LocationTable, bound: Any) -> Any:
    """Find the lowest stored value above a bound, None if there is none."""
    page_index = bisect_right(segment.page_highs, bound)
    if page_index == len(segment.pages):
        return None
    page = segment.pages[page_index]
    keys = page.blocks[bisect_right(page.highs, bound)].keys
    return keys[bisect_right(keys, bound)]


def locate(segment: LocationTable, stored: Any, key: Key) -> tuple[int, int, int]:
    """Find (page, block, index) of the first entry not below (stored, key); page = number of pages if none is."""
    page_highs = segment.page_highs
    pages = segment.pages
    page_index = bisect_left(page_highs, stored)
    if page_index == len(pages):
        return page_index, 0, 0
    page = pages[page_index]
    highs = page.highs
    block_index = bisect_left(highs, stored)
    block = page.blocks[block_index]
    if highs[block_index] == stored and block.records[-1] < key:
        return locate_among_equals(segment, stored, key, page_index)
    keys = block.keys
    index = bisect_left(keys, stored)
    if keys[index] == stored and block.records[index] < key:
        index = bisect_left(block.records, key, index + 1, bisect_right(keys, stored, index))
    return page_index, block_index, index


def locate_among_equals(segment: LocationTable, stored: Any, key: Key, page_index: int) -> tuple[int, int, int]:
    """As `locate`, where the first block that ends with the stored value ends with a lower unique key."""
    page_highs = segment.page_highs
    pages = segment.pages
    page = pages[page_index]
    if page_highs[page_index] == stored and page.blocks[-1].records[-1] < key:
        end = bisect_right(page_highs, stored, page_index + 1)
        page_index = bisect_left(pages, key, page_index + 1, end, key=last_unique_key_of_page)
        if page_index == len(pages):
            return page_index, 0, 0
        page = pages[page_index]
    blocks = page.blocks
    block_index = bisect_left(page.highs, stored)
    if page.highs[block_index] == stored and blocks[block_index].records[-1] < key:
        end = bisect_right(page.highs, stored, block_index + 1)
        block_index = bisect_left(blocks, key, block_index + 1, end, key=last_unique_key)
    block = blocks[block_index]
    index = bisect_left(block.keys, stored)
    if block.keys[index] == stored:
        index = bisect_left(block.records, key, index, bisect_right(block.keys, stored, index))
    return page_index, block_index, index


def last_unique_key_of_page(page: Page) -> Any:
    """Return the unique key of a page's last entry."""
    return page.blocks[-1].records[-1]


def last_unique_key(block: Block) -> Any:
    """Return the unique key of a block's last entry."""
    return block.records[-1]


def add_runs(segment: LocationTable, pairs: list[tuple[Any, Key]]) -> None:
    """Add sorted entries wherever they belong."""
    start = 0
    while start < len(pairs):
        place = locate(segment, *pairs[start])
        if place[0] == len(segment.pages):
            append_run(segment, pairs, start)
            return
        start = add_run(segment, place, pairs, start)


def append(segment: LocationTable, stored: Any, key: Key) -> None:
    """Add an entry behind all others of a segment."""
    if segment.pages:
        page = segment.pages[-1]
        if len(page.blocks[-1].keys) < BLOCK_RECORDS_MAX:
            block = segment.own_block(len(segment.pages) - 1, len(page.blocks) - 1)
            block.keys.append(stored)
            block.records.append(key)
            segment.raise_last_high(stored)
            return
    segment.open_block(segment.next_number, [stored], [key])


def remove_runs(segment: LocationTable, pairs: list[tuple[Any, Key]]) -> int:
    """Take sorted entries out wherever they are; how many were there up to the first that was not."""
    start = 0
    while start < len(pairs):
        place = locate(segment, *pairs[start])
        stop = remove_run(segment, place, pairs, start) if place[0] < len(segment.pages) else start
        if stop == start:
            break
        start = stop
    return start


def leave(segment: LocationTable, gone: set[Key], stamp: Stamp) -> LocationTable:
    """Make the segment anew without the entries of some unique keys."""
    values: list[Any] = []
    keys: list[Key] = []
    for block in segment.blocks():
        goes = list(map(gone.__contains__, block.records))
        if True in goes:
            values += compress(block.keys, map(not_, goes))
            keys += compress(block.records, map(not_, goes))
        else:
            values += block.keys
            keys += block.records
    return build_location(values, keys, stamp, BUILD_FILL)


def merge(segment: LocationTable, values: list[Any], keys: list[Key], stamp: Stamp) -> LocationTable:
    """Make the segment anew from its entries and further ones."""
    behind = True
    if segment.pages:
        old_keys = list(chain.from_iterable(block.records for block in segment.blocks()))
        values = [*chain.from_iterable(block.keys for block in segment.blocks()), *values]
        behind = max(old_keys) < keys[0]
        keys = [*old_keys, *keys]
    # Sorting places, not pairs, makes no tuples. The sort is stable: by stored values alone where keys ascend.
    places = range(len(keys))
    order = sorted(places if behind else sorted(places, key=keys.__getitem__), key=values.__getitem__)
    return build_location(list(map(values.__getitem__, order)), list(map(keys.__getitem__, order)), stamp, BUILD_FILL)
