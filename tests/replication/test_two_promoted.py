"""Two secondaries promoted at a time: without a coordinator nobody hinders it, and then nothing vanishes unheard."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.system import system_of
from tandemdb.storage import Database

from .processes import NodeProcess, in_step, run, start_named, until
from .test_failover_processes import leads, named
from .workload import make_table, put


def promote_both(*nodes: NodeProcess) -> list[str]:
    """Promote nodes at the same time; what each answers, "" if it leads."""
    answers = [""] * len(nodes)

    def promote(place: int) -> None:
        try:
            nodes[place].ask("promote")
        except ReplicationError as error:
            answers[place] = str(error)

    threads = [threading.Thread(target=promote, args=(place,)) for place in range(len(nodes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def execute(node: NodeProcess, *statements: str) -> list[tuple[int]]:
    with tandemdb.connect(node.url, isolation_level=None) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("primary_lives", [True, False])
def test_by_hand(running: ExitStack, primary_lives: bool) -> None:
    primary = start_named(running, "p")
    one, other = (start_named(running, name, "--secondary-of", primary.url) for name in "ab")
    until(lambda: in_step(primary, 2), "in step")
    execute(primary, "CREATE TABLE t (a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    if not primary_lives:
        primary.kill()
    assert promote_both(one, other) == ["", ""]
    execute(one, "INSERT INTO t VALUES (10)")
    execute(other, "INSERT INTO t VALUES (20)", "INSERT INTO t VALUES (21)")
    if primary_lives:  # I4: it acknowledges nothing any more.
        until(lambda: primary.status()["role"] == "fenced", "fenced")
        with pytest.raises(tandemdb.OperationalError):
            execute(primary, "INSERT INTO t VALUES (30)")
    with pytest.raises(ReplicationError, match="2 commits without secondaries"):
        other.ask("follow", one.url, "sync", False)
    assert other.status()["role"] == "primary"
    other.ask("follow", one.url, "sync", True)
    until(lambda: in_step(one), "one history again")
    assert execute(other, "SELECT a FROM t ORDER BY a") == [(1,), (10,)]
    if primary_lives:
        primary.ask("follow", one.url, "sync", False)
        until(lambda: in_step(one, 2), "the former primary, too")
        assert primary.status()["orphans"] == primary.status()["orphans_lost"] == 0
    execute(one, "INSERT INTO t VALUES (11)")
    status, text = run("verify", one.url, (primary if primary_lives else other).url)
    assert status == 0, text


def test_with_a_coordinator_one_is_refused(running: ExitStack, tmp_path: Path) -> None:
    coordinator = ("--coordinator", f"file:{tmp_path / 'shop.json'}", "--lease", "1")
    primary = start_named(running, "p", *coordinator)
    one, other = (start_named(running, name, *coordinator) for name in "ab")
    until(lambda: sorted(named(primary)) == ["a", "b"], "in step")
    execute(primary, "CREATE TABLE t (a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    assert all("the lease is held" in answer for answer in promote_both(one, other)), "the primary lives"
    primary.kill()
    until(lambda: one.status()["coordination"]["leader"] != "p", "the lease has lapsed")
    promote_both(one, other)
    until(lambda: leads(one) or leads(other), "one leads")
    leader, follower = (one, other) if leads(one) else (other, one)
    until(lambda: len(named(leader)) == 1, "the other follows")
    assert not leads(follower) and leader.status()["epoch"] == 2
    execute(leader, "INSERT INTO t VALUES (2)")
    assert run("verify", leader.url, follower.url)[0] == 0


def test_what_no_log_holds_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Ten thousand commits that only a former primary had: as many as its log held come back, the others are told."""
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 10)
    replica = replication.attach(primary, secondary, "async", log_bytes_max=100_000)
    replication.wait_for(secondary, primary.root.lsn)
    replica.link.is_cut = True
    replication.promote(secondary)
    for number in range(10_000):
        put(primary, table, number % 50 + 1, f"commit {number}")
    put(secondary, table, 1, "of the new epoch")
    replication.attach(secondary, primary, "async")
    replication.wait_for(primary, secondary.root.lsn)
    until(lambda: primary.digest() == secondary.digest(), "level")
    listed, lost = replication.orphans(primary), system_of(primary).orphans_lost
    assert len(listed) + lost == 10_000 and 1000 < len(listed) < 9000
    assert listed[-1].changes[-1][4] == (50, "commit 9999", None)
    told = [record for record in caplog.records if getattr(record, "event", "") == "orphans_lost"]
    assert [record.commits for record in told] == [lost]  # type: ignore[attr-defined]


def test_ten_thousand_orphans_come_back() -> None:
    primary, secondary = Database("p"), Database("s")
    table = make_table(primary, 10)
    replica = replication.attach(primary, secondary, "async")
    replication.wait_for(secondary, primary.root.lsn)
    replica.link.is_cut = True
    replication.promote(secondary)
    for number in range(10_000):
        put(primary, table, number % 50 + 1, f"commit {number}")
    replication.attach(secondary, primary)
    assert primary.digest() == secondary.digest()
    listed = replication.orphans(primary)
    assert [orphan.lsn for orphan in listed] == list(range(2, 10_002)) and system_of(primary).orphans_lost == 0
