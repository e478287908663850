"""A synchronous commit interrupted before each line of its way, as Ctrl-C may do it: it is done or it is not.

Whatever it was, the next commit goes on, nothing is left waiting, and both sides hold the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication.system import system_of
from tests.stopping import stopped_at

FILES = ("/tandemdb/replication/publisher.py", "/tandemdb/replication/core/primary.py")


class Pair:
    """A primary and its synchronous secondary in this process."""

    def __init__(self, level: str) -> None:
        self.primary: Any = tandemdb.connect(":memory:", isolation_level=None, timeout=2)
        self.primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        self.secondary: Any = tandemdb.connect(":memory:")
        self.replica = self.primary.replicate_to(self.secondary, mode="sync", acknowledge=level)
        self.publisher: Any = system_of(self.primary._database).publisher
        self.primary.execute("INSERT INTO t VALUES (0, 'first')")

    def insert(self, key: int) -> None:
        self.primary.execute("INSERT INTO t VALUES (?, 'y')", (key,))

    def check(self, key: int) -> None:
        """Commit once more, and compare."""
        if self.primary.in_transaction:
            self.primary.rollback()
        if self.replica.status.state != "in step":
            self.replica.heal()  # It has to ask where it stands.
        self.primary.execute("INSERT INTO t VALUES (?, 'z')", (key,))
        database = self.primary._database
        replication.wait_for(self.secondary._database, database.root.lsn, 5)
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
