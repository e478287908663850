"""Long sessions beside sqlite3: whatever is held open, runs often or waits to be done must not show.

    statements, often the same ones ──► tandemdb ──► the same rows; entries of secondary keys are those of the records,
    savepoints, half-read cursors,          │        as they stand and with the changes that wait for them
    forks, snapshots, earlier commits,      └──► mirror: the same blocks
    new indexes, a second connection
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import ready
from tandemdb.storage import check_root, describe_difference, secondary
from tandemdb.storage.outstanding import Outstanding, net_changes

STEPS = 250

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT);
CREATE INDEX t_a ON t (a);
CREATE UNIQUE INDEX t_b ON t (b);
CREATE INDEX t_ac ON t (a, c);
CREATE INDEX t_low ON t (lower(d));
CREATE INDEX t_part ON t (d) WHERE a > 10;
CREATE TABLE w (x INTEGER, y TEXT, z INTEGER, PRIMARY KEY (x, y)) WITHOUT ROWID;
CREATE INDEX w_z ON w (z);
CREATE TABLE f (id INTEGER PRIMARY KEY, tid INTEGER REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE, n INTEGER);
CREATE INDEX f_tid ON f (tid);
CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, s TEXT, v INTEGER);
CREATE INDEX big_v ON big (v);
CREATE TRIGGER t_au AFTER UPDATE OF a ON t WHEN new.a % 7 = 0 BEGIN UPDATE w SET z = z + 1 WHERE x = new.a; END;
"""
LOOK = (
    "SELECT * FROM t ORDER BY id",
    "SELECT * FROM w ORDER BY x, y",
    "SELECT * FROM f ORDER BY id",
    "SELECT * FROM big ORDER BY id",
)
READS = (
    "SELECT id FROM t WHERE a = 7 ORDER BY id",
    "SELECT count(*), sum(a), count(c) FROM t WHERE a > 20",
    "SELECT b FROM t WHERE b > 'name 50' ORDER BY b LIMIT 7",
    "SELECT id FROM t WHERE a = 3 AND c > 1.0 ORDER BY id",
    "SELECT id FROM t WHERE lower(d) = 'abc' ORDER BY id",
    "SELECT id FROM t WHERE d = 'ABC' AND a > 10 ORDER BY id",
    "SELECT k, count(*), sum(v) FROM big WHERE s = 's3' GROUP BY k ORDER BY k",
    "SELECT sum(v) FROM big",
    "SELECT count(*) FROM big WHERE k IN (1, 3) AND s > 's2'",
    "SELECT max(k), min(s) FROM big",
    "SELECT t.id, f.id FROM t JOIN f ON f.tid = t.id WHERE t.a < 30 ORDER BY 1, 2",
    "SELECT z, count(*) FROM w GROUP BY z ORDER BY z",
    "SELECT big.id FROM big JOIN t ON t.a = big.k WHERE big.s = 's1' ORDER BY 1 LIMIT 20",
    "SELECT x, y FROM w WHERE z BETWEEN 3 AND 9 ORDER BY x, y",
    "SELECT id FROM big WHERE k = 2 AND v > 50 ORDER BY id",
)
CURSORS = (
    "SELECT * FROM t",
    "SELECT b, id FROM t WHERE a > 5",
    "SELECT * FROM big WHERE k > 1",
    "SELECT x, y, z FROM w",
    "SELECT id, a FROM t WHERE a BETWEEN 10 AND 60",
    "SELECT s FROM big",
)
COMMANDS = (
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "RELEASE a",
    "RELEASE b",
)
DEFINITIONS = (
    "DROP INDEX IF EXISTS t_a",
    "CREATE INDEX IF NOT EXISTS t_a ON t (a)",
    "CREATE INDEX IF NOT EXISTS big_k ON big (k)",
    "DROP INDEX IF EXISTS big_k",
    "REINDEX",
    "ANALYZE",
)


def draw_change(draw: random.Random, step: int) -> tuple[str, tuple[Any, ...]]:
    n, m, real = draw.randrange(150), draw.randrange(80), draw.random()
    word = draw.choice(["abc", "ABC", "x", None, "Zed"])
    name = f"name {draw.randrange(200)}"
    return draw.choice(
        [
            ("INSERT INTO t VALUES (?, ?, ?, ?, ?)", (n, m, name, real, word)),
            ("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, ?)", (n, m, name, real, word)),
            ("INSERT INTO t (a, b, d) VALUES (?, ?, ?)", (m, f"new {step}", word)),
            ("INSERT INTO t (id, a, b) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET a = 7", (n, m, f"own {step}")),
            ("UPDATE t SET a = ? WHERE id = ?", (m, n)),
            ("UPDATE t SET c = ?, d = ? WHERE id = ?", (real, word, n)),
            ("UPDATE t SET b = ? WHERE id = ?", (name, n)),
            ("UPDATE t SET id = ? WHERE id = ?", (draw.randrange(150), n)),
            ("UPDATE t SET a = a + 1 WHERE a = ?", (m,)),
            ("UPDATE t SET d = ? WHERE id BETWEEN ? AND ?", (word, n, n + draw.choice([3, 50]))),
            ("DELETE FROM t WHERE id = ?", (n,)),
            ("DELETE FROM t WHERE a = ?", (m,)),
            ("DELETE FROM t WHERE id BETWEEN ? AND ?", (n, n + draw.choice([2, 40]))),
            ("INSERT OR REPLACE INTO w VALUES (?, ?, ?)", (m % 30, word or "w", n)),
            ("UPDATE w SET z = ? WHERE x = ? AND y = ?", (n, m % 30, word or "w")),
            ("UPDATE w SET x = x + 1 WHERE x = ?", (m % 30,)),
            ("DELETE FROM w WHERE x = ? AND y = ?", (m % 30, word or "w")),
            ("UPDATE w SET z = z + ?", (1,)),
            ("INSERT INTO f (tid, n) VALUES (?, ?)", (n, step)),
            ("DELETE FROM f WHERE tid = ?", (n,)),
            ("INSERT INTO big (k, s, v) VALUES (?, ?, ?)", (m % 5, f"s{n % 6}", n)),
            ("UPDATE big SET v = ? WHERE id = ?", (m, n)),
            ("UPDATE big SET k = k + 1 WHERE id = ?", (n * 2,)),
            ("UPDATE big SET v = v + 1 WHERE id BETWEEN ? AND ?", (n, n + draw.choice([2, 40]))),
            ("DELETE FROM big WHERE id = ?", (n,)),
            ("DELETE FROM big WHERE id BETWEEN ? AND ?", (n * 3, n * 3 + draw.choice([2, 40]))),
            ("INSERT INTO t (id, a, b) SELECT id + 1000, a, b || ? FROM t WHERE id < ?", (f"q{step}", m // 4)),
            ("DELETE FROM t WHERE id > ?", (900,)),
        ]
    )


def perform(con: Any, text: str, values: Any) -> Any:
    try:
        cursor = con.executemany(text, values) if isinstance(values, list) else con.execute(text, values)
        return cursor.fetchall(), cursor.rowcount
    except sqlite3.OperationalError as error:
        return type(error).__name__
    except sqlite3.Error as error:
        return str(error)


def look(con: Any) -> list[Any]:
    return [con.execute(text).fetchall() for text in LOOK]


def list_entries(key: Any) -> Iterator[tuple[Any, str]]:
    """The entries of a secondary key with those that wait, which go on waiting."""
    segments = key.segments
    changes: dict[Any, Any] = {}
    if type(segments) is Outstanding:
        keys, _, news = net_changes(segments.changes)
        changes = dict(zip(keys, news, strict=True))
        segments = segments.segments
    for segment in segments:
        for block in segment.blocks():
            for stored, unique_key in zip(block.keys, block.records, strict=True):
                if unique_key not in changes:
                    yield unique_key, repr(stored)
    for unique_key, record in changes.items():
        entry = None if record is None else key.entry_of(unique_key, record)
        if entry is not None:
            yield unique_key, repr(entry[1])


def check_entries(con: Any) -> None:
    for table in con._session.main.root().tables.values():
        records = list(table.items())
        for key in table.keys.values():
            entries = [(unique_key, key.entry_of(unique_key, record)) for unique_key, record in records]
            expected = [(unique_key, repr(entry[1])) for unique_key, entry in entries if entry is not None]
            assert sorted(map(repr, list_entries(key))) == sorted(map(repr, expected)), table.definition


class Sessions:
    """Connections with the same content, and what is held open of them."""

    def __init__(self, kind: str, name: str, rows: int) -> None:
        shared = f":memory:long {name}"
        self.con = tandemdb.connect(shared if kind == "shared" else ":memory:", isolation_level=None)
        self.other = tandemdb.connect(shared, isolation_level=None) if kind == "shared" else None
        self.real = sqlite3.connect(":memory:", isolation_level=None)
        for each in (self.con, self.real):
            each.execute("PRAGMA foreign_keys = ON")
            each.executescript(SCHEMA)
            t = [(n, n % 40, f"name {n}", n / 10, "abc") for n in range(0, 120, 2)]
            each.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", t)
            each.executemany("INSERT INTO big VALUES (NULL, ?, ?, ?)", [(n % 5, f"s{n % 6}", n) for n in range(rows)])
            each.executemany("INSERT INTO w VALUES (?, 'w', ?)", [(n, n) for n in range(20)])
        self.mirror: Any = None
        if kind in ("sync", "async"):
            self.mirror = tandemdb.connect(":memory:")
            self.con.replicate_to(self.mirror, mode=kind)
        self.held: list[tuple[Callable[[], Any], Any]] = []
        self.committed = look(self.real)

    def run(self, text: str, values: Any = ()) -> None:
        assert perform(self.con, text, values) == perform(self.real, text, values), text
        assert self.con.in_transaction == self.real.in_transaction
        check_entries(self.con)
        if not self.real.in_transaction:
            self.committed = look(self.real)

    def open_cursor(self, text: str, fetched: int) -> None:
        expected = sorted(map(repr, self.real.execute(text).fetchall()))
        cursor = self.con.execute(text)
        rows = cursor.fetchmany(fetched) if fetched else []
        self.held.append((lambda: sorted(map(repr, rows + cursor.fetchall())), expected))

    def keep(self, how: str) -> None:
        if how == "fork":
            kept = self.con.fork()
        elif self.con.in_transaction:
            return
        else:
            kept = self.con.as_of(self.con.snapshot() if how == "snapshot" else self.con.lsn)
        self.held.append((lambda: look(kept), self.committed))

    def let_go(self, place: int) -> None:
        read, expected = self.held.pop(place)
        assert read() == expected

    def compare(self) -> None:
        assert look(self.con) == look(self.real)
        assert self.con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if self.con.in_transaction:
            return
        check_root(self.con._database.root)
        if self.other is not None:
            assert look(self.other) == self.committed
        if self.mirror is not None:
            replication.wait_for(self.mirror._database, self.con._database.root.lsn)
            assert not describe_difference(self.con._database.root, self.mirror._database.root)

    def close(self) -> None:
        while self.held:
            self.let_go(-1)
        self.con.rollback()
        self.real.rollback()
        self.compare()
        for each in (self.con, self.real, self.other, self.mirror):
            if each is not None:
                each.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["private", "shared", "sync", "async"])
def test_a_long_session(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(f"{kind}/{seed}")
    monkeypatch.setattr(ready, "RUNS_OFTEN", draw.choice([2, 5, 100]))
    monkeypatch.setattr(secondary, "CHANGES_FEW", draw.choice([0, 2, 8]))
    sessions = Sessions(kind, str(seed), draw.choice([50, 400]))
    if seed == 1:
        sessions.con.keep_history(100)
    for step in range(STEPS):
        kind_of_step = draw.random()
        text, values = draw_change(draw, step)
        if kind_of_step < 0.55:
            sessions.run(text, values)
        elif kind_of_step < 0.63:  # the same many times, in a row or at once
            drawn = [draw_change(draw, step) for _ in range(400)]
            rows = [other for same, other in drawn if same == text]
            if kind_of_step < 0.59:
                sessions.run(text, rows)
            for row in rows if kind_of_step >= 0.59 else ():
                sessions.run(text, row)
        elif kind_of_step < 0.75:
            read = draw.choice(READS)
            for _ in range(draw.choice([1, 3])):
                sessions.run(read)
        elif kind_of_step < 0.88:
            sessions.run(draw.choice(COMMANDS))
        elif kind_of_step < 0.90:
            sessions.run(draw.choice(DEFINITIONS))
        elif kind_of_step < 0.95:
            sessions.open_cursor(draw.choice(CURSORS), draw.choice([0, 1, 3]))
        else:
            sessions.keep(draw.choice(["fork", "snapshot", "as_of"]))
        if len(sessions.held) > 6:
            sessions.let_go(draw.randrange(6))
        if step % 25 == 0:
            sessions.compare()
    sessions.close()
