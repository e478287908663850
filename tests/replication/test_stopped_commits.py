"""A synchronous commit interrupted before each line of its way, as Ctrl-C may do it: it is done or it is not.

Whatever it was, the next commit goes on, nothing is left waiting, and both sides hold the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication.system import system_of
from tests.stopping import Interruption, stopped_at

from .patience import IN_PROCESS
from .processes import until

# A commit that was interrupted in hashing leaves the more to hash to the next one: it would not come to an end.
LOOKS_MAX = 800
FILES = ("/tandemdb/replication/publisher.py", "/tandemdb/replication/core/primary.py")


class Pair:
    """A primary and its synchronous secondary in this process."""

    def __init__(self, level: str) -> None:
        self.primary: Any = tandemdb.connect(":memory:", isolation_level=None, timeout=60)
        self.primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        self.secondary: Any = tandemdb.connect(":memory:")
        self.replica = self.primary.replicate_to(self.secondary, mode="sync", acknowledge=level, **IN_PROCESS)
        self.publisher: Any = system_of(self.primary._database).publisher
        self.primary.execute("INSERT INTO t VALUES (0, 'first')")

    def insert(self, key: int) -> None:
        self.primary.execute("INSERT INTO t VALUES (?, 'y')", (key,))

    def has(self, key: int) -> bool:
        return self.primary.execute("SELECT 1 FROM t WHERE a = ?", (key,)).fetchone() is not None

    def close(self) -> None:
        self.primary.close()
        self.secondary.close()

    def check(self, key: int) -> None:
        """Commit once more, and compare."""
        if self.primary.in_transaction:
            self.primary.rollback()
        if self.replica.status.state != "in step":
            self.replica.heal()  # It has to ask where it stands.
        self.primary.execute("INSERT OR REPLACE INTO t VALUES (?, 'z')", (key,))
        database = self.primary._database
        replication.wait_for(self.secondary._database, database.root.lsn, 60)
        assert not self.publisher.pipeline.tickets
        assert not self.publisher.core.pending
        assert database.head is database.root
        assert self.secondary.digest() == self.primary.digest()


def is_counted(path: str) -> bool:
    return path.replace("\\", "/").endswith(FILES)


@pytest.mark.parametrize("level", ["received", "applied"])
def test_a_synchronous_commit_stopped_where_it_is_sent(level: str) -> None:
    """Before each line that completes it, hands it over, or takes it back."""
    pair = Pair(level)
    for line in range(1, 1000):
        if not stopped_at(line, is_counted, partial(pair.insert, line)):
            break
        pair.check(1_000_000 + line)
    assert 50 < line < 999


class PairOverTCP(Pair):
    """A primary, and its synchronous secondary behind a port."""

    def __init__(self, level: str) -> None:
        self.node = nodes.serve("stopped")
        self.primary = tandemdb.connect(":memory:", isolation_level=None, timeout=60)
        self.primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        self.primary.replicate_to(str(self.node.address), mode="sync", acknowledge=level)
        self.publisher = system_of(self.primary._database).publisher
        self.primary.execute("INSERT INTO t VALUES (0, 'first')")

    def check(self, key: int) -> None:
        until(partial(self.goes_on, key), "commits go on")
        database = self.primary._database
        replication.wait_for(self.node.database, database.root.lsn, 60)
        assert self.is_left_by_all()
        assert database.head is database.root
        assert self.node.database.digest() == self.primary.digest()

    def goes_on(self, key: int) -> bool:
        """Commit, unless the secondary has yet to come back."""
        try:
            self.primary.execute("INSERT OR REPLACE INTO t VALUES (?, 'z')", (key,))
        except (replication.SecondaryLost, replication.CommitInDoubt):
            return False
        return True

    def is_left_by_all(self) -> bool:
        """Whether no thread waits, and this one has no lock or place that it needs no more."""
        publisher, pipeline = self.publisher, self.publisher.pipeline
        places = (pipeline._leading, publisher.arrivals._polling, publisher.losses._place, self.primary._database.place)
        locks = [publisher.lock, *(link._lock for link in publisher.links.values())]
        return not pipeline.tickets and all(places) and not any(lock._is_owned() for lock in locks)

    def close(self) -> None:
        self.primary.close()
        self.node.stop()
        tandemdb.drop("stopped")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # interrupted in a __del__
@pytest.mark.parametrize(
    ("kind", "level", "first"),
    [(Pair, "received", 0), (Pair, "applied", 0), (PairOverTCP, "received", 0), (PairOverTCP, "applied", 1)],
)
def test_a_commit_interrupted_wherever_signals_are_heard(kind: type[Pair], level: str, first: int) -> None:
    """To a node at every other place: it takes its time to come back."""
    pair = kind(level)
    for after in range(first, LOOKS_MAX, 1 if kind is Pair else 2):
        interruption = Interruption(after)
        try:
            interruption(partial(pair.insert, after + 1))
        except (KeyboardInterrupt, replication.SecondaryLost, replication.CommitInDoubt):
            pass  # The latter if it was too slow for who waits, or had to wait for who comes back.
        if not interruption.where:
            break
        if pair.primary.in_transaction:
            pair.primary.rollback()
        is_there = pair.has(after + 1)
        pair.check(1_000_000)
        assert pair.has(after + 1) == is_there, interruption.where
    assert after > 100
    pair.close()
