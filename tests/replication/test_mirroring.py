"""Mirroring without faults: the same blocks at the same LSN, seen when they are to be seen, and nothing lost."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
import threading
import time
import weakref
from contextlib import closing
from pathlib import Path

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.storage import Database, ReadOnly, describe_difference
from tandemdb.testing import VirtualClock

from .workload import Workload, make_table, put


@pytest.mark.parametrize("over_wire", [False, True])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("seed", range(6))
def test_random_workloads_leave_equal_digests(mode: str, seed: int, over_wire: bool) -> None:
    primary, secondary = Database("p"), Database("s")
    workload = Workload(seed)
    for _ in range(seed):
        workload.transaction(primary)
    replication.attach(primary, secondary, mode, over_wire=over_wire)
    for _ in range(40):
        workload.transaction(primary)
        if mode == "sync":
            assert secondary.root.lsn == primary.root.lsn
            assert secondary.digest() == primary.digest()
    replication.wait_for(secondary, primary.root.lsn)
    assert describe_difference(primary.root, secondary.root) == []
    assert secondary.digest() == primary.digest()
    assert secondary.root.tables.keys() == primary.root.tables.keys()
    for table_id, table in primary.root.tables.items():
        mirrored = secondary.root.tables[table_id]
        assert mirrored.definition == table.definition
        for key_id, key in table.keys.items():
            assert list(key.scan_entries()) == list(mirrored.keys[key_id].scan_entries())


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_readers_of_the_secondary_see_whole_commits_in_order(mode: str) -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 2)
    replication.attach(primary, secondary, mode)
    stop, torn, seen = threading.Event(), [], set()

    def read() -> None:
        last = 0
        while not stop.is_set():
            root = secondary.root
            table = root.tables.get(table_id)
            if table is None:
                continue
            first, second = table.find(1), table.find(2)
            if root.lsn < last or first is None or second is None or first[1] != second[1]:
                torn.append((root.lsn, first, second))
            last = root.lsn
            seen.add(last)

    reader = threading.Thread(target=read)
    put(primary, table_id, 1, "0")
    transaction = primary.begin()
    transaction.table(table_id).replace(1, (1, "0", None))
    transaction.table(table_id).replace(2, (2, "0", None))
    transaction.commit()
    replication.wait_for(secondary, primary.root.lsn)
    reader.start()
    # How often the reader gets its turn is the interpreter's choice: commits go on until it has seen enough of them.
    deadline, number = time.monotonic() + 60, 0
    while number < 1500 or (len(seen) < 20 and time.monotonic() < deadline):
        number += 1
        transaction = primary.begin()
        transaction.table(table_id).replace(1, (1, str(number), None))
        transaction.table(table_id).replace(2, (2, str(number), None))
        transaction.commit()
    replication.wait_for(secondary, primary.root.lsn)
    stop.set()
    reader.join()
    assert torn == []
    assert len(seen) >= 20
    assert secondary.digest() == primary.digest()


def test_nothing_is_visible_before_completion_although_it_is_applied() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 10)
    replica = replication.attach(primary, secondary, update_batch=1)
    core = replica.link.secondary
    before = secondary.root
    transaction = primary.begin()
    for key in range(100, 120):
        transaction.table(table_id).insert(key, (key, "new", None))
        assert secondary.root is before
    assert core.unseen.overlay is not None and len(core.unseen.overlay.changes) == 20
    assert core.unseen.overlay.transaction.root.tables[table_id].find(110) == (110, "new", None)
    transaction.commit()
    assert core.unseen.overlay is None
    assert secondary.root.tables[table_id].find(110) == (110, "new", None)


def test_savepoints_rewind_the_overlay() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 10)
    clock = VirtualClock()  # On a loaded machine this takes so long that the secondary would be given up.
    replica = replication.attach(primary, secondary, clock=clock, pause=clock.pause)
    transaction = primary.begin()
    for key in range(100, 3000):
        transaction.table(table_id).insert(key, (key, "kept", None))
    mark = transaction.mark()
    for key in range(3000, 5000):
        transaction.table(table_id).insert(key, (key, "undone", None))
    transaction.restore(mark)
    overlay = replica.link.secondary.unseen.overlay
    assert overlay is not None and len(overlay.changes) == len(transaction.changes or ())
    assert overlay.marks
    transaction.table(table_id).insert(4000, (4000, "kept", None))
    transaction.commit()
    assert secondary.digest() == primary.digest()
    assert secondary.root.tables[table_id].count == 10 + 2900 + 1


def test_rollback_leaves_no_overlay() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary)
    replica = replication.attach(primary, secondary)
    transaction = primary.begin()
    transaction.table(table_id).insert(1, (1, "x", None))
    assert replica.link.secondary.unseen.overlay is not None
    transaction.rollback()
    assert replica.link.secondary.unseen.overlay is None
    put(primary, table_id, 2, "y")
    assert secondary.digest() == primary.digest()


def test_a_secondary_refuses_writes_until_promoted() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary)
    replication.attach(primary, secondary)
    with pytest.raises(ReadOnly, match="it is a secondary"):
        secondary.begin()
    put(primary, table_id, 1, "kept")
    report = replication.promote(secondary)
    assert (report.epoch, report.lsn, report.commits_missing) == (2, primary.root.lsn, 0)
    assert secondary.root.epoch == 2
    put(secondary, table_id, 2, "new")
    assert secondary.root.tables[table_id].count == 2
    with pytest.raises(ReadOnly):
        primary.begin()


@pytest.mark.parametrize("when", ["before", "open", "after"])
def test_the_primary_dropped_at_any_point_loses_no_acknowledged_commit(when: str) -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary)
    replication.attach(primary, secondary)
    acknowledged = [put(primary, table_id, key, "kept") for key in range(20)]
    if when == "open":
        transaction = primary.begin()
        transaction.table(table_id).insert(1000, (1000, "never committed", None))
    elif when == "after":
        acknowledged.append(put(primary, table_id, 20, "kept"))
    digest = primary.digest()
    transaction = None
    del primary
    gc.collect()
    report = replication.promote(secondary)
    assert report.lsn == acknowledged[-1]
    assert report.digest == digest == secondary.digest()
    assert secondary.root.tables[table_id].find(1000) is None
    put(secondary, table_id, 500, "goes on")


def test_a_dropped_primary_is_collected_and_its_thread_ends() -> None:
    primary, secondary = Database("p"), Database("s")
    make_table(primary)
    replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, primary.root.lsn)
    gone = weakref.ref(primary)
    del primary
    gc.collect()
    assert gone() is None
    for thread in threading.enumerate():
        if thread.name == "tandemdb mirror of p":
            thread.join(60)
            assert not thread.is_alive()


def test_asynchronous_secondary_falls_behind_and_catches_up() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary)
    replica = replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, 1)
    replica.cut()
    for key in range(50):
        put(primary, table_id, key, "text")
    status = replica.status
    assert (status.state, status.lag_commits) == ("lost", 50)
    assert status.lag_bytes > 50 * 5
    assert status.lag_seconds >= 0.0
    assert secondary.root.lsn == 1
    replica.heal()
    replication.wait_for(secondary, primary.root.lsn)
    assert secondary.digest() == primary.digest()
    status = replica.status
    assert (status.lag_commits, status.lag_bytes, status.plans) == (0, 0, ("snapshot", "tail"))


def test_the_log_is_kept_until_backup_complete_and_no_longer() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary)
    replica = replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, 1)
    log = replica.link.publisher.core.log  # type: ignore[attr-defined]
    replica.cut()
    for key in range(10):
        put(primary, table_id, key, "text")
    assert replica.status.lag_commits == len(log) == 10
    replica.heal()
    replication.wait_for(secondary, primary.root.lsn)
    assert len(log) == 0


def test_a_lost_synchronous_secondary_refuses_commits_and_reads_go_on() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 5)
    replica = replication.attach(primary, secondary)
    replica.cut()
    with pytest.raises(replication.SecondaryLost, match="synchronous secondary is lost"):
        put(primary, table_id, 100, "refused")
    assert primary.root.tables[table_id].count == 5
    replica.heal()
    put(primary, table_id, 100, "taken")
    assert secondary.digest() == primary.digest()


def test_continue_alone_is_the_override() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 5)
    replica = replication.attach(primary, secondary)
    replica.cut()
    replication.continue_alone(primary)
    put(primary, table_id, 100, "alone")
    assert secondary.root.lsn == primary.root.lsn - 1
    replica.heal()
    assert secondary.digest() == primary.digest()
    replica.cut()
    with pytest.raises(replication.SecondaryLost):
        put(primary, table_id, 101, "the override ended when the secondary came back")


def test_k_of_n_goes_on_without_one_of_two() -> None:
    primary, first, second = Database("p"), Database("a"), Database("b")
    table_id = make_table(primary, 5)
    one = replication.attach(primary, first)
    two = replication.attach(primary, second)
    one.cut()
    put(primary, table_id, 100, "one of two")
    assert second.digest() == primary.digest()
    two.cut()
    with pytest.raises(replication.SecondaryLost):
        put(primary, table_id, 101, "none of two")
    one.heal()
    two.heal()
    put(primary, table_id, 101, "both")
    assert first.digest() == second.digest() == primary.digest()


def test_sync_and_async_secondaries_side_by_side_and_detach() -> None:
    primary, near, far = Database("p"), Database("near"), Database("far")
    table_id = make_table(primary, 5)
    replication.attach(primary, near)
    replica = replication.attach(primary, far, "async")
    for key in range(10, 20):
        put(primary, table_id, key, "text")
    replication.wait_for(far, primary.root.lsn)
    assert near.digest() == far.digest() == primary.digest()
    replica.detach()
    replication.detach(near)
    assert replication.status(primary) == []
    assert primary.observer is None
    put(primary, table_id, 20, "unobserved")
    again = replication.attach(primary, near)
    assert near.digest() == primary.digest()
    assert again.status.plans == ("blocks",)


def test_a_chain_of_secondaries() -> None:
    primary, middle, last = Database("p"), Database("m"), Database("l")
    table_id = make_table(primary, 300)
    replication.attach(primary, middle)
    replication.attach(middle, last)
    workload = Workload(5)
    for key in range(400, 410):
        put(primary, table_id, key, "text")
        workload.transaction(primary)
        assert last.digest() == middle.digest() == primary.digest()
    assert last.root.lsn == primary.root.lsn


def test_foreign_data_are_not_overwritten_unasked() -> None:
    primary, other = Database("p"), Database("o")
    make_table(primary, 5)
    table_id = make_table(other, 50)
    with pytest.raises(replication.ReplicationError, match="data of its own"):
        replication.attach(primary, other)
    assert other.root.tables[table_id].count == 50 and other.read_only is None
    replication.attach(primary, other, overwrite=True)
    assert other.digest() == primary.digest()


def test_a_former_primary_rejoins_by_blocks() -> None:
    primary, secondary = Database("p"), Database("s")
    table_id = make_table(primary, 2000)
    replica = replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, 1)
    replica.cut()
    put(primary, table_id, 1, "never mirrored")
    report = replication.promote(secondary)
    assert report.commits_missing == 0  # it was cut before it could hear of that commit
    put(secondary, table_id, 2, "of the new epoch")
    back = replication.attach(secondary, primary)
    assert primary.digest() == secondary.digest()
    assert back.status.plans == ("blocks",)
    assert back.status.blocks_shipped <= 3
    assert [(orphan.lsn, orphan.changes[0][4]) for orphan in replication.orphans(primary)] == [
        (2, (1, "never mirrored", None))
    ]


def test_importing_is_cheap_and_loads_no_planner() -> None:
    code = (
        "import sys, tandemdb.replication; "
        "print(sorted(m for m in sys.modules if m.startswith(('tandemdb.planner', 'msgspec', 'sortedcontainers'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_imports_point_to_storage_only() -> None:
    folder = Path(replication.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("tandemdb.") or name.split(".")[1] in {"errors", "replication", "storage"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"requird": 1}, "unknown option of mirroring: requird"),
        ({"required": -1}, "required is a number of secondaries, not -1"),
    ],
)
def test_wrong_options_change_nothing(options: dict[str, int], message: str) -> None:
    with closing(tandemdb.connect(":memory:")) as primary, closing(tandemdb.connect(":memory:")) as secondary:
        for target in (secondary, "tandemdb://127.0.0.1:1/nowhere"):
            with pytest.raises(tandemdb.ProgrammingError, match=message) as caught:
                primary.replicate_to(target, mode="sync", **options)
        assert "requird" not in options or "Hint: Did you mean required?" in caught.value.__notes__
        secondary.execute("CREATE TABLE t (a)")  # It is nobody's secondary.
