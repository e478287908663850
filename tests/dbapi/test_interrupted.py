"""Statements interrupted wherever Python looks for signals: all of one is there or nothing, and all goes on after it.

    script ──► tandemdb ──► KeyboardInterrupt after n calls of its code ──► as before it, as after it, or rolled back
       └─────► sqlite3, which is told what became of it                 ──► the same rows, found by the same keys
"""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication import observers
from tandemdb.replication.system import system_of
from tandemdb.storage import check_root, describe_difference
from tests.stopping import Interruption

STEPS = 150

SCHEMA = """
CREATE TABLE p (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT UNIQUE);
CREATE INDEX p_grp ON p (grp);
CREATE TABLE c (id INTEGER PRIMARY KEY, pid INTEGER REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE, v TEXT);
CREATE INDEX c_pid ON c (pid);
CREATE TABLE k (a TEXT, b INTEGER, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE INDEX k_c ON k (c);
CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT, n INTEGER);
CREATE TRIGGER p_ai AFTER INSERT ON p BEGIN INSERT INTO log (what, n) VALUES ('inserted', new.id); END;
CREATE TRIGGER p_ad AFTER DELETE ON p BEGIN DELETE FROM k WHERE b = old.grp; END;
CREATE TRIGGER c_bu BEFORE UPDATE OF v ON c WHEN new.v = 'boom' BEGIN SELECT RAISE(ABORT, 'boom'); END;
CREATE TABLE plain (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
CREATE INDEX plain_a ON plain (a);
"""
LOOK = (
    "SELECT * FROM p ORDER BY id",
    "SELECT * FROM c ORDER BY id",
    "SELECT * FROM k ORDER BY a, b",
    "SELECT * FROM log ORDER BY id",
    "SELECT * FROM plain ORDER BY id",
    "SELECT name FROM sqlite_master ORDER BY name",
    "SELECT name FROM pragma_table_info('plain')",
)
LOOK_BY_KEYS = (
    "SELECT id FROM p INDEXED BY p_grp WHERE grp > -1 ORDER BY grp, id",
    "SELECT id FROM c INDEXED BY c_pid WHERE pid > -1 ORDER BY pid, id",
    "SELECT a, b FROM k INDEXED BY k_c WHERE c > -1 ORDER BY c, a, b",
    "SELECT id FROM plain INDEXED BY plain_a WHERE a > -1 ORDER BY a, id",
)


def draw_statement(draw: random.Random, step: int) -> tuple[str, Any]:
    """A statement and its values, a list of them for executemany."""
    n, m = draw.randrange(60), draw.randrange(60)
    letter = "abc"[n % 3]
    return draw.choice(  # type: ignore[no-any-return]
        [
            ("INSERT INTO p VALUES (?, ?, ?)", (n, n % 7, f"name {m}")),
            ("INSERT OR REPLACE INTO p VALUES (?, ?, ?)", (n, n % 7, f"name {m}")),
            ("INSERT INTO p VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET grp = 9", (n, n % 7, f"own {step}")),
            ("UPDATE p SET id = ? WHERE id = ?", (m, n)),
            ("UPDATE p SET grp = grp + 1 WHERE grp = ?", (n % 7,)),
            ("DELETE FROM p WHERE id = ?", (n,)),
            ("INSERT INTO c (pid, v) VALUES (?, ?)", (m, f"V{n}")),
            ("UPDATE c SET v = ? WHERE id BETWEEN ? AND ?", (draw.choice(["boom", "Ab"]), n, n + 9)),
            ("INSERT INTO k VALUES (?, ?, ?)", (letter, m % 12, n)),
            ("UPDATE k SET c = ? WHERE a = ? AND b = ?", (n, letter, m % 12)),
            ("DELETE FROM k WHERE a = ? AND b = ?", (letter, m % 12)),
            ("INSERT INTO plain VALUES (?, ?, ?)", (n * 5, m, f"t{step}")),
            ("INSERT INTO plain (a, b) VALUES (?, ?)", (m, f"t{step}")),
            ("INSERT INTO plain (a, b) VALUES (?, ?) RETURNING id, a", (m, f"t{step}")),
            ("UPDATE plain SET a = ? WHERE id = ?", (m, n * 5)),
            ("UPDATE plain SET a = a + 1 WHERE a = ?", (m,)),
            ("DELETE FROM plain WHERE id BETWEEN ? AND ?", (n * 5, n * 5 + draw.choice([3, 60]))),
            ("INSERT INTO plain (a, b) SELECT a + 1, b FROM plain WHERE id < ?", (n,)),
            ("INSERT INTO plain (a, b) VALUES (?, ?)", [(number, "m") for number in range(draw.randrange(1, 12))]),
            ("UPDATE plain SET a = ? WHERE id = ?", [(number, draw.randrange(300)) for number in range(n // 6)]),
            ("SELECT count(*), sum(a) FROM plain WHERE a > ?", (n,)),
            ("SAVEPOINT a", ()),
            ("ROLLBACK TO a", ()),
            ("RELEASE a", ()),
            ("BEGIN", ()),
            ("BEGIN IMMEDIATE", ()),
            ("COMMIT", ()),
            ("COMMIT", ()),
            ("ROLLBACK", ()),
            ("CREATE INDEX IF NOT EXISTS extra ON plain (b)", ()),
            ("DROP INDEX IF EXISTS extra", ()),
            ("ALTER TABLE plain RENAME COLUMN b TO bb", ()),
            ("ALTER TABLE plain RENAME COLUMN bb TO b", ()),
        ]
    )


def perform(con: Any, text: str, values: Any) -> Any:
    """Run a statement; what came of it."""
    try:
        cursor = con.executemany(text, values) if isinstance(values, list) else con.execute(text, values)
        return (cursor.fetchall(), cursor.rowcount)
    except sqlite3.Error as error:
        return str(error).replace('"', "")


def look(con: Any, texts: tuple[str, ...] = LOOK) -> list[Any]:
    return [con.execute(text).fetchall() for text in texts]


class Twins:
    """A tandemdb connection and sqlite3's, with the same content."""

    def __init__(self, kind: str, seed: int) -> None:
        self.con = tandemdb.connect(f":memory:twins{seed}" if kind == "shared" else ":memory:", isolation_level=None)
        self.real = sqlite3.connect(":memory:", isolation_level=None)
        for each in (self.con, self.real):
            each.execute("PRAGMA foreign_keys = ON")
            each.executescript(SCHEMA)
            each.executemany("INSERT INTO plain VALUES (?, ?, ?)", [(n, n % 50, f"r{n}") for n in range(0, 300)])
        self.mirror: Any = None
        if kind in ("sync", "async"):
            self.mirror = tandemdb.connect(":memory:")
            self.con.replicate_to(self.mirror, mode=kind, over_wire=seed % 2 == 1)
            publisher: Any = system_of(self.con._database).publisher
            publisher.gathering.packs = seed % 2 == 1
        self.committed = look(self.real)

    def run(self, text: str, values: Any) -> None:
        found, expected = perform(self.con, text, values), perform(self.real, text, values)
        assert found == expected, text
        self.check_ends()

    def interrupt(self, text: str, values: Any, interruption: Interruption) -> None:
        """Run a statement that is interrupted, and let sqlite3 follow what became of it."""
        was_open = self.real.in_transaction
        try:
            found = interruption(lambda: perform(self.con, text, values))
        except KeyboardInterrupt:
            assert interruption.where
        else:
            assert found == perform(self.real, text, values) or interruption.where, text
            self.check_ends()
            if not interruption.where:
                return
        told = f"{text} {values} stopped at {interruption.where}"
        now, is_open = look(self.con), self.con.in_transaction
        if now != look(self.real) or is_open != was_open:
            if was_open and not is_open and now == self.committed:
                self.real.rollback()
            else:
                perform(self.real, text, values)
        assert now == look(self.real), told
        assert is_open == self.real.in_transaction, told
        if is_open and text.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK TO")):
            self.con.rollback()  # Which savepoints there are cannot be seen.
            self.real.rollback()
            assert look(self.con) == self.committed, told
        self.check_ends(told)

    def check_ends(self, told: str = "") -> None:
        assert self.con.in_transaction == self.real.in_transaction, told
        if not self.real.in_transaction:
            self.committed = look(self.real)
            assert not self.con._database.is_taken, told
        publisher: Any = system_of(self.con._database).publisher
        assert publisher is None or not publisher.lock._is_owned(), told

    def compare(self) -> None:
        assert look(self.con) == look(self.real)
        assert look(self.con, LOOK_BY_KEYS) == look(self.real, LOOK_BY_KEYS)
        if self.con.in_transaction:
            return
        check_root(self.con._database.root)
        if self.mirror is not None:
            replication.wait_for(self.mirror._database, self.con._database.root.lsn)
            assert not describe_difference(self.con._database.root, self.mirror._database.root)

    def close(self) -> None:
        for each in (self.con, self.real, self.mirror):
            if each is not None:
                each.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # interrupted in a __del__
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["private", "shared", "sync", "async"])
def test_an_interrupted_statement_is_done_or_not(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "TOGETHER_MAX", 3)
    draw = random.Random(f"{kind}/{seed}")
    twins = Twins(kind, seed)
    looked: dict[str, int] = {}
    forks: list[tuple[Any, Any]] = []
    for step in range(STEPS):
        text, values = draw_statement(draw, step)
        if draw.random() < 0.5:
            twins.run(text, values)
        else:
            interruption = Interruption(draw.randrange(looked.get(text, 60)))
            twins.interrupt(text, values, interruption)
            if not interruption.where:
                looked[text] = interruption.looked + 1
        if step % 7 == 0:
            twins.compare()
        if step % 20 == 0:
            forks.append((twins.con.fork(), twins.committed))
    for fork, committed in forks:
        assert look(fork) == committed
        fork.close()
    twins.close()
