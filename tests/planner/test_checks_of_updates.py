"""UPDATE asks the CHECKs that read what it sets, and no other, as shows where a row breaks one already.

PRAGMA ignore_check_constraints = ON;  INSERT ...;  PRAGMA ignore_check_constraints = OFF
UPDATE t SET b = 1          the CHECK on a is not asked, so the row that breaks it is changed
"""

from __future__ import annotations

import pytest

from .beside import Step, check

PLAIN = """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a < 10), b TEXT CHECK (length(b) < 4), c,
 CONSTRAINT both CHECK (c IS NULL OR c > a), CHECK (1 = 1), CONSTRAINT keyed CHECK (id < 100))"""
NO_ROWID = "CREATE TABLE t (id PRIMARY KEY, a CHECK (a < 10), b, c, CHECK (id < 100)) WITHOUT ROWID"
GENERATED = """CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c AS (a + 1) STORED, d AS (c * 2), e AS (b || 'x'),
 CHECK (d < 20), CHECK (length(e) < 5), CONSTRAINT keyed CHECK (id < 100))"""
BARE = "CREATE TABLE t (a, b, c, CONSTRAINT r CHECK (rowid < 100), CONSTRAINT s CHECK (t.a < 10))"
STRICT = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a < 10), b TEXT UNIQUE, c ANY) STRICT"
QUOTED = 'CREATE TABLE t (id INTEGER PRIMARY KEY, a, "b c", c, CHECK ([B C] <> "no" AND "yes" <> c), CHECK ("A" < 10))'
TRIGGERED = ["CREATE TRIGGER before BEFORE UPDATE ON t BEGIN UPDATE t SET a = a + 1 WHERE id = old.id; END"]
ALL_BROKEN = ["INSERT INTO t VALUES (1, 50, 'long text', 3), (2, 1, 'b', 2), (300, 4, 'c', 9), (301, 40, 'xxxx', 1)"]
OF_TWO = ["INSERT INTO t (id, a, b) VALUES (1, 50, 'long text'), (2, 1, 'b'), (300, 4, 'c'), (301, 40, 'xxxx')"]
BARE_BROKEN = ["INSERT INTO t (rowid, a, b, c) VALUES (1, 50, 'b', 3), (2, 1, 'b', 2), (300, 4, 'c', 9)"]

TABLES: dict[str, tuple[str, list[str], list[str]]] = {
    "columns": (PLAIN, ALL_BROKEN, []),
    "an index": (PLAIN, ALL_BROKEN, ["CREATE INDEX t_c ON t (c, a)"]),
    "a trigger that sets the column": (PLAIN, ALL_BROKEN, TRIGGERED),
    "no rowid": (NO_ROWID, ALL_BROKEN, []),
    "generated columns": (GENERATED, OF_TWO, []),
    "a rowid without a name": (BARE, BARE_BROKEN, []),
    "strict": (STRICT, ALL_BROKEN, []),
    "quoted names": (QUOTED, ALL_BROKEN, []),
}
UPDATES = [
    *("UPDATE t SET a = 5", "UPDATE t SET b = 'q'", "UPDATE t SET a = a", "UPDATE t SET b = b || 'long'"),
    *(
        "UPDATE t SET c = 60",
        "UPDATE t SET c = a + 1, b = 'w'",
        "UPDATE t SET rowid = rowid + 1",
        "UPDATE t SET c = 'x'",
    ),
    *("UPDATE t SET b = 'r' WHERE rowid = 1", "UPDATE t SET a = 77 WHERE rowid = 1", "UPDATE t SET id = id + 3"),
    *("UPDATE t SET id = id, b = 's'", "UPDATE OR IGNORE t SET a = 11", "UPDATE OR REPLACE t SET a = 12 WHERE a = 50"),
    *("UPDATE OR FAIL t SET a = a - 30", "UPDATE t SET b = 'u' WHERE a > 20 RETURNING *", "UPDATE t SET a = 'text'"),
    *("UPDATE t SET c = 1 FROM (SELECT 1) WHERE a > 3", "UPDATE t SET (a, b) = (SELECT 3, 'v') WHERE id > 1"),
    "INSERT INTO t (id, a, b) VALUES (1, 2, 'n') ON CONFLICT DO UPDATE SET b = excluded.b",
    "INSERT INTO t (id, a, b) VALUES (1, 2, 'n') ON CONFLICT DO UPDATE SET a = t.a + 1",
    "INSERT INTO t (id, a, b) VALUES (1, 51, 'n') ON CONFLICT DO UPDATE SET b = 'o'",
    "UPDATE t SET \"b c\" = 'no'",
]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("update", UPDATES)
def test_only_what_is_set_is_asked(name: str, update: str) -> None:
    table, rows, further = TABLES[name]
    pragma = "PRAGMA ignore_check_constraints = "
    told = "SELECT * FROM t ORDER BY 1"
    steps = [table, f"{pragma}ON", *rows, f"{pragma}OFF", *further]
    check([*steps, update, told, update, told, "PRAGMA integrity_check"])


def test_a_change_that_runs_often() -> None:
    """What has been compiled anew for it asks the same."""
    steps: list[Step] = [PLAIN, "PRAGMA ignore_check_constraints = ON", *ALL_BROKEN]
    steps += ["PRAGMA ignore_check_constraints = OFF"]
    for n in range(300):
        steps.append(("UPDATE t SET b = ? WHERE id = ?", (f"b{n % 90}", (1, 2, 300, 301)[n % 4])))
        steps.append(("UPDATE t SET a = ? WHERE id = ?", (n % 13, (1, 2, 300, 301)[n % 4])))
    check([*steps, "SELECT * FROM t", "SELECT total_changes()"])


def test_functions_of_checks_that_are_not_asked_are_not_called() -> None:
    called: list[object] = []

    def note(value: object) -> int:
        called.append(value)
        return 1

    table = "CREATE TABLE t (a CHECK (note(a)), b CHECK (note(b)))"
    register = [lambda con: con.create_function("note", 1, note, deterministic=True), table]
    check([*register, "INSERT INTO t VALUES (1, 2)", "UPDATE t SET a = 3", "UPDATE t SET b = 4"])
    assert called == [1, 2, 1, 2, 3, 3, 4, 4]  # each statement is run by both
