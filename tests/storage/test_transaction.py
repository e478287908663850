"""Transactions and databases: locks, marks, observers, pending commits, history, forks, and roots that never change."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import pytest

from tandemdb.storage import (
    Database,
    HistoryGone,
    KeyColumn,
    KeyDefinition,
    LockTimeout,
    NoSuchObject,
    ReadOnly,
    Root,
    SnapshotTooOld,
    StaleTable,
    TableDefinition,
    Transaction,
    TransactionClosed,
    check_root,
    root_digest,
)
from tests.storage.model import Recorder, Workload, freeze, make_database

pytestmark = pytest.mark.usefixtures("small_blocks")


def commit_one(database: Database, table_id: int, key: int) -> Root:
    """Commit one record."""
    transaction = database.begin()
    transaction.table(table_id).insert(key, (key, "x", None))
    return transaction.commit()


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_committed_roots_never_change(seed: int, alone: bool) -> None:
    database, table_id, _ = make_database()
    database.set_observer(Recorder() if seed % 2 and not alone else None)
    database.alone = alone
    workload = Workload(seed, database, table_id)
    kept = []
    for number in range(25):
        workload.run_transaction(8)
        if number % 4 == 0:
            database.digest()
        if not alone or number % 3 == 0:
            kept.append((database.snapshot(), freeze(database.root)))
    assert kept[-1][0].lsn > 15
    for root, frozen in kept:
        assert freeze(root) == frozen
        check_root(root)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_forks_are_independent(seed: int, alone: bool) -> None:
    database, table_id, _ = make_database()
    database.alone = alone
    workload = Workload(seed, database, table_id)
    family = [workload]
    for _ in range(4):
        for member in list(family):
            member.run_transaction(10)
        parent = family[seed % len(family)]
        child = Workload(seed + len(family), parent.database.fork(), table_id)
        child.database.alone = alone
        child.records = dict(parent.records)
        assert child.database.root is parent.database.root
        assert child.database.digest() == parent.database.digest()
        family.append(child)
    for member in family:
        table = member.database.root.tables[table_id]
        assert list(table.items()) == sorted(member.records.items(), key=lambda item: item[0])
        check_root(member.database.root)


def test_a_reader_never_sees_a_torn_state() -> None:
    """Transfers between accounts keep the sum; one reader walks, one writer commits."""
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(60)), [(n, 10, None) for n in range(60)])
    transaction.commit()
    stop = threading.Event()
    torn: list[Any] = []
    reads = [0]

    def read() -> None:
        while not stop.is_set():
            root = database.root
            table = root.tables[table_id]
            amounts = [record[1] for _, record in table.items()]
            by_key = sum(stored for _, stored, _ in table.keys[key_ids[0]].scan_entries())
            if len(amounts) != 60 or sum(amounts) != 600 or by_key != 600 or root_digest(root) != root_digest(root):
                torn.append(amounts)
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(400):
        transaction = database.begin()
        table = transaction.table(table_id)
        one, other = number % 60, (number * 7 + 1) % 60
        if one != other:
            giver, taker = table.find(one), table.find(other)
            assert giver is not None and taker is not None
            table.replace(one, (one, giver[1] - 1, None))
            table.replace(other, (other, taker[1] + 1, None))
        if number % 5 == 0:
            transaction.rollback()
        else:
            transaction.commit()
    stop.set()
    reader.join()
    assert not torn
    assert reads[0] > 0
    check_root(database.root)


def test_one_writer_at_a_time() -> None:
    database, table_id, _ = make_database()
    transaction = database.begin()
    began = time.monotonic()
    with pytest.raises(LockTimeout):
        database.begin(timeout=0.05)
    assert time.monotonic() - began >= 0.05
    with pytest.raises(LockTimeout):
        database.begin(timeout=0)
    transaction.table(table_id).insert(1, (1, 2, 3))
    ender = threading.Thread(target=transaction.commit)
    waiting = threading.Timer(0.02, ender.start)
    waiting.start()
    second = database.begin(timeout=5)
    assert second.root.tables[table_id].find(1) == (1, 2, 3)
    second.rollback()
    second.rollback()


def test_a_dropped_transaction_lets_go() -> None:
    database, table_id, _ = make_database()
    database.set_observer(Recorder())
    transaction = database.begin()
    transaction.table(table_id).insert(1, (1, 2, 3))
    del transaction
    gc.collect()
    database.begin(timeout=0).rollback()
    assert database.root.tables[table_id].count == 0


def test_after_the_end() -> None:
    database, table_id, _ = make_database()
    transaction = database.begin()
    table = transaction.table(table_id)
    mark = transaction.mark()
    transaction.table(table_id).insert(1, (1, 2, 3))
    transaction.commit()
    assert transaction.closed and transaction.committed
    for use in (
        transaction.commit,
        transaction.mark,
        transaction.renew_stamp,
        lambda: transaction.restore(mark),
        lambda: transaction.table(0),
        lambda: transaction.create_table(TableDefinition(columns=1)),
    ):
        with pytest.raises(TransactionClosed):
            use()
    with pytest.raises(StaleTable):
        table.insert(5, (1, 2, 3))
    with pytest.raises(StaleTable):
        database.root.tables[table_id].insert(5, (1, 2, 3))
    assert freeze(database.root)[table_id][1] == 1


def test_a_transaction_without_changes_gets_no_lsn() -> None:
    database, table_id, _ = make_database()
    root = database.root
    transaction = database.begin()
    transaction.table(table_id)
    assert transaction.commit() is root
    transaction = database.begin()
    mark = transaction.mark()
    transaction.table(table_id).insert(1, (1, 2, 3))
    transaction.restore(mark)
    assert transaction.commit() is root
    assert database.root is root


def test_expected_root_and_read_only() -> None:
    database, table_id, _ = make_database()
    seen = database.snapshot()
    database.begin(expected=seen).rollback()
    commit_one(database, table_id, 1)
    with pytest.raises(SnapshotTooOld) as caught:
        database.begin(expected=seen)
    assert (caught.value.expected_lsn, caught.value.found_lsn) == (1, 2)
    database.read_only = "it is a mirror"
    with pytest.raises(ReadOnly, match="it is a mirror"):
        database.begin()
    database.begin(applying=True).rollback()


def test_renew_stamp_keeps_what_a_cursor_reads() -> None:
    database, table_id, _ = make_database()
    transaction = database.begin()
    for key in range(20):
        transaction.table(table_id).insert(key, (key, None, None))
    open_scan = transaction.root.tables[table_id].items()
    transaction.renew_stamp()
    seen = []
    for key, _ in open_scan:
        transaction.table(table_id).delete(key)
        seen.append(key)
    assert seen == list(range(20))
    assert transaction.root.tables[table_id].count == 0


def test_history() -> None:
    database, table_id, _ = make_database()
    database.keep_history(3)
    for key in range(10):
        commit_one(database, table_id, key)
    assert database.root.lsn == 11
    assert [database.root_at(lsn).tables[table_id].count for lsn in (9, 10, 11)] == [8, 9, 10]
    for lsn in (8, 12):
        with pytest.raises(HistoryGone) as caught:
            database.root_at(lsn)
        assert (caught.value.oldest_lsn, caught.value.newest_lsn) == (9, 11)
    database.rewind(database.root_at(9))
    assert database.root.tables[table_id].count == 8
    with pytest.raises(HistoryGone):
        database.root_at(10)
    assert commit_one(database, table_id, 50).lsn == 10
    assert database.root_at(10).tables[table_id].count == 9
    database.keep_history(0)
    with pytest.raises(HistoryGone):
        database.root_at(9)


class Gate(Recorder):
    """An observer that tells what it is told, and can refuse or hold back a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.refuse = False
        self.wait: Any = None

    def started(self, transaction: Transaction) -> None:
        self.told.append("started")

    def committing(self, transaction: Transaction, root: Root) -> Any:
        if self.refuse:
            raise ConnectionError("no mirror answers")
        self.told.append(f"committing {root.lsn}")
        if self.wait is not None:
            transaction.database.head = root
        return self.wait

    def installed(self, root: Root) -> None:
        self.told.append(f"installed {root.lsn}")

    def aborted(self, transaction: Transaction) -> None:
        self.told.append("aborted")


def test_observer_is_told_in_order() -> None:
    database, table_id, _ = make_database()
    gate = Gate()
    assert database.observe(gate) is database.root
    commit_one(database, table_id, 1)
    database.begin().rollback()
    database.begin().commit()
    assert gate.told == ["started", "committing 2", "installed 2", "started", "aborted", "started", "aborted"]


def test_a_refused_commit_stays_open() -> None:
    database, table_id, _ = make_database()
    gate = Gate()
    database.observe(gate)
    gate.refuse = True
    transaction = database.begin()
    transaction.table(table_id).insert(1, (1, 2, 3))
    with pytest.raises(ConnectionError):
        transaction.commit()
    assert database.root.lsn == 1 and not transaction.closed and transaction.root.lsn == 1
    gate.refuse = False
    transaction.table(table_id).insert(2, (1, 2, 3))
    assert transaction.commit().lsn == 2
    assert database.root.tables[table_id].count == 2


def test_pending_commits_are_built_upon_and_installed_later() -> None:
    database, table_id, _ = make_database()
    gate = Gate()
    database.observe(gate)
    answer = threading.Event()
    gate.wait = lambda: answer.wait(5)
    threads = []
    for key in (1, 2, 3):
        thread = threading.Thread(target=commit_one, args=(database, table_id, key))
        thread.start()
        threads.append(thread)
        while f"committing {key + 1}" not in gate.told:
            time.sleep(0.001)
    assert database.root.lsn == 1 and database.head.lsn == 4
    assert database.head.tables[table_id].count == 3
    answer.set()
    for thread in threads:
        thread.join()
    assert database.root.lsn == 4 and database.root is database.head

    def fail() -> None:
        raise TimeoutError("in doubt")

    gate.wait = fail
    with pytest.raises(TimeoutError):
        commit_one(database, table_id, 4)
    assert (database.root.lsn, database.head.lsn) == (4, 5)
    database.install(database.head)
    assert database.root.lsn == 5
    with pytest.raises(TimeoutError):
        commit_one(database, table_id, 5)
    database.abandon_pending()
    assert (database.root.lsn, database.head.lsn) == (5, 5)


def test_writers_that_wait_all_get_their_turn() -> None:
    database, table_id, _ = make_database()
    first = database.begin()
    done: list[int] = []

    def write(key: int) -> None:
        for step in range(20):
            transaction = database.begin(10.0)
            time.sleep(0.0001)  # Others come meanwhile, and wait.
            transaction.table(table_id).insert(key + step, (key + step, "x", 1))
            transaction.commit()
        done.append(key)

    threads = [threading.Thread(target=write, args=(key,)) for key in range(100, 900, 100)]
    for thread in threads:
        thread.start()
    while len(database.waiting) < 8:
        time.sleep(0.001)
    with pytest.raises(LockTimeout):
        database.begin(0.01)
    first.rollback()
    for thread in threads:
        thread.join(20)
    assert len(done) == 8 and not database.waiting
    assert database.root.tables[table_id].count == 160


def test_schema_is_forgotten_when_the_catalog_changes() -> None:
    database, table_id, _ = make_database()
    database.root.schema = "a schema"
    commit_one(database, table_id, 1)
    assert database.root.schema == "a schema"
    transaction = database.begin()
    mark = transaction.mark()
    transaction.create_table(TableDefinition(columns=1))
    assert transaction.root.schema is None
    transaction.restore(mark)
    assert transaction.root.schema == "a schema"
    transaction.table(0).insert(1, ("table", "t", "t", table_id, "CREATE TABLE t(a)"))
    assert transaction.commit().schema is None


def test_create_alter_and_drop() -> None:
    database, table_id, key_ids = make_database()
    before = database.root
    transaction = database.begin()
    transaction.table(table_id).append_many([1, 2], [(1, "a", None), (2, "b", None)])
    definition = transaction.root.tables[table_id].definition
    transaction.alter_table(definition._replace(columns=4, name="wider"))
    for key, record in list(transaction.root.tables[table_id].items()):
        transaction.table(table_id).replace(key, (*record, 5))
    check_root(transaction.root)
    transaction.drop_key(key_ids[1])
    other = transaction.create_table(TableDefinition(columns=1))
    with pytest.raises(NoSuchObject):
        transaction.drop_key(key_ids[1])
    root = transaction.commit()
    check_root(root)
    assert root.tables[table_id].find(2) == (2, "b", None, 5)
    transaction = database.begin()
    transaction.drop_table(table_id)
    for missing in (lambda: transaction.drop_table(table_id), lambda: transaction.table(table_id)):
        with pytest.raises(NoSuchObject):
            missing()
    with pytest.raises(NoSuchObject):
        transaction.drop_table(0)
    root = transaction.commit()
    check_root(root)
    assert sorted(root.tables) == [0, 1, other]
    assert transaction.root.next_object_id == other + 1
    check_root(before)


def test_a_computed_key_without_its_function_is_stale_until_derived() -> None:
    database, table_id, _ = make_database(keys=False)
    transaction = database.begin()
    columns = (KeyColumn(-1),)
    key_id = transaction.create_key(KeyDefinition(table_id=table_id, columns=columns, computed=True))
    transaction.table(table_id).append_many([1, 2, 3], [(n, n % 2, None) for n in (1, 2, 3)])
    transaction.table(table_id).replace(2, (5, 5, 5))
    transaction.commit()
    gate = Gate()
    database.observe(gate)
    lsn = database.root.lsn
    assert database.root.key(key_id).stale and not list(database.root.key(key_id).scan_keys())
    transaction = database.begin(applying=True)
    transaction.derive_key(key_id, lambda key, record: (record[1],))
    root = transaction.commit()
    assert root is database.root and root.lsn == lsn and not any("committing" in word for word in gate.told)
    assert list(root.key(key_id).scan_keys()) == [1, 3, 2]
    assert len(list(commit_one(database, table_id, 9).key(key_id).scan_keys())) == 4
    check_root(database.root)
