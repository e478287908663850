"""What backup targets meet: locks, removal, changes by hand, commits taken back, two heirs of one target."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.replication import CommitInDoubt, ReplicationError, SecondaryLost
from tandemdb.replication.targets import NotCommitted, Superseded, TargetLost, TargetRefused

from .postgres_server import PostgresServer
from .processes import until
from .target_fuzz import fuzz
from .target_kills import kill_often
from .target_place import Place
from .target_workload import dump

sa = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")


def connect(script: str = "CREATE TABLE t (a INTEGER, b TEXT)") -> tandemdb.Connection:
    connection = tandemdb.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(script)
    return connection


def check_same(place: Place, connection: tandemdb.Connection) -> None:
    with tandemdb.restore_from(place.url) as restored:
        assert dump(restored) == dump(connection)
    restored.close()


def lose_next(target: Any, name: str, is_done: bool) -> None:
    """Let the next call of a target fail, before or after it has done its work."""
    call = getattr(target, name)

    def lose(*arguments: Any) -> None:
        delattr(target, name)
        if is_done:
            call(*arguments)
        target.close()
        raise TargetLost("it is lost")

    setattr(target, name, lose)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_random_changes_and_faults(kind: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'backup.db'}" if kind == "sqlite" else request.getfixturevalue("postgres").url()
    counts = fuzz(seed, url)
    assert counts["commits"] >= 5


def test_a_commit_taken_back_is_taken_out_of_the_target(place: Place) -> None:
    """Its number names another commit soon: a feed made later must not take one for the other."""
    connection = connect()
    feed = connection.replicate_to(place.url)
    lose_next(feed.target, "commit", is_done=True)
    with pytest.raises(CommitInDoubt):
        connection.execute("INSERT INTO t VALUES (1, 'taken back')")
    feed.detach()
    connection.execute("INSERT INTO t VALUES (2, 'stands')")
    feed = connection.replicate_to(place.url)
    assert place.rows("SELECT a, b FROM t") == [(2, "stands")]
    lose_next(feed.target, "commit", is_done=True)
    with pytest.raises(CommitInDoubt):
        connection.execute("INSERT INTO t VALUES (1, 'taken back')")
    feed.wait()
    assert place.rows("SELECT a, b FROM t") == [(2, "stands")], "without waiting for another commit"
    check_same(place, connection)


def test_a_target_forgets_what_another_target_has_refused(tmp_path: Path) -> None:
    first, second = (Place(f"sqlite:///{tmp_path / name}") for name in ("first.db", "second.db"))
    connection = connect()
    inner, outer = connection.replicate_to(first.url), connection.replicate_to(second.url)
    lose_next(outer.target, "commit", is_done=False)
    with pytest.raises(CommitInDoubt):
        connection.execute("INSERT INTO t VALUES (1, 'taken back')")
    inner.wait()
    assert first.rows("SELECT * FROM t") == []
    connection.execute("INSERT INTO t VALUES (2, 'stands')")
    for place in (first, second):
        check_same(place, connection)


def test_a_commit_that_a_secondary_refuses_leaves_the_target_fit_for_the_next(place: Place) -> None:
    connection, standby = connect(), connect("")
    replica = connection.replicate_to(standby)
    connection.replicate_to(place.url)
    replica.cut()
    connection.execute("BEGIN")
    connection.execute("ALTER TABLE t ADD COLUMN c INTEGER")
    connection.execute("CREATE TABLE u (a INTEGER)")
    with pytest.raises(SecondaryLost):
        connection.execute("COMMIT")
    connection.execute("ROLLBACK")
    replica.heal()
    until(lambda: replica.status.state == "in step", "the standby is back")
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    check_same(place, connection)


def test_the_lead_goes_to_and_fro(place: Place) -> None:
    """Whoever leads writes to the target, and leads it on from where the other one has left it."""
    leading, following = connect(), connect("")
    leading.replicate_to(following)
    feeds = [leading.replicate_to(place.url), following.replicate_to(place.url)]
    for turn in range(5):
        leading.execute("INSERT INTO t VALUES (?, 'x')", (turn,))
        check_same(place, leading)
        following.promote()
        following.replicate_to(leading)
        with pytest.raises(ReplicationError, match="does not lead"):
            feeds[turn % 2].take_over()
        leading, following = following, leading
    assert [feed.loads for feed in feeds] == [1, 0], "nothing was copied again"


def test_only_one_of_two_heirs_goes_on_with_a_target(place: Place) -> None:
    """Both begin the same epoch; the second one must not take the first one's commits for its own, or drop them."""
    former = connect()
    former.replicate_to(place.url)
    first, second = (tandemdb.restore_from(place.url, isolation_level=None) for _ in range(2))
    first.replicate_to(place.url)
    first.execute("INSERT INTO t VALUES (1, 'of the first')")
    for text in ("", "INSERT INTO t VALUES (2, 'of the second')", "INSERT INTO t VALUES (3, 'of the second')"):
        second.executescript(text)
        with pytest.raises(Superseded, match="has been written since this database was started from it"):
            second.replicate_to(place.url)
    check_same(place, first)
    second.replicate_to(place.url, overwrite=True)
    check_same(place, second)
    with pytest.raises(Superseded):
        first.execute("INSERT INTO t VALUES (4, 'of the first')")


def test_an_heir_does_not_drop_what_was_committed_after_it_was_started(place: Place) -> None:
    former = connect()
    former.replicate_to(place.url)
    heir = tandemdb.restore_from(place.url)
    former.execute("INSERT INTO t VALUES (1, 'acknowledged')")
    with pytest.raises(Superseded, match="has been written since"):
        heir.replicate_to(place.url)
    check_same(place, former)


def test_an_heir_that_follows_another_says_what_it_has_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'backup.db'}"
    connect().replicate_to(url)
    first, second = (tandemdb.restore_from(url, isolation_level=None, check_same_thread=False) for _ in range(2))
    for heir, text in ((first, "first"), (second, "second"), (second, "second")):
        heir.execute("INSERT INTO t VALUES (1, ?)", (text,))
    first.replicate_to(second)
    assert second.execute("SELECT b FROM t").fetchall() == [("first",)]
    assert "2 commits of its time as primary are gone" in str(second.replication_status())


def test_a_target_fed_twice_is_refused(place: Place) -> None:
    connection = connect()
    feed = connection.replicate_to(place.url)
    with pytest.raises(ReplicationError, match=r"feeds .* already"):
        connection.replicate_to(place.url)
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    check_same(place, connection)
    assert feed.status.state == "in step"


def test_a_feed_that_cannot_be_detached_goes_on(place: Place) -> None:
    connection = connect()
    feed = connection.replicate_to(place.url, "async")
    other = connection.fork()
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    with pytest.raises(ReplicationError, match="database is locked"):
        feed.detach()
    connection.execute("COMMIT")
    feed.wait()
    check_same(place, connection)
    feed.detach()
    assert feed.status.state == "detached"
    feed.detach()
    connection.execute("INSERT INTO t VALUES (2, 'two')")
    with pytest.raises(ReplicationError, match="is detached"):
        feed.wait()
    other.close()


def test_the_database_is_written_again_where_it_was_removed(place: Place) -> None:
    connection = connect()
    feed = connection.replicate_to(place.url)
    if place.is_file:
        os.unlink(place.url.removeprefix("sqlite:///"))
    else:
        for table in ("t", "tandemdb_position", "tandemdb_schema", "tandemdb_tokens"):
            place.run(f"DROP TABLE {table}")
    with pytest.raises(ReplicationError):
        connection.execute("INSERT INTO t VALUES (1, 'one')")
    connection.execute("INSERT INTO t VALUES (2, 'two')")
    assert feed.loads == 2
    check_same(place, connection)


def test_rows_removed_by_hand_are_noticed(place: Place) -> None:
    """The way out is to write everything again."""
    connection = connect("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    feed = connection.replicate_to(place.url)
    place.run("DELETE FROM t WHERE a = 1")
    with pytest.raises(TargetRefused, match="rows of table t are not there any more"):
        connection.execute("UPDATE t SET b = 'changed'")
    assert connection.execute("SELECT b FROM t").fetchall() == [("one",), ("two",)]
    feed.detach()
    connection.replicate_to(place.url, overwrite=True)
    connection.execute("UPDATE t SET b = 'changed'")
    check_same(place, connection)


def test_a_table_changed_by_hand_stops_an_asynchronous_feed(place: Place) -> None:
    connection = connect()
    feed = connection.replicate_to(place.url, "async")
    feed.wait()
    place.run("ALTER TABLE t RENAME COLUMN b TO c")
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    with pytest.raises(TargetRefused, match="takes no more commits"):
        feed.wait()
    assert feed.status.state == "refused" and '"b"' in feed.status.reason.replace(" b", ' "b"')
    connection.replicate_to(place.url, "async", overwrite=True).wait()
    check_same(place, connection)


def test_a_locked_file_takes_no_commit_and_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody reads: COMMIT fails, certainly, and must leave no lock on the file."""
    monkeypatch.setattr("tandemdb.dbapi.targets.sqlite_file.TIMEOUT_SECONDS", 0.05)
    place = Place(f"sqlite:///{tmp_path / 'backup.db'}")
    connection = connect()
    connection.replicate_to(place.url)
    reader, writer = (sqlite3.connect(tmp_path / "backup.db", isolation_level=None, timeout=0) for _ in range(2))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with pytest.raises(NotCommitted, match="database is locked"):
        connection.execute("INSERT INTO t VALUES (1, 'one')")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("ROLLBACK")
    reader.execute("ROLLBACK")
    connection.execute("INSERT INTO t VALUES (2, 'two')")
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]
    check_same(place, connection)
    reader.close()
    writer.close()


def test_counters_outlive_their_tables(place: Place) -> None:
    connection = connect("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE t; CREATE TABLE u (a)")
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('kept', 7)")
    connection.replicate_to(place.url)
    connection.execute("UPDATE sqlite_sequence SET seq = 8")
    if place.is_file:
        assert place.rows("SELECT name, seq FROM sqlite_sequence") == [("kept", 8)]
    else:
        check_same(place, connection)


def test_tables_renumbered_by_a_start_from_the_target(place: Place) -> None:
    connection = connect("CREATE TABLE gone (a); CREATE TABLE t (a INTEGER, b TEXT); DROP TABLE gone")
    connection.replicate_to(place.url)
    heir = tandemdb.restore_from(place.url, isolation_level=None)
    heir.replicate_to(place.url)
    heir.execute("INSERT INTO t VALUES (1, 'one')")
    check_same(place, heir)


def test_rows_that_break_a_check_are_restored(place: Place) -> None:
    connection = connect("CREATE TABLE t (a INTEGER CHECK (a > 5), b TEXT); PRAGMA ignore_check_constraints = 1")
    connection.execute("INSERT INTO t VALUES (1, 'small')")
    connection.replicate_to(place.url)
    check_same(place, connection)


def test_rowids_that_a_descending_key_leaves_free_are_restored(place: Place) -> None:
    connection = connect("CREATE TABLE t (a INTEGER PRIMARY KEY DESC, b TEXT); INSERT INTO t VALUES (7, 'x'), (5, 'y')")
    connection.execute("DELETE FROM t WHERE a = 7")
    connection.replicate_to(place.url)
    assert connection.execute("SELECT rowid FROM t").fetchall() == [(2,)]
    check_same(place, connection)


def test_tokens_go_along(place: Place) -> None:
    connection = connect()
    for token in ("one", "two", "three"):
        if token == "two":
            connection.replicate_to(place.url)
        connection.execute("BEGIN")
        connection.mark(token)
        connection.execute("COMMIT")
    heir = tandemdb.restore_from(place.url, isolation_level=None)
    assert [heir.was_committed(token) for token in ("one", "two", "three", "four")] == [True, True, True, False]
    heir.execute("BEGIN")
    with pytest.raises(tandemdb.IntegrityError, match="was committed before"):
        heir.mark("two")
    heir.execute("ROLLBACK")
    assert [row for row in dump(heir) if "tandemdb" in row] == []


def test_text_that_is_no_utf8_is_refused(place: Place) -> None:
    connection = connect()
    feed = connection.replicate_to(place.url, "async" if place.is_file else "sync")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
    with pytest.raises(tandemdb.NotSupportedError, match="text that is no UTF-8"):
        connection.execute("COMMIT")
    connection.execute("ROLLBACK")
    connection.execute("INSERT INTO t VALUES (2, 'two')")
    feed.wait()
    check_same(place, connection)
    feed.detach()
    connection.execute("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
    with pytest.raises(tandemdb.NotSupportedError, match="table t holds text"):
        connection.replicate_to(place.url)


def test_indexes_on_functions_of_the_program_are_refused_by_a_file(tmp_path: Path) -> None:
    connection = connect()
    connection.create_function("own", 1, lambda value: value, deterministic=True)
    connection.replicate_to(f"sqlite:///{tmp_path / 'backup.db'}")
    with pytest.raises(TargetRefused, match="no such function: own"):
        connection.execute("CREATE INDEX i ON t (own(a))")


def test_a_file_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    connection = connect()
    feed = connection.replicate_to("sqlite:///backup.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    lose_next(feed.target, "write", is_done=False)
    with pytest.raises(TargetLost):
        connection.execute("INSERT INTO t VALUES (1, 'one')")
    connection.execute("INSERT INTO t VALUES (2, 'two')")
    assert os.listdir() == []
    check_same(Place(f"sqlite:///{tmp_path / 'backup.db'}"), connection)


def test_starting_from_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(TargetLost, match="unable to open database file"):
        tandemdb.restore_from(f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["nosuch://me:hush@host/name", "postgresql+nosuch://me:hush@host/name", "a b://me:hush@x"])
def test_no_password_is_told(url: str) -> None:
    for attempt in (connect().replicate_to, tandemdb.restore_from):
        with pytest.raises((tandemdb.ProgrammingError, tandemdb.NotSupportedError)) as caught:
            attempt(url)
        assert "hush" not in "".join([str(caught.value), *caught.value.__notes__])


def test_memory_is_no_target() -> None:
    connection = connect()
    for attempt in (connection.replicate_to, tandemdb.restore_from):
        for target in ("sqlite:///:memory:", sa.create_engine("sqlite://")):
            with pytest.raises(tandemdb.ProgrammingError, match="not a backup target"):
                attempt(target)


@pytest.mark.parametrize(
    "value", [2.0, 1e18, 9.3e18, -9223372036854775808.0, 1e300, 5e-324, 0.1 + 0.2, 2, -(1 << 63), 1 << 62]
)
def test_numbers_come_back_as_they_are(postgres: PostgresServer, value: float) -> None:
    """An INTEGER and a REAL of the same size are two values."""
    connection = connect("CREATE TABLE t (a, b NUMERIC, c DATE); INSERT INTO t VALUES (1, 1, 1), (0.5, 0.5, 0.5)")
    connection.execute("INSERT INTO t VALUES (?, ?, ?)", (value, value, value))
    place = Place(postgres.url())
    connection.replicate_to(place.url)
    check_same(place, connection)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_values_too_long_for_an_index_are_refused(postgres: PostgresServer, mode: str) -> None:
    connection = connect("CREATE TABLE t (a TEXT UNIQUE)")
    feed = connection.replicate_to(postgres.url(), mode)
    text = os.urandom(5000).hex()
    if mode == "sync":
        with pytest.raises(TargetRefused, match="index row requires"):
            connection.execute("INSERT INTO t VALUES (?)", (text,))
        return
    connection.execute("INSERT INTO t VALUES (?)", (text,))
    with pytest.raises(TargetRefused, match="takes no more commits"):
        feed.wait()
    assert feed.status.state == "refused"


def test_a_table_whose_rowids_no_name_reaches_is_refused(place: Place) -> None:
    connection = connect("CREATE TABLE t (rowid TEXT, oid TEXT, _rowid_ TEXT); INSERT INTO t VALUES ('a', 'b', 'c')")
    with pytest.raises(TargetRefused, match="rowids of t cannot be written"):
        connection.replicate_to(place.url)


def test_waiting_for_a_lost_target(tmp_path: Path) -> None:
    """`wait` returns when the target holds what the database holds, and not while nobody knows what it holds."""
    connection = connect()
    feed = connection.replicate_to(f"sqlite:///{tmp_path / 'backup.db'}")
    opened, is_back = feed.target.open, threading.Event()

    def refuse() -> Any:
        if is_back.is_set():
            return opened()
        raise TargetLost("it is away")

    feed.target.open = refuse
    lose_next(feed.target, "commit", is_done=True)
    with pytest.raises(CommitInDoubt):
        connection.execute("INSERT INTO t VALUES (1, 'one')")
    with pytest.raises(TargetLost, match="did not get to LSN"):
        feed.wait(0.3)
    is_back.set()
    feed.wait()
    check_same(Place(f"sqlite:///{tmp_path / 'backup.db'}"), connection)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_killed_programs_leave_what_was_acknowledged(place: Place, mode: str) -> None:
    kill_often(place.url, seed=len(mode), kills=3, mode=mode)


def test_a_connection_broken_between_two_statements_is_made_again(postgres: PostgresServer) -> None:
    connection = connect()
    feed = connection.replicate_to(postgres.url(), "async")
    broken = []

    def break_once(there: Any, *arguments: Any) -> None:
        if not broken:
            broken.append(True)
            there.invalidate()

    sa.event.listen(feed.target.engine, "after_cursor_execute", break_once)
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    feed.wait()
    assert broken and feed.status.state == "in step"


def test_no_connection_to_be_had_for_a_while(postgres: PostgresServer) -> None:
    engine = sa.create_engine(postgres.url(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    connection = connect()
    with engine.connect(), pytest.raises(TargetLost, match="QueuePool limit"):
        connection.replicate_to(engine)
    connection.replicate_to(engine).detach()
    engine.dispose()
