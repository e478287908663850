"""ATTACH, DETACH, VACUUM INTO and statements over several databases, beside sqlite3."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.session import Session
from tandemdb.storage import Database
from tests.planner.beside import Step, check, lines

MEMORY = "file:tests_attach?mode=memory&cache=shared"
OPENING: list[Step] = lines("""
    ATTACH ':memory:' AS aux
    CREATE TABLE aux.t (a, b)
    CREATE TABLE t (a, c)
    INSERT INTO aux.t VALUES (1, 2)
    INSERT INTO main.t VALUES (3, 4)
""")


def test_names_and_limits() -> None:
    check([
        *lines("""
            ATTACH ':memory:' AS aux
            ATTACH ':memory:' AS AUX
            ATTACH ':memory:' AS main
            ATTACH ':memory:' AS temp
            PRAGMA database_list
            DETACH nosuch
            DETACH main
            DETACH temp
            CREATE TEMP TABLE x (a)
            DETACH temp
            DETACH DATABASE AUX
            DETACH aux
            ATTACH DATABASE '' AS 'q'
            ATTACH ':memory:' AS "we ird"
            CREATE TABLE "we ird".t (a)
            SELECT * FROM "we ird".t
            SELECT * FROM nosuch.t
            INSERT INTO nosuch.t VALUES (1)
            CREATE TABLE nosuch.t (a)
            ATTACH ':mem' || 'ory:' AS (1 + 2)
            ATTACH '/nosuch/directory/x.db' AS bad
            ATTACH ':memory:' AS null
        """),
        ("ATTACH ? AS ?", (":memory:", "by value")), ("ATTACH :file AS :name", {"file": ":memory:", "name": 5}),
        *lines("\n".join(f"ATTACH ':memory:' AS n{number}" for number in range(10))),
        "PRAGMA database_list", "VACUUM nosuch",
    ])  # fmt: skip


def test_which_database_a_name_means() -> None:
    check([*OPENING, *lines("""
        SELECT * FROM t
        SELECT * FROM aux.t
        SELECT t.a, x.a FROM main.t, aux.t x
        SELECT aux.t.a, main.t.a FROM aux.t, main.t
        SELECT a FROM aux.t, main.t
        SELECT aux.t.a FROM aux.t AS y
        CREATE TEMP TABLE t (z)
        INSERT INTO t VALUES ('temporary')
        SELECT * FROM t
        SELECT * FROM main.t
        UPDATE t SET z = z || '!'
        SELECT * FROM temp.t
        DELETE FROM main.t
        SELECT count(*) FROM t
        SELECT name FROM sqlite_temp_master
        SELECT name FROM temp.sqlite_master
        SELECT name FROM sqlite_master
        SELECT name, tbl_name FROM aux.sqlite_master
        DROP TABLE t
        SELECT * FROM t
        CREATE TABLE aux.only (a)
        SELECT * FROM only
        DROP TABLE only
        SELECT * FROM only
        CREATE INDEX aux.i ON t (a)
        CREATE INDEX i ON t (a)
        DROP INDEX aux.i
        ALTER TABLE aux.t RENAME TO renamed
        ALTER TABLE renamed ADD COLUMN q
        SELECT * FROM renamed
        DROP TABLE aux.renamed
        DETACH aux
        SELECT * FROM aux.renamed
    """)])  # fmt: skip


def test_views_and_triggers() -> None:
    check([*OPENING, *lines("""
        CREATE VIEW aux.v AS SELECT * FROM t
        SELECT * FROM aux.v
        SELECT * FROM v
        CREATE VIEW w AS SELECT * FROM aux.t
        CREATE VIEW w AS SELECT * FROM t
        CREATE TEMP VIEW x AS SELECT m.a, t.b FROM main.t m, aux.t
        SELECT * FROM x
        CREATE TEMP TABLE t (z)
        SELECT * FROM w
        SELECT * FROM v
        DROP TABLE temp.t
        CREATE TRIGGER aux.r AFTER INSERT ON t WHEN new.a < 100 BEGIN INSERT INTO t VALUES (new.a + 100, NULL); END
        INSERT INTO aux.t VALUES (5, 6)
        SELECT * FROM aux.t
        CREATE TABLE log (a)
        CREATE TEMP TRIGGER s AFTER INSERT ON main.t BEGIN INSERT INTO log VALUES (new.a); END
        INSERT INTO t VALUES (7, 8)
        SELECT * FROM log
        CREATE TRIGGER main.u AFTER INSERT ON aux.t BEGIN SELECT 1; END
        CREATE TEMP TABLE aux.y (a)
    """)])  # fmt: skip


def test_changes_over_databases() -> None:
    check([*OPENING, *lines("""
        INSERT INTO aux.t SELECT a, c FROM main.t
        UPDATE aux.t SET b = (SELECT max(c) FROM main.t) WHERE a = 1
        UPDATE aux.t SET b = m.c + 1 FROM main.t m WHERE m.a = aux.t.a
        SELECT * FROM aux.t
        DELETE FROM aux.t WHERE a IN (SELECT a FROM main.t)
        SELECT * FROM aux.t
        CREATE TABLE aux.copy AS SELECT * FROM main.t UNION ALL SELECT * FROM aux.t
        SELECT * FROM copy
        PRAGMA aux.user_version = 7
        PRAGMA aux.user_version
        PRAGMA user_version
        PRAGMA aux.table_info(t)
        PRAGMA table_info(t)
        ANALYZE aux
        SELECT * FROM aux.sqlite_stat1 ORDER BY tbl
        REINDEX aux.t
    """)])  # fmt: skip


def test_transactions() -> None:
    check([*OPENING, *lines("""
        BEGIN
        INSERT INTO main.t VALUES (9, 9)
        INSERT INTO aux.t VALUES (9, 9)
        DETACH aux
        ROLLBACK
        SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM aux.t)
        BEGIN
        ATTACH ':memory:' AS inner
        INSERT INTO aux.t VALUES (10, 10)
        DETACH inner
        COMMIT
        BEGIN
        SELECT * FROM aux.t
        DETACH aux
        COMMIT
        SAVEPOINT s
        INSERT INTO aux.t VALUES (11, 11)
        INSERT INTO main.t VALUES (11, 11)
        CREATE TEMP TABLE x (a)
        ROLLBACK TO s
        RELEASE s
        SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM aux.t)
        SELECT * FROM x
        CREATE UNIQUE INDEX aux.i ON t (a)
        BEGIN
        INSERT INTO main.t VALUES (20, 20)
        INSERT INTO aux.t VALUES (30, 30), (1, 1)
        SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM aux.t)
        COMMIT
        BEGIN IMMEDIATE
        INSERT INTO aux.t VALUES (40, 40)
        COMMIT
        SELECT * FROM aux.t
    """)])  # fmt: skip


def test_shared_databases() -> None:
    """A named database is one for all who attach it, and lives as long as one of them does."""
    first, second = (tandemdb.connect(":memory:", uri=True, isolation_level=None) for _ in range(2))
    first.execute(f"ATTACH '{MEMORY}' AS shared")
    first.execute("CREATE TABLE shared.t (a)")
    second.execute(f"ATTACH '{MEMORY}' AS other")
    second.execute("INSERT INTO other.t VALUES (1)")
    third = tandemdb.connect(MEMORY, uri=True, isolation_level=None)
    assert first.execute("SELECT * FROM shared.t").fetchall() == third.execute("SELECT * FROM t").fetchall() == [(1,)]
    first.execute("BEGIN")
    first.execute("INSERT INTO shared.t VALUES (2)")
    assert second.execute("SELECT * FROM other.t").fetchall() == [(1,)]
    first.execute("COMMIT")
    assert second.execute("SELECT * FROM other.t").fetchall() == [(1,), (2,)]
    first.close()
    second.execute("DETACH other")
    third.close()
    fourth = tandemdb.connect(MEMORY, uri=True)
    assert fourth.execute("SELECT * FROM sqlite_master").fetchall() == []
    fourth.close()


def test_snapshot_of_what_was_read() -> None:
    """Inside BEGIN only the databases that were read stand still."""
    first, second = (tandemdb.connect(":memory:", uri=True, isolation_level=None) for _ in range(2))
    first.execute("CREATE TABLE own (a)")
    for connection in (first, second):
        connection.execute(f"ATTACH '{MEMORY}' AS shared")
    second.execute("CREATE TABLE shared.t (a)")
    first.execute("BEGIN")
    first.execute("SELECT * FROM own")
    second.execute("INSERT INTO shared.t VALUES (1)")
    assert first.execute("SELECT * FROM shared.t").fetchall() == [(1,)]
    second.execute("INSERT INTO shared.t VALUES (2)")
    assert first.execute("SELECT * FROM shared.t").fetchall() == [(1,)]
    first.execute("COMMIT")
    assert first.execute("SELECT * FROM shared.t").fetchall() == [(1,), (2,)]
    first.close()
    second.close()


@pytest.mark.parametrize("fails", [False, True])
def test_all_commit_or_none(fails: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a database refuses its commit, the others are not committed either."""
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("ATTACH ? AS file", (str(tmp_path / "file.db"),))
    connection.execute("CREATE TABLE file.t (a)")
    attached = connection._session.databases[2]
    connection.execute("BEGIN")
    connection.execute("INSERT INTO main.t VALUES (1)")
    connection.execute("INSERT INTO file.t VALUES (1)")
    if fails:

        def refuse(*arguments: Any) -> None:
            raise tandemdb.OperationalError("disk I/O error", code="SQLITE_IOERR")

        monkeypatch.setattr(type(attached.database.observer), "committing", refuse)
        with pytest.raises(tandemdb.OperationalError, match="disk I/O error"):
            connection.execute("COMMIT")
        connection.execute("ROLLBACK")
    else:
        connection.execute("COMMIT")
    found = connection.execute("SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM file.t)").fetchall()
    assert found == [(0, 0) if fails else (1, 1)]
    connection.close()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "real.db"
    real = sqlite3.connect(path)
    real.executescript("CREATE TABLE t (a PRIMARY KEY, b); INSERT INTO t VALUES ('x', 1), ('y', 2)")
    real.close()
    connection = tandemdb.connect(":memory:", uri=True, isolation_level=None)
    connection.execute("ATTACH ? AS real", (str(path),))
    assert connection.execute("SELECT b FROM real.t WHERE a = 'y'").fetchall() == [(2,)]
    assert connection.execute("PRAGMA database_list").fetchall()[-1] == (2, "real", str(path.resolve()))
    connection.execute("INSERT INTO real.t VALUES ('z', 3)")
    connection.execute("DETACH real")
    connection.execute(f"ATTACH 'file:{path}?mode=ro' AS readable")
    with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database"):
        connection.execute("DELETE FROM readable.t")
    connection.close()
    again = sqlite3.connect(path)
    assert again.execute("SELECT a FROM t").fetchall() == [("x",), ("y",), ("z",)]
    again.close()


def test_vacuum_into(tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    for module in (sqlite3, tandemdb):
        path.unlink(missing_ok=True)
        connection: Any = module.connect(":memory:", isolation_level=None)
        connection.executescript("""
            CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE); INSERT INTO t VALUES (1, 'x'), (5, NULL);
            CREATE VIEW v AS SELECT b FROM t; PRAGMA user_version = 3; ATTACH ':memory:' AS aux; CREATE TABLE aux.u (c);
        """)
        connection.execute("VACUUM INTO ?", (str(path),))
        copy = sqlite3.connect(path)
        assert copy.execute("SELECT * FROM t").fetchall() == [(1, "x"), (5, None)]
        assert copy.execute("SELECT * FROM v").fetchall() == [("x",), (None,)]
        assert copy.execute("PRAGMA user_version").fetchall() == [(3,)]
        copy.close()
        with pytest.raises(sqlite3.OperationalError, match="output file already exists"):
            connection.execute("VACUUM INTO ?", (str(path),))
        with pytest.raises(sqlite3.OperationalError, match="non-text filename"):
            connection.execute("VACUUM INTO 5")
        path.unlink()
        connection.execute(f"VACUUM aux INTO '{path}'")
        copy = sqlite3.connect(path)
        assert copy.execute("SELECT name FROM sqlite_master").fetchall() == [("u",)]
        copy.close()
        connection.execute("BEGIN")
        with pytest.raises(sqlite3.OperationalError, match="cannot VACUUM from within a transaction"):
            connection.execute("VACUUM")
        connection.close()


def test_session_without_opener() -> None:
    session = Session(Database("main"))
    session.run(session.prepare("ATTACH ':memory:' AS private"))
    session.run(session.prepare("CREATE TABLE private.t (a)"))
    with pytest.raises(tandemdb.NotSupportedError, match="attaches private databases only"):
        session.run(session.prepare("ATTACH 'shop.db' AS shop"))


@pytest.mark.skipif(sys.platform == "win32", reason="the paths are POSIX ones")
def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no database " * 100)
    check([(f"ATTACH '{path}' AS bad")])
