"""Location tables: where the blocks of a table, or of a segment of a secondary key, are.

    page_highs   pages            highs   blocks
       [ 42  --> page 0 --------> [ 17 --> block 0
         90 ]                       42 ]-> block 1
              --> page 1 -------> [ 90 ]-> block 4

Two levels, because the first change to a block copies the lists that lead to it: with one level, a table of a million
records would copy 8000 entries for each commit of one row (90 µs); with two it copies about 60 + 128 of each list.
Which page a block is on is a local matter: pages are never replicated, block numbers and their order are.

A page's high is the last of its blocks' highs, a block's high is its last key. So a lookup is a bisection of
`page_highs`, one of `highs` and one of `keys`, and once the first has found a page the others cannot miss.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block, Stamp

PAGE_BLOCKS_MAX = 64
BLOCK_BITS, PAGE_BITS = 7, 6
"""2 to the power of these are BLOCK_RECORDS_MAX and PAGE_BLOCKS_MAX: how `first` is used."""

Slice: TypeAlias = tuple[Block, int, int]


class Page:
    """A run of blocks with the highest key of each."""

    __slots__ = ("blocks", "highs", "stamp")

    def __init__(self, highs: list[Any], blocks: list[Block], stamp: Stamp) -> None:
        self.highs = highs
        self.blocks = blocks
        self.stamp = stamp


class LocationTable:
    """The blocks of a table in key order. Methods that change it need a copy that bears the caller's stamp.

    `first` is the lowest key that the table began with, as long as rowids without larger gaps were appended since: then
    the block of a key is number (key - first) // 128 from the left, and no high need be looked at. None otherwise. It
    is a guess: whoever follows it looks whether the key is there, and bisects if not. `position` is the column of each
    record that repeats the rowid, -1 if none does: with it the record itself tells, and no key need be looked at.
    """

    __slots__ = ("block_count", "first", "next_number", "page_highs", "pages", "position", "stamp")

    def __init__(self, stamp: Stamp) -> None:
        self.page_highs: list[Any] = []
        self.pages: list[Page] = []
        self.stamp = stamp
        self.next_number = 0
        self.block_count = 0
        self.first: int | None = None
        self.position = -1

    def slices(self, low: Any, low_open: bool, high: Any, high_open: bool) -> list[Slice]:
        """Cut out what lies between two bounds: (block, start, stop) in order, never an empty one.

        None leaves that side unbounded; an open bound excludes the entries equal to it.
        Cost: six bisections, then O(blocks in between).
        """
        pages = self.pages
        if not pages:
            return []
        page_index = block_index = start = 0
        if low is not None:
            bisect = bisect_right if low_open else bisect_left
            page_index = bisect(self.page_highs, low)
            if page_index == len(pages):
                return []
            page = pages[page_index]
            block_index = bisect(page.highs, low)
            start = bisect(page.blocks[block_index].keys, low)
        last_page = len(pages)
        if high is not None:
            bisect = bisect_left if high_open else bisect_right
            last_page = bisect(self.page_highs, high)
        if last_page == len(pages):
            last_page -= 1
            last_block = len(pages[last_page].blocks) - 1
            stop = len(pages[last_page].blocks[last_block].keys)
        else:
            page = pages[last_page]
            last_block = bisect(page.highs, high)
            stop = bisect(page.blocks[last_block].keys, high)
        if page_index == last_page:
            blocks = pages[page_index].blocks[block_index : last_block + 1]
        elif page_index < last_page:
            blocks = pages[page_index].blocks[block_index:]
            for page in pages[page_index + 1 : last_page]:
                blocks += page.blocks
            blocks += pages[last_page].blocks[: last_block + 1]
        else:
            blocks = []
        return cut(blocks, start, stop)

    def blocks(self) -> Iterator[Block]:
        """Walk over the blocks in key order."""
        return (block for page in self.pages for block in page.blocks)

    def blocks_reversed(self) -> Iterator[Block]:
        """Walk over the blocks from the last to the first."""
        return (block for page in reversed(self.pages) for block in reversed(page.blocks))

    def last_key(self) -> Any:
        """Return the highest key, None if there are no blocks."""
        return self.page_highs[-1] if self.page_highs else None

    def copy(self, stamp: Stamp) -> LocationTable:
        """Return a version that the bearer of the stamp may change."""
        copied = LocationTable.__new__(LocationTable)
        copied.page_highs = self.page_highs.copy()
        copied.pages = self.pages.copy()
        copied.stamp = stamp
        copied.next_number = self.next_number
        copied.block_count = self.block_count
        copied.first = self.first
        copied.position = self.position
        return copied

    def own_page(self, page_index: int) -> Page:
        """Copy a page unless it is this table's alone: its stamp tells."""
        page = self.pages[page_index]
        if page.stamp < self.stamp:
            page = self.pages[page_index] = Page(page.highs.copy(), page.blocks.copy(), self.stamp)
        return page

    def own_block(self, page_index: int, block_index: int) -> Block:
        """Copy a block, and the page that leads to it, unless they are this table's alone: their stamps tell."""
        page = self.pages[page_index]
        stamp = self.stamp
        if page.stamp < stamp:
            page = self.pages[page_index] = Page(page.highs.copy(), page.blocks.copy(), stamp)
        block = page.blocks[block_index]
        if block.stamp < stamp:
            block = page.blocks[block_index] = block.copy(stamp)
        return block

    def open_block(self, number: int, keys: list[Any], records: list[Any]) -> Block:
        """Add a block behind all others, its keys above theirs."""
        block = Block(number, keys, records, self.stamp)
        low = keys[0]
        if type(low) is not int:
            self.first = None
        elif not self.block_count:
            self.first = low
        elif self.first is not None and (low - self.first) >> BLOCK_BITS != self.block_count:
            self.first = None
        if not self.pages or len(self.pages[-1].blocks) >= PAGE_BLOCKS_MAX:
            self.pages.append(Page([], [], self.stamp))
            self.page_highs.append(keys[-1])
        page = self.own_page(len(self.pages) - 1)
        page.highs.append(keys[-1])
        page.blocks.append(block)
        self.page_highs[-1] = keys[-1]
        self.next_number = max(self.next_number, number + 1)
        self.block_count += 1
        return block

    def with_block(self, number: int, keys: list[Any], records: list[Any]) -> LocationTable:
        """As `open_block`, but in a version of its own: until that takes this one's place, nothing has changed."""
        opened = self.copy(self.stamp)
        if self.pages:
            last = self.pages[-1]
            opened.pages[-1] = Page(last.highs.copy(), last.blocks.copy(), self.stamp)
        opened.open_block(number, keys, records)
        return opened

    def without_last_block(self) -> LocationTable:
        """Return a version without the block that was opened last, as if its number had never been given out."""
        closed = self.copy(self.stamp)
        last = self.pages[-1]
        closed.pages[-1] = Page(last.highs.copy(), last.blocks.copy(), self.stamp)
        closed.remove_block(len(self.pages) - 1, len(last.blocks) - 1)
        closed.next_number -= 1
        return closed

    def raise_last_high(self, key: Any) -> None:
        """Note that the last block now ends with this key."""
        self.pages[-1].highs[-1] = self.page_highs[-1] = key

    def split_block(self, page_index: int, block_index: int, number: int, middle: int) -> tuple[Block, Block]:
        """Move what a block holds from `middle` on into a new one right behind it; return both."""
        left = self.own_block(page_index, block_index)
        right = Block(number, left.keys[middle:], left.records[middle:], self.stamp)
        del left.keys[middle:], left.records[middle:]
        left.digest = None
        self.first = None
        page = self.pages[page_index]
        page.highs.insert(block_index, left.keys[-1])
        page.blocks.insert(block_index + 1, right)
        self.next_number = max(self.next_number, number + 1)
        self.block_count += 1
        if len(page.blocks) > PAGE_BLOCKS_MAX:
            self.split_page(page_index)
        return left, right

    def cut_block(self, page_index: int, block_index: int, fill: int) -> None:
        """Spread what an own block holds too much over new ones right behind it, about `fill` entries to each."""
        block = self.own_block(page_index, block_index)
        keys, records = block.keys, block.records
        pieces = -(-len(keys) // fill)
        cuts = [len(keys) * piece // pieces for piece in range(pieces + 1)]
        numbers = range(self.next_number, self.next_number + pieces - 1)
        new = [Block(number, keys[low:high], records[low:high], self.stamp)
               for number, low, high in zip(numbers, cuts[1:-1], cuts[2:], strict=True)]  # fmt: skip
        del keys[cuts[1] :], records[cuts[1] :]
        block.digest = None
        page = self.pages[page_index]
        page.blocks[block_index + 1 : block_index + 1] = new
        page.highs[block_index : block_index + 1] = [keys[-1], *(piece.keys[-1] for piece in new)]
        self.page_highs[page_index] = page.highs[-1]
        self.next_number += pieces - 1
        self.block_count += pieces - 1
        if len(page.blocks) > PAGE_BLOCKS_MAX:
            self.split_page(page_index)

    def split_page(self, page_index: int) -> None:
        """Cut a page that holds too much: in two halves, mostly."""
        page = self.pages[page_index]
        pieces = -(-len(page.blocks) // PAGE_BLOCKS_MAX)
        cuts = [len(page.blocks) * piece // pieces for piece in range(pieces + 1)]
        pages = [Page(page.highs[low:high], page.blocks[low:high], self.stamp) for low, high in pairwise(cuts)]
        self.pages[page_index : page_index + 1] = pages
        self.page_highs[page_index : page_index + 1] = [page.highs[-1] for page in pages]

    def delete_at(self, page_index: int, block_index: int, index: int) -> Block:
        """Take one entry out and return its block; the block is out of the table too if that emptied it."""
        block = self.own_block(page_index, block_index)
        del block.keys[index], block.records[index]
        if index == len(block.keys):
            self.note_last(page_index, block_index)
        return block

    def note_last(self, page_index: int, block_index: int) -> None:
        """Note with which key a block of an own page ends by now; an empty one is taken out."""
        page = self.pages[page_index]
        keys = page.blocks[block_index].keys
        if not keys:
            self.remove_block(page_index, block_index)
            return
        highs = page.highs
        highs[block_index] = keys[-1]
        if block_index == len(highs) - 1:
            self.page_highs[page_index] = keys[-1]

    def remove_block(self, page_index: int, block_index: int) -> None:
        """Take a whole block out, and its page if that was the page's only one."""
        page = self.own_page(page_index)
        del page.highs[block_index], page.blocks[block_index]
        self.block_count -= 1
        if page_index != len(self.pages) - 1 or block_index != len(page.blocks):
            self.first = None
        if not page.blocks:
            del self.pages[page_index], self.page_highs[page_index]
        elif block_index == len(page.blocks):
            self.page_highs[page_index] = page.highs[-1]


def cut(blocks: list[Block], start: int, stop: int) -> list[Slice]:
    """Turn a run of blocks into slices: the first from `start` on, the last up to `stop`."""
    if not blocks:
        return []
    if len(blocks) == 1:
        return [(blocks[0], start, stop)] if start < stop else []
    slices = [(block, 0, len(block.keys)) for block in blocks]
    slices[0] = (blocks[0], start, len(blocks[0].keys))
    if stop:
        slices[-1] = (blocks[-1], 0, stop)
    else:
        slices.pop()
    return slices


def build_location(keys: list[Any], records: list[Any], stamp: Stamp, fill: int = BLOCK_RECORDS_MAX) -> LocationTable:
    """Make a location table of sorted entries at once, `fill` of them to a block."""
    starts = range(0, len(keys), fill)
    blocks = [Block(n, keys[s : s + fill], records[s : s + fill], stamp) for n, s in enumerate(starts)]
    return build_location_of_blocks(blocks, len(blocks), stamp)


def build_location_of_blocks(blocks: list[Block], next_number: int, stamp: Stamp) -> LocationTable:
    """Make a location table of blocks that are already in key order."""
    location = LocationTable(stamp)
    location.next_number = next_number
    location.block_count = len(blocks)
    for start in range(0, len(blocks), PAGE_BLOCKS_MAX):
        run = blocks[start : start + PAGE_BLOCKS_MAX]
        page = Page([block.keys[-1] for block in run], run, stamp)
        location.pages.append(page)
        location.page_highs.append(page.highs[-1])
    return location
