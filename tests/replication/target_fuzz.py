"""Backup targets under random changes and faults: what they hold must always be what the database held after a commit.

    python -m tests.replication.target_fuzz --seeds 0:100 [--target sqlite|postgresql]

A run is a database with a feed, some with a standby that has a feed to the same target. Between transactions, and in
the midst of them, the target is broken, locked, full, emptied, cut off; the feed is detached; the standby promoted; the
process dies, and another one starts from the target. Then, and in the end, target and database are compared row by row;
a COMMIT that fails must leave the database as it was.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import tandemdb
from tandemdb.replication import CommitInDoubt, ReplicationError
from tandemdb.replication.targets import Feed, TargetLost

from .patience import IN_PROCESS
from .postgres_server import PostgresServer
from .target_workload import Workload, dump

TRANSACTIONS = 25


class Fuzz:
    """One run, repeated by its seed."""

    def __init__(self, seed: int, url: str) -> None:
        self.random = Random(f"targets {seed}")
        self.url = url
        self.is_file = url.startswith("sqlite:///")
        self.counts: Counter[str] = Counter()
        # What the target may be found to hold: by LSN, and what commits in doubt may have left.
        self.states: dict[int, list[str]] = {}
        self.doubtful: list[list[str]] = []
        self.connection = self.open()
        self.workload = Workload(self.connection, self.random, typed=not self.is_file)
        self.standby: tandemdb.Connection | None = None
        self.undo: list[Callable[[], None]] = []
        self.feed = self.attach()

    def run(self) -> None:
        self.remember()
        for _ in range(TRANSACTIONS):
            if self.random.random() < 0.4:
                self.random.choice((
                    self.break_soon, self.break_soon, self.cut_off, self.lock, self.fill, self.empty, self.reattach,
                    self.restart, self.restart, self.add_standby, self.promote,
                ))()  # fmt: skip
            self.commit_some()
            self.mend()
        self.come_to_rest()
        self.check()

    def close(self) -> None:
        self.mend()
        self.feed.end()
        for connection in (self.standby, self.connection):
            if connection is not None:
                connection.close()

    # Steps.

    def commit_some(self) -> None:
        """One transaction. If its COMMIT fails, nothing of it is left."""
        connection = self.connection
        before = connection.digest(), connection.lsn
        self.workload.transaction()
        if self.random.random() < 0.1:
            connection.execute("ROLLBACK")
            assert (connection.digest(), connection.lsn) == before
            return
        wanted = dump(connection)
        try:
            connection.execute("COMMIT")
        except ReplicationError as error:
            self.counts[type(error).__name__] += 1
            if isinstance(error, CommitInDoubt):
                self.doubtful.append(wanted)
            connection.execute("ROLLBACK")
            assert (connection.digest(), connection.lsn) == before, f"{error!r} left something"
            if self.feed.state == "superseded":
                raise AssertionError(f"superseded: {self.feed.reason}") from error
        else:
            self.counts["commits"] += 1
            self.remember()
            if self.feed.mode == "sync":
                self.doubtful.clear()

    def remember(self) -> None:
        self.states[self.connection.lsn] = dump(self.connection)

    def come_to_rest(self) -> None:
        """Let the target get level. What it cannot hold goes; that it says so is tested elsewhere."""
        self.mend()
        for _ in range(3):
            try:
                self.connection.execute("CREATE TABLE IF NOT EXISTS last (a INTEGER PRIMARY KEY)")
                self.connection.execute("INSERT INTO last DEFAULT VALUES")
            except ReplicationError:
                continue  # Now it has noticed what has happened to the target.
        self.remember()
        for _ in range(20):
            try:
                self.feed.wait(5)
                if self.feed.status.applied == self.connection.lsn:
                    return
            except ReplicationError:
                if self.feed.state == "refused":
                    self.counts["refused"] += 1
                    self.feed.detach()
                    self.drop_all()
                    self.feed = self.attach()
        raise AssertionError(f"the target does not get level: {self.feed.status}")

    def drop_all(self) -> None:
        for table in self.workload.tables():
            self.connection.execute(f'DROP TABLE "{table}"')
        self.remember()

    def check(self) -> None:
        """Target and database are the same."""
        expected = dump(self.connection)
        with tandemdb.restore_from(self.url) as restored:
            assert_same(dump(restored), expected, "a database started from the target")
            assert restored.lsn == self.connection.lsn
        restored.close()
        if self.is_file:
            file = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            assert_same(dump(file), expected, "the file")
            found = [row for (row,) in file.execute("PRAGMA integrity_check")]
            # SQLite 3.40 takes texts in numeric columns of tables WITHOUT ROWID for faults.
            assert [row for row in found if row != "ok" and not row.startswith("TEXT value in ")] == []
            file.close()
        if self.standby is not None:
            assert self.standby.digest() == self.connection.digest()

    # Faults.

    def break_soon(self) -> None:
        """A call of the target fails, before or after it has done its work."""
        target: Any = self.feed.target
        name = self.random.choice(("write", "commit", "commit"))
        is_done, call = self.random.random() < 0.5, getattr(target, name)

        def fail(*arguments: Any) -> None:
            delattr(target, name)
            if is_done:
                call(*arguments)
            target.close()
            self.counts["broken"] += 1
            raise TargetLost("it failed, at random")

        setattr(target, name, fail)
        self.undo.append(lambda: vars(target).pop(name, None))

    def cut_off(self) -> None:
        """PostgreSQL ends the session at a random statement, or before it commits."""
        if self.is_file:
            return
        import sqlalchemy as sa

        engine = self.feed.target.engine
        left = self.random.choice((1, 2, 3, 5, 8))
        kind = self.random.choice(("before_cursor_execute", "commit"))
        other = sa.create_engine(self.url)

        def cut(connection: Any, *arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0 or kind == "commit":
                backend = connection.connection.dbapi_connection.info.backend_pid
                with other.connect() as killer:
                    killer.exec_driver_sql(f"SELECT pg_terminate_backend({backend})")
                self.counts["cut off"] += 1

        sa.event.listen(engine, kind, cut)

        def stop() -> None:
            sa.event.remove(engine, kind, cut)
            other.dispose()

        self.undo.append(stop)

    def lock(self) -> None:
        """Another program reads or writes the file and takes its time."""
        if not self.is_file:
            return
        file = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=0)
        kind = self.random.choice(("read", "IMMEDIATE", "EXCLUSIVE"))
        try:
            file.execute(f"BEGIN {kind if kind != 'read' else ''}")
            file.execute("SELECT * FROM sqlite_master").fetchall()
        except sqlite3.OperationalError:
            file.close()
            return
        self.counts["locked"] += 1
        self.undo.append(file.close)

    def fill(self) -> None:
        """No file can grow: a full disk."""
        if not self.is_file:
            return
        path = Path(self.url.removeprefix("sqlite:///"))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = path.stat().st_size if path.exists() else 0
        limit = self.random.choice((512, size, size + 4096))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        self.counts["full"] += 1
        self.undo.append(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))

    def empty(self) -> None:
        """Somebody removes everything."""
        self.counts["emptied"] += 1
        if self.is_file:
            # Not in the midst of a transaction: SQLite takes a journal that is left for that of the file made next.
            with self.feed._lock:
                for suffix in ("", "-journal"):
                    Path(self.url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)
            return
        import sqlalchemy as sa

        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                       " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()

    def reattach(self) -> None:
        self.feed.detach()
        self.mend()
        if self.random.random() < 0.5:
            self.commit_some()
        self.feed = self.attach()
        self.counts["reattached"] += 1

    def restart(self) -> None:
        """The process is gone; another one has what the target holds, which is the state after some commit."""
        if self.standby is not None or self.feed.status.applied == 0:
            return
        self.feed.end()
        self.mend()
        is_sync = self.feed.mode == "sync"
        newest = self.connection.lsn
        self.connection.close()
        try:
            self.connection = tandemdb.restore_from(self.url, isolation_level=None, check_same_thread=False)
        except TargetLost:
            assert self.counts["emptied"]
            self.connection = self.open()
            self.states.clear()
        if self.states:
            known = [*self.doubtful, *([self.states[newest]] if is_sync else self.states.values())]
            assert dump(self.connection) in known, "the target holds the state after no commit, or not the newest"
        self.workload.connection = self.connection
        self.doubtful.clear()
        self.feed = self.attach()
        self.remember()
        self.counts["restarted"] += 1

    def add_standby(self) -> None:
        if self.standby is None:
            self.standby = self.open()
            self.connection.replicate_to(self.standby, "sync", **IN_PROCESS)
            self.standby.replicate_to(self.url, self.random.choice(("sync", "async")))
            self.counts["standbys"] += 1

    def promote(self) -> None:
        """The standby leads, and the former primary follows it: with its feed."""
        if self.standby is None or self.feed.mode == "async":
            return
        former, self.connection = self.connection, self.standby
        self.connection.promote()
        self.connection.replicate_to(former, "sync", **IN_PROCESS)
        self.standby = former
        self.workload.connection = self.connection
        from tandemdb.replication.system import system_of

        [self.feed] = system_of(self.connection._database).targets
        self.counts["promoted"] += 1

    # Helpers.

    def open(self) -> tandemdb.Connection:
        return tandemdb.connect(":memory:", isolation_level=None, check_same_thread=False)

    def attach(self) -> Feed:
        for _ in range(5):
            try:
                feed: Feed = self.connection.replicate_to(self.url, self.random.choice(("sync", "sync", "async")))
                return feed
            except TargetLost:
                self.mend()
        raise AssertionError("the target cannot be reached")

    def mend(self) -> None:
        while self.undo:
            self.undo.pop()()


def assert_same(found: list[str], expected: list[str], what: str) -> None:
    differing = sorted({*found} ^ {*expected})
    assert found == expected, f"{what} differs: {[line[:200] for line in differing[:8]]}"


def fuzz(seed: int, url: str) -> Counter[str]:
    """Run one seed; its counts tell what happened."""
    from tandemdb.dbapi.targets import sqlite_file

    timeout, sqlite_file.TIMEOUT_SECONDS = sqlite_file.TIMEOUT_SECONDS, 0.02
    run = None
    try:
        run = Fuzz(seed, url)
        run.run()
        return run.counts
    except BaseException as error:
        error.add_note(f"python -m tests.replication.target_fuzz --seeds {seed}:{seed + 1} ({url.partition(':')[0]})")
        raise
    finally:
        if run is not None:
            run.close()
        sqlite_file.TIMEOUT_SECONDS = timeout


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.replication.target_fuzz")
    parser.add_argument("--seeds", default="0:20")
    parser.add_argument("--target", default="sqlite", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    logging.getLogger("tandemdb.replication").setLevel(logging.CRITICAL)
    first, last = map(int, options.seeds.split(":"))
    server = PostgresServer() if options.target == "postgresql" else None
    counts: Counter[str] = Counter()
    failed = 0
    try:
        for seed in range(first, last):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                try:
                    counts += fuzz(seed, f"sqlite:///{folder}/backup.db" if server is None else server.url())
                except Exception as error:
                    failed += 1
                    import traceback

                    print(f"seed {seed}: {error!r}", file=sys.stderr)
                    traceback.print_exc(limit=-4)
    finally:
        if server is not None:
            server.close()
    print(dict(counts), f"{failed} of {last - first} seeds failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
