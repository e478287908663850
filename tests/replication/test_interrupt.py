"""`interrupt()` ends the wait of a synchronous commit, whatever the policy: nobody has to wait for a lost secondary."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication.system import system_of
from tandemdb.testing import Faults

from .processes import until


class Shop:
    """A named primary and its synchronous secondary, and what threads have been told."""

    def __init__(self, name: str, connections: int = 1) -> None:
        self.connections = [
            tandemdb.connect(f":memory:{name}", isolation_level=None, check_same_thread=False, timeout=30)
            for _ in range(connections)
        ]
        self.secondary = tandemdb.connect(":memory:")
        self.connections[0].execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        self.replica: Any = self.connections[0].replicate_to(self.secondary, mode="sync", on_loss="wait")
        self.connections[0].execute("INSERT INTO t VALUES (0)")
        self.publisher: Any = system_of(self.connections[0]._database).publisher
        self.told: dict[int, BaseException | None] = {}
        self.threads: list[threading.Thread] = []

    def run(self, number: int, *texts: str) -> threading.Thread:
        """Run statements on a connection in a thread, and keep the error they end in."""

        def work() -> None:
            try:
                for text in texts:
                    self.connections[number].execute(text)
                self.told[number] = None
            except BaseException as error:
                self.told[number] = error

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def rows(self, connection: Any = None) -> list[int]:
        return [a for (a,) in (connection or self.connections[0]).execute("SELECT a FROM t ORDER BY a")]

    def check_goes_on(self, *rows: int) -> None:
        """The link is healed: commits go on, and both sides hold these rows and the next one."""
        self.replica.link.set_faults(None)
        self.replica.heal()
        self.connections[0].execute("INSERT INTO t VALUES (99)")
        assert self.rows() == [*rows, 99]
        replication.wait_for(self.secondary._database, self.connections[0].lsn, 60)
        assert self.rows(self.secondary) == [*rows, 99]
        assert self.connections[0].digest() == self.secondary.digest()
        for each in (*self.connections, self.secondary):
            each.close()


def joined(thread: threading.Thread) -> bool:
    thread.join(60)
    return not thread.is_alive()


def test_one_that_waits_for_a_lost_secondary_fails_undone() -> None:
    shop = Shop("held up")
    shop.replica.cut()
    thread = shop.run(0, "INSERT INTO t VALUES (1)")
    until(lambda: shop.publisher.admission.before is not None, "it waits")
    shop.connections[0].interrupt()
    assert joined(thread)
    error = shop.told[0]
    assert isinstance(error, tandemdb.OperationalError) and str(error) == "interrupted"
    assert error.sqlite_errorname == "SQLITE_INTERRUPT"
    assert shop.rows() == [0] and not shop.connections[0].in_transaction
    shop.check_goes_on(0)


def test_a_transaction_stays_open_when_its_commit_was_not_sent() -> None:
    shop = Shop("stays open")
    shop.replica.cut()
    thread = shop.run(0, "BEGIN", "INSERT INTO t VALUES (1)", "COMMIT")
    until(lambda: shop.publisher.admission.before is not None, "it waits")
    shop.connections[0].interrupt()
    assert joined(thread)
    assert str(shop.told[0]) == "interrupted" and shop.connections[0].in_transaction
    shop.replica.heal()
    shop.connections[0].execute("COMMIT")
    shop.check_goes_on(0, 1)


@pytest.mark.parametrize("texts", [("INSERT INTO t VALUES (1)",), ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT")])
def test_one_that_was_sent_is_in_doubt(texts: tuple[str, ...]) -> None:
    shop = Shop(f"in doubt {len(texts)}")
    shop.replica.link.set_faults(Faults(drop=1.0))
    thread = shop.run(0, *texts)
    until(lambda: len(shop.publisher.pipeline.tickets) == 1, "it waits")
    shop.connections[0].interrupt()
    assert joined(thread)
    error = shop.told[0]
    assert isinstance(error, replication.CommitInDoubt) and "interrupted" in str(error)
    if shop.connections[0].in_transaction:
        shop.connections[0].rollback()
    assert shop.rows() == [0]
    shop.check_goes_on(0)


def test_what_builds_on_it_goes_along_and_others_wait_on() -> None:
    shop = Shop("three of them", connections=3)
    shop.replica.link.set_faults(Faults(drop=1.0))
    threads = []
    for number in range(3):
        threads.append(shop.run(number, f"INSERT INTO t VALUES ({number + 1})"))
        until(lambda: len(shop.publisher.pipeline.tickets) == len(threads), "it waits, too")
    shop.connections[1].interrupt()
    assert joined(threads[1]) and joined(threads[2])
    assert isinstance(shop.told[1], replication.CommitInDoubt)
    assert isinstance(shop.told[2], replication.ReplicationError)
    assert threads[0].is_alive()
    shop.replica.link.set_faults(None)
    shop.replica.heal()
    assert joined(threads[0]) and shop.told[0] is None
    shop.check_goes_on(0, 1)


def test_one_that_lets_a_secondary_join_fails_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a tenth of a second; lost in that, the interrupt would be of no use to the wait that may follow."""
    shop = Shop("lets join")
    waits = threading.Event()
    pause = shop.publisher.pause

    def note(seconds: float) -> None:
        waits.set()
        pause(seconds)

    monkeypatch.setattr(shop.publisher, "pause", note)
    monkeypatch.setattr(shop.publisher.core.quorum, "is_steady", lambda: False)
    monkeypatch.setattr(shop.publisher.core.quorum, "is_joining", lambda last_lsn: True)
    thread = shop.run(0, "INSERT INTO t VALUES (1)")
    assert waits.wait(60)
    shop.connections[0].interrupt()
    assert joined(thread)
    assert str(shop.told[0]) == "interrupted" and shop.rows() == [0]
    monkeypatch.undo()
    shop.check_goes_on(0)


def test_one_that_is_being_sent_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a node a commit is sent before others can see that it waits."""
    node = nodes.serve("interrupted")
    primary = tandemdb.connect(":memory:", isolation_level=None)
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    primary.replicate_to(str(node.address), mode="sync")
    publisher: Any = system_of(primary._database).publisher
    link: Any = node.system.link
    pump = publisher.links.pump_tight

    def pump_and_interrupt(tick: bool = True) -> bool:
        if not publisher.core.pending:
            return bool(pump(tick))
        monkeypatch.setattr(publisher.links, "pump_tight", pump)
        monkeypatch.setattr(link, "_answer", lambda channel: None)
        moved: bool = pump(tick)
        primary.interrupt()
        return moved

    monkeypatch.setattr(publisher.links, "pump_tight", pump_and_interrupt)
    with pytest.raises(replication.CommitInDoubt, match="interrupted"):
        primary.execute("INSERT INTO t VALUES (1)")
    monkeypatch.undo()
    assert primary.execute("SELECT count(*) FROM t").fetchone() == (0,)
    primary.close()
    node.stop()
    tandemdb.drop("interrupted")


def test_an_interrupt_that_comes_when_nothing_waits_changes_nothing() -> None:
    shop = Shop("nothing waits")
    shop.connections[0].interrupt()
    shop.connections[0].execute("INSERT INTO t VALUES (1)")
    shop.connections[0].execute("BEGIN")
    shop.connections[0].execute("INSERT INTO t VALUES (2)")
    shop.connections[0].interrupt()
    shop.connections[0].execute("COMMIT")
    shop.check_goes_on(0, 1, 2)
