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
from collections.abc import Callable
from functools import cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, TypeAlias

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Stamp, next_stamp
from tandemdb.storage.changes import Writer
from tandemdb.storage.collector import collector_paused
from tandemdb.storage.definition import Entry, KeyColumn, KeyDefinition, entry_function, stored_function
from tandemdb.storage.entry_runs import append_run
from tandemdb.storage.errors import Inconsistent
from tandemdb.storage.location import LocationTable
from tandemdb.storage.outstanding import (
    CHANGE_WIDTH,
    CHANGES_AT_ONCE,
    CHANGES_FEW,
    CHANGES_MAX,
    Outstanding,
    net_changes,
    without_none,
)
from tandemdb.storage.secondary_reading import Gap, SecondaryReading
from tandemdb.storage.segment import add_runs, append, leave, locate, locate_among_equals, merge, remove_runs
from tandemdb.storage.values import CLASS_RANK, RANKS, Key, Record, Value, collation_key

RUNS_MIN = 8
"""Fewer entries than this are moved one by one."""
LEAVE_SHARE = 3
"""One in so many entries taken out make it worth to make the others' blocks anew; fewer are sought, run by run."""

FIRST = itemgetter(0)

Entries: TypeAlias = "list[tuple[list[Any], list[Key]]]"
"""Stored values and unique keys of many records, two parallel lists for each rank."""


class SecondaryKey(SecondaryReading):
    """One secondary key of a table. `stale`: computed, and its `extract` unknown here, so nothing is in it."""

    __slots__ = ()

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
        self.spot: tuple[int, int, int, int] | None = None
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

    def copy(self, stamp: Stamp) -> SecondaryKey:
        """Return a version that the bearer of the stamp may change."""
        return self.with_segments(self.segments.copy(), stamp)

    def with_segments(self, segments: list[LocationTable], stamp: Stamp) -> SecondaryKey:
        """Return a version that has other segments."""
        copied = SecondaryKey.__new__(SecondaryKey)
        copied.definition = self.definition
        copied.stale = self.stale
        copied.stamp = stamp
        copied.may_wait = self.may_wait
        copied.patience = self.patience
        copied.segments = segments
        copied.distinct = None
        copied.gap = copied.spot = None
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
            if self.known is not None and index:
                self.spot = rank, page_index, block_index, index + 1
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
            changes.extend((key, old, new))
            if len(changes) >= CHANGES_MAX * CHANGE_WIDTH:
                self.catch_up()
            return True
        if self.patience > 0 or not self.may_wait:
            self.patience -= 1
            return False
        writer.outstanding[self.definition.id] = self
        outstanding = Outstanding(self)
        outstanding.changes.extend((key, old, new))
        self.gap = self.distinct = None
        self.known = self.new_known()
        self.segments = outstanding
        return True

    def catch_up(self) -> None:
        """Make the changes that wait. Cost: up to 1 µs each."""
        outstanding = self.segments
        if type(outstanding) is not Outstanding:
            return
        # Made to copies of what there was before.
        made = self.with_segments(outstanding.segments.copy(), next_stamp())
        few = len(outstanding.changes) < CHANGES_FEW * CHANGE_WIDTH
        with collector_paused():  # Pairs are made that are gone when this is done.
            keys, olds, news = net_changes(outstanding.changes)
            if few:
                made.make_changes(keys, olds, news)
            else:
                gone, come = without_none(keys, olds), without_none(keys, news)
                if gone[0]:
                    made.remove_many(*gone)
                if come[0]:
                    made.add_many(*come)
        if few:
            self.patience = CHANGES_AT_ONCE
        self.gap = self.distinct = None
        self.known = self.new_known()
        self.segments = made.segments

    def forget_changes(self) -> None:
        """Drop the changes that wait: nobody will read this key again."""
        if type(self.segments) is Outstanding:
            self.segments = self.segments.segments

    def make_changes(self, keys: list[Key], olds: list[Record | None], news: list[Record | None]) -> None:
        """Make a few changes, one by one."""
        for key, old, new in zip(keys, olds, news, strict=True):
            old_entry = None if old is None else self.entry_of(key, old)
            new_entry = None if new is None else self.entry_of(key, new)
            if old_entry is not None:
                self.remove(old_entry[0], old_entry[1], key)
            if new_entry is not None:
                self.add(new_entry[0], new_entry[1], key)

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
    return sorted(zip(values, keys, strict=True), key=FIRST)


def leave_out(key: Key, record: Record) -> Entry:
    """Stand for the entry function of a stale key: no record is in it."""
    return None


def are_alike(before: Value, after: Value) -> bool:
    """Tell whether two values are the same to every reader: a mirror's come over a wire, as objects of their own.

    Equal numbers may differ (1 and 1.0, 0.0 and -0.0), and covering reads return the stored value.
    """
    return type(before) is type(after) is not float and before == after
