"""Checks: every invariant that the other modules' drawings promise, for tests and for `tandemdb verify`.

    check_root ---> check_table ---> check_location (pages, highs, numbers, order)
                                ---> check_secondary (its entries are those that the records yield)
               ---> check_layout (the layout table describes the tables and keys that are there)

Each raises `Inconsistent`, also under `python -O`, and reads everything: O(records) and more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tandemdb.storage import catalog
from tandemdb.storage.block import BLOCK_RECORDS_MAX
from tandemdb.storage.errors import Inconsistent
from tandemdb.storage.hashing import MASK, mix
from tandemdb.storage.location import PAGE_BLOCKS_MAX, LocationTable
from tandemdb.storage.root import Root
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.sums import list_notes, settle
from tandemdb.storage.table import Table
from tandemdb.storage.values import CLASS_BIT, RANKS


def check_root(root: Root) -> None:
    """Check all tables of a root, and that its layout table describes them.

    Raises:
        Inconsistent: something contradicts something else; the message says what.
    """
    for table_id, table in root.tables.items():
        require(table.id == table.definition.id == table_id, f"table {table_id} is defined as {table.definition.id}")
        check_table(table)
    check_layout(root)


def check_table(table: Table) -> None:
    """Check a table's blocks, count, classes, digests and secondary keys.

    Raises:
        Inconsistent: something contradicts something else; the message says what.
    """
    name = f"table {table.id}"
    check_location(table.location, name)
    keys = [key for block_keys in table.key_lists() for key in block_keys]
    require(all(low < high for low, high in pairwise(keys)), f"{name}: unique keys do not rise strictly")
    require(table.count == len(keys), f"{name}: counts {table.count} records; there are {len(keys)}")
    wrong_key: type = int if table.definition.kind == "unique" else tuple
    require(not any(isinstance(key, wrong_key) for key in keys), f"{name}: a unique key of the other kind")
    require(len(table.classes) == table.definition.columns, f"{name}: classes of another number of columns")
    for _, record in table.items():
        require(len(record) == table.definition.columns, f"{name}: a record of {len(record)} values")
        covered = all(CLASS_BIT[type(value)] & mask for value, mask in zip(record, table.classes, strict=True))
        require(covered, f"{name}: a record holds a class that the table's classes lack")
    check_digests(table)
    for key_id, secondary in table.keys.items():
        require(secondary.definition.id == key_id, f"key {key_id} is defined as {secondary.definition.id}")
        require(secondary.definition.table_id == table.id, f"key {key_id} belongs to another table")
        check_secondary(table, secondary)


def check_location(location: LocationTable, name: str) -> None:
    """Check pages, highs and numbers; the keys only as far as `<=`, for those of a secondary key may be equal."""
    require(len(location.pages) == len(location.page_highs), f"{name}: not one high a page")
    numbers: list[int] = []
    previous: Any = None
    for high, page in zip(location.page_highs, location.pages, strict=True):
        require(0 < len(page.blocks) <= PAGE_BLOCKS_MAX, f"{name}: a page of {len(page.blocks)} blocks")
        require(len(page.highs) == len(page.blocks), f"{name}: not one high a block")
        require(page.highs[-1] == high, f"{name}: a page's high is not its last block's")
        for block_high, block in zip(page.highs, page.blocks, strict=True):
            where = f"{name}, block {block.number}"
            require(0 < len(block.keys) <= BLOCK_RECORDS_MAX, f"{where}: holds {len(block.keys)} records")
            require(len(block.keys) == len(block.records), f"{where}: its lists are not parallel")
            require(block.keys[-1] == block_high, f"{where}: its high is not its last key")
            require(all(low <= high for low, high in pairwise(block.keys)), f"{where}: keys out of order")
            require(previous is None or previous <= block.keys[0], f"{where}: begins below the block before")
            previous = block_high
            numbers.append(block.number)
    require(len(set(numbers)) == len(numbers), f"{name}: two blocks of one number")
    require(max(numbers, default=-1) < location.next_number, f"{name}: a block's number is yet to be given out")
    require(location.block_count == len(numbers), f"{name}: counts {location.block_count} blocks of {len(numbers)}")


def check_digests(table: Table) -> None:
    """Check the digests that are known against what they are digests of."""
    digests: dict[int, int] = {}
    has_rowids = table.definition.kind == "rowid"
    for block in table.location.blocks():
        digest = table.digest_of(block.keys, block.records)
        digests[block.number] = digest
        if block.digest is not None:
            known = block.digest if type(block.digest) is int else settle(block.digest, has_rowids)
            require(known == digest, f"table {table.id}, block {block.number}: its digest is not its content's")
    if table.summed is not None:
        for number, (before, present) in list_notes(table.summed[1]).items():
            same = present is None or present.number == number
            require(same, f"table {table.id}: a block noted under another number")
            require(type(before) is int, f"table {table.id}: block {number} has left the sum and was not in it")
            digests[number] = before  # type: ignore[assignment]
        total = sum([mix(table.id, number, digest) for number, digest in digests.items()])
        require(table.summed[0] == total & MASK, f"table {table.id}: its sum is not that of its blocks")


def check_secondary(table: Table, secondary: SecondaryKey) -> None:
    """Check that a secondary key holds the entries that the table's records yield, in order, and no others."""
    name = f"key {secondary.definition.id}"
    for segment in secondary.segments:
        check_location(segment, name)
    found = list(secondary.scan_entries())
    if secondary.stale:
        require(not found, f"{name}: stale, and yet not empty")
        return
    expected: list[list[tuple[Any, Any]]] = [[] for _ in range(RANKS)]
    for key, record in table.items():
        entry = secondary.entry_of(key, record)
        if entry is not None:
            expected[entry[0]].append((entry[1], key))
    entries = [(rank, stored, key) for rank in range(RANKS) for stored, key in sorted(expected[rank])]
    require(found == entries, f"{name}: its entries are not those of the records")
    # 1 == 1.0, but a covering read must return what the record holds.
    require(repr(found) == repr(entries) or " object at " in repr(found), f"{name}: a stored value of another class")


def check_layout(root: Root) -> None:
    """Check that the layout table has one record for each table and key, and they are as it says."""
    described: dict[int, tuple[str, int]] = {}
    for key, record in root.tables[catalog.LAYOUT_ID].items():
        require(key == record[0], f"layout: a record under the key {key} of another")
        object_id, kind, owner = catalog.read_int(record[0]), str(record[1]), catalog.read_int(record[2])
        described[object_id] = (kind, owner)
        require(object_id < root.next_object_id, f"layout: object {object_id} is yet to be given out")
        table = root.tables.get(owner)
        require(table is not None, f"layout: object {object_id} belongs to table {owner}, which is not there")
        if table is not None and kind == "table":
            require(catalog.decode_table(record) == table.definition, f"layout: table {owner} is defined otherwise")
        elif table is not None and object_id in table.keys:
            definition = table.keys[object_id].definition._replace(extract=None)
            require(catalog.decode_key(record) == definition, f"layout: key {object_id} is defined otherwise")
    present = {table_id: ("table", table_id) for table_id in root.tables if table_id >= catalog.FIRST_FREE_ID}
    for table in root.tables.values():
        present |= dict.fromkeys(table.keys, ("key", table.id))
    require(described == present, "layout: describes other objects than there are")


def require(condition: bool, complaint: str) -> None:
    """Raise Inconsistent unless a condition holds."""
    if not condition:
        raise Inconsistent(complaint)
