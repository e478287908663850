"""The order of rows without ORDER BY: that of the index, or of the key, by which SQLite reads a whole table."""

from __future__ import annotations

import itertools
import random
import sqlite3
from typing import Any

import pytest

import tandemdb

TYPES = ("", "INTEGER", "TEXT", "REAL", "VARCHAR(40)")
VALUES = ("a", "B", "c", "A", "b", 1, 2, 3, 4.5, 10, 7, None)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("rowid", [True, False], ids=["rowid", "without rowid"])
def test_whole_tables(seed: int, rowid: bool) -> None:
    draw = random.Random(seed)
    columns = "abcd"[: draw.choice([2, 3, 4])]
    script = [draw_table(draw, columns, rowid)]
    for number in range(draw.choice([0, 1, 1, 2, 3])):
        chosen = draw.sample(columns, draw.choice([1, 1, 2, min(3, len(columns))]))
        terms = ", ".join(c + draw.choice(["", " COLLATE NOCASE", " COLLATE BINARY"]) for c in chosen)
        script.append(f"CREATE {draw.choice(['', '', 'UNIQUE '])}INDEX i{number} ON t ({terms})")
    rows = [tuple(draw.choice(VALUES) for _ in columns) for _ in range(12)]
    if "INTEGER PRIMARY KEY" in script[0]:
        rows = [(None, *row[1:]) for row in rows]
    both: list[Any] = [module.connect(":memory:") for module in (sqlite3, tandemdb)]
    for connection in both:
        for statement in script:
            connection.execute(statement)
        connection.executemany(f"INSERT OR IGNORE INTO t VALUES ({', '.join('?' * len(columns))})", rows)
    real, ours = both
    for size in range(1, len(columns) + 1):
        for chosen in itertools.combinations(columns, size):
            for condition in ("", " WHERE a IS NOT 1"):
                query = f"SELECT {', '.join(chosen)} FROM t{condition}"
                assert ours.execute(query).fetchall() == real.execute(query).fetchall(), (script, query)


def draw_table(draw: random.Random, columns: str, rowid: bool) -> str:
    definitions = [f"{c} {draw.choice(TYPES)}{draw.choice(['', '', ' COLLATE NOCASE'])}" for c in columns]
    keys = draw.sample(range(len(columns)), draw.choice([1, 1, 2]))
    for place in range(len(columns)):
        if draw.random() < 0.2 and place not in keys:
            definitions[place] += " UNIQUE"
    if rowid and draw.random() < 0.5:
        definitions[0] = "a INTEGER PRIMARY KEY"
    if not rowid:
        definitions.append(f"PRIMARY KEY ({', '.join(columns[place] for place in keys)})")
    if draw.random() < 0.2:
        definitions.insert(len(columns), f"UNIQUE ({', '.join(draw.sample(columns, 2))})")
    return f"CREATE TABLE t ({', '.join(definitions)}){'' if rowid else ' WITHOUT ROWID'}"
