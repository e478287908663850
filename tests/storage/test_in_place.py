"""Changes in place: of a database that its one user has for itself, single records are changed without a copy.

The machines and workloads of the other tests run in place too; here is what they do not show: that nothing is copied
when it need not be, what is when it must be, and that an error in the midst of a change leaves nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tandemdb.storage
from tandemdb.storage import Database, Root, check_root, root_digest
from tandemdb.storage.errors import NeedsCopies
from tests.stopping import stopped_at
from tests.storage.model import Recorder, change_records, freeze, make_database

pytestmark = pytest.mark.usefixtures("small_blocks")
STORAGE = str(Path(tandemdb.storage.__file__).parent)
ROWS = {key: (key, "abc"[key % 3], None) for key in range(0, 40, 2)}

CHANGES: dict[str, Callable[[Any], Any]] = {
    "insert": lambda table: table.insert(5, (5, "b", 1.5)),
    "append": lambda table: table.insert(99, (99, "z", b"x")),
    "append a block": lambda table: append_block(table),
    "replace": lambda table: table.replace(20, (20, "changed", 7)),
    "put": lambda table: table.put(20, (20, "b", None), list(table.keys)),
    "delete": lambda table: table.delete(14),
    "delete the last of a block": lambda table: table.delete(last_of_second_block(table)),
    "delete the last": lambda table: table.delete(38),
    "replace some": lambda table: table.replace_many([0, 20], [(0, "x", 1), (20, None, 2.5)]),
    "delete some": lambda table: table.delete_many([14, 38]),
}


def last_of_second_block(table: Any) -> int:
    """A key whose going lowers what its block's page says of it."""
    key: int = table.location.pages[0].blocks[1].keys[-1]
    return key


def append_block(table: Any) -> None:
    """Fill the last block, and insert one record more than it takes."""
    last = table.location.pages[-1].blocks[-1]
    for key in range(200, 205):
        table.insert(key, (key, "z", None))
    assert table.location.pages[-1].blocks[-1] is not last


def own_database(keys: bool = True) -> tuple[Database, int]:
    """A database for its maker alone, whose blocks have room for one more record."""
    database, table_id, _ = make_database(keys=keys)
    database.alone = True
    transaction = database.begin()
    for key, record in ROWS.items():
        transaction.table(table_id).insert(key, record)
    transaction.commit()
    transaction = database.begin(in_place=True)
    for block in list(transaction.root.tables[table_id].location.blocks()):
        if len(block.keys) == 4:
            transaction.table(table_id).delete(block.keys[1])
    transaction.commit()
    return database, table_id


def let_wait(table: Any, waits: bool) -> None:
    """Let the next changes of the secondary keys wait, or be made at once."""
    for secondary in table.keys.values():
        secondary.patience = 0 if waits else 1000


def parts(root: Root, table_id: int) -> list[Any]:
    """All that a change of one record might copy, secondary keys left out."""
    table = root.tables[table_id]
    pages = table.location.pages
    return [root, root.tables, table, table.location, *pages, *(block for page in pages for block in page.blocks)]


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_copied_that_nobody_holds(name: str) -> None:
    database, table_id = own_database()
    transaction = database.begin(in_place=True)
    change_records(transaction, table_id, lambda table: table.replace(0, (0, "own from here on", None)))
    transaction.commit()
    for key in list(database.root.tables[table_id].key_lists()):
        transaction = database.begin(in_place=True)
        change_records(transaction, table_id, lambda table: table.replace(key[0], (key[0], "a", None)))  # noqa: B023
        transaction.commit()
    before, lsn = parts(database.root, table_id), database.root.lsn
    transaction = database.begin(in_place=True)
    CHANGES[name](transaction.record_table(table_id))
    root = transaction.commit()
    assert root.lsn == lsn + 1
    if name != "append a block":  # whose page is made anew
        assert all(old is new for old, new in zip(before, parts(root, table_id), strict=True))
    check_root(root)


def load(database: Database, table_id: int, low: int, count: int) -> None:
    """Commit many records at once, by copies."""
    transaction = database.begin()
    transaction.table(table_id).insert_many([(key, (key, "abc"[key % 3], None)) for key in range(low, low + count)])
    transaction.commit()


def test_what_a_load_has_made_is_changed_where_it_stands() -> None:
    database, table_id = own_database()
    load(database, table_id, 100, 60)
    load(database, table_id, 200, 60)
    table = database.root.tables[table_id]
    before = list(table.location.blocks())
    let_wait(table, False)
    entries = [block for secondary in table.keys.values() for part in secondary.segments for block in part.blocks()]
    for key in (103, 250, 259, 101):
        transaction = database.begin(in_place=True)
        transaction.record_table(table_id).replace(key, (key, "a", None))
        transaction.commit()
        root_digest(database.root)
    table = database.root.tables[table_id]
    assert all(old is new for old, new in zip(before, table.location.blocks(), strict=True))
    now = [block for secondary in table.keys.values() for part in secondary.segments for block in part.blocks()]
    assert {id(block) for block in entries} <= {id(block) for block in now}  # besides those split off
    check_root(database.root)


def test_a_root_that_a_cursor_reads_within_a_transaction_stays() -> None:
    database, table_id = own_database()
    transaction = database.begin()
    transaction.table(table_id).insert_many([(key, (key, "abc"[key % 3], None)) for key in range(100, 160)])
    read = transaction.root
    transaction.renew_stamp()
    frozen = freeze(read)
    transaction.table(table_id).insert(500, (500, None, None))
    transaction.commit()
    transaction = database.begin(in_place=True)
    transaction.record_table(table_id).replace(103, (103, "changed", None))
    transaction.commit()
    assert freeze(read) == frozen


@pytest.mark.parametrize("way", ["rewind", "adopt"])
def test_what_came_from_another_database_stays_as_it_is_there(way: str) -> None:
    database, table_id = own_database()
    load(database, table_id, 100, 60)
    other = database.fork()
    load(database, table_id, 200, 60)
    load(other, table_id, 300, 60)
    source = other.snapshot()
    frozen = freeze(source)
    if way == "rewind":
        database.rewind(source)
    else:
        transaction = database.begin()
        transaction.adopt(source)
        transaction.commit()
    for number in range(3):
        transaction = database.begin(in_place=True)
        transaction.record_table(table_id).replace(303 + number, (303 + number, "changed", None))
        transaction.commit()
    assert freeze(source) == frozen
    check_root(database.root)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("also_copied", [False, True])
def test_a_rollback_brings_back_content_and_digest(name: str, also_copied: bool) -> None:
    database, table_id = own_database()
    before, content = root_digest(database.root), dict(database.root.tables[table_id].items())
    lsn = database.root.lsn
    transaction = database.begin(in_place=True)
    CHANGES[name](transaction.record_table(table_id))
    assert transaction.in_place
    if also_copied:
        transaction.table(table_id).insert_many([(key, (key, None, None)) for key in range(101, 130)])
    transaction.rollback()
    assert dict(database.root.tables[table_id].items()) == content
    assert database.digest() == before
    assert database.root.lsn == lsn
    check_root(database.root)


def test_whoever_asks_gets_what_was_committed() -> None:
    """In the midst of a transaction that changes in place, a root that is handed out has none of it."""
    database, table_id = own_database()
    committed = freeze(database.root)
    for take in (database.snapshot, lambda: database.fork().root, lambda: database.root_at(database.root.lsn)):
        transaction = database.begin(in_place=True)
        for name, change in CHANGES.items():
            if not name.endswith("some"):  # those are gone by then
                change_records(transaction, table_id, change)
        now = dict(transaction.root.tables[table_id].items())
        held = take()
        assert held is database.root or held is transaction.base
        assert freeze(held)[table_id][3] == committed[table_id][3]
        assert dict(transaction.root.tables[table_id].items()) == now
        change_records(transaction, table_id, lambda table: table.insert(77, (77, None, None)))
        frozen = freeze(held)
        transaction.rollback()
        assert freeze(held) == frozen
        check_root(database.root)
        check_root(held)


def test_what_is_held_makes_the_next_transaction_copy() -> None:
    database, table_id = own_database()
    for hold in (database.snapshot, database.fork, database.digest, database.hold):
        held, frozen = database.root, freeze(database.root)
        hold()
        transaction = database.begin(in_place=True)
        assert not transaction.in_place
        change_records(transaction, table_id, lambda table: table.replace(20, (20, repr(hold), None)))  # noqa: B023
        transaction.commit()
        assert freeze(held) == frozen
        transaction = database.begin(in_place=True)
        assert transaction.in_place
        transaction.rollback()


def test_observers_and_history_see_copies() -> None:
    database, table_id = own_database()
    database.keep_history(5)
    for key in range(201, 210, 2):
        transaction = database.begin(in_place=True)
        assert not transaction.in_place
        transaction.record_table(table_id).insert(key, (key, None, None))
        transaction.commit()
    lsn = database.root.lsn
    counts = [database.root_at(at).tables[table_id].count for at in range(lsn - 3, lsn + 1)]
    assert counts == list(range(counts[0], counts[0] + 4))
    database.keep_history(0)
    database.observe(Recorder())
    transaction = database.begin(in_place=True)
    assert not transaction.in_place
    transaction.rollback()


def test_what_needs_copies_says_so_before_it_changes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandemdb.storage.table.IN_PLACE_MAX", 0)
    database, table_id = own_database()
    transaction = database.begin(in_place=True)
    before = freeze(transaction.root)
    wide = next(block for block in database.root.tables[table_id].location.blocks() if len(block.keys) == 3)
    for change in (
        lambda table: table.insert_many([(301, (301, None, None))]),
        lambda table: table.append_many([301], [(301, None, None)]),
        lambda table: table.replace_many([0], [(0, None, None)]),
        lambda table: table.delete_many([0]),
        lambda table: table.clear(),
        lambda table: table.rewrite([], (), ()),
    ):
        with pytest.raises(NeedsCopies):
            change(transaction.record_table(table_id))
    assert freeze(transaction.root) == before
    table = transaction.record_table(table_id)
    table.insert(wide.keys[0] + 1, (0, None, None))
    full = freeze(transaction.root)
    with pytest.raises(NeedsCopies):
        table.insert(wide.keys[-1] - 1, (0, None, None))
    assert freeze(transaction.root) == full
    transaction.leave_in_place()
    transaction.record_table(table_id).insert(wide.keys[-1] - 1, (0, None, None))
    check_root(transaction.commit())


def test_a_failed_statement_is_taken_back_alone() -> None:
    database, table_id = own_database()
    transaction = database.begin(in_place=True)
    transaction.record_table(table_id).replace(0, (0, "stays", None))
    done = len(transaction.undo)
    transaction.record_table(table_id).replace(20, (20, "goes", None))
    transaction.record_table(table_id).delete(14)
    transaction.leave_in_place(done)
    table = transaction.root.tables[table_id]
    assert (table.find(0), table.find(20), table.find(14)) == ((0, "stays", None), ROWS[20], ROWS[14])
    check_root(transaction.root)
    transaction.rollback()
    assert database.root.tables[table_id].find(0) == ROWS[0]
    check_root(database.root)


def interrupt_at(line: int, work: Callable[[], Any]) -> bool:
    """Do `work`, stopped before so many lines of storage's code have run; tell whether it was."""
    return stopped_at(line, lambda file: file.startswith(STORAGE), work)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("ending", ["rollback", "statement", "commit"])
@pytest.mark.parametrize("waits", [False, True])
def test_an_interrupted_change_leaves_nothing(name: str, ending: str, waits: bool) -> None:
    """Stop a change after the lines that it runs, one after the other; a commit may also find it just done."""
    if waits and (name not in ("insert", "replace", "put", "delete") or ending == "rollback"):
        pytest.skip("what waits is told by the others")
    if ending == "commit" and name.endswith(("some", "block")):
        pytest.skip("the records before the one that was stopped are changed: it is the statement that is taken back")
    database, table_id = own_database()
    transaction = database.begin(in_place=True)
    CHANGES[name](transaction.record_table(table_id))
    done = dict(transaction.root.tables[table_id].items()) if ending == "commit" else None
    line = 0
    while True:
        database, table_id = own_database()
        digest, content = root_digest(database.root), dict(database.root.tables[table_id].items())
        transaction = database.begin(in_place=True)
        table = transaction.record_table(table_id)
        let_wait(table, waits)
        if not interrupt_at(line, lambda: CHANGES[name](table)):  # noqa: B023
            break
        if ending == "statement":
            transaction.leave_in_place(0)
        if ending == "rollback":
            transaction.rollback()
        else:
            transaction.commit()
        found = dict(database.root.tables[table_id].items())
        assert found in (content, done)
        check_root(database.root)
        assert found != content or database.digest() == digest
        line += 1 if ending == "rollback" and line < 70 else 5
    assert line > 20


def rewrite_some(table: Any) -> None:
    """Give every other record other values, block by block; a block stays as it is."""
    lists = [block.records for block in table.location.blocks()]
    rewritten = [
        records if number == 1 else [(key, f"{old} more", key * 1.5) if key % 4 else (key, old, last)
                                     for key, old, last in records]
        for number, records in enumerate(lists)
    ]  # fmt: skip
    table.rewrite(iter(rewritten), (1, 2), (), (1, 2))


@pytest.mark.parametrize("ending", ["rollback", "statement"])
def test_blocks_rewritten_in_place_are_given_back(ending: str) -> None:
    """However far it came, with a change of single records before and behind it."""
    line, stopped = 0, True
    while stopped:
        database, table_id = own_database(keys=False)
        digest, before = root_digest(database.root), dict(database.root.tables[table_id].items())
        transaction = database.begin(in_place=True)
        transaction.record_table(table_id).replace(20, (20, "first", None))
        table = transaction.record_table(table_id)
        stopped = interrupt_at(line, lambda: rewrite_some(table))  # noqa: B023
        assert transaction.in_place
        if not stopped:
            transaction.record_table(table_id).insert(5, (5, "behind", 1))
            transaction.record_table(table_id).delete(14)
        if ending == "statement":
            transaction.leave_in_place(1)
            transaction.commit()
            before[20] = (20, "first", None)
        else:
            transaction.rollback()
        assert dict(database.root.tables[table_id].items()) == before
        check_root(database.root)
        assert ending == "statement" or database.digest() == digest
        line += 1
    assert line > 30
    transaction = database.begin(in_place=True)
    rewrite_some(transaction.record_table(table_id))
    transaction.commit()
    assert database.root.tables[table_id].find(22) == (22, f"{before[22][1]} more", 33.0)
    check_root(database.root)
