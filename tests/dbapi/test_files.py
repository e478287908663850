"""SQLite files: loaded into RAM, every commit written back, read here with the standard library's sqlite3.

    tandemdb.connect(path) --- commits ---> file <--- iterdump() --- sqlite3.connect(path)
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tests.dbapi.compare import Log

SCHEMA = """
    CREATE TABLE plain (a, b TEXT UNIQUE, c REAL DEFAULT 1.5);
    CREATE TABLE keyed (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, twice AS (id * 2) STORED);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB);
    CREATE TABLE pairs (a TEXT, b INTEGER, note, PRIMARY KEY (b, a)) WITHOUT ROWID;
    CREATE TABLE strange (rowid TEXT, "two words" ANY) STRICT;
    CREATE INDEX plain_c ON plain (c) WHERE c > 1;
    CREATE VIEW both AS SELECT a, name FROM plain JOIN keyed ON keyed.id = plain.a;
"""
ROWS = """
    INSERT INTO plain (a, b) VALUES (1, 'x'), (2, 'y'), (NULL, 'z'), (x'00ff', NULL), ('text', 'quo''te');
    INSERT INTO keyed (id, name) VALUES (5, 'five'), (-1, 'minus'), (9223372036854775807, 'last');
    INSERT INTO counted (value) VALUES (x'01'), (NULL), (1e300);
    INSERT INTO pairs VALUES ('p', 1, 'n'), ('q', 1, NULL), ('p', 2, 3.5);
    INSERT INTO strange VALUES ('not a number', 7), (NULL, x'');
"""
EMPTYING = {'DELETE FROM "sqlite_sequence";'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that is not there yet."""
    return tmp_path / "application.db"


def dump(path: Path) -> list[str]:
    """Return what the file holds, in no particular order of schema objects, with rowids that a dump leaves out."""
    real = sqlite3.connect(path)
    try:
        assert real.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rowids = [
            f"{table} {real.execute(f'SELECT {rowid} FROM {table} ORDER BY 1').fetchall()}"
            for table, rowid in (("plain", "rowid"), ("strange", "oid"))
            if real.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        ]
        return sorted(real.iterdump()) + rowids
    finally:
        real.close()


@pytest.mark.parametrize(
    "steps",
    [
        [f"UPDATE plain SET b = '{new}' WHERE b = '{old}'" for old, new in ("x_", "yx", "_y")],
        ["DELETE FROM plain WHERE a = 1", "INSERT INTO plain (a, b) VALUES (1, 'x')", "DELETE FROM pairs"],
        ["UPDATE keyed SET id = id - 30", "UPDATE keyed SET name = 'FIVE' WHERE id = -25"],
        ["UPDATE pairs SET b = 10 - b, a = a || 'x'", "REPLACE INTO pairs VALUES ('px', 9, 'again')"],
        ["DELETE FROM counted", "INSERT INTO counted (value) VALUES ('after')"],
        ["INSERT INTO counted (id, value) VALUES (100, 1)", "DELETE FROM counted WHERE id = 100"],
        ["UPDATE strange SET \"two words\" = 1.0 WHERE \"two words\" = 7", "DELETE FROM strange WHERE rowid IS NULL"],
        ["UPDATE plain SET a = 1.0 WHERE a = 1"],
        ["ALTER TABLE plain ADD COLUMN d DEFAULT 'new'", "UPDATE plain SET d = 5 WHERE a = 1"],
        ["ALTER TABLE keyed RENAME TO renamed", "INSERT INTO renamed VALUES (6, 'x')"],
        ["ALTER TABLE plain RENAME COLUMN c TO cc", "ALTER TABLE strange DROP COLUMN \"two words\""],
        ["DROP TABLE counted", "DROP VIEW both", "DROP INDEX plain_c"],
        ["DROP TABLE plain", "CREATE TABLE plain (z)", "INSERT INTO plain VALUES (1)"],
        ["CREATE TABLE made AS SELECT * FROM plain", "CREATE UNIQUE INDEX made_b ON made (b DESC, lower(b))"],
        ["PRAGMA user_version = 42", "PRAGMA application_id = -7"],
    ],
)
def test_the_file_holds_what_sqlite_would_have_written(path: Path, tmp_path: Path, steps: list[str]) -> None:
    other = tmp_path / "expected.db"
    for module, name in ((tandemdb, path), (sqlite3, other)):
        connection: Any = module.connect(name)
        connection.executescript(SCHEMA + ROWS)
        connection.executescript("BEGIN;" + ";".join(steps) + ";COMMIT")
        connection.close()
    assert dump(path) == dump(other)
    again, expected = tandemdb.connect(path), sqlite3.connect(other)
    # What an AUTOINCREMENT table leaves behind in SQLite when it is dropped, an empty table, is not loaded.
    assert sorted(set(again.iterdump()) - EMPTYING) == sorted(set(expected.iterdump()) - EMPTYING)
    for pragma in ("user_version", "application_id"):
        assert again.execute(f"PRAGMA {pragma}").fetchall() == expected.execute(f"PRAGMA {pragma}").fetchall()
    assert [row[:3] for row in again.execute("PRAGMA database_list")] == [(0, "main", str(path))]
    again.close()
    expected.close()


def test_triggers_fire_once(path: Path) -> None:
    connection = tandemdb.connect(path)
    connection.executescript("""
        CREATE TABLE t (a);
        CREATE TABLE log (what, a);
        CREATE TRIGGER added AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('added', new.a); END;
        CREATE TRIGGER gone AFTER DELETE ON t BEGIN INSERT INTO log VALUES ('gone', old.a); END;
        CREATE TRIGGER logged AFTER INSERT ON log BEGIN UPDATE log SET a = -a WHERE a = new.a; END;
        INSERT INTO t VALUES (1), (2);
        DELETE FROM t WHERE a = 1;
    """)
    rows = connection.execute("SELECT * FROM log").fetchall()
    assert rows == [("added", -1), ("added", -2), ("gone", -1)]
    real = sqlite3.connect(path)
    assert real.execute("SELECT * FROM log").fetchall() == rows
    assert real.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (3,)


def test_rollbacks_and_savepoints_leave_the_file_alone(path: Path) -> None:
    connection = tandemdb.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    before = path.read_bytes()
    connection.executescript("BEGIN; INSERT INTO t VALUES (1); CREATE TABLE u (a); ROLLBACK")
    assert path.read_bytes() == before
    connection.executescript(
        "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; COMMIT"
    )
    assert sqlite3.connect(path).execute("SELECT a FROM t").fetchall() == [(1,)]


def test_connections_share_one_store(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    first = tandemdb.connect(path)
    second = tandemdb.connect(f"file:{tmp_path}/link?mode=rw", uri=True)
    third = tandemdb.connect(os.fsencode(path), check_same_thread=False)
    with first:
        first.execute("CREATE TABLE t (a)")
        first.execute("INSERT INTO t VALUES (1)")
    assert second.execute("SELECT a FROM t").fetchall() == [(1,)]
    first.close()
    second.close()

    def write() -> None:
        with third:
            third.executemany("INSERT INTO t VALUES (?)", [(2,), (3,)])

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM t").fetchone() == (3,)
    third.close()
    path.unlink()
    assert tandemdb.connect(path).execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_program_may_go_to_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of a file that was named by a relative path ends with its last connection all the same."""
    from tandemdb.dbapi import names

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    connection = tandemdb.connect("here.db")
    connection.execute("CREATE TABLE t (a)")
    monkeypatch.chdir(tmp_path / "elsewhere")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    assert names._stores[f"file {(tmp_path / 'here.db').resolve()}"].connections == 1
    connection.close()
    assert not [name for name in names._stores if name.endswith("here.db")]
    assert os.listdir(tmp_path / "elsewhere") == []
    assert sqlite3.connect(tmp_path / "here.db").execute("SELECT a FROM t").fetchall() == [(1,)]


def test_another_file_under_the_same_path(path: Path) -> None:
    forgotten = tandemdb.connect(path)
    forgotten.execute("CREATE TABLE t (a)")
    path.unlink()
    connection = tandemdb.connect(path)
    connection.execute("CREATE TABLE t (other)")
    assert forgotten.execute("SELECT name FROM pragma_table_info('t')").fetchall() == [("a",)]
    assert connection.execute("SELECT name FROM pragma_table_info('t')").fetchall() == [("other",)]


def test_another_program_writes_the_file(path: Path) -> None:
    connection = tandemdb.connect(path)
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    real = sqlite3.connect(path)
    with real:
        real.execute("INSERT INTO t VALUES (2)")
    connection.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(tandemdb.OperationalError, match="database is locked"):
        connection.commit()
    connection.rollback()
    with connection:
        connection.execute("INSERT INTO t VALUES (3)")
    with real:
        real.execute("INSERT INTO t VALUES (4)")
    second = tandemdb.connect(path)
    rows = [(1,), (2,), (3,), (4,)]
    assert real.execute("SELECT a FROM t").fetchall() == rows
    assert second.execute("SELECT a FROM t").fetchall() == connection.execute("SELECT a FROM t").fetchall() == rows


def test_a_locked_file_holds_the_commit_up(path: Path) -> None:
    connection = tandemdb.connect(path, timeout=0.05)
    connection.execute("CREATE TABLE t (a)")
    real = sqlite3.connect(path)
    real.execute("BEGIN EXCLUSIVE")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(tandemdb.OperationalError, match="database is locked"):
        connection.commit()
    assert connection.in_transaction
    real.rollback()
    connection.commit()
    assert real.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_backup_restore_and_forks(path: Path) -> None:
    connection = tandemdb.connect(path)
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    snapshot = connection.snapshot()
    with connection:
        connection.execute("UPDATE t SET a = 2")
    fork = connection.fork()
    with fork:
        fork.execute("DELETE FROM t")
    connection.restore(snapshot)
    real = sqlite3.connect(path)
    assert real.execute("SELECT a FROM t").fetchall() == [(1,)]
    fork.backup(connection)
    assert real.execute("SELECT a FROM t").fetchall() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_the_file_for_itself(path: Path) -> None:
    connection = tandemdb.connect(path)
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = tandemdb.connect(path)
            with own:
                own.execute("INSERT INTO t SELECT max(a) + 1 FROM t")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(tandemdb.OperationalError, match="database is locked"), connection:
        connection.execute("INSERT INTO t VALUES (3)")
    with connection:
        connection.execute("INSERT INTO t SELECT max(a) + 1 FROM t")
    assert sqlite3.connect(path).execute("SELECT a FROM t").fetchall() == [(1,), (2,), (3,)]


def test_journal_modes_are_the_file_s(path: Path, tmp_path: Path) -> None:
    answers = []
    for module, name in ((tandemdb, path), (sqlite3, tmp_path / "expected.db")):
        connection: Any = module.connect(name)
        answers.append(
            [
                connection.execute(f"PRAGMA {pragma}").fetchall()
                for pragma in ("journal_mode", "journal_mode = WAL", "journal_mode", "journal_mode = nonsense")
            ]
        )
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        assert sqlite3.connect(name).execute("SELECT a FROM t").fetchall() == [(1,)]
        connection.close()
    assert answers[0] == answers[1] == [[("delete",)], [("wal",)], [("wal",)], [("wal",)]]
    assert tandemdb.connect(path).execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert tandemdb.connect(":memory:").execute("PRAGMA journal_mode = WAL").fetchall() == [("memory",)]


def test_statistics_stay_out_of_the_file(path: Path) -> None:
    connection = tandemdb.connect(path)
    connection.executescript("CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1); ANALYZE")
    assert connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone() == (1,)
    real = sqlite3.connect(path)
    assert real.execute("SELECT name FROM sqlite_master").fetchall() == [("t",), ("i",)]
    real.execute("ANALYZE")
    connection.close()
    assert tandemdb.connect(path).execute("SELECT a FROM t").fetchall() == [(1,)]


def refusals(module: Any, directory: Path) -> list[str]:
    """Log what the module says to paths that lead nowhere, to other things than databases, and to writing."""
    directory.mkdir()
    log = Log()

    def use(name: Any, uri: bool = False, make: bool = True) -> Any:
        connection = module.connect(name, uri=uri)
        try:
            if make:
                connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
            return connection.execute("SELECT * FROM t").fetchall()
        finally:
            connection.close()

    (directory / "text.db").write_bytes(b"no database at all\n" * 100)
    (directory / "empty.db").touch()
    log(use, directory / "absent" / "a.db")
    log(use, directory)
    log(use, directory / "text.db")
    log(use, directory / "empty.db")
    log(use, f"file:{directory}/new.db?mode=rw", True)
    log(use, f"file:{directory}/new.db?mode=ro", True)
    log(use, f"file:{directory}/new.db?mode=rwc", True)
    log(use, f"file:{directory}/new.db?mode=ro", True, False)
    reader = module.connect(f"file:{directory}/new.db?mode=ro", uri=True)
    writer = module.connect(directory / "new.db")
    with writer:
        writer.execute("INSERT INTO t VALUES (1)")
    log(lambda: reader.execute("SELECT * FROM t").fetchall())
    log(reader.execute, "INSERT INTO t VALUES (2)")
    log(reader.execute, "DROP TABLE t")
    return log.lines


def test_refusals_are_those_of_sqlite(tmp_path: Path) -> None:
    assert refusals(tandemdb, tmp_path / "first") == refusals(sqlite3, tmp_path / "second")


def test_virtual_tables_are_refused(path: Path) -> None:
    real = sqlite3.connect(path)
    try:
        real.execute("CREATE VIRTUAL TABLE words USING fts5 (word)")
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")
    with pytest.raises(tandemdb.NotSupportedError, match="words"):
        tandemdb.connect(path)


WRITER = """
import sys
import tandemdb

connection = tandemdb.connect(sys.argv[1])
connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
for number in range(10**6):
    with connection:
        connection.execute("INSERT INTO t VALUES (?, ?)", (2 * number, "x" * 200))
        connection.execute("INSERT INTO t VALUES (?, ?)", (2 * number + 1, "y"))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("acknowledged", [1, 40])
def test_a_killed_writer_leaves_every_acknowledged_commit(path: Path, acknowledged: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(tandemdb.__file__).parents[1])},
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    last = int([*lines, *writer.stdout.readlines()][-1])
    writer.wait()
    real = sqlite3.connect(path)
    assert real.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    count, high = real.execute("SELECT count(*), max(a) FROM t").fetchone()
    assert count == high + 1, "a transaction was written by halves"
    assert count in (2 * last + 2, 2 * last + 4), "a commit is missing, or more than one was not acknowledged"
    real.close()
    survivor = tandemdb.connect(path)
    assert survivor.execute("SELECT count(*) FROM t").fetchone() == (count,)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_mirrored_database_goes_on_writing_its_file(path: Path, mode: str) -> None:
    connection = tandemdb.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    mirror = tandemdb.connect(":memory:")
    replica = connection.replicate_to(mirror, mode=mode)
    for number in range(150):  # often enough for the ways that changes go then
        connection.execute("INSERT INTO t VALUES (?, 1)", (number,))
        connection.execute("UPDATE t SET b = ? WHERE a = ?", (number, number // 2))
    with connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?, 2)", [(number,) for number in range(500, 900)])
    expected = connection.execute("SELECT * FROM t").fetchall()
    mirror.wait_for(connection.commit_token())
    assert mirror.execute("SELECT * FROM t").fetchall() == expected
    assert sqlite3.connect(path).execute("SELECT * FROM t").fetchall() == expected
    connection.create_collation("own", lambda left, right: (left > right) - (left < right))
    with pytest.raises(tandemdb.NotSupportedError, match="^table w cannot be mirrored"):
        connection.execute("CREATE TABLE w (a TEXT COLLATE own PRIMARY KEY) WITHOUT ROWID")
    replica.detach()
    connection.execute("INSERT INTO t VALUES (-1, 3)")
    assert sqlite3.connect(path).execute("SELECT min(a) FROM t").fetchall() == [(-1,)]
    connection.close()


def test_the_journal_mode_is_asked_for_while_others_commit(path: Path) -> None:
    """SQLite counts the question as writing, and refuses to commit while it is not answered."""
    connection = tandemdb.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    asked: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        other = tandemdb.connect(path)
        while not done.is_set():
            asked.extend(other.execute("PRAGMA journal_mode").fetchall())
        other.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(400):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {*asked} == {("delete",)}
    assert sqlite3.connect(path).execute("SELECT count(*) FROM t").fetchall() == [(400,)]
    connection.close()


@pytest.mark.parametrize(
    "columns", ["a INTEGER PRIMARY KEY DESC, b", "a INT PRIMARY KEY, b", "a INTEGER, b, PRIMARY KEY (a DESC)"]
)
def test_rows_keep_their_rowids(tmp_path: Path, columns: str) -> None:
    """A PRIMARY KEY that is not the rowid leaves that to itself: a change must find its row in the file again."""
    path = str(tmp_path / "rowids.db")
    with sqlite3.connect(path) as real:
        real.execute(f"CREATE TABLE t ({columns})")
        real.executemany("INSERT INTO t (a, b) VALUES (?, 'x')", [(11,), (12,), (13,)])
        real.execute("DELETE FROM t WHERE a = 11")
    real.close()
    connection = tandemdb.connect(path)
    connection.execute("UPDATE t SET b = 'changed' WHERE a = 12")
    connection.commit()
    expected = connection.execute("SELECT rowid, a, b FROM t").fetchall()
    connection.close()
    real = sqlite3.connect(path)
    assert real.execute("SELECT rowid, a, b FROM t").fetchall() == expected
    assert [row[1:] for row in expected] == [(12, "changed"), (13, "x")]
    assert real.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    real.close()


def test_a_file_whose_rows_break_a_check_is_opened(tmp_path: Path) -> None:
    path = str(tmp_path / "checked.db")
    with sqlite3.connect(path) as real:
        real.execute("PRAGMA ignore_check_constraints = 1")
        real.execute("CREATE TABLE t (a CHECK (a > 5))")
        real.execute("INSERT INTO t VALUES (1)")
    real.close()
    connection = tandemdb.connect(path)
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
    with pytest.raises(tandemdb.IntegrityError, match="CHECK constraint failed"):
        connection.execute("INSERT INTO t VALUES (2)")
    connection.close()


def test_tokens_are_kept_in_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens.db")
    for number, token in enumerate(("one", "two")):
        connection = tandemdb.connect(path)
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.commit()
        connection.execute("BEGIN")
        connection.mark(token)
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        connection.commit()
        connection.close()
    connection = tandemdb.connect(path)
    assert [connection.was_committed(token) for token in ("one", "two", "three")] == [True, True, False]
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    connection.close()
