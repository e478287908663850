"""Changes of secondary keys that wait until they are read: nobody can tell, whatever comes in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemdb.storage import Database, check_root, secondary
from tandemdb.storage.outstanding import CHANGE_WIDTH, Outstanding
from tests.storage.model import freeze, make_database, records
from tests.storage.test_in_place import interrupt_at, let_wait

pytestmark = pytest.mark.usefixtures("small_blocks")

KEYS = range(0, 40, 2)
steps = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "insert", "commit", "rollback", "mark", "restore", "read", "hold"]),
              st.integers(0, 41), records),
    max_size=40,
)  # fmt: skip


def own_database() -> tuple[Database, int, list[int]]:
    """A database for its maker alone, with a transaction begun that changes it in place and lets its keys wait."""
    database, table_id, key_ids = make_database()
    database.alone = True
    transaction = database.begin()
    transaction.table(table_id).insert_many([(key, (key, "abc"[key % 3], None)) for key in KEYS])
    transaction.commit()
    return database, table_id, key_ids


def waiting(database: Database, table_id: int) -> list[int]:
    """How many changes wait, key by key."""
    found = [key.segments for key in database.root.tables[table_id].keys.values()]
    return [len(segments.changes) // CHANGE_WIDTH if type(segments) is Outstanding else 0 for segments in found]


@given(steps)
@settings(max_examples=120, deadline=None)
def test_whatever_is_done_they_are_found_when_read(work: list[tuple[str, int, Any]]) -> None:
    database, table_id, key_ids = own_database()
    transaction = database.begin(in_place=True)
    committed = dict(transaction.root.tables[table_id].items())
    content = dict(committed)
    mark, marked, held, frozen = transaction.mark(), dict(content), None, None
    for step, key, record in work:
        if step in ("commit", "rollback"):
            if step == "commit":
                transaction.commit()
                committed = dict(content)
            else:
                transaction.rollback()
                content = dict(committed)
            transaction = database.begin(in_place=True)
            mark, marked = transaction.mark(), dict(content)
        elif step == "mark":
            mark, marked = transaction.mark(), dict(content)
        elif step == "restore":
            transaction.restore(mark)
            content = dict(marked)
        elif step == "hold":
            held = database.snapshot()
            frozen = freeze(held)
        elif step == "read":
            found = transaction.root.tables[table_id].keys[key_ids[key % len(key_ids)]]
            assert len(list(found.scan_keys())) <= len(content)
        else:
            transaction.leave_in_place() if key == 41 else None
            table = transaction.record_table(table_id)
            let_wait(table, key % 7 != 0)
            if step == "insert" and key not in content:
                transaction.leave_in_place()  # a block may have to be split
                transaction.record_table(table_id).insert(key, record)
                content[key] = record
            elif step == "put" and key in content:
                table.replace(key, record)
                content[key] = record
            elif step == "delete" and key in content and len(content) > 1:
                transaction.leave_in_place() if key % 5 == 0 else None
                if not transaction.in_place:
                    table = transaction.record_table(table_id)
                elif len(table.location.pages[table.seek(key)[1]].blocks[table.seek(key)[2]].keys) == 1:
                    continue
                table.delete(key)
                del content[key]
    assert dict(transaction.root.tables[table_id].items()) == content
    check_root(transaction.root)
    transaction.rollback()
    check_root(database.root)
    if held is not None:
        assert freeze(held) == frozen
        check_root(held)


def test_they_wait_in_place_alone_and_for_a_reader() -> None:
    database, table_id, key_ids = own_database()
    transaction = database.begin(in_place=True)
    table = transaction.record_table(table_id)
    let_wait(table, True)
    for key in (4, 8, 12):
        table.delete(key)
    table.replace(6, (6, "changed", 1))
    table.replace(6, (6, "changed", 2))
    transaction.commit()
    assert waiting(database, table_id) == [4, 4, 5, 0]  # the last is computed
    assert database.root.tables[table_id].keys[key_ids[0]].equal(2, "changed") == [6]
    assert waiting(database, table_id) == [0, 4, 5, 0]
    database.fork()
    assert waiting(database, table_id) == [0, 0, 0, 0]
    check_root(database.root)


@pytest.mark.parametrize("ending", ["rollback", "commit"])
def test_a_copying_transaction_leaves_the_root_it_begins_with(ending: str) -> None:
    database, table_id, _ = own_database()
    transaction = database.begin(in_place=True)
    table = transaction.record_table(table_id)
    let_wait(table, True)
    table.replace(6, (6, "changed", 1))
    transaction.commit()
    before = database.root
    transaction = database.begin()
    transaction.table(table_id).delete_many([4, 8, 12])
    getattr(transaction, ending)()
    check_root(before)
    check_root(database.root)


def test_many_do_not_wait_longer() -> None:
    database, table_id, _ = own_database()
    transaction = database.begin(in_place=True)
    table = transaction.record_table(table_id)
    let_wait(table, True)
    for number in range(secondary.CHANGES_MAX + 2):
        table.replace(6, (6, "changed", number))
    assert waiting(database, table_id) == [1, 1, 2, 0]
    check_root(transaction.root)


def test_who_is_read_after_each_change_waits_no_more() -> None:
    database, table_id, key_ids = own_database()
    transaction = database.begin(in_place=True)
    table = transaction.record_table(table_id)
    let_wait(table, True)
    table.delete(6)
    assert table.keys[key_ids[0]].first(2, "c") == 2
    table.delete(8)
    assert waiting(database, table_id)[:2] == [0, 2]


def test_an_interrupted_reader_leaves_them_to_the_next() -> None:
    line = 0
    while True:
        database, table_id, key_ids = own_database()
        transaction = database.begin(in_place=True)
        table = transaction.record_table(table_id)
        let_wait(table, True)
        table.delete(6)
        table.replace(8, (8, "changed", 1))
        if not interrupt_at(line, lambda: table.keys[key_ids[0]].equal(2, "changed")):  # noqa: B023
            break
        check_root(transaction.root)
        transaction.rollback()
        check_root(database.root)
        line += 1
    assert line > 20


def test_an_interrupted_holder_leaves_them_to_the_next() -> None:
    for line in range(0, 200, 3):
        database, table_id, _ = own_database()
        transaction = database.begin(in_place=True)
        table = transaction.record_table(table_id)
        let_wait(table, True)
        table.delete(6)
        table.replace(8, (8, "changed", 1))
        transaction.commit()
        interrupt_at(line, database.snapshot)
        held = database.snapshot()
        frozen = freeze(held)
        transaction = database.begin(in_place=True)
        transaction.record_table(table_id).delete(10)
        transaction.commit()
        assert freeze(held) == frozen
        check_root(held)
        check_root(database.root)
