"""Rowids without larger gaps are found by a guess; with blocks of their real size, beside a dict, whatever comes."""

from __future__ import annotations

import random

import pytest

from tandemdb.storage import Database, TableDefinition, check_root
from tandemdb.storage.block import BLOCK_RECORDS_MAX
from tandemdb.storage.location import BLOCK_BITS, PAGE_BITS, PAGE_BLOCKS_MAX


def test_the_bits_are_those_of_the_sizes() -> None:
    assert (1 << BLOCK_BITS, 1 << PAGE_BITS) == (BLOCK_RECORDS_MAX, PAGE_BLOCKS_MAX)


@pytest.mark.parametrize("first", [1, 0, -5000, 10**12])
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("position", [-1, 0])
@pytest.mark.parametrize("seed", range(2))
def test_find_beside_a_dict(first: int, step: int, position: int, seed: int) -> None:
    draw = random.Random(seed)
    database = Database()
    transaction = database.begin()
    definition = TableDefinition(name="t", columns=2, rowid_position=position)
    table = transaction.table(transaction.create_table(definition))
    keys = list(range(first, first + 20_000 * step, step))
    records = {key: (key, "x") for key in keys}
    table.append_many(keys[:9_000], [records[key] for key in keys[:9_000]])
    for key in keys[9_000:10_000]:
        table.insert(key, records[key])
    table.append_many(keys[10_000:], [records[key] for key in keys[10_000:]])
    assert (table.location.first == first) is (step == 1)
    for stage in range(5):
        if stage == 1:  # holes, in blocks that stay
            gone = sorted(draw.sample(sorted(records), 500))
            table.delete_many(gone)
        elif stage == 2:  # what is behind
            gone = sorted(records)[-700:]
            table.delete_many(gone)
            for key in gone[:100]:
                table.insert(key, (key, "back"))
        elif stage == 3:  # a whole block
            block = table.location.pages[1].blocks[draw.randrange(5)]
            gone = list(block.keys)
            table.delete_many(gone)
        elif stage == 4:  # what splits blocks
            gone = []
            for key in draw.sample(range(first, keys[-1]), 800):
                if key not in records:
                    table.insert(key, (key, "new"))
        records = dict(table.items()) if stage else records
        assert not stage or not set(gone[100:] if stage == 2 else gone) & set(records)
        chosen = [*draw.sample(sorted(records), 400), *draw.choices(range(first - 300, keys[-1] + 300), k=400)]
        assert [table.find(key) for key in chosen] == [records.get(key) for key in chosen]
        assert [(table.seek(key) or (None,))[0] for key in chosen] == [records.get(key) for key in chosen]
        assert table.find_many(chosen) == [records[key] for key in chosen if key in records]
        for key in chosen[:100]:
            record, page, block, index = table.locate(key)
            assert page >= 0 and table.location.pages[page].blocks[block].keys[index] == key
            assert record is table.location.pages[page].blocks[block].records[index]
        assert table.find(float(first)) == records.get(first)
    check_root(transaction.commit())
