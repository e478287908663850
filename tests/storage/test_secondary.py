"""Secondary keys: order across classes, equality, ranges and prefixes, statistics, collations."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemdb.storage import (
    RANK_ABOVE_ALL,
    KeyColumn,
    KeyDefinition,
    Root,
    TableDefinition,
    UnknownCollation,
    check_root,
    collation_keys,
    segment,
    unique_key_function,
)
from tandemdb.storage.database import Database
from tests.storage.model import collate, make_database, records, sort_value, values

pytestmark = pytest.mark.usefixtures("small_blocks")

tables = st.lists(records, max_size=60)


def load(rows: list[Any]) -> tuple[Root, int, list[int]]:
    """Make a root with these records under the keys 1, 2, ..., inserted from both ends."""
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    items = list(enumerate(rows, 1))
    for key, record in items[::2] + items[1::2][::-1]:
        transaction.table(table_id).insert(key, record)
    return transaction.commit(), table_id, key_ids


@given(tables, values)
@settings(max_examples=60, deadline=None)
def test_equal_and_first(rows: list[Any], value: Any) -> None:
    root, table_id, key_ids = load(rows)
    check_root(root)
    for position, key_id, collation in ((1, key_ids[0], "BINARY"), (1, key_ids[1], "NOCASE")):
        key = root.tables[table_id].keys[key_id]
        wanted = sort_value(collate(value, collation))
        expected = [n for n, row in enumerate(rows, 1) if sort_value(collate(row[position], collation)) == wanted]
        rank, stored = key.stored((value,))
        assert key.equal(rank, stored) == expected
        assert key.first(rank, stored) == (expected[0] if expected else None)


@given(tables, values, st.booleans(), values, st.booleans(), st.sampled_from(["both", "low", "high"]))
@settings(max_examples=80, deadline=None)
def test_range(rows: list[Any], low: Any, low_open: bool, high: Any, high_open: bool, sides: str) -> None:
    root, table_id, key_ids = load(rows)
    key = root.tables[table_id].keys[key_ids[0]]
    rank, low_stored = key.stored((low,))
    high_rank, high_stored = key.stored((high,))
    has_low, has_high = sides in ("both", "low"), sides in ("both", "high") and high_rank == rank
    expected = []
    for n, row in enumerate(rows, 1):
        row_rank, found = sort_value(row[1])
        if row_rank != rank:
            continue
        if has_low and not (found > low_stored or (found == low_stored and not low_open)):
            continue
        if has_high and not (found < high_stored or (found == high_stored and not high_open)):
            continue
        expected.append((found, n))
    expected.sort()
    bounds = (low_stored if has_low else None, low_open, high_stored if has_high else None, high_open)
    assert key.range_entries(rank, *bounds) == expected
    assert key.range_keys(rank, *bounds) == [n for _, n in expected]


@given(tables, values, values)
@settings(max_examples=60, deadline=None)
def test_composite_prefix(rows: list[Any], first: Any, second: Any) -> None:
    root, table_id, key_ids = load(rows)
    key = root.tables[table_id].keys[key_ids[2]]
    rank, stored = key.stored((first, second, None))
    ordered = sorted(
        ([sort_value(row[2]), sort_value(collate(row[1], "RTRIM")), sort_value(row[0])], n)
        for n, row in enumerate(rows, 1)
    )
    one = [n for parts, n in ordered if parts[0] == sort_value(first)]
    two = [n for parts, n in ordered if parts[:2] == [sort_value(first), sort_value(collate(second, "RTRIM"))]]
    assert key.prefix_keys(rank, stored[:1]) == one
    assert key.prefix_keys(rank, stored[:3]) == two
    assert key.range_keys(rank, stored[:3], False, (*stored[:3], RANK_ABOVE_ALL), True) == two


@given(tables)
@settings(max_examples=40, deadline=None)
def test_scan_entries_and_distinct(rows: list[Any]) -> None:
    root, table_id, key_ids = load(rows)
    key = root.tables[table_id].keys[key_ids[0]]
    expected = sorted((*sort_value(row[1]), n) for n, row in enumerate(rows, 1))
    assert list(key.scan_entries()) == expected
    assert list(key.scan_entries(reverse=True)) == expected[::-1]
    # Exact: no segment has 10 distinct values.
    assert key.distinct_prefix_count(1) == len({(rank, stored) for rank, stored, _ in expected})
    composite = root.tables[table_id].keys[key_ids[2]]
    assert composite.distinct_prefix_count(1) == len({sort_value(row[2]) for row in rows})


@pytest.mark.parametrize("distinct", [1, 9, 30, 1000, 3000])
def test_distinct_is_estimated_by_a_sample(distinct: int) -> None:
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(3000)), [(n, n % distinct, None) for n in range(3000)])
    root = transaction.commit()
    estimate = root.tables[table_id].keys[key_ids[0]].distinct_prefix_count(1)
    assert distinct / 2 <= estimate <= distinct * 2
    assert estimate == root.tables[table_id].keys[key_ids[0]].distinct_prefix_count(1)


def test_stored_values_follow_their_records_between_equal_numbers() -> None:
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    table = transaction.table(table_id)
    table.insert(1, (None, 1, None))
    table.replace(1, (None, 1.0, None))
    [(rank, stored, key)] = transaction.root.tables[table_id].keys[key_ids[0]].scan_entries()
    assert (rank, repr(stored), key) == (1, "1.0", 1)
    table.replace(1, (None, 0.0, None))
    table.replace(1, (None, -0.0, None))
    check_root(transaction.root)


def test_many_equal_values_are_found_by_their_unique_key() -> None:
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    table = transaction.table(table_id)
    for key in [*range(0, 300, 3), *range(1, 300, 3), *range(299, 0, -3)]:
        table.insert(key, (None, "same", key % 2))
    for key in range(0, 300, 2):
        table.delete(key)
    check_root(transaction.root)
    key = transaction.root.tables[table_id].keys[key_ids[0]]
    assert key.equal(2, "same") == list(range(1, 300, 2))
    assert key.first(2, "same") == 1


def test_a_key_is_built_from_records_that_are_there() -> None:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    rows = [(n % 7, "aB"[n % 2] * (n % 3), None if n % 5 else n / 2) for n in range(200)]
    transaction.table(table_id).append_many(list(range(200)), rows)
    columns = (KeyColumn(1, "NOCASE"), KeyColumn(2))
    transaction.create_key(KeyDefinition(table_id=table_id, columns=columns))
    check_root(transaction.commit())


def test_user_collation() -> None:
    database = Database()
    transaction = database.begin()
    table_id = transaction.create_table(TableDefinition(columns=1))
    with pytest.raises(UnknownCollation, match="no such collation sequence: OF THIS TEST"):
        transaction.create_key(KeyDefinition(table_id=table_id, columns=(KeyColumn(0, "OF THIS TEST"),)))
    transaction.rollback()
    collation_keys["OF THIS TEST"] = cmp_to_key(lambda one, other: (one < other) - (one > other))
    try:
        transaction = database.begin()
        table_id = transaction.create_table(TableDefinition(columns=1))
        key_id = transaction.create_key(KeyDefinition(table_id=table_id, columns=(KeyColumn(0, "of this test"),)))
        for n, text in enumerate("caebd"):
            transaction.table(table_id).insert(n, (text,))
        key = transaction.root.tables[table_id].keys[key_id]
        assert [transaction.root.tables[table_id].find(n) for n in key.scan_keys()] == [(c,) for c in "edcba"]
        assert key.equal(*key.stored(("b",))) == [3]
    finally:
        del collation_keys["OF THIS TEST"]


def test_unique_key_function() -> None:
    key_of = unique_key_function((KeyColumn(1, "NOCASE"), KeyColumn(0)))
    assert key_of((1.5, "Oslo")) == (2, "oslo", 1, 1.5)
    assert key_of((None, b"x")) == (3, b"x", 0, None)
    assert unique_key_function((KeyColumn(0),))(("A",)) == (2, "A")


def test_merging_many_entries_equals_adding_them() -> None:
    one, table_id, _ = make_database()
    other, _, _ = make_database()
    rows = [(n, "abcdef"[n * 7 % 6], n * 31 % 17) for n in range(250)]
    first, second = one.begin(), other.begin()
    for size in (3, 50, 51, 60, 200, 250):
        start = first.root.tables[table_id].count
        first.table(table_id).append_many(list(range(start, size)), rows[start:size])
        for n in range(start, size):
            second.table(table_id).insert(n, rows[n])
        for ours, theirs in zip(
            first.root.tables[table_id].keys.values(), second.root.tables[table_id].keys.values(), strict=True
        ):
            assert list(ours.scan_entries()) == list(theirs.scan_entries())
    check_root(first.commit())
    check_root(second.commit())
    assert segment.BUILD_FILL == 3
