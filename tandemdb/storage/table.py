"""Tables: records in blocks under a location table, their secondary keys, and what is counted of them.

    Table 7 ----> location   page_highs -> pages -> blocks
            ----> keys       {8: SecondaryKey, 9: SecondaryKey}
            ----> classes    (HOLDS_INT, HOLDS_TEXT | HOLDS_NULL)     one mask a column, only growing
            ----> count, summed (its digest as far as known)
            ----> kept       what readers derived from a table that no longer changes, theirs to fill; see `is_frozen`
            ----> writer     the database's Writer: this table may be changed while both bear the same stamp

A table that a committed root reaches never changes. `Transaction.table` hands out a copy that bears the transaction's
stamp; the methods here change that copy in place, copying blocks and keys of other stamps first, and log each change
if the writer keeps a log. Appends fill a block to its end and open a new one; a full block inside is split in halves;
an emptied block is freed, and its number never used again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import gt, is_, itemgetter, lt, or_

from tandemdb.storage.block import BLOCK_RECORDS_MAX, Stamp
from tandemdb.storage.changes import DELETE, FREE, INSERT, NEW, UPDATE, WHOLE_BLOCK, Writer
from tandemdb.storage.definition import TableDefinition
from tandemdb.storage.errors import DuplicateKey, NeedsCopies, NoSuchKey, StaleTable
from tandemdb.storage.location import LocationTable
from tandemdb.storage.reading import Place
from tandemdb.storage.sums import NOTED_MIN, follow
from tandemdb.storage.undoing import TableUndoing
from tandemdb.storage.values import (
    Key,
    Record,
    widen_classes_by_records,
    widen_classes_of_columns,
)

IN_PLACE_MAX = 32
"""So many records at most are replaced or deleted in place at a time; for more, copying blocks costs less."""


class Table(TableUndoing):
    """One table of a root; see its bases for reading, for the steps of changes, and for taking changes back."""

    __slots__ = ()

    def __init__(self, definition: TableDefinition, writer: Writer, stamp: Stamp) -> None:
        self.id = definition.id
        self.definition = definition
        self.location = LocationTable(stamp)
        self.location.position = definition.rowid_position
        self.count = 0
        self.classes = definition.class_masks or (0,) * definition.columns
        self.signatures = set()
        self.keys = {}
        self.kept = None
        self.maintained = None
        self.stamp = stamp
        self.writer = writer
        self.summed = None

    # One record ------------------------------------------------------------------------------------------------

    def insert(self, key: Key, record: Record, known: bool = False) -> None:
        """Add a record.

        Args:
            known: each value's class is in its column's mask, as the caller knows.
        Raises:
            DuplicateKey: the table already holds the unique key; nothing has changed.
        Cost: about 1 µs more for each secondary key.
        """
        stamp = self.stamp
        writer = self.writer
        if writer.stamp != stamp:
            raise StaleTable(self.id)
        undo = writer.undo
        location = self.location
        page_highs = location.page_highs
        pages = location.pages
        if pages and not page_highs[-1] < key:
            page_index = bisect_left(page_highs, key)
            page = pages[page_index]
            block_index = bisect_left(page.highs, key)
            block = page.blocks[block_index]
            keys = block.keys
            index = bisect_left(keys, key)
            if keys[index] == key:
                raise DuplicateKey(self.id, key)
            if len(keys) >= BLOCK_RECORDS_MAX:
                if undo is not None:
                    raise NeedsCopies(self.id)
                block, index = self.split_for(page_index, block_index, index)
            elif block.stamp < stamp:
                block = self.own_block(page_index, block_index)
            if undo is not None:
                writer.changing = (INSERT, self.id, page_index, block_index, index, key, record, self.count)
            block.keys.insert(index, key)
            block.records.insert(index, record)
        elif pages and len(pages[-1].blocks[-1].keys) < BLOCK_RECORDS_MAX:
            page_index = len(pages) - 1
            page = pages[page_index]
            block = page.blocks[-1]
            if block.stamp < stamp:
                block = self.own_block(page_index, len(page.blocks) - 1)
                page = pages[page_index]
            keys = block.keys
            if undo is not None:
                index = len(keys)
                writer.changing = (INSERT, self.id, page_index, len(page.blocks) - 1, index, key, record, self.count)
            keys.append(key)
            block.records.append(record)
            page.highs[-1] = page_highs[-1] = key
        elif undo is None:
            block = self.open_block([key], [record])
        else:
            writer.changing = (NEW, self.id, 0, 0, 0, key, record, self.count)
            if writer.changes is not None:
                writer.changes.append((NEW, self.id, location.next_number, location.block_count, None))
            self.location = opened = location.with_block(location.next_number, [key], [record])
            block = opened.pages[-1].blocks[-1]
            self.note_new_block(block)
        self.count += 1
        if not known and tuple(map(type, record)) not in self.signatures:
            self.widen(record)
        if block.digest is not None:
            block.digest = follow(block.digest, key, None, record)
        if writer.changes is not None:
            writer.changes.append((INSERT, self.id, block.number, key, record))
        if self.keys:
            self.add_to_keys(key, record)
        if undo is not None:
            undo.append(writer.changing)  # type: ignore[arg-type]
            writer.changing = None

    def replace(
        self, key: Key, record: Record, key_ids: Sequence[int] | None = None, place: Place | None = None
    ) -> Record:
        """Put another record under a unique key that the table holds, and return the old one.

        Args:
            key_ids: the secondary keys whose entries may move; None stands for all.
            place: what `seek` told, the table unchanged since.
        Raises:
            NoSuchKey: the table does not hold the unique key; nothing has changed.
        """
        if place is None:
            place = self.locate(key)
        elif self.writer.stamp != self.stamp:
            raise StaleTable(self.id)
        old, page_index, block_index, index = place
        block = self.location.pages[page_index].blocks[block_index]
        if block.stamp < self.stamp:
            block = self.own_block(page_index, block_index)
        writer = self.writer
        undo = writer.undo
        if undo is not None:
            writer.changing = (UPDATE, self.id, page_index, block_index, index, key, old, self.count)
        block.records[index] = record
        if tuple(map(type, record)) not in self.signatures:
            self.widen(record)
        if block.digest is not None:
            block.digest = follow(block.digest, key, old, record)
        if writer.changes is not None:
            writer.changes.append((UPDATE, self.id, block.number, key, record))
        if self.keys and (key_ids is None or key_ids):
            self.change_keys(key, old, record, key_ids)
        if undo is not None:
            undo.append(writer.changing)  # type: ignore[arg-type]
            writer.changing = None
        return old

    def put(self, key: Key, record: Record, key_ids: Sequence[int] = (), place: Place | None = None) -> None:
        """As `replace`, for a caller who knows that each value's class is in its column's mask.

        Args:
            key_ids: the secondary keys whose entries may move; those of the others stay.
            place: what `seek` told, the table unchanged since.
        Raises:
            NoSuchKey: the table does not hold the unique key; nothing has changed.
        """
        if place is None:
            place = self.locate(key)
        elif self.writer.stamp != self.stamp:
            raise StaleTable(self.id)
        old, page_index, block_index, index = place
        block = self.location.pages[page_index].blocks[block_index]
        if block.stamp < self.stamp:
            block = self.own_block(page_index, block_index)
        records = block.records
        writer = self.writer
        undo = writer.undo
        if undo is not None:
            writer.changing = (UPDATE, self.id, page_index, block_index, index, key, old, self.count)
        if block.digest is not None:
            block.digest = follow(block.digest, key, old, record)
        for key_id in key_ids:
            secondary = self.keys[key_id]
            position = secondary.position
            if position < 0 or old[position] is not record[position]:
                if secondary.stamp != self.stamp:
                    secondary = self.own_key(key_id)
                if undo is None or not secondary.wait(key, old, record, writer):
                    secondary.change(key, old, record)
        records[index] = record
        if writer.changes is not None:
            writer.changes.append((UPDATE, self.id, block.number, key, record))
        if undo is not None:
            undo.append(writer.changing)  # type: ignore[arg-type]
            writer.changing = None

    def delete(self, key: Key, place: Place | None = None) -> Record:
        """Take a record out and return it.

        Args:
            place: what `seek` told, the table unchanged since.
        Raises:
            NoSuchKey: the table does not hold the unique key; nothing has changed.
        """
        if place is None:
            place = self.locate(key)
        elif self.writer.stamp != self.stamp:
            raise StaleTable(self.id)
        record, page_index, block_index, index = place
        location = self.location
        block = location.pages[page_index].blocks[block_index]
        if block.stamp < self.stamp:
            block = self.own_block(page_index, block_index)
        writer = self.writer
        undo = writer.undo
        if undo is not None:
            if len(block.keys) == 1:
                raise NeedsCopies(self.id)
            writer.changing = (DELETE, self.id, page_index, block_index, index, key, record, self.count)
        del block.keys[index], block.records[index]
        self.count -= 1
        if index == len(block.keys):
            location.note_last(page_index, block_index)
            if not block.keys:
                self.note_block(block.number, block.digest, None)
        if block.digest is not None:
            block.digest = follow(block.digest, key, record, None)
        changes = writer.changes
        if changes is not None:
            changes.append((DELETE, self.id, block.number, key, None))
            if not block.keys:
                changes.append((FREE, self.id, block.number, None, None))
        if self.keys:
            self.remove_from_keys(key, record)
        if undo is not None:
            undo.append(writer.changing)  # type: ignore[arg-type]
            writer.changing = None
        return record

    # Many records ----------------------------------------------------------------------------------------------

    def append_many(
        self, keys: list[Key], records: list[Record], unique: Sequence[int] = (), masks: Sequence[int] | None = None
    ) -> bool:
        """Add records whose unique keys ascend and lie above all that the table holds.

        Args:
            unique: ids of secondary keys that must stay unique.
            masks: the classes that each column of the records holds, from a caller who has looked, at the keys too.
        Returns:
            False if one of those would not; nothing has changed then.
        Raises:
            DuplicateKey: the keys do not ascend; `key` is the first that is out of order. Nothing has changed.
        Cost: 0.1 to 0.2 µs a record, and 0.5 to 1.5 µs for each secondary key.
        """
        self.check_copied()
        if not keys:
            return True
        last = self.last_key()
        if last is not None and keys[0] <= last:
            raise DuplicateKey(self.id, keys[0])
        if masks is None and not all(map(lt, keys, keys[1:])):
            raise DuplicateKey(self.id, next(high for low, high in pairwise(keys) if not low < high))
        listed = {key_id: self.keys[key_id].list_entries(keys, records) for key_id in unique}
        if not all(self.keys[key_id].has_room_for(entries) for key_id, entries in listed.items()):
            return False
        if masks is None:
            self.grow_classes(widen_classes_by_records(self.classes, records))
        elif any(map(gt, map(or_, self.classes, masks), self.classes)):
            self.grow_classes(tuple(map(or_, self.classes, masks)))
        self.fill_blocks(keys, records)
        self.count += len(keys)
        if self.keys:
            for secondary in self.own_keys():
                entries = listed.get(secondary.definition.id)
                secondary.add_entries(secondary.list_entries(keys, records) if entries is None else entries)
        return True

    def insert_many(self, pairs: Iterable[tuple[Key, Record]]) -> None:
        """Add records in any order.

        Raises:
            DuplicateKey: a unique key is there already, or twice among the pairs; some of the records may have been
                added, so the caller restores a mark.
        """
        self.check_copied()
        items = sorted(pairs, key=itemgetter(0))
        last = self.last_key()
        above = 0 if last is None else bisect_left(items, True, key=lambda item: item[0] > last)
        for key, record in items[:above]:
            self.insert(key, record)
        tail = items[above:]
        self.append_many([key for key, _ in tail], [record for _, record in tail])

    def replace_many(
        self, keys: list[Key], records: list[Record], key_ids: Sequence[int] | None = None, known: bool = False
    ) -> None:
        """Put other records under unique keys that the table holds, given in ascending order.

        Args:
            key_ids: the secondary keys whose entries may move; None stands for all.
            known: each value's class is in its column's mask, as the caller knows.
        Raises:
            NoSuchKey: one is not there; those before it may have been replaced, so the caller restores a mark.
        Cost: about 0.5 µs a record, and 0.2 (its columns untouched) to 3 µs for each secondary key.
        """
        if self.writer.undo is not None and len(keys) <= IN_PLACE_MAX:
            self.replace_few(keys, records, key_ids, known)
            return
        self.check_copied()
        olds: list[Record] = []
        changes = self.writer.changes
        done = 0
        while done < len(keys):
            _, page_index, block_index, index = self.locate(keys[done])
            block = self.own_block(page_index, block_index)
            stop = bisect_right(keys, block.keys[-1], done)
            digest = block.digest
            for key, record in zip(keys[done:stop], records[done:stop], strict=True):
                index = bisect_left(block.keys, key, index)
                if block.keys[index] != key:
                    raise NoSuchKey(self.id, key)
                old = block.records[index]
                olds.append(old)
                block.records[index] = record
                if digest is not None:
                    digest = follow(digest, key, old, record)
                if changes is not None:
                    changes.append((UPDATE, self.id, block.number, key, record))
            block.digest = digest
            done = stop
        if not known:
            self.grow_classes(widen_classes_by_records(self.classes, records))
        self.move_entries(keys, olds, records, key_ids)

    def replace_few(
        self, keys: list[Key], records: list[Record], key_ids: Sequence[int] | None, known: bool
    ) -> None:
        """As `replace` for each, in place; of those that stand side by side, only the first is looked up."""
        moves_none = not self.keys or (key_ids is not None and not key_ids)
        known = known or all(tuple(map(type, record)) in self.signatures for record in records)
        undo = self.writer.undo if moves_none and known and self.writer.changes is None else None
        done = 0
        while done < len(keys):
            old, page_index, block_index, index = self.locate(keys[done])
            block = self.own_block(page_index, block_index)
            if undo is None or block.digest is not None:
                self.replace(keys[done], records[done], key_ids, (old, page_index, block_index, index))
                done += 1
                continue
            count = count_alike(block.keys, index, keys, done)
            # The note before the change: taken back, one that was not made changes nothing.
            olds = block.records[index : index + count]
            undo.append((UPDATE, self.id, page_index, block_index, index, keys[done], olds, self.count))
            block.records[index : index + count] = records[done : done + count]
            done += count

    def rewrite(
        self,
        rewritten: Iterable[list[Record]],
        columns: Sequence[int],
        key_ids: Sequence[int],
        changed: Sequence[int] = (),
    ) -> int:
        """Put other records in the place of some, block by block, and return how many were replaced.

        Args:
            rewritten: for each block, in order, a new list of its records; those that stay are the same objects.
            columns: the positions of columns whose new values may be of classes that their masks lack.
            key_ids: the secondary keys whose entries may move.
            changed: the positions of all columns that may have new values. If they are told, no entry moves and no log
                is kept, it is done in place, so that a block's old records make room for the next one's new ones.
        Cost: 0.05 µs a record of the table, and what the secondary keys cost.
        """
        undo, log = self.writer.undo, self.writer.changes
        if undo is None or not changed or key_ids or log is not None:
            self.check_copied()
        self.check_writable()
        keys: list[Key] = []
        olds: list[Record] = []
        news: list[Record] = []
        count = 0
        places = [(page, block) for page in range(len(self.location.pages))
                  for block in range(len(self.location.pages[page].blocks))]  # fmt: skip
        for (page_index, block_index), records in zip(places, rewritten, strict=True):
            block = self.location.pages[page_index].blocks[block_index]
            replaced = len(records) - sum(map(is_, block.records, records))
            if not replaced:
                continue
            count += replaced
            block = self.own_block(page_index, block_index)
            if key_ids or log is not None:
                for key, old, new in zip(block.keys, block.records, records, strict=True):
                    if old is not new:
                        keys.append(key)
                        olds.append(old)
                        news.append(new)
                        if log is not None:
                            log.append((UPDATE, self.id, block.number, key, new))
            if undo is not None:
                values = [list(map(itemgetter(position), block.records)) for position in changed]
                undo.append((changed, self.id, page_index, block_index, WHOLE_BLOCK, *values))
            block.records = records
            block.digest = None
            if columns:
                self.grow_classes(widen_classes_of_columns(self.classes, columns, records))
        self.move_entries(keys, olds, news, key_ids)
        return count

    def move_entries(
        self, keys: list[Key], olds: list[Record], news: list[Record], key_ids: Sequence[int] | None
    ) -> None:
        """Move the entries of many replaced records in secondary keys (None: in all)."""
        if self.keys and keys and (key_ids is None or key_ids):
            for secondary in self.own_keys():
                if key_ids is None or secondary.definition.id in key_ids:
                    secondary.change_many(keys, olds, news)

    def delete_many(self, keys: list[Key]) -> None:
        """Take out the records under unique keys that the table holds, given in ascending order.

        Raises:
            NoSuchKey: one is not there; those before it may be gone, so the caller restores a mark.
        Cost: a block that goes as a whole costs no more than one record; secondary keys cost up to 1 µs an entry each,
            or are built anew where fewer entries stay than go.
        """
        if self.writer.undo is not None and len(keys) <= IN_PLACE_MAX:
            for key in keys:
                self.delete(key)
            return
        self.check_copied()
        rebuild = bool(self.keys) and len(keys) > self.count // 2
        gone: list[Record] = []
        done = 0
        while done < len(keys):
            _, page_index, block_index, index = self.locate(keys[done])
            block = self.location.pages[page_index].blocks[block_index]
            stop = bisect_right(keys, block.keys[-1], done)
            if index == 0 and keys[done:stop] == block.keys:
                if self.writer.changes is not None:
                    self.writer.changes.append((FREE, self.id, block.number, block.keys[-1], len(block.keys)))
                gone += block.records
                self.free_block(page_index, block_index)
            else:
                gone += self.delete_part(page_index, block_index, index, keys[done:stop])
            done = stop
        if rebuild:
            self.rebuild_keys()
        elif self.keys:
            for secondary in self.own_keys():
                secondary.remove_many(keys, gone)

    def delete_part(self, page_index: int, block_index: int, index: int, keys: list[Key]) -> list[Record]:
        """Take some records out of a block, of which others stay; return them. Secondary keys are left alone."""
        block = self.own_block(page_index, block_index)
        changes = self.writer.changes
        places = []
        for key in keys:
            index = bisect_left(block.keys, key, index)
            if block.keys[index] != key:
                raise NoSuchKey(self.id, key)
            places.append(index)
            if changes is not None:
                changes.append((DELETE, self.id, block.number, key, None))
        gone = [block.records[place] for place in places]
        for place in reversed(places):
            del block.keys[place], block.records[place]
        if places[-1] >= len(block.keys):
            self.location.note_last(page_index, block_index)
        block.digest = None
        self.count -= len(keys)
        return gone

    def clear(self) -> int:
        """Take all records out and return how many they were. Cost: O(blocks), not O(records)."""
        self.check_copied()
        count = self.count
        changes = self.writer.changes
        if changes is not None:
            for block in self.location.blocks():
                changes.append((FREE, self.id, block.number, block.keys[-1], len(block.keys)))
        location = LocationTable(self.stamp)
        location.next_number = self.location.next_number
        location.position = self.location.position
        self.location = location
        self.count = 0
        self.summed = None if self.summed is None else (0, None, 0, NOTED_MIN)
        self.writer.dirty = True
        self.empty_keys()
        return count

    # Its next version -----------------------------------------------------------------------------------------

    def relabel(self, stamp: Stamp) -> None:
        """Let the bearer of an older stamp change this table, which nobody else has kept since that stamp."""
        self.stamp = stamp
        self.maintained = None
        self.summed = None  # made for a newer stamp, it includes blocks that may be changed in place now

    def copy(self, stamp: Stamp, writer: Writer) -> Table:
        """Return a version that may be changed while the writer bears this stamp."""
        copied = Table.__new__(Table)
        copied.id = self.id
        copied.definition = self.definition
        copied.location = self.location.copy(stamp)
        copied.count = self.count
        copied.classes = self.classes
        copied.signatures = self.signatures
        copied.keys = self.keys
        # What was derived from this version goes with it: it would outlive its use where roots are kept.
        copied.kept = self.kept = None
        copied.maintained = None
        copied.stamp = stamp
        copied.writer = writer
        copied.summed = self.summed
        return copied


def count_alike(here: list[Key], index: int, keys: list[Key], start: int) -> int:
    """How many of some keys stand in this order from a place on: the first does."""
    count = min(len(here) - index, len(keys) - start)
    if here[index : index + count] == keys[start : start + count]:
        return count
    return next(number for number in range(1, count) if here[index + number] != keys[start + number])
