"""Applying a change log to a backup: the same blocks, by number, with the same contents.

    (INSERT, 7, 4, 61, r61)     find where 61 belongs --> a block; is it number 4? has it no 61 yet?  put it there
    (SPLIT,  7, 4, 9, (64, 93)) find where 93 belongs --> block 4; is 93 at position 64?  cut it, call the rest 9

A backup decides nothing: where its own search leads to another block than the log names, or to other contents than the
change supposes, it is out of step and says so before it changes anything. Changes of the layout table create, alter
and drop objects; secondary keys and classes follow from the records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NoReturn

from tandemdb.storage import catalog
from tandemdb.storage.block import Block
from tandemdb.storage.changes import APPEND, DELETE, FREE, INSERT, NEW, SPLIT, UPDATE, Change, check_follows
from tandemdb.storage.errors import NoSuchObject, OutOfStep
from tandemdb.storage.sums import follow
from tandemdb.storage.table import Table
from tandemdb.storage.transaction import Transaction
from tandemdb.storage.values import Key, Record, widen_classes_by_records

WRITTEN_MANY = 8
"""Of so many records it pays to look at whole columns."""


def apply_all(transaction: Transaction, changes: Iterable[Change]) -> None:
    """Apply changes one after the other, as `apply` does; updates of records, most of what comes, without its detours.

    Raises:
        OutOfStep: a change does not fit the blocks here. Restore a mark or roll back, then resynchronise.
    """
    log = transaction.changes
    table: Table | None = None
    # Blocks of the table that are copies already, by number.
    own: dict[int, Block] = {}
    # What was put into it since its classes were last made to cover all.
    written: list[Record] = []
    for change in changes:
        op, table_id, number, key, record = change
        if op != UPDATE or table_id == catalog.LAYOUT_ID or type(key) is not int or transaction.expecting is not None:
            if table is not None and written:
                cover(table, written)
            apply(transaction, change)
            table = None
            continue
        if table is None or table.id != table_id:
            if table is not None and written:
                cover(table, written)
            table = table_to_change(transaction, table_id, number)
            pages, seek, stamp = table.location.pages, table.seek, table.stamp
            own.clear()
        if type(record) is not tuple:
            record = tuple(record)
        # `apply_update`, written out for the block where it is to be, a copy already: a fifth of what it takes.
        block = own.get(number)
        index = -1 if block is None else position_in(block.keys, key)
        if block is None or index < 0:
            place = seek(key)
            block = None if place is None else pages[place[1]].blocks[place[2]]
            if place is None or block is None or block.number != number or block.stamp < stamp or table.keys:
                apply_update(table, number, key, record)
                if log is not None:
                    log.append((op, table_id, number, key, record))
                continue
            own[number] = block
            index = place[3]
        records = block.records
        old, records[index] = records[index], record
        written.append(record)
        if block.digest is not None:
            block.digest = follow(block.digest, key, old, record)
        if log is not None:
            log.append((op, table_id, number, key, record))
    if table is not None and written:
        cover(table, written)


def cover(table: Table, written: list[Record]) -> None:
    """Let a table's classes cover records put into it, and forget these."""
    if len(written) < WRITTEN_MANY:
        for record in written:
            if tuple(map(type, record)) not in table.signatures:
                table.widen(record)
    else:
        table.grow_classes(widen_classes_by_records(table.classes, written))
    written.clear()


def position_in(keys: list[int], key: int) -> int:
    """Find a rowid among those of a block; -1 if it is not there."""
    index = key - keys[0]
    if -1 < index < len(keys) and keys[index] == key:
        return index
    index = bisect_left(keys, key)
    return index if index < len(keys) and keys[index] == key else -1


def apply(transaction: Transaction, change: Change) -> None:
    """Apply one change of another system's log to this one, in the order of that log.

    Raises:
        OutOfStep: the change does not fit the blocks here. Restore a mark or roll back, then resynchronise.
    """
    op, table_id, number, key, record = change
    table = table_to_change(transaction, table_id, number)
    expecting = transaction.expecting
    if expecting is not None:
        check_follows(expecting, change)
        transaction.expecting = None
    # A log that came over a wire may have lists for tuples.
    if type(key) is list and op != APPEND:
        key = tuple(key)
    if type(record) is list and op != APPEND:
        record = tuple(record)
    old: Record | None = None
    new: Record | None = None
    if op == UPDATE:
        new = record
        old = apply_update(table, number, key, new)
    elif op == INSERT:
        new = record
        apply_insert(table, number, key, new, expecting is not None)
    elif op == DELETE:
        old = apply_delete(transaction, table, number, key)
    elif op == SPLIT:
        apply_split(table, number, key, record)
    elif op == NEW:
        apply_new(transaction, table, change)
    elif op == FREE:
        if key is not None:
            apply_free(table, number, key, record)
    elif op == APPEND:
        keys = [tuple(one) if type(one) is list else one for one in key]
        apply_append(table, number, keys, list(map(tuple, record)), expecting is not None)
    else:
        raise OutOfStep(table_id, number, "one of the operations 1 to 7", f"operation {op}")
    if transaction.changes is not None:
        transaction.changes.append((op, table_id, number, key, record))
    if table_id == catalog.LAYOUT_ID and op in (INSERT, UPDATE, DELETE):
        catalog.follow_layout(transaction, op, old, new)


def table_to_change(transaction: Transaction, table_id: int, number: int) -> Table:
    """Find the table that a change is about."""
    try:
        return transaction.table(table_id)
    except NoSuchObject:
        raise OutOfStep(table_id, number, "the table to be there", "no such table") from None


def apply_insert(table: Table, number: int, key: Key, record: Record, opens: bool) -> None:
    """Insert a record, into a block that this opens if a NEW came right before."""
    location = table.location
    page_index = bisect_left(location.page_highs, key)
    if page_index < len(location.pages):
        page = location.pages[page_index]
        block_index = bisect_left(page.highs, key)
        block = page.blocks[block_index]
        index = bisect_left(block.keys, key)
        if opens or block.number != number or block.keys[index] == key:
            refuse(table, number, "the key to be new here", f"its place in block {block.number}")
        block = table.own_block(page_index, block_index)
        block.keys.insert(index, key)
        block.records.insert(index, record)
    elif opens:
        block = location.open_block(number, [key], [record])
        table.note_new_block(block)
    else:
        block = own_last_block(table, number)
        block.keys.append(key)
        block.records.append(record)
        location.raise_last_high(key)
    table.count += 1
    if tuple(map(type, record)) not in table.signatures:
        table.widen(record)
    if block.digest is not None:
        block.digest = follow(block.digest, key, None, record)
    if table.keys:
        table.add_to_keys(key, record)


def apply_update(table: Table, number: int, key: Key, record: Record) -> Record:
    """Replace a record and return the old one."""
    place = table.seek(key)
    if place is None:
        refuse(table, number, "the key to be there", "no such key")
    old, page_index, block_index, index = place
    block = table.location.pages[page_index].blocks[block_index]
    if block.number != number:
        refuse(table, number, "the key to be there", f"its place in block {block.number}")
    if block.stamp < table.stamp:
        block = table.own_block(page_index, block_index)
    block.records[index] = record
    if tuple(map(type, record)) not in table.signatures:
        table.widen(record)
    if block.digest is not None:
        block.digest = follow(block.digest, key, old, record)
    for key_id, secondary in table.keys.items():
        if not secondary.stale and secondary.touched_by(old, record):
            table.own_key(key_id).change(key, old, record)
    return old


def apply_delete(transaction: Transaction, table: Table, number: int, key: Key) -> Record:
    """Delete a record and return it; if that empties its block, a FREE must follow."""
    page_index, block_index, index = locate_in(table, number, key)
    block = table.own_block(page_index, block_index)
    record: Record = block.records[index]
    table.location.delete_at(page_index, block_index, index)
    table.count -= 1
    if block.digest is not None:
        block.digest = follow(block.digest, key, record, None)
    if not block.keys:
        transaction.expecting = (FREE, table.id, number, None, None)
        table.note_block(number, block.digest, None)
    if table.keys:
        table.remove_from_keys(key, record)
    return record


def apply_split(table: Table, number: int, new_number: int, place: tuple[int, Key]) -> None:
    """Split a block where the log says."""
    middle, key = place
    if type(key) is list:
        key = tuple(key)
    page_index, block_index, index = locate_in(table, number, key)
    if index != middle or index == 0:
        refuse(table, number, f"the split at position {middle}", f"its key at position {index}")
    check_number(table, new_number)
    table.own_block(page_index, block_index)
    _, right = table.location.split_block(page_index, block_index, new_number, middle)
    table.note_new_block(right)


def apply_new(transaction: Transaction, table: Table, change: Change) -> None:
    """Note that the next change opens a block."""
    check_number(table, change[2])
    if change[3] != table.location.block_count:
        refuse(table, change[2], f"{change[3]} blocks before it", f"{table.location.block_count}")
    transaction.expecting = change


def apply_free(table: Table, number: int, key: Key, count: int) -> None:
    """Take a whole block out with its records."""
    page_index, block_index, index = locate_in(table, number, key)
    block = table.location.pages[page_index].blocks[block_index]
    if len(block.keys) != count or index != count - 1:
        refuse(table, number, f"{count} records up to its last key", f"{len(block.keys)}")
    if count == table.count:
        table.empty_keys()
    table.free_block(page_index, block_index, with_keys=count < table.count)


def apply_append(table: Table, number: int, keys: list[Any], records: list[Record], opens: bool) -> None:
    """Append ascending records to the last block, or to one that this opens."""
    last = table.last_key()
    if not keys or len(keys) != len(records) or (last is not None and keys[0] <= last):
        refuse(table, number, "records above all others", f"{len(keys)} keys for {len(records)} records, or lower ones")
    if not all(low < high for low, high in pairwise(keys)):
        refuse(table, number, "ascending keys", "keys out of order")
    if opens:
        block = table.location.open_block(number, keys, records)
        table.note_new_block(block)
    else:
        block = own_last_block(table, number)
        block.keys += keys
        block.records += records
        block.digest = None
        table.location.raise_last_high(keys[-1])
    table.count += len(keys)
    table.grow_classes(widen_classes_by_records(table.classes, records))
    if table.keys:
        for secondary in table.own_keys():
            secondary.add_many(keys, records)


def own_last_block(table: Table, number: int) -> Block:
    """Copy the last block of a table, which must bear this number."""
    pages = table.location.pages
    if not pages or pages[-1].blocks[-1].number != number:
        found = f"block {pages[-1].blocks[-1].number}" if pages else "no blocks"
        refuse(table, number, "to be the table's last block", found)
    return table.own_block(len(pages) - 1, len(pages[-1].blocks) - 1)


def locate_in(table: Table, number: int, key: Key) -> tuple[int, int, int]:
    """Find (page, block, index) of a unique key, which must be in the block of this number."""
    location = table.location
    page_index = bisect_left(location.page_highs, key)
    if page_index == len(location.pages):
        refuse(table, number, "the key to be there", "all keys below it")
    page = location.pages[page_index]
    block_index = bisect_left(page.highs, key)
    block = page.blocks[block_index]
    index = bisect_left(block.keys, key)
    if block.number != number or block.keys[index] != key:
        refuse(table, number, "the key to be there", f"its place in block {block.number}")
    return page_index, block_index, index


def check_number(table: Table, number: int) -> None:
    """Check that a new block's number was never used in this table."""
    if number < table.location.next_number:
        refuse(table, number, f"a new block's number from {table.location.next_number} on", f"{number}")


def refuse(table: Table, number: int, expected: str, found: str) -> NoReturn:
    """Raise OutOfStep."""
    raise OutOfStep(table.id, number, expected, found)
