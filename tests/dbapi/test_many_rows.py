"""executemany of changes of one record: many sets of values at once do what they do one by one, as in sqlite3."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import ready
from tandemdb.storage import check_root

SCHEMA = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER CHECK (b < 5000), c TEXT NOT NULL, d UNIQUE);
CREATE INDEX t_b ON t (b);
CREATE TABLE log (what TEXT, a INTEGER);
CREATE TABLE k (x TEXT, y INTEGER, z, PRIMARY KEY (x, y)) WITHOUT ROWID;
"""
TRIGGERS = """
CREATE TRIGGER tu AFTER UPDATE OF c ON t BEGIN INSERT INTO log VALUES ('u', new.a); END;
CREATE TRIGGER td BEFORE DELETE ON t BEGIN INSERT INTO log VALUES ('d', old.a); END;
"""
UPDATE, DELETE = "UPDATE t SET b = ? WHERE a = ?", "DELETE FROM t WHERE a = ?"
SPREAD = [(n * 3 % 777, n * 7 % 400) for n in range(400)]


class Adapted:
    def __conform__(self, protocol: Any) -> int:
        return 77


CASES: dict[str, tuple[str, list[Any] | Callable[[], Any]]] = {
    "by key": (UPDATE, SPREAD),
    "keys that are not there": (UPDATE, [(1, n) for n in range(300, 700)]),
    "the same key again": (UPDATE, [(n, n % 3) for n in range(300)]),
    "another class in between": (UPDATE, [*SPREAD[:150], (None, 5), (2.5, 6), ("x", 7), (b"y", 8), *SPREAD[150:]]),
    "keys of another class": (UPDATE, [*SPREAD[:150], (1, "9"), (1, 9.0), (1, None), (1, "z"), *SPREAD[150:]]),
    "a value that must be adapted": (UPDATE, [*SPREAD[:150], (Adapted(), 9), (True, 10), *SPREAD[150:]]),
    "lists among tuples": (UPDATE, [*SPREAD[:150], [4, 9], *SPREAD[150:]]),
    "lists": (UPDATE, [list(row) for row in SPREAD]),
    "one too short": (UPDATE, [*SPREAD[:150], (4,), *SPREAD[150:]]),
    "one too long": (UPDATE, [*SPREAD[:150], (4, 5, 6), *SPREAD[150:]]),
    "one that is no sequence": (UPDATE, [*SPREAD[:150], 4, *SPREAD[150:]]),
    "a value that no record may have": (UPDATE, [*SPREAD[:150], ({}, 5), *SPREAD[150:]]),
    "an integer too large": (UPDATE, [*SPREAD[:150], (1 << 70, 5), *SPREAD[150:]]),
    "a check fails": (UPDATE, [*SPREAD[:150], (6000, 9), *SPREAD[150:]]),
    "a check fails at once": (UPDATE, [(6000, 9), *SPREAD]),
    "NOT NULL fails": ("UPDATE t SET c = ? WHERE a = ?", [*[(str(n), n) for n in range(200)], (None, 9), ("z", 8)]),
    "UNIQUE fails": ("UPDATE t SET d = ? WHERE a = ?", [*[(n + 9000, n) for n in range(200)], (9001, 9), (1, 8)]),
    "OR IGNORE": ("UPDATE OR IGNORE t SET d = ? WHERE a = ?", [*[(n % 90, n) for n in range(200)]]),
    "OR REPLACE": ("UPDATE OR REPLACE t SET d = ? WHERE a = ?", [*[(n % 90, n) for n in range(200)]]),
    "OR ROLLBACK": ("UPDATE OR ROLLBACK t SET d = ? WHERE a = ?", [*[(n + 900, n) for n in range(200)], (901, 9)]),
    "the key itself": ("UPDATE t SET a = ? WHERE a = ?", [(n + 1000, n) for n in range(200)]),
    "by a unique column": ("UPDATE t SET b = b + 1 WHERE d = ?", [(n,) for n in range(250)]),
    "by a column that is no key": ("UPDATE t SET c = ? WHERE b = ?", [(str(n), n % 50) for n in range(150)]),
    "expressions and literals": ("UPDATE t SET b = b * 2 % 100 + ?, c = c || 'x' WHERE a = ? AND b > 3", SPREAD),
    "a subquery": ("UPDATE t SET b = (SELECT count(*) FROM t WHERE b < ?) WHERE a = ?", SPREAD[:150]),
    "numbered": ("UPDATE t SET b = ?2 WHERE a = ?1", [(n, n + 1) for n in range(200)]),
    "deleted": (DELETE, [(n * 7 % 400,) for n in range(400)]),
    "deleted in order": (DELETE, [(n,) for n in range(400)]),
    "deleted twice": (DELETE, [(n % 120,) for n in range(300)]),
    "deleted, another class": (DELETE, [*[(n,) for n in range(150)], ("200",), (None,), (201.0,), (202,)]),
    "of two columns": ("UPDATE k SET z = ? WHERE x = ? AND y = ?", [(n, "ab"[n % 2], n % 60) for n in range(300)]),
    "deleted by two columns": ("DELETE FROM k WHERE x = ? AND y = ?", [("ab"[n % 2], n % 60) for n in range(300)]),
    "from a generator": (UPDATE, lambda: ((n, n % 400) for n in range(500))),
    "with named values": ("UPDATE t SET b = :b WHERE a = :a", [{"a": n, "b": n} for n in range(200)]),
    "no table": ("UPDATE nothing SET b = ? WHERE a = ?", SPREAD),
    "an ambiguous change of the schema": ("UPDATE t SET e = ? WHERE a = ?", SPREAD),
}


def fill(db: ModuleType, isolation: str | None, triggers: bool, functions: bool = False) -> Any:
    con = db.connect(":memory:", isolation_level=isolation)
    if functions:  # that nothing here calls: a statement may call some all the same, and is run as such
        con.create_function("own", 1, lambda value: value)
        con.create_collation("own", lambda left, right: 0)
    con.executescript(SCHEMA + TRIGGERS * triggers)
    con.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(n, n % 50, f"c{n}", n) for n in range(400)])
    con.executemany("INSERT INTO k VALUES (?, ?, ?)", [(x, n, None) for x in "ab" for n in range(60)])
    con.commit()
    return con


def outcome(con: Any, text: str, rows: Any) -> list[Any]:
    cursor = con.cursor()
    told: list[Any] = []
    try:
        cursor.executemany(text, rows() if callable(rows) else rows)
    except Exception as error:
        told.append((type(error).__name__, str(error)))
    told += [cursor.rowcount, cursor.lastrowid, cursor.description, con.in_transaction, con.total_changes]
    if con.in_transaction:  # else what of an autocommit statement's rows is counted is told in docs/differences.md
        told.append(con.execute("SELECT changes()").fetchall())
    told += [con.execute(f"SELECT * FROM {table}").fetchall() for table in ("t", "log", "k")]
    told.append(con.execute("SELECT a FROM t INDEXED BY t_b WHERE b >= 0 ORDER BY b, a").fetchall())
    return told


@pytest.mark.parametrize("triggers", [False, True], ids=["plain", "triggers"])
@pytest.mark.parametrize("isolation", ["", None], ids=["implicit", "begun"])
@pytest.mark.parametrize("functions", [False, True], ids=["no function", "functions"])
@pytest.mark.parametrize("name", CASES)
def test_many_sets_of_values(name: str, functions: bool, isolation: str | None, triggers: bool) -> None:
    text, rows = CASES[name]
    mine, real = (fill(db, isolation, triggers, functions) for db in (tandemdb, sqlite3))
    for each in (mine, real) if isolation is None else ():
        each.execute("BEGIN")
    assert outcome(mine, text, rows) == outcome(real, text, rows)
    assert outcome(mine, text, rows) == outcome(real, text, rows)  # with all that is ready by now
    for end in ("rollback", "commit"):
        getattr(mine, end)()
        getattr(real, end)()
        assert mine.execute("SELECT * FROM t").fetchall() == real.execute("SELECT * FROM t").fetchall()
    check_root(mine._database.root)


@pytest.mark.parametrize("pragma", ["foreign_keys", "ignore_check_constraints", "recursive_triggers"])
@pytest.mark.parametrize("first", ["ON", "OFF"])
def test_settings_that_change_in_between(pragma: str, first: str) -> None:
    told = []
    for db in (tandemdb, sqlite3):
        con = fill(db, None, triggers=False)
        con.executescript("CREATE TABLE child (d REFERENCES t (d)); INSERT INTO child VALUES (5);")
        if pragma == "recursive_triggers":
            con.execute(
                "CREATE TRIGGER again AFTER UPDATE OF b ON t WHEN new.b < 3"
                " BEGIN UPDATE t SET b = b + 1 WHERE a = new.a; END"
            )
        for setting in (first, "OFF" if first == "ON" else "ON", first):
            con.execute(f"PRAGMA {pragma} = {setting}")
            for text, rows in (
                ("UPDATE t SET d = ? WHERE a = ?", [(n + 9000, n) for n in range(200)]),
                (UPDATE, [(n if n != 150 else 6000, n) for n in range(200)]),
                (DELETE, [(n,) for n in range(200)]),
            ):
                con.execute("BEGIN")
                told.append((db, outcome(con, text, rows)))
                con.execute("ROLLBACK") if con.in_transaction else None
        con.close()
    half = len(told) // 2
    assert [what for _, what in told[:half]] == [what for _, what in told[half:]]


def test_many_are_run_by_what_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[int, int]] = []
    run_rows = ready.run_rows
    monkeypatch.setattr(
        tandemdb.dbapi.cursor, "run_rows", lambda *given: done.append(run_rows(*given)) or done[-1]
    )
    con = fill(tandemdb, "", triggers=False)
    for text, rows in (CASES["by key"], CASES["deleted"], CASES["deleted in order"], CASES["keys of another class"]):
        con.executemany(text, rows)
        con.rollback()
    assert done == [(400, 400), (400, 400), (400, 400), (150, 150)]


TABLES = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c TEXT, d UNIQUE, e REAL CHECK (e IS NULL OR e < 90));
CREATE INDEX t_b ON t (b);
CREATE INDEX t_c ON t (c, b);
CREATE TABLE child (x INTEGER REFERENCES t (a) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE k (x TEXT, y INTEGER, z, PRIMARY KEY (x, y)) WITHOUT ROWID;
CREATE TABLE log (what, n);
"""
A_TRIGGER = (
    "CREATE TRIGGER one AFTER UPDATE OF b ON t BEGIN INSERT INTO log VALUES ('u', new.a); END",
    "CREATE TRIGGER one BEFORE DELETE ON t WHEN old.b > 5 BEGIN INSERT INTO log VALUES ('d', old.a); END",
    "CREATE TRIGGER one AFTER UPDATE OF c ON t WHEN new.c = 'boom' BEGIN SELECT RAISE(ABORT, 'boom'); END",
)
CHANGES = (
    *[f"UPDATE t SET {column} = ? WHERE a = ?" for column in "abde"],
    "UPDATE t SET c = ?, b = b + 1 WHERE a = ?",
    "UPDATE t SET b = ? WHERE d = ?",
    "UPDATE OR IGNORE t SET d = ? WHERE a = ?",
    "UPDATE OR REPLACE t SET d = ? WHERE a = ?",
    "UPDATE t SET b = ?1 WHERE c = ?2",
    "UPDATE k SET z = ?1 WHERE x = 'a' AND y = ?2",
    "DELETE FROM t WHERE a = ?2 AND ?1 IS NOT 3",
    "DELETE FROM t WHERE d = ?2 AND b <> ?1",
    "DELETE FROM k WHERE y = ?2 AND x = CASE ?1 WHEN 1 THEN 'a' ELSE 'b' END",
)
OTHERS = (
    *[f"PRAGMA {name} = {how}" for name in ("foreign_keys", "ignore_check_constraints") for how in ("on", "off")],
    *["COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"],
    *["CREATE INDEX IF NOT EXISTS t_e ON t (e)", "DROP INDEX IF EXISTS t_e", "ALTER TABLE k ADD COLUMN v"],
)


def draw_value(draw: random.Random) -> Any:
    number = draw.randrange(40)
    return draw.choice([number, number, number, number, None, draw.random() * 100, str(number), "boom", b"x", 3.0])


def draw_rows(draw: random.Random) -> list[tuple[Any, Any]]:
    """Sets of values, most of the same classes."""
    first, rows = draw_value(draw), []
    for _ in range(draw.choice([1, 2, 5, 30])):
        value = first if draw.random() < 0.8 else draw_value(draw)
        rows.append((value, draw.randrange(45) if draw.random() < 0.9 else draw_value(draw)))
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_generated_scripts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "ROWS_MANY", 2)
    draw = random.Random(seed)
    isolation, trigger = draw.choice(["", None, "IMMEDIATE"]), draw.choice([*A_TRIGGER, "", "", ""])
    both = [db.connect(":memory:", isolation_level=isolation) for db in (sqlite3, tandemdb)]
    for con in both:
        con.executescript(f"{TABLES}{trigger};")
        con.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", [(n, n % 10, f"c{n % 7}", n, n / 2) for n in range(40)])
        con.executemany("INSERT INTO child VALUES (?)", [(n,) for n in range(0, 40, 3)])
        con.executemany("INSERT INTO k VALUES (?, ?, ?)", [(x, n, n) for x in "ab" for n in range(20)])
        con.commit()
    mirror: Any = None
    if seed % 3 == 0:
        mirror = tandemdb.connect(":memory:")
        both[1].replicate_to(mirror, mode=draw.choice(["sync", "async"]), over_wire=True)
    for _ in range(25):
        text = draw.choice(CHANGES if draw.random() < 0.7 else OTHERS)
        rows = draw_rows(draw) if text in CHANGES else None
        expected, found = (step(con, text, rows) for con in both)
        assert found == expected, (text, rows)
    if mirror is not None:
        both[1].commit()
        replication.wait_for(mirror._database, both[1].lsn, 10)
        assert mirror.digest() == both[1].digest()
    check_root(both[1]._database.root)


def step(con: Any, text: str, rows: list[tuple[Any, Any]] | None) -> list[Any]:
    """Run one statement, or one for many sets of values, and tell all that can be seen of it."""
    told: list[Any] = []
    try:
        told.append((con.execute(text) if rows is None else con.executemany(text, rows)).rowcount)
    except Exception as error:
        told.append((type(error).__name__, str(error)))
    told += [con.in_transaction, con.total_changes]
    told += [con.execute(f"SELECT * FROM {table} ORDER BY 1, rowid").fetchall() for table in ("t", "child", "log")]
    told.append(con.execute("SELECT x, y, z FROM k ORDER BY x, y").fetchall())
    told.append(con.execute("SELECT a FROM t INDEXED BY t_b WHERE b IS NOT 77 ORDER BY b, a").fetchall())
    return told
