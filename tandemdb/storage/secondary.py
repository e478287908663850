"""Secondary keys: from the values of some columns to the unique keys of the records that hold them.

    segment            a location table over blocks of two parallel lists, sorted by both
    0 NULL     ---->   stored values [0 0]           unique keys [4 9]
    1 number   ---->   stored values [1 1 2.5 7]     unique keys [2 8 1 3]
    2 text     ---->   stored values ["a" "b" "b"]   unique keys [5 6 7]
    3 blob     ---->   (no blocks)

Values of different storage classes do not compare in Python, so each class has a segment of its own by the class of
the leading column; the segments in order of rank are SQLite's sort order. A composite key stores the flat tuple
(lead, rank 2, value 2, ...): ranks decide before values are compared, so those tuples compare plainly too, and the
entries that begin with `prefix` are those from `prefix` up to `prefix + (RANK_ABOVE_ALL,)`.

Secondary keys are derived from the records on every system, never shipped, and no part of a digest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, compress, repeat
from operator import itemgetter, not_
from typing import Any, TypeAlias

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Block, Stamp, next_stamp
from tandemdb.storage.changes import Writer
from tandemdb.storage.definition import Entry, KeyColumn, KeyDefinition, entry_function, stored_function
from tandemdb.storage.entry_runs import BUILD_FILL, add_run, append_run, remove_run
from tandemdb.storage.errors import Inconsistent
from tandemdb.storage.location import LocationTable, Page, build_location
from tandemdb.storage.outstanding import CHANGES_AT_ONCE, CHANGES_FEW, CHANGES_MAX, Outstanding, net_changes
from tandemdb.storage.values import CLASS_RANK, RANK_ABOVE_ALL, RANKS, Key, Record, Value, collation_key

SAMPLES = 32
"""Entries looked at to estimate how many distinct values there are."""
RUNS_MIN = 8
"""Fewer entries than this are moved one by one."""
KNOWN_MAX = 8192
"""So many stored values of a composite key are remembered at most, for each rank."""
LEAVE_SHARE = 3
"""One in so many entries taken out make it worth to make the others' blocks anew; fewer are sought, run by run."""
DISTINCT_STEPS_MAX = 100
"""Up to so many distinct values are counted one by one; beyond, a sample of blocks gives an estimate."""


FIRST, SECOND, THIRD = itemgetter(0), itemgetter(1), itemgetter(2)

Entries: TypeAlias = "list[tuple[list[Any], list[Key]]]"
"""Stored values and unique keys of many records, two parallel lists for each rank."""
Gap: TypeAlias = tuple[int, Any, int, int, int]
"""A rank and a stored value that is not there, and where it would be: page, block and index there."""


class SecondaryKey:
    """One secondary key of a table. `stale`: computed, and its `extract` unknown here, so nothing is in it."""

    __slots__ = (
        "definition",
        "distinct",
        "entry_of",
        "gap",
        "holds",
        "known",
        "may_wait",
        "patience",
        "position",
        "segments",
        "stale",
        "stamp",
        "stored_as_is",
        "stored_of",
    )

    def __init__(self, definition: KeyDefinition, stamp: Stamp) -> None:
        self.definition = definition
        self.stale = definition.computed and definition.extract is None
        self.stamp = stamp
        # Whether changes may wait: what a function of the program makes of a record, it makes when the record changes.
        self.may_wait = not definition.computed and all(map(is_built_in, definition.columns))
        self.patience = CHANGES_FEW
        self.segments: list[LocationTable] = [LocationTable(stamp) for _ in range(RANKS)]
        self.distinct: dict[int, int] | None = None
        self.gap: Gap | None = None
        # The record's column that a key of one column is on; -1 for any other key, and where a condition decides too.
        plain = len(definition.columns) == 1 and not definition.computed
        self.position = definition.columns[0].position if plain else -1
        # The same column if what is stored is its value, but for NULL; -1 where a collation changes it.
        as_is = plain and collation_key(definition.columns[0].collation) is None
        self.stored_as_is = self.position if as_is else -1
        self.known = self.new_known()
        # Whether this was stored of a record, by its columns' values; None for a key of one column or with a collation.
        binary = all(collation_key(column.collation) is None for column in definition.columns)
        several = len(definition.columns) > 1 and binary and not definition.computed
        self.holds = holds_plain_columns(tuple([c.position for c in definition.columns])) if several else None
        self.stored_of = stored_function(definition.columns)
        self.entry_of: Callable[[Key, Record], Entry] = leave_out if self.stale else entry_function(definition)

    # Reading ---------------------------------------------------------------------------------------------------

    def stored(self, values: tuple[Value, ...]) -> tuple[int, Any]:
        """Turn the values of the key's columns into (rank, stored value), the form all other methods take."""
        return self.stored_of(values)

    def first(self, rank: int, stored: Any) -> Key | None:
        """Find the lowest unique key under a stored value, None if there is none.

        Cost: three bisections; of a composite key, whose values compare slowly, a look-up if it was asked before.
        """
        known = self.known
        if known is not None:
            found = known[rank].get(stored)
            if found is not None:
                return found
            found = self.probe(rank, stored)
            if found is not None:
                if len(known[rank]) >= KNOWN_MAX:
                    known[rank].clear()
                known[rank][stored] = found
            return found
        segment = self.segments[rank]
        try:
            page = segment.pages[bisect_left(segment.page_highs, stored)]
        except IndexError:
            return None
        block = page.blocks[bisect_left(page.highs, stored)]
        keys = block.keys
        index = bisect_left(keys, stored)
        return block.records[index] if keys[index] == stored else None

    def probe(self, rank: int, stored: Any) -> Key | None:
        """As `first`, for who adds an entry under this value if there is none: `add` need not search again then."""
        segment = self.segments[rank]
        page_index = bisect_left(segment.page_highs, stored)
        if page_index == len(segment.pages):
            return None
        page = segment.pages[page_index]
        block_index = bisect_left(page.highs, stored)
        block = page.blocks[block_index]
        keys = block.keys
        index = bisect_left(keys, stored)
        if keys[index] == stored:
            return block.records[index]
        self.gap = (rank, stored, page_index, block_index, index)
        return None

    def equal(self, rank: int, stored: Any) -> list[Key]:
        """List the unique keys under a stored value, in ascending order."""
        segment = self.segments[rank]
        try:
            page = segment.pages[bisect_left(segment.page_highs, stored)]
        except IndexError:
            return []
        block = page.blocks[bisect_left(page.highs, stored)]
        keys = block.keys
        start = bisect_left(keys, stored)
        stop = bisect_right(keys, stored, start)
        if stop < len(keys):
            return block.records[start:stop]
        return join(segment, stored, False, stored, False)

    def range_keys(self, rank: int, low: Any, low_open: bool, high: Any, high_open: bool) -> list[Key]:
        """List the unique keys between two stored values of one segment, in the order of (stored value, unique key).

        None leaves that side unbounded inside the segment; an open bound excludes the entries equal to it.
        """
        return join(self.segments[rank], low, low_open, high, high_open)

    def range_entries(self, rank: int, low: Any, low_open: bool, high: Any, high_open: bool) -> list[tuple[Any, Key]]:
        """List (stored value, unique key) between two stored values of one segment, like `range_keys`."""
        entries: list[tuple[Any, Key]] = []
        for block, start, stop in self.segments[rank].slices(low, low_open, high, high_open):
            entries += zip(block.keys[start:stop], block.records[start:stop], strict=True)
        return entries

    def prefix_keys(self, rank: int, prefix: tuple[Any, ...]) -> list[Key]:
        """List the unique keys of a composite key's entries that begin with these parts of a stored value."""
        return join(self.segments[rank], prefix, False, (*prefix, RANK_ABOVE_ALL), False)

    def scan_keys(self, reverse: bool = False) -> Iterator[Key]:
        """Walk over all unique keys in order of the stored values, NULL first; or the same backwards."""
        if reverse:
            backwards = chain.from_iterable([segment.blocks_reversed() for segment in reversed(self.segments)])
            return chain.from_iterable(reversed(block.records) for block in backwards)
        blocks = chain.from_iterable([segment.blocks() for segment in self.segments])
        return chain.from_iterable(block.records for block in blocks)

    def value_lists(self) -> list[list[Any]]:
        """List the stored values in runs, in their order, those of the NULL segment left out."""
        return [block.keys for segment in self.segments[1:] for block in segment.blocks()]

    def scan_entries(self, reverse: bool = False) -> Iterator[tuple[int, Any, Key]]:
        """Walk over (rank, stored value, unique key) in order, NULL first; or the same backwards."""
        ranked = [(rank, segment) for rank, segment in enumerate(self.segments) if segment.pages]
        if reverse:
            return chain.from_iterable(
                zip(repeat(rank), reversed(block.keys), reversed(block.records))
                for rank, segment in reversed(ranked)
                for block in segment.blocks_reversed()
            )
        return chain.from_iterable(
            zip(repeat(rank), block.keys, block.records) for rank, segment in ranked for block in segment.blocks()
        )

    def scan_pairs(self, reverse: bool = False) -> Iterator[tuple[Any, Key]]:
        """Walk over (stored value, unique key) in order, NULL first; or the same backwards."""
        if reverse:
            backwards = chain.from_iterable([segment.blocks_reversed() for segment in reversed(self.segments)])
            return chain.from_iterable(zip(block.keys[::-1], block.records[::-1], strict=True) for block in backwards)
        blocks = chain.from_iterable([segment.blocks() for segment in self.segments])
        return chain.from_iterable(zip(block.keys, block.records, strict=True) for block in blocks)

    @property
    def distinct_count(self) -> int:
        """Estimate how many distinct stored values there are. See `distinct_prefix_count`."""
        return self.distinct_prefix_count(len(self.definition.columns))

    def distinct_prefix_count(self, columns: int) -> int:
        """Estimate how many distinct values the first columns of the key have, from a sample of its blocks.

        Exact up to 100 a segment. Cost: up to 100 µs a segment the first time, then a look-up.
        """
        known = self.distinct
        if known is None:
            known = self.distinct = {}
        if columns not in known:
            width = 2 * columns - 1 if columns < len(self.definition.columns) else 0
            known[columns] = sum(estimate_distinct(segment, width) for segment in self.segments)
        return known[columns]

    # Writing ---------------------------------------------------------------------------------------------------

    def copy(self, stamp: Stamp) -> SecondaryKey:
        """Return a version that the bearer of the stamp may change."""
        copied = SecondaryKey.__new__(SecondaryKey)
        copied.definition = self.definition
        copied.stale = self.stale
        copied.stamp = stamp
        copied.may_wait = self.may_wait
        copied.patience = self.patience
        copied.segments = self.segments.copy()
        copied.distinct = None
        copied.gap = None
        copied.known = copied.new_known()
        copied.holds = self.holds
        copied.position = self.position
        copied.stored_as_is = self.stored_as_is
        copied.stored_of = self.stored_of
        copied.entry_of = self.entry_of
        return copied

    def new_known(self) -> list[dict[Any, Key]] | None:
        """Begin to remember, for each rank, under which unique keys stored values of a composite key were found.

        None for a key of one column, where three bisections take no longer, and where a collation is the program's own.
        """
        return [{} for _ in range(RANKS)] if len(self.definition.columns) > 1 and self.may_wait else None

    def owned(self, stamp: Stamp) -> SecondaryKey:
        """Return this version if it is the bearer's alone, by its stamp, else a copy."""
        if self.stamp < stamp:
            return self.copy(stamp)
        self.stamp = stamp
        return self

    def add(self, rank: int, stored: Any, key: Key) -> None:
        """Add an entry."""
        segment = self.segments[rank]
        stamp = self.stamp
        if segment.stamp < stamp:
            segment = self.segments[rank] = segment.copy(stamp)
        gap, self.gap = self.gap, None
        if self.known is not None:
            self.known[rank].pop(stored, None)
        self.distinct = None
        if gap is not None and gap[0] == rank and gap[1] == stored:
            _, _, page_index, block_index, index = gap
            block = segment.pages[page_index].blocks[block_index]
        else:
            # `locate`, written out here and in `remove`: 0.15 us of 0.75.
            pages = segment.pages
            page_index = bisect_left(segment.page_highs, stored)
            if page_index == len(pages):
                append(segment, stored, key)
                return
            page = pages[page_index]
            block_index = bisect_left(page.highs, stored)
            block = page.blocks[block_index]
            keys = block.keys
            unique_keys = block.records
            index = bisect_left(keys, stored)
            if keys[index] == stored and unique_keys[index] < key:
                if page.highs[block_index] == stored and unique_keys[-1] < key:
                    page_index, block_index, index = locate_among_equals(segment, stored, key, page_index)
                    if page_index == len(pages):
                        append(segment, stored, key)
                        return
                    block = pages[page_index].blocks[block_index]
                else:
                    index = bisect_left(unique_keys, key, index + 1, bisect_right(keys, stored, index))
        if len(block.keys) >= BLOCK_RECORDS_MAX:
            segment.split_block(page_index, block_index, segment.next_number, BLOCK_RECORDS_MAX // 2)
            page_index, block_index, index = locate(segment, stored, key)
            block = segment.pages[page_index].blocks[block_index]
        if block.stamp < stamp:
            block = segment.own_block(page_index, block_index)
        block.keys.insert(index, stored)
        block.records.insert(index, key)

    def remove(self, rank: int, stored: Any, key: Key) -> None:
        """Take an entry out.

        Raises:
            Inconsistent: there is no such entry, so key and records contradict each other.
        """
        segment = self.segments[rank]
        stamp = self.stamp
        if segment.stamp < stamp:
            segment = self.segments[rank] = segment.copy(stamp)
        try:
            page_index = bisect_left(segment.page_highs, stored)
            page = segment.pages[page_index]
            block_index = bisect_left(page.highs, stored)
            block = page.blocks[block_index]
            keys = block.keys
            unique_keys = block.records
            index = bisect_left(keys, stored)
            if unique_keys[index] != key:
                if page.highs[block_index] == stored and unique_keys[-1] < key:
                    page_index, block_index, index = locate_among_equals(segment, stored, key, page_index)
                    block = segment.pages[page_index].blocks[block_index]
                else:
                    index = bisect_left(unique_keys, key, index + 1, bisect_right(keys, stored, index))
            there = block.keys[index] == stored and block.records[index] == key
        except IndexError:
            there = False
        if not there:
            raise Inconsistent(f"secondary key {self.definition.id} lacks the entry of a record of its table")
        if block.stamp < stamp:
            block = segment.own_block(page_index, block_index)
        self.gap = None
        if self.known is not None:
            self.known[rank].pop(stored, None)
        keys = block.keys
        del keys[index], block.records[index]
        self.distinct = None
        if index == len(keys):
            segment.note_last(page_index, block_index)

    def wait(self, key: Key, old: Record | None, new: Record | None, writer: Writer) -> bool:
        """Let a change of a record wait until the key is read; False if it is to be made at once.

        Args:
            old: the record that was under the unique key, None if none was; `new` likewise.
            writer: that of the table, which changes it in place.
        """
        segments = self.segments
        if type(segments) is Outstanding:
            changes = segments.changes
            changes.append((key, old, new))
            if len(changes) >= CHANGES_MAX:
                self.catch_up()
            return True
        if self.patience > 0 or not self.may_wait:
            self.patience -= 1
            return False
        writer.outstanding[self.definition.id] = self
        outstanding = Outstanding(self)
        outstanding.changes.append((key, old, new))
        self.gap = self.distinct = None
        self.known = self.new_known()
        self.segments = outstanding
        return True

    def catch_up(self) -> None:
        """Make the changes that wait. Cost: up to 1 µs each."""
        outstanding = self.segments
        if type(outstanding) is not Outstanding:
            return
        made = self.copy_for(outstanding)
        changes = net_changes(outstanding.changes)
        gone = [change for change in changes if change[1] is not None]
        if gone:
            made.remove_many(list(map(FIRST, gone)), list(map(SECOND, gone)))
        come = [change for change in changes if change[2] is not None]
        if come:
            made.add_many(list(map(FIRST, come)), list(map(THIRD, come)))
        if len(outstanding.changes) < CHANGES_FEW:
            self.patience = CHANGES_AT_ONCE
        self.gap = self.distinct = None
        self.known = self.new_known()
        self.segments = made.segments

    def forget_changes(self) -> None:
        """Drop the changes that wait: nobody will read this key again."""
        if type(self.segments) is Outstanding:
            self.segments = self.segments.segments

    def copy_for(self, outstanding: Outstanding) -> SecondaryKey:
        """Return a version of what there was before some changes, to make them to."""
        made = SecondaryKey(self.definition, next_stamp())
        made.segments = outstanding.segments.copy()
        return made

    def touched_by(self, old: Record, new: Record) -> bool:
        """Tell whether the entry of a record that was replaced may have to move."""
        if self.definition.computed:
            return True
        for column in self.definition.columns:
            before, after = old[column.position], new[column.position]
            if before is not after and not are_alike(before, after):
                return True
        return False

    def change(self, key: Key, old: Record, new: Record) -> None:
        """Move the entry of a record that was replaced."""
        position = self.position
        if position >= 0:
            before, after = old[position], new[position]
            if before is after or (type(before) is type(after) is not float and before == after):  # are_alike
                return
            if self.stored_as_is >= 0 and before is not None and after is not None:  # `entry_of`, written out: 0.3 us
                self.remove(CLASS_RANK[type(before)], before, key)
                self.add(CLASS_RANK[type(after)], after, key)
                return
        elif not self.touched_by(old, new):
            return
        old_entry = self.entry_of(key, old)
        new_entry = self.entry_of(key, new)
        # Equal numbers may still differ (1 and 1.0, 0.0 and -0.0), and covering reads return the stored value.
        if old_entry == new_entry and (new_entry is None or type(new_entry[1]) in (str, bytes)):
            return
        if old_entry is not None:
            self.remove(old_entry[0], old_entry[1], key)
        if new_entry is not None:
            self.add(new_entry[0], new_entry[1], key)

    def change_many(self, keys: list[Key], olds: list[Record], news: list[Record]) -> None:
        """Move the entries of many records that were replaced."""
        moved = self.moved(keys, olds, news)
        if len(moved) < RUNS_MIN:
            for key, old, new in moved:
                self.change(key, old, new)
            return
        keys, olds, news = map(list, zip(*moved, strict=True))
        self.remove_many(keys, olds)
        self.add_many(keys, news)

    def moved(self, keys: list[Key], olds: list[Record], news: list[Record]) -> list[tuple[Key, Record, Record]]:
        """Those of many replaced records, as (key, old, new), whose entries may have to move."""
        items = zip(keys, olds, news, strict=True)
        if self.definition.computed or len(self.definition.columns) != 1:
            return list(items)
        at = self.definition.columns[0].position
        return [item for item in items if item[1][at] is not item[2][at] and not are_alike(item[1][at], item[2][at])]

    def remove_many(self, keys: list[Key], records: list[Record]) -> None:
        """Take the entries of many records out, their unique keys in ascending order.

        Raises:
            Inconsistent: one is not there.
        """
        for rank, (values, unique_keys) in enumerate(self.list_entries(keys, records)):
            if not values:
                continue
            segment = self.own_segment(rank)
            existing = sum(len(block.keys) for block in segment.blocks())
            if len(values) * LEAVE_SHARE > existing:
                self.segments[rank] = left = leave(segment, set(unique_keys), self.stamp)
                removed = existing - sum(len(block.keys) for block in left.blocks())
            else:
                removed = remove_runs(segment, in_order(values, unique_keys))
            if removed != len(values):
                raise Inconsistent(f"secondary key {self.definition.id} lacks the entry of a record of its table")

    def add_many(self, keys: list[Key], records: list[Record]) -> None:
        """Add the entries of many records, their unique keys in ascending order."""
        self.add_entries(self.list_entries(keys, records))

    def add_entries(self, entries: Entries) -> None:
        """Add what `list_entries` listed."""
        for rank, (values, keys) in enumerate(entries):
            if not values:
                continue
            segment = self.own_segment(rank)
            existing = sum(len(block.keys) for block in segment.blocks()) if segment.pages else 0
            # Merging costs about 0.4 µs for each entry old or new, a run into its block about 0.6 µs for each new one,
            # behind all others 0.1 µs.
            if existing and min(values) > segment.page_highs[-1]:
                append_run(segment, in_order(values, keys))
            elif len(values) * 2 < existing:
                add_runs(segment, in_order(values, keys))
            else:
                self.segments[rank] = merge(segment, values, keys, self.stamp)

    def list_entries(self, keys: list[Key], records: list[Record]) -> Entries:
        """List the stored value and the unique key of each record by rank."""
        entries: Entries = [([], []) for _ in range(RANKS)]
        whole = self.list_plain_entries(records)
        if whole is not None:
            entries[whole[0]] = whole[1], keys
            return entries
        entry_of = self.entry_of
        for key, record in zip(keys, records, strict=True):
            entry = entry_of(key, record)
            if entry is not None:
                values, unique_keys = entries[entry[0]]
                values.append(entry[1])
                unique_keys.append(key)
        return entries

    def list_plain_entries(self, records: list[Record]) -> tuple[int, list[Any]] | None:
        """The stored values by whole columns, where each column holds one class and no collation: 0.1 µs a record, not
        0.5.
        """
        columns = self.definition.columns
        if self.definition.computed or any(collation_key(column.collation) is not None for column in columns):
            return None
        parts: list[Any] = []
        lead_rank = 0
        for number, column in enumerate(columns):
            values: list[Any] = list(map(itemgetter(column.position), records))
            ranks = {CLASS_RANK[kind] for kind in set(map(type, values))}
            if len(ranks) != 1:
                return None
            rank = ranks.pop()
            if number:
                parts += (repeat(rank), values)
            else:
                lead_rank = rank
                parts.append(values if rank else [0] * len(values))
        if len(columns) == 1:
            return lead_rank, parts[0]
        return lead_rank, list(zip(*parts))  # noqa: B905 - a repeat() has no length of its own

    def has_room_for(self, entries: Entries) -> bool:
        """Tell whether entries yet to be added would keep the key unique: no two equal, none equal to one that is
        there.

        Those with a NULL are unlike all others. Cost: about 0.2 µs an entry.
        """
        for rank, (stored, _) in enumerate(entries):
            if not rank or not stored:
                continue
            for place in range(1, 2 * len(self.definition.columns) - 1, 2):
                if 0 in set(map(itemgetter(place), stored)):
                    stored = [value for value in stored if value[place]]
            wanted = set(stored)
            if len(wanted) != len(stored):
                return False
            segment = self.segments[rank]
            if segment.pages and stored and min(stored) <= segment.page_highs[-1]:
                if segment.block_count < len(stored):
                    there = chain.from_iterable([block.keys for block in segment.blocks()])
                    if not wanted.isdisjoint(there):
                        return False
                elif any(self.first(rank, value) is not None for value in stored):
                    return False
        return True

    def own_segment(self, rank: int) -> LocationTable:
        """Copy a segment unless this transaction, by its stamp, already has; it is about to change."""
        self.gap = None
        self.known = self.new_known()
        segment = self.segments[rank]
        if segment.stamp < self.stamp:
            segment = self.segments[rank] = segment.copy(self.stamp)
        return segment


@cache
def holds_plain_columns(positions: tuple[int, ...]) -> Callable[[Any, Record], bool]:
    """Make the test whether what a composite key stores, (lead, rank, value, ...), is made of a record's objects."""
    tests = [f"stored[{2 * place}] is record[{position}]" for place, position in enumerate(positions)]
    return eval(f"lambda stored, record: {' and '.join(tests)}", {"__builtins__": {}})  # type: ignore[no-any-return]


def is_built_in(column: KeyColumn) -> bool:
    """Whether a key's column is compared as no function of the program's says."""
    return column.collation.upper() in ("BINARY", "NOCASE", "RTRIM")


def in_order(values: list[Any], keys: list[Key]) -> list[tuple[Any, Key]]:
    """Pair and sort stored values and unique keys, which ascend: without comparing a tuple."""
    places = sorted(range(len(values)), key=values.__getitem__)
    return list(zip(map(values.__getitem__, places), map(keys.__getitem__, places), strict=True))


def leave_out(key: Key, record: Record) -> Entry:
    """Stand for the entry function of a stale key: no record is in it."""
    return None


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
    """Find (page, block, index) of the first entry not below (stored, key); page = number of pages if none is.

    Highs hold stored values alone. Where many entries share one, the last unique key of pages and blocks decides.
    """
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


def are_alike(before: Value, after: Value) -> bool:
    """Tell whether two values are the same to every reader: a mirror's come over a wire, as objects of their own.

    Equal numbers may differ (1 and 1.0, 0.0 and -0.0), and covering reads return the stored value.
    """
    return type(before) is type(after) is not float and before == after
