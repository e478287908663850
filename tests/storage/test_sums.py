"""Digests that follow changes: noted when a change is made, hashed when somebody asks."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tandemdb.storage import hash_ahead, recomputed_digest, sums
from tandemdb.storage.changes import UPDATE, Change
from tandemdb.storage.check import check_root
from tandemdb.storage.transaction import Transaction

from .model import StreamingRecorder, make_database


@pytest.mark.parametrize("seed", range(12))
def test_whenever_asked_the_digest_is_that_of_the_records(seed: int) -> None:
    random = Random(seed)
    database, table_id, _ = make_database()
    held = []
    for _ in range(60):
        transaction = database.begin()
        for _ in range(random.choice((1, 3, 40))):
            table = transaction.table(table_id)
            key = random.randrange(400)
            record = (key, random.randrange(9), None)
            if table.find(key) is None:
                table.insert(key, record)
            elif random.random() < 0.3:
                table.delete(key)
            else:
                table.replace(key, record)
            if random.random() < 0.02:
                table.digest()
        if random.random() < 0.1:
            transaction.table(table_id).clear()
        root = transaction.commit() if random.random() < 0.9 else (transaction.rollback(), database.root)[1]
        if random.random() < 0.3:
            assert database.digest() == recomputed_digest(database.root)
        if random.random() < 0.2:
            held.append(root)
        check_root(database.root)
    for root in [*held, database.root]:
        check_root(root)
        assert sum(table.digest() for table in root.tables.values()) % 2**64 == recomputed_digest(root)


def fill(rows: int) -> tuple[Any, int]:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(rows)), [(key, 0, None) for key in range(rows)])
    transaction.commit()
    database.digest()
    return database, table_id


def replace(database: Any, table_id: int, key: int, value: int) -> None:
    transaction = database.begin()
    transaction.table(table_id).replace(key, (key, value, None))
    transaction.commit()


def test_a_change_hashes_nothing_until_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    database, table_id = fill(1000)
    hashed = []
    monkeypatch.setattr(sums, "record_hasher", lambda: lambda key, record: hashed.append(key) or 0)
    for value in range(1, 6):
        replace(database, table_id, 17, value)
        replace(database, table_id, 18 + value, value)
    assert hashed == []
    database.digest()
    assert sorted(hashed) == sorted(2 * [17, *range(19, 24)])


def test_notes_stay_few_where_nobody_asks() -> None:
    database, table_id = fill(128 * 200)
    for number in range(1000):
        replace(database, table_id, number * 131 % (128 * 200), number)
    table = database.root.tables[table_id]
    assert table.summed is None or table.summed[2] <= 2 * (sums.NOTED_MIN + 200 // sums.NOTED_SHARE) + sums.NOTED_MIN
    assert database.digest() == recomputed_digest(database.root)
    for number in range(1000):
        replace(database, table_id, 5 + number % 40, number)
    [block] = [block for block in database.root.tables[table_id].location.blocks() if block.number == 0]
    assert block.digest is None
    assert database.root.tables[table_id].summed[2] < 100
    assert database.digest() == recomputed_digest(database.root)


def test_a_record_that_changes_again_and_again_is_noted_once() -> None:
    database, table_id = fill(300)
    for value in range(50):
        replace(database, table_id, 5, value)
    [block] = [block for block in database.root.tables[table_id].location.blocks() if block.number == 0]
    assert block.digest[1:] == (1, 5, (5, 0, None), (5, 49, None))
    assert database.digest() == recomputed_digest(database.root)


class HashingAhead(StreamingRecorder):
    """Hashes what a transaction has changed at each update that it makes, as a mirrored primary may."""

    def changed(self, transaction: Transaction, change: Change) -> None:
        """Hash."""
        super().changed(transaction, change)
        if change[0] == UPDATE:
            hash_ahead(transaction.root)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_hashed_ahead_is_hashed_right(seed: int) -> None:
    random = Random(seed)
    database, table_id = fill(1000)
    database.observe(HashingAhead())
    for _ in range(12):
        transaction = database.begin()
        for _ in range(random.choice((1, 30))):
            table = transaction.table(table_id)
            keys = sorted(random.sample(range(1000), random.choice((1, 5, 300))))
            held = [key for key in keys if table.find(key) is not None]
            kind = random.choice(("one", "many", "all", "new"))
            if kind == "one":
                for key in held:
                    table.replace(key, (key, random.randrange(9), None))
            elif kind == "many":
                table.replace_many(held, [(key, random.randrange(9), None) for key in held])
            elif kind == "all":
                rows = [block.records for block in table.location.blocks()]
                table.rewrite([[(r[0], 7, None) if r[0] in held else r for r in records] for records in rows], (), ())
            else:
                for key in keys:
                    if table.find(key) is None:
                        table.insert(key, (key, 0, None))
                    elif random.random() < 0.3:
                        table.delete(key)
        transaction.commit() if random.random() < 0.8 else transaction.rollback()
        check_root(database.root)
        assert database.digest() == recomputed_digest(database.root)
