"""Images: a root's blocks as plain data, for a mirror that begins empty or lacks some of them.

    layout    (next object id, [(table id, next block number, [block numbers in key order]), ...])
    blocks    (table id, block number, keys, records), ...        all of them, or those that the mirror asked for

A block of the layout that is not among the blocks sent is taken from what the mirror has under that number. Secondary
keys follow the records that differ, or are built anew where those are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from tandemdb.storage import catalog
from tandemdb.storage.block import Block
from tandemdb.storage.definition import KeyDefinition, TableDefinition
from tandemdb.storage.errors import Inconsistent, OutOfStep
from tandemdb.storage.location import build_location_of_blocks
from tandemdb.storage.root import Root
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.table import Table
from tandemdb.storage.transaction import Transaction
from tandemdb.storage.values import Record, classes_of, join_classes

REBUILD_SHARE = 0.3
"""Of a table's records, in the blocks sent and in those they replace: 0.15 µs a record against 1.5 µs a change."""

Layout: TypeAlias = tuple[int, list[tuple[int, int, list[int]]]]
BlockImage: TypeAlias = tuple[int, int, Sequence[Any], Sequence[Record]]


def describe_layout(root: Root) -> Layout:
    """Describe which blocks a root's tables have, in key order, and the next numbers. Cost: O(blocks)."""
    tables = [
        (table.id, table.location.next_number, [block.number for block in table.location.blocks()])
        for table in root.tables.values()
    ]
    return (root.next_object_id, sorted(tables))


def dump_blocks(root: Root, wanted: Callable[[int, int], bool] | None = None) -> Iterator[BlockImage]:
    """Walk over the blocks of a root, or those that `wanted(table id, block number)` picks.

    The lists are the root's own, to be read and not changed.
    """
    for _, table in sorted(root.tables.items()):
        for block in table.location.blocks():
            if wanted is None or wanted(table.id, block.number):
                yield (table.id, block.number, block.keys, block.records)


def load_blocks(
    transaction: Transaction, layout: Layout, blocks: Iterable[BlockImage], mends: bool = False
) -> None:
    """Make the transaction's root hold what a layout and the blocks of its root describe.

    Commit it with that root's LSN and epoch. Computed keys become stale, unless the mirror had their functions.
    `mends`: the blocks that are replaced were damaged, so secondary keys tell nothing of what was in them.

    Raises:
        OutOfStep: a block of the layout is neither among the blocks nor here; roll back.
    Cost: O(blocks of all tables in the layout + records of the blocks sent); O(records) for secondary keys of tables
        that change by more than a REBUILD_SHARE.
    """
    next_object_id, tables = layout
    images = {(image[0], image[1]): image for image in blocks}
    before = transaction.root
    stamp = transaction.stamp
    root = transaction.own_root()
    loaded: dict[int, Table] = {}
    definitions = {catalog.MASTER_ID: catalog.MASTER_DEFINITION, catalog.LAYOUT_ID: catalog.LAYOUT_DEFINITION}
    key_definitions: list[KeyDefinition] = []
    # The layout table (1) tells what the others are.
    for table_id, next_number, numbers in sorted(tables, key=lambda entry: entry[0] != catalog.LAYOUT_ID):
        if table_id not in definitions:
            raise OutOfStep(table_id, -1, "its definition in the layout table", "none")
        table = Table(definitions[table_id], transaction.writer, stamp)
        fill_table(table, next_number, numbers, images, before.tables.get(table_id))
        loaded[table_id] = table
        if table_id == catalog.LAYOUT_ID:
            read_layout(table, definitions, key_definitions)
    root.tables = dict(sorted(loaded.items()))
    root.next_object_id = next_object_id
    root.schema = None
    for definition in key_definitions:
        old = before.tables.get(definition.table_id)
        known = old.keys.get(definition.id) if old is not None else None
        if definition.computed and known is not None:
            definition = definition._replace(extract=known.definition.extract)
        if old is None or known is None or not carry_key(loaded[old.id], old, known, definition, mends):
            catalog.place_key(transaction, definition)
    transaction.writer.dirty = True
    transaction.changes = None  # No log of changes leads from the former root to this one.


def fill_table(
    table: Table,
    next_number: int,
    numbers: list[int],
    images: dict[tuple[int, int], BlockImage],
    present: Table | None,
) -> None:
    """Give an empty table its blocks, from their images or from the table that was here."""
    here = {} if present is None else {block.number: block for block in present.location.blocks()}
    blocks: list[Block] = []
    # By block, the classes of its columns, where whoever brings its image has looked.
    looked_at: dict[int, tuple[int, ...] | None] = {}
    for number in numbers:
        image = images.get((table.id, number))
        if image is not None:
            keys, records = list(image[2]), list(image[3])
            # All came the same way: tuples as they were, or as lists over a wire.
            if type(keys[0]) is list:
                keys = list(map(tuple, keys))
            if type(records[0]) is not tuple:
                records = list(map(tuple, records))
            blocks.append(Block(number, keys, records, table.stamp))
            looked_at[number] = getattr(image, "masks", None)
        elif number in here:
            blocks.append(here[number])
        else:
            raise OutOfStep(table.id, number, "the block's image", "none, nor such a block here")
    for low, high in pairwise(blocks):
        if not low.keys[-1] < high.keys[0]:
            raise OutOfStep(table.id, high.number, f"keys above those of block {low.number}", "lower ones")
    table.location = build_location_of_blocks(blocks, next_number, table.stamp)
    table.count = sum([len(block.keys) for block in blocks])
    if present is not None and len(present.classes) == len(table.classes):
        table.grow_classes(tuple([had | own for had, own in zip(present.classes, table.classes, strict=True)]))
        blocks = [block for block in blocks if block.stamp == table.stamp]
    for block in blocks:
        masks = looked_at.get(block.number)
        table.grow_classes(join_classes(table.classes, classes_of(block.records) if masks is None else masks))


def carry_key(table: Table, old: Table, known: SecondaryKey, definition: KeyDefinition, mends: bool) -> bool:
    """Give a table the secondary key that its former version had, changed by the records that differ.

    Returns whether that was done: not for a key that is stale or another one now, nor where so much differs that
    building it anew is faster, nor where the former records are not those that it was kept up for.
    """
    if known.stale or known.definition != definition:
        return False
    before = {id(block): block for block in old.location.blocks()}
    come = [block for block in table.location.blocks() if before.pop(id(block), None) is None]
    gone = before.values()
    if mends and (come or gone):
        return False
    if sum([len(block.keys) for block in (*gone, *come)]) > table.count * REBUILD_SHARE:
        return False
    secondary = known.copy(table.stamp)
    records = {key: record for block in gone for key, record in zip(block.keys, block.records, strict=True)}
    added = []
    changed = []
    for block in come:
        for key, record in zip(block.keys, block.records, strict=True):
            former = records.pop(key, None)
            if former is None:
                added.append((key, record))
            elif former != record or list(map(type, former)) != list(map(type, record)):
                changed.append((key, former, record))
    try:
        for key, record in records.items():
            entry = secondary.entry_of(key, record)
            if entry is not None:
                secondary.remove(*entry, key)
        for key, former, record in changed:
            secondary.change(key, former, record)
    except Inconsistent:
        return False  # Blocks are sent to repair damage, too: the key did not fit the records that were here.
    secondary.add_many([key for key, _ in added], [record for _, record in added])
    table.keys = {**table.keys, definition.id: secondary}
    table.maintained = None
    return True


def read_layout(layout: Table, definitions: dict[int, TableDefinition], key_definitions: list[KeyDefinition]) -> None:
    """Read the definitions of tables and secondary keys from the layout table."""
    for _, record in layout.items():
        if record[1] == "key":
            key_definitions.append(catalog.decode_key(record))
        else:
            definition = catalog.decode_table(record)
            definitions[definition.id] = definition
