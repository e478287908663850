"""Chains: who is in the middle gets blocks from its primary, and passes on what no change describes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.replication import attach
from tandemdb.replication.core import blocks
from tandemdb.replication.core.peer import Mode
from tandemdb.replication.errors import SecondaryLost
from tandemdb.replication.system import system_of
from tandemdb.storage import Database, Root, Transaction
from tandemdb.testing import VirtualClock

from .processes import NodeProcess, in_step, until
from .workload import make_table, put


def open_empty() -> Any:
    return tandemdb.connect(":memory:", isolation_level=None, check_same_thread=False)


@pytest.mark.parametrize("second", ["sync", "async"])
@pytest.mark.parametrize("first", ["sync", "async"])
def test_the_end_is_there_before_the_middle_has_its_blocks(first: str, second: str) -> None:
    head, middle, end = open_empty(), open_empty(), open_empty()
    head.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b) WHERE a > 1")
    head.executemany("INSERT INTO t (b) VALUES (?)", [(number,) for number in range(1000)])
    # The head has committed before it is known to the middle, which is empty and has a secondary.
    upper = head.replicate_to(middle, first)
    lower = middle.replicate_to(end, second)
    for number in range(5):
        head.execute("INSERT INTO t (b) VALUES (?)", (number,))
        until(lambda: head.lsn == middle.lsn == end.lsn, "all are level")
    assert head.digest() == middle.digest() == end.digest()
    assert (upper.status.state, lower.status.state) == tuple(
        "in step" if mode == "sync" else "following" for mode in (first, second)
    )


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_middle_stays_away_and_comes_back(tmp_path: Path, mode: str) -> None:
    """What it lacks comes as blocks: the end of the chain must get there, too."""
    script = tmp_path / "script.sql"
    script.write_text("CREATE TABLE t (a INTEGER PRIMARY KEY, b);")
    head = NodeProcess("--load", str(script))
    middle = NodeProcess("--secondary-of", head.url)
    end = NodeProcess("--secondary-of", middle.url, "--mode", mode)
    try:
        until(lambda: in_step(head), "the middle is in step")
        until(lambda: end.status()["lsn"] == head.status()["lsn"], "the end is level")
        with head.connect(isolation_level=None) as connection:
            for count in (1, 4):
                middle.ask("suspend")
                for _ in range(count):
                    connection.execute("INSERT INTO t (b) VALUES ('away')")
                middle.ask("resume")
                until(lambda: in_step(head), "the middle is in step again")
                connection.execute("INSERT INTO t (b) VALUES ('back')")
                until(lambda: end.status()["lsn"] == connection.lsn, "the end is level")
                with end.connect() as last:
                    assert last.digest() == connection.digest()
    finally:
        for node in (end, middle, head):
            node.stop()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("step", ["told to nobody", "shown"])
def test_the_end_comes_while_the_middle_shows_a_commit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: Mode, step: str
) -> None:
    """It hears of that commit, or has it in what it begins with: neither half."""
    head, middle, end = Database("head"), Database("middle"), Database("end")
    table = make_table(head, 100)
    attach(head, middle)
    put(head, table, 1000, "before")
    until(lambda: middle.root.lsn == head.root.lsn, "the middle is level")
    reached, go_on = threading.Event(), threading.Event()
    install = Database.install

    def install_later(database: Database, root: Root) -> None:
        if database is middle and not reached.is_set():
            if step == "shown":
                install(database, root)
            reached.set()
            assert go_on.wait(30)
            if step == "shown":
                return
        install(database, root)

    monkeypatch.setattr(Database, "install", install_later)
    writer = threading.Thread(target=lambda: [put(head, table, key, "new") for key in range(1001, 1006)])
    writer.start()
    assert reached.wait(30)
    joiner = threading.Thread(target=lambda: attach(middle, end, mode))
    joiner.start()
    joiner.join(0.3)  # If it does not wait for the middle, it is done by then.
    go_on.set()
    for thread in (writer, joiner):
        thread.join(30)
        assert not thread.is_alive()
    put(head, table, 1006, "after")
    until(lambda: head.root.lsn == middle.root.lsn == end.root.lsn, "all are level")
    assert head.digest() == middle.digest() == end.digest()
    assert [record for record in caplog.records if getattr(record, "event", "") == "secondary_differs"] == []


def test_a_middle_that_its_end_holds_up_asks_again_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be a moment's matter, and what is committed meanwhile must not get more than it can take then."""
    clock = VirtualClock()
    head, middle = Database("head"), Database("middle")
    table = make_table(head, 100)
    attach(head, middle, clock=clock, pause=clock.pause, on_loss="degrade")
    publisher = system_of(head).publisher
    assert publisher is not None

    def refuse(transaction: Transaction, *places: int) -> None:
        raise SecondaryLost("a synchronous secondary is lost and commits are refused")

    with monkeypatch.context() as patched:
        patched.setattr(blocks, "install", refuse)
        patched.setattr(blocks, "commit", refuse)
        for key in range(1000, 1010):
            put(head, table, key, "held up")
            publisher.links.pump_tight()
            clock.pause(0.05)
    assert middle.root.lsn < head.root.lsn
    begin = clock()
    while middle.root.lsn < head.root.lsn:
        put(head, table, 2000, "goes on")
        publisher.links.pump_tight()
        clock.pause(0.01)
        assert clock() - begin < 0.5
    assert [record for record in caplog.records if getattr(record, "event", "") == "secondary_differs"] == []
