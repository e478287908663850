"""Statements that change many rows at once give what sqlite3 gives: on tables of each kind, and whatever row fails.

    table x statement      the statement's outcome, changes(), last_insert_rowid(), every row, what the indexes find

The tables have some blocks full of rows, so that whole blocks, parts of blocks and the ends between them are met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.planner.beside import Step, check

ROWS = [(n, n * 7 % 50, f"c{n * 31 % 997:03d}", n / 4, None if n % 5 == 0 else f"note {n % 3}") for n in range(1, 301)]
COLUMNS = "id, grp, code, amount, note"

TABLES: dict[str, Sequence[str]] = {
    "plain": ["CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT)"],
    "indexed": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT)",
        "CREATE INDEX t_grp ON t (grp)",
        "CREATE INDEX t_note ON t (note COLLATE NOCASE, grp DESC)",
    ],
    "unique": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT NOT NULL, amount REAL, note TEXT,"
        " UNIQUE (code, grp), CHECK (amount < 1000))",
    ],
    "rowid": ["CREATE TABLE t (id INT, grp NUMERIC, code, amount BLOB, note TEXT DEFAULT 'none')"],
    "not null": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER NOT NULL DEFAULT 9, code TEXT NOT NULL ON CONFLICT IGNORE,"
        " amount REAL NOT NULL ON CONFLICT REPLACE DEFAULT 1.5, note TEXT)",
    ],
    "without rowid": [
        "CREATE TABLE t (id INTEGER, grp INTEGER, code TEXT, amount REAL, note TEXT, PRIMARY KEY (code, id))"
        " WITHOUT ROWID",
        "CREATE INDEX t_grp ON t (grp)",
    ],
    "strict": ["CREATE TABLE t (id INTEGER PRIMARY KEY, grp INT, code TEXT, amount REAL, note ANY) STRICT"],
    "partial": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT)",
        "CREATE UNIQUE INDEX t_code ON t (code) WHERE amount > 10",
        "CREATE INDEX t_half ON t (amount / 2) WHERE note IS NOT NULL",
    ],
    "generated": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT,"
        " twice AS (amount * 2) STORED, both TEXT AS (code || grp))",
        "CREATE INDEX t_both ON t (both)",
    ],
    "autoincrement": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER, code TEXT, amount REAL, note TEXT)",
    ],
    "triggers": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT)",
        "CREATE TABLE log (what, id, amount)",
        "CREATE TRIGGER t_u AFTER UPDATE ON t BEGIN INSERT INTO log VALUES ('u', new.id, old.amount); END",
        "CREATE TRIGGER t_d BEFORE DELETE ON t BEGIN INSERT INTO log VALUES ('d', old.id, old.amount); END",
        "CREATE TRIGGER t_i AFTER INSERT ON t BEGIN UPDATE t SET amount = amount + 1 WHERE id = new.id; END",
    ],
    "parent": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT UNIQUE, amount REAL, note TEXT)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t REFERENCES t ON DELETE CASCADE, c REFERENCES t (code)"
        " ON UPDATE SET NULL)",
        "PRAGMA foreign_keys = ON",
    ],
    "child": [
        "CREATE TABLE up (id INTEGER PRIMARY KEY)",
        "INSERT INTO up VALUES " + ", ".join(f"({n})" for n in range(50)),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER REFERENCES up, code TEXT, amount REAL, note TEXT)",
        "PRAGMA foreign_keys = ON",
    ],
}

STATEMENTS = [
    "UPDATE t SET amount = amount * 2 WHERE grp < 25",
    "UPDATE t SET amount = amount + 1",
    "UPDATE t SET amount = NULL, note = NULL WHERE id BETWEEN 100 AND 140",
    "UPDATE t SET grp = grp + 1 WHERE amount > 30",
    "UPDATE t SET grp = (id * 7) % 3, note = 'same' WHERE id > 20",
    "UPDATE t SET note = upper(note) || grp WHERE note IS NOT NULL AND grp IN (1, 2, 30)",
    "UPDATE t SET code = 'k' || id",
    "UPDATE t SET code = 'one' WHERE id = 77",
    "UPDATE t SET code = 'one', grp = 1 WHERE id > 250",
    "UPDATE t SET code = NULL WHERE id = 77",
    "UPDATE t SET code = NULL WHERE id > 77",
    "UPDATE OR IGNORE t SET code = 'one', grp = 1 WHERE id > 250",
    "UPDATE OR IGNORE t SET code = NULL, amount = 5 WHERE id = 7",
    "UPDATE OR REPLACE t SET code = 'one', grp = 1 WHERE id > 250",
    "UPDATE OR FAIL t SET amount = CASE WHEN id > 200 THEN 5000 ELSE 1 END",
    "UPDATE t SET amount = CASE WHEN id > 200 THEN 5000 ELSE 1 END",
    "UPDATE t SET amount = 'not a number' WHERE id IN (3, 130, 299)",
    "UPDATE t SET amount = 7 WHERE id = 130",
    "UPDATE t SET amount = amount + 1 WHERE id = 1000",
    "UPDATE t SET grp = grp + 9223372036854775807 WHERE id IN (1, 2)",
    "UPDATE t SET id = id + 1000 WHERE id > 290",
    "UPDATE t SET id = id + 1 WHERE id > 290",
    "UPDATE t SET id = 5 WHERE id = 6",
    "UPDATE t SET id = 1005 WHERE id = 6",
    "UPDATE t SET id = 'x' WHERE id = 6",
    "UPDATE t SET amount = (SELECT max(amount) FROM t) WHERE grp = 3",
    "UPDATE t SET amount = (SELECT count(*) FROM t AS u WHERE u.amount > t.amount) WHERE id < 40",
    "UPDATE t SET amount = 0 WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.id = t.id + 1 AND u.amount > 0) AND id < 30",
    "UPDATE t SET amount = 1 WHERE id IN (1, 2, 3, 250) RETURNING id, amount",
    "UPDATE t SET amount = 1 WHERE id = 9 RETURNING id, amount, code",
    "UPDATE t SET amount = 1 WHERE id = 999 RETURNING id",
    "UPDATE t SET amount = u.grp FROM (SELECT id, grp FROM t) AS u WHERE u.id = t.id + 1",
    "DELETE FROM t",
    "DELETE FROM t WHERE id = 42",
    "DELETE FROM t WHERE id = 42 RETURNING *",
    "DELETE FROM t WHERE id = 999 RETURNING *",
    "DELETE FROM t WHERE id BETWEEN 60 AND 290",
    "DELETE FROM t WHERE id > 10",
    "DELETE FROM t WHERE id % 3 = 0",
    "DELETE FROM t WHERE grp = 7",
    "DELETE FROM t WHERE grp < 3 OR note = 'note 1'",
    "DELETE FROM t WHERE amount > (SELECT avg(amount) FROM t)",
    "DELETE FROM t WHERE id < 20 RETURNING code, id",
    "INSERT INTO t (id, grp, code, amount, note) SELECT id + 1000, grp, 'n' || code, amount, note FROM t ORDER BY id",
    "INSERT INTO t (grp, code, amount, note) SELECT grp, 'n' || code, amount, note FROM t WHERE grp > 10 ORDER BY id",
    "INSERT INTO t (id, grp, code, amount, note) SELECT 2000 - id, grp, 'n' || code, amount, note FROM t ORDER BY id",
    "INSERT INTO t (id, grp, code) SELECT id + 1000, grp, 'n' || code FROM t ORDER BY id",
    "INSERT INTO t (id, grp, code, amount) SELECT id + 1000, code, grp, note FROM t WHERE id < 100 ORDER BY id",
    "INSERT INTO t (id, grp, code, amount) SELECT id + 1000, grp + 0.5, grp, id FROM t WHERE id < 100 ORDER BY id",
    "INSERT INTO t (id, grp, code, amount) SELECT id + 1000, grp, 'x', iif(id > 70, 5000, 1) FROM t ORDER BY id",
    "INSERT INTO t (id, grp, code) SELECT id + 200, 1, 'x' || id FROM t WHERE id < 150 ORDER BY id",
    "INSERT OR IGNORE INTO t (id, grp, code) SELECT id + 200, 1, 'x' || id FROM t WHERE id < 150 ORDER BY id",
    "INSERT OR REPLACE INTO t (id, grp, code) SELECT id + 200, 1, 'x' || id FROM t WHERE id < 150 ORDER BY id",
    "INSERT OR FAIL INTO t (id, grp, code) SELECT 420 - id, 1, 'x' || id FROM t WHERE id < 150 ORDER BY id",
    "INSERT INTO t (id, grp, code) VALUES (900, 1, 'v'), (901, '2', 3), (902, 2.0, NULL), (903, 'z', x'00')",
    "INSERT INTO t (grp, code) VALUES (1, 'v1'), (1, 'v2') RETURNING id, grp, amount",
]


def state(table: str) -> list[Step]:
    found: list[Step] = ["SELECT changes(), total_changes()", "SELECT * FROM t ORDER BY id, code"]
    if table not in ("without rowid",):
        found += ["SELECT last_insert_rowid()", "SELECT rowid, id FROM t ORDER BY rowid"]
    if table == "triggers":
        found.append("SELECT * FROM log")
    if table in ("parent",):
        found.append("SELECT * FROM child")
    found += [
        "SELECT id FROM t WHERE grp = 7 ORDER BY id",
        "SELECT id FROM t WHERE note = 'NOTE 1' COLLATE NOCASE ORDER BY id",
        "SELECT id FROM t WHERE code = 'one' ORDER BY id",
        "SELECT count(*), sum(grp), total(amount) FROM t",
        "PRAGMA integrity_check",
    ]
    return found


def fill(connection: Any) -> None:
    connection.executemany(f"INSERT INTO t ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", ROWS)


def fill_children(connection: Any) -> None:
    rows = [(n, n, f"c{n * 31 % 997:03d}") for n in range(1, 301, 7)]
    connection.executemany("INSERT INTO child VALUES (?, ?, ?)", rows)


@pytest.mark.parametrize("table", TABLES)
def test_statement(table: str) -> None:
    prepare: list[Step] = [*TABLES[table], fill]
    if table == "parent":
        prepare.append(fill_children)
    steps = list(prepare)
    for statement in STATEMENTS:
        if table == "without rowid" and " AS u WHERE " in statement:
            continue  # It reads rows that it has changed itself, in an order of its own.
        # In a transaction, once more on what it left, and undone.
        steps += ["BEGIN", "SAVEPOINT s", statement, *state(table), statement, *state(table)[:4], "ROLLBACK TO s"]
        steps += [*state(table)[1:3], "COMMIT"]
    check(steps)


MANY = {
    "fits": [(n, n % 5, f"m{n}", n / 2, None) for n in range(1001, 1400)],
    "converted": [(n, str(n), n, n, 5) for n in range(1001, 1400)],
    "reals for integers": [(n, n + 0.0 if n % 2 else n + 0.5, f"m{n}", 1.5, None) for n in range(1001, 1400)],
    "out of order": [(3000 - n, n % 5, f"m{n}", n / 2, None) for n in range(1001, 1400)],
    "rowids chosen": [(None if n % 3 else n, n % 5, f"m{n}", n / 2, "x") for n in range(1001, 1400)],
    "a rowid as text": [(str(n), n % 5, f"m{n}", n / 2, "x") for n in range(1001, 1100)],
    "no rowid at all": [(None, n % 5, f"m{n}", n / 2, "x") for n in range(1001, 1400)],
    "NULL in the middle": [(n, n % 5, None if n == 1200 else f"m{n}", None if n == 1250 else 1.0, None)
                           for n in range(1001, 1400)],
    "refused by a check": [(n, n % 5, f"m{n}", 5000.0 if n == 1300 else 1.0, None) for n in range(1001, 1400)],
    "an equal key": [(n, 1, f"m{n % 250}", 50.0, None) for n in range(1001, 1400)],
    "a key that is there": [(n, n % 5, f"m{n}", 1.0, None) for n in [*range(1001, 1300), 7, *range(1300, 1400)]],
    "of a wrong class": [(n, "x" if n == 1210 else 1, f"m{n}", 1.0, b"b") for n in range(1001, 1400)],
    "a rowid of a wrong class": [("x" if n == 1210 else n, 1, f"m{n}", 1.0, None) for n in range(1001, 1400)],
    "negative rowids": [(n, 1, f"m{n}", 1.0, None) for n in range(-500, -100)],
    "lists": [[n, n % 5, f"m{n}", n / 2, None] for n in range(1001, 1400)],
}  # fmt: skip

INSERTS = [
    f"INSERT INTO t ({COLUMNS}) VALUES (?, ?, ?, ?, ?)",
    f"INSERT OR IGNORE INTO t ({COLUMNS}) VALUES (?, ?, ?, ?, ?)",
    f"INSERT OR REPLACE INTO t ({COLUMNS}) VALUES (?, ?, ?, ?, ?)",
    "INSERT INTO t (note, amount, code, grp, id) VALUES (?5, ?4, ?3, ?2, ?1)",
    "INSERT INTO t (id, grp, code, amount, note) VALUES (?1, ?2, ?3, ?4, ?3 || ?5)",
    "INSERT INTO t (id, grp, code, amount, note) VALUES (?1, ?2, ?3, ?4, coalesce(?5, 7))",
]


@pytest.mark.parametrize("table", TABLES)
def test_executemany(table: str) -> None:
    steps: list[Step] = [*TABLES[table], fill]
    for sql in INSERTS if table in ("plain", "unique") else INSERTS[:2]:
        for rows in MANY.values():

            def insert(connection: Any, sql: str = sql, rows: Sequence[Any] = rows) -> None:
                connection.executemany(sql, rows)

            steps += ["BEGIN", insert, *state(table), "ROLLBACK"]
    check(steps)


def test_behind_the_last_rowid() -> None:
    def insert(connection: Any) -> None:
        rows = [(2**63 - 3 + n if n < 3 else None, 1, f"m{n}", 1.0, None) for n in range(6)]
        connection.executemany(INSERTS[0], rows)

    check([*TABLES["plain"], insert, "SELECT count(*), max(id), min(id) > 0 FROM t"])


@pytest.mark.parametrize("table", ["plain", "indexed", "unique"])
def test_into_an_empty_table(table: str) -> None:
    def insert(connection: Any) -> None:
        connection.executemany(INSERTS[0], MANY["negative rowids"])
        connection.executemany(INSERTS[0], MANY["no rowid at all"])

    check([*TABLES[table], insert, *state(table), "DELETE FROM t", insert, *state(table)])


FAULTS: dict[str, tuple[Any, Any]] = {
    "id": (3, 9000), "code": (500, 1), "code before": (500, 11), "null": (500, None), "check": (500, -5),
}  # fmt: skip
ORS = ["", "OR IGNORE", "OR REPLACE", "OR FAIL", "OR ROLLBACK"]


@pytest.mark.parametrize("level", [None, ""])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("words", ORS)
def test_counters_where_a_row_of_many_fails(words: str, fault: str, level: str | None) -> None:
    columns = "id INTEGER PRIMARY KEY, code UNIQUE NOT NULL CHECK (code > 0)"
    counters = lambda con: con.execute("SELECT changes(), total_changes(), count(*), sum(id) FROM t").fetchall()  # noqa: E731
    for place in (0, 1, 50, 149):
        rows = [(n, n) for n in range(10, 160)]
        rows[place] = FAULTS[fault]
        values = ", ".join(f"({n}, {'NULL' if code is None else code})" for n, code in rows)
        for trigger in ([], ["CREATE TRIGGER t_i AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id); END"]):
            for insert in (
                lambda con, rows=rows: con.executemany(f"INSERT {words} INTO t VALUES (?, ?)", rows),
                f"INSERT {words} INTO t VALUES {values}",
                f"INSERT {words} INTO t SELECT * FROM (VALUES {values})",
            ):
                script = [f"CREATE TABLE t ({columns})", "CREATE TABLE log (id)", *trigger]
                tail = ["INSERT INTO t VALUES (1, 1), (3, 2)", insert, counters, "SELECT count(*) FROM t", counters]
                check([*script, *tail], isolation_level=level)


@pytest.mark.parametrize("clause", ["OR IGNORE INTO t VALUES (?, ?)", "INTO t VALUES (?, ?) ON CONFLICT DO NOTHING"])
def test_rows_that_may_be_skipped(clause: str) -> None:
    rows = [(n % 4000, n) for n in range(5000)]
    check([
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n)",
        lambda con: con.executemany(f"INSERT {clause}", rows),
        "SELECT changes(), total_changes(), count(*), sum(n) FROM t",
    ])  # fmt: skip


@pytest.mark.parametrize("columns", ["a TEXT PRIMARY KEY, b, c", "a TEXT PRIMARY KEY, b, c UNIQUE", "a, b UNIQUE, c"])
@pytest.mark.parametrize("where", ["a >= '1'", "a > 1", "b > 0", "b BETWEEN 1 AND 8"])
def test_rows_are_changed_in_the_order_of_the_index_that_finds_them(columns: str, where: str) -> None:
    """Unless a column of the index is changed: then in the order of the rowids."""
    for change in (
        "b = (SELECT count(*) FROM t AS o WHERE o.b = t.b)",
        "c = (SELECT max(b) FROM t AS o WHERE o.a <> t.a)",
        "c = c + 1",
        "b = b + 1",
    ):
        for words in ("", "OR FAIL"):
            check([
                f"CREATE TABLE t ({columns})",
                "INSERT INTO t VALUES (3, 5, 1), (10, 2, 9), (7, 4, 4), (2, 8, 3), (19, 1, 2)",
                f"UPDATE {words} t SET {change} WHERE {where}",
                "SELECT * FROM t",
            ])  # fmt: skip
