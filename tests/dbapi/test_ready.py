"""Texts that were run before take a short road; what is set between two runs must show in the second all the same.

    run, run, run     the text is ready          set something          run, run

Each script runs on sqlite3 too.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi import ready
from tandemdb.dbapi.ready import NOT_READY
from tests.dbapi.compare import Log, Script, check

CASES: list[Script] = []
case = CASES.append

SELECT = "SELECT id, name FROM t WHERE id = ?"
LITERAL = "SELECT name, upper(name) FROM t WHERE id = 1"
SCAN = "SELECT * FROM t"
INSERT = "INSERT INTO t VALUES (?, ?)"
UPDATE = "UPDATE t SET name = ? WHERE id = ?"
RETURNING = "INSERT INTO t (name) VALUES (?) RETURNING id, name"
TEXTS = (SELECT, LITERAL, SCAN, INSERT, UPDATE, RETURNING)


def open_filled(db: Any, **named: Any) -> Any:
    """A connection whose texts are all ready."""
    con = db.connect(":memory:", **named)
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    con.executemany(INSERT, [(1, "one"), (2, "two"), (3, "three")])
    for number in range(3):
        run_all(con, Log(), number)
    con.commit()
    return con


def run_all(con: Any, do: Any, number: int) -> None:
    """Run each text, on a cursor and on the connection."""
    cur = con.cursor()
    for execute in (cur.execute, con.execute):
        number += 1000
        do(lambda: execute(SELECT, (number % 3 + 1,)).fetchall())  # noqa: B023
        do(lambda: execute(LITERAL).fetchone())  # noqa: B023
        do(lambda: execute(SCAN).fetchall())  # noqa: B023
        do(lambda: execute(INSERT, (number, f"name {number}")).rowcount)  # noqa: B023
        do(lambda: execute(INSERT, (number, f"name {number}")).rowcount)  # noqa: B023
        do(lambda: execute(UPDATE, (f"changed {number}", number)).rowcount)  # noqa: B023
        do(lambda: execute(UPDATE, ("one", number)).rowcount)  # noqa: B023
        do(lambda: execute(RETURNING, (f"returned {number}",)).fetchall())  # noqa: B023
        do(lambda: (con.in_transaction, con.total_changes, cur.lastrowid, cur.rowcount, cur.description))


@case
def row_factory(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.row_factory = lambda cursor, row: [column[0] for column in cursor.description] + list(row)
    run_all(con, do, 10)
    con.row_factory = None
    run_all(con, do, 20)
    cur = con.execute(SELECT, (1,))
    cur.row_factory = lambda cursor, row: len(row)
    do(cur.fetchone)
    do(lambda: cur.execute(SELECT, (1,)).fetchone())


@case
def text_factory(db: Any, do: Any) -> None:
    con = open_filled(db)
    for number, factory in enumerate((bytes, lambda data: data.decode().upper(), str)):
        con.text_factory = factory
        run_all(con, do, number * 10 + 10)


@case
def trace_callback(db: Any, do: Any) -> None:
    con = open_filled(db)
    traced: list[str] = []
    con.set_trace_callback(traced.append)
    run_all(con, do, 10)
    do(lambda: traced)
    con.commit()
    con.set_trace_callback(None)
    run_all(con, do, 20)
    do(lambda: len(traced))


@case
def authorizer(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.set_authorizer(lambda action, *names: db.SQLITE_DENY if action == db.SQLITE_UPDATE else db.SQLITE_OK)
    run_all(con, do, 10)
    con.set_authorizer(None)
    do(lambda: con.execute(SELECT, (1,)).fetchall())


@case
def progress_handler(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.set_progress_handler(lambda: 1, 1)
    for text, values in ((SELECT, (1,)), (LITERAL, ()), (UPDATE, ("x", 1)), (RETURNING, ("y",))):
        do(lambda text=text, values=values: con.execute(text, values).fetchall())
    con.set_progress_handler(None, 1)
    run_all(con, do, 20)


@case
def adapters(db: Any, do: Any) -> None:
    con = open_filled(db)
    db.register_adapter(str, lambda text: text.upper() + "!")
    run_all(con, do, 10)


@case
def parameter_kinds(db: Any, do: Any) -> None:
    con = open_filled(db)

    class Name(str):
        pass

    class Pair(tuple):
        pass

    for values in ([1], Pair((1,)), (True,), (1.0,), ("1",), (b"1",), (None,), (2**63,), (1, 2), (), "1", range(1, 2)):
        do(lambda values=values: con.execute(SELECT, values).fetchall())
    for name in (Name("own"), b"bytes", 1.5, float("nan"), float("inf"), None, object(), bytearray(b"x")):
        do(lambda name=name: con.execute(UPDATE, (name, 1)).rowcount)
        do(lambda: con.execute(LITERAL).fetchall())
        do(lambda name=name: con.execute(INSERT, (None, name)).lastrowid)
    do(lambda: con.execute(SELECT).fetchall())
    do(lambda: con.execute([SELECT]))


@case
def isolation_level(db: Any, do: Any) -> None:
    con = open_filled(db)
    for number, level in enumerate((None, "IMMEDIATE", "", "EXCLUSIVE", None, "DEFERRED")):
        con.isolation_level = level
        run_all(con, do, number * 10 + 10)
        do(con.rollback)
        do(lambda: con.execute("SELECT count(*) FROM t").fetchone())


@case
def schema_changes(db: Any, do: Any) -> None:
    con = open_filled(db)
    for number, change in enumerate(
        (
            "ALTER TABLE t ADD COLUMN extra DEFAULT 5",
            "ALTER TABLE t DROP COLUMN extra",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET name = name || '.' WHERE id = new.id; END",
            "DROP TRIGGER r",
            "DROP TABLE t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name INTEGER CHECK (name <> 'name 1060'))",
            "CREATE VIEW v AS SELECT 1",
        )
    ):
        do(con.execute(change).fetchall)
        run_all(con, do, number * 10 + 10)


@case
def schema_change_undone(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.execute("BEGIN")
    con.execute("ALTER TABLE t ADD COLUMN extra DEFAULT 5")
    run_all(con, do, 10)
    con.rollback()
    run_all(con, do, 20)


@case
def settings(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES t (id))")
    con.commit()
    text = "INSERT INTO child (parent) VALUES (?)"
    for number in (1, 2, 999):
        do(lambda number=number: con.execute(text, (number,)).rowcount)
    con.commit()
    con.execute("PRAGMA foreign_keys = ON")
    for number in (1, 2, 999):
        do(lambda number=number: con.execute(text, (number,)).rowcount)
    con.commit()
    con.execute("PRAGMA query_only = 1")
    run_all(con, do, 10)
    con.execute("PRAGMA query_only = 0")
    run_all(con, do, 20)
    like = "SELECT count(*) FROM t WHERE name LIKE 'ONE'"
    for on in (0, 1, 0):
        con.execute(f"PRAGMA case_sensitive_like = {on}")
        do(lambda: con.execute(like).fetchall())
        do(lambda: con.execute(like).fetchall())


@case
def functions(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.create_function("upper", 1, lambda text: "mine")
    run_all(con, do, 10)
    con.create_function("upper", 1, lambda text: "other")
    run_all(con, do, 20)


@case
def attached(db: Any, do: Any) -> None:
    con = open_filled(db)
    con.execute("ATTACH ':memory:' AS other")
    run_all(con, do, 10)
    con.rollback()
    con.execute("CREATE TABLE other.t (id, name)")
    run_all(con, do, 20)
    con.execute("CREATE TEMP TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    run_all(con, do, 30)
    con.execute("DROP TABLE temp.t")
    con.commit()
    con.execute("DETACH other")
    run_all(con, do, 40)


@case
def transactions(db: Any, do: Any) -> None:
    con = open_filled(db, isolation_level=None)
    texts = ("BEGIN", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "COMMIT", "ROLLBACK")
    for number in range(3):
        for place, text in enumerate(texts):
            do(lambda text=text: con.execute(text).fetchall())
            run_all(con, do, number * 100 + place * 10)
        for text in reversed(texts):
            do(lambda text=text: con.execute(text, ()).description)
            do(lambda text=text: con.execute(text, (1,)))
            do(lambda: con.in_transaction)


@case
def failing(db: Any, do: Any) -> None:
    con = open_filled(db)
    cur = con.cursor()
    text = "SELECT id, abs(name) FROM t WHERE id = ?"
    do(lambda: cur.execute(text, (1,)).fetchall())
    do(lambda: cur.execute(text, (1,)).fetchall())
    con.execute("UPDATE t SET name = -9223372036854775808 WHERE id = 1")
    con.execute("CREATE TABLE n (id INTEGER PRIMARY KEY, i INTEGER)")
    con.execute("INSERT INTO n VALUES (1, 1)")
    text = "SELECT id, abs(i) FROM n WHERE id = ?"
    do(lambda: cur.execute(text, (1,)).fetchall())
    con.execute("UPDATE n SET i = -9223372036854775808")
    cur.execute(SCAN)
    do(lambda: cur.execute(text, (1,)))
    do(lambda: (cur.fetchall(), cur.description, cur.rowcount))
    cur.execute(SCAN)
    do(lambda: cur.execute(INSERT, (1, "one")))
    do(lambda: (cur.fetchall(), cur.description, cur.rowcount, con.in_transaction))


@case
def iterating(db: Any, do: Any) -> None:
    con = open_filled(db)
    cur = con.cursor()
    found = []
    for row in cur.execute(SCAN):
        found.append(row)
        if len(found) == 2:
            cur.execute(SELECT, (3,))
    do(lambda: found)


@case
def literals(db: Any, do: Any) -> None:
    """Texts that differ in their literals only, while what they rely on changes."""
    con = open_filled(db)

    def run_texts(start: int) -> None:
        for number in range(start, start + 4):
            texts = (
                f"SELECT * FROM t WHERE id = {number % 3 + 1}",
                f"SELECT id, upper(name) || '{number}' AS n FROM t WHERE id < {number}.5 LIMIT 2",
                f"SELECT {number}, name FROM t WHERE name <> 'it''s {number}' ORDER BY 2",
                f"INSERT INTO t (name) VALUES ('given {number}') RETURNING id",
                f"INSERT INTO t (name) VALUES ('given {number}')",
                f"UPDATE t SET name = 'changed {number}' WHERE id = {number + 1000}",
                f"UPDATE t SET name = {number} WHERE id = 2 AND 'ä{number}' > 'a'",
                f"DELETE FROM t WHERE id = {number + 1001} AND name LIKE '%{number}%'",
                f"SELECT {number}; -- and no more",
            )
            for text in texts:
                do(lambda: con.execute(text).fetchall())  # noqa: B023
                do(lambda: con.execute(text + " ").fetchall())  # noqa: B023
                cur = con.cursor()
                do(lambda: (cur.execute(text).fetchall(), cur.description, cur.rowcount, cur.lastrowid))  # noqa: B023
            do(con.execute, f"SELECT {number}, ?", (1, 2))
            do(con.execute, f"SELECT {number}, 'a\0b'")
            do(con.execute, f"SELECT {number}, nowhere")

    run_texts(1)
    con.create_function("upper", 1, lambda text: f"<{text}>")
    run_texts(11)
    con.commit()
    con.execute("ALTER TABLE t ADD COLUMN more DEFAULT 7")
    run_texts(21)
    con.row_factory = lambda cursor, row: list(row)
    run_texts(31)
    con.rollback()
    con.execute("PRAGMA case_sensitive_like = 1")
    con.execute("UPDATE t SET name = x'00' WHERE id = 1")
    run_texts(41)
    do(lambda: con.execute("SELECT * FROM t ORDER BY id").fetchall())


@case
def often(db: Any, do: Any) -> None:
    """What changes single records, in and out of transactions: again and again, so that it is written out."""
    con = db.connect(":memory:")
    con.executescript(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, name TEXT, size REAL); CREATE INDEX a_n ON a (n);"
        "CREATE TABLE b (code TEXT PRIMARY KEY, n INTEGER CHECK (n < 90)); CREATE TABLE c (x, y, PRIMARY KEY (x, y));"
    )
    texts = (
        ("INSERT INTO a VALUES (?, ?, ?, ?)", lambda n: (n, n % 7, f"name {n}", (n / 2, n, None, "7")[n // 3 % 4])),
        ("INSERT INTO a (n, name) VALUES (?, ?) RETURNING id, name", lambda n: (n % 5, "given")),
        ("UPDATE a SET size = size + 1 WHERE id = ?", lambda n: (n * 7 % 60,)),
        ("UPDATE a SET n = ?, name = NULL WHERE id = ?", lambda n: (None if n % 5 == 0 else n, n * 11 % 60)),
        ("DELETE FROM a WHERE id = ?", lambda n: (n * 5 % 80,)),
        ("INSERT INTO b VALUES (?, ?) ON CONFLICT (code) DO UPDATE SET n = n + excluded.n",
         lambda n: (str(n % 6), n if n % 5 else str(n))),
        ("UPDATE b SET n = ? WHERE code = ?", lambda n: (n * 3, str(n % 6))),
        ("INSERT INTO c VALUES (?, ?)", lambda n: (n % 3, n // 5)),
        ("DELETE FROM c WHERE x = ? AND y = ?", lambda n: (n % 4, n // 7)),
        ("UPDATE a SET id = ? WHERE id = ?", lambda n: (n + 3, n)),
    )
    for number in range(40):
        for text, values in texts:
            cursor = con.cursor()
            do(lambda: cursor.execute(text, values(number)).fetchall())  # noqa: B023
            do(lambda: (cursor.rowcount, cursor.lastrowid, con.total_changes, con.in_transaction))  # noqa: B023
        if number % 9 == 4:
            do(con.rollback if number % 2 else con.commit)
        if number % 11 == 3:
            do(con.execute, "SAVEPOINT s")
            do(con.execute, "UPDATE a SET size = size + 1 WHERE id = ?", (number,))
            do(con.execute, "ROLLBACK TO s")
        if number % 13 == 5:
            do(lambda: con.execute("SELECT * FROM a WHERE n < 5 ORDER BY n, id").fetchall())
    for table in "abc":
        do(lambda: con.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall())  # noqa: B023
    do(lambda: con.execute("SELECT n, count(*) FROM a WHERE n >= 0 GROUP BY n ORDER BY n").fetchall())


@case
def often_and_undone(db: Any, do: Any) -> None:
    """Columns that were set are given back: by ROLLBACK TO, ROLLBACK, and after an error in the midst of a run."""
    con = open_filled(db)
    con.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL CHECK (c < 100), d INTEGER UNIQUE)")
    con.executemany("INSERT INTO u VALUES (?, ?, ?, ?, ?)", [(n, n, f"b{n}", n / 4, n) for n in range(1, 31)])
    con.execute("CREATE INDEX u_a ON u (a)")
    con.commit()
    texts = (
        ("UPDATE u SET b = ?1, c = c + 1 WHERE id = ?2", "x"),
        ("UPDATE u SET c = c * ?1 WHERE id = ?2", 2.0),
        ("UPDATE u SET a = a + ?1, b = b || '.' WHERE id = ?2", 7),
        ("UPDATE OR IGNORE u SET d = ?1 WHERE id = ?2", 5),
        ("UPDATE u SET b = b || ?1 WHERE id BETWEEN ?2 AND ?2 + 5", "!"),
        ("UPDATE u SET c = c + ?1 WHERE a >= ?2 AND a < ?2 + 4", 1.0),
        ("INSERT INTO u (a, d) VALUES (?1, ?2) ON CONFLICT (d) DO UPDATE SET b = excluded.a, c = c + 1", 3),
        ("DELETE FROM u WHERE a > ?1 AND id = ?2", 4),
    )

    def change(first: int) -> None:
        for text, value in texts:
            for key in range(first, first + 4):
                do(lambda text=text, value=value, key=key: con.execute(text, (value, key)).rowcount)

    for ending in ("ROLLBACK TO s", "RELEASE s", "ROLLBACK"):
        con.execute("BEGIN")
        change(1)
        con.execute("SAVEPOINT s")
        change(3)
        do(lambda: con.execute("UPDATE u SET c = c * ?1 WHERE id = ?2", (1000.0, 20)))
        change(5)
        con.execute(ending)
        do(con.execute("SELECT * FROM u").fetchall)
        do(con.execute("SELECT id FROM u INDEXED BY u_a WHERE a > 0 ORDER BY a, id").fetchall)
        if con.in_transaction:
            con.commit()
        do(con.execute("SELECT * FROM u").fetchall)
        do(lambda: con.total_changes)


@pytest.mark.parametrize("script", CASES, ids=[script.__name__ for script in CASES])
def test_settings_show_in_the_next_run(script: Script) -> None:
    """As the names of the scripts say."""
    check(script, "tandemdb")


def test_texts_are_ready() -> None:
    """The scripts above test something: before the change, each text had its function."""
    con = open_filled(tandemdb)
    assert set(TEXTS) <= set(con._ready)
    con.text_factory = bytes
    assert con._ready is NOT_READY
    con.text_factory = str
    assert set(TEXTS) <= set(con._ready)
    con.create_function("f", 0, lambda: 1)
    assert not con._ready


def test_the_short_road_is_open_again_without_a_trace_callback() -> None:
    con = open_filled(tandemdb)
    con.set_trace_callback(lambda text: None)
    assert con._ready is NOT_READY
    con.set_trace_callback(None)
    assert con._ready is con._session.ready
    con.execute(SELECT, (1,))
    assert SELECT in con._ready
    con.set_authorizer(lambda *question: tandemdb.SQLITE_OK)
    con.set_trace_callback(lambda text: None)
    con.set_trace_callback(None)
    assert con._ready is NOT_READY


def test_a_lower_limit_holds_for_texts_run_before() -> None:
    """In sqlite3 a cached statement escapes it; tandemdb measures the text again."""
    con = open_filled(tandemdb)
    con.setlimit(tandemdb.SQLITE_LIMIT_SQL_LENGTH, 20)
    with pytest.raises(tandemdb.DataError, match="query string is too large"):
        con.execute(SELECT, (1,))


@pytest.mark.parametrize("level", ["", None])
def test_rows_stay_as_they_were_when_the_query_ran(level: str | None) -> None:
    """Changes made while a cursor is read do not reach it; in sqlite3 they may or may not."""
    con = open_filled(tandemdb, isolation_level=level)
    for text in (SCAN, "SELECT name FROM t", "SELECT * FROM t ORDER BY id"):
        expected = con.execute(text).fetchall()
        cur = con.execute(text)
        found = [cur.fetchone()]
        number = expected[-1][0] if len(expected[-1]) == 2 else 5000
        assert con.execute(INSERT, (number + 1000, f"new {text}")).rowcount == 1
        assert con.execute(UPDATE, (f"changed {text}", 3)).rowcount == 1
        assert con.execute("DELETE FROM t WHERE id = ?", (number,)).rowcount <= 1
        con.commit()
        assert found + cur.fetchall() == expected


def test_a_lone_surrogate_is_refused() -> None:
    """Also where the text is ready."""
    con = open_filled(tandemdb)
    for text, values in ((UPDATE, ("\ud800", 1)), (INSERT, (None, "\ud800")), (SELECT, ("\ud800",))):
        with pytest.raises(UnicodeEncodeError):
            con.execute(text, values)


def test_commits_of_others_show() -> None:
    """What another thread commits to a shared database, rows and schema, is there in the next run."""
    con = tandemdb.connect(":memory:test_ready")
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    con.execute(INSERT, (1, "one"))
    con.commit()

    def elsewhere(*texts: str) -> None:
        def work() -> None:
            other = tandemdb.connect(":memory:test_ready", isolation_level=None)
            for text in texts:
                other.execute(text)
            other.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert [con.execute(SELECT, (1,)).fetchone() for _ in range(3)] == [(1, "one")] * 3
    elsewhere("UPDATE t SET name = 'eins'")
    assert con.execute(SELECT, (1,)).fetchone() == (1, "eins")
    elsewhere("ALTER TABLE t RENAME TO u", "CREATE TABLE t (id TEXT, name)", "INSERT INTO t VALUES ('1', 'uno')")
    assert con.execute(SELECT, (1,)).fetchone() == ("1", "uno")
    con.execute("BEGIN")
    assert con.execute(SELECT, (1,)).fetchone() == ("1", "uno")
    elsewhere("DELETE FROM t")
    assert con.execute(SELECT, (1,)).fetchone() == ("1", "uno")
    with pytest.raises(tandemdb.OperationalError, match="database is locked"):
        con.execute("UPDATE t SET name = 'x' WHERE id = '1'")
    con.rollback()
    assert con.execute(SELECT, (1,)).fetchone() is None
    con.close()


@pytest.mark.parametrize("script", CASES, ids=lambda script: script.__name__)
def test_what_runs_often(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, each change compiled anew for that right after its second run."""
    monkeypatch.setattr(ready, "RUNS_OFTEN", 1)
    check(script, "tandemdb")


def test_another_thread_is_refused() -> None:
    """A text that is ready is refused to another thread as any other."""
    con = open_filled(tandemdb)
    cur = con.cursor()
    cur.execute(SELECT, (1,))
    failures: list[BaseException] = []

    def call(function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except tandemdb.ProgrammingError as error:
            failures.append(error)

    thread = threading.Thread(
        target=lambda: [call(cur.execute, SELECT, (1,)), call(con.execute, SELECT, (1,)), call(cur.fetchone)]
    )
    thread.start()
    thread.join()
    assert len(failures) == 3
    assert all("can only be used in that same thread" in str(failure) for failure in failures)


def test_stdlib_adapters_are_noticed() -> None:
    """An adapter for a plain type, registered through the standard library, serves open connections from the next
    opening of one."""
    from tandemdb.dbapi import parameters

    before, flag = dict(sqlite3.adapters), parameters.base_types_adapted
    con = open_filled(tandemdb)
    try:
        sqlite3.register_adapter(int, lambda number: number + 1)
        tandemdb.connect(":memory:").close()
        assert con._ready is NOT_READY
        assert con.execute(SELECT, (1,)).fetchone() == (2, "two")
    finally:
        sqlite3.adapters.clear()
        sqlite3.adapters.update(before)
        parameters.base_types_adapted = flag
