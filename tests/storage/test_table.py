"""Tables and their secondary keys against a dict, step by step, with all invariants checked after each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tandemdb.storage import (
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_TEXT,
    Database,
    DuplicateKey,
    NoSuchKey,
    StaleTable,
    StorageError,
    TableDefinition,
    check_root,
)
from tests.storage.model import (
    COLUMNS,
    KEYS,
    Workload,
    change_records,
    freeze,
    make_database,
    model_entries,
    records,
)

pytestmark = pytest.mark.usefixtures("small_blocks")

keys = st.integers(-40, 40)


class TableMachine(RuleBasedStateMachine):
    """One transaction after the other on a table with four secondary keys; marks may be restored more than once.

    Roots are held by the way: none ever changes.
    """

    in_place = False

    def __init__(self) -> None:
        super().__init__()
        self.database, self.table_id, self.key_ids = make_database()
        self.database.alone = self.in_place
        self.transaction = self.database.begin(in_place=self.in_place)
        self.committed: dict[int, Any] = {}
        self.now: dict[int, Any] = {}
        self.marks: list[tuple[Any, dict[int, Any]]] = []
        self.held: list[tuple[Any, Any]] = []

    @property
    def table(self) -> Any:
        return self.transaction.table(self.table_id)

    def change(self, work: Any) -> Any:
        """Change single records, in place where that is done."""
        return change_records(self.transaction, self.table_id, work)

    @rule(key=keys, record=records)
    def insert(self, key: int, record: Any) -> None:
        if key in self.now:
            with pytest.raises(DuplicateKey):
                self.change(lambda table: table.insert(key, record))
        else:
            self.change(lambda table: table.insert(key, record))
            self.now[key] = record

    @rule(key=keys, record=records)
    def replace(self, key: int, record: Any) -> None:
        if key in self.now:
            assert self.change(lambda table: table.replace(key, record)) == self.now[key]
            self.now[key] = record
        else:
            with pytest.raises(NoSuchKey):
                self.change(lambda table: table.replace(key, record))

    @rule(key=keys, count=st.integers(1, 12))
    def delete(self, key: int, count: int) -> None:
        for present in [present for present in sorted(self.now) if present >= key][:count]:
            assert self.change(lambda table: table.delete(present)) == self.now.pop(present)  # noqa: B023

    @rule(low=keys, high=keys, spare=st.sets(keys, max_size=3))
    def delete_many(self, low: int, high: int, spare: set[int]) -> None:
        chosen = [key for key in sorted(self.now) if low <= key <= high and key not in spare]
        self.table.delete_many(chosen)
        for key in chosen:
            del self.now[key]

    @rule(low=keys, high=keys, spare=st.sets(keys, max_size=3), record=records)
    def replace_many(self, low: int, high: int, spare: set[int], record: Any) -> None:
        chosen = [key for key in sorted(self.now) if low <= key <= high and key not in spare]
        self.table.replace_many(chosen, [(key, *record[1:]) for key in chosen])
        self.now.update((key, (key, *record[1:])) for key in chosen)

    @rule(low=keys, high=keys, record=records)
    def rewrite(self, low: int, high: int, record: Any) -> None:
        chosen = {key: (key, *record[1:]) for key in self.now if low <= key <= high}
        blocks = list(self.table.location.blocks())
        rewritten = [[chosen.get(key, old) for key, old in zip(b.keys, b.records, strict=True)] for b in blocks]
        assert self.table.rewrite(iter(rewritten), (0, 1, 2), self.key_ids) == len(chosen)
        self.now.update(chosen)

    @rule(key=keys, place=st.sampled_from([1, 2]), data=st.data())
    def put(self, key: int, place: int, data: st.DataObject) -> None:
        old = self.now.get(key)
        if old is None:
            with pytest.raises(NoSuchKey):
                self.table.put(key, (1, 1, 1))
            return
        held = [record[place] for record in self.now.values()]
        new = (*old[:place], data.draw(st.sampled_from(held)), *old[place + 1 :])
        self.table.put(key, new, [key_id for key_id, key in zip(self.key_ids, KEYS, strict=True)
                                  if key.computed or place in [c.position for c in key.columns]])  # fmt: skip
        self.now[key] = new

    @rule(gaps=st.lists(st.integers(1, 3), min_size=1, max_size=14), record=records)
    def append_many(self, gaps: list[int], record: Any) -> None:
        key = max(self.now, default=-10)
        appended = [key := key + gap for gap in gaps]
        self.table.append_many(appended, [(n, *record[1:]) for n in appended])
        self.now.update((n, (n, *record[1:])) for n in appended)

    @rule(pairs=st.dictionaries(keys, records, max_size=9))
    def insert_many(self, pairs: dict[int, Any]) -> None:
        new = {key: record for key, record in pairs.items() if key not in self.now}
        self.table.insert_many(new.items())
        self.now.update(new)

    @rule()
    def clear(self) -> None:
        assert self.table.clear() == len(self.now)
        self.now = {}

    @rule()
    def mark(self) -> None:
        self.marks.append((self.transaction.mark(), dict(self.now)))

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        chosen = data.draw(st.integers(0, len(self.marks) - 1))
        del self.marks[chosen + 1 :]
        mark, then = self.marks[chosen]
        self.transaction.restore(mark)
        self.now = dict(then)

    @rule(keep=st.booleans(), digest=st.booleans())
    def end(self, keep: bool, digest: bool) -> None:
        if keep:
            self.transaction.commit()
            self.committed = dict(self.now)
        else:
            self.transaction.rollback()
            self.now = dict(self.committed)
        if digest:
            self.database.digest()
        self.marks = []
        self.transaction = self.database.begin(in_place=self.in_place)

    @rule()
    def hold(self) -> None:
        root = self.database.snapshot()
        assert dict(root.tables[self.table_id].items()) == self.committed
        self.held.append((root, freeze(root)))

    def teardown(self) -> None:
        for root, frozen in self.held:
            assert freeze(root) == frozen
            check_root(root)

    @rule(key=keys)
    def find(self, key: int) -> None:
        table = self.transaction.root.tables[self.table_id]
        assert table.find(key) == self.now.get(key)
        around = list(range(key - 3, key + 3))
        assert table.find_many(around) == [self.now[n] for n in around if n in self.now]
        assert table.find_items(around) == [(n, self.now[n]) for n in around if n in self.now]

    @rule(low=st.none() | keys, low_open=st.booleans(), high=st.none() | keys, high_open=st.booleans())
    def find_range(self, low: int | None, low_open: bool, high: int | None, high_open: bool) -> None:
        table = self.transaction.root.tables[self.table_id]
        expected = [
            (key, record)
            for key, record in sorted(self.now.items(), key=lambda item: item[0])
            if (low is None or key > low or (key == low and not low_open))
            and (high is None or key < high or (key == high and not high_open))
        ]
        assert list(table.range_items(low, low_open, high, high_open)) == expected
        assert list(table.range_reversed_items(low, low_open, high, high_open)) == expected[::-1]
        lists = table.range_record_lists(low, low_open, high, high_open)
        assert [record for part in lists for record in part] == [record for _, record in expected]
        assert all(lists)

    @invariant()
    def same_as_model(self) -> None:
        root = self.transaction.root
        table = root.tables[self.table_id]
        items = sorted(self.now.items(), key=lambda item: item[0])
        assert list(table.items()) == items
        assert list(table.reversed_items()) == items[::-1]
        assert list(table.reversed_records()) == [record for _, record in items[::-1]]
        assert [record for part in table.record_lists() for record in part] == [record for _, record in items]
        assert (table.first_key(), table.last_key()) == ((items[0][0], items[-1][0]) if items else (None, None))
        for key_id, definition in zip(self.key_ids, KEYS, strict=True):
            expected = [key for _, key in model_entries(self.now, definition)]
            assert list(table.keys[key_id].scan_keys()) == expected
            assert list(table.keys[key_id].scan_keys(reverse=True)) == expected[::-1]
        check_root(root)
        check_root(self.database.root)


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class InPlaceMachine(TableMachine):
    """The same on a database that its one user has for itself."""

    in_place = True


TestTableInPlace = InPlaceMachine.TestCase
TestTableInPlace.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(4))
def test_unique_keys_of_tuples(seed: int) -> None:
    database, table_id, _ = make_database(kind="unique")
    workload = Workload(seed, database, table_id, kind="unique")
    for _ in range(12):
        workload.run_transaction(15)
        check_root(database.root)
        table = database.root.tables[table_id]
        assert list(table.items()) == sorted(workload.records.items(), key=lambda item: item[0])
        database.digest()


@given(st.lists(keys, unique=True), st.tuples(keys, st.booleans(), keys, st.booleans()))
@settings(max_examples=100, deadline=None)
def test_ranges_are_bisections(present: list[int], bounds: tuple[int, bool, int, bool]) -> None:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    transaction.table(table_id).insert_many([(key, (key, None, None)) for key in present])
    table = transaction.commit().tables[table_id]
    low, low_open, high, high_open = bounds
    ordered = sorted(present)
    start = (bisect_right if low_open else bisect_left)(ordered, low)
    stop = (bisect_left if high_open else bisect_right)(ordered, high)
    assert [key for key, _ in table.range_items(*bounds)] == ordered[start:stop]


def test_classes_only_grow_and_stay_the_same_object() -> None:
    database = Database()
    transaction = database.begin()
    table_id = transaction.create_table(TableDefinition(columns=2, class_masks=(HOLDS_INT, HOLDS_TEXT)))
    table = transaction.table(table_id)
    before = table.classes
    table.insert(1, (1, "a"))
    assert table.classes is before
    mark = transaction.mark()
    transaction.table(table_id).insert(2, (2, None))
    assert transaction.table(table_id).classes == (HOLDS_INT, HOLDS_TEXT | HOLDS_NULL)
    transaction.table(table_id).delete(2)
    assert transaction.table(table_id).classes == (HOLDS_INT, HOLDS_TEXT | HOLDS_NULL)
    transaction.restore(mark)
    assert transaction.table(table_id).classes is before
    transaction.table(table_id).append_many([5, 6], [(5, "x"), (None, "x")])
    assert transaction.table(table_id).classes == (HOLDS_INT | HOLDS_NULL, HOLDS_TEXT)
    check_root(transaction.root)


def test_what_is_refused() -> None:
    database, table_id, _ = make_database()
    transaction = database.begin()
    table = transaction.table(table_id)
    table.append_many([1, 2, 3], [(None,) * COLUMNS] * 3)
    with pytest.raises(DuplicateKey) as caught:
        table.append_many([3, 4], [(None,) * COLUMNS] * 2)
    assert (caught.value.table_id, caught.value.key) == (table_id, 3)
    with pytest.raises(DuplicateKey):
        table.append_many([5, 5], [(None,) * COLUMNS] * 2)
    with pytest.raises(StorageError, match="bool"):
        table.append_many([7], [(True, None, None)])
    with pytest.raises(StorageError, match="4 values"):
        table.append_many([7], [(1, 2, 3, 4)])
    with pytest.raises(DuplicateKey):
        table.insert(2, (None,) * COLUMNS)
    with pytest.raises(NoSuchKey):
        table.delete(9)
    assert table.count == 3
    for many in (lambda: table.delete_many([1, 7]), lambda: table.replace_many([1, 7], [(None,) * COLUMNS] * 2)):
        with pytest.raises(NoSuchKey):
            many()
    transaction.mark()
    for write in (lambda: table.insert(8, (None,) * COLUMNS), lambda: table.delete(1), table.clear):
        with pytest.raises(StaleTable):
            write()
    transaction.rollback()


def test_a_commit_of_one_row_copies_one_block() -> None:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(400)), [(n, None, None) for n in range(400)])
    before = transaction.commit()
    transaction = database.begin()
    transaction.table(table_id).replace(200, (1, 2, 3))
    after = transaction.commit()
    old = {id(block) for block in before.tables[table_id].location.blocks()}
    copied = [block for block in after.tables[table_id].location.blocks() if id(block) not in old]
    assert len(copied) == 1
    pages = {id(page) for page in before.tables[table_id].location.pages}
    assert len([page for page in after.tables[table_id].location.pages if id(page) not in pages]) == 1
    assert before.tables[0] is after.tables[0]


def test_classes_that_were_undone_grow_again() -> None:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    transaction.table(table_id).insert(1, (1, 1, 1))
    for _ in range(2):
        mark = transaction.mark()
        transaction.table(table_id).insert(2, (1, None, 1))
        check_root(transaction.root)
        transaction.restore(mark)
        check_root(transaction.root)
    assert HOLDS_NULL & transaction.root.tables[table_id].classes[1] == 0
