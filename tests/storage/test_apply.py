"""Backups: a change log applied elsewhere gives the same blocks; one that does not fit is refused; images."""

from __future__ import annotations

from typing import Any

import pytest

from tandemdb.storage import (
    DELETE,
    FREE,
    INSERT,
    NEW,
    SPLIT,
    UPDATE,
    Change,
    Database,
    KeyColumn,
    KeyDefinition,
    OutOfStep,
    Root,
    TableDefinition,
    Transaction,
    apply,
    apply_all,
    block_digests,
    check_root,
    describe_difference,
    describe_layout,
    dump_blocks,
    load_blocks,
    root_digest,
)
from tandemdb.storage.changes import APPEND
from tests.storage.model import KEYS, QuietRecorder, Recorder, StreamingRecorder, Workload, freeze, make_database
from tests.storage.test_in_place import CHANGES, own_database

pytestmark = pytest.mark.usefixtures("small_blocks")


def observed_database(recorder: Recorder, kind: str = "rowid", keys: bool = True) -> tuple[Database, int]:
    """Make a database observed from its first commit on."""
    database = Database("primary")
    database.observe(recorder)
    transaction = database.begin()
    primary_key = (KeyColumn(0), KeyColumn(1)) if kind == "unique" else ()
    table_id = transaction.create_table(TableDefinition(columns=3, kind=kind, primary_key=primary_key))
    for key in KEYS[: 3 if keys else 0]:
        transaction.create_key(key._replace(table_id=table_id))
    transaction.commit()
    return database, table_id


def apply_commit(backup: Database, lsn: int, changes: list[Change]) -> Root:
    """Apply one commit of a log."""
    transaction = backup.begin(applying=True)
    try:
        for change in changes:
            apply(transaction, change)
        return transaction.commit(lsn)
    finally:
        transaction.rollback()


def over_the_wire(change: Change) -> Change:
    """Turn tuples into lists, as a decoder of msgpack does."""

    def plain(value: Any) -> Any:
        return [plain(part) for part in value] if isinstance(value, list | tuple) else value

    op, table_id, block, key, record = change
    return (op, table_id, block, plain(key), plain(record))


@pytest.mark.parametrize("seed", range(12))
def test_a_backup_has_the_same_blocks(seed: int) -> None:
    recorder = (StreamingRecorder, Recorder, QuietRecorder)[seed % 3]()
    kind = "unique" if seed % 4 == 3 else "rowid"
    database, table_id = observed_database(recorder, kind)
    workload = Workload(seed, database, table_id, kind)
    backup = Database("backup")
    backup.read_only = "it is a mirror"
    second_log = Recorder()
    backup.observe(second_log)
    applied = 0
    for number in range(30):
        workload.run_transaction(12)
        if number == 8 or seed % 2:
            database.digest()
        if number % 3 == 0:
            for lsn, changes in recorder.commits[applied:]:
                apply_commit(backup, lsn, [over_the_wire(c) if seed % 2 else c for c in changes])
            applied = len(recorder.commits)
            assert backup.digest() == database.digest(), describe_difference(database.root, backup.root)
            check_root(backup.root)
            check_root(database.root)
    for lsn, changes in recorder.commits[applied:]:
        apply_commit(backup, lsn, changes)
    ours, theirs = freeze(database.root)[table_id], freeze(backup.root)[table_id]
    assert ours[3] == theirs[3] and ours[5] == theirs[5]
    assert backup.root.lsn == database.root.lsn > 15
    assert describe_layout(backup.root) == describe_layout(database.root)
    assert describe_difference(database.root, backup.root) == []
    operations = {change[0] for _, changes in recorder.commits for change in changes}
    assert operations == {INSERT, UPDATE, DELETE, SPLIT, NEW, FREE, APPEND}
    # A backup's own log is the primary's: mirrors can be chained.
    assert [lsn for lsn, _ in second_log.commits] == [lsn for lsn, _ in recorder.commits]
    if seed % 2 == 0:
        assert second_log.commits == recorder.commits


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("together", [1, 3, 9])
@pytest.mark.parametrize("seed", range(4))
def test_many_changes_at_once_give_the_same_as_one_by_one(seed: int, together: int, keys: bool) -> None:
    """Of several commits, too; the records put into blocks widen the table's classes, one by one or by columns."""
    recorder = Recorder()
    database, table_id = observed_database(recorder, keys=keys)
    workload = Workload(seed, database, table_id)
    one_by_one, at_once = Database("one by one"), Database("at once")
    for number in range(24):
        if number % 2:
            update_many(workload, number)
        else:
            workload.run_transaction(12)
    commits = recorder.commits
    assert max(len(changes) for _, changes in commits) > 20
    for start in range(0, len(commits), together):
        group = commits[start : start + together]
        transaction = at_once.begin()
        for lsn, changes in group:
            apply_commit(one_by_one, lsn, changes)
            apply_all(transaction, [over_the_wire(change) if seed % 2 else change for change in changes])
        transaction.commit(group[-1][0])
        if start % 2:
            at_once.digest()
        assert freeze(at_once.root) == freeze(one_by_one.root)
    check_root(at_once.root)
    assert at_once.digest() == database.digest()


def update_many(workload: Workload, number: int) -> None:
    """Replace many records by such of other classes."""
    transaction = workload.database.begin()
    values = (None, number / 2, f"text {number}", number, bytes(number))
    for place, key in enumerate(sorted(workload.records)):
        if place % (number % 3 + 1) == 0:
            record = workload.records[key] = (key, values[number % 5], values[(number + place) % 5])
            transaction.table(workload.table_id).replace(key, record)
    transaction.commit()


@pytest.mark.parametrize("seed", range(20))
def test_a_backup_follows_what_is_changed_in_place(seed: int) -> None:
    """The log of changes in place, rolled back here and there, is as good as that of copies."""
    recorder = QuietRecorder()
    database, table_id = observed_database(recorder)
    database.alone = True
    workload = Workload(seed, database, table_id)
    backup = Database("backup")
    applied = in_place = 0
    for number in range(60):
        in_place += database.writer.own != 0
        workload.run_transaction(seed % 4 + 1)
        if seed % 5 == 0 and number % 10 == 0:
            database.snapshot()
        if seed % 5 == 1 and number % 7 == 0:
            root_digest(database.root)
        for lsn, changes in recorder.commits[applied:]:
            apply_commit(backup, lsn, changes)
        applied = len(recorder.commits)
        assert backup.root.lsn == database.root.lsn
        assert describe_difference(database.root, backup.root) == []
    assert in_place > 30
    check_root(database.root)
    check_root(backup.root)
    assert backup.digest() == database.digest()


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_taken_back_in_place_is_not_in_the_log(name: str) -> None:
    for ending in ("rollback", "mark", "statement"):
        recorder = QuietRecorder()
        database, table_id = own_database()
        database.observe(recorder)
        database.writer.own = database.root.stamp
        transaction = database.begin(in_place=True)
        assert transaction.in_place
        transaction.record_table(table_id).replace(0, (0, "stays", None))
        mark, done = transaction.mark(), len(transaction.undo)
        CHANGES[name](transaction.record_table(table_id))
        if ending == "rollback":
            transaction.rollback()
            assert recorder.commits == []
            continue
        transaction.restore(mark) if ending == "mark" else transaction.leave_in_place(done)
        transaction.record_table(table_id).insert(77, (77, None, None))
        transaction.commit()
        [(_, changes)] = recorder.commits
        assert {change[3] for change in changes if change[0] in (INSERT, UPDATE, DELETE)} == {0, 77}
        assert database.root.tables[table_id].find(77) == (77, None, None)


def test_a_commit_that_is_refused_in_place_stays_open() -> None:
    class Refusing(QuietRecorder):
        refuses = True

        def committing(self, transaction: Transaction, root: Root) -> None:
            if self.refuses:
                raise RuntimeError("no")
            super().committing(transaction, root)

    observer = Refusing()
    database, table_id = own_database()
    database.observe(observer)
    database.writer.own = database.root.stamp
    lsn = database.root.lsn
    transaction = database.begin(in_place=True)
    transaction.record_table(table_id).replace(0, (0, "x", None))
    with pytest.raises(RuntimeError):
        transaction.commit()
    assert not transaction.closed and transaction.in_place and database.root.lsn == lsn
    observer.refuses = False
    transaction.record_table(table_id).replace(20, (20, "y", None))
    transaction.commit()
    assert [(at, len(changes)) for at, changes in observer.commits] == [(lsn + 1, 2)]


def test_the_digest_is_kept_up_as_if_computed_anew() -> None:
    class Digesting(Recorder):
        digests: list[tuple[int, int]]

        def committing(self, transaction: Transaction, root: Root) -> None:
            self.digests.append((root.lsn, root_digest(root)))

    observer = Digesting()
    observer.digests = []
    database, table_id = observed_database(observer)
    database.keep_history(1000)
    workload = Workload(5, database, table_id)
    for _ in range(40):
        workload.run_transaction(10)
        check_root(database.root)
    assert len(observer.digests) > 20
    for lsn, digest in observer.digests:
        root = database.root_at(lsn)
        assert root_digest(root) == digest
        copy = Database()
        transaction = copy.begin()
        load_blocks(transaction, describe_layout(root), dump_blocks(root))
        assert root_digest(transaction.commit(lsn)) == digest


def test_schema_changes_replicate() -> None:
    recorder = Recorder()
    database, table_id = observed_database(recorder)
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(9)), [(n, "x", None) for n in range(9)])
    computed = KeyDefinition(table_id=table_id, columns=(KeyColumn(-1),), computed=True, extract=lambda k, r: (k,))
    key_id = transaction.create_key(computed)
    definition = transaction.root.tables[table_id].definition
    transaction.alter_table(definition._replace(columns=4))
    for key, record in list(transaction.root.tables[table_id].items()):
        transaction.table(table_id).replace(key, (*record, "new"))
    other = transaction.create_table(TableDefinition(columns=1))
    transaction.table(other).insert(1, (1,))
    transaction.commit()
    backup = Database("backup")
    for lsn, changes in recorder.commits:
        check_root(apply_commit(backup, lsn, changes))
    assert backup.digest() == database.digest()
    assert backup.root.key(key_id).stale
    transaction = backup.begin(applying=True)
    transaction.derive_key(key_id, lambda key, record: (key,))
    transaction.commit()
    assert list(backup.root.key(key_id).scan_entries()) == list(database.root.key(key_id).scan_entries())
    transaction = database.begin()
    transaction.drop_key(key_id)
    transaction.drop_table(other)
    transaction.commit()
    check_root(apply_commit(backup, *recorder.commits[-1]))
    assert sorted(backup.root.tables) == sorted(database.root.tables)
    transaction = database.begin()
    transaction.drop_table(table_id)
    transaction.commit()
    check_root(apply_commit(backup, *recorder.commits[-1]))
    assert backup.digest() == database.digest()
    assert backup.root.next_object_id == database.root.next_object_id


@pytest.fixture
def backup_of_nine() -> tuple[Database, int]:
    """A backup whose table holds 0, 10, ..., 80 in blocks 0 (0 to 30), 1 (40 to 70) and 2 (80)."""
    recorder = Recorder()
    database, table_id = observed_database(recorder)
    transaction = database.begin()
    transaction.table(table_id).append_many(list(range(0, 90, 10)), [(n, None, None) for n in range(9)])
    transaction.commit()
    backup = Database("backup")
    for lsn, changes in recorder.commits:
        apply_commit(backup, lsn, changes)
    return backup, table_id


@pytest.mark.parametrize(
    "changes",
    [
        [(INSERT, 99, 0, 5, (1, 2, 3))],
        [(INSERT, 2, 1, 5, (1, 2, 3))],
        [(INSERT, 2, 0, 10, (1, 2, 3))],
        [(INSERT, 2, 1, 100, (1, 2, 3))],
        [(UPDATE, 2, 0, 11, (1, 2, 3))],
        [(UPDATE, 2, 1, 10, (1, 2, 3))],
        [(DELETE, 2, 0, 15, None)],
        [(DELETE, 2, 2, 10, None)],
        [(DELETE, 2, 2, 80, None), (INSERT, 2, 1, 75, (1, 2, 3))],
        [(DELETE, 2, 2, 80, None), (FREE, 2, 1, None, None)],
        [(SPLIT, 2, 0, 3, (1, 20))],
        [(SPLIT, 2, 0, 2, (2, 20))],
        [(SPLIT, 2, 1, 3, (2, 20))],
        [(NEW, 2, 1, 3, None)],
        [(NEW, 2, 3, 2, None)],
        [(NEW, 2, 3, 3, None), (INSERT, 2, 2, 85, (1, 2, 3))],
        [(NEW, 2, 3, 3, None), (INSERT, 2, 3, 5, (1, 2, 3))],
        [(NEW, 2, 3, 3, None), (DELETE, 2, 2, 80, None)],
        [(FREE, 2, 0, 30, 3)],
        [(FREE, 2, 0, 20, 3)],
        [(APPEND, 2, 2, [75], [(1, 2, 3)])],
        [(APPEND, 2, 2, [90, 90], [(1, 2, 3), (1, 2, 3)])],
        [(APPEND, 2, 1, [90], [(1, 2, 3)])],
        [(APPEND, 2, 2, [90], [])],
        [(9, 2, 2, None, None)],
    ],
)
def test_what_does_not_fit_is_refused(backup_of_nine: tuple[Database, int], changes: list[Change]) -> None:
    backup, table_id = backup_of_nine
    assert table_id == 2
    before = backup.root
    frozen = freeze(before)
    with pytest.raises(OutOfStep):
        apply_commit(backup, backup.root.lsn + 1, changes)
    assert backup.root is before and freeze(before) == frozen
    backup.begin(timeout=0).rollback()


def test_the_same_changes_fit_where_they_should(backup_of_nine: tuple[Database, int]) -> None:
    backup, table_id = backup_of_nine
    fitting: list[Change] = [
        (SPLIT, 2, 0, 3, (2, 20)),
        (INSERT, 2, 3, 15, (1, 2, 3)),
        (NEW, 2, 7, 4, None),
        (INSERT, 2, 7, 81, (1, 2, 3)),
        (DELETE, 2, 2, 80, None),
        (FREE, 2, 2, None, None),
        (FREE, 2, 1, 70, 4),
        (APPEND, 2, 7, [90, 91], [(1, 2, 3), (1, 2, 3)]),
    ]
    check_root(apply_commit(backup, backup.root.lsn + 1, fitting))
    blocks = [(block.number, block.keys) for block in backup.root.tables[table_id].location.blocks()]
    assert blocks == [(0, [0, 10]), (3, [15, 20, 30]), (7, [81, 90, 91])]


def test_differences_are_described() -> None:
    one, table_id, _ = make_database()
    transaction = one.begin()
    transaction.table(table_id).append_many(list(range(30)), [(n, "x", 1) for n in range(30)])
    transaction.commit()
    other = one.fork()
    transaction = other.begin()
    table = transaction.table(table_id)
    first, last = table.first_key(), table.last_key()
    record = table.find(first)
    assert record is not None
    table.replace(first, (*record[:2], 1.0 if record[2] == 1 else "changed"))
    table.insert(last + 1, (1, 2, 3))
    table.delete(last)
    extra = transaction.create_table(TableDefinition(columns=1))
    transaction.commit()
    found = describe_difference(one.root, other.root)
    assert (table_id, first, "differs") in [(d.table_id, d.key, d.kind) for d in found]
    assert (table_id, last, "only in first") in [(d.table_id, d.key, d.kind) for d in found]
    assert (table_id, last + 1, "only in second") in [(d.table_id, d.key, d.kind) for d in found]
    assert (extra, None, "only in second") in [(d.table_id, d.key, d.kind) for d in found]
    assert describe_difference(one.root, one.fork().root) == []
    assert len(describe_difference(one.root, other.root, limit=2)) == 2


@pytest.mark.parametrize("kind", ["rowid", "unique"])
def test_images(kind: str) -> None:
    recorder = Recorder()
    database, table_id = observed_database(recorder, kind)
    workload = Workload(8, database, table_id, kind)
    for _ in range(10):
        workload.run_transaction(20)
    mirror = Database("mirror")
    transaction = mirror.begin()
    load_blocks(transaction, describe_layout(database.root), dump_blocks(database.root))
    transaction.commit(database.root.lsn, epoch=3)
    check_root(mirror.root)
    assert mirror.digest() == database.digest()
    assert (mirror.root.lsn, mirror.root.epoch) == (database.root.lsn, 3)
    behind = mirror.root
    for _ in range(10):
        workload.run_transaction(3)
    here = {(t.id, n): d for t in behind.tables.values() for n, d in block_digests(t)}
    there = {(t.id, n): d for t in database.root.tables.values() for n, d in block_digests(t)}
    changed = {place for place, digest in there.items() if here.get(place) != digest}
    assert 0 < len(changed) < len(there)
    transaction = mirror.begin()
    with pytest.raises(OutOfStep):
        load_blocks(transaction, describe_layout(database.root), [])
    transaction.rollback()
    transaction = mirror.begin()
    blocks = dump_blocks(database.root, lambda owner, number: (owner, number) in changed)
    load_blocks(transaction, describe_layout(database.root), blocks)
    transaction.commit(database.root.lsn)
    check_root(mirror.root)
    assert mirror.digest() == database.digest()
    # The mirror goes on from there by the log.
    done = len(recorder.commits)
    for _ in range(5):
        workload.run_transaction(10)
    for lsn, changes in recorder.commits[done:]:
        check_root(apply_commit(mirror, lsn, changes))
    assert mirror.digest() == database.digest()
    check_root(behind)


def test_a_mirror_keeps_the_functions_it_has_when_an_image_arrives() -> None:
    database, table_id, key_ids = make_database()
    transaction = database.begin()
    transaction.table(table_id).append_many([1, 2], [(1, 1, "a"), (2, None, "b")])
    transaction.commit()
    mirror = database.fork()
    for target, stale in ((mirror, False), (Database(), True)):
        transaction = target.begin()
        load_blocks(transaction, describe_layout(database.root), dump_blocks(database.root))
        root = transaction.commit(database.root.lsn)
        check_root(root)
        assert root.key(key_ids[3]).stale is stale
        assert list(root.key(key_ids[3]).scan_keys()) == ([] if stale else [1])


def test_restoring_a_mark_forgets_what_had_to_follow(backup_of_nine: tuple[Database, int]) -> None:
    backup, table_id = backup_of_nine
    transaction = backup.begin()
    mark = transaction.mark()
    apply(transaction, (NEW, table_id, 3, 3, None))
    transaction.restore(mark)
    apply(transaction, (DELETE, table_id, 0, 10, None))
    check_root(transaction.commit())


def test_a_log_that_breaks_off_is_refused(backup_of_nine: tuple[Database, int]) -> None:
    backup, table_id = backup_of_nine
    before = backup.root
    with pytest.raises(OutOfStep, match="INSERT or APPEND"):
        apply_commit(backup, 9, [(INSERT, table_id, 2, 81, (1, 2, 3)), (NEW, table_id, 3, 3, None)])
    assert backup.root is before
