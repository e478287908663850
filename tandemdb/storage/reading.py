"""Reading a table: look-ups, ranges and walks in both directions over its blocks.

    find(30)                  a guess that is checked; else page_highs -> highs -> keys by bisections
    range_record_lists(..)    [[r9 r17], [r21 r30 r42], [r55]]     slices of blocks, whole ones uncopied
    items()                   a chain of zips: no Python code runs for a record

Lists that are handed out may be a block's own: they are to be read, not changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeAlias

from tandemdb.storage.changes import Writer
from tandemdb.storage.definition import TableDefinition
from tandemdb.storage.location import BLOCK_BITS, PAGE_BITS, LocationTable
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.sums import Summed
from tandemdb.storage.values import Key, Record, Signature

PLACE_IN_BLOCK = (1 << BLOCK_BITS) - 1
PLACE_IN_PAGE = (1 << PAGE_BITS) - 1
PAGE_SHIFT = BLOCK_BITS + PAGE_BITS

Place: TypeAlias = tuple[Record, int, int, int]
"""A record, and where it stands: page, block and index there. It holds until the table changes."""


class TableReading:
    """The reading half of `Table`."""

    __slots__ = (
        "classes",
        "count",
        "definition",
        "id",
        "kept",
        "keys",
        "location",
        "maintained",
        "signatures",
        "stamp",
        "summed",
        "writer",
    )

    id: int
    definition: TableDefinition
    location: LocationTable
    count: int
    classes: tuple[int, ...]
    signatures: set[Signature]
    keys: dict[int, SecondaryKey]
    kept: dict[object, Any] | None
    maintained: list[SecondaryKey] | None
    stamp: int
    writer: Writer
    summed: Summed | None

    def find(self, key: Key) -> Record | None:
        """Return the record under a unique key, None if there is none. Cost: three bisections at most."""
        location = self.location
        pages = location.pages
        first = location.first
        if first is not None and type(key) is int:
            # Each step of a bisection among a million keys misses the cache, and so does each list that is looked into.
            place = key - first
            try:
                block = pages[place >> PAGE_SHIFT].blocks[place >> BLOCK_BITS & PLACE_IN_PAGE]
                position = location.position
                if position >= 0:
                    record = block.records[place & PLACE_IN_BLOCK]
                    if record[position] == key:
                        return record  # type: ignore[no-any-return]
                keys = block.keys
                index = key - keys[0]
                if keys[index] == key:
                    guessed: Record = block.records[index]
                    return guessed
            except IndexError:
                pass  # The guess led beyond what there is: keys have gaps, or end before.
        try:
            page = pages[bisect_left(location.page_highs, key)]
        except IndexError:
            return None
        block = page.blocks[bisect_left(page.highs, key)]
        keys = block.keys
        if type(key) is int:
            # Rowids mostly have no gaps: the place follows from the first, at 0.34 µs a random look-up instead of 0.61.
            index = key - keys[0]
            if -1 < index < len(keys) and keys[index] == key:
                found: Record = block.records[index]
                return found
        index = bisect_left(keys, key)
        return block.records[index] if keys[index] == key else None

    def seek(self, key: Key) -> Place | None:
        """As `find`, for who changes the record then: its place, too."""
        location = self.location
        pages = location.pages
        first = location.first
        if first is not None and type(key) is int and key >= first:
            place = key - first
            page_index, block_index = place >> PAGE_SHIFT, place >> BLOCK_BITS & PLACE_IN_PAGE
            index = place & PLACE_IN_BLOCK
            try:
                block = pages[page_index].blocks[block_index]
                position = location.position
                keys = block.keys
                if position >= 0 and index < len(keys):
                    record = block.records[index]
                    if record[position] == key:
                        return record, page_index, block_index, index
                low, high = keys[0], keys[-1]
                if low <= key <= high:
                    index, count = key - low, len(keys)
                    if index >= count or keys[index] != key:
                        # As where records before it were deleted, so many at most.
                        gone = high - low + 1 - count
                        index = bisect_left(keys, key, max(0, index - gone), min(index + 1, count))
                    return (block.records[index], page_index, block_index, index) if keys[index] == key else None
            except IndexError:
                pass  # The guess led beyond what there is: keys have gaps, or end before.
        page_index = bisect_left(location.page_highs, key)
        if page_index == len(pages):
            return None
        page = pages[page_index]
        block_index = bisect_left(page.highs, key)
        block = page.blocks[block_index]
        keys = block.keys
        if type(key) is int:
            index = key - keys[0]
            if -1 < index < len(keys) and keys[index] == key:
                return block.records[index], page_index, block_index, index
        index = bisect_left(keys, key)
        return (block.records[index], page_index, block_index, index) if keys[index] == key else None

    def find_many(self, keys: Iterable[Key]) -> list[Record]:
        """Return the records under unique keys, in the order given; a key that is not there is left out."""
        location = self.location
        page_highs = location.page_highs
        pages = location.pages
        first = location.first
        position = location.position
        records: list[Record] = []
        add = records.append
        end = len(pages)
        for key in keys:
            if first is not None and type(key) is int:
                place = key - first
                try:
                    block = pages[place >> PAGE_SHIFT].blocks[place >> BLOCK_BITS & PLACE_IN_PAGE]
                    if position >= 0:
                        record = block.records[place & PLACE_IN_BLOCK]
                        if record[position] == key:
                            add(record)
                            continue
                    block_keys = block.keys
                    index = key - block_keys[0]
                    if block_keys[index] == key:
                        add(block.records[index])
                        continue
                except IndexError:
                    pass  # As in `find`: look for it by bisection.
            page_index = bisect_left(page_highs, key)
            if page_index < end:
                page = pages[page_index]
                block = page.blocks[bisect_left(page.highs, key)]
                block_keys = block.keys
                if type(key) is int:
                    index = key - block_keys[0]
                    if -1 < index < len(block_keys) and block_keys[index] == key:
                        add(block.records[index])
                        continue
                index = bisect_left(block_keys, key)
                if block_keys[index] == key:
                    add(block.records[index])
        return records

    def find_items(self, keys: Iterable[Key]) -> list[tuple[Key, Record]]:
        """Return (unique key, record) of unique keys, in the order given; a key that is not there is left out."""
        location = self.location
        page_highs = location.page_highs
        pages = location.pages
        first = location.first
        items: list[tuple[Key, Record]] = []
        add = items.append
        end = len(pages)
        for key in keys:
            if first is not None and type(key) is int:
                place = key - first
                try:
                    block = pages[place >> PAGE_SHIFT].blocks[place >> BLOCK_BITS & PLACE_IN_PAGE]
                    index = key - block.keys[0]
                    if block.keys[index] == key:
                        add((block.keys[index], block.records[index]))
                        continue
                except IndexError:
                    pass  # As in `find`: look for it by bisection.
            page_index = bisect_left(page_highs, key)
            if page_index < end:
                page = pages[page_index]
                block = page.blocks[bisect_left(page.highs, key)]
                block_keys = block.keys
                index = bisect_left(block_keys, key)
                if block_keys[index] == key:
                    add((block_keys[index], block.records[index]))
        return items

    def first_key(self) -> Key | None:
        """Return the lowest unique key, None if the table is empty."""
        pages = self.location.pages
        return pages[0].blocks[0].keys[0] if pages else None

    def last_key(self) -> Key | None:
        """Return the highest unique key, None if the table is empty."""
        page_highs = self.location.page_highs
        return page_highs[-1] if page_highs else None

    def record_lists(self) -> list[list[Record]]:
        """List the blocks' lists of records, in key order."""
        return [block.records for page in self.location.pages for block in page.blocks]

    def records_at(self, places: Sequence[int]) -> list[list[Record]]:
        """List, block by block, the records at ascending places counted from the first; no other is touched."""
        found, start, end = [], 0, 0
        for records in [block.records for page in self.location.pages for block in page.blocks]:
            end += len(records)
            stop = bisect_left(places, end, start)
            if start < stop:
                # Counted from the end of its list, a place is below 0.
                found.append([records[place - end] for place in places[start:stop]])
                start = stop
        return found

    def key_lists(self) -> list[list[Key]]:
        """List the blocks' lists of unique keys, parallel to `record_lists`."""
        return [block.keys for page in self.location.pages for block in page.blocks]

    def items(self) -> Iterator[tuple[Key, Record]]:
        """Walk over (unique key, record) in key order."""
        return chain.from_iterable(zip(block.keys, block.records, strict=True) for block in self.location.blocks())

    def reversed_records(self) -> Iterator[Record]:
        """Walk over the records from the highest unique key down."""
        return chain.from_iterable(reversed(block.records) for block in self.location.blocks_reversed())

    def reversed_items(self) -> Iterator[tuple[Key, Record]]:
        """Walk over (unique key, record) from the highest unique key down."""
        return chain.from_iterable(
            zip(reversed(block.keys), reversed(block.records), strict=True) for block in self.location.blocks_reversed()
        )

    def range_record_lists(
        self, low: Key | None, low_open: bool, high: Key | None, high_open: bool
    ) -> list[list[Record]]:
        """List, block by block, the records between two unique keys; None leaves a side unbounded."""
        return [
            block.records if stop - start == len(block.records) else block.records[start:stop]
            for block, start, stop in self.location.slices(low, low_open, high, high_open)
        ]

    def range_items(
        self, low: Key | None, low_open: bool, high: Key | None, high_open: bool
    ) -> Iterator[tuple[Key, Record]]:
        """Walk over (unique key, record) between two unique keys; None leaves a side unbounded."""
        return chain.from_iterable(
            [
                zip(block.keys[start:stop], block.records[start:stop], strict=True)
                for block, start, stop in self.location.slices(low, low_open, high, high_open)
            ]
        )

    def range_reversed_items(
        self, low: Key | None, low_open: bool, high: Key | None, high_open: bool
    ) -> Iterator[tuple[Key, Record]]:
        """Walk over (unique key, record) between two unique keys from the higher one down."""
        return chain.from_iterable(
            zip(reversed(block.keys[start:stop]), reversed(block.records[start:stop]), strict=True)
            for block, start, stop in reversed(self.location.slices(low, low_open, high, high_open))
        )
