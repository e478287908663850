"""Digests: whether two systems hold the same, and where they differ, by descent.

    database digest  --differs-->  table digests  --differ-->  block digests  --differ-->  records

How they are computed and kept up is told in `hashing.py`; here they are asked for and compared.
"""

from __future__ import annotations

from typing import NamedTuple

from tandemdb.storage.block import Block
from tandemdb.storage.hashing import MASK, mix
from tandemdb.storage.root import Root
from tandemdb.storage.sums import list_notes
from tandemdb.storage.table import Table
from tandemdb.storage.values import Key, Record


class Difference(NamedTuple):
    """One difference between two roots: a table, or a block of it, or a record in it. -1 and None: the whole."""

    table_id: int
    block: int
    key: Key | None
    kind: str
    """"only in first", "only in second", "moved" (the same records, in another order of blocks) or "differs"."""


def root_digest(root: Root) -> int:
    """Return the digest of all tables of a root, the catalog's included."""
    total = 0
    for table in root.tables.values():
        summed = table.summed
        # Most tables were not changed since their digest was last asked for: no call for those.
        total += table.digest() if summed is None or summed[1] else summed[0]
    return total & MASK


def hash_ahead(root: Root) -> None:
    """Hash what an open transaction has changed so far, so that less is left to do for who asks in the end.

    But for the one block of each table that came last: what goes through a table in order is at that one still.
    Not in the midst of a change other than an UPDATE, which leaves no other block half changed.
    """
    for table in root.tables.values():
        summed = table.summed
        if summed is None or summed[1] is None:
            continue
        for _, block in list_notes(summed[1][0]).values():
            if block is not None and type(block.digest) is not int:
                table.block_digest(block)


def recomputed_digest(root: Root) -> int:
    """Return what `root_digest` must be, from the records themselves: nothing that was remembered is used.

    Cost: O(records), about 1.5 µs each.
    """
    return recompute(root).total


class Recomputed(NamedTuple):
    """Digests from the records: of the whole, of each table by object id, of its blocks by number, in key order."""

    total: int
    tables: dict[int, int]
    blocks: dict[int, list[tuple[int, int]]]


def recompute(root: Root) -> Recomputed:
    """Compute the digests of a root, of all its tables and of all their blocks, as `recomputed_digest` does."""
    numbered = {
        table.id: [(block.number, table.digest_of(block.keys, block.records)) for block in table.location.blocks()]
        for table in root.tables.values()
    }
    tables = {
        owner: sum([mix(owner, number, digest) for number, digest in found]) & MASK for owner, found in numbered.items()
    }
    return Recomputed(sum(tables.values()) & MASK, tables, numbered)


def is_damaged(root: Root) -> bool:
    """Tell whether the records of a root are not those that its digest was kept up for. Cost: O(records)."""
    return recomputed_digest(root) != root_digest(root)


def damaged_blocks(root: Root) -> list[tuple[int, int]]:
    """List the blocks, by table and number, whose records are not those that their digests were kept up for.

    Cost: O(records), about 1.5 µs each.
    """
    return [
        (table.id, block.number)
        for table in root.tables.values()
        for block in table.location.blocks()
        if block.digest is not None and table.digest_of(block.keys, block.records) != table.block_digest(block)
    ]


def trust_records(root: Root) -> None:
    """Let digests say what the records are, also where they were kept up for others: damaged blocks differ then.

    Cost: O(records), about 1.5 µs each.
    """
    found = recompute(root)
    for table in root.tables.values():
        if table.digest() == found.tables[table.id]:
            continue
        for block, (_, digest) in zip(table.location.blocks(), found.blocks[table.id], strict=True):
            block.digest = digest
        table.summed = None


def mend_block(table: Table, number: int, keys: list[Key], records: list[Record]) -> bool:
    """Put the records that a damaged block's digest was kept up for in the place of those it holds.

    False: these are not they, and nothing is changed. All roots that share the block are mended, for all have the
    damage. But what was made of it for an older version of the table, and is kept with that, stays as it is. The caller
    holds the writer's place.
    """
    block = next((block for block in table.location.blocks() if block.number == number), None)
    if block is None or len(keys) != len(block.keys) or table.digest_of(keys, records) != table.block_digest(block):
        return False
    block.keys[:], block.records[:] = keys, records
    table.kept = None
    return True


def table_digests(root: Root) -> dict[int, int]:
    """Return the digest of each table of a root by its object id."""
    return {table_id: table.digest() for table_id, table in root.tables.items()}


def block_digests(table: Table) -> list[tuple[int, int]]:
    """List (number, digest) of a table's blocks in key order."""
    return [(block.number, table.block_digest(block)) for block in table.location.blocks()]


def describe_difference(first: Root, second: Root, limit: int = 100) -> list[Difference]:
    """List where two roots differ, up to `limit` differences; empty if they hold the same in the same blocks.

    Cost: O(tables + blocks of tables that differ + records of blocks that differ) once the digests are known.
    """
    differences: list[Difference] = []
    for table_id in sorted(first.tables.keys() | second.tables.keys()):
        if len(differences) >= limit:
            break
        if table_id not in second.tables:
            differences.append(Difference(table_id, -1, None, "only in first"))
        elif table_id not in first.tables:
            differences.append(Difference(table_id, -1, None, "only in second"))
        else:
            differences += compare_tables(first.tables[table_id], second.tables[table_id])
    return differences[:limit]


def compare_tables(first: Table, second: Table) -> list[Difference]:
    """List the differing blocks and records of one table."""
    if first.location is second.location or first.digest() == second.digest() and order(first) == order(second):
        return []
    differences = []
    ours = {block.number: block for block in first.location.blocks()}
    theirs = {block.number: block for block in second.location.blocks()}
    for number in sorted(ours.keys() | theirs.keys()):
        if number not in theirs:
            differences.append(Difference(first.id, number, None, "only in first"))
        elif number not in ours:
            differences.append(Difference(first.id, number, None, "only in second"))
        elif first.block_digest(ours[number]) != second.block_digest(theirs[number]):
            differences += compare_blocks(first.id, ours[number], theirs[number])
    return differences or [Difference(first.id, -1, None, "moved")]


def order(table: Table) -> list[int]:
    """List the numbers of a table's blocks in key order."""
    return [block.number for block in table.location.blocks()]


def compare_blocks(table_id: int, first: Block, second: Block) -> list[Difference]:
    """List the differing records of one block."""
    ours = dict(zip(first.keys, first.records, strict=True))
    theirs = dict(zip(second.keys, second.records, strict=True))
    differences = []
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in theirs:
            differences.append(Difference(table_id, first.number, key, "only in first"))
        elif key not in ours:
            differences.append(Difference(table_id, first.number, key, "only in second"))
        elif repr(ours[key]) != repr(theirs[key]):
            differences.append(Difference(table_id, first.number, key, "differs"))
    return differences or [Difference(table_id, first.number, None, "differs")]
