"""Commits between their writer and the log: each is taken once, in order, whoever takes them and when."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication import gathering, observers
from tandemdb.replication.core.log import ChangeLog
from tandemdb.replication.core.messages import LSN, Epoch, Frame, TxnLog
from tandemdb.replication.network import wire
from tandemdb.replication.system import system_of


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("over_wire", [False, True])
def test_commits_by_the_thousand_arrive_once_each(over_wire: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "TOGETHER_MAX", 7)
    monkeypatch.setattr(gathering, "BATCH_BYTES_MAX", 80)  # about three changes
    primary, secondary = tandemdb.connect(":memory:", isolation_level=None), tandemdb.connect(":memory:")
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
    primary.executemany("INSERT INTO t VALUES (?, 0)", [(row,) for row in range(300)])
    primary.replicate_to(secondary, mode="async", over_wire=over_wire)
    publisher: Any = system_of(primary._database).publisher
    publisher.gathering.packs = over_wire
    for number in range(3000):
        primary.execute("UPDATE t SET b = b + 1 WHERE a = ?", (number * 7 % 300,))
        if number % 100 == 0:
            primary.execute("UPDATE t SET b = b + 1 WHERE a < ?", (number % 9,))
        if number % 500 == 0:
            publisher.status()
    replication.wait_for(secondary._database, primary.lsn, 30)
    assert secondary.execute("SELECT * FROM t").fetchall() == primary.execute("SELECT * FROM t").fetchall()
    assert secondary._database.digest() == primary._database.digest()
    assert publisher.core.log.last_lsn == primary.lsn
    primary.close()
    secondary.close()


@pytest.mark.parametrize("packs", [False, True])
def test_commits_that_are_large_make_runs_of_their_own(packs: bool) -> None:
    primary = tandemdb.connect(":memory:", isolation_level=None)
    secondary = tandemdb.connect(":memory:")
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    primary.execute("INSERT INTO t VALUES (1, NULL)")
    replica = primary.replicate_to(secondary, mode="async", over_wire=True)
    replication.wait_for(secondary._database, primary.lsn, 30)
    publisher: Any = system_of(primary._database).publisher
    publisher.gathering.packs = packs
    replica.cut()
    blob = bytes(100_000)
    for number in range(40):
        primary.execute("UPDATE t SET b = ? WHERE a = 1", (blob if number % 4 else number,))
    publisher.status()
    core = publisher.core
    lsn, sizes = LSN(core.log.last_lsn - 40), []
    while lsn < core.log.last_lsn:
        runs = core.log.runs_after(lsn, 1024, gathering.BATCH_BYTES_MAX)
        sizes.append(len(wire.encode(Frame(1, Epoch(1), 0, TxnLog(runs, lsn)))))
        lsn = runs[-1].last_lsn
    assert sum(sizes) > 30 * len(blob) and max(sizes) < 2 * gathering.BATCH_BYTES_MAX
    replica.heal()
    replication.wait_for(secondary._database, primary.lsn, 30)
    assert primary.digest() == secondary.digest()


def test_a_log_of_packed_changes_tells_each_commit() -> None:
    log = ChangeLog(LSN(4), 1 << 20, 9)
    changes = [(2, 5, 0, number, (number, "x", None, 1.5, b"y")) for number in range(6)]
    packed = wire.PackedChanges(changes)
    log.extend(10, packed, [1, 3, 0, 2], packed.size_bytes, 0.0)
    assert [(one.lsn, one.transaction, list(one.changes)) for one in log.commits_after(LSN(4))] == [
        (5, 10, changes[:1]),
        (6, 11, changes[1:4]),
        (7, 12, []),
        (8, 13, changes[4:]),
    ]
    log.keep_above(LSN(6))
    [run] = log.runs_after(LSN(6), 100, 100)
    assert (run.lsn, run.transaction, list(run.changes), list(run.counts)) == (7, 12, changes[4:], [0, 2])
    assert log.changes_after(LSN(5)) == 5
