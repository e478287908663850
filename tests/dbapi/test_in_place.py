"""A private database is changed in place while nobody keeps a state of it; whoever does keeps it as it was.

    con = connect(":memory:")       change, change, change          no copies
    keeper = keep(con)              change                          copies once
                                    change, change                  no copies
    look(keeper) is what it was
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

import tandemdb
from tandemdb.storage import check_root

ROWS = [(number, number % 5, f"name {number}") for number in range(1000)]
CHANGES = (
    ("UPDATE t SET name = ? WHERE id = ?", ("changed", 500)),
    ("INSERT INTO t VALUES (?, ?, ?)", (5000, 1, "new")),
    ("DELETE FROM t WHERE id = ?", (200,)),
    ("UPDATE t SET grp = ? WHERE id = ?", (99, 300)),
    ("INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name", (7, 0, "upserted")),
    ("INSERT INTO t (grp, name) VALUES (?, ?) RETURNING id", (3, "returned")),
)
ALL = "SELECT id, grp, name FROM t ORDER BY id"


def open_filled(level: str | None) -> Any:
    con = tandemdb.connect(":memory:", isolation_level=level)
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT)")
    con.execute("CREATE INDEX t_grp ON t (grp)")
    con.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    con.commit()
    for text, values in CHANGES:  # so that each is ready
        for _ in range(2):
            con.execute("BEGIN")
            con.execute(text, values).fetchall()
            con.rollback()
    make_own(con)
    return con


def make_own(con: Any) -> None:
    """Commit once, so that the newest root is the database's own."""
    con.execute("UPDATE t SET name = name WHERE id = ?", (1,))
    con.commit()
    assert con._database.writer.own


def change_all(con: Any) -> None:
    for text, values in CHANGES:
        con.execute(text, values).fetchall()
        con.commit()


def rows(con: Any) -> list[Any]:
    return list(con.execute(ALL).fetchall())


def iterate(con: Any, text: str) -> Callable[[], list[Any]]:
    cursor = con.execute(text)
    first = [cursor.fetchone()]
    return lambda: first + cursor.fetchall()


def backed_up(con: Any) -> Callable[[], list[Any]]:
    target = tandemdb.connect(":memory:")
    con.backup(target)
    return lambda: rows(target)


def kept(con: Any) -> Callable[[], list[Any]]:
    con.keep_history(100)
    lsn = con.lsn
    return lambda: rows(con.as_of(lsn))


def forked(con: Any) -> Callable[[], list[Any]]:
    fork = con.fork()
    return lambda: rows(fork)


def held(con: Any) -> Callable[[], list[Any]]:
    snapshot = con.snapshot()
    return lambda: rows(con.as_of(snapshot))


KEEPERS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "fork": forked,
    "snapshot": held,
    "snapshot's digest": lambda con: con.snapshot().digest,
    "history": kept,
    "backup": backed_up,
    "cursor": lambda con: iterate(con, ALL),
    "cursor on whole records": lambda con: iterate(con, "SELECT * FROM t"),
    "cursor on a column": lambda con: iterate(con, "SELECT name FROM t"),
    "cursor with a condition": lambda con: iterate(con, "SELECT name FROM t WHERE id > 10 AND grp <> 4"),
    "cursor on a key": lambda con: iterate(con, "SELECT name FROM t WHERE grp = 0"),
    "cursor on a join": lambda con: iterate(con, "SELECT a.name, b.name FROM t a JOIN t b ON b.id = a.grp"),
    "cursor on a union": lambda con: iterate(con, "SELECT name FROM t UNION ALL SELECT grp FROM t"),
    "cursor on a subquery": lambda con: iterate(con, "SELECT (SELECT max(name) FROM t b WHERE b.grp = t.id) FROM t"),
}


@pytest.mark.parametrize("level", ["", None])
@pytest.mark.parametrize("name", KEEPERS)
def test_what_is_kept_stays(name: str, level: str | None) -> None:
    first, second = open_filled(level), open_filled(level)
    expected = KEEPERS[name](second)()
    keeper = KEEPERS[name](first)
    change_all(first)
    assert keeper() == expected
    check_root(first._database.root)
    if name != "history":
        assert first._database.writer.own
    # Kept in the midst of a transaction, what is committed is what stays.
    if not name.startswith("cursor"):
        change_all(second)
        third, fourth = open_filled(level), open_filled(level)
        expected = KEEPERS[name](third)()
        fourth.execute("BEGIN")
        for text, values in CHANGES:
            fourth.execute(text, values).fetchall()
        if name == "backup":  # which takes the transaction's changes along, as SQLite's does
            expected = rows(fourth)
        now = rows(fourth)
        keeper = KEEPERS[name](fourth)
        assert rows(fourth) == now
        fourth.execute("DELETE FROM t WHERE id = ?", (400,))
        fourth.rollback()
        assert keeper() == expected
        check_root(fourth._database.root)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize("changes", [0, 3])
@pytest.mark.parametrize("name", [name for name in KEEPERS if name.startswith("cursor")])
def test_a_cursor_opened_in_a_transaction_outlives_it(name: str, changes: int, ending: str) -> None:
    con, same = open_filled(""), open_filled("")
    for each in (con, same):
        each.execute("BEGIN")
        for text, values in CHANGES[:changes]:
            each.execute(text, values).fetchall()
    expected = KEEPERS[name](same)()
    keeper = KEEPERS[name](con)
    for text, values in CHANGES[3:]:
        con.execute(text, values).fetchall()
    getattr(con, ending)()
    change_all(con) if ending == "rollback" else con.execute("DELETE FROM t WHERE id = ?", (400,))
    con.commit()
    assert keeper() == expected
    check_root(con._database.root)


@pytest.mark.parametrize("seed", range(12))
def test_savepoints_and_failures_beside_sqlite3(seed: int) -> None:
    """Random statements, some of them failing, between savepoints; somebody keeps a state now and then."""
    draw = random.Random(seed)
    con, real = tandemdb.connect(":memory:", isolation_level=None), sqlite3.connect(":memory:", isolation_level=None)
    for each in (con, real):
        each.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT UNIQUE NOT NULL)")
        each.execute("CREATE INDEX t_grp ON t (grp)")
        each.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS[:300])
    kept: list[tuple[Any, list[Any]]] = []
    for step in range(400):
        number = draw.randrange(400)
        text, values = draw.choice(
            [
                ("INSERT INTO t VALUES (?, ?, ?)", (number, number % 7, f"name {draw.randrange(400)}")),
                ("INSERT OR IGNORE INTO t VALUES (?, ?, ?)", (number, number % 7, f"name {draw.randrange(400)}")),
                ("UPDATE t SET name = ? WHERE id = ?", (f"name {draw.randrange(400)}", number)),
                ("UPDATE t SET name = ? WHERE id = ?", (f"own {step}", number)),
                ("UPDATE t SET grp = grp + ? WHERE id = ?", (number, number)),
                ("UPDATE t SET grp = ? WHERE id BETWEEN ? AND ?", (step, number, number + 9)),
                ("DELETE FROM t WHERE id = ?", (number,)),
                ("DELETE FROM t WHERE id BETWEEN ? AND ?", (number, number + draw.randrange(60))),
                ("UPDATE t SET name = NULL WHERE id = ?", (number,)),
                ("SELECT count(*), sum(grp) FROM t WHERE id > ?", (number,)),
                ("SAVEPOINT a", ()),
                ("SAVEPOINT b", ()),
                ("ROLLBACK TO a", ()),
                ("ROLLBACK TO b", ()),
                ("RELEASE a", ()),
                ("RELEASE b", ()),
                ("BEGIN", ()),
                ("BEGIN", ()),
                ("COMMIT", ()),
                ("ROLLBACK", ()),
            ]
        )
        found = []
        for each in (con, real):
            try:
                cursor = each.execute(text, values)
                found.append((cursor.fetchall(), cursor.rowcount, each.in_transaction))
            except sqlite3.Error as error:
                found.append((str(error), 0, each.in_transaction))
        assert found[0] == found[1], (step, text, values)
        if step % 8 == 0:
            assert con.execute(ALL).fetchall() == real.execute(ALL).fetchall()
        if draw.random() < 0.05:
            kept.append((con.execute("SELECT * FROM t"), real.execute(ALL).fetchall()))
        if draw.random() < 0.03 and not con.in_transaction:
            kept.append((con.fork().execute(ALL), real.execute(ALL).fetchall()))
    assert con.execute(ALL).fetchall() == real.execute(ALL).fetchall()
    for cursor, expected in kept:
        assert cursor.fetchall() == expected
    check_root(con._database.root)


@pytest.mark.parametrize("level", ["", "IMMEDIATE", None])
def test_single_rows_are_changed_in_place(level: str | None) -> None:
    """Hundreds of commits later, the root, the table and its blocks are the same objects."""
    con = open_filled(level)
    change_all(con)
    root = con._database.root
    blocks = list(root.tables[2].location.blocks())
    for number in range(100):
        con.execute("UPDATE t SET name = ? WHERE id = ?", (f"again {number}", number * 7))
        con.commit()
    assert con._database.root is root
    lsn = root.lsn
    untouched = sum(old is new for old, new in zip(blocks, root.tables[2].location.blocks(), strict=True))
    again = list(root.tables[2].location.blocks())
    for number in range(100):
        con.execute("UPDATE t SET name = ? WHERE id = ?", (f"more {number}", number * 7))
        con.commit()
    assert all(old is new for old, new in zip(again, root.tables[2].location.blocks(), strict=True))
    assert root.lsn == lsn + 100
    assert untouched <= len(blocks)
    check_root(root)


@pytest.mark.parametrize("level", ["", None])
def test_the_digest_is_that_of_a_copying_database(level: str | None) -> None:
    con, other = open_filled(level), open_filled(level)
    other._database.alone = False
    other._database.hold()
    for number in range(300):
        for each in (con, other):
            each.execute("INSERT INTO t VALUES (?, ?, ?)", (2000 + number * 7 % 1000, number % 7, f"row {number}"))
            each.execute("UPDATE t SET grp = ? WHERE id = ?", (number % 11, number))
            if number % 3 == 0:
                each.execute("DELETE FROM t WHERE id = ?", (number + 100,))
            if number % 10 == 3:
                each.rollback()
            else:
                each.commit()
    assert con.digest() == other.digest()
    assert rows(con) == rows(other)
    check_root(con._database.root)


def test_failures_leave_nothing() -> None:
    """Constraints that fail in the midst of a transaction, beside sqlite3."""
    con, real = open_filled(""), sqlite3.connect(":memory:")
    real.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT)")
    real.executemany("INSERT INTO t VALUES (?, ?, ?)", rows(con))
    for each in (con, real):
        each.execute("CREATE UNIQUE INDEX t_name ON t (name)")
        each.commit()
    steps = [
        ("INSERT INTO t VALUES (?, ?, ?)", (6000, 1, "six")),
        ("INSERT INTO t VALUES (?, ?, ?)", (6001, 1, "six")),
        ("UPDATE t SET name = ? WHERE id = ?", ("name 3", 4)),
        ("UPDATE t SET name = name || ? WHERE id BETWEEN ? AND ?", ("!", 10, 20)),
        ("UPDATE t SET name = ? WHERE id BETWEEN ? AND ?", ("same", 10, 20)),
        ("DELETE FROM t WHERE id = ?", (6000,)),
        ("INSERT OR IGNORE INTO t VALUES (?, ?, ?)", (6002, 1, "name 3")),
        ("INSERT OR REPLACE INTO t VALUES (?, ?, ?)", (6003, 1, "name 3")),
        ("INSERT OR ROLLBACK INTO t VALUES (?, ?, ?)", (6004, 1, "name 5")),
    ]
    for turn in range(3):
        for text, values in steps:
            found = []
            for each in (con, real):
                try:
                    found.append(each.execute(text, values).rowcount)
                except sqlite3.IntegrityError as error:
                    found.append(str(error))
            assert found[0] == found[1]
            assert con.execute(ALL).fetchall() == real.execute(ALL).fetchall()
            assert con.in_transaction == real.in_transaction
        for each in (con, real):
            (each.commit if turn else each.rollback)()
        assert con.execute(ALL).fetchall() == real.execute(ALL).fetchall()
    check_root(con._database.root)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_transaction_that_reads_first_leaves_the_keys_of_what_it_has_read(ending: str) -> None:
    con = open_filled(None)
    for number in range(30):  # so that changes of the index wait
        con.execute("UPDATE t SET grp = ? WHERE id = ?", (number, number))
    con.execute("BEGIN")
    assert con.execute("SELECT count(*) FROM t").fetchone() == (1000,)
    con.execute("DELETE FROM t WHERE id BETWEEN 700 AND 704")
    kept = con.fork()
    getattr(con, ending)()
    for each, count in ((con, 995 if ending == "commit" else 1000), (kept, 1000)):
        assert each.execute("SELECT count(*) FROM t INDEXED BY t_grp WHERE grp > -1").fetchone() == (count,)
        check_root(each._database.root)


def test_a_function_that_writes_does_not_disturb_the_query() -> None:
    con = open_filled(None)
    con.execute("CREATE TABLE noted (id INTEGER)")
    change = "UPDATE t SET grp = ? WHERE id = ?"

    def note(number: int) -> int:
        con.execute(change, (1000, number + 1))
        return number

    con.create_function("note", 1, note)
    for _ in range(2):
        make_own(con)
        found = con.execute("SELECT id, grp FROM t WHERE note(id) >= 0 AND id < 50 ORDER BY id").fetchall()
        assert [row[0] for row in found] == [row[0] for row in rows(con) if row[0] < 50]
    check_root(con._database.root)


def test_threads_that_share_a_connection() -> None:
    con = tandemdb.connect(":memory:", check_same_thread=False, isolation_level=None)
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT)")
    con.executemany("INSERT INTO t VALUES (?, ?, ?)", [(number, 0, "x") for number in range(100)])

    def add(times: int) -> None:
        for number in range(times):
            con.execute("UPDATE t SET grp = grp + 1 WHERE id = ?", (number % 100,))
            seen = con.execute("SELECT count(*), min(grp) FROM t").fetchone()
            assert seen[0] == 100

    threads = [threading.Thread(target=add, args=(500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert con.execute("SELECT sum(grp) FROM t").fetchone() == (2000,)
    check_root(con._database.root)


def test_shared_databases_are_copied() -> None:
    """Another connection may hold what it has read, so a named database is never changed in place."""
    con = tandemdb.connect(":memory:test_in_place", isolation_level=None)
    con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT)")
    for number in range(3):
        con.execute("INSERT INTO t VALUES (?, ?, ?)", (number, 0, "x"))
        held = con._database.root
        assert not con._database.writer.own
    assert held.tables[2].count == 3
    con.close()


def test_mirrors_get_copies() -> None:
    con, mirror = open_filled(None), tandemdb.connect(":memory:")
    con.replicate_to(mirror)
    change_all(con)
    assert not con._database.alone
    assert con.digest() == mirror.digest()
    assert rows(con) == rows(mirror)
    mirror.promote()
    mirror.execute("UPDATE t SET name = 'after' WHERE id = 1")
    mirror.commit()
    check_root(mirror._database.root)
