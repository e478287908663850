"""Taking back changes that were made in place: each is noted before it is made, and the last is taken back first.

    insert    op INSERT    the record goes out again          block 4   [21 30 42]
    update    op UPDATE    the old record comes back                        ^ where the note says, whatever it holds
    delete    op DELETE    it is put in again
    new       op NEW       the block that was opened for it is closed
    columns   positions    some columns of a record, or of a whole block, get their values back

A note says where a change was made: no block is split or freed while changes are made in place, so each record is
where it was. See `changes.Undo` for its form.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from tandemdb.storage.changes import INSERT, NEW, UPDATE, WHOLE_BLOCK, Undo
from tandemdb.storage.values import Key, Record, Value
from tandemdb.storage.writing import TableWriting


class TableUndoing(TableWriting):
    """A table whose last changes in place can be taken back."""

    __slots__ = ()

    def take_back(self, change: Undo, *, half_done: bool = False) -> None:
        """Undo a change that was made in place, on a copy or in place again: later ones have been taken back before.

        No block was split or freed since, and one that was opened is the last, so each record is where it was.
        `half_done`: an error came in between, so that it is looked at how far it came, and the secondary keys are
        built anew.
        """
        if type(change[0]) is tuple:
            self.set_back(*change)
            return
        op, _, page_index, block_index, index, key, record, self.count = change
        if half_done:
            self.summed = None
        if op == NEW:
            self.close_block(key)
            if self.keys and half_done:
                self.rebuild_keys()
            elif self.keys:
                self.remove_from_keys(key, record)
            return
        block = self.own_block(page_index, block_index)
        keys, records = block.keys, block.records
        there = index < len(keys) and keys[index] == key
        if type(record) is list:
            records[index : index + len(record)] = record
            block.digest = None
            self.writer.dirty = True
            return
        if op == UPDATE:
            record, records[index] = records[index], record
        elif op == INSERT:
            if there:
                del keys[index]
            if len(records) > len(keys):
                del records[index]
        else:
            if not there:
                keys.insert(index, key)
            if len(records) < len(keys):
                records.insert(index, record)
        self.location.note_last(page_index, block_index)
        block.digest = None
        self.writer.dirty = True
        if not self.keys:
            return
        if half_done:
            self.rebuild_keys()
        elif op == UPDATE:
            self.change_keys(key, record, records[index])
        elif op == INSERT:
            self.remove_from_keys(key, record)
        else:
            self.add_to_keys(key, record)

    def set_back(
        self, positions: Sequence[int], table_id: int, page_index: int, block_index: int, index: int, *values: Value
    ) -> None:
        """Give some columns of a record, or of all records of a block, their values back."""
        block = self.own_block(page_index, block_index)
        if index == WHOLE_BLOCK:
            rows = zip(*values, strict=True)
            block.records = [with_values(*row) for row in zip(block.records, repeat(positions), rows)]
        else:
            block.records[index] = with_values(block.records[index], positions, values)
        block.digest = None
        self.writer.dirty = True

    def close_block(self, key: Key) -> None:
        """Take out the block that was opened for this key, if it was: one that holds nothing else by now."""
        pages = self.location.pages
        if not pages or pages[-1].blocks[-1].keys != [key]:
            return
        block = self.own_block(len(pages) - 1, len(pages[-1].blocks) - 1)
        self.location = self.location.without_last_block()
        self.writer.dirty = True
        self.note_block(block.number, block.digest, None)


def with_values(record: Record, positions: Sequence[int], values: Sequence[Value]) -> Record:
    """The record with these values at some positions: itself if they are there."""
    if all(record[position] is value for position, value in zip(positions, values, strict=True)):
        return record
    changed = [*record]
    for position, value in zip(positions, values, strict=True):
        changed[position] = value
    return tuple(changed)
